"""Proportions against R, and the properties every interval must keep."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from analytics import proportions as pr
from analytics import score
from analytics.results import Estimate, NotComputable, TestResult
from tests.analytics.oracle import inputs_and_results as case

TABLES = [
    "t2_newcombe_d",
    "t2_newcombe_e",
    "t2_newcombe_g",
    "t2_bessar_complications",
    "t2_rare_0_v_3",
    "t2_tea",
    "t2_large",
]
PROPORTIONS = ["prop_0_100", "prop_4_100", "prop_73_134", "prop_n_of_n"]
WRONG = [-1, 0.5, math.nan, math.inf, -math.inf, 1e308, None]


def cells(inputs: dict) -> tuple[int, int, int, int]:
    return inputs["e1"], inputs["n1"], inputs["e2"], inputs["n2"]


def estimate(result: Estimate | NotComputable) -> Estimate:
    assert isinstance(result, Estimate), result
    return result


def a_test(result: TestResult | NotComputable) -> TestResult:
    assert isinstance(result, TestResult), result
    return result


@pytest.mark.parametrize("identifier", PROPORTIONS)
def test_one_proportion_agrees_with_r(identifier: str) -> None:
    # R: DescTools::BinomCI(x, n, method=); binom.test(x, n)
    given_, expected = case(identifier)
    for function, field in (
        (pr.wilson, "wilson"),
        (pr.clopper_pearson, "clopper_pearson"),
        (pr.jeffreys, "jeffreys"),
    ):
        result = estimate(function(given_["x"], given_["n"]))
        assert result.value == pytest.approx(expected["estimate"])
        assert (result.low, result.high) == pytest.approx(expected[field], rel=1e-9), field
    limit = estimate(pr.upper_limit(given_["x"], given_["n"]))
    assert limit.high == pytest.approx(expected["upper95_onesided_exact"], rel=1e-9)
    assert limit.low is None


def test_zero_event_limit_is_near_the_rule_of_three() -> None:
    # R: 1 - 0.05^(1/n)
    _, expected = case("prop_0_100")
    limit = estimate(pr.zero_event_limit(100))
    assert limit.high == pytest.approx(expected["one_minus_0.05_pow_1_n"], rel=1e-12)


@pytest.mark.parametrize("identifier", TABLES)
def test_risk_difference_agrees_with_r(identifier: str) -> None:
    # R: DescTools::BinomDiffCI(method = "score"); ratesci::scoreci(contrast = "RD", skew = FALSE)
    given_, expected = case(identifier)
    newcombe = estimate(pr.risk_difference_newcombe(*cells(given_)))
    assert newcombe.value == pytest.approx(expected["rd"])
    assert (newcombe.low, newcombe.high) == pytest.approx(expected["rd_newcombe10"], rel=1e-9)
    nurminen = estimate(pr.risk_difference_miettinen_nurminen(*cells(given_)))
    bounds = expected["rd_miettinen_nurminen"]
    assert (nurminen.low, nurminen.high) == pytest.approx(bounds, rel=1e-6)
    mee = score.difference_interval(score.TwoProportions(*cells(given_), corrected=False), 0.95)
    assert mee == pytest.approx(expected["rd_mee"], rel=1e-6)


@pytest.mark.parametrize("identifier", [t for t in TABLES if t != "t2_newcombe_e"])
def test_ratios_agree_with_r(identifier: str) -> None:
    # R: ratesci::scoreci(contrast = "RR" | "OR", skew = FALSE, or_bias = FALSE)
    given_, expected = case(identifier)
    ratio = estimate(pr.risk_ratio_score(*cells(given_)))
    assert (ratio.low, ratio.high) == pytest.approx(expected["rr_miettinen_nurminen"], rel=1e-6)
    koopman = score.ratio_interval(score.TwoProportions(*cells(given_), corrected=False), 0.95)
    assert koopman == pytest.approx(expected["rr_koopman"], rel=1e-6)
    odds = estimate(pr.odds_ratio_score(*cells(given_)))
    assert (odds.low, odds.high) == pytest.approx(expected["or_miettinen_nurminen"], rel=1e-6)
    exact = estimate(pr.odds_ratio_conditional(*cells(given_)))
    assert exact.value == pytest.approx(expected["or_cond_mle"], rel=1e-7)
    assert (exact.low, exact.high) == pytest.approx(expected["or_ci_cond"], rel=1e-7)


@pytest.mark.parametrize("identifier", TABLES)
def test_tests_agree_with_r(identifier: str) -> None:
    # R: chisq.test(correct =); fisher.test; exact2x2(midp = TRUE)
    given_, expected = case(identifier)
    exact = a_test(pr.fisher(*cells(given_)))
    assert exact.p_value == pytest.approx(expected["fisher_p"], rel=1e-9)
    if expected["fisher_midp"] is not None:
        middle = a_test(pr.fisher_midp(*cells(given_)))
        assert middle.p_value == pytest.approx(expected["fisher_midp"], rel=1e-9)
        assert exact.details["mid_p"] == middle.p_value
    if math.isnan(expected["chi2"]):
        assert isinstance(pr.chi_square(*cells(given_)), NotComputable)
        return
    plain = a_test(pr.chi_square(*cells(given_)))
    assert plain.statistic == pytest.approx(expected["chi2"], rel=1e-9)
    assert plain.p_value == pytest.approx(expected["p_chi2"], rel=1e-9)
    yates = a_test(pr.chi_square(*cells(given_), continuity_correction=True))
    assert yates.statistic == pytest.approx(expected["chi2_yates"], rel=1e-9)
    assert yates.p_value == pytest.approx(expected["p_yates"], rel=1e-9)


def test_newcombes_published_interval() -> None:
    # Newcombe 1998, example (a) 56/70 v 48/80: method 10 0.0524 to 0.3339, method 5 (Mee)
    # 0.0533 to 0.3377; statsmodels' score interval ends at 0.3440 because of a slip in its cubic.
    newcombe = estimate(pr.risk_difference_newcombe(56, 70, 48, 80))
    assert (newcombe.low, newcombe.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    mee = score.difference_interval(score.TwoProportions(56, 70, 48, 80, False), 0.95)
    assert mee == pytest.approx((0.0533, 0.3377), abs=5e-5)
    nurminen = estimate(pr.risk_difference_miettinen_nurminen(56, 70, 48, 80))
    assert nurminen.high == pytest.approx(0.3382, abs=5e-5)


def test_bayes_companion_agrees_with_r() -> None:
    # R: integrate(function(t) dbeta(t, 4.5, 96.5) * pbeta(t, 1.5, 99.5), 0, 1)
    given_, expected = case("beta_binomial_1_100_v_4_100")
    result = estimate(pr.probability_lower(*cells(given_)))
    assert result.value == pytest.approx(expected["p_p1_lt_p2"], rel=1e-6)
    same = estimate(pr.probability_lower(40, 90, 40, 90))
    assert same.value == pytest.approx(0.5, abs=1e-9)


TWO_GROUPS = (
    pr.risk_difference_newcombe,
    pr.risk_difference_miettinen_nurminen,
    pr.risk_ratio_score,
    pr.odds_ratio_score,
    pr.odds_ratio_conditional,
    pr.fisher,
    pr.fisher_midp,
    pr.chi_square,
    pr.probability_lower,
)


@pytest.mark.parametrize("function", TWO_GROUPS)
def test_impossible_input_is_refused_in_words(function) -> None:
    for wrong in WRONG:
        assert isinstance(function(wrong, 10, 2, 10), NotComputable), wrong
        assert isinstance(function(1, wrong, 2, 10), NotComputable), wrong
        assert isinstance(function(1, 10, 2, wrong), NotComputable), wrong
    assert isinstance(function(0, 0, 2, 10), NotComputable)
    refused = function(11, 10, 2, 10)
    assert refused.reason == (
        "cannot be computed, because the first group has more events (11) than members (10)"
    )


def test_impossible_proportions_are_refused() -> None:
    for wrong in WRONG:
        assert isinstance(pr.wilson(wrong, 10), NotComputable)
        assert isinstance(pr.clopper_pearson(1, wrong), NotComputable)
    assert isinstance(pr.jeffreys(0, 0), NotComputable)
    assert isinstance(pr.wilson(1, 10, level=95), NotComputable)
    assert isinstance(pr.wilson(1, 10, level=math.nan), NotComputable)


def test_ratio_without_any_event_is_refused_and_not_invented() -> None:
    assert "neither group has an event" in pr.risk_ratio_score(0, 10, 0, 20).reason
    everybody = pr.odds_ratio_score(10, 10, 20, 20)
    assert "everybody in both groups" in everybody.reason
    assert estimate(pr.risk_ratio_score(10, 10, 20, 20)).value == 1


@st.composite
def two_groups(draw) -> tuple[int, int, int, int]:
    n1, n2 = draw(st.integers(1, 300)), draw(st.integers(1, 300))
    return draw(st.integers(0, n1)), n1, draw(st.integers(0, n2)), n2


@settings(deadline=None)
@given(two_groups())
def test_intervals_hold_the_estimate_and_mirror_when_groups_swap(g) -> None:
    e1, n1, e2, n2 = g
    for function in (pr.risk_difference_newcombe, pr.risk_difference_miettinen_nurminen):
        here, swapped = estimate(function(*g)), estimate(function(e2, n2, e1, n1))
        assert -1 <= here.low <= here.value + 1e-12 and here.value - 1e-12 <= here.high <= 1
        assert (here.low, here.high) == pytest.approx((-swapped.high, -swapped.low), abs=1e-9)
    for function in (pr.risk_ratio_score, pr.odds_ratio_score, pr.odds_ratio_conditional):
        here, swapped = function(*g), function(e2, n2, e1, n1)
        if isinstance(here, NotComputable):
            assert isinstance(swapped, NotComputable)
            continue
        assert here.low <= here.value * (1 + 1e-9) and here.value <= here.high * (1 + 1e-9)
        inverse = 1 / here.low if here.low else math.inf
        assert swapped.high == pytest.approx(inverse, rel=1e-7)


@settings(deadline=None)
@given(two_groups())
def test_score_interval_and_test_agree(g) -> None:
    groups = score.TwoProportions(*g)
    low, high = score.difference_interval(groups, 0.95)
    outside = abs(score.z_difference(groups, 0.0)) > 1.9599639845400545
    if min(abs(low), abs(high)) > 1e-9:
        assert outside == (low > 0 or high < 0)


@settings(deadline=None)
@given(two_groups())
def test_p_values_are_probabilities_and_symmetric(g) -> None:
    e1, n1, e2, n2 = g
    for function in (pr.fisher, pr.fisher_midp, pr.chi_square):
        here, swapped = function(*g), function(e2, n2, e1, n1)
        if isinstance(here, TestResult):
            assert 0 <= here.p_value <= 1
            assert here.p_value == pytest.approx(swapped.p_value, rel=1e-7)


def test_coverage_of_the_intervals_for_rare_events() -> None:
    # Exact enumeration at p = 0.04 v 0.02, n = 60: the intervals keep near their level.
    n, p1, p2 = 60, 0.04, 0.02
    covered = dict.fromkeys((pr.risk_difference_newcombe, pr.risk_difference_miettinen_nurminen), 0)
    for e1 in range(13):
        for e2 in range(10):
            weight = binom.pmf(e1, n, p1) * binom.pmf(e2, n, p2)
            for function in covered:
                r = estimate(function(e1, n, e2, n))
                covered[function] += weight * (r.low <= p1 - p2 <= r.high)
    assert all(0.93 < share <= 1 for share in covered.values()), covered


def test_wilson_covers_near_its_level() -> None:
    probabilities = np.linspace(0.02, 0.98, 25)
    shares = []
    intervals = [estimate(pr.wilson(x, 50)) for x in range(51)]
    for p in probabilities:
        shares.append(
            sum(binom.pmf(x, 50, p) for x, r in enumerate(intervals) if r.low <= p <= r.high)
        )
    assert 0.94 < np.mean(shares) < 0.965


def test_a_limit_of_less_than_half_confidence_is_refused():
    assert isinstance(pr.upper_limit(2, 24, 0.21), NotComputable)
    found = pr.upper_limit(2, 24, 0.5)
    assert isinstance(found, Estimate) and found.high >= found.value
