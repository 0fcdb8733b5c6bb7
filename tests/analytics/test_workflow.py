"""Times and rooms: a five-case day on paper, every stamp rule, the demo's planted facts."""

import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from analytics.results import Estimate, NotComputable
from analytics.workflow import ANY, STEPS, clock_changes, describe_steps, problems
from analytics.workflow_rooms import (
    by_group,
    cancellations,
    first_cases,
    occupancy,
    turnover,
    utilisation,
)
from warehouse.access import SYSTEM
from warehouse.connect import current_snapshot
from warehouse.queries import run

BLOCK = {"group_by": "room", "block_from": 480, "block_to": 960, "longest_gap": 90}
BY_WEEKDAY = BLOCK | {"group_by": "weekday"}
SHIFT = {"shift_from": 360, "shift_to": 1320, "longest": 720, "clock_changes": ()}
DAY = date(2026, 11, 17)


@pytest.fixture(scope="session")
def snapshot(demo_data: Path) -> Path:
    found = current_snapshot(demo_data / "snapshots")
    assert found is not None
    return found


def at(minutes: int | None, day: date = DAY) -> datetime | None:
    if minutes is None:
        return None
    return datetime(day.year, day.month, day.day) + timedelta(minutes=minutes)


@pytest.fixture
def day_of(snapshot: Path, tmp_path: Path) -> Iterator:
    """Return a function that writes cases into an emptied copy of the warehouse.

    A case is (plan, arrival, in, start, end, out, status): minutes after midnight, None for none.
    """
    numbers = iter(range(1000))

    def write(*cases: tuple, day: date = DAY, room: str = "R") -> Path:
        path = tmp_path / f"kerma-{next(numbers)}.duckdb"
        shutil.copy(snapshot, path)
        with duckdb.connect(str(path)) as con:
            con.execute("create table one as select * from procedure limit 1")
            con.execute("delete from procedure")
            for number, (plan, arrive, enter, start, end, leave, status) in enumerate(cases):
                con.execute("insert into procedure select * from one")
                con.execute(
                    "update procedure set procedure_id = $id, site = 'S', room = $room,"
                    " performed_on = $day, status = $status, is_test = false,"
                    " ordered_at = $ordered,"
                    " scheduled_at = $plan, arrived_at = $arrive, room_in_at = $enter,"
                    " procedure_start_at = $start, procedure_end_at = $end, room_out_at = $leave,"
                    " report_signed_at = null, modality = 'CT', cancel_reason = $why"
                    " where procedure_id = (select procedure_id from one)",
                    {
                        "id": 10_000_000 + number, "room": room, "day": day, "status": status,
                        "ordered": at(0, day - timedelta(days=3)), "plan": at(plan, day),
                        "arrive": at(arrive, day), "enter": at(enter, day),
                        "start": at(start, day), "end": at(end, day), "leave": at(leave, day),
                        "why": "unwell" if status == "cancelled" else None,
                    },
                )  # fmt: skip
            con.execute("drop table one")
        return path

    yield write


#: plan, arrival, in, start, end, out (minutes after midnight): see the test below.
FIVE = (
    (480, 470, 484, 494, 514, 520, "completed"),
    (520, 500, 535, 540, 570, 575, "completed"),
    (580, None, None, None, None, None, "cancelled"),
    (620, 600, 625, 630, 650, 655, "completed"),
    (680, 690, 760, 770, 790, 800, "completed"),
)


