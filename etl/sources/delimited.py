"""Delimited text: a quick way for tidy files, a careful one for the rest, with the same rows."""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa

from etl.limits import disk_is_full, unpacking
from etl.profiles import recognise
from etl.sources.base import LINE, MARK, PROBLEM, RefusalError, Table, tidy_header
from etl.sources.census import LONGEST_LINE, Census, census
from warehouse.settings import Settings

_CHUNK = 8 * 2**20
_BATCH = 50_000
_END = "\0"  #: read behind the last line; no text file that is read holds one
_DELIMITERS = (",", ";", "\t", "|")
_UNICODE_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_QUOTED = r'"(?:[^"]|"")*"'
_WHOLE_CELLS = r'^(?:[^"D]*|"(?:[^"]|"")*")(?:D(?:[^"D]*|"(?:[^"]|"")*"))*\r?$'
_COMPRESSED = {".gz": "gzip", ".zst": "zstd"}


def inflate(path: Path, work_dir: Path) -> Path:
    """Unpack a .gz or .zst file into the work folder; other files stay where they are."""
    kind = _COMPRESSED.get(path.suffix.lower())
    if kind is None:
        return path
    target = work_dir / f"inflated-{path.stem}"
    try:
        with pa.input_stream(str(path), compression=kind) as packed, target.open("wb") as plain:
            blocks = iter(lambda: packed.read(_CHUNK), b"")
            for block in unpacking(blocks, path.stat().st_size):
                plain.write(block)
    except (OSError, pa.ArrowInvalid) as error:
        if disk_is_full(error):
            raise
        raise RefusalError(f"cannot be unpacked: {error}; send the file again") from error
    return target


def read(path: Path, work_dir: Path, settings: Settings) -> Table:
    """Read delimited text as a table of text."""
    path = _utf8(path, work_dir)
    counted = census(path)
    if not counted.utf8:
        return _careful(path, settings, work_dir)
    delimiter, names = _header(path)
    header = tidy_header(names)
    even = not counted.quotes and delimiter == "," and _even(counted, len(header))
    if not _tidy(path, counted, delimiter, even=even):
        return _careful(path, settings, work_dir)
    quote = '"' if counted.quotes else None
    frame = pl.scan_csv(
        path,
        separator=delimiter,
        quote_char=quote,
        infer_schema=False,
        new_columns=[f"c{i}" for i in range(len(header))],
        row_index_name=LINE,
        row_index_offset=2,
        glob=False,
    ).with_columns(pl.lit(None, dtype=pl.String).alias(PROBLEM))
    return Table(
        header,
        frame,
        delimiter,
        may_hold_comma=_commas_in_cells(counted, delimiter),
        may_hold_failed_cells=counted.hashes,
        trimmed=counted.trimmed and delimiter in ",;",
        otherwise=(lambda: _careful(path, settings, work_dir)) if even else None,
    )


def _even(counted: Census, width: int) -> bool:
    """Say whether the file has as many commas as its lines need: then no row is too long.

    Unless another is too short, which the quick reader stumbles over.
    """
    return counted.commas == (width - 1) * counted.lines


def _commas_in_cells(counted: Census, delimiter: str) -> bool:
    """Say whether a cell may hold a comma: a quoted one, or any where another delimiter is used."""
    return counted.quotes > 0 if delimiter == "," else counted.commas > 0


def _utf8(path: Path, work_dir: Path) -> Path:
    """Return the file as UTF-8 without a mark; Unicode with a byte order mark is converted."""
    with path.open("rb") as file:
        head = file.read(4)
    marked = (coding for mark, coding in _UNICODE_MARKS.items() if head.startswith(mark))
    encoding = next(marked, "utf-8-sig")
    if encoding == "utf-8-sig":
        return path
    target = work_dir / f"utf8-{path.name}"
    try:
        with (
            path.open("r", encoding=encoding, newline="") as source,
            target.open("w", encoding="utf-8", newline="") as out,
        ):
            while block := source.read(_CHUNK):
                out.write(block)
    except UnicodeError as error:
        raise RefusalError(
            f"is not the {encoding} that its first bytes announce: {error}"
        ) from error
    return target


