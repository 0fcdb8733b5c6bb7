"""Exact null distributions of rank statistics with ties, by dynamic programming.

Counting every allocation of the tied mid-ranks gives the permutation distribution itself. SciPy's
"exact" tests use the distribution without ties and are wrong when there are some.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

LARGEST_PRODUCT = 10_000
"""Two groups of a hundred, or one of ten against a thousand: about a quarter of a second."""
LARGEST_PAIRED = 400


@dataclass(frozen=True, eq=False)
class NullDistribution:
    """Probability of each value that a statistic can take under the null hypothesis.

    ``probability[i]`` belongs to the statistic ``i * step``; statistics are twice a rank sum, so
    that mid-ranks are whole numbers.
    """

    probability: FloatArray
    step: int

    def tails(self, doubled_statistic: int) -> tuple[float, float]:
        """Return P(S ≤ s) and P(S ≥ s)."""
        at = doubled_statistic // self.step
        return float(self.probability[: at + 1].sum()), float(self.probability[at:].sum())

    def two_sided(self, doubled_statistic: int) -> float:
        """Return twice the smaller tail, at most 1 (R ≥ 4.6 and SciPy do so)."""
        return min(1.0, 2 * min(self.tails(doubled_statistic)))

    def two_sided_by_distance(self, doubled_statistic: int, doubled_mean: float) -> float:
        """Return P(|S − mean| ≥ |s − mean|) (coin and exactRankTests do so)."""
        points = np.arange(len(self.probability)) * self.step
        far = np.abs(points - doubled_mean) >= abs(doubled_statistic - doubled_mean) - 1e-9
        return min(1.0, float(self.probability[far].sum()))

    def lowest_kept(self, level: float, smallest: int) -> int:
        """Return the doubled statistic at which an interval of this level begins.

        It is the one whose cumulative probability reaches (1 − level) / 2, as in R; the next one
        where ``smallest``, the least there is, has just that probability and so may be left out.
        """
        tail = (1 - level) / 2
        place = int(np.argmax(np.cumsum(self.probability) >= tail * (1 - 1e-12)))
        just = self.probability[place] <= tail * (1 + 1e-12)
        return (place + 1 if place * self.step == smallest and just else place) * self.step


@lru_cache(maxsize=64)
def rank_sum_distribution(n_first: int, ties: tuple[int, ...]) -> NullDistribution:
    """Return the distribution of twice the rank sum of ``n_first`` of ``sum(ties)`` values.

    Parameters
    ----------
    n_first
        Size of the group whose ranks are summed.
    ties
        How many values share each distinct one, in ascending order of the values.
    """
    ranks = _doubled_mid_ranks(ties)
    step = math.gcd(*ranks)
    largest = _largest_sum(n_first, ties, ranks) // step
    ways = np.zeros((n_first + 1, largest + 1))
    ways[0, 0] = 1.0
    chosen, highest = 0, 0
    for tie, rank in zip(ties, ranks, strict=True):
        shift = rank // step
        old = ways[: chosen + 1, : highest + 1].copy()
        for taken in range(1, min(tie, n_first) + 1):
            rows = min(chosen + 1, n_first + 1 - taken)
            columns = min(highest + 1, largest + 1 - taken * shift)
            if columns > 0:
                target = ways[taken : taken + rows, taken * shift : taken * shift + columns]
                target += math.comb(tie, taken) * old[:rows, :columns]
        highest = min(largest, highest + min(tie, n_first) * shift)
        chosen = min(n_first, chosen + tie)
    return NullDistribution(ways[n_first] / math.comb(sum(ties), n_first), step)


def _doubled_mid_ranks(ties: tuple[int, ...]) -> list[int]:
    """Return twice the mid-rank of each run of tied values."""
    before, ranks = 0, []
    for tie in ties:
        ranks.append(2 * before + tie + 1)
        before += tie
    return ranks


def _largest_sum(n_first: int, ties: tuple[int, ...], ranks: list[int]) -> int:
    """Return twice the rank sum of the ``n_first`` largest values."""
    left, total = n_first, 0
    for tie, rank in zip(reversed(ties), reversed(ranks), strict=True):
        taken = min(tie, left)
        total += taken * rank
        left -= taken
    return total


@lru_cache(maxsize=64)
def signed_rank_distribution(ties: tuple[int, ...]) -> NullDistribution:
    """Return the distribution of twice the sum of positive ranks when each sign is a fair coin.

    ``ties`` says how many absolute differences share each distinct one, ascending, without zeros.
    """
    ranks = _doubled_mid_ranks(ties)
    step = math.gcd(*ranks)
    probability = np.zeros(sum(t * r for t, r in zip(ties, ranks, strict=True)) // step + 1)
    probability[0] = 1.0
    for tie, rank in zip(ties, ranks, strict=True):
        shift = rank // step
        for _ in range(tie):
            moved = probability[:-shift].copy()
            probability *= 0.5
            probability[shift:] += 0.5 * moved
    return NullDistribution(probability, step)
