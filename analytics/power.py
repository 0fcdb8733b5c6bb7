"""Power, sample size and the smallest difference a study can detect.

Sizes are for one group; round up. Standardised effects are differences in standard deviations.
"""

import math
from collections.abc import Callable

import numpy as np
from scipy import special
from scipy.optimize import brentq

from analytics.guards import UndefinedError, computable, require
from analytics.results import Estimate

LARGEST_SIZE = 1e9
MANN_WHITNEY_EFFICIENCY = 3 / math.pi
"""Asymptotic relative efficiency against t for normal data (Lehmann 1975)."""


def t_power(
    n1: float, n2: float, difference: float, sd: float, alpha: float = 0.05, strict: bool = False
) -> float:
    """Return the power of a two-sided two-sample t test (R: ``power.t.test``).

    ``strict`` also counts findings in the wrong direction (R: ``pwr::pwr.t2n.test``).
    ``difference`` and ``sd`` are in one unit; NaN where a size is below two or sd is not positive.
    """
    if min(n1, n2) < 2 or not sd > 0:
        return math.nan
    df = n1 + n2 - 2
    shift = abs(difference) / sd / math.sqrt(1 / n1 + 1 / n2)
    critical = float(special.stdtrit(df, 1 - alpha / 2))
    right = _upper_noncentral_t(df, shift, critical)
    return right + (_upper_noncentral_t(df, -shift, critical) if strict else 0.0)


def _upper_noncentral_t(df: float, shift: float, critical: float) -> float:
    """Return P(T > critical) of the noncentral t; normal where the exact one loses its digits."""
    if df > 1e5 or abs(shift) > 30:
        spread = math.sqrt(1 + critical**2 / (2 * df))
        return float(special.ndtr((shift - critical * (1 - 1 / (4 * df))) / spread))
    return float(1 - special.nctdtr(df, shift, critical))


def _smallest(power_at: Callable[[float], float], power: float, low: float) -> float:
    """Return the smallest argument that reaches a power, by bracketing upwards from ``low``."""
    require(0 < power < 1, f"the power {power} does not lie between 0 and 1")
    start = power_at(low)
    require(not math.isnan(start), "a size, a difference or an SD is not a number of use")
    if start >= power:
        return low
    high = low * 2
    while not power_at(high) >= power:
        high *= 2
        if high > LARGEST_SIZE:
            raise UndefinedError("no size below a thousand million reaches this power")
    return float(brentq(lambda x: power_at(x) - power, high / 2, high, xtol=1e-12, rtol=1e-13))  # pyright: ignore[reportArgumentType]


def _size(value: float, method: str) -> Estimate:
    """Wrap a planning figure: it has no interval and no data behind it."""
    return Estimate(value, None, None, 0, method)


@computable
def t_sample_size(
    difference: float, sd: float, power: float = 0.8, alpha: float = 0.05
) -> Estimate:
    """Return the size of each group for a two-sample t test (R: ``power.t.test``)."""
    require(sd > 0 and difference != 0, "the difference is zero or the SD is not positive")
    n = _smallest(lambda size: t_power(size, size, difference, sd, alpha), power, 2.0)
    return _size(n, "two-sample t")


@computable
def mann_whitney_sample_size(
    difference: float, sd: float, power: float = 0.8, alpha: float = 0.05
) -> Estimate:
    """Return the size of each group for Mann–Whitney: that of t over 3/π."""
    require(sd > 0 and difference != 0, "the difference is zero or the SD is not positive")
    n = _smallest(lambda size: t_power(size, size, difference, sd, alpha), power, 2.0)
    return _size(n / MANN_WHITNEY_EFFICIENCY, "Mann–Whitney, by relative efficiency")


@computable
def smallest_difference(
    n1: float, n2: float, sd: float, power: float = 0.8, alpha: float = 0.05
) -> Estimate:
    """Return the smallest difference of means that groups of these sizes detect, in sd's unit."""
    require(
        min(n1, n2) >= 2 and sd > 0, "a group has fewer than two values or the SD is not positive"
    )
    found = _smallest(lambda d: t_power(n1, n2, d * sd, sd, alpha), power, 1e-6)
    return _size(found * sd, "two-sample t")


@computable
def smallest_ratio(
    n1: float, n2: float, log_sd: float, power: float = 0.8, alpha: float = 0.05
) -> Estimate:
    """Return the smallest ratio of geometric means that groups of these sizes detect."""
    require(
        min(n1, n2) >= 2 and log_sd > 0,
        "a group has fewer than two values or the SD is not positive",
    )
    found = _smallest(lambda d: t_power(n1, n2, d * log_sd, log_sd, alpha), power, 1e-6)
    return _size(math.exp(found * log_sd), "two-sample t on logarithms")


