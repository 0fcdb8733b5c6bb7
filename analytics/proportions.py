"""Proportions of one group and of two independent groups, right with zero cells.

Order: first group minus second, first over second. Proportions are fractions of 1, never percent.
Every function returns NotComputable, with the reason, where the question has no answer.
"""

import math

import numpy as np
from scipy.special import gammaln
from scipy.stats import beta, binomtest, fisher_exact, hypergeom

from analytics.guards import FloatArray, check_level, computable, count, events_of, require
from analytics.results import Estimate, TestResult
from analytics.score import (
    TwoProportions,
    difference_interval,
    odds_ratio_interval,
    ratio_interval,
    sample_odds_ratio,
    zero_of_falling,
)
from analytics.tails import chi_square_p

LARGEST_SUPPORT = 300_000


@computable
def wilson(events: float, n: float, level: float = 0.95) -> Estimate:
    """Proportion with Wilson's score interval (1927): the interval to show.

    Parameters
    ----------
    events, n
        Members with the event, and all members.
    level
        Confidence level, 0 to 1.
    """
    x, size = events_of(events, n)
    low, high = wilson_bounds(x, size, check_level(level))
    return Estimate(x / size, low, high, size, "Wilson", level=level)


def wilson_bounds(x: int, n: int, level: float) -> tuple[float, float]:
    """Return Wilson's bounds, exactly 0 or 1 at the ends of the scale."""
    interval = binomtest(x, n).proportion_ci(confidence_level=level, method="wilson")
    return (0.0 if x == 0 else float(interval.low)), (1.0 if x == n else float(interval.high))


@computable
def clopper_pearson(events: float, n: float, level: float = 0.95) -> Estimate:
    """Proportion with the exact interval of Clopper and Pearson (1934): never below its level."""
    x, size = events_of(events, n)
    low, high = clopper_pearson_bounds(x, size, check_level(level))
    return Estimate(x / size, low, high, size, "Clopper–Pearson exact", level=level)


def clopper_pearson_bounds(x: int, n: int, level: float) -> tuple[float, float]:
    """Return the exact bounds of a binomial proportion."""
    tail = (1 - level) / 2
    low = 0.0 if x == 0 else float(beta.ppf(tail, x, n - x + 1))
    high = 1.0 if x == n else float(beta.isf(tail, x + 1, n - x))
    return low, high


@computable
def jeffreys(events: float, n: float, level: float = 0.95) -> Estimate:
    """Proportion with Jeffreys' interval (Beta(½, ½) prior; 0 and 1 kept at the ends)."""
    x, size = events_of(events, n)
    tail = (1 - check_level(level)) / 2
    low = 0.0 if x == 0 else float(beta.ppf(tail, x + 0.5, size - x + 0.5))
    high = 1.0 if x == size else float(beta.isf(tail, x + 0.5, size - x + 0.5))
    return Estimate(x / size, low, high, size, "Jeffreys", level=level)


@computable
def upper_limit(events: float, n: float, level: float = 0.95) -> Estimate:
    """Proportion with its exact one-sided upper limit.

    With no event the limit is 1 − (1 − level)^(1/n), near 3/n ("rule of three").

    Returns
    -------
    Estimate
        ``low`` is None: the method gives no lower bound.
    """
    x, size = events_of(events, n)
    require(check_level(level) >= 0.5, "a limit is one of at least 50 % confidence")
    high = 1.0 if x == size else float(beta.ppf(level, x + 1, size - x))
    return Estimate(x / size, None, high, size, "exact one-sided upper limit", level=level)


def zero_event_limit(n: float, level: float = 0.95) -> Estimate:
    """Upper limit of the event probability when none of n members had the event."""
    return upper_limit(0, n, level)  # pyright: ignore[reportReturnType]


@computable
def risk_difference_newcombe(
    e1: float, n1: float, e2: float, n2: float, level: float = 0.95
) -> Estimate:
    """p1 − p2 with Newcombe's hybrid score interval (1998, method 10): the interval to show.

    Source: Newcombe 1998, 10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I.
    """
    g = _groups(e1, n1, e2, n2)
    p1, p2 = g.e1 / g.n1, g.e2 / g.n2
    l1, u1 = wilson_bounds(g.e1, g.n1, check_level(level))
    l2, u2 = wilson_bounds(g.e2, g.n2, level)
    low = p1 - p2 - math.hypot(p1 - l1, u2 - p2)
    high = p1 - p2 + math.hypot(u1 - p1, p2 - l2)
    return Estimate(p1 - p2, max(-1.0, low), min(1.0, high), g.n1 + g.n2, "Newcombe", level=level)


