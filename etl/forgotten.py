"""Who was forgotten: so that an older backup does not bring a patient back.

The list lies in ``state/forgotten.json`` and beside the backups made so far that can be reached. It
holds a hash of each pseudonym, which tells something only to whoever has the pseudonym too: in what
was saved before.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from warehouse.settings import Settings

LIST = "forgotten.json"


@dataclass(frozen=True)
class Request:
    """One deletion."""

    at: str  #: UTC
    marks: tuple[str, ...]  #: of the patient's pseudonyms under the keys so far


def path_of(settings: Settings) -> Path:
    """Return where the list lies."""
    return settings.data_dir / "state" / LIST


def beside(backup: Path) -> Path:
    """Return where the list of a backup lies."""
    return backup.with_name(f"{backup.name}.{LIST}")


def requests(path: Path) -> list[Request]:
    """Return the deletions of a list, oldest first; none where there is no list."""
    if not path.exists():
        return []
    told = json.loads(path.read_text("utf-8"))
    return [Request(entry["at"], tuple(entry["marks"])) for entry in told]


def mark(pseudonym: str) -> str:
    """Return the hash by which a pseudonym is known again."""
    return hashlib.sha256(f"forgotten {pseudonym}".encode()).hexdigest()


def remember(settings: Settings, patients: Iterable[str], backups: Iterable[Path]) -> list[Path]:
    """Enter a deletion, also beside the backups that are there; return those that are not."""
    made = Request(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", tuple(map(mark, patients)))
    enter(path_of(settings), [made])
    missed = []
    for backup in backups:
        try:
            if not backup.exists():
                raise FileNotFoundError(backup)
            enter(beside(backup), [made])
        except OSError:
            missed.append(backup)  # told to the caller, who tells a person
    return missed


def enter(path: Path, made: Iterable[Request]) -> None:
    """Add deletions to a list in one step."""
    every = sorted({*requests(path), *made}, key=lambda request: request.at)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".tmp")
    fresh.write_text(json.dumps([asdict(request) for request in every], indent=1), "utf-8")
    fresh.chmod(0o600)
    fresh.replace(path)
