"""How well predicted probabilities tell who had the outcome."""

import math
from typing import Any

import numpy as np
from scipy import stats

from analytics.design import binary_outcome
from analytics.guards import FloatArray, complete_columns, computable, require
from analytics.results import Estimate, TestResult
from analytics.tails import chi_square_p, normal_quantile

FEWEST_PER_GROUP = 5


@computable
def auc(outcome: Any, score: Any, level: float = 0.95) -> Estimate:
    """Area under the ROC curve with DeLong's interval (R: ``pROC::ci.auc``).

    Parameters
    ----------
    outcome
        0 or 1, shape (n,).
    score
        Higher for a likelier outcome, any unit, shape (n,); rows with a gap are left out.
    level
        Confidence level, 0 to 1.

    Returns
    -------
    Estimate
        Bounds are None where every score separates the groups or a group has one member.

    Notes
    -----
    Source: DeLong, DeLong & Clarke-Pearson 1988, 10.2307/2531595, by mid-ranks.
    """
    y, s = complete_columns(outcome, score)
    binary_outcome(y)
    ill, well = s[y == 1], s[y == 0]
    m, k = len(ill), len(well)
    ranks = stats.rankdata(np.concatenate([ill, well]))
    above = (ranks[:m] - stats.rankdata(ill)) / k
    below = 1 - (ranks[m:] - stats.rankdata(well)) / m
    value = float(above.mean())
    if m < 2 or k < 2:
        return Estimate(value, None, None, m + k, "DeLong", level=level)
    variance = float(above.var(ddof=1)) / m + float(below.var(ddof=1)) / k
    if variance <= 0:
        return Estimate(value, None, None, m + k, "DeLong", level=level)
    half = normal_quantile(level) * math.sqrt(variance)
    low, high = max(0.0, value - half), min(1.0, value + half)
    return Estimate(value, low, high, m + k, "DeLong", level=level)


@computable
def hosmer_lemeshow(outcome: Any, probability: Any, groups: int = 10) -> TestResult:
    """Compare observed and predicted events in groups of rising risk (calibration).

    R: ``ResourceSelection::hoslem.test(y, p, g = 10)``: groups by quantiles of p, equal values
    together. A large p does not prove the model right; small samples hide misfit.
    """
    y, p = complete_columns(outcome, probability)
    binary_outcome(y)
    require(len(y) >= groups * FEWEST_PER_GROUP, f"{len(y)} rows are too few for {groups} groups")
    cuts = np.unique(np.quantile(p, np.linspace(0, 1, groups + 1)))
    require(len(cuts) >= 4, "the predictions take too few values", len(y))
    place = np.clip(np.searchsorted(cuts, p, side="left") - 1, 0, len(cuts) - 2)
    used = len(cuts) - 1
    sizes, expected = np.bincount(place, minlength=used), np.bincount(place, p, used)
    observed = np.bincount(place, y, used)
    variance = expected * (1 - expected / sizes)
    require(bool((variance > 0).all()), "a group's predictions are all 0 or 1", len(y))
    statistic = float(((observed - expected) ** 2 / variance).sum())
    df = used - 2
    tail = chi_square_p(statistic, df)
    return TestResult("Hosmer–Lemeshow", statistic, tail, len(y), float(df))


def nagelkerke(log_likelihood: float, null_log_likelihood: float, n: int) -> float:
    """Return Nagelkerke's R², 0 to 1."""
    gained = -math.expm1(2 * (null_log_likelihood - log_likelihood) / n)
    return gained / -math.expm1(2 * null_log_likelihood / n)


def brier(outcome: FloatArray, probability: FloatArray) -> float:
    """Return the mean squared error of predicted probabilities."""
    return float(((probability - outcome) ** 2).mean())
