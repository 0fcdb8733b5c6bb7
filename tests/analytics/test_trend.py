"""Trends: against R, against published data, and on series that must be refused."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.rank_trend import mann_kendall, seasonal_mann_kendall, sen_slope
from analytics.results import Estimate, NotComputable, TestResult
from analytics.trend import DoseTrend, PraisWinsten, dose_trend, percent_a_year, prais_winsten
from tests.analytics.oracle import case, column


def months(n: int, first: int = 2020 * 12) -> list[date]:
    return [date(m // 12, m % 12 + 1, 1) for m in range(first, first + n)]


def autocorrelated(rng: np.random.Generator, n: int, rho: float) -> np.ndarray:
    noise = rng.normal(size=n)
    noise[0] /= np.sqrt(1 - rho**2)
    for i in range(1, n):
        noise[i] += rho * noise[i - 1]
    return noise


@pytest.mark.parametrize(("value", "key"), [("dose2", "pw"), ("dose", "pw_no_trend_series")])
def test_prais_winsten_equals_r(value: str, key: str) -> None:
    """R: lm() on the transformed data with (n·r + 2)/(n − 4), floor 0, eight iterations."""
    expected = case("prais_winsten_trend")["expected"][key]
    fit = prais_winsten(np.arange(1, 121), column("ar1_120.csv", value))
    assert isinstance(fit, PraisWinsten)
    slope = fit.coefficients[1]
    assert fit.rho == pytest.approx(expected["rho"], rel=1e-6)
    assert fit.coefficients[0].value == pytest.approx(expected["intercept"], rel=1e-6)
    got = (slope.value, slope.standard_error, slope.t, slope.df, slope.p_value)
    want = tuple(expected[k] for k in ("slope", "se", "t", "df", "p"))
    assert got == pytest.approx(want, rel=1e-6)
    assert (slope.low, slope.high) == pytest.approx(tuple(expected["ci"]), rel=1e-6)


def test_mann_kendall_and_sen_equal_r() -> None:
    """R: trend::mk.test(x, continuity = TRUE); trend::sens.slope on trend::maxau."""
    expected, flow = case("mk_maxau")["expected"], column("maxau.csv", "q")
    test, sen = mann_kendall(flow), sen_slope(flow)
    assert isinstance(test, TestResult)
    assert isinstance(sen, Estimate)
    assert test.details["S"] == expected["S"]
    assert test.details["var_S"] == pytest.approx(expected["varS"])
    assert test.details["tau"] == pytest.approx(expected["tau"])
    assert (test.statistic, test.p_value) == pytest.approx((expected["z"], expected["p"]), rel=1e-6)
    got = (sen.value, sen.low, sen.high)
    assert got == pytest.approx((expected["sen"], *expected["sen_ci"]), rel=1e-6)


def test_mann_kendall_with_ties_equals_r() -> None:
    expected, dose = case("mk_ar1_no_trend")["expected"], column("ar1_120.csv", "dose")
    test = mann_kendall(dose)
    assert isinstance(test, TestResult)
    assert test.details["var_S"] == pytest.approx(expected["varS"], rel=1e-9)
    assert (test.statistic, test.p_value) == pytest.approx((expected["z"], expected["p"]), rel=1e-6)
    assert isinstance(mann_kendall(case("mk_constant")["input"]["x"]), NotComputable)


def test_seasonal_mann_kendall_equals_r() -> None:
    """R: trend::smk.test(nottem, continuity = TRUE); trend::sea.sens.slope(nottem)."""
    expected = case("smk_nottem")["expected"]
    test = seasonal_mann_kendall(column("nottem.csv", "temp"))
    assert isinstance(test, TestResult)
    assert test.details["S"] == expected["S"]
    assert test.details["var_S"] == pytest.approx(expected["varS"])
    assert (test.statistic, test.p_value) == pytest.approx((expected["z"], expected["p"]), rel=1e-6)
    assert test.details["sen_slope"] == pytest.approx(expected["seasonal_sen"], abs=1e-9)


def test_seasonal_test_bears_missing_months() -> None:
    temperature = column("nottem.csv", "temp")
    temperature[[3, 40, 41]] = np.nan
    test = seasonal_mann_kendall(temperature)
    assert isinstance(test, TestResult)
    assert test.n == 237


def test_exact_exponential_is_recovered_over_gaps_and_unusable_months() -> None:
    rng = np.random.default_rng(3)
    every = months(48)
    dose = 5 * 1.06 ** (np.arange(48) / 12) * np.exp(rng.normal(0, 1e-6, 48))
    dose[[5, 6, 7, 30]] = [0.0, np.nan, np.inf, -1.0]
    trend = dose_trend(every, dose)
    assert isinstance(trend, DoseTrend)
    assert trend.percent_per_year.value == pytest.approx(6.0, abs=1e-3)
    assert (trend.percent_per_year.n, trend.missing_months) == (44, 4)
    assert trend.seasonal
    assert len(trend.fitted) == len(trend.months) == 44
    assert isinstance(trend.sen_percent_per_year, Estimate)
    assert trend.sen_percent_per_year.value == pytest.approx(6.0, abs=1e-3)


def test_month_effects_explain_the_season() -> None:
    rng = np.random.default_rng(8)
    t = np.arange(60)
    dose = np.exp(0.3 * np.sin(2 * np.pi * t / 12) + rng.normal(0, 0.05, 60))
    trend = dose_trend(months(60), dose)
    assert isinstance(trend, DoseTrend)
    assert trend.percent_per_year.low is not None
    assert trend.percent_per_year.high is not None
    assert trend.percent_per_year.low < 0 < trend.percent_per_year.high
    assert trend.percent_per_year.high - trend.percent_per_year.low < 6


def test_order_of_the_months_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    dose = rng.lognormal(size=30)
    order = rng.permutation(30)
    every = months(30)
    assert dose_trend(every, dose) == dose_trend([every[i] for i in order], dose[order])


@pytest.mark.parametrize(
    ("dose", "reason"),
    [
        ([], "0 months with a value are fewer than 8"),
        ([1.0] * 7, "7 months"),
        ([0.0] * 30, "0 months"),
        ([float("nan")] * 30, "0 months"),
        ([2.5] * 12, "no variation left"),
        ([2.5] * 30, "no variation left"),
    ],
)
def test_refuses_with_a_reason(dose: list[float], reason: str) -> None:
    trend = dose_trend(months(len(dose)), dose)
    assert isinstance(trend, NotComputable)
    assert trend.reason.startswith("cannot be computed, because")
    assert reason in trend.reason


@pytest.mark.parametrize("n", [0, 1, 2])
def test_companions_refuse_tiny_series(n: int) -> None:
    values = [float(i) for i in range(n)]
    assert isinstance(mann_kendall(values), NotComputable)
    assert isinstance(sen_slope(values), NotComputable)
    assert isinstance(seasonal_mann_kendall(values), NotComputable)
    assert isinstance(prais_winsten(values, values), NotComputable)


def test_prais_winsten_refuses_unordered_times_and_dependent_columns() -> None:
    y = np.arange(10.0) ** 2
    assert "do not increase" in str(prais_winsten([0, 1, 2, 2, 3, 4, 5, 6, 7, 8], y))
    twice = np.column_stack([np.ones(10), np.ones(10)])
    assert "depend on each other" in str(prais_winsten(np.arange(10), y, twice))


@pytest.mark.parametrize(("rho", "n"), [(0.0, 36), (0.3, 60), (0.6, 60)])
def test_false_alarms_stay_near_five_per_cent(rho: float, n: int) -> None:
    """Type-I error over 300 seeded series without trend; plain Mann–Kendall reaches 0.3."""
    rng = np.random.default_rng(20261121)
    hits = plain = 0
    for _ in range(300):
        trend = dose_trend(months(n), np.exp(0.1 * autocorrelated(rng, n, rho)))
        assert isinstance(trend, DoseTrend)
        assert isinstance(trend.mann_kendall, TestResult)
        hits += trend.test.p_value < 0.05
        plain += trend.mann_kendall.p_value < 0.05
    assert hits / 300 < 0.10
    if rho == 0.6:
        assert plain / 300 > 0.2


@given(
    st.lists(st.floats(0.01, 100), min_size=12, max_size=40, unique=True),
    st.floats(0.001, 1000),
)
def test_trend_in_per_cent_does_not_depend_on_the_unit(dose: list[float], factor: float) -> None:
    one = dose_trend(months(len(dose)), dose)
    other = dose_trend(months(len(dose)), np.array(dose) * factor)
    if isinstance(one, NotComputable):
        assert isinstance(other, NotComputable)
        return
    assert isinstance(other, DoseTrend)
    assert other.percent_per_year.value == pytest.approx(
        one.percent_per_year.value, rel=1e-5, abs=1e-5
    )


@given(st.lists(st.integers(-5, 5), min_size=3, max_size=30))
def test_reversing_a_series_reverses_its_trend(values: list[int]) -> None:
    forth, back = mann_kendall(values), mann_kendall(values[::-1])
    if isinstance(forth, NotComputable):
        assert isinstance(back, NotComputable)
        return
    assert isinstance(back, TestResult)
    assert forth.statistic == pytest.approx(-back.statistic)
    assert forth.p_value == pytest.approx(back.p_value)


def test_per_cent_a_year() -> None:
    assert percent_a_year(np.log(1.1) / 12) == pytest.approx(10.0)
