"""Zip archives: their members are read one by one, one level deep, within limits."""

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from etl.limits import DAMAGED_ZIP, HIGHEST_RATIO, SMALL, disk_is_full
from etl.sources.base import RefusalError
from etl.staging import SourceFile

#: What one archive may hold; beyond it is an attack or a mistake.
MOST_MEMBERS = 20_000
LARGEST_MEMBER = 1 * 2**30
LARGEST_TOTAL = 4 * 2**30
_SMALL = 1 * 2**20
_CHUNK = 2**20
#: Workbooks are zip files too: these parts tell them from archives.
_WORKBOOK = ("[Content_Types].xml", "mimetype")


def is_archive(path: Path) -> bool:
    """Say whether a file is a zip archive and no workbook, by its content."""
    with path.open("rb") as file:
        if file.read(4) not in (b"PK\x03\x04", b"PK\x05\x06"):
            return False
    if path.suffix.lower() in (".xlsx", ".xlsm", ".ods"):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return not set(_WORKBOOK) & set(archive.namelist())
    except DAMAGED_ZIP:
        return True  # damaged: refused by what unpacks it


def members(source: SourceFile, folder: Path) -> Iterator[SourceFile | tuple[str, str]]:
    """Unpack into a folder; yield each member as a source, or its name and why it is refused."""
    try:
        with zipfile.ZipFile(source.path) as archive:
            infos = [info for info in archive.infolist() if not info.filename.endswith("/")]
            _refuse_archive(infos, source.path.stat().st_size)
            left = LARGEST_TOTAL
            for number, info in enumerate(infos):
                if _ignored(info.filename):
                    continue
                name = f"{source.name}!{_shown(info.filename)}"
                try:
                    _refuse_member(info)
                    path = folder / f"{number}{_suffix(info.filename)}"
                    left -= _unpack(archive, info, path, left)
                except RefusalError as error:
                    yield name, str(error)
                    continue
                yield _member(source, name, path)
    except DAMAGED_ZIP as error:
        if disk_is_full(error):
            raise
        raise RefusalError(f"is a damaged zip archive ({error}): send it again") from error


def member(archive: Path, name: str, folder: Path) -> Path | None:
    """Unpack the one member that messages call by a name; none where the archive lacks it."""
    try:
        with zipfile.ZipFile(archive) as packed:
            info = next((i for i in packed.infolist() if _shown(i.filename) == name), None)
            if info is None:
                return None
            _refuse_member(info)
            path = folder / f"member{_suffix(info.filename)}"
            _unpack(packed, info, path, LARGEST_TOTAL)
    except DAMAGED_ZIP as error:
        if disk_is_full(error):
            raise
        raise RefusalError(f"is a damaged zip archive ({error}): send it again") from error
    return path


def _refuse_archive(infos: list[zipfile.ZipInfo], packed_bytes: int) -> None:
    """Refuse an archive that holds more than it may, or several times over."""
    if len(infos) > MOST_MEMBERS:
        raise RefusalError(
            f"holds {len(infos):,} files, more than {MOST_MEMBERS:,}: split the archive"
        )
    size = sum(info.file_size for info in infos)
    if size > LARGEST_TOTAL:
        raise RefusalError(
            f"unpacks to {size:,} bytes, more than {LARGEST_TOTAL:,}: split the archive"
        )
    if size > SMALL and size > HIGHEST_RATIO * packed_bytes:
        raise RefusalError("is packed more tightly than real archives are: send the files unpacked")


def _refuse_member(info: zipfile.ZipInfo) -> None:
    """Refuse a member by what the archive says of it."""
    parts = PurePosixPath(info.filename.replace("\\", "/")).parts
    drive = len(info.filename) > 1 and info.filename[1] == ":"
    if not parts:
        raise RefusalError("has no name: give it one and pack it again")
    if info.filename.startswith(("/", "\\")) or ".." in parts or drive:
        raise RefusalError("has a path that leaves the archive: rename it and pack it again")
    if info.external_attr >> 16 & 0o170000 == 0o120000:
        raise RefusalError("is a link, no file: pack the file itself")
    if info.flag_bits & 0x1:
        raise RefusalError("is protected by a password: pack it without one")
    if info.file_size > LARGEST_MEMBER:
        raise RefusalError(f"unpacks to {info.file_size:,} bytes, more than {LARGEST_MEMBER:,}")
    if info.file_size > _SMALL and info.file_size > HIGHEST_RATIO * max(info.compress_size, 1):
        raise RefusalError("is packed more tightly than real files are: send it unpacked")
    if PurePosixPath(info.filename).suffix.lower() == ".zip":
        raise RefusalError("is an archive within an archive: unpack it, one level is read")


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, left: int) -> int:
    """Write a member to a file of ours, and never more than it said; return its size."""
    written = 0
    try:
        with archive.open(info) as packed, path.open("wb") as plain:
            while block := packed.read(_CHUNK):
                written += len(block)
                if written > min(left, max(info.file_size, 0)):
                    raise RefusalError("unpacks to more than the archive says: send it again")
                plain.write(block)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise RefusalError(f"cannot be unpacked ({error}): send it again") from error
    with path.open("rb") as file:
        if file.read(4) == b"PK\x03\x04" and is_archive(path):
            raise RefusalError("is an archive within an archive: unpack it, one level is read")
    return written


def _member(source: SourceFile, name: str, path: Path) -> SourceFile:
    """Return a member as a source of its own; it is as old as its archive."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return replace(source, path=path, name=name, sha256=digest, bytes=path.stat().st_size)


def _ignored(name: str) -> bool:
    """Say whether a member is what systems leave in archives."""
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or (bool(parts) and parts[-1].startswith((".", "~$")))


def _shown(name: str) -> str:
    """Return a member's name fit for a message."""
    return "".join(char if char.isprintable() else "?" for char in name)[:300]


def _suffix(name: str) -> str:
    """Return the suffixes that say how a file is read."""
    suffixes = [part for part in PurePosixPath(name).suffixes[-2:] if part[1:].isalnum()]
    return "".join(suffixes)[:20]
