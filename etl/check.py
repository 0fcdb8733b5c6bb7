"""Read and check files without a warehouse."""

import secrets
import time
from datetime import UTC, datetime
from pathlib import Path

from etl.find import Found, Seen, find
from etl.ledger import Counts, FileResult, RunResult, count_reasons
from etl.stage import stage
from warehouse.settings import Settings


def check(settings: Settings, paths: list[Path], work: Path) -> RunResult:
    """Stage each file into a temporary folder and say what the contract makes of its rows."""
    clock = time.monotonic()
    result = RunResult(f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-check", dry_run=True)
    key = secrets.token_hex(32).encode()
    seen = Seen(work / "seen.json")
    for found in find(settings.inbox, paths, set(), seen, settings.settle_seconds):
        result.files.append(_checked(found, settings, key, work))
    result.seconds = time.monotonic() - clock
    return result


def _checked(found: Found, settings: Settings, key: bytes, work: Path) -> FileResult:
    source = found.source
    if source is None or found.status != "new":
        sha256 = source.sha256 if source else None
        status = "known" if found.status == "new" else found.status
        return FileResult(found.name, sha256, status, message=found.message)
    staged = stage(source, work_dir=work, settings=settings, key=key)
    if staged.procedures is not None:
        staged.procedures.unlink()
    rejected = staged.rejected.height
    counts = Counts(read=staged.read, inserted=staged.read - rejected, rejected=rejected)
    status = "refused" if staged.refusal else "partly" if rejected else "loaded"
    reasons = count_reasons(staged.rejected["rules"].to_list())
    return FileResult(
        source.name, source.sha256, status, staged.profile, counts, reasons, staged.refusal
    )
