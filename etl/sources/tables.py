"""Readers of tables (delimited text, Excel, Parquet, JSON lines): text and a line number."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from etl import follow_up_stage
from etl.layout import Layout
from etl.limits import check_rows, check_text
from etl.pipeline import stage_table
from etl.profiles import recognise
from etl.returned import as_sent
from etl.sources import delimited
from etl.sources.base import LINE, MARK, PROBLEM, RefusalError, Table, tidy_header
from etl.sources.workbook import CLOCK_CELL, hidden_sheets, sheets
from etl.staging import SourceFile, Staged
from warehouse.settings import Settings

_PACKED = (".gz", ".zst")
_COMPOUND = b"\xd0\xcf\x11\xe0"
_MIDNIGHT = r"^(\d{4}-\d{2}-\d{2})[ T]00:00:00(?:\.0+)?$"

Read = Callable[[Path, Path, Settings], Table]


@dataclass(frozen=True)
class TableReader:
    """Reads one format of tables, plain or packed."""

    name: str
    suffixes: tuple[str, ...]
    read: Read

    def recognises(self, path: Path, head: bytes) -> bool:
        """Say whether the name ends as this format's."""
        return path.suffix.lower() in self.suffixes

    def stage(
        self, source: SourceFile, *, work_dir: Path, settings: Settings, key: bytes
    ) -> Staged:
        """Read, normalise and check one file."""
        table = self.read(source.path, work_dir, settings)
        profile = recognise(table.header, settings.profiles_dir)
        if profile is not None and profile.kind == "followup":
            return follow_up_stage.stage(
                Layout(as_sent(table), profile, settings, "."), source, key
            )
        try:
            return stage_table(table, source, work_dir=work_dir, settings=settings, key=key)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            if table.otherwise is None:
                raise
        table = table.otherwise()
        return stage_table(table, source, work_dir=work_dir, settings=settings, key=key)


