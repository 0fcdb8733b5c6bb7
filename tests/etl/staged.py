"""Staged files made by hand, and a warehouse to merge them into."""

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from etl.contract import staged_schema
from etl.merge import Merge
from etl.publish import connect, create
from etl.staging import EVENT, REJECTED, REPORT, SourceFile, Staged

KEY = b"0123456789abcdef0123456789abcdef"
DAY = date(2026, 3, 2)
_numbers = itertools.count(1)


def row(accession: str | None, **values: Any) -> dict[str, Any]:
    """Return a procedure row with what every row has."""
    start = datetime(2026, 3, 2, 9, 0)
    told = {"site": "north", "accession_number": accession, "modality": "fluoroscopy"}
    told |= {"performed_on": DAY, "procedure_start_at": start, "device": "Room 1"}
    told |= {"status": "completed", "is_test": False, "flags": []}
    return told | values


def report(uid: str, events: Sequence[str], **values: Any) -> dict[str, Any]:
    """Return a dose report's row."""
    told = {"report_uid": uid, "site": "north", "accession_number": "A1", "study_uid": None}
    told |= {"modality": "fluoroscopy", "started_at": datetime(2026, 3, 2, 9, 0)}
    told |= {"performed_on": DAY, "event_uids": list(events), "flags": [], "device": "Room 1"}
    return told | values


def source(name: str, when: datetime) -> SourceFile:
    """Return a source file that was current at a time."""
    digest = hashlib.sha256(f"{name} {next(_numbers)}".encode()).hexdigest()
    return SourceFile(Path(name), name, digest, 1, when, datetime.now(UTC))


def at(day: int) -> datetime:
    """Return a source time."""
    return datetime(2026, 3, day, tzinfo=UTC)


def log(
    folder: Path, rows: Sequence[dict[str, Any]], *, day: int = 10, rejected: Sequence[Any] = ()
) -> Staged:
    """Return a staged log of rows; lines are numbered from 2."""
    schema = staged_schema()
    lines = [{"source_line": n, **r} for n, r in enumerate(rows, 2)]
    parquet = folder / f"log-{next(_numbers)}.parquet"
    pl.DataFrame(lines, schema=schema).write_parquet(parquet)
    refused = pl.DataFrame(list(rejected), schema=REJECTED)
    read = len(rows) + refused.height
    return Staged(source(parquet.name, at(day)), "log", "log", read, parquet, refused)


def reports(
    folder: Path,
    rows: Sequence[dict[str, Any]],
    events: Sequence[dict[str, Any]] = (),
    *,
    day: int = 10,
) -> Staged:
    """Return staged dose reports, each with the procedure row that a reader gives."""
    parquet = folder / f"dose-{next(_numbers)}.parquet"
    lines = [{"source_line": n, **r} for n, r in enumerate(rows, 1)]
    named = ("site", "accession_number", "study_uid", "modality", "performed_on", "device")
    parts = [
        {name: r[name] for name in named}
        | {"procedure_start_at": r["started_at"], "source_line": r["source_line"], "flags": []}
        for r in lines
    ]
    pl.DataFrame(
        parts, schema={k: v for k, v in staged_schema().items() if k in parts[0]}
    ).write_parquet(parquet)
    frame = pl.DataFrame(lines, schema=REPORT)
    return Staged(
        source(parquet.name, at(day)),
        "dicom",
        "report",
        frame.height,
        parquet,
        reports=frame,
        events=pl.DataFrame(list(events), schema=EVENT),
    )


@contextmanager
def warehouse(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a new, empty warehouse."""
    folder.mkdir(parents=True, exist_ok=True)
    con = connect(folder / "warehouse.duckdb", folder)
    create(con, "Europe/Berlin", KEY)
    try:
        yield con
    finally:
        con.close()


def load(con: duckdb.DuckDBPyConnection, folder: Path, *files: Staged) -> list[Any]:
    """Merge files in one run, as the refresh does, and check the result."""
    merge = Merge(con, f"run-{next(_numbers)}", folder)
    results = []
    for staged in files:
        match staged.kind:
            case "log":
                results.append(merge.log(staged))
            case "followup":
                results.append(merge.follow_ups(staged))
            case "report":
                results += merge.reports([staged])
    merge.finish()
    merge.check()
    return results


def content(con: duckdb.DuckDBPyConnection) -> dict[str, list[Any]]:
    """Return what the warehouse says, without surrogate ids, runs and files."""
    ids = "procedure_id, source_file_id, source_line, run_id"
    texts = {
        "procedure": f"""select * exclude ({ids})
            replace (list_sort(flags) as flags, epoch(source_at) as source_at) from procedure""",
        "complication": """select p.accession_number, c.* exclude (procedure_id)
            from complication c join procedure p using (procedure_id)""",
        "outcome": """select p.accession_number, o.* exclude (procedure_id)
            from outcome o join procedure p using (procedure_id)""",
        "raw_value": """select p.accession_number, r.* exclude (procedure_id)
            from raw_value r join procedure p using (procedure_id)""",
        "dose_report": """select p.accession_number as of,
                r.* exclude (procedure_id, source_file_id, run_id)
                replace (epoch(r.source_at) as source_at)
            from dose_report r join procedure p using (procedure_id)""",
        "irradiation_event": """select p.accession_number as of, e.* exclude (procedure_id, run_id)
            from irradiation_event e join procedure p using (procedure_id)""",
        "history": """select site, accession_number, row_hash, epoch(source_at), status
            from procedure_history""",
    }
    return {name: sorted(con.sql(text).fetchall(), key=repr) for name, text in texts.items()}
