"""Rank test of two groups within strata (van Elteren 1960), from rows or from counts."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from analytics.frequency import Counts, pool, tally
from analytics.guards import UndefinedError, complete_columns, computable, require
from analytics.results import NotComputable, TestResult
from analytics.tails import normal_p


@computable
def van_elteren(values: Any, first_group: Any, strata: Any) -> TestResult:
    """Stratified Wilcoxon test with the weights 1 / (n + 1) of van Elteren (1960).

    Parameters
    ----------
    values
        Outcome, any unit, shape (n,); rows with a gap are left out.
    first_group
        1 for the first group, 0 for the second, shape (n,).
    strata
        Number of the stratum, shape (n,).

    Returns
    -------
    TestResult
        ``statistic`` is z, positive where the first group tends to be higher within strata (R:
        ``coin::wilcox_test(y ~ g | s)`` has equal weights of ranks; SAS CMH2 MODRIDIT these).
    """
    y, g, s = complete_columns(values, first_group, strata)
    require(bool(np.isin(g, (0, 1)).all()), "the group is neither 0 nor 1", len(y))
    found = van_elteren_counts(
        [
            (tally(y[(s == stratum) & (g == 1)]), tally(y[(s == stratum) & (g == 0)]))
            for stratum in np.unique(s)
        ]
    )
    if isinstance(found, NotComputable):
        raise UndefinedError(found.reason.removeprefix("cannot be computed, because "), found.n)
    return found


@computable
def van_elteren_counts(strata: Sequence[tuple[Counts, Counts]]) -> TestResult:
    """Test the first of two counted groups against the second within strata: ``van_elteren``."""
    distance = variance = 0.0
    used = 0
    total = sum(one.n + other.n for one, other in strata)
    for one, other in strata:
        if not one.n or not other.n:
            continue
        pooled, n, n1 = pool([one, other]), one.n + other.n, one.n
        away = pooled.doubled_ranks / 2 - (n + 1) / 2
        spread = float((away**2 * pooled.ties).sum())
        distance += (float(pooled.doubled_rank_sums[0]) / 2 - n1 * (n + 1) / 2) / (n + 1)
        variance += n1 * (n - n1) / (n * (n - 1)) * spread / (n + 1) ** 2
        used += n
    require(used > 0, "no stratum holds both groups", total)
    require(variance > 0, "the values do not vary within any stratum", used)
    z = distance / math.sqrt(variance)
    return TestResult("van Elteren", z, normal_p(z), used, details={"left_out": total - used})
