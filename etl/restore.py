"""Bring a backup back: all of it or nothing, and without whoever was forgotten since."""

import hashlib
import json
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from etl.backup import ASIDE, MANIFEST, REGISTER, BackupError, register
from etl.forgotten import beside, enter, path_of, requests
from etl.lock import only_one
from etl.patient import forget_again
from etl.pseudonym import fingerprints, load_key
from etl.publish import point_to
from warehouse import review_store
from warehouse.connect import current_snapshot, problem, snapshots
from warehouse.settings import Settings

_SCRATCH = ".restore-"


@dataclass(frozen=True)
class Restored:
    """What a restore did."""

    aside: Path | None  #: where the former state lies, if there was any
    forgotten: int  #: patients who were deleted again


def restore(settings: Settings, source: Path, *, replace: bool = False) -> Restored:
    """Bring a backup back.

    Everything is unpacked, checked and freed of the patients who were forgotten after the backup
    was made, before anything is touched. Over an existing warehouse it needs ``replace``; the
    former files are then moved aside, not deleted.
    """
    if current_snapshot(settings.snapshots) is not None and not replace:
        raise BackupError(
            f"{settings.data_dir} holds a warehouse: restore with --replace to set it aside"
        )
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with (
        only_one(settings.data_dir / "refresh.lock"),
        tempfile.TemporaryDirectory(dir=settings.data_dir, prefix=_SCRATCH) as scratch,
    ):
        folder = Path(scratch)
        for left in settings.data_dir.glob(f"{_SCRATCH}*"):
            if left != folder:
                shutil.rmtree(left)  # of a restore that was stopped
        told = _unpack(source, folder)
        _fits(settings, told, folder)
        forgotten = _forget_again(settings, source, told["made_at"], folder)
        aside = _set_aside(settings, folder)
        for path in sorted(folder.iterdir()):
            if path.name != MANIFEST:
                shutil.move(path, settings.data_dir / path.name)
        point_to(snapshots(settings.snapshots)[0])
    return Restored(aside, forgotten)


def _unpack(source: Path, folder: Path) -> dict[str, Any]:
    """Unpack into a folder, hold every file against the manifest, and return that."""
    try:
        with tarfile.open(source) as tar:
            odd = [member.name for member in tar if not member.isreg()]
            if odd:
                raise BackupError(f"{source} is no backup: {odd[0]} is no plain file")
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
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if further := sorted(there - {MANIFEST, *told["sha256"]}):
        raise BackupError(f"{source} is damaged: its manifest does not know {further[0]}")
    return told


def _fits(settings: Settings, told: dict[str, Any], folder: Path) -> None:
    """Refuse a backup that this installation's keys do not fit, or whose warehouse is damaged."""
    for path in snapshots(folder / "snapshots"):
        if wrong := problem(path):
            raise BackupError(f"the backup's warehouse cannot be used: {wrong}")
    if (folder / "key").exists():
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


def _forget_again(settings: Settings, source: Path, made_at: str, folder: Path) -> int:
    """Delete in the unpacked state who was forgotten since; return how many patients these were.

    What this installation knows of backups and deletions stays known.
    """
    changes: dict[str, Any] = {"data_dir": folder, "reviews_url": None}
    if not (folder / "key").exists() and settings.pseudonym_key_file is None:
        changes["pseudonym_key_file"] = settings.data_dir / "key"
    unpacked = settings.model_copy(update=changes)
    known = [*requests(path_of(settings)), *requests(beside(source))]
    enter(path_of(unpacked), known)
    _keep_register(settings, folder)
    due = [mark for r in requests(path_of(unpacked)) if r.at >= made_at for mark in r.marks]
    reviews = folder / review_store.FILE
    had_reviews = reviews.exists()
    count = forget_again(unpacked, due)
    if count:
        review_store.engine(unpacked).dispose()
    if not had_reviews:
        reviews.unlink(missing_ok=True)
    return count


def _keep_register(settings: Settings, folder: Path) -> None:
    """Let the list of backups that is restored know the later ones too."""
    path = folder / "state" / REGISTER
    saved = json.loads(path.read_text("utf-8")) if path.exists() else []
    later = [entry for entry in register(settings) if entry not in saved]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([*saved, *later], indent=1), "utf-8")


def _set_aside(settings: Settings, folder: Path) -> Path | None:
    """Move what the backup replaces into a folder beside it."""
    names = [path.name for path in folder.iterdir()]
    if review_store.FILE in names and (settings.data_dir / review_store.FILE).exists():
        review_store.engine(settings).dispose()
        names += [f"{review_store.FILE}-wal", f"{review_store.FILE}-shm"]
    replaced = [settings.data_dir / name for name in names if (settings.data_dir / name).exists()]
    if not replaced:
        return None
    aside = settings.data_dir / f"{ASIDE}{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    aside.mkdir()
    for path in replaced:
        shutil.move(path, aside / path.name)
    return aside
