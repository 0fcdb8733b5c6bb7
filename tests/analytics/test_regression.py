"""Regression against R: glm, logistf, clm, sandwich, survey."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import discrimination, regression, standardisation
from analytics.ordinal import OrdinalFit, proportional_odds
from analytics.regression import LinearFit, LogisticFit
from analytics.results import Estimate, NotComputable, TestResult
from tests.analytics.oracle import column, inputs_and_results, words


def fitted(*arguments, **options) -> LogisticFit:
    found = regression.logistic(*arguments, **options)
    assert isinstance(found, LogisticFit), found
    return found


def birthweight() -> tuple[np.ndarray, dict, dict]:
    found, expected = inputs_and_results("logit_birthwt")
    data = {
        name: column(found["csv"], name)
        for name in ("low", "age", "lwt", "race", "smoke", "ht", "ui")
    }
    race = data.pop("race")
    covariates = {
        "age": data["age"],
        "lwt": data["lwt"],
        "race2": (race == 2).astype(float),
        "race3": (race == 3).astype(float),
        "smoke": data["smoke"],
        "ht": data["ht"],
        "ui": data["ui"],
    }
    return data["low"], covariates, expected


def test_logistic_regression_is_that_of_r():
    # R: glm(low ~ age + lwt + race + smoke + ht + ui, binomial); pROC::ci.auc
    low, covariates, expected = birthweight()
    model = fitted(low, covariates)
    shown = model.coefficients
    assert [c.name for c in shown] == expected["names"]
    for ours, theirs in (
        ([c.coefficient.value for c in shown], "coef"),
        ([c.standard_error for c in shown], "se"),
        ([c.test.statistic for c in shown], "z"),
        ([c.test.p_value for c in shown], "p"),
        ([c.ratio.value for c in shown], "or"),
        ([c.ratio.low for c in shown], "wald_lo"),
        ([c.ratio.high for c in shown], "wald_hi"),
    ):
        assert ours == pytest.approx(expected[theirs], rel=1e-6), theirs
    assert model.log_likelihood == pytest.approx(expected["loglik"], rel=1e-9)
    assert model.aic == pytest.approx(expected["aic"], rel=1e-9)
    assert model.model_test.statistic == pytest.approx(expected["lr_chi2"], rel=1e-9)
    assert model.nagelkerke == pytest.approx(expected["nagelkerke_r2"], rel=1e-9)
    assert model.brier == pytest.approx(expected["brier"], rel=1e-9)
    assert model.auc.value == pytest.approx(expected["auc"], rel=1e-9)
    assert (model.auc.low, model.auc.high) == pytest.approx(expected["auc_ci_delong"], rel=1e-9)
    table = model.in_sample
    assert [table.tp, table.fp, table.fn, table.tn] == [
        expected[k] for k in ("tp", "fp", "fn", "tn")
    ]
    assert not model.separated and model.few_events and model.method == "logistic regression"


def test_profile_intervals_are_those_of_r():
    # R: exp(MASS:::confint.glm(fit)): a spline through the profile, hence 1e-4
    low, covariates, expected = birthweight()
    model = fitted(low, covariates, intervals="profile")
    assert [c.ratio.low for c in model.coefficients] == pytest.approx(
        expected["profile_lo"], rel=2e-4
    )
    assert [c.ratio.high for c in model.coefficients] == pytest.approx(
        expected["profile_hi"], rel=2e-4
    )


def test_separated_data_switch_to_firth():
    # R: logistf(y ~ x): 2 × 2 of 4/0/0/4, analytic coefficient 2 log 9
    found, expected = inputs_and_results("firth_complete_separation")
    model = fitted(found["y"], {"x": found["x"]})
    assert model.separated and model.method == "Firth logistic regression"
    shown = model.coefficients
    assert [c.coefficient.value for c in shown] == pytest.approx(expected["coef"], rel=1e-6)
    assert [c.coefficient.low for c in shown] == pytest.approx(expected["profile_lo"], rel=1e-4)
    assert [c.coefficient.high for c in shown] == pytest.approx(expected["profile_hi"], rel=1e-4)
    assert [c.test.p_value for c in shown] == pytest.approx(expected["p_plr"], rel=1e-5)
    assert model.model_test.p_value == pytest.approx(expected["p_plr"][1], rel=1e-5)
    assert "separated" in regression.logistic(found["y"], {"x": found["x"]}, "ml").reason
    assert model.auc == Estimate(1.0, None, None, 8, "DeLong")


def test_firth_agrees_with_added_halves_in_any_two_by_two():
    # Firth's coefficient of a saturated 2 × 2 model is that with ½ in each cell.
    for a, b, c, d in ((0, 12, 5, 9), (3, 8, 7, 2), (1, 30, 30, 0)):
        y = np.repeat([1, 0, 1, 0], [a, b, c, d])
        x = np.repeat([1, 1, 0, 0], [a, b, c, d])
        model = fitted(y, {"x": x}, "firth")
        theirs = math.log((a + 0.5) * (d + 0.5) / ((b + 0.5) * (c + 0.5)))
        shown = model.coefficients[1].coefficient
        assert shown.value == pytest.approx(theirs, rel=1e-7)
        assert shown.low < shown.value < shown.high


def test_quasi_separation_is_seen():
    y = np.array([0, 0, 0, 1, 0, 1, 1, 1, 1, 1])
    x = np.array([1, 2, 3, 4, 4, 5, 6, 7, 8, 9])
    assert fitted(y, {"x": x}).separated
    y[0] = 1
    assert not fitted(y, {"x": x}).separated


def test_models_without_an_answer_are_refused_in_words():
    y, x = [0, 1, 0, 1, 1, 0], [1.0, 2, 3, 4, 5, 7]
    for covariates, because in (
        ({"x": x, "twice": [2 * v + 1 for v in x]}, "covariate twice follows from the others"),
        ({"same": [3] * 6}, "covariate same has the same value"),
        ({"x": x[:5]}, "differ in length"),
        ({"x": [*x[:5], math.inf]}, "infinite or too large"),
        ({"x": [*x[:5], 1e308]}, "infinite or too large"),
        ({"x": [math.nan] * 5 + [1]}, "too few"),
        ({c: np.random.default_rng(i).normal(size=6) for i, c in enumerate("abcde")}, "too few"),
        ({"x": ["a"] * 6}, "not a number"),
    ):
        for method in ("auto", "firth"):
            refused = regression.logistic(y, covariates, method)
            assert isinstance(refused, NotComputable) and because in refused.reason, because
        assert isinstance(regression.log_linear(y, covariates, log=False), NotComputable)
        assert isinstance(proportional_odds(y, covariates), NotComputable)
    assert "nobody" in regression.logistic([0] * 6, {"x": x}).reason
    assert "everybody" in regression.logistic([1] * 6, {"x": x}).reason
    assert "neither 0 nor 1" in regression.logistic([0, 1, 2, 0, 1, 0], {"x": x}).reason
    assert isinstance(regression.logistic([], {"x": []}), NotComputable)
    assert fitted([*y, 1], {"x": [*x, math.nan]}).left_out == 1


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.01, 1000), st.floats(-1000, 1000))
def test_unit_and_origin_of_a_covariate_change_only_its_unit(seed, scale, shift):
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=40), rng.integers(0, 2, 40)
    y = (rng.random(40) < 1 / (1 + np.exp(-x))).astype(float)
    if y.sum() in (0, 40) or z.sum() in (0, 40):
        return
    here = regression.logistic(y, {"x": x, "z": z})
    there = regression.logistic(y, {"x": x * scale + shift, "z": z})
    assert isinstance(here, LogisticFit) and isinstance(there, LogisticFit)
    first, second = here.coefficients[1].coefficient, there.coefficients[1].coefficient
    assert second.value * scale == pytest.approx(first.value, rel=1e-4, abs=1e-6)
    assert first.low <= first.value <= first.high
    mirrored = regression.logistic(1 - y, {"x": x, "z": z})
    assert mirrored.coefficients[1].coefficient.value == pytest.approx(-first.value, abs=1e-6)


def routine() -> tuple[dict, np.ndarray, np.ndarray, dict]:
    found, expected = inputs_and_results("adjusted_dose")
    file = found["csv"]
    group = np.array([word == "CT" for word in words(file, "modality")], dtype=float)
    level = words(file, "level")
    covariates = {"age": column(file, "age"), "bmi": column(file, "bmi")}
    kinds = sorted(set(level))[1:]
    covariates |= {f"level {k}": np.array([v == k for v in level], dtype=float) for k in kinds}
    return covariates, group, column(file, "dose_mgy"), expected


def test_log_linear_regression_is_that_of_r():
    # R: lm(log(dose) ~ ct + age + bmi + level); sandwich::vcovHC("HC3"), t interval
    covariates, group, dose, expected = routine()
    crude = regression.log_linear(dose, {"ct": group})
    adjusted = regression.log_linear(dose, {"ct": group, **covariates})
    assert isinstance(crude, LinearFit) and isinstance(adjusted, LinearFit)
    assert crude.coefficients[1].ratio.value == pytest.approx(expected["crude_gmr"], rel=1e-9)
    shown = adjusted.coefficients[1]
    assert shown.ratio.value == pytest.approx(expected["adj_gmr"], rel=1e-9)
    assert shown.standard_error == pytest.approx(expected["adj_se_hc3"], rel=1e-9)
    ends = (shown.ratio.low, shown.ratio.high)
    assert ends == pytest.approx(expected["adj_ci_hc3_t"], rel=1e-9)
    swapped = regression.log_linear(dose, {"ct": 1 - group, **covariates})
    assert swapped.coefficients[1].ratio.value == pytest.approx(1 / shown.ratio.value)


def test_log_linear_refusals():
    x = np.arange(8.0)
    assert "no logarithm" in regression.log_linear([0, 1, 2, 3, 4, 5, 6, 7], {"x": x}).reason
    assert "same value in all rows" in regression.log_linear([2] * 8, {"x": x}).reason
    assert "predict exactly" in regression.log_linear(np.exp(x), {"x": x}).reason
    alone = regression.log_linear([1, 2, 3, 9, 5, 2, 3, 4], {"one": (x == 3).astype(float)})
    assert "determine a covariate alone" in alone.reason


def test_standardised_risks_and_weights_are_those_of_r():
    # R: predict(glm, type = "response") averaged; survey::svyglm(log(dose) ~ ct, weights = 1/ps)
    covariates, group, dose, expected = routine()
    event = column("adjusted_400.csv", "complication")
    # the case's outcome model leaves BMI out: glm(complication ~ ct + age + level)
    without_bmi = {name: values for name, values in covariates.items() if name != "bmi"}
    risks = standardisation.standardised_risks(event, group, without_bmi)
    assert isinstance(risks, standardisation.StandardisedRisks)
    assert risks.first.value == pytest.approx(expected["gcomp_p1"], rel=1e-6)
    assert risks.second.value == pytest.approx(expected["gcomp_p0"], rel=1e-6)
    assert risks.difference.value == pytest.approx(expected["gcomp_rd"], rel=1e-6)
    assert risks.ratio.value == pytest.approx(expected["gcomp_rr"], rel=1e-6)
    for shown in (risks.first, risks.second, risks.difference, risks.ratio):
        assert shown.low < shown.value < shown.high
    weighted = standardisation.inverse_probability_ratio(dose, group, covariates)
    assert isinstance(weighted, standardisation.WeightedRatio)
    assert weighted.ratio.value == pytest.approx(expected["iptw_gmr"], rel=1e-6)
    assert weighted.standard_error == pytest.approx(expected["iptw_se"], rel=1e-6)
    assert weighted.effective_n_first == pytest.approx(expected["ess_ct"], rel=1e-6)
    propensity = fitted(group, covariates)
    assert propensity.vector == pytest.approx(expected["ps_coef"], rel=1e-6)


def test_proportional_odds_is_that_of_r():
    # R: ordinal::clm(ordered(satisfaction) ~ modality)
    found, expected = inputs_and_results("satisfaction_3x5")
    counts = np.array(found["table"])
    group = np.repeat(np.arange(3), counts.sum(axis=1))
    answer = np.concatenate([np.repeat(np.arange(5), row) for row in counts])
    model = proportional_odds(
        answer,
        {"Fluoroscopy": (group == 1).astype(float), "Ultrasound": (group == 2).astype(float)},
    )
    assert isinstance(model, OrdinalFit)
    shown = model.coefficients
    assert [c.coefficient.value for c in shown] == pytest.approx(expected["clm_beta"], rel=1e-6)
    assert [c.standard_error for c in shown] == pytest.approx(expected["clm_se"], rel=1e-5)
    assert model.thresholds == pytest.approx(expected["clm_alpha"], rel=1e-6)
    assert model.log_likelihood == pytest.approx(expected["loglik"], rel=1e-9)
    assert model.model_test.statistic == pytest.approx(expected["lr_chi2"], rel=1e-6)
    assert model.model_test.p_value == pytest.approx(expected["lr_p"], rel=1e-6)


def test_proportional_odds_of_two_categories_is_logistic_and_refuses_separation():
    low, covariates, _ = birthweight()
    both = proportional_odds(low, covariates), fitted(low, covariates)
    assert isinstance(both[0], OrdinalFit)
    ours = [c.coefficient.value for c in both[0].coefficients]
    assert ours == pytest.approx(list(both[1].vector[1:]), rel=1e-6)
    assert both[0].thresholds[0] == pytest.approx(-both[1].vector[0], rel=1e-5)
    apart = proportional_odds([1, 1, 1, 2, 2, 2], {"x": [1, 2, 3, 4, 5, 6]})
    assert isinstance(apart, NotComputable)
    assert isinstance(proportional_odds([1] * 6, {"x": [1, 2, 3, 4, 5, 6]}), NotComputable)


def test_cross_validation_shows_the_optimism_of_noise():
    rng = np.random.default_rng(8)
    y = rng.integers(0, 2, 120).astype(float)
    noise = {f"n{i}": rng.normal(size=120) for i in range(12)}
    result = standardisation.cross_validated(y, noise)
    assert isinstance(result, standardisation.Validated)
    assert result.optimism["auc"] > 0.1 and result.optimism["accuracy"] > 0.05
    assert result == standardisation.cross_validated(y, noise)
    assert result.validated.tp + result.validated.fn == y.sum()
    assert isinstance(standardisation.cross_validated(y, noise, folds=1), NotComputable)
    assert isinstance(standardisation.cross_validated([1] * 5 + [0] * 115, noise), NotComputable)


def test_area_under_the_curve_counts_pairs():
    y, s = [0, 0, 1, 1, 1], [1, 3, 2, 3, 5]
    shown = discrimination.auc(y, s)
    assert shown.value == pytest.approx((1 + 0 + 1 + 0.5 + 1 + 1) / 6)
    assert discrimination.auc(y, [-v for v in s]).value == pytest.approx(1 - shown.value)
    assert isinstance(discrimination.auc([1, 1], [1, 2]), NotComputable)
    assert isinstance(discrimination.auc([0, 1], [1, math.inf]), NotComputable)
    assert discrimination.auc([0, 1], [1, 2]).low is None


def test_calibration_test_is_uniform_for_a_right_model():
    rng, rejected = np.random.default_rng(4), 0
    for _ in range(300):
        p = rng.uniform(0.1, 0.9, 400)
        found = discrimination.hosmer_lemeshow((rng.random(400) < p).astype(float), p)
        assert isinstance(found, TestResult)
        # With probabilities known, not fitted, the statistic has as many degrees as groups.
        rejected += found.statistic > 18.307
    assert 0.01 < rejected / 300 < 0.1
    assert isinstance(discrimination.hosmer_lemeshow([0, 1] * 5, [0.5] * 10), NotComputable)


def test_standardised_risks_do_not_depend_on_a_covariates_offset_and_unit():
    rng = np.random.default_rng(13)
    group, noise = rng.integers(0, 2, 60), rng.normal(size=60)
    y = (rng.random(60) < 1 / (1 + np.exp(-group - noise))).astype(float)
    plain = standardisation.standardised_risks(y, group, {"x": noise})
    moved = standardisation.standardised_risks(y, group, {"x": 1e9 + 1e-1 * noise})
    assert isinstance(plain, standardisation.StandardisedRisks)
    assert isinstance(moved, standardisation.StandardisedRisks)
    for name in ("first", "second", "difference", "ratio"):
        one, two = getattr(plain, name), getattr(moved, name)
        assert (one.value, one.low, one.high) == pytest.approx((two.value, two.low, two.high), 1e-5)


def test_an_ordinal_model_without_covariates_has_nothing_to_test():
    found = proportional_odds([1, 2, 3, 3, 2], {})
    assert isinstance(found, OrdinalFit) and found.model_test.p_value == 1
