"""Rooms whose dose drifts away from their own first year, all procedures taken together."""

from dataclasses import replace

import polars as pl
import streamlit as st

from analytics.drift import BASELINE_MONTHS, RoomDrift, drifts, every_month
from analytics.results import NotComputable
from analytics.rules import MIN_CASES
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


def found(choice: Choice, filters: Filters) -> dict[tuple[str | None, ...], object]:
    """Return the chart of every room of a view over the last two years, or why it has none."""
    months = data.query(
        "drift_months", replace(filters, from_date=None), modality=choice.modality,
        dose_index=choice.measure.name, min_n=MIN_CASES,
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


def draw(choice: Choice, filters: Filters) -> None:
    """Draw which rooms drift."""
    st.header("Rooms that drift", anchor=False)
    words = table(found(choice, filters))
    if words.is_empty():
        st.info("No room of this view has 20 cases alike: nothing can be judged.")
        return
    signals = words.filter(pl.col("Drift").str.starts_with("signals"))
    said = "; ".join(
        f"{row['Room']} ({row['Site']}) {row['Drift']}, that month "
        f"{fmt.number(row['That month (%)'])}{fmt.THIN}% against its first year"
        for row in signals.iter_rows(named=True)
    )
    st.markdown(f"**{choice.measure.label}, {choice.modality}:** {said or 'no room signals'}.")
    st.dataframe(
        words, hide_index=True, placeholder=fmt.DASH, alt="Rooms that drift",
        column_config={"That month (%)": st.column_config.NumberColumn(format="%+.0f")},
    )  # fmt: skip
    downloads.offer(words, key="drift", title="Rooms that drift", filters=filters)
    st.caption(NOTE)
