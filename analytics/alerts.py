"""Alerts: which rule of its day each case exceeds, once per case and rule.

The nightly refresh calls :func:`find_alerts` for the cases that are new or changed, and for all
cases when a rule changed; :func:`new_alerts` leaves what is known
already, so nothing is told twice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import combinations

import polars as pl

from analytics.outliers import (
    EXCEEDANCE,
    GROUP,
    SCORED,
    Rule,
    field_areas,
    months_of,
    own_distribution,
    own_distribution_exceedances,
    own_limits,
    patient_sum_exceedances,
    pooled,
    reference_exceedances,
    scored,
    trigger_exceedances,
    unit_exceedances,
    usual_areas,
)
from analytics.reference_levels import choose_benchmarks

#: One row per case and rule; ``unit_suspect`` says that the case's units contradict each other.
ALERT = pl.Schema({**SCORED, "unit_suspect": pl.Boolean()})
KEY = ["procedure_id", "rule_id"]


def check_rules(rules: Sequence[Rule]) -> None:
    """Refuse rules of one id that hold on the same day: a case has one rule of its day.

    Raises
    ------
    ValueError
        Naming the rule and both periods, or a rule whose threshold or window is missing.
    """
    for rule in rules:
        if rule.kind != "unit_ratio" and not (rule.threshold or 0) > 0:
            raise ValueError(f"rule {rule.rule_id}: threshold {rule.threshold} is not positive")
        if rule.kind in _WINDOWED and not (rule.window_months or 0) > 0:
            raise ValueError(f"rule {rule.rule_id}: window_months {rule.window_months} is needed")
    for one, other in combinations(rules, 2):
        if one.rule_id == other.rule_id and _overlap(one, other):
            raise ValueError(
                f"rule {one.rule_id} holds twice on a day: {one.valid_from} to {one.valid_to} and "
                f"{other.valid_from} to {other.valid_to}; end one before the other begins"
            )


_WINDOWED = ("own_percentile", "robust_limit", "patient_sum")


def _overlap(one: Rule, other: Rule) -> bool:
    first, second = sorted((one, other), key=lambda rule: rule.valid_from)
    return first.valid_to is None or second.valid_from < first.valid_to


def reference_table(
    levels: pl.DataFrame, lineage: Mapping[str, Sequence[str]], quantities: Sequence[str]
) -> pl.DataFrame:
    """List the national reference level of each procedure, for rules that multiply it.

    Parameters
    ----------
    levels
        Project data ``reference_levels.csv`` or a site's own.
    lineage
        Procedure code → the code and the more general ones it may borrow a level from.
    quantities
        Dose indices of the rules.

    Returns
    -------
    polars.DataFrame
        ``modality``, ``procedure_code``, ``dose_index``, ``size_band`` (null: all), ``value``.
    """
    rows = []
    for modality in ("CT", "fluoroscopy"):
        for code, codes in lineage.items():
            for quantity in quantities:
                found = choose_benchmarks(levels, modality, codes, quantity)
                if found.drl is not None and found.strength == "national":
                    rows.append((modality, code, quantity, None, found.drl))
    return pl.DataFrame(rows, schema=REFERENCE, orient="row")


REFERENCE = pl.Schema(
    {
        "modality": pl.String(),
        "procedure_code": pl.String(),
        "dose_index": pl.String(),
        "size_band": pl.String(),
        "value": pl.Float64(),
    }
)


@dataclass(frozen=True)
class History:
    """What a case is held against besides its own values."""

    #: By quantity and window in months: see own_distribution.
    distributions: Mapping[tuple[str, int], pl.DataFrame]
    #: What field area each machine usually has: see usual_areas.
    machines: pl.DataFrame
    #: How a quantity is distributed over all cases of a modality: see pooled.
    pooled: Callable[[str], pl.DataFrame]


def find_alerts(
    cases: pl.DataFrame,
    rules: Sequence[Rule],
    references: pl.DataFrame | None = None,
    judged: pl.Series | None = None,
    history: History | None = None,
) -> pl.DataFrame:
    """Find which cases exceed which rule that held on their day.

    Parameters
    ----------
    cases
        All cases but test patients: ``procedure_id``, ``site``, ``modality``, ``procedure_code``,
        ``size_band``, ``performed_on``, ``status``, ``patient_key``, ``age_years``, ``room``,
        ``device`` and the dose columns. Cancelled or discontinued cases are judged (their dose
        was given) but are no part of the distributions.
    rules
        Rules in force; those of one id must not overlap in time.
    references
        :func:`reference_table`; rules on multiples of a level need it.
    judged
        ``procedure_id`` of the cases to judge; all by default. A patient's sum is judged for all
        cases of these cases' patients: an older report that arrives late can push a later case
        over the level.
    history
        What the cases are held against, where ``cases`` are not all: those that may exceed a limit
        (:func:`least_limits`) and those of patients whose sum may.

    Returns
    -------
    polars.DataFrame
        Schema :data:`ALERT`, furthest out on its own scale first; unique in case and rule.
    """
    check_rules(rules)
    mine = cases if judged is None else cases.filter(pl.col("procedure_id").is_in(judged.implode()))
    history = history or history_of(cases, rules, months_of(mine))
    parts = [_judge(rule, cases, mine, references, history) for rule in rules]
    found = pl.concat([pl.DataFrame(schema=EXCEEDANCE), *parts]).unique(KEY, keep="first")
    suspects = found.filter(pl.col("kind") == "unit_ratio")["procedure_id"]
    own = {quantity: frame for (quantity, _), frame in history.distributions.items()}
    return scored(found, cases, own, history.pooled).with_columns(
        pl.col("procedure_id").is_in(suspects.implode()).alias("unit_suspect")
    )


def history_of(cases: pl.DataFrame, rules: Sequence[Rule], months: list[date]) -> History:
    """Describe all cases in memory as what each of them is held against."""
    completed = cases.filter(pl.col("status") == "completed")
    distributions = {
        (quantity, window): own_distribution(completed, quantity, months, window)
        for quantity, window in windows_of(rules)
    }
    areas = field_areas(cases)
    return History(distributions, usual_areas(areas), partial(pooled, cases))


def windows_of(rules: Sequence[Rule]) -> list[tuple[str, int]]:
    """Return each quantity and window, in months, once, however many rules use it."""
    return sorted(
        {
            (rule.quantity, rule.window_months or 12)
            for rule in rules
            if rule.kind in ("own_percentile", "robust_limit")
        }
    )


def least_limits(
    groups: pl.DataFrame,
    rules: Sequence[Rule],
    references: pl.DataFrame | None,
    history: History,
) -> pl.DataFrame:
    """Return the lowest limit that a dose of each group can reach: below it nothing is found.

    Parameters
    ----------
    groups
        ``case_group`` and what it stands for: modality, procedure_code, size_band and child.

    Returns
    -------
    polars.DataFrame
        ``case_group``, ``quantity``, ``limit`` in the quantity's unit.
    """
    parts = [pl.DataFrame(schema={"case_group": groups.schema["case_group"], **_LEAST})]
    for rule in rules:
        match rule.kind:
            case "trigger":
                limits = groups.with_columns(pl.lit(rule.threshold, pl.Float64).alias("limit"))
            case "own_percentile" | "robust_limit":
                own = history.distributions[rule.quantity, rule.window_months or 12]
                limits = groups.join(own_limits(own, rule), on=GROUP)
            case "reference_multiple":
                levels = pl.DataFrame(schema=REFERENCE) if references is None else references
                level = (pl.col("value") * rule.threshold).alias("limit")
                its = levels.filter(pl.col("dose_index") == rule.quantity)
                limits = groups.join(its.drop("size_band"), on=GROUP[:2]).with_columns(level)
            case _:
                continue
        parts.append(limits.select("case_group", quantity=pl.lit(rule.quantity), limit="limit"))
    return pl.concat(parts).group_by("case_group", "quantity").agg(pl.col("limit").min())


_LEAST = {"quantity": pl.String(), "limit": pl.Float64()}


def _judge(
    rule: Rule,
    cases: pl.DataFrame,
    mine: pl.DataFrame,
    references: pl.DataFrame | None,
    history: History,
) -> pl.DataFrame:
    match rule.kind:
        case "trigger":
            return trigger_exceedances(mine, rule)
        case "own_percentile" | "robust_limit":
            own = history.distributions[rule.quantity, rule.window_months or 12]
            return own_distribution_exceedances(mine, own, rule)
        case "reference_multiple":
            if references is None:
                raise ValueError(f"rule {rule.rule_id} needs the reference levels")
            return reference_exceedances(mine, references, rule)
        case "patient_sum":
            return patient_sum_exceedances(_all_of_patients(cases, mine), rule)
        case "unit_ratio":
            return unit_exceedances(field_areas(mine, history.machines), rule)


def _all_of_patients(cases: pl.DataFrame, mine: pl.DataFrame) -> pl.DataFrame:
    if mine.height == cases.height:
        return cases
    patients = mine.select("patient_key").drop_nulls().unique()
    return cases.join(patients, on="patient_key", how="semi")


def new_alerts(found: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return what is found and not known yet; ``known`` has ``procedure_id`` and ``rule_id``."""
    return found.join(known.select(KEY), on=KEY, how="anti", maintain_order="left")


def lapsed_alerts(
    found: pl.DataFrame, known: pl.DataFrame, judged: pl.Series, rules: Sequence[Rule]
) -> pl.DataFrame:
    """Return known alerts of judged cases that no longer hold, since value or rule changed.

    They are for a person to close with that reason; nothing is deleted. Rules that are off now
    are left aside: switching a rule off does not undo its alerts.
    """
    rule_ids = sorted({rule.rule_id for rule in rules})
    again = known.filter(
        pl.col("procedure_id").is_in(judged.implode()) & pl.col("rule_id").is_in(rule_ids)
    )
    return again.join(found.select(KEY), on=KEY, how="anti", maintain_order="left")
