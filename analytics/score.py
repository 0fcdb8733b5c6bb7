"""Score statistics and intervals of two independent proportions.

The statistic at a hypothetical difference, ratio or odds ratio uses the proportions that are most
likely under that hypothesis. The interval holds every hypothesis the test does not reject, so test
and interval never contradict each other, and zero cells need no added ½.

Sources: Miettinen and Nurminen 1985 (10.1002/sim.4780040211); without the factor N/(N − 1): Mee
1984 (difference), Koopman 1984 (ratio).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy.optimize import brentq

from analytics.tails import normal_quantile

LARGEST_LOG = 300.0
LARGEST_Z = 1e9


@dataclass(frozen=True)
class TwoProportions:
    """Events and sizes of two independent groups; ``corrected`` applies N/(N − 1)."""

    e1: int
    n1: int
    e2: int
    n2: int
    corrected: bool = True

    @property
    def variance_factor(self) -> float:
        """The small-sample factor of Miettinen and Nurminen."""
        total = self.n1 + self.n2
        return total / (total - 1) if self.corrected else 1.0


def restricted_difference(groups: TwoProportions, difference: float) -> tuple[float, float]:
    """Return the most likely (p1, p2) under p1 − p2 = difference: the middle root of a cubic."""
    n1, n2, e2 = groups.n1, groups.n2, groups.e2
    total, events, d = n1 + n2, groups.e1 + groups.e2, difference
    b = ((n1 + 2 * n2) * d - total - events) / (3 * total)
    c = ((n2 * d - total - 2 * e2) * d + events) / total
    constant = e2 * d * (1 - d) / total
    q = b**3 - c * b / 2 + constant / 2
    p = math.copysign(math.sqrt(max(0.0, b * b - c / 3)), q)
    cosine = min(1.0, max(-1.0, q / p**3)) if p**3 else 0.0
    p2 = 2 * p * math.cos((math.pi + math.acos(cosine)) / 3) - b
    p2 = min(min(1.0, 1.0 - d), max(max(0.0, -d), p2))
    return min(1.0, max(0.0, p2 + d)), p2


def _standardised(distance: float, variance: float) -> float:
    """Return distance / SE; no variance makes any distance all but impossible."""
    if variance <= 0:
        return 0.0 if abs(distance) < 1e-12 else math.copysign(LARGEST_Z, distance)
    return max(-LARGEST_Z, min(LARGEST_Z, distance / math.sqrt(variance)))


def z_difference(groups: TwoProportions, difference: float) -> float:
    """Return the score statistic of H0: p1 − p2 = difference."""
    p1, p2 = restricted_difference(groups, difference)
    variance = p1 * (1 - p1) / groups.n1 + p2 * (1 - p2) / groups.n2
    distance = groups.e1 / groups.n1 - groups.e2 / groups.n2 - difference
    return _standardised(distance, variance * groups.variance_factor)


def z_ratio(groups: TwoProportions, ratio: float) -> float:
    """Return the score statistic of H0: p1 / p2 = ratio."""
    n1, n2, e1, e2 = groups.n1, groups.n2, groups.e1, groups.e2
    b = n1 * ratio + e1 + n2 + e2 * ratio
    root = math.sqrt(max(0.0, b * b - 4 * (n1 + n2) * ratio * (e1 + e2)))
    p2 = min(1.0, 2 * (e1 + e2) / (b + root))
    p1 = min(1.0, ratio * p2)
    variance = p1 * (1 - p1) / n1 + ratio * ratio * p2 * (1 - p2) / n2
    return _standardised(e1 / n1 - ratio * e2 / n2, variance * groups.variance_factor)


def z_odds_ratio(groups: TwoProportions, odds_ratio: float) -> float:
    """Return the score statistic of H0: odds1 / odds2 = odds_ratio."""
    if groups.e1 == 0 or groups.e2 == groups.n2:
        # The mirrored question keeps small probabilities exact where the odds ratio is near 0.
        mirrored = TwoProportions(groups.e2, groups.n2, groups.e1, groups.n1, groups.corrected)
        return -z_odds_ratio(mirrored, 1 / odds_ratio)
    n1, n2, events = groups.n1, groups.n2, groups.e1 + groups.e2
    a = n2 * (odds_ratio - 1)
    b = n1 * odds_ratio + n2 - events * (odds_ratio - 1)
    p2 = min(1.0, 2 * events / (b + math.sqrt(max(0.0, b * b + 4 * a * events))))
    mixture = (1 - p2) + p2 * odds_ratio
    p1, q1 = odds_ratio * p2 / mixture, (1 - p2) / mixture
    information1, information2 = n1 * p1 * q1, n2 * p2 * (1 - p2)
    both = information1 > 0 and information2 > 0
    variance = 1 / (1 / information1 + 1 / information2) if both else 0.0
    distance = n1 * q1 if groups.e1 == n1 else groups.e1 - n1 * p1
    if groups.e2 == 0:
        distance = n2 * p2
    return _standardised(distance, variance * groups.variance_factor)


def _zero(function: Callable[[float], float], low: float, high: float) -> float:
    """Find where a monotone function changes sign; the nearer end if it does not."""
    at_low, at_high = function(low), function(high)
    if at_low * at_high > 0 or 0 in (at_low, at_high):
        return low if abs(at_low) <= abs(at_high) else high
    return float(brentq(function, low, high, xtol=1e-15, rtol=1e-14, maxiter=1000))  # pyright: ignore[reportArgumentType]


def difference_interval(groups: TwoProportions, level: float) -> tuple[float, float]:
    """Return the score interval of p1 − p2, inside [−1, 1]."""
    z = normal_quantile(level)
    observed = groups.e1 / groups.n1 - groups.e2 / groups.n2

    def above(d: float) -> float:
        return z_difference(groups, d) - z

    def below(d: float) -> float:
        return z_difference(groups, d) + z

    low = -1.0 if observed <= -1 else _zero(above, -1.0, observed)
    high = 1.0 if observed >= 1 else _zero(below, observed, 1.0)
    return low, high


def zero_of_falling(function: Callable[[float], float], start: float) -> float:
    """Find the zero of a falling function by steps that double; ±∞ if it has none in range."""
    direction = 1.0 if function(start) > 0 else -1.0
    near, step = start, 1.0
    while step < 4 * LARGEST_LOG:
        far = max(-LARGEST_LOG, min(LARGEST_LOG, start + direction * step))
        if function(far) * direction <= 0:
            return _zero(function, min(near, far), max(near, far))
        near, step = far, 2 * step
    return direction * math.inf


def _log_scale_interval(
    z_at: Callable[[TwoProportions, float], float],
    groups: TwoProportions,
    observed: float,
    level: float,
) -> tuple[float, float]:
    """Return the score interval of a ratio, searched on the log scale."""
    z = normal_quantile(level)
    start = math.log(observed) if 0 < observed < math.inf else 0.0
    low, high = 0.0, math.inf
    if observed > 0:
        low = math.exp(zero_of_falling(lambda t: z_at(groups, math.exp(t)) - z, start))
    if observed < math.inf:
        high = math.exp(zero_of_falling(lambda t: z_at(groups, math.exp(t)) + z, start))
    return low, high


def ratio_interval(groups: TwoProportions, level: float) -> tuple[float, float]:
    """Return the score interval of p1 / p2: (0, …) without events in 1, (…, ∞) without in 2."""
    p1, p2 = groups.e1 / groups.n1, groups.e2 / groups.n2
    return _log_scale_interval(z_ratio, groups, p1 / p2 if p2 else math.inf, level)


def odds_ratio_interval(groups: TwoProportions, level: float) -> tuple[float, float]:
    """Return the score interval of the odds ratio."""
    return _log_scale_interval(z_odds_ratio, groups, sample_odds_ratio(groups), level)


def sample_odds_ratio(groups: TwoProportions) -> float:
    """Return (e1 f2) / (f1 e2), infinite where the denominator is zero."""
    up = groups.e1 * (groups.n2 - groups.e2)
    down = (groups.n1 - groups.e1) * groups.e2
    return up / down if down else math.inf
