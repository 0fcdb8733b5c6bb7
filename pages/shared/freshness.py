"""How fresh the data is and what a view leaves out."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import polars as pl
import streamlit as st

from pages.shared import format as fmt
from warehouse.settings import shown

LATE = timedelta(hours=36)
STALE = timedelta(hours=72)
LAG = timedelta(days=7)


@dataclass(frozen=True)
class Freshness:
    """The badge: its colour, its words, and what stands behind it."""

    colour: Literal["green", "orange", "red"]
    words: str
    help: str


def judge(row: dict[str, Any], now: datetime) -> Freshness:
    """Judge query ``freshness`` at a moment (UTC): amber after 36 hours, red after 72.

    Amber too where the newest procedure is older than a week: an export may come and hold nothing.

    What ages is the newest file that was loaded, not the last run: a refresh that finds nothing
    new does not make the data fresher.
    """
    loaded: datetime | None = row["loaded_at"]
    newest: datetime | None = row["arrived_at"] or loaded
    if newest is None:
        return Freshness("red", "No load is recorded", "The warehouse has no finished refresh.")
    age = now.replace(tzinfo=None) - newest
    lagging = now.date() - row["data_to"] > LAG if row["data_to"] else True
    colour = "red" if age > STALE else "orange" if age > LATE or lagging else "green"
    late = f", {fmt.plural(int(age.total_seconds() // 3600), 'hour')} ago" if age > LATE else ""
    words = f"Data to {fmt.day(row['data_to'])} · loaded {_local(newest)}{late}"
    return Freshness(
        colour, words,
        f"Newest file arrived {_local(newest)}; last finished refresh {_local(loaded)} "
        f"({shown().time_zone}). Amber after 36 hours, red after 72; amber too where the newest "
        "procedure is older than a week.",
    )  # fmt: skip


def _local(moment: datetime | None) -> str:
    """Write a UTC moment in the installation's time zone."""
    if moment is None:
        return fmt.DASH
    return fmt.moment(moment.replace(tzinfo=UTC).astimezone(ZoneInfo(shown().time_zone)))


def badge(row: dict[str, Any]) -> None:
    """Draw the freshness badge."""
    found = judge(row, datetime.now(UTC))
    icon = ":material/schedule:" if found.colour == "green" else ":material/warning:"
    st.badge(found.words, color=found.colour, icon=icon, help=found.help)


def left_out(counts: pl.DataFrame) -> list[str]:
    """Say what a view leaves out and why, with counts; from a row of query ``counts``."""
    row = counts.row(0, named=True)
    reasons = {
        "n_test": "test patients or phantoms",
        "n_cancelled": "cancelled",
        "n_discontinued": "discontinued",
        "n_scheduled": "not yet done",
        "n_deleted": "withdrawn by the source",
    }
    said = [f"{fmt.count(row[key])} {why}" for key, why in reasons.items() if row[key]]
    if row["n_without_dose"]:
        share = row["n_without_dose"] / max(row["n_ionising"], 1)
        said.append(
            f"{fmt.count(row['n_without_dose'])} CT or fluoroscopy procedures without a dose "
            f"({fmt.percent(share)}; only left out of dose figures)"
        )
    return said
