"""What if: how many cases fit into a room's block when turnover or the first start changes.

A discrete-event simulation on SimPy, from the department's own counted minutes. It is checked where
theory has an answer: constant times by arithmetic, waiting in a queue by Erlang's formula.
"""

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import simpy

from analytics.frequency import Counts
from analytics.guards import computable, require
from analytics.results import Estimate

Draw = Callable[[], float]
FEWEST = 20
"""Fewer values than this describe no distribution to draw from."""


@dataclass(frozen=True)
class Day:
    """What a room-day is made of, in minutes: counted as observed."""

    first_late: Counts
    stay: Counts
    turnover: Counts
    block_min: float


@dataclass(frozen=True)
class WhatIf:
    """A change to try, in minutes; negative is shorter. No time falls below 0 by it."""

    turnover_min: float = 0.0
    first_start_min: float = 0.0


@dataclass(frozen=True)
class Answer:
    """Cases per room-day as it is and with the change; intervals hold 95 % of the repetitions.

    One repetition is ``n_days`` room-days; both sides of it use the same random numbers.
    """

    now: Estimate
    changed: Estimate
    more: Estimate
    n_days: int
    repetitions: int
    seed: int


@computable
def what_if(
    day: Day, change: WhatIf, n_days: int = 100, repetitions: int = 40, seed: int = 1
) -> Answer:
    """Simulate a room with a full list and count the cases that leave it within the block.

    Parameters
    ----------
    day
        Distributions to draw from: first delay, stay in the room, turnover; and the block.
    change
        Minutes added to each turnover and to the first delay; early first starts stay as they are.
    n_days, repetitions, seed
        Room-days a repetition, repetitions, seed: the same seed gives the same answer.

    Notes
    -----
    There is always a next patient: the answer is what would fit, not what will come. Days, cases
    and turnovers are drawn independently.
    """
    for name, counts in (("first starts", day.first_late), ("stays", day.stay),
                         ("turnovers", day.turnover)):  # fmt: skip
        require(counts.n >= FEWEST, f"there are only {counts.n} {name}", counts.n)
    require(day.block_min > 0, "the block has no minutes")
    seeds = np.random.SeedSequence(seed).spawn(repetitions)
    now = np.array([_mean_cases(day, WhatIf(), n_days, s) for s in seeds])
    changed = np.array([_mean_cases(day, change, n_days, s) for s in seeds])
    return Answer(
        _range(now, n_days), _range(changed, n_days), _range(changed - now, n_days),
        n_days, repetitions, seed,
    )  # fmt: skip


def _range(means: Any, n_days: int) -> Estimate:
    low, high = np.quantile(means, [0.025, 0.975])
    what = f"simulation, 95 % of repetitions of {n_days} room-days"
    return Estimate(float(means.mean()), float(low), float(high), len(means), what, "cases")


def _mean_cases(day: Day, change: WhatIf, n_days: int, seed: np.random.SeedSequence) -> float:
    """Run one repetition; each kind of draw has its own stream, so that scenarios stay paired."""
    fresh = np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key)
    streams = [np.random.default_rng(child) for child in fresh.spawn(3)]
    late, stay, turnover = (
        _drawn(counts, stream)
        for counts, stream in zip((day.first_late, day.stay, day.turnover), streams, strict=True)
    )
    total = 0
    for _ in range(n_days):
        first = late()
        start = max(0.0, first + change.first_start_min) if first > 0 else 0.0
        total += cases_in_block(
            day.block_min, start, stay, lambda: max(0.0, turnover() + change.turnover_min)
        )
    return total / n_days


def _drawn(counts: Counts, stream: np.random.Generator) -> Draw:
    """Draw single values from a counted distribution, in batches."""
    share = counts.n_each / counts.n

    def values() -> Generator[float]:
        while True:
            yield from stream.choice(counts.values, 4096, p=share).tolist()

    drawn = values()
    return lambda: next(drawn)


def cases_in_block(block_min: float, start: float, stay: Draw, turnover: Draw) -> int:
    """Run one room through its block with a full list; return the cases that left in time.

    Parameters
    ----------
    block_min
        Length of the block in minutes.
    start
        Minutes from its beginning to the first patient.
    stay, turnover
        Draw the next stay, and the next turnover, in minutes.
    """
    env = simpy.Environment()
    done: list[float] = []

    def room() -> Generator[simpy.Event]:
        yield env.timeout(start)
        while True:
            yield env.timeout(stay())
            done.append(env.now)
            yield env.timeout(max(turnover(), 1e-6))

    env.process(room())
    env.run(until=block_min + 1e-9)
    return len(done)


def simulated_wait(
    arrivals_per_min: float, stay: Draw, rooms: int, patients: int, seed: int = 1
) -> float:
    """Return the mean minutes that patients wait who arrive at random for the next free room.

    Parameters
    ----------
    arrivals_per_min
        Rate of a Poisson stream.
    stay
        Draw a stay in minutes.
    rooms, patients, seed
        Rooms that share one list, patients to run (the first tenth is left out), seed.
    """
    env, stream = simpy.Environment(), np.random.default_rng(seed)
    free = simpy.Resource(env, capacity=rooms)
    waits: list[float] = []

    def patient() -> Generator[simpy.Event]:
        arrived = env.now
        with free.request() as turn:
            yield turn
            waits.append(env.now - arrived)
            yield env.timeout(stay())

    def door() -> Generator[simpy.Event]:
        for _ in range(patients):
            yield env.timeout(float(stream.exponential(1 / arrivals_per_min)))
            env.process(patient())

    env.process(door())
    env.run()
    return float(np.mean(waits[patients // 10 :]))


def erlang_c_wait(arrivals_per_min: float, mean_stay_min: float, rooms: int) -> float:
    """Return the mean wait of M/M/c in minutes (Erlang 1917); infinite where the list grows.

    Wait = C(c, a) / (c / s − λ) with a = λ s and Erlang's probability of waiting C.
    """
    load = arrivals_per_min * mean_stay_min
    if load >= rooms:
        return math.inf
    blocked = 1.0
    for k in range(1, rooms + 1):
        blocked = load * blocked / (k + load * blocked)
    waiting = blocked / (1 - load / rooms * (1 - blocked))
    return waiting / (rooms / mean_stay_min - arrivals_per_min)
