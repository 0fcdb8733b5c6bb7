"""Hodges–Lehmann shift of two groups and of paired differences, with its interval."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.exact import LARGEST_PAIRED, rank_sum_distribution, signed_rank_distribution
from analytics.frequency import Counts, tally
from analytics.guards import check_level, computable, require
from analytics.ranks import exact_is_affordable
from analytics.results import Estimate
from analytics.tails import normal_quantile

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

BRUTE_FORCE_PAIRS = 1_000_000
CANDIDATES = 20_000


@computable
def hodges_lehmann(x: Any, y: Any, level: float = 0.95, unit: str = "") -> Estimate:
    """Return the median of all differences x − y with the interval that inverts Mann–Whitney.

    Up to 10 000 pairs the interval uses the exact distribution without ties (R: ``wilcox.test``);
    with ties, equal differences counting half, it still holds its level and may differ by a step
    from ``exactRankTests``, which inverts the tied distribution. Beyond, normal with tie
    correction, as order statistics of the differences (``wilcox.test`` finds the same points by
    root search to 1e-4). A bound that so few values cannot give is None; R then gives the widest
    interval there is, at a lower level.

    Parameters
    ----------
    x, y
        Values or Counts; all in ``unit``.
    """
    check_level(level)
    first, second = tally(x), tally(y)
    n1, n2 = first.n, second.n
    require(min(n1, n2) >= 1, "a group is empty", n1 + n2)
    require(first.all_finite and second.all_finite, "infinite values have no difference", n1 + n2)
    scale = _safe_scale(first, second)
    if scale != 1.0:
        first, second = _scaled(first, scale), _scaled(second, scale)
    if exact_is_affordable(n1, n2):
        value, low, high = _exact_shift(first, second, level)
        method = "Hodges–Lehmann, exact interval"
    else:
        value, low, high = _asymptotic_shift(first, second, level)
        method = "Hodges–Lehmann"
    value, low, high = (_unscaled(bound, scale) for bound in (value, low, high))
    assert value is not None
    return Estimate(value, low, high, n1 + n2, method, unit, level)


def _safe_scale(*groups: Counts) -> float:
    """Return a power of two that keeps differences of huge values finite; 1 for usual ones."""
    largest = max(float(np.abs(group.values).max()) for group in groups)
    return 1.0 if largest < 1e300 else 0.125


def _scaled(group: Counts, scale: float) -> Counts:
    """Multiply by a power of two, which costs no digits; values that merge are counted again."""
    return tally(group.values * scale, group.n_each)


def _unscaled(bound: float | None, scale: float) -> float | None:
    """Undo the scale, refusing what leaves double precision."""
    if bound is None:
        return None
    value = bound / scale
    require(math.isfinite(value), "the difference leaves double precision")
    return value


def _exact_shift(
    first: Counts, second: Counts, level: float
) -> tuple[float, float | None, float | None]:
    """Return shift and exact interval by looking at every difference."""
    differences, weights = _differences(first, second)
    pairs = first.n * second.n
    value = _weighted_median(differences, weights)
    n_small = min(first.n, second.n)
    null = rank_sum_distribution(n_small, (1,) * (first.n + second.n))
    smallest = n_small * (n_small + 1)
    lowest_kept = null.lowest_kept(level, smallest) - smallest
    doubled_u = 2 * (pairs - np.cumsum(weights)) + weights
    low = differences[doubled_u > 2 * pairs - lowest_kept]
    high = differences[doubled_u < lowest_kept]
    return (
        value,
        min(value, float(low[-1])) if len(low) else None,
        max(value, float(high[0])) if len(high) else None,
    )


def _differences(first: Counts, second: Counts) -> tuple[FloatArray, IntArray]:
    """Return distinct differences, ascending, and how many pairs give each.

    Differences of rounded values that differ by rounding error only count as one.
    """
    raw = np.subtract.outer(first.values, second.values).ravel()
    counts = np.multiply.outer(first.n_each, second.n_each).ravel()
    return _merge_close(raw, counts, max(np.abs(first.values).max(), np.abs(second.values).max()))


def _merge_close(raw: FloatArray, counts: IntArray, scale: float) -> tuple[FloatArray, IntArray]:
    """Sort numbers and join those that are equal to thirteen digits of the scale."""
    order = np.argsort(raw, kind="stable")
    raw, counts = raw[order], counts[order]
    starts = np.flatnonzero(np.concatenate(([True], np.diff(raw) > 4e-14 * scale)))
    totals = np.add.reduceat(counts, starts)
    return raw[starts], totals


def _weighted_median(values: FloatArray, weights: IntArray) -> float:
    """Return the median of values that occur ``weights`` times."""
    cumulative = np.cumsum(weights)
    total = int(cumulative[-1])
    low = values[np.searchsorted(cumulative, (total + 1) // 2)]
    high = values[np.searchsorted(cumulative, total // 2 + 1)]
    return float(low if low == high else low + (high - low) / 2)


def _asymptotic_shift(
    first: Counts, second: Counts, level: float
) -> tuple[float, float | None, float | None]:
    """Return shift and interval as order statistics of the differences."""
    n1, n2, n = first.n, second.n, first.n + second.n
    pairs = n1 * n2
    tie_term = sum(float((g.n_each.astype(float) ** 3 - g.n_each).sum()) for g in (first, second))
    sigma = math.sqrt(pairs / 12 * ((n + 1) - tie_term / (n * (n - 1.0))))
    z = normal_quantile(level)
    rank = math.floor(pairs / 2 - 0.5 - z * sigma) + 1
    middle = sorted({(pairs + 1) // 2, pairs // 2 + 1})
    wanted = [*middle, max(rank, 1), pairs + 1 - max(rank, 1)]
    select = _difference_selector(first, second)
    found = {k: select(k) for k in sorted(set(wanted))}
    value = sum(found[k] for k in middle) / len(middle)
    if rank < 1:
        return value, None, None
    return value, found[rank], found[pairs + 1 - rank]


def _difference_selector(first: Counts, second: Counts) -> Callable[[int], float]:
    """Return a function that gives the k-th smallest of all differences."""
    if len(first.values) * len(second.values) <= BRUTE_FORCE_PAIRS:
        differences, weights = _differences(first, second)
        cumulative = np.cumsum(weights)
        return lambda k: float(differences[np.searchsorted(cumulative, k)])
    return lambda k: _select_difference(first, second, k)


def _select_difference(first: Counts, second: Counts, k: int) -> float:
    """Find the k-th smallest difference: halve the range, then look at what is left in it."""
    low = float(first.values[0] - second.values[-1])
    high = float(first.values[-1] - second.values[0])
    scale = max(abs(low), abs(high), float(np.abs(first.values).max()))
    low -= 1e-14 * scale
    start = np.searchsorted(second.values, first.values - high, side="left")
    stop = np.searchsorted(second.values, first.values - low, side="left")
    while int((stop - start).sum()) > CANDIDATES and high - low > 4e-15 * scale:
        middle = low + (high - low) / 2
        place = np.searchsorted(second.values, first.values - middle, side="left")
        if _pairs_from(first, second, place) >= k:
            high, start = middle, place
        else:
            low, stop = middle, place
    before = _pairs_from(first, second, stop)
    sizes = stop - start
    of_first = np.repeat(np.arange(len(sizes)), sizes)
    of_second = np.arange(len(of_first)) - np.repeat(np.cumsum(sizes) - sizes - start, sizes)
    raw = first.values[of_first] - second.values[of_second]
    counts = first.n_each[of_first] * second.n_each[of_second]
    differences, weights = _merge_close(raw, counts, scale)
    return float(differences[np.searchsorted(before + np.cumsum(weights), k)])


def _pairs_from(first: Counts, second: Counts, place: IntArray) -> int:
    """Count pairs whose second value lies at or above a place of its own for each first value."""
    steps = np.concatenate(([0], second.cumulative))
    return int(((second.n - steps[place]) * first.n_each).sum())


@computable
def pseudomedian(differences: Any, level: float = 0.95, unit: str = "") -> Estimate:
    """Return the median of all Walsh averages of paired differences with its interval.

    Zero differences are left out, as in the test (R: ``wilcox.test(paired = TRUE)``). Up to 400
    differences the interval uses the exact distribution without ties, beyond a normal one; with
    ties it still holds its level and may differ by a step from ``exactRankTests``.
    """
    check_level(level)
    counts = tally(differences)
    kept = tally(counts.values[counts.values != 0], counts.n_each[counts.values != 0])
    n = kept.n
    require(n >= 1, "no difference differs from zero", counts.n)
    require(kept.all_finite, "a difference is infinite", counts.n)
    require(
        len(kept.values) ** 2 <= 16 * BRUTE_FORCE_PAIRS, "there are too many distinct values", n
    )
    averages, weights = _walsh_averages(kept)
    value = _weighted_median(averages, weights)
    total = n * (n + 1) // 2
    rank = _signed_rank_cut(kept, level)
    if rank < 1:
        return Estimate(value, None, None, counts.n, "Walsh median", unit, level)
    cumulative = np.cumsum(weights)
    low = float(averages[np.searchsorted(cumulative, rank)])
    high = float(averages[np.searchsorted(cumulative, total + 1 - rank)])
    return Estimate(value, low, high, counts.n, "Walsh median", unit, level)


def _walsh_averages(kept: Counts) -> tuple[FloatArray, IntArray]:
    """Return distinct averages (d_i + d_j) / 2 with i ≤ j and how many pairs give each."""
    i, j = np.triu_indices(len(kept.values))
    raw = kept.values[i] / 2 + kept.values[j] / 2
    counts = kept.n_each[i] * kept.n_each[j]
    same = i == j
    counts[same] = kept.n_each * (kept.n_each + 1) // 2
    return _merge_close(raw, counts, float(np.abs(kept.values).max()))


def _signed_rank_cut(kept: Counts, level: float) -> int:
    """Return the rank of the Walsh average that bounds the interval; 0 where there is none."""
    n = kept.n
    if n <= LARGEST_PAIRED:
        null = signed_rank_distribution((1,) * n)
        return null.lowest_kept(level, 0) // 2
    z = normal_quantile(level)
    return math.floor(n * (n + 1) / 4 - z * math.sqrt(n * (n + 1) * (2 * n + 1) / 24))
