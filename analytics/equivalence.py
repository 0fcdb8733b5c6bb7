"""Is it as good as, within a margin stated beforehand? Two one-sided tests (Schuirmann 1987)."""

import math
from typing import Any

from scipy import special

from analytics.comparison import Equivalence
from analytics.guards import computable, events_of, real, require
from analytics.means import welch_parts
from analytics.moments import Moments, moments
from analytics.results import Estimate
from analytics.score import TwoProportions, difference_interval, z_difference

Bound = float | None


@computable
def tost_mean(
    x: Any, y: Any, low: Bound, high: Bound, alpha: float = 0.05, unit: str = ""
) -> Equivalence:
    """Test that the mean of x minus the mean of y lies within (low, high), by Welch t.

    R: ``t.test(x, y, mu = low, alternative = "greater")`` and ``mu = high, "less"``. Pass None for
    one bound to test non-inferiority alone. The margin is in the unit of the values.
    """
    a, b = moments(x), moments(y)
    _check_margin(low, high, alpha)
    error, df = welch_parts(a, b, pooled=False)
    return _one_sided_pair(
        a.mean - b.mean, error, df, (low, high), alpha, a.n + b.n, "TOST, Welch t", unit
    )


@computable
def tost_ratio(x: Any, y: Any, low: Bound, high: Bound, alpha: float = 0.05) -> Equivalence:
    """Test that the ratio of geometric means lies within (low, high), by Welch t on logarithms."""
    _check_margin(low, high, alpha)
    require(all(b is None or b > 0 for b in (low, high)), "a margin of a ratio must be positive")
    a, b = moments(x, log=True), moments(y, log=True)
    error, df = welch_parts(a, b, pooled=False)
    logs = tuple(None if bound is None else math.log(bound) for bound in (low, high))
    result = _one_sided_pair(
        a.mean - b.mean, error, df, logs, alpha, a.n + b.n, "TOST, Welch t on logarithms", ""
    )
    e = result.estimate
    assert e.low is not None and e.high is not None
    ratio = Estimate(
        math.exp(e.value), math.exp(e.low), math.exp(e.high), e.n, e.method, level=e.level
    )
    return Equivalence(
        result.method,
        low,
        high,
        ratio,
        result.p_lower,
        result.p_upper,
        result.p_value,
        result.supported,
        alpha,
    )


@computable
def tost_paired(
    differences: Any, low: Bound, high: Bound, alpha: float = 0.05, unit: str = ""
) -> Equivalence:
    """Test that the mean of paired differences lies within (low, high), by paired t."""
    _check_margin(low, high, alpha)
    m: Moments = moments(differences)
    require(m.n >= 2, "there are fewer than two pairs", m.n)
    error = m.sd / math.sqrt(m.n)
    require(error > 1e-15 * abs(m.mean), "the differences do not vary", m.n)
    return _one_sided_pair(
        m.mean, error, m.n - 1.0, (low, high), alpha, m.n, "TOST, paired t", unit
    )


@computable
def tost_proportions(
    e1: float, n1: float, e2: float, n2: float, low: Bound, high: Bound, alpha: float = 0.05
) -> Equivalence:
    """Test that p1 − p2 lies within (low, high), by the score of Miettinen and Nurminen (1985).

    R: ``ratesci::scoreci(contrast = "RD", skew = FALSE, theta0 = …)``. statsmodels has another
    variance and fails with zero cells. Margins are fractions of 1.
    """
    _check_margin(low, high, alpha)
    bounds = [bound for bound in (low, high) if bound is not None]
    require(all(-1 < bound < 1 for bound in bounds), "a margin does not lie between −1 and 1")
    groups = TwoProportions(*events_of(e1, n1, "first group"), *events_of(e2, n2, "second group"))
    p_lower = None if low is None else float(special.ndtr(-z_difference(groups, low)))
    p_upper = None if high is None else float(special.ndtr(z_difference(groups, high)))
    method, level = "TOST, Miettinen–Nurminen", 1 - 2 * alpha
    ends = difference_interval(groups, level)
    value = groups.e1 / groups.n1 - groups.e2 / groups.n2
    estimate = Estimate(value, *ends, groups.n1 + groups.n2, method, level=level)
    p = max(value for value in (p_lower, p_upper) if value is not None)
    return Equivalence(method, low, high, estimate, p_lower, p_upper, p, p < alpha, alpha)


def _check_margin(low: Bound, high: Bound, alpha: float) -> None:
    """Refuse a missing or reversed margin."""
    require(low is not None or high is not None, "no margin was stated")
    bounds = [real(bound, "a margin") for bound in (low, high) if bound is not None]
    error = real(alpha, "the significance level")
    require(0 < error < 0.5, f"the significance level {alpha} does not lie between 0 and ½")
    require(len(bounds) < 2 or bounds[0] < bounds[1], "the lower margin is not below the upper")


def _one_sided_pair(
    difference: float,
    error: float,
    df: float,
    margin: tuple[Bound, ...],
    alpha: float,
    n: int,
    method: str,
    unit: str,
) -> Equivalence:
    """Test against each bound and report the larger p and the interval at level 1 − 2 alpha."""
    low, high = margin
    p_lower = None if low is None else float(special.stdtr(df, (low - difference) / error))
    p_upper = None if high is None else float(special.stdtr(df, (difference - high) / error))
    half = float(special.stdtrit(df, 1 - alpha)) * error
    estimate = Estimate(
        difference, difference - half, difference + half, n, method, unit, 1 - 2 * alpha
    )
    p = max(value for value in (p_lower, p_upper) if value is not None)
    return Equivalence(method, low, high, estimate, p_lower, p_upper, p, p < alpha, alpha)
