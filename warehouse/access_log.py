"""Who signed in, opened which case, took what away, changed which rule or review, or was refused.

One line of JSON an entry, in ``access/access.jsonl`` of the data folder; nothing is ever changed or
removed. Each line carries the hash of the one before, so that a cut, a change and another order
show; ``access/head.json`` and the refresh's own log keep how far the chain had come, so that a cut
at its end shows too. :func:`verify` finds them.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from warehouse.access import Person, RefusedError, require
from warehouse.lock import held
from warehouse.settings import Settings

FOLDER, LOG, HEAD, LOCK = "access", "access.jsonl", "head.json", "lock"
#: What the first entry follows.
START = "0" * 64
#: Longest text of an entry: an entry is evidence, not a copy of what was read.
LONGEST = 500


@dataclass(frozen=True)
class Head:
    """How far a chain has come: the number of its last entry and its hash."""

    n: int
    hash: str


def folder_of(settings: Settings) -> Path:
    """Return where the log lies."""
    return settings.access_dir or settings.data_dir / FOLDER


def write(settings: Settings, person: Person, what: str, about: str = "", **details: Any) -> None:
    """Add an entry: who, in which roles, did what to what; it is on the disk when this returns.

    Raises
    ------
    OSError
        Where it cannot be written: then what it was to tell of must not happen.
    """
    folder = folder_of(settings)
    with held(folder / LOCK):
        before = head(folder) or Head(0, START)
        entry = {
            "n": before.n + 1,
            "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            "who": person.name[:LONGEST],
            "account": person.account[:LONGEST],
            "roles": list(person.scope.roles),
            "sites": None if person.scope.sites is None else list(person.scope.sites),
            "what": what,
            "about": about[:LONGEST],
            "details": {name: str(value)[:LONGEST] for name, value in details.items()},
            "previous": before.hash,
        }
        entry["hash"] = hash_of(entry)
        _append(folder / LOG, json.dumps(entry))
        _replace(folder / HEAD, json.dumps({"n": entry["n"], "hash": entry["hash"]}))


@contextmanager
def deed(
    settings: Settings, person: Person, deed: str, about: str, site: str | None = None
) -> Iterator[None]:
    """Refuse a deed that the person may not do, and log it either way.

    It is logged before the body does it, so that nothing is done that is not in the log; where the
    body fails, that is logged too.

    Raises
    ------
    RefusedError
        Where :func:`warehouse.access.require` refuses.
    """
    try:
        require(person, deed, site)
    except RefusedError as error:
        write(settings, person, "refused", about, deed=deed, why=error)
        raise
    write(settings, person, deed, about)
    try:
        yield
    except Exception as error:
        write(settings, person, "not done", about, deed=deed, why=type(error).__name__)
        raise


def hash_of(entry: dict[str, Any]) -> str:
    """Return the hash of an entry without its own: SHA-256 of its JSON with sorted keys."""
    told = {name: value for name, value in entry.items() if name != "hash"}
    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def head(folder: Path) -> Head | None:
    """Return how far the chain had come when its last entry was written, or None before the first.

    An entry that stands behind the head was written by a process that died before it moved it: the
    chain goes on from there.
    """
    path = folder / HEAD
    kept = Head(0, START)
    if path.exists():
        told = json.loads(path.read_text("utf-8"))
        kept = Head(int(told["n"]), str(told["hash"]))
    last = _last(folder / LOG)
    if last and last.get("n") == kept.n + 1 and last.get("previous") == kept.hash:
        return Head(last["n"], hash_of(last))
    return kept if kept.n else None


def entries(settings: Settings) -> list[dict[str, Any]]:
    """Return every entry that can be read, in the order of the file."""
    path = folder_of(settings) / LOG
    if not path.exists():
        return []
    found = (
        _read(line.decode("utf-8", "replace"))
        for line in path.read_bytes().split(b"\n")
        if line.strip()
    )
    return [entry for entry in found if entry is not None]


def _read(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except json.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _last(path: Path) -> dict[str, Any] | None:
    """Return the last whole entry, reading the end of the file only."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 65_536))
        lines = file.read().rstrip(b"\n").split(b"\n")
    return _read(lines[-1].decode("utf-8", "replace"))


def _append(path: Path, line: str) -> None:
    """Add a line to the end, on its own even behind one that was torn, and wait for the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.lseek(descriptor, 0, os.SEEK_END)
        torn = False
        if size:
            os.lseek(descriptor, size - 1, os.SEEK_SET)
            torn = os.read(descriptor, 1) != b"\n"
        raw = (("\n" if torn else "") + line + "\n").encode()
        written = 0
        while written < len(raw):
            written += os.write(descriptor, raw[written:])
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(path: Path, text: str) -> None:
    fresh = path.with_suffix(".tmp")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)


def verify(settings: Settings, anchors: dict[int, str]) -> list[str]:
    """Say all that is wrong with the log, in words; nothing means that it is whole.

    ``anchors`` are heads that were kept elsewhere: number of an entry → its hash.
    """
    folder = folder_of(settings)
    path = folder / LOG
    text = path.read_bytes().decode("utf-8", "replace") if path.exists() else ""
    found, wrong = _chain(text)
    last = max(found, default=0)
    kept = dict(anchors)
    if (folder / HEAD).exists():
        try:
            told = json.loads((folder / HEAD).read_text("utf-8"))
            kept[int(told["n"])] = str(told["hash"])
            if last > int(told["n"]) + 1:
                wrong.append(f"{HEAD} stops at entry {told['n']}, the log goes on to {last}")
        except (ValueError, KeyError, TypeError):
            wrong.append(f"{HEAD} cannot be read")
    elif found:
        wrong.append(f"{HEAD} is missing")
    for n, hash_ in sorted(kept.items()):
        if n not in found:
            wrong.append(f"entry {n} was written and is missing: the log was cut")
        elif found[n] != hash_:
            wrong.append(f"entry {n} is not the one that was written")
    return wrong


def _chain(text: str) -> tuple[dict[int, str], list[str]]:
    """Follow the chain; return number → hash of its entries and what is wrong with it."""
    found: dict[int, str] = {}
    wrong: list[str] = []
    before = Head(0, START)
    for line, raw in enumerate(text.split("\n")[: -1 if text.endswith("\n") else None], start=1):
        entry = _read(raw)
        if entry is None or not isinstance(entry.get("n"), int):
            wrong.append(f"line {line} is no entry: torn or changed")
            continue
        made = hash_of(entry)
        if entry.get("hash") != made:
            wrong.append(f"line {line}, entry {entry['n']}: its words were changed")
        if entry["n"] != before.n + 1:
            wrong.append(
                f"line {line}: entry {entry['n']} follows entry {before.n}: "
                "entries are missing, repeated or in another order"
            )
        elif entry.get("previous") != before.hash:
            wrong.append(f"line {line}, entry {entry['n']} does not follow the one before it")
        before = Head(entry["n"], made)
        found[entry["n"]] = made
    return found, wrong
