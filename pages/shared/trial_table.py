"""Comparisons as the tables of a trial report: in words for the page, in numbers to take away."""

from collections.abc import Sequence

import polars as pl

from analytics.comparison import Comparison, Effect, GroupSummary
from analytics.modalities import Result
from analytics.results import Estimate, NotComputable, Pair
from pages.shared import format as fmt

NOT_APPLICABLE = "not applicable"


def words(results: Sequence[Result], modalities: Sequence[str]) -> pl.DataFrame:
    """Return one row an outcome: each modality, effect with interval, test, adjusted p."""
    return pl.DataFrame([line(result.comparison, modalities) for result in results])


def described(comparisons: Sequence[Comparison], modalities: Sequence[str]) -> pl.DataFrame:
    """Return one row an index that is described and not compared, with the reason."""
    rows = []
    for comparison in comparisons:
        row = _groups(comparison, modalities)
        rows.append(row | {"Compared": _why_not(comparison)})
    return pl.DataFrame(rows)


def adjusted_words(results: Sequence[Result]) -> pl.DataFrame:
    """Return one row an outcome: the difference as it is, and within procedures."""
    rows = []
    for result in results:
        found = result.adjusted
        if found is None:
            continue
        rows.append(
            {
                "Outcome": result.outcome.strata_name,
                "Crude": _difference(found.crude, result.outcome.scale),
                "Within procedures": _difference(found.adjusted, result.outcome.scale),
                "Based on": f"{fmt.plural(found.n, 'case')} of "
                f"{fmt.plural(found.n_strata, 'procedure')}"
                + (f"; {fmt.count(found.n_left_out)} left out" if found.n_left_out else ""),
            }
        )
    return pl.DataFrame(rows)


def numbers(results: Sequence[Result]) -> pl.DataFrame:
    """Return the report as numbers, one row an outcome and group, for downloads."""
    rows = [_numbers(result, group) for result in results for group in result.comparison.groups]
    return pl.DataFrame(rows, infer_schema_length=None)


def group_words(group: GroupSummary, unit: str) -> str:
    """Write one group: median [quartiles] and n, or events of n with interval."""
    if group.n == 0:
        return "no value"
    if group.events is not None:
        said = f"{fmt.count(group.events)} of {fmt.count(group.n)}"
        if isinstance(group.proportion, Estimate):
            share = group.proportion
            ends = fmt.percent_interval(share.low, share.high)
            said += f": {fmt.percent(share.value)} ({ends})"
        return said
    if isinstance(group.median, Estimate) and group.q1 is not None and group.q3 is not None:
        if not unit:
            middle, ends = f"{group.median.value:.4g}", f"{group.q1:.4g}{fmt.DASH}{group.q3:.4g}"
        else:
            middle, ends = fmt.number(group.median.value), fmt.interval(group.q1, group.q3)
        return f"{middle} [{ends}] {unit}".rstrip() + f", n = {fmt.count(group.n)}"
    return f"n = {fmt.count(group.n)}"


def effect_words(effect: Effect) -> str:
    """Write an effect with its interval."""
    found = effect.estimate
    if isinstance(found, NotComputable):
        return found.reason
    if effect.name == "risk difference":
        value, ends = fmt.points_change(found)
        return f"{value} ({ends})"
    if effect.name == "probability of the higher value":
        ends = fmt.percent_interval(found.low, found.high)
        return f"{effect.first} higher in {fmt.percent(found.value)} of pairs ({ends})"
    ends = fmt.interval(found.low, found.high)
    name = "ratio" if effect.name.startswith("ratio") else effect.name
    return f"{name} {fmt.quantity(found.value, found.unit)} ({ends})"


def pair_words(pair: Pair) -> str:
    """Write the effect between two of several groups, or which test compared them."""
    if pair.effect is None:
        return pair.test.method
    found = Effect(pair.effect_name, pair.first, pair.second, pair.effect, 0.0)
    return effect_words(found)


def line(comparison: Comparison, modalities: Sequence[str]) -> dict[str, str]:
    """Return one comparison as a line: each group, effect with interval, test, p."""
    row = _groups(comparison, modalities)
    if isinstance(comparison.test, NotComputable):
        return row | {"Effect (95 % CI)": comparison.test.reason, "Test": fmt.DASH, "p": fmt.DASH}
    effect = effect_words(comparison.effects[0]) if comparison.effects else "pairs: see below"
    adjusted = comparison.p_adjusted
    p = fmt.p_value(comparison.p_value)
    if adjusted is not None:
        p += f"; {comparison.adjustment}-adjusted {fmt.p_value(adjusted)}"
    return row | {"Effect (95 % CI)": effect, "Test": comparison.test.method, "p": p}


def _groups(comparison: Comparison, modalities: Sequence[str]) -> dict[str, str]:
    found = {group.group: group for group in comparison.groups}
    return {"Outcome": comparison.quantity} | {
        name: group_words(found[name], comparison.unit) if name in found else NOT_APPLICABLE
        for name in modalities
    }


def _why_not(comparison: Comparison) -> str:
    if len(comparison.groups) < 2:
        return "No: only one modality has it."
    reason = comparison.test.reason if isinstance(comparison.test, NotComputable) else ""
    return f"No: {reason.removeprefix('cannot be computed, because ')}."


def _difference(found: Estimate | NotComputable, scale: str) -> str:
    if isinstance(found, NotComputable):
        reason = found.reason.removeprefix("cannot be computed, because ")
        return reason.replace("no stratum holds both groups", "no procedure has both modalities")
    if scale == "share":
        value, ends = fmt.points_change(found)
        return f"{value} ({ends})"
    return f"{fmt.quantity(found.value, found.unit)} ({fmt.interval(found.low, found.high)})"


def _numbers(result: Result, group: GroupSummary) -> dict[str, object]:
    comparison = result.comparison
    test = None if isinstance(comparison.test, NotComputable) else comparison.test
    effect = comparison.effects[0] if comparison.effects else None
    row: dict[str, object] = {
        "outcome": comparison.quantity,
        "unit": comparison.unit,
        "group": group.group,
        "n": group.n,
        "n_smallest_group": min((g.n for g in comparison.groups if g.n), default=0),
        "q1": group.q1,
        "q3": group.q3,
        "events": group.events,
        "test": test.method if test else comparison.reason,
        "p_value": test.p_value if test else None,
        "p_adjusted": comparison.p_adjusted,
        "effect": effect.name if effect else None,
    }
    row |= columns_of("median", group.median) | columns_of("share", group.proportion)
    row |= columns_of("effect", effect.estimate if effect else None)
    found = result.adjusted
    row |= columns_of("crude", found.crude if found else None)
    return row | columns_of("within_procedures", found.adjusted if found else None)


def columns_of(name: str, found: Estimate | NotComputable | None) -> dict[str, object]:
    """Return an estimate and its interval as three columns."""
    known = found if isinstance(found, Estimate) else None
    return {
        f"{name}_value": known.value if known else None,
        f"{name}_low": known.low if known else None,
        f"{name}_high": known.high if known else None,
    }
