"""The schema: one definition, reached from any older version."""

import re
from pathlib import Path

import duckdb
import pytest

from etl import marts
from etl.publish import NewerSchemaError, latest_version, migrate
from tests.etl.staged import load, log, report, reports, row, warehouse
from warehouse.settings import ROOT

FIRST = Path(__file__).parent / "schema_001.sql"


def columns(con: duckdb.DuckDBPyConnection) -> set[tuple[str, str, str]]:
    return set(
        con.sql(
            "select table_name, column_name, data_type from duckdb_columns() where not internal"
        ).fetchall()
    )


def test_migrations_lead_from_the_first_schema_to_this_one() -> None:
    with duckdb.connect() as old, duckdb.connect() as new:
        old.execute(FIRST.read_text("utf-8"))
        old.execute("insert into meta values (1, now(), 'Europe/Berlin')")
        migrate(old)
        new.execute((ROOT / "warehouse" / "schema.sql").read_text("utf-8"))
        assert columns(old) == columns(new)
        assert old.sql("select schema_version from meta").fetchall() == [(latest_version(),)]
        macros = "select function_name from duckdb_functions() where not internal order by 1"
        assert old.sql(macros).fetchall() == new.sql(macros).fetchall()


def test_an_older_warehouse_keeps_its_rows_and_loads_more(tmp_path: Path) -> None:
    with warehouse(tmp_path / "new") as con:
        load(con, tmp_path, log(tmp_path, [row("A1", kap_gycm2=1.5)]))
        con.execute("copy (from procedure) to $path", {"path": str(tmp_path / "rows.parquet")})
    with duckdb.connect(tmp_path / "old.duckdb") as con:
        con.execute(FIRST.read_text("utf-8"))
        con.execute("insert into meta values (1, now(), 'Europe/Berlin')")
        con.execute(
            "insert into procedure by name from read_parquet($path)",
            {"path": str(tmp_path / "rows.parquet")},
        )
        migrate(con)
        load(con, tmp_path, log(tmp_path, [row("A1", kap_gycm2=1.5), row("A2")], day=20))
        found = con.sql("select accession_number, kap_gycm2 from procedure order by 1").fetchall()
        assert found == [("A1", 1.5), ("A2", None)]


def test_a_warehouse_of_a_newer_kerma_is_left_alone(tmp_path: Path) -> None:
    with warehouse(tmp_path) as con:
        con.execute("update meta set schema_version = 999")
        with pytest.raises(NewerSchemaError, match="999"):
            migrate(con)


def test_the_row_hash_covers_every_column_that_a_source_can_set(tmp_path: Path) -> None:
    """A column that the hash forgets could be corrected without anybody noticing."""
    session = (ROOT / "warehouse" / "write" / "session.sql").read_text("utf-8")
    hashed = re.search(r"hash\(\s*(study_uid.*?)\)", session, re.DOTALL)
    assert hashed
    named = set(re.findall(r"\w+", hashed[1]))
    of_merge = {"procedure_id", "dose_source", "source_at", "source_file_id", "source_line"}
    of_merge |= {"row_hash", "run_id", "site", "accession_number", "performed_on"}
    of_merge |= {"procedure_code", "procedure_family", "region"}  # they follow from the name
    with warehouse(tmp_path) as con:
        stored = {name for table, name, _ in columns(con) if table == "procedure"}
    assert stored - of_merge == named


COUNTS = "select * from daily order by all"
VALUES = "select * from filter_value order by all"


def test_marts_that_follow_changes_equal_marts_made_anew(tmp_path: Path) -> None:
    """Corrections, withdrawals, new rows and reports, in one run and in several."""
    nights = [
        [log(tmp_path, [row("A1", room="1"), row("A2", room="1"), row("A3", is_test=True)], day=1)],
        [
            log(tmp_path, [row("A1", room="2"), row("A4", operator="x")], day=2),
            log(tmp_path, [row("A1", room="3"), row("A2", status="deleted")], day=3),
        ],
        [reports(tmp_path, [report("R1", ["a"], accession_number="A4", kap_gycm2=2.0)])],
        [log(tmp_path, [row("A4", operator="y", satisfaction=5), row("A2", room="1")], day=4)],
    ]
    with warehouse(tmp_path) as con:
        for night in nights:
            con.execute("drop table if exists replaced")  # it lives for one run
            base = con.sql("select coalesce(max(procedure_id), 0) from procedure").fetchall()[0][0]
            load(con, tmp_path, *night)
            marts.make(con, base, anew=base == 0)
            followed = con.sql(COUNTS).fetchall(), con.sql(VALUES).fetchall()
            marts.make(con, base, anew=True)
            assert followed == (con.sql(COUNTS).fetchall(), con.sql(VALUES).fetchall())
        assert con.sql(
            "select value, n from filter_value where field = 'room' order by 1"
        ).fetchall() == [
            ("1", 1),
            ("3", 1),
        ]
