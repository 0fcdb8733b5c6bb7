"""Tests of two or more means with unequal variances, from sizes, means and variances.

Functions take values, ``frequency.Counts`` or ``frequency.Moments``.
"""

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
from scipy import special

from analytics.guards import check_level, computable, require
from analytics.moments import Moments, moments
from analytics.results import Estimate, Pair, TestResult
from analytics.studentised import range_p, range_quantile
from analytics.tails import t_p


def welch_parts(a: Moments, b: Moments, pooled: bool) -> tuple[float, float]:
    """Return the standard error of the difference of means and its degrees of freedom."""
    n = a.n + b.n
    if pooled:
        require(n > 2 and min(a.n, b.n) >= 1, "there are fewer than three values", n)
        squares = sum((m.n - 1) * m.variance for m in (a, b) if m.n > 1)
        error, df = math.sqrt(squares / (n - 2) * (1 / a.n + 1 / b.n)), float(n - 2)
    else:
        require(min(a.n, b.n) >= 2, "a group has fewer than two values", n)
        share_a, share_b = a.variance / a.n, b.variance / b.n
        error = math.sqrt(share_a + share_b)
        part = share_a / (share_a + share_b) if error > 0 else 0.0
        df = 1 / (part**2 / (a.n - 1) + (1 - part) ** 2 / (b.n - 1))
    largest = max(abs(a.mean), abs(b.mean))
    require(error > 10 * np.finfo(float).eps * largest, "the values do not vary in any group", n)
    return error, df


@computable
def welch_test(x: Any, y: Any, pooled: bool = False, log: bool = False) -> TestResult:
    """Test equality of two means without assuming equal variances (Welch 1947).

    R: ``t.test(x, y)``; ``pooled`` gives Student's test, ``log`` compares mean logarithms.
    """
    a, b = moments(x, log), moments(y, log)
    error, df = welch_parts(a, b, pooled)
    t = (a.mean - b.mean) / error
    p = t_p(t, df)
    name = ("Student t" if pooled else "Welch t") + (" on logarithms" if log else "")
    return TestResult(name, t, p, a.n + b.n, df=df, details={"n1": a.n, "n2": b.n})


@computable
def welch_anova(*groups: Any, log: bool = False) -> TestResult:
    """Test equality of several means without assuming equal variances (Welch 1951).

    R: ``oneway.test``.
    """
    parts = [moments(group, log) for group in groups]
    n, k = sum(part.n for part in parts), len(parts)
    require(k >= 2, "there are fewer than two groups", n)
    require(all(part.n >= 2 for part in parts), "a group has fewer than two values", n)
    varies = all(p.sd > 10 * np.finfo(float).eps * abs(p.mean) for p in parts)
    require(varies, "the values of a group do not vary", n)
    weights = np.array([part.n / part.variance for part in parts])
    means = np.array([part.mean for part in parts])
    sizes = np.array([part.n for part in parts])
    centre = float((weights * means).sum() / weights.sum())
    lack = float(((1 - weights / weights.sum()) ** 2 / (sizes - 1)).sum()) / (k**2 - 1)
    between = float((weights * (means - centre) ** 2).sum()) / (k - 1)
    f = between / (1 + 2 * (k - 2) * lack)
    df = (float(k - 1), 1 / (3 * lack))
    name = "Welch ANOVA" + (" on logarithms" if log else "")
    return TestResult(name, f, float(special.fdtrc(*df, f)), n, df=df)


@computable
def games_howell(
    groups: Mapping[str, Any], log: bool = False, level: float = 0.95, unit: str = ""
) -> tuple[Pair, ...]:
    """Compare all pairs of means with simultaneous intervals (Games & Howell 1976).

    R: ``rstatix::games_howell_test`` (second minus first there, first minus second here; its
    ``ptukey`` loses digits below ten degrees of freedom). With ``log`` the effect is the ratio of
    geometric means.
    """
    check_level(level)
    require(len(groups) >= 2, "there are fewer than two groups")
    parts = {name: moments(group, log) for name, group in groups.items()}
    errors = {
        pair: welch_parts(parts[pair[0]], parts[pair[1]], pooled=False)
        for pair in combinations(parts, 2)
    }
    return tuple(
        _studentised_pair(parts, pair, *errors[pair], log=log, level=level, unit=unit)
        for pair in errors
    )


def _studentised_pair(
    parts: Mapping[str, Moments],
    pair: tuple[str, str],
    error: float,
    df: float,
    *,
    log: bool,
    level: float,
    unit: str,
) -> Pair:
    """Return one Games–Howell comparison."""
    a, b = parts[pair[0]], parts[pair[1]]
    k = len(parts)
    difference = a.mean - b.mean
    q = abs(difference) / error * math.sqrt(2)
    p = range_p(q, k, df)
    half = range_quantile(level, k, df) * error / math.sqrt(2)
    value, low, high = difference, difference - half, difference + half
    if log:
        value, low, high = math.exp(value), math.exp(low), math.exp(high)
    effect = Estimate(value, low, high, a.n + b.n, "Games–Howell", "" if log else unit, level)
    test = TestResult("Games–Howell", difference / error, p, a.n + b.n, df=df)
    name = "ratio of geometric means" if log else "mean difference"
    return Pair(*pair, test, p, "Games–Howell", effect, name)
