"""Rank tests of two or more independent groups, from rows or from counts.

Every function takes values (any array-like, None and NaN are missing) or ``frequency.Counts``.
Infinities take part: they are the largest or smallest ranks, as in R ≥ 4.0.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from analytics.exact import LARGEST_PRODUCT, NullDistribution, rank_sum_distribution
from analytics.frequency import Counts, Pooled, doubled_placements, pool, tally
from analytics.guards import computable, require
from analytics.multiplicity import adjust
from analytics.results import Estimate, Pair, TestResult
from analytics.tails import chi_square_p, normal_p, t_p, t_quantile


def _pool_checked(groups: Sequence[Counts]) -> Pooled:
    """Pool groups for a rank test, refusing an empty one or values that are all equal."""
    n = sum(group.n for group in groups)
    require(all(group.n > 0 for group in groups), "a group is empty", n)
    pooled = pool(groups)
    require(len(pooled.values) > 1, "there is only one distinct value", n)
    return pooled


def exact_is_affordable(n1: int, n2: int) -> bool:
    """Say whether the exact Mann–Whitney distribution takes less than about half a second."""
    return n1 * n2 <= LARGEST_PRODUCT


def null_distribution(pooled: Pooled) -> tuple[NullDistribution, int]:
    """Return the exact null distribution of the smaller group's rank sum, and which group it is."""
    smaller = int(np.argmin(pooled.sizes))
    ties = tuple(int(tie) for tie in pooled.ties)
    return rank_sum_distribution(int(pooled.sizes[smaller]), ties), smaller


@computable
def mann_whitney(x: Any, y: Any, exact: bool | None = None) -> TestResult:
    """Test whether values of one group tend to be higher (Wilcoxon 1945; Mann & Whitney 1947).

    Exact, ties included, up to 10 000 pairs; otherwise normal with tie and continuity correction
    (R: ``wilcox.test(x, y, exact = FALSE)``). The exact two-sided p is twice the smaller tail;
    ``details["p_by_distance"]`` is the other convention (R: ``coin::wilcox_test``).

    Returns
    -------
    TestResult
        ``statistic`` is U of ``x`` (R's W): pairs in which x is higher, equal ones counting half.
    """
    first, second = tally(x), tally(y)
    pooled = _pool_checked([first, second])
    n1, n2 = (int(size) for size in pooled.sizes)
    u = (int(pooled.doubled_rank_sums[0]) - n1 * (n1 + 1)) / 2
    z = mann_whitney_z(pooled, u, corrected=True)
    details: dict[str, Any] = {"n1": n1, "n2": n2, "ties": pooled.has_ties, "z": z}
    use_exact = exact_is_affordable(n1, n2) if exact is None else exact
    if not use_exact:
        return TestResult("Mann–Whitney", u, normal_p(z), n1 + n2, details=details)
    require(exact_is_affordable(n1, n2), "the groups are too large for an exact test", n1 + n2)
    null, smaller = null_distribution(pooled)
    observed = int(pooled.doubled_rank_sums[smaller])
    mean = int(pooled.sizes[smaller]) * (n1 + n2 + 1)
    details["p_by_distance"] = null.two_sided_by_distance(observed, mean)
    p = null.two_sided(observed)
    return TestResult("Mann–Whitney, exact", u, p, n1 + n2, details=details)


def mann_whitney_z(pooled: Pooled, u: float, corrected: bool) -> float:
    """Return the standardised U with tie correction, and continuity correction when asked."""
    n1, n2 = (int(size) for size in pooled.sizes)
    n = n1 + n2
    variance = n1 * n2 / 12 * ((n + 1) - pooled.tie_term / (n * (n - 1)))
    away = u - n1 * n2 / 2
    correction = math.copysign(0.5, away) if corrected and away else 0.0
    return (away - correction) / math.sqrt(variance)


