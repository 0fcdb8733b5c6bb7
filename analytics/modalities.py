"""CT, fluoroscopy and ultrasound compared as a trial report would: outcomes, tests, case mix."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, log10
from typing import Literal

import polars as pl

from analytics.casemix import Adjusted, adjusted_mean, adjusted_share, exponential
from analytics.compare import adjust_family, compare
from analytics.comparison import Comparison, Kind
from analytics.dose import DoseIndex, Quantity
from analytics.frequency import quantile, tally

Scale = Literal["ratio", "difference", "share"]


@dataclass(frozen=True)
class Outcome:
    """What modalities are compared by.

    ``measure`` is its name among the counted values, ``strata`` the prefix of its columns among the
    strata, ``scale`` how the difference is expressed when strata are compared.
    """

    measure: str
    name: str
    unit: str
    kind: Kind
    strata: str
    scale: Scale
    strata_name: str


OUTCOMES = (
    Outcome(
        "effective_dose_msv", "Estimated effective dose", "mSv", "dose", "effective_dose", "ratio",
        "Effective dose, ratio of geometric means",
    ),
    Outcome(
        "duration_min", "Procedure duration", "min", "duration", "duration", "ratio",
        "Duration, ratio of geometric means",
    ),
    Outcome(
        "complication", "Complications", "", "binary", "complication", "share",
        "Complications, difference of shares",
    ),
    Outcome(
        "satisfaction", "Satisfaction, 1 to 5", "", "ordinal", "satisfaction", "share",
        "Satisfied or very satisfied, difference of shares",
    ),
    Outcome(
        "pain_relief_1mo", "Pain relief at 1 month", "points of 10", "score", "pain", "difference",
        "Pain relief at 1 month, difference of means",
    ),
)  # fmt: skip

#: Indices that only one modality has, for the rows that are described and not compared.
OWN_INDICES = (DoseIndex.DLP, DoseIndex.CTDI_VOL, DoseIndex.KAP, DoseIndex.AIR_KERMA)


@dataclass(frozen=True)
class Result:
    """One outcome: the comparison, and the difference of two groups without and with strata."""

    outcome: Outcome
    comparison: Comparison
    adjusted: Adjusted | None


def compare_modalities(
    values: pl.DataFrame,
    strata: pl.DataFrame,
    modalities: Sequence[str],
    repeated_share: float = 0.0,
) -> tuple[Result, ...]:
    """Compare modalities by every outcome that two of them have, p-values Holm-adjusted together.

    Parameters
    ----------
    values
        ``measure``, ``modality``, ``value``, ``n``: counted values, the null value included.
    strata
        ``modality``, ``procedure`` and, for each outcome, ``…_n`` and ``…_mean``/``…_variance``
        (natural logarithms for scale "ratio") or ``…_events``: one row a modality and procedure.
    modalities
        Two or three, in the order of the comparison; differences are of the first two.
    repeated_share
        Share of the cases that belong to a patient with several: above 5 % no p is given.
    """
    present = [
        outcome
        for outcome in OUTCOMES
        if _counted(values, outcome.measure)["value"].count()
        and len(_groups_of(outcome, modalities)) > 1
    ]
    compared = [_compare(values, outcome, modalities, repeated_share) for outcome in present]
    family = adjust_family(compared)
    return tuple(
        Result(outcome, comparison, _within_procedures(strata, outcome, modalities))
        for outcome, comparison in zip(present, family, strict=True)
    )


def refuse_machine_output(values: pl.DataFrame) -> Comparison:
    """Describe CTDIvol and air kerma side by side and say why they are not compared."""
    both = pl.concat(
        [_counted(values, DoseIndex.CTDI_VOL.column), _counted(values, DoseIndex.AIR_KERMA.column)]
    )
    refused = compare(
        both,
        "dose",
        "CTDIvol (CT) and K_a,r (fluoroscopy)",
        "mGy",
        groups=["CT", "fluoroscopy"],
        dose_quantity={
            "CT": Quantity(DoseIndex.CTDI_VOL, "CT"),
            "fluoroscopy": Quantity(DoseIndex.AIR_KERMA, "fluoroscopy"),
        },
    )
    scanner = describe_index(values, DoseIndex.CTDI_VOL)
    beam = describe_index(values, DoseIndex.AIR_KERMA)
    return replace(refused, groups=scanner.groups + beam.groups)


def describe_index(values: pl.DataFrame, index: DoseIndex) -> Comparison:
    """Describe an index of one modality; with one group there is nothing to test."""
    return compare(
        _counted(values, index.column), "dose", index.label, index.unit, dose_quantity=index
    )


def histogram(values: pl.DataFrame, measure: str, log: bool = True) -> pl.DataFrame:
    """Count values in bins of one width, as shares of each modality.

    Parameters
    ----------
    values
        ``measure``, ``modality``, ``value``, ``n``: counted values.
    measure
        Which of the measures.
    log
        Bins on the logarithmic axis; values that are not positive have no place there. Otherwise
        bins are 1, 2 or 5 times a power of ten wide, so that rounded values fall evenly into them,
        and the highest percent of the values share the last one.

    Returns
    -------
    polars.DataFrame
        ``modality``, ``low``, ``middle``, ``high`` (unit of the measure), ``n``, ``share`` (of the
        modality's values, 0 to 1): one row a modality and bin, empty bins too.
    """
    rows = _counted(values, measure).drop_nulls("value").filter(pl.col("count") > 0)
    rows = rows.filter(pl.col("value") > 0) if log else rows
    if rows.is_empty():
        return pl.DataFrame(schema=_HISTOGRAM)
    rows = rows.with_columns(at=pl.col("value").log10() if log else pl.col("value"))
    start, width, bins = _log_bins(rows) if log else _round_bins(rows)
    place = ((pl.col("at") - start) / width).floor().clip(0, bins - 1).cast(pl.Int64)
    counted = rows.group_by("group", place.alias("bin")).agg(n=pl.col("count").sum())
    every = rows.select(pl.col("group").unique()).join(
        pl.DataFrame({"bin": range(bins)}, schema={"bin": pl.Int64}), how="cross"
    )
    edge = start + pl.col("bin") * width
    ends = {"low": edge, "middle": edge + width / 2, "high": edge + width}
    return (
        every.join(counted, on=["group", "bin"], how="left")
        .with_columns(pl.col("n").fill_null(0))
        .select(
            modality="group",
            **{name: 10.0**end if log else end for name, end in ends.items()},
            n="n",
            share=pl.col("n") / pl.col("n").sum().over("group"),
        )
        .sort("modality", "low")
    )


BINS = 40


def _log_bins(rows: pl.DataFrame) -> tuple[float, float, int]:
    """Return start, width and number of bins over the whole range."""
    start, end = float(rows["at"].to_numpy().min()), float(rows["at"].to_numpy().max())
    return start, (end - start) / BINS or 1.0, BINS


def _round_bins(rows: pl.DataFrame) -> tuple[float, float, int]:
    """Return start, width and number of bins of a round width up to the 99th percentile."""
    counts = tally(rows["at"], rows["count"])
    start, end = float(counts.values[0]), quantile(counts, 0.99)
    rough = max(end - start, 1e-9) / BINS
    power = 10.0 ** floor(log10(rough))
    width = next(step * power for step in (1, 2, 5, 10) if step * power >= rough)
    if (counts.values % 1 == 0).all():
        width = max(width, 1.0)
    start = floor(start / width) * width
    return start, width, ceil((end - start) / width) or 1


_HISTOGRAM = {
    "modality": pl.String,
    "low": pl.Float64,
    "middle": pl.Float64,
    "high": pl.Float64,
    "n": pl.Int64,
    "share": pl.Float64,
}


def _counted(values: pl.DataFrame, measure: str) -> pl.DataFrame:
    """Return one measure as (group, value, count)."""
    return values.filter(pl.col("measure") == measure).select(
        group="modality", value="value", count="n"
    )


def _compare(
    values: pl.DataFrame, outcome: Outcome, modalities: Sequence[str], repeated_share: float
) -> Comparison:
    return compare(
        _counted(values, outcome.measure),
        outcome.kind,
        outcome.name,
        outcome.unit,
        groups=_groups_of(outcome, modalities),
        dose_quantity=DoseIndex.EFFECTIVE_DOSE if outcome.kind == "dose" else None,
        repeated_share=repeated_share,
    )


def _groups_of(outcome: Outcome, modalities: Sequence[str]) -> list[str]:
    """Return the modalities that can have an outcome: ultrasound has no dose."""
    can_have = DoseIndex.EFFECTIVE_DOSE.modalities if outcome.kind == "dose" else modalities
    return [modality for modality in modalities if modality in can_have]


def _within_procedures(
    strata: pl.DataFrame, outcome: Outcome, modalities: Sequence[str]
) -> Adjusted | None:
    """Compare the first two modalities without and with procedures as strata."""
    if len(modalities) != 2:
        return None
    first, second = modalities
    prefix = outcome.strata
    rows = strata.select(
        pl.col("modality").alias("group"),
        pl.col("procedure").alias("stratum"),
        *(
            pl.col(f"{prefix}_{part}").alias(part)
            for part in ("n", "events", "mean", "variance")
            if f"{prefix}_{part}" in strata.columns
        ),
    ).filter(pl.col("n") > 0)
    if outcome.scale == "share":
        return adjusted_share(rows, first, second)
    found = adjusted_mean(rows, first, second, outcome.unit)
    if outcome.scale == "ratio":
        found = replace(found, crude=exponential(found.crude), adjusted=exponential(found.adjusted))
    return found
