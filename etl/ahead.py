"""Read many files: archives by their members, dose reports on all cores, all in their order."""

import hashlib
import multiprocessing
import os
import shutil
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

import polars as pl

from etl.sources.archive import is_archive, members
from etl.sources.base import RefusalError
from etl.sources.dicom import is_dicom
from etl.stage import refused, stage
from etl.staging import SourceFile, Staged
from warehouse.settings import Settings

#: From so many bytes of dose reports a second process is worth its start.
WORTH_A_POOL = 1_500_000
_BATCH, _BATCH_BYTES = 16, 500_000
_HEAD = 1024

#: What became of a file: staged, or an error in Kerma.
Outcome = Staged | Exception


@dataclass(frozen=True)
class Group:
    """Files that are read together: plain ones, or the members of one archive."""

    archive: SourceFile | None
    parts: list[SourceFile | Staged]


@dataclass(frozen=True)
class One:
    """How one file is read, also in another process."""

    work_dir: Path
    settings: Settings
    key: bytes

    def read(self, source: SourceFile) -> Outcome:
        """Read one file; an error in Kerma comes back as a value."""
        try:
            return stage(source, work_dir=self.work_dir, settings=self.settings, key=self.key)
        except Exception as error:
            return error
        # No Exception at run time, whatever the stubs say: it would end the run.
        except pl.exceptions.PanicException as error:  # pyright: ignore[reportUnusedExcept]
            return RuntimeError(f"Polars stopped amid the file: {error}")

    def read_several(self, sources: Sequence[SourceFile]) -> list[Outcome]:
        """Read some files one after another."""
        return [self.read(source) for source in sources]


@dataclass
class Reading:
    """The reading of one run; its processes start when they are worth it, and end with it."""

    one: One
    _pool: ProcessPoolExecutor | None = field(default=None, init=False)

    def __enter__(self) -> "Reading":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def groups(self, sources: Iterable[SourceFile]) -> Iterator[Group]:
        """Yield files in order: plain ones together, each archive by itself, unpacked meanwhile."""
        plain: list[SourceFile | Staged] = []
        for source in sources:
            if not _is_archive(source):
                plain.append(source)
                continue
            if plain:
                yield Group(None, plain)
                plain = []
            folder = self.one.work_dir / f"unpacked-{source.sha256[:32]}"
            try:
                yield _unpacked(source, folder)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        if plain:
            yield Group(None, plain)

    def read(self, sources: Sequence[SourceFile]) -> Iterator[tuple[SourceFile, Outcome]]:
        """Yield each file with what became of it, in order; dose reports are read ahead."""
        reports = [source for source in sources if _is_dicom(source)]
        if (
            len(reports) < 2
            or sum(source.bytes for source in reports) < WORTH_A_POOL
            or _cores() < 2
        ):
            yield from ((source, self.one.read(source)) for source in sources)
            return
        ahead = {source.name for source in reports}
        outcomes = self._ahead(reports)
        for source in sources:
            yield source, next(outcomes) if source.name in ahead else self.one.read(source)

    def _ahead(self, reports: list[SourceFile]) -> Iterator[Outcome]:
        """Yield what dose reports became, a few batches ahead of whoever takes them."""
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(_cores(), mp_context=context)
        waiting: deque[tuple[list[SourceFile], Future[list[Outcome]]]] = deque()
        for batch in _batches(reports):
            waiting.append((batch, self._pool.submit(self.one.read_several, batch)))
            if len(waiting) >= 3 * _cores():
                yield from _taken(*waiting.popleft())
        while waiting:
            yield from _taken(*waiting.popleft())


def _cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _taken(batch: list[SourceFile], future: Future[list[Outcome]]) -> list[Outcome]:
    """Return a batch's outcomes; when its process died, each of its files says so."""
    try:
        return future.result()
    except BrokenProcessPool as error:
        return [error] * len(batch)


def _batches(reports: list[SourceFile]) -> Iterator[list[SourceFile]]:
    """Part files into batches of a few, large ones into smaller batches."""
    batch: list[SourceFile] = []
    size = 0
    for source in reports:
        batch.append(source)
        size += source.bytes
        if len(batch) >= _BATCH or size > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _unpacked(archive: SourceFile, folder: Path) -> Group:
    """Unpack an archive; what is not read comes back refused."""
    folder.mkdir()
    parts: list[SourceFile | Staged] = []
    try:
        for member in members(archive, folder):
            if isinstance(member, SourceFile):
                parts.append(member)
            else:
                name, why = member
                parts.append(refused(_unread(archive, name), why))
    except RefusalError as error:
        return Group(None, [refused(archive, str(error))])
    if not parts:
        return Group(None, [refused(archive, "is an archive without files: send it again")])
    return Group(archive, parts)


def _unread(archive: SourceFile, name: str) -> SourceFile:
    """Return a member that was not unpacked as a source."""
    digest = hashlib.sha256(f"{archive.sha256} {name}".encode()).hexdigest()
    return replace(archive, name=name, sha256=digest, bytes=0)


def opened(archive: SourceFile) -> Staged:
    """Return what enters an archive itself, once all its members are in: known, without rows."""
    return Staged(source=archive, profile="zip", kind="report", read=0, procedures=None)


def _is_archive(source: SourceFile) -> bool:
    try:
        return source.path.is_file() and is_archive(source.path)
    except OSError:
        return False  # its reader says what is wrong with it


def _is_dicom(source: SourceFile) -> bool:
    try:
        with source.path.open("rb") as file:
            return is_dicom(file.read(_HEAD))
    except OSError:
        return False
