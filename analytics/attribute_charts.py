"""Charts of events: proportions (p), rates (u) and cases between rare events (g)."""

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from analytics.control_charts import (
    SIDES,
    Chart,
    Signal,
    checked_baseline,
    plain,
    runs,
    three_sigma_chart,
)
from analytics.guards import computable, not_computable
from analytics.results import NotComputable


@computable
def p_chart(
    events: ArrayLike, n: ArrayLike, baseline: tuple[int, int] | None = None
) -> Chart | NotComputable:
    """Chart proportions of events among n, limits at three binomial standard deviations.

    Limits are clipped to [0, 1]. Below about five expected events per point the normal limits
    mislead: use :func:`g_chart`. R: ``qcc::qcc(x, sizes = n, type = "p")``.
    """
    return _counts_chart("p", events, n, baseline)


@computable
def u_chart(
    events: ArrayLike, exposure: ArrayLike, baseline: tuple[int, int] | None = None
) -> Chart | NotComputable:
    """Chart events per unit of exposure, limits at three Poisson standard deviations, from 0."""
    return _counts_chart("u", events, exposure, baseline)


def _counts_chart(
    kind: Literal["p", "u"], events: ArrayLike, size: ArrayLike, baseline: tuple[int, int] | None
) -> Chart | NotComputable:
    x, n = np.asarray(events, dtype=float), np.asarray(size, dtype=float)
    if x.size != n.size:
        return not_computable(f"{x.size} counts and {n.size} sizes do not match", x.size)
    if (x < 0).any() or (n < 0).any() or (kind == "p" and (x > n).any()):
        return not_computable("a count lies outside its size", x.size)
    if not (np.isfinite(x).all() and np.isfinite(n).all()):
        return not_computable("a count or a size is not finite", x.size)
    share = np.divide(x, n, out=np.full(x.size, np.nan), where=n > 0)
    chosen = checked_baseline(share, baseline)
    if isinstance(chosen, NotComputable):
        return chosen
    part = slice(*chosen)
    kept = np.isfinite(share[part])
    rate = float(x[part][kept].sum() / n[part][kept].sum())
    spread = rate * (1 - rate) if kind == "p" else rate
    if spread <= 0:
        return not_computable("the baseline has no events, or nothing but events", x.size)
    sigma = np.sqrt(np.divide(spread, n, out=np.full(x.size, np.nan), where=n > 0))
    chart = three_sigma_chart(kind, share, np.full(x.size, rate), sigma, chosen)
    top = 1.0 if kind == "p" else float("inf")
    low, high = np.clip(chart.low, 0, None), np.clip(chart.high, None, top)
    few = rate * float(np.nanmedian(n)) < 5
    note = "fewer than five expected events a point: normal limits are rough" if few else ""
    return replace(chart, low=plain(low), high=plain(high), note=note)


@computable
def g_chart(
    cases_between: ArrayLike, baseline: tuple[int, int] | None = None, tail: float = 0.00135
) -> Chart | NotComputable:
    """Chart the number of cases between rare events, with exact geometric probability limits.

    Parameters
    ----------
    cases_between
        (n,) whole numbers ≥ 0: cases without the event before each event.
    tail
        Probability beyond each limit (0.00135: as three sigma of a normal).

    Notes
    -----
    Benneyan 2001, Health Care Management Science 4:305; ``P(X > x) = (1 − p)^(x + 1)`` with
    ``p = 1/(mean + 1)``. Points below the lower limit are events too close together; where the
    limit is below 0 there is none, and eight in a row below the median are the signal.
    """
    x = np.asarray(cases_between, dtype=float)
    if (x[np.isfinite(x)] < 0).any():
        return not_computable("a count is negative", x.size)
    chosen = checked_baseline(x, baseline)
    if isinstance(chosen, NotComputable):
        return chosen
    mean = float(np.nanmean(x[slice(*chosen)]))
    if mean == 0:
        return not_computable("every case has the event", x.size)
    log_miss = float(np.log1p(-1 / (mean + 1)))
    low, median, high = (float(np.log1p(-q)) / log_miss - 1 for q in (tail, 0.5, 1 - tail))
    found = [Signal(int(i), "beyond the limit", "above") for i in np.flatnonzero(x > high)]
    found += [Signal(int(i), "beyond the limit", "below") for i in np.flatnonzero(x < low)]
    for side, sign in SIDES:
        on_side = runs(sign * (x - median) > 0, 8)
        found += [Signal(i, "8 in a row on one side", side) for i in on_side]
    sigma = np.full(x.size, float(np.sqrt(mean * (mean + 1))))
    ordered = tuple(sorted(found, key=lambda s: (s.index, s.rule)))
    centre, bottom, top = (np.full(x.size, line) for line in (median, max(low, 0.0), high))
    return Chart(
        "g", plain(x), plain(centre), plain(bottom), plain(top), plain(sigma), ordered, chosen
    )