def proportion_power(n: float, p1: float, p2: float, alpha: float = 0.05) -> float:
    """Return the power of χ² with n in each group (R: ``power.prop.test``)."""
    if not (0 <= p1 <= 1 and 0 <= p2 <= 1 and n > 0):
        return math.nan
    average = (p1 + p2) / 2
    null = math.sqrt(2 * average * (1 - average))
    other = math.sqrt(p1 * (1 - p1) + p2 * (1 - p2))
    if other == 0:
        return 1.0 if p1 != p2 else 0.0
    z = float(special.ndtri(1 - alpha / 2))
    return float(special.ndtr((math.sqrt(n) * abs(p1 - p2) - z * null) / other))


@computable
def proportion_sample_size(
    p1: float, p2: float, power: float = 0.8, alpha: float = 0.05
) -> Estimate:
    """Return the size of each group to tell two proportions apart (R: ``power.prop.test``)."""
    require(0 <= p1 <= 1 and 0 <= p2 <= 1, "a proportion does not lie between 0 and 1")
    require(p1 != p2, "the proportions are equal")
    n = _smallest(lambda size: proportion_power(size, p1, p2, alpha), power, 1e-3)
    return _size(n, "χ² of two proportions")


@computable
def non_inferiority_proportion_size(
    p: float, margin: float, power: float = 0.8, alpha: float = 0.05
) -> Estimate:
    """Return the size of each group to show that p is not lower by ``margin``, one-sided."""
    require(0 < p < 1 and margin > 0, "the proportion or the margin is out of range")
    z = float(special.ndtri(1 - alpha) + special.ndtri(power))
    return _size(2 * p * (1 - p) * (z / margin) ** 2, "non-inferiority of proportions, normal")


def anova_power(k: int, n: float, f: float, alpha: float = 0.05) -> float:
    """Return the power of one-way ANOVA with n in each of k groups (R: ``pwr.anova.test``).

    ``f`` is the SD of the group means in within-group SDs.
    """
    if k < 2 or n < 2 or f < 0:
        return math.nan
    df1, df2 = k - 1, k * (n - 1)
    critical = float(special.fdtri(df1, df2, 1 - alpha))
    return float(1 - special.ncfdtr(df1, df2, k * n * f**2, critical))


@computable
def anova_sample_size(k: int, f: float, power: float = 0.8, alpha: float = 0.05) -> Estimate:
    """Return the size of each group for one-way ANOVA."""
    require(k >= 2 and f > 0, "there are fewer than two groups or no effect")
    return _size(_smallest(lambda n: anova_power(k, n, f, alpha), power, 2.0), "one-way ANOVA")


@computable
def correlation_sample_size(r: float, power: float = 0.8, alpha: float = 0.05) -> Estimate:
    """Return the number of pairs to detect a correlation (R: ``pwr.r.test``)."""
    require(0 < abs(r) < 1, "the correlation does not lie between 0 and 1")

    def power_at(n: float) -> float:
        t = float(special.stdtrit(n - 2, 1 - alpha / 2))
        critical = math.sqrt(t**2 / (t**2 + n - 2))
        centre = math.atanh(abs(r)) + abs(r) / (2 * (n - 1))
        upper = special.ndtr((centre - math.atanh(critical)) * math.sqrt(n - 3))
        lower = special.ndtr((-centre - math.atanh(critical)) * math.sqrt(n - 3))
        return float(upper + lower)

    return _size(_smallest(power_at, power, 4.0), "correlation, Fisher's z")


def tost_power(
    n1: float,
    n2: float,
    sd: float,
    margin: tuple[float, float],
    difference: float = 0.0,
    alpha: float = 0.05,
) -> float:
    """Return the chance that two one-sided t tests show equivalence.

    ``margin``, ``difference`` and ``sd`` are in one unit; pass logarithms for a ratio. Integrates
    over the sample variance, so it is exact for normal data of equal variance (Owen 1965).
    """
    if min(n1, n2) < 2 or not sd > 0:
        return math.nan
    df = n1 + n2 - 2
    error = sd * math.sqrt(1 / n1 + 1 / n2)
    t = float(special.stdtrit(df, 1 - alpha))
    nodes, weights = np.polynomial.legendre.leggauss(400)
    u = (nodes + 1) / 2
    spread = np.sqrt(special.chdtri(df, 1 - u) / df) * error * t
    inside = special.ndtr((margin[1] - spread - difference) / error) - special.ndtr(
        (margin[0] + spread - difference) / error
    )
    return float((weights / 2 * np.maximum(0.0, inside)).sum())
