"""Lag-1 autocorrelation of residuals, and its bias in short series.

Fitting a line takes some of the slow movement out of the residuals, so their autocorrelation is too
small; tests that believe it reject too often.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: Largest autocorrelation used: above it a series of this length says nothing about its slope.
MAX_RHO = 0.98


def lag1(t: Array, residuals: Array) -> float:
    """Lag-1 autocorrelation over the neighbours that are one period apart."""
    next_door = np.diff(t) == 1
    residuals = residuals - residuals.mean()
    power = float(residuals @ residuals)
    if power == 0 or not next_door.any():
        return 0.0
    product = float((residuals[1:] * residuals[:-1])[next_door].sum())
    return product / power * (t.size - 1) / int(next_door.sum())


def line_correction(n: int) -> Callable[[float], float]:
    """Return the correction of r for the residuals of a straight line through n points."""
    return lambda r: (n * r + 2) / (n - 4)


def design_correction(t: Array, x: Array) -> Callable[[float], float]:
    """Return the inverse of rho → E[lag-1 r of the residuals], as a ratio of expectations."""
    grid = np.linspace(0.0, MAX_RHO, 50)
    apart = np.abs(t[:, None] - t[None, :])
    annihilator = np.eye(t.size) - x @ np.linalg.pinv(x)
    next_door = np.diff(t) == 1
    scale = (t.size - 1) / max(int(next_door.sum()), 1)
    expected = np.empty(grid.size)
    for i, rho in enumerate(grid):
        covariance = annihilator @ rho**apart @ annihilator
        product = np.diagonal(covariance, 1)[next_door].sum()
        expected[i] = product / np.trace(covariance) * scale
    rising = np.maximum.accumulate(expected)
    return lambda r: float(np.interp(r, rising, grid))
