"""Two groups within strata: Mantel–Haenszel ratios, homogeneity, standardisation.

Order: first group minus second, first over second. A stratum that holds one group only, or in
which nobody (everybody) had the event, says nothing of a ratio and is counted, not invented.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from analytics.guards import (
    FloatArray,
    as_counts,
    computable,
    numbers,
    require,
)
from analytics.results import Estimate, TestResult
from analytics.tails import chi_square_p, normal_quantile


@dataclass(frozen=True)
class Tables:
    """2 × 2 tables, one a stratum: events a of n1, c of n2; shape (k,)."""

    a: FloatArray
    n1: FloatArray
    c: FloatArray
    n2: FloatArray

    @property
    def total(self) -> FloatArray:
        """Members of each stratum."""
        return self.n1 + self.n2


def stratified_tables(
    e1: Sequence[float], n1: Sequence[float], e2: Sequence[float], n2: Sequence[float]
) -> Tables:
    """Check the strata; those with one group only are left out."""
    names = ("events of the first group", "sizes of the first group")
    names += ("events of the second group", "sizes of the second group")
    columns = [as_counts(v, name) for v, name in zip((e1, n1, e2, n2), names, strict=True)]
    require(len({len(column) for column in columns}) == 1, "the columns differ in length")
    a, s1, c, s2 = columns
    require(bool((a <= s1).all() and (c <= s2).all()), "a stratum has more events than members")
    both = (s1 > 0) & (s2 > 0)
    require(bool(both.any()), "no stratum holds both groups")
    return Tables(a[both], s1[both], c[both], s2[both])


def _informative(t: Tables) -> Tables:
    """Keep the strata in which the event happened to some and not to all."""
    events = t.a + t.c
    keep = (events > 0) & (events < t.total)
    require(bool(keep.any()), "nobody, or everybody, had the event in every stratum")
    return Tables(t.a[keep], t.n1[keep], t.c[keep], t.n2[keep])


def _log_estimate(
    value: float, standard_error: float, t: Tables, method: str, level: float
) -> Estimate:
    """Return a ratio with the interval of its logarithm."""
    half = normal_quantile(level) * standard_error
    low, high = value * math.exp(-half), value * math.exp(half)
    return Estimate(value, low, high, int(t.total.sum()), method, level=level)


def log_odds_ratio_parts(t: Tables) -> tuple[float, float]:
    """Return the Mantel–Haenszel log odds ratio and its error (Robins, Breslow & Greenland)."""
    n, b, d = t.total, t.n1 - t.a, t.n2 - t.c
    r, s = t.a * d / n, b * t.c / n
    require(r.sum() > 0 and s.sum() > 0, "one group has no event, or none without, in any stratum")
    p, q = (t.a + d) / n, (b + t.c) / n
    total_r, total_s = r.sum(), s.sum()
    variance = (p * r).sum() / total_r**2 + (p * s + q * r).sum() / (total_r * total_s)
    variance = (variance + (q * s).sum() / total_s**2) / 2
    return math.log(total_r / total_s), math.sqrt(variance)


def log_risk_ratio_parts(t: Tables) -> tuple[float, float]:
    """Return the Mantel–Haenszel log risk ratio and its error (Greenland & Robins 1985)."""
    n = t.total
    r, s = (t.a * t.n2 / n).sum(), (t.c * t.n1 / n).sum()
    require(r > 0 and s > 0, "one group has no event in any stratum")
    d = (t.n1 * t.n2 * (t.a + t.c) / n**2 - t.a * t.c / n).sum()
    return math.log(r / s), math.sqrt(max(0.0, d) / (r * s))


def risk_difference_parts(t: Tables) -> tuple[float, float]:
    """Return the Mantel–Haenszel risk difference and its error (Sato 1989)."""
    n, share1, share2 = t.total, t.n1 / t.total, t.n2 / t.total
    total = float((t.n1 * share2).sum())
    value = float((t.a * share2 - t.c * share1).sum()) / total
    p = (t.c * share1**2 - t.a * share2**2 + share1 * share2 * (t.n2 - t.n1) / 2).sum()
    q = (t.a * (t.n2 - t.c) / n + t.c * (t.n1 - t.a) / n).sum() / 2
    return value, math.sqrt(max(0.0, float(value * p + q))) / total


@computable
def mantel_haenszel_odds_ratio(
    e1: Sequence[float],
    n1: Sequence[float],
    e2: Sequence[float],
    n2: Sequence[float],
    level: float = 0.95,
) -> Estimate:
    """Odds ratio over strata (R: ``mantelhaen.test``, ``metafor::rma.mh(measure = "OR")``).

    Parameters
    ----------
    e1, n1, e2, n2
        Events and members of both groups, one entry a stratum, shape (k,).
    level
        Confidence level, 0 to 1.

    Notes
    -----
    Variance of Robins, Breslow & Greenland 1986 (10.2307/2531052).
    """
    t = _informative(stratified_tables(e1, n1, e2, n2))
    log_value, error = log_odds_ratio_parts(t)
    return _log_estimate(math.exp(log_value), error, t, "Mantel–Haenszel odds ratio", level)


@computable
def mantel_haenszel_risk_ratio(
    e1: Sequence[float],
    n1: Sequence[float],
    e2: Sequence[float],
    n2: Sequence[float],
    level: float = 0.95,
) -> Estimate:
    """Risk ratio over strata (R: ``metafor::rma.mh(measure = "RR")``); parameters as above."""
    t = stratified_tables(e1, n1, e2, n2)
    log_value, error = log_risk_ratio_parts(t)
    return _log_estimate(math.exp(log_value), error, t, "Mantel–Haenszel risk ratio", level)


@computable
def cochran_mantel_haenszel(
    e1: Sequence[float],
    n1: Sequence[float],
    e2: Sequence[float],
    n2: Sequence[float],
    continuity_correction: bool = False,
) -> TestResult:
    """Test whether the groups differ within strata (R: ``mantelhaen.test(correct = …)``)."""
    t = _informative(stratified_tables(e1, n1, e2, n2))
    events, n = t.a + t.c, t.total
    distance = abs(float((t.a - events * t.n1 / n).sum()))
    variance = float((t.n1 * t.n2 * events * (n - events) / (n**2 * (n - 1))).sum())
    if continuity_correction:
        distance = max(0.0, distance - 0.5)
    statistic = distance**2 / variance
    p, total = chi_square_p(statistic, 1), int(n.sum())
    return TestResult("Cochran–Mantel–Haenszel", statistic, p, total, 1.0)


@computable
def breslow_day(
    e1: Sequence[float], n1: Sequence[float], e2: Sequence[float], n2: Sequence[float]
) -> TestResult:
    """Test whether one odds ratio fits all strata, with Tarone's correction (1985).

    Returns
    -------
    TestResult
        Tarone's statistic; ``details["breslow_day"]`` is the uncorrected one. R:
        ``metafor::rma.mh``, ``DescTools::BreslowDayTest(correct = TRUE)``.
    """
    t = _informative(stratified_tables(e1, n1, e2, n2))
    k = len(t.a)
    require(k >= 2, "fewer than two strata inform the odds ratio", int(t.total.sum()))
    odds_ratio = math.exp(log_odds_ratio_parts(t)[0])
    events = t.a + t.c
    expected = np.array(
        [
            _expected_events(odds_ratio, m, s1, s2)
            for m, s1, s2 in zip(events, t.n1, t.n2, strict=True)
        ]
    )
    inverse = 1 / expected + 1 / (events - expected)
    inverse += 1 / (t.n1 - expected) + 1 / (t.n2 - events + expected)
    variance = 1 / inverse
    plain = float(((t.a - expected) ** 2 / variance).sum())
    statistic = max(0.0, plain - float((t.a - expected).sum()) ** 2 / float(variance.sum()))
    p = chi_square_p(statistic, k - 1)
    details = {"breslow_day": plain, "breslow_day_p": chi_square_p(plain, k - 1)}
    name, n = "Breslow–Day with Tarone's correction", int(t.total.sum())
    return TestResult(name, statistic, p, n, float(k - 1), details=details)


def _expected_events(odds_ratio: float, events: float, n1: float, n2: float) -> float:
    """Return the first group's events that the margins and the odds ratio imply."""

    def excess(a: float) -> float:
        return a * (n2 - events + a) - odds_ratio * (n1 - a) * (events - a)

    low, high = max(0.0, events - n2), min(n1, events)
    return float(brentq(excess, low, high, xtol=1e-13, rtol=1e-14))  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True)
