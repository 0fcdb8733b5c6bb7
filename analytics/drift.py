"""Does a room drift? Monthly mean of the log dose, adjusted for what was done and to whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from analytics.control_charts import Chart, Signal, subgroup_means
from analytics.guards import not_computable
from analytics.results import NotComputable
from analytics.rules import MIN_CASES, with_month
from analytics.smoothed_charts import ewma

CASE_MIX = ("modality", "procedure_code", "size_band")
#: Months at the start of each room's series whose level its limits are frozen at.
BASELINE_MONTHS = 12


@dataclass(frozen=True)
class RoomDrift:
    """One room's charts and the first month after the baseline that signals."""

    room: tuple[str | None, ...]
    months: tuple[date, ...]
    n: tuple[int, ...]
    means: Chart  #: monthly means of the adjusted ln dose; ``exp`` of a point is a ratio
    average: Chart  #: their EWMA, in standard errors
    first_signal: date | None
    ratio: float | None  #: geometric mean of the signalling month over the baseline's


def adjusted_logs(
    cases: pl.DataFrame, column: str, case_mix: Sequence[str] = CASE_MIX
) -> pl.DataFrame:
    """Add ``adjusted_log``: ln dose less the median of ln dose of cases alike.

    Parameters
    ----------
    cases
        With the dose index and the case-mix columns.
    column
        Column of the dose index; cases without a positive finite value are left out.
    case_mix
        What makes cases alike. Groups of fewer than 20 cases have no scale and are left out.

    Notes
    -----
    The same residual makes rooms and operators comparable in a funnel plot
    (:func:`analytics.funnel.log_dose_funnel`).
    """
    log = pl.col(column).log()
    usable = cases.filter(pl.col(column).is_finite() & (pl.col(column) > 0))
    return (
        usable.filter(pl.all_horizontal(pl.col(*case_mix).is_not_null()))
        .filter(pl.len().over(*case_mix) >= MIN_CASES)
        .with_columns((log - log.median().over(*case_mix)).alias("adjusted_log"))
    )


def room_months(adjusted: pl.DataFrame, by: Sequence[str] = ("site", "room")) -> pl.DataFrame:
    """Summarise adjusted logs by room and month: ``n``, ``mean``, ``sum_of_squares`` about it."""
    value = pl.col("adjusted_log")
    monthly = (
        with_month(adjusted)
        .group_by(*by, "month")
        .agg(
            pl.len().cast(pl.Int64).alias("n"),
            value.mean().alias("mean"),
            ((value - value.mean()) ** 2).sum().alias("sum_of_squares"),
        )
    )
    return every_month(monthly, by)


def every_month(monthly: pl.DataFrame, by: Sequence[str] = ("site", "room")) -> pl.DataFrame:
    """Let months without cases stand with n = 0 between the first and the last of each room."""
    every = (
        monthly.group_by(*by)
        .agg(pl.date_range(pl.col("month").min(), pl.col("month").max(), "1mo").alias("month"))
        .explode("month")
    )
    return (
        every.join(monthly, on=[*by, "month"], how="left", nulls_equal=True)
        .with_columns(pl.col("n").fill_null(0), pl.col("sum_of_squares").fill_null(0.0))
        .sort(*by, "month")
    )


def room_drifts(
    cases: pl.DataFrame,
    column: str,
    by: Sequence[str] = ("site", "room"),
    baseline_months: int = BASELINE_MONTHS,
) -> dict[tuple[str | None, ...], RoomDrift | NotComputable]:
    """Chart every room against its own frozen baseline, adjusted for case mix: single cases.

    Returns what :func:`drifts` does.
    """
    return drifts(room_months(adjusted_logs(cases, column), by), by, baseline_months)


def drifts(
    months: pl.DataFrame,
    by: Sequence[str] = ("site", "room"),
    baseline_months: int = BASELINE_MONTHS,
) -> dict[tuple[str | None, ...], RoomDrift | NotComputable]:
    """Chart every room against its own frozen baseline.

    Parameters
    ----------
    months
        ``by``, ``month``, ``n``, ``mean`` and ``sum_of_squares`` of the adjusted ln dose, every
        month of a room (:func:`room_months`, or :func:`every_month` of query ``drift_months``).
    by
        What a room is named by.
    baseline_months
        Months at the start of each room's series that set its limits.

    Returns
    -------
    dict
        Room → :class:`RoomDrift`, or why it has no chart. A signal is a month beyond three
        standard errors or an EWMA (0.2) beyond 2.7; those within the baseline do not count.

    Notes
    -----
    A month's standard error is the cases' own standard deviation over √n, widened by the
    baseline's overdispersion: months differ by more than chance (staff, complexity).
    """
    parts = months.partition_by(*by, as_dict=True, maintain_order=True)
    return {room: _room_drift(room, part, baseline_months) for room, part in parts.items()}


def _room_drift(
    room: tuple[str | None, ...], part: pl.DataFrame, baseline_months: int
) -> RoomDrift | NotComputable:
    n = part["n"].to_numpy().astype(float)
    means = part["mean"].fill_null(float("nan")).to_numpy()
    degrees = float((n - 1).clip(0).sum())
    if n.size <= baseline_months:
        return not_computable(
            f"{n.size} months leave none after a baseline of {baseline_months}", int(n.sum())
        )
    if degrees < MIN_CASES:
        return not_computable("the room has too few cases", int(n.sum()))
    sd = float(np.sqrt(part["sum_of_squares"].to_numpy().sum() / degrees))
    baseline = (0, baseline_months)
    plain = subgroup_means(means, n, sd, baseline)
    if isinstance(plain, NotComputable):
        return plain
    widened = subgroup_means(means, n, sd * _overdispersion(plain, baseline_months), baseline)
    if isinstance(widened, NotComputable):
        return widened
    z = (np.array(widened.points) - np.array(widened.centre)) / np.array(widened.sigma)
    average = ewma(z, 0.2, 2.7, baseline, centre=0.0, sigma=1.0)
    if isinstance(average, NotComputable):
        return average
    return _signalled(room, part, widened, average, baseline_months)


def _overdispersion(chart: Chart, baseline_months: int) -> float:
    """Return √φ of the baseline's standardised points; 1 where chance explains them.

    Chance alone seldom brings φ above 1 + 2·√(2/k); widening below that would hide a slow drift.
    """
    z = (np.array(chart.points) - np.array(chart.centre)) / np.array(chart.sigma)
    z = z[:baseline_months][np.isfinite(z[:baseline_months])]
    phi = float((z**2).sum()) / max(z.size - 1, 1)
    return float(np.sqrt(phi)) if phi > 1 + 2 * np.sqrt(2 / z.size) else 1.0


def _signalled(
    room: tuple[str | None, ...], part: pl.DataFrame, means: Chart, average: Chart, first: int
) -> RoomDrift:
    found: list[Signal] = [s for s in means.signals if s.rule == "beyond 3 sigma"]
    after = sorted(s.index for s in (*found, *average.signals) if s.index >= first)
    months = tuple(part["month"].to_list())
    signal = after[0] if after else None
    return RoomDrift(
        room,
        months,
        tuple(part["n"].to_list()),
        means,
        average,
        None if signal is None else months[signal],
        None if signal is None else float(np.exp(means.points[signal] - means.centre[signal])),
    )
