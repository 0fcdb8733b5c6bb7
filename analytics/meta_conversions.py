"""Mean and standard deviation from the medians, quartiles and ranges that papers print.

Sources: mean, Luo et al. 2018 (10.1177/0962280216669183); standard deviation, Wan et al. 2014
(10.1186/1471-2288-14-135); both from a fitted distribution, McGrath et al. 2020
(10.1177/0962280219889080), where the values are skewed.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from analytics.guards import LARGEST_VALUE, FloatArray, UndefinedError, computable, count, require


@dataclass(frozen=True)
class MeanSd:
    """A mean and standard deviation in the unit of the printed values, and how they came about."""

    mean: float
    sd: float
    n: int
    method: str


@dataclass(frozen=True)
class Printed:
    """What a paper prints of one arm; quartiles, range, or both."""

    median: float
    n: int
    q1: float | None
    q3: float | None
    minimum: float | None
    maximum: float | None

    @property
    def has_quartiles(self) -> bool:
        """Say whether both quartiles are there."""
        return self.q1 is not None and self.q3 is not None

    @property
    def has_range(self) -> bool:
        """Say whether both ends are there."""
        return self.minimum is not None and self.maximum is not None


def _printed(
    median: float,
    n: float,
    q1: float | None,
    q3: float | None,
    minimum: float | None,
    maximum: float | None,
) -> Printed:
    """Check order and completeness of the printed values."""
    size = count(n, "the number of patients")
    require(size >= 3, "there are fewer than three patients", size)
    printed = Printed(median, size, q1, q3, minimum, maximum)
    require(
        printed.has_quartiles or printed.has_range, "neither quartiles nor range are given", size
    )
    require(median is not None, "the median is missing", size)
    given = [value for value in (minimum, q1, median, q3, maximum) if value is not None]
    usable = all(
        isinstance(v, int | float) and math.isfinite(v) and abs(v) <= LARGEST_VALUE for v in given
    )
    require(usable, "a printed value is not a usable number", size)
    require(given == sorted(given), "minimum, quartiles, median and maximum are not in order", size)
    return printed


@computable
def luo_wan(
    median: float,
    n: float,
    q1: float | None = None,
    q3: float | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
) -> MeanSd:
    """Mean by Luo, standard deviation by Wan (R: ``metafor::conv.fivenum``).

    Parameters
    ----------
    median, q1, q3, minimum, maximum
        Printed values in one unit; quartiles, range, or both.
    n
        Patients, at least 3.

    Notes
    -----
    Right for values near a normal distribution; for skewed ones use ``mcgrath``.
    """
    p = _printed(median, n, q1, q3, minimum, maximum)
    size = p.n
    tail = 2 * _normal((size - 0.375) / (size + 0.25))
    middle = 2 * _normal((0.75 * size - 0.125) / (size + 0.25))
    if q1 is not None and q3 is not None and minimum is not None and maximum is not None:
        w1, w2 = 2.2 / (2.2 + size**0.75), 0.7 - 0.72 / size**0.55
        mean = w1 * (minimum + maximum) / 2 + w2 * (q1 + q3) / 2 + (1 - w1 - w2) * median
        sd = (maximum - minimum) / (2 * tail) + (q3 - q1) / (2 * middle)
    elif q1 is not None and q3 is not None:
        weight = 0.7 + 0.39 / size
        mean, sd = weight * (q1 + q3) / 2 + (1 - weight) * median, (q3 - q1) / middle
    else:
        ends = (minimum or 0.0) + (maximum or 0.0)
        weight = 4 / (4 + size**0.75)
        mean = weight * ends / 2 + (1 - weight) * median
        sd = ((maximum or 0.0) - (minimum or 0.0)) / tail
    require(sd > 0, "the printed values do not spread", size)
    return MeanSd(mean, sd, size, "mean by Luo 2018, SD by Wan 2014")


def _normal(p: float) -> float:
    return float(special.ndtri(p))


Quantiles = Callable[[FloatArray, float, float], FloatArray]
Moments = Callable[[float, float], tuple[float, float]]


def _lognormal_moments(mu: float, log_sigma: float) -> tuple[float, float]:
    variance = math.exp(2 * log_sigma)
    mean = math.exp(mu + variance / 2)
    return mean, mean * math.sqrt(math.expm1(variance))


def _weibull_moments(log_shape: float, log_scale: float) -> tuple[float, float]:
    shape, scale = math.exp(log_shape), math.exp(log_scale)
    first, second = math.gamma(1 + 1 / shape), math.gamma(1 + 2 / shape)
    return scale * first, scale * math.sqrt(max(0.0, second - first * first))


def _gamma_moments(log_shape: float, log_scale: float) -> tuple[float, float]:
    shape, scale = math.exp(log_shape), math.exp(log_scale)
    return shape * scale, math.sqrt(shape) * scale


def _gamma_quantiles(p: FloatArray, log_shape: float, log_scale: float) -> FloatArray:
    quantiles = special.gammaincinv(math.exp(log_shape), p) * math.exp(log_scale)
    return np.asarray(quantiles, dtype=np.float64)


def _weibull_quantiles(p: FloatArray, log_shape: float, log_scale: float) -> FloatArray:
    logs = log_scale + np.log(-np.log1p(-p)) * math.exp(-log_shape)
    return np.asarray(np.exp(logs), dtype=np.float64)


def _lognormal_quantiles(p: FloatArray, mu: float, log_sigma: float) -> FloatArray:
    return np.asarray(np.exp(mu + math.exp(log_sigma) * special.ndtri(p)), dtype=np.float64)


def _normal_quantiles(p: FloatArray, mu: float, log_sigma: float) -> FloatArray:
    return np.asarray(mu + math.exp(log_sigma) * special.ndtri(p), dtype=np.float64)


POSITIVE_FAMILIES: dict[str, tuple[Quantiles, Moments]] = {
    "log-normal": (_lognormal_quantiles, _lognormal_moments),
    "gamma": (_gamma_quantiles, _gamma_moments),
    "Weibull": (_weibull_quantiles, _weibull_moments),
}


@computable
def mcgrath(
    median: float,
    n: float,
    q1: float | None = None,
    q3: float | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
) -> MeanSd:
    """Mean and standard deviation by quantile estimation (R: ``estmeansd::qe.mean.sd``).

    Parameters
    ----------
    median, q1, q3, minimum, maximum, n
        As in ``luo_wan``.

    Notes
    -----
    Normal, log-normal, gamma and Weibull distributions are fitted to the printed quantiles by least
    squares (minimum and maximum count as the 1/n and 1 − 1/n quantiles); the best one gives mean
    and standard deviation. Values that reach zero allow the normal distribution only.
    """
    p = _printed(median, n, q1, q3, minimum, maximum)
    pairs = [(0.5, median), (0.25, q1), (0.75, q3), (1 / p.n, minimum), (1 - 1 / p.n, maximum)]
    places = np.array([place for place, value in pairs if value is not None])
    values = np.array([value for _, value in pairs if value is not None], dtype=float)
    unit = float(np.ptp(values))
    require(unit > 0, "the printed values do not spread", p.n)
    start = luo_wan(median, n, q1, q3, minimum, maximum)
    if not isinstance(start, MeanSd):
        raise UndefinedError("the printed values do not spread", p.n)
    fits = [_fit_normal(places, values)]
    if values.min() > 0:
        fits += [
            _fit(name, family, places, values, (start.mean, start.sd))
            for name, family in POSITIVE_FAMILIES.items()
        ]
    _, name, mean, sd = min(fits)
    require(math.isfinite(mean) and math.isfinite(sd) and sd > 0, "no distribution fits", p.n)
    return MeanSd(mean, sd, p.n, f"quantile estimation by McGrath 2020 ({name} fits best)")


def _fit_normal(places: FloatArray, values: FloatArray) -> tuple[float, str, float, float]:
    """Fit mean and SD of a normal distribution, a straight line through normal quantiles."""
    design = np.column_stack([np.ones(len(places)), special.ndtri(places)])
    (mean, sd), *_ = np.linalg.lstsq(design, values, rcond=None)
    return float(((values - design @ [mean, sd]) ** 2).sum()), "normal", float(mean), float(sd)


def _fit(
    name: str,
    family: tuple[Quantiles, Moments],
    places: FloatArray,
    values: FloatArray,
    start: tuple[float, float],
) -> tuple[float, str, float, float]:
    """Fit a two-parameter family by least squares of its quantiles."""
    quantiles, moments = family
    scale = float(np.median(values))
    spread = min(3.0, max(0.05, start[1] / max(start[0], 1e-12)))
    begins = {
        "log-normal": (0.0, math.log(spread)),
        "gamma": (-2 * math.log(spread), 2 * math.log(spread)),
        "Weibull": (-math.log(spread), 0.1),
    }

    def loss(parameters: FloatArray) -> float:
        if np.abs(parameters).max() > 30:
            return 1e30
        fitted = quantiles(places, float(parameters[0]), float(parameters[1]))
        miss = float((((values / scale) - fitted) ** 2).sum())
        return miss if math.isfinite(miss) else 1e30

    found = optimize.minimize(
        loss,
        np.array(begins[name]),
        method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-18, "maxiter": 4000, "maxfev": 4000},
    )
    mean, sd = moments(float(found.x[0]), float(found.x[1]))
    return float(found.fun) * scale * scale, name, mean * scale, sd * scale
