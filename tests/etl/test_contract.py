"""The gate and pydantic refuse the same rows; the schema is the warehouse's."""

import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.columns import columns_markdown
from etl.contract import RULES, ProcedureRow, base_type, gate, polars_type, staged_schema, words
from etl.flags import FLAGS
from etl.reasons import reasons

ROOT = Path(__file__).parents[2]
FIELDS = list(ProcedureRow.model_fields)
#: Columns of table procedure that no source sets: surrogate, estimate, provenance, hash.
NOT_SET = {
    "procedure_id",
    "effective_dose_msv",
    "dose_source",
    "source_at",
    "source_file_id",
    "row_hash",
    "run_id",
}
SQL_TYPES = {
    "varchar": pl.String,
    "double": pl.Float64,
    "integer": pl.Int32,
    "tinyint": pl.Int8,
    "boolean": pl.Boolean,
    "date": pl.Date,
    "timestamp": pl.Datetime("us"),
    "bigint": pl.Int64,
    "varchar[]": pl.List(pl.String),
}


def sql_columns() -> dict[str, str]:
    text = (ROOT / "warehouse/schema.sql").read_text()
    body = text.split("create table procedure (")[1].split("\n);")[0]
    bare = "\n".join(line.split("--")[0] for line in body.splitlines())
    return dict(re.findall(r"(\w+) ([\w\[\]]+)(?: not null)?\s*(?:,|$)", bare))


def test_staged_columns_are_those_of_the_warehouse():
    expected = {n: SQL_TYPES[k] for n, k in sql_columns().items() if n not in NOT_SET}
    staged = dict(staged_schema())
    assert staged.pop("updated_at") == pl.Datetime("us", "UTC")
    assert {n: str(k) for n, k in staged.items()} == {
        n: str(pl.Series([], dtype=k).dtype) for n, k in expected.items()
    }


def value_of(name: str) -> st.SearchStrategy[Any]:
    """Values of a column's type, in and out of bounds."""
    info = ProcedureRow.model_fields[name]
    kind = base_type(info)
    if words(info):
        known = st.sampled_from(words(info))
        other = st.just(99) if isinstance(words(info)[0], int) else st.just("other")
        return st.one_of(known, known, known, other)
    options = {
        str: st.sampled_from(["a", "abc", "x" * 1200]),
        float: st.sampled_from(
            [0.0, 0.5, 9.0, 11.0, 99.0, 101.0, -1.0, float("nan"), float("inf")]
        ),
        int: st.integers(-1, 32),
        bool: st.booleans(),
        date: st.dates(date(1960, 1, 1), date(2110, 1, 1)),
        datetime: st.datetimes(datetime(2025, 1, 1), datetime(2025, 1, 2)).map(
            lambda v: v if v.minute else v - timedelta(days=36500)
        ),
    }
    return options[kind]


GOOD = {
    "site": "main",
    "accession_number": "A1",
    "modality": "CT",
    "performed_on": date(2026, 1, 5),
    "status": "completed",
}


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(FIELDS) | GOOD
    for name in draw(st.lists(st.sampled_from(FIELDS), max_size=5, unique=True)):
        row[name] = draw(st.one_of(st.none(), value_of(name)))
    if row["is_test"] is None:
        row["is_test"] = False
    if row["status"] is None:
        row["status"] = "completed"
    return row


@settings(max_examples=150, deadline=None)
@given(st.lists(rows(), min_size=1, max_size=12))
def test_gate_and_model_refuse_the_same_rows(many: list[dict[str, Any]]):
    schema = {name: polars_type(name) for name in FIELDS}
    frame = pl.DataFrame(many, schema=schema)
    held = frame.select(bad=gate(FIELDS))["bad"].to_list()
    assert held == [bool(reasons(row)[0]) for row in many]


def test_every_cross_field_rule_is_broken_the_same_way_by_row_and_frame():
    start = datetime(2026, 1, 5, 10)
    breaking = {
        "no_key": {"accession_number": None},
        "procedure_end_at_before_procedure_start_at": {
            "procedure_start_at": start,
            "procedure_end_at": start - timedelta(minutes=1),
        },
        "room_out_at_before_room_in_at": {
            "room_in_at": start,
            "room_out_at": start - timedelta(minutes=1),
        },
        "ultrasound_dose": {"modality": "ultrasound", "kap_gycm2": 1.0},
        "pain_scale": {"pain_scale": "NRS 0-10", "pain_1wk": 11.0},
    }
    assert set(breaking) == {rule.name for rule in RULES}
    for name, change in breaking.items():
        row = dict.fromkeys(FIELDS) | GOOD | {"is_test": False} | change
        frame = pl.DataFrame([row], schema={n: polars_type(n) for n in FIELDS})
        assert frame.select(bad=gate(FIELDS)).item(), name
        assert reasons(row)[1] == [name]


def test_reason_names_column_value_and_remedy_but_never_an_identifier():
    told, rules = reasons(GOOD | {"kap_gycm2": "1 furlong", "patient_id": "x" * 300})
    assert "kap_gycm2: unit 'furlong' is not one of Gy·cm²: '1 furlong': use a unit" in told[1]
    assert rules == ["patient_id.length", "kap_gycm2.unit"]
    assert "xxx" not in told[0] and "(identifier)" in told[0]


def test_columns_page_is_current_and_names_every_column_and_flag():
    page = columns_markdown()
    assert (ROOT / "docs/columns.md").read_text() == page, "run: python -m etl columns"
    for name in (*FIELDS, *FLAGS):
        assert f"`{name}`" in page
