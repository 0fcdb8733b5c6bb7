"""The likelihood of a logistic model, plain or with Firth's penalty, and its maximum.

Firth 1993 (10.1093/biomet/80.1.27): the penalty ½ log |information| keeps coefficients finite under
separation. Profile intervals follow Heinze & Schemper 2002 (10.1002/sim.1047): one coefficient is
held, the others are refitted, and the penalty stays that of the whole model.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.optimize import brentq

from analytics.guards import FloatArray, UndefinedError

MOST_STEPS = 1000
LARGEST_STEP = 5.0


@dataclass(frozen=True)
class Maximum:
    """Coefficients (p,), their covariance (p, p), the (penalised) log-likelihood there."""

    b: FloatArray
    covariance: FloatArray
    log_likelihood: float
    converged: bool


def log_likelihood(y: FloatArray, x: FloatArray, b: FloatArray, firth: bool) -> float:
    """Return the (penalised) log-likelihood."""
    eta = x @ b
    plain = float((y * eta - np.logaddexp(0, eta)).sum())
    if not firth:
        return plain
    p = special.expit(eta)
    sign, log_determinant = np.linalg.slogdet(x.T @ (x * (p * (1 - p))[:, None]))
    return plain + log_determinant / 2 if sign > 0 else -np.inf


def maximise(
    y: FloatArray,
    x: FloatArray,
    firth: bool,
    start: FloatArray | None = None,
    held: int | None = None,
) -> Maximum:
    """Climb to the maximum by Newton steps that halve until they rise.

    ``held`` keeps that coefficient at its value in ``start``. Without the penalty, separation
    shows as no convergence.
    """
    count = x.shape[1]
    b = np.zeros(count) if start is None else start.copy()
    free = np.array([i for i in range(count) if i != held], dtype=np.int64)
    best = log_likelihood(y, x, b, firth)
    converged = False
    covariance: FloatArray = np.full((count, count), np.nan)
    for _ in range(MOST_STEPS):
        p = special.expit(x @ b)
        weights = p * (1 - p)
        information = x.T @ (x * weights[:, None])
        covariance = np.asarray(np.linalg.inv(information), dtype=np.float64)
        residual = y - p
        if firth:
            leverage = weights * np.einsum("ij,jk,ik->i", x, covariance, x, optimize=True)
            residual = residual + leverage * (0.5 - p)
        score = (x.T @ residual)[free]
        step: FloatArray = score
        if len(free):
            solved = np.linalg.solve(information[np.ix_(free, free)], score)
            step = np.asarray(solved, dtype=np.float64)
        largest, scale = float(np.abs(step).max(initial=0.0)), 1 + float(np.abs(b).max())
        if largest < 1e-11 * scale:
            converged = True
            break
        before = best
        b, best, rose = _climb(y, x, b, step * min(1.0, LARGEST_STEP / largest), free, best, firth)
        if not rose or (best <= before and largest < 1e-7 * scale):  # rounding is all that moves
            converged = largest < 1e-6 * scale
            break
    return Maximum(b, covariance, best, converged)


def _climb(
    y: FloatArray,
    x: FloatArray,
    b: FloatArray,
    step: FloatArray,
    free: NDArray[np.int64],
    best: float,
    firth: bool,
) -> tuple[FloatArray, float, bool]:
    """Take the largest of step, ½ step, ¼ step … that does not lower the likelihood."""
    for _ in range(30):
        tried = b.copy()
        tried[free] += step
        height = log_likelihood(y, x, tried, firth)
        if height >= best - 1e-12 * abs(best):
            return tried, height, True
        step = step / 2
    return b, best, False


def is_separated(found: Maximum) -> bool:
    """Say whether a plain fit ran away: its coefficients grow without end."""
    errors = np.sqrt(np.diag(found.covariance))
    return not found.converged or bool((errors > 1e3).any() or not np.isfinite(errors).all())


def profile_bounds(
    y: FloatArray, x: FloatArray, found: Maximum, place: int, firth: bool, drop: float
) -> tuple[float, float]:
    """Return where the profile log-likelihood of one coefficient has fallen by ``drop``."""
    error = float(np.sqrt(found.covariance[place, place]))
    return (
        _bound(y, x, found, place, firth, drop, -error),
        _bound(y, x, found, place, firth, drop, error),
    )


def _bound(
    y: FloatArray,
    x: FloatArray,
    found: Maximum,
    place: int,
    firth: bool,
    drop: float,
    step: float,
) -> float:
    """Walk away from the maximum until the profile has fallen enough, then find the place."""
    peak, state = float(found.b[place]), found.b

    def refitted(value: float) -> Maximum:
        start = state.copy()
        start[place] = value
        return maximise(y, x, firth, start, place)

    def height(value: float) -> float:
        return refitted(value).log_likelihood - found.log_likelihood + drop

    near, far = peak, peak + step
    for _ in range(60):
        fitted = refitted(far)
        if fitted.log_likelihood - found.log_likelihood + drop < 0:
            # Both ends start from the same place, so that the root lies between them for certain.
            return float(brentq(height, min(near, far), max(near, far), xtol=1e-11 * abs(step)))
        near, far, state = far, far + step, fitted.b
    raise UndefinedError("the likelihood does not bound a coefficient", len(y))
