"""Save and bring back all state of an installation in one checked file."""

import hashlib
import io
import json
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from etl.lock import only_one
from etl.pseudonym import fingerprint, fingerprints, load_key
from etl.publish import point_to, snapshots
from warehouse.connect import current_snapshot
from warehouse.settings import Settings

MANIFEST = "manifest.json"
REGISTER = "backups.json"
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
        if name.parts[0] in _LEFT_OUT or not path.is_file() or path.name.startswith("."):
            continue
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


def restore(settings: Settings, source: Path, *, replace: bool = False) -> Path | None:
    """Bring a backup back; return where the former state was set aside, if there was any.

    Everything is unpacked and checked before anything is touched. Over an existing warehouse it
    needs ``replace``; the former files are then moved aside, not deleted.
    """
    if current_snapshot(settings.snapshots) is not None and not replace:
        raise BackupError(
            f"{settings.data_dir} holds a warehouse: restore with --replace to set it aside"
        )
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with (
        only_one(settings.data_dir / "refresh.lock"),
        tempfile.TemporaryDirectory(dir=settings.data_dir, prefix=".restore-") as scratch,
    ):
        folder = Path(scratch)
        told = _unpack(source, folder)
        _fits(settings, told, with_key=(folder / "key").exists())
        aside = _set_aside(settings, folder)
        for path in sorted(folder.iterdir()):
            if path.name != MANIFEST:
                shutil.move(path, settings.data_dir / path.name)
        point_to(snapshots(settings.snapshots)[0])
    return aside


def _unpack(source: Path, folder: Path) -> dict[str, dict[str, str]]:
    """Unpack into a folder and hold every file against the manifest."""
    try:
        with tarfile.open(source) as tar:
            tar.extractall(folder, filter="data")
        told = json.loads((folder / MANIFEST).read_text("utf-8"))
    except (tarfile.TarError, OSError, ValueError) as error:
        raise BackupError(f"{source} is no whole backup: {error}") from error
    for name, expected in told["sha256"].items():
        path = folder / PurePosixPath(name)
        if not path.is_file():
            raise BackupError(f"{source} is damaged: {name} is missing")
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                raise BackupError(f"{source} is damaged: {name} is not what was saved")
    return told


def _fits(settings: Settings, told: dict[str, dict[str, str]], *, with_key: bool) -> None:
    """Refuse a backup whose patients this installation's key would not know again."""
    if with_key:
        return
    key = settings.data_dir / "key"
    supplied = settings.pseudonym_key is not None or settings.pseudonym_key_file is not None
    if not supplied and not key.exists():
        raise BackupError(
            f"the backup does not hold the pseudonym key: put its copy to {key} (or set "
            "KERMA_PSEUDONYM_KEY) and restore again"
        )
    if told["key_fingerprint"] not in fingerprints(load_key(settings, create=False)):
        raise BackupError("the pseudonym key here is not the one of the backup: supply that one")


def _set_aside(settings: Settings, folder: Path) -> Path | None:
    """Move what the backup replaces into a folder beside it."""
    replaced = [
        settings.data_dir / path.name
        for path in folder.iterdir()
        if (settings.data_dir / path.name).exists()
    ]
    if not replaced:
        return None
    aside = settings.data_dir / f"before-restore-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    aside.mkdir()
    for path in replaced:
        shutil.move(path, aside / path.name)
    for name in ("reviews.db-wal", "reviews.db-shm"):
        (settings.data_dir / name).unlink(missing_ok=True)
    return aside
