"""The department's own figures, defined as the papers define theirs.

Scores come counted: ``timepoint``, ``baseline`` and ``value`` in per cent of the scale's range, and
``n`` procedures; other measures as ``measure``, ``value`` and ``n``.
"""

from dataclasses import dataclass

import polars as pl
from scipy import special

from analytics.evidence_rows import Measure, back
from analytics.frequency import Counts, quantile_interval, tally
from analytics.meta_effects import (
    Effect,
    log_odds_ratio,
    log_risk_ratio,
    mean_difference,
    risk_difference,
    standardised_mean_difference,
)
from analytics.moments import moments
from analytics.proportions import wilson
from analytics.results import Estimate, NotComputable
from analytics.tails import normal_quantile

RESPONSE = 0.5
SATISFIED = 4
#: Words of the papers → our time points.
TIMEPOINTS = {
    "15 min": "15min",
    "1 week": "1wk",
    "2 weeks": "2wk",
    "1 month": "1mo",
    "2 months": "2mo",
    "3 months": "3mo",
    "6 months": "6mo",
    "baseline": "baseline",
}


@dataclass(frozen=True)
class Own:
    """One of our figures: what it is, its estimate with n, and how it is defined."""

    label: str
    estimate: Estimate | NotComputable
    definition: str
    timepoint: str = ""


def responders(scores: pl.DataFrame, timepoint: str) -> Own:
    """Return the share whose pain fell by at least half, of those with both scores, Wilson."""
    rows = _paired(scores, timepoint).filter(pl.col("baseline") > 0)
    reached = (pl.col("baseline") - pl.col("value")) >= RESPONSE * pl.col("baseline") - 1e-9
    events, n = int(rows.filter(reached)["n"].sum()), int(rows["n"].sum())
    said = "pain at least 50 % below baseline, of procedures with baseline above 0 and a score then"
    found = wilson(events, n) if n else NotComputable("no procedure has both scores")
    return Own(f"Ours, {_words(timepoint)}", found, said, timepoint)


def pain(scores: pl.DataFrame, timepoint: str) -> Own:
    """Return the mean score on the scale 0 to 10."""
    rows = scores.filter(pl.col("timepoint") == timepoint).drop_nulls("value")
    found = mean_interval(tally(rows["value"].to_numpy() / 10, rows["n"].to_numpy()), "points")
    return Own(f"Ours, {_words(timepoint)}", found, "mean pain score, 0 to 10", timepoint)


def pain_reduction(scores: pl.DataFrame, timepoint: str) -> Own:
    """Return the mean reduction in per cent of the baseline."""
    rows = _paired(scores, timepoint).filter(pl.col("baseline") > 0)
    change = 100 * (rows["baseline"] - rows["value"]) / rows["baseline"]
    found = mean_interval(tally(change.to_numpy(), rows["n"].to_numpy()), "%")
    said = "mean of (baseline − score) / baseline, of procedures with baseline above 0"
    return Own(f"Ours, {_words(timepoint)}", found, said, timepoint)


def complications(values: pl.DataFrame) -> Own:
    """Return the share with any complication of those with an entry."""
    rows = _of(values, "complication")
    events, n = int(rows.filter(pl.col("value") > 0)["n"].sum()), int(rows["n"].sum())
    found = wilson(events, n) if n else NotComputable("no procedure has a complication entry")
    return Own("Ours", found, "any complication of any grade; procedures without an entry left out")


def satisfied(values: pl.DataFrame) -> Own:
    """Return the share that is satisfied or very satisfied."""
    rows = _of(values, "satisfaction")
    happy = int(rows.filter(pl.col("value") >= SATISFIED)["n"].sum())
    n = int(rows["n"].sum())
    found = wilson(happy, n) if n else NotComputable("no procedure has an answer")
    return Own("Ours", found, "answers 4 or 5 of 5, of all answers")


