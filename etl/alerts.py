"""Find alerts in the published warehouse: after each refresh, and again when a rule changes.

What has been judged is kept beside the alerts, by run and by set of rules. So a process that died
between publication and here, a rule that changed, or a snapshot that came back leaves work that
the next call does, and a second call does nothing.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from analytics.alerts import History, find_alerts, least_limits, reference_table, windows_of
from analytics.field_area import area_bounds
from analytics.own_distribution import DISTRIBUTION, distribution_of, too_few
from analytics.rules import Rule, active_rules, rule_periods
from etl import skin_doses
from warehouse.access import SYSTEM
from warehouse.alert_entry import Judged, enter, standing, unjudged
from warehouse.case_keys import case_key_expr
from warehouse.connect import current_snapshot, open_within
from warehouse.procedures import lineage
from warehouse.queries import run
from warehouse.reference import reference_levels, trigger_levels
from warehouse.review_rules import fingerprint, versions
from warehouse.settings import Settings
from warehouse.skin_doses import estimated

#: Dose indices that a rule can name; the parameters of ``alerts_found`` are called after them.
QUANTITIES = (
    "air_kerma_mgy", "kap_gycm2", "fluoro_time_s", "ctdi_vol_mgy", "dlp_mgycm", "ssde_mgy",
    "peak_skin_dose_mgy",
)  # fmt: skip
#: Asks the snapshot a question about the runs to be judged.
Ask = Callable[..., pl.DataFrame]


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
    with open_within(snapshot, "300MB"):
        result = _find(settings, snapshot)
    return replace(result, seconds=time.perf_counter() - clock)


def _find(settings: Settings, snapshot: Path) -> AlertResult:
    periods = rule_periods(trigger_levels(), versions(settings))
    rules = active_rules(periods)
    mark = fingerprint(periods, references(rules))
    runs = run("alerts_runs", snapshot, SYSTEM)["run_id"].to_list()
    waiting = unjudged(settings, runs, mark)
    result = _judge_runs(settings, snapshot, periods, rules, waiting, mark)
    if estimated(settings).is_empty():
        return result
    found, cases, judged = skin_doses.judge(snapshot, settings, rules)
    entered = asdict(enter(settings, described(found, cases, periods), judged, [], mark))
    more = {name: getattr(result, name) + n for name, n in entered.items()}
    return replace(result, **more)


def _judge_runs(
    settings: Settings,
    snapshot: Path,
    periods: pl.DataFrame,
    rules: list[Rule],
    waiting: set[str],
    mark: str,
) -> AlertResult:
    """Judge the cases of the runs that these rules have not judged yet."""
    if not waiting:
        return AlertResult()
    ask = partial(run, snapshot=snapshot, scope=SYSTEM, runs=sorted(waiting))
    months = ask("alerts_months")
    known = skin_doses.estimates(snapshot, settings)
    cases, history = candidates(ask, months, rules, known)
    mine = cases.filter("judged")["procedure_id"]
    found = find_alerts(cases, rules, references(rules), mine, history)
    alerts = described(found, cases, periods)
    entered = enter(settings, alerts, judged_by(ask, standing(settings), rules), waiting, mark)
    return AlertResult(int(months["judged"].sum()), **asdict(entered))


def candidates(
    ask: Ask, months: pl.DataFrame, rules: list[Rule], skin: pl.DataFrame
) -> tuple[pl.DataFrame, History]:
    """Return the cases that a rule may find, and what they are held against.

    Ten million cases do not fit into the memory that a night has: distributions are made of narrow
    columns, and whole rows are asked only of cases at or above the lowest limit of their kind.
    ``skin`` has the peak skin doses that reviewers estimated: :func:`skin_doses.estimates`.
    """
    judged = months["month"].to_list()
    groups = ask("alerts_groups", months=judged)
    distributions = {
        (quantity, window): distribution(ask, quantity, window, judged, groups)
        for quantity, window in windows_of(rules)
    }
    machines = ask("alerts_machines")
    history = History(
        distributions, machines, lambda quantity: ask("alerts_pooled", quantity=quantity)
    )
    least = least_limits(groups, rules, references(rules), history)
    bounds = area_bounds(machines) if any(r.kind == "unit_ratio" for r in rules) else None
    sums = {(r.quantity, r.threshold) for r in rules if r.kind == "patient_sum"}
    patients = [ask("alerts_patients", quantity=q, least_sum=least) for q, least in sorted(sums)]
    listed = [key for found in patients for key in found["patient_key"].to_list()]
    listed += skin_doses.patients(ask, skin)
    found = ask("alerts_found", **_limits(least, bounds), patients=listed)["procedure_id"]
    ids = sorted({*found, *skin["procedure_id"]})
    return skin_doses.with_estimates(ask("alerts_cases", ids=ids), skin), history


def distribution(
    ask: Ask, quantity: str, window: int, judged: list[date], groups: pl.DataFrame
) -> pl.DataFrame:
    """Describe the groups that have a dose index, before each month that is judged.

    Of ten million cases a night needs those of the months before its own, and every one of a group
    that has few of these.
    """
    mine = groups.filter(pl.col(quantity) > 0)
    if mine.is_empty():
        return pl.DataFrame(schema=DISTRIBUTION)
    since = pl.select(pl.lit(min(judged)).dt.offset_by(f"-{window}mo")).item()
    values = ask("alerts_values", quantity=quantity, since=since, until=max(judged))
    few, few_kinds = too_few(values, mine, judged, window)
    if few:
        theirs = pl.col("case_group").is_in(few) | pl.col("kind").is_in(few_kinds)
        every = ask("alerts_values_of", quantity=quantity, case_groups=few, kinds=few_kinds)
        values = pl.concat([values.filter(~theirs), every])
    return distribution_of(values, mine, judged, window)


def _limits(least: pl.DataFrame, bounds: pl.DataFrame | None) -> dict[str, list[Any]]:
    """Return limits as the parameters of ``alerts_found``."""
    wide = least.pivot("quantity", index="case_group", values="limit")
    given = {"case_groups": wide["case_group"].to_list()}
    for name in QUANTITIES:
        column = wide[name].to_list() if name in wide.columns else [None] * wide.height
        given[f"least_{name}"] = column
    names = {"sites": "site", "machines": "machine", "least_area": "least_area"} | {
        "most_area": "most_area"
    }
    return given | {
        name: [] if bounds is None else bounds[column].to_list() for name, column in names.items()
    }


def judged_by(ask: Ask, known: pl.DataFrame, rules: list[Rule]) -> list[Judged]:
    """Say which cases with alerts which rules judged: sums judge all cases of the patients."""
    sums = sorted({rule.rule_id for rule in rules if rule.kind == "patient_sum"})
    others = sorted({rule.rule_id for rule in rules} - set(sums))
    return [
        Judged(_concerned(ask, known.filter(held), of_patients=of_patients), by)
        for by, of_patients in ((others, False), (sums, True))
        if known.filter(held := pl.col("rules").list.set_intersection(by).list.len() > 0).height
    ]


def _concerned(ask: Ask, known: pl.DataFrame, *, of_patients: bool) -> pl.Series:
    """Return the keys of those cases that are of the runs, or of patients of the runs."""
    found = ask(
        "alerts_standing",
        sites=known["site"].to_list(), accessions=known["accession_number"].to_list(),
        days=known["performed_on"].to_list(), devices=known["device"].to_list(),
        starts=known["procedure_start_at"].to_list(), modalities=known["modality"].to_list(),
        of_patients=of_patients,
    )  # fmt: skip
    return known["case_key"].gather(found["place"])


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
