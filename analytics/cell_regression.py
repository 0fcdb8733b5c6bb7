"""Adjusted effects by regression on cells: records that share group and covariates, counted.

A linear model needs of a cell its size, mean and variance, a logistic one its events: the result is
that of the rows, whatever their number.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import special
from scipy.optimize import brentq

from analytics.guards import FloatArray, UndefinedError, check_level, computable, require
from analytics.results import Estimate, NotComputable, TestResult
from analytics.tails import chi_square_p, normal_p, normal_quantile, t_p, t_quantile

STEPS = 100
LARGEST_LOGIT = 15.0
FEWEST_EVENTS_PER_TERM = 5.0


@dataclass(frozen=True)
class Adjustment:
    """The effect of each other group against the reference, all covariates held equal.

    ``effects`` and ``tests`` go by group. ``notes`` say what a reader must know of the fit.
    """

    reference: str
    effects: dict[str, Estimate | NotComputable]
    tests: dict[str, TestResult | NotComputable]
    n: int
    n_left_out: int
    covariates: tuple[str, ...]
    method: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Design:
    """Design of the cells that can be used, shape (cells, terms); ``terms`` names its columns."""

    x: FloatArray
    terms: tuple[str, ...]
    cells: pl.DataFrame
    n_left_out: int


def design_of(cells: pl.DataFrame, groups: Sequence[str], covariates: Sequence[str]) -> Design:
    """Return treatment contrasts of groups and covariates; terms that cells cannot tell are left.

    Parameters
    ----------
    cells
        ``group``, the covariates (text: categories; numbers: linear) and ``n``; a cell with a null
        among them is left out.
    groups
        The first is the reference.

    Raises
    ------
    UndefinedError
        If a group has no record, or the covariates alone tell the groups apart.
    """
    wanted = cells.filter(pl.col("group").is_in(list(groups)), pl.col("n") > 0)
    whole = wanted.drop_nulls(["group", *covariates]).sort("group", *covariates)
    lost = int(wanted["n"].sum()) - int(whole["n"].sum())
    present = set(whole["group"])
    absent = [name for name in groups if name not in present]
    require(not absent, f"{', '.join(absent)} has no record with every covariate", lost)
    named = [("(Intercept)", np.ones(whole.height))]
    for name in covariates:
        named += _columns(name, whole[name])
    covariate_x, terms = _independent(named)
    labels = whole["group"]
    own = [(f"group: {g}", (labels == g).to_numpy().astype(float)) for g in groups[1:]]
    x, terms = _independent([*zip(terms, covariate_x.T, strict=True), *own])
    confused = [name.removeprefix("group: ") for name, _ in own if name not in terms]
    require(not confused, f"{', '.join(confused)} cannot be told from the covariates", lost)
    return Design(x, terms, whole, lost)


def _columns(name: str, values: pl.Series) -> list[tuple[str, FloatArray]]:
    """Return a covariate's columns: a number is one, a category all levels but the first."""
    if values.dtype.is_numeric():
        return [(name, values.cast(pl.Float64).to_numpy())]
    text = values.cast(pl.String)
    levels = sorted(text.unique())
    return [(f"{name}: {v}", (text == v).to_numpy().astype(float)) for v in levels[1:]]


def _independent(named: Sequence[tuple[str, FloatArray]]) -> tuple[FloatArray, tuple[str, ...]]:
    """Return the columns that add something to those before them."""
    basis: list[FloatArray] = []
    kept: list[tuple[str, FloatArray]] = []
    for name, column in named:
        rest = column.astype(np.float64)
        for _ in range(2):
            for direction in basis:
                rest = rest - (direction @ rest) * direction
        size = float(np.linalg.norm(rest))
        if size > 1e-9 * max(1.0, float(np.linalg.norm(column))):
            basis.append(rest / size)
            kept.append((name, column))
    return np.column_stack([column for _, column in kept]), tuple(name for name, _ in kept)


