"""Outcomes that people entered in the app, as a follow-up log of their own."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from etl.staging import SourceFile

#: How the ledger calls what came from the app; the numbers of the entries follow.
FOLDER = "entered in the app"
_NAMED = {"person": "entered_by", "recorded_at": "updated_at"}


def as_log(entries: pl.DataFrame, folder: Path) -> SourceFile:
    """Write entries as JSON lines that the refresh reads like any follow-up log.

    The name holds the first and the last number, by which the next refresh knows what is merged.
    """
    first, last = entries["id"].min(), entries["id"].max()
    name = f"{FOLDER}/{first}-{last}.jsonl"
    path = folder / f"entered-{first}-{last}.jsonl"
    log = entries.drop("id").with_columns(
        pl.col("recorded_at").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    )
    log.rename(_NAMED).write_ndjson(path)
    data = path.read_bytes()
    newest: datetime = entries["recorded_at"].to_list()[-1]
    return SourceFile(
        path, name, hashlib.sha256(data).hexdigest(), len(data), newest.replace(tzinfo=UTC),
        datetime.now(UTC),
    )  # fmt: skip
