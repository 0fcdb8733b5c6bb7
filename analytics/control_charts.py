"""Control charts: what a process does by itself, and what signals that it changed.

Limits come from a baseline that stays frozen until a recorded change; dose belongs on the chart as
its logarithm (pass ``np.log(dose)`` and transform the lines back for display).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytics.guards import LARGEST_VALUE, computable, not_computable
from analytics.results import NotComputable

Array = NDArray[np.float64]
Side = Literal["above", "below"]
SIDES: tuple[tuple[Side, float], ...] = (("above", 1.0), ("below", -1.0))
#: Expected range of two standard normal values, rounded as tables and R's qcc have it.
D2 = 1.128
#: Upper limit of a moving range is this many mean ranges, rounded like :data:`D2`.
D4 = 3.2665
#: Median of the range of two standard normal values.
D2_MEDIAN = 0.954
#: Fewest baseline points from which limits are drawn; 20–25 make them dependable.
MIN_BASELINE = 8


@dataclass(frozen=True)
class Signal:
    """A run rule that fired at a point; ``index`` counts from 0 and is the run's last point."""

    index: int
    rule: str
    side: Side


@dataclass(frozen=True)
class Chart:
    """Points with centre line, limits and signals, all of one length; NaN where there is none.

    ``baseline`` is the range of points (first, one past the last) behind the limits in force.
    """

    kind: str
    points: tuple[float, ...]
    centre: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    sigma: tuple[float, ...]  #: standard deviation of each point's expectation
    signals: tuple[Signal, ...]
    baseline: tuple[int, int]
    note: str = ""


@computable
def xmr(
    values: ArrayLike,
    baseline: tuple[int, int] | None = None,
    sigma: Literal["mean_range", "median_range"] = "mean_range",
) -> Chart | NotComputable:
    """Chart individual values with limits at three standard deviations (2.66 mean ranges).

    Parameters
    ----------
    values
        (n,) in order of time; NaN marks a gap, over which no moving range is taken.
    baseline
        First and one-past-last point from which centre and sigma are taken; all by default.
    sigma
        ``mean_range``: mean moving range / 1.128 (limits ±2.66 mean ranges); ``median_range``:
        median moving range / 0.954, which single outliers do not widen.

    Notes
    -----
    R: ``qcc::qcc(x, type = "xbar.one")``, which also rounds d2 to 1.128.
    """
    x = np.asarray(values, dtype=float)
    chosen = checked_baseline(x, baseline)
    if isinstance(chosen, NotComputable):
        return chosen
    spread = moving_range_sigma(x[slice(*chosen)], sigma)
    if not spread > 0:
        return not_computable("the baseline does not vary", int(np.isfinite(x).sum()))
    centre = float(np.nanmean(x[slice(*chosen)]))
    note = f"limits from {int(np.isfinite(x[slice(*chosen)]).sum())} points"
    return three_sigma_chart(
        "XmR", x, np.full(x.size, centre), np.full(x.size, spread), chosen, note
    )


def moving_range_sigma(values: Array, method: str = "mean_range") -> float:
    """Estimate the standard deviation from ranges of neighbours; NaN where there are none."""
    ranges = np.abs(np.diff(values))
    ranges = ranges[np.isfinite(ranges)]
    if not ranges.size:
        return float("nan")
    if method == "median_range":
        return float(np.median(ranges)) / D2_MEDIAN
    return float(ranges.mean()) / D2


@computable
def moving_ranges(values: ArrayLike) -> Chart | NotComputable:
    """Chart the ranges of neighbours (the mR half of XmR); the first point has none."""
    x = np.asarray(values, dtype=float)
    if (np.abs(x) > LARGEST_VALUE).any():
        return not_computable("a value is infinite or too large for the arithmetic", x.size)
    ranges = np.concatenate([[np.nan], np.abs(np.diff(x))]) if x.size else x
    if np.isfinite(ranges).sum() < 2:
        return not_computable("there are fewer than two moving ranges", x.size)
    mean = float(np.nanmean(ranges))
    high = np.full(x.size, D4 * mean)
    beyond = np.flatnonzero(ranges > high)
    signals = tuple(Signal(int(i), "beyond the limit", "above") for i in beyond)
    full = np.full(x.size, mean)
    return Chart(
        "mR",
        plain(ranges),
        plain(full),
        plain(0 * full),
        plain(high),
        plain((high - mean) / 3),
        signals,
        (0, x.size),
    )


def plain(values: Array) -> tuple[float, ...]:
    """Return an array as a tuple of floats, as results keep it."""
    return tuple(values.tolist())


def checked_baseline(x: Array, baseline: tuple[int, int] | None) -> tuple[int, int] | NotComputable:
    """Check a baseline range; infinities have no place on a chart."""
    if (np.abs(x) > LARGEST_VALUE).any():
        return not_computable("a value is infinite or too large for the arithmetic", x.size)
    first, last = baseline or (0, x.size)
    if not 0 <= first < last <= x.size:
        return not_computable(f"there is no baseline {first}–{last} in {x.size} points", x.size)
    n = int(np.isfinite(x[first:last]).sum())
    if n < MIN_BASELINE:
        return not_computable(f"{n} baseline points are fewer than {MIN_BASELINE}", n)
    return first, last


