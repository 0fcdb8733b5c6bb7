"""Pool single shares without adding ½ to zeros: a binomial model with random logits (GLMM)."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import optimize, special

from analytics.guards import FloatArray, check_level, computable, events_of, require
from analytics.meta_analysis import (
    FEWEST_FOR_PREDICTION,
    Heterogeneity,
    Pooled,
    prediction_interval,
    wald,
)
from analytics.meta_effects import Effect, logit_proportion
from analytics.meta_heterogeneity import typical_variance
from analytics.proportions import upper_limit
from analytics.results import Estimate

NODES, _WEIGHTS = np.polynomial.hermite.hermgauss(40)
LOG_WEIGHTS = np.log(_WEIGHTS) + NODES**2
STEP = 1e-4


@computable
def binomial_normal(events: Sequence[float], n: Sequence[float], level: float = 0.95) -> Pooled:
    """Pool shares by a logistic model whose intercept varies between studies.

    Parameters
    ----------
    events, n
        Patients with the event and all patients, one entry a study, shape (k,).
    level
        Confidence level, 0 to 1.

    Returns
    -------
    Pooled
        On the logit scale, by maximum likelihood with Wald interval; Q is the likelihood-ratio
        statistic of equal shares. ``weights`` are the studies' shares of the patients: the model
        has no others. R: ``metafor::rma.glmm(measure = "PLO", xi, ni)``; Stijnen et al. 2010,
        10.1002/sim.4040.
    """
    x, size = _counts(events, n)
    people, happened = int(size.sum()), int(x.sum())
    limit = upper_limit(happened, people)
    top = limit.high if isinstance(limit, Estimate) else None
    require(
        happened > 0,
        f"no study has an event; rates up to {100 * (top or 1.0):.2g} % remain possible",
        people,
    )
    require(happened < people, "every patient of every study has the event", people)
    mean, tau = _most_likely(x, size)
    error = _standard_error(x, size, mean, tau)
    k = len(x)
    name = "single study" if k == 1 else "binomial model with random logits (GLMM), Wald"
    estimate, test = wald(mean, error, None, people, name, check_level(level))
    return Pooled(
        k=k,
        patients=people,
        estimate=estimate,
        standard_error=error,
        test=test,
        heterogeneity=_heterogeneity(x, size, tau) if k > 1 else None,
        prediction=prediction_interval(mean, error, tau**2, None, level)
        if k >= FEWEST_FOR_PREDICTION
        else None,
        weights=tuple(float(w) for w in 100 * size / people),
        repeated=(),
        hartung_knapp=False,
        safeguard_used=False,
    )


def _counts(events: Sequence[float], n: Sequence[float]) -> tuple[FloatArray, FloatArray]:
    require(len(events) == len(n) and len(n) > 0, "there is no study with events and patients")
    pairs = [events_of(e, s, "study") for e, s in zip(events, n, strict=True)]
    x, size = np.array(pairs, dtype=np.float64).T
    return x, size


def _log_likelihood(x: FloatArray, size: FloatArray, mean: float, tau: float) -> float:
    """Return the marginal log-likelihood, by quadrature centred on each study's own mode.

    Without the binomial coefficients.
    """
    if tau < 1e-8:
        return float((x * mean - size * np.logaddexp(0, mean)).sum())
    u = np.zeros(len(x))
    for _ in range(50):
        p = special.expit(mean + tau * u)
        step = (tau * (x - size * p) - u) / (tau**2 * size * p * (1 - p) + 1)
        u = u + np.clip(step, -3, 3)
        if np.abs(step).max() < 1e-12:
            break
    p = special.expit(mean + tau * u)
    scale = 1 / np.sqrt(tau**2 * size * p * (1 - p) + 1)
    at = u[:, None] + math.sqrt(2) * scale[:, None] * NODES
    logit = mean + tau * at
    inside = x[:, None] * logit - size[:, None] * np.logaddexp(0, logit) - at**2 / 2
    return float((special.logsumexp(inside + LOG_WEIGHTS, axis=1) + np.log(scale)).sum()) - (
        len(x) * math.log(math.pi) / 2
    )


def _most_likely(x: FloatArray, size: FloatArray) -> tuple[float, float]:
    """Return mean logit and τ of the highest likelihood."""
    start = float(special.logit(x.sum() / size.sum()))
    if len(x) == 1:
        return start, 0.0

    def loss(parameters: FloatArray) -> float:
        return -_log_likelihood(x, size, float(parameters[0]), abs(float(parameters[1])))

    fits = [
        optimize.minimize(
            loss,
            np.array([start, tau]),
            method="Nelder-Mead",
            options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 2000},
        )
        for tau in (0.1, 0.7, 2.0)
    ]
    best = min(fits, key=lambda fit: float(fit.fun))
    equal = -_log_likelihood(x, size, start, 0.0)
    if equal <= float(best.fun) + 1e-9:
        return start, 0.0
    return float(best.x[0]), abs(float(best.x[1]))


def _standard_error(x: FloatArray, size: FloatArray, mean: float, tau: float) -> float:
    """Return the error of the mean logit from the likelihood's curvature in both parameters."""
    if tau == 0:
        p = special.expit(mean)
        return float(1 / math.sqrt(size.sum() * p * (1 - p)))

    def at(i: int, j: int) -> float:
        return _log_likelihood(x, size, mean + i * STEP, tau + j * STEP)

    mid = at(0, 0)
    of_mean = (at(1, 0) - 2 * mid + at(-1, 0)) / STEP**2
    of_tau = (at(0, 1) - 2 * mid + at(0, -1)) / STEP**2
    both = (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / (4 * STEP**2)
    information = -(of_mean - both**2 / of_tau)
    require(information > 0, "the likelihood has no clear maximum", int(size.sum()))
    return 1 / math.sqrt(information)


def _heterogeneity(x: FloatArray, size: FloatArray, tau: float) -> Heterogeneity:
    """Describe differences between studies; I² against the variances of the single logits."""
    p = x.sum() / size.sum()
    expected = np.stack([size * p, size * (1 - p)])
    observed = np.stack([x, size - x])
    q = 2 * float(special.xlogy(observed, observed / expected).sum())
    singles = [logit_proportion(e, s) for e, s in zip(x, size, strict=True)]
    variances = np.array([s.variance for s in singles if isinstance(s, Effect)])
    typical = typical_variance(variances, np.ones((len(x), 1)))
    df = len(x) - 1
    return Heterogeneity(
        tau2=tau**2,
        tau2_low=None,
        tau2_high=None,
        tau2_standard_error=None,
        i2=100 * tau**2 / (tau**2 + typical),
        i2_low=None,
        i2_high=None,
        h2=(tau**2 + typical) / typical,
        q=q,
        q_df=df,
        q_p=float(special.chdtrc(df, q)),
    )
