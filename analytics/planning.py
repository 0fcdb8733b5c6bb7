"""How large a study must be: from a difference worth finding and the spread seen here."""

import math
from dataclasses import dataclass

from analytics import power as of
from analytics.comparison import Comparison
from analytics.detectable import detectable, spread_of
from analytics.results import Estimate, NotComputable

Figure = Estimate | NotComputable


@dataclass(frozen=True)
class Plan:
    """What a difference asks for.

    ``size`` is of each of two equal groups; ``power`` that of groups as large as those compared
    here, 0 to 1; ``smallest`` the difference that those find with the power asked for.
    ``method`` names the test that is planned for, ``basis`` the spread that it takes over.
    """

    size: Figure
    power: Figure
    smallest: Figure
    method: str
    basis: str


def plan(
    comparison: Comparison, difference: float, power: float = 0.8, alpha: float = 0.05
) -> Plan | NotComputable | None:
    """Plan a comparison of two groups like those seen.

    Parameters
    ----------
    comparison
        Of two independent groups: their sizes, spread and, for yes/no, the first group's share.
    difference
        Worth finding: a ratio for doses and durations, a difference of shares (0.05) for yes/no,
        a difference in the unit otherwise.
    power, alpha
        Chance to find it, and two-sided level of the test.

    Returns
    -------
    Plan
        None where the kind of outcome or the number of groups has no such plan.

    Notes
    -----
    t on logarithms or values; scores, which are compared by ranks, take π/3 times as many; χ² for
    shares. For the study to come: power at an effect that was found says nothing about it.
    """
    smallest = detectable(comparison, power, alpha)
    if smallest is None:
        return None
    first, second = comparison.groups
    if comparison.kind == "binary":
        share = (first.events or 0) / first.n
        other = share + difference
        each = 2 / (1 / first.n + 1 / second.n)
        return Plan(
            of.proportion_sample_size(share, other, power, alpha),
            of.proportion_power(each, share, other, alpha),
            smallest,
            "χ²",
            f"the share of {first.group}, {100 * share:.3g} %",
        )
    spread = spread_of(comparison)
    if spread is None:
        return None
    sd, ratio = spread.sd, comparison.kind in ("dose", "duration")
    if ratio and not difference > 0:
        return NotComputable("cannot be computed, because the ratio is not above zero")
    step = math.log(difference) if ratio else difference
    ranks = comparison.kind == "score"
    size = (of.mann_whitney_sample_size if ranks else of.t_sample_size)(step, sd, power, alpha)
    efficiency = of.MANN_WHITNEY_EFFICIENCY if ranks else 1.0
    found = of.t_power(first.n * efficiency, second.n * efficiency, step, sd, alpha)
    method = "ranks, by their efficiency against t" if ranks else "t"
    return Plan(size, found, smallest, method + (" on logarithms" if ratio else ""), spread.words)
