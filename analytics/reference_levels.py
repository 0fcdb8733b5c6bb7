"""Typical values against reference levels: a facility's or room's median, never one case.

Words and table follow ICRP publication 135: the diagnostic reference level (DRL) is the 75th
percentile of facility medians, the achievable dose their median, a typical value the median of one
facility or few. Exceeding a DRL means to optimise; it is no limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any

import numpy as np
import polars as pl

from analytics.frequency import quantile_interval
from analytics.guards import not_computable
from analytics.results import Estimate, NotComputable

#: Fewest cases whose median is judged (ICRP 135 asks for at least 20 per room and procedure).
MIN_CASES = 20
#: Fewest rooms whose medians give a local DRL; with fewer it is a typical value.
MIN_ROOMS = 10
PERCENTILES = (10, 25, 50, 75, 90, 95, 99)


class Decision(Enum):
    """What a median against its reference levels means, in the words to show."""

    ABOVE = "median above the reference level"
    OPTIMISE = "below DRL, room to optimise"
    WITHIN = "within"
    BELOW = "below the reference level; no achievable dose is known"
    ABOVE_MEDIAN = "above the published median; no reference level is known"
    LOW = "unusually low"
    UNCERTAIN = "uncertain: the interval of the median crosses the reference level"
    TOO_FEW = "too few to judge"
    NO_REFERENCE = "no reference level"

    @property
    def action(self) -> str:
        """What to do."""
        return _ACTIONS[self]


_ACTIONS = {
    Decision.ABOVE: "investigate in a local review",
    Decision.OPTIMISE: "optimise",
    Decision.WITHIN: "none",
    Decision.BELOW: "none",
    Decision.ABOVE_MEDIAN: "optimise",
    Decision.LOW: "check image quality and data (missing events)",
    Decision.UNCERTAIN: "collect more cases",
    Decision.TOO_FEW: "show points and median, no verdict",
    Decision.NO_REFERENCE: "compute and keep a local level",
}


@dataclass(frozen=True)
class Benchmarks:
    """Reference levels of one procedure, index and size band, in the index's unit."""

    drl: float | None = None
    achievable: float | None = None  #: national median
    low: float | None = None  #: national 25th percentile
    strength: str = "national"  #: national | orientation (one centre, or percentile over patients)
    reference_ids: tuple[str, ...] = ()  #: rows of the reference data behind the levels


@dataclass(frozen=True)
class Judgement:
    """A median, the levels it is held against, and what that means."""

    decision: Decision
    median: Estimate | NotComputable
    benchmarks: Benchmarks

    @property
    def wording(self) -> str:
        """The decision in words, with n where it is what decides."""
        if self.decision is Decision.TOO_FEW:
            return f"{self.decision.value} (n = {self.median.n})"
        return self.decision.value


def judge(values: object, benchmarks: Benchmarks, unit: str, level: float = 0.95) -> Judgement:
    """Hold the median of a facility's or room's cases against the reference levels.

    Parameters
    ----------
    values
        Doses of one procedure, index and size band (or a table of counts), in ``unit``; missing
        and not finite ones are left out.
    benchmarks
        Levels in the same unit.
    unit
        Unit of the values.
    level
        Confidence level of the median's interval.

    Returns
    -------
    Judgement
        Uncertain where the order-statistic interval of the median holds the DRL (or, without one,
        the published median) inside; below 20 cases there is no verdict.
    """
    median = quantile_interval(values, 0.5, level, unit)
    return Judgement(decide(median, benchmarks), median, benchmarks)


def decide(median: Estimate | NotComputable, benchmarks: Benchmarks) -> Decision:
    """Apply the decision table to a median with its interval."""
    if isinstance(median, NotComputable) or median.n < MIN_CASES:
        return Decision.TOO_FEW
    value, drl, achievable = median.value, benchmarks.drl, benchmarks.achievable
    low = benchmarks.low
    if low is None and achievable is not None:
        low = 0.5 * achievable
    line = achievable if drl is None else drl
    if line is None:
        return Decision.NO_REFERENCE if low is None or value >= low else Decision.LOW
    if _crosses(median, line):
        return Decision.UNCERTAIN
    if drl is not None and value > drl:
        return Decision.ABOVE
    if low is not None and value < low:
        return Decision.LOW
    if achievable is not None and value <= achievable:
        return Decision.WITHIN
    if drl is None:
        return Decision.ABOVE_MEDIAN
    return Decision.BELOW if achievable is None else Decision.OPTIMISE


def _crosses(median: Estimate, line: float) -> bool:
    low = -np.inf if median.low is None else median.low
    high = np.inf if median.high is None else median.high
    return bool(low < line < high)


def choose_benchmarks(
    levels: pl.DataFrame,
    modality: str,
    procedure_codes: Sequence[str],
    dose_index: str,
    size_band: str | None = None,
    on: date | None = None,
) -> Benchmarks:
    """Choose the levels against which a procedure is judged from the reference data.

    Parameters
    ----------
    levels
        Project data ``reference_levels.csv`` (or a site's own levels with those columns).
    modality, dose_index
        As in the data (``fluoroscopy``, ``kap_gycm2``).
    procedure_codes
        The procedure's code, then the more general ones it may borrow from (its parents).
    size_band
        A level of the band wins; otherwise the level for all sizes stands, which is of adults: a
        child's band (``child …``) has its own level or none.
    on
        Day of judgement: levels that begin later are left out, of two the newer one wins.

    Returns
    -------
    Benchmarks
        National levels where there are any; otherwise the quartiles of published centres, marked
        as ``orientation``; empty where there is neither.
    """
    of_band = pl.col("size_band") == (size_band or "")
    if not (size_band or "").startswith("child"):
        of_band |= pl.col("size_band").is_null()
    usable = levels.filter(
        (pl.col("modality") == modality)
        & (pl.col("dose_index") == dose_index)
        & (pl.col("role") == "benchmark")
        & pl.col("verified")
        & of_band
    )
    if on is not None:
        usable = usable.filter(pl.col("valid_from").is_null() | (pl.col("valid_from") <= on))
    for code in procedure_codes:
        mine = usable.filter(pl.col("procedure_code") == code)
        for national in (True, False):
            found = _benchmarks(mine.filter((pl.col("scope") == "national") == national), national)
            if found.reference_ids:
                return found
    return Benchmarks()


