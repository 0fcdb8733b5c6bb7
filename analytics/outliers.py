"""Which cases stand out: trigger levels, own distribution, reference level, patient sums, units.

Every rule is dated data that is passed in, and a case is judged by the rule of its day. All of it
is vectorised: a million cases need no loop over rows. Rules flag; they never drop a case.
"""

from collections.abc import Callable
from functools import partial

import polars as pl

from analytics.field_area import (
    FIELD_AREA_CM2,
    MACHINE_FACTOR,
    field_areas,
    machine_field_areas,
    unit_exceedances,
    usual_areas,
)
from analytics.own_distribution import (
    ALL_SIZES,
    DISTRIBUTION,
    GROUP,
    LEAST_FACTOR,
    MAD_TO_SD,
    child,
    months_of,
    own_distribution,
    own_distribution_exceedances,
    own_limits,
)
from analytics.rules import EXCEEDANCE, MIN_CASES, Rule, exceedances, rules_from, with_month

__all__ = [
    "ALL_SIZES",
    "EXCEEDANCE",
    "FIELD_AREA_CM2",
    "GROUP",
    "LEAST_FACTOR",
    "MACHINE_FACTOR",
    "MAD_TO_SD",
    "MIN_CASES",
    "SCORED",
    "Rule",
    "child",
    "field_areas",
    "machine_field_areas",
    "months_of",
    "own_distribution",
    "own_distribution_exceedances",
    "own_limits",
    "patient_sum_exceedances",
    "pooled",
    "reference_exceedances",
    "rules_from",
    "scored",
    "trigger_exceedances",
    "unit_exceedances",
    "usual_areas",
    "with_month",
]


