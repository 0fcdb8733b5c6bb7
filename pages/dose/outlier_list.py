"""Which cases stand out: the warehouse picks the suspects, ``analytics.outliers`` judges them."""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import polars as pl

from analytics import outliers
from analytics.outliers import Rule
from pages.shared import data
from pages.shared import format as fmt
from pages.shared.filters import Filters
from warehouse.reference import trigger_levels

#: Rows that one answer of the warehouse may have; beyond it the list says that it is cut.
MOST = 20_000
CTDI = "ctdi_vol_mgy"
CTDI_PHANTOMS = ("ctdi_vol_16_mgy", "ctdi_vol_32_mgy", "ctdi_vol_unknown_mgy")
OWN_KINDS = ("own_percentile", "robust_limit")
DETAILS = (
    "procedure_id", "performed_on", "procedure_start_at", "modality", "procedure_code",
    "procedure_name", "site", "room", "device", "operator", "age_years", "bmi", "n_levels",
    "dose_source", "flags", "procedure_key", "size_band",
)  # fmt: skip


@dataclass(frozen=True)
class Found:
    """Cases that stand out, one row each, and every rule that each of them broke."""

    cases: pl.DataFrame
    exceedances: pl.DataFrame
    cut: bool


@lru_cache
def rules() -> tuple[Rule, ...]:
    """Return the rules that are in force: unverified ones are off until someone confirms them."""
    return tuple(outliers.rules_from(trigger_levels()))


def find(filters: Filters) -> Found:
    """Find what stands out among the cases that the filters let through."""
    suspects = data.query("outliers_candidates", filters, **_least_limits())
    odd = data.query(
        "outliers_units", filters, area_low=outliers.FIELD_AREA_CM2[0],
        area_high=outliers.FIELD_AREA_CM2[1], factor=outliers.MACHINE_FACTOR,
        min_n=outliers.MIN_CASES, most=MOST,
    )  # fmt: skip
    parts = [_judged(suspects, rule) for rule in rules()] + [_units(odd)]
    sums = _patient_sums(filters)
    summed = data.query("outliers_cases", filters, ids=tuple(sums["procedure_id"].unique().sort()))
    sums = sums.join(summed.select("procedure_id"), on="procedure_id", how="semi")
    exceedances = pl.concat([*parts, sums]).sort(
        "score", "ratio", "procedure_id", "rule_id", descending=[True, True, False, False],
        nulls_last=False,
    )  # fmt: skip
    details = pl.concat([suspects.select(DETAILS), odd.select(DETAILS), summed.select(DETAILS)])
    return Found(
        _one_row_a_case(exceedances, details.unique("procedure_id"), _doses(suspects, odd)),
        exceedances,
        cut=len(suspects) == MOST or len(odd) == MOST,
    )


def _least_limits() -> dict[str, object]:
    """Return the parameters that let through whatever any rule could flag."""
    own: dict[str, dict[str, float]] = {}
    triggers: dict[str, float] = {}
    for rule in rules():
        if rule.threshold is None:
            continue
        if rule.kind in OWN_KINDS:
            for name in CTDI_PHANTOMS if rule.quantity == CTDI else (rule.quantity,):
                kinds = own.setdefault(name, {})
                kinds[rule.kind] = min(rule.threshold, kinds.get(rule.kind, rule.threshold))
        elif rule.kind == "trigger":
            triggers[rule.quantity] = min(
                rule.threshold, triggers.get(rule.quantity, rule.threshold)
            )
    return {
        "own_index": tuple(own),
        "own_z": tuple(kinds.get("robust_limit") for kinds in own.values()),
        "own_share": tuple(kinds.get("own_percentile") for kinds in own.values()),
        "trigger_index": tuple(triggers),
        "trigger_level": tuple(triggers.values()),
        "min_n": outliers.MIN_CASES,
        "most": MOST,
    }