def inner_suffix(path: Path) -> str:
    """Return a file's suffix in lower case, below .gz and .zst."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _named(frame: pl.LazyFrame, names: list[str]) -> tuple[tuple[str, ...], pl.LazyFrame]:
    """Check the header and number the columns from ``c0``."""
    header = tidy_header(names)
    renamed = {name: f"c{i}" for i, name in enumerate(names)}
    return header, frame.rename(renamed)


def read_excel(path: Path, work_dir: Path, settings: Settings) -> Table:
    """Read the one sheet of a workbook that is a log; cells as text, formulas as their values."""
    with path.open("rb") as file:
        head = file.read(8)
    if not head:
        raise RefusalError("is empty: export it again")
    if head.startswith(_COMPOUND):
        raise RefusalError(
            "is protected by a password or an old .xls workbook: save it as .xlsx, unprotected"
        )
    found = {name: _table(cells) for name, cells in sheets(path).items()}
    filled = {name: table for name, table in found.items() if table is not None}
    if not filled:
        raise RefusalError("has no sheet with cells: export it again")
    fitting = {n: t for n, t in filled.items() if recognise(t.header, settings.profiles_dir)}
    if len(fitting) > 1:
        hidden = hidden_sheets(path)
        names = ", ".join(f"'{n}'" + (" (hidden)" if n in hidden else "") for n in fitting)
        raise RefusalError(f"has several sheets that are logs ({names}): keep one in a file")
    return next(iter((fitting or filled).values()))


def _table(raw: pl.DataFrame) -> Table | None:
    """Return a sheet as a table, or none when it has no cells; line numbers are sheet rows."""
    if raw.is_empty() or not raw.width:
        return None
    filled = raw.select(pl.any_horizontal(pl.all().is_not_null())).to_series()
    first = filled.arg_max() or 0
    if not filled.any():
        return None
    names = [str(value or "") for value in raw.row(first)]
    width = max(i for i, n in enumerate(names, 1) if n) if any(names) else len(names)
    kept = [
        c for i, c in enumerate(raw.columns) if i < width or raw[c].slice(first).is_not_null().any()
    ]
    header = tidy_header([names[raw.columns.index(column)] for column in kept])
    text = pl.all().str.replace(CLOCK_CELL, "$1").str.replace(_MIDNIGHT, "$1")
    rows = raw.slice(first + 1).select(kept).select(text)
    rows.columns = [f"c{i}" for i in range(len(kept))]
    frame = rows.lazy().with_row_index(LINE, offset=first + 2)
    return Table(header, frame.with_columns(pl.lit(None, dtype=pl.String).alias(PROBLEM)))


def read_parquet(path: Path, work_dir: Path, settings: Settings) -> Table:
    """Read Parquet; typed columns become text as a log would write them."""
    try:
        frame = pl.scan_parquet(path, glob=False)
        schema = frame.collect_schema()
        rows = frame.select(pl.len()).collect().item()  # of the file's own description
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        told = str(error).splitlines()[0] if str(error) else "damaged"
        raise RefusalError(f"cannot be read as Parquet ({told}): export it again") from error
    check_rows(rows)
    nested = [name for name, kind in schema.items() if kind.is_nested() or kind == pl.Binary]
    if nested:
        raise RefusalError(
            f"column '{nested[0]}' holds {schema[nested[0]]}: one plain value a cell is needed"
        )
    zone = settings.time_zone
    header, frame = _named(frame, schema.names())
    texts = [_as_text(f"c{i}", kind, zone) for i, kind in enumerate(schema.values())]
    frame = frame.select(texts).with_row_index(LINE, offset=1)
    return Table(
        header,
        frame.with_columns(pl.lit(None, dtype=pl.String).alias(PROBLEM)),
        may_hold_comma=any(kind == pl.String for kind in schema.values()),
        otherwise=_damaged_parquet,
    )


def _damaged_parquet() -> Table:
    """Refuse a file whose description can be read but whose values cannot."""
    raise RefusalError("cannot be read as Parquet (its values are damaged): export it again")


def _as_text(name: str, kind: pl.DataType, zone: str) -> pl.Expr:
    """Write a typed column as the log writes it."""
    column = pl.col(name)
    if isinstance(kind, pl.Datetime):
        local = column.dt.convert_time_zone(zone) if kind.time_zone else column
        return local.dt.strftime("%Y-%m-%d %H:%M:%S%.6f").str.strip_suffix(".000000")
    if isinstance(kind, pl.Duration):
        return (column.dt.total_microseconds() / 1e6).cast(pl.String) + " s"
    return column.cast(pl.String)


def read_jsonl(path: Path, work_dir: Path, settings: Settings) -> Table:
    """Read one JSON object a line."""
    check_text(path)
    rows = list(_objects(path))
    if not rows:
        raise RefusalError("is empty: export it again")
    names = list(dict.fromkeys(name for _, row, _ in rows for name in row))
    header = tidy_header(names)
    data: dict[str, list[Any]] = {
        LINE: [line for line, _, _ in rows],
        PROBLEM: [p for _, _, p in rows],
    }
    data |= {f"c{i}": [row.get(name) for _, row, _ in rows] for i, name in enumerate(names)}
    schema = {LINE: pl.Int64, PROBLEM: pl.String} | {f"c{i}": pl.String for i in range(len(names))}
    return Table(header, pl.LazyFrame(data, schema=schema))


def _objects(path: Path) -> Iterator[tuple[int, dict[str, str | None], str | None]]:
    """Yield (line, cells, problem) of each line that is not blank."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            line = raw.strip().removeprefix(b"\xef\xbb\xbf")
            if not line:
                continue
            try:
                value = json.loads(line)
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                # The text is not quoted: nobody knows which part of it names a person.
                yield number, {}, f"json{MARK}no JSON: {error}: correct the line"
                continue
            if not isinstance(value, dict):
                kind = "null" if value is None else type(value).__name__
                yield (
                    number,
                    {},
                    f"json{MARK}an object is needed, not a {kind}: correct the line",
                )
                continue
            yield number, {str(k): _json_text(v) for k, v in value.items()}, None


def _json_text(value: Any) -> str | None:
    """Write a JSON value as the log writes it."""
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)


DELIMITED = TableReader("delimited text", (".csv", ".tsv", ".txt"), delimited.read)
EXCEL = TableReader("Excel", (".xlsx",), read_excel)
PARQUET = TableReader("Parquet", (".parquet",), read_parquet)
JSON_LINES = TableReader("JSON lines", (".jsonl", ".ndjson"), read_jsonl)
TABLES = (DELIMITED, EXCEL, PARQUET, JSON_LINES)
