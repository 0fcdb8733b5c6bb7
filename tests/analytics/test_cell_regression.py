"""Regression on cells equals R on rows; separated groups get a finite answer."""

import csv
import math

import numpy as np
import polars as pl
import pytest

from analytics.cell_regression import Adjustment, adjusted_linear, adjusted_logistic
from analytics.results import Estimate, NotComputable, TestResult
from tests.analytics import oracle

RNG = np.random.default_rng(5)


def cells_of(rows: pl.DataFrame, covariates: list[str]) -> pl.DataFrame:
    return rows.group_by("group", *covariates).agg(
        n=pl.len(),
        mean=pl.col("value").mean(),
        variance=pl.col("value").var(),
        events=pl.col("value").sum(),
    )


def fitted(found: Adjustment | NotComputable) -> Adjustment:
    assert isinstance(found, Adjustment), found
    return found


def estimate(found: object) -> Estimate:
    assert isinstance(found, Estimate), found
    return found


def test_adjusted_dose_agrees_with_r() -> None:
    # R: lm(log(dose) ~ ct + age + bmi + level), sandwich::vcovHC("HC3")
    given, expected = oracle.inputs_and_results("adjusted_dose")
    path = oracle._existing(given["csv"])
    with path.open(newline="") as text:
        rows = list(csv.DictReader(text))
    frame = pl.DataFrame(
        {
            "group": [r["modality"] for r in rows],
            "value": [math.log(float(r["dose_mgy"])) for r in rows],
            "level": [r["level"] for r in rows],
            "age": [float(r["age"]) for r in rows],
            "bmi": [float(r["bmi"]) for r in rows],
        }
    )
    crude = fitted(
        adjusted_linear(cells_of(frame, []), ["CT", "Fluoroscopy"], [], log=True)
    ).effects["CT"]
    assert estimate(crude).value == pytest.approx(expected["crude_gmr"], rel=1e-10)
    covariates = ["age", "bmi", "level"]
    cells = cells_of(frame, covariates)
    found = fitted(adjusted_linear(cells, ["CT", "Fluoroscopy"], covariates, log=True))
    effect = estimate(found.effects["CT"])
    assert effect.value == pytest.approx(expected["adj_gmr"], rel=1e-9)
    ends = pytest.approx(expected["adj_ci_hc3_t"], rel=1e-9)
    assert [effect.low, effect.high] == ends


def test_logistic_agrees_with_r() -> None:
    # R: glm(low ~ age + lwt + race + smoke + ht + ui, binomial)
    given, expected = oracle.inputs_and_results("logit_birthwt")
    columns = {
        n: oracle.column(given["csv"], n) for n in ("low", "age", "lwt", "smoke", "ht", "ui")
    }
    frame = pl.DataFrame(columns).with_columns(
        group=pl.when(pl.col("smoke") == 1).then(pl.lit("yes")).otherwise(pl.lit("no")),
        race=pl.Series(oracle.words(given["csv"], "race")),
        value="low",
    )
    covariates = ["age", "lwt", "race", "ht", "ui"]
    found = fitted(adjusted_logistic(cells_of(frame, covariates), ["yes", "no"], covariates))
    effect, test = estimate(found.effects["yes"]), found.tests["yes"]
    place = expected["names"].index("smoke")
    assert isinstance(test, TestResult)
    assert effect.value == pytest.approx(expected["or"][place], rel=1e-6)
    assert effect.low == pytest.approx(expected["wald_lo"][place], rel=1e-6)
    assert effect.high == pytest.approx(expected["wald_hi"][place], rel=1e-6)
    assert test.p_value == pytest.approx(expected["p"][place], rel=1e-6)


