"""Control charts against R's qcc, run rules, frozen baselines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.attribute_charts import g_chart, p_chart, u_chart
from analytics.control_charts import (
    Chart,
    Signal,
    moving_ranges,
    rebaselined,
    run_signals,
    subgroup_means,
    xmr,
)
from analytics.results import NotComputable
from analytics.smoothed_charts import Cusum, cusum, ewma
from tests.analytics.oracle import case, column


def test_xmr_equals_qcc_on_montgomerys_viscosity() -> None:
    """R: qcc(x, type = "xbar.one"), d2 rounded to 1.128."""
    viscosity = case("xmr_viscosity")
    x, expected = viscosity["input"]["x"], viscosity["expected"]
    chart, ranges = xmr(x), moving_ranges(x)
    assert isinstance(chart, Chart)
    assert isinstance(ranges, Chart)
    got = (chart.centre[0], chart.sigma[0], chart.low[0], chart.high[0])
    want = tuple(expected[k] for k in ("center", "sd", "lcl", "ucl"))
    assert got == pytest.approx(want, rel=1e-9)
    assert (ranges.centre[0], ranges.high[0]) == pytest.approx(
        (expected["mr_bar"], expected["mr_ucl"]), rel=1e-9
    )
    assert chart.high[0] - chart.centre[0] == pytest.approx(2.66 * expected["mr_bar"], rel=1e-3)


def test_ewma_equals_qcc_on_pistonrings() -> None:
    """R: qcc::ewma(diameter[1:25,], lambda = .2, nsigmas = 2.7, newdata = diameter[26:40,])."""
    expected = case("ewma_pistonrings")["expected"]
    rings = np.column_stack([column("pistonrings.csv", f"X{i}") for i in range(1, 6)])
    chart = ewma(rings.mean(axis=1), 0.2, 2.7, (0, 25), sigma=expected["sd"] / np.sqrt(5))
    assert isinstance(chart, Chart)
    assert chart.centre[0] == pytest.approx(expected["center"], rel=1e-12)
    for line, key in ((chart.points, "y"), (chart.low, "lcl"), (chart.high, "ucl")):
        assert line == pytest.approx(expected[key], rel=1e-9)
    assert [s.index for s in chart.signals] == [34, 36, 37, 38, 39]


def test_p_and_u_charts_equal_qcc() -> None:
    juice, pc = case("p_chart_orangejuice"), case("u_chart_pc")
    p = p_chart(juice["input"]["d"], juice["input"]["n"])
    u = u_chart(pc["input"]["x"], pc["input"]["n"])
    for chart, expected in ((p, juice["expected"]), (u, pc["expected"])):
        assert isinstance(chart, Chart)
        got = (chart.centre[0], chart.low[0], chart.high[0])
        assert got == pytest.approx(tuple(expected[k] for k in ("center", "lcl", "ucl")), rel=1e-6)


def test_median_range_is_not_widened_by_one_outlier() -> None:
    x = np.random.default_rng(0).normal(size=40)
    x[20] = 50
    robust, plain = xmr(x, sigma="median_range"), xmr(x)
    assert isinstance(robust, Chart)
    assert isinstance(plain, Chart)
    assert robust.sigma[0] < 1.5
    assert plain.sigma[0] > 2.5
    assert any(s == Signal(20, "beyond 3 sigma", "above") for s in robust.signals)


def test_run_rules() -> None:
    assert run_signals([0, 3.1, 0]) == (Signal(1, "beyond 3 sigma", "above"),)
    assert run_signals([0, -2.5, 0.5, -2.1]) == (Signal(3, "two of three beyond 2 sigma", "below"),)
    assert run_signals([2.5, -2.5, 2.5]) == (Signal(2, "two of three beyond 2 sigma", "above"),)
    eight = Signal(7, "8 in a row on one side", "above")
    assert run_signals([0.1] * 12) == (eight,)
    assert run_signals([0.1] * 7 + [float("nan")] + [0.1] * 7) == ()
    assert run_signals([]) == ()


def test_frozen_baseline_shows_the_drift_that_a_moving_one_hides() -> None:
    rng = np.random.default_rng(6)
    x = np.concatenate([rng.normal(0, 1, 24), rng.normal(4, 1, 12)])
    frozen = xmr(x, (0, 24))
    assert isinstance(frozen, Chart)
    first = min(s.index for s in frozen.signals)
    assert 24 <= first <= 26
    assert frozen.baseline == (0, 24)


def test_rebaselining_at_a_recorded_change_ends_the_signals() -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(0, 1, 40), rng.normal(3, 1, 40), [3.0] * 3])
    chart = rebaselined(x, [40, 80])
    assert isinstance(chart, Chart)
    assert not any(40 <= s.index < 50 for s in chart.signals)
    assert (chart.baseline, chart.note) == ((40, 64), "2 of 3 phases have limits")
    assert chart.centre[0] != chart.centre[40]
    assert np.isnan(chart.centre[82])
    without = rebaselined(x, [])
    assert isinstance(without, Chart)
    assert any(40 <= s.index < 50 for s in without.signals)


def test_limits_of_monthly_means_narrow_with_n() -> None:
    chart = subgroup_means([0.0] * 9 + [0.5], [25] * 9 + [400], sd=0.5)
    assert isinstance(chart, Chart)
    assert chart.sigma[0] == pytest.approx(0.1)
    assert chart.sigma[9] == pytest.approx(0.025)
    empty = subgroup_means([0.0] * 9 + [float("nan")], [25] * 9 + [0], sd=0.5)
    assert isinstance(empty, Chart)
    assert np.isnan(empty.sigma[9])


def test_cusum_by_hand() -> None:
    """Page's recursion: max(0, S + z − k) with k half the shift."""
    x = [0.0, 1.0] * 6 + [5.0, 5.0, 5.0]
    result = cusum(x, baseline=(0, 12))
    assert isinstance(result, Cusum)
    sigma = 1 / 1.128
    assert (result.centre, result.sigma) == pytest.approx((0.5, sigma))
    step = 4.5 / sigma - 0.5
    start = result.above[11]
    assert result.above[12] == pytest.approx(start + step)
    assert result.above[14] == pytest.approx(start + 3 * step)
    assert [s.side for s in result.signals] == ["above"]


