"""The only writer of snapshots: a run works on a copy and publishes it in one step, or never."""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from etl.privacy import OLDEST_AGE
from etl.pseudonym import fingerprint, since
from warehouse.connect import damage, problem, snapshot_number, snapshots
from warehouse.files import Config, encryption, is_as_wanted, is_encrypted, opened
from warehouse.keys import KeyProblemError
from warehouse.settings import Settings

SQL = Path(__file__).resolve().parent.parent / "warehouse"
WORK_PREFIX = ".work-"
LINK = "current.duckdb"
_MIGRATION = re.compile(r"(\d{3})_\w+\.sql")

#: Linux' request to share a file's blocks (Btrfs, XFS) instead of copying them.
FICLONE = 0x40049409


class NoGoodSnapshotError(Exception):
    """Snapshots are there, but none can be opened."""


class NewerSchemaError(Exception):
    """The warehouse was written by a newer Kerma."""


class BrokenPromiseError(Exception):
    """What must hold before publication does not; nothing is published."""


@cache
def statements(name: str) -> tuple[duckdb.Statement, ...]:
    """Return the statements of ``warehouse/<name>.sql``."""
    text = (SQL / f"{name}.sql").read_text("utf-8")
    with duckdb.connect() as parser:
        return tuple(parser.extract_statements(text))


