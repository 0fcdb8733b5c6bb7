"""One function for each test of the decision table: test, effects, companions, pairs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from analytics import effects, equivalence, means, proportions, ranks, tables
from analytics.comparison import Effect, Equivalence, Kind
from analytics.guards import not_computable
from analytics.multiplicity import adjust
from analytics.results import Estimate, NotComputable, Pair, TestResult
from analytics.shift import hodges_lehmann
from analytics.summaries import Data, events

Margin = tuple[float | None, float | None]


@dataclass(frozen=True)
class Run:
    """What a test gave."""

    test: TestResult | NotComputable
    effects: tuple[Effect, ...] = ()
    companions: tuple[TestResult | NotComputable, ...] = ()
    pairs: tuple[Pair, ...] = ()


def _probability(data: Data, test: TestResult | NotComputable | None = None) -> Effect:
    """Return P(first > second), with Brunner and Munzel's interval where their test ran."""
    if isinstance(test, TestResult) and isinstance(test.details.get("probability"), Estimate):
        estimate: Any = test.details["probability"]
    else:
        estimate = effects.probability_higher(*data.two, data.level)
    return data.effect("probability of the higher value", estimate, 0.5)


def _shift(data: Data) -> Effect:
    """Return the typical shift."""
    return data.effect("typical shift", hodges_lehmann(*data.two, data.level, data.unit), 0.0)


def _delta(data: Data) -> Effect:
    """Return Cliff's delta."""
    return data.effect("Cliff's delta", effects.cliffs_delta(*data.two, data.level), 0.0)


def _run_welch_log(data: Data) -> Run:
    """Compare geometric means of two groups."""
    ratio = effects.geometric_mean_ratio(*data.two, data.level)
    rank = ranks.brunner_munzel(*data.two, data.level)
    found = (
        data.effect("ratio of geometric means", ratio, 1.0),
        _shift(data),
        _probability(data, rank),
        _delta(data),
    )
    return Run(means.welch_test(*data.two, log=True), found, (rank,))


def _run_welch_mean(data: Data) -> Run:
    """Compare means of two groups."""
    difference = effects.mean_difference(*data.two, data.level, data.unit)
    found = (
        data.effect("mean difference", difference, 0.0),
        data.effect("Hedges g", effects.hedges_g(*data.two, data.level), 0.0),
        _shift(data),
    )
    rank = ranks.brunner_munzel(*data.two, data.level)
    return Run(means.welch_test(*data.two), found, (rank,))


def _run_mann_whitney(data: Data) -> Run:
    """Compare two groups by ranks."""
    found = (_shift(data), _probability(data), _delta(data))
    if not data.unit:
        found = (found[1], found[0], found[2])
    return Run(ranks.mann_whitney(*data.two), found)


def _run_brunner_munzel(data: Data) -> Run:
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
        return Run(rank, found)
    return Run(test, found, (ranks.mann_whitney(*data.two),))


def _run_welch_anova(data: Data, log: bool = False) -> Run:
    """Compare means of several groups."""
    pairs = means.games_howell(data.groups, log, data.level, data.unit)
    rank = ranks.kruskal_wallis(*data.groups.values())
    found = () if isinstance(pairs, NotComputable) else pairs
    return Run(means.welch_anova(*data.groups.values(), log=log), (), (rank,), found)


def _run_kruskal_wallis(data: Data) -> Run:
    """Compare several groups by ranks."""
    found = ranks.dunn(data.groups, data.adjustment)
    pairs = tuple(
        replace(
            pair,
            effect=effects.cliffs_delta(
                data.groups[pair.first], data.groups[pair.second], data.level
            ),
            effect_name="Cliff's delta",
        )
        for pair in (() if isinstance(found, NotComputable) else found)
    )
    return Run(ranks.kruskal_wallis(*data.groups.values()), pairs=pairs)


def _two_by_two(data: Data) -> tuple[int, int, int, int]:
    """Return events and size of both groups."""
    first, second = data.two
    return events(first), first.n, events(second), second.n


def _run_two_proportions(data: Data, sparse: bool) -> Run:
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
        return Run(exact, found, (proportions.fisher(*table),))
    return Run(pearson, found, (exact,))


def _run_proportions_table(data: Data, sparse: bool) -> Run:
    """Compare the proportions of several groups."""
    pairs = []
    for first, second in combinations(data.names, 2):
        part = replace(data, groups={name: data.groups[name] for name in (first, second)})
        table = _two_by_two(part)
        test = proportions.fisher_midp(*table)
        if isinstance(test, TestResult):
            difference = proportions.risk_difference_newcombe(*table, data.level)
            pairs.append(
                Pair(
                    first,
                    second,
                    test,
                    test.p_value,
                    data.adjustment,
                    difference,
                    "risk difference",
                )
            )
    adjusted = adjust([pair.test.p_value for pair in pairs], data.adjustment)
    fitted = tuple(
        replace(pair, p_adjusted=pair.p_adjusted if p is None else p)
        for pair, p in zip(pairs, adjusted, strict=True)
    )
    return Run(_table_test(data, sparse), (), _trend(data), fitted)


def _trend(data: Data) -> tuple[TestResult | NotComputable, ...]:
    """Test whether the share rises or falls over groups in order."""
    if not data.ordered:
        return ()
    groups = data.groups.values()
    return (tables.cochran_armitage([events(g) for g in groups], [g.n for g in groups]),)


def _table_test(data: Data, sparse: bool) -> TestResult | NotComputable:
    """Run χ² on the k × 2 table, or Fisher–Freeman–Halton by simulation where cells are small."""
    happened = np.array([events(group) for group in data.groups.values()])
    sizes = np.array([group.n for group in data.groups.values()])
    table = np.column_stack([happened, sizes - happened])
    return tables.fisher_freeman_halton(table) if sparse else tables.chi_square_table(table)


RUNNERS: dict[str, Callable[[Data], Run]] = {
    "welch_log": _run_welch_log,
    "welch_mean": _run_welch_mean,
    "mann_whitney": _run_mann_whitney,
    "brunner_munzel": _run_brunner_munzel,
    "welch_anova_log": lambda data: _run_welch_anova(data, log=True),
    "welch_anova": _run_welch_anova,
    "kruskal_wallis": _run_kruskal_wallis,
    "chi_square": lambda data: _run_two_proportions(data, sparse=False),
    "fisher_midp": lambda data: _run_two_proportions(data, sparse=True),
    "table_chi_square": lambda data: _run_proportions_table(data, sparse=False),
    "table_exact": lambda data: _run_proportions_table(data, sparse=True),
}


def one_sided_alpha(margin: Margin) -> float:
    """Return 5 % for equivalence (90 % interval), 2.5 % for one end alone (95 % interval)."""
    return 0.05 if None not in margin else 0.025


def against_margin(
    kind: Kind, data: Data, margin: Margin | None
) -> Equivalence | NotComputable | None:
    """Test two groups against the margin, where one was stated."""
    if margin is None:
        return None
    if len(data.groups) != 2:
        return not_computable("a margin is tested between two groups only")
    alpha = one_sided_alpha(margin)
    if kind in ("dose", "duration"):
        return equivalence.tost_ratio(*data.two, *margin, alpha=alpha)
    if kind in ("continuous", "score"):
        return equivalence.tost_mean(*data.two, *margin, alpha=alpha, unit=data.unit)
    if kind == "binary":
        return equivalence.tost_proportions(*_two_by_two(data), *margin, alpha=alpha)
    return not_computable(f"there is no test against a margin for this kind of outcome ({kind})")
