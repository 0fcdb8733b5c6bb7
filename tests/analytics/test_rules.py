"""Rules as dated data: which form holds on which day, whatever was recorded since."""

from datetime import date, timedelta
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.rules import Rule, active_rules, rule_periods, rules_from
from warehouse.reference import trigger_levels

COLUMNS = (
    "rule_id", "kind", "quantity", "level", "threshold", "unit", "modality", "procedure_code",
    "age_from_years", "age_to_years", "region", "ctdi_phantom_cm", "room", "window_months",
    "source", "url", "note",
)  # fmt: skip
TYPES = {
    **{name: trigger_levels().schema[name] for name in COLUMNS},
    "valid_from": pl.Date, "valid_to": pl.Date, "active": pl.Boolean, "id": pl.Int64,
}  # fmt: skip


def version(number: int, threshold: float, begins: date, **more: Any) -> dict[str, Any]:
    return {
        "rule_id": "KAR_SRDL", "kind": "trigger", "quantity": "air_kerma_mgy", "level": "follow-up",
        "threshold": threshold, "modality": "fluoroscopy", "source": "local", "id": number,
        "valid_from": begins, "active": True,
    } | more  # fmt: skip


def versions(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([dict.fromkeys(TYPES) | row for row in rows], schema=TYPES)


def rules_of(*rows: dict[str, Any], rule_id: str = "KAR_SRDL") -> list[Rule]:
    found = active_rules(rule_periods(trigger_levels(), versions(*rows)))
    return [rule for rule in found if rule.rule_id == rule_id]


def of_day(
    day: date, *rows: dict[str, Any], rule_id: str = "KAR_SRDL", rules: list[Rule] | None = None
) -> list[float | None]:
    """Return the thresholds in force on a day."""
    return [
        rule.threshold
        for rule in (rules_of(*rows, rule_id=rule_id) if rules is None else rules)
        if rule.valid_from <= day and (rule.valid_to is None or day < rule.valid_to)
    ]


def test_without_versions_the_shipped_rules_hold() -> None:
    shipped = {r.rule_id: r for r in rules_from(trigger_levels())}
    assert {
        r.rule_id: r for r in active_rules(rule_periods(trigger_levels(), versions()))
    } == shipped


def test_an_old_case_keeps_the_rule_of_its_day() -> None:
    change = version(1, 4000.0, date(2026, 7, 1))
    assert of_day(date(2026, 6, 30), change) == [5000.0]
    assert of_day(date(2026, 7, 1), change) == [4000.0]


def test_a_later_version_takes_over_from_its_first_day_for_good() -> None:
    rows = (
        version(1, 4000.0, date(2026, 3, 1)),
        version(2, 3500.0, date(2026, 6, 1)),
        version(3, 4500.0, date(2026, 4, 1)),
    )
    days = (date(2026, 2, 1), date(2026, 3, 15), date(2026, 5, 1), date(2026, 9, 1))
    assert [of_day(day, *rows) for day in days] == [[5000.0], [4000.0], [4500.0], [4500.0]]


def test_off_ended_and_confirmed() -> None:
    off = version(1, 5000.0, date(2026, 7, 1), active=False)
    assert of_day(date(2026, 7, 1), off) == []
    assert of_day(date(2026, 6, 1), off) == [5000.0]
    ended = version(1, 4000.0, date(2026, 7, 1), valid_to=date(2026, 8, 1))
    assert of_day(date(2026, 7, 31), ended) == [4000.0]
    assert of_day(date(2026, 8, 1), ended) == []
    confirm = version(1, 300.0, date(2026, 1, 1), rule_id="KAP_NOTIFY", quantity="kap_gycm2")
    assert of_day(date(2025, 12, 31), confirm, rule_id="KAP_NOTIFY") == []
    assert of_day(date(2026, 1, 1), confirm, rule_id="KAP_NOTIFY") == [300.0]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.booleans(), st.none() | st.integers(1, 30)), max_size=8
    )
)
def test_a_day_never_has_two_forms_of_a_rule(edits: list[tuple[int, bool, int | None]]) -> None:
    first = date(2026, 1, 1)
    rows = [
        version(
            i + 1, 1000.0 + i, first + timedelta(days=begins), active=active,
            valid_to=None if lasts is None else first + timedelta(days=begins + lasts),
        )
        for i, (begins, active, lasts) in enumerate(edits)
    ]  # fmt: skip
    rules = rules_of(*rows)
    for offset in range(-2, 95):
        day = first + timedelta(days=offset)
        expected = [5000.0]
        for i, (begins, active, lasts) in enumerate(edits):
            if begins <= offset:
                on = active and (lasts is None or offset < begins + lasts)
                expected = [1000.0 + i] if on else []
        assert of_day(day, rules=rules) == expected
