"""How far true effects of studies differ: τ² by several estimators, its interval, I².

All functions take a design matrix, so that one mean (a column of ones), subgroups and
meta-regression are one case. Shapes: effects y and variances v (k,), design x (k, p).
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special
from scipy.optimize import brentq

from analytics.guards import FloatArray, require

Estimator = Literal["fixed", "DL", "PM", "REML"]
GRID = 120


@dataclass(frozen=True)
class Fit:
    """Weighted least squares: coefficients, their covariance, residual sum of squares."""

    coefficients: FloatArray
    covariance: FloatArray
    weights: FloatArray
    residual_sum: float


def _inverse(x: FloatArray, w: FloatArray) -> FloatArray:
    """Return (XᵀWX)⁻¹."""
    return np.asarray(np.linalg.inv(x.T @ (x * w[:, None])), dtype=np.float64)


def fit(y: FloatArray, v: FloatArray, x: FloatArray, tau2: float) -> Fit:
    """Fit y = x b with weights 1 / (v + τ²)."""
    w = 1 / (v + tau2)
    covariance = _inverse(x, w)
    b = covariance @ (x.T @ (w * y))
    return Fit(b, covariance, w, float((w * (y - x @ b) ** 2).sum()))


def _trace_p(w: FloatArray, x: FloatArray, covariance: FloatArray) -> float:
    """Return the trace of W − W X (XᵀWX)⁻¹ XᵀW."""
    return float(w.sum() - np.trace(covariance @ (x.T @ (x * (w**2)[:, None]))))


def _largest_tau2(y: FloatArray, v: FloatArray) -> float:
    """Return a τ² no estimate can exceed by far: the spread of effects and of variances."""
    return 100 * float(np.ptp(y) ** 2 + v.max())


def dersimonian_laird(y: FloatArray, v: FloatArray, x: FloatArray) -> float:
    """Return the moment estimate of τ² (DerSimonian & Laird 1986)."""
    start = fit(y, v, x, 0.0)
    excess = start.residual_sum - (len(y) - x.shape[1])
    return max(0.0, excess / _trace_p(start.weights, x, start.covariance))


def _solve_q(y: FloatArray, v: FloatArray, x: FloatArray, target: float) -> float | None:
    """Return the τ² at which the generalised Q equals the target; None if Q(0) is below it."""

    def excess(tau2: float) -> float:
        return fit(y, v, x, tau2).residual_sum - target

    if excess(0.0) <= 0:
        return None
    high = float(np.ptp(y) ** 2 + v.max())
    while excess(high) > 0:
        high *= 10
    return float(brentq(excess, 0.0, high, xtol=high * 1e-16, rtol=1e-14, maxiter=1000))  # pyright: ignore[reportArgumentType]


def paule_mandel(y: FloatArray, v: FloatArray, x: FloatArray) -> float:
    """Return the τ² at which Q equals its degrees of freedom (Paule & Mandel 1982)."""
    found = _solve_q(y, v, x, len(y) - x.shape[1])
    return 0.0 if found is None else found


def restricted_log_likelihood(y: FloatArray, v: FloatArray, x: FloatArray, tau2: float) -> float:
    """Return the restricted log-likelihood of τ², without its constant."""
    found = fit(y, v, x, tau2)
    _, log_determinant = np.linalg.slogdet(found.covariance)
    return (float(np.log(found.weights).sum()) + log_determinant - found.residual_sum) / 2


def _restricted_score(y: FloatArray, v: FloatArray, x: FloatArray, tau2: float) -> float:
    """Return the slope of the restricted log-likelihood."""
    found = fit(y, v, x, tau2)
    squares = float((found.weights**2 * (y - x @ found.coefficients) ** 2).sum())
    return (squares - _trace_p(found.weights, x, found.covariance)) / 2


def restricted_maximum_likelihood(y: FloatArray, v: FloatArray, x: FloatArray) -> float:
    """Return the τ² that maximises the restricted likelihood.

    A grid finds the highest of possibly several maxima, the slope's zero then places it.
    """
    top = _largest_tau2(y, v)
    grid = np.concatenate([[0.0], np.geomspace(top * 1e-12, top, GRID)])
    best = int(np.argmax([restricted_log_likelihood(y, v, x, float(t)) for t in grid]))
    low, high = float(grid[max(0, best - 1)]), float(grid[min(GRID, best + 1)])

    def score(tau2: float) -> float:
        return _restricted_score(y, v, x, tau2)

    if score(low) <= 0:
        return low if best <= 1 else float(grid[best])
    if score(high) >= 0:
        return float(grid[best])
    return float(brentq(score, low, high, xtol=high * 1e-16, rtol=1e-14, maxiter=1000))  # pyright: ignore[reportArgumentType]


def between_study_variance(
    y: FloatArray, v: FloatArray, x: FloatArray, estimator: Estimator
) -> float:
    """Return τ² by the named estimator; 0 for the fixed-effect model or a single study."""
    require(estimator in ("fixed", "DL", "PM", "REML"), f"no estimator is called {estimator}")
    if estimator == "fixed" or len(y) <= x.shape[1]:
        return 0.0
    scale = float(v.max())
    root = math.sqrt(scale)
    estimators = {
        "DL": dersimonian_laird,
        "PM": paule_mandel,
        "REML": restricted_maximum_likelihood,
    }
    return scale * estimators[estimator](y / root, v / scale, x)


def tau2_interval(
    y: FloatArray, v: FloatArray, x: FloatArray, level: float
) -> tuple[float, float] | None:
    """Return the Q-profile interval of τ² (Viechtbauer 2007, 10.1002/sim.2514)."""
    df = len(y) - x.shape[1]
    if df < 1:
        return None
    scale = float(v.max())
    y, v = y / math.sqrt(scale), v / scale
    tail = (1 - level) / 2
    low = _solve_q(y, v, x, float(special.chdtri(df, tail)))
    high = _solve_q(y, v, x, float(special.chdtri(df, 1 - tail)))
    return scale * (low or 0.0), scale * (high or 0.0)


def tau2_standard_error(v: FloatArray, x: FloatArray, tau2: float) -> float:
    """Return the standard error of the REML estimate of τ² (expected information)."""
    w = 1 / (v + tau2)
    covariance = _inverse(x, w)
    second = covariance @ (x.T @ (x * (w**2)[:, None]))
    third = covariance @ (x.T @ (x * (w**3)[:, None]))
    information = float((w**2).sum() - 2 * np.trace(third) + np.trace(second @ second))
    return math.sqrt(2 / information)


def typical_variance(v: FloatArray, x: FloatArray) -> float:
    """Return the within-study variance that I² sets τ² against (Higgins & Thompson 2002)."""
    w = 1 / v
    covariance = _inverse(x, w)
    return (len(v) - x.shape[1]) / _trace_p(w, x, covariance)
