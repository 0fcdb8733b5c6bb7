"""Agreement of readers and of methods: κ, ICC, Bland–Altman."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import special

from analytics.guards import (
    FloatArray,
    as_floats,
    check_level,
    complete_columns,
    complete_rows,
    computable,
    count_table,
    require,
)
from analytics.proportions import wilson
from analytics.results import Estimate, NotComputable, TestResult
from analytics.tails import normal_p, normal_quantile, t_quantile

Weights = Literal["none", "linear", "quadratic"]
LIMITS_FACTOR = 1.96


@dataclass(frozen=True)
class Kappa:
    """Agreement of two readers beyond chance, and the raw share of equal answers."""

    kappa: Estimate | NotComputable
    raw: Estimate | NotComputable
    weights: Weights
    categories: tuple[Hashable, ...]
    left_out: int


@computable
def cohens_kappa(
    first: Sequence[Any],
    second: Sequence[Any],
    weights: Weights = "none",
    categories: Sequence[Hashable] | None = None,
    level: float = 0.95,
) -> Kappa:
    """Compare two readers' categories.

    Parameters
    ----------
    first, second
        Category each reader gave, shape (n,); a pair with a gap (None, NaN) is left out.
    weights
        ``none`` for names, ``linear`` or ``quadratic`` for ordered grades (equal steps).
    categories
        All grades in order; those that occur, sorted, if not given.
    level
        Confidence level, 0 to 1.

    Returns
    -------
    Kappa
        Where both readers use one and the same category κ is not defined; the raw share stands.
    """
    require(_listed(first) and _listed(second), "the readings are not two columns of categories")
    require(len(first) == len(second), "the readers have different numbers of cases")
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if not (_gap(a) or _gap(b))]
    require(len(pairs) > 0, "no case was read by both readers")
    seen = {value for pair in pairs for value in pair}
    order = _ordered(seen) if categories is None else tuple(categories)
    require(seen <= set(order), "a category is not in the list of categories", len(pairs))
    place = {category: i for i, category in enumerate(order)}
    table = np.zeros((len(order), len(order)))
    for a, b in pairs:
        table[place[a], place[b]] += 1
    equal = int(np.trace(table))
    kappa = kappa_of_table(table, weights, level)
    left_out = len(first) - len(pairs)
    return Kappa(kappa, wilson(equal, len(pairs), level), weights, order, left_out)


def _listed(values: Any) -> bool:
    """Say whether values are a column of categories."""
    return hasattr(values, "__len__") and all(isinstance(value, Hashable) for value in values)


def _gap(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _ordered(values: set[Any]) -> tuple[Hashable, ...]:
    """Sort categories; those of mixed kinds by their text."""
    try:
        return tuple(sorted(values))
    except TypeError:
        return tuple(sorted(values, key=str))


@computable
def kappa_of_table(table: Any, weights: Weights = "none", level: float = 0.95) -> Estimate:
    """Cohen's κ of a square table of counts with its large-sample interval.

    Parameters
    ----------
    table
        Cases by category of reader 1 (rows) and reader 2 (columns), shape (k, k).
    weights, level
        As in ``cohens_kappa``.

    Notes
    -----
    Standard error of Fleiss, Cohen & Everitt 1969 (10.1037/h0028106), as ``vcd::Kappa`` of R. Where
    it is zero (perfect agreement) the bounds are None: an interval without width would overclaim.
    """
    counts = count_table(table)
    n, k = counts.sum(), counts.shape[0]
    require(counts.shape == (k, k), "the table is not square")
    require(n > 0, "no case was read by both readers")
    p = counts / n
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    distance = np.abs(np.subtract.outer(np.arange(k), np.arange(k))) / max(1, k - 1)
    choices = {"none": distance == 0, "linear": 1 - distance, "quadratic": 1 - distance**2}
    w = choices[weights].astype(float)
    observed, chance = float((w * p).sum()), float(rows @ w @ columns)
    require(chance < 1 - 1e-15, "both readers used one and the same category only", int(n))
    kappa = (observed - chance) / (1 - chance)
    centred = w - np.add.outer(w @ columns, w.T @ rows) * (1 - kappa)
    variance = float((p * centred**2).sum()) - (kappa - chance * (1 - kappa)) ** 2
    name = "Cohen κ" if weights == "none" else f"{weights} weighted κ"
    check_level(level)
    if variance < 1e-14:
        return Estimate(kappa, None, None, int(n), name, level=level)
    half = normal_quantile(level) * math.sqrt(variance / n) / (1 - chance)
    low, high = max(-1.0, kappa - half), min(1.0, kappa + half)
    return Estimate(kappa, low, high, int(n), name, level=level)


@computable
def fleiss_kappa(ratings: Any) -> TestResult:
    """Fleiss' κ of three or more readers: ``statistic`` is κ, the test is against no agreement.

    Parameters
    ----------
    ratings
        Category as a number, one row a case, one column a reader, shape (n, readers); rows with
        a gap are left out (R: ``irr::kappam.fleiss``).
    """
    values = as_floats(ratings)
    require(values.ndim == 2 and values.shape[1] >= 2, "there are not two readers")
    complete = values[~np.isnan(values).any(axis=1)]
    n, readers = complete.shape
    require(n > 0, "no case was read by all readers")
    categories = np.unique(complete)
    counts = np.stack([(complete == c).sum(axis=1) for c in categories], axis=1).astype(float)
    share = counts.sum(axis=0) / (n * readers)
    chance = float(share @ share)
    require(chance < 1 - 1e-15, "all readers used one and the same category only", n)
    observed = float((counts * (counts - 1)).sum()) / (n * readers * (readers - 1))
    kappa = (observed - chance) / (1 - chance)
    spread = share * (1 - share)
    inner = float(spread.sum() ** 2 - (spread * (1 - 2 * share)).sum())
    error = math.sqrt(2 * inner / (n * readers * (readers - 1))) / float(spread.sum())
    p = normal_p(kappa / error)
    return TestResult("Fleiss κ", kappa, p, n, details={"z": kappa / error, "readers": readers})


@computable
def icc(
    ratings: Any, definition: Literal["agreement", "consistency"] = "agreement", level: float = 0.95
) -> Estimate:
    """Intraclass correlation of single measurements, two-way model, with its F interval.

    Parameters
    ----------
    ratings
        Measurement, one row a case, one column a reader, shape (n, k), any unit; rows with a gap
        are left out.
    definition
        ``agreement`` is ICC(A,1): readers must give the same numbers. ``consistency`` is
        ICC(C,1): a constant offset between readers is forgiven.
    level
        Confidence level, 0 to 1.

    Notes
    -----
    Source: McGraw & Wong 1996 (10.1037/1082-989X.1.1.30), as ``irr::icc`` of R. Bounds are None
    where the F interval does not exist (readers agree without any error) or its approximation
    breaks down (some negative coefficients).
    """
    values = as_floats(ratings)
    require(values.ndim == 2 and values.shape[1] >= 2, "there are not two readers")
    (complete,) = complete_rows(values)
    n, k = complete.shape
    require(n >= 2, "fewer than two cases were measured by all readers", n)
    ms_cases, ms_readers, ms_error = _mean_squares(complete)
    require(ms_cases + ms_readers + ms_error > 0, "all measurements are equal", n)
    alpha = (1 - check_level(level)) / 2
    offset = 0.0 if definition == "consistency" else k / n * (ms_readers - ms_error)
    total = ms_cases + (k - 1) * ms_error + offset
    enough = total > 1e-12 * (ms_cases + ms_readers + ms_error)
    require(enough, "the readers differ so much that no spread is left for the cases", n)
    value = (ms_cases - ms_error) / total
    if definition == "consistency":
        bounds = _consistency_bounds(ms_cases, ms_error, n, k, alpha)
    else:
        bounds = _agreement_bounds(value, (ms_cases, ms_readers, ms_error), n, k, alpha)
    name = "ICC(C,1)" if definition == "consistency" else "ICC(A,1)"
    return Estimate(value, *bounds, n, name, level=level)


def _mean_squares(values: FloatArray) -> tuple[float, float, float]:
    """Return the mean squares of cases, readers and error; rounding noise counts as zero."""
    n, k = values.shape
    centred = values - values.mean()
    cases, readers = centred.mean(axis=1), centred.mean(axis=0)
    rest = centred - cases[:, None] - readers
    noise = (1e-14 * float(np.abs(values).max())) ** 2 * n * k
    sums = (k * float(cases @ cases), n * float(readers @ readers), float((rest**2).sum()))
    sums = tuple(0.0 if total <= noise else total for total in sums)
    return sums[0] / (n - 1), sums[1] / (k - 1), sums[2] / ((n - 1) * (k - 1))


Bounds = tuple[float | None, float | None]


def _consistency_bounds(ms_cases: float, ms_error: float, n: int, k: int, alpha: float) -> Bounds:
    if ms_error == 0:
        return None, None
    f, df1, df2 = ms_cases / ms_error, n - 1, (n - 1) * (k - 1)
    low, high = f / special.fdtri(df1, df2, 1 - alpha), f * special.fdtri(df2, df1, 1 - alpha)
    return float((low - 1) / (low + k - 1)), float((high - 1) / (high + k - 1))


def _agreement_bounds(
    value: float, mean_squares: tuple[float, float, float], n: int, k: int, alpha: float
) -> Bounds:
    """Return the interval of ICC(A,1) with Satterthwaite's degrees of freedom."""
    cases, readers, error = mean_squares
    if value >= 1:
        return None, None
    a = k * value / (n * (1 - value))
    b = 1 + k * value * (n - 1) / (n * (1 - value))
    parts = (a * readers) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    if parts == 0:
        return None, None
    df = (a * readers + b * error) ** 2 / parts
    others = k * readers + (k * n - k - n) * error
    f_low, f_high = special.fdtri(n - 1, df, 1 - alpha), special.fdtri(df, n - 1, 1 - alpha)
    low = n * (cases - f_low * error) / (f_low * others + n * cases)
    high = n * (f_high * cases - error) / (others + n * f_high * cases)
    if not low <= value <= high:
        return None, None
    return float(low), float(high)


