"""What an adjusted model says of everybody: risks with and without, weighted ratios, validation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from analytics.design import binary_outcome, make_design
from analytics.diagnostic import Diagnostic
from analytics.discrimination import auc
from analytics.guards import (
    FloatArray,
    UndefinedError,
    computable,
    require,
)
from analytics.regression import LogisticFit, confusion, logistic
from analytics.results import Estimate, NotComputable
from analytics.tails import normal_quantile, t_quantile


def _fitted(
    outcome: Any, covariates: Mapping[str, Any], level: float, method: Any = "auto"
) -> LogisticFit:
    """Fit or refuse with the fit's own reason."""
    found = logistic(outcome, covariates, method, level=level)
    if isinstance(found, NotComputable):
        raise UndefinedError(found.reason.removeprefix("cannot be computed, because "), found.n)
    return found


@dataclass(frozen=True)
class StandardisedRisks:
    """Average risk if everybody were in the first group, and if nobody were."""

    first: Estimate
    second: Estimate
    difference: Estimate
    ratio: Estimate
    method: str
    few_events: bool


@computable
def standardised_risks(
    outcome: Any, first_group: Any, covariates: Mapping[str, Any], level: float = 0.95
) -> StandardisedRisks:
    """Standardise risks over the patients' covariates (g-computation).

    Parameters
    ----------
    outcome, first_group
        0 or 1, shape (n,).
    covariates
        What to adjust for: name and values, shape (n,).
    level
        Confidence level of the delta-method intervals, 0 to 1.

    Notes
    -----
    A logistic model (Firth's where separated) predicts each patient in both groups; the averages
    differ by the standardised risk difference. Unmeasured differences remain. R: ``glm`` and
    ``predict`` with the group set to 1 and 0.
    """
    given = make_design(outcome, {"first group": first_group, **covariates})
    group = given.x[:, 1]
    require(bool(np.isin(group, (0, 1)).all()), "the group is neither 0 nor 1", given.n)
    # centred covariates give the same risks, and a large offset costs no digits
    centred = {name: given.scaled[:, i] for i, name in enumerate(covariates, start=2)}
    together = {"first group": group, **centred}
    x = make_design(given.y, together).x
    model = _fitted(given.y, together, level)
    risks, slopes = zip(*(_average(x, model.vector, g) for g in (1.0, 0.0)), strict=True)
    (p1, p0), (s1, s0) = risks, slopes
    z = normal_quantile(level)

    def spread(slope: FloatArray) -> float:
        variance = float(slope @ model.covariance @ slope)
        require(0 <= variance < math.inf, "the model is too uncertain for an interval", model.n)
        return z * math.sqrt(variance)

    def around(value: float, half: float, name: str) -> Estimate:
        return Estimate(value, value - half, value + half, model.n, name, level=level)

    difference = around(p1 - p0, spread(s1 - s0), "standardised, delta method")
    log_half = spread(s1 / p1 - s0 / p0)
    low, high = p1 / p0 * math.exp(-log_half), p1 / p0 * math.exp(log_half)
    ratio = Estimate(p1 / p0, low, high, model.n, "standardised, delta method", level=level)
    return StandardisedRisks(
        first=_risk(p1, spread(s1 / (p1 * (1 - p1))), model.n, level),
        second=_risk(p0, spread(s0 / (p0 * (1 - p0))), model.n, level),
        difference=difference,
        ratio=ratio,
        method=model.method,
        few_events=model.few_events,
    )


def _average(x: FloatArray, b: FloatArray, group: float) -> tuple[float, FloatArray]:
    """Return the mean predicted risk with the group set, and its slope in the coefficients."""
    moved = x.copy()
    moved[:, 1] = group
    p = special.expit(moved @ b)
    return float(p.mean()), (moved * (p * (1 - p))[:, None]).mean(axis=0)


def _risk(p: float, half: float, n: int, level: float) -> Estimate:
    """Return a risk with an interval from the logit scale."""
    centre = float(special.logit(p))
    low, high = float(special.expit(centre - half)), float(special.expit(centre + half))
    return Estimate(p, low, high, n, "standardised, delta method", level=level)


@dataclass(frozen=True)
class WeightedRatio:
    """Ratio of geometric means after weighting; effective sizes tell what the weights cost."""

    ratio: Estimate
    standard_error: float
    effective_n_first: float
    effective_n_second: float
    largest_weight: float