def three_sigma_chart(
    kind: str, x: Array, centre: Array, sigma: Array, baseline: tuple[int, int], note: str = ""
) -> Chart:
    """Lay out independent points with limits at three sigma and the run rules' signals."""
    low, high = centre - 3 * sigma, centre + 3 * sigma
    signals = run_signals((x - centre) / sigma)
    return Chart(
        kind,
        plain(x),
        plain(centre),
        plain(low),
        plain(high),
        plain(sigma),
        signals,
        baseline,
        note,
    )


def run_signals(z: ArrayLike, points_in_row: int = 8) -> tuple[Signal, ...]:
    """Apply the run rules to standardised points.

    One point beyond 3 sigma; two of three in a row beyond 2 sigma on one side; ``points_in_row``
    on one side of the centre (Western Electric 1956, rules 1, 2 and 4). A missing point ends a
    run. A run is told once, where it becomes one.
    """
    scores = np.asarray(z, dtype=float)
    found: list[Signal] = []
    for side, sign in SIDES:
        along = sign * scores
        for i in np.flatnonzero(along > 3):
            found.append(Signal(int(i), "beyond 3 sigma", side))
        for i in _two_of_three(along > 2):
            found.append(Signal(int(i), "two of three beyond 2 sigma", side))
        for i in runs(along > 0, points_in_row):
            found.append(Signal(int(i), f"{points_in_row} in a row on one side", side))
    return tuple(sorted(found, key=lambda s: (s.index, s.rule)))


def _two_of_three(beyond: NDArray[np.bool_]) -> list[int]:
    padded = np.concatenate([[False, False], beyond])
    count = padded[2:].astype(int) + padded[1:-1] + padded[:-2]
    return np.flatnonzero(beyond & (count >= 2)).tolist()


def runs(on_side: NDArray[np.bool_], length: int) -> list[int]:
    """Return where a run reaches its length, once a run."""
    ends, streak = [], 0
    for i, hit in enumerate(on_side):
        streak = streak + 1 if hit else 0
        if streak == length:
            ends.append(i)
    return ends


@computable
def rebaselined(
    values: ArrayLike,
    changes: Sequence[int],
    baseline_points: int = 24,
    sigma: Literal["mean_range", "median_range"] = "mean_range",
    draw: Callable[[Array, tuple[int, int]], Chart | NotComputable] | None = None,
) -> Chart | NotComputable:
    """Chart a series with a new frozen baseline after each recorded change.

    Parameters
    ----------
    values
        (n,) in order of time.
    changes
        Indices of the first point after each recorded change; the limits before stay as drawn.
    baseline_points
        Points at the start of each phase from which its limits are frozen.
    sigma
        Where the standard deviation of an individuals chart comes from.
    draw
        Chart of one phase from its values and baseline, e.g. an EWMA; individual values by default.

    Returns
    -------
    Chart or NotComputable
        Phases too short for limits have NaN lines and no signals; ``baseline`` is the last
        phase's that has limits.
    """
    x = np.asarray(values, dtype=float)

    def individuals(part: Array, baseline: tuple[int, int]) -> Chart | NotComputable:
        return xmr(part, baseline, sigma)

    phase = draw or individuals
    edges = sorted({0, x.size, *(int(c) for c in changes if 0 < c < x.size)})
    parts = [
        (start, stop, phase(x[start:stop], (0, min(baseline_points, stop - start))))
        for start, stop in pairwise(edges)
    ]
    drawn = [(start, part) for start, _, part in parts if isinstance(part, Chart)]
    if not drawn:
        return not_computable("no phase is long enough for limits", x.size)
    last_start, last = drawn[-1]
    return Chart(
        last.kind,
        plain(x) if draw is None else _phase_lines(parts, "points"),
        centre=_phase_lines(parts, "centre"),
        low=_phase_lines(parts, "low"),
        high=_phase_lines(parts, "high"),
        sigma=_phase_lines(parts, "sigma"),
        signals=tuple(
            replace(signal, index=signal.index + start)
            for start, part in drawn
            for signal in part.signals
        ),
        baseline=(last.baseline[0] + last_start, last.baseline[1] + last_start),
        note=f"{len(drawn)} of {len(parts)} phases have limits",
    )


def _phase_lines(
    parts: list[tuple[int, int, Chart | NotComputable]], line: str
) -> tuple[float, ...]:
    lines: list[float] = []
    for start, stop, part in parts:
        none = [float("nan")] * (stop - start)
        lines.extend(getattr(part, line) if isinstance(part, Chart) else none)
    return tuple(lines)


@computable
def subgroup_means(
    means: ArrayLike, n: ArrayLike, sd: float, baseline: tuple[int, int] | None = None
) -> Chart | NotComputable:
    """Chart means of log dose by month with limits that narrow with the month's n.

    ``sd`` is the cases' own standard deviation within a month, on the same scale as ``means``;
    the centre is the n-weighted mean of the baseline.
    """
    x, size = np.asarray(means, dtype=float), np.asarray(n, dtype=float)
    chosen = checked_baseline(x, baseline)
    if isinstance(chosen, NotComputable):
        return chosen
    if not (np.isfinite(sd) and sd > 0):
        return not_computable("the cases do not vary within a month", x.size)
    x = np.where(size > 0, x, np.nan)
    part = slice(*chosen)
    kept = np.isfinite(x[part])
    centre = float(np.average(x[part][kept], weights=size[part][kept]))
    sigma = np.divide(sd, np.sqrt(size), out=np.full(x.size, np.nan), where=size > 0)
    return three_sigma_chart("X-bar", x, np.full(x.size, centre), sigma, chosen)
