"""Agreement of readers and methods against R and published tables."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import agreement
from analytics.agreement import BlandAltman, Kappa
from analytics.results import Estimate, NotComputable, TestResult
from tests.analytics.oracle import column, inputs_and_results

# Shrout & Fleiss 1979: six cases, four judges; R: psych::ICC gives ICC2 0.29 (0.019 to 0.76) and
# ICC3 0.71 (0.34 to 0.95)
JUDGES = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


def kappa(*arguments, **options) -> Estimate:
    found = agreement.cohens_kappa(*arguments, **options)
    assert isinstance(found, Kappa) and isinstance(found.kappa, Estimate), found
    return found.kappa


def test_kappa_is_that_of_r():
    # R: vcd::Kappa(table(r1, r2)); irr::kappa2(weight =); psych::cohen.kappa
    found, expected = inputs_and_results("kappa_90")
    first, second = (column(found["csv"], name) for name in ("reader1", "reader2"))
    plain = kappa(first, second)
    assert plain.value == pytest.approx(expected["kappa"], rel=1e-9)
    assert (plain.low, plain.high) == pytest.approx(expected["ci_unweighted"], rel=1e-9)
    linear = kappa(first, second, "linear")
    assert linear.value == pytest.approx(expected["kappa_linear"], rel=1e-9)
    assert (linear.low, linear.high) == pytest.approx(expected["ci_linear"], rel=1e-9)
    quadratic = kappa(first, second, "quadratic")
    assert quadratic.value == pytest.approx(expected["kappa_quadratic"], rel=1e-9)
    half = 1.959963984540054 * expected["ase_quadratic_vcd"]
    assert quadratic.high - quadratic.value == pytest.approx(half, rel=1e-6)
    raw = agreement.cohens_kappa(first, second).raw
    assert raw.value == pytest.approx(expected["po"], rel=1e-12)


def test_one_category_has_no_kappa_but_a_raw_share():
    found, _ = inputs_and_results("kappa_one_category")
    result = agreement.cohens_kappa(found["x"], found["y"])
    assert isinstance(result, Kappa) and isinstance(result.kappa, NotComputable)
    assert "one and the same category" in result.kappa.reason
    assert isinstance(result.raw, Estimate) and result.raw.value == 1


def test_gaps_are_counted_and_strange_readings_refused():
    result = agreement.cohens_kappa(["a", None, "b", "b"], ["a", "a", "b", math.nan])
    assert isinstance(result, Kappa) and result.left_out == 2 and result.raw.n == 2
    assert isinstance(agreement.cohens_kappa([], []), NotComputable)
    assert isinstance(agreement.cohens_kappa([1], [1, 2]), NotComputable)
    assert isinstance(agreement.cohens_kappa([1, 2], [1, 9], categories=[1, 2]), NotComputable)
    assert isinstance(agreement.kappa_of_table([[1, 2, 3], [1, 2, 3]]), NotComputable)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=40))
def test_kappa_is_symmetric_and_within_its_interval(pairs):
    first, second = zip(*pairs, strict=True)
    for weights in ("none", "linear", "quadratic"):
        here = agreement.cohens_kappa(first, second, weights)
        there = agreement.cohens_kappa(second, first, weights)
        assert isinstance(here, Kappa) and isinstance(there, Kappa)
        if isinstance(here.kappa, Estimate):
            assert here.kappa.value == pytest.approx(there.kappa.value, abs=1e-12)
            assert (here.kappa.low is None) == (there.kappa.low is None)
            if here.kappa.low is not None:
                assert here.kappa.low <= here.kappa.value <= here.kappa.high
                assert here.kappa.low == pytest.approx(there.kappa.low, abs=1e-9)


def test_perfect_agreement_has_no_interval():
    shown = kappa([1, 2, 3, 1], [1, 2, 3, 1])
    assert shown.value == 1 and shown.low is None and shown.high is None


def test_fleiss_kappa_is_that_of_r():
    # R: irr::kappam.fleiss(diagnoses)
    found, expected = inputs_and_results("fleiss_kappa")
    ratings = np.column_stack([column(found["csv"], f"rater{i}") for i in range(1, 7)])
    result = agreement.fleiss_kappa(ratings)
    assert isinstance(result, TestResult)
    assert result.statistic == pytest.approx(expected["kappa"], rel=1e-9)
    assert result.details["z"] == pytest.approx(expected["z"], rel=1e-9)
    assert isinstance(agreement.fleiss_kappa([[1, 1, 1]]), NotComputable)
    assert isinstance(agreement.fleiss_kappa([]), NotComputable)


def test_icc_of_shrout_and_fleiss():
    absolute, consistent = agreement.icc(JUDGES), agreement.icc(JUDGES, "consistency")
    assert isinstance(absolute, Estimate) and isinstance(consistent, Estimate)
    # mean squares of the paper's table 3: 11.24 between cases, 32.49 between judges, 1.02 residual
    assert absolute.value == pytest.approx(0.2897638, abs=5e-8)
    assert consistent.value == pytest.approx(0.7148407, abs=5e-8)
    assert (absolute.low, absolute.high) == pytest.approx((0.0188, 0.7611), abs=5e-4)
    assert (consistent.low, consistent.high) == pytest.approx((0.3425, 0.9459), abs=5e-4)


def test_icc_at_its_ends():
    x = np.arange(5.0)
    same = agreement.icc(np.column_stack([x, x]))
    assert same == Estimate(1.0, None, None, 5, "ICC(A,1)")
    shifted = np.column_stack([x, x + 3])
    assert agreement.icc(shifted, "consistency").value == 1
    assert agreement.icc(shifted).value < 0.5
    for wrong in ([], [[1, 2]], [[1], [2]], [[2, 2], [2, 2]], [[1, math.inf], [2, 3]]):
        assert isinstance(agreement.icc(wrong), NotComputable), wrong
    assert isinstance(agreement.icc([[1e308, 1], [2, 3]]), NotComputable)


@settings(deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(0, 50)] * 3), min_size=3, max_size=12),
    st.floats(0.1, 100),
    st.floats(-1000, 1000),
)
def test_icc_ignores_unit_and_origin(rows, scale, shift):
    values = np.array(rows, dtype=float)
    for definition in ("agreement", "consistency"):
        here = agreement.icc(values, definition)
        there = agreement.icc(values * scale + shift, definition)
        if isinstance(here, NotComputable) or isinstance(there, NotComputable):
            assert type(here) is type(there)
            continue
        assert there.value == pytest.approx(here.value, abs=1e-6)
        if here.low is not None:
            assert here.low <= here.value + 1e-12 and here.value <= here.high + 1e-12


def test_bland_altman_is_that_of_r():
    # R: mean(d) + c(-1.96, 1.96) * sd(d); sd * sqrt(1/n + 1.96^2 / (2 (n - 1)))
    found, expected = inputs_and_results("bland_altman")
    x, y = (column(found["csv"], found[side]) for side in ("x", "y"))
    result = agreement.bland_altman(x, y, unit="points")
    assert isinstance(result, BlandAltman)
    assert result.bias.value == pytest.approx(expected["bias"], rel=1e-9)
    assert result.sd == pytest.approx(expected["sd"], rel=1e-9)
    assert (result.lower.value, result.upper.value) == pytest.approx(expected["loa"], rel=1e-9)
    assert result.standard_error_of_limits == pytest.approx(expected["se_loa"], rel=1e-9)
    swapped = agreement.bland_altman(y, x)
    assert swapped.bias.value == pytest.approx(-result.bias.value)
    assert swapped.lower.low == pytest.approx(-result.upper.high)
    for wrong in (([], []), ([1], [2]), ([1, 2], [1]), ([1, math.inf], [1, 2])):
        assert isinstance(agreement.bland_altman(*wrong), NotComputable)
