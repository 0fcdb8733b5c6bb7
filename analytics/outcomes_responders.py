"""Responders: percent reduction, its classes after paper S3, flows between them, numbers needed.

Percent reduction is 100 · (baseline − value) / baseline: below 0 when pain grew, undefined at
baseline 0 (Kajdi et al., "Pain relief after CT-guided pars injections", Methods and Table 2).
Frames are counted scores as in ``analytics.outcomes``.
"""

import math
from dataclasses import dataclass

import polars as pl

from analytics.guards import computable, require
from analytics.proportions import risk_difference_newcombe, wilson
from analytics.results import Estimate, NotComputable, TestResult
from analytics.tables import mcnemar

#: Best to worst, as paper S3 counts them: 100 %, then lower bound included, upper bound not.
CLASSES = ("100 %", "75–99 %", "50–74 %", "1–49 %", "0 %", "increased")
NO_SCORE, NOT_DUE, UNDEFINED = "no score", "not yet due", "undefined"
ALL_CLASSES = (*CLASSES, NO_SCORE, NOT_DUE, UNDEFINED)
MODERATE, SUBSTANTIAL = 0.30, 0.50


def reduction(value: str = "value", baseline: str = "baseline") -> pl.Expr:
    """Return the reduction as a fraction of baseline; null at baseline 0 or without a score.

    Rounded to 1e-9, so that 3 of 6 is 0.5 however the scores were scaled.
    """
    start, score = pl.col(baseline), pl.col(value)
    return pl.when(start > 0).then(((start - score) / start).round(9))


def class_of(value: str = "value", baseline: str = "baseline", due: str = "due") -> pl.Expr:
    """Name the class of each row: paper S3's six, or why there is none."""
    share, start = reduction(value, baseline), pl.col(baseline)
    return (
        pl.when(start.is_null() | (start <= 0)).then(pl.lit(UNDEFINED))
        .when(pl.col(value).is_null() & pl.col(due)).then(pl.lit(NO_SCORE))
        .when(pl.col(value).is_null()).then(pl.lit(NOT_DUE))
        .when(share >= 1).then(pl.lit(CLASSES[0]))
        .when(share >= 0.75).then(pl.lit(CLASSES[1]))
        .when(share >= 0.5).then(pl.lit(CLASSES[2]))
        .when(share > 0).then(pl.lit(CLASSES[3]))
        .when(share == 0).then(pl.lit(CLASSES[4]))
        .otherwise(pl.lit(CLASSES[5]))
    )  # fmt: skip


@dataclass(frozen=True)
class Responders:
    """Responders of one group at one timepoint.

    ``low_bound`` and ``high_bound`` are the share if nobody, or everybody, of the ``n_missing`` due
    patients without a score had responded. ``n_undefined`` had baseline 0 or none.
    """

    group: str
    timepoint: str
    cut: float
    events: int
    n: int
    share: Estimate | NotComputable
    n_missing: int
    n_not_due: int
    n_undefined: int
    low_bound: float | None
    high_bound: float | None


def responders(
    scores: pl.DataFrame, cut: float = SUBSTANTIAL, level: float = 0.95
) -> tuple[Responders, ...]:
    """Count responders (reduction ≥ ``cut``) by group and timepoint, with Wilson's interval.

    Parameters
    ----------
    scores
        ``modality``, ``timepoint``, ``due``, ``baseline``, ``value``, ``n``; any unit.
    cut
        Fraction of baseline: 0.30 moderate, 0.50 substantial (IMMPACT 2008).
    """
    rows = scores.filter(pl.col("timepoint") != "baseline").with_columns(
        label=class_of(), responded=reduction() >= cut
    )
    totals = rows.group_by("modality", "timepoint").agg(
        events=pl.col("n").filter(pl.col("responded")).sum(),
        known=pl.col("n").filter(pl.col("label").is_in(CLASSES)).sum(),
        missing=pl.col("n").filter(label=NO_SCORE).sum(),
        not_due=pl.col("n").filter(label=NOT_DUE).sum(),
        undefined=pl.col("n").filter(label=UNDEFINED).sum(),
    )
    return tuple(
        _responders(row, cut, level)
        for row in totals.sort("modality", "timepoint").iter_rows(named=True)
    )


def _responders(row: dict[str, object], cut: float, level: float) -> Responders:
    """Put one group's counts together with their interval and bounds."""
    events, n, missing, not_due, undefined = (
        int(str(row[name])) for name in ("events", "known", "missing", "not_due", "undefined")
    )
    total = n + missing
    return Responders(
        str(row["modality"]),
        str(row["timepoint"]),
        cut,
        events,
        n,
        wilson(events, n, level),
        missing,
        not_due,
        undefined,
        events / total if total else None,
        (events + missing) / total if total else None,
    )