def test_the_five_case_day(day_of) -> None:
    """Five cases planned in one room, block 8:00 to 16:00 (480 minutes), by hand.

    ====  =====  =====  =====  =====  =====  =====
    case  plan   here   in     start  end    out
    1     8:00   7:50   8:04   8:14   8:34   8:40
    2     8:40   8:20   8:55   9:00   9:30   9:35
    3     9:40   cancelled
    4     10:20  10:00  10:25  10:30  10:50  10:55
    5     11:20  11:30  12:40  12:50  13:10  13:20
    ====  =====  =====  =====  =====  =====  =====

    First case 4 min late: on time with 5 minutes of grace, not with 0. Turnovers: 1→2 15 min; 2→4
    has a cancelled case between; 4→5 is 105 min, over the cap of 90: one counts, two are left out.
    In the room 36 + 40 + 30 + 40 = 146 of 480 min = 30.4 %; with the turnover 161 = 33.5 %. Four
    cases on one room-day; one of five planned was cancelled = 20 %. Waiting 14, 35, 25, 70: median
    30. Procedure 20, 30, 20, 20: median 20, P90 27 (rank 3.7 of four).
    """
    path = day_of(*FIVE)
    days = run("rooms_days", path, SYSTEM, **BLOCK)
    (strict,), (kind,) = first_cases(days, 0), first_cases(days, 5)
    assert isinstance(strict.share, Estimate) and isinstance(kind.share, Estimate)
    assert (strict.n, strict.share.value, kind.share.value) == (1, 0, 1)
    (gap,) = turnover(days)
    assert isinstance(gap.median, Estimate)
    assert (gap.n, gap.n_left_out, gap.median.value) == (1, 2, 15)
    (use,) = utilisation(days, 480)
    assert isinstance(use.raw, Estimate) and isinstance(use.adjusted, Estimate)
    assert use.raw.value == pytest.approx(146 / 480) and use.raw.low is None, "one day: no interval"
    assert use.adjusted.value == pytest.approx(161 / 480)
    assert isinstance(use.cases_a_day, Estimate) and use.cases_a_day.value == 4
    rows = run("rooms_cancelled", path, SYSTEM)
    (found,), (reason,) = cancellations(rows), cancellations(rows, "reason")
    assert (found.events, found.n, reason.group) == (1, 5, "unwell")
    steps = {
        s.step: s
        for s in describe_steps(run("times_steps", path, SYSTEM, group_by="room", **SHIFT))
    }
    waiting, procedure = steps["arrival to room"], steps["start to end"]
    assert isinstance(waiting.median, Estimate) and waiting.median.value == 30
    assert isinstance(procedure.median, Estimate) and isinstance(procedure.p90, Estimate)
    assert (procedure.median.value, procedure.p90.value) == (20, pytest.approx(27))
    assert (steps["room out to report"].n, steps["room out to report"].n_missing) == (0, 4)
    heat = occupancy(run("rooms_occupancy", path, SYSTEM))
    hours = {hour: share for hour, share in heat.select("hour", "share").rows()}
    assert hours[8] == pytest.approx((36 + 5) / 60) and hours[9] == pytest.approx(35 / 60)
    assert hours[10] == pytest.approx(30 / 60) and hours[11] == 0 and max(hours) == 13


@pytest.mark.parametrize(
    ("rule", "case"),
    [
        ("problem: order", (480, 470, 460, 500, 520, 530, "completed")),
        ("problem: order", (480, 470, 484, 500, 495, 530, "completed")),
        ("problem: same", (480, 470, 484, 500, 500, 530, "completed")),
        ("problem: long", (480, 470, 484, 500, 520, 1290, "completed")),
        ("problem: shift", (480, 300, 350, 500, 520, 530, "completed")),
        ("problem: shift", (480, 470, 1300, 1305, 1315, 1330, "completed")),
    ],
)
def test_a_stamp_that_cannot_be_right_is_counted_and_left_out(
    day_of, rule: str, case: tuple
) -> None:
    enter = 400 if rule == "problem: long" else 1100
    other = (enter, 390, enter, enter + 10, enter + 30, enter + 40, "completed")
    path = day_of(case, other)
    found = run("times_steps", path, SYSTEM, group_by="modality", **SHIFT)
    counts = {p.rule: p.n for p in problems(found)}
    assert {name for name, n in counts.items() if n} >= {rule, ANY}
    assert counts[ANY] == 1 and problems(found)[0].n_cases == 2
    lengths = {s.step: s.n for s in describe_steps(found)}
    assert lengths["start to end"] == 1, "the other case alone is averaged"


def test_two_patients_in_one_room_are_found_whoever_is_in_the_way(day_of) -> None:
    path = day_of(
        (480, 470, 484, 490, 520, 540, "discontinued"),
        (520, 500, 530, 545, 560, 570, "completed"),
    )
    found = run("times_steps", path, SYSTEM, group_by="modality", **SHIFT)
    counts = {p.rule: (p.n, p.n_cases) for p in problems(found)}
    assert counts["problem: overlap"] == counts[ANY] == (1, 1)
    assert all(s.n == 0 for s in describe_steps(found)), "it takes part in no time"


def test_a_night_case_while_the_clocks_change_is_found(day_of) -> None:
    """In Berlin the clocks went back on Sunday 25 October 2026 at 3:00."""
    changes = clock_changes("Europe/Berlin", date(2026, 1, 1), date(2026, 12, 31))
    assert changes == (date(2026, 3, 29), date(2026, 10, 25))
    assert clock_changes("UTC", date(2026, 1, 1), date(2026, 12, 31)) == ()
    night = (100, 90, 110, 120, 170, 190, "completed")
    asked = SHIFT | {"clock_changes": changes, "shift_from": 0}
    for day, n in ((date(2026, 10, 25), 1), (date(2026, 10, 24), 0)):
        found = run("times_steps", day_of(night, day=day), SYSTEM, group_by="modality", **asked)
        assert {p.rule: p.n for p in problems(found)}["problem: clock"] == n


