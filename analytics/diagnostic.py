"""How well a yes/no finding tells who has a condition (R: ``epiR::epi.tests``)."""

import math
from dataclasses import dataclass

from analytics.guards import check_level, computable, count, require
from analytics.proportions import wilson
from analytics.results import Estimate, NotComputable
from analytics.tails import normal_quantile

Measure = Estimate | NotComputable


@dataclass(frozen=True)
class Diagnostic:
    """Accuracy measures as fractions of 1 with Wilson intervals; ratios with log intervals."""

    tp: int
    fp: int
    fn: int
    tn: int
    sensitivity: Measure
    specificity: Measure
    ppv: Measure
    npv: Measure
    accuracy: Measure
    prevalence: Measure
    lr_positive: Measure
    lr_negative: Measure
    youden: float | None


@computable
def diagnostic(tp: float, fp: float, fn: float, tn: float, level: float = 0.95) -> Diagnostic:
    """Return sensitivity, specificity, predictive values and likelihood ratios.

    Parameters
    ----------
    tp, fp, fn, tn
        Counts: found and present, found and absent, missed, rightly not found.
    level
        Confidence level, 0 to 1.

    Returns
    -------
    Diagnostic
        A measure whose group is empty is NotComputable; the others are still given.
    """
    names = ("true positives", "false positives", "false negatives", "true negatives")
    tp, fp, fn, tn = (
        count(value, f"the number of {name}")
        for value, name in zip((tp, fp, fn, tn), names, strict=True)
    )
    n = tp + fp + fn + tn
    require(n > 0, "there is nobody in the table")
    check_level(level)
    sensitivity, specificity = wilson(tp, tp + fn, level), wilson(tn, tn + fp, level)
    youden = None
    if isinstance(sensitivity, Estimate) and isinstance(specificity, Estimate):
        youden = sensitivity.value + specificity.value - 1
    return Diagnostic(
        tp,
        fp,
        fn,
        tn,
        sensitivity,
        specificity,
        ppv=wilson(tp, tp + fp, level),
        npv=wilson(tn, tn + fn, level),
        accuracy=wilson(tp + tn, n, level),
        prevalence=wilson(tp + fn, n, level),
        lr_positive=_likelihood_ratio(tp, tp + fn, fp, fp + tn, level),
        lr_negative=_likelihood_ratio(fn, tp + fn, tn, fp + tn, level),
        youden=youden,
    )


@computable
def _likelihood_ratio(x1: int, n1: int, x2: int, n2: int, level: float) -> Estimate:
    """Return (x1/n1) / (x2/n2) with the log interval of Simel et al. 1991."""
    require(n1 > 0 and n2 > 0, "nobody has, or everybody has, the condition", n1 + n2)
    require(x1 > 0 and x2 > 0, "a cell of the likelihood ratio is zero", n1 + n2)
    value = x1 * n2 / (n1 * x2)
    half = normal_quantile(level) * math.sqrt(1 / x1 - 1 / n1 + 1 / x2 - 1 / n2)
    low, high = value * math.exp(-half), value * math.exp(half)
    return Estimate(value, low, high, n1 + n2, "log interval", level=level)
