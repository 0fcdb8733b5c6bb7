"""Complications by term and grade, with exact intervals; none seen is not none possible.

Grades keep their scale and its version: grades of different scales are never ranked together.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from analytics.attribute_charts import g_chart, p_chart
from analytics.control_charts import Chart
from analytics.proportions import clopper_pearson, upper_limit
from analytics.results import Estimate, NotComputable

NONE = "none"
#: Fewer events than this: the chart of cases between them tells more than monthly shares.
RARE_EVENTS_A_MONTH = 5


@dataclass(frozen=True)
class GradeScale:
    """A grading of complications: its grades in order and the first that counts as major.

    ``major_from`` is Kerma's reading, stated on the page: therapy added, or a longer stay.
    """

    name: str
    grades: tuple[str, ...]
    major_from: str
    source: str


SCALES: dict[str, GradeScale] = {
    scale.name: scale
    for scale in (
        GradeScale("CIRSE 2017", tuple("123456"), "3", "Filippiadis 2017, CIRSE classification"),
        GradeScale(
            "CIRSE 2025",
            ("1a", "1b", "2", "3a", "3b", "4", "5", "6"),
            "3a",
            "doi 10.1007/s00270-025-04200-w",
        ),
        GradeScale("SIR 2017", tuple("12345"), "3", "Khalilzadeh 2017, PMID 28757285"),
        GradeScale(
            "Clavien-Dindo",
            ("I", "II", "IIIa", "IIIb", "IVa", "IVb", "V"),
            "IIIa",
            "PMC10958949, Table 3",
        ),
    )
}


def scale_named(name: str | None) -> GradeScale | None:
    """Return a scale by the name that a log gave it, whatever its dashes and capitals."""
    if name is None:
        return None
    plain = name.casefold().replace("–", "-").replace("_", " ").strip()
    found = {key.casefold(): scale for key, scale in SCALES.items()}
    return found.get(plain) or found.get(plain.replace(" ", "-"))


def rank(scale: str | None, grade: str | None) -> int | None:
    """Return a grade's place in its scale from 0; None for a grade that the scale has not.

    A main grade stands for its first part (III for IIIa); Clavien–Dindo's suffix d is left aside.
    """
    known = scale_named(scale)
    if known is None or not grade:
        return None
    given = grade.strip().casefold()
    for text in (given, given + "a", given.removesuffix("d")):
        for place, name in enumerate(known.grades):
            if name.casefold() == text:
                return place
    return None


def is_major(scale: str | None, grade: str | None) -> bool | None:
    """Say whether a graded complication is major; None where scale or grade say nothing."""
    place, known = rank(scale, grade), scale_named(scale)
    if place is None or known is None:
        return None
    return place >= known.grades.index(known.major_from)


@dataclass(frozen=True)
class Share:
    """Procedures with an event, of those where complications are documented.

    ``share`` has the exact interval of Clopper and Pearson; ``limit`` is the one-sided 95 % upper
    limit and is there when no event was seen.
    """

    label: Mapping[str, str | None]
    events: int
    n: int
    share: Estimate | NotComputable
    limit: Estimate | NotComputable | None


def share_of(events: int, n: int, label: Mapping[str, str | None], level: float = 0.95) -> Share:
    """Return one share with its exact interval, and the upper limit at zero events."""
    limit = upper_limit(0, n, level) if events == 0 else None
    return Share(label, events, n, clopper_pearson(events, n, level), limit)


def shares_by(documented: pl.DataFrame, column: str) -> tuple[Share, ...]:
    """Return the share of procedures with any complication by one column, most cases first.

    Parameters
    ----------
    documented
        ``n``, ``n_documented``, ``n_with`` and ``column``; any grain below.
    """
    sums = documented.group_by(column).agg(pl.col("n_documented", "n_with").sum())
    return tuple(
        share_of(int(row["n_with"]), int(row["n_documented"]), {column: row[column]})
        for row in sums.sort("n_documented", column, descending=[True, False]).iter_rows(named=True)
        if row["n_documented"]
    )


def shares_by_term(terms: pl.DataFrame, n_documented: int) -> tuple[Share, ...]:
    """Return the share of each term, grade and scale, as recorded, most frequent first.

    Parameters
    ----------
    terms
        ``term``, ``grade``, ``scale``, ``n``; 'none' and null terms are no events.
    n_documented
        Procedures with complications documented: the denominator of all.
    """
    events = terms.filter(pl.col("term").is_not_null() & (pl.col("term") != NONE))
    sums = events.group_by("term", "grade", "scale").agg(pl.col("n").sum())
    return tuple(
        share_of(
            int(row["n"]),
            n_documented,
            {"term": row["term"], "grade": row["grade"], "scale": row["scale"]},
        )
        for row in sums.sort("n", "term", "grade", descending=[True, False, False]).iter_rows(
            named=True
        )
    )


def monthly_chart(documented: pl.DataFrame) -> tuple[pl.DataFrame, Chart | NotComputable]:
    """Chart the monthly share of procedures with a complication (p-chart).

    Returns
    -------
    tuple
        ``month``, ``events``, ``n`` in order (months without cases keep n = 0), and the chart.
    """
    sums = (
        documented.group_by("month")
        .agg(events=pl.col("n_with").sum(), n=pl.col("n_documented").sum())
        .sort("month")
    )
    if sums.is_empty():
        return sums, p_chart([], [])
    months = sums.select(
        month=pl.date_range(pl.col("month").min(), pl.col("month").max(), interval="1mo")
    )
    full = months.join(sums, on="month", how="left").fill_null(0).sort("month")
    return full, p_chart(full["events"].to_numpy(), full["n"].to_numpy())


def between_chart(between: pl.DataFrame) -> Chart | NotComputable:
    """Chart the documented cases between one event and the next (g-chart).

    Parameters
    ----------
    between
        ``event_on``, ``cases_between`` in order of the events.
    """
    return g_chart(between["cases_between"].to_numpy().astype(np.float64))
