"""EWMA and CUSUM: charts that gather small lasting shifts which single points do not show."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytics.control_charts import (
    Array,
    Chart,
    Signal,
    checked_baseline,
    moving_range_sigma,
    plain,
)
from analytics.guards import computable, not_computable
from analytics.results import NotComputable


@computable
def ewma(
    values: ArrayLike,
    weight: float = 0.2,
    width: float = 2.7,
    baseline: tuple[int, int] | None = None,
    centre: float | None = None,
    sigma: float | None = None,
) -> Chart | NotComputable:
    """Chart the exponentially weighted moving average, which sees small lasting shifts.

    Parameters
    ----------
    values
        (n,) in order of time; a NaN leaves the average where it was.
    weight
        Weight of the newest point, in (0, 1].
    width
        Limits in standard deviations of the average.
    centre, sigma
        Known mean and standard deviation of one point; otherwise from the baseline's mean and
        moving ranges.

    Notes
    -----
    Roberts 1959, doi 10.1080/00401706.1959.10489860; limits ``centre ± width·sigma·
    √(λ/(2 − λ)·(1 − (1 − λ)^(2t)))``. R: ``qcc::ewma``.
    """
    x = np.asarray(values, dtype=float)
    if not 0 < weight <= 1:
        raise ValueError(f"weight {weight} is not in (0, 1]")
    chosen = checked_baseline(x, baseline)
    if isinstance(chosen, NotComputable):
        return chosen
    part = x[slice(*chosen)]
    mean = float(np.nanmean(part)) if centre is None else centre
    spread = moving_range_sigma(part) if sigma is None else sigma
    if not spread > 0:
        return not_computable("the baseline does not vary", x.size)
    average, last = np.empty(x.size), mean
    for i, value in enumerate(x):
        last = last if np.isnan(value) else weight * value + (1 - weight) * last
        average[i] = last
    step = np.cumsum(np.isfinite(x))
    factor = weight / (2 - weight) * (1 - (1 - weight) ** (2 * np.maximum(step, 1)))
    return _smoothed("EWMA", average, mean, width, spread * np.sqrt(factor), chosen)


def _smoothed(
    kind: str, points: Array, mean: float, width: float, sigma: Array, baseline: tuple[int, int]
) -> Chart:
    """Lay out a chart of dependent points: only a point beyond a limit is a signal."""
    low, high = mean - width * sigma, mean + width * sigma
    signals = [Signal(int(i), "beyond the limit", "above") for i in np.flatnonzero(points > high)]
    signals += [Signal(int(i), "beyond the limit", "below") for i in np.flatnonzero(points < low)]
    return Chart(
        kind,
        plain(points),
        plain(np.full(points.size, mean)),
        plain(low),
        plain(high),
        plain(sigma),
        tuple(sorted(signals, key=lambda s: s.index)),
        baseline,
    )


@dataclass(frozen=True)
class Cusum:
    """Tabular CUSUM in standard deviations: sums above and below, limit, first signals."""

    above: tuple[float, ...]
    below: tuple[float, ...]  #: not positive
    limit: float
    signals: tuple[Signal, ...]
    centre: float
    sigma: float


@computable
def cusum(
    values: ArrayLike,
    shift: float = 1.0,
    limit: float = 5.0,
    baseline: tuple[int, int] | None = None,
) -> Cusum | NotComputable:
    """Sum the excess over half the shift to be found, in standard deviations of a point.

    ``shift`` is the shift to detect in sigma (reference value shift/2), ``limit`` the decision
    interval in sigma (Page 1954, doi 10.1093/biomet/41.1-2.100). R: ``qcc::cusum``. A NaN leaves
    the sums where they were.
    """
    x = np.asarray(values, dtype=float)
    chosen = checked_baseline(x, baseline)
    if isinstance(chosen, NotComputable):
        return chosen
    part = x[slice(*chosen)]
    centre, sigma = float(np.nanmean(part)), moving_range_sigma(part)
    if not sigma > 0:
        return not_computable("the baseline does not vary", x.size)
    z = np.nan_to_num((x - centre) / sigma)
    missing = np.isnan(x)
    above, below = np.zeros(x.size), np.zeros(x.size)
    high = low = 0.0
    for i in range(x.size):
        if not missing[i]:
            high, low = max(0.0, high + z[i] - shift / 2), min(0.0, low + z[i] + shift / 2)
        above[i], below[i] = high, low
    signals = [Signal(int(i), "sum beyond the limit", "above") for i in _starts(above > limit)]
    signals += [Signal(int(i), "sum beyond the limit", "below") for i in _starts(below < -limit)]
    ordered = tuple(sorted(signals, key=lambda s: s.index))
    return Cusum(plain(above), plain(below), limit, ordered, centre, sigma)


def _starts(hit: NDArray[np.bool_]) -> list[int]:
    return np.flatnonzero(hit & ~np.concatenate([[False], hit[:-1]])).tolist()
