"""Power, sample size and the smallest difference a study can detect.

Sizes are for one group; round up. Standardised effects are differences in standard deviations.
"""

import math
from collections.abc import Callable

import numpy as np
from scipy import special
from scipy.optimize import brentq

from analytics.guards import UndefinedError, computable, count, real, require
from analytics.results import Estimate
from analytics.studentised import noncentral_t
from analytics.tails import normal_quantile, t_quantile

LARGEST_SIZE = 1e9
MANN_WHITNEY_EFFICIENCY = 3 / math.pi
"""Asymptotic relative efficiency against t for normal data (Lehmann 1975)."""


@computable
def t_power(
    n1: float, n2: float, difference: float, sd: float, alpha: float = 0.05, strict: bool = False
) -> Estimate:
    """Return the power of a two-sided two-sample t test (R: ``power.t.test``).

    ``strict`` also counts findings in the wrong direction (R: ``pwr::pwr.t2n.test``).
    ``difference`` and ``sd`` are in one unit.
    """
    n1, n2, difference = real(n1, "a size"), real(n2, "a size"), real(difference, "the difference")
    require(min(n1, n2) >= 2, "a group has fewer than two values")
    effect = difference / _positive(sd, "the SD")
    return _planned(_t_power(n1, n2, effect, _alpha(alpha), strict), "two-sample t")


def _t_power(n1: float, n2: float, effect: float, alpha: float, strict: bool = False) -> float:
    """Return the power for an effect in standard deviations."""
    df = n1 + n2 - 2
    shift = abs(effect) / math.sqrt(1 / n1 + 1 / n2)
    critical = t_quantile(1 - alpha, df)
    right = noncentral_t(-critical, df, -shift)
    return right + (noncentral_t(-critical, df, shift) if strict else 0.0)


def _positive(value: float, what: str) -> float:
    """Return a finite number above zero."""
    number = real(value, what)
    require(number > 0, f"{what} is {value}, not above zero")
    return number


def _alpha(alpha: float) -> float:
    """Return a significance level strictly between 0 and 1."""
    number = real(alpha, "the significance level")
    require(0 < number < 1, f"the significance level {alpha} does not lie between 0 and 1")
    return number


def _share(value: float) -> float:
    """Return a proportion."""
    number = real(value, "a proportion")
    require(0 <= number <= 1, "a proportion does not lie between 0 and 1")
    return number


def _smallest(power_at: Callable[[float], float], power: float, low: float) -> float:
    """Return the smallest argument that reaches a power, by bracketing upwards from ``low``."""
    power = real(power, "the power")
    require(0 < power < 1, f"the power {power} does not lie between 0 and 1")
    if power_at(low) >= power:
        return low
    high = low * 2
    while not power_at(high) >= power:
        high *= 2
        if high > LARGEST_SIZE:
            raise UndefinedError("no size below a thousand million reaches this power")
    return float(brentq(lambda x: power_at(x) - power, high / 2, high, xtol=1e-12, rtol=1e-13))  # pyright: ignore[reportArgumentType]


def _planned(value: float, method: str) -> Estimate:
    """Wrap a planning figure: it has no interval and no data behind it."""
    return Estimate(value, None, None, 0, method)


@computable
def t_sample_size(
    difference: float, sd: float, power: float = 0.8, alpha: float = 0.05
) -> Estimate:
    """Return the size of each group for a two-sample t test (R: ``power.t.test``)."""
    return _planned(_t_size(difference, sd, power, alpha), "two-sample t")


def _t_size(difference: float, sd: float, power: float, alpha: float) -> float:
    """Return the size of each group, at least 2."""
    effect = real(difference, "the difference") / _positive(sd, "the SD")
    require(effect != 0, "the difference is zero")
    error = _alpha(alpha)
    return _smallest(lambda size: _t_power(size, size, effect, error), power, 2.0)


@computable
def mann_whitney_sample_size(
    difference: float, sd: float, power: float = 0.8, alpha: float = 0.05
) -> Estimate:
    """Return the size of each group for Mann–Whitney: that of t over 3/π."""
    n = _t_size(difference, sd, power, alpha)
    return _planned(n / MANN_WHITNEY_EFFICIENCY, "Mann–Whitney, by relative efficiency")


@computable
def smallest_difference(
    n1: float, n2: float, sd: float, power: float = 0.8, alpha: float = 0.05
) -> Estimate:
    """Return the smallest difference of means that groups of these sizes detect, in sd's unit."""
    spread = _positive(sd, "the SD")
    return _planned(_smallest_effect(n1, n2, power, alpha) * spread, "two-sample t")


@computable
def smallest_ratio(
    n1: float, n2: float, log_sd: float, power: float = 0.8, alpha: float = 0.05
) -> Estimate:
    """Return the smallest ratio of geometric means that groups of these sizes detect."""
    spread = _positive(log_sd, "the SD of logarithms")
    found = math.exp(_smallest_effect(n1, n2, power, alpha) * spread)
    return _planned(found, "two-sample t on logarithms")


def _smallest_effect(n1: float, n2: float, power: float, alpha: float) -> float:
    """Return the smallest effect in standard deviations."""
    n1, n2, error = real(n1, "a size"), real(n2, "a size"), _alpha(alpha)
    require(min(n1, n2) >= 2, "a group has fewer than two values")
    return _smallest(lambda effect: _t_power(n1, n2, effect, error), power, 1e-6)


