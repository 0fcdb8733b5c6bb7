"""Planning takes over what was seen and answers with the power functions that R confirms."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import power as of
from analytics.compare import compare
from analytics.comparison import Comparison, Kind
from analytics.planning import Plan, plan
from analytics.results import Estimate, NotComputable

RNG = np.random.default_rng(8)
FIRST, SECOND = RNG.lognormal(3, 0.4, 40), RNG.lognormal(3.1, 0.5, 60)


def compared(kind: Kind, first: object, second: object) -> Comparison:
    values = [np.asarray(side, dtype=float) for side in (first, second)]
    names = [name for name, side in zip("ab", values, strict=True) for _ in side]
    frame = pl.DataFrame(
        {"group": pl.Series(names, dtype=pl.String), "value": np.concatenate(values)}
    )
    return compare(frame, kind, "made", "min")


def planned(found: Plan | NotComputable | None) -> Plan:
    assert isinstance(found, Plan), found
    return found


def value(found: Estimate | NotComputable) -> float:
    assert isinstance(found, Estimate), found
    return found.value


def pooled(first: np.ndarray, second: np.ndarray) -> float:
    squares = (len(first) - 1) * first.var(ddof=1) + (len(second) - 1) * second.var(ddof=1)
    return math.sqrt(squares / (len(first) + len(second) - 2))


def test_a_ratio_is_planned_on_logarithms() -> None:
    sd = pooled(np.log(FIRST), np.log(SECOND))
    found = planned(plan(compared("duration", FIRST, SECOND), 1.3))
    assert value(found.size) == pytest.approx(value(of.t_sample_size(math.log(1.3), sd)), rel=1e-9)
    assert value(found.power) == pytest.approx(value(of.t_power(40, 60, math.log(1.3), sd)))
    assert value(found.smallest) == pytest.approx(value(of.smallest_ratio(40, 60, sd)))


def test_ranks_ask_for_more_patients_and_shares_take_over_the_first() -> None:
    scores = RNG.integers(0, 11, 50), RNG.integers(0, 11, 50)
    found = planned(plan(compared("score", *scores), 1.0))
    sd = pooled(*(s.astype(float) for s in scores))
    assert value(found.size) == pytest.approx(value(of.t_sample_size(1.0, sd)) * math.pi / 3)
    events = [1] * 10 + [0] * 90
    found = planned(plan(compared("binary", events, events), 0.1))
    assert value(found.size) == pytest.approx(value(of.proportion_sample_size(0.1, 0.2)))
    assert value(found.power) == pytest.approx(value(of.proportion_power(100, 0.1, 0.2)))


@given(st.floats(1.02, 5), st.floats(0.5, 0.99), st.floats(0.001, 0.2))
@settings(max_examples=40, deadline=None)
def test_size_and_power_answer_each_other(ratio: float, power: float, alpha: float) -> None:
    comparison = compared("duration", FIRST, SECOND)
    found = planned(plan(comparison, ratio, power, alpha))
    sd = pooled(np.log(FIRST), np.log(SECOND))
    each = value(found.size)
    reached = value(of.t_power(each, each, math.log(ratio), sd, alpha))
    assert reached >= power - 1e-9 and (each == 2 or reached == pytest.approx(power, abs=1e-6))
    at_smallest = planned(plan(comparison, value(found.smallest), power, alpha))
    assert value(at_smallest.power) == pytest.approx(power, abs=1e-6)
    inverse = planned(plan(comparison, 1 / ratio, power, alpha))
    assert value(inverse.size) == pytest.approx(each)


@pytest.mark.parametrize("difference", [0.0, -1.0, math.nan, math.inf, 1e308])
@pytest.mark.parametrize("kind", ["duration", "score", "continuous", "binary"])
def test_what_cannot_be_planned_is_said(kind: Kind, difference: float) -> None:
    sides = ([1, 0, 0, 1] * 5, [1, 0, 0, 0] * 5) if kind == "binary" else (FIRST, SECOND)
    found = plan(compared(kind, *sides), difference)
    if isinstance(found, Plan):
        assert all(isinstance(f, Estimate | NotComputable) for f in (found.size, found.power))
        figures = [f.value for f in (found.size, found.power) if isinstance(f, Estimate)]
        assert all(math.isfinite(figure) for figure in figures)
    else:
        assert isinstance(found, NotComputable)


@pytest.mark.parametrize(
    "power, alpha", [(0, 0.05), (1, 0.05), (0.8, 0), (0.8, 1), (math.nan, 0.05)]
)
def test_impossible_power_and_level_are_refused(power: float, alpha: float) -> None:
    found = planned(plan(compared("duration", FIRST, SECOND), 1.2, power, alpha))
    assert isinstance(found.size, NotComputable)


def test_three_groups_and_other_outcomes_have_no_plan() -> None:
    assert plan(compared("ordinal", [1, 2] * 10, [2, 3] * 10), 1.0) is None
    assert plan(compared("duration", [], [3.0]), 1.2) is None
