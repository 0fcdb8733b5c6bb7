"""What needs attention: clear changes for the worse and gaps in the data, each with its page."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import streamlit as st

from analytics.periods import Course
from analytics.results import Estimate
from pages.shared import data, freshness
from pages.shared import format as fmt
from pages.shared.navigation import link
from pages.shared.page import View

SHARE_WITHOUT_DOSE = 0.05
OUTLIERS = "dose/outliers.py"
HEALTH, TRENDS, COMPARISON = "data/health.py", "dose/trends.py", "dose/comparison.py"


@dataclass(frozen=True)
class Item:
    """One thing to look at: how pressing, what, and where to go."""

    level: Literal["high", "medium"]
    words: str
    page: str
    go: str


def listed(view: View, courses: dict[str, Course], standing_out: int) -> list[Item]:
    """Return what needs attention, the pressing first; ``standing_out`` cases wait for review."""
    found = _of_freshness() + _of_cases(standing_out) + _of_changes(courses) + _of_data(view)
    return sorted(found, key=lambda item: item.level != "high")


def draw(items: list[Item]) -> None:
    """Draw the list, or say what was looked at."""
    if not items:
        st.success(
            "Nothing stands out: no clear change for the worse, and the data is fresh and complete."
            " That is not proof that nothing changed.",
            icon=":material/check:",
        )
    for item in items:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            high = item.level == "high"
            st.badge(
                "Now" if high else "Look",
                color="red" if high else "orange",
                icon=":material/priority_high:" if high else ":material/visibility:",
            )
            st.markdown(item.words, width="content")
            link(item.page, item.go)


def _of_freshness() -> list[Item]:
    found = freshness.judge(data.query("freshness").row(0, named=True), datetime.now(UTC))
    if found.colour == "green":
        return []
    level = "high" if found.colour == "red" else "medium"
    return [Item(level, f"The data is not fresh: {found.words}.", HEALTH, "Data health")]


def _of_cases(standing_out: int) -> list[Item]:
    if not standing_out:
        return []
    text = (
        f"{fmt.plural(standing_out, 'case')} beyond a dose rule in this period "
        f"{'waits' if standing_out == 1 else 'wait'} for review."
    )
    return [Item("medium", text, OUTLIERS, "Dose outliers")]


def _of_changes(courses: dict[str, Course]) -> list[Item]:
    """Name every measure whose change for the worse is clear: its interval excludes no change."""
    found: list[Item] = []
    for measure, course in courses.items():
        change = course.change
        if not isinstance(change, Estimate) or change.low is None or change.high is None:
            continue
        interval = f"95{fmt.THIN}% CI"
        if measure == "complications" and change.low > 0:
            words, ends = fmt.points_change(change)
            text = f"Complications rose by {words.lstrip('+')} ({interval} {ends})."
            found.append(Item("high", text, COMPARISON, "Modality comparison"))
        elif measure == "satisfaction" and change.high < 0:
            words, ends = fmt.points_change(change)
            text = f"Satisfied patients changed by {words} ({interval} {ends})."
            found.append(Item("medium", text, COMPARISON, "Modality comparison"))
        elif measure in fmt.MEASURES and measure != "satisfaction" and change.low > 1:
            words, ends = fmt.ratio_change(change)
            text = f"The median of {fmt.measure(measure).short} rose by {words.lstrip('+')}"
            where = (TRENDS, "Dose trends") if _is_dose(measure) else (COMPARISON, "Comparison")
            found.append(Item("medium", f"{text} ({interval} {ends}).", *where))
    return found


def _is_dose(measure: str) -> bool:
    return measure not in ("duration_min", "waiting_min")


def _of_data(view: View) -> list[Item]:
    """Name the gaps in the data that bend the figures above."""
    row = view.counts.row(0, named=True)
    alerts = data.query("overview_alerts", view.filters).row(0, named=True)
    found: list[Item] = []
    share = row["n_without_dose"] / row["n_ionising"] if row["n_ionising"] else 0.0
    if share > SHARE_WITHOUT_DOSE:
        text = f"{fmt.percent(share)} of CT and fluoroscopy procedures have no dose."
        found.append(Item("medium", text, HEALTH, "Data health"))
    said = {
        "n_unit_doubt": "with KAP and air kerma that contradict each other: one unit is wrong.",
        "n_unspecified": "with a dose in mGy whose index the log does not state.",
        "n_unmapped": "with a name that is not mapped to a procedure.",
    }
    for column, words in said.items():
        if alerts[column]:
            text = f"{fmt.plural(alerts[column], 'procedure')} {words}"
            found.append(Item("medium", text, HEALTH, "Data health"))
    if alerts["n_rejected"]:
        text = f"{fmt.plural(alerts['n_rejected'], 'rejected row')} not sent again since."
        found.append(Item("medium", text, HEALTH, "Data health"))
    return found