@computable
def risk_difference_miettinen_nurminen(
    e1: float, n1: float, e2: float, n2: float, level: float = 0.95
) -> Estimate:
    """p1 − p2 with the score interval of Miettinen and Nurminen: for tests and non-inferiority."""
    g = _groups(e1, n1, e2, n2)
    low, high = difference_interval(g, check_level(level))
    value = g.e1 / g.n1 - g.e2 / g.n2
    return Estimate(value, low, high, g.n1 + g.n2, "Miettinen–Nurminen", level=level)


@computable
def risk_ratio_score(e1: float, n1: float, e2: float, n2: float, level: float = 0.95) -> Estimate:
    """p1 / p2 with the score interval of Miettinen and Nurminen.

    Without events in the second group value and upper bound are infinite (the lower bound still
    informs); without events in both there is no ratio, and no ½ is added to invent one.
    """
    g = _groups(e1, n1, e2, n2)
    require(g.e1 + g.e2 > 0, "neither group has an event, so a ratio is undefined", g.n1 + g.n2)
    low, high = ratio_interval(g, check_level(level))
    value = (g.e1 / g.n1) / (g.e2 / g.n2) if g.e2 else math.inf
    return Estimate(value, low, high, g.n1 + g.n2, "score (Miettinen–Nurminen)", level=level)


@computable
def odds_ratio_score(e1: float, n1: float, e2: float, n2: float, level: float = 0.95) -> Estimate:
    """Sample odds ratio with the score interval of Miettinen and Nurminen."""
    g = _groups(e1, n1, e2, n2)
    _require_both_outcomes(g)
    low, high = odds_ratio_interval(g, check_level(level))
    method = "score (Miettinen–Nurminen)"
    return Estimate(sample_odds_ratio(g), low, high, g.n1 + g.n2, method, level=level)


@computable
def odds_ratio_conditional(
    e1: float, n1: float, e2: float, n2: float, level: float = 0.95
) -> Estimate:
    """Conditional maximum-likelihood odds ratio with Fisher's exact interval."""
    g = _groups(e1, n1, e2, n2)
    _require_both_outcomes(g)
    tail, total = (1 - check_level(level)) / 2, g.n1 + g.n2
    events = g.e1 + g.e2
    cells = np.arange(max(0, events - g.n2), min(g.n1, events) + 1, dtype=np.float64)
    require(
        len(cells) <= LARGEST_SUPPORT,
        "the groups are too large for the exact interval; the score interval equals it there",
        total,
    )
    fixed = -gammaln(cells + 1) - gammaln(g.n1 - cells + 1)
    fixed -= gammaln(events - cells + 1) + gammaln(g.n2 - events + cells + 1)

    def weights(log_odds_ratio: float) -> FloatArray:
        exponent = fixed + cells * log_odds_ratio
        weight = np.exp(exponent - exponent.max())
        return weight / weight.sum()

    value, low, high = sample_odds_ratio(g), 0.0, math.inf
    first, last = g.e1 == cells[0], g.e1 == cells[-1]
    start = math.log(value) if 0 < value < math.inf else 0.0
    if not (first or last):
        value = math.exp(zero_of_falling(lambda t: g.e1 - float(weights(t) @ cells), start))
    if not first:
        low = math.exp(zero_of_falling(lambda t: tail - weights(t)[cells >= g.e1].sum(), start))
    if not last:
        high = math.exp(zero_of_falling(lambda t: weights(t)[cells <= g.e1].sum() - tail, start))
    return Estimate(value, low, high, total, "conditional exact", level=level)


@computable
def fisher(e1: float, n1: float, e2: float, n2: float) -> TestResult:
    """Fisher's exact test (tables at most as likely as the observed one), two-sided.

    ``statistic`` is the sample odds ratio; ``details["mid_p"]`` holds the central mid-p.
    """
    g = _groups(e1, n1, e2, n2)
    p = float(fisher_exact(np.array(_table(g))).pvalue)
    details = {"mid_p": _central_mid_p(g)}
    statistic = _odds_ratio_or_one(g)
    return TestResult("Fisher exact", statistic, min(1.0, p), g.n1 + g.n2, details=details)


