"""Compare groups: look at the data, choose the test, run it, give effect before p, word it.

``compare`` is what pages call. It never raises on odd data: the ``test`` of the result is then
NotComputable and the sentence says why.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from scipy import special

from analytics import effects, equivalence, means, proportions, ranks, wording
from analytics.comparison import (
    Check,
    Comparison,
    Effect,
    Equivalence,
    GroupSummary,
    Kind,
    LeftOut,
)
from analytics.decision import Facts, choose
from analytics.dose import DoseIndex, Quantity, may_compare
from analytics.frequency import (
    Counts,
    moments,
    pool,
    quantile,
    quantile_interval,
    skewness,
    tally,
    tally_groups,
)
from analytics.guards import UndefinedError, not_computable, require
from analytics.multiplicity import NAMES, adjust
from analytics.results import Estimate, NotComputable, Pair, TestResult
from analytics.shift import hodges_lehmann

LARGEST_REPEATED_SHARE = 0.05
Margin = tuple[float | None, float | None]


@dataclass(frozen=True)
class _Data:
    """What a test runs on."""

    groups: dict[str, Counts]
    unit: str
    level: float
    adjustment: str

    @property
    def names(self) -> list[str]:
        """Group names in the order of the comparison."""
        return list(self.groups)

    @property
    def two(self) -> tuple[Counts, Counts]:
        """The two groups of a two-group comparison."""
        first, second = self.groups.values()
        return first, second

    def effect(self, name: str, estimate: Estimate | NotComputable, null: float) -> Effect:
        """Name an effect of the first group against the second."""
        return Effect(name, self.names[0], self.names[1], estimate, null)


@dataclass(frozen=True)
class _Run:
    """What a test gave."""

    test: TestResult | NotComputable
    effects: tuple[Effect, ...] = ()
    companions: tuple[TestResult | NotComputable, ...] = ()
    pairs: tuple[Pair, ...] = ()


def compare(
    frame: pl.DataFrame,
    kind: Kind,
    quantity: str,
    unit: str = "",
    *,
    groups: Sequence[str] | None = None,
    dose_quantity: DoseIndex | Mapping[str, Quantity] | None = None,
    margin: Margin | None = None,
    level: float = 0.95,
    adjustment: str = "holm",
    randomised: bool = False,
    repeated_share: float = 0.0,
) -> Comparison:
    """Compare independent groups with the test that the decision table names.

    Parameters
    ----------
    frame
        Columns ``group``, ``value`` and, when rows were counted, ``count``. Binary values are 0
        and 1; a rate has ``value`` events and ``exposure``.
    kind
        See ``decision.choose``.
    quantity, unit
        What is compared, in words, and the unit of ``value`` ('' for scores and yes/no).
    groups
        Groups to compare in this order; all in order of appearance when left out.
    dose_quantity
        Which dose index the values are: one for all groups, or one for each. Mandatory for
        ``kind="dose"``; different indices are refused with the reason.
    margin
        (low, high) stated in advance: a ratio for dose and duration, a difference in ``unit``
        otherwise, a difference of proportions (0.05) for binary. One end may be None.
    level
        Of the intervals.
    adjustment
        Of the pairs of more than two groups: see ``multiplicity.METHODS``.
    randomised
        Whether patients were allocated at random; the sentence says so when not.
    repeated_share
        Share of records that belong to a patient with several; above 5 % p is refused.
    """
    blank = Comparison(
        quantity, unit, kind, (), (), "", "", NotComputable(""), randomised=randomised
    )
    left_out: list[LeftOut] = []
    try:
        counts = _groups(frame, groups, left_out)
        if kind == "dose":
            counts = _check_dose(counts, dose_quantity, left_out)
        counts = _finite_only(counts, left_out)
        if kind == "binary":
            _check_binary(counts)
        blank = replace(
            blank, left_out=tuple(left_out), groups=_summaries(counts, kind, unit, level)
        )
        counts = {name: group for name, group in counts.items() if group.n}
        blank = _run(blank, _Data(counts, unit, level, adjustment), margin, repeated_share)
    except UndefinedError as refusal:
        refused = not_computable(refusal.because, refusal.n)
        blank = replace(blank, test=refused, left_out=tuple(left_out))
    return replace(blank, sentences=wording.sentences(blank))


def _run(blank: Comparison, data: _Data, margin: Margin | None, repeated: float) -> Comparison:
    """Check, choose and test."""
    kind = blank.kind
    n = sum(group.n for group in data.groups.values())
    require(len(data.groups) >= 2, "fewer than two groups have values", n)
    require(
        repeated <= LARGEST_REPEATED_SHARE,
        f"{100 * repeated:.0f} % of the records belong to patients with several: choose a paired "
        "comparison or one record for each patient",
        n,
    )
    facts = _facts(kind, data)
    choice = choose(kind, facts)
    blank = replace(blank, checks=_checks(kind, data, facts), reason=choice.reason)
    run = _RUNNERS[choice.method](data)
    return replace(
        blank,
        method=run.test.method if isinstance(run.test, TestResult) else choice.method,
        test=run.test,
        effects=run.effects,
        companions=tuple(c for c in run.companions if isinstance(c, TestResult)),
        pairs=run.pairs,
        equivalence=_equivalence(kind, data, margin),
    )


def _groups(
    frame: pl.DataFrame, groups: Sequence[str] | None, left_out: list[LeftOut]
) -> dict[str, Counts]:
    """Count the values of the wanted groups; records without a group are left out."""
    unnamed = frame.filter(pl.col("group").is_null())
    if unnamed.height:
        n = int(unnamed["count"].sum()) if "count" in frame.columns else unnamed.height
        left_out.append(LeftOut("records", n, "no group"))
    found = tally_groups(frame)
    names = list(found) if groups is None else list(groups)
    empty = tally(np.array([]))
    counts = {name: found.get(name, empty) for name in names}
    left_out += [
        LeftOut(name, group.missing, "no value") for name, group in counts.items() if group.missing
    ]
    return counts


def _check_dose(
    counts: dict[str, Counts],
    quantity: DoseIndex | Mapping[str, Quantity] | None,
    left_out: list[LeftOut],
) -> dict[str, Counts]:
    """Refuse different dose quantities; leave ultrasound aside, which has no dose."""
    require(
        quantity is not None,
        "the dose quantity (air kerma, CTDIvol, DLP …) is not stated; "
        "effective dose in mSv can be compared between modalities",
    )
    assert quantity is not None
    kept = {name: group for name, group in counts.items() if not _is_ultrasound(name, quantity)}
    left_out += [
        LeftOut(name, counts[name].n, "ultrasound has no ionising radiation")
        for name in counts
        if name not in kept and counts[name].n
    ]
    quantities = {name: _quantity_of(name, quantity) for name in kept}
    for (first, one), (second, other) in combinations(quantities.items(), 2):
        if one is None or other is None:
            missing = first if one is None else second
            raise UndefinedError(f"the dose quantity of {missing} is not stated")
        verdict = may_compare(one, other)
        require(verdict.allowed, f"{verdict.reason}; compare effective dose (mSv) instead")
    return kept


def _is_ultrasound(name: str, quantity: DoseIndex | Mapping[str, Quantity]) -> bool:
    """Say whether a group was guided by ultrasound."""
    if isinstance(quantity, Mapping) and name in quantity:
        return quantity[name].modality == "ultrasound"
    return name == "ultrasound"


def _quantity_of(name: str, quantity: DoseIndex | Mapping[str, Quantity]) -> Quantity | None:
    """Return the quantity of a group; a single index holds for its own modality."""
    if isinstance(quantity, Mapping):
        return quantity.get(name)
    if name == "CT" or name == "fluoroscopy":
        return Quantity(quantity, name)
    return Quantity(quantity, quantity.modalities[0])


def _finite_only(counts: dict[str, Counts], left_out: list[LeftOut]) -> dict[str, Counts]:
    """Leave out infinite values, which no instrument measures."""
    kept = {}
    for name, group in counts.items():
        finite = np.isfinite(group.values)
        n = int(group.n_each[~finite].sum())
        if n:
            left_out.append(LeftOut(name, n, "infinite value"))
        kept[name] = Counts(group.values[finite], group.n_each[finite], group.missing)
    return kept


def _check_binary(counts: Mapping[str, Counts]) -> None:
    """Refuse anything but 0 and 1."""
    for name, group in counts.items():
        odd = [value for value in group.values if value not in (0.0, 1.0)]
        require(not odd, f"a yes/no value of {name} is {float(odd[0]) if odd else ''}, not 0 or 1")


def events(group: Counts) -> int:
    """Return how many values are 1."""
    return int(group.n_each[group.values == 1.0].sum())


def _facts(kind: Kind, data: _Data) -> Facts:
    """Collect what the decision table looks at."""
    groups = data.groups.values()
    sizes = tuple(group.n for group in groups)
    expected = 0.0
    if kind == "binary":
        happened = sum(events(group) for group in groups)
        expected = min(sizes) * min(happened, sum(sizes) - happened) / sum(sizes)
    return Facts(sizes, min(float(g.values[0]) for g in groups), expected)


def _checks(kind: Kind, data: _Data, facts: Facts) -> tuple[Check, ...]:
    """Say what was looked at and found."""
    found = [Check("records", ", ".join(f"{name} {g.n}" for name, g in data.groups.items()))]
    if kind == "binary":
        return (*found, Check("smallest expected count", f"{facts.smallest_expected:.1f}"))
    pooled = pool(list(data.groups.values()))
    n = int(pooled.sizes.sum())
    tied = int(pooled.ties[pooled.ties > 1].sum())
    not_positive = int(pooled.ties[pooled.values <= 0].sum())
    found += [
        Check("distinct values", f"{len(pooled.values)} of {n}; {100 * tied / n:.0f} % tied"),
        Check("zero or negative", f"{not_positive}"),
        Check("skewness", ", ".join(_skew_text(name, g) for name, g in data.groups.items())),
        Check("spread, largest over smallest SD", _spread_text(data, kind)),
    ]
    return tuple(found)


def _skew_text(name: str, group: Counts) -> str:
    """Write one group's skewness."""
    value = skewness(group)
    return f"{name} {'–' if math.isnan(value) else wording.number(value, 2)}"


