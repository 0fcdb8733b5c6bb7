"""Funnel limits against R, overdispersion, positions."""

import numpy as np
import pytest

from analytics.funnel import Funnel, binomial_limits, log_dose_funnel, proportion_funnel
from analytics.results import NotComputable
from tests.analytics.oracle import case


def test_binomial_limits_equal_r() -> None:
    """R: r = qbinom(p, n, p0); a = (pbinom(r) − p)/dbinom(r); (r − a)/n, clipped at 0."""
    funnel = case("funnel_limits")
    expected = funnel["expected"]
    limits = binomial_limits(funnel["input"]["n"], funnel["input"]["target"])
    assert limits.low95 == pytest.approx(expected["lo95"], rel=1e-6, abs=1e-12)
    assert limits.high95 == pytest.approx(expected["hi95"], rel=1e-6)
    assert limits.low998 == pytest.approx(expected["lo998"], rel=1e-6, abs=1e-12)
    assert limits.high998 == pytest.approx(expected["hi998"], rel=1e-6)


def test_units_keep_their_order_and_small_ones_get_no_verdict() -> None:
    funnel = proportion_funnel(["b", "a", "c"], [30, 5, 2], [100, 100, 9])
    assert isinstance(funnel, Funnel)
    assert [u.name for u in funnel.units] == ["b", "a", "c"]
    assert [u.position for u in funnel.units] == ["above 99.8 %", "below 99.8 %", "too few"]
    assert funnel.target == pytest.approx(37 / 209)


def test_log_dose_limits_are_1_96_and_3_09_standard_errors() -> None:
    funnel = log_dose_funnel(["a", "b", "c"], [0.0, 0.3, -0.7], [100, 25, 16], sd=0.8, target=0.0)
    assert isinstance(funnel, Funnel)
    assert funnel.limits.high95[0] == pytest.approx(1.96 * 0.08, rel=1e-3)
    assert funnel.limits.low998[2] == pytest.approx(-3.09 * 0.2, rel=1e-3)
    assert [u.position for u in funnel.units] == ["within", "within", "below 99.8 %"]


def test_overdispersion_widens_the_limits() -> None:
    rng = np.random.default_rng(3)
    names = [f"room {i}" for i in range(40)]
    scattered = rng.normal(0, 0.3, 40)
    wide = log_dose_funnel(names, scattered, [100] * 40, sd=0.5)
    narrow = log_dose_funnel(names, scattered, [100] * 40, sd=0.5, widen=False)
    assert isinstance(wide, Funnel)
    assert isinstance(narrow, Funnel)
    assert wide.phi > 5
    assert wide.phi == narrow.phi
    assert narrow.phi_used == 1
    assert wide.heterogeneity_p is not None
    assert wide.heterogeneity_p < 1e-6
    outside = [sum(u.position != "within" for u in f.units) for f in (wide, narrow)]
    assert outside[0] < 8 < outside[1]


def test_chance_alone_is_no_overdispersion() -> None:
    rng = np.random.default_rng(4)
    widened = alarms = 0
    for _ in range(100):
        n = rng.integers(30, 300, 30)
        events = rng.binomial(n, 0.1)
        funnel = proportion_funnel([str(i) for i in range(30)], events, n, target=0.1)
        assert isinstance(funnel, Funnel)
        widened += funnel.phi_used > 1
        alarms += sum("99.8" in u.position for u in funnel.units)
    assert widened <= 10
    assert alarms / 3000 < 0.01


def test_refuses() -> None:
    assert isinstance(proportion_funnel([], [], []), NotComputable)
    assert isinstance(proportion_funnel(["a"], [0], [20]), NotComputable)
    assert "outside its cases" in str(proportion_funnel(["a"], [21], [20]))
    assert "do not match" in str(proportion_funnel(["a", "b"], [1], [20]))
    assert isinstance(log_dose_funnel(["a"], [np.nan], [20], 1.0), NotComputable)
    assert isinstance(log_dose_funnel(["a"], [1.0], [20], 0.0), NotComputable)
    with pytest.raises(ValueError, match="between 0 and 1"):
        binomial_limits([10], 0.0)
    with pytest.raises(ValueError, match="at least 1"):
        binomial_limits([0], 0.5)
