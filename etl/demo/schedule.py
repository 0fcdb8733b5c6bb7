"""Who comes when, into which room, and how the day runs."""

import numpy as np
import polars as pl

from etl.demo.catalogue import Plan, procedures

OPENS_MIN = 8 * 60
MONDAY_LATE_MIN = 20
SLOW_ROOM, SLOW_FACTOR = "NG CT 1", 1.25
LUNCH_EXTRA_MIN, FRIDAY_EXTRA_MIN = 15, 4
TRAINEE_FACTOR, LEVEL_FACTOR = 1.15, 1.25
CANCELLED_SHARE, WITHDRAWN_SHARE = 0.06, 0.007
REASONS = (
    ("patient did not attend", 0.3),
    ("patient unwell", 0.2),
    ("anticoagulation not paused", 0.17),
    ("no longer indicated", 0.13),
    ("equipment failure", 0.1),
    ("no time left", 0.1),
)
WITHDRAWN_REASONS = ("patient withdrew consent", "target not reached safely")


def room_days(plan: Plan, rows: int, rng: np.random.Generator) -> pl.DataFrame:
    """Say which rooms are staffed on which day and for how many cases: `rows` cases in all."""
    days = np.array(plan.days, dtype="datetime64[D]")
    rate = np.array([room.cases_per_day for room in plan.rooms])
    busy = np.array([room.busy for room in plan.rooms])
    staffed = rng.random((len(days), len(rate))) < plan.staffed * busy
    day, room = np.nonzero(staffed)
    if len(day) == 0:
        day, room = np.array([len(days) - 1]), np.array([0])
    count = np.clip(1 + rng.poisson(rate[room] - 1), 1, 9)
    while (excess := int(count.sum()) - rows) != 0:
        able = np.flatnonzero(count > 1) if excess > 0 else np.arange(len(count))
        if excess > 0 and len(able) == 0:
            day, room, count = day[-rows:], room[-rows:], count[-rows:]
            continue
        pick = rng.choice(able, min(abs(excess), len(able)), replace=False)
        count[pick] -= np.sign(excess)
    return pl.DataFrame({"performed_on": days[day], "room_index": room, "count": count})


def cases(plan: Plan, rows: int, rng: np.random.Generator) -> pl.DataFrame:
    """Make one row per case in room and day order: procedure, people, levels, status."""
    grid = room_days(plan, rows, rng).sort("performed_on", "room_index").with_row_index("room_day")
    frame = grid.select(pl.all().repeat_by("count").list.explode()).drop("count")
    position = pl.int_range(pl.len()).over("room_day").cast(pl.Int64)
    frame = frame.with_columns(position=position)
    room = frame["room_index"].to_numpy()
    n = len(room)
    picked = _procedures(plan, room, rng)
    rooms = pl.DataFrame(
        {
            "site": [r.site for r in plan.rooms],
            "prefix": [r.prefix for r in plan.rooms],
            "room": [r.room for r in plan.rooms],
            "device": [r.device for r in plan.rooms],
        }
    )
    listed = procedures().drop("share", "source")
    return pl.concat([frame, rooms[room], listed[picked]], how="horizontal").with_columns(
        operator=_operators(plan, room, frame["room_day"].to_numpy(), rng),
        trainee=rng.random(n) < 0.3,
        n_levels=_levels(listed["multi_level"].to_numpy()[picked], rng),
        status=_status(frame["position"].to_numpy(), rng),
    )


