"""Cards: one number each, with its unit, interval, n, change and recent course."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from analytics.periods import Course
from analytics.results import Estimate, NotComputable
from pages.shared import format as fmt

Better = Literal["lower", "higher", "neither"]


@dataclass(frozen=True)
class Card:
    """What one card says; texts come from ``format``, so a card computes nothing.

    ``note`` carries interval and n. ``change`` starts with a sign; ``clear`` says whether its
    interval excludes no change: an unclear change is drawn grey, whatever its direction.
    """

    label: str
    value: str
    note: str
    change: str | None = None
    change_note: str | None = None
    clear: bool = False
    better: Better = "neither"
    course: Sequence[float | None] = ()
    help: str | None = None


_COLOURS: dict[Better, Literal["normal", "inverse", "off"]] = {
    "higher": "normal",
    "lower": "inverse",
    "neither": "off",
}


def draw(card: Card) -> None:
    """Draw one card in the current container."""
    with st.container(border=True, height="stretch", gap="xsmall"):
        st.metric(
            card.label,
            card.value,
            card.change.replace(fmt.MINUS, "-") if card.change else None,
            delta_color=_COLOURS[card.better] if card.clear else "off",
            delta_arrow="off" if (card.change or "0").startswith("0") else "auto",
            delta_description=card.change_note,
            chart_data=[value for value in card.course if value is not None] or None,
            height="stretch",
            help=card.help,
        )
        st.caption(card.note)


def grid(cards: Sequence[Card], columns: int = 4) -> None:
    """Draw cards in rows of equal height; narrow screens stack them."""
    for start in range(0, len(cards), columns):
        for place, card in zip(st.columns(columns), cards[start : start + columns], strict=False):
            with place:
                draw(card)


def of_course(
    course: Course,
    *,
    label: str,
    level: Callable[[float], str],
    note: Callable[[Estimate], str],
    change: Callable[[Estimate], tuple[str, str]],
    versus: str,
    better: Better,
    help: str,
) -> Card:
    """Make a card of a measure's level, change and course; the functions word them.

    ``change`` returns the change and its interval in words.
    """
    if isinstance(course.level, NotComputable):
        return Card(label, fmt.DASH, course.level.reason.capitalize(), help=help)
    said = f"{note(course.level)}, n = {fmt.count(course.level.n)}"
    months = [value for _, value in course.months]
    if isinstance(course.change, NotComputable):
        reason = course.change.reason.removeprefix("cannot be computed, because ")
        no_change = f"no change shown: {reason}"
        return Card(label, level(course.level.value), f"{said}; {no_change}", course=months,
                    help=help)  # fmt: skip
    words, ends = change(course.change)
    return Card(
        label,
        level(course.level.value),
        f"{said}; change: 95{fmt.THIN}% CI {ends}",
        words,
        versus,
        clear=excludes_none(course.change),
        better=better,
        course=months,
        help=help,
    )


def excludes_none(change: Estimate) -> bool:
    """Say whether an interval excludes no change: 0 of a difference, 1 of a ratio."""
    none = 1.0 if "ratio" in change.method or "Poisson" in change.method else 0.0
    outside = (change.low is not None and change.low > none) or (
        change.high is not None and change.high < none
    )
    return outside
