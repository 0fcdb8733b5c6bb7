"""What two groups of these sizes could have shown: the smallest effect found with 80 % power."""

import math
from dataclasses import dataclass

from scipy.optimize import brentq
from scipy.special import ndtri

from analytics.comparison import Comparison, GroupSummary
from analytics.guards import UndefinedError, computable, real, require
from analytics.power import smallest_difference, smallest_ratio
from analytics.results import Estimate, NotComputable
from analytics.tails import t_quantile
from analytics.wording import number, with_unit

POWER = 0.8


@computable
def smallest_share_difference(
    n1: float, n2: float, share: float, power: float = POWER, alpha: float = 0.05
) -> Estimate:
    """Return the smallest increase of a share that two groups detect with a two-sided test.

    Parameters
    ----------
    n1, n2
        Sizes of the groups.
    share
        Share of the first group, 0 to 1; the second is taken to be higher.

    Notes
    -----
    Normal approximation of the χ² test (Fleiss, Levin & Paik 2003, section 4), for planning only.
    """
    n1, n2, share = real(n1, "a size"), real(n2, "a size"), real(share, "the share")
    require(n1 >= 2 and n2 >= 2, "a group has fewer than two values")
    require(max(n1, n2) < 1e12, "the groups are larger than can be planned")
    require(0 <= share < 1, "the share of the first group is not below 1")
    z_alpha, z_power = _z(1 - alpha / 2, "two-sided level"), _z(power, "power")

    def lack(difference: float) -> float:
        other = share + difference
        pooled = (n1 * share + n2 * other) / (n1 + n2)
        null = math.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2))
        spread = math.sqrt(share * (1 - share) / n1 + other * (1 - other) / n2)
        return difference - z_alpha * null - z_power * spread

    largest = 1 - share
    require(lack(largest) > 0, "no difference would be detected with groups this small")
    found = float(brentq(lack, 1e-12, largest, xtol=1e-12))  # pyright: ignore[reportArgumentType]
    return Estimate(found, None, None, int(n1 + n2), "χ² of two proportions, planning")


def _z(chance: float, what: str) -> float:
    """Return the normal quantile of a power or a level."""
    if not 0 < chance < 1:
        raise UndefinedError(f"the {what} does not lie between 0 and 1")
    return float(ndtri(chance))


@dataclass(frozen=True)
class Spread:
    """Pooled SD of two groups, of the values or of their logarithms, and its name in words."""

    sd: float
    words: str


def spread_of(comparison: Comparison) -> Spread | None:
    """Return the spread of two groups; None where the outcome has none or a group lacks it."""
    first, second = comparison.groups
    if comparison.kind in ("dose", "duration"):
        sd = _log_spread(first, second)
        return None if sd is None else Spread(sd, f"the SD of logarithms seen here, {number(sd)}")
    if comparison.kind in ("continuous", "score") and first.sd and second.sd:
        n = first.n + second.n - 2
        sd = math.sqrt(((first.n - 1) * first.sd**2 + (second.n - 1) * second.sd**2) / n)
        return Spread(sd, f"the SD seen here, {with_unit(number(sd), comparison.unit)}")
    return None


def detectable(
    comparison: Comparison, power: float = POWER, alpha: float = 0.05
) -> Estimate | NotComputable | None:
    """Return the smallest effect that two groups of these sizes and spreads would detect.

    A ratio for doses and durations, a difference of shares for yes/no, of means otherwise; None
    where the comparison is not of two groups or the kind has no such figure.
    """
    if len(comparison.groups) != 2 or comparison.design != "independent":
        return None
    first, second = comparison.groups
    if comparison.kind == "binary":
        if not min(first.n, second.n) or first.events is None:
            return None
        return smallest_share_difference(first.n, second.n, first.events / first.n, power, alpha)
    spread = spread_of(comparison)
    if spread is None:
        return None
    smallest = smallest_ratio if comparison.kind in ("dose", "duration") else smallest_difference
    return smallest(first.n, second.n, spread.sd, power, alpha)


def _log_spread(first: GroupSummary, second: GroupSummary) -> float | None:
    """Return the pooled SD of logarithms, from the intervals of the geometric means."""
    total, weight = 0.0, 0.0
    for group in (first, second):
        mean = group.geometric_mean
        if not isinstance(mean, Estimate) or mean.high is None or mean.value <= 0 or group.n < 2:
            return None
        half = math.log(mean.high / mean.value)
        sd = half / t_quantile(mean.level, group.n - 1) * math.sqrt(group.n)
        total += (group.n - 1) * sd**2
        weight += group.n - 1
    return math.sqrt(total / weight) if total > 0 else None


def detectable_words(comparison: Comparison) -> str | None:
    """Word it as what it is: a planning figure that says nothing about this result."""
    found = detectable(comparison)
    if found is None or isinstance(found, NotComputable):
        return None
    if comparison.kind == "binary":
        size = f"a rise of {number(round(100 * found.value, 4))} percentage points over the first"
    elif comparison.kind in ("dose", "duration"):
        size = f"a ratio of {number(found.value)}"
    else:
        size = f"a difference of {with_unit(number(found.value), comparison.unit)}"
    return (
        f"Groups of these sizes and this spread detect {size} with 80 % power at 5 %, two-sided: a"
        " figure for planning, not a verdict on this result."
    )
