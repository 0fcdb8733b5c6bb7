"""Rates per exposure against R."""

import math

import polars as pl
import pytest
from scipy import stats

from analytics import rates
from analytics.compare import compare
from analytics.results import Estimate, NotComputable, TestResult
from tests.analytics.oracle import case


@pytest.mark.parametrize("name", ["rate_0_1200", "rate_7_1200"])
def test_a_rate_is_that_of_r(name):
    # R: poisson.test(x, T)
    found = case(name)
    shown = rates.rate(found["input"]["events"], found["input"]["exposure"])
    assert isinstance(shown, Estimate)
    expected = [found["expected"]["rate"], *found["expected"]["ci"]]
    assert [shown.value, shown.low, shown.high] == pytest.approx(expected, rel=1e-9)


def test_two_rates_are_those_of_rs_manual():
    # R: poisson.test(c(11, 6 + 8 + 7), c(800, 1083 + 1050 + 878)); printed in ?poisson.test's
    # output: p-value = 0.07967, rate ratio 1.971488, interval 0.8584264 to 4.2772659
    test, ratio = rates.rate_test(11, 800, 21, 3011), rates.rate_ratio(11, 800, 21, 3011)
    assert isinstance(test, TestResult) and isinstance(ratio, Estimate)
    assert test.p_value == pytest.approx(0.07967, abs=5e-6)
    assert ratio.value == pytest.approx(1.971488, abs=5e-7)
    assert [ratio.low, ratio.high] == pytest.approx([0.8584264, 4.2772659], abs=5e-6)


def test_zero_events_bound_the_ratio_on_one_side():
    none_first, none_second = rates.rate_ratio(0, 100, 4, 100), rates.rate_ratio(4, 100, 0, 100)
    assert isinstance(none_first, Estimate) and isinstance(none_second, Estimate)
    assert none_first.low == 0 and none_first.high is not None and none_first.high < math.inf
    assert none_second.high == math.inf and none_second.low == pytest.approx(1 / none_first.high)
    assert isinstance(rates.rate_ratio(0, 100, 0, 100), NotComputable)


@pytest.mark.parametrize("events, exposure", [(1, 0), (1, -2), (-1, 5), (1.5, 5), (1, math.inf)])
def test_impossible_rates_are_refused(events, exposure):
    assert isinstance(rates.rate(events, exposure), NotComputable)


def frame(rows: list[tuple[str, float | None, float]]) -> pl.DataFrame:
    schema = {"group": pl.String, "value": pl.Float64, "exposure": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_a_comparison_of_two_rates_gives_ratio_before_p():
    found = compare(frame([("a", 11, 800), ("b", 21, 3011), ("b", None, 5)]), "rate", "Events")
    assert found.method == "exact conditional Poisson"
    assert "rate ratio 1.97 (95 % CI 0.858 to 4.28" in found.sentence
    assert "a 11 events in 800.0 v b 21 events in 3 011" in found.sentence
    assert "Left out: 1 records" in found.sentence
    assert "do not show a difference" in found.sentence


def test_several_rates_are_compared_in_pairs():
    found = compare(frame([("a", 30, 100), ("b", 50, 100), ("c", 40, 100)]), "rate", "Events")
    assert isinstance(found.test, TestResult) and len(found.pairs) == 3
    assert found.test.p_value == pytest.approx(stats.chisquare([30, 50, 40]).pvalue)
    sparse = compare(frame([("a", 1, 10), ("b", 2, 10), ("c", 0, 10)]), "rate", "Events")
    assert isinstance(sparse.test, NotComputable) and sparse.pairs


@pytest.mark.parametrize(
    "rows", [[], [("a", 1, 10)], [("a", 0, 10), ("b", 0, 10)], [("a", 1, 0), ("b", 1, 5)]]
)
def test_rates_without_an_answer_say_why(rows):
    found = compare(frame(rows), "rate", "Events")
    assert isinstance(found.test, NotComputable)
    assert "because" in found.sentence
