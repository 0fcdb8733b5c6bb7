"""Who responds: a logistic model, judged on patients that it was not fitted to.

The apparent figures use the data of the fit and flatter; those of cross-validation do not. Their
difference is the optimism (Harrell 2015, Regression Modeling Strategies, 5.3).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import special

from analytics.diagnostic import Diagnostic
from analytics.discrimination import auc, brier
from analytics.guards import FloatArray, complete_rows, computable, require
from analytics.proportions import wilson
from analytics.regression import Coefficient, LogisticFit, confusion, logistic
from analytics.results import Estimate, NotComputable
from analytics.standardisation import StandardisedRisks, standardised_risks

FOLDS = 10
#: A category met less often than this is no covariate of its own.
FEWEST_OF_A_LEVEL = 5
MOST_LEVELS = 8
#: Steps in which an odds ratio of a number is told, so that it means something.
STEPS: dict[str, tuple[float, str]] = {
    "age_years": (10.0, "age, each 10 years"),
    "bmi": (5.0, "BMI, each 5 kg/m²"),
    "baseline": (1.0, "baseline score, each point"),
    "n_levels": (1.0, "each further level"),
}
BINS = 10


@dataclass(frozen=True)
class Judged:
    """How well predictions tell responders, at one cut of the predicted probability."""

    auc: Estimate | NotComputable
    brier: float
    accuracy: Diagnostic | NotComputable
    slope: Coefficient | NotComputable  #: of the outcome on the predicted logit: 1 is calibrated


@dataclass(frozen=True)
class Prediction:
    """A model with its apparent and its cross-validated figures.

    ``calibration`` has ``predicted``, ``observed``, ``low``, ``high``, ``n`` by tenths of the
    cross-validated predictions. ``separated_folds`` were fitted by Firth's method. ``risks`` are,
    for each yes/no column, the average predicted risk with it and without it: an odds ratio is no
    ratio of risks.
    """

    fit: LogisticFit
    risks: Mapping[str, StandardisedRisks | NotComputable]
    references: Mapping[str, str]
    cut: float
    apparent: Judged
    validated: Judged
    calibration: pl.DataFrame
    folds: int
    separated_folds: int


@computable
def predict(
    outcome: Sequence[Any], table: pl.DataFrame, cut: float = 0.5, seed: int = 1
) -> Prediction:
    """Fit response on the columns of a table and validate it in folds.

    Parameters
    ----------
    outcome
        True or False (None: not known), shape (n,).
    table
        One column a predictor, n rows: numbers, booleans, or names of categories. Rows with a gap
        are left out and counted.
    cut
        Predicted probability from which a patient counts as predicted to respond.
    seed
        Of the folds: the same seed gives the same figures.

    Notes
    -----
    Stratified folds; each is predicted by the model of the others, so no patient judges a model
    that knew them. Categories are against their most frequent level. A fold in which the data are
    separated is fitted by Firth's method, as the whole is.
    """
    columns, references = encoded(table)
    require(bool(columns), "no chosen column varies")
    y = np.array([np.nan if value is None else float(value) for value in outcome])
    fit = logistic(y, columns)
    if isinstance(fit, NotComputable):
        require(False, fit.reason, fit.n)
    assert isinstance(fit, LogisticFit)
    y, *complete = complete_rows(y, *columns.values())
    x = dict(zip(columns, complete, strict=True))
    held, separated = _held_out(y, x, seed)
    return Prediction(
        fit, _risks(y, x), references, cut, _judged(y, fit.fitted, cut), _judged(y, held, cut),
        calibration(y, held), FOLDS, separated,
    )  # fmt: skip


def encoded(table: pl.DataFrame) -> tuple[dict[str, FloatArray], dict[str, str]]:
    """Return numeric columns by name, and the reference level of each category.

    Raises
    ------
    UndefinedError
        If a category has too many levels to be one, or one level only.
    """
    found: dict[str, FloatArray] = {}
    references: dict[str, str] = {}
    for name in table.columns:
        values = table[name]
        if values.dtype.is_numeric() or values.dtype == pl.Boolean:
            step, words = STEPS.get(name, (1.0, name))
            found[words] = values.cast(pl.Float64).to_numpy() / step
            continue
        sizes = values.drop_nulls().value_counts(sort=True)
        levels = sizes.filter(pl.col("count") >= FEWEST_OF_A_LEVEL)[name].to_list()
        require(len(levels) > 1, f"{name} has fewer than two values of {FEWEST_OF_A_LEVEL} cases")
        require(
            len(levels) <= MOST_LEVELS, f"{name} has {len(levels)} values: too many for a model"
        )
        references[name] = str(levels[0])
        usable = values.is_in(levels).fill_null(False).to_numpy()
        for level in levels[1:]:
            is_level = (values == level).fill_null(False).to_numpy().astype(np.float64)
            found[f"{name}: {level}"] = np.where(usable, is_level, np.nan)
    return found, references


def _risks(
    y: FloatArray, x: Mapping[str, FloatArray]
) -> dict[str, StandardisedRisks | NotComputable]:
    """Standardise the risk with and without each yes/no column over the other columns."""
    return {
        name: standardised_risks(y, column, {n: c for n, c in x.items() if n != name})
        for name, column in x.items()
        if np.isin(column, (0, 1)).all()
    }


def _held_out(y: FloatArray, x: Mapping[str, FloatArray], seed: int) -> tuple[FloatArray, int]:
    """Predict each row by the model of the other folds; count the folds that are separated."""
    fold = np.empty(len(y), dtype=np.int64)
    order = np.random.default_rng(seed)
    for value in (0.0, 1.0):
        rows = order.permutation(np.flatnonzero(y == value))
        fold[rows] = np.arange(len(rows)) % FOLDS
    smallest = int(min((y == 0).sum(), (y == 1).sum()))
    require(smallest >= FOLDS, f"{smallest} of the rarer outcome are too few for {FOLDS} folds")
    predicted, separated = np.empty(len(y)), 0
    for number in range(FOLDS):
        out = fold == number
        fit = logistic(y[~out], {name: column[~out] for name, column in x.items()})
        if isinstance(fit, NotComputable):
            require(False, f"without one tenth of the patients, {fit.reason}", len(y))
        assert isinstance(fit, LogisticFit)
        separated += fit.separated
        design = np.column_stack([np.ones(int(out.sum())), *(c[out] for c in x.values())])
        predicted[out] = special.expit(design @ fit.vector)
    return predicted, separated


def _judged(y: FloatArray, p: FloatArray, cut: float) -> Judged:
    logit = special.logit(np.clip(p, 1e-12, 1 - 1e-12))
    recalibrated = logistic(y, {"slope": logit})
    slope = recalibrated.coefficients[1] if isinstance(recalibrated, LogisticFit) else recalibrated
    return Judged(auc(y, p), brier(y, p), confusion(y, p >= cut, 0.95), slope)


def calibration(y: FloatArray, p: FloatArray, bins: int = BINS) -> pl.DataFrame:
    """Return observed shares with Wilson intervals by tenths of the predictions."""
    cuts = np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)))
    place = np.clip(np.searchsorted(cuts, p, side="right") - 1, 0, max(len(cuts) - 2, 0))
    rows = []
    for number in np.unique(place):
        inside = place == number
        n, events = int(inside.sum()), int(y[inside].sum())
        share = wilson(events, n)
        if isinstance(share, Estimate):
            rows.append(
                {
                    "predicted": float(p[inside].mean()), "observed": share.value,
                    "low": share.low, "high": share.high, "n": n,
                }
            )  # fmt: skip
    return pl.DataFrame(rows)
