"""Rates of events per exposure (procedures, hours, cm² … whatever ``exposure`` counts).

Exact methods: the Poisson distribution of one count (Garwood 1936), and for two counts the binomial
that conditions on their total.
"""

import math

from scipy import special, stats

from analytics.guards import as_floats, check_level, computable, count, real, require
from analytics.results import Estimate, TestResult
from analytics.tails import chi_square_p


def _exposure(value: float, what: str) -> float:
    """Return a positive, finite exposure."""
    time = real(value, f"the exposure of {what}")
    require(time > 0, f"the exposure of {what} is {value}, not positive")
    return time


@computable
def rate(events: float, exposure: float, level: float = 0.95, unit: str = "") -> Estimate:
    """Return events per exposure with its exact interval (R: ``poisson.test``)."""
    x, t = count(events, "the number of events"), _exposure(exposure, "the group")
    tail = (1 - check_level(level)) / 2
    low = float(special.gammaincinv(x, tail)) / t if x else 0.0
    high = float(special.gammaincinv(x + 1, 1 - tail)) / t
    return Estimate(x / t, low, high, x, "exact Poisson", unit, level)


@computable
def rate_ratio(
    events1: float, exposure1: float, events2: float, exposure2: float, level: float = 0.95
) -> Estimate:
    """Return rate1 / rate2 with its exact conditional interval (R: ``poisson.test``).

    Without events in the second group value and upper bound are infinite; without any there is no
    ratio.
    """
    x1, x2 = count(events1, "the first number"), count(events2, "the second number")
    t1, t2 = _exposure(exposure1, "the first group"), _exposure(exposure2, "the second group")
    require(x1 + x2 > 0, "neither group has an event, so a ratio is undefined")
    tail = (1 - check_level(level)) / 2
    low = float(special.betaincinv(x1, x2 + 1, tail)) if x1 else 0.0
    high = float(special.betaincinv(x1 + 1, x2, 1 - tail)) if x2 else 1.0
    value, low, high = (_odds(p) * t2 / t1 for p in (x1 / (x1 + x2), low, high))
    return Estimate(value, low, high, x1 + x2, "exact conditional Poisson", level=level)


def _odds(p: float) -> float:
    """Return p / (1 − p), infinite at 1."""
    return p / (1 - p) if p < 1 else math.inf


@computable
def rate_test(events1: float, exposure1: float, events2: float, exposure2: float) -> TestResult:
    """Test equality of two rates by the exact conditional binomial (R: ``poisson.test``)."""
    x1, x2 = count(events1, "the first number"), count(events2, "the second number")
    t1, t2 = _exposure(exposure1, "the first group"), _exposure(exposure2, "the second group")
    require(x1 + x2 > 0, "neither group has an event")
    p = float(stats.binomtest(x1, x1 + x2, t1 / (t1 + t2)).pvalue)
    ratio = _odds(x1 / (x1 + x2)) * t2 / t1
    return TestResult("exact conditional Poisson", ratio, min(1.0, p), x1 + x2)


@computable
def rates_test(events: list[float], exposures: list[float]) -> TestResult:
    """Test equality of several rates by χ² of the counts against their share of the exposure."""
    columns = as_floats(events, "events").shape, as_floats(exposures, "exposures").shape
    same = len(columns[0]) == 1 and columns[0] == columns[1]
    require(same, "there is not one exposure for each number of events")
    x = [count(value, "the number of events") for value in events]
    t = [_exposure(value, "a group") for value in exposures]
    total = sum(x)
    require(total > 0, "no group has an event")
    expected = [total * value / sum(t) for value in t]
    chi2 = sum((o - e) ** 2 / e for o, e in zip(x, expected, strict=True))
    p = chi_square_p(chi2, len(x) - 1)
    details = {"smallest_expected": min(expected)}
    return TestResult("χ² of rates", chi2, p, total, float(len(x) - 1), details=details)
