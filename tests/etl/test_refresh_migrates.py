"""A refresh brings an older warehouse up to date even when nothing new has come."""

from pathlib import Path

import duckdb

from tests.conftest import run_etl
from warehouse.access import SYSTEM
from warehouse.connect import current_snapshot
from warehouse.queries import run, schema_wanted

FIRST = Path(__file__).resolve().parents[1] / "warehouse" / "schema_001.sql"


def old_warehouse(data_dir: Path) -> None:
    """Publish a warehouse of the first schema."""
    folder = data_dir / "snapshots"
    folder.mkdir(parents=True)
    name = "kerma-20260101T020000Z-000001.duckdb"
    with duckdb.connect(folder / name) as con:
        con.execute(FIRST.read_text("utf-8"))
        con.execute("insert into meta values (1, now(), 'Europe/Berlin')")
    (folder / "current.duckdb").symlink_to(name)


def test_an_older_warehouse_is_migrated_without_new_files(tmp_path: Path) -> None:
    old_warehouse(tmp_path)
    done = run_etl(tmp_path, "refresh")
    assert done.returncode == 0, done.stdout + done.stderr
    snapshot = current_snapshot(tmp_path / "snapshots")
    assert snapshot is not None
    assert run("schema_version", snapshot, SYSTEM)["schema_version"].item() == schema_wanted()
    again = run_etl(tmp_path, "refresh")
    assert again.returncode == 0
    assert current_snapshot(tmp_path / "snapshots") == snapshot, "a second run publishes nothing"
