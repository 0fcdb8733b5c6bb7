"""What one study says: an effect with its variance, from whatever the paper prints.

Order: first group minus second, first over second. Ratios are on the log scale, proportions on the
logit scale or the arcsine of their root, until ``natural_scale`` turns a pooled result back.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from scipy import special

from analytics.guards import LARGEST_VALUE, computable, count, events_of, require
from analytics.results import Estimate
from analytics.tails import normal_quantile

Measure = Literal["MD", "SMD", "ROM", "RR", "OR", "RD", "PROPORTION", "ARCSINE", "GENERIC"]
RATIOS = ("ROM", "RR", "OR")


@dataclass(frozen=True)
class Effect:
    """An effect on the scale of analysis, its variance, and the patients behind it.

    ``added_half`` tells that ½ was added to the cells because one was zero.
    """

    value: float
    variance: float
    n: int
    measure: Measure
    added_half: bool = False


def _finite(value: float, what: str) -> float:
    require(
        isinstance(value, int | float) and math.isfinite(value) and abs(value) <= LARGEST_VALUE,
        f"{what} is {value}, not a usable number",
    )
    return float(value)


def _arm(n: float, mean: float, sd: float, which: str) -> tuple[int, float, float]:
    """Return one arm's size, mean and standard deviation, checked."""
    size = count(n, f"the size of the {which} arm")
    require(size >= 2, f"the {which} arm has fewer than two patients", size)
    spread = _finite(sd, f"the standard deviation of the {which} arm")
    require(spread > 0, f"the standard deviation of the {which} arm is not positive", size)
    return size, _finite(mean, f"the mean of the {which} arm"), spread


@computable
def mean_difference(
    n1: float, mean1: float, sd1: float, n2: float, mean2: float, sd2: float
) -> Effect:
    """Mean difference, in the unit of the means (R: ``escalc(measure = "MD")``)."""
    n1, mean1, sd1 = _arm(n1, mean1, sd1, "first")
    n2, mean2, sd2 = _arm(n2, mean2, sd2, "second")
    return Effect(mean1 - mean2, sd1**2 / n1 + sd2**2 / n2, n1 + n2, "MD")


@computable
def standardised_mean_difference(
    n1: float, mean1: float, sd1: float, n2: float, mean2: float, sd2: float
) -> Effect:
    """Hedges' g with its exact factor (R: ``escalc(measure = "SMD")``).

    The variance is 1/n1 + 1/n2 + g² / (2 N); RevMan 5 has g² / (2 (N − 3.94)), a little larger.
    Source: Hedges 1981, 10.3102/10769986006002107.
    """
    n1, mean1, sd1 = _arm(n1, mean1, sd1, "first")
    n2, mean2, sd2 = _arm(n2, mean2, sd2, "second")
    df = n1 + n2 - 2
    pooled = math.sqrt(((n1 - 1) * sd1**2 + (n2 - 1) * sd2**2) / df)
    log_factor = special.gammaln(df / 2) - special.gammaln((df - 1) / 2)
    g = float(math.exp(log_factor) * math.sqrt(2 / df)) * (mean1 - mean2) / pooled
    return Effect(g, 1 / n1 + 1 / n2 + g * g / (2 * (n1 + n2)), n1 + n2, "SMD")


@computable
def log_ratio_of_means(
    n1: float, mean1: float, sd1: float, n2: float, mean2: float, sd2: float
) -> Effect:
    """Log ratio of means, for positive quantities (R: ``escalc(measure = "ROM")``).

    With the small-sample term of Lajeunesse 2015 (10.1890/14-2402.1).
    """
    n1, mean1, sd1 = _arm(n1, mean1, sd1, "first")
    n2, mean2, sd2 = _arm(n2, mean2, sd2, "second")
    require(mean1 > 0 and mean2 > 0, "a mean is not positive", n1 + n2)
    first, second = (sd1 / mean1) ** 2 / n1, (sd2 / mean2) ** 2 / n2
    value = math.log(mean1 / mean2) + (first - second) / 2
    return Effect(value, first + second, n1 + n2, "ROM")


def _cells(
    e1: float, n1: float, e2: float, n2: float, need_events: bool
) -> tuple[list[float], int]:
    """Return events and others of both arms, with ½ added to all where one is zero."""
    (x1, s1), (x2, s2) = events_of(e1, n1, "first arm"), events_of(e2, n2, "second arm")
    if need_events:
        n = s1 + s2
        require(x1 + x2 > 0, "no patient of either arm had the event (double-zero study)", n)
        require(x1 + x2 < n, "every patient of both arms had the event", n)
    cells = [float(x1), float(s1 - x1), float(x2), float(s2 - x2)]
    return ([cell + 0.5 for cell in cells] if 0 in cells else cells), s1 + s2