def _header(path: Path) -> tuple[str, list[str]]:
    """Return the delimiter and the column names of the first row."""
    with path.open("r", encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        lines = file.read(LONGEST_LINE)
    if lines.lower().startswith("sep=") and len(lines) > 4:
        raise RefusalError("starts with a 'sep=' line: remove it, the delimiter is recognised")
    best: tuple[int, str, list[str]] | None = None
    for delimiter in _DELIMITERS:
        try:
            names = next(csv.reader(io.StringIO(lines, newline=""), delimiter=delimiter), [])
        except csv.Error as error:
            raise RefusalError(f"its first row cannot be read: {error}") from error
        if best is None or len(names) > best[0]:
            best = len(names), delimiter, names
    assert best is not None
    if not any(name.strip() for name in best[2]):
        raise RefusalError("its first line is blank: the first line must name the columns")
    return best[1], best[2]


def _tidy(path: Path, counted: Census, delimiter: str, *, even: bool) -> bool:
    """Say whether the quick reader gets every row and line number right."""
    if (
        counted.returns
        and counted.returns != counted.lines - 1
        and counted.returns != counted.lines
    ):
        return False
    return even or _fits(path, delimiter, quotes=counted.quotes > 0)


def _fits(path: Path, delimiter: str, *, quotes: bool) -> bool:
    """Say whether quotes stand only around whole cells of one line, and no row is too long."""
    line = pl.col("line")
    cells = line.str.replace_all(_QUOTED, "") if quotes else line
    count = cells.str.count_matches(delimiter, literal=True)
    legal = line.str.contains(_WHOLE_CELLS.replace("D", re.escape(delimiter)))
    checked = pl.scan_lines(path, glob=False).select(
        first=count.first(), most=count.max(), legal=legal.all() if quotes else pl.lit(True)
    )
    row = checked.collect(engine="streaming").row(0, named=True)
    return row["legal"] and row["most"] <= row["first"]


def _careful(path: Path, settings: Settings, work_dir: Path) -> Table:
    """Read row by row: any quoting, ragged rows, mixed encodings, exact line numbers."""
    delimiter, _ = _header(path)
    with path.open("rb") as file:
        encodings = _encodings(file)
    rows = _rows(path, delimiter, encodings)
    first = next(rows, None)
    if first is None:
        raise RefusalError("is empty: export it again")
    header = tidy_header(first[1])
    profile = recognise(header, settings.profiles_dir)
    pattern = profile.extend_long_rows if profile else None
    folder = work_dir / f"rows-{path.name}"
    folder.mkdir(parents=True, exist_ok=True)
    if pattern:
        longest = max((len(cells) for _, cells, _ in _rows(path, delimiter, encodings)), default=0)
        header = extend(header, longest, pattern)
    _write(rows, len(header), folder)
    parts = sorted(folder.glob("*.parquet"))  # the name of the file may look like a pattern
    return Table(header, pl.scan_parquet(parts, glob=False), delimiter)


def extend(header: tuple[str, ...], longest: int, pattern: str) -> tuple[str, ...]:
    """Repeat the last group of columns until the longest row fits."""
    numbers = [int(m[1]) for name in header if (m := re.match(pattern, name))]
    if not numbers or longest <= len(header):
        return header
    last = max(numbers)
    group = [name for name in header if (m := re.match(pattern, name)) and int(m[1]) == last]
    names = list(header)
    while len(names) < longest:
        last += 1
        names += [re.sub(r"\d+", str(last), name, count=1) for name in group]
    return tuple(names)


def _encodings(file: io.BufferedReader) -> str:
    """Return ``utf-8``, ``cp1252``, or ``mixed`` for a file that has lines of both."""
    as_utf8 = other = 0
    for line in file:
        if line.isascii():
            continue
        try:
            line.decode("utf-8")
            as_utf8 += 1
        except UnicodeDecodeError:
            other += 1
    if not other:
        return "utf-8"
    return "mixed" if as_utf8 else "cp1252"


def _rows(path: Path, delimiter: str, encoding: str) -> Iterator[tuple[int, list[str], str | None]]:
    """Yield (first physical line, cells, problem) of each row that is not blank."""
    codec = "utf-8-sig" if encoding != "cp1252" else "cp1252"
    errors = "surrogateescape" if encoding != "cp1252" else "cp1252_or_latin1"
    with path.open("r", encoding=codec, errors=errors, newline="") as file:
        taken: list[str] = []
        reader = csv.reader(_taken(file, taken), delimiter=delimiter)
        line = 1
        try:
            for cells in reader:
                if cells and cells[-1].endswith(_END):
                    if len(taken) == 1:
                        return
                    raise csv.Error("unexpected end of data")
                if cells:
                    yield line, *_clean(cells, _swallowed(taken, delimiter))
                taken.clear()
                line = reader.line_num + 1
        except csv.Error as error:
            raise RefusalError(
                f"line {line}: {error}; look for a quote that is never closed"
            ) from error


def _taken(file: Iterable[str], taken: list[str]) -> Iterator[str]:
    """Pass lines on and remember them; a mark behind the last shows a quote that is still open."""
    for line in file:
        taken.append(line)
        yield line
    taken.append(_END)
    yield _END


def _swallowed(taken: list[str], delimiter: str) -> str | None:
    """Say that a row of several lines owes them to a stray quote, or nothing."""
    if len(taken) == 1:
        return None
    try:
        list(csv.reader(taken, delimiter=delimiter, strict=True))
    except csv.Error:
        return (
            f"quote{MARK}a quote opens in this line and the next closes it {len(taken) - 1} lines "
            "further: take stray quotes out, double those in the text"
        )
    return None


def _clean(cells: list[str], problem: str | None) -> tuple[list[str], str | None]:
    """Return the cells as valid text, and what is wrong with their quotes or encoding."""
    bad = [at for at, cell in enumerate(cells) if not cell.isascii() and _broken(cell)]
    if not bad:
        return cells, problem
    shown = [_as_cp1252(cell) if at in bad else cell for at, cell in enumerate(cells)]
    return shown, (
        f"encoding{MARK}column {bad[0] + 1}: bytes that are not UTF-8 in a file that elsewhere is: "
        f"'{shown[bad[0]]}': save the whole file as UTF-8"
    )


def _broken(cell: str) -> bool:
    return any("\udc80" <= char <= "\udcff" for char in cell)


def _as_cp1252(cell: str) -> str:
    """Read the bytes of a cell that is no UTF-8 as cp1252, to show it."""
    raw = cell.encode("utf-8", "surrogateescape")
    return raw.decode("cp1252", "replace")


def _latin1(error: UnicodeError) -> tuple[str, int]:
    """Read the five bytes that cp1252 leaves undefined as Latin-1."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error("cp1252_or_latin1", _latin1)


def _write(rows: Iterator[tuple[int, list[str], str | None]], width: int, folder: Path) -> None:
    """Write rows as Parquet parts; short rows are padded, long ones marked."""
    schema = {LINE: pl.Int64, PROBLEM: pl.String} | {f"c{i}": pl.String for i in range(width)}
    batch: list[list[object]] = []
    part = 0

    def flush() -> None:
        nonlocal part
        pl.DataFrame(batch, schema=schema, orient="row").write_parquet(
            folder / f"{part:06}.parquet", compression="lz4"
        )
        part += 1
        batch.clear()

    for line, cells, wrong in rows:
        problem = wrong
        if len(cells) > width and any(cells[width:]):
            problem = (
                f"long_row{MARK}the row has {len(cells)} cells, the header {width} columns: "
                f"'{cells[width]}' belongs to none: quote cells that hold the delimiter"
            )
            cells = [*cells[: width - 1], "\t".join(cells[width - 1 :])]
        kept = [cell or None for cell in cells[:width]]
        batch.append([line, problem, *kept, *([None] * (width - len(kept)))])
        if len(batch) >= _BATCH:
            flush()
    flush()
