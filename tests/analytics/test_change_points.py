"""Changes of level: against R on published data, intervals, recorded changes."""

from datetime import date

import numpy as np
import pytest

from analytics.change_points import (
    BeforeAfter,
    Segmentation,
    before_after,
    change_points,
    pettitt,
)
from analytics.results import Estimate, NotComputable, TestResult
from tests.analytics.oracle import case, column
from tests.analytics.test_trend import autocorrelated, months


def test_nile_changed_after_1898_as_r_says() -> None:
    """R: strucchange::breakpoints(Nile ~ 1); trend::pettitt.test(Nile)."""
    expected, flow = case("changepoint_nile")["expected"], column("nile.csv", "flow")
    found = change_points(flow)
    assert isinstance(found, Segmentation)
    (change,) = found.changes
    assert change.index == expected["bic_breaks"]
    assert (change.before, change.after) == pytest.approx(
        (expected["mean_before"], expected["mean_after"]), rel=1e-9
    )
    assert found.residual_sum_of_squares == pytest.approx(expected["rss_1break"], rel=1e-9)
    assert change.low <= 28 <= change.high
    assert change.high - change.low < 10
    test = pettitt(flow)
    assert isinstance(test, TestResult)
    assert test.statistic == expected["pettitt_U"]
    assert test.p_value == pytest.approx(expected["pettitt_p"], rel=1e-6)
    assert test.details["index"] == expected["pettitt_k"]


def test_pettitt_on_maxau_equals_r() -> None:
    expected, test = case("mk_maxau")["expected"], pettitt(column("maxau.csv", "q"))
    assert isinstance(test, TestResult)
    assert test.statistic == expected["pettitt_U"]
    assert test.p_value == pytest.approx(expected["pettitt_p"], rel=1e-6)
    assert test.details["index"] == expected["pettitt_k"]


def test_partition_is_the_best_of_all() -> None:
    """Against every way to cut a short series in up to three."""
    rng = np.random.default_rng(5)
    y = np.concatenate([rng.normal(m, 0.3, 6) for m in (0, 3, 1)])
    found = change_points(y, min_length=3, autocorrelated=False)
    assert isinstance(found, Segmentation)
    cuts = [(a, b) for a in range(3, 13) for b in range(a + 3, 16)]
    best = min(cuts, key=lambda c: sum(float(p.var() * p.size) for p in np.split(y, c)))
    assert tuple(c.index for c in found.changes) == best == (6, 12)


def test_intervals_hold_the_true_place() -> None:
    """200 seeded series with one shift of two standard deviations at 30."""
    rng = np.random.default_rng(7)
    inside = found_one = 0
    for _ in range(200):
        y = rng.normal(size=60) + np.repeat([0, 2], 30)
        found = change_points(y, autocorrelated=False)
        assert isinstance(found, Segmentation)
        if len(found.changes) == 1:
            found_one += 1
            inside += found.changes[0].low <= 30 <= found.changes[0].high
    assert found_one > 150
    assert inside / found_one > 0.90


def test_autocorrelation_is_no_change() -> None:
    """At rho 0.6 the raised penalty keeps false changes rare; without it they are common."""
    rng = np.random.default_rng(11)
    raised = plain = 0
    for _ in range(150):
        y = autocorrelated(rng, 60, 0.6)
        with_rho, without = change_points(y), change_points(y, autocorrelated=False)
        assert isinstance(with_rho, Segmentation)
        assert isinstance(without, Segmentation)
        raised += bool(with_rho.changes)
        plain += bool(without.changes)
    assert raised / 150 < 0.12
    assert plain > 2 * raised


@pytest.mark.parametrize(
    "y", [[], [1.0], [1.0, 2.0], [3.0] * 40, [np.nan] * 40, [np.inf, *([1.0] * 30)]]
)
def test_refuses(y: list[float]) -> None:
    assert isinstance(change_points(y), NotComputable)
    assert isinstance(pettitt(y), NotComputable)


def test_mostly_constant_series_with_a_step() -> None:
    found = change_points([1.0] * 20 + [2.0] * 20)
    assert isinstance(found, Segmentation)
    assert [c.index for c in found.changes] == [20]


def test_recorded_change_is_measured() -> None:
    rng = np.random.default_rng(2)
    dose = np.exp(rng.normal(0, 0.05, 36)) * np.where(np.arange(36) < 18, 10.0, 7.0)
    result = before_after(months(36), dose, date(2021, 7, 1))
    assert isinstance(result, BeforeAfter)
    assert result.percent_change.value == pytest.approx(-30, abs=2.5)
    assert result.percent_change.low is not None
    assert result.percent_change.high is not None
    assert result.percent_change.low < -30 < result.percent_change.high
    assert (result.n_before, result.n_after) == (18, 18)
    assert isinstance(result.percent_change_given_trend, Estimate)


def test_the_month_of_the_change_is_left_out_when_it_is_mixed() -> None:
    dose = np.random.default_rng(2).lognormal(size=36)
    result = before_after(months(36), dose, date(2021, 7, 15))
    assert isinstance(result, BeforeAfter)
    assert (result.n_before, result.n_after) == (18, 17)


def test_a_falling_dose_is_no_effect_of_the_change() -> None:
    rng = np.random.default_rng(4)
    dose = np.exp(-0.02 * np.arange(48) + rng.normal(0, 0.03, 48))
    result = before_after(months(48), dose, date(2022, 1, 1))
    assert isinstance(result, BeforeAfter)
    given_trend = result.percent_change_given_trend
    assert isinstance(given_trend, Estimate)
    assert given_trend.low is not None
    assert given_trend.high is not None
    assert given_trend.low < 0 < given_trend.high


def test_too_few_months_on_one_side() -> None:
    result = before_after(months(20), [1.0, 2.0] * 10, date(2021, 6, 1))
    assert isinstance(result, NotComputable)
    assert "17 months before and 3 after" in result.reason