def _judged(suspects: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """Apply one rule to the suspects of its quantity; CTDIvol by phantom is one quantity."""
    names = CTDI_PHANTOMS if rule.quantity == CTDI else (rule.quantity,)
    mine = suspects.filter(pl.col("dose_index").is_in(names)).with_columns(
        pl.col("value").alias(rule.quantity),
        pl.col("procedure_key").alias("procedure_code"),
        pl.col("robust_z").alias("score"),
    )
    if rule.kind == "trigger":
        return outliers.trigger_exceedances(mine, rule)
    if rule.kind in OWN_KINDS:
        return outliers.own_distribution_exceedances(mine, _distribution(mine), rule)
    return pl.DataFrame(schema=outliers.EXCEEDANCE)


def _distribution(mine: pl.DataFrame) -> pl.DataFrame:
    """Lay the own scales of these cases out as ``analytics.outliers`` reads them."""
    return (
        outliers.with_month(mine.filter(pl.col("n_scale").is_not_null()))
        .select(
            *outliers.GROUP,
            "month",
            pl.col("n_scale").alias("n"),
            pl.col("median_ln").alias("log_median"),
            (outliers.MAD_TO_SD * pl.col("mad_ln")).alias("log_sd"),
            pl.col("p95").log().alias("log_p95"),
            pl.format(
                "12 months to {}{}",
                "baseline_to",
                pl.when("all_sizes").then(pl.lit(f", {outliers.ALL_SIZES}")).otherwise(pl.lit("")),
            ).alias("basis"),
        )
        .unique([*outliers.GROUP, "month"])
    )


def _units(odd: pl.DataFrame) -> pl.DataFrame:
    rule = next((rule for rule in rules() if rule.kind == "unit_ratio"), None)
    return (
        outliers.unit_exceedances(odd, rule) if rule else pl.DataFrame(schema=outliers.EXCEEDANCE)
    )


def _patient_sums(filters: Filters) -> pl.DataFrame:
    """Return the cases of the period at which a patient's sum reaches its level."""
    found = [pl.DataFrame(schema=outliers.EXCEEDANCE)]
    first = filters.from_date or date.min
    for rule in rules():
        if rule.kind != "patient_sum" or rule.quantity != "air_kerma_mgy":
            continue
        cases = data.query(
            "outliers_patient_sums", None, sum_level=rule.threshold,
            sum_from=_months_before(first, rule.window_months or 0),
            sum_to=filters.to_date or date.max,
        )  # fmt: skip
        judged = cases.filter(pl.col("performed_on") >= first).select("procedure_id")
        sums = outliers.patient_sum_exceedances(cases, rule)
        found.append(sums.join(judged, on="procedure_id", how="semi"))
    return pl.concat(found)


def _months_before(day: date, months: int) -> date:
    if day.year < 2:
        return date.min
    return pl.select(pl.lit(day).dt.offset_by(f"-{months}mo")).item()


def _doses(suspects: pl.DataFrame, odd: pl.DataFrame) -> pl.DataFrame:
    """List the dose that shows a case among its own kind: by case and quantity.

    A case whose units alone are in doubt is shown by its KAP.
    """
    quantity = (
        pl.when(pl.col("dose_index").is_in(CTDI_PHANTOMS))
        .then(pl.lit(CTDI))
        .otherwise("dose_index")
    )
    measured = suspects.select(
        "procedure_id", quantity.alias("quantity"), "dose_index", pl.col("value").alias("dose"),
        "n_scale", "all_sizes", "p50", "baseline_from", "baseline_to",
    )  # fmt: skip
    doubted = odd.select(
        "procedure_id", pl.lit("kap_gycm2").alias("quantity"),
        pl.lit("kap_gycm2").alias("dose_index"), pl.col("kap_gycm2").alias("dose"),
    ).join(measured, on=["procedure_id", "quantity"], how="anti")  # fmt: skip
    return pl.concat([measured, doubted], how="diagonal")


def _one_row_a_case(
    exceedances: pl.DataFrame, details: pl.DataFrame, doses: pl.DataFrame
) -> pl.DataFrame:
    """Keep each case's furthest dose, else its unit error, and name all its rules.

    The furthest case comes first; one without an own scale comes before all.
    """
    of_unit = pl.col("kind") == "unit_ratio"
    named = exceedances.sort(of_unit, descending=True, maintain_order=True)
    rules_of = named.group_by("procedure_id").agg(pl.col("rule_id").alias("rules"))
    known_first = exceedances.sort(of_unit, pl.col("score").is_null(), maintain_order=True)
    furthest = known_first.unique("procedure_id", keep="first", maintain_order=True)
    return (
        furthest.join(rules_of, on="procedure_id")
        .join(details, on="procedure_id")
        .join(doses, on=["procedure_id", "quantity"], how="left")
        .sort("score", "ratio", "procedure_id", descending=[True, True, False], nulls_last=False)
    )


@lru_cache
def rule_words(rule_id: str) -> str:
    """Say what a rule looks at, in a few words."""
    rule = next(rule for rule in rules() if rule.rule_id == rule_id)
    name, level = fmt.measure(rule.quantity).short, _level(rule)
    return {
        "unit_ratio": "Unit error suspected",
        "trigger": f"{name} ≥ {level} ({rule.level})",
        "own_percentile": f"{name} beyond own P95",
        "robust_limit": f"{name} far out of own kind",
        "patient_sum": f"Patient's {name} ≥ {level} in {rule.window_months} months",
        "reference_multiple": f"{name} high against reference",
    }[rule.kind]


def _level(rule: Rule) -> str:
    return fmt.quantity(rule.threshold, fmt.measure(rule.quantity).unit)


def value_words(quantity: str, kind: str, value: float) -> str:
    """Write a case's figure with its name and unit."""
    if kind == "unit_ratio":
        return f"KAP/K_a,r {fmt.quantity(value, 'cm²')}"
    name = "Σ " if kind == "patient_sum" else ""
    of = fmt.measure(quantity)
    return f"{name}{of.short} {fmt.quantity(value, of.unit)}"
