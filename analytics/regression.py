"""Adjusted effects: logistic regression (Firth when separated) and log-linear regression.

Design matrices are built from named columns; no formula text is ever evaluated.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import special

from analytics.design import Design, binary_outcome, make_design
from analytics.diagnostic import Diagnostic, diagnostic
from analytics.discrimination import auc, brier, hosmer_lemeshow, nagelkerke
from analytics.guards import FloatArray, check_level, computable, require
from analytics.logistic import Maximum, is_separated, log_likelihood, maximise, profile_bounds
from analytics.results import Estimate, NotComputable, TestResult
from analytics.tails import chi_square_p, normal_p, normal_quantile, t_p, t_quantile

FEW_EVENTS_PER_COVARIATE = 10
LARGEST_LOG = 700.0


@dataclass(frozen=True)
class Coefficient:
    """One covariate: its coefficient (log scale), the ratio it stands for, and its test."""

    name: str
    coefficient: Estimate
    ratio: Estimate
    standard_error: float
    test: TestResult


@dataclass(frozen=True)
class LogisticFit:
    """A logistic model.

    ``separated`` tells that plain maximum likelihood has no finite answer; ``few_events`` that
    there are fewer than ten events (or non-events) a covariate. ``in_sample`` uses the same data
    for fitting and judging, threshold ½, and flatters. ``fitted`` are probabilities, shape (n,).
    """

    coefficients: tuple[Coefficient, ...]
    method: str
    n: int
    events: int
    left_out: int
    separated: bool
    events_per_covariate: float
    few_events: bool
    log_likelihood: float
    aic: float
    model_test: TestResult
    nagelkerke: float
    brier: float
    auc: Estimate | NotComputable
    hosmer_lemeshow: TestResult | NotComputable
    in_sample: Diagnostic | NotComputable
    fitted: FloatArray
    covariance: FloatArray

    @property
    def vector(self) -> FloatArray:
        """Coefficients in order, intercept first."""
        return np.array([c.coefficient.value for c in self.coefficients])


@computable
def logistic(
    outcome: Any,
    covariates: Mapping[str, Any],
    method: Literal["auto", "ml", "firth"] = "auto",
    intervals: Literal["wald", "profile"] = "wald",
    level: float = 0.95,
) -> LogisticFit:
    """Logistic regression with odds ratios.

    Parameters
    ----------
    outcome
        0 or 1, shape (n,).
    covariates
        Name and values, shape (n,) each; a category as 0/1 columns without its reference. Rows
        with a gap are left out and counted.
    method
        ``auto`` is maximum likelihood, or Firth's where the data are separated.
    intervals
        Of maximum likelihood; Firth's are always profile intervals with their likelihood-ratio p.
    level
        Confidence level, 0 to 1.

    Notes
    -----
    R: ``glm(family = binomial)``, ``MASS:::confint.glm`` (its profile is interpolated by a
    spline, agreement 1e-4), ``logistf::logistf``.
    """
    design = make_design(outcome, covariates)
    binary_outcome(design.y)
    check_level(level)
    plain = _plain(design)
    separated = plain is None
    require(method != "ml" or not separated, "the outcome is separated; use Firth's method")
    firth = method == "firth" or plain is None
    found = maximise(design.y, design.scaled, True) if firth or plain is None else plain
    require(found.converged, "the fit does not converge", design.n)
    profile = firth or intervals == "profile"
    return _describe(design, found, firth, profile, separated, level)


def _plain(design: Design) -> Maximum | None:
    """Fit by maximum likelihood; None where separation leaves no finite answer."""
    try:
        found = maximise(design.y, design.scaled, False)
    except np.linalg.LinAlgError:
        return None
    return None if is_separated(found) else found


def _describe(
    design: Design, found: Maximum, firth: bool, profile: bool, separated: bool, level: float
) -> LogisticFit:
    """Put coefficients, fit and accuracy together."""
    y, n = design.y, design.n
    b = design.back @ found.b
    covariance = design.back @ found.covariance @ design.back.T
    fitted = special.expit(design.scaled @ found.b)
    events = int(y.sum())
    null = maximise(y, np.ones((n, 1)), firth)
    chi2 = max(0.0, 2 * (found.log_likelihood - null.log_likelihood))
    if firth:
        chi2 = max(0.0, 2 * (found.log_likelihood - _held_null(design)))
    df = len(b) - 1
    plain = log_likelihood(y, design.scaled, found.b, False)
    without = log_likelihood(y, np.ones((n, 1)), np.array([special.logit(events / n)]), False)
    per_covariate = min(events, n - events) / max(1, df)
    method = "Firth logistic regression" if firth else "logistic regression"
    p = chi_square_p(chi2, df) if df else 1.0
    positive = fitted >= 0.5
    return LogisticFit(
        coefficients=_coefficients(design, found, b, covariance, firth, profile, level),
        method=method,
        n=n,
        events=events,
        left_out=design.left_out,
        separated=separated,
        events_per_covariate=per_covariate,
        few_events=per_covariate < FEW_EVENTS_PER_COVARIATE,
        log_likelihood=plain,
        aic=2 * len(b) - 2 * plain,
        model_test=TestResult("likelihood ratio", chi2, p, n, float(df)),
        nagelkerke=nagelkerke(plain, without, n),
        brier=brier(y, fitted),
        auc=auc(y, fitted, level),
        hosmer_lemeshow=hosmer_lemeshow(y, fitted),
        in_sample=confusion(y, positive, level),
        fitted=fitted,
        covariance=covariance,
    )


def _held_null(design: Design) -> float:
    """Return Firth's penalised likelihood with all slopes held at 0, penalty of the whole model."""
    y, x = design.y, design.scaled

    def height(intercept: float) -> float:
        b = np.zeros(x.shape[1])
        b[0] = intercept
        return log_likelihood(y, x, b, True)

    from scipy.optimize import minimize_scalar

    centre = float(special.logit((y.sum() + 0.5) / (len(y) + 1)))
    found = minimize_scalar(lambda t: -height(t), bracket=(centre - 0.5, centre + 0.5), tol=1e-12)
    return -float(found.fun)