@computable
def adjusted_linear(
    cells: pl.DataFrame,
    groups: Sequence[str],
    covariates: Sequence[str],
    log: bool = False,
    level: float = 0.95,
    unit: str = "",
) -> Adjustment:
    """Compare means, or geometric means, of groups at equal covariates by least squares.

    Parameters
    ----------
    cells
        ``group``, covariates, ``n``, ``mean``, ``variance`` (n − 1; null for one value) of the
        outcome, or of its natural logarithm when ``log``.
    groups
        The last is the reference, so that two groups give first minus second, or first over second.
    covariates
        Names of columns: text is a category, a number enters linearly.
    unit
        Of the outcome; ignored when ``log``.

    Notes
    -----
    Standard errors are robust to unequal spread (HC3; MacKinnon & White 1985,
    10.1016/0304-4076(85)90158-7), intervals Student's t with n − terms degrees of freedom
    (R: ``lm``, ``sandwich::vcovHC``).
    """
    check_level(level)
    reference, *others = [*groups][::-1]
    d = design_of(cells, [reference, *others], covariates)
    n = d.cells["n"].cast(pl.Float64).to_numpy()
    mean = d.cells["mean"].cast(pl.Float64).to_numpy()
    within = (d.cells["variance"].fill_null(0.0).fill_nan(0.0) * (d.cells["n"] - 1)).to_numpy()
    total, terms = float(n.sum()), d.x.shape[1]
    require(bool(np.isfinite(mean).all()), "a mean is not finite", int(total))
    require(total > terms, "there are not more values than terms", int(total))
    inverse = np.linalg.inv(d.x.T @ (n[:, None] * d.x))
    b = inverse @ (d.x.T @ (n * mean))
    squares = within + n * (mean - d.x @ b) ** 2
    leverage = np.einsum("ij,jk,ik->i", d.x, inverse, d.x)
    require(float(squares.sum()) > 1e-24 * float(n @ mean**2), "the values do not vary", int(total))
    kept = 1 - leverage > 1e-9
    weight = np.where(kept, squares / np.where(kept, 1 - leverage, 1.0) ** 2, 0.0)
    covariance = inverse @ (d.x.T @ (weight[:, None] * d.x)) @ inverse
    df = total - terms
    method = "log-linear regression, HC3" if log else "linear regression, HC3"
    critical = t_quantile(level, df)
    found: dict[str, Estimate | NotComputable] = {}
    tests: dict[str, TestResult | NotComputable] = {}
    for other in others[::-1]:
        place = d.terms.index(f"group: {other}")
        value, error = float(b[place]), math.sqrt(float(covariance[place, place]))
        require(error > 0, "the values do not vary", int(total))
        ends = (value, value - critical * error, value + critical * error)
        if log:
            ends = (math.exp(ends[0]), math.exp(ends[1]), math.exp(ends[2]))
        found[other] = Estimate(*ends, int(total), method, "" if log else unit, level)
        p = t_p(value / error, df)
        tests[other] = TestResult(method, value / error, p, int(total), df=df)
    return Adjustment(
        reference, found, tests, int(total), d.n_left_out, tuple(covariates), method
    )  # fmt: skip


@computable
def adjusted_logistic(
    cells: pl.DataFrame,
    groups: Sequence[str],
    covariates: Sequence[str],
    level: float = 0.95,
) -> Adjustment:
    """Compare the odds of an event between groups at equal covariates.

    Parameters
    ----------
    cells
        ``group``, covariates, ``n``, ``events``.
    groups
        The last is the reference: with two groups the odds ratio is first over second.

    Notes
    -----
    Maximum likelihood with Wald intervals (R: ``glm``). Where a group is separated or events are
    fewer than five a term, Firth's penalised likelihood with profile intervals instead (Firth 1993,
    10.1093/biomet/80.1.27; R: ``logistf``). An odds ratio is not a risk ratio.
    """
    check_level(level)
    reference, *others = [*groups][::-1]
    d = design_of(cells, [reference, *others], covariates)
    n = d.cells["n"].cast(pl.Float64).to_numpy()
    events = d.cells["events"].cast(pl.Float64).to_numpy()
    happened, total = float(events.sum()), float(n.sum())
    require(0 < happened < total, "nobody, or everybody, had the event", int(total))
    rarer = min(happened, total - happened)
    b, information, separated = _fit(d.x, events, n, firth=False)
    notes = ["An odds ratio is not a risk ratio: the rarer the event, the closer they are."]
    sparse = rarer < FEWEST_EVENTS_PER_TERM * (d.x.shape[1] - 1)
    if not separated and not sparse:
        found, tests = _wald(b, information, d, others, int(total), level)
        method = "logistic regression"
    else:
        found, tests = _profiled(d, events, n, others, level)
        method = "Firth's logistic regression"
        why = "a combination of covariates has no event, or only events" if separated else (
            f"{rarer:.0f} events for {d.x.shape[1] - 1} terms are few"
        )  # fmt: skip
        notes.append(f"Penalised, because {why}.")
    return Adjustment(
        reference, found, tests, int(total), d.n_left_out, tuple(covariates), method, tuple(notes)
    )