def test_a_day_with_an_unstamped_case_has_no_known_use(day_of) -> None:
    """Case 5 of the five lost its room-out: its minutes are unknown, so the day's are."""
    *four, last = FIVE
    days = run("rooms_days", day_of(*four, (*last[:5], None, last[6])), SYSTEM, **BLOCK)
    (use,) = utilisation(days, 480)
    assert (use.n_days, use.n_measured) == (1, 0)
    assert isinstance(use.raw, NotComputable) and isinstance(use.adjusted, NotComputable)
    assert isinstance(use.cases_a_day, Estimate) and use.cases_a_day.value == 4


def test_a_case_over_midnight_counts_to_midnight_and_is_no_gap_of_the_next_day(day_of) -> None:
    """In 23:30, out 0:20 of the next day; block 8:00 to 24:00: 30 of 960 minutes in use.

    The stay is 50 min. Planned 23:20, so 10 min late: the only and first case of its day. Its
    room-out lies beyond the shift, so it takes part in no time.
    """
    night = (1400, 1390, 1410, 1415, 1450, 1460, "completed")
    path = day_of(night)
    days = run("rooms_days", path, SYSTEM, **(BLOCK | {"block_to": 1440}))
    (use,), (first,) = utilisation(days, 960), first_cases(days, 5)
    assert isinstance(use.raw, Estimate) and use.raw.value == pytest.approx(30 / 960)
    assert isinstance(first.median, Estimate) and first.median.value == 10
    assert run("rooms_stays", path, SYSTEM).rows() == [(50, 1)]
    assert days.filter(pl.col("measure").is_in(["turnover", "gap left out"])).is_empty()
    hours = dict(occupancy(run("rooms_occupancy", path, SYSTEM)).select("hour", "share").rows())
    assert hours == {23: pytest.approx(0.5)}
    steps = run("times_steps", path, SYSTEM, group_by="room", **SHIFT)
    assert {p.rule: p.n for p in problems(steps)}["problem: shift"] == 1
    assert all(s.n == 0 for s in describe_steps(steps))


@pytest.mark.parametrize(("grace", "on_time"), [(0, 0), (4, 1), (5, 1), (15, 1), (3, 0)])
def test_grace_takes_its_last_minute_in(day_of, grace: int, on_time: int) -> None:
    """The first of the five is in the room 4 min after its plan."""
    (found,) = first_cases(run("rooms_days", day_of(*FIVE), SYSTEM, **BLOCK), grace)
    assert isinstance(found.share, Estimate) and found.share.value == on_time


def test_no_interval_of_use_or_cases_falls_below_zero(day_of) -> None:
    """Room-days of 20 and 200 of 480 minutes, one and three cases: t falls below 0."""
    short = (480, 470, 480, 485, 495, 500, "completed")
    path = day_of(short)
    days = run("rooms_days", path, SYSTEM, **BLOCK)
    other = days.with_columns(
        pl.when(measure="cases").then(3).when(pl.col("measure").str.starts_with("in use"))
        .then(200).otherwise("value").alias("value")
    )  # fmt: skip
    (use,) = utilisation(pl.concat([days, other], how="vertical_relaxed"), 480)
    for found, mean in ((use.raw, 110 / 480), (use.adjusted, 110 / 480), (use.cases_a_day, 2)):
        assert isinstance(found, Estimate)
        assert (found.value, found.low) == (pytest.approx(mean), 0)


def test_a_first_case_without_room_in_is_unknown_and_no_other_steps_in(day_of) -> None:
    """Case 1 of the five lost its room-in: case 2, 15 min late, is not the first of the day."""
    first, *rest = FIVE
    path = day_of((*first[:2], None, *first[3:]), *rest)
    (found,) = first_cases(run("rooms_days", path, SYSTEM, **BLOCK), 5)
    assert (found.n, found.n_unknown) == (0, 1)


def test_of_two_cases_planned_for_one_minute_the_one_in_first_is_the_first(day_of) -> None:
    """Both planned at 8:00; in at 8:20 and 8:03, in whatever order they were written."""
    late = (480, 470, 500, 505, 515, 520, "completed")
    early = (480, 470, 483, 485, 490, 495, "completed")
    for cases in ((late, early), (early, late)):
        days = run("rooms_days", day_of(*cases), SYSTEM, **BLOCK)
        assert days.filter(measure="first late")["value"].to_list() == [3]
        assert days.filter(measure="turnover")["value"].to_list() == [5]


