"""Association of two measurements of the same patients."""

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analytics.guards import FloatArray, check_level, complete_columns, computable, require
from analytics.results import Estimate, TestResult
from analytics.tails import normal_quantile, t_p

EXACT_BELOW = 10


@computable
def spearman(x: Any, y: Any, level: float = 0.95) -> Estimate:
    """Spearman's rank correlation with the interval of Bonett and Wright.

    Parameters
    ----------
    x, y
        Values in any units, shape (n,); a pair with a gap is left out.
    level
        Confidence level, 0 to 1.

    Returns
    -------
    Estimate
        Bounds are None for n < 4 and for a perfect correlation, where the method has none.

    Notes
    -----
    Source: Bonett & Wright 2000, 10.1007/BF02294183: the variance of atanh(r) is
    (1 + r²/2) / (n − 3). Fieller's 1.06 / (n − 3), the default of SPSS, is narrower.
    """
    ranks_x, ranks_y = _ranks(x, y)
    n, rho = len(ranks_x), _correlation(ranks_x, ranks_y)
    low, high = spearman_bounds(rho, n, check_level(level))
    return Estimate(rho, low, high, n, "Spearman, Bonett–Wright interval", level=level)


def spearman_bounds(rho: float, n: int, level: float = 0.95) -> tuple[float | None, float | None]:
    """Return the interval of Bonett and Wright of a coefficient from n pairs."""
    if n < 4 or abs(rho) >= 1:
        return None, None
    half = normal_quantile(level) * math.sqrt((1 + rho * rho / 2) / (n - 3))
    return math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)


@computable
def spearman_test(x: Any, y: Any) -> TestResult:
    """Test rank correlation: all permutations below ten pairs (ties allowed), t above.

    R: ``cor.test(method = "spearman", exact = …)``. With ties R has no exact p; here it is twice
    the smaller tail over all permutations of the tied ranks. From ten pairs R without ties uses an
    Edgeworth series instead of t, which differs in the third digit.
    """
    ranks_x, ranks_y = _ranks(x, y)
    n, rho = len(ranks_x), _correlation(ranks_x, ranks_y)
    if n < EXACT_BELOW:
        products = ranks_y[_permutations(n)] @ ranks_x
        observed, slack = float(ranks_x @ ranks_y), 1e-9
        tails = (products <= observed + slack).mean(), (products >= observed - slack).mean()
        p = min(1.0, 2 * float(min(tails)))
        return TestResult("Spearman, exact permutation", rho, p, n)
    if abs(rho) >= 1:
        return TestResult("Spearman, t", rho, 0.0, n, float(n - 2))
    t = rho * math.sqrt((n - 2) / ((1 - rho) * (1 + rho)))
    p = t_p(t, n - 2)
    return TestResult("Spearman, t", rho, p, n, float(n - 2), details={"t": t})


def _ranks(x: Any, y: Any) -> tuple[FloatArray, FloatArray]:
    """Return mid-ranks of the complete pairs."""
    first, second = complete_columns(x, y)
    n = len(first)
    require(n >= 3, "fewer than three pairs have both values", n)
    require(float(np.ptp(first)) > 0 and float(np.ptp(second)) > 0, "one side does not vary", n)
    return stats.rankdata(first), stats.rankdata(second)


def _correlation(x: FloatArray, y: FloatArray) -> float:
    """Return Pearson's correlation of ranks, which are exact halves."""
    cx, cy = x - x.mean(), y - y.mean()
    rho = float(cx @ cy) / math.sqrt(float(cx @ cx) * float(cy @ cy))
    return math.copysign(1.0, rho) if abs(rho) > 1 - 1e-14 else rho


@lru_cache(maxsize=2)
def _permutations(n: int) -> NDArray[np.int8]:
    """Return all orders of n places, shape (n!, n)."""
    orders = np.zeros((1, 1), dtype=np.int8)
    for size in range(2, n + 1):
        places = range(size)
        orders = np.concatenate([np.insert(orders, place, size - 1, axis=1) for place in places])
    return orders