def confusion(y: FloatArray, positive: Any, level: float) -> Diagnostic | NotComputable:
    """Return accuracy measures of a yes/no prediction."""
    ill = y == 1
    tp, fp = int((positive & ill).sum()), int((positive & ~ill).sum())
    return diagnostic(tp, fp, int(ill.sum()) - tp, int((~ill).sum()) - fp, level)


def _coefficients(
    design: Design,
    found: Maximum,
    b: FloatArray,
    covariance: FloatArray,
    firth: bool,
    profile: bool,
    level: float,
) -> tuple[Coefficient, ...]:
    """Return each covariate with interval and test."""
    shown, half = [], normal_quantile(level)
    drop = half * half / 2
    raw = Maximum(b, covariance, found.log_likelihood, True)
    for i, name in enumerate(design.names):
        error = math.sqrt(covariance[i, i])
        low, high = b[i] - half * error, b[i] + half * error
        if profile and i == 0:
            penalty = log_likelihood(design.y, design.x, b, firth)
            at = Maximum(b, covariance, penalty, True)
            low, high = profile_bounds(design.y, design.x, at, 0, firth, drop)
        elif profile:
            scale = design.back[i, i]
            bounds = profile_bounds(design.y, design.scaled, found, i, firth, drop)
            low, high = bounds[0] * scale, bounds[1] * scale
        test = (
            _held_test(design, raw, found, i, name) if firth else _wald_test(b[i], error, design.n)
        )
        kind = "profile likelihood" if profile else "Wald"
        estimate = Estimate(float(b[i]), float(low), float(high), design.n, kind, level=level)
        shown.append(Coefficient(name, estimate, exponential(estimate), error, test))
    return tuple(shown)


def _wald_test(b: float, error: float, n: int) -> TestResult:
    z = float(b / error)
    return TestResult("Wald z", z, normal_p(z), n)


