"""The only opener of a published snapshot for reading.

A refresh publishes a new file and moves the ``current.duckdb`` link. Readers resolve the link and
open the file under its own name: DuckDB caches open files by path, so a file replaced under one
name would serve its old rows.
"""

import re
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import duckdb

from warehouse.files import Config, opened
from warehouse.keys import KeyProblemError

#: A reader can neither write, nor reach a file or address, nor undo that (``warehouse.files``).
READING: Config = {
    "threads": 2,
    "memory_limit": "2GB",
    "python_enable_replacements": "false",
}
KEPT_OPEN = 2

_NAME = re.compile(r"kerma-\d{8}T\d{6}Z-(\d+)\.duckdb")
_VERSION, _SIZE = (
    (Path(__file__).parent / "write" / f"{name}.sql").read_text("utf-8")
    for name in ("version", "size")
)
#: Whether a file could be used, by path, size and time of change.
_found_good: dict[tuple[Path, int, int], bool] = {}

_open: OrderedDict[Path, duckdb.DuckDBPyConnection] = OrderedDict()
_lock = Lock()


def current_snapshot(snapshots: Path) -> Path | None:
    """Return the published file that readers should open, or None before the first refresh."""
    link = snapshots / "current.duckdb"
    return link.resolve() if link.exists() else None


def snapshots(folder: Path) -> list[Path]:
    """Return the published files, newest first: by their running number, not by a clock."""
    if not folder.is_dir():
        return []
    return sorted(filter(snapshot_number, folder.iterdir()), key=snapshot_number, reverse=True)


def snapshot_number(path: Path) -> int:
    """Return the running number of a published file, 0 for any other."""
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match else 0


def reading(snapshot: Path) -> duckdb.DuckDBPyConnection:
    """Open a snapshot for a moment; readers in the same process may have it open too."""
    return opened(snapshot, READING, read_only=True)


def problem(path: Path) -> str | None:
    """Say why a snapshot cannot be used, or None."""
    try:
        return damage(path)
    except KeyProblemError as error:
        return str(error)


def damage(path: Path) -> str | None:
    """Say why a snapshot cannot be used, or None; raise KeyProblemError where the key wants."""
    try:
        with reading(path) as con:
            con.sql(_VERSION).fetchall()
            (whole,) = con.sql(_SIZE).fetchall()[0]
        if path.stat().st_size < whole:
            return f"truncated: {path.stat().st_size} of {whole} bytes"
    except (duckdb.Error, OSError) as error:
        return str(error).splitlines()[0]
    return None


def serving(folder: Path) -> Path | None:
    """Return the file that readers open: the one in service, or the newest good one.

    Each file is looked at once, and again when it changed; without any good one it is the one in
    service, which fails in words.
    """
    current = current_snapshot(folder)
    if current is None or _good(current):
        return current
    return next((path for path in snapshots(folder) if path != current and _good(path)), current)


def _good(path: Path) -> bool:
    try:
        info = path.stat()
    except OSError:
        return False
    mark = (path, info.st_size, info.st_mtime_ns)
    if mark not in _found_good:
        with _lock:
            _open.pop(path, None)  # what it remembers of the file may no longer be so
        _found_good[mark] = problem(path) is None
    return _found_good[mark]


def cursor(snapshot: Path) -> duckdb.DuckDBPyConnection:
    """Return a cursor of its own on a snapshot; close it after one query.

    A connection shared between threads returns wrong rows, a cursor costs five microseconds.
    """
    with _lock:
        if snapshot not in _open:
            _open[snapshot] = reading(snapshot)
            while len(_open) > KEPT_OPEN:
                _open.popitem(last=False)
        _open.move_to_end(snapshot)
        return _open[snapshot].cursor()


@contextmanager
def open_within(snapshot: Path, memory_limit: str) -> Iterator[None]:
    """Ask a snapshot, meanwhile, within less memory than a server has; not where it is open."""
    with _lock:
        mine = snapshot not in _open
        if mine:
            config = READING | {"memory_limit": memory_limit}
            _open[snapshot] = opened(snapshot, config, read_only=True)
    try:
        yield
    finally:
        if mine:
            with _lock:
                closing = _open.pop(snapshot, None)
            if closing is not None:
                closing.close()
