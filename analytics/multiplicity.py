"""Adjust p-values of a family of tests that are read together."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def _step_down(p: FloatArray, weights: FloatArray) -> FloatArray:
    """Multiply ascending p-values and keep them monotone from the smallest."""
    return np.maximum.accumulate(p * weights)


def _step_up(p: FloatArray, weights: FloatArray) -> FloatArray:
    """Multiply ascending p-values and keep them monotone from the largest."""
    return np.minimum.accumulate((p * weights)[::-1])[::-1]


def _holm(p: FloatArray) -> FloatArray:
    """Holm 1979: controls the chance of any false finding."""
    return _step_down(p, np.arange(len(p), 0, -1.0))


def _hochberg(p: FloatArray) -> FloatArray:
    """Hochberg 1988: as Holm, for independent or positively dependent tests."""
    return _step_up(p, np.arange(len(p), 0, -1.0))


def _benjamini_hochberg(p: FloatArray) -> FloatArray:
    """Benjamini & Hochberg 1995: controls the share of false findings."""
    return _step_up(p, len(p) / np.arange(1.0, len(p) + 1))


def _benjamini_yekutieli(p: FloatArray) -> FloatArray:
    """Benjamini & Yekutieli 2001: as BH, under any dependence."""
    return _benjamini_hochberg(p * (1 / np.arange(1.0, len(p) + 1)).sum())


def _bonferroni(p: FloatArray) -> FloatArray:
    """Multiply by the number of tests."""
    return p * len(p)


METHODS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "holm": _holm,
    "hochberg": _hochberg,
    "bh": _benjamini_hochberg,
    "by": _benjamini_yekutieli,
    "bonferroni": _bonferroni,
    "none": lambda p: p,
}

NAMES = {
    "holm": "Holm",
    "hochberg": "Hochberg",
    "bh": "Benjamini–Hochberg",
    "by": "Benjamini–Yekutieli",
    "bonferroni": "Bonferroni",
    "none": "not adjusted",
}


def adjust(p_values: Sequence[float | None], method: str = "holm") -> list[float | None]:
    """Adjust the p-values of one family; a test that could not be computed is not counted.

    Parameters
    ----------
    p_values
        Unadjusted p-values; None and NaN stay None and leave the family smaller, as in R's
        ``p.adjust`` (statsmodels counts them).
    method
        ``holm``, ``hochberg``, ``bh``, ``by``, ``bonferroni`` or ``none``.

    Raises
    ------
    ValueError
        If the method is unknown or a p-value lies outside [0, 1].
    """
    if method not in METHODS:
        raise ValueError(f"unknown adjustment {method!r}: use one of {', '.join(METHODS)}")
    p = np.array([math.nan if value is None else value for value in p_values], dtype=np.float64)
    there = np.flatnonzero(~np.isnan(p))
    if ((p[there] < 0) | (p[there] > 1)).any():
        raise ValueError(f"a p-value lies outside 0 to 1: {list(p_values)}")
    order = there[np.argsort(p[there], kind="stable")]
    adjusted: list[float | None] = [None] * len(p)
    for place, value in zip(order, np.minimum(1.0, METHODS[method](p[order])), strict=True):
        adjusted[int(place)] = float(value)
    return adjusted
