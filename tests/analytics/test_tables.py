"""Larger, ordered and paired tables against R."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from analytics import tables
from analytics.results import Estimate, NotComputable, TestResult
from analytics.tables import PairedProportions
from tests.analytics.oracle import inputs_and_results


def paired(*cells: float) -> PairedProportions:
    result = tables.mcnemar(*cells)
    assert isinstance(result, PairedProportions), result
    return result


def a_test(result) -> TestResult:
    assert isinstance(result, TestResult), result
    return result


@pytest.mark.parametrize("name", ["rxc_job", "satisfaction_3x5"])
def test_tables_are_those_of_r(name):
    # R: chisq.test(T); fisher.test(T, workspace = 2e8)
    found, expected = inputs_and_results(name)
    pearson = a_test(tables.chi_square_table(found["table"]))
    assert pearson.statistic == pytest.approx(expected["chi2"], rel=1e-9)
    assert pearson.p_value == pytest.approx(expected.get("p", expected.get("chi2_p")), rel=1e-9)
    if "cramers_v" in expected:
        assert pearson.details["cramers_v"] == pytest.approx(expected["cramers_v"], rel=1e-9)
        assert pearson.details["smallest_expected"] == pytest.approx(expected["min_expected"])
    else:
        assert pearson.details["expected_below_5"] == expected["n_expected_lt5"]
    exact = a_test(tables.fisher_freeman_halton(found["table"]))
    assert abs(exact.p_value - expected["ffh_p"]) < 4 * exact.details["standard_error"]
    assert exact == tables.fisher_freeman_halton(found["table"])


def test_an_empty_row_or_column_changes_nothing():
    table = [[1, 3, 10, 6], [2, 3, 10, 7]]
    wider = [[1, 3, 0, 10, 6], [0, 0, 0, 0, 0], [2, 3, 0, 10, 7]]
    assert tables.chi_square_table(table) == tables.chi_square_table(wider)


@pytest.mark.parametrize(
    "table",
    [
        [],
        [[0, 0], [0, 0]],
        [[5, 3]],
        [[5], [3]],
        [[5, 0], [7, 0]],
        [[1, math.nan], [2, 3]],
        [[1, math.inf], [2, 3]],
        [[1, -1], [2, 3]],
        [[1, 1e308], [2, 3]],
        [[1.5, 2], [2, 3]],
        [["a", 2], [2, 3]],
    ],
)
def test_a_table_without_an_answer_is_refused(table):
    assert isinstance(tables.chi_square_table(table), NotComputable)
    assert isinstance(tables.fisher_freeman_halton(table), NotComputable)


def test_trend_of_proportions_is_that_of_r():
    # R: prop.trend.test(smokers, patients); prop.trend.test(smokers, patients, c(0, 0, 0, 1))
    found, expected = inputs_and_results("cochran_armitage_smokers")
    rising = a_test(tables.cochran_armitage(found["events"], found["n"], found["scores"]))
    assert rising.statistic == pytest.approx(expected["chi2"], rel=1e-9)
    assert rising.p_value == pytest.approx(expected["p"], rel=1e-9)
    assert rising.details["z"] < 0
    last = a_test(tables.cochran_armitage(found["events"], found["n"], [0, 0, 0, 1]))
    assert last.statistic == pytest.approx(expected["chi2_scores0001"], rel=1e-9)
    reverse = a_test(tables.cochran_armitage(found["events"][::-1], found["n"][::-1]))
    assert reverse.details["z"] == pytest.approx(-rising.details["z"])


def test_trend_without_an_answer_is_refused():
    assert "nobody" in tables.cochran_armitage([0, 0], [5, 6]).reason
    assert "everybody" in tables.cochran_armitage([5, 6], [5, 6]).reason
    assert "same score" in tables.cochran_armitage([1, 2], [5, 6], [1, 1]).reason
    for wrong in ([1], [1, math.nan], [1, 7], [1, -1]):
        assert isinstance(tables.cochran_armitage(wrong, [5, 6]), NotComputable)
    assert isinstance(tables.cochran_armitage([1, 2], [5, 6], [1, math.inf]), NotComputable)


@pytest.mark.parametrize("name", ["mcnemar_agresti", "mcnemar_kajdi_b", "mcnemar_small"])
def test_paired_proportions_are_those_of_r(name):
    # R: mcnemar.test; exact2x2::mcnemar.exact; exact2x2(paired = TRUE, midp = TRUE);
    # ratesci::pairbinci(contrast = "RD", method = "Score_closed" | "MOVER_newc")
    found, expected = inputs_and_results(name)
    result = paired(*found.values())
    assert a_test(result.chi_square).statistic == pytest.approx(expected["chi2"], rel=1e-9)
    assert a_test(result.chi_square).p_value == pytest.approx(expected["p"], rel=1e-9)
    assert a_test(result.chi_square_corrected).p_value == pytest.approx(expected["p_cc"], rel=1e-9)
    assert a_test(result.exact).p_value == pytest.approx(expected["p_exact"], rel=1e-9)
    assert a_test(result.mid_p).p_value == pytest.approx(expected["p_midp"], rel=1e-9)
    odds = result.odds_ratio
    assert isinstance(odds, Estimate)
    assert [odds.value, odds.low, odds.high] == pytest.approx(
        [expected["or_cond"], *expected["or_ci_exact"]], rel=1e-7
    )
    for shown, field in (
        (result.difference, "rd_tango"),
        (result.difference_newcombe, "rd_newcombe_paired10"),
    ):
        assert isinstance(shown, Estimate)
        assert shown.value == pytest.approx(expected["rd"], rel=1e-12)
        assert (shown.low, shown.high) == pytest.approx(expected[field], rel=1e-6, abs=1e-9)


def test_few_changed_pairs_take_the_exact_test():
    assert paired(3, 1, 6, 2).primary == paired(3, 1, 6, 2).exact
    assert paired(45, 11, 28, 50).primary == paired(45, 11, 28, 50).mid_p


def test_no_changed_pair_has_no_test_but_a_difference():
    # statsmodels' mcnemar(exact=False) returns p = 0 here
    result = paired(8, 0, 0, 4)
    assert isinstance(result.chi_square, NotComputable) and isinstance(result.exact, NotComputable)
    assert isinstance(result.difference, Estimate)
    assert result.difference.value == 0
    assert -1 < result.difference.low < 0 < result.difference.high < 1


def test_impossible_pairs_are_refused():
    for wrong in (-1, math.nan, math.inf, 1e308, 0.5):
        assert isinstance(tables.mcnemar(1, wrong, 2, 3), NotComputable)
    assert isinstance(tables.mcnemar(0, 0, 0, 0), NotComputable)


@settings(deadline=None)
@given(*[st.integers(0, 60)] * 4)
def test_paired_intervals_hold_the_estimate_and_mirror(a, b, c, d):
    if a + b + c + d == 0:
        return
    here, swapped = paired(a, b, c, d), paired(a, c, b, d)
    for name in ("difference", "difference_newcombe"):
        one, other = getattr(here, name), getattr(swapped, name)
        assert -1 <= one.low <= one.value + 1e-9 and one.value - 1e-9 <= one.high <= 1
        assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-8)
    if b + c:
        assert 0 < a_test(here.mid_p).p_value <= a_test(here.exact).p_value + 1e-12 <= 1 + 1e-9


def test_cochran_q_is_that_of_its_textbook_and_mcnemar_for_two():
    # Conover 1999, three sportsmen rating twelve games: Q = 2.8, p = 0.2466
    ratings = [
        [1, 1, 1], [1, 1, 1], [0, 1, 0], [1, 1, 0], [0, 0, 0], [1, 1, 1],
        [1, 1, 1], [1, 1, 0], [0, 0, 1], [0, 1, 0], [1, 1, 1], [1, 1, 1],
    ]  # fmt: skip
    found = a_test(tables.cochran_q(ratings))
    assert found.statistic == pytest.approx(2.8, rel=1e-12)
    assert found.p_value == pytest.approx(math.exp(-1.4), rel=1e-12)
    gap = a_test(tables.cochran_q([*ratings, [1, math.nan, 0]]))
    assert gap.statistic == found.statistic and gap.details["left_out"] == 1
    assert isinstance(tables.cochran_q([[1, 1, 1], [0, 0, 0]]), NotComputable)
    assert isinstance(tables.cochran_q([[1, 2, 1], [0, 0, 0]]), NotComputable)
    assert isinstance(tables.cochran_q([[1, 0]]), NotComputable)


def test_simulated_p_values_are_uniform_under_the_null():
    rng = np.random.default_rng(7)
    p = [
        a_test(tables.cochran_armitage(rng.binomial(200, 0.3, 4).tolist(), [200] * 4)).p_value
        for _ in range(800)
    ]
    assert chisquare(np.histogram(p, bins=10, range=(0, 1))[0]).pvalue > 0.001
