"""How large a difference is, with its interval: first minus second, or first over second.

Functions take values or ``frequency.Counts``; those of means also ``frequency.Moments``, so a query
that returns n, mean and variance is enough.
"""

import math
from typing import Any

import numpy as np
from scipy import special
from scipy.optimize import brentq

from analytics.frequency import Counts, doubled_placements, tally
from analytics.guards import UndefinedError, check_level, computable, require
from analytics.means import welch_parts
from analytics.moments import moments
from analytics.results import Estimate, NotComputable
from analytics.studentised import noncentral_t
from analytics.tails import t_quantile


@computable
def cliffs_delta(x: Any, y: Any, level: float = 0.95) -> Estimate:
    """Return P(X > Y) − P(X < Y) with the interval of Feng & Cliff (2004).

    Unbiased variance and Student quantile with n1 + n2 − 2 degrees of freedom
    (R: ``effsize::cliff.delta(x, y)``). When the groups do not overlap, delta is ±1 and the
    interval is taken at ±(n1·n2 − 1)/(n1·n2), as effsize does.
    """
    first, second = tally(x), tally(y)
    n1, n2 = first.n, second.n
    require(min(n1, n2) >= 1, "a group is empty", n1 + n2)
    of_first = doubled_placements(first, second) / n2 - 1
    of_second = 1 - doubled_placements(second, first) / n1
    wins = int((doubled_placements(first, second) * first.n_each).sum())
    delta = wins / (n1 * n2) - 1
    if min(n1, n2) < 2:
        return Estimate(delta, None, None, n1 + n2, "Cliff's delta", level=level)
    separated = abs(delta) == 1
    centre = delta * (1 - 1 / (n1 * n2)) if separated else delta
    squares1 = float(((of_first - centre) ** 2 * first.n_each).sum())
    squares2 = float(((of_second - centre) ** 2 * second.n_each).sum())
    squares = _squared_dominance(first, second, centre)
    pairs = float(n1) * n2
    variance = (n2**2 * squares1 + n1**2 * squares2 - squares) / (pairs * (n1 - 1) * (n2 - 1))
    t = t_quantile(level, n1 + n2 - 2)
    low, high = _feng_cliff(centre, max(variance, 0.0), t)
    low = -1.0 if delta == -1 else min(low, delta)
    high = 1.0 if delta == 1 else max(high, delta)
    method = "Cliff's delta, Feng–Cliff interval"
    return Estimate(delta, low, high, n1 + n2, method, level=level)


def _squared_dominance(first: Counts, second: Counts, centre: float) -> float:
    """Return the sum over all pairs of (sign(x − y) − centre)²."""
    steps = np.concatenate(([0], second.cumulative))
    below = steps[np.searchsorted(second.values, first.values, side="left")]
    up_to = steps[np.searchsorted(second.values, first.values, side="right")]
    higher = int((below * first.n_each).sum())
    lower = int(((second.n - up_to) * first.n_each).sum())
    equal = first.n * second.n - higher - lower
    return higher * (1 - centre) ** 2 + lower * (1 + centre) ** 2 + equal * centre**2


def _feng_cliff(delta: float, variance: float, t: float) -> tuple[float, float]:
    """Return the asymmetric interval, which stays within [−1, 1]."""
    spread = t * math.sqrt(variance) * math.sqrt((1 - delta**2) ** 2 + t**2 * variance)
    divisor = 1 - delta**2 + t**2 * variance
    middle = delta - delta**3
    return max(-1.0, (middle - spread) / divisor), min(1.0, (middle + spread) / divisor)


@computable
def probability_higher(x: Any, y: Any, level: float = 0.95) -> Estimate:
    """Return P(X > Y) + ½ P(X = Y); its interval is that of Cliff's delta, moved to [0, 1].

    ``ranks.brunner_munzel`` gives the same probability with the interval of its own test. When the
    groups do not overlap there is no interval: the one of Cliff's delta would be too narrow.
    """
    delta = cliffs_delta(x, y, level)
    if isinstance(delta, NotComputable):
        raise UndefinedError(delta.reason.removeprefix("cannot be computed, because "), delta.n)
    low, high = (None if bound is None else (bound + 1) / 2 for bound in (delta.low, delta.high))
    if abs(delta.value) == 1:
        low = high = None
    method = "probability of the higher value"
    return Estimate((delta.value + 1) / 2, low, high, delta.n, method, level=level)


