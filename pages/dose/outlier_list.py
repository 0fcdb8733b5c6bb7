"""The list of cases with alerts: page by page from the reviews, numbered in this warehouse."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from analytics.rules import rule_periods
from pages.shared import data
from pages.shared import format as fmt
from pages.shared.filters import Filters
from warehouse import review_alerts, reviews
from warehouse.reference import trigger_levels
from warehouse.review_alerts import Asked
from warehouse.review_rules import versions
from warehouse.reviews import TO_DO
from warehouse.settings import shown

ROWS = 50
#: Rows that a download may have.
MOST = 100_000


@dataclass(frozen=True)
class Choice:
    """What the reader asked for above the list; an empty part leaves it open."""

    states: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    size_bands: tuple[str, ...] = ()


def asked(filters: Filters, choice: Choice, without: str = "") -> Asked:
    """Lay filters and choice out as the reviews take them; ``without`` leaves one part open."""
    return Asked(
        states=None if without == "state" else choice.states or None,
        rules=None if without == "rule_id" else choice.rules or None,
        size_bands=None if without == "size_band" else choice.size_bands or None,
        filters=filters.parameters() | {"operators": data.operators(filters)},
        scope=data.scope(),
    )


def count(filters: Filters, choice: Choice, by: str) -> dict[str, int]:
    """Count cases by rule, state or size band, as they would be without that choice."""
    return review_alerts.counts(shown(), asked(filters, choice, without=by), by)


def waiting(filters: Filters) -> int:
    """Count the cases of a view whose review is not closed."""
    states = review_alerts.counts(shown(), asked(filters, Choice(TO_DO)), "state")
    return sum(states.values())


def cases(
    filters: Filters, choice: Choice, first: int = 0, rows: int = ROWS
) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Return one page of cases, all their alerts, and how many cases there are.

    A case is told by its furthest dose, else by its unit error; ``procedure_id`` is null where
    this warehouse does not hold the case (any more).
    """
    listed, total = review_alerts.cases_page(shown(), asked(filters, choice), first, rows)
    alerts = reviews.alerts_of(shown(), listed["review_id"].to_list(), data.scope())
    of_unit = pl.col("kind") == "unit_ratio"
    names = alerts.sort(of_unit, descending=True, maintain_order=True)
    rules = names.group_by("review_id").agg(
        pl.col("rule_id").alias("rules"), pl.col("lapsed_at").is_not_null().all().alias("lapsed")
    )
    furthest = alerts.sort(of_unit, maintain_order=True).unique(
        "review_id", keep="first", maintain_order=True
    )
    page = (
        listed.drop("score", "ratio", "case_key")
        .join(furthest.drop("lapsed_at"), on="review_id", maintain_order="left")
        .join(rules, on="review_id", maintain_order="left")
    )
    return page.with_columns(numbers(page).alias("procedure_id")), alerts, total


def numbers(keyed: pl.DataFrame) -> pl.Series:
    """Return the number in this warehouse of cases given by their natural key."""
    lists = {
        "sites": "site", "accessions": "accession_number", "days": "performed_on",
        "devices": "device", "starts": "procedure_start_at", "modalities": "modality",
    }  # fmt: skip
    found = data.query(
        "alerts_ids", None, **{name: tuple(keyed[column]) for name, column in lists.items()}
    )
    known = dict(zip(found["place"], found["procedure_id"], strict=True))
    return pl.Series([known.get(place) for place in range(keyed.height)], dtype=pl.Int64)


def rules() -> pl.DataFrame:
    """Return every rule with its periods, shipped or written by people, on or off."""
    return rule_periods(trigger_levels(), versions(shown()))


def rule_words(alert: dict[str, Any]) -> str:
    """Say what a rule looks at, in a few words, from an alert or a row of :func:`rules`."""
    quantity = fmt.measure(alert["quantity"])
    threshold = alert.get("rule_threshold", alert.get("threshold"))
    months = alert.get("rule_window_months", alert.get("window_months"))
    level = fmt.quantity(threshold, quantity.unit)
    return {
        "unit_ratio": "Unit error suspected",
        "trigger": f"{quantity.short} ≥ {level} ({alert['level']})",
        "own_percentile": f"{quantity.short} beyond own P95",
        "robust_limit": f"{quantity.short} far out of own kind",
        "patient_sum": f"Patient's {quantity.short} ≥ {level} in {months} months",
        "reference_multiple": f"{quantity.short} high against reference",
    }[alert["kind"]]


def names_of_rules() -> dict[str, str]:
    """Return the newest words of each rule."""
    return {row["rule_id"]: rule_words(row) for row in rules().iter_rows(named=True)}


def value_words(quantity: str, kind: str, value: float | None) -> str:
    """Write a case's figure with its name and unit."""
    if kind == "unit_ratio":
        return f"KAP/K_a,r {fmt.quantity(value, 'cm²')}"
    name = "Σ " if kind == "patient_sum" else ""
    of = fmt.measure(quantity)
    return f"{name}{of.short} {fmt.quantity(value, of.unit)}"


def reason(alert: dict[str, Any]) -> str:
    """Say why an alert is there: value, limit, what it rests on, whose rule from when."""
    value = value_words(alert["quantity"], alert["kind"], alert["value"])
    limit = value_words(alert["quantity"], alert["kind"], alert["limit_value"])
    n = f", n = {fmt.count(alert['n_basis'])}" if alert["n_basis"] else ""
    lapsed = (
        " *It was found on an earlier value or rule and no longer holds.*"
        if alert["lapsed_at"] is not None
        else ""
    )
    return f"**{rule_words(alert)}:** {value}; limit {limit} ({alert['basis']}{n}).{lapsed}"


def as_table(cases: pl.DataFrame, names: dict[str, str]) -> pl.DataFrame:
    """Write the list as the reader sees and downloads it."""
    rows = [
        {
            "Day": row["performed_on"],
            "State": row["state"],
            "Why": "; ".join(str(names.get(rule, rule)) for rule in row["rules"])
            + (" (no longer holds)" if row["lapsed"] else ""),
            "Value": value_words(row["quantity"], row["kind"], row["value"]),
            "Limit": value_words(row["quantity"], row["kind"], row["limit_value"]),
            "Times own median": row["value"] / row["own_median"]
            if row["own_median"] and row["kind"] != "unit_ratio"
            else None,
            "Distance, SD": row["score"],
            "Procedure": fmt.procedure(row["procedure_code"])
            if row["procedure_code"]
            else row["procedure_name"],
            "Size": row["size_band"],
            "Room": row["room"],
            "Modality": row["modality"],
            "Cases behind": row["n_basis"],
            "Case": row["procedure_id"],
        }
        for row in cases.iter_rows(named=True)
    ]
    return pl.DataFrame(rows, infer_schema_length=None)
