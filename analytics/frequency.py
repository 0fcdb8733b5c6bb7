"""Groups as tables of distinct values and how often each occurs, and what follows from them.

Recorded doses and minutes are rounded, so ten million rows hold a few ten thousand distinct values.
Ranks, quantiles, placements and moments need nothing but those counts; the row-based functions of
``analytics.ranks`` and ``analytics.effects`` count first and then come here, so there is one
calculation for rows and for a table that the database counted.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.guards import as_floats, check_level, computable, require
from analytics.results import Estimate

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LARGEST_GROUP = 1_000_000_000
"""Above this the doubled products of group sizes leave 64 bits."""


@dataclass(frozen=True, eq=False)
class Counts:
    """One group: distinct values in ascending order, how often each occurs, and what is missing."""

    values: FloatArray
    n_each: IntArray
    missing: int = 0

    @cached_property
    def n(self) -> int:
        """Number of values that are there."""
        return int(self.n_each.sum())

    @cached_property
    def cumulative(self) -> IntArray:
        """Number of values up to and including each distinct one."""
        return np.cumsum(self.n_each)

    @property
    def all_finite(self) -> bool:
        """Say whether no value is infinite."""
        return self.n == 0 or bool(np.isfinite(self.values[[0, -1]]).all())

    def rows(self) -> FloatArray:
        """Return every value, ascending; as long as the group is large."""
        return np.repeat(self.values, self.n_each)


def tally(values: Any, n_each: Any = None) -> Counts:
    """Count distinct values; None and NaN are missing, infinities are values.

    Parameters
    ----------
    values
        Numbers in any order, shape (n,), or Counts, which pass through.
    n_each
        How often each occurs, shape (n,), whole numbers ≥ 0; once each when left out.

    Raises
    ------
    UndefinedError
        If something is no number, or a count is negative or broken.
    """
    if isinstance(values, Counts):
        return values
    numbers = np.atleast_1d(as_floats(values))
    require(numbers.ndim == 1, "the values are not one column")
    weights = np.ones(len(numbers), dtype=np.int64) if n_each is None else _whole(n_each)
    require(len(weights) == len(numbers), "values and counts differ in length")
    present = ~np.isnan(numbers)
    missing = int(weights[~present].sum())
    numbers, weights = numbers[present] + 0.0, weights[present]
    distinct, place = np.unique(numbers, return_inverse=True)
    totals = np.zeros(len(distinct), dtype=np.int64)
    np.add.at(totals, place, weights)
    kept = totals > 0
    require(int(totals.sum()) <= LARGEST_GROUP, "the group is too large to count exactly")
    return Counts(distinct[kept], totals[kept], missing)


def _whole(n_each: Any) -> IntArray:
    """Return counts as integers, refusing broken or negative ones."""
    counts = as_floats(n_each, "counts")
    whole = np.isfinite(counts).all() and (counts >= 0).all() and (counts % 1 == 0).all()
    require(bool(whole), "the counts are not whole numbers of at least 0")
    return counts.astype(np.int64)


def counts_of(frame: pl.DataFrame, name: str = "count") -> pl.Series:
    """Return how often each row of a frame counts; once each without the column.

    Raises
    ------
    UndefinedError
        If a count is missing, negative or broken.
    """
    if name not in frame.columns:
        return pl.Series(name, np.ones(frame.height, dtype=np.int64))
    column = frame[name]
    numeric = column.dtype.is_numeric() and not column.null_count()
    given = column.cast(pl.Float64) if numeric else None
    whole = given is not None and bool(((given >= 0) & (given % 1 == 0)).all())
    require(whole or not frame.height, "the counts are not whole numbers of at least 0")
    return column.cast(pl.Int64)


def tally_groups(
    frame: pl.DataFrame, group: str = "group", value: str = "value", count: str = "count"
) -> dict[str, Counts]:
    """Split a (group, value, count) frame into one Counts for each group, in order of appearance.

    Without the ``count`` column each row counts once. Rows without a group are left to the caller.

    Raises
    ------
    UndefinedError
        If the values are no numbers or the counts are broken.
    """
    found = tally_strata(frame.with_columns(pl.lit("").alias("")), "", group, value, count)
    return found.get("", {})


def tally_strata(
    frame: pl.DataFrame,
    stratum: str = "stratum",
    group: str = "group",
    value: str = "value",
    count: str = "count",
) -> dict[str, dict[str, Counts]]:
    """Split a frame into Counts by stratum and group in one pass: see ``tally_groups``."""
    dtype = frame.schema[value]
    numeric = dtype.is_numeric() or dtype in (pl.Boolean, pl.Null)
    require(numeric, f"the values are {dtype}, not numbers", frame.height)
    table = frame.select(
        stratum=pl.col(stratum).cast(pl.String),
        group=pl.col(group).cast(pl.String),
        value=pl.col(value).cast(pl.Float64).fill_nan(None),
        count=counts_of(frame, count),
    ).drop_nulls(["stratum", "group"])
    parts = table.partition_by("stratum", "group", as_dict=True, include_key=False)
    strata: dict[str, dict[str, Counts]] = {}
    for (name, label), part in parts.items():
        present = part.filter(pl.col("value").is_not_null())
        missing = int(part["count"].sum()) - int(present["count"].sum())
        counted = tally(present["value"].to_numpy(), present["count"].to_numpy())
        strata.setdefault(str(name), {})[str(label)] = Counts(
            counted.values, counted.n_each, missing
        )
    return strata


def quantile(group: Any, q: float) -> float:
    """Return the quantile by linear interpolation (type 7 of Hyndman & Fan 1996); NaN if empty.

    Raises
    ------
    UndefinedError
        If the values are no numbers or ``q`` does not lie between 0 and 1.
    """
    require(0 <= q <= 1, f"the quantile {q} does not lie between 0 and 1")
    counts = tally(group)
    if counts.n == 0:
        return math.nan
    position = (counts.n - 1) * q
    lower = math.floor(position)
    below, above = (order_statistic(counts, min(k, counts.n)) for k in (lower + 1, lower + 2))
    fraction = position - lower
    if below == above or fraction == 0:
        return below
    if math.isfinite(above - below):
        return below + fraction * (above - below)
    return (1 - fraction) * below + fraction * above


def order_statistic(counts: Counts, rank: int) -> float:
    """Return the value at a one-based rank."""
    return float(counts.values[np.searchsorted(counts.cumulative, rank, side="left")])


@computable
def quantile_interval(group: Any, q: float = 0.5, level: float = 0.95, unit: str = "") -> Estimate:
    """Estimate a population quantile with its exact order-statistic interval.

    The bounds are the order statistics whose ranks are binomial(n, q) quantiles, so the coverage is
    at least ``level`` for any continuous distribution (Conover 1999, section 3.2). A bound that
    so few values cannot give is None. ``unit`` is the unit of the values.
    """
    counts = tally(group)
    require(counts.n > 0, "there is no value")
    tail = (1 - check_level(level)) / 2
    from scipy import stats  # most of a second, which a refresh does without

    low_rank = int(stats.binom.ppf(tail, counts.n, q))
    high_rank = int(stats.binom.ppf(1 - tail, counts.n, q)) + 1
    low = order_statistic(counts, low_rank) if low_rank >= 1 else None
    high = order_statistic(counts, high_rank) if high_rank <= counts.n else None
    method = "linear quantile, order-statistic interval"
    return Estimate(quantile(counts, q), low, high, counts.n, method, unit, level)


@dataclass(frozen=True, eq=False)
class Pooled:
    """Several groups on one axis: distinct values and a (groups, values) table of counts."""

    values: FloatArray
    table: IntArray

    @cached_property
    def ties(self) -> IntArray:
        """How many values share each distinct one."""
        return self.table.sum(axis=0)

    @cached_property
    def sizes(self) -> IntArray:
        """Size of each group."""
        return self.table.sum(axis=1)

    @cached_property
    def doubled_ranks(self) -> IntArray:
        """Twice the mid-rank of each distinct value: whole numbers, so sums are exact."""
        return 2 * np.cumsum(self.ties) - self.ties + 1

    @cached_property
    def doubled_rank_sums(self) -> IntArray:
        """Twice the rank sum of each group."""
        return self.table @ self.doubled_ranks

    @property
    def tie_term(self) -> float:
        """Return the sum of t³ − t, in floating point: it leaves 64 bits at ten million rows."""
        t = self.ties.astype(np.float64)
        return float((t**3 - t).sum())

    @property
    def has_ties(self) -> bool:
        """Say whether any value occurs twice."""
        return bool((self.ties > 1).any())


def pool(groups: Sequence[Counts]) -> Pooled:
    """Put groups on one axis of distinct values."""
    sizes = [len(group.values) for group in groups]
    values, place = np.unique(np.concatenate([g.values for g in groups]), return_inverse=True)
    table = np.zeros((len(groups), len(values)), dtype=np.int64)
    table[np.repeat(np.arange(len(groups)), sizes), place] = np.concatenate(
        [group.n_each for group in groups]
    )
    return Pooled(values, table)


def doubled_placements(of: Counts, among: Counts) -> IntArray:
    """Return, for each distinct value, twice the number of others below it plus those equal."""
    steps = np.concatenate(([0], among.cumulative))
    below = steps[np.searchsorted(among.values, of.values, side="left")]
    up_to = steps[np.searchsorted(among.values, of.values, side="right")]
    return below + up_to
