"""Random-intercept model of repeated measurements, fitted by restricted maximum likelihood.

The likelihood is profiled to one number, the ratio of the two variances (Harville 1977), so the
fit is a one-dimensional search over closed forms. Missing visits stay in: every visit that took
place counts. Designs are matrices; no formula is ever evaluated.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special
from scipy.optimize import minimize_scalar

from analytics.comparison import Effect
from analytics.guards import complete_rows, computable, require
from analytics.results import Estimate, TestResult
from analytics.tails import t_p, t_quantile

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MixedFit:
    """A fitted random-intercept model; variances in the squared unit of the outcome."""

    names: tuple[str, ...]
    coefficients: FloatArray
    covariance: FloatArray
    variance_between: float
    variance_within: float
    log_likelihood: float
    n_values: int
    n_subjects: int

    @property
    def standard_errors(self) -> FloatArray:
        """Standard errors of the coefficients."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def correlation(self) -> float:
        """Correlation of two visits of one patient."""
        return self.variance_between / (self.variance_between + self.variance_within)


@dataclass(frozen=True)
class Subjects:
    """Which rows belong to whom."""

    place: NDArray[np.int64]
    sizes: NDArray[np.int64]
    copies: FloatArray


@computable
def random_intercept(
    y: Any,
    design: Any,
    subject: Sequence[Any],
    names: Sequence[str] | None = None,
    copies: Any = None,
) -> MixedFit:
    """Fit y = design · b + intercept of the subject + error.

    R: ``lme4::lmer(y ~ … + (1 | subject), REML = TRUE)``.

    Parameters
    ----------
    y, design, subject
        Outcome, shape (n,); fixed effects including the intercept, shape (n, p); who each row
        belongs to, shape (n,). Rows with a missing number are left out.
    copies
        How many subjects have the values of this row's subject, shape (n,); one when left out.
    """
    require(hasattr(subject, "__len__"), "the subjects are not one column")
    each = np.ones(len(subject)) if copies is None else copies
    labels = np.unique(np.asarray([str(s) for s in subject]), return_inverse=True)[1]
    outcome, x, place, each = complete_rows(y, design, labels, each)
    n, p = int(each.sum()), x.shape[1]
    _, first, place = np.unique(place, return_index=True, return_inverse=True)
    subjects = Subjects(place, np.bincount(place), each[first])
    m = int(subjects.copies.sum())
    require(n > p, "there are not more values than effects", n)
    require(m >= 2 and m < n, "no subject has several values, or there is only one subject", n)
    require(int(np.linalg.matrix_rank(x)) == p, "effects cannot be told apart", n)

    def criterion(log_ratio: float) -> float:
        return -_profile(outcome, x, subjects, math.exp(log_ratio))[0]

    grid = np.linspace(-14, 14, 29)
    best = float(grid[int(np.argmin([criterion(g) for g in grid]))])
    found = minimize_scalar(
        criterion, bounds=(best - 1, best + 1), method="bounded", options={"xatol": 1e-11}
    )
    ratio = math.exp(float(found.x))  # pyright: ignore[reportAttributeAccessIssue]
    if -_profile(outcome, x, subjects, 0.0)[0] <= criterion(math.log(ratio)) + 1e-12:
        ratio = 0.0
    likelihood, b, inverse, residual = _profile(outcome, x, subjects, ratio)
    require(residual > 0, "the values follow the effects without any error", n)
    return MixedFit(
        tuple(names) if names is not None else tuple(f"x{i}" for i in range(p)),
        b,
        residual * inverse,
        ratio * residual,
        residual,
        likelihood,
        n,
        m,
    )


def _profile(
    y: FloatArray, x: FloatArray, subjects: Subjects, ratio: float
) -> tuple[float, FloatArray, FloatArray, float]:
    """Return restricted log-likelihood, coefficients, (X'V⁻¹X)⁻¹ and error variance."""
    each = subjects.copies[subjects.place]
    n, p = float(each.sum()), x.shape[1]
    weight = subjects.copies * ratio / (1 + subjects.sizes * ratio)
    sums_x = np.zeros((len(subjects.sizes), p))
    np.add.at(sums_x, subjects.place, x)
    sums_y = np.bincount(subjects.place, weights=y)
    gram = x.T @ (each[:, None] * x) - (sums_x * weight[:, None]).T @ sums_x
    moment = x.T @ (each * y) - (sums_x * weight[:, None]).T @ sums_y
    b: FloatArray = np.linalg.solve(gram, moment).astype(np.float64)
    inverse: FloatArray = np.linalg.inv(gram).astype(np.float64)
    rest = y - x @ b
    sums_rest = np.bincount(subjects.place, weights=rest)
    squares = float(each @ rest**2 - (weight * sums_rest) @ sums_rest)
    variance = squares / (n - p)
    if variance <= 0:
        return -math.inf, b, inverse, 0.0
    log_determinant = float(subjects.copies @ np.log1p(subjects.sizes * ratio))
    log_information = float(np.linalg.slogdet(gram)[1])
    likelihood = -0.5 * (
        (n - p) * (math.log(2 * math.pi * variance) + 1) + log_determinant + log_information
    )
    return likelihood, b, inverse, variance


