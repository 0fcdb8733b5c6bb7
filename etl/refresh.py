"""One refresh: find what is new, stage it, merge it into a copy, publish the copy."""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl

from etl import marts
from etl.ahead import Group, One, Outcome, Reading, opened
from etl.alerts import find as find_alerts
from etl.encrypt import bring_up
from etl.entered import as_log
from etl.find import Found, Seen, find, unchanged
from etl.follow_up import UNPLACED
from etl.journal import Journal, Tell
from etl.ledger import FileResult, RunResult
from etl.limits import disk_is_full
from etl.lock import only_one
from etl.merge import Merge
from etl.notify import notify
from etl.privacy import REMOVED, without_values
from etl.pseudonym import load_key
from etl.publish import (
    NewerSchemaError,
    Work,
    base_snapshot,
    compare_key,
    latest_version,
    one_row,
    point_to,
    remove_leftovers,
    run_sql,
    work_on,
)
from etl.rekey import rekey
from etl.staging import SourceFile, Staged, renamed
from warehouse.confirmed_names import confirmed_names
from warehouse.connect import current_snapshot, reading
from warehouse.entries import entries_after
from warehouse.keys import KeyProblemError
from warehouse.procedures import procedures
from warehouse.review_store import NewerReviewsError, ReviewsUnreachableError
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
            run.alerts()
        except (KeyProblemError, NewerSchemaError) as error:
            run.result.fail(str(error))
            raise
        except Exception as error:
            run.result.fail(_told(error))
            run.result.snapshot = run.base.name if run.base else None
            run.log.error(error)
        finally:
            run.result.seconds = time.monotonic() - clock
            run.log.end()
            run.notify()
    return run.result


def _told(error: Exception) -> str:
    """Say what stopped the work; a full disk by its name, since a person can act on it."""
    text = f"{type(error).__name__}: {error}"
    if disk_is_full(error) or "No space left on device" in text:
        return f"the disk is full: free space, the next run does the work ({text})"
    return text


