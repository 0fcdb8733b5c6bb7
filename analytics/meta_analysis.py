"""Pool the results of studies: random effects by REML with Hartung–Knapp unless told otherwise.

Effects are on the scale of analysis (log for ratios, logit for proportions); ``natural_scale`` of
``analytics.meta_effects`` turns a pooled estimate back.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from analytics.guards import (
    LARGEST_VALUE,
    FloatArray,
    check_level,
    computable,
    numbers,
    require,
)
from analytics.meta_heterogeneity import (
    Estimator,
    between_study_variance,
    fit,
    tau2_interval,
    tau2_standard_error,
    typical_variance,
)
from analytics.results import Estimate, NotComputable, TestResult

FEWEST_FOR_PREDICTION = 3
LARGEST_VARIANCE_RATIO = 1e30


@dataclass(frozen=True)
class Study:
    """One row of the analysis: effect and variance on the scale of analysis.

    ``patients`` may be None where unknown; ``subgroup`` and ``covariate`` serve the analyses of
    those names. Two rows of one ``name`` hold the same patients.
    """

    name: str
    effect: float
    variance: float
    patients: int | None = None
    subgroup: str = ""
    covariate: float | None = None


@dataclass(frozen=True)
class Heterogeneity:
    """Differences between studies beyond chance; I² in percent."""

    tau2: float
    tau2_low: float | None
    tau2_high: float | None
    tau2_standard_error: float | None
    i2: float
    i2_low: float | None
    i2_high: float | None
    h2: float
    q: float
    q_df: int
    q_p: float


@dataclass(frozen=True)
class Pooled:
    """A pooled effect on the scale of analysis.

    ``test`` is z, or t where Hartung–Knapp was used; ``prediction`` is the range in which the
    effect of a new study would lie (None below three studies or for the fixed-effect model).
    ``weights`` are percent, in the order of the studies. ``repeated`` names studies that enter
    more than once although their patients are the same: the interval is then too narrow.
    ``safeguard_used`` tells that Hartung–Knapp's factor was below 1 and set to 1.
    """

    k: int
    patients: int | None
    estimate: Estimate
    standard_error: float
    test: TestResult
    heterogeneity: Heterogeneity | None
    prediction: tuple[float, float] | None
    weights: tuple[float, ...]
    repeated: tuple[str, ...]
    hartung_knapp: bool
    safeguard_used: bool


def effects_and_variances(studies: Sequence[Study]) -> tuple[FloatArray, FloatArray]:
    """Return effects and variances, refusing the study that has none."""
    require(len(studies) > 0, "there is no study with an effect")
    for study in studies:
        value, variance = study.effect, study.variance
        usable = math.isfinite(value) and abs(value) <= LARGEST_VALUE
        require(usable, f"the effect of {study.name} is {value}, not a usable number")
        usable = 1 / LARGEST_VALUE <= variance <= LARGEST_VALUE
        require(usable, f"the variance of {study.name} is {variance}, not a usable number")
    y, v = np.array([s.effect for s in studies]), np.array([s.variance for s in studies])
    together = v.max() <= LARGEST_VARIANCE_RATIO * v.min()
    require(bool(together), "the variances of the studies differ too far for the arithmetic")
    return y.astype(np.float64), v.astype(np.float64)


def known_patients(studies: Sequence[Study]) -> int | None:
    """Return the number of different patients; None where a study does not tell."""
    by_name: dict[str, int] = {}
    for study in studies:
        if study.patients is None:
            return None
        by_name[study.name] = max(study.patients, by_name.get(study.name, 0))
    return sum(by_name.values())


def repeated_studies(studies: Sequence[Study]) -> tuple[str, ...]:
    """Name the studies whose patients enter more than once."""
    return tuple(name for name, times in Counter(s.name for s in studies).items() if times > 1)


@computable
def pool(
    studies: Sequence[Study],
    estimator: Estimator = "REML",
    hartung_knapp: bool = True,
    safeguard: bool = True,
    level: float = 0.95,
) -> Pooled:
    """Pool studies by inverse variance.

    Parameters
    ----------
    studies
        At least one; a single study is returned as it is, with its own interval.
    estimator
        Of τ²: ``REML``, ``DL`` (DerSimonian–Laird), ``PM`` (Paule–Mandel) or ``fixed``.
    hartung_knapp
        Interval by t with k − 1 degrees of freedom; not with ``fixed`` or one study.
    safeguard
        Never let Hartung–Knapp's interval be narrower than the ordinary one
        (Jackson et al. 2017, 10.1002/sim.7411); R: ``rma(test = "adhoc")``.
    level
        Confidence level, 0 to 1.

    Notes
    -----
    R: ``metafor::rma(yi, vi, method = …, test = …)``. The prediction interval uses t with k − 1
    degrees of freedom with Hartung–Knapp and z without, as metafor; RevMan before 2025 used k − 2.
    """
    y, v = effects_and_variances(studies)
    k, x = len(y), np.ones((len(y), 1))
    check_level(level)
    tau2 = between_study_variance(y, v, x, estimator)
    fitted = fit(y, v, x, tau2)
    mean, variance = float(fitted.coefficients[0]), float(fitted.covariance[0, 0])
    knapp = hartung_knapp and estimator != "fixed" and k > 1
    factor = fitted.residual_sum / (k - 1) if knapp else 1.0
    used = knapp and safeguard and factor < 1
    error = math.sqrt(variance * (max(1.0, factor) if safeguard else factor))
    spread_left = error > 1e-12 * math.sqrt(variance)
    require(spread_left, "the effects are identical; Hartung–Knapp needs its safeguard then")
    patients = known_patients(studies)
    name = "single study" if k == 1 else method_name(estimator, knapp)
    estimate, test = wald(mean, error, float(k - 1) if knapp else None, patients or 0, name, level)
    predictable = estimator != "fixed" and k >= FEWEST_FOR_PREDICTION
    df = float(k - 1) if knapp else None
    return Pooled(
        k=k,
        patients=patients,
        estimate=estimate,
        standard_error=error,
        test=test,
        heterogeneity=_heterogeneity(y, v, x, tau2, estimator, level) if k > 1 else None,
        prediction=prediction_interval(mean, error, tau2, df, level) if predictable else None,
        weights=tuple(float(w) for w in 100 * fitted.weights / fitted.weights.sum()),
        repeated=repeated_studies(studies),
        hartung_knapp=knapp,
        safeguard_used=used,
    )


def wald(
    value: float, error: float, df: float | None, n: int, name: str, level: float
) -> tuple[Estimate, TestResult]:
    """Return interval and test of value / error, by t with ``df`` or by z if None."""
    upper, statistic = 1 - (1 - level) / 2, value / error
    if df is None:
        quantile, tail = special.ndtri(upper), special.ndtr(-abs(statistic))
    else:
        quantile, tail = special.stdtrit(df, upper), special.stdtr(df, -abs(statistic))
    half = float(quantile) * error
    estimate = Estimate(value, value - half, value + half, n, name, level=level)
    return estimate, TestResult(name, statistic, 2 * float(tail), n, df)


def method_name(estimator: Estimator, knapp: bool) -> str:
    """Name the model for the result."""
    if estimator == "fixed":
        return "fixed effect, inverse variance"
    return f"random effects ({estimator}), {'Hartung–Knapp' if knapp else 'Wald'}"


def _heterogeneity(
    y: FloatArray, v: FloatArray, x: FloatArray, tau2: float, estimator: Estimator, level: float
) -> Heterogeneity:
    """Describe differences between studies."""
    df = len(y) - x.shape[1]
    q = fit(y, v, x, 0.0).residual_sum
    typical = typical_variance(v, x)
    random = estimator != "fixed"
    interval = tau2_interval(y, v, x, level) if random else None
    low, high = interval if interval else (None, None)

    def i2(between: float) -> float:
        return 100 * between / (between + typical)

    return Heterogeneity(
        tau2=tau2,
        tau2_low=low,
        tau2_high=high,
        tau2_standard_error=tau2_standard_error(v, x, tau2) if estimator == "REML" else None,
        i2=i2(tau2) if random else (max(0.0, 100 * (q - df) / q) if q > 0 else 0.0),
        i2_low=None if low is None else i2(low),
        i2_high=None if high is None else i2(high),
        h2=(tau2 + typical) / typical if random else q / df,
        q=q,
        q_df=df,
        q_p=float(special.chdtrc(df, q)),
    )


def prediction_interval(
    mean: float, standard_error: float, tau2: float, df: float | None, level: float = 0.95
) -> tuple[float, float]:
    """Return where a new study's effect would lie, by t with ``df`` (z if None)."""
    upper = 1 - (1 - level) / 2
    quantile = float(special.ndtri(upper) if df is None else special.stdtrit(df, upper))
    half = quantile * math.sqrt(standard_error**2 + tau2)
    return mean - half, mean + half