def duration(values: pl.DataFrame) -> Own:
    """Return the median duration with its exact interval."""
    rows = _of(values, "duration_min")
    counts = tally(rows["value"].to_numpy(), rows["n"].to_numpy())
    found = median_interval(counts, "min")
    return Own("Ours, median", found, "median of procedure start to end, needle in to needle out")


def median_interval(counts: Counts, unit: str) -> Estimate | NotComputable:
    """Return a median with the interval of order statistics."""
    if counts.n == 0:
        return NotComputable("no procedure has a value")
    return quantile_interval(counts, 0.5, unit=unit)


def mean_interval(counts: Counts, unit: str) -> Estimate | NotComputable:
    """Return a mean with its t interval."""
    if counts.n < 2:
        return NotComputable("fewer than two procedures have a value", counts.n)
    found = moments(counts)
    half = float(special.stdtrit(counts.n - 1, 0.975)) * (found.variance / counts.n) ** 0.5
    return Estimate(found.mean, found.mean - half, found.mean + half, counts.n, "mean, t", unit)


def contrast(
    first: pl.DataFrame,
    second: pl.DataFrame,
    named: tuple[str, str],
    key: str,
    measure: Measure,
    timepoint: str = "",
) -> Own | None:
    """Return our own difference between two modalities, on the natural scale; not randomised.

    ``first`` and ``second`` are the rows of the two modalities. None where we have no figure of
    this kind.
    """
    if key == "complications" and measure in ("RR", "OR", "RD"):
        found = _events_contrast(_of(first, "complication"), _of(second, "complication"), measure)
        said = "any complication; patients were not allocated at random"
    elif key == "pain" and measure in ("MD", "SMD"):
        then = pl.col("timepoint") == timepoint
        found = _means_contrast(first.filter(then), second.filter(then), measure)
        said = "pain score 0 to 10; patients were not allocated at random"
    else:
        return None
    label = f"Ours, {named[0]} v {named[1]}" + (f", {_words(timepoint)}" if timepoint else "")
    return Own(label, found, said, timepoint)


def _events_contrast(
    first: pl.DataFrame, second: pl.DataFrame, measure: Measure
) -> Estimate | NotComputable:
    cells: list[int] = []
    for rows in (first, second):
        cells += [int(rows.filter(pl.col("value") > 0)["n"].sum()), int(rows["n"].sum())]
    make = {"RR": log_risk_ratio, "OR": log_odds_ratio, "RD": risk_difference}[measure]
    return _on_natural_scale(make(*cells), measure)


def _means_contrast(
    first: pl.DataFrame, second: pl.DataFrame, measure: Measure
) -> Estimate | NotComputable:
    arms: list[float] = []
    for rows in (first, second):
        scores = rows.drop_nulls("value")
        counts = tally(scores["value"].to_numpy() / 10, scores["n"].to_numpy())
        if counts.n < 2:
            return NotComputable("fewer than two procedures of a modality have a score")
        found = moments(counts)
        arms += [found.n, found.mean, found.sd]
    make = standardised_mean_difference if measure == "SMD" else mean_difference
    return _on_natural_scale(make(*arms), measure)


def _on_natural_scale(effect: Effect | NotComputable, measure: Measure) -> Estimate | NotComputable:
    if isinstance(effect, NotComputable):
        return effect
    half = normal_quantile(0.95) * effect.variance**0.5
    low, value, high = (back(effect.value + side * half, measure) for side in (-1, 0, 1))
    return Estimate(value, low, high, effect.n, f"{measure}, Wald")


def _paired(scores: pl.DataFrame, timepoint: str) -> pl.DataFrame:
    return scores.filter(pl.col("timepoint") == timepoint).drop_nulls(["baseline", "value"])


def _of(values: pl.DataFrame, measure: str) -> pl.DataFrame:
    return values.filter(pl.col("measure") == measure).drop_nulls("value")


def _words(timepoint: str) -> str:
    return next((words for words, ours in TIMEPOINTS.items() if ours == timepoint), timepoint)