@computable
def mean_difference(
    x: Any, y: Any, level: float = 0.95, unit: str = "", pooled: bool = False
) -> Estimate:
    """Return mean of x minus mean of y with the Welch interval, in the unit of the values."""
    a, b = moments(x), moments(y)
    error, df = welch_parts(a, b, pooled)
    half = t_quantile(level, df) * error
    difference = a.mean - b.mean
    name = "Student t" if pooled else "Welch t"
    return Estimate(difference, difference - half, difference + half, a.n + b.n, name, unit, level)


@computable
def geometric_mean_ratio(x: Any, y: Any, level: float = 0.95) -> Estimate:
    """Return the ratio of geometric means with its Welch interval; values must be positive.

    R: ``exp(t.test(log(x), log(y))$conf.int)``.
    """
    a, b = moments(x, log=True), moments(y, log=True)
    error, df = welch_parts(a, b, pooled=False)
    half = t_quantile(level, df) * error
    centre = a.mean - b.mean
    value, low, high = (math.exp(centre + shift) for shift in (0.0, -half, half))
    return Estimate(value, low, high, a.n + b.n, "Welch t on logarithms", level=level)


@computable
def geometric_mean(x: Any, level: float = 0.95, unit: str = "") -> Estimate:
    """Return the geometric mean with its t interval on logarithms; values must be positive."""
    m = moments(x, log=True)
    if m.n < 2:
        return Estimate(math.exp(m.mean), None, None, m.n, "t on logarithms", unit, level)
    half = t_quantile(level, m.n - 1) * m.sd / math.sqrt(m.n)
    low, high = math.exp(m.mean - half), math.exp(m.mean + half)
    return Estimate(math.exp(m.mean), low, high, m.n, "t on logarithms", unit, level)


@computable
def mean(x: Any, level: float = 0.95, unit: str = "") -> Estimate:
    """Return the mean with its t interval, in the unit of the values."""
    m = moments(x)
    if m.n < 2:
        return Estimate(m.mean, None, None, m.n, "t", unit, level)
    half = t_quantile(level, m.n - 1) * m.sd / math.sqrt(m.n)
    return Estimate(m.mean, m.mean - half, m.mean + half, m.n, "t", unit, level)


@computable
def hedges_g(x: Any, y: Any, level: float = 0.95, corrected: bool = True) -> Estimate:
    """Return the mean difference in pooled standard deviations (Hedges 1981).

    The small-sample factor is the exact ratio of gamma functions; the interval inverts the
    noncentral t distribution (R: ``effectsize::hedges_g``). ``corrected=False`` is Cohen's d.
    """
    check_level(level)
    a, b = moments(x), moments(y)
    error, df = welch_parts(a, b, pooled=True)
    size = math.sqrt(1 / a.n + 1 / b.n)
    t = (a.mean - b.mean) / error
    factor = _small_sample_factor(df) if corrected else 1.0
    low, high = (_noncentrality(t, df, tail) for tail in ((1 + level) / 2, (1 - level) / 2))
    method = "Hedges g, noncentral t" if corrected else "Cohen d, noncentral t"
    scale = factor * size
    return Estimate(t * scale, low * scale, high * scale, a.n + b.n, method, level=level)


def _small_sample_factor(df: float) -> float:
    """Return Γ(df/2) / (√(df/2) Γ((df − 1)/2)); for two values there is none."""
    require(df > 1, "there are fewer than four values")
    return math.exp(math.lgamma(df / 2) - math.lgamma((df - 1) / 2)) / math.sqrt(df / 2)


def _noncentrality(t: float, df: float, probability: float) -> float:
    """Return the noncentrality at which P(T ≤ t) has this probability."""
    centre = t - float(special.ndtri(probability)) * math.sqrt(1 + t**2 / (2 * df))
    reach = 1.0 + 0.5 * abs(centre)

    def excess(shift: float) -> float:
        return noncentral_t(t, df, shift) - probability

    for _ in range(60):
        if excess(centre - reach) >= 0 >= excess(centre + reach):
            break
        reach *= 2
    else:
        raise UndefinedError("the difference is too large in standard deviations")
    return float(brentq(excess, centre - reach, centre + reach, xtol=1e-13, rtol=1e-13))  # pyright: ignore[reportArgumentType]