def _spread_text(data: _Data, kind: Kind) -> str:
    """Write the ratio of standard deviations, of logarithms where the kind is positive."""
    log = kind in ("dose", "duration") and all(g.values[0] > 0 for g in data.groups.values())
    try:
        spreads = [moments(g, log).sd for g in data.groups.values() if g.n > 1]
    except UndefinedError:
        return "–"
    if not spreads or min(spreads) == 0:
        return "a group does not vary"
    scale = " (logarithms)" if log else ""
    return f"{wording.number(max(spreads) / min(spreads), 2)}{scale}"


def _summaries(
    counts: Mapping[str, Counts], kind: Kind, unit: str, level: float
) -> tuple[GroupSummary, ...]:
    """Describe every group, empty ones too."""
    return tuple(_summary(name, group, kind, unit, level) for name, group in counts.items())


def _summary(name: str, group: Counts, kind: Kind, unit: str, level: float) -> GroupSummary:
    """Describe one group."""
    if kind == "binary":
        happened = events(group)
        return GroupSummary(
            name,
            group.n,
            events=happened,
            proportion=proportions.wilson(happened, group.n, level),
            upper_limit=proportions.upper_limit(happened, group.n, level) if not happened else None,
        )
    if not group.n:
        return GroupSummary(name, 0)
    try:
        spread = moments(group).sd if group.n > 1 else None
    except UndefinedError:
        spread = None
    positive = group.values[0] > 0 and kind in ("dose", "duration", "continuous")
    return GroupSummary(
        name,
        group.n,
        median=quantile_interval(group, 0.5, level, unit),
        q1=quantile(group, 0.25),
        q3=quantile(group, 0.75),
        mean=effects.mean(group, level, unit),
        sd=spread,
        geometric_mean=effects.geometric_mean(group, level, unit) if positive else None,
    )


