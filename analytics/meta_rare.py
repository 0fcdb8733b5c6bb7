"""Pool rare events without adding ½ to every zero: Mantel–Haenszel and Peto."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analytics.guards import check_level, computable, require
from analytics.meta_effects import Effect, log_odds_ratio, log_risk_ratio, risk_difference
from analytics.results import Estimate, NotComputable, TestResult
from analytics.strata import (
    Tables,
    log_odds_ratio_parts,
    log_risk_ratio_parts,
    risk_difference_parts,
    stratified_tables,
)


@dataclass(frozen=True)
class RarePooled:
    """A pooled effect of rare events; log scale for ratios.

    ``double_zero`` counts studies without any event in both arms (and ``all_events`` those in
    which everybody had it): they say nothing of a ratio and are named, not dropped in silence.
    A risk difference uses them.
    """

    k: int
    k_informative: int
    double_zero: int
    all_events: int
    estimate: Estimate
    standard_error: float
    test: TestResult
    q: float
    q_df: int
    q_p: float


Counts = Sequence[float]


def _summarise(
    t: Tables,
    used: NDArray[np.bool_],
    value: float,
    error: float,
    q: float,
    name: str,
    level: float,
) -> RarePooled:
    """Put interval, test and heterogeneity together."""
    require(error > 0, "no study informs the effect", int(t.total.sum()))
    events, n = t.a + t.c, int(t.total.sum())
    half = float(special.ndtri(1 - (1 - check_level(level)) / 2)) * error
    df = max(0, int(used.sum()) - 1)
    z = value / error
    return RarePooled(
        k=len(t.a),
        k_informative=int(used.sum()),
        double_zero=int((events == 0).sum()),
        all_events=int((events == t.total).sum()),
        estimate=Estimate(value, value - half, value + half, n, name, level=level),
        standard_error=error,
        test=TestResult(name, z, 2 * float(special.ndtr(-abs(z))), n),
        q=q if df else 0.0,
        q_df=df,
        q_p=float(special.chdtrc(df, q)) if df else 1.0,
    )


@computable
def peto(e1: Counts, n1: Counts, e2: Counts, n2: Counts, level: float = 0.95) -> RarePooled:
    """Peto's log odds ratio (Yusuf et al. 1985; R: ``metafor::rma.peto``).

    Right for events below about 1 %, arms of similar size and moderate effects.
    """
    t = stratified_tables(e1, n1, e2, n2)
    events, n = t.a + t.c, t.total
    variance = t.n1 * t.n2 * events * (n - events) / (n**2 * np.maximum(n - 1, 1))
    used = variance > 0
    require(bool(used.any()), "no study has both patients with and without the event")
    distance = t.a - events * t.n1 / n
    total = float(variance.sum())
    value = float(distance.sum()) / total
    q = float((distance[used] ** 2 / variance[used]).sum()) - value * value * total
    error = 1 / math.sqrt(total)
    return _summarise(t, used, value, error, max(0.0, q), "Peto log odds ratio", level)


@computable
def mantel_haenszel(
    e1: Counts,
    n1: Counts,
    e2: Counts,
    n2: Counts,
    measure: Literal["OR", "RR", "RD"] = "RR",
    level: float = 0.95,
) -> RarePooled:
    """Mantel–Haenszel log odds ratio, log risk ratio or risk difference.

    R: ``metafor::rma.mh(measure = …)``; no ½ is added to the cells of the pooled value.
    """
    t = stratified_tables(e1, n1, e2, n2)
    events = t.a + t.c
    informative = (events > 0) & (events < t.total)
    if measure == "RD":
        value, error = risk_difference_parts(t)
        q = _q(t, informative, value, risk_difference)
        found = _summarise(
            t, informative, value, error, q, "Mantel–Haenszel risk difference", level
        )
        return replace(found, k_informative=len(t.a))
    require(bool(informative.any()), "no study has patients with and without the event")
    parts = log_odds_ratio_parts if measure == "OR" else log_risk_ratio_parts
    value, error = parts(t)
    single = log_odds_ratio if measure == "OR" else log_risk_ratio
    word = "odds" if measure == "OR" else "risk"
    q = _q(t, informative, value, single)
    return _summarise(t, informative, value, error, q, f"Mantel–Haenszel log {word} ratio", level)


def _q(
    t: Tables,
    used: NDArray[np.bool_],
    pooled: float,
    single: Callable[[float, float, float, float], Effect | NotComputable],
) -> float:
    """Return Cochran's Q of the single studies' effects around the pooled one."""
    total = 0.0
    for a, n1, c, n2, use in zip(t.a, t.n1, t.c, t.n2, used, strict=True):
        effect = single(a, n1, c, n2) if use else None
        if isinstance(effect, Effect):
            total += (effect.value - pooled) ** 2 / effect.variance
    return total
