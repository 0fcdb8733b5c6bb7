"""Pain and function over follow-up: scores, change, how many answered, what silence hides.

Every function takes counted scores, so that a million patients cost as much as a hundred: a frame
with ``modality``, ``timepoint``, ``due``, ``baseline``, ``value`` (null: no score) in per cent of
the scale's range, and ``n``. ``in_points`` turns per cent into the scale's own points.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from analytics.compare import adjust_family, compare
from analytics.comparison import Comparison
from analytics.frequency import Counts, quantile, quantile_interval, tally
from analytics.guards import computable, not_computable, require
from analytics.mixed import RepeatedMeasures, repeated_measures
from analytics.paired import mean_change
from analytics.proportions import wilson
from analytics.results import Estimate, NotComputable

TIMEPOINTS: dict[str, str] = {
    "baseline": "baseline",
    "15min": "15 min",
    "1wk": "1 week",
    "2wk": "2 weeks",
    "1mo": "1 month",
    "2mo": "2 months",
    "3mo": "3 months",
    "6mo": "6 months",
}
#: Days after the procedure, for an axis of time.
DAYS = {"baseline": 0, "15min": 0, "1wk": 7, "2wk": 14, "1mo": 30, "2mo": 61, "3mo": 91, "6mo": 183}
OSTELO = "Ostelo 2008, Spine 33:90"
IMMPACT = "Dworkin 2008 (IMMPACT), doi 10.1016/j.jpain.2007.09.005"


@dataclass(frozen=True)
class Important:
    """A minimal important change: how many points, for which instrument, after whom."""

    points: float
    instrument: str
    source: str


@dataclass(frozen=True)
class Scale:
    """A scale as it is shown: lower is better on all three."""

    key: str
    name: str
    unit: str
    maximum: float
    important: tuple[Important, ...]


SCALES: dict[str, Scale] = {
    scale.key: scale
    for scale in (
        Scale(
            "pain",
            "Pain",
            "points of 10",
            10.0,
            (Important(1.5, "VAS", OSTELO), Important(2.0, "NRS", OSTELO)),
        ),
        Scale(
            "odi", "Oswestry disability index (ODI)", "%", 100.0, (Important(10, "ODI", OSTELO),)
        ),
        Scale(
            "ndi",
            "Neck disability index (NDI)",
            "%",
            100.0,
            (Important(10, "NDI", "5 of 50 raw points; Ostelo 2008 gives 10 % for function"),),
        ),
    )
}


def in_points(scores: pl.DataFrame, scale: Scale) -> pl.DataFrame:
    """Return the scores in the scale's points instead of per cent of its range."""
    names = [name for name in ("baseline", "value", "from", "to") if name in scores.columns]
    factor = scale.maximum / 100
    return scores.with_columns((pl.col(names) * factor).round(6))


@dataclass(frozen=True)
class Point:
    """One group at one timepoint.

    ``n_due`` patients of the scale whose follow-up was due; ``n`` of them have a score; ``change``
    is the mean of value minus baseline (below 0: better) among ``n_pairs``; ``important`` the share
    of those that improved by at least the scale's largest minimal important change.
    """

    group: str
    timepoint: str
    n_due: int
    n_not_due: int
    n: int
    n_pairs: int
    complete: Estimate | NotComputable
    median: Estimate | NotComputable
    q1: float
    q3: float
    change: Estimate | NotComputable
    important: Estimate | NotComputable


def describe(scores: pl.DataFrame, scale: Scale, level: float = 0.95) -> tuple[Point, ...]:
    """Describe every group at every timepoint that anybody has a score at.

    Parameters
    ----------
    scores
        Counted scores in the scale's points: see the module and ``in_points``.
    scale
        Gives unit and minimal important change.
    level
        Of the intervals: order statistics for medians, Student's t for changes, Wilson for shares.
    """
    found = []
    for group in sorted(scores["modality"].unique()):
        for timepoint in TIMEPOINTS:
            rows = scores.filter(modality=group, timepoint=timepoint)
            if rows["value"].count():
                found.append(_point(rows, group, timepoint, scale, level))
    return tuple(found)