def _benchmarks(levels: pl.DataFrame, national: bool) -> Benchmarks:
    """Take the newest level of each statistic; a size band's own before the one for all."""
    newest = levels.sort("size_band", "year", descending=[False, True], nulls_last=True)
    used: list[str] = []

    def first(*statistics: str) -> float | None:
        for row in newest.filter(pl.col("statistic").is_in(statistics)).iter_rows(named=True):
            used.append(row["reference_id"])
            return row["value"]
        return None

    drl, achievable, low = first("DRL", "P75"), first("median"), first("P25")
    strength = "national" if national else "orientation"
    return Benchmarks(drl, achievable, low, strength, tuple(used))


def typical_values(
    cases: pl.DataFrame, column: str, by: Sequence[str], level: float = 0.95
) -> pl.DataFrame:
    """Describe a dose index in each group: percentiles and the interval of the median.

    Parameters
    ----------
    cases
        With the dose index and the grouping columns; any number of rows.
    column
        Column of the dose index; missing, not finite and negative values are left out.
    by
        Grouping, e.g. site, room, procedure_code, size_band.

    Returns
    -------
    polars.DataFrame
        ``by``, ``n``, ``p10`` … ``p99`` (linear, type 7), ``median_low``, ``median_high``
        (order statistics at binomial ranks, null where n is too small), in the index's unit.
    """
    usable = cases.filter(pl.col(column).is_finite() & (pl.col(column) >= 0))
    value = pl.col(column)
    grouped = usable.group_by(*by).agg(
        pl.len().cast(pl.Int64).alias("n"),
        *(value.quantile(p / 100, "linear").alias(f"p{p}") for p in PERCENTILES),
        value.sort().alias("_sorted"),
    )
    from scipy import stats  # most of a second, which a refresh does without

    tail, n = (1 - level) / 2, grouped["n"].to_numpy()
    low, high = (np.asarray(stats.binom.ppf(p, n, 0.5), dtype=np.int64) for p in (tail, 1 - tail))
    ranks = grouped.with_columns(pl.Series("_low", low - 1), pl.Series("_high", high))
    bound = pl.col("_sorted").list
    return ranks.select(
        *by,
        "n",
        *(f"p{p}" for p in PERCENTILES),
        pl.when(pl.col("_low") >= 0)
        .then(bound.get(pl.col("_low").clip(0), null_on_oob=True))
        .alias("median_low"),
        bound.get(pl.col("_high"), null_on_oob=True).alias("median_high"),
    ).sort(by)


def median_of(row: dict[str, Any], unit: str, level: float = 0.95) -> Estimate:
    """Turn one row of :func:`typical_values` into the median's estimate, for :func:`decide`."""
    return Estimate(
        row["p50"],
        row["median_low"],
        row["median_high"],
        row["n"],
        "linear quantile, order-statistic interval",
        unit,
        level,
    )


@dataclass(frozen=True)
class LocalLevel:
    """A site's own level: a local DRL over rooms, or a typical value where rooms are few."""

    kind: str  #: local DRL | typical value
    level: Estimate
    rooms: int  #: rooms whose medians count
    rooms_left_out: int  #: rooms with fewer than 20 cases
    cases: int


def local_level(
    cases: pl.DataFrame, column: str, unit: str, rooms: Sequence[str] = ("site", "room")
) -> LocalLevel | NotComputable:
    """Compute the own level of one procedure, index and size band.

    Parameters
    ----------
    cases
        Cases of one procedure, modality and size band.
    column, unit
        Dose index and its unit.
    rooms
        Columns that tell rooms apart.

    Returns
    -------
    LocalLevel or NotComputable
        With ten or more rooms of at least 20 cases each, the P75 of their medians (local DRL);
        otherwise the median of their cases (typical value).
    """
    usable = cases.filter(pl.col(column).is_finite() & (pl.col(column) >= 0))
    sized = usable.with_columns(pl.len().over(*rooms).alias("_n"))
    counted = sized.filter(pl.col("_n") >= MIN_CASES)
    n_rooms = usable.select(*rooms).unique().height
    medians = counted.group_by(*rooms).agg(pl.col(column).median())[column]
    if not medians.len():
        return not_computable(f"no room has {MIN_CASES} cases", usable.height)
    if medians.len() >= MIN_ROOMS:
        kind, level = "local DRL", quantile_interval(medians.to_numpy(), 0.75, 0.95, unit)
    else:
        values = counted[column].to_numpy()
        kind, level = "typical value", quantile_interval(values, 0.5, 0.95, unit)
    if isinstance(level, NotComputable):
        return level
    return LocalLevel(kind, level, medians.len(), n_rooms - medians.len(), counted.height)
