"""Every facility's or room's median against its reference levels, as one table."""

from collections.abc import Mapping, Sequence
from functools import cache

import polars as pl

from analytics.reference_levels import (
    Benchmarks,
    Decision,
    LocalLevel,
    choose_benchmarks,
    decide,
    local_level,
    median_of,
    typical_values,
)

ALL_ADULTS = "all adult sizes"
UNMAPPED = "unmapped"
JUDGED = pl.Schema(
    {
        "drl": pl.Float64(),
        "achievable": pl.Float64(),
        "strength": pl.String(),
        "reference_ids": pl.List(pl.String()),
        "decision": pl.String(),
        "action": pl.String(),
    }
)
LOCAL = pl.Schema(
    {
        "procedure_code": pl.String(),
        "kind": pl.String(),
        "value": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "rooms": pl.Int64(),
        "cases": pl.Int64(),
        "reason": pl.String(),
    }
)


def of_size(cases: pl.DataFrame, size_band: str | None) -> pl.DataFrame:
    """Return the cases of a size band; None takes all that are not children's.

    Parameters
    ----------
    cases
        With ``size_band`` as :func:`analytics.dose.size_band` names them.
    size_band
        A band. Published levels for all sizes are of adults: children are compared within their
        weight band only. Names that are not mapped are of many procedures and left out.
    """
    mapped = pl.col("procedure_code") != UNMAPPED
    if size_band is not None:
        return cases.filter(mapped, pl.col("size_band") == size_band)
    return cases.filter(mapped, ~pl.col("size_band").str.starts_with("child"))


def level_table(
    cases: pl.DataFrame,
    by: Sequence[str],
    levels: pl.DataFrame,
    lineage: Mapping[str, Sequence[str]],
    modality: str,
    dose_index: str,
    unit: str,
    size_band: str | None = None,
) -> pl.DataFrame:
    """Hold the median of each group against the reference levels of its procedure.

    Parameters
    ----------
    cases
        ``procedure_code``, ``size_band``, ``value`` (in ``unit``) and the columns of ``by``; one
        modality and dose index.
    by
        Grouping besides the procedure: site for facilities, site and room for rooms.
    levels
        Project data ``reference_levels.csv`` or a site's own with those columns.
    lineage
        Procedure code → the code and the more general ones it may borrow a level from.
    modality, dose_index
        As in ``levels`` (``fluoroscopy``, ``kap_gycm2``).
    unit
        Unit of value and levels.
    size_band
        As :func:`of_size` takes it. A child's band is held against a level of that band only.

    Returns
    -------
    polars.DataFrame
        What :func:`analytics.reference_levels.typical_values` gives, with ``drl``, ``achievable``
        (in ``unit``), ``strength``, ``reference_ids``, ``decision`` and ``action``: ICRP
        publication 135's decision table. The most frequent procedure first, groups by name.
    """
    found = typical_values(of_size(cases, size_band), "value", ["procedure_code", *by])

    @cache
    def benchmarks(code: str) -> Benchmarks:
        codes = lineage.get(code, [code])
        return choose_benchmarks(levels, modality, codes, dose_index, size_band)

    rows = [_judged(row, benchmarks(row["procedure_code"]), unit) for row in found.to_dicts()]
    judged = pl.DataFrame(rows, schema=JUDGED, orient="row")
    total = pl.col("n").sum().over("procedure_code")
    return pl.concat([found, judged], how="horizontal").sort(
        total, "procedure_code", *by, descending=[True, False, *(False for _ in by)]
    )


def _judged(row: dict[str, object], found: Benchmarks, unit: str) -> tuple[object, ...]:
    decision = decide(median_of(row, unit), found)
    strength = found.strength if found.reference_ids else None
    return (
        found.drl,
        found.achievable,
        strength,
        list(found.reference_ids),
        decision.value,
        decision.action,
    )


def decisions(table: pl.DataFrame) -> dict[Decision, int]:
    """Count the groups of a :func:`level_table` by what was decided, in the order of the table."""
    counts = dict(table.group_by("decision").len().iter_rows())
    return {d: counts[d.value] for d in Decision if d.value in counts}


def local_levels(cases: pl.DataFrame, unit: str, size_band: str | None = None) -> pl.DataFrame:
    """Compute the own level of every procedure: a local DRL, or a typical value of few rooms.

    Parameters
    ----------
    cases
        ``procedure_code``, ``size_band``, ``site``, ``room``, ``value`` (in ``unit``); one modality
        and dose index.
    unit
        Unit of the values.
    size_band
        As :func:`of_size` takes it.

    Returns
    -------
    polars.DataFrame
        ``procedure_code``, ``kind``, ``value``, ``low``, ``high`` (95 % interval), ``rooms``,
        ``cases`` and, where none could be computed, the ``reason``; most cases first.
    """
    rows = []
    for (code,), mine in of_size(cases, size_band).group_by("procedure_code"):
        found = local_level(mine, "value", unit)
        if isinstance(found, LocalLevel):
            level = found.level
            ends = (level.value, level.low, level.high)
            rows.append((code, found.kind, *ends, found.rooms, found.cases, None))
        else:
            rows.append((code, None, None, None, None, 0, mine.height, found.reason))
    made = pl.DataFrame(rows, schema=LOCAL, orient="row")
    return made.sort("cases", "procedure_code", descending=[True, False])


def against_saved(local: pl.DataFrame, saved: pl.DataFrame) -> pl.DataFrame:
    """Set today's own levels beside the newest saved ones of the same procedure.

    Parameters
    ----------
    local
        What :func:`local_levels` returned.
    saved
        ``procedure_code``, ``value``, ``kind``, ``saved_at`` of one modality, index and size band.

    Returns
    -------
    polars.DataFrame
        ``local`` with ``saved_value``, ``saved_kind``, ``saved_at``, ``change`` (fraction, null
        where the two are not of one kind) and ``outside``: whether the saved value lies outside
        today's interval.
    """
    newest = saved.sort("saved_at", descending=True).unique("procedure_code", keep="first")
    told = newest.select(
        "procedure_code",
        pl.col("value").alias("saved_value"),
        pl.col("kind").alias("saved_kind"),
        "saved_at",
    )
    same = pl.col("kind") == pl.col("saved_kind")
    before = pl.col("saved_value")
    return local.join(told, on="procedure_code", how="left", maintain_order="left").with_columns(
        pl.when(same & (before > 0)).then(pl.col("value") / before - 1).alias("change"),
        pl.when(same).then((before < pl.col("low")) | (before > pl.col("high"))).alias("outside"),
    )
