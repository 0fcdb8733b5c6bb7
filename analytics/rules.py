"""Outlier rules as dated data: what each judges, when it holds, and what it returns."""

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import polars as pl

Kind = Literal[
    "trigger", "own_percentile", "robust_limit", "reference_multiple", "patient_sum", "unit_ratio"
]


#: Fewest cases that a distribution needs before it judges one of them.
MIN_CASES = 20
#: Stands between the body regions of one rule.
REGIONS_APART = "|"

#: What every rule returns: one row per case and rule.
EXCEEDANCE = pl.Schema(
    {
        "procedure_id": pl.Int64,
        "rule_id": pl.String,
        "kind": pl.String,
        "level": pl.String,
        "quantity": pl.String,
        "value": pl.Float64,
        "limit": pl.Float64,
        "ratio": pl.Float64,  # value over limit
        "score": pl.Float64,  # robust standard deviations above the own group's median, log scale
        "n_basis": pl.Int64,  # cases behind the limit; null for a fixed level
        "basis": pl.String,  # what the limit rests on
    }
)


@dataclass(frozen=True)
class Rule:
    """One outlier rule with its scope and the days on which it holds.

    ``threshold`` is a dose in the quantity's unit (trigger, patient_sum), a count of robust
    standard deviations (robust_limit), the share of the log distance from P50 to P95
    (own_percentile; 1 is P95 itself) or a factor (reference_multiple). ``region`` may name several
    body regions, ``lumbar|sacral``.
    """

    rule_id: str
    kind: Kind
    quantity: str
    level: str
    threshold: float | None
    modality: str | None = None
    procedure_code: str | None = None
    age_from_years: float | None = None
    age_to_years: float | None = None
    region: str | None = None
    ctdi_phantom_cm: int | None = None
    room: str | None = None
    window_months: int | None = None
    valid_from: date = date.min
    valid_to: date | None = None

    def holds(self) -> pl.Expr:
        """Select the cases of the days on which this rule holds."""
        day = pl.col("performed_on")
        begun = day >= self.valid_from
        return begun if self.valid_to is None else begun & (day < self.valid_to)

    def scope(self) -> pl.Expr:
        """Select the cases that this rule judges: kind of case, day, a usable positive value."""
        return self.holds() & self.covers()

    def covers(self) -> pl.Expr:
        """Select the cases of this rule's kind with a usable positive value, on any day."""
        tests = [pl.col(self.quantity).is_finite() & (pl.col(self.quantity) > 0)]
        if self.region is not None:
            tests.append(pl.col("region").is_in(self.region.split(REGIONS_APART)))
        for column in ("modality", "procedure_code", "ctdi_phantom_cm", "room"):
            if getattr(self, column) is not None:
                tests.append(pl.col(column) == getattr(self, column))
        if self.age_from_years is not None:
            tests.append(pl.col("age_years") >= self.age_from_years)
        if self.age_to_years is not None:
            tests.append(pl.col("age_years") < self.age_to_years)
        return pl.all_horizontal(tests)


def rules_from(levels: pl.DataFrame, confirmed: frozenset[str] = frozenset()) -> list[Rule]:
    """Make rules of the rows of ``trigger_levels.csv`` (or of an edited copy).

    Unverified rows are off unless ``confirmed`` has their ``rule_id``.
    """
    on = levels.filter(pl.col("verified") | pl.col("rule_id").is_in(sorted(confirmed)))
    names = [f for f in Rule.__dataclass_fields__ if f in on.columns]
    return [Rule(**_present(row)) for row in on.select(names).iter_rows(named=True)]


#: Columns of a rule that say what it judges; those of ``trigger_levels.csv`` and of its versions.
WRITTEN = (
    "rule_id", "kind", "quantity", "level", "threshold", "unit", "modality", "procedure_code",
    "age_from_years", "age_to_years", "region", "ctdi_phantom_cm", "room", "window_months",
    "source", "url", "note",
)  # fmt: skip


def rule_periods(levels: pl.DataFrame, versions: pl.DataFrame) -> pl.DataFrame:
    """Lay out which form of each rule holds from when to when, on or off.

    Parameters
    ----------
    levels
        The shipped rules, ``trigger_levels.csv``; unverified ones are off.
    versions
        What people recorded since, in order of recording. Each takes over from its ``valid_from``
        on, for good: the days before keep the rule that they had.

    Returns
    -------
    polars.DataFrame
        One row per rule and period: the rule's columns, ``verified``, ``active``, ``version``
        (0: as shipped), ``valid_from``, ``valid_to`` (exclusive; null: still).
    """
    rows = [
        {name: row[name] for name in WRITTEN}
        | {name: row[name] for name in ("verified", "valid_from", "valid_to")}
        | {"active": row["verified"], "version": 0}
        for row in levels.iter_rows(named=True)
    ]
    for version in versions.iter_rows(named=True):
        begins = version["valid_from"]
        rows = [
            row | {"valid_to": begins} if _reaches(row, version, begins) else row
            for row in rows
            if row["rule_id"] != version["rule_id"] or row["valid_from"] < begins
        ]
        rows.append(
            {name: version[name] for name in WRITTEN}
            | {"verified": True, "valid_from": begins, "valid_to": version["valid_to"]}
            | {"active": version["active"], "version": version["id"]}
        )
    schema = {
        name: levels.schema[name] for name in (*WRITTEN, "verified", "valid_from", "valid_to")
    }
    return pl.DataFrame(rows, schema=schema | {"active": pl.Boolean(), "version": pl.Int64()}).sort(
        "rule_id", "valid_from"
    )


def _reaches(row: dict[str, Any], version: dict[str, Any], day: date) -> bool:
    same = row["rule_id"] == version["rule_id"]
    return same and (row["valid_to"] is None or row["valid_to"] > day)


def active_rules(periods: pl.DataFrame) -> list[Rule]:
    """Return the rules of :func:`rule_periods` that are on."""
    names = [f for f in Rule.__dataclass_fields__ if f in periods.columns]
    on = periods.filter("active").select(names)
    return [Rule(**_present(row)) for row in on.iter_rows(named=True)]


def _present(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if v is not None or k == "threshold"}


def exceedances(found: pl.DataFrame, rule: Rule, value: str | None = None) -> pl.DataFrame:
    """Lay cases with ``limit``, ``n_basis`` and ``basis`` out as exceedances, still unscored."""
    amount = pl.col(value or rule.quantity)
    return found.select(
        pl.col("procedure_id").cast(pl.Int64),
        pl.lit(rule.rule_id).alias("rule_id"),
        pl.lit(rule.kind).alias("kind"),
        pl.lit(rule.level).alias("level"),
        pl.lit(rule.quantity).alias("quantity"),
        amount.alias("value"),
        "limit",
        (amount / pl.col("limit")).alias("ratio"),
        (pl.col("score") if "score" in found.columns else pl.lit(None, pl.Float64)).alias("score"),
        pl.col("n_basis").cast(pl.Int64),
        "basis",
    )


def with_month(cases: pl.DataFrame) -> pl.DataFrame:
    """Add ``month``, the first day of the case's month."""
    return cases.with_columns(pl.col("performed_on").dt.truncate("1mo").alias("month"))