@computable
def kruskal_wallis(*groups: Any) -> TestResult:
    """Test whether any of several groups tends to be higher (Kruskal & Wallis 1952), tie-corrected.

    R: ``kruskal.test``. ``details`` holds ``epsilon2`` = H / (n − 1) and
    ``eta2`` = (H − k + 1) / (n − k).
    """
    require(len(groups) >= 2, "there are fewer than two groups")
    pooled = _pool_checked([tally(group) for group in groups])
    n, k = int(pooled.sizes.sum()), len(groups)
    mean_ranks = pooled.doubled_rank_sums / pooled.sizes / 2
    between = float((pooled.sizes * (mean_ranks - (n + 1) / 2) ** 2).sum())
    h = 12 * between / (n * (n + 1.0)) / (1 - pooled.tie_term / (float(n) ** 3 - n))
    details = {"epsilon2": h / (n - 1), "eta2": (h - k + 1) / (n - k) if n > k else None}
    p = chi_square_p(h, k - 1)
    return TestResult("Kruskal–Wallis", h, p, n, df=float(k - 1), details=details)


@computable
def dunn(groups: Mapping[str, Any], adjustment: str = "holm") -> tuple[Pair, ...]:
    """Compare all pairs after Kruskal–Wallis on the pooled ranks (Dunn 1964), ties corrected.

    R: ``dunn.test(altp = TRUE)`` with ``p.adjust``. A group without a value takes no part.
    """
    counts = {name: tally(group) for name, group in groups.items()}
    present = {name: group for name, group in counts.items() if group.n}
    require(len(present) >= 2, "fewer than two groups have values")
    pooled = _pool_checked(list(present.values()))
    n = int(pooled.sizes.sum())
    mean_ranks = pooled.doubled_rank_sums / pooled.sizes / 2
    variance = n * (n + 1.0) / 12 - pooled.tie_term / (12 * (n - 1.0))
    names, tests = list(present), []
    for i, j in combinations(range(len(names)), 2):
        spread = math.sqrt(variance * (1 / pooled.sizes[i] + 1 / pooled.sizes[j]))
        z = float(mean_ranks[i] - mean_ranks[j]) / spread
        size = int(pooled.sizes[i] + pooled.sizes[j])
        tests.append((names[i], names[j], TestResult("Dunn", z, normal_p(z), size)))
    adjusted = adjust([test.p_value for _, _, test in tests], adjustment)
    return tuple(
        Pair(first, second, test, p if p is not None else test.p_value, adjustment)
        for (first, second, test), p in zip(tests, adjusted, strict=True)
    )


@computable
def brunner_munzel(x: Any, y: Any, level: float = 0.95) -> TestResult:
    """Test P(X > Y) + ½ P(X = Y) = ½ without assuming equal spread (Brunner & Munzel 2000).

    R: ``lawstat::brunner.munzel.test(y, x)``: a positive statistic means that x tends to be
    higher. ``details["probability"]`` is the Estimate of that probability.
    """
    first, second = tally(x), tally(y)
    n1, n2 = first.n, second.n
    require(min(n1, n2) >= 2, "a group has fewer than two values", n1 + n2)
    _pool_checked([first, second])
    mean1, variance1 = _placement_moments(first, second)
    _, variance2 = _placement_moments(second, first)
    require(
        variance1 + variance2 > 0,
        "the groups do not overlap (complete separation) or the order of values does not vary",
        n1 + n2,
    )
    probability = mean1 / n2
    share1, share2 = variance1 / n1 / n2**2, variance2 / n2 / n1**2
    error = math.sqrt(share1 + share2)
    df = (share1 + share2) ** 2 / (share1**2 / (n1 - 1) + share2**2 / (n2 - 1))
    statistic = (probability - 0.5) / error
    half = t_quantile(level, df) * error
    interval = Estimate(
        probability,
        max(0.0, probability - half),
        min(1.0, probability + half),
        n1 + n2,
        "Brunner–Munzel",
        level=level,
    )
    p = t_p(statistic, df)
    details = {"n1": n1, "n2": n2, "probability": interval}
    return TestResult("Brunner–Munzel", statistic, p, n1 + n2, df=df, details=details)


def _placement_moments(of: Counts, among: Counts) -> tuple[float, float]:
    """Return mean and sample variance of the placements of one group among the other."""
    placements = doubled_placements(of, among)
    mean = int((placements * of.n_each).sum()) / of.n / 2
    squares = float(((placements / 2 - mean) ** 2 * of.n_each).sum())
    return mean, squares / (of.n - 1)
