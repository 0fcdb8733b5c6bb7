"""Find what is new in the inbox: a file is known by its bytes."""

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from etl.limits import too_large
from etl.staging import SourceFile

#: Half-written or foreign: left alone without a word.
IGNORED_ENDINGS = (".tmp", ".part", ".partial", ".crdownload", ".swp", ".lock")
IGNORED_NAMES = frozenset({"planted.json", "Thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Found:
    """A file of the inbox: to be read (``new``), or why it is not."""

    path: Path
    name: str
    status: Literal["new", "known", "busy", "unreadable"]
    source: SourceFile | None = None
    message: str | None = None
    info: os.stat_result | None = None

    def named(self, name: str) -> "Found":
        """Return the same file under another name."""
        source = replace(self.source, name=name) if self.source else None
        return replace(self, name=name, source=source)


class Seen:
    """Which bytes a file had when it was last looked at, so that they need no reading again.

    A file is known by its number on the disk: its name may be a patient's.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hashes: dict[str, list[Any]] = {}
        self.looked: set[str] = set()
        self.changed = False
        try:
            self.hashes = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            self.changed = True  # a cache: made anew from the files

    def sha256(self, path: Path, info: os.stat_result) -> str:
        """Return the hash of a file, from memory when nothing about it changed."""
        number = f"{info.st_dev}-{info.st_ino}"
        self.looked.add(number)
        mark = [info.st_size, info.st_mtime_ns, info.st_ctime_ns]
        known = self.hashes.get(number)
        if known and known[:3] == mark:
            return known[3]
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self.hashes[number] = [*mark, digest]
        self.changed = True
        return digest

    def forget(self, info: os.stat_result) -> None:
        """Drop what was read of a file that changed meanwhile."""
        self.hashes.pop(f"{info.st_dev}-{info.st_ino}", None)

    def save(self, *, whole: bool) -> None:
        """Write the memory in one step; after a look at the whole inbox drop what is gone."""
        gone = self.hashes.keys() - self.looked if whole else set()
        if self.changed or gone:
            kept = {number: mark for number, mark in self.hashes.items() if number not in gone}
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self.path.with_name(f".{self.path.name}.tmp")
            fresh.write_text(json.dumps(kept), "utf-8")
            fresh.replace(self.path)


def find(
    inbox: Path, paths: list[Path], known: set[str], seen: Seen, settle_seconds: float
) -> Iterator[Found]:
    """Yield each file of the inbox, or of the paths given instead, oldest first."""
    entries = [
        entry
        for root in (paths or [inbox])
        for entry in _walk(root.resolve() if paths else root, inbox)
    ]
    unsettled = _settle([entry for entry in entries if isinstance(entry, tuple)], settle_seconds)
    looked = []
    for entry in entries:
        if isinstance(entry, Found):
            looked.append(entry)
        else:
            looked.append(_look(*entry, unsettled, known, seen))
    once: set[str] = set()
    for found in sorted(looked, key=_order):
        if found.source and found.status == "new" and found.source.sha256 in once:
            yield Found(found.path, found.name, "known", found.source, "same bytes as another file")
            continue
        if found.source:
            once.add(found.source.sha256)
        yield found


def unchanged(found: Found) -> bool:
    """Say whether a file is still as it was when it was hashed."""
    try:
        return found.info is not None and _same(found.info, found.path.stat())
    except OSError:
        return False


def _order(found: Found) -> tuple[datetime, str, str]:
    if found.source is None:
        return datetime.min.replace(tzinfo=UTC), "", found.name
    return found.source.source_at, found.source.sha256, found.name


_LEAVES = "is a link that leaves the inbox: put the file itself here"
_LOOP = "is a link that leads back to itself: remove it"
_NO_FILE = "is neither a file nor a folder: remove it"


def _closed(error: OSError) -> str:
    """Say why something cannot be read, and what to do."""
    return f"cannot be read ({error.strerror or error}): set its permissions right, or remove it"


def _walk(root: Path, inbox: Path) -> Iterator[tuple[Path, str] | Found]:
    """Yield the regular files under a path with the name that messages use for them."""
    name = _name(root, inbox)
    try:
        info = root.lstat()
        if stat.S_ISLNK(info.st_mode):
            target = root.resolve(strict=True)
            if not target.is_relative_to(inbox.resolve()):
                yield Found(root, name, "unreadable", message=_LEAVES)
                return
            if target.is_dir():
                return  # the folder itself is read where it lies
            info = target.stat()
        if stat.S_ISDIR(info.st_mode):
            for child in sorted(root.iterdir()):
                if not _ignored(child.name):
                    yield from _walk(child, inbox)
        elif name != _place(root, inbox):
            yield Found(root, name, "unreadable", message="its name is no UTF-8 text: rename it")
        elif stat.S_ISREG(info.st_mode):
            yield root, name
        else:
            yield Found(root, name, "unreadable", message=_NO_FILE)
    except RuntimeError:  # so Python below 3.13 calls links that lead to one another
        yield Found(root, name, "unreadable", message=_LOOP)
    except OSError as error:
        yield Found(root, name, "unreadable", message=_closed(error))


def _ignored(name: str) -> bool:
    return name.startswith((".", "~$")) or name in IGNORED_NAMES or name.endswith(IGNORED_ENDINGS)


def _name(path: Path, inbox: Path) -> str:
    """Return what messages call a file; what is no text in its name is replaced by a mark."""
    return _place(path, inbox).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _place(path: Path, inbox: Path) -> str:
    try:
        return path.relative_to(inbox).as_posix()
    except ValueError:
        try:
            return path.resolve().relative_to(inbox.resolve()).as_posix()
        except (ValueError, OSError):
            return path.as_posix()


def _settle(entries: list[tuple[Path, str]], settle_seconds: float) -> dict[Path, os.stat_result]:
    """Wait until files that changed just now have been quiet; return how they looked before."""
    before: dict[Path, os.stat_result] = {}
    wait = 0.0
    now = time.time()
    for path, _ in entries:
        try:
            info = path.stat()
        except OSError:
            continue  # reported when it is looked at
        age = now - info.st_mtime
        if age < settle_seconds:  # also when the clock was set back and the file is of the future
            before[path] = info
            wait = max(wait, settle_seconds - max(age, 0.0))
    if wait > 0:
        time.sleep(wait)
    return before


def _look(
    path: Path, name: str, unsettled: dict[Path, os.stat_result], known: set[str], seen: Seen
) -> Found:
    try:
        info = path.stat()
        if message := too_large(info.st_size):
            return Found(path, name, "unreadable", message=message)
        if path in unsettled and not _same(unsettled[path], info):
            return Found(
                path, name, "busy", message="is still being written: left for the next run"
            )
        sha256 = seen.sha256(path, info)
        if not _same(info, path.stat()):
            seen.forget(info)
            return Found(
                path, name, "busy", message="changed while it was read: left for the next run"
            )
    except FileNotFoundError:
        return Found(path, name, "busy", message="was taken away while it was read")
    except OSError as error:
        return Found(path, name, "unreadable", message=_closed(error))
    source = SourceFile(
        path=path,
        name=name,
        sha256=sha256,
        bytes=info.st_size,
        source_at=datetime.fromtimestamp(info.st_mtime, UTC),
        arrived_at=datetime.now(UTC),
    )
    return Found(path, name, "known" if sha256 in known else "new", source, info=info)


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)
