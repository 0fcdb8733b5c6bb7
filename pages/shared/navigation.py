"""Which pages there are, in which section and order; ``app.py`` registers exactly these."""

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

ROOT = Path(__file__).resolve().parents[2]

#: Section → (file below pages/, title). The first page is the start page.
PAGES: dict[str, list[tuple[str, str]]] = {
    "Dose": [
        ("dose/overview.py", "Overview"),
        ("dose/comparison.py", "Modality comparison"),
        ("dose/trends.py", "Dose trends"),
        ("dose/outliers.py", "Dose outliers"),
        ("dose/levels.py", "Reference levels"),
        ("dose/rules.py", "Outlier rules"),
        ("dose/report.py", "Committee report"),
    ],
    "Analysis": [
        ("analysis/significance.py", "Significance"),
        ("analysis/outcomes.py", "Outcomes"),
        ("analysis/evidence.py", "Evidence"),
    ],
    "Workflow": [
        ("workflow/times.py", "Times"),
        ("workflow/rooms.py", "Rooms"),
        ("workflow/process.py", "Paths"),
        ("workflow/whatif.py", "What if"),
    ],
    "Data": [
        ("data/health.py", "Data health"),
        ("data/case.py", "Case"),
    ],
}
#: Opened from a row, not from the menu.
HIDDEN = {"data/case.py"}


def pages() -> dict[str, list[StreamlitPage]]:
    """Return the registered pages by section, for ``st.navigation``."""
    return {
        section: [_page(path, title) for path, title in listed if (ROOT / "pages" / path).exists()]
        for section, listed in PAGES.items()
    }


def _page(path: str, title: str) -> StreamlitPage:
    return st.Page(
        ROOT / "pages" / path,
        title=title,
        default=path == "dose/overview.py",
        visibility="hidden" if path in HIDDEN else "visible",
    )


def link(path: str, label: str) -> None:
    """Draw a link to a page; the filters go along."""
    if (ROOT / "pages" / path).exists():
        st.page_link(ROOT / "pages" / path, label=label, icon=":material/arrow_forward:")
