"""Follow-ups: which are due and overdue, and which arrived and could not be placed."""

from datetime import date

import polars as pl
import streamlit as st

from pages.shared import data, downloads, filters, page
from pages.shared import format as fmt
from pages.shared.navigation import ROOT
from pages.shared.page import View

CASE = ROOT / "pages" / "data" / "case.py"
SCALES = {"pain": "Pain", "odi": "ODI", "ndi": "NDI"}
TIMES = {
    "1wk": "1 week", "2wk": "2 weeks", "1mo": "1 month", "2mo": "2 months", "3mo": "3 months",
    "6mo": "6 months",
}  # fmt: skip
WHY = {
    "waiting": "waits for its procedure",
    "ambiguous": "accession number of several days: performed_on is needed",
    "outside": "day in no window of a time point",
    "scale": "another scale than the procedure's",
    "beside": "another follow-up of the time point stands",
}
MOST = 500
#: A time point at which fewer of the cases have a score is not one that the department asks at.
LEAST_ASKED = 0.02


def ask() -> tuple[str, date]:
    """Ask for the scale and the day."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        scale = filters.choose("scale", "Scale", SCALES)
        day = st.date_input(
            "On", date.today(), key="on", width=180,
            help="Due and overdue as they stand on this day.",
        )  # fmt: skip
    return scale, day


def draw_counts(counts: pl.DataFrame, view: View) -> list[str]:
    """Draw how many follow-ups are in which state; return the time points that are asked at."""
    asked = counts.filter(pl.col("n_scored") > LEAST_ASKED * pl.sum_horizontal(pl.col("^n_.*$")))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header("Due and overdue", anchor=False, width="stretch")
        states = [name for name in counts.columns if name.startswith("n_")]
        downloads.offer(
            counts.select("timepoint", *states).unpivot(
                states, index="timepoint", variable_name="state", value_name="n"
            ),
            key="follow-ups-counts", title="Follow-ups by time point", filters=view.filters,
            cells=downloads.Cells("n", ("timepoint", "state")),
        )  # fmt: skip
    st.table(
        pl.DataFrame(
            [
                {
                    "At": TIMES[row["timepoint"]],
                    "Due": fmt.count(row["n_due"]),
                    "Overdue": fmt.count(row["n_overdue"]),
                    "Missed": fmt.count(row["n_missed"]),
                    "Scored": fmt.count(row["n_scored"]),
                    "Not yet": fmt.count(row["n_later"]),
                }
                for row in counts.iter_rows(named=True)
            ]
        ),
        hide_index=True,
    )
    st.caption(
        "Completed cases with a baseline. **Due**: the window of the time point is open, its day"
        " has not passed; **overdue**: its day has passed; **missed**: the window is closed."
        " Windows in days after the procedure: 1 week 4–10, 2 weeks 11–22, 1 month 23–45,"
        " 2 months 46–76, 3 months 77–137, 6 months 138–229."
    )
    return asked["timepoint"].to_list()


def draw_list(scale: str, later: int, asked: list[str], view: View) -> None:
    """List the open follow-ups; a row opens the case, where the score can be entered."""
    if not data.may("follow_ups_list"):
        st.caption("Single cases are listed for physicians and radiation safety.")
        return
    chosen = st.pills(
        "Time points", list(TIMES), selection_mode="multi", default=asked, key="times",
        format_func=TIMES.__getitem__,
    )  # fmt: skip
    found = data.query(
        "follow_ups_list", view.filters, outcome_scale=scale, timepoints=tuple(chosen),
        days_later=later, most=MOST,
    )  # fmt: skip
    if found.is_empty():
        st.info("No follow-up of these time points is due or overdue in this view.")
        return
    table = found.with_columns(
        pl.col("procedure").map_elements(fmt.procedure, pl.String),
        pl.col("timepoint").replace_strict(TIMES, return_dtype=pl.String),
    ).rename(
        {
            "state": "State", "due_on": "Day", "closes_on": "Until", "timepoint": "At",
            "accession_number": "Accession number", "site": "Site", "procedure": "Procedure",
            "operator": "Operator", "performed_on": "Performed on", "procedure_id": "Case",
        }
    )  # fmt: skip
    order = [
        "State", "Day", "Until", "At", "Accession number", "Site", "Procedure", "Operator",
        "Performed on", "Case",
    ]  # fmt: skip
    picked = st.dataframe(
        table.select(order), key="follow-ups", hide_index=True, height=420, on_select="rerun",
        selection_mode="single-row", alt="Follow-ups due and overdue",
        column_config={
            name: st.column_config.DateColumn(format="YYYY-MM-DD")
            for name in ("Day", "Until", "Performed on")
        },
    )  # fmt: skip
    n = int(found["n_all"][0])
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"{fmt.plural(n, 'follow-up')} open, the soonest to close first"
            + (f"; the first {fmt.count(MOST)} shown." if n > MOST else ".")
            + " Select a row, then open the case to enter the score.",
            width="stretch",
        )
        downloads.offer(table.select(order), key="follow-ups", title="Follow-ups due and overdue",
                        filters=view.filters)  # fmt: skip
    rows = picked["selection"]["rows"]
    if rows and st.button("Open case", type="primary", icon=":material/open_in_new:"):
        st.switch_page(CASE, query_params={"id": str(table["Case"][rows[0]])})


def draw_recent() -> None:
    """List a day's cases of the reader's, so that an outcome of today can be entered."""
    if not data.may("follow_ups_recent"):
        return
    st.header("Enter an outcome of a recent case", anchor=False)
    day = st.date_input(
        "Cases of", None, key="cases-of", width=180, format="YYYY-MM-DD",
        help="Blank: the last day with cases.",
    )  # fmt: skip
    found = data.query("follow_ups_recent", None, day=day, most=MOST)
    if found.is_empty():
        when = f" on {fmt.day(day)}" if day else ""
        st.info(f"No completed case that you may see has an accession number{when}.")
        return
    shown = found.select(
        pl.col("performed_on").alias("Day"),
        pl.col("procedure_start_at").dt.to_string("%H:%M").alias("At"),
        pl.col("accession_number").alias("Accession number"),
        pl.col("site").alias("Site"),
        pl.col("room").alias("Room"),
        pl.col("procedure").map_elements(fmt.procedure, pl.String).alias("Procedure"),
        pl.col("operator").alias("Operator"),
        pl.col("has_complications").alias("Complications known"),
        pl.col("has_satisfaction").alias("Satisfaction known"),
    )
    picked = st.dataframe(
        shown, key="recent", hide_index=True, placeholder=fmt.DASH, on_select="rerun",
        selection_mode="single-row", alt="Cases of one day",
        height="content" if found.height < 10 else 420,
        column_config={"Day": st.column_config.DateColumn(format="YYYY-MM-DD")},
    )  # fmt: skip
    st.caption(
        f"{fmt.plural(found.height, 'case')}. Select a row, then open the case: its outcomes are"
        " entered there."
    )
    rows = picked["selection"]["rows"]
    if rows and st.button(
        "Open case to enter", key="open-recent", type="primary", icon=":material/edit_note:"
    ):
        st.switch_page(CASE, query_params={"id": str(found["procedure_id"][rows[0]])})


def draw_unplaced() -> None:
    """List follow-ups that arrived and are counted nowhere, with the reason."""
    if not data.may("follow_ups_unplaced"):
        return
    st.header("Arrived but not placed", anchor=False)
    found = data.query("follow_ups_unplaced", None, most=MOST)
    if found.is_empty():
        st.markdown("Every follow-up that was read belongs to a procedure and a time point.")
        return
    sums = found.unique("state", keep="first").sort("state")
    st.markdown(
        "; ".join(f"{fmt.count(r['n_all'])} {WHY[r['state']]}" for r in sums.to_dicts()) + "."
    )
    shown = found.select(
        pl.col("state").replace_strict(WHY, return_dtype=pl.String).alias("Why"),
        pl.col("accession_number").alias("Accession number"),
        pl.col("site").alias("Site"),
        pl.coalesce("scale", "measure").alias("Scale"),
        pl.coalesce("timepoint", pl.col("measured_on").cast(pl.String)).alias("Moment"),
        pl.col("score").alias("Value"),
        pl.format("{}:{}", "path", "source_line").alias("File and line"),
    )
    st.dataframe(shown, hide_index=True, placeholder="–", alt="Follow-ups not placed")
    downloads.offer(found, key="follow-ups-unplaced", title="Follow-ups not placed")


def main() -> None:
    """Draw the page."""
    view = page.begin("Follow-up", "Whom do we still have to ask?")
    scale, day = ask()
    known = data.query("freshness").row(0, named=True)
    later = (day - known["data_to"]).days
    counts = data.query("follow_ups_counts", view.filters, outcome_scale=scale, days_later=later)
    if counts.is_empty():
        st.info(f"No completed case in this view has a {SCALES[scale]} baseline: nobody is asked.")
    else:
        asked = draw_counts(counts, view)
        draw_list(scale, later, asked, view)
    draw_recent()
    draw_unplaced()


main()