def test_cusum_and_ewma_keep_their_value_over_a_gap() -> None:
    x = np.array([0.0, 1.0] * 6 + [2.0, np.nan, 2.0])
    summed, averaged = cusum(x), ewma(x)
    assert isinstance(summed, Cusum)
    assert isinstance(averaged, Chart)
    assert summed.above[13] == summed.above[12]
    assert averaged.points[13] == averaged.points[12]


def test_g_chart_limits_are_geometric_quantiles() -> None:
    """With mean 99, p = 0.01: P(X > high) = 0.99^(high + 1) = 0.00135."""
    chart = g_chart([99] * 20)
    assert isinstance(chart, Chart)
    assert 0.99 ** (chart.high[0] + 1) == pytest.approx(0.00135)
    assert 0.99 ** (chart.centre[0] + 1) == pytest.approx(0.5)
    assert chart.low[0] == 0
    close = g_chart([99] * 20 + [3] * 8, (0, 20))
    assert isinstance(close, Chart)
    assert [(s.index, s.side) for s in close.signals if s.side == "below"] == [(27, "below")]


@pytest.mark.parametrize("x", [[], [1.0], [1.0, 2.0], [4.0] * 20, [np.nan] * 20, [np.inf] * 20])
def test_charts_refuse(x: list[float]) -> None:
    assert isinstance(xmr(x), NotComputable)
    assert isinstance(ewma(x), NotComputable)
    assert isinstance(cusum(x), NotComputable)
    assert isinstance(rebaselined(x, [3]), NotComputable)


def test_attribute_charts_refuse_impossible_counts() -> None:
    assert "outside" in str(p_chart([5] * 10, [4] * 10))
    assert "no events" in str(p_chart([0] * 10, [40] * 10))
    assert "do not match" in str(u_chart([1] * 10, [4] * 9))
    assert isinstance(g_chart([0] * 20), NotComputable)
    assert isinstance(g_chart([-1, *[5] * 20]), NotComputable)
    few = p_chart([1, 0, 1, 0, 1, 0, 1, 0], [20] * 8)
    assert isinstance(few, Chart)
    assert "fewer than five" in few.note
    assert min(few.low) == 0


def test_baseline_outside_the_points_is_refused() -> None:
    assert "no baseline 5–99" in str(xmr(np.arange(20.0), (5, 99)))


@given(st.lists(st.floats(-100, 100), min_size=10, max_size=40), st.floats(0.1, 50))
def test_signals_do_not_depend_on_the_scale(x: list[float], factor: float) -> None:
    one, other = xmr(x), xmr(np.array(x) * factor)
    if isinstance(one, NotComputable) or isinstance(other, NotComputable):
        return
    assert other.sigma == pytest.approx(np.array(one.sigma) * factor)
    assert other.high == pytest.approx(np.array(one.high) * factor, abs=1e-9)


def test_clean_series_seldom_signal() -> None:
    """False alarms of the 3-sigma rule on 20,000 clean points: about 0.27 %."""
    rng = np.random.default_rng(9)
    signals = run_signals(rng.normal(size=20_000))
    beyond = sum(s.rule == "beyond 3 sigma" for s in signals)
    assert 25 < beyond < 90
