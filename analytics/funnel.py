"""Funnel plots: rooms or operators against a common target, without ranking anybody.

Spiegelhalter 2005, Statistics in Medicine 24:1185, doi 10.1002/sim.1970. Units are never sorted by
their result, and units with fewer than ten cases are shown without a verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analytics.guards import LARGEST_VALUE, computable, not_computable
from analytics.results import NotComputable

Array = NDArray[np.float64]
Position = Literal["within", "above 95 %", "above 99.8 %", "below 95 %", "below 99.8 %", "too few"]
#: Fewest cases with which a unit gets a position.
MIN_CASES = 10
#: Fewest units from which overdispersion is estimated.
MIN_UNITS = 5
#: Mean square of standard normal scores after winsorising 10 % at each end.
WINSORISED_VARIANCE = 0.6786
#: Standard normal quantiles of the 95 % and 99.8 % limits.
Z95, Z998 = 1.959963984540054, 3.090232306167813


@dataclass(frozen=True)
class Limits:
    """Limits of a funnel at given sizes, on the scale that is plotted."""

    n: tuple[float, ...]
    low95: tuple[float, ...]
    high95: tuple[float, ...]
    low998: tuple[float, ...]
    high998: tuple[float, ...]


@dataclass(frozen=True)
class FunnelUnit:
    """One room or operator: size, value and where it lies."""

    name: str
    n: int
    value: float
    z: float  #: distance from the target in standard errors, after overdispersion
    position: Position


@dataclass(frozen=True)
class Funnel:
    """A funnel plot: units in the order given, target, limits and overdispersion."""

    units: tuple[FunnelUnit, ...]
    target: float
    limits: Limits
    phi: float  #: winsorised overdispersion; above 1 the units vary more than chance explains
    phi_used: float  #: what the limits were widened by; 1 where there is no evidence for more
    heterogeneity_p: float | None  #: of the test that units vary by chance alone
    method: str


def binomial_limits(n: ArrayLike, target: float) -> Limits:
    """Return exact interpolated binomial limits at 95 % and 99.8 % for proportions.

    Parameters
    ----------
    n
        Sizes, ≥ 1.
    target
        Proportion in (0, 1).

    Notes
    -----
    Appendix A.1.1 of Spiegelhalter 2005: ``r = qbinom(p, n, target)``, interpolated by
    ``(pbinom(r) − p)/dbinom(r)`` and clipped at 0 and 1.
    """
    size = np.atleast_1d(np.asarray(n, dtype=float))
    if not 0 < target < 1:
        raise ValueError(f"target proportion {target} is not between 0 and 1")
    if not (np.isfinite(size).all() and (size >= 1).all()):
        raise ValueError("every size must be at least 1")
    return Limits(
        _plain(size),
        *(_plain(_binomial_limit(size, target, tail)) for tail in (0.025, 0.975, 0.001, 0.999)),
    )


def _binomial_limit(n: Array, target: float, tail: float) -> Array:
    r = stats.binom.ppf(tail, n, target)
    excess = (stats.binom.cdf(r, n, target) - tail) / stats.binom.pmf(r, n, target)
    return np.clip((r - excess) / n, 0.0, 1.0)


def _plain(values: Array) -> tuple[float, ...]:
    return tuple(values.tolist())


def normal_limits(n: ArrayLike, target: float, sd: float, phi: float = 1.0) -> Limits:
    """Return limits ``target ± z·sd·√(phi/n)`` for means of a normal quantity (log dose)."""
    size = np.atleast_1d(np.asarray(n, dtype=float))
    error = sd * np.sqrt(phi / size)
    bounds = (target + z * error for z in (-Z95, Z95, -Z998, Z998))
    return Limits(_plain(size), *(_plain(bound) for bound in bounds))


@computable
def proportion_funnel(
    names: Sequence[str],
    events: ArrayLike,
    n: ArrayLike,
    target: float | None = None,
    widen: bool = True,
) -> Funnel | NotComputable:
    """Place units' proportions against exact binomial limits.

    Parameters
    ----------
    names, events, n
        (k,) units, events and cases of each.
    target
        Proportion aimed at; by default that of all units together.
    widen
        Use limits widened by √phi (on the arcsine scale) when the units vary more than chance.
    """
    x, size = np.asarray(events, dtype=float), np.asarray(n, dtype=float)
    reason = _unusable(names, x, size)
    if reason is None and ((x < 0) | (x > size)).any():
        reason = "a count of events lies outside its cases"
    if reason:
        return not_computable(reason, len(names))
    aim = float(x.sum() / size.sum()) if target is None else target
    if not 0 < aim < 1:
        return not_computable(f"a target of {aim:g} leaves no room for chance", int(size.sum()))
    share = x / size
    # Variance-stabilised: the raw z-score of rare events is skewed (Spiegelhalter 2005, A.1).
    z = 2 * np.sqrt(size) * (np.arcsin(np.sqrt(share)) - np.arcsin(np.sqrt(aim)))
    phi, p_value, used = _dispersion(z, size, widen)
    limits = binomial_limits(size, aim) if used == 1 else _arcsine_limits(size, aim, used)
    units = _placed(names, share, size, z / np.sqrt(used), limits)
    return Funnel(units, aim, limits, phi, used, p_value, "exact binomial limits")


def _arcsine_limits(n: Array, target: float, phi: float) -> Limits:
    centre = np.arcsin(np.sqrt(target))
    half = np.sqrt(phi / n) / 2
    angles = (np.clip(centre + z * half, 0, np.pi / 2) for z in (-Z95, Z95, -Z998, Z998))
    return Limits(_plain(n), *(_plain(np.sin(angle) ** 2) for angle in angles))


@computable
def log_dose_funnel(
    names: Sequence[str],
    mean_logs: ArrayLike,
    n: ArrayLike,
    sd: float,
    target: float | None = None,
    widen: bool = True,
) -> Funnel | NotComputable:
    """Place units' mean natural log dose against a target; exponentiate for display.

    Parameters
    ----------
    names
        (k,) units.
    mean_logs
        (k,) mean of ln dose, or of the residual of a regression on procedure, size and levels.
    n
        (k,) cases.
    sd
        Standard deviation of ln dose (or of the residuals) within units.
    target
        ln dose aimed at; by default the mean of all cases.
    """
    means, size = np.asarray(mean_logs, dtype=float), np.asarray(n, dtype=float)
    reason = _unusable(names, means, size)
    if reason is None and not (np.isfinite(sd) and sd > 0):
        reason = "the cases do not vary within units"
    if reason:
        return not_computable(reason, len(names))
    aim = float(np.average(means, weights=size)) if target is None else target
    z = (means - aim) / (sd / np.sqrt(size))
    phi, p_value, used = _dispersion(z, size, widen)
    limits = normal_limits(size, aim, sd, used)
    units = _placed(names, means, size, z / np.sqrt(used), limits)
    return Funnel(units, aim, limits, phi, used, p_value, "normal limits of mean log dose")


def _unusable(names: Sequence[str], values: Array, n: Array) -> str | None:
    if not len(names) == values.size == n.size:
        return "names, values and sizes do not match"
    if not len(names):
        return "there are no units"
    if not (np.isfinite(values).all() and np.isfinite(n).all() and (n >= 1).all()):
        return "a value is not finite or a unit has no cases"
    if (np.abs(values) > LARGEST_VALUE).any():
        return "a value is too large for the arithmetic"
    return None


def _dispersion(z: Array, n: Array, widen: bool) -> tuple[float, float | None, float]:
    """Return phi of the scores winsorised at 10 % each end, its p-value and what to use.

    Winsorising keeps the units that stand out from hiding themselves; phi is divided by what it
    leaves of normal scores, so that chance alone gives 1. Limits are widened only where phi
    exceeds 1 + 2·√(2/k): below, chance explains it (Spiegelhalter 2005, section 4).
    """
    large = z[n >= MIN_CASES]
    k = large.size
    if k < MIN_UNITS:
        return 1.0, None, 1.0
    low, high = np.quantile(large, [0.1, 0.9])
    phi = float((np.clip(large, low, high) ** 2).mean()) / WINSORISED_VARIANCE
    p_value = float(stats.chi2.sf(float((large**2).sum()), k - 1))
    return phi, p_value, phi if widen and phi > 1 + 2 * np.sqrt(2 / k) else 1.0


def _placed(
    names: Sequence[str], values: Array, n: Array, z: Array, limits: Limits
) -> tuple[FunnelUnit, ...]:
    return tuple(
        FunnelUnit(
            name,
            int(n[i]),
            float(values[i]),
            float(z[i]),
            _position(float(values[i]), int(n[i]), limits, i),
        )
        for i, name in enumerate(names)
    )


def _position(value: float, n: int, limits: Limits, i: int) -> Position:
    if n < MIN_CASES:
        return "too few"
    if value > limits.high998[i]:
        return "above 99.8 %"
    if value > limits.high95[i]:
        return "above 95 %"
    if value < limits.low998[i]:
        return "below 99.8 %"
    return "below 95 %" if value < limits.low95[i] else "within"
