"""Compare two groups within strata, so that a different mix of cases does not pass for an effect.

Order: first group minus second, first over second. Strata that hold one group only say nothing of
the difference: they are left out and counted.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from analytics.guards import FloatArray, computable, require
from analytics.proportions import risk_difference_newcombe
from analytics.results import Estimate, NotComputable
from analytics.tails import normal_quantile, t_quantile


@dataclass(frozen=True)
class Adjusted:
    """A difference without and with strata, and what the strata could use.

    ``n`` and ``n_strata`` are of the adjusted estimate; ``n_left_out`` are the members of strata
    that hold one group only, or too few values to know their spread.
    """

    crude: Estimate | NotComputable
    adjusted: Estimate | NotComputable
    n: int
    n_strata: int
    n_left_out: int


@computable
def stratified_mean_difference(
    n1: FloatArray,
    mean1: FloatArray,
    variance1: FloatArray,
    n2: FloatArray,
    mean2: FloatArray,
    variance2: FloatArray,
    level: float = 0.95,
) -> Estimate:
    """Return the mean difference within strata, weighted by n1·n2 / (n1 + n2).

    Parameters
    ----------
    n1, mean1, variance1, n2, mean2, variance2
        One entry a stratum, shape (k,): size, mean and sample variance (n − 1) of each group. Give
        means of logarithms for a ratio of geometric means: the estimate is then its logarithm.
    level
        Confidence level, 0 to 1.

    Notes
    -----
    Cochran's weights (1954, 10.2307/3001616): fixed by the sizes alone, so that no stratum gains
    weight by a chance low spread. The variance allows unequal spread (Welch) and the interval is
    t with Satterthwaite's degrees of freedom over all strata and groups.
    """
    require(len(n1) > 0, "no stratum holds both groups")
    require(bool((n1 > 1).all() and (n2 > 1).all()), "a stratum has fewer than two values")
    weights = n1 * n2 / (n1 + n2)
    weights = weights / weights.sum()
    value = float((weights * (mean1 - mean2)).sum())
    parts = np.concatenate([weights**2 * variance1 / n1, weights**2 * variance2 / n2])
    variance = float(parts.sum())
    require(variance > 0, "the values do not vary", int((n1 + n2).sum()))
    df = variance**2 / float((parts**2 / (np.concatenate([n1, n2]) - 1)).sum())
    half = t_quantile(level, df) * math.sqrt(variance)
    n = int((n1 + n2).sum())
    return Estimate(value, value - half, value + half, n, "stratified means (Cochran)", level=level)


@computable
def mantel_haenszel_difference(
    e1: FloatArray, n1: FloatArray, e2: FloatArray, n2: FloatArray, level: float = 0.95
) -> Estimate:
    """Return the risk difference of Mantel and Haenszel over strata.

    Parameters
    ----------
    e1, n1, e2, n2
        Events and members of both groups, one entry a stratum, shape (k,); members ≥ 1.
    level
        Confidence level, 0 to 1.

    Notes
    -----
    The variance is that of Sato (Sato, Greenland & Robins 1989, Biometrics 45:1323-1324): right
    for few large strata and for many sparse ones.
    """
    require(len(n1) > 0, "no stratum holds both groups")
    n = n1 + n2
    require(bool((n1 > 0).all() and (n2 > 0).all()), "a stratum holds one group only")
    total = float((n1 * n2 / n).sum())
    value = float((e1 * n2 / n - e2 * n1 / n).sum()) / total
    p = (e2 * (n1 / n) ** 2 - e1 * (n2 / n) ** 2 + (n1 / n) * (n2 / n) * (n2 - n1) / 2).sum()
    q = (e1 * (n2 - e2) / n + e2 * (n1 - e1) / n).sum() / 2
    variance = float(value * p + q) / total**2
    require(variance > 0, "nobody, or everybody, had the event", int(n.sum()))
    half = normal_quantile(level) * math.sqrt(variance)
    low, high = max(-1.0, value - half), min(1.0, value + half)
    return Estimate(value, low, high, int(n.sum()), "Mantel–Haenszel (Sato)", level=level)


def adjusted_mean(strata: pl.DataFrame, first: str, second: str, unit: str = "") -> Adjusted:
    """Compare means of two groups without and with strata.

    Parameters
    ----------
    strata
        ``group``, ``stratum``, ``n``, ``mean``, ``variance``: one row a group and stratum.
    first, second
        The two groups.
    unit
        Unit of the means.
    """
    wide = _wide(strata, first, second)
    both = wide.filter((pl.col("n_1") > 1) & (pl.col("n_2") > 1))
    pooled = _pooled(strata.filter(pl.col("group").is_in([first, second])))
    crude = _wide(pooled, first, second).filter((pl.col("n_1") > 1) & (pl.col("n_2") > 1))
    return _adjusted(_mean_of(crude, unit), _mean_of(both, unit), wide, both)


def adjusted_share(strata: pl.DataFrame, first: str, second: str) -> Adjusted:
    """Compare shares of two groups without and with strata.

    Parameters
    ----------
    strata
        ``group``, ``stratum``, ``n``, ``events``: one row a group and stratum.
    first, second
        The two groups.
    """
    wide = _wide(strata, first, second)
    both = wide.filter((pl.col("n_1") > 0) & (pl.col("n_2") > 0))
    totals = {
        group: strata.filter(pl.col("group") == group).select(pl.col("events", "n").sum()).row(0)
        for group in (first, second)
    }
    crude = risk_difference_newcombe(*totals[first], *totals[second])
    return _adjusted(crude, _share_of(both), wide, both)


def exponential(found: Estimate | NotComputable) -> Estimate | NotComputable:
    """Turn a difference of logarithms into a ratio of geometric means."""
    if isinstance(found, NotComputable):
        return found
    low, high = (None if end is None else math.exp(end) for end in (found.low, found.high))
    method = f"ratio of geometric means, {found.method}"
    return replace(found, value=math.exp(found.value), low=low, high=high, method=method, unit="")


def _mean_of(wide: pl.DataFrame, unit: str) -> Estimate | NotComputable:
    n1, mean1, variance1 = (_column(wide, name) for name in ("n_1", "mean_1", "variance_1"))
    n2, mean2, variance2 = (_column(wide, name) for name in ("n_2", "mean_2", "variance_2"))
    found = stratified_mean_difference(n1, mean1, variance1, n2, mean2, variance2)
    return found if isinstance(found, NotComputable) else replace(found, unit=unit)


def _share_of(wide: pl.DataFrame) -> Estimate | NotComputable:
    e1, n1 = _column(wide, "events_1"), _column(wide, "n_1")
    e2, n2 = _column(wide, "events_2"), _column(wide, "n_2")
    return mantel_haenszel_difference(e1, n1, e2, n2)


def _column(wide: pl.DataFrame, name: str) -> FloatArray:
    return wide[name].cast(pl.Float64).to_numpy()


def _wide(strata: pl.DataFrame, first: str, second: str) -> pl.DataFrame:
    """Put the two groups of a stratum side by side; a group that is not there has n 0."""
    numbers = [name for name in strata.columns if name not in ("group", "stratum")]
    sides = [
        strata.filter(pl.col("group") == group).select(
            "stratum", *(pl.col(name).alias(f"{name}_{place}") for name in numbers)
        )
        for place, group in ((1, first), (2, second))
    ]
    joined = sides[0].join(sides[1], on="stratum", how="full", coalesce=True)
    return joined.with_columns(pl.col("n_1", "n_2").fill_null(0)).sort("stratum")


def _pooled(strata: pl.DataFrame) -> pl.DataFrame:
    """Merge the strata of each group into one, exactly: sizes, means, variances."""
    weighted = strata.filter(pl.col("n") > 0)
    n, mean = pl.col("n"), pl.col("mean")
    overall = (n * mean).sum().over("group") / n.sum().over("group")
    within = (n - 1) * pl.col("variance").fill_null(0.0).fill_nan(0.0)
    return (
        weighted.with_columns(_squares=within + n * (mean - overall) ** 2, _mean=overall)
        .group_by("group")
        .agg(
            pl.col("n").sum(),
            mean=pl.col("_mean").first(),
            variance=pl.col("_squares").sum() / (pl.col("n").sum() - 1),
            stratum=pl.lit("all"),
        )
    )


def _adjusted(
    crude: Estimate | NotComputable,
    adjusted: Estimate | NotComputable,
    wide: pl.DataFrame,
    both: pl.DataFrame,
) -> Adjusted:
    used = int((both["n_1"] + both["n_2"]).sum())
    total = int((wide["n_1"] + wide["n_2"]).sum())
    return Adjusted(crude, adjusted, used, both.height, total - used)