def _probability(data: _Data, test: TestResult | NotComputable | None = None) -> Effect:
    """Return P(first > second), with Brunner and Munzel's interval where their test ran."""
    if isinstance(test, TestResult) and isinstance(test.details.get("probability"), Estimate):
        estimate: Any = test.details["probability"]
    else:
        estimate = effects.probability_higher(*data.two, data.level)
    return data.effect("probability of the higher value", estimate, 0.5)


def _shift(data: _Data) -> Effect:
    """Return the typical shift."""
    return data.effect("typical shift", hodges_lehmann(*data.two, data.level, data.unit), 0.0)


def _delta(data: _Data) -> Effect:
    """Return Cliff's delta."""
    return data.effect("Cliff's delta", effects.cliffs_delta(*data.two, data.level), 0.0)


def _run_welch_log(data: _Data) -> _Run:
    """Compare geometric means of two groups."""
    ratio = effects.geometric_mean_ratio(*data.two, data.level)
    rank = ranks.brunner_munzel(*data.two, data.level)
    found = (
        data.effect("ratio of geometric means", ratio, 1.0),
        _shift(data),
        _probability(data, rank),
        _delta(data),
    )
    return _Run(means.welch_test(*data.two, log=True), found, (rank,))


def _run_welch_mean(data: _Data) -> _Run:
    """Compare means of two groups."""
    difference = effects.mean_difference(*data.two, data.level, data.unit)
    found = (
        data.effect("mean difference", difference, 0.0),
        data.effect("Hedges g", effects.hedges_g(*data.two, data.level), 0.0),
        _shift(data),
    )
    rank = ranks.brunner_munzel(*data.two, data.level)
    return _Run(means.welch_test(*data.two), found, (rank,))