class _Run:
    """The state of one refresh."""

    def __init__(self, settings: Settings, asked: Asked, tell: Tell) -> None:
        self.settings = settings
        self.asked = asked
        self.started = datetime.now(UTC)
        run_id = f"{self.started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        self.result = RunResult(run_id, dry_run=asked.dry_run)
        self.log = Journal(settings, self.result, tell)
        self.base: Path | None = None
        self.known: set[str] = set()

    def go(self) -> None:
        """Do the run."""
        for run_id in remove_leftovers(self.settings.snapshots):
            self._warn(f"run {run_id} was stopped before its end; this run does its work")
        key = load_key(self.settings, create=not self.asked.dry_run)
        self.base, problems = base_snapshot(self.settings.snapshots)
        for problem in problems:
            self._warn(problem)
        if not self.asked.dry_run:
            self._encrypt()
        added = b""
        if self.base is not None:
            with reading(self.base) as con:
                added = compare_key(con, key)
        seen = Seen(self.settings.data_dir / "state" / "seen.json")
        new = self._find(seen)
        due = bool(added) or self._is_older() or self._names_wait()
        if new or due or self._entries_wait():
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
            self._warn(f"encrypted under the key in force: {', '.join(changed)}")
        for message in left:
            self._warn(message)

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
            self._warn(f"alerts were not found, the next run does it: {error}")

    def notify(self) -> None:
        """Send the message about this run; what hinders it is logged and changes nothing."""
        try:
            problem = notify(self.settings, self.result)
        except Exception as error:
            self.log.error(error)
            problem = f"the message about this run was not sent: {type(error).__name__}"
        if problem:
            self._warn(problem)

    def _warn(self, message: str) -> None:
        self.result.warnings.append(message)
        self.log("warning", message=message)

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

    def _is_older(self) -> bool:
        """Say whether the warehouse waits for a migration: pages cannot show it until then."""
        if self.base is None:
            return False
        with reading(self.base) as con:
            return one_row(con, "write/version")[0] < latest_version()

    def _names_wait(self) -> bool:
        """Say whether a person gave a code to a name that past procedures have."""
        confirmed = self._confirmed()
        if self.base is None or confirmed.is_empty() or self._is_older():
            return False
        with reading(self.base) as con:
            (waiting,) = one_row(
                con,
                "write/names_waiting",
                names=confirmed["name"].to_list(),
                codes=confirmed["procedure_code"].to_list(),
            )
        return waiting > 0

    def _confirmed(self) -> pl.DataFrame:
        """Return the names that people gave a code, with what follows from the code."""
        known = procedures().select(
            procedure_code="code", procedure_family="family", region="region"
        )
        try:
            named = confirmed_names(self.settings)
        except (NewerReviewsError, ReviewsUnreachableError) as error:
            message = f"confirmed names wait for the next run: {error}"
            if message not in self.result.warnings:
                self._warn(message)
            named = pl.DataFrame(schema={"name": pl.String, "procedure_code": pl.String})
        return named.join(known, on="procedure_code")

    def _entered(self, con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
        """Return what people entered in the app and this warehouse does not hold yet."""
        (last,) = one_row(con, "write/entries_merged")
        try:
            return entries_after(self.settings, last)
        except (NewerReviewsError, ReviewsUnreachableError) as error:
            message = f"entered outcomes wait for the next run: {error}"
            if message not in self.result.warnings:
                self._warn(message)
            return pl.DataFrame()

    def _entries_wait(self) -> bool:
        """Say whether a person entered an outcome since the last load."""
        if self.base is None or self._is_older():
            return False
        with reading(self.base) as con:
            return self._entered(con).height > 0

    def _load(self, new: Sequence[Found], key: bytes, due: bool) -> None:
        """Stage and merge files into a migrated copy; publish it if it says anything new."""
        with work_on(self.settings, self.result.run_id, self.base, key) as work:
            merge = Merge(work.con, self.result.run_id, work.folder)
            if work.added_keys:
                count = rekey(work.con, key, work.added_keys, work.folder)
                self._warn(f"{count} patients have new pseudonyms, under the key that was added")
            self._merge_all(new, work, merge, key)
            self._merge_entered(work, merge, key)
            entered = ("loaded", "partly", "refused")
            if not due and not any(file.status in entered for file in self.result.files):
                return
            self.log("derive")
            renamed = merge.finish(self._confirmed())
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

    def _merge_entered(self, work: Work, merge: Merge, key: bytes) -> None:
        """Merge what people entered, after the files: it may be of cases that these brought."""
        entries = self._entered(work.con)
        if entries.is_empty():
            return
        source = as_log(entries, work.folder)
        staged = self._fit(source, One(work.folder, self.settings, key).read(source), None)
        if staged is not None:
            self._merge([staged], lambda batch: [merge.follow_ups(batch[0])])

    def _tell_unplaced(self, merge: Merge) -> None:
        """Say which follow-ups of this run are kept and not counted."""
        for state, (n, n_new) in merge.unplaced().items():
            if n_new:
                self._warn(f"follow-ups of this run {UNPLACED[state]}: {n_new}; {n} in all")

    def _merge_all(self, new: Sequence[Found], work: Work, merge: Merge, key: bytes) -> None:
        files = {found.name: found for found in new if found.source is not None}
        with Reading(One(work.folder, self.settings, key)) as reading:
            for group in reading.groups(found.source for found in new if found.source):
                self._merge_group(group, files, reading, merge)

    def _merge_group(
        self, group: Group, files: dict[str, Found], reading: Reading, merge: Merge
    ) -> None:
        """Merge files that are read together; an archive counts as read when its members do.

        A member may show that the archive's name is a patient's: what was refused unread comes
        last, and is told under the name that is left.
        """
        archive = group.archive
        shown = archive.name if archive else ""
        reports: list[Staged] = []
        refused: list[Staged] = []
        for staged in self._staged(group, files, reading):
            if archive and not staged.source.name.startswith(f"{archive.name}!"):
                shown = staged.source.name.partition("!")[0]
            if staged.refusal is not None:
                refused.append(staged)
            elif staged.kind == "followup":
                self._merge([staged], lambda batch: [merge.follow_ups(batch[0])])
            elif staged.kind == "log":
                self._merge([staged], lambda batch: [merge.log(batch[0])])
            else:
                # An export and the reports that it tells of must see one another: see report_match.
                if reports and reports[0].profile != staged.profile:
                    self._merge(reports, merge.reports)
                    reports = []
                reports.append(staged)
            if len(reports) >= REPORTS_AT_ONCE:
                self._merge(reports, merge.reports)
                reports = []
        if reports:
            self._merge(reports, merge.reports)
        for staged in refused:
            told = renamed(staged, archive.name, shown) if archive else staged
            self._merge([told], lambda batch: [merge.refused(batch[0])])
        if archive is not None and not self._left(archive.name):
            self._merge([opened(replace(archive, name=shown))], merge.reports)

    def _left(self, archive: str) -> bool:
        """Say whether a member of an archive was left for the next run."""
        return any(
            file.path.startswith(f"{archive}!") and file.status in ("failed", "busy")
            for file in self.result.files
        )

    def _staged(self, group: Group, files: dict[str, Found], reading: Reading) -> Iterator[Staged]:
        """Yield what the files of a group became; what is left for later is told."""
        yield from (part for part in group.parts if isinstance(part, Staged))
        sources = [part for part in group.parts if not isinstance(part, Staged)]
        if group.archive is not None:
            fresh = {source.sha256: source for source in sources if source.sha256 not in self.known}
            self.result.known += len(sources) - len(fresh)
            sources = list(fresh.values())
        for source, outcome in reading.read(sources):
            if isinstance(outcome, Staged) and outcome.refusal is None:
                self.log("read", file=outcome.source.name, bytes=source.bytes)
            staged = self._fit(source, outcome, files.get((group.archive or source).name))
            if staged is not None:
                self.known.add(source.sha256)
                yield staged

    def _fit(self, source: SourceFile, outcome: Outcome, found: Found | None) -> Staged | None:
        """Return what a file became; None when it is left for later or an error stopped it."""
        if isinstance(outcome, Exception):
            self._failed(source.name, source.sha256, "reading", outcome)
            return None
        if found is not None and not unchanged(found):
            message = "changed while it was read: left for the next run"
            self.log.file(FileResult(source.name, source.sha256, "busy", message=message))
            return None
        return outcome

    def _merge(
        self, batch: list[Staged], merge: Callable[[list[Staged]], list[FileResult]]
    ) -> None:
        """Merge files; an error takes back only these, one by one when they came together."""
        source = batch[0].source
        self.log("merge", file=source.name, files=len(batch))
        try:
            for file in merge(batch):
                self.log.file(file)
                if file.status == "loaded" and file.message:
                    self._warn(file.message)
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
        told = without_values(_told(error))
        self.log.error(error, told)
        message = f"internal error while {doing}: {told}"
        self.log.file(FileResult(name, sha256, "failed", message=message))