def hc3_of_rows(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients and HC3 errors of statsmodels on the rows."""
    import statsmodels.api as sm

    fit = sm.OLS(y, x).fit(cov_type="HC3", use_t=True)
    return fit.params, fit.bse


def test_cells_give_the_rows_result() -> None:
    n = 300
    rows = pl.DataFrame(
        {
            "group": RNG.choice(["CT", "fluoroscopy"], n),
            "size": RNG.choice(["a", "b", "c"], n),
            "value": RNG.normal(0, 1, n).round(1),
        }
    )
    found = fitted(
        adjusted_linear(cells_of(rows, ["size"]), ["CT", "fluoroscopy"], ["size"], unit="mGy")
    )
    x = np.column_stack(
        [np.ones(n), rows["group"] == "CT", rows["size"] == "b", rows["size"] == "c"]
    ).astype(float)
    b, errors = hc3_of_rows(x, rows["value"].to_numpy())
    effect = estimate(found.effects["CT"])
    test = found.tests["CT"]
    assert isinstance(test, TestResult)
    assert effect.value == pytest.approx(b[1], rel=1e-9)
    assert test.statistic == pytest.approx(b[1] / errors[1], rel=1e-9)
    assert found.n == n and found.reference == "fluoroscopy"


def test_logistic_agrees_with_statsmodels_on_the_rows() -> None:
    import statsmodels.api as sm

    n = 400
    rows = pl.DataFrame(
        {
            "group": RNG.choice(["CT", "fluoroscopy"], n),
            "size": RNG.choice(["a", "b"], n),
            "value": RNG.binomial(1, 0.3, n),
        }
    )
    found = fitted(adjusted_logistic(cells_of(rows, ["size"]), ["CT", "fluoroscopy"], ["size"]))
    x = np.column_stack([np.ones(n), rows["group"] == "CT", rows["size"] == "b"]).astype(float)
    fit = sm.Logit(rows["value"].to_numpy(), x).fit(disp=0)
    effect = estimate(found.effects["CT"])
    low, high = np.exp(fit.conf_int()[1])
    assert effect.value == pytest.approx(math.exp(fit.params[1]), rel=1e-8)
    assert (effect.low, effect.high) == (
        pytest.approx(low, rel=1e-6),
        pytest.approx(high, rel=1e-6),
    )


def test_complete_separation_agrees_with_logistf() -> None:
    given, expected = oracle.inputs_and_results("firth_complete_separation")
    rows = pl.DataFrame({"group": ["x" if v else "o" for v in given["x"]], "value": given["y"]})
    found = fitted(adjusted_logistic(cells_of(rows, []), ["x", "o"], []))
    effect, test = estimate(found.effects["x"]), found.tests["x"]
    assert isinstance(test, TestResult)
    assert math.log(effect.value) == pytest.approx(expected["analytic_beta"], rel=1e-6)
    assert effect.low is not None and effect.high is not None
    assert math.log(effect.low) == pytest.approx(expected["profile_lo"][1], abs=1e-4)
    assert math.log(effect.high) == pytest.approx(expected["profile_hi"][1], abs=1e-4)
    assert test.p_value == pytest.approx(expected["p_plr"][1], rel=1e-4)
    assert "Penalised" in found.notes[-1]


def test_what_cannot_be_computed_is_said() -> None:
    cells = pl.DataFrame({"group": ["a", "b"], "n": [5, 5], "events": [0, 0]})
    found = adjusted_logistic(cells, ["a", "b"], [])
    assert isinstance(found, NotComputable) and "nobody" in found.reason
    flat = pl.DataFrame(
        {"group": ["a", "b"], "n": [5, 5], "mean": [1.0, 1.0], "variance": [0.0, 0]}
    )
    found = adjusted_linear(flat, ["a", "b"], [])
    assert isinstance(found, NotComputable) and "do not vary" in found.reason
    found = adjusted_linear(flat.filter(pl.col("group") == "a"), ["a", "b"], [])
    assert isinstance(found, NotComputable) and "b has no record" in found.reason
    mixed = pl.DataFrame(
        {
            "group": ["a", "b"],
            "room": ["1", "2"],
            "n": [5, 5],
            "mean": [1.0, 2.0],
            "variance": [1.0, 1.0],
        }
    )
    found = adjusted_linear(mixed, ["a", "b"], ["room"])
    assert isinstance(found, NotComputable) and "told from the covariates" in found.reason