def _fit(
    x: FloatArray,
    events: FloatArray,
    n: FloatArray,
    firth: bool,
    fixed: tuple[int, float] | None = None,
) -> tuple[FloatArray, FloatArray, bool]:
    """Return coefficients, information and whether the likelihood has no maximum.

    Newton steps, halved until the (penalised) likelihood rises; ``fixed`` holds one coefficient.
    """
    b: FloatArray = np.zeros(x.shape[1])
    free = np.ones(x.shape[1], dtype=bool)
    if fixed is not None:
        free[fixed[0]], b[fixed[0]] = False, fixed[1]
    current = _likelihood(x, events, n, b, firth)
    for _ in range(STEPS):
        p = special.expit(x @ b)
        weight = n * p * (1 - p)
        information = x.T @ (weight[:, None] * x)
        score = events - n * p
        if firth:
            inverse = np.linalg.inv(information)
            leverage = weight * np.einsum("ij,jk,ik->i", x, inverse, x)
            score = score + leverage * (0.5 - p)
        step = np.zeros_like(b)
        part = information[np.ix_(free, free)]
        try:
            step[free] = np.linalg.solve(part, (x.T @ score)[free])
        except np.linalg.LinAlgError:
            return b, information, True
        step *= min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-300))
        step = _halved(lambda at: _likelihood(x, events, n, at, firth), b, step, current)
        b, before = b + step, current
        current = _likelihood(x, events, n, b, firth)
        gained = current - before
        if not firth and float(np.abs(x @ b).max()) > LARGEST_LOGIT:
            return b, information, True
        if float(np.abs(step).max()) < 1e-10 or abs(gained) < 1e-14 * max(1.0, abs(current)):
            break
    p = special.expit(x @ b)
    weight = n * p * (1 - p)
    return b, x.T @ (weight[:, None] * x), False


def _halved(
    likelihood: Callable[[FloatArray], float], b: FloatArray, step: FloatArray, current: float
) -> FloatArray:
    """Halve a step until the likelihood does not fall."""
    for _ in range(30):
        if likelihood(b + step) >= current - 1e-12:
            break
        step = step / 2
    return step


def _likelihood(
    x: FloatArray, events: FloatArray, n: FloatArray, b: FloatArray, firth: bool
) -> float:
    """Return the (penalised) log-likelihood."""
    eta = x @ b
    plain = float((events * eta - n * np.logaddexp(0, eta)).sum())
    if not firth:
        return plain
    p = special.expit(eta)
    information = x.T @ ((n * p * (1 - p))[:, None] * x)
    sign, log_determinant = np.linalg.slogdet(information)
    return plain + 0.5 * float(log_determinant) if sign > 0 else -math.inf


def _wald(
    b: FloatArray, information: FloatArray, d: Design, others: Sequence[str], n: int, level: float
) -> tuple[dict[str, Estimate | NotComputable], dict[str, TestResult | NotComputable]]:
    """Return odds ratios with Wald intervals and tests."""
    covariance = np.linalg.inv(information)
    z = normal_quantile(level)
    found: dict[str, Estimate | NotComputable] = {}
    tests: dict[str, TestResult | NotComputable] = {}
    for other in [*others][::-1]:
        place = d.terms.index(f"group: {other}")
        value, error = float(b[place]), math.sqrt(float(covariance[place, place]))
        low, high = math.exp(value - z * error), math.exp(value + z * error)
        found[other] = Estimate(
            math.exp(value), low, high, n, "logistic regression, Wald", "", level
        )
        p = normal_p(value / error)
        tests[other] = TestResult("logistic regression, Wald", value / error, p, n)
    return found, tests


def _profiled(
    d: Design, events: FloatArray, n: FloatArray, others: Sequence[str], level: float
) -> tuple[dict[str, Estimate | NotComputable], dict[str, TestResult | NotComputable]]:
    """Return penalised odds ratios with profile intervals and likelihood-ratio tests."""
    b, _, _ = _fit(d.x, events, n, firth=True)
    best = _likelihood(d.x, events, n, b, firth=True)
    cut = float(special.chdtri(1, 1 - level))
    total, method = int(n.sum()), "Firth, profile likelihood"
    found: dict[str, Estimate | NotComputable] = {}
    tests: dict[str, TestResult | NotComputable] = {}
    for other in [*others][::-1]:
        place = d.terms.index(f"group: {other}")
        value = float(b[place])

        def drop(at: float, place: int = place) -> float:
            held, _, _ = _fit(d.x, events, n, firth=True, fixed=(place, at))
            return 2 * (best - _likelihood(d.x, events, n, held, firth=True))

        low, high = (_profile_end(drop, value, cut, side) for side in (-1, 1))
        found[other] = Estimate(
            math.exp(value), math.exp(low), math.exp(high), total, method, "", level
        )
        chi2 = max(0.0, drop(0.0))
        tests[other] = TestResult(method, chi2, chi_square_p(chi2, 1), total, df=1.0)
    return found, tests


def _profile_end(drop: Callable[[float], float], value: float, cut: float, side: int) -> float:
    """Return where the profile has dropped by the cut, below (−1) or above (1) the maximum."""
    reach = 0.5
    while drop(value + side * reach) < cut:
        reach *= 2
        if reach > 500:
            raise UndefinedError("the profile likelihood has no end")
    found = brentq(lambda at: drop(value + side * at) - cut, 0.0, reach, xtol=1e-9)
    return value + side * float(found)  # pyright: ignore[reportArgumentType]
