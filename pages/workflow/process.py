"""Which paths do cases take from order to report: variants, and the event log to take away."""

import polars as pl
import streamlit as st

from analytics.process import event_log, to_xes, variants
from pages.shared import data, downloads, page, trace
from pages.shared import format as fmt
from pages.shared.page import View
from warehouse.settings import shown
from warehouse.spreadsheets import neutralised

MOST_PATHS = 15
MOST_CASES = 10_000


def draw_variants(view: View) -> None:
    """Draw the common paths with how often and how long."""
    found = variants(data.query("workflow_variants", view.filters))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header("Paths of stamps", anchor=False, width="stretch")
        downloads.offer(
            found, key="paths", title="Paths of stamps", filters=view.filters,
            cells=downloads.Cells("n", ("path", "in_order")),
        )  # fmt: skip
    rows = [
        {
            "Path": row["path"],
            "Cases": fmt.count(row["n"]),
            "Share": fmt.percent(row["share"]),
            "Median, min": fmt.number(row["median_min"]),
            "P90, min": fmt.number(row["p90_min"]),
            "In order": "yes" if row["in_order"] else "no",
        }
        for row in found.head(MOST_PATHS).iter_rows(named=True)
    ]
    st.table(pl.DataFrame(rows), hide_index=True)
    rest = found.height - MOST_PATHS
    st.caption(
        "A path is the stamps that a case has, in the order of their times. Minutes: from the first"
        " to the last stamp from arrival on."
        + (f" {fmt.plural(rest, 'rarer path')} in the download." if rest > 0 else "")
    )


def draw_export(view: View) -> None:
    """Offer the event log; it is made on the click."""
    if not data.may("workflow_events"):
        return

    def xes() -> bytes:
        return to_xes(_events(view), shown().time_zone)

    def comma_separated() -> bytes:
        return neutralised(event_log(_events(view))).write_csv().encode()

    st.header("Event log", anchor=False)
    with st.container(horizontal=True):
        st.download_button(
            "XES", trace.taken(xes, "Event log as XES"), "kerma-events.xes",
            "application/xml", on_click="ignore", icon=":material/download:",
        )  # fmt: skip
        st.download_button(
            "CSV", trace.taken(comma_separated, "Event log as CSV"), "kerma-events.csv",
            "text/csv", on_click="ignore", icon=":material/download:",
        )  # fmt: skip
    st.caption(
        f"The newest {fmt.count(MOST_CASES)} cases at most, one row a stamp, for process-mining"
        " tools. Cases go by their number in this warehouse: no patient, accession number or staff."
    )


def _events(view: View) -> pl.DataFrame:
    return data.query("workflow_events", view.filters, most=MOST_CASES)


def main() -> None:
    """Draw the page."""
    view = page.begin("Paths", "Which paths do cases take, and which stamps are missing?")
    draw_variants(view)
    draw_export(view)


main()
