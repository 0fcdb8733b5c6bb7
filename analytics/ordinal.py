"""Proportional-odds regression of an ordered outcome (R: ``ordinal::clm``, ``MASS::polr``)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from analytics.design import make_design
from analytics.guards import FloatArray, computable, require
from analytics.regression import Coefficient, exponential
from analytics.results import Estimate, TestResult
from analytics.tails import chi_square_p, normal_p, normal_quantile

MOST_STEPS = 100


@dataclass(frozen=True)
class OrdinalFit:
    """Common odds ratios of a higher category; ``thresholds`` on the logit scale."""

    coefficients: tuple[Coefficient, ...]
    thresholds: tuple[float, ...]
    categories: tuple[float, ...]
    n: int
    left_out: int
    log_likelihood: float
    model_test: TestResult
    method: str = "proportional odds"


@computable
def proportional_odds(
    outcome: Any, covariates: Mapping[str, Any], level: float = 0.95
) -> OrdinalFit:
    """Regress an ordered outcome on covariates.

    Parameters
    ----------
    outcome
        Ordered categories as numbers, shape (n,); only their order counts.
    covariates
        Name and values, shape (n,) each; rows with a gap are left out.
    level
        Confidence level of the Wald intervals, 0 to 1.

    Notes
    -----
    McCullagh 1980: logit P(Y ≤ j) = α_j − x b, so that exp(b) > 1 means higher categories.
    """
    design = make_design(outcome, covariates, intercept=False)
    values, place = np.unique(design.y, return_inverse=True)
    require(len(values) >= 2, "only one category occurs", design.n)
    cuts, n = len(values) - 1, design.n
    share = np.cumsum(np.bincount(place))[:-1] / n
    start = np.concatenate([special.logit(share), np.zeros(len(design.names))])
    null, _, _ = _likelihood(start, place, design.scaled, cuts)
    theta, height, covariance = _maximise(start, place, design.scaled, cuts)
    moved = np.eye(len(theta))
    moved[cuts:, cuts:] = design.back
    # Centring moved the thresholds by the covariates' means.
    moved[:cuts, cuts:] = design.x.mean(axis=0) @ design.back
    full, spread = moved @ theta, moved @ covariance @ moved.T
    df, chi2 = len(design.names), max(0.0, 2 * (height - null))
    half, shown = normal_quantile(level), []
    for i, name in enumerate(design.names, start=cuts):
        require(spread[i, i] > 0, f"the error of {name} is too small for the arithmetic", n)
        error, b = math.sqrt(spread[i, i]), float(full[i])
        estimate = Estimate(b, b - half * error, b + half * error, n, "Wald", level=level)
        p = normal_p(b / error)
        test = TestResult("Wald z", b / error, p, n)
        shown.append(Coefficient(name, estimate, exponential(estimate), error, test))
    p = chi_square_p(chi2, df) if df else 1.0
    return OrdinalFit(
        coefficients=tuple(shown),
        thresholds=tuple(float(a) for a in full[:cuts]),
        categories=tuple(float(v) for v in values),
        n=n,
        left_out=design.left_out,
        log_likelihood=height,
        model_test=TestResult("likelihood ratio", chi2, p, n, float(df)),
    )


def _maximise(
    theta: FloatArray, place: Any, x: FloatArray, cuts: int
) -> tuple[FloatArray, float, FloatArray]:
    """Climb by Newton steps that halve until they rise; refuse a fit that runs away."""
    height, gradient, hessian = _likelihood(theta, place, x, cuts)
    for _ in range(MOST_STEPS):
        step = np.linalg.solve(-hessian, gradient)
        if float(np.abs(step).max()) < 1e-11:
            break
        tried = _likelihood(theta + step, place, x, cuts)
        for _ in range(40):
            if tried[0] >= height - 1e-12 * abs(height):
                break
            step = step / 2
            tried = _likelihood(theta + step, place, x, cuts)
        theta = theta + step
        height, gradient, hessian = tried
        far = float(np.abs(theta[cuts:]).max()) > 25
        require(not far, "the categories are separated by a covariate", len(place))
    small = float(np.abs(gradient).max()) < 1e-5 * len(place)
    require(small, "the fit does not converge", len(place))
    return theta, height, np.asarray(np.linalg.inv(-hessian), dtype=np.float64)


def _likelihood(
    theta: FloatArray, place: Any, x: FloatArray, cuts: int
) -> tuple[float, FloatArray, FloatArray]:
    """Return log-likelihood, gradient and Hessian over thresholds and coefficients."""
    if (np.diff(theta[:cuts]) <= 0).any():
        return -np.inf, theta, np.eye(len(theta))
    eta = x @ theta[cuts:]
    ends = np.concatenate([[-np.inf], theta[:cuts], [np.inf]])
    upper, lower = ends[place + 1] - eta, ends[place] - eta
    high, low = special.expit(upper), special.expit(lower)
    p = np.maximum(high - low, 1e-300)
    d_high, d_low = high * (1 - high) / p, low * (1 - low) / p
    indicator = np.eye(cuts + 2)
    a_high = np.hstack([indicator[place + 1][:, 1:-1], -x])
    a_low = np.hstack([indicator[place][:, 1:-1], -x])
    slopes = a_high * d_high[:, None] - a_low * d_low[:, None]
    hessian = a_high.T @ (a_high * (d_high * (1 - 2 * high))[:, None])
    hessian -= a_low.T @ (a_low * (d_low * (1 - 2 * low))[:, None]) + slopes.T @ slopes
    return float(np.log(p).sum()), slopes.sum(axis=0), hessian
