"""The radiation safety committee's report of a quarter, as HTML and PDF, at one click."""

from dataclasses import dataclass

import streamlit as st

from pages.dose import report_blocks as blocks
from pages.dose.report_document import document
from pages.shared import auth, data, filters, page, trace
from pages.shared import format as fmt
from report.html import html
from report.pdf import pdf

MADE = "made-report"


@dataclass(frozen=True)
class Made:
    """A report as files, and what it was made of."""

    key: tuple[object, ...]
    name: str
    html: bytes
    pdf: bytes


def make(
    quarter: blocks.Quarter, view: filters.Filters, names: bool, key: tuple[object, ...]
) -> None:
    """Make both files of a quarter's report and keep them for the downloads."""
    report = document(quarter, view, names, auth.person().name)
    name = f"kerma-dose-report-{quarter.year}-q{quarter.number}"
    st.session_state[MADE] = Made(key, name, html(report).encode(), pdf(report))


def draw_files(made: Made) -> None:
    """Offer the files and show the report."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "PDF", trace.taken(lambda: made.pdf, f"{made.name} as PDF"), f"{made.name}.pdf",
            "application/pdf", key="report-pdf",
            icon=":material/picture_as_pdf:", type="primary", on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "HTML", trace.taken(lambda: made.html, f"{made.name} as HTML"), f"{made.name}.html",
            "text/html", key="report-html",
            icon=":material/html:", on_click="ignore",
        )  # fmt: skip
        pdf_kib, html_kib = (fmt.count(len(file) // 1024) for file in (made.pdf, made.html))
        st.caption(f"PDF {pdf_kib} KiB, HTML {html_kib} KiB")
    st.iframe(made.html.decode(), height=900)


def main() -> None:
    """Draw the page."""
    view = page.begin(
        "Committee report",
        "What the committee gets: one quarter, from the same queries and analyses as the pages.",
        needs_procedures=False,
    )
    known = data.query("freshness").row(0, named=True)
    if known["data_to"] is None:
        page.no_procedures()
        st.stop()
    listed = blocks.quarters(known["data_from"], known["data_to"])
    named = {f"{q.year} Q{q.number}": q for q in listed}
    first = blocks.proposed(listed, known["data_to"])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Quarter", list(named), index=listed.index(first), key="quarter", bind="query-params",
            width=160,
        )  # fmt: skip
        quarter = named.get(chosen, first)
        allowed = auth.person().scope.sees_names
        names = allowed and st.toggle("Operators by name", key="report-names")
        key = (quarter, view.filters, names, data.snapshot())
        if st.button("Make the report", icon=":material/description:", key="make-report"):
            with st.spinner("Making the report"):
                make(quarter, view.filters, names, key)
    st.caption(
        f"{quarter.words}. The quarter takes the place of the bar's period; its other filters hold."
        " Typical values cover the 12 months, trends the 36 months up to the quarter's end."
    )
    made = st.session_state.get(MADE)
    if made and made.key == key:
        draw_files(made)


main()