class Standardised:
    """Each group's proportion at one case mix, and their difference and ratio."""

    first: float
    second: float
    difference: Estimate
    ratio: float


@computable
def direct_standardisation(
    e1: Sequence[float],
    n1: Sequence[float],
    e2: Sequence[float],
    n2: Sequence[float],
    weights: Sequence[float] | None = None,
    level: float = 0.95,
) -> Standardised:
    """Proportions of both groups at one case mix.

    Parameters
    ----------
    e1, n1, e2, n2
        Events and members, one entry a stratum.
    weights
        Standard population by stratum; both groups together if not given.
    level
        Confidence level, 0 to 1. The interval of the difference is Wald's with each stratum's
        own variance.
    """
    t = stratified_tables(e1, n1, e2, n2)
    require(len(t.a) == len(e1), "a stratum holds one group only; merge or leave out strata")
    w = t.total if weights is None else numbers(weights, "weights")
    require(len(w) == len(t.a) and bool((w >= 0).all()) and w.sum() > 0, "the weights do not fit")
    w = w / w.sum()
    p1, p2 = t.a / t.n1, t.c / t.n2
    first, second = float(w @ p1), float(w @ p2)
    variance = float((w**2 * (p1 * (1 - p1) / t.n1 + p2 * (1 - p2) / t.n2)).sum())
    half, value = normal_quantile(level) * math.sqrt(variance), first - second
    low, high = max(-1.0, value - half), min(1.0, value + half)
    n = int(t.total.sum())
    shown = Estimate(value, low, high, n, "direct standardisation", level=level)
    return Standardised(first, second, shown, first / second if second > 0 else math.inf)
