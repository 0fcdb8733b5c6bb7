"""The studentised range (Tukey), by Gauss–Legendre quadrature.

SciPy's is as exact but integrates adaptively: a quantile takes it half a second, and a page that
compares eight groups within twenty procedures needs hundreds. This takes two milliseconds.
"""

import math
from functools import lru_cache

import numpy as np
from scipy import special
from scipy.optimize import brentq

LARGEST_DF = 1e5
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(96)
_Z = 8.5 * _NODES
_DENSITY = 8.5 * _WEIGHTS * np.exp(-_Z * _Z / 2) / math.sqrt(2 * math.pi)
_BELOW = special.ndtr(_Z)
_PLACES, _SHARES = np.polynomial.legendre.leggauss(64)


def range_p(q: float, k: int, df: float) -> float:
    """Return P(Q > q) of the studentised range of ``k`` means with ``df`` degrees of freedom.

    R: ``ptukey(q, k, df, lower.tail = FALSE)``. Beyond 1e5 degrees of freedom those are used.
    """
    df = min(df, LARGEST_DF)
    ends = [math.sqrt(float(special.chdtri(df, tail)) / df) for tail in (1 - 1e-16, 1e-16)]
    s = ends[0] + (ends[1] - ends[0]) * (_PLACES + 1) / 2
    log_density = (math.log(2) + df / 2 * math.log(df / 2) - float(special.gammaln(df / 2))) + (
        (df - 1) * np.log(s) - df * s * s / 2
    )
    weights = _SHARES / 2 * (ends[1] - ends[0]) * np.exp(log_density)
    spread = _BELOW - special.ndtr(_Z - q * s[:, None])
    inside = k * (_DENSITY * spread ** (k - 1)).sum(axis=1)
    return min(1.0, max(0.0, 1 - float((weights * inside).sum())))


@lru_cache(maxsize=4096)
def range_quantile(level: float, k: int, df: float) -> float:
    """Return q with P(Q ≤ q) = level (R: ``qtukey``)."""
    high = 4.0
    while range_p(high, k, df) > 1 - level:
        high *= 2
    return float(brentq(lambda q: range_p(q, k, df) - (1 - level), 1e-9, high, xtol=1e-11))  # pyright: ignore[reportArgumentType]
