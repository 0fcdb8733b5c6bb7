"""The only opener of a published snapshot for reading.

A refresh publishes a new file and moves the ``current.duckdb`` link. Readers resolve the link and
open the file under its own name: DuckDB caches open files by path, so a file replaced under one
name would serve its old rows.
"""

from collections import OrderedDict
from pathlib import Path
from threading import Lock

import duckdb

#: A reader can neither write, nor reach a file or address, nor undo that.
READ_ONLY = {
    "threads": 2,
    "memory_limit": "2GB",
    "enable_external_access": "false",
    "python_enable_replacements": "false",
    "lock_configuration": "true",
}
KEPT_OPEN = 2

_open: OrderedDict[Path, duckdb.DuckDBPyConnection] = OrderedDict()
_lock = Lock()


def current_snapshot(snapshots: Path) -> Path | None:
    """Return the published file that readers should open, or None before the first refresh."""
    link = snapshots / "current.duckdb"
    return link.resolve() if link.exists() else None


def cursor(snapshot: Path) -> duckdb.DuckDBPyConnection:
    """Return a cursor of its own on a snapshot; close it after one query.

    A connection shared between threads returns wrong rows, a cursor costs five microseconds.
    """
    with _lock:
        if snapshot not in _open:
            _open[snapshot] = duckdb.connect(snapshot, read_only=True, config=READ_ONLY)
            while len(_open) > KEPT_OPEN:
                _open.popitem(last=False)
        _open.move_to_end(snapshot)
        return _open[snapshot].cursor()


def open_within(snapshot: Path, memory_limit: str) -> None:
    """Open a snapshot for this process's questions within less memory than a server has."""
    with _lock:
        if snapshot not in _open:
            config = READ_ONLY | {"memory_limit": memory_limit}
            _open[snapshot] = duckdb.connect(snapshot, read_only=True, config=config)
