"""From a row of published results to its effect: what it can give, and why it cannot.

A row is a mapping with the columns of the evidence files: ``study``, ``n_1``, ``mean_1``, ``sd_1``,
``median_1``, ``q1_1``, ``q3_1``, ``min_1``, ``max_1``, ``events_1``, the same of group 2,
``measure``, ``effect``, ``low``, ``high``, ``level``, ``patients``, ``unit``, ``conversion``,
``check``, ``usable`` and the columns to group by.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from analytics import meta_effects as effects
from analytics.guards import UndefinedError, computable, require
from analytics.meta_analysis import PatientCheck, Study, unique_patient_check
from analytics.meta_conversions import MeanSd, luo_wan, mcgrath
from analytics.meta_effects import Effect
from analytics.proportions import wilson
from analytics.results import Estimate, NotComputable
from analytics.tails import normal_quantile

Row = Mapping[str, Any]
Measure = Literal["MD", "SMD", "ROM", "RR", "OR", "RD", "PROPORTION", "ARCSINE", "MEAN"]
Model = Literal["REML", "DL", "PM", "fixed", "MH", "Peto", "GLMM"]
MEASURES: dict[Measure, str] = {
    "MD": "Mean difference",
    "SMD": "Standardised mean difference (Hedges g)",
    "ROM": "Ratio of means",
    "RR": "Risk ratio",
    "OR": "Odds ratio",
    "RD": "Risk difference",
    "PROPORTION": "Share",
    "ARCSINE": "Share, on the arcsine scale",
    "MEAN": "Mean",
}
RATIOS = ("ROM", "RR", "OR")
#: Shown on the axis of means, never pooled with them.
ORDER_STATISTICS = ("MEDIAN", "PERCENTILE")
SHARES: tuple[Measure, ...] = ("PROPORTION", "ARCSINE")
PERCENTAGES: tuple[Measure, ...] = (*SHARES, "RD")
SINGLE: tuple[Measure, ...] = (*SHARES, "MEAN")
RARE_MODELS = ("MH", "Peto")
DOUBTFUL = ("PROBLEM", "INCONSISTENT")
#: Printed intervals are rounded; a little more patients than there were is rounding.
ROUNDING = 1.1
RARE_SHARE = 0.05


@dataclass(frozen=True)
class Point:
    """One row as the forest plot draws it, on the natural scale.

    ``reason`` says why a row is not pooled; ``low`` and ``high`` are None where the paper prints
    no spread. ``weight`` is percent of the pool.
    """

    row: Row
    value: float | None
    low: float | None
    high: float | None
    n: int | None
    weight: float | None = None
    reason: str = ""
    converted: str = ""
    added_half: bool = False
    study: Study | None = None


def back(value: float, measure: Measure) -> float:
    """Turn one number of the scale of analysis back to what papers print."""
    if measure == "MEAN":
        return value
    return effects.natural_scale(Estimate(value, None, None, 0, ""), measure).value


def has_two(row: Row) -> bool:
    """Say whether the row compares two groups."""
    return bool(row["group_2"]) or row["n_2"] is not None


def possible_measures(rows: Sequence[Row]) -> tuple[Measure, ...]:
    """Return the measures that at least one row can give, the most frequent first."""
    found: dict[Measure, int] = {}
    for row in rows:
        for measure in _measures_of(row):
            found[measure] = found.get(measure, 0) + 1
    return tuple(sorted(found, key=lambda m: -found[m]))


def _measures_of(row: Row) -> tuple[Measure, ...]:
    if row["effect"] is not None:
        measure = row["measure"]
        return ("MEAN",) if measure in ORDER_STATISTICS else (measure,)
    if row["events_1"] is not None:
        return ("RR", "OR", "RD") if has_two(row) else SHARES
    return ("MD", "SMD", "ROM") if has_two(row) else ("MEAN",)


def mean_sd(row: Row, which: Literal[1, 2]) -> MeanSd:
    """Return mean and SD of one group, converted from median and quartiles or range if need be.

    Raises
    ------
    UndefinedError
        If the row gives neither.
    """
    mean, sd, n = row[f"mean_{which}"], row[f"sd_{which}"], row[f"n_{which}"]
    require(n is not None, f"the size of group {which} is missing")
    if mean is not None:
        require(sd is not None, "no standard deviation is printed")
        return MeanSd(float(mean), float(sd), int(n), "")
    median = row[f"median_{which}"]
    require(median is not None, f"group {which} has neither mean nor median")
    spread = {
        "q1": row[f"q1_{which}"],
        "q3": row[f"q3_{which}"],
        "minimum": row[f"min_{which}"],
        "maximum": row[f"max_{which}"],
    }
    require(any(v is not None for v in spread.values()), "neither quartiles nor range are printed")
    convert = mcgrath if row["conversion"] == "McGrath" else luo_wan
    found = convert(float(median), n, **spread)
    if isinstance(found, NotComputable):
        raise UndefinedError(found.reason.removeprefix("cannot be computed, because "))
    return found


@computable
def effect_of(row: Row, measure: Measure) -> tuple[Effect, str]:
    """Return a row's effect on the scale of analysis, and how its mean was converted."""
    require(measure in _measures_of(row), f"the row has no numbers for: {MEASURES[measure]}")
    if row["effect"] is not None:
        return _printed(row, measure), ""
    if row["events_1"] is not None:
        return _of_events(row, measure), ""
    first = mean_sd(row, 1)
    if measure == "MEAN":
        value = Effect(first.mean, first.sd**2 / first.n, first.n, "GENERIC")
        return value, first.method
    second = mean_sd(row, 2)
    make = {
        "MD": effects.mean_difference,
        "SMD": effects.standardised_mean_difference,
        "ROM": effects.log_ratio_of_means,
    }[measure]
    found = make(first.n, first.mean, first.sd, second.n, second.mean, second.sd)
    return _or_refuse(found), first.method or second.method


