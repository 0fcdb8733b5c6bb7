"""Rank-based trends: Sen's slope and the Mann–Kendall tests, companions of the regression."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analytics.autocorrelation import MAX_RHO, lag1, line_correction
from analytics.guards import not_computable
from analytics.results import Estimate, NotComputable, TestResult

Array = NDArray[np.float64]
#: Fewest values of which an autocorrelation is taken out.
MIN_PREWHITENED = 8


def sen_slope(
    y: ArrayLike, time: ArrayLike | None = None, level: float = 0.95
) -> Estimate | NotComputable:
    """Estimate the median of all pairwise slopes, with Sen's interval.

    Parameters
    ----------
    y
        (n,) values in order of time; NaN is left out.
    time
        (n,) strictly increasing; by default 1, 2, 3 …

    Notes
    -----
    Sen 1968, doi 10.1080/01621459.1968.10480934; interval from the tie-corrected variance of
    Kendall's S, ranks rounded as R's ``trend::sens.slope`` does.
    """
    values = np.asarray(y, dtype=float)
    t = np.arange(1.0, values.size + 1) if time is None else np.asarray(time, dtype=float)
    kept = np.isfinite(values)
    values, t = values[kept], t[kept]
    n = values.size
    if n < 3:
        return not_computable(f"{n} values are fewer than 3", n)
    i, j = np.triu_indices(n, 1)
    slopes = np.sort((values[j] - values[i]) / (t[j] - t[i]))
    width = stats.norm.ppf((1 + level) / 2) * np.sqrt(_variance_of_s(values))
    low = max(round((slopes.size - width) / 2), 1)
    high = min(round((slopes.size + width) / 2 + 1), slopes.size)
    return Estimate(
        float(np.median(slopes)),
        float(slopes[low - 1]),
        float(slopes[high - 1]),
        n,
        "Sen's slope",
        "per period",
        level,
    )


def _variance_of_s(values: Array) -> float:
    n = values.size
    ties = np.unique(values, return_counts=True)[1]
    full = n * (n - 1) * (2 * n + 5)
    return float(full - (ties * (ties - 1) * (2 * ties + 5)).sum()) / 18


def _kendall_s(values: Array) -> int:
    """Return concordant minus discordant pairs; row by row, so memory stays linear."""
    return sum(int(np.sign(values[i + 1 :] - values[i]).sum()) for i in range(values.size - 1))


def mann_kendall(y: ArrayLike, method: str = "Mann–Kendall") -> TestResult | NotComputable:
    """Test for a monotone trend, assuming independent values (rejects too often otherwise).

    Mann 1945, doi 10.2307/1907187; ties in the variance, continuity correction. ``details`` has
    ``S``, ``var_S`` and Kendall's ``tau``. R: ``trend::mk.test(x, continuity = TRUE)``.
    """
    values = np.asarray(y, dtype=float)
    values = values[np.isfinite(values)]
    n = values.size
    if n < 3:
        return not_computable(f"{n} values are fewer than 3", n)
    variance = _variance_of_s(values)
    if variance == 0:
        return not_computable("the values have no variation", n)
    s = _kendall_s(values)
    ties = np.unique(values, return_counts=True)[1]
    pairs = n * (n - 1) / 2
    tau = s / np.sqrt(pairs * (pairs - (ties * (ties - 1)).sum() / 2))
    return _normal_test(method, s, variance, n, {"tau": float(tau)})


def _normal_test(
    method: str, s: int, variance: float, n: int, details: dict[str, float]
) -> TestResult:
    z = (s - np.sign(s)) / np.sqrt(variance)
    p_value = min(1.0, float(2 * stats.norm.sf(abs(z))))
    return TestResult(method, float(z), p_value, n, details={"S": s, "var_S": variance, **details})


def mann_kendall_prewhitened(time: ArrayLike, y: ArrayLike) -> TestResult | NotComputable:
    """Test for a monotone trend after removing the lag-1 autocorrelation.

    The autocorrelation is that of the series without its Sen slope, bias-corrected and floored
    at 0; ``details['rho']`` is what was removed. Only neighbours one period apart are used.
    """
    t, values = np.asarray(time, dtype=float), np.asarray(y, dtype=float)
    sen = sen_slope(values, t)
    if isinstance(sen, NotComputable) or values.size < MIN_PREWHITENED:
        n = int(values.size)
        return not_computable(f"{n} values are too few", n)
    residuals = values - sen.value * t
    rho = float(np.clip(line_correction(values.size)(lag1(t, residuals)), 0.0, MAX_RHO))
    next_door = np.diff(t) == 1
    white = (values[1:] - rho * values[:-1])[next_door]
    result = mann_kendall(white, "Mann–Kendall, prewhitened")
    if isinstance(result, TestResult):
        result.details["rho"] = rho
    return result


def seasonal_mann_kendall(y: ArrayLike, period: int = 12) -> TestResult | NotComputable:
    """Test for a monotone trend within each season, summed over independent seasons.

    ``y`` has one value each period from its first season on, NaN where missing. Hirsch et al.
    1982, doi 10.1029/WR018i001p00107. ``details['sen_slope']`` is the seasonal slope per period
    cycle (per year for months). R: ``trend::smk.test(x, continuity = TRUE)``.
    """
    values = np.asarray(y, dtype=float)
    n = int(np.isfinite(values).sum())
    seasons = [values[i::period] for i in range(period)]
    finite = [season[np.isfinite(season)] for season in seasons]
    variance = sum(_variance_of_s(season) for season in finite if season.size > 1)
    if variance == 0:
        return not_computable("no season has varying values", n)
    s = sum(_kendall_s(season) for season in finite)
    slopes = np.concatenate([_cycle_slopes(season) for season in seasons])
    details = {"sen_slope": float(np.median(slopes))}
    return _normal_test("Seasonal Mann–Kendall", s, variance, n, details)


def _cycle_slopes(season: Array) -> Array:
    cycle = np.flatnonzero(np.isfinite(season))
    i, j = np.triu_indices(cycle.size, 1)
    return (season[cycle[j]] - season[cycle[i]]) / (cycle[j] - cycle[i])
