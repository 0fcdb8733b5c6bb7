"""Which pages there are, in which section and order, and who opens which (for ``app.py``).

A page that the reader's role does not open stays known by its address, and says so there: a link
that a colleague sent leads to a plain answer, not to another page.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from pages.shared import auth

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
        ("analysis/followups.py", "Follow-up"),
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

AGGREGATES = frozenset({"manager", "physician", "rso"})
CASES = frozenset({"physician", "rso"})
#: Page → who opens it. A page that is not here is opened by nobody.
ROLES: dict[str, frozenset[str]] = {
    "dose/overview.py": AGGREGATES,
    "dose/comparison.py": AGGREGATES,
    "dose/trends.py": AGGREGATES,
    "dose/outliers.py": CASES,
    "dose/levels.py": AGGREGATES,
    "dose/rules.py": frozenset({"rso"}),
    "dose/report.py": frozenset({"rso"}),
    "analysis/significance.py": AGGREGATES,
    "analysis/outcomes.py": AGGREGATES,
    "analysis/followups.py": AGGREGATES,
    "analysis/evidence.py": AGGREGATES,
    "workflow/times.py": AGGREGATES,
    "workflow/rooms.py": AGGREGATES,
    "workflow/process.py": AGGREGATES,
    "workflow/whatif.py": AGGREGATES,
    "data/health.py": AGGREGATES,
    "data/case.py": CASES,
}


def opens(path: str, roles: frozenset[str]) -> bool:
    """Say whether somebody with these roles opens a page."""
    return bool(ROLES.get(path, frozenset()) & roles)


def pages(roles: frozenset[str], otherwise: Callable[[], None]) -> dict[str, list[StreamlitPage]]:
    """Return the pages by section, for ``st.navigation``; ``otherwise`` stands for those refused.

    The first page that the roles open is the start page; without any, it is a refused one.
    """
    start = next((path for path in _every() if opens(path, roles)), next(_every()))
    return {
        section: [
            _page(path, title, start, None if opens(path, roles) else otherwise)
            for path, title in listed
        ]
        for section, listed in PAGES.items()
    }


def _every() -> Iterator[str]:
    return (path for listed in PAGES.values() for path, _ in listed)


def _page(path: str, title: str, start: str, otherwise: Callable[[], None] | None) -> StreamlitPage:
    return st.Page(
        otherwise or ROOT / "pages" / path,
        title=title,
        url_path=Path(path).stem,
        default=path == start,
        visibility="hidden" if path in HIDDEN or otherwise else "visible",
    )


def link(path: str, label: str) -> None:
    """Draw a link to a page that the reader opens; the filters go along."""
    if opens(path, auth.person().roles):
        st.page_link(ROOT / "pages" / path, label=label, icon=":material/arrow_forward:")
