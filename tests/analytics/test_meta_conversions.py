"""Mean and SD from printed medians against published formulas and known distributions."""

import math

import numpy as np
import pytest
from scipy import stats

from analytics.meta_conversions import MeanSd, luo_wan, mcgrath
from analytics.results import NotComputable
from tests.analytics.oracle import inputs_and_results


def converted(result) -> MeanSd:
    assert isinstance(result, MeanSd), result
    return result


def test_luo_and_wan_are_those_of_metafor():
    # R: metafor::conv.fivenum (Luo 2018 eqs 7 and 15, Wan 2014)
    found, expected = inputs_and_results("median_iqr_to_mean_sd")
    quartiles, ends = found["s2"], found["s1"]
    two = converted(luo_wan(quartiles["m"], quartiles["n"], quartiles["q1"], quartiles["q3"]))
    assert (two.mean, two.sd) == pytest.approx((expected["s2"]["mean"], expected["s2"]["sd"]))
    one = converted(luo_wan(ends["m"], ends["n"], minimum=ends["min"], maximum=ends["max"]))
    assert (one.mean, one.sd) == pytest.approx((expected["s1"]["mean"], expected["s1"]["sd"]))


def test_symmetric_values_keep_their_middle():
    five = converted(luo_wan(50, 80, 40, 60, 10, 90))
    assert five.mean == pytest.approx(50)
    low = converted(luo_wan(50, 80, 40, 60)).sd
    high = converted(luo_wan(50, 80, minimum=10, maximum=90)).sd
    assert min(low, high) < five.sd < max(low, high)


@pytest.mark.parametrize(
    ("distribution", "name"),
    [
        (stats.norm(50, 8), "normal"),
        (stats.lognorm(0.6, scale=300), "log-normal"),
        (stats.gamma(2.0, scale=40), "gamma"),
        (stats.weibull_min(1.3, scale=12), "Weibull"),
    ],
)
def test_quantile_estimation_finds_a_distribution_from_its_quantiles(distribution, name):
    n = 60
    minimum, q1, median, q3, maximum = distribution.ppf([1 / n, 0.25, 0.5, 0.75, 1 - 1 / n])
    shown = converted(mcgrath(median, n, q1, q3, minimum, maximum))
    assert name in shown.method
    assert shown.mean == pytest.approx(distribution.mean(), rel=1e-4)
    assert shown.sd == pytest.approx(distribution.std(), rel=1e-3)


def test_conversions_move_with_the_unit():
    for function in (luo_wan, mcgrath):
        here = converted(function(350, 100, 240, 520))
        there = converted(function(0.35, 100, 0.24, 0.52))
        assert there.mean == pytest.approx(here.mean / 1000, rel=1e-5)
        assert there.sd == pytest.approx(here.sd / 1000, rel=1e-5)


def test_skewed_values_are_nearer_with_mcgrath():
    sample = np.random.default_rng(5).lognormal(5.8, 0.7, 2000)
    q1, median, q3 = np.quantile(sample, [0.25, 0.5, 0.75])
    fitted = converted(mcgrath(median, 2000, q1, q3))
    plain = converted(luo_wan(median, 2000, q1, q3))
    assert abs(fitted.mean - sample.mean()) < abs(plain.mean - sample.mean())


@pytest.mark.parametrize("function", [luo_wan, mcgrath])
def test_unusable_print_is_refused(function):
    assert "neither quartiles nor range" in function(5, 50).reason
    assert "not in order" in function(5, 50, 6, 8).reason
    assert "fewer than three patients" in function(5, 2, 4, 8).reason
    assert "do not spread" in function(5, 50, 5, 5).reason
    for bad in (math.nan, math.inf, 1e308):
        assert isinstance(function(5, 50, 3, bad), NotComputable)
        assert isinstance(function(5, bad, 3, 8), NotComputable)
