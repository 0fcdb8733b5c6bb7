"""A drifting room signals soon; a steady one seldom does."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from analytics.drift import RoomDrift, adjusted_logs, room_drifts, room_months
from analytics.results import NotComputable
from tests.analytics.test_outliers import KAP, cases


def rooms(
    seed: int, per_month: int = 30, months: int = 24, drift_from: int = 16, n_rooms: int = 6
) -> pl.DataFrame:
    """Return rooms of mixed work; the dose of the first grows 10 % a month from a month on."""
    rng = np.random.default_rng(seed)
    n = per_month * months * n_rooms
    room, month = rng.integers(0, n_rooms, n), rng.integers(0, months, n)
    code = rng.integers(0, 4, n)
    drift = np.where((room == 0) & (month >= drift_from), month - drift_from + 1, 0)
    kap = rng.lognormal(code, 0.5, n) * 1.1**drift
    return cases(
        n,
        room=[f"R{i}" for i in room],
        procedure_code=[f"P{i}" for i in code],
        performed_on=[date(2024 + m // 12, m % 12 + 1, 15) for m in month],
        **{KAP: kap},
    )


def test_a_room_that_drifts_ten_per_cent_a_month_signals_within_three_months() -> None:
    in_time = 0
    for seed in range(20):
        found = room_drifts(rooms(seed, per_month=60), KAP)["A", "R0"]
        assert isinstance(found, RoomDrift)
        if found.first_signal and date(2025, 5, 1) <= found.first_signal <= date(2025, 7, 1):
            in_time += 1
    assert in_time >= 18


def test_steady_rooms_seldom_signal_in_a_year() -> None:
    alarms = charts = 0
    for seed in range(20):
        for room, found in room_drifts(rooms(seed), KAP).items():
            assert isinstance(found, RoomDrift)
            if room != ("A", "R0"):
                charts += 1
                alarms += found.first_signal is not None
    assert charts == 100
    assert alarms <= 20


def test_another_case_mix_is_no_drift() -> None:
    """From month 16 on the room does only the work of the highest dose."""
    frame = rooms(3, drift_from=99)
    moved = (pl.col("room") == "R0") & (pl.col("performed_on") >= date(2025, 5, 1))
    mixed = frame.filter(~moved | (pl.col("procedure_code") == "P3"))
    found = room_drifts(mixed, KAP)["A", "R0"]
    assert isinstance(found, RoomDrift)
    assert found.first_signal is None


def test_the_signal_says_how_large_the_change_is() -> None:
    frame = rooms(1, drift_from=99).with_columns(
        pl.when((pl.col("room") == "R2") & (pl.col("performed_on") >= date(2025, 6, 1)))
        .then(2 * pl.col(KAP))
        .otherwise(KAP)
        .alias(KAP)
    )
    found = room_drifts(frame, KAP)["A", "R2"]
    assert isinstance(found, RoomDrift)
    assert found.first_signal == date(2025, 6, 1)
    assert found.ratio == pytest.approx(2.0, rel=0.35)


def test_adjusted_log_is_the_distance_from_cases_alike() -> None:
    code = ["P1"] * 21 + ["P2"] * 19
    adjusted = adjusted_logs(
        cases(40, procedure_code=code, **{KAP: [float(i + 1) for i in range(40)]}), KAP
    )
    assert adjusted["procedure_code"].unique().to_list() == ["P1"]
    assert adjusted["adjusted_log"][20] == pytest.approx(np.log(21 / 11))


def test_a_month_without_cases_is_a_gap() -> None:
    days = [date(2025, 1, 5)] * 12 + [date(2025, 3, 5)] * 12
    months = room_months(adjusted_logs(cases(24, performed_on=days), KAP))
    assert months["n"].to_list() == [12, 0, 12]
    assert months["mean"][1] is None


def test_a_room_without_enough_months_or_cases_says_so() -> None:
    short = room_drifts(rooms(1, months=10, drift_from=99), KAP)["A", "R0"]
    assert isinstance(short, NotComputable)
    assert "10 months leave none after a baseline of 12" in short.reason
    same = [date(2024 + m // 12, m % 12 + 1, 15) for m in range(24)]
    constant = room_drifts(cases(48, performed_on=same * 2), KAP)["A", "R1"]
    assert isinstance(constant, NotComputable)
    assert room_drifts(cases(2, **{KAP: [None, 0.0]}), KAP) == {}
