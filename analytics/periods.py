"""A period against the period of equal length before it: level, change and monthly course."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
from scipy import stats

from analytics.frequency import Counts, order_statistic, quantile, quantile_interval, tally
from analytics.guards import check_level, computable, count, require
from analytics.proportions import risk_difference_newcombe, wilson
from analytics.results import Estimate, NotComputable

FEWEST = 10
"""Below this a group's median or share says too little to be shown."""

Found = Estimate | NotComputable


@dataclass(frozen=True)
class Course:
    """One measure: its level now, its change on the period before, and month by month.

    ``change`` is a ratio (now over before) of medians and of counts, a difference (now minus
    before) of shares. ``months`` has None where a month has too few values.
    """

    level: Found
    change: Found
    months: tuple[tuple[date, float | None], ...]


@computable
def median_ratio(x: Any, y: Any, level: float = 0.95) -> Estimate:
    """Return the median of x over the median of y with its distribution-free interval.

    The interval is normal on the logarithm, each variance estimated from two order statistics
    around the median, so that shapes and spreads may differ.

    Parameters
    ----------
    x, y
        Positive numbers, shapes (n,) and (m,), or Counts; at least 5 each.
    level
        Confidence level, 0 to 1.

    Notes
    -----
    Price & Bonett 2002, J Stat Comput Simul 72:119-124, 10.1080/00949650212140; Bonett & Price
    2020, J Educ Behav Stat 45:750-770, 10.3102/1076998620934125.
    """
    first, second = tally(x), tally(y)
    z = float(stats.norm.isf((1 - check_level(level)) / 2))
    for group in (first, second):
        require(group.n >= 5, "a period has fewer than 5 values", group.n)
        require(bool(group.values[0] > 0) and group.all_finite, "a value is zero or infinite")
    ratio = quantile(first, 0.5) / quantile(second, 0.5)
    half = z * math.sqrt(_log_median_variance(first) + _log_median_variance(second))
    low, high = ratio * math.exp(-half), ratio * math.exp(half)
    return Estimate(ratio, low, high, first.n + second.n, "ratio of medians (Price–Bonett)")


def _log_median_variance(group: Counts) -> float:
    """Return the variance of the log median from the order statistics √n ranks off the middle."""
    rank = max(1, round(group.n / 2 - math.sqrt(group.n)))
    tail = float(stats.binom.cdf(rank - 1, group.n, 0.5))
    spread = math.log(order_statistic(group, group.n - rank + 1) / order_statistic(group, rank))
    return (spread / (2 * float(stats.norm.isf(tail)))) ** 2


@computable
def count_ratio(first: float, second: float, level: float = 0.95) -> Estimate:
    """Return one count over another, both of equally long periods, with its exact interval.

    Given their sum, the first of two Poisson counts is binomial (Przyborowski & Wilenski 1940).
    """
    x, y = count(first, "the first count"), count(second, "the second count")
    require(y > 0, "nothing was counted in the period before", x)
    interval = stats.binomtest(x, x + y, 0.5).proportion_ci(check_level(level), method="exact")
    low, high = (end / (1 - end) if end < 1 else math.inf for end in interval)
    return Estimate(x / y, float(low), float(high), x + y, "conditional exact Poisson")


def median_course(values: pl.DataFrame, months: pl.DataFrame, measure: str, unit: str) -> Course:
    """Follow the median of one measure.

    Parameters
    ----------
    values
        ``measure``, ``is_current``, ``value``, ``n``: one row a value and period.
    months
        ``measure``, ``month``, ``median``, ``n``: one row a month.
    measure
        The measure's name in column ``measure``.
    unit
        Unit of its values.
    """
    rows = values.filter(pl.col("measure") == measure)
    now, before = (
        tally(part["value"], part["n"])
        for part in (rows.filter(pl.col("is_current")), rows.filter(~pl.col("is_current")))
    )
    few = _too_few(now.n)
    course = months.filter(pl.col("measure") == measure).sort("month")
    enough = course.with_columns(pl.when(pl.col("n") >= FEWEST).then(pl.col("median")))
    return Course(
        few or quantile_interval(now, unit=unit),
        few or _too_few(before.n, "before") or median_ratio(now, before),
        tuple(enough.select("month", "median").iter_rows()),
    )


def share_course(counts: pl.DataFrame, events: str, known: str) -> Course:
    """Follow a share: column ``events`` of column ``known``, summed over the rows.

    Parameters
    ----------
    counts
        With ``month``, ``is_current`` and the two count columns.
    events, known
        Names of the columns of events and of members whose outcome is known.
    """
    now, before = (
        (int(part[events].sum()), int(part[known].sum()))
        for part in (counts.filter(pl.col("is_current")), counts.filter(~pl.col("is_current")))
    )
    few = _too_few(now[1])
    return Course(
        few or wilson(*now),
        few or _too_few(before[1], "before") or risk_difference_newcombe(*now, *before),
        _by_month(counts, lambda part: _share_of(int(part[events].sum()), int(part[known].sum()))),
    )


def volume_course(
    counts: pl.DataFrame, first: date | None = None, last: date | None = None
) -> Course:
    """Follow a number of procedures; the number itself is exact and has no interval.

    Parameters
    ----------
    counts
        With ``month``, ``is_current`` and ``n``.
    first, last
        First and last day that the rows cover: months that they cut are left out of the course.
    """
    now = int(counts.filter(pl.col("is_current"))["n"].sum())
    before = int(counts.filter(~pl.col("is_current"))["n"].sum())
    after = pl.lit(True) if first is None else pl.col("month") >= first
    until = pl.lit(True) if last is None else pl.col("month").dt.month_end() <= last
    return Course(
        Estimate(now, None, None, now, "count"),
        count_ratio(now, before),
        _by_month(counts.filter(after & until), lambda part: float(part["n"].sum())),
    )


def _by_month(
    counts: pl.DataFrame, value: Callable[[pl.DataFrame], float | None]
) -> tuple[tuple[date, float | None], ...]:
    parts = counts.sort("month").group_by("month", maintain_order=True)
    return tuple((month, value(part)) for (month,), part in parts)


def _share_of(events: int, known: int) -> float | None:
    return events / known if known >= FEWEST else None


def _too_few(n: int, when: str = "") -> NotComputable | None:
    """Refuse a group that is too small to be summarised."""
    if n >= FEWEST:
        return None
    if n == 0:
        return NotComputable(f"no value {when}".strip(), 0)
    return NotComputable(f"too few values {when}".strip() + f" (n = {n})", n)
