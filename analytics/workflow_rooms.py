"""How rooms run: first cases, turnover, utilisation, cancellations, occupancy.

Frames are counted: ``group`` (a room, or a weekday, 1 Monday), ``measure``, ``value`` (whole
minutes, or cases; null: unknown), ``n`` (room-days; pairs of cases for turnover). Definitions:
``docs/definitions.md``.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from analytics.effects import mean
from analytics.frequency import Counts, quantile_interval, tally, tally_groups
from analytics.proportions import wilson
from analytics.results import Estimate, NotComputable

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
GRACES = (0, 5, 15)
MINUTES_A_DAY = 1440
FIRST, TURNOVER, LEFT_OUT, DAY_CASES = "first late", "turnover", "gap left out", "cases"
IN_USE, ADJUSTED = "in use", "in use or turned over"
ALL = "all"


@dataclass(frozen=True)
class OnTime:
    """First cases of one group of room-days; ``n_unknown`` lack planned time or room-in.

    ``late`` is the median delay of those that start after plan + grace, in minutes.
    """

    group: str
    grace: int
    n: int
    n_unknown: int
    share: Estimate | NotComputable
    median: Estimate | NotComputable
    late: Estimate | NotComputable


def by_group(days: pl.DataFrame, measure: str, by: str | None) -> dict[str, Counts]:
    """Count one measure by ``room`` or ``weekday`` (names of days), or for all together.

    ``days`` must be grouped by what is asked for; any grouping does for all together.
    """
    rows = days.filter(pl.col("measure") == measure)
    if by is None:
        return {ALL: counts_of(rows)}
    names = pl.col("group")
    if by == "weekday":
        names = names.cast(pl.Int64).replace_strict(dict(enumerate(WEEKDAYS, 1)))
    return tally_groups(rows.sort("group").select(group=names, value="value", count="n"))


def counts_of(rows: pl.DataFrame) -> Counts:
    """Return counted whole numbers (``value``, ``n``) as counts."""
    return tally(rows["value"].cast(pl.Float64).to_numpy(), rows["n"].to_numpy())


def first_cases(
    days: pl.DataFrame, grace: int = 0, by: str | None = None, level: float = 0.95
) -> tuple[OnTime, ...]:
    """Return the share of first cases in the room by plan + ``grace`` minutes.

    One room-day has one first case: that planned first of those that took place. Where it lacks its
    planned time or room-in, nobody knows whether it was late; the next case does not step in.
    """
    found = []
    for group, counts in by_group(days, FIRST, by).items():
        on_time = int(counts.n_each[counts.values <= grace].sum())
        late = tally(counts.values[counts.values > grace], counts.n_each[counts.values > grace])
        found.append(
            OnTime(
                group,
                grace,
                counts.n,
                counts.missing,
                wilson(on_time, counts.n, level),
                quantile_interval(counts, 0.5, level, "min"),
                quantile_interval(late, 0.5, level, "min"),
            )
        )
    return tuple(found)


@dataclass(frozen=True)
class Gap:
    """Turnover of one group: pairs of cases that follow each other within the cap."""

    group: str
    n: int
    n_left_out: int
    median: Estimate | NotComputable
    p90: Estimate | NotComputable


def turnover(days: pl.DataFrame, by: str | None = None, level: float = 0.95) -> tuple[Gap, ...]:
    """Return the minutes from patient out of room to the next patient in, in one room."""
    left_out = by_group(days, LEFT_OUT, by)
    return tuple(
        Gap(
            group,
            counts.n,
            left_out[group].missing if group in left_out else 0,
            quantile_interval(counts, 0.5, level, "min"),
            quantile_interval(counts, 0.9, level, "min"),
        )
        for group, counts in by_group(days, TURNOVER, by).items()
    )


@dataclass(frozen=True)
class Use:
    """Utilisation of one group: shares of the block, mean of its room-days with t interval."""

    group: str
    n_days: int
    n_measured: int  #: room-days whose cases all have both stamps; utilisation is of these
    raw: Estimate | NotComputable
    adjusted: Estimate | NotComputable
    cases_a_day: Estimate | NotComputable


def utilisation(
    days: pl.DataFrame, block_min: int, by: str | None = None, level: float = 0.95
) -> tuple[Use, ...]:
    """Return patient-in-room minutes over block minutes, raw and with turnovers.

    Parameters
    ----------
    block_min
        Minutes of the block of one room-day; a room-day is a room that had at least one case.

    Notes
    -----
    A room-day with a case that lacks its room-in or room-out has no known use and is left out.
    Every room-day has the same block, so the mean of its shares is the share of all minutes. The
    interval is that of the mean over room-days: wide for few of them (Dexter 2003), and cut at 0,
    below which there are neither minutes nor cases.
    """
    adjusted, cases = by_group(days, ADJUSTED, by), by_group(days, DAY_CASES, by)
    return tuple(
        Use(
            group,
            cases[group].n,
            used.n,
            _from_zero(mean(_share(used, block_min), level)),
            _from_zero(mean(_share(adjusted[group], block_min), level)),
            _from_zero(mean(cases[group], level)),
        )
        for group, used in by_group(days, IN_USE, by).items()
    )


def _from_zero(found: Estimate | NotComputable) -> Estimate | NotComputable:
    if isinstance(found, Estimate) and found.low is not None:
        return replace(found, low=max(found.low, 0.0))
    return found


def _share(minutes: Counts, block_min: int) -> Counts:
    return Counts(minutes.values / block_min, minutes.n_each, minutes.missing)


@dataclass(frozen=True)
class Cancelled:
    """Cancellations of one group or for one reason, of all cases planned."""

    group: str
    events: int
    n: int
    share: Estimate | NotComputable


def cancellations(
    rows: pl.DataFrame, by: str | None = None, level: float = 0.95
) -> tuple[Cancelled, ...]:
    """Return the share of planned cases that were cancelled.

    Parameters
    ----------
    rows
        ``room``, ``weekday``, ``reason`` (null: took place), ``n``.
    by
        ``room``, ``weekday`` or ``reason``; a reason's share is of all planned cases.
    """
    total = int(rows["n"].sum())
    if by == "reason":
        reasons = rows.drop_nulls("reason").group_by("reason").agg(pl.col("n").sum())
        ordered = reasons.sort("n", "reason", descending=[True, False])
        return tuple(
            Cancelled(r, int(n), total, wilson(n, total, level)) for r, n in ordered.rows()
        )
    key = pl.lit(ALL) if by is None else pl.col(by)
    sums = rows.group_by(key.alias("group")).agg(
        events=pl.col("n").filter(pl.col("reason").is_not_null()).sum(), n=pl.col("n").sum()
    )
    return tuple(
        Cancelled(
            WEEKDAYS[int(group) - 1] if by == "weekday" else str(group),
            int(events),
            int(n),
            wilson(events, n, level),
        )
        for group, events, n in sums.sort("group").rows()
    )


def occupancy(changes: pl.DataFrame) -> pl.DataFrame:
    """Return the share of staffed rooms with a patient, by weekday and hour.

    Parameters
    ----------
    changes
        ``weekday``, ``minute``, ``change`` (+1 in, −1 out; 0 with null minute: room-days), ``n``.

    Returns
    -------
    polars.DataFrame
        ``weekday`` (1 to 7), ``hour``, ``share`` (mean over the hour's minutes and the weekday's
        room-days), ``room_days``; hours without a patient on any day are left out at both ends.
    """
    found = []
    for weekday in sorted(changes["weekday"].unique()):
        rows = changes.filter(weekday=weekday)
        room_days = int(rows.filter(change=0)["n"].sum())
        steps = np.zeros(MINUTES_A_DAY + 1)
        moves = rows.filter(pl.col("change") != 0)
        np.add.at(steps, moves["minute"].to_numpy(), (moves["change"] * moves["n"]).to_numpy())
        inside = np.cumsum(steps)[:MINUTES_A_DAY].reshape(24, 60).mean(axis=1)
        for hour, rooms in enumerate(inside):
            share = float(rooms) / room_days if room_days else 0.0
            found.append({"weekday": weekday, "hour": hour, "share": share, "room_days": room_days})
    frame = pl.DataFrame(
        found,
        schema={
            "weekday": pl.Int64, "hour": pl.Int64, "share": pl.Float64, "room_days": pl.Int64,
        },
    )  # fmt: skip
    busy = frame.filter(pl.col("share") > 0)["hour"]
    if busy.is_empty():
        return frame.clear()
    return frame.filter(pl.col("hour").is_between(min(busy), max(busy)))
