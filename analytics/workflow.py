"""How long each step takes, and which time stamps cannot be right.

Definitions stand in ``docs/definitions.md``; the pages print them beside the numbers. Frames hold
counted whole minutes, so medians and P90 are exact at any size.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from analytics.frequency import quantile_interval, tally_strata
from analytics.proportions import wilson
from analytics.results import Estimate, NotComputable

CASES, ANY = "cases", "problem: any"


@dataclass(frozen=True)
class Step:
    """A step between two stamps, by its name in the counted frame."""

    key: str
    name: str
    definition: str
    unit: str = "min"


STEPS: dict[str, Step] = {
    step.key: step
    for step in (
        Step("order to plan", "Order to planned day", "planned start − order placed", "days"),
        Step("plan to room", "Delay", "patient in room − planned start; below 0: early"),
        Step("arrival to room", "Waiting", "patient in room − patient arrived"),
        Step("room to start", "Preparation", "needle in − patient in room"),
        Step("start to end", "Procedure", "needle out − needle in"),
        Step("end to room out", "Clearing", "patient out of room − needle out"),
        Step("room out to report", "Report", "report signed − patient out of room"),
    )
}
#: The steps that follow each other from arrival to leaving, for one picture.
CHAIN = ("arrival to room", "room to start", "start to end", "end to room out")
PROBLEMS: dict[str, str] = {
    "problem: order": "stamps out of order (arrival, room in, needle in, out, room out, report)",
    "problem: overlap": "patient in room before the patient before had left it",
    "problem: same": "needle in and needle out at the same moment",
    "problem: long": "longer than the longest time allowed, in the room or under the needle",
    "problem: shift": "room in or out beyond the shift",
    "problem: clock": "in the room while the clocks changed",
}


@dataclass(frozen=True)
class StepSummary:
    """One step of one group; ``complete`` is the share of cases that have both stamps."""

    group: str
    step: str
    n: int
    n_missing: int
    median: Estimate | NotComputable
    p90: Estimate | NotComputable
    complete: Estimate | NotComputable


def describe_steps(counted: pl.DataFrame, level: float = 0.95) -> tuple[StepSummary, ...]:
    """Return median and P90 with order-statistic intervals, by group and step.

    Parameters
    ----------
    counted
        ``group``, ``measure`` (keys of ``STEPS``), ``value`` (minutes or days; null: a stamp is
        missing), ``n``; cases with a stamp problem left out. Other measures are passed over.
    level
        Of the intervals.
    """
    rows = counted.filter(pl.col("measure").is_in(list(STEPS)) & pl.col("group").is_not_null())
    found = []
    for group, steps in tally_strata(rows, "group", "measure", "value", "n").items():
        for key, step in STEPS.items():
            if key not in steps:
                continue
            values = steps[key]
            found.append(
                StepSummary(
                    group,
                    key,
                    values.n,
                    values.missing,
                    quantile_interval(values, 0.5, level, step.unit),
                    quantile_interval(values, 0.9, level, step.unit),
                    wilson(values.n, values.n + values.missing, level),
                )
            )
    return tuple(found)


@dataclass(frozen=True)
class Problem:
    """How many cases break one rule of time stamps, of all cases in view."""

    rule: str
    words: str
    n: int
    n_cases: int


def problems(counted: pl.DataFrame) -> tuple[Problem, ...]:
    """Count the stamp problems; the last row counts every case with any once."""
    sums = dict(counted.group_by("measure").agg(pl.col("n").sum()).iter_rows())
    cases = int(sums.get(CASES, 0))
    words = PROBLEMS | {ANY: "any of these"}
    return tuple(Problem(rule, said, int(sums.get(rule, 0)), cases) for rule, said in words.items())


def clock_changes(zone: str, first: date, last: date) -> tuple[date, ...]:
    """Return the days from ``first`` to ``last`` on which the zone's clocks change.

    Raises
    ------
    zoneinfo.ZoneInfoNotFoundError
        If there is no such zone.
    """
    here = ZoneInfo(zone)
    days = (first + timedelta(days=k) for k in range((last - first).days + 1))
    return tuple(day for day in days if _offset(day, here) != _offset(day + timedelta(1), here))


def _offset(day: date, zone: ZoneInfo) -> timedelta | None:
    return datetime(day.year, day.month, day.day, tzinfo=zone).utcoffset()