def run_sql(con: duckdb.DuckDBPyConnection, name: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """Run a file of ``warehouse/``, each statement with what it names; return the last rows."""
    for statement in statements(name):
        con.execute(statement, {key: parameters[key] for key in statement.named_parameters})
    return con.fetchall()


def one_row(con: duckdb.DuckDBPyConnection, name: str, **parameters: Any) -> tuple[Any, ...]:
    """Run a file whose last statement returns exactly one row, and return that row."""
    (row,) = run_sql(con, name, **parameters)
    return row


def latest_version() -> int:
    """Return the schema version that the migrations lead to."""
    return max((number for number, _ in _migrations()), default=1)


def _migrations() -> list[tuple[int, str]]:
    found = ((_MIGRATION.fullmatch(path.name), path) for path in (SQL / "migrations").iterdir())
    return sorted((int(match[1]), f"migrations/{path.stem}") for match, path in found if match)


def base_snapshot(folder: Path) -> tuple[Path | None, list[str]]:
    """Return the snapshot to build on and what is wrong with better ones.

    That is the one in service; where it cannot be opened, the newest that can. The files loaded
    since then are unknown to it, so the same run loads them again. A key that is wanting is no
    damage: nothing older in clear takes the place of an encrypted one.
    """
    link = folder / LINK
    current = [link.resolve()] if link.is_symlink() else []
    others = [path for path in snapshots(folder) if path not in current]
    problems: list[str] = []
    locked: KeyProblemError | None = None
    for path in current + others:
        try:
            wrong = damage(path)
        except KeyProblemError as error:
            locked, wrong = locked or error, str(error)
        if wrong is None:
            if locked and not is_encrypted(path):
                raise locked
            if problems:
                problems.append(f"building on {path.name} instead")
            return path, problems
        problems.append(f"snapshot {path.name} cannot be used: {wrong}")
    if locked:
        raise locked
    if problems:
        raise NoGoodSnapshotError("; ".join(problems) + "; restore a backup into " + str(folder))
    return None, []


@dataclass
class Work:
    """A run's own copy of the warehouse, open for writing, in a folder that goes away with it."""

    folder: Path
    con: duckdb.DuckDBPyConnection
    file: Path
    settings: Settings
    base: Path | None
    closed: bool = False
    migrated: bool = False
    added_keys: bytes = b""  #: to be applied to the pseudonyms before anything else

    def compact(self) -> None:
        """Write the copy anew, so that nothing that was deleted stays readable in its file."""
        fresh = self.folder / "compact.duckdb"
        write_anew(self.con, fresh, encryption().key)
        self.con.close()
        fresh.replace(self.file)
        self.con = connect(self.file, self.folder)

    def publish(self, started: datetime) -> Path:
        """Make the copy the snapshot that readers open, durable before it is visible.

        On a full disk DuckDB closes without a word and leaves what it could not write in its log:
        such a file is never published.
        """
        run_sql(self.con, "write/checkpoint")
        self.con.close()
        self.closed = True
        left = self.file.with_name(f"{self.file.name}.wal")
        wrong = f"{left.name} is left" if left.exists() else problem(self.file)
        if not wrong and not is_as_wanted(self.file):
            wrong = "it is not encrypted as the settings say"
        if wrong:
            raise BrokenPromiseError(f"the new snapshot is not whole ({wrong})")
        sync(self.file)
        folder = self.settings.snapshots
        number = 1 + max(map(snapshot_number, snapshots(folder)), default=0)
        target = folder / f"kerma-{started.astimezone(UTC):%Y%m%dT%H%M%SZ}-{number:06d}.duckdb"
        self.file.rename(target)
        sync(folder)
        point_to(target)
        prune(folder, self.settings.keep_snapshots)
        return target


def point_to(snapshot: Path) -> None:
    """Move the link that readers resolve."""
    fresh = snapshot.with_name(".current.tmp")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(snapshot.name)
    fresh.replace(snapshot.with_name(LINK))
    sync(snapshot.parent)


def prune(folder: Path, keep: int) -> None:
    """Remove all but the newest snapshots; never the one in service."""
    current = (folder / LINK).resolve()
    for path in snapshots(folder)[keep:]:
        if path != current:
            path.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> list[str]:
    """Remove what a run that was stopped left behind; only under the lock."""
    left = [path for path in folder.glob(f"{WORK_PREFIX}*") if path.is_dir()]
    for path in left:
        shutil.rmtree(path)
    return [path.name.removeprefix(WORK_PREFIX) for path in left]


@contextlib.contextmanager
def work_on(settings: Settings, run_id: str, base: Path | None, key: bytes) -> Iterator[Work]:
    """Open a migrated copy of a snapshot, or a new warehouse, and remove it at the end."""
    folder = settings.snapshots / f"{WORK_PREFIX}{run_id}"
    folder.mkdir(parents=True)
    try:
        file = folder / "warehouse.duckdb"
        if base is not None:
            copy(base, file)
        con = connect(file, folder)
        run_sql(con, "write/confined", folder=str(folder))
        work = Work(folder, con, file, settings, base)
        try:
            if base is None:
                create(con, settings.time_zone, key)
            work.migrated = migrate(con)
            work.added_keys = compare_key(con, key)
            run_sql(con, "write/key_set", key_fingerprint=fingerprint(key))
            oldest = None if settings.exact_ages else OLDEST_AGE
            run_sql(con, "write/oldest_age", oldest_age=oldest)
            yield work
        finally:
            if not work.closed:
                con.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def connect(file: Path, folder: Path) -> duckdb.DuckDBPyConnection:
    """Open a warehouse for writing; it spills into a folder."""
    config: Config = {
        "threads": 2,
        "memory_limit": "650MB",
        "preserve_insertion_order": "false",
        "temp_directory": str(folder / "spill"),
        "checkpoint_threshold": "1GB",
    }
    return opened(file, config, read_only=False)


def write_anew(con: duckdb.DuckDBPyConnection, target: Path, key: str | None) -> None:
    """Copy all that an open warehouse holds into a new file, in clear or under a key."""
    if key is None:
        run_sql(con, "write/fresh", path=str(target))
    else:
        run_sql(con, "write/fresh_encrypted", path=str(target), key=key)
    run_sql(con, "write/compact")


def create(con: duckdb.DuckDBPyConnection, time_zone: str, key: bytes) -> None:
    """Make the tables of a new warehouse."""
    run_sql(con, "schema")
    run_sql(
        con,
        "write/created",
        version=latest_version(),
        time_zone=time_zone,
        key_fingerprint=fingerprint(key),
    )


def migrate(con: duckdb.DuckDBPyConnection) -> bool:
    """Bring an older warehouse to this version, one numbered file after the other."""
    (version,) = one_row(con, "write/version")
    if version > latest_version():
        raise NewerSchemaError(
            f"the warehouse has schema version {version}, this Kerma knows {latest_version()}: "
            "install the version that wrote it, or a newer one"
        )
    for number, name in _migrations():
        if number > version:
            con.begin()
            run_sql(con, name)
            run_sql(con, "write/migrated", version=number)
            con.commit()
    return version < latest_version()


def compare_key(con: duckdb.DuckDBPyConnection, key: bytes) -> bytes:
    """Return the keys added since the warehouse was written; refuse other keys than its own."""
    if "key_fingerprint" not in one_row(con, "write/meta_columns")[0]:
        return b""  # older than migration 2: takes this key when it is migrated
    (expected,) = one_row(con, "write/fingerprint")
    added = b"" if expected is None else since(key, expected)
    if added is None:
        raise KeyProblemError(
            "the pseudonym key is not the one this warehouse was made with: every patient would "
            "become two; supply the former key (KERMA_PSEUDONYM_KEY, KERMA_PSEUDONYM_KEY_FILE or "
            "the file 'key' in the data folder)"
        )
    return added


def copy(source: Path, target: Path) -> None:
    """Copy a file inside the kernel, sharing its blocks where the file system can."""
    with source.open("rb") as read, target.open("wb") as write:
        if _clone(read.fileno(), write.fileno()):
            return
    shutil.copyfile(source, target)


def _clone(source: int, target: int) -> bool:
    try:
        import fcntl

        fcntl.ioctl(target, FICLONE, source)
    except (ImportError, OSError):
        return False
    return True


def sync(path: Path) -> None:
    """Force a file or folder to the disk."""
    if path.is_dir() and os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
