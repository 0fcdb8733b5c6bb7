"""Give rejected rows back as they were sent, to be corrected and put into the inbox again.

What the warehouse keeps of a rejected row has its identifiers pseudonymised, so the rows are read
again from their files.
"""

import csv
import hashlib
import re
import tempfile
from pathlib import Path

import polars as pl

from etl.privacy import REMOVED
from etl.sources import delimited
from etl.sources.base import LINE, REASONS, RefusalError
from etl.sources.tables import TABLES, inner_suffix
from warehouse.settings import Settings

#: A cell that a spreadsheet would run; numbers with a sign are none.
_FORMULA = re.compile(r"^(?![+-]?[\d.,]+$)[=+\-@\t\r]")


def export_rejected(rows: pl.DataFrame, out: Path, settings: Settings) -> list[str]:
    """Write rejected rows as CSV, one file for each layout; return what was done, in sentences.

    Rows of one header stand in one file with the header of their source: ``out`` for the first,
    ``out`` with ``-2``, ``-3`` … for further ones. Cells stand as sent. Rows whose file is gone or
    was changed stand in ``…-kept.csv`` as the warehouse keeps them.
    """
    found, lost = [], []
    for (path, digest), part in rows.group_by("path", "sha256", maintain_order=True):
        where = _where(settings.inbox, str(path), str(digest))
        sent = _sent(where, str(digest), part, settings)
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
        told.append(_write(kept, target, "whose file is gone: as kept, identifiers pseudonymised"))
    return told or ["no rejected rows"]


def _where(inbox: Path, name: str, digest: str) -> Path:
    """Return where a file lies; one whose name was a patient's is found by its bytes."""
    path = inbox / name
    if REMOVED not in name:
        return path
    files = (file for file in inbox.rglob("*") if file.is_file())
    return next((file for file in files if _sha256(file) == digest), path)


def _sent(path: Path, digest: str, part: pl.DataFrame, settings: Settings) -> pl.DataFrame | None:
    """Return rows as their file has them, or None where the file is not what was read."""
    reader = next((r for r in TABLES if inner_suffix(path) in r.suffixes), None)
    lines = part.select(pl.col("line").cast(pl.Int64), reasons=pl.col("reasons").list.join("; "))
    if reader is None or not path.is_file() or _sha256(path) != digest:
        return None
    if lines["line"].null_count():
        return None  # the whole file was refused: there is no row to give back
    with tempfile.TemporaryDirectory(prefix="kerma-rejected-") as work:
        try:
            table = reader.read(delimited.inflate(path, Path(work)), Path(work), settings)
        except RefusalError:
            return None
        frame = table.frame.with_columns(pl.col(LINE).cast(pl.Int64)).collect()
    joined = lines.join(frame, left_on="line", right_on=LINE, maintain_order="left")
    if joined.height < lines.height:
        return None
    named = dict(zip(table.columns, table.header, strict=True))
    return joined.select(*(pl.col(c).alias(n) for c, n in named.items()), reasons="reasons").rename(
        {"reasons": REASONS}
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _safe(cell: object) -> object:
    """Keep a spreadsheet from running a cell as a formula."""
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell


def _write(frame: pl.DataFrame, target: Path, what: str) -> str:
    with target.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(frame.columns)
        writer.writerows([_safe(cell) for cell in row] for row in frame.iter_rows())
    return f"{frame.height} rejected rows in {target}, {what}"