def trigger_exceedances(cases: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """Return the cases at or above a fixed level; a case exceeds a rule once, however far."""
    found = cases.filter(rule.scope() & (pl.col(rule.quantity) >= rule.threshold))
    return exceedances(
        found.with_columns(
            pl.lit(rule.threshold, pl.Float64).alias("limit"),
            pl.lit(None, pl.Int64).alias("n_basis"),
            pl.lit("fixed level").alias("basis"),
        ),
        rule,
    )


def reference_exceedances(
    cases: pl.DataFrame, references: pl.DataFrame, rule: Rule
) -> pl.DataFrame:
    """Return the cases above a multiple of the reference level of their procedure.

    ``references`` has ``modality``, ``procedure_code``, ``dose_index``, ``value`` and optionally
    ``size_band`` (null: all adult sizes; a band's own level wins), one row each; a child is held
    against a level of its own band only. "High relative to reference": a reference level is never
    a verdict on one patient.
    """
    levels = references.filter(pl.col("dose_index") == rule.quantity)
    keys = ["modality", "procedure_code"]
    every = levels.filter(pl.col("size_band").is_null()).select(
        *keys, pl.col("value").alias("_every")
    )
    banded = levels.filter(pl.col("size_band").is_not_null()).select(
        *keys, "size_band", pl.col("value").alias("_banded")
    )
    judged = (
        cases.filter(rule.scope())
        .join(banded, on=[*keys, "size_band"], how="left")
        .join(every, on=keys, how="left")
        .with_columns(
            (
                pl.coalesce("_banded", pl.when(~child()).then(pl.col("_every"))) * rule.threshold
            ).alias("limit"),
            pl.lit(None, pl.Int64).alias("n_basis"),
            pl.lit("reference level").alias("basis"),
        )
    )
    return exceedances(judged.filter(pl.col(rule.quantity) > pl.col("limit")), rule)


def patient_sum_exceedances(
    cases: pl.DataFrame, rule: Rule, judged: pl.Series | None = None
) -> pl.DataFrame:
    """Return the cases at which a patient's sum over the rolling window reaches the level.

    ``cases`` holds all cases of the patients; ``judged`` (procedure ids) limits the answer. The
    window ends with the case: its own day and
    ``window_months`` before it, whenever the rule began: the case is judged by the rule of its day,
    what came before it counts in full. A sum that one case reaches alone is left to the trigger
    levels.
    """
    column, days = rule.quantity, f"{rule.window_months}mo"
    scoped = cases.filter(rule.covers() & pl.col("patient_key").is_not_null())
    # A patient whose doses together stay below the level cannot reach it in any window.
    suspects = scoped.filter(pl.col(column).sum().over("patient_key") >= rule.threshold)
    by_day = (
        suspects.sort("patient_key", "performed_on")
        .rolling("performed_on", period=days, group_by="patient_key", closed="both")
        .agg(pl.col(column).sum().alias("_sum"), pl.len().alias("n_basis"))
        .unique(["patient_key", "performed_on"], keep="last")
    )
    found = (
        suspects.join(by_day, on=["patient_key", "performed_on"])
        .filter(rule.holds(), pl.col("_sum") >= rule.threshold, pl.col(column) < rule.threshold)
        .with_columns(
            pl.lit(rule.threshold, pl.Float64).alias("limit"),
            pl.lit(f"patient's sum over {rule.window_months} months").alias("basis"),
        )
    )
    if judged is not None:
        found = found.filter(pl.col("procedure_id").is_in(judged.implode()))
    return exceedances(found, rule, "_sum")


def scored(
    found: pl.DataFrame,
    cases: pl.DataFrame,
    distributions: dict[str, pl.DataFrame],
    of_modality: Callable[[str], pl.DataFrame] | None = None,
) -> pl.DataFrame:
    """Add how far out each case lies on its own scale and sort by it, furthest first.

    The score is ``(ln dose − median) / (1.4826·MAD)`` of the case's procedure, size band and month
    window; where that group is too small, of all judged cases of its modality. So a 3 Gy biopsy
    ranks by how unusual it is, not by which rule has the larger numbers. ``own_median`` is the
    median of the case's own group in the quantity's unit; null where that group is too small.
    ``of_modality`` gives what :func:`pooled` says of a quantity, where ``cases`` are not all.
    """
    parts, ask = [], of_modality or partial(pooled, cases)
    for (quantity,), part in found.partition_by("quantity", as_dict=True).items():
        own = distributions.get(str(quantity), pl.DataFrame(schema=DISTRIBUTION))
        its_cases = cases.filter(pl.col("procedure_id").is_in(part["procedure_id"].implode()))
        where = with_month(its_cases.with_columns(child())).select(
            "procedure_id", *GROUP, "month", str(quantity)
        )
        rows = part.join(
            where.with_columns(pl.col("procedure_id").cast(pl.Int64)), on="procedure_id"
        ).join(own.drop("n", "basis"), on=[*GROUP, "month"], how="left")
        lone = rows["log_median"].has_nulls()
        pool = ask(str(quantity)) if lone else pl.DataFrame(schema=_POOLED)
        rows = rows.join(pool, on="modality", how="left")
        sd = pl.max_horizontal(pl.coalesce("log_sd", "_sd"), _LEAST_SD)
        own_score = (pl.col(str(quantity)).log() - pl.coalesce("log_median", "_median")) / sd
        parts.append(
            rows.with_columns(
                pl.coalesce("score", own_score).alias("score"),
                pl.col("log_median").exp().alias("own_median"),
            ).select(SCORED.names())
        )
    if not parts:
        return pl.DataFrame(schema=SCORED)
    order = ["score", "ratio", "procedure_id", "rule_id"]
    descending = [True, True, False, False]
    return pl.concat(parts).sort(order, descending=descending, nulls_last=True)


SCORED = pl.Schema({**EXCEEDANCE, "own_median": pl.Float64()})
#: Below this spread of the log dose a score would be a division by rounding.
_LEAST_SD = 0.05


_POOLED = {"modality": pl.String(), "_median": pl.Float64(), "_sd": pl.Float64()}


def pooled(cases: pl.DataFrame, quantity: str) -> pl.DataFrame:
    """Return the median and 1.4826·MAD of a quantity's logarithm by modality."""
    log = pl.col(quantity).log()
    usable = cases.filter(pl.col(quantity).is_finite() & (pl.col(quantity) > 0))
    return usable.group_by("modality").agg(
        log.median().alias("_median"),
        (MAD_TO_SD * (log - log.median()).abs().median()).alias("_sd"),
    )