def _procedures(plan: Plan, room: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw each case's place in the catalogue from what its room does."""
    picked = np.zeros(len(room), dtype=np.int64)
    kinds: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    for k, r in enumerate(plan.rooms):
        kinds.setdefault((r.modality, r.only), []).append(k)
    for (modality, only), rooms in kinds.items():
        offered = procedures().filter(pl.col("modality") == modality)
        if only:
            offered = offered.filter(pl.col("proc_code").is_in(only))
        share = offered["share"].to_numpy() / offered["share"].sum()
        mine = np.isin(room, rooms)
        picked[mine] = rng.choice(offered["catalogue"].to_numpy(), int(mine.sum()), p=share)
    return picked


def _operators(
    plan: Plan, room: np.ndarray, day: np.ndarray, rng: np.random.Generator
) -> pl.Series:
    """Let one operator of the site run a room's day; one case in ten is a colleague's."""
    names, first, size = [], [], []
    for r in plan.rooms:
        first.append(len(names))
        size.append(len(r.operators))
        names.extend(r.operators)
    lead = rng.random(int(day.max()) + 1)[day]
    draw = np.where(rng.random(len(room)) < 0.1, rng.random(len(room)), lead)
    index = np.array(first)[room] + (draw * np.array(size)[room]).astype(np.int64)
    return pl.Series(names)[index]


def _levels(multi: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw 1 to 3 treated levels."""
    draw = rng.random(len(multi))
    return 1 + (draw < multi).astype(np.int64) + (draw < multi * 0.3)


def _status(position: np.ndarray, rng: np.random.Generator) -> pl.Series:
    """Cancel some cases on the day, never the first of a room-day."""
    draw = rng.random(len(position))
    cancelled = (draw < CANCELLED_SHARE * 1.25) & (position > 0)
    withdrawn = ~cancelled & (draw > 1 - WITHDRAWN_SHARE)
    code = np.where(cancelled, 1, np.where(withdrawn, 2, 0))
    return pl.Series(["completed", "cancelled", "discontinued"])[code]


def run_days(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Let each room's day run: plan, arrival, room in, start, end, room out, report.

    A room takes a patient when the one before has left, the room is turned over and the patient
    has arrived: Lindley's recursion, written as a running maximum so that no row waits for a loop.
    """
    n = frame.height
    minute = _draw_minutes(frame, rng)
    frame = frame.with_columns([pl.Series(name, values) for name, values in minute.items()])
    held = pl.col("in_room") + pl.col("turnover")
    frame = frame.with_columns(
        sched=OPENS_MIN + (pl.col("slot").cum_sum() - pl.col("slot")).over("room_day"),
        before=(held.cum_sum() - held).over("room_day"),
    )
    first = pl.col("position") == 0
    early = pl.max_horizontal(pl.col("sched") - pl.col("lead") + 5, pl.col("sched") - 15)
    ready = pl.when(first).then(pl.col("sched") + pl.col("late")).otherwise(early)
    ready = pl.when(pl.col("status") == "cancelled").then(-10_000).otherwise(ready)
    frame = frame.with_columns(
        room_in=pl.col("before") + (ready - pl.col("before")).cum_max().over("room_day")
    )
    return _stamps(frame, rng, n)


def _draw_minutes(frame: pl.DataFrame, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw the lengths of a day's parts, in whole minutes."""
    n = frame.height
    weekday = frame["performed_on"].dt.weekday().to_numpy()
    expected = frame["duration_min"].to_numpy() * LEVEL_FACTOR ** (frame["n_levels"].to_numpy() - 1)
    factor = np.where(frame["trainee"].to_numpy(), TRAINEE_FACTOR, 1 / 1.06)
    factor = factor * np.where((frame["room"] == SLOW_ROOM).to_numpy(), SLOW_FACTOR, 1.0)
    length = np.maximum(4, np.rint(expected * factor * np.exp(0.3 * rng.standard_normal(n))))
    prep = np.rint(np.exp(np.log(9) + 0.35 * rng.standard_normal(n))).clip(3, 40)
    wake = np.rint(np.exp(np.log(6) + 0.35 * rng.standard_normal(n))).clip(2, 40)
    slot = np.ceil((expected + 30) / 5) * 5
    turnover = np.exp(np.log(14) + 0.45 * rng.standard_normal(n)).clip(4, 70)
    turnover = np.rint(turnover + FRIDAY_EXTRA_MIN * (weekday == 5))
    ends = frame.select("room_day", slot=pl.Series(slot)).select(
        pl.col("slot").cum_sum().over("room_day")
    )
    noon = (ends.to_series().to_numpy() + OPENS_MIN) // 60 == 12
    turnover = turnover + LUNCH_EXTRA_MIN * noon
    cancelled = (frame["status"] == "cancelled").to_numpy()
    late = np.rint(np.exp(np.log(7) + 0.8 * rng.standard_normal(n)).clip(0, 60) - 3)
    return {
        "length": length.astype(np.int64),
        "prep": prep.astype(np.int64),
        "wake": wake.astype(np.int64),
        "in_room": np.where(cancelled, 0, prep + length + wake).astype(np.int64),
        "turnover": np.where(cancelled, 0, turnover).astype(np.int64),
        "slot": slot.astype(np.int64),
        "late": (late + MONDAY_LATE_MIN * (weekday == 1)).astype(np.int64),
        "lead": np.rint(np.exp(np.log(35) + 0.5 * rng.standard_normal(n)).clip(5, 150)).astype(int),
    }


def _stamps(frame: pl.DataFrame, rng: np.random.Generator, n: int) -> pl.DataFrame:
    """Turn minutes of the day into wall-clock stamps; a cancelled case has none of the room."""
    midnight = pl.col("performed_on").cast(pl.Datetime("us"))
    done = pl.col("status") != "cancelled"
    signed = np.exp(np.log(55) + rng.standard_normal(n)).clip(3, 7200).astype(np.int64)
    asked = np.rint(np.exp(np.log(12) + 0.8 * rng.standard_normal(n)).clip(0, 180)).astype(np.int64)

    def at(minutes: pl.Expr, when: pl.Expr | None = None) -> pl.Expr:
        stamp = (midnight + pl.duration(minutes=minutes)).cast(pl.Datetime("us"))
        return stamp if when is None else pl.when(when).then(stamp)

    start = pl.col("room_in") + pl.col("prep")
    end = start + pl.col("length")
    out = pl.col("room_in") + pl.col("in_room")
    reasons = pl.Series([reason for reason, _ in REASONS])
    why = reasons[rng.choice(len(REASONS), n, p=[share for _, share in REASONS])]
    withdrew = pl.Series(WITHDRAWN_REASONS)[rng.integers(0, 2, n)]
    return frame.with_columns(
        ordered_at=at(pl.lit(pl.Series(9 * 60 + rng.integers(0, 480, n) - 1440 * (asked + 1)))),
        scheduled_at=at(pl.col("sched")),
        arrived_at=at(pl.col("sched") - pl.col("lead"), done),
        room_in_at=at(pl.col("room_in"), done),
        procedure_start_at=at(start, done),
        procedure_end_at=at(end, done),
        room_out_at=at(out, done),
        report_signed_at=at(out + pl.lit(pl.Series(signed)), pl.col("status") == "completed"),
        duration_min=pl.when(done).then(pl.col("length").cast(pl.Float64)),
        cancel_reason=pl.when(pl.col("status") == "cancelled")
        .then(pl.lit(why))
        .when(pl.col("status") == "discontinued")
        .then(pl.lit(withdrew)),
    ).drop(
        "length",
        "prep",
        "wake",
        "in_room",
        "turnover",
        "slot",
        "late",
        "lead",
        "sched",
        "before",
        "room_in",
    )