@dataclass(frozen=True)
class PatientCheck:
    """Whether an interval of a standardised mean difference is too narrow for its patients."""

    implied_patients: float
    patients: int
    ratio: float
    plausible: bool
    narrowest_half_width: float


@computable
def unique_patient_check(
    low: float, high: float, patients: int, level: float = 0.95, sd: float = 1.0
) -> PatientCheck:
    """Check that a pooled interval is not narrower than its patients allow.

    Parameters
    ----------
    low, high
        Interval of a pooled standardised mean difference (or mean difference, with ``sd``).
    patients
        Different patients in all studies together, both arms.
    sd
        Standard deviation of the outcome, 1 for a standardised difference.

    Returns
    -------
    PatientCheck
        Two equal arms of N patients in all give a standard error of at least 2 sd / √N. An
        interval that implies more than N patients counts some of them twice: several time points
        or outcomes of the same people pooled as if independent.
    """
    low, high, people, sd = numbers([low, high, patients, sd], "bounds and patients")
    require(low < high, "the lower bound is not below the upper")
    require(people > 0 and sd > 0, "the number of patients or the SD is not positive")
    z = float(special.ndtri(1 - (1 - check_level(level)) / 2))
    implied = float((4 * z * sd / (high - low)) ** 2)
    narrowest = float(2 * z * sd / math.sqrt(people))
    ratio, plausible = float(implied / people), bool(implied <= people)
    return PatientCheck(implied, int(people), ratio, plausible, narrowest)


def leave_one_out(
    studies: Sequence[Study],
    estimator: Estimator = "REML",
    hartung_knapp: bool = True,
    level: float = 0.95,
) -> tuple[tuple[str, Pooled | NotComputable], ...]:
    """Pool again without each study in turn."""
    return tuple(
        (
            study.name,
            pool([*studies[:i], *studies[i + 1 :]], estimator, hartung_knapp, True, level),
        )
        for i, study in enumerate(studies)
    )


def cumulative(
    studies: Sequence[Study],
    estimator: Estimator = "REML",
    hartung_knapp: bool = True,
    level: float = 0.95,
) -> tuple[tuple[str, Pooled | NotComputable], ...]:
    """Pool the first study, the first two, and so on, in the order given (by year, say)."""
    return tuple(
        (study.name, pool(studies[: i + 1], estimator, hartung_knapp, True, level))
        for i, study in enumerate(studies)
    )