def class_table(scores: pl.DataFrame) -> pl.DataFrame:
    """Count the classes by group and timepoint.

    Returns
    -------
    polars.DataFrame
        ``modality``, ``timepoint``, ``label`` (of ``ALL_CLASSES``), ``n``, ``share`` of those with
        a class (null for the three reasons for none).
    """
    rows = scores.filter(pl.col("timepoint") != "baseline").with_columns(label=class_of())
    counted = rows.group_by("modality", "timepoint", "label").agg(pl.col("n").sum())
    classed = pl.col("label").is_in(CLASSES)
    known = pl.col("n").filter(classed).sum().over("modality", "timepoint")
    return counted.with_columns(
        share=pl.when(classed).then(pl.col("n") / known),
        place=pl.col("label").replace_strict({c: i for i, c in enumerate(ALL_CLASSES)}),
    ).sort("modality", "timepoint", "place")


def flows(steps: pl.DataFrame) -> pl.DataFrame:
    """Count how many move from each class to each class at every step.

    Parameters
    ----------
    steps
        ``step``, ``baseline``, ``from``, ``from_due``, ``to``, ``to_due``, ``n``: the scores of the
        same patients at neighbouring timepoints.

    Returns
    -------
    polars.DataFrame
        ``step``, ``source``, ``target`` (classes), ``n``; patients whose reduction is undefined are
        left out, those without a score are not.
    """
    labelled = steps.select(
        "step",
        source=class_of("from", due="from_due"),
        target=class_of("to", due="to_due"),
        n="n",
    )
    return (
        labelled.filter(pl.col("source") != UNDEFINED)
        .group_by("step", "source", "target")
        .agg(pl.col("n").sum())
        .sort("step", "source", "target")
    )


@dataclass(frozen=True)
class Moved:
    """Patients who became responders and who ceased to be; the difference is later − earlier."""

    gained: int
    lost: int
    n: int
    difference: Estimate | NotComputable
    test: TestResult | NotComputable


def gained_and_lost(
    steps: pl.DataFrame, step: int, cut: float = SUBSTANTIAL
) -> Moved | NotComputable:
    """Compare responders at both ends of a step in the same patients (McNemar, Tango's interval).

    Only patients with both scores take part; ``n`` says how many.
    """
    both = steps.filter(pl.col("step") == step).select(
        earlier=reduction("from") >= cut, later=reduction("to") >= cut, n="n"
    )
    counts = both.drop_nulls().group_by("earlier", "later").agg(pl.col("n").sum())
    n = {(bool(a), bool(b)): int(k) for a, b, k in counts.iter_rows()}
    stayed, gained = n.get((True, True), 0), n.get((False, True), 0)
    lost, never = n.get((True, False), 0), n.get((False, False), 0)
    found = mcnemar(stayed, gained, lost, never)
    if isinstance(found, NotComputable):
        return found
    return Moved(gained, lost, found.n, found.difference, found.primary)


@dataclass(frozen=True)
class NumberNeeded:
    """How many to treat for one responder more in the first group than in the second.

    ``benefit`` says that the first group has more; ``low`` and ``high`` are numbers needed to
    benefit (or harm) when the interval of the difference leaves out 0. Otherwise the interval runs
    through infinity: from ``low`` to benefit over ∞ to ``high`` to harm (Altman 1998, BMJ 317).
    """

    value: float
    low: float
    high: float
    benefit: bool
    through_infinity: bool
    difference: Estimate


@computable
def number_needed(e1: int, n1: int, e2: int, n2: int, level: float = 0.95) -> NumberNeeded:
    """Return 1 / (p1 − p2) with the interval from Newcombe's interval of the difference."""
    difference = risk_difference_newcombe(e1, n1, e2, n2, level)
    require(isinstance(difference, Estimate), getattr(difference, "reason", ""))
    assert isinstance(difference, Estimate) and difference.low is not None
    assert difference.high is not None
    require(difference.value != 0, "the shares are equal: no number is enough", n1 + n2)
    ends = [1 / abs(end) if end else math.inf for end in (difference.low, difference.high)]
    through = difference.low <= 0 <= difference.high
    benefit = difference.value > 0
    if through:
        low, high = (ends[1], ends[0]) if benefit else (ends[0], ends[1])
    else:
        low, high = min(ends), max(ends)
    return NumberNeeded(1 / abs(difference.value), low, high, benefit, through, difference)
