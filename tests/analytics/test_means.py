"""Means, ratios, effect sizes, margins and adjustment against R."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analytics import effects, equivalence, means
from analytics.comparison import Equivalence
from analytics.moments import Moments, moments
from analytics.multiplicity import METHODS, adjust
from analytics.results import Estimate, NotComputable, TestResult
from analytics.studentised import range_p, range_quantile
from tests.analytics.oracle import case, column, two_groups, values_by


def bounds(estimate: Estimate | NotComputable) -> list[float | None]:
    assert isinstance(estimate, Estimate), estimate
    return [estimate.low, estimate.high]


@pytest.mark.parametrize("name", ["t_sleep", "t_offset_1e9"])
def test_welch_student_and_effect_sizes_are_those_of_r(name):
    # R: t.test(x, y[, var.equal = TRUE]); effectsize::hedges_g(pooled_sd = TRUE)
    expected = case(name)["expected"]
    x, y = two_groups(name)
    for pooled, prefix in ((False, "welch"), (True, "student")):
        test = means.welch_test(x, y, pooled=pooled)
        assert isinstance(test, TestResult)
        assert test.statistic == pytest.approx(expected[f"{prefix}_t"], rel=1e-9)
        assert test.df == pytest.approx(expected[f"{prefix}_df"], rel=1e-9)
        assert test.p_value == pytest.approx(expected[f"{prefix}_p"], rel=1e-9)
        difference = effects.mean_difference(x, y, pooled=pooled)
        assert isinstance(difference, Estimate)
        assert difference.value == pytest.approx(expected["diff"], rel=1e-9)
        assert bounds(difference) == pytest.approx(expected[f"{prefix}_ci"], rel=1e-9)
    for corrected, label in ((True, "hedges_g"), (False, "cohens_d")):
        g = effects.hedges_g(x, y, corrected=corrected)
        assert isinstance(g, Estimate)
        assert g.value == pytest.approx(expected[label], rel=1e-9)
        assert bounds(g) == pytest.approx(expected[f"{label}_ci_nct"], rel=1e-6)
    if "gmr" in expected:
        ratio = effects.geometric_mean_ratio(x, y)
        assert isinstance(ratio, Estimate)
        assert ratio.value == pytest.approx(expected["gmr"], rel=1e-12)
        assert bounds(ratio) == pytest.approx(expected["gmr_ci"], rel=1e-12)
        test = means.welch_test(x, y, log=True)
        assert isinstance(test, TestResult)
        assert test.p_value == pytest.approx(expected["gmr_welch_p"], rel=1e-6)


def test_one_value_has_a_pooled_test_but_no_welch_test():
    # R: t.test(5, c(1, 2, 3, 4, 6), var.equal = TRUE)
    expected = case("t_n1")["expected"]
    x, y = two_groups("t_n1")
    assert isinstance(means.welch_test(x, y), NotComputable)
    pooled = means.welch_test(x, y, pooled=True)
    assert isinstance(pooled, TestResult)
    assert pooled.p_value == pytest.approx(expected["student_p"], rel=1e-9)


@pytest.mark.parametrize(
    "x, y",
    [
        ([1, 1, 1], [2, 2, 2]),
        ([], [1, 2]),
        ([1], [2]),
        ([1e308, -1e308, 1e308], [1, 2, 3]),
        ([np.inf, 1], [1, 2]),
        ([np.nan], [np.nan]),
    ],
)
def test_means_that_cannot_be_compared_are_refused(x, y):
    for result in (means.welch_test(x, y), effects.mean_difference(x, y), effects.hedges_g(x, y)):
        assert isinstance(result, NotComputable)
        assert result.reason.startswith("cannot be computed, because ")


def test_zero_has_no_geometric_mean():
    result = effects.geometric_mean_ratio([0, 1, 2], [1, 2, 3])
    assert isinstance(result, NotComputable) and "logarithm" in result.reason


def test_welch_anova_and_games_howell_are_those_of_r():
    # R: oneway.test; rstatix::games_howell_test (second minus first; p to three digits)
    expected = case("k3_duration")["expected"]
    groups = values_by("k3_duration")
    anova = means.welch_anova(*groups.values())
    assert isinstance(anova, TestResult)
    assert anova.statistic == pytest.approx(expected["welch_F"], rel=1e-9)
    assert list(anova.df or ()) == pytest.approx(expected["welch_df"], rel=1e-9)  # pyright: ignore[reportArgumentType]
    assert anova.p_value == pytest.approx(expected["welch_p"], rel=1e-9)
    for i, pair in enumerate(means.games_howell(groups)):
        assert f"{pair.first} - {pair.second}" == expected["gh_pairs"][i]
        assert isinstance(pair.effect, Estimate)
        assert pair.effect.value == pytest.approx(-expected["gh_diff"][i], rel=1e-9)
        assert bounds(pair.effect) == pytest.approx(
            [-expected["gh_high"][i], -expected["gh_low"][i]], rel=1e-6
        )
        assert pair.p_adjusted == pytest.approx(expected["gh_p"][i], rel=5e-3)


def test_two_groups_make_welch_anova_the_square_of_welch_t():
    x, y = two_groups("t_sleep")
    anova, t = means.welch_anova(x, y), means.welch_test(x, y)
    assert isinstance(anova, TestResult) and isinstance(t, TestResult)
    assert anova.statistic == pytest.approx(t.statistic**2)
    assert anova.p_value == pytest.approx(t.p_value)


def test_geometric_mean_is_that_of_r():
    # R: exp(t.test(log(x))$conf.int)
    expected = case("descriptives_dose")["expected"]
    dose = values_by("bm_dose")["CT"]
    gm = effects.geometric_mean(dose)
    assert isinstance(gm, Estimate)
    assert gm.value == pytest.approx(expected["gm"], rel=1e-10)
    assert bounds(gm) == pytest.approx(expected["gm_ci"], rel=1e-10)
    assert moments(dose).sd == pytest.approx(expected["sd"], rel=1e-12)


def test_moments_from_a_query_serve_as_well_as_values():
    x, y = two_groups("t_sleep")
    first, second = (Moments(len(v), float(np.mean(v)), float(np.var(v, ddof=1))) for v in (x, y))
    by_moments, by_rows = means.welch_test(first, second), means.welch_test(x, y)
    assert isinstance(by_moments, TestResult) and isinstance(by_rows, TestResult)
    assert by_moments.p_value == pytest.approx(by_rows.p_value, rel=1e-12)


def test_equivalence_of_doses_is_that_of_r():
    # R: t.test(log(x), log(y), mu = log(.8), alternative = "greater") and the mirror image
    expected = case("tost_gmr_dose")["expected"]
    found = equivalence.tost_ratio(*two_groups("tost_gmr_dose"), 0.8, 1.25)
    assert isinstance(found, Equivalence)
    assert found.p_lower == pytest.approx(expected["p_lower"], rel=1e-9)
    assert found.p_upper == pytest.approx(expected["p_upper"], rel=1e-9)
    assert bounds(found.estimate) == pytest.approx(expected["ci90"], rel=1e-9)
    assert found.supported is expected["equivalent_at_05"]


def test_paired_equivalence_is_that_of_r():
    # R: t.test(x, y, paired = TRUE, mu = -1, alternative = "greater") and the mirror image
    expected = case("tost_paired")["expected"]
    later = column("paired_nrs_134.csv", "nrs_15min") - column("paired_nrs_134.csv", "nrs_1month")
    found = equivalence.tost_paired(later, -1, 1)
    assert isinstance(found, Equivalence)
    assert found.p_lower == pytest.approx(expected["p_lower"], rel=1e-8)
    assert found.p_upper == pytest.approx(expected["p_upper"], rel=1e-9)
    assert bounds(found.estimate) == pytest.approx(expected["ci90"], rel=1e-9)
    assert found.supported is expected["equivalent_at_05"]


@pytest.mark.parametrize("name", ["tost_prop_complications", "tost_prop_satisfied"])
def test_equivalence_of_proportions_is_that_of_r(name):
    # R: ratesci::scoreci(contrast = "RD", skew = FALSE, bcf = TRUE, theta0 = ±margin, level = .90)
    found, expected = case(name)["input"], case(name)["expected"]
    e1, n1, e2, n2 = (found[key] for key in ("e1", "n1", "e2", "n2"))
    result = equivalence.tost_proportions(e1, n1, e2, n2, -found["margin"], found["margin"])
    assert isinstance(result, Equivalence)
    assert result.p_lower == pytest.approx(expected["p_lower_mn"], rel=1e-6)
    assert result.p_upper == pytest.approx(expected["p_upper_mn"], rel=1e-6)
    # ratesci searches the bounds to about 1e-8
    assert bounds(result.estimate) == pytest.approx(expected["ci90_mn"], rel=1e-6, abs=2e-8)


@pytest.mark.parametrize("margin", [(None, None), (1.25, 0.8), (0.0, 1.25), (math.nan, 2.0)])
def test_a_margin_must_make_sense(margin):
    found = equivalence.tost_ratio([1, 2, 3], [1, 2, 4], *margin)
    assert isinstance(found, NotComputable)


def test_the_verdict_is_whether_the_interval_lies_inside():
    rng = np.random.default_rng(3)
    for shift in np.linspace(-1.5, 1.5, 31):
        found = equivalence.tost_mean(rng.normal(shift, 1, 40), rng.normal(0, 1, 35), -1, 1)
        assert isinstance(found, Equivalence)
        e = found.estimate
        assert e.low is not None and e.high is not None
        assert found.supported is (e.low > -1 and e.high < 1)


@pytest.mark.parametrize(
    "method, column_name", [("holm", "holm"), ("hochberg", "hochberg"), ("bh", "BH"), ("by", "BY")]
)
def test_adjustment_is_that_of_r_and_skips_what_is_missing(method, column_name):
    # R: p.adjust(p, method)
    found = case("padj_bessar")
    p = found["input"]["p"]
    expected = found["expected"][column_name]
    assert adjust(p, method) == pytest.approx(expected, rel=1e-12)
    with_gaps = adjust([p[0], None, p[1], math.nan, p[2], p[3]], method)
    assert [with_gaps[i] for i in (0, 2, 4, 5)] == pytest.approx(expected, rel=1e-12)
    assert with_gaps[1] is None and with_gaps[3] is None


@given(st.lists(st.floats(0, 1), max_size=12), st.sampled_from(sorted(METHODS)))
def test_adjusted_p_is_never_smaller_and_keeps_the_order(p, method):
    adjusted = adjust(p, method)
    assert all(a is not None and a >= b - 1e-15 for a, b in zip(adjusted, p, strict=True))
    by_p = [a for _, a in sorted(zip(p, adjusted, strict=True), key=lambda pair: pair[0])]
    assert np.all(np.diff(np.array(by_p, dtype=float)) >= -1e-12)


def test_adjustment_refuses_what_is_no_p_value():
    with pytest.raises(ValueError, match="outside 0 to 1"):
        adjust([0.5, 1.5])
    with pytest.raises(ValueError, match="unknown adjustment"):
        adjust([0.5], "best")


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(0.1, 1e3), min_size=3, max_size=10),
    st.lists(st.floats(0.1, 1e3), min_size=3, max_size=10),
    st.floats(0.01, 100),
)
def test_ratio_of_geometric_means_ignores_the_unit(x, y, factor):
    one = effects.geometric_mean_ratio(x, y)
    other = effects.geometric_mean_ratio(np.array(x) * factor, np.array(y) * factor)
    if isinstance(one, Estimate) and isinstance(other, Estimate):
        assert [one.value, *bounds(one)] == pytest.approx([other.value, *bounds(other)], rel=1e-6)


@pytest.mark.parametrize("k, df", [(2, 12.0), (3, 63.7), (8, 5.0), (5, 1000.0), (3, 2.5)])
def test_studentised_range_is_that_of_scipy(k, df):
    # SciPy: studentized_range.sf and .ppf, checked against R's ptukey there
    for q in (0.5, 3.5, 9.0):
        expected = stats.studentized_range.sf(q, k, df)
        assert range_p(q, k, df) == pytest.approx(expected, rel=1e-6, abs=1e-9)
    quantile = range_quantile(0.95, k, df)
    assert stats.studentized_range.cdf(quantile, k, df) == pytest.approx(0.95, abs=1e-7)
