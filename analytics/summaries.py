"""Groups in numbers, and what is looked at before a test is chosen."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from analytics import effects, proportions, wording
from analytics.comparison import Check, Effect, GroupSummary, Kind
from analytics.decision import Facts
from analytics.frequency import Counts, pool, quantile, quantile_interval
from analytics.guards import UndefinedError
from analytics.moments import moments, skewness
from analytics.results import Estimate, NotComputable


@dataclass(frozen=True)
class Data:
    """What a test runs on."""

    groups: dict[str, Counts]
    unit: str
    level: float
    adjustment: str
    ordered: bool = False

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


def events(group: Counts) -> int:
    """Return how many values are 1."""
    return int(group.n_each[group.values == 1.0].sum())


def facts_of(kind: Kind, data: Data) -> Facts:
    """Collect what the decision table looks at."""
    groups = data.groups.values()
    sizes = tuple(group.n for group in groups)
    expected = 0.0
    if kind == "binary":
        happened = sum(events(group) for group in groups)
        expected = min(sizes) * min(happened, sum(sizes) - happened) / sum(sizes)
    return Facts(sizes, min(float(g.values[0]) for g in groups), expected)


def checks_of(kind: Kind, data: Data, facts: Facts) -> tuple[Check, ...]:
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


def _spread_text(data: Data, kind: Kind) -> str:
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


def summaries(
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