@dataclass(frozen=True)
class BlandAltman:
    """Differences of two methods: bias and the limits within which 95 % of them lie."""

    bias: Estimate
    lower: Estimate
    upper: Estimate
    sd: float
    standard_error_of_limits: float
    left_out: int


@computable
def bland_altman(x: Any, y: Any, level: float = 0.95, unit: str = "") -> BlandAltman:
    """Compare two methods by their differences x − y.

    Parameters
    ----------
    x, y
        Measurements of the same cases in one unit, shape (n,); pairs with a gap are left out.
    level
        Confidence level of the intervals of bias and limits; the limits themselves are ± 1.96 SD.
    unit
        Unit of x and y.

    Notes
    -----
    Bland & Altman 1986 (10.1016/S0140-6736(86)90837-8); standard error of the limits
    SD √(1/n + 1.96² / (2 (n − 1))), interval by t with n − 1 degrees of freedom.
    """
    first, second = complete_columns(x, y)
    difference = first - second
    n = len(difference)
    require(n >= 2, "fewer than two pairs have both values", n)
    bias, sd = float(difference.mean()), float(difference.std(ddof=1))
    t = t_quantile(level, n - 1)
    error = sd * math.sqrt(1 / n + LIMITS_FACTOR**2 / (2 * (n - 1)))

    def around(value: float, standard_error: float, name: str) -> Estimate:
        half = t * standard_error
        return Estimate(value, value - half, value + half, n, name, unit, level)

    return BlandAltman(
        bias=around(bias, sd / math.sqrt(n), "mean difference, t"),
        lower=around(bias - LIMITS_FACTOR * sd, error, "lower limit of agreement"),
        upper=around(bias + LIMITS_FACTOR * sd, error, "upper limit of agreement"),
        sd=sd,
        standard_error_of_limits=error,
        left_out=len(as_floats(x)) - n,
    )