def test_two_in_at_one_minute_turn_over_the_same_way_each_time(day_of) -> None:
    """In at 8:00 both, out at 8:10 and 8:30; the next in at 8:40: 10 minutes, and an overlap."""
    short = (480, 470, 480, 482, 488, 490, "completed")
    long = (480, 470, 480, 485, 500, 510, "completed")
    third = (510, 500, 520, 525, 530, 535, "completed")
    for cases in ((short, long, third), (long, short, third)):
        days = run("rooms_days", day_of(*cases), SYSTEM, **BLOCK)
        assert days.filter(measure="turnover").select("value", "n").rows() == [(10, 1)]
        assert days.filter(measure="gap left out")["n"].to_list() == [1]


def test_no_case_is_no_error(day_of) -> None:
    path = day_of()
    assert describe_steps(run("times_steps", path, SYSTEM, group_by="hour", **SHIFT)) == ()
    days = run("rooms_days", path, SYSTEM, **BLOCK)
    (none,) = first_cases(days)
    assert none.n == 0 and isinstance(none.share, NotComputable)
    assert (
        utilisation(days, 480, "room") == ()
        and occupancy(run("rooms_occupancy", path, SYSTEM)).is_empty()
    )


def test_mondays_first_cases_are_late(snapshot: Path) -> None:
    """docs/demo-data.md plants 20 minutes on Mondays."""
    days = run("rooms_days", snapshot, SYSTEM, **BY_WEEKDAY)
    found = {o.group: o for o in first_cases(days, 15, "weekday")}
    monday, others = found["Monday"], [o for day, o in found.items() if day != "Monday"]
    assert isinstance(monday.share, Estimate) and isinstance(monday.median, Estimate)
    for other in others:
        assert isinstance(other.share, Estimate) and isinstance(other.median, Estimate)
        assert other.share.low is not None and (monday.share.high or 1) < other.share.low
        assert monday.median.value - other.median.value == pytest.approx(20, abs=3)


def test_the_slow_room_is_slow(snapshot: Path) -> None:
    """docs/demo-data.md: durations in NG CT 1 are 1.25 times as long as in the other CT rooms."""
    counted = run("times_steps", snapshot, SYSTEM, group_by="room", modalities=("CT",), **SHIFT)
    medians = {
        s.group: s.median.value
        for s in describe_steps(counted)
        if s.step == "start to end" and isinstance(s.median, Estimate)
    }
    slow = medians.pop("NG CT 1")
    assert slow / (sum(medians.values()) / len(medians)) == pytest.approx(1.25, abs=0.12)


def test_turnover_is_longer_on_fridays_and_over_lunch(snapshot: Path) -> None:
    days = run("rooms_days", snapshot, SYSTEM, **BY_WEEKDAY)
    medians = {
        g.group: g.median.value for g in turnover(days, "weekday") if isinstance(g.median, Estimate)
    }
    friday = medians.pop("Friday")
    assert friday - sum(medians.values()) / len(medians) == pytest.approx(4, abs=2.5)


def test_overlaps_and_cancellations_are_those_planted(snapshot: Path) -> None:
    counted = run("times_steps", snapshot, SYSTEM, group_by="modality", **SHIFT)
    assert {p.rule: p.n for p in problems(counted)}["problem: overlap"] == 6
    (found,) = cancellations(run("rooms_cancelled", snapshot, SYSTEM))
    assert isinstance(found.share, Estimate) and found.share.value == pytest.approx(0.06, abs=0.01)


def test_every_step_is_there_and_complete_as_planted(snapshot: Path) -> None:
    counted = run("times_steps", snapshot, SYSTEM, group_by="modality", **SHIFT)
    steps = {(s.group, s.step): s for s in describe_steps(counted)}
    assert {step for _, step in steps} == set(STEPS)
    arrival = steps["fluoroscopy", "arrival to room"].complete
    assert isinstance(arrival, Estimate) and arrival.value == pytest.approx(0.92, abs=0.03)


def test_room_days_add_up(snapshot: Path) -> None:
    days = run("rooms_days", snapshot, SYSTEM, **BLOCK)
    cases = by_group(days, "cases", None)["all"]
    took_place = run("rooms_cancelled", snapshot, SYSTEM).filter(pl.col("reason").is_null())
    assert float((cases.values * cases.n_each).sum()) <= float(took_place["n"].sum())
    first = by_group(days, "first late", None)["all"]
    assert first.n + first.missing == cases.n
