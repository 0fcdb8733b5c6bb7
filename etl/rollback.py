"""Return to an older snapshot, when what was published should not be seen."""

from datetime import datetime
from pathlib import Path

from etl.lock import only_one
from etl.publish import LINK, point_to, problem, snapshots
from warehouse.settings import Settings


class RollbackError(Exception):
    """There is nothing to return to."""


def choices(settings: Settings) -> list[tuple[str, bool, datetime]]:
    """Return the snapshots kept, newest first: name, whether it is in service, when written."""
    current = (settings.snapshots / LINK).resolve()
    return [
        (path.name, path == current, datetime.fromtimestamp(path.stat().st_mtime).astimezone())
        for path in snapshots(settings.snapshots)
    ]


def rollback(settings: Settings, to: str | None = None) -> tuple[str, str]:
    """Put an older snapshot into service; return the names of the former and of the new one.

    Without ``to`` it is the newest that is older than the one in service. The next refresh builds
    on it, and loads again what it does not know: take a bad file out of the inbox first.
    """
    with only_one(settings.data_dir / "refresh.lock"):
        link = settings.snapshots / LINK
        current = link.resolve()
        target = _target(snapshots(settings.snapshots), current, to)
        wrong = problem(target)
        if wrong:
            raise RollbackError(f"{target.name} cannot be used: {wrong}; choose another")
        point_to(target)
    return current.name, target.name


def _target(kept: list[Path], current: Path, to: str | None) -> Path:
    names = ", ".join(path.name for path in kept) or "none"
    if to is not None:
        for path in kept:
            if path.name == to:
                return path
        raise RollbackError(f"there is no snapshot {to}; kept are: {names}")
    older = kept[kept.index(current) + 1 :] if current in kept else kept
    if not older:
        raise RollbackError(f"no snapshot is older than {current.name}; kept are: {names}")
    return older[0]