def _added_half(cells: list[float]) -> bool:
    return cells[0] % 1 != 0


@computable
def log_risk_ratio(e1: float, n1: float, e2: float, n2: float) -> Effect:
    """Log risk ratio; ½ is added where a cell is zero (R: ``escalc(measure = "RR")``).

    A study without any event in both arms is NotComputable: it says nothing of a ratio.
    """
    cells, n = _cells(e1, n1, e2, n2, True)
    a, b, c, d = cells
    variance = 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)
    value = math.log(a / (a + b)) - math.log(c / (c + d))
    return Effect(value, variance, n, "RR", _added_half(cells))


@computable
def log_odds_ratio(e1: float, n1: float, e2: float, n2: float) -> Effect:
    """Log odds ratio; ½ is added where a cell is zero (R: ``escalc(measure = "OR")``)."""
    cells, n = _cells(e1, n1, e2, n2, True)
    a, b, c, d = cells
    value = math.log(a) - math.log(b) - math.log(c) + math.log(d)
    return Effect(value, 1 / a + 1 / b + 1 / c + 1 / d, n, "OR", _added_half(cells))


@computable
def risk_difference(e1: float, n1: float, e2: float, n2: float) -> Effect:
    """Risk difference; ½ is added where a cell is zero (R: ``escalc(measure = "RD")``)."""
    cells, n = _cells(e1, n1, e2, n2, False)
    a, b, c, d = cells
    p1, p2 = a / (a + b), c / (c + d)
    variance = p1 * (1 - p1) / (a + b) + p2 * (1 - p2) / (c + d)
    return Effect(p1 - p2, variance, n, "RD", _added_half(cells))


@computable
def logit_proportion(events: float, n: float) -> Effect:
    """Logit of one proportion; ½ is added at 0 and n (R: ``escalc(measure = "PLO")``)."""
    x, size = events_of(events, n)
    half = 0.5 if x in (0, size) else 0.0
    yes, no = x + half, size - x + half
    return Effect(math.log(yes / no), 1 / yes + 1 / no, size, "PROPORTION", half > 0)


@computable
def arcsine_proportion(events: float, n: float) -> Effect:
    """Arcsine of the root of one proportion; needs no ½ at 0 and n (R: ``escalc("PAS")``).

    Not Freeman–Tukey's double arcsine, whose way back needs one n for all studies and can mislead
    (Schwarzer et al. 2019, 10.1002/jrsm.1348).
    """
    x, size = events_of(events, n)
    return Effect(math.asin(math.sqrt(x / size)), 1 / (4 * size), size, "ARCSINE")


@computable
def from_interval(
    value: float, low: float, high: float, n: float, measure: Measure, level: float = 0.95
) -> Effect:
    """Effect and variance from a printed estimate with its Wald interval.

    Parameters
    ----------
    value, low, high
        As printed: ratios as ratios, not logs.
    n
        Patients behind the estimate.
    measure
        What the numbers are.
    level
        Confidence level of the printed interval.
    """
    numbers = [_finite(v, "a printed number") for v in (value, low, high)]
    patients = count(n, "the number of patients")
    if measure in RATIOS:
        require(min(numbers) > 0, "a printed ratio is not positive", patients)
        numbers = [math.log(v) for v in numbers]
    elif measure == "PROPORTION":
        require(min(numbers) > 0 and max(numbers) < 1, "a printed proportion is not in (0, 1)")
        numbers = [math.log(v / (1 - v)) for v in numbers]
    middle, bottom, top = numbers
    require(bottom < top, "the lower bound is not below the upper", patients)
    require(bottom <= middle <= top, "the estimate lies outside its interval", patients)
    error = (top - bottom) / (2 * normal_quantile(level))
    return Effect(middle, error * error, patients, measure)


def natural_scale(estimate: Estimate, measure: Measure) -> Estimate:
    """Turn a log ratio into a ratio, a logit or arcsine into a proportion; leave others alone."""
    if measure not in BACK:
        return estimate
    back = BACK[measure]
    low, high = (None if bound is None else back(bound) for bound in (estimate.low, estimate.high))
    return replace(estimate, value=back(estimate.value), low=low, high=high)


def _exponential(x: float) -> float:
    return math.exp(x) if x < 709 else math.inf


def _logistic(x: float) -> float:
    return float(special.expit(x))


def _sine_squared(x: float) -> float:
    return math.sin(min(max(x, 0.0), math.pi / 2)) ** 2


BACK: dict[str, Callable[[float], float]] = {
    **dict.fromkeys(RATIOS, _exponential),
    "PROPORTION": _logistic,
    "ARCSINE": _sine_squared,
}
