"""Cards: one number each, with its unit, interval, n, change and recent course."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import streamlit as st

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
            card.change,
            delta_color=_COLOURS[card.better] if card.clear else "off",
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
