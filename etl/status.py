"""What is loaded, how fresh it is, and what waits for a correction."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from etl.publish import SQL
from warehouse.connect import current_snapshot, cursor, damage, serving
from warehouse.files import is_as_wanted, is_encrypted
from warehouse.keys import KeyProblemError
from warehouse.settings import Settings

#: What monitoring sees as exit code.
FRESH, STALE, FAILED = 0, 1, 2


def status(settings: Settings) -> dict[str, Any]:
    """Return the state of the installation: snapshot, freshness, last run."""
    current, snapshot = current_snapshot(settings.snapshots), serving(settings.snapshots)
    state: dict[str, Any] = {"data_dir": str(settings.data_dir), "snapshot": None}
    last = _last_run(settings.data_dir / "state" / "last_run.json")
    health, why = judged(last, snapshot is not None, settings.stale_hours, datetime.now(UTC))
    if current is not None and snapshot is not None:
        state["snapshot"] = snapshot.name
        if wrong := _unusable(snapshot):
            health, why = "failed", wrong
        else:
            state |= _rows(snapshot, "status").row(0, named=True)
            state["encryption"] = _encryption(snapshot)
        if snapshot != current:
            health = "failed"
            why = f"{current.name} is damaged, {snapshot.name} serves until the next refresh"
    return {"health": health, "why": why} | state | {"last_run": last}


def _unusable(snapshot: Path) -> str | None:
    """Say why a snapshot cannot be used and what to do, or None."""
    try:
        wrong = damage(snapshot)
    except KeyProblemError as error:
        return str(error)
    return f"{snapshot.name} cannot be used ({wrong}): restore a backup" if wrong else None


def _encryption(snapshot: Path) -> str:
    """Say whether the snapshot in service is encrypted, and whether the settings want another."""
    now = "on" if is_encrypted(snapshot) else "off"
    return now if is_as_wanted(snapshot) else f"{now}, under the key in force from the next refresh"


def judged(
    last: dict[str, Any] | None, has_warehouse: bool, stale_hours: float, now: datetime
) -> tuple[str, str]:
    """Say whether the installation is fresh, stale or failed, and why.

    Fresh means that a refresh ended well lately, even one that found nothing new. A clock that was
    set back makes the last run lie ahead: that is fresh within the same span.
    """
    if not has_warehouse:
        return "failed", "nothing has been loaded yet"
    if last is None:
        return "stale", "no refresh is on record"
    age = abs(now - datetime.fromisoformat(last["ended_at"])).total_seconds() / 3600
    if last["outcome"] == "failed":
        return "failed", f"the last refresh failed {age:.1f} hours ago"
    if age > stale_hours:
        return "stale", f"the last refresh ended {age:.1f} hours ago, limit {stale_hours:g}"
    return "fresh", f"the last refresh ended {age:.1f} hours ago"


def rejected_rows(settings: Settings, run: str | None, everything: bool) -> pl.DataFrame:
    """Return the rejected rows of one run or of all, open ones unless ``everything``."""
    snapshot = serving(settings.snapshots)
    if snapshot is None:
        return pl.DataFrame(
            schema={"path": pl.String, "line": pl.Int64, "reasons": pl.List(pl.String)}
        )
    return _rows(snapshot, "rejected_rows", run=run, everything=everything)


def _rows(snapshot: Path, name: str, **parameters: Any) -> pl.DataFrame:
    text = (SQL / "write" / f"{name}.sql").read_text("utf-8")
    with cursor(snapshot) as con:
        return con.sql(text, params=parameters).pl()


def _last_run(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None  # no run yet
