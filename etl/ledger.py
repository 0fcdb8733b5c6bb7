"""What a refresh did, file by file; the counts of every file balance."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

Status = Literal["loaded", "partly", "refused", "known", "busy", "unreadable", "failed"]
#: A file of these was looked at and did not load whole.
TROUBLE = ("partly", "refused", "unreadable", "failed")

OK, WITH_REJECTS, USAGE, RUNNING, NOTHING_LOADED, INTERNAL = range(6)


@dataclass
class Counts:
    """Rows of one file, or of all: ``read`` is the sum of the others."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicate: int = 0
    rejected: int = 0

    def balanced(self) -> bool:
        """Say whether every row that was read went somewhere, and only once."""
        parts = self.inserted + self.updated + self.unchanged + self.duplicate + self.rejected
        return self.read == parts

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Counts)))


@dataclass
class FileResult:
    """What became of one file."""

    path: str
    sha256: str | None
    status: Status
    profile: str | None = None
    counts: Counts = field(default_factory=Counts)
    reasons: dict[str, int] = field(default_factory=dict)
    message: str | None = None
    rejected_rows: list[tuple[int | None, list[str]]] = field(default_factory=list)
    """The first rejected rows, line and reasons, for people; only `check` fills it."""

    def as_json(self) -> dict[str, Any]:
        """Return the entry of ``files`` in the output of ``refresh --json``."""
        told = {"path": self.path, "sha256": self.sha256, "profile": self.profile}
        told |= {"status": self.status} | asdict(self.counts) | {"reasons": self.reasons}
        return told | ({"message": self.message} if self.message else {})


@dataclass
class RunResult:
    """What became of one run."""

    run_id: str
    files: list[FileResult] = field(default_factory=list)
    known: int = 0
    snapshot: str | None = None
    seconds: float = 0.0
    failure: str | None = None
    dry_run: bool = False
    warnings: list[str] = field(default_factory=list)
    alerts: dict[str, Any] | None = None
    alerts_failure: str | None = None

    def fail(self, why: str) -> None:
        """Note that nothing was published: no file counts as loaded."""
        self.failure = why
        for file in self.files:
            if file.status in ("loaded", "partly", "refused"):
                file.status, file.counts, file.reasons = "failed", Counts(), {}
                file.message = "not loaded: the run failed"

    @property
    def totals(self) -> Counts:
        """Return the sum over all files."""
        return sum((file.counts for file in self.files), Counts())

    @property
    def exit_code(self) -> int:
        """Return the exit code that the command line promises."""
        if self.failure:
            return INTERNAL
        tried = [file for file in self.files if file.status not in ("known", "busy")]
        if not any(file.status in TROUBLE for file in tried):
            return WITH_REJECTS if self.alerts_failure else OK
        if any(file.status in ("loaded", "partly") and _took(file.counts) for file in tried):
            return WITH_REJECTS
        return INTERNAL if all(file.status == "failed" for file in tried) else NOTHING_LOADED

    @property
    def outcome(self) -> str:
        """Return the word for table ``run``."""
        if self.failure:
            return "failed"
        if not any(file.status not in ("known", "busy") for file in self.files):
            return "nothing"
        return "ok" if self.exit_code == OK else "rejected"

    def as_json(self) -> dict[str, Any]:
        """Return the one object that ``refresh --json`` prints."""
        told: dict[str, Any] = {
            "run_id": self.run_id,
            "files": [file.as_json() for file in self.files],
            "totals": {"files": len(self.files), "known": self.known} | asdict(self.totals),
            "snapshot": self.snapshot,
            "seconds": round(self.seconds, 3),
        }
        if self.alerts is not None:
            told["alerts"] = self.alerts
        if self.dry_run:
            told["dry_run"] = True
        if self.warnings:
            told["warnings"] = self.warnings
        return told | ({"failure": self.failure} if self.failure else {})


def _took(counts: Counts) -> bool:
    return counts.read == 0 or counts.rejected < counts.read


def count_reasons(rules: Iterable[Iterable[str]]) -> dict[str, int]:
    """Count the rules that rejected rows broke, most frequent first."""
    counted: dict[str, int] = {}
    for row in rules:
        for rule in row:
            counted[rule] = counted.get(rule, 0) + 1
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
