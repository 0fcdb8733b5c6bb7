"""Read and check files without a warehouse."""

import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from etl.ahead import One, Reading
from etl.find import Found, Seen, find
from etl.ledger import Counts, FileResult, RunResult, count_reasons
from etl.staging import SourceFile, Staged
from warehouse.settings import Settings

ROWS_TOLD = 10  #: rejected rows of a file that are told one by one


def check(settings: Settings, paths: list[Path], work: Path) -> RunResult:
    """Stage each file into a temporary folder and say what the contract makes of its rows."""
    clock = time.monotonic()
    result = RunResult(f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-check", dry_run=True)
    key = secrets.token_hex(32).encode()
    seen = Seen(work / "seen.json")
    reading = Reading(One(work, settings, key))
    for found in find(settings.inbox, paths, set(), seen, settings.settle_seconds):
        if found.source is None or found.status != "new":
            result.files.append(_unread(found))
        else:
            result.files += _checked(found.source, reading)
    result.seconds = time.monotonic() - clock
    return result


def _unread(found: Found) -> FileResult:
    """Say why a file is not read."""
    sha256 = found.source.sha256 if found.source else None
    status = "known" if found.status == "new" else found.status
    return FileResult(found.name, sha256, status, message=found.message)


def _checked(source: SourceFile, reading: Reading) -> Iterator[FileResult]:
    """Stage a file, or the members of an archive."""
    for group in reading.groups([source]):
        for part in group.parts:
            staged = part if isinstance(part, Staged) else reading.one.read(part)
            if isinstance(staged, Exception):
                yield _failed(source if isinstance(part, Staged) else part, staged)
            else:
                yield _result(staged)


def _failed(source: SourceFile, error: Exception) -> FileResult:
    """Say that an error stopped this file; the others are still checked."""
    message = f"{source.name}: internal error: {type(error).__name__}: {error}"
    return FileResult(source.name, source.sha256, "failed", message=message)


def _result(staged: Staged) -> FileResult:
    """Say what the contract makes of a file's rows."""
    source = staged.source
    if staged.procedures is not None:
        staged.procedures.unlink()
    rejected = staged.rejected.height
    counts = Counts(read=staged.read, inserted=staged.read - rejected, rejected=rejected)
    status = "refused" if staged.refusal else "partly" if rejected else "loaded"
    reasons = count_reasons(staged.rejected["rules"].to_list())
    told = staged.rejected.select("line", "reasons").sort("line").head(ROWS_TOLD).rows()
    return FileResult(
        source.name, source.sha256, status, staged.profile, counts, reasons, staged.message, told
    )
