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
    "Administration": [
        ("admin/settings.py", "Settings"),
        ("admin/access_log.py", "Access log"),
    ],
}
#: Opened from a row, not from the menu.
HIDDEN = {"data/case.py"}
#: No page of these shows procedures: they need no warehouse and have no filter bar.
WITHOUT_DATA = {"admin/settings.py", "admin/access_log.py"}

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
    "admin/settings.py": frozenset({"admin"}),
    "admin/access_log.py": frozenset({"admin"}),
}


def opens(path: str, roles: frozenset[str]) -> bool:
    """Say whether somebody with these roles opens a page."""
    return bool(ROLES.get(path, frozenset()) & roles)


def choose(roles: frozenset[str], otherwise: Callable[[], None]) -> tuple[StreamlitPage, bool]:
    """Register the pages and return the one that was asked for, and whether it shows data.

    ``otherwise`` stands for pages that the roles do not open: they keep their address and say so.
    The first page that the roles open is the start page.
    """
    start = next((path for path in _every() if opens(path, roles)), next(_every()))
    listed = {
        section: {path: _page(path, title, start, opens(path, roles), otherwise)
                  for path, title in pages}
        for section, pages in PAGES.items()
    }  # fmt: skip
    chosen = st.navigation(
        {section: list(pages.values()) for section, pages in listed.items()}, position="top"
    )
    asked = next(p for pages in listed.values() for p, page in pages.items() if page is chosen)
    return chosen, opens(asked, roles) and asked not in WITHOUT_DATA


def closed() -> None:
    """Register every page with nothing on it: whoever has not passed the gate keeps the address."""
    listed = [_page(path, title, next(_every()), False, _blank) for path, title in _titled()]
    st.navigation(listed, position="hidden")


def _blank() -> None:
    """Stand for every page until the gate lets somebody pass."""


def _titled() -> Iterator[tuple[str, str]]:
    return (page for listed in PAGES.values() for page in listed)


def _every() -> Iterator[str]:
    return (path for path, _ in _titled())


def _page(
    path: str, title: str, start: str, opened: bool, otherwise: Callable[[], None]
) -> StreamlitPage:
    return st.Page(
        ROOT / "pages" / path if opened else otherwise,
        title=title,
        url_path=Path(path).stem,
        default=path == start,
        visibility="visible" if opened and path not in HIDDEN else "hidden",
    )


def link(path: str, label: str) -> None:
    """Draw a link to a page that the reader opens; the filters go along."""
    if opens(path, auth.person().roles):
        st.page_link(ROOT / "pages" / path, label=label, icon=":material/arrow_forward:")
