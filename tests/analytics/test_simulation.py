"""The simulation against arithmetic and against Erlang; the same seed, the same answer."""

import math
from pathlib import Path

import numpy as np
import pytest

from analytics.frequency import tally
from analytics.results import NotComputable
from analytics.simulation import (
    Answer,
    Day,
    WhatIf,
    cases_in_block,
    erlang_c_wait,
    simulated_wait,
    what_if,
)
from analytics.workflow_rooms import by_group, counts_of
from warehouse.access import SYSTEM
from warehouse.connect import current_snapshot
from warehouse.queries import run


def day(late: float, stay: float, turnover: float) -> Day:
    return Day(tally([late], [100]), tally([stay], [100]), tally([turnover], [100]), 480)


def test_constant_times_by_hand() -> None:
    """Block 480 min, stay 40, turnover 20: patients leave at 40, 100, … 460: eight.

    Starting 30 min late they leave at 70, … 430, 490: seven. With turnovers of 15 min a case takes
    55 min; from 0 they leave at 40, 95, … 480: nine.
    """
    assert cases_in_block(480, 0, lambda: 40, lambda: 20) == 8
    assert cases_in_block(480, 30, lambda: 40, lambda: 20) == 7
    found = what_if(day(0, 40, 20), WhatIf(turnover_min=-5), n_days=5, repetitions=3)
    assert isinstance(found, Answer)
    assert (found.now.value, found.changed.value, found.more.value) == (8, 9, 1)
    late = what_if(day(30, 40, 20), WhatIf(first_start_min=-30), n_days=5, repetitions=3)
    assert isinstance(late, Answer) and (late.now.value, late.more.value) == (7, 1)


@pytest.mark.parametrize(("rooms", "rate"), [(1, 0.014), (2, 0.028), (3, 0.045)])
def test_waiting_agrees_with_erlang(rooms: int, rate: float) -> None:
    stream = np.random.default_rng(7)
    found = simulated_wait(rate, lambda: float(stream.exponential(50)), rooms, 40_000, seed=3)
    assert found == pytest.approx(erlang_c_wait(rate, 50, rooms), rel=0.1)


def test_erlang_by_hand() -> None:
    """One room, load 0.5, stay 10 min: 10 min; two rooms, load 1: a third of a stay."""
    assert erlang_c_wait(0.05, 10, 1) == pytest.approx(10)
    assert erlang_c_wait(0.1, 10, 2) == pytest.approx(10 / 3)
    assert erlang_c_wait(0.2, 10, 2) == math.inf


def test_the_same_seed_gives_the_same_answer_and_no_change_no_more() -> None:
    rng = np.random.default_rng(2)
    mixed = Day(
        tally(rng.integers(0, 30, 200)), tally(rng.integers(20, 70, 500)),
        tally(rng.integers(5, 40, 300)), 480,
    )  # fmt: skip
    first, second = (what_if(mixed, WhatIf(-5, -5), 20, 10, seed=4) for _ in range(2))
    assert isinstance(first, Answer) and first == second
    assert first.more.value > 0
    same = what_if(mixed, WhatIf(), 20, 10, seed=4)
    assert isinstance(same, Answer) and (same.more.low, same.more.high) == (0, 0)


def test_too_few_cases_are_refused() -> None:
    few = Day(tally([1.0]), tally([40.0]), tally([20.0]), 480)
    assert isinstance(what_if(few, WhatIf()), NotComputable)


def test_the_demo_would_fit_more_with_shorter_turnover(demo_data: Path) -> None:
    snapshot = current_snapshot(demo_data / "snapshots")
    assert snapshot is not None
    asked = {"group_by": None, "block_from": 480, "block_to": 960, "longest_gap": 90}
    days = run("rooms_days", snapshot, SYSTEM, **asked)
    late, turnover = (by_group(days, m, None)["all"] for m in ("first late", "turnover"))
    seen = Day(late, counts_of(run("rooms_stays", snapshot, SYSTEM)), turnover, 480)
    found = what_if(seen, WhatIf(turnover_min=-10), n_days=40, repetitions=10)
    assert isinstance(found, Answer) and found.more.low is not None and found.more.low > 0
