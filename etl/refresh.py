"""One refresh: find what is new, stage it, merge it into a copy, publish the copy."""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from etl import marts
from etl.find import Found, Seen, find, unchanged
from etl.journal import Journal, Tell
from etl.ledger import FileResult, RunResult
from etl.lock import only_one
from etl.merge import Merge
from etl.pseudonym import KeyProblemError, load_key
from etl.publish import (
    NewerSchemaError,
    Work,
    base_snapshot,
    compare_key,
    latest_version,
    one_row,
    point_to,
    reading,
    remove_leftovers,
    run_sql,
    work_on,
)
from etl.stage import stage
from etl.staging import Staged
from warehouse.settings import Settings

#: Dose reports are small: this many are merged together.
REPORTS_AT_ONCE = 500


@dataclass(frozen=True)
class Asked:
    """What one call of ``refresh`` was asked to do."""

    paths: tuple[Path, ...] = ()
    dry_run: bool = False
    retry: bool = False  #: read files again that were refused, whole or in part


class MissingPathError(Exception):
    """A path that was named does not exist."""


def refresh(settings: Settings, asked: Asked, tell: Tell) -> RunResult:
    """Load what is new; raise only what concerns the call or the configuration."""
    for path in asked.paths:
        if not path.exists() and not path.is_symlink():
            raise MissingPathError(f"{path}: there is no such file or folder")
    run = _Run(settings, asked, tell)
    settings.inbox.mkdir(parents=True, exist_ok=True)
    clock = time.monotonic()
    with only_one(settings.data_dir / "refresh.lock"):
        try:
            run.go()
        except (KeyProblemError, NewerSchemaError) as error:
            run.result.fail(str(error))
            raise
        except Exception as error:
            run.result.fail(f"{type(error).__name__}: {error}")
            run.result.snapshot = run.base.name if run.base else None
            run.log.error(error)
        finally:
            run.result.seconds = time.monotonic() - clock
            run.log.end()
    return run.result


class _Run:
    """The state of one refresh."""

    def __init__(self, settings: Settings, asked: Asked, tell: Tell) -> None:
        self.settings = settings
        self.asked = asked
        self.started = datetime.now(UTC)
        run_id = f"{self.started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        self.result = RunResult(run_id, dry_run=asked.dry_run)
        self.log = Journal(settings.data_dir, self.result, tell)
        self.base: Path | None = None

    def go(self) -> None:
        """Do the run."""
        for run_id in remove_leftovers(self.settings.snapshots):
            self._warn(f"run {run_id} was stopped before its end; this run does its work")
        key = load_key(self.settings, create=not self.asked.dry_run)
        self.base, problems = base_snapshot(self.settings.snapshots)
        for problem in problems:
            self._warn(problem)
        if self.base is not None:
            with reading(self.base) as con:
                compare_key(con, key)
        seen = Seen(self.settings.data_dir / "state" / "seen.json")
        new = self._find(seen)
        older = self._is_older()
        if new or older:
            self._load(new, key, older)
        elif problems and self.base is not None and not self.asked.dry_run:
            point_to(self.base)
        if self.result.snapshot is None and self.base is not None:
            self.result.snapshot = self.base.name
        if not self.asked.dry_run:
            seen.save()

    def _warn(self, message: str) -> None:
        self.result.warnings.append(message)
        self.log("warning", message=message)

    def _find(self, seen: Seen) -> list[Found]:
        """Return what is to be read; enter what is not."""
        known: set[str] = set()
        if self.base is not None:
            with reading(self.base) as con:
                rows = run_sql(con, "write/known_files", retry=self.asked.retry)
            known = {sha256 for (sha256,) in rows}
        new: list[Found] = []
        paths, settle = list(self.asked.paths), self.settings.settle_seconds
        for found in find(self.settings.inbox, paths, known, seen, settle):
            if found.status == "new":
                new.append(found)
                continue
            self.result.known += found.status == "known"
            if found.status != "known" or paths:
                sha256 = found.source.sha256 if found.source else None
                self.log.file(FileResult(found.name, sha256, found.status, message=found.message))
        self.log("found", new=len(new), known=self.result.known)
        return new

    def _is_older(self) -> bool:
        """Say whether the warehouse waits for a migration: pages cannot show it until then."""
        if self.base is None:
            return False
        with reading(self.base) as con:
            return one_row(con, "write/version")[0] < latest_version()

    def _load(self, new: Sequence[Found], key: bytes, older: bool) -> None:
        """Stage and merge files into a migrated copy; publish it if it says anything new."""
        with work_on(self.settings, self.result.run_id, self.base, key) as work:
            merge = Merge(work.con, self.result.run_id, work.folder)
            self._merge_all(new, work, merge, key)
            entered = ("loaded", "partly", "refused")
            if not older and not any(file.status in entered for file in self.result.files):
                return
            self.log("derive")
            merge.finish()
            run_sql(
                work.con,
                "write/run_done",
                **asdict(self.result.totals),
                run_id=self.result.run_id,
                started_at=self.started,
                outcome=self.result.outcome,
                files=len(self.result.files),
                message="; ".join(self.result.warnings) or None,
            )
            self.log("marts")
            anew = merge.base == 0 or merge.absorbed > 0 or work.migrated
            marts.make(work.con, merge.base, anew)
            self.log("check")
            merge.check()
            if not self.asked.dry_run:
                self.log("publish")
                self.result.snapshot = work.publish(self.started).name

    def _merge_all(self, new: Sequence[Found], work: Work, merge: Merge, key: bytes) -> None:
        reports: list[Staged] = []
        for found in new:
            staged = self._stage(found, work, key)
            if staged is None:
                continue
            if staged.refusal is not None:
                self._merge([staged], lambda batch: [merge.refused(batch[0])])
            elif staged.kind == "report":
                reports.append(staged)
            else:
                self._merge([staged], lambda batch: [merge.log(batch[0])])
            if len(reports) >= REPORTS_AT_ONCE:
                self._merge(reports, merge.reports)
                reports = []
        if reports:
            self._merge(reports, merge.reports)

    def _stage(self, found: Found, work: Work, key: bytes) -> Staged | None:
        """Read one file; None when it is left for later or an error in Kerma stopped it."""
        source = found.source
        if source is None:
            return None
        self.log("read", file=source.name, bytes=source.bytes)
        try:
            staged = stage(source, work_dir=work.folder, settings=self.settings, key=key)
        except Exception as error:
            self._failed(source.name, source.sha256, "reading", error)
            return None
        if not unchanged(found):
            message = "changed while it was read: left for the next run"
            self.log.file(FileResult(source.name, source.sha256, "busy", message=message))
            return None
        return staged

    def _merge(
        self, batch: list[Staged], merge: Callable[[list[Staged]], list[FileResult]]
    ) -> None:
        """Merge files; an error takes back only these, one by one when they came together."""
        source = batch[0].source
        self.log("merge", file=source.name, files=len(batch))
        try:
            for file in merge(batch):
                self.log.file(file)
        except Exception as error:
            if len(batch) > 1:
                for staged in batch:
                    self._merge([staged], merge)
                return
            self._failed(source.name, source.sha256, "merging", error)
        for staged in batch:
            if staged.procedures is not None:
                staged.procedures.unlink(missing_ok=True)

    def _failed(self, name: str, sha256: str, doing: str, error: Exception) -> None:
        self.log.error(error)
        message = f"internal error while {doing}: {type(error).__name__}: {error}"
        self.log.file(FileResult(name, sha256, "failed", message=message))
