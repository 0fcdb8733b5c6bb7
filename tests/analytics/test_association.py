"""Rank correlation and diagnostic accuracy against R."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import association
from analytics.diagnostic import Diagnostic, diagnostic
from analytics.results import Estimate, NotComputable, TestResult
from tests.analytics.oracle import column, inputs_and_results


def test_spearman_is_that_of_r():
    # R: cor.test(x, y, method = "spearman", exact = FALSE); tanh(atanh(r) ± z sqrt((1+r²/2)/(n-3)))
    found, expected = inputs_and_results("spearman_134")
    x, y = (column(found["csv"], found[side]) for side in ("x", "y"))
    shown, test = association.spearman(x, y), association.spearman_test(x, y)
    assert isinstance(shown, Estimate) and isinstance(test, TestResult)
    assert shown.value == pytest.approx(expected["rho"], rel=1e-9)
    assert (shown.low, shown.high) == pytest.approx(expected["ci_bonett_wright"], rel=1e-9)
    assert test.p_value == pytest.approx(expected["p"], rel=1e-9)


def test_published_coefficient_gets_its_interval():
    found, expected = inputs_and_results("spearman_kajdi_ci")
    bounds = association.spearman_bounds(found["r"], found["n"])
    assert bounds == pytest.approx(expected["ci_bonett_wright"], rel=1e-9)


def test_few_pairs_take_all_permutations():
    # R: cor.test(x, y, method = "spearman", exact = TRUE)
    found, expected = inputs_and_results("spearman_exact_9")
    test = association.spearman_test(found["x"], found["y"])
    assert isinstance(test, TestResult)
    assert test.statistic == pytest.approx(expected["rho"], rel=1e-12)
    assert test.p_value == pytest.approx(expected["p_exact"], rel=1e-12)


def test_correlations_without_an_answer_are_refused():
    for wrong in (([], []), ([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [1, 2])):
        assert isinstance(association.spearman(*wrong), NotComputable)
        assert isinstance(association.spearman_test(*wrong), NotComputable)
    assert isinstance(association.spearman([1, 2, math.inf], [1, 2, 3]), NotComputable)
    assert isinstance(association.spearman([1, 2, 1e308], [1, 2, 3]), NotComputable)
    gap = association.spearman([1, 2, 3, 4, math.nan], [2, 1, 4, 3, 9])
    assert isinstance(gap, Estimate) and gap.n == 4
    perfect = association.spearman([1, 2, 3, 4, 5], [1, 4, 9, 16, 25])
    assert perfect == Estimate(1.0, None, None, 5, "Spearman, Bonett–Wright interval")


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=3, max_size=25))
def test_spearman_ignores_monotone_changes_and_order(pairs):
    x, y = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    here = association.spearman(x, y)
    if isinstance(here, NotComputable):
        assert np.ptp(x) == 0 or np.ptp(y) == 0
        return
    order = np.random.default_rng(1).permutation(len(x))
    assert association.spearman(np.exp(x[order]), y[order] ** 3).value == pytest.approx(here.value)
    assert association.spearman(y, x).value == pytest.approx(here.value)
    assert association.spearman(x, -y).value == pytest.approx(-here.value)
    if here.low is not None and here.high is not None:
        assert -1 <= here.low <= here.value <= here.high <= 1
    p = association.spearman_test(x, y).p_value
    assert 0 <= p <= 1 and p == pytest.approx(association.spearman_test(y, x).p_value)


def test_diagnostic_accuracy_is_that_of_r():
    # R: epiR::epi.tests(method = "wilson")
    found, expected = inputs_and_results("dx_kajdi_model1")
    result = diagnostic(**found)
    assert isinstance(result, Diagnostic)
    for name, field in (
        ("sensitivity", "sens"),
        ("specificity", "spec"),
        ("ppv", "ppv"),
        ("npv", "npv"),
        ("accuracy", "accuracy"),
        ("lr_positive", "lr_pos"),
        ("lr_negative", "lr_neg"),
    ):
        shown = getattr(result, name)
        assert [shown.value, shown.low, shown.high] == pytest.approx(expected[field], rel=1e-9)
    assert result.youden == pytest.approx(expected["youden"], rel=1e-12)


def test_an_empty_side_refuses_its_measures_only():
    nobody_ill = diagnostic(0, 3, 0, 7)
    assert isinstance(nobody_ill, Diagnostic)
    assert isinstance(nobody_ill.sensitivity, NotComputable)
    assert isinstance(nobody_ill.lr_positive, NotComputable)
    assert isinstance(nobody_ill.specificity, Estimate) and nobody_ill.youden is None
    for wrong in (-1, math.nan, math.inf, 1.5, 1e308):
        assert isinstance(diagnostic(wrong, 1, 1, 1), NotComputable)
    assert isinstance(diagnostic(0, 0, 0, 0), NotComputable)
