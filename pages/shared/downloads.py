"""What a reader can take away: the download menu of a table and of the chart that shows it.

A reader who may not see single cases takes a table without its small cells (``docs/access.md``).
"""

from collections.abc import Callable
from dataclasses import dataclass

import altair as alt
import polars as pl
import streamlit as st

from analytics.suppression import LARGEST, held_rows, protected
from pages.shared import auth, files, trace
from pages.shared.filters import Filters, current
from pages.shared.navigation import CASES


@dataclass(frozen=True)
class Cells:
    """What a table's rows count, so that small counts can be held back.

    ``count`` is the column on which a row's figures rest, ``by`` are those that name the row,
    ``parts``, ``also`` and ``within`` as in :func:`analytics.suppression.held_rows`. ``words`` are
    further columns that are no figures. The counts stand in the table itself, or in one of their
    own (``counted`` of :func:`offer`) whose rows are the table's.
    """

    count: str
    by: tuple[str, ...]
    parts: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    within: tuple[str, ...] = ()


#: A table without figures of patients: literature, settings, the log.
NO_PATIENTS = Cells("", ())
UNKNOWN = (
    "Not for your role: its rows stand for single cases, or for fewer than 11 patients in a way"
    " that leaving some out would not hide."
)
TOO_MANY = (
    "Not for your role in this view: nearly all of its rows stand for fewer than 11 patients. Widen"
    " the period or clear filters."
)
HELD_BACK = "counts of 1 to 10 are left out, and others from which they could be computed"


def over(*n: int | None) -> Cells | None:
    """Return what a table without counts declares: nothing small, where enough cases went in.

    ``n`` are the cases behind its figures, of each group that they compare.
    """
    known = bool(n) and all(cases is not None and cases > LARGEST for cases in n)
    return NO_PATIENTS if known else None


@st.cache_data(show_spinner=False, max_entries=256)
def _protected(
    whole: pl.DataFrame, cells: Cells, counted: pl.DataFrame | None = None
) -> pl.DataFrame | None:
    """Return a table without its small cells; None where too many would have to be left out."""
    counts = whole if counted is None else counted
    try:
        held = held_rows(counts, cells.count, cells.by, cells.parts, cells.also, cells.within)
    except ValueError:
        return None
    if held.len() and held.all():
        return None
    return protected(whole, held, (*cells.by, *cells.words))


def _withheld(key: str, why: str) -> None:
    """Stand for a download that is not for readers of aggregates, and say why."""
    st.button(
        "Download", type="tertiary", icon=":material/download:", disabled=True,
        key=f"{key}-withheld", help=why,
    )  # fmt: skip


def offer(
    frame: pl.DataFrame | Callable[[], pl.DataFrame],
    *,
    key: str,
    title: str,
    filters: Filters | None = None,
    chart: alt.TopLevelMixin | None = None,
    words: pl.DataFrame | None = None,
    cells: Cells | None = None,
    counted: pl.DataFrame | None = None,
) -> None:
    """Draw the download menu of a table, and of the chart that shows it.

    ``key`` is unique on the page and names the files. A function in place of the table is called
    on the click only. ``words`` is the table as it is printed: with it the menu has HTML too.

    A reader who may not see single cases takes a table only without its small cells, so only one
    whose ``cells`` are known (in ``counted`` where the table says them in words); a chart and a
    printed table, only where nothing is held back.
    """
    small = not auth.person().roles & CASES and cells is not NO_PATIENTS
    if small:
        whole = frame() if callable(frame) else frame
        safe = None if cells is None else _protected(whole, cells, counted)
        if safe is None:
            _withheld(key, UNKNOWN if cells is None else TOO_MANY)
            return
        frame = safe
        if not frame.equals(whole):
            chart, words, title = None, None, f"{title} ({HELD_BACK})"

    def made(write: Callable[[pl.DataFrame, files.Header], bytes]) -> bytes:
        table = frame() if callable(frame) else frame
        return write(table, files.header(title, filters, table))

    kinds: list[tuple[str, str, str, Callable[[], bytes]]] = [
        ("CSV", "csv", "text/csv", lambda: made(files.csv_bytes)),
        (
            "XLSX",
            "xlsx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            lambda: made(files.xlsx_bytes),
        ),
    ]
    if words is not None:
        printed = words
        kinds.append(
            (
                "HTML",
                "html",
                "text/html",
                lambda: files.html_bytes(printed, files.header(title, filters, printed)),
            )
        )
    if chart is not None:
        kinds += [
            ("PNG", "png", "image/png", lambda: files.png_bytes(chart)),
            ("SVG", "svg", "image/svg+xml", lambda: files.svg_bytes(chart)),
        ]
    with (
        st.popover("Download", type="tertiary", icon=":material/download:", key=f"{key}-menu"),
        st.container(horizontal=True),
    ):
        for label, ending, mime, make in kinds:
            said = "; ".join(filters.words()) if filters else ""
            st.download_button(
                label, trace.taken(make, f"{title} as {label}", filters=said),
                f"kerma-{key}.{ending}", mime,
                key=f"{key}-{ending}", on_click="ignore", help=f"{title} as {label}"
                + (", to paste into a text document" if label == "HTML" else ""),
            )  # fmt: skip


def table(
    frame: pl.DataFrame,
    *,
    key: str,
    title: str,
    cells: Cells | None = None,
    counted: pl.DataFrame | None = None,
) -> None:
    """Draw a table as it is printed, with its download menu below."""
    st.table(frame, hide_index=True)
    offer(frame, key=key, title=title, filters=current(), cells=cells, counted=counted)


def hide_own() -> None:
    """Take Streamlit's own menus off tables and charts where small cells are held back.

    They give what is drawn, whole, and past the access log.
    """
    if not auth.person().roles & CASES:
        st.html('<style>[data-testid="stElementToolbar"] {display: none}</style>')