@computable
def fisher_midp(e1: float, n1: float, e2: float, n2: float) -> TestResult:
    """Fisher's test with mid-p: twice the smaller tail that counts the observed table half.

    The default for sparse tables: Fisher's own p is needlessly conservative. This is the central
    mid-p, as ``exact2x2(midp=TRUE)`` of R gives it.
    """
    g = _groups(e1, n1, e2, n2)
    return TestResult("Fisher mid-p", _odds_ratio_or_one(g), _central_mid_p(g), g.n1 + g.n2)


@computable
def chi_square(
    e1: float, n1: float, e2: float, n2: float, continuity_correction: bool = False
) -> TestResult:
    """Pearson's χ² of a 2 × 2 table; ``details["smallest_expected"]`` tells if it may be used."""
    g = _groups(e1, n1, e2, n2)
    _require_both_outcomes(g)
    total, events = g.n1 + g.n2, g.e1 + g.e2
    determinant = abs(g.e1 * g.n2 - g.e2 * g.n1)
    if continuity_correction:
        determinant = max(0.0, determinant - total / 2)
    statistic = total * determinant / g.n1 * determinant / g.n2 / events / (total - events)
    smallest = min(g.n1, g.n2) * min(events, total - events) / total
    name = "χ² with Yates' correction" if continuity_correction else "χ²"
    p = chi_square_p(statistic, 1)
    return TestResult(name, statistic, p, total, 1, details={"smallest_expected": smallest})


@computable
def probability_lower(e1: float, n1: float, e2: float, n2: float) -> Estimate:
    """Posterior probability that p1 < p2 under independent Jeffreys priors Beta(½, ½).

    A companion for rare events, not a p value; it has no interval.
    """
    from scipy.integrate import quad

    g = _groups(e1, n1, e2, n2)
    first = beta(g.e1 + 0.5, g.n1 - g.e1 + 0.5)
    second = beta(g.e2 + 0.5, g.n2 - g.e2 + 0.5)
    low, high = (float(second.ppf(q)) for q in (1e-13, 1 - 1e-13))
    value, _ = quad(
        lambda t: second.pdf(t) * first.cdf(t),
        low,
        high,
        points=[float(second.median())],
        limit=500,
        epsabs=1e-12,
    )
    total = g.n1 + g.n2
    return Estimate(min(1.0, max(0.0, value)), None, None, total, "Jeffreys priors")


def smallest_expected(e1: float, n1: float, e2: float, n2: float) -> float:
    """Return the smallest expected cell of the 2 × 2 table, 0 where a margin is empty."""
    total, events = n1 + n2, e1 + e2
    return min(n1, n2) * min(events, total - events) / total if total else 0.0


def _groups(e1: float, n1: float, e2: float, n2: float) -> TwoProportions:
    """Check both groups."""
    first, second = events_of(e1, n1, "first group"), events_of(e2, n2, "second group")
    count(first[1] + second[1], "the total")
    return TwoProportions(*first, *second)


def _table(g: TwoProportions) -> list[list[int]]:
    """Return [[events, others], [events, others]]."""
    return [[g.e1, g.n1 - g.e1], [g.e2, g.n2 - g.e2]]


def _require_both_outcomes(g: TwoProportions) -> None:
    """Refuse a table in which everybody, or nobody, had the event."""
    total, events = g.n1 + g.n2, g.e1 + g.e2
    require(events > 0, "nobody in either group had the event", total)
    require(events < total, "everybody in both groups had the event", total)


def _odds_ratio_or_one(g: TwoProportions) -> float:
    """Return the sample odds ratio; 1 where one outcome never occurs and nothing can differ."""
    events = g.e1 + g.e2
    return sample_odds_ratio(g) if 0 < events < g.n1 + g.n2 else 1.0


def _central_mid_p(g: TwoProportions) -> float:
    """Return twice the smaller mid-p tail of the hypergeometric distribution, at most 1."""
    distribution = hypergeom(g.n1 + g.n2, g.e1 + g.e2, g.n1)
    half = float(distribution.pmf(g.e1)) / 2
    lower = float(distribution.cdf(g.e1 - 1)) + half
    upper = float(distribution.sf(g.e1)) + half
    return min(1.0, 2 * min(lower, upper))
