"""Size, mean, variance and skewness of a group from its distinct values and their counts."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from analytics.frequency import FloatArray, IntArray, tally
from analytics.guards import require


@dataclass(frozen=True)
class Moments:
    """Size, mean and sample variance (n − 1) of a group; the database can compute them too."""

    n: int
    mean: float
    variance: float

    @property
    def sd(self) -> float:
        """Sample standard deviation, in the unit of the values."""
        return math.sqrt(self.variance)


def moments(group: Any, log: bool = False) -> Moments:
    """Return mean and variance in two passes, of the values or of their natural logarithms.

    Raises
    ------
    UndefinedError
        If there is no value, one is infinite or too large to square, or a logarithm is asked of a
        value ≤ 0.
    """
    if isinstance(group, Moments):
        return group
    counts = tally(group)
    require(counts.n > 0, "a group is empty")
    require(counts.all_finite, "a group holds infinite values", counts.n)
    values = counts.values
    if log:
        require(bool(values[0] > 0), "a value is zero or negative and has no logarithm", counts.n)
        values = np.log(values)
    require(bool(np.abs(values).max() < 1e150), "values are too large to be squared", counts.n)
    mean = _mean(values, counts.n_each, counts.n)
    squares = float(((values - mean) ** 2 * counts.n_each).sum())
    return Moments(counts.n, mean, squares / (counts.n - 1) if counts.n > 1 else math.nan)


def _mean(values: FloatArray, n_each: IntArray, n: int) -> float:
    """Return the weighted mean around a first guess, so that a large offset costs no digits."""
    guess = float(values[len(values) // 2])
    return guess + float(((values - guess) * n_each).sum()) / n


def skewness(group: Any) -> float:
    """Return the moment skewness g1; NaN for a constant, empty or infinite group."""
    counts = tally(group)
    if counts.n < 2 or not counts.all_finite or np.abs(counts.values).max() > 1e100:
        return math.nan
    centred = counts.values - _mean(counts.values, counts.n_each, counts.n)
    widest = float(np.abs(centred).max())
    if widest == 0:
        return math.nan
    scaled = centred / widest  # powers of a tiny deviation would vanish
    second = float((scaled**2 * counts.n_each).sum()) / counts.n
    third = float((scaled**3 * counts.n_each).sum()) / counts.n
    return third / second**1.5