def _point(rows: pl.DataFrame, group: str, timepoint: str, scale: Scale, level: float) -> Point:
    """Describe one group at one timepoint."""
    due = rows.filter("due")
    n_due, n = int(due["n"].sum()), int(due.drop_nulls("value")["n"].sum())
    values = tally(due["value"].to_numpy(), due["n"].to_numpy())
    changes = changes_of(due)
    enough = max(step.points for step in scale.important)
    improved = int(changes.n_each[changes.values <= -enough].sum())
    first = timepoint == "baseline"
    return Point(
        group,
        timepoint,
        n_due,
        int(rows["n"].sum()) - n_due,
        n,
        changes.n,
        wilson(n, n_due, level),
        quantile_interval(values, 0.5, level, scale.unit),
        quantile(values, 0.25),
        quantile(values, 0.75),
        not_computable("baseline is the start") if first else mean_change(changes, None, level),
        not_computable("baseline is the start") if first else wilson(improved, changes.n, level),
    )


def changes_of(rows: pl.DataFrame) -> Counts:
    """Count value minus baseline where both are known; the rest is ``missing``."""
    change = (rows["value"] - rows["baseline"]).round(6)
    return tally(change.to_numpy(), rows["n"].to_numpy())


@dataclass(frozen=True)
class Bounds:
    """A mean change (later minus baseline) and what the missing scores could make of it.

    ``best`` takes every missing score as 0, ``worst`` as the scale's maximum: the truth cannot lie
    outside (Manski's bounds). ``carried`` takes every missing patient as unchanged.
    """

    observed: float
    best: float
    worst: float
    carried: float
    n: int
    n_missing: int


@computable
def change_bounds(rows: pl.DataFrame, maximum: float) -> Bounds:
    """Bound the mean change of one group at one timepoint over its missing follow-ups.

    Parameters
    ----------
    rows
        Counted scores of one group and timepoint; only due ones with a baseline take part.
    maximum
        The scale's worst score, in the unit of the scores.
    """
    asked = rows.filter(pl.col("due") & pl.col("baseline").is_not_null())
    seen, lost = asked.drop_nulls("value"), asked.filter(pl.col("value").is_null())
    n, missing = int(seen["n"].sum()), int(lost["n"].sum())
    require(n > 0, "nobody has a score at both times")
    change = float(((seen["value"] - seen["baseline"]) * seen["n"]).sum())
    start = float((lost["baseline"] * lost["n"]).sum())
    total = n + missing
    return Bounds(
        change / n,
        (change - start) / total,
        (change + maximum * missing - start) / total,
        change / total,
        n,
        missing,
    )


def compare_changes(
    scores: pl.DataFrame, scale: Scale, groups: Sequence[str]
) -> dict[str, Comparison]:
    """Compare the change from baseline between groups at each timepoint, Holm-adjusted together.

    Patients without a score are left out here and counted in ``left_out``; the mixed model beside
    it keeps a patient's other visits.
    """
    frame = scores.filter(pl.col("due") & (pl.col("timepoint") != "baseline")).select(
        "timepoint",
        group="modality",
        value=(pl.col("value") - pl.col("baseline")).round(6),
        count="n",
    )
    present = [t for t in TIMEPOINTS if frame.filter(timepoint=t)["value"].count()]
    compared = [
        compare(
            frame.filter(timepoint=t).drop("timepoint"),
            "score",
            f"change of {scale.name.split(' (')[0].lower()} at {TIMEPOINTS[t]}",
            scale.unit,
            groups=list(groups),
        )
        for t in present
    ]
    return dict(zip(present, adjust_family(compared), strict=True))


def model_over_time(
    visits: pl.DataFrame, scale: Scale, groups: Sequence[str]
) -> RepeatedMeasures | NotComputable:
    """Fit the random-intercept model of group × time, adjusted for baseline.

    Parameters
    ----------
    visits
        ``subject``, ``modality``, ``timepoint``, ``baseline``, ``value`` (points): one row a visit.
    groups
        The first minus the others; a negative difference is less pain in the first.

    Notes
    -----
    A timepoint at which one of the groups has nobody is left out, as the model could only guess.
    """
    rows = visits.select(
        "subject", "baseline", "value", group=pl.col("modality"), time=pl.col("timepoint")
    )
    seen = set(rows.drop_nulls().select("group", "time").unique().iter_rows())
    times = [t for t in TIMEPOINTS if all((group, t) in seen for group in groups)]
    return repeated_measures(rows, list(groups), times, unit=scale.unit)
