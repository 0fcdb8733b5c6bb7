"""What makes studies differ: subgroups, one covariate, and asymmetry of the funnel."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from analytics.guards import check_level, computable, require
from analytics.meta_analysis import (
    Pooled,
    Study,
    effects_and_variances,
    known_patients,
    method_name,
    pool,
    wald,
)
from analytics.meta_heterogeneity import Estimator, between_study_variance, fit
from analytics.results import Estimate, NotComputable, TestResult

FEWEST_FOR_EGGER = 10


@dataclass(frozen=True)
class Subgroups:
    """Pooled effect by subgroup and the test whether they differ."""

    groups: tuple[tuple[str, Pooled | NotComputable], ...]
    test: TestResult | NotComputable
    common_tau2: float | None


@computable
def subgroups(
    studies: Sequence[Study],
    estimator: Estimator = "REML",
    hartung_knapp: bool = True,
    level: float = 0.95,
) -> Subgroups:
    """Pool each subgroup with its own τ² and test the differences (as RevMan does).

    A study with rows in two subgroups makes them dependent; ``pool(studies).repeated`` tells.
    """
    names = list(dict.fromkeys(study.subgroup for study in studies))
    require(len(names) > 0, "there is no study with an effect")
    groups = tuple(
        (
            name,
            pool([s for s in studies if s.subgroup == name], estimator, hartung_knapp, True, level),
        )
        for name in names
    )
    return Subgroups(groups, _between([pooled for _, pooled in groups]), None)


@computable
def _between(pooled: Sequence[Pooled | NotComputable]) -> TestResult:
    """Test whether the subgroups' effects differ beyond their errors."""
    known = [result for result in pooled if isinstance(result, Pooled)]
    require(len(known) == len(pooled), "a subgroup has no pooled effect")
    require(len(known) >= 2, "there is only one subgroup")
    y = np.array([result.estimate.value for result in known])
    v = np.array([result.standard_error**2 for result in known])
    q = fit(y, v, np.ones((len(y), 1)), 0.0).residual_sum
    df, n = len(known) - 1, sum(result.patients or 0 for result in known)
    return TestResult("subgroup differences, χ²", q, float(special.chdtrc(df, q)), n, float(df))


@computable
def subgroups_common_tau2(
    studies: Sequence[Study], estimator: Estimator = "REML", level: float = 0.95
) -> Subgroups:
    """Pool subgroups with one common τ² (R: ``rma(mods = ~ factor(g))``), Wald tests."""
    y, v = effects_and_variances(studies)
    names = list(dict.fromkeys(study.subgroup for study in studies))
    require(len(names) >= 2, "there is only one subgroup")
    x = np.array([[float(s.subgroup == name) for name in names] for s in studies])
    tau2 = between_study_variance(y, v, x, estimator)
    groups = []
    for name in names:
        members = [
            Study(s.name, s.effect, s.variance + tau2, s.patients)
            for s in studies
            if s.subgroup == name
        ]
        groups.append((name, pool(members, "fixed", False, True, check_level(level))))
    return Subgroups(tuple(groups), _between([pooled for _, pooled in groups]), tau2)


@dataclass(frozen=True)
class MetaRegression:
    """Change of the effect per unit of a covariate; R² is the share of τ² it explains, percent."""

    intercept: Estimate
    slope: Estimate
    test: TestResult
    tau2: float
    r2: float | None
    k: int


@computable
def meta_regression(
    studies: Sequence[Study],
    estimator: Estimator = "REML",
    hartung_knapp: bool = True,
    level: float = 0.95,
) -> MetaRegression:
    """Regress the effects on one covariate (R: ``rma(mods = ~ x, test = "z" | "adhoc")``).

    Studies without the covariate are left out; ``k`` counts those used. Ten studies per covariate
    are the usual minimum, three the arithmetic one.
    """
    known = [s for s in studies if s.covariate is not None and math.isfinite(s.covariate)]
    require(len(known) >= 3, "fewer than three studies have the covariate")
    y, v = effects_and_variances(known)
    covariate = np.array([s.covariate for s in known], dtype=float)
    require(float(np.ptp(covariate)) > 0, "the covariate is the same in all studies")
    k, centre, unit = len(y), float(covariate.mean()), float(np.ptp(covariate))
    x = np.column_stack([np.ones(k), (covariate - centre) / unit])
    tau2 = between_study_variance(y, v, x, estimator)
    fitted = fit(y, v, x, tau2)
    back = np.array([[1.0, -centre / unit], [0.0, 1 / unit]])
    b = back @ fitted.coefficients
    factor = max(1.0, fitted.residual_sum / (k - 2)) if hartung_knapp else 1.0
    errors = np.sqrt(np.diag(back @ fitted.covariance @ back.T) * factor)
    df = float(k - 2) if hartung_knapp else None
    patients, name = known_patients(known) or 0, method_name(estimator, hartung_knapp)
    check_level(level)
    intercept, _ = wald(float(b[0]), float(errors[0]), df, patients, name, level)
    slope, test = wald(float(b[1]), float(errors[1]), df, patients, name, level)
    without = between_study_variance(y, v, np.ones((k, 1)), estimator)
    r2 = max(0.0, 100 * (without - tau2) / without) if without > 0 else None
    return MetaRegression(intercept, slope, test, tau2, r2, k)


@computable
def egger(studies: Sequence[Study], level: float = 0.95) -> TestResult:
    """Test funnel asymmetry by regression of effects on their errors (Egger et al. 1997).

    Returns
    -------
    TestResult
        t with k − 2 degrees of freedom; ``details["limit"]`` is the effect at error 0 with its
        interval. Not below ten studies: the test could not find asymmetry there. R:
        ``metafor::regtest(model = "lm")``.
    """
    y, v = effects_and_variances(studies)
    k = len(y)
    require(k >= FEWEST_FOR_EGGER, f"Egger's test needs ten studies and there are {k}")
    errors = np.sqrt(v)
    require(float(np.ptp(errors)) > 1e-12 * errors.max(), "all studies have the same error")
    fitted = fit(y, v, np.column_stack([np.ones(k), errors]), 0.0)
    spread = fitted.residual_sum / (k - 2)
    require(spread > 0, "the effects lie exactly on a line")
    se = np.sqrt(np.diag(fitted.covariance) * spread)
    t = float(fitted.coefficients[1] / se[1])
    half = float(special.stdtrit(k - 2, 1 - (1 - check_level(level)) / 2) * se[0])
    value, n = float(fitted.coefficients[0]), known_patients(studies) or 0
    limit = Estimate(value, value - half, value + half, n, "limit at error 0", level=level)
    p = 2 * float(special.stdtr(k - 2, -abs(t)))
    return TestResult("Egger", t, p, n, float(k - 2), details={"limit": limit})