@computable
def proportion_power(n: float, p1: float, p2: float, alpha: float = 0.05) -> Estimate:
    """Return the power of χ² with n in each group (R: ``power.prop.test``)."""
    size, first, second = _positive(n, "the size"), _share(p1), _share(p2)
    return _planned(_share_power(size, first, second, _alpha(alpha)), "χ² of two proportions")


def _share_power(n: float, p1: float, p2: float, alpha: float) -> float:
    """Return the power for two proportions."""
    average = (p1 + p2) / 2
    null = math.sqrt(2 * average * (1 - average))
    other = math.sqrt(p1 * (1 - p1) + p2 * (1 - p2))
    if other == 0:
        return 1.0 if p1 != p2 else 0.0
    z = normal_quantile(1 - alpha)
    return float(special.ndtr((math.sqrt(n) * abs(p1 - p2) - z * null) / other))


@computable
def proportion_sample_size(
    p1: float, p2: float, power: float = 0.8, alpha: float = 0.05
) -> Estimate:
    """Return the size of each group to tell two proportions apart (R: ``power.prop.test``)."""
    first, second, error = _share(p1), _share(p2), _alpha(alpha)
    require(first != second, "the proportions are the same")
    n = _smallest(lambda size: _share_power(size, first, second, error), power, 1e-3)
    return _planned(n, "χ² of two proportions")


@computable
def non_inferiority_proportion_size(
    p: float, margin: float, power: float = 0.8, alpha: float = 0.05
) -> Estimate:
    """Return the size of each group to show that p is not lower by ``margin``, one-sided."""
    share, width = _share(p), _positive(margin, "the margin")
    require(0 < share < 1, "the proportion is 0 or 1")
    reached = real(power, "the power")
    require(0 < reached < 1, f"the power {power} does not lie between 0 and 1")
    z = float(special.ndtri(1 - _alpha(alpha)) + special.ndtri(reached))
    n = 2 * share * (1 - share) * (z / width) ** 2
    return _planned(n, "non-inferiority of proportions, normal")


@computable
def anova_power(k: int, n: float, f: float, alpha: float = 0.05) -> Estimate:
    """Return the power of one-way ANOVA with n in each of k groups (R: ``pwr.anova.test``).

    ``f`` is the SD of the group means in within-group SDs.
    """
    groups, size, spread = _groups(k), real(n, "the size"), _positive(f, "the effect")
    require(size >= 2, "a group has fewer than two values")
    return _planned(_anova_power(groups, size, spread, _alpha(alpha)), "one-way ANOVA")


def _groups(k: float) -> int:
    """Return a number of groups, at least 2."""
    number = count(k, "the number of groups")
    require(number >= 2, "there are fewer than two groups")
    return number


def _anova_power(k: int, n: float, f: float, alpha: float) -> float:
    """Return the power of one-way ANOVA."""
    df1, df2 = k - 1, k * (n - 1)
    critical = float(special.fdtri(df1, df2, 1 - alpha))
    power = float(1 - special.ncfdtr(df1, df2, k * n * f**2, critical))
    require(not math.isnan(power), "the sizes or the effect are too extreme for the arithmetic")
    return power


@computable
def anova_sample_size(k: int, f: float, power: float = 0.8, alpha: float = 0.05) -> Estimate:
    """Return the size of each group for one-way ANOVA."""
    groups, spread, error = _groups(k), _positive(f, "the effect"), _alpha(alpha)
    n = _smallest(lambda size: _anova_power(groups, size, spread, error), power, 2.0)
    return _planned(n, "one-way ANOVA")


@computable
def correlation_sample_size(r: float, power: float = 0.8, alpha: float = 0.05) -> Estimate:
    """Return the number of pairs to detect a correlation (R: ``pwr.r.test``)."""
    r, error = abs(real(r, "the correlation")), _alpha(alpha)
    require(0 < r < 1, "the correlation does not lie between 0 and 1")

    def power_at(n: float) -> float:
        t = t_quantile(1 - error, n - 2)
        critical = math.sqrt(t**2 / (t**2 + n - 2))
        centre = math.atanh(r) + r / (2 * (n - 1))
        upper = special.ndtr((centre - math.atanh(critical)) * math.sqrt(n - 3))
        lower = special.ndtr((-centre - math.atanh(critical)) * math.sqrt(n - 3))
        return float(upper + lower)

    return _planned(_smallest(power_at, power, 4.0), "correlation, Fisher's z")


@computable
def tost_power(
    n1: float,
    n2: float,
    sd: float,
    margin: tuple[float, float],
    difference: float = 0.0,
    alpha: float = 0.05,
) -> Estimate:
    """Return the chance that two one-sided t tests show equivalence.

    ``margin``, ``difference`` and ``sd`` are in one unit; pass logarithms for a ratio. Integrates
    over the sample variance, so it is exact for normal data of equal variance (Owen 1965).
    """
    n1, n2, spread = real(n1, "a size"), real(n2, "a size"), _positive(sd, "the SD")
    require(min(n1, n2) >= 2, "a group has fewer than two values")
    low, high = (real(end, "a margin") for end in margin)
    centre, df = real(difference, "the difference"), n1 + n2 - 2
    error = spread * math.sqrt(1 / n1 + 1 / n2)
    reach = t_quantile(1 - 2 * _alpha(alpha), df)
    nodes, weights = np.polynomial.legendre.leggauss(400)
    half = np.sqrt(special.chdtri(df, (1 - nodes) / 2) / df) * error * reach
    inside = special.ndtr((high - half - centre) / error) - special.ndtr(
        (low + half - centre) / error
    )
    return _planned(float((weights / 2 * np.maximum(0.0, inside)).sum()), "TOST, Student t")