def _run_mann_whitney(data: _Data) -> _Run:
    """Compare two groups by ranks."""
    found = (_shift(data), _probability(data), _delta(data))
    if not data.unit:
        found = (found[1], found[0], found[2])
    return _Run(ranks.mann_whitney(*data.two), found)


def _run_brunner_munzel(data: _Data) -> _Run:
    """Compare two groups by ranks without assuming equal spread."""
    test = ranks.brunner_munzel(*data.two, data.level)
    difference = effects.mean_difference(*data.two, data.level, data.unit)
    found = (
        _probability(data, test),
        data.effect("mean difference", difference, 0.0),
        _shift(data),
        _delta(data),
    )
    if isinstance(test, NotComputable):
        rank = ranks.mann_whitney(*data.two)
        return _Run(rank, found)
    return _Run(test, found, (ranks.mann_whitney(*data.two),))


def _run_welch_anova(data: _Data, log: bool = False) -> _Run:
    """Compare means of several groups."""
    pairs = means.games_howell(data.groups, log, data.level, data.unit)
    rank = ranks.kruskal_wallis(*data.groups.values())
    return _Run(means.welch_anova(*data.groups.values(), log=log), (), (rank,), pairs)


def _run_kruskal_wallis(data: _Data) -> _Run:
    """Compare several groups by ranks."""
    pairs = tuple(
        replace(
            pair,
            effect=effects.cliffs_delta(
                data.groups[pair.first], data.groups[pair.second], data.level
            ),
        )
        for pair in ranks.dunn(data.groups, data.adjustment)
    )
    return _Run(ranks.kruskal_wallis(*data.groups.values()), pairs=pairs)


def _two_by_two(data: _Data) -> tuple[int, int, int, int]:
    """Return events and size of both groups."""
    first, second = data.two
    return events(first), first.n, events(second), second.n


def _run_two_proportions(data: _Data, sparse: bool) -> _Run:
    """Compare two proportions; the exact test where cells are small."""
    table = _two_by_two(data)
    exact = proportions.fisher_midp(*table)
    pearson = proportions.chi_square(*table)
    found = (
        data.effect(
            "risk difference", proportions.risk_difference_newcombe(*table, data.level), 0.0
        ),
        data.effect("risk ratio", proportions.risk_ratio_score(*table, data.level), 1.0),
        data.effect("odds ratio", proportions.odds_ratio_score(*table, data.level), 1.0),
    )
    if sparse:
        return _Run(exact, found, (proportions.fisher(*table),))
    return _Run(pearson, found, (exact,))


