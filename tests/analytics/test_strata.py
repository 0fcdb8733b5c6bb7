"""Stratified comparisons against R."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analytics import strata, stratified_ranks
from analytics.results import Estimate, NotComputable, TestResult
from tests.analytics.oracle import inputs_and_results

FUNCTIONS = (
    strata.mantel_haenszel_odds_ratio,
    strata.mantel_haenszel_risk_ratio,
    strata.cochran_mantel_haenszel,
    strata.breslow_day,
    strata.direct_standardisation,
)


def admissions() -> tuple[tuple[list, ...], dict]:
    found, expected = inputs_and_results("cmh_ucb")
    rows = found["strata"]
    men = [r["male_admit"] for r in rows], [r["male_admit"] + r["male_reject"] for r in rows]
    women = (
        [r["female_admit"] for r in rows],
        [r["female_admit"] + r["female_reject"] for r in rows],
    )
    return (*men, *women), expected


def a_test(result) -> TestResult:
    assert isinstance(result, TestResult), result
    return result


def test_berkeley_admissions_are_those_of_r():
    # R: mantelhaen.test(UCBAdmissions, correct =); metafor::rma.mh(measure = "OR" | "RR")
    counts, expected = admissions()
    odds, risk = (
        strata.mantel_haenszel_odds_ratio(*counts),
        strata.mantel_haenszel_risk_ratio(*counts),
    )
    assert isinstance(odds, Estimate) and isinstance(risk, Estimate)
    assert odds.value == pytest.approx(expected["or_mh"], rel=1e-9)
    assert (odds.low, odds.high) == pytest.approx(expected["or_ci_rbg"], rel=1e-9)
    assert risk.value == pytest.approx(expected["rr_mh"], rel=1e-9)
    assert (risk.low, risk.high) == pytest.approx(expected["rr_ci"], rel=1e-9)
    plain = a_test(strata.cochran_mantel_haenszel(*counts))
    assert plain.statistic == pytest.approx(expected["mh_chi2"], rel=1e-9)
    assert plain.p_value == pytest.approx(expected["mh_p"], rel=1e-9)
    corrected = a_test(strata.cochran_mantel_haenszel(*counts, continuity_correction=True))
    assert corrected.statistic == pytest.approx(expected["mh_chi2_cc"], rel=1e-9)
    same = a_test(strata.breslow_day(*counts))
    assert same.details["breslow_day"] == pytest.approx(expected["breslow_day"], rel=1e-6)
    assert same.details["breslow_day_p"] == pytest.approx(expected["breslow_day_p"], rel=1e-6)
    assert same.statistic == pytest.approx(expected["tarone"], rel=1e-6)
    assert same.p_value == pytest.approx(expected["tarone_p"], rel=1e-6)
    value, error = strata.risk_difference_parts(strata.stratified_tables(*counts))
    assert value == pytest.approx(expected["rd_mh"], rel=1e-9)
    assert value - 1.959963984540054 * error == pytest.approx(expected["rd_ci"][0], rel=1e-9)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_strata_without_an_answer_are_refused(function):
    for wrong in ([-1, 1], [math.nan, 1], [math.inf, 1], [30, 1], [1e308, 1], [0.5, 1]):
        assert isinstance(function(wrong, [20, 20], [3, 4], [20, 20]), NotComputable)
    assert isinstance(function([], [], [], []), NotComputable)
    assert isinstance(function([1], [20], [3, 4], [20, 20]), NotComputable)
    assert isinstance(function([0, 2], [0, 20], [3, 0], [20, 0]), NotComputable)


def test_no_events_in_one_group_give_no_ratio():
    assert isinstance(strata.mantel_haenszel_odds_ratio([0], [9], [3], [9]), NotComputable)
    assert isinstance(strata.mantel_haenszel_risk_ratio([0], [9], [0], [9]), NotComputable)
    assert isinstance(strata.breslow_day([1], [9], [3], [9]), NotComputable)


@st.composite
def strata_of_counts(draw):
    k = draw(st.integers(1, 5))
    sizes = [[draw(st.integers(1, 40)) for _ in range(k)] for _ in range(2)]
    events = [[draw(st.integers(0, n)) for n in column_] for column_ in sizes]
    return events[0], sizes[0], events[1], sizes[1]


@settings(deadline=None)
@given(strata_of_counts())
def test_swapping_the_groups_mirrors_everything(counts):
    e1, n1, e2, n2 = counts
    for function in FUNCTIONS[:2]:
        here, swapped = function(*counts), function(e2, n2, e1, n1)
        if isinstance(here, NotComputable):
            assert isinstance(swapped, NotComputable)
            continue
        assert here.low <= here.value <= here.high
        assert swapped.value == pytest.approx(1 / here.value, rel=1e-9)
        assert swapped.low == pytest.approx(1 / here.high, rel=1e-9)
    for function in FUNCTIONS[2:4]:
        here, swapped = function(*counts), function(e2, n2, e1, n1)
        if isinstance(here, TestResult):
            assert here.statistic == pytest.approx(swapped.statistic, rel=1e-6, abs=1e-9)


def test_one_stratum_of_van_elteren_is_wilcoxon():
    # R: wilcox.test(x, y, exact = FALSE, correct = FALSE)
    rng = np.random.default_rng(2)
    values = np.round(np.concatenate([rng.normal(0.5, 1, 30), rng.normal(0, 1, 25)]), 1)
    first = np.repeat([1, 0], [30, 25])
    shown = a_test(stratified_ranks.van_elteren(values, first, np.zeros(55)))
    theirs = stats.mannwhitneyu(values[:30], values[30:], use_continuity=False, method="asymptotic")
    assert shown.p_value == pytest.approx(theirs.pvalue, rel=1e-9)


def test_van_elteren_sees_within_strata_only():
    strata_ = np.repeat([0, 1], 20)
    first = np.concatenate([np.repeat([1, 0], [15, 5]), np.repeat([1, 0], [5, 15])])
    level = np.concatenate([np.zeros(20), np.full(20, 100.0)])
    values = level + np.tile(np.arange(5.0), 8)
    assert abs(a_test(stratified_ranks.van_elteren(values, first, strata_)).statistic) < 1e-9
    mirrored = a_test(stratified_ranks.van_elteren(values + first, 1 - first, strata_))
    shown = a_test(stratified_ranks.van_elteren(values + first, first, strata_))
    assert shown.statistic == pytest.approx(-mirrored.statistic) and shown.statistic > 0
    alone = stratified_ranks.van_elteren([1, 2, 3], [1, 1, 1], [0, 0, 0])
    assert "no stratum holds both groups" in alone.reason
    assert isinstance(
        stratified_ranks.van_elteren([1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0]), NotComputable
    )
    assert isinstance(stratified_ranks.van_elteren([1, math.inf], [1, 0], [0, 0]), NotComputable)


def test_direct_standardisation_follows_its_weights():
    counts = ([10, 30], [100, 100], [5, 20], [50, 50])
    shown = strata.direct_standardisation(*counts, weights=[3, 1])
    assert isinstance(shown, strata.Standardised)
    assert shown.first == pytest.approx((3 * 0.1 + 0.3) / 4)
    assert shown.second == pytest.approx((3 * 0.1 + 0.4) / 4)
    assert shown.difference.low < shown.difference.value < shown.difference.high
    assert isinstance(strata.direct_standardisation(*counts, weights=[1]), NotComputable)
    assert isinstance(strata.direct_standardisation(*counts, weights=[0, 0]), NotComputable)
