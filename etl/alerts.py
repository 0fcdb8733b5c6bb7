"""Find alerts in the published warehouse: after each refresh, and again when a rule changes.

What has been judged is kept beside the alerts, by run and by set of rules. So a process that died
between publication and here, a rule that changed, or a snapshot that came back leaves work that
the next call does, and a second call does nothing.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from analytics.alerts import find_alerts, reference_table
from analytics.rules import Rule, active_rules, rule_periods
from warehouse.access import SYSTEM
from warehouse.connect import current_snapshot
from warehouse.procedures import lineage
from warehouse.queries import run
from warehouse.reference import reference_levels, trigger_levels
from warehouse.review_alerts import Judged, enter, unjudged
from warehouse.review_rules import fingerprint, versions
from warehouse.reviews import case_key_expr
from warehouse.settings import Settings


@dataclass(frozen=True)
class AlertResult:
    """What one search for alerts did."""

    judged: int = 0  #: cases
    new: int = 0  #: alerts that nobody knew
    changed: int = 0  #: known alerts with another value or limit
    lapsed: int = 0  #: known alerts that no longer hold
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the entry of ``alerts`` in the output of ``refresh --json``."""
        return asdict(self) | {"seconds": round(self.seconds, 3)}


def find(settings: Settings, snapshot: Path | None = None) -> AlertResult:
    """Judge whatever the rules in force have not judged yet, and enter what they find."""
    clock = time.perf_counter()
    snapshot = snapshot or current_snapshot(settings.snapshots)
    if snapshot is None:
        return AlertResult()
    periods = rule_periods(trigger_levels(), versions(settings))
    rules, mark = active_rules(periods), fingerprint(periods)
    runs = run("alerts_runs", snapshot, SYSTEM)["run_id"].to_list()
    waiting = unjudged(settings, runs, mark)
    if not waiting:
        return AlertResult(seconds=time.perf_counter() - clock)
    rows = run("alerts_cases", snapshot, SYSTEM)
    mine = rows.filter(pl.col("run_id").is_in(list(waiting)))
    cases = rows.filter("counts")
    judged = mine.filter("counts")["procedure_id"]
    found = find_alerts(cases, rules, references(rules), judged)
    known = described(found, cases, periods)
    entered = enter(settings, known, judged_by(rows, mine, rules), waiting, mark)
    return AlertResult(judged.len(), **asdict(entered), seconds=time.perf_counter() - clock)


def judged_by(rows: pl.DataFrame, mine: pl.DataFrame, rules: list[Rule]) -> list[Judged]:
    """Say which cases which rules judged: sums judge all cases of the patients concerned."""
    patients = mine.select("patient_key").drop_nulls().unique()
    theirs = rows.join(patients, on="patient_key", how="semi")
    groups = (
        (mine, [rule for rule in rules if rule.kind != "patient_sum"]),
        (pl.concat([mine, theirs]).unique("procedure_id"),
         [rule for rule in rules if rule.kind == "patient_sum"]),
    )  # fmt: skip
    return [
        Judged(cases.select(case_key_expr())["case_key"], sorted({rule.rule_id for rule in by}))
        for cases, by in groups
    ]


def references(rules: list[Rule]) -> pl.DataFrame | None:
    """Return the national levels that rules multiply, or None where no rule does."""
    quantities = sorted({r.quantity for r in rules if r.kind == "reference_multiple"})
    return reference_table(reference_levels(), lineage(), quantities) if quantities else None


def described(found: pl.DataFrame, cases: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """Add to what was found the case's natural key and facts, and the rule of its day."""
    its_cases = cases.filter(pl.col("procedure_id").is_in(found["procedure_id"].implode()))
    facts = its_cases.select(
        "procedure_id", "site", "accession_number", "performed_on", "device", "procedure_start_at",
        "modality", pl.col("mapped_code").alias("procedure_code"), "procedure_name", "size_band",
        "room", "operator", "age_years", "bmi", case_key_expr(),
    )  # fmt: skip
    rules = periods.filter("active").select(
        "rule_id",
        pl.col("threshold").alias("rule_threshold"),
        pl.col("window_months").alias("rule_window_months"),
        pl.col("source").alias("rule_source"),
        pl.col("valid_from").alias("rule_valid_from"),
        "valid_to",
    )
    day = pl.col("performed_on")
    return (
        found.rename({"limit": "limit_value"})
        .join(facts, on="procedure_id", maintain_order="left")
        .join(rules, on="rule_id", maintain_order="left")
        .filter(
            day >= pl.col("rule_valid_from"),
            (day < pl.col("valid_to")) | pl.col("valid_to").is_null(),
        )
        .drop("procedure_id", "valid_to")
        .unique(["case_key", "rule_id"], keep="first", maintain_order=True)
    )