def _held_test(design: Design, raw: Maximum, found: Maximum, place: int, name: str) -> TestResult:
    """Test one coefficient of a Firth model by the penalised likelihood ratio."""
    if place == 0:
        start, x = raw.b.copy(), design.x
        peak = log_likelihood(design.y, x, raw.b, True)
    else:
        start, x, peak = found.b.copy(), design.scaled, found.log_likelihood
    start[place] = 0.0
    without = maximise(design.y, x, True, start, place)
    chi2 = max(0.0, 2 * (peak - without.log_likelihood))
    p = chi_square_p(chi2, 1)
    return TestResult(f"penalised likelihood ratio, {name}", chi2, p, design.n, 1.0)


def exponential(estimate: Estimate) -> Estimate:
    """Turn a coefficient into a ratio."""

    def ratio(value: float | None) -> float | None:
        if value is None:
            return None
        return math.exp(value) if value < LARGEST_LOG else math.inf

    value = ratio(estimate.value)
    return Estimate(
        math.nan if value is None else value,
        ratio(estimate.low),
        ratio(estimate.high),
        estimate.n,
        estimate.method,
        level=estimate.level,
    )


@dataclass(frozen=True)
class LinearFit:
    """A linear model of the outcome or its logarithm with HC3 errors.

    With the logarithm each ``ratio`` is the ratio of geometric means per unit of the covariate.
    """

    coefficients: tuple[Coefficient, ...]
    method: str
    n: int
    left_out: int
    r2: float
    residual_sd: float
    log_scale: bool


@computable
def log_linear(
    outcome: Any, covariates: Mapping[str, Any], log: bool = True, level: float = 0.95
) -> LinearFit:
    """Regress the logarithm of a positive outcome (dose, minutes) on covariates.

    Parameters
    ----------
    outcome
        Positive values of one unit, shape (n,); any values with ``log=False``.
    covariates
        As in ``logistic``.
    level
        Confidence level, 0 to 1; intervals by t with n − p degrees of freedom.

    Notes
    -----
    Errors HC3 (MacKinnon & White 1985, 10.1016/0304-4076(85)90158-7), valid for unequal spread. R:
    ``lm(log(y) ~ x)``, ``sandwich::vcovHC(type = "HC3")``.
    """
    design = make_design(outcome, covariates)
    if log:
        low = int((design.y <= 0).sum())
        require(low == 0, f"{low} values are zero or negative and have no logarithm", design.n)
    y, x, n = np.log(design.y) if log else design.y, design.scaled, design.n
    df = n - x.shape[1]
    inverse = np.linalg.inv(x.T @ x)
    scaled_b = inverse @ (x.T @ y)
    residual = y - x @ scaled_b
    total = float(((y - y.mean()) ** 2).sum())
    require(total > 0, "the outcome has the same value in all rows", n)
    require(float(residual @ residual) > 1e-20 * total, "the covariates predict exactly", n)
    leverage = np.einsum("ij,jk,ik->i", x, inverse, x, optimize=True)
    alone = int((leverage > 1 - 1e-9).sum())
    require(alone == 0, f"{alone} rows determine a covariate alone", n)
    weighted = x * (residual / (1 - leverage))[:, None]
    covariance = design.back @ (inverse @ (weighted.T @ weighted) @ inverse) @ design.back.T
    b, t = design.back @ scaled_b, t_quantile(level, df)
    shown = []
    for name, value, variance in zip(design.names, b, np.diag(covariance), strict=True):
        require(variance > 0, f"the error of {name} is too small for the arithmetic", n)
        error = math.sqrt(variance)
        ends = float(value - t * error), float(value + t * error)
        estimate = Estimate(float(value), *ends, n, "HC3, t", level=level)
        statistic = float(value / error)
        p = t_p(statistic, df)
        test = TestResult("t, HC3", statistic, p, n, float(df))
        shown.append(Coefficient(name, estimate, exponential(estimate), error, test))
    squares = float(residual @ residual)
    name = "log-linear regression, HC3" if log else "linear regression, HC3"
    r2, sd = 1 - squares / total, math.sqrt(squares / df)
    return LinearFit(tuple(shown), name, n, design.left_out, r2, sd, log)
