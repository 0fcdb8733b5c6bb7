"""Paired and repeated measurements, and planning, against R."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analytics import mixed, paired, power
from analytics.results import Estimate, NotComputable, TestResult
from analytics.shift import pseudomedian
from tests.analytics.oracle import ORACLE, case, column


def as_test(result: TestResult | NotComputable) -> TestResult:
    assert isinstance(result, TestResult), result
    return result


def test_signed_rank_without_ties_is_that_of_r():
    # R: wilcox.test(x, y, paired = TRUE, conf.int = TRUE)
    found = case("wsr_depression")
    x, y, expected = np.array(found["input"]["x"]), np.array(found["input"]["y"]), found["expected"]
    exact = as_test(paired.wilcoxon_signed_rank(x, y))
    assert exact.statistic == expected["V"]
    assert exact.p_value == pytest.approx(expected["p_exact"], rel=1e-12)
    normal = as_test(paired.wilcoxon_signed_rank(x, y, exact=False))
    assert normal.p_value == pytest.approx(expected["p_asymptotic_cc"], rel=1e-10)
    shift = pseudomedian(x - y)
    assert isinstance(shift, Estimate)
    assert [shift.value, shift.low, shift.high] == pytest.approx(
        [expected["pseudomedian"], *expected["ci"]], rel=1e-9
    )


def test_signed_rank_with_ties_and_zeros_is_that_of_r():
    # R: exactRankTests::wilcox.exact(paired = TRUE); effectsize::rank_biserial(paired = TRUE)
    expected = case("wsr_nrs_134")["expected"]
    base, month = (column("paired_nrs_134.csv", f"nrs_{t}") for t in ("base", "1month"))
    exact = as_test(paired.wilcoxon_signed_rank(base, month))
    assert exact.statistic == expected["V"]
    assert exact.p_value == pytest.approx(expected["p_exact_ties"], rel=1e-9)
    assert exact.details["n_zero"] == expected["n_zero"]
    assert exact.details["rank_biserial"] == pytest.approx(expected["matched_rank_biserial"])
    normal = as_test(paired.wilcoxon_signed_rank(base, month, exact=False))
    assert normal.p_value == pytest.approx(expected["p_asymptotic_cc"], rel=1e-9)
    shift = pseudomedian(base - month)
    assert isinstance(shift, Estimate)
    assert shift.value == expected["walsh_median_nonzero"]
    # R's interval is a root search to 1e-4
    assert [shift.low, shift.high] == pytest.approx(expected["ci_asymptotic_R"], rel=1e-4)


def test_paired_t_is_that_of_r():
    # R: t.test(x, y, paired = TRUE)
    found = case("t_paired_sleep")
    x, y, expected = found["input"]["x"], found["input"]["y"], found["expected"]
    test = as_test(paired.paired_t(x, y))
    assert test.statistic == pytest.approx(expected["t"], rel=1e-10)
    assert test.p_value == pytest.approx(expected["p"], rel=1e-10)
    change = paired.mean_change(x, y)
    assert isinstance(change, Estimate)
    assert [change.value, change.low, change.high] == pytest.approx(
        [expected["diff"], *expected["ci"]], rel=1e-10
    )


@pytest.mark.parametrize("name", ["friedman_rounding", "friedman_nrs"])
def test_friedman_is_that_of_r(name):
    # R: friedman.test
    found = case(name)
    given_ = found["input"]
    matrix = (
        np.array(given_["matrix"])
        if "matrix" in given_
        else np.column_stack([column(given_["csv"], c) for c in given_["columns"]])
    )
    test = as_test(paired.friedman(matrix))
    assert test.statistic == pytest.approx(found["expected"]["chi2"], rel=1e-10)
    assert test.p_value == pytest.approx(found["expected"]["p"], rel=1e-8)
    assert test.details["kendalls_w"] == pytest.approx(found["expected"]["kendalls_W"], rel=1e-10)


def test_mixed_model_is_that_of_r():
    # R: lme4::lmer(vas ~ modality * factor(time) + (1 | id), REML = TRUE); lme4 stops its search
    # at 2e-7 of the variances
    expected = case("mixed_vas")["expected"]
    visits = pl.read_csv(ORACLE / "longitudinal_vas.csv", null_values="NA").rename(
        {"id": "subject", "modality": "group", "vas": "value"}
    )
    visits = visits.with_columns(pl.col("time").cast(pl.String))
    found = mixed.repeated_measures(visits, ["CT", "Fluoroscopy"], ["0", "1", "3", "6"])
    assert isinstance(found, mixed.RepeatedMeasures)
    fit = found.fit
    assert list(fit.coefficients) == pytest.approx(expected["coef"], rel=1e-6)
    assert list(fit.standard_errors) == pytest.approx(expected["se"], rel=1e-6)
    assert fit.variance_between == pytest.approx(expected["var_id"], rel=1e-6)
    assert fit.variance_within == pytest.approx(expected["var_resid"], rel=1e-6)
    assert fit.log_likelihood == pytest.approx(expected["reml_loglik"], rel=1e-10)
    assert fit.n_values == expected["nobs"]
    later = found.effects[2].estimate
    assert isinstance(later, Estimate)
    assert later.value == pytest.approx(-(expected["coef"][1] + expected["coef"][6]), rel=1e-6)


def test_balanced_mixed_model_gives_the_differences_of_cell_means():
    rng = np.random.default_rng(5)
    rows = [
        {"subject": f"{g}{s}", "group": g, "time": t, "value": float(base + rng.normal())}
        for g in "AB"
        for s in range(12)
        for base in [rng.normal(5, 2)]
        for t in ("before", "after")
    ]
    frame = pl.DataFrame(rows)
    found = mixed.repeated_measures(frame, ["A", "B"], ["before", "after"])
    assert isinstance(found, mixed.RepeatedMeasures)
    cells = dict(
        ((g, t), m)
        for g, t, m in frame.group_by("group", "time").agg(pl.col("value").mean()).iter_rows()
    )
    for effect, time in zip(found.effects, ("before", "after"), strict=True):
        assert isinstance(effect.estimate, Estimate)
        assert effect.estimate.value == pytest.approx(cells["A", time] - cells["B", time])


def test_visits_without_any_patient_in_a_group_are_refused():
    frame = pl.DataFrame(
        {
            "subject": ["a", "a", "b"],
            "group": ["A", "A", "B"],
            "time": ["1", "2", "1"],
            "value": [1.0, 2.0, 3.0],
        }
    )
    found = mixed.repeated_measures(frame, ["A", "B"], ["1", "2"])
    assert isinstance(found, NotComputable) and "B at 2" in found.reason


@pytest.mark.parametrize("differences", [[], [0.0, 0.0], [math.nan], [math.inf, 1.0]])
def test_differences_that_say_nothing_are_refused(differences):
    assert isinstance(paired.wilcoxon_signed_rank(differences), NotComputable)
    assert isinstance(pseudomedian(differences), NotComputable)


def test_constant_rows_have_no_friedman_test():
    assert isinstance(paired.friedman([[1, 1, 1], [2, 2, 2]]), NotComputable)
    assert isinstance(paired.friedman([[1, 2, 3]]), NotComputable)
    assert isinstance(paired.friedman([[1, 2], [2, 3]]), NotComputable)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-6, 6).map(float), min_size=1, max_size=14))
def test_mirrored_differences_mirror_the_result(differences):
    if not any(differences):
        return
    d = np.array(differences)
    one, other = as_test(paired.wilcoxon_signed_rank(d)), as_test(paired.wilcoxon_signed_rank(-d))
    assert one.p_value == other.p_value
    shift, back = pseudomedian(d), pseudomedian(-d)
    assert isinstance(shift, Estimate) and isinstance(back, Estimate)
    assert shift.value == pytest.approx(-back.value)
    if shift.low is not None and back.high is not None:
        assert shift.low == pytest.approx(-back.high)


def test_signed_rank_p_is_uniform_under_the_null():
    rng = np.random.default_rng(17)
    p = [as_test(paired.wilcoxon_signed_rank(rng.normal(size=40))).p_value for _ in range(300)]
    assert stats.kstest(p, "uniform").pvalue > 0.001


def test_planning_is_that_of_r():
    # R: power.t.test, power.prop.test, pwr.t2n.test, pwr.anova.test, pwr.r.test
    expected = case("power")["expected"]

    def size(estimate: Estimate | NotComputable) -> float:
        assert isinstance(estimate, Estimate)
        return estimate.value

    assert size(power.t_sample_size(1, 2)) == pytest.approx(expected["t_n"], rel=1e-8)
    assert size(power.t_power(50, 50, 0.5, 1)) == pytest.approx(expected["t_power"], rel=1e-10)
    assert size(power.t_power(60, 140, 0.4, 1, strict=True)) == pytest.approx(
        expected["t2n_power"], rel=1e-9
    )
    assert size(power.smallest_difference(100, 100, 0.55)) == pytest.approx(
        expected["mde_t"], rel=1e-8
    )
    assert size(power.proportion_sample_size(0.01, 0.04)) == pytest.approx(
        expected["prop_n"], rel=1e-8
    )
    assert size(power.proportion_power(100, 0.01, 0.04)) == pytest.approx(
        expected["prop_power"], rel=1e-9
    )
    assert size(power.anova_sample_size(3, 0.25)) == pytest.approx(expected["anova_n"], rel=1e-6)
    assert size(power.correlation_sample_size(0.3)) == pytest.approx(expected["r_n"], rel=1e-6)
    assert size(power.mann_whitney_sample_size(1, 2)) == pytest.approx(
        expected["mann_whitney_n_from_t_are"], rel=1e-8
    )
    assert size(power.non_inferiority_proportion_size(0.97, 0.05)) == pytest.approx(
        expected["ni_prop_n_normal"], rel=1e-9
    )


def test_power_of_two_one_sided_tests_is_what_simulation_finds():
    rng = np.random.default_rng(23)
    margin = (math.log(0.8), math.log(1.25))
    n, sd, runs = 60, 0.45, 4000
    x, y = rng.normal(0.03, sd, (runs, n)), rng.normal(0, sd, (runs, n))
    error = np.sqrt((x.var(1, ddof=1) + y.var(1, ddof=1)) / n)
    half = stats.t.isf(0.05, 2 * n - 2) * error
    centre = x.mean(1) - y.mean(1)
    found = np.mean((centre - half > margin[0]) & (centre + half < margin[1]))
    planned = power.tost_power(n, n, sd, margin, 0.03)
    assert isinstance(planned, Estimate) and planned.value == pytest.approx(found, abs=0.025)


@pytest.mark.parametrize(
    "plan",
    [
        power.t_sample_size(0, 1),
        power.t_sample_size(1, 0),
        power.t_sample_size(1, 1, power=1.0),
        power.proportion_sample_size(0.1, 0.1),
        power.smallest_difference(1, 1, 1),
        power.t_sample_size(1e-12, 1),
    ],
)
def test_plans_without_an_answer_are_refused(plan):
    assert isinstance(plan, NotComputable)
