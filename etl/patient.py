"""One patient's data: told in full (disclosure), or deleted (erasure), by the patient id."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from etl import backup, forgotten, marts
from etl.encrypt import bring_up
from etl.ledger import Counts
from etl.lock import only_one
from etl.merge import Merge
from etl.normalise import pseudonymiser, rekeyed
from etl.privacy import REMOVED
from etl.pseudonym import SEPARATOR, load_key
from etl.publish import base_snapshot, compare_key, run_sql, work_on
from etl.rekey import IN_TEXT, rekey
from warehouse import review_patient
from warehouse.connect import reading, snapshots
from warehouse.settings import Settings

#: Tables with rows of a patient; ``warehouse/patient/<table>.sql`` selects them.
TABLES = (
    "procedure", "procedure_part", "procedure_history", "dose_report", "irradiation_event",
    "complication", "outcome", "raw_value", "rejected_row", "follow_up", "follow_up_history",
)  # fmt: skip
_SHORT = 16  #: digits of a pseudonym in rejected rows of older warehouses
_CASE = {
    "site": pl.String, "accession_number": pl.String, "performed_on": pl.Date,
    "device": pl.String, "procedure_start_at": pl.Datetime("us"), "modality": pl.String,
}  # fmt: skip


class NoWarehouseError(Exception):
    """There is no snapshot to look into."""


@dataclass
class Forgotten:
    """What was deleted of one patient, and what a person has to do still."""

    counts: dict[str, int] = field(default_factory=dict)
    snapshots_removed: list[str] = field(default_factory=list)
    inbox_files: list[str] = field(default_factory=list)
    backups: list[str] = field(default_factory=list)  #: a restore forgets the patient again
    far_backups: list[str] = field(default_factory=list)  #: of these only on this machine
    set_aside: list[str] = field(default_factory=list)  #: folders that a restore left

    @property
    def found(self) -> bool:
        """Whether anything was stored of the patient."""
        return any(self.counts.values())


def pseudonyms(settings: Settings, patient_id: str) -> list[str]:
    """Return what the patient is called under the keys so far, after each rotation."""
    ring = load_key(settings, create=False).split(SEPARATOR)
    stages = (SEPARATOR.join(ring[:count]) for count in range(1, len(ring) + 1))
    return [pseudonymiser(stage)(patient_id.strip()) for stage in stages]


def disclose(settings: Settings, patient_id: str) -> dict[str, Any]:
    """Return all that is stored of a patient: rows by table, reviews, files, snapshots, backups."""
    keys = pseudonyms(settings, patient_id)
    with _snapshot(settings) as con:
        _find(con, keys)
        rows = {table: list(_rows(con, table, keys)) for table in TABLES}
        files = list(_rows(con, "files", keys))
        cases = _cases(con)
    kept = snapshots(settings.snapshots)
    return {
        "written_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "patient_key": keys[-1],
        "warehouse": rows,
        "reviews": review_patient.told(settings, cases),
        "source_files": files,
        "snapshots": [path.name for path in kept if _holds(path, keys)],
        "backups": [entry["path"] for entry in backup.register(settings)],
        "set_aside": _set_aside(settings),
    }


def write_disclosure(told: dict[str, Any], out: Path) -> None:
    """Write a disclosure so that only its owner can read it."""
    handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(told, file, ensure_ascii=False, indent=1, default=str)


def forget(settings: Settings, patient_id: str) -> Forgotten:
    """Delete a patient from warehouse, history, quarantine, reviews and kept snapshots.

    The warehouse is written anew without the patient, and the older snapshots are removed: they
    hold the patient too. What Kerma does not own (source files, backups) is named, not touched; a
    restore of an older backup forgets the patient again.
    """
    keys = pseudonyms(settings, patient_id)
    saved = list(dict.fromkeys(Path(entry["path"]) for entry in backup.register(settings)))
    with only_one(settings.data_dir / "refresh.lock"):
        done = _delete(settings, keys)
        marked = [*keys, *(key[:_SHORT] for key in keys)]
        far = forgotten.remember(settings, marked, saved)
    done.backups = [str(path) for path in saved]
    done.far_backups = [str(path) for path in far]
    done.set_aside = _set_aside(settings)
    return done


def forget_again(settings: Settings, marks: Iterable[str]) -> int:
    """Delete the patients of some marks (``etl.forgotten``) from a state that was saved before.

    The caller holds the refresh's lock. Return how many patients these were.
    """
    gone = frozenset(marks)
    with _snapshot(settings) as con:
        held = {key for (key,) in run_sql(con, "write/rekey_patients")}
        for (text,) in run_sql(con, "write/rekey_texts"):
            held |= set(IN_TEXT.findall(text))
    found = sorted(key for key in held if forgotten.mark(key) in gone)
    if found:
        _delete(settings, found)
    return len(found)


def _delete(settings: Settings, keys: list[str]) -> Forgotten:
    """Delete a patient, by pseudonyms."""
    done = Forgotten()
    with _snapshot(settings) as con:
        _find(con, keys)
        done.counts = {table: len(list(_rows(con, table, keys))) for table in TABLES}
        done.inbox_files = [
            str(file["path"]) for file in _rows(con, "files", keys) if _is_there(settings, file)
        ]
        cases = _cases(con)
    older = [path for path in snapshots(settings.snapshots) if _holds(path, keys)]
    if any(done.counts.values()):
        _publish_without(settings, keys)
    for path in older:
        path.unlink(missing_ok=True)
    done.snapshots_removed = [path.name for path in older]
    done.counts |= review_patient.forget(settings, cases)
    return done


def _publish_without(settings: Settings, keys: list[str]) -> None:
    """Publish the warehouse without a patient."""
    started = datetime.now(UTC)
    run_id = f"{started:%Y%m%dT%H%M%SZ}-forget"
    base, _ = base_snapshot(settings.snapshots)
    bring_up(settings)
    key = load_key(settings, create=False)
    with work_on(settings, run_id, base, key) as work:
        if work.added_keys:
            Merge(work.con, run_id, work.folder)
            rekey(work.con, key, work.added_keys, work.folder)
            keys = [*keys, *(rekeyed(key, work.added_keys) for key in keys if len(key) > _SHORT)]
        merge = Merge(work.con, run_id, work.folder)
        _find(work.con, keys)
        run_sql(work.con, "patient/forget", patients=keys)
        merge.finish()
        run_sql(
            work.con, "write/run_done", **asdict(Counts()), run_id=run_id, started_at=started,
            outcome="ok", files=0, message="one patient's data were deleted on request",
        )  # fmt: skip
        marts.make(work.con, 0, anew=True)
        work.compact()
        work.publish(started)


@contextmanager
def _snapshot(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    base, _ = base_snapshot(settings.snapshots)
    if base is None:
        raise NoWarehouseError(f"there is no warehouse in {settings.snapshots}")
    with reading(base) as con:
        compare_key(con, load_key(settings, create=False))
        yield con


def _find(con: duckdb.DuckDBPyConnection, keys: list[str]) -> None:
    run_sql(con, "patient/cases", patients=keys, short=[key[:_SHORT] for key in keys])


def _rows(con: duckdb.DuckDBPyConnection, table: str, keys: list[str]) -> Iterator[dict[str, Any]]:
    rows = run_sql(con, f"patient/{table}", patients=keys)
    names = [column[0] for column in con.description or ()]
    return (dict(zip(names, row, strict=True)) for row in rows)


def _cases(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    return pl.DataFrame(run_sql(con, "patient/keys"), schema=_CASE, orient="row")


def _set_aside(settings: Settings) -> list[str]:
    """Return the folders with states that a restore replaced."""
    return sorted(str(path) for path in settings.data_dir.glob(f"{backup.ASIDE}*"))


def _holds(path: Path, keys: list[str]) -> bool:
    """Say whether a snapshot holds anything of a patient."""
    with reading(path) as con:
        _find(con, keys)
        return any(next(_rows(con, table, keys), None) for table in TABLES)


def _is_there(settings: Settings, file: dict[str, Any]) -> bool:
    name = str(file["path"]).partition("!")[0]
    return REMOVED in name or (settings.inbox / name).exists()
