"""Rooms whose dose drifts away from their own first year, all procedures taken together."""

from dataclasses import replace

import polars as pl
import streamlit as st

from analytics.drift import BASELINE_MONTHS, RoomDrift, drifts, every_month
from analytics.results import NotComputable
from analytics.rules import MIN_CASES
from pages.dose.measures import DoseMeasure
from pages.dose.trend_findings import Choice
from pages.shared import data, downloads
from pages.shared import format as fmt
from pages.shared.filters import Filters

#: Months that are looked at: those that set the limits, and as many after them.
MONTHS = 2 * BASELINE_MONTHS
NOTE = (
    "Each room against its own first year of these two, all procedures together: monthly mean of "
    "the log dose less that of cases alike (procedure and size band). A signal is a month beyond "
    "three standard errors, or a weighted average (EWMA 0.2) beyond 2.7. A recorded change of "
    "protocol or a unit error shows as a signal too; about one steady room in seven signals once "
    "in a year."
)


def found(
    modality: str, measure: DoseMeasure, filters: Filters
) -> dict[tuple[str | None, ...], object]:
    """Return the chart of every room of a view over the last two years, or why it has none."""
    months = data.query(
        "drift_months", replace(filters, from_date=None), modality=modality,
        dose_index=measure.name, min_n=MIN_CASES,
    )  # fmt: skip
    if months.is_empty():
        return {}
    first = pl.col("month").max().dt.offset_by(f"-{MONTHS - 1}mo")
    return dict(drifts(every_month(months.filter(pl.col("month") >= first))))


def table(rooms: dict[tuple[str | None, ...], object]) -> pl.DataFrame:
    """Say of each room whether and since when it signals, and by how much."""
    rows = []
    for (site, room), drift in rooms.items():
        if isinstance(drift, RoomDrift):
            n, since, ratio = sum(drift.n), drift.first_signal, drift.ratio
            said = "no signal" if since is None else f"signals since {since:%b %Y}"
        else:
            assert isinstance(drift, NotComputable)
            n, since, ratio = drift.n, None, None
            said = f"not judged: {drift.reason}"
        rows.append((room, site, said, None if ratio is None else 100 * (ratio - 1), n))
    schema = {"Room": pl.String, "Site": pl.String, "Drift": pl.String,
              "That month (%)": pl.Float64, "Cases": pl.Int64}  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def signals(rooms: pl.DataFrame) -> pl.DataFrame:
    """Return the rooms of :func:`table` that signal."""
    return rooms.filter(pl.col("Drift").str.starts_with("signals"))


def words(rooms: pl.DataFrame, modality: str, measure: DoseMeasure) -> str:
    """Say in a sentence which rooms signal since when."""
    said = "; ".join(
        f"{row['Room']} ({row['Site']}) {row['Drift']}, that month "
        f"{fmt.number(row['That month (%)'])}{fmt.THIN}% against its first year"
        for row in signals(rooms).iter_rows(named=True)
    )
    return f"**{measure.label}, {modality}:** {said or 'no room signals'}."


def draw(choice: Choice, filters: Filters) -> None:
    """Draw which rooms drift."""
    st.header("Rooms that drift", anchor=False)
    rooms = table(found(choice.modality, choice.measure, filters))
    if rooms.is_empty():
        st.info("No room of this view has 20 cases alike: nothing can be judged.")
        return
    st.markdown(words(rooms, choice.modality, choice.measure))
    st.dataframe(
        rooms, hide_index=True, placeholder=fmt.DASH, alt="Rooms that drift",
        column_config={"That month (%)": st.column_config.NumberColumn(format="%+.0f")},
    )  # fmt: skip
    downloads.offer(rooms, key="drift", title="Rooms that drift", filters=filters,
                    cells=downloads.Cells("Cases", ("Room", "Site")))  # fmt: skip
    st.caption(NOTE)