def _printed(row: Row, measure: Measure) -> Effect:
    """Return effect and variance from a printed estimate with its interval."""
    require(row["low"] is not None, "no interval is printed")
    require(row["measure"] not in ORDER_STATISTICS, "a median is not pooled with means")
    scale = _scale(row, measure)
    value, low, high = (float(row[name]) * scale for name in ("effect", "low", "high"))
    kind: effects.Measure = "GENERIC" if measure == "MEAN" else measure
    found = effects.from_interval(value, low, high, row["patients"] or 0, kind, row["level"])
    effect = _or_refuse(found)
    if measure == "SMD" and row["patients"]:
        _enough_patients(low, high, row["patients"], row["level"])
    return effect


PERCENT = ("%", "percentage points", "pp")


def _scale(row: Row, measure: Measure) -> float:
    """Return what turns a printed number into a fraction, or leaves it."""
    return 0.01 if measure in PERCENTAGES and row["unit"] in PERCENT else 1.0


def _enough_patients(low: float, high: float, patients: int, level: float) -> None:
    """Refuse an interval that is narrower than its patients allow."""
    found = unique_patient_check(low, high, patients, level)
    if isinstance(found, PatientCheck) and found.ratio > ROUNDING:
        raise UndefinedError(
            f"its interval would need {found.implied_patients:.0f} patients and there were"
            f" {patients}: the same patients enter several times (unit-of-analysis error); at best"
            f" ± {found.narrowest_half_width:.3f}"
        )


def _of_events(row: Row, measure: Measure) -> Effect:
    cells = row["events_1"], row["n_1"], row["events_2"], row["n_2"]
    if measure in SHARES:
        share = effects.logit_proportion if measure == "PROPORTION" else effects.arcsine_proportion
        return _or_refuse(share(*cells[:2]))
    make = {
        "RR": effects.log_risk_ratio,
        "OR": effects.log_odds_ratio,
        "RD": effects.risk_difference,
    }[measure]
    return _or_refuse(make(*cells))


def _or_refuse(found: Effect | NotComputable) -> Effect:
    if isinstance(found, NotComputable):
        raise UndefinedError(found.reason.removeprefix("cannot be computed, because "), found.n)
    return found


def point(row: Row, measure: Measure, group_by: str = "") -> Point:
    """Return a row as it is drawn, with its effect or the reason why it has none."""
    found = effect_of(row, measure)
    if isinstance(found, NotComputable):
        value, low, high = _shown(row, measure)
        reason = found.reason.removeprefix("cannot be computed, because ")
        if row["low"] is None and str(row["check"]).startswith(DOUBTFUL):
            reason = row["check"]
        return Point(row, value, low, high, row["patients"] or row["n_1"], reason=reason)
    effect, converted = found
    low, high = _interval(row, effect, measure)
    counted = measure in SHARES and row["events_1"] is not None
    shown = Point(
        row, row["events_1"] / row["n_1"] if counted else back(effect.value, measure), low, high,
        effect.n or None,
        converted=converted, added_half=effect.added_half,
    )  # fmt: skip
    if row["usable"] != "yes":
        return replace(shown, reason=row["check"] or "marked as not usable")
    if str(row["check"]).startswith(DOUBTFUL):
        return replace(shown, reason=row["check"])
    study = Study(
        row["study"], effect.value, effect.variance, effect.n or None,
        str(row[group_by]) if group_by else "", row["covariate"],
    )  # fmt: skip
    return replace(shown, study=study)


def _interval(row: Row, effect: Effect, measure: Measure) -> tuple[float, float]:
    """Return a study's own 95 % interval on the natural scale; as printed, Wilson's for a share."""
    if row["low"] is not None and row["level"] == 0.95:
        scale = _scale(row, measure)
        return row["low"] * scale, row["high"] * scale
    if measure in SHARES and row["events_1"] is not None:
        score = wilson(row["events_1"], row["n_1"])
        if isinstance(score, Estimate) and score.low is not None and score.high is not None:
            return score.low, score.high
    half = normal_quantile(0.95) * math.sqrt(effect.variance)
    return back(effect.value - half, measure), back(effect.value + half, measure)


def _shown(row: Row, measure: Measure) -> tuple[float | None, float | None, float | None]:
    """Return what the paper prints of a row that cannot be pooled."""
    scale = _scale(row, measure)
    if row["effect"] is not None:
        if measure not in _measures_of(row):
            return None, None, None
        ends = (None if row[name] is None else row[name] * scale for name in ("low", "high"))
        low, high = ends
        return row["effect"] * scale, low, high
    single = row["mean_1"] if row["mean_1"] is not None else row["median_1"]
    return (single if measure == "MEAN" else None), None, None
