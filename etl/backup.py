"""Save all state of an installation in one checked file."""

import hashlib
import io
import json
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from etl.lock import only_one
from etl.pseudonym import fingerprint, load_key
from warehouse.connect import current_snapshot
from warehouse.settings import Settings

MANIFEST = "manifest.json"
REGISTER = "backups.json"
#: Start of the folders in which a restore leaves the former state.
ASIDE = "before-restore-"
#: What is not state: it is made again, is the source itself, or belongs to the running process.
_LEFT_OUT = {"inbox", "snapshots", "demo", "logs", "refresh.lock", "key"}
_SQLITE = ".db"


class BackupError(Exception):
    """A backup cannot be made, or is not one."""


@dataclass(frozen=True)
class Saved:
    """What a backup holds."""

    path: Path
    members: int
    bytes: int
    with_key: bool


def backup(settings: Settings, out: Path, *, with_key: bool = False) -> Saved:
    """Write the snapshot in service, reviews and other state into a tar file, or nothing.

    The key behind the patient pseudonyms is left out unless asked for: whoever has both can test
    patient ids against the pseudonyms.
    """
    snapshot = current_snapshot(settings.snapshots)
    if snapshot is None:
        raise BackupError(f"there is no warehouse in {settings.snapshots}: run a refresh first")
    if out.exists():
        raise BackupError(f"{out} is there already: name another file")
    with (
        only_one(settings.data_dir / "refresh.lock"),
        tempfile.TemporaryDirectory(dir=out.parent, prefix=".backup-") as scratch,
    ):
        part = Path(scratch) / "part"
        with tarfile.open(part, "w") as tar:
            sums = dict(_add(tar, settings, snapshot, Path(scratch), with_key))
            _add_bytes(tar, MANIFEST, _manifest(settings, sums))
        size = part.stat().st_size
        part.rename(out)
        _enter(settings, out, snapshot.name)
    return Saved(out, len(sums), size, with_key)


def register(settings: Settings) -> list[dict[str, str]]:
    """Return the backups made so far: where each was written, when, of which snapshot."""
    path = settings.data_dir / "state" / REGISTER
    return json.loads(path.read_text("utf-8")) if path.exists() else []


def _enter(settings: Settings, out: Path, snapshot: str) -> None:
    """Remember a backup: whoever asks to be forgotten may be in it."""
    made = {"path": str(out.resolve()), "made_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
    path = settings.data_dir / "state" / REGISTER
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".tmp")
    entries = [*register(settings), made | {"snapshot": snapshot}]
    fresh.write_text(json.dumps(entries, indent=1), "utf-8")
    fresh.replace(path)


def _manifest(settings: Settings, sums: dict[str, str]) -> bytes:
    told = {
        "made_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "key_fingerprint": fingerprint(load_key(settings, create=False)),
        "sha256": sums,
    }
    return json.dumps(told, indent=1).encode()


def _add(
    tar: tarfile.TarFile, settings: Settings, snapshot: Path, scratch: Path, with_key: bool
) -> Iterator[tuple[str, str]]:
    """Add each file and yield its name and SHA-256."""
    yield _add_file(tar, f"snapshots/{snapshot.name}", snapshot)
    for path in sorted(settings.data_dir.rglob("*")):
        name = path.relative_to(settings.data_dir)
        if name.parts[0] in _LEFT_OUT or name.parts[0].startswith(ASIDE) or not path.is_file():
            continue
        if any(part.startswith(".") for part in name.parts):
            continue  # half written
        if settings.encryption_key_file and path.samefile(settings.encryption_key_file):
            continue  # beside what it protects it protects nothing
        if path.suffix == _SQLITE:
            path = _settled(path, scratch)
        elif path.name.endswith((f"{_SQLITE}-wal", f"{_SQLITE}-shm")):
            continue  # already within the settled copy
        yield _add_file(tar, name.as_posix(), path)
    key = settings.data_dir / "key"
    if with_key and key.exists():
        yield _add_file(tar, "key", key)


def _settled(path: Path, scratch: Path) -> Path:
    """Copy a SQLite file with what stands in its log, while others may write it."""
    copy = scratch / path.name
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy


def _add_file(tar: tarfile.TarFile, name: str, path: Path) -> tuple[str, str]:
    tar.add(path, name, recursive=False)
    with path.open("rb") as file:
        return name, hashlib.file_digest(file, "sha256").hexdigest()


def _add_bytes(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mtime = len(data), int(datetime.now(UTC).timestamp())
    tar.addfile(info, io.BytesIO(data))