@dataclass(frozen=True)
class RepeatedMeasures:
    """Two or more groups followed over time.

    ``effects`` are first group minus another at each time, ``tests`` their t tests in the same
    order; ``interaction`` tests whether the difference changes over time.
    """

    fit: MixedFit
    effects: tuple[Effect, ...]
    tests: tuple[TestResult, ...]
    interaction: TestResult
    left_out: int


@computable
def repeated_measures(
    frame: pl.DataFrame,
    groups: Sequence[str],
    times: Sequence[str],
    level: float = 0.95,
    unit: str = "",
) -> RepeatedMeasures:
    """Compare groups at each time with a random intercept for each subject.

    Parameters
    ----------
    frame
        Columns ``subject``, ``group``, ``time``, ``value`` and, to adjust for it, ``baseline``
        (same unit); one row a visit. Visits that did not take place are simply absent. ``count``:
        how many subjects have these same visits.
    groups, times
        In order; the first group and time are the reference of the coefficients.

    Notes
    -----
    Intervals use Student's t with (subjects − groups) degrees of freedom, the between-patient
    count: cautious, since visits of one patient are no independent evidence about groups.
    """
    columns = ["subject", "group", "time", "value"]
    adjusted = "baseline" in frame.columns
    counted = pl.col("count") if "count" in frame.columns else pl.lit(1).alias("count")
    wanted = frame.select(*columns, counted, *(["baseline"] if adjusted else []))
    rows = wanted.with_columns(pl.col("value").cast(pl.Float64).fill_nan(None)).drop_nulls()
    rows = rows.filter(pl.col("group").is_in(list(groups)), pl.col("time").is_in(list(times)))
    seen = set(rows.select("group", "time").unique().iter_rows())
    gaps = [f"{g} at {t}" for g in groups for t in times if (g, t) not in seen]
    require(len(groups) >= 2 and len(times) >= 2, "there are fewer than two groups or times")
    require(not gaps, f"nobody has a value in {', '.join(gaps)}", rows.height)
    design, names = _design(rows, groups, times, adjusted)
    fit = random_intercept(
        rows["value"].to_numpy(), design, rows["subject"].to_list(), names, rows["count"].to_numpy()
    )
    require(isinstance(fit, MixedFit), getattr(fit, "reason", "").split("because ")[-1])
    assert isinstance(fit, MixedFit)
    df = float(fit.n_subjects - len(groups))
    require(df >= 1, "there are too few subjects", fit.n_subjects)
    contrasts = tuple(
        _contrast(fit, names, groups[0], other, time, df, level, unit)
        for other in groups[1:]
        for time in times
    )
    return RepeatedMeasures(
        fit,
        tuple(effect for effect, _ in contrasts),
        tuple(test for _, test in contrasts),
        _interaction(fit, names, df),
        int(wanted["count"].sum()) - int(rows["count"].sum()),
    )


def _design(
    rows: pl.DataFrame, groups: Sequence[str], times: Sequence[str], adjusted: bool
) -> tuple[FloatArray, list[str]]:
    """Return the design of group × time with treatment contrasts and its column names."""
    group, time = rows["group"], rows["time"]
    columns = [np.ones(rows.height)]
    names = ["(Intercept)"]
    for g in groups[1:]:
        columns.append((group == g).to_numpy().astype(float))
        names.append(g)
    for t in times[1:]:
        columns.append((time == t).to_numpy().astype(float))
        names.append(t)
    for g in groups[1:]:
        for t in times[1:]:
            columns.append(((group == g) & (time == t)).to_numpy().astype(float))
            names.append(f"{g}:{t}")
    if adjusted:
        columns.append(rows["baseline"].cast(pl.Float64).to_numpy())
        names.append("baseline")
    return np.column_stack(columns), names


def _contrast(
    fit: MixedFit,
    names: Sequence[str],
    reference: str,
    other: str,
    time: str,
    df: float,
    level: float,
    unit: str,
) -> tuple[Effect, TestResult]:
    """Return reference minus other group at one time, and its test."""
    weights = np.array([-1.0 if name in (other, f"{other}:{time}") else 0.0 for name in names])
    value = float(weights @ fit.coefficients)
    error = math.sqrt(float(weights @ fit.covariance @ weights))
    half = t_quantile(level, df) * error
    method = "random-intercept model"
    estimate = Estimate(value, value - half, value + half, fit.n_values, method, unit, level)
    t = value / error
    p = t_p(t, df)
    test = TestResult(f"{method} at {time}", t, p, fit.n_values, df=df)
    return Effect(f"mean difference at {time}", reference, other, estimate, 0.0), test


def _interaction(fit: MixedFit, names: Sequence[str], df: float) -> TestResult:
    """Test all group × time terms at once (Wald F)."""
    places = [i for i, name in enumerate(names) if ":" in name]
    b = fit.coefficients[places]
    f = float(b @ np.linalg.solve(fit.covariance[np.ix_(places, places)], b)) / len(places)
    p = float(special.fdtrc(len(places), df, f))
    return TestResult("group × time, Wald F", f, p, fit.n_values, df=(float(len(places)), df))