@computable
def inverse_probability_ratio(
    outcome: Any, first_group: Any, covariates: Mapping[str, Any], level: float = 0.95
) -> WeightedRatio:
    """Ratio of geometric means with patients weighted by 1 / P(their group).

    Parameters
    ----------
    outcome
        Positive values, one unit, shape (n,).
    first_group, covariates, level
        As in ``standardised_risks``.

    Notes
    -----
    R: ``survey::svyglm(log(y) ~ group, weights = 1/ps)``, design-based error, interval by t.
    """
    rows = make_design(outcome, {"first group": first_group, **covariates})
    y, group = rows.y, rows.x[:, 1]
    require(bool((y > 0).all()), "a value is zero or negative and has no logarithm", rows.n)
    require(bool(np.isin(group, (0, 1)).all()), "the group is neither 0 nor 1", rows.n)
    names = list(covariates)
    kept = {name: rows.x[:, i] for i, name in enumerate(names, start=2)}
    model = _fitted(group, kept, level)
    require(not model.separated, "the covariates tell the group apart completely", rows.n)
    weights = np.where(group == 1, 1 / model.fitted, 1 / (1 - model.fitted))
    logs, n = np.log(y), rows.n
    sides = [(group == g, weights[group == g]) for g in (1.0, 0.0)]
    means = [float(w @ logs[side]) / w.sum() for side, w in sides]
    influence = np.zeros(n)
    for (side, w), mean, sign in zip(sides, means, (1.0, -1.0), strict=True):
        influence[side] = sign * w * (logs[side] - mean) / w.sum()
    error = math.sqrt(float(influence @ influence) * n / (n - 1))
    half = t_quantile(level, n - 2) * error
    value = means[0] - means[1]
    ends = math.exp(value - half), math.exp(value + half)
    ratio = Estimate(math.exp(value), *ends, n, "inverse probability weighting", level=level)
    first, second = (float(w.sum() ** 2 / (w @ w)) for _, w in sides)
    return WeightedRatio(ratio, error, first, second, float(weights.max()))


@dataclass(frozen=True)
class Validated:
    """Accuracy on the data used for fitting, and on patients the model had not seen.

    ``optimism`` is apparent minus validated, by measure; None where one is not defined.
    """

    apparent: Diagnostic | NotComputable
    validated: Diagnostic | NotComputable
    apparent_auc: Estimate | NotComputable
    validated_auc: Estimate | NotComputable
    optimism: dict[str, float | None]
    folds: int
    method: str


@computable
def cross_validated(
    outcome: Any,
    covariates: Mapping[str, Any],
    folds: int = 10,
    threshold: float = 0.5,
    seed: int = 1,
    level: float = 0.95,
) -> Validated:
    """Judge a logistic model on patients it was not fitted to.

    Parameters
    ----------
    outcome, covariates
        As in ``logistic``.
    folds
        Parts that are left out in turn; events are spread evenly, at random with ``seed``.
    threshold
        Predicted probability from which the outcome is called positive.

    Notes
    -----
    Intervals of the validated measures are Wilson's and take the predictions as given.
    """
    rows = make_design(outcome, covariates)
    binary_outcome(rows.y)
    require(2 <= folds <= rows.n, f"{folds} folds do not fit {rows.n} rows", rows.n)
    require(0 < threshold < 1, "the threshold does not lie between 0 and 1", rows.n)
    fewest = int(min(rows.y.sum(), rows.n - rows.y.sum()))
    require(fewest >= folds, f"{fewest} patients of the rarer outcome are too few to split", rows.n)
    columns = {name: rows.x[:, i] for i, name in enumerate(covariates, start=1)}
    whole = _fitted(rows.y, columns, level)
    method = "firth" if whole.separated else "auto"
    fold, predicted = _folds(rows.y, folds, seed), np.empty(rows.n)
    for part in range(folds):
        seen = fold != part
        model = _fitted(rows.y[seen], {k: v[seen] for k, v in columns.items()}, level, method)
        predicted[~seen] = special.expit(rows.x[~seen] @ model.vector)
    apparent = confusion(rows.y, whole.fitted >= threshold, level)
    validated = confusion(rows.y, predicted >= threshold, level)
    seen_auc, new_auc = whole.auc, auc(rows.y, predicted, level)
    optimism = {
        name: _gap(getattr(apparent, name, None), getattr(validated, name, None))
        for name in ("sensitivity", "specificity", "ppv", "npv", "accuracy")
    }
    optimism["auc"] = _gap(seen_auc, new_auc)
    return Validated(apparent, validated, seen_auc, new_auc, optimism, folds, whole.method)


def _gap(apparent: Any, validated: Any) -> float | None:
    both = isinstance(apparent, Estimate) and isinstance(validated, Estimate)
    return apparent.value - validated.value if both else None


def _folds(y: FloatArray, folds: int, seed: int) -> FloatArray:
    """Return the fold of each row, events and others spread evenly."""
    rng, fold = np.random.default_rng(seed), np.empty(len(y))
    for outcome in (0.0, 1.0):
        members = np.flatnonzero(y == outcome)
        fold[rng.permutation(members)] = np.arange(len(members)) % folds
    return fold
