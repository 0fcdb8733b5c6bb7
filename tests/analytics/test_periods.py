"""A period against the one before: levels, changes with intervals, what is too little to show."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analytics.periods import (
    FEWEST,
    count_ratio,
    median_course,
    median_ratio,
    share_course,
    volume_course,
)
from analytics.results import Estimate, NotComputable


def test_median_ratio_by_hand() -> None:
    """Price & Bonett: ranks 13/2 − √13 → 3 and 11 of 13, 10/2 − √10 → 2 and 9 of 10."""
    x = [32, 39, 26, 35, 43, 27, 40, 37, 34, 29, 49, 42, 40]
    y = [36, 44, 47, 42, 49, 39, 46, 31, 33, 48]
    found = median_ratio(x, y)
    assert isinstance(found, Estimate)

    def variance(values: list[int], rank: int) -> float:
        ordered = sorted(values)
        z = stats.norm.isf(stats.binom.cdf(rank - 1, len(values), 0.5))
        return (np.log(ordered[-rank] / ordered[rank - 1]) / (2 * z)) ** 2

    half = 1.959964 * np.sqrt(variance(x, 3) + variance(y, 2))
    assert found.value == pytest.approx(37 / 43)
    assert found.low == pytest.approx(37 / 43 * np.exp(-half), rel=1e-6)
    assert found.high == pytest.approx(37 / 43 * np.exp(half), rel=1e-6)


def test_median_ratio_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(600):
        found = median_ratio(rng.lognormal(0.2, 0.8, 80), rng.lognormal(0, 0.5, 50))
        assert isinstance(found, Estimate) and found.low is not None and found.high is not None
        hits += found.low <= np.exp(0.2) <= found.high
    assert 0.93 <= hits / 600 <= 0.98


@given(st.lists(st.floats(0.01, 1e6), min_size=5, max_size=40), st.floats(0.1, 10))
def test_median_ratio_swaps_and_scales(values: list[float], factor: float) -> None:
    other = [value * factor for value in values]
    found, swapped = median_ratio(other, values), median_ratio(values, other)
    assert isinstance(found, Estimate) and isinstance(swapped, Estimate)
    assert found.value == pytest.approx(factor)
    assert swapped.low is not None and found.high == pytest.approx(1 / swapped.low)
    assert found.low is not None and found.high is not None
    assert found.low <= found.value <= found.high


@pytest.mark.parametrize(
    ("x", "y"), [([1, 2, 3, 4], [1] * 9), ([0] * 9, [1] * 9), ([np.inf] * 9, [1] * 9), ([], [])]
)
def test_median_ratio_refuses(x: list[float], y: list[float]) -> None:
    assert isinstance(median_ratio(x, y), NotComputable)


def test_count_ratio_is_conditional_and_exact() -> None:
    """Given the sum, the first count is binomial: Clopper and Pearson by quantiles of beta."""
    found = count_ratio(11, 21)
    assert isinstance(found, Estimate) and found.low is not None and found.high is not None
    assert found.value == pytest.approx(11 / 21)
    low = stats.beta.ppf(0.025, 11, 22)
    high = stats.beta.ppf(0.975, 12, 21)
    assert (found.low, found.high) == pytest.approx((low / (1 - low), high / (1 - high)))
    assert isinstance(count_ratio(5, 0), NotComputable)
    nothing = count_ratio(0, 5)
    assert isinstance(nothing, Estimate) and nothing.low == 0


VALUES = pl.DataFrame(
    {
        "measure": ["kap_gycm2"] * 4,
        "is_current": [True, True, False, False],
        "value": [1.0, 2.0, 1.0, 3.0],
        "n": [12, 8, 5, 15],
    }
)
MONTHS = pl.DataFrame(
    {
        "measure": ["kap_gycm2"] * 2,
        "month": [date(2026, 2, 1), date(2026, 1, 1)],
        "median": [1.5, 2.5],
        "n": [FEWEST - 1, FEWEST],
    }
)


def test_median_course() -> None:
    course = median_course(VALUES, MONTHS, "kap_gycm2", "Gy·cm²")
    assert isinstance(course.level, Estimate) and isinstance(course.change, Estimate)
    assert (course.level.value, course.level.n, course.level.unit) == (1.0, 20, "Gy·cm²")
    assert course.change.value == pytest.approx(1 / 3)
    assert course.months == ((date(2026, 1, 1), 2.5), (date(2026, 2, 1), None))


def test_too_few_values_are_not_summarised() -> None:
    few = VALUES.with_columns(n=pl.lit(4))
    course = median_course(few, MONTHS, "kap_gycm2", "")
    assert course.level == NotComputable("too few values (n = 8)", 8)
    assert median_course(VALUES, MONTHS, "dlp_mgycm", "").level == NotComputable("no value", 0)
    only_now = median_course(VALUES.filter(pl.col("is_current")), MONTHS, "kap_gycm2", "")
    assert only_now.change == NotComputable("no value before", 0)


COUNTS = pl.DataFrame(
    {
        "month": [date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)],
        "is_current": [False, True, True],
        "n": [100, 50, 60],
        "events": [10, 2, 3],
        "known": [100, 50, 50],
    }
)


def test_share_course() -> None:
    course = share_course(COUNTS, "events", "known")
    assert isinstance(course.level, Estimate) and isinstance(course.change, Estimate)
    assert course.level.value == 0.05 and course.level.n == 100
    assert course.change.value == pytest.approx(-0.05)
    assert [value for _, value in course.months] == [0.1, 0.04, 0.06]


def test_volume_course_leaves_out_cut_months() -> None:
    course = volume_course(COUNTS, date(2026, 1, 1), date(2026, 3, 20))
    assert isinstance(course.level, Estimate) and isinstance(course.change, Estimate)
    assert course.level.value == 110 and course.change.value == 1.1
    assert course.months == ((date(2026, 1, 1), 100.0), (date(2026, 2, 1), 50.0))