def _run_proportions_table(data: _Data) -> _Run:
    """Compare the proportions of several groups."""
    pairs = []
    for first, second in combinations(data.names, 2):
        part = replace(data, groups={name: data.groups[name] for name in (first, second)})
        table = _two_by_two(part)
        test = proportions.fisher_midp(*table)
        if isinstance(test, TestResult):
            difference = proportions.risk_difference_newcombe(*table, data.level)
            pairs.append(Pair(first, second, test, test.p_value, data.adjustment, difference))
    adjusted = adjust([pair.test.p_value for pair in pairs], data.adjustment)
    fitted = tuple(
        replace(pair, p_adjusted=pair.p_adjusted if p is None else p)
        for pair, p in zip(pairs, adjusted, strict=True)
    )
    return _Run(_table_test(data), pairs=fitted)


def _table_test(data: _Data) -> TestResult | NotComputable:
    """Run χ² on the k × 2 table."""
    groups = data.groups.values()
    happened = np.array([events(group) for group in groups], dtype=float)
    sizes = np.array([group.n for group in groups], dtype=float)
    total, share = sizes.sum(), happened.sum() / sizes.sum()
    if share in (0.0, 1.0):
        who = "nobody" if share == 0 else "everybody"
        return not_computable(f"{who} in any group had the event", int(total))
    statistic = float(((happened - sizes * share) ** 2 / (sizes * share * (1 - share))).sum())
    p = float(special.chdtrc(len(sizes) - 1, statistic))
    return TestResult("χ²", statistic, p, int(total), float(len(sizes) - 1))


_RUNNERS: dict[str, Callable[[_Data], _Run]] = {
    "welch_log": _run_welch_log,
    "welch_mean": _run_welch_mean,
    "mann_whitney": _run_mann_whitney,
    "brunner_munzel": _run_brunner_munzel,
    "welch_anova_log": lambda data: _run_welch_anova(data, log=True),
    "welch_anova": _run_welch_anova,
    "kruskal_wallis": _run_kruskal_wallis,
    "chi_square": lambda data: _run_two_proportions(data, sparse=False),
    "fisher_midp": lambda data: _run_two_proportions(data, sparse=True),
    "table_chi_square": _run_proportions_table,
    "table_exact": _run_proportions_table,
}


def _equivalence(
    kind: Kind, data: _Data, margin: Margin | None
) -> Equivalence | NotComputable | None:
    """Test two groups against the margin, where one was stated."""
    if margin is None:
        return None
    if len(data.groups) != 2:
        return not_computable("a margin is tested between two groups only")
    alpha = 0.05 if None not in margin else 0.025
    if kind in ("dose", "duration"):
        return equivalence.tost_ratio(*data.two, *margin, alpha=alpha)
    if kind in ("continuous", "score"):
        return equivalence.tost_mean(*data.two, *margin, alpha=alpha, unit=data.unit)
    return not_computable(f"there is no test against a margin for this kind of outcome ({kind})")


def adjust_family(
    comparisons: Sequence[Comparison], adjustment: str = "holm"
) -> tuple[Comparison, ...]:
    """Adjust the p-values of comparisons that are shown together, and word them again.

    Comparisons without a test do not count in the family. A family of one stays as it is.
    """
    p_values = [comparison.p_value for comparison in comparisons]
    size = sum(p is not None for p in p_values)
    if size < 2 or adjustment == "none":
        return tuple(comparisons)
    return tuple(
        _with_adjusted(comparison, p, NAMES[adjustment], size)
        for comparison, p in zip(comparisons, adjust(p_values, adjustment), strict=True)
    )


def _with_adjusted(comparison: Comparison, p: float | None, name: str, size: int) -> Comparison:
    """Put an adjusted p into a comparison."""
    if p is None:
        return comparison
    changed = replace(comparison, p_adjusted=p, adjustment=name, family_size=size)
    return replace(changed, sentences=wording.sentences(changed))
