"""Give rejected rows back as they were sent, to be corrected and put into the inbox again.

What the warehouse keeps of a rejected row has its identifiers pseudonymised, so the rows are read
again from their files.
"""

import csv
import hashlib
import tempfile
from pathlib import Path

import polars as pl

from etl.privacy import REMOVED
from etl.returned import origin
from etl.sources import delimited, openrem_xlsx
from etl.sources.archive import member
from etl.sources.base import LINE, ORIGIN, REASONS, RefusalError, Table
from etl.sources.openrem_xlsx import OPENREM_XLSX
from etl.sources.tables import TABLES, inner_suffix
from warehouse.settings import Settings
from warehouse.spreadsheets import neutralised


def export_rejected(rows: pl.DataFrame, out: Path, settings: Settings) -> list[str]:
    """Write rejected rows as CSV, one file for each layout; return what was done, in sentences.

    Rows of one header stand in one file with the header of their source: ``out`` for the first,
    ``out`` with ``-2``, ``-3`` … for further ones. Cells stand as sent. Rows whose file is gone or
    was changed, and what is no row of a table, stand in ``…-kept.csv`` as the warehouse keeps them.
    """
    found, lost = [], []
    for (path, digest), part in rows.group_by("path", "sha256", maintain_order=True):
        with tempfile.TemporaryDirectory(prefix="kerma-rejected-") as work:
            sent = _sent(str(path), str(digest), part, settings, Path(work))
        (lost if sent is None else found).append(part if sent is None else sent)
    told = []
    layouts: dict[tuple[str, ...], list[pl.DataFrame]] = {}
    for frame in found:
        layouts.setdefault(tuple(frame.columns), []).append(frame)
    for number, frames in enumerate(layouts.values(), start=1):
        target = out if number == 1 else out.with_stem(f"{out.stem}-{number}")
        told.append(_write(pl.concat(frames), target, "to correct and put into the inbox"))
    if lost:
        kept = pl.concat(lost).with_columns(pl.col(pl.List(pl.String)).list.join("; "))
        target = out.with_stem(f"{out.stem}-kept")
        what = "not to be had from their file again: as kept, identifiers pseudonymised"
        told.append(_write(kept, target, what))
    return told or ["no rejected rows"]


def _file(inbox: Path, name: str, digest: str, work: Path) -> Path | None:
    """Return where the bytes that were read lie: in the inbox, or unpacked from an archive.

    A file whose name was a patient's is found by its bytes.
    """
    path = inbox / name
    archive, _, inside = name.partition("!")
    if inside and not path.is_file() and (inbox / archive).is_file():
        unpacked = member(inbox / archive, inside, work)
        return unpacked if unpacked and _sha256(unpacked) == digest else None
    if REMOVED in name:
        files = (file for file in inbox.rglob("*") if file.is_file())
        return next((file for file in files if _sha256(file) == digest), None)
    return path if path.is_file() and _sha256(path) == digest else None


def _table(path: Path, work: Path, settings: Settings) -> Table | None:
    """Return the rows of a file as it was read; none for what is no table."""
    with path.open("rb") as file:
        if OPENREM_XLSX.recognises(path, file.read(1024)):
            return openrem_xlsx.read(path)
    reader = next((r for r in TABLES if inner_suffix(path) in r.suffixes), None)
    return reader.read(delimited.inflate(path, work), work, settings) if reader else None


def _sent(
    name: str, digest: str, part: pl.DataFrame, settings: Settings, work: Path
) -> pl.DataFrame | None:
    """Return rows as their file has them, or None where the file is not what was read."""
    lines = part.select(pl.col("line").cast(pl.Int64), reasons=pl.col("reasons").list.join("; "))
    if lines["line"].null_count():
        return None  # the whole file was refused: there is no row to give back
    try:
        path = _file(settings.inbox, name, digest, work)
        table = _table(path, work, settings) if path else None
    except RefusalError:
        return None
    if table is None:
        return None
    frame = table.frame.with_columns(pl.col(LINE).cast(pl.Int64)).collect()
    joined = lines.join(frame, left_on="line", right_on=LINE, maintain_order="left")
    if joined.height < lines.height:
        return None
    named = zip(table.columns, table.header, strict=True)
    cells = {header: pl.col(place) for place, header in named if header not in (REASONS, ORIGIN)}
    return joined.select(
        **cells, **{REASONS: pl.col("reasons"), ORIGIN: origin(digest, pl.col("line"))}
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(frame: pl.DataFrame, target: Path, what: str) -> str:
    with target.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        safe = neutralised(frame, keep_numbers=True)
        writer.writerow(safe.columns)
        writer.writerows(safe.iter_rows())
    return f"{frame.height} rejected rows in {target}, {what}"
