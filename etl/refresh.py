"""One refresh: find what is new, stage it, merge it into a copy, publish the copy."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from etl import marts
from etl.ahead import One
from etl.alerts import find as find_alerts
from etl.encrypt import bring_up
from etl.find import Found, Seen, find
from etl.follow_up import UNPLACED
from etl.journal import Journal, Tell
from etl.ledger import FileResult, RunResult
from etl.loading import Loading, stopped_by
from etl.lock import only_one
from etl.merge import Merge
from etl.notify import notify
from etl.privacy import REMOVED
from etl.pseudonym import load_key
from etl.publish import (
    NewerSchemaError,
    base_snapshot,
    compare_key,
    point_to,
    remove_leftovers,
    run_sql,
    work_on,
)
from etl.rekey import rekey
from etl.written import Written, is_older
from warehouse.connect import current_snapshot, reading
from warehouse.keys import KeyProblemError
from warehouse.settings import Settings


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
            run.alerts()
        except (KeyProblemError, NewerSchemaError) as error:
            run.result.fail(str(error))
            raise
        except Exception as error:
            run.result.fail(stopped_by(error))
            run.result.snapshot = run.base.name if run.base else None
            run.log.error(error)
        finally:
            run.result.seconds = time.monotonic() - clock
            run.log.end()
            run.notify()
    return run.result


class _Run:
    """The state of one refresh."""

    def __init__(self, settings: Settings, asked: Asked, tell: Tell) -> None:
        self.settings = settings
        self.asked = asked
        self.started = datetime.now(UTC)
        run_id = f"{self.started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        self.result = RunResult(run_id, dry_run=asked.dry_run)
        self.log = Journal(settings, self.result, tell)
        self.written = Written(settings, self.log.warn)
        self.base: Path | None = None
        self.known: set[str] = set()

    def go(self) -> None:
        """Do the run."""
        for run_id in remove_leftovers(self.settings.snapshots):
            self.log.warn(f"run {run_id} was stopped before its end; this run does its work")
        key = load_key(self.settings, create=not self.asked.dry_run)
        self.base, problems = base_snapshot(self.settings.snapshots)
        for problem in problems:
            self.log.warn(problem)
        if not self.asked.dry_run:
            self._encrypt()
        added = b""
        if self.base is not None:
            with reading(self.base) as con:
                added = compare_key(con, key)
        seen = Seen(self.settings.data_dir / "state" / "seen.json")
        new = self._find(seen)
        due = bool(added) or is_older(self.base) or self.written.names_wait(self.base)
        if new or due or self.written.entries_wait(self.base):
            self._load(new, key, due)
        elif self.base is not None and not self.asked.dry_run and self._link_is_elsewhere():
            point_to(self.base)
        if self.result.snapshot is None and self.base is not None:
            self.result.snapshot = self.base.name
        if not self.asked.dry_run:
            seen.save(whole=not self.asked.paths)

    def _encrypt(self) -> None:
        """Put the snapshots kept under the encryption key in force."""
        changed, left = bring_up(self.settings)
        if changed:
            self.log.warn(f"encrypted under the key in force: {', '.join(changed)}")
        for message in left:
            self.log.warn(message)

    def _link_is_elsewhere(self) -> bool:
        """Say whether readers open another file, or none: a death just before the first link."""
        return current_snapshot(self.settings.snapshots) != self.base

    def alerts(self) -> None:
        """Find alerts in what is published; a failure here leaves the load standing."""
        if self.asked.dry_run:
            return
        self.log("alerts")
        try:
            self.result.alerts = find_alerts(self.settings).as_json()
        except Exception as error:
            self.log.error(error)
            self.result.alerts_failure = f"{type(error).__name__}: {error}"
            self.log.warn(f"alerts were not found, the next run does it: {error}")

    def notify(self) -> None:
        """Send the message about this run; what hinders it is logged and changes nothing."""
        try:
            problem = notify(self.settings, self.result)
        except Exception as error:
            self.log.error(error)
            problem = f"the message about this run was not sent: {type(error).__name__}"
        if problem:
            self.log.warn(problem)

    def _find(self, seen: Seen) -> list[Found]:
        """Return what is to be read; enter what is not."""
        masked: dict[str, str] = {}
        if self.base is not None:
            with reading(self.base) as con:
                rows = run_sql(con, "write/known_files", retry=self.asked.retry)
                masked = dict(run_sql(con, "write/masked_names", mark=REMOVED))
            self.known = {sha256 for (sha256,) in rows}
        new: list[Found] = []
        paths, settle = list(self.asked.paths), self.settings.settle_seconds
        for found in find(self.settings.inbox, paths, self.known, seen, settle):
            if found.source is not None and found.source.sha256 in masked:
                found = found.named(masked[found.source.sha256])
            if found.status == "new":
                new.append(found)
                continue
            self.result.known += found.status == "known"
            if found.status != "known" or paths:
                sha256 = found.source.sha256 if found.source else None
                self.log.file(FileResult(found.name, sha256, found.status, message=found.message))
        self.log("found", new=len(new), known=self.result.known)
        return new

    def _load(self, new: Sequence[Found], key: bytes, due: bool) -> None:
        """Stage and merge files into a migrated copy; publish it if it says anything new."""
        with work_on(self.settings, self.result.run_id, self.base, key) as work:
            merge = Merge(work.con, self.result.run_id, work.folder)
            if work.added_keys:
                count = rekey(work.con, key, work.added_keys, work.folder)
                self.log.warn(f"{count} patients have new pseudonyms, under the key that was added")
            loading = Loading(merge, One(work.folder, self.settings, key), self.log, self.known)
            loading.files(new)
            loading.entered(self.written.entries(work.con))
            entered = ("loaded", "partly", "refused")
            if not due and not any(file.status in entered for file in self.result.files):
                return
            self.log("derive")
            renamed = merge.finish(self.written.names())
            self._tell_unplaced(merge)
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
            anew = merge.base == 0 or merge.absorbed > 0 or work.migrated or renamed
            marts.make(work.con, merge.base, anew)
            self.log("check")
            merge.check()
            if not self.asked.dry_run:
                self.log("publish")
                self.result.snapshot = work.publish(self.started).name

    def _tell_unplaced(self, merge: Merge) -> None:
        """Say which follow-ups of this run are kept and not counted."""
        for state, (n, n_new) in merge.unplaced().items():
            if n_new:
                self.log.warn(f"follow-ups of this run {UNPLACED[state]}: {n_new}; {n} in all")
