"""What is loaded, how fresh it is, and what waits for a correction."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from etl.publish import SQL
from warehouse.connect import current_snapshot, cursor
from warehouse.settings import Settings


def status(settings: Settings) -> dict[str, Any]:
    """Return the state of the installation: snapshot, freshness, last run."""
    snapshot = current_snapshot(settings.snapshots)
    state: dict[str, Any] = {"data_dir": str(settings.data_dir), "snapshot": None}
    if snapshot is not None:
        state |= {"snapshot": snapshot.name} | _rows(snapshot, "status").row(0, named=True)
    return state | {"last_run": _last_run(settings.data_dir / "state" / "last_run.json")}


def rejected_rows(settings: Settings, run: str | None, everything: bool) -> pl.DataFrame:
    """Return the rejected rows of one run or of all, open ones unless ``everything``."""
    snapshot = current_snapshot(settings.snapshots)
    if snapshot is None:
        return pl.DataFrame(
            schema={"path": pl.String, "line": pl.Int64, "reasons": pl.List(pl.String)}
        )
    return _rows(snapshot, "rejected_rows", run=run, everything=everything)


def export_rejected(rows: pl.DataFrame, path: Path) -> None:
    """Write rejected rows as CSV; cells that a spreadsheet would run as a formula are quoted."""
    joined = rows.with_columns(pl.col(pl.List(pl.String)).list.join("; "))
    text = pl.col(pl.String)
    safe = pl.when(text.str.contains(r"^[=+\-@\t\r]")).then("'" + text).otherwise(text)
    joined.with_columns(safe.name.keep()).write_csv(path, include_bom=True)


def _rows(snapshot: Path, name: str, **parameters: Any) -> pl.DataFrame:
    text = (SQL / "write" / f"{name}.sql").read_text("utf-8")
    with cursor(snapshot) as con:
        return con.sql(text, params=parameters).pl()


def _last_run(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None  # no run yet
