"""Compare events per exposure between groups."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import polars as pl

from analytics import rates
from analytics.comparison import Check, Comparison, Effect, GroupSummary, LeftOut
from analytics.decision import Facts, choose
from analytics.guards import UndefinedError, count, not_computable, require
from analytics.multiplicity import adjust
from analytics.results import Pair, TestResult

SMALL_EXPECTED = 5


def compare_rates(
    blank: Comparison,
    frame: pl.DataFrame,
    groups: Sequence[str] | None,
    level: float,
    adjustment: str,
) -> Comparison:
    """Fill a comparison of rates from columns ``group``, ``value`` (events) and ``exposure``."""
    try:
        totals, left_out = _totals(frame, groups)
        blank = replace(blank, left_out=left_out, groups=_summaries(totals, blank.unit, level))
        require(len(totals) >= 2, "fewer than two groups have exposure")
        choice = choose("rate", Facts(tuple(int(x) for x, _ in totals.values())))
        found = ", ".join(f"{name} {x:g} in {t:g}" for name, (x, t) in totals.items())
        blank = replace(blank, reason=choice.reason, checks=(Check("events and exposure", found),))
        return _tested(blank, totals, level, adjustment)
    except UndefinedError as refusal:
        return replace(blank, test=not_computable(refusal.because, refusal.n))


def _totals(
    frame: pl.DataFrame, groups: Sequence[str] | None
) -> tuple[dict[str, tuple[float, float]], tuple[LeftOut, ...]]:
    """Add events and exposure of each group; rows that miss one are left out."""
    require("exposure" in frame.columns, "the exposure is not given", frame.height)
    numeric = all(frame.schema[name].is_numeric() for name in ("value", "exposure"))
    require(numeric or not frame.height, "events or exposure are not numbers", frame.height)
    rows = frame.with_columns(pl.col("value", "exposure").cast(pl.Float64).fill_nan(None))
    whole = rows.drop_nulls(["group", "value", "exposure"])
    lost = rows.height - whole.height
    left_out = (LeftOut("records", lost, "no group, count or exposure"),) if lost else ()
    summed = whole.group_by("group", maintain_order=True).agg(pl.col("value", "exposure").sum())
    found = {str(name): (x, t) for name, x, t in summed.iter_rows()}
    names = list(found) if groups is None else [name for name in groups if name in found]
    return {name: found[name] for name in names}, left_out


def _summaries(
    totals: dict[str, tuple[float, float]], unit: str, level: float
) -> tuple[GroupSummary, ...]:
    """Describe each group by its rate."""
    return tuple(
        GroupSummary(
            name,
            count(x, f"the number of events of {name}"),
            events=int(x),
            exposure=t,
            rate=rates.rate(x, t, level, unit),
        )
        for name, (x, t) in totals.items()
    )


def _tested(
    blank: Comparison, totals: dict[str, tuple[float, float]], level: float, adjustment: str
) -> Comparison:
    """Test two rates exactly, several by χ² with exact pairs."""
    pairs = [
        (
            a,
            b,
            rates.rate_test(*totals[a], *totals[b]),
            rates.rate_ratio(*totals[a], *totals[b], level),
        )
        for a, b in combinations(totals, 2)
    ]
    if len(totals) == 2:
        a, b, test, ratio = pairs[0]
        effect = Effect("rate ratio", a, b, ratio, 1.0)
        name = test.method if isinstance(test, TestResult) else "exact conditional Poisson"
        return replace(blank, method=name, test=test, effects=(effect,))
    test = rates.rates_test([x for x, _ in totals.values()], [t for _, t in totals.values()])
    if isinstance(test, TestResult) and test.details["smallest_expected"] < SMALL_EXPECTED:
        because = "a group expects fewer than five events, so χ² of several rates is not valid"
        test = not_computable(because, test.n)
    done = [(a, b, t, r) for a, b, t, r in pairs if isinstance(t, TestResult)]
    adjusted = adjust([t.p_value for _, _, t, _ in done], adjustment)
    fitted = tuple(
        Pair(a, b, t, t.p_value if p is None else p, adjustment, r, "rate ratio")
        for (a, b, t, r), p in zip(done, adjusted, strict=True)
    )
    return replace(blank, method="χ² of rates", test=test, pairs=fitted)
