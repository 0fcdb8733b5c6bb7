"""What the Significance page can test, and how it tests a whole and its strata."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from analytics.compare import adjust_family, compare
from analytics.comparison import Comparison, Kind
from analytics.dose import DoseIndex
from analytics.frequency import tally_strata
from analytics.results import TestResult
from analytics.runners import Margin
from analytics.within import Within, within_strata

FEWEST_IN_STRATUM = 10


@dataclass(frozen=True)
class Outcome:
    """An outcome: its kind decides the tests, its index which doses may be compared."""

    key: str
    name: str
    unit: str
    kind: Kind
    index: DoseIndex | None = None

    @property
    def title(self) -> str:
        """Name the outcome with its unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @property
    def margin_words(self) -> str:
        """Say in which terms a margin is stated."""
        if self.kind in ("dose", "duration"):
            return "ratio of geometric means"
        if self.kind == "binary":
            return "difference of shares, percentage points"
        return f"difference of means{', ' + self.unit if self.unit else ''}"


def _dose(index: DoseIndex) -> Outcome:
    return Outcome(index.column, index.label, index.unit, "dose", index)


OUTCOMES = (
    Outcome("duration_min", "Procedure duration", "min", "duration"),
    _dose(DoseIndex.EFFECTIVE_DOSE),
    _dose(DoseIndex.KAP),
    _dose(DoseIndex.AIR_KERMA),
    _dose(DoseIndex.DLP),
    _dose(DoseIndex.CTDI_VOL),
    _dose(DoseIndex.SSDE),
    _dose(DoseIndex.PEAK_SKIN_DOSE),
    Outcome("complication", "Complications", "", "binary"),
    Outcome("satisfied", "Satisfied or very satisfied", "", "binary"),
    Outcome("satisfaction", "Satisfaction, 1 to 5", "", "ordinal"),
    Outcome("pain_relief_1mo", "Pain relief at 1 month", "points of 10", "score"),
    Outcome("pain_1mo", "Pain at 1 month", "points of 10", "score"),
    Outcome("pain_3mo", "Pain at 3 months", "points of 10", "score"),
    Outcome("pain_6mo", "Pain at 6 months", "points of 10", "score"),
    Outcome("odi_1mo", "Oswestry disability index at 1 month", "points of 100", "score"),
    Outcome("odi_6mo", "Oswestry disability index at 6 months", "points of 100", "score"),
)


@dataclass(frozen=True)
class Analysis:
    """One comparison over everything, and one for each stratum, adjusted as one family.

    ``within`` compares two groups within all strata together.
    """

    outcome: Outcome
    overall: Comparison
    strata: tuple[tuple[str, Comparison], ...]
    small_strata: int = 0
    within: Within | None = None


def analyse(
    counted: pl.DataFrame,
    outcome: Outcome,
    groups: Sequence[str],
    *,
    margin: Margin | None = None,
    adjustment: str = "holm",
    repeated_share: float = 0.0,
    ordered: bool = False,
) -> Analysis:
    """Compare groups over all records and within each stratum.

    Parameters
    ----------
    counted
        ``stratum`` (null: not divided), ``group``, ``value``, ``count``.
    groups
        Two or more, in order.
    margin
        Stated in advance, for the overall comparison.
    adjustment
        Of the strata as one family, and of the pairs of more than two groups.
    repeated_share
        Share of records of patients with several.
    ordered
        The groups are steps in order: see ``compare``.

    Notes
    -----
    A stratum takes part when each group has ten values there; the others are counted. The test
    over all strata together, of two groups, takes every one that holds both.
    """
    chosen = counted.filter(pl.col("group").is_in(list(groups)))

    def tested(part: pl.DataFrame, stated: Margin | None) -> Comparison:
        return compare(
            part,
            outcome.kind,
            outcome.name,
            outcome.unit,
            groups=groups,
            dose_quantity=outcome.index,
            margin=stated,
            adjustment=adjustment,
            repeated_share=repeated_share,
            ordered=ordered,
        )

    whole = chosen.group_by("group", "value").agg(pl.col("count").sum())
    parts = chosen.drop_nulls("stratum").partition_by("stratum", as_dict=True, include_key=False)
    taking_part = [g for g in groups if outcome.kind != "dose" or g != "ultrasound"]
    enough = {name: part for (name,), part in parts.items() if _enough(part, taking_part)}
    strata = adjust_family([tested(part, None) for part in enough.values()], adjustment)
    named = tuple(sorted(zip(map(str, enough), strata, strict=True)))
    overall, within = tested(whole, margin), None
    if isinstance(overall.test, TestResult) and len(taking_part) == 2:
        counts = tally_strata(chosen.drop_nulls("stratum"))
        within = within_strata(outcome.kind, counts, taking_part[0], taking_part[1])
    return Analysis(outcome, overall, named, len(parts) - len(enough), within)


def _enough(part: pl.DataFrame, groups: Sequence[str]) -> bool:
    """Say whether each group has ten values in a stratum."""
    counts = part.drop_nulls("value").group_by("group").agg(pl.col("count").sum())
    return counts.filter(pl.col("count") >= FEWEST_IN_STRATUM).height == len(groups)


#: Typed, since a whole column may be unknown: one stratum has no adjusted p.
STRATA = pl.Schema(
    {
        "stratum": pl.String,
        "n": pl.Int64,
        "effect": pl.String,
        "value": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "null": pl.Float64,
        "p_value": pl.Float64,
        "p_adjusted": pl.Float64,
    }
)


def strata_frame(analysis: Analysis) -> pl.DataFrame:
    """Return the primary effect of each stratum and of the whole, for a forest plot."""
    rows = [*analysis.strata, ("All", analysis.overall)]
    found = []
    for name, comparison in rows:
        effect = comparison.effects[0] if comparison.effects else None
        estimate = effect.estimate if effect else None
        value = getattr(estimate, "value", None)
        found.append(
            {
                "stratum": name,
                "n": sum(group.n for group in comparison.groups),
                "effect": effect.name if effect else None,
                "value": value,
                "low": getattr(estimate, "low", None),
                "high": getattr(estimate, "high", None),
                "null": effect.null if effect else None,
                "p_value": comparison.p_value,
                "p_adjusted": comparison.p_adjusted,
            }
        )
    return pl.DataFrame(found, schema=STRATA)
