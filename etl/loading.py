"""The files of one run on their way into the warehouse: read, merged, told one by one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from etl.ahead import Group, One, Outcome, Reading, opened
from etl.entered import as_log
from etl.find import Found, unchanged
from etl.journal import Journal
from etl.ledger import FileResult
from etl.limits import disk_is_full
from etl.merge import Merge
from etl.privacy import without_values
from etl.staging import SourceFile, Staged, renamed

#: Dose reports are small: this many are merged together.
REPORTS_AT_ONCE = 500


def stopped_by(error: Exception) -> str:
    """Say what stopped the work; a full disk by its name, since a person can act on it."""
    text = f"{type(error).__name__}: {error}"
    if disk_is_full(error) or "No space left on device" in text:
        return f"the disk is full: free space, the next run does the work ({text})"
    return text


@dataclass
class Loading:
    """Takes files into a working copy; ``known`` are the files that it holds, by SHA-256."""

    merge: Merge
    one: One
    log: Journal
    known: set[str]

    def files(self, new: Sequence[Found]) -> None:
        """Read and merge the files that were found."""
        found = {one.name: one for one in new if one.source is not None}
        with Reading(self.one) as reading:
            for group in reading.groups(one.source for one in new if one.source):
                self._group(group, found, reading)

    def entered(self, entries: pl.DataFrame) -> None:
        """Merge what people entered, after the files: it may be of cases that these brought."""
        if entries.is_empty():
            return
        source = as_log(entries, self.one.work_dir)
        staged = self._fit(source, self.one.read(source), None)
        if staged is not None:
            self._merge([staged], lambda batch: [self.merge.follow_ups(batch[0])])

    def _group(self, group: Group, files: dict[str, Found], reading: Reading) -> None:
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
                self._merge([staged], lambda batch: [self.merge.follow_ups(batch[0])])
            elif staged.kind == "log":
                self._merge([staged], lambda batch: [self.merge.log(batch[0])])
            else:
                # An export and the reports that it tells of must see one another: see report_match.
                if reports and reports[0].profile != staged.profile:
                    self._merge(reports, self.merge.reports)
                    reports = []
                reports.append(staged)
            if len(reports) >= REPORTS_AT_ONCE:
                self._merge(reports, self.merge.reports)
                reports = []
        if reports:
            self._merge(reports, self.merge.reports)
        for staged in refused:
            told = renamed(staged, archive.name, shown) if archive else staged
            self._merge([told], lambda batch: [self.merge.refused(batch[0])])
        if archive is not None and not self._left(archive.name):
            self._merge([opened(replace(archive, name=shown))], self.merge.reports)

    def _left(self, archive: str) -> bool:
        """Say whether a member of an archive was left for the next run."""
        return any(
            file.path.startswith(f"{archive}!") and file.status in ("failed", "busy")
            for file in self.log.result.files
        )

    def _staged(self, group: Group, files: dict[str, Found], reading: Reading) -> Iterator[Staged]:
        """Yield what the files of a group became; what is left for later is told."""
        yield from (part for part in group.parts if isinstance(part, Staged))
        sources = [part for part in group.parts if not isinstance(part, Staged)]
        if group.archive is not None:
            fresh = {source.sha256: source for source in sources if source.sha256 not in self.known}
            self.log.result.known += len(sources) - len(fresh)
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
                    self.log.warn(file.message)
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
        told = without_values(stopped_by(error))
        self.log.error(error, told)
        message = f"internal error while {doing}: {told}"
        self.log.file(FileResult(name, sha256, "failed", message=message))
