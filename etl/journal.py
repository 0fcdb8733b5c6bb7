"""What a run says: to the caller's progress bar or stream, and to ``logs/``."""

import json
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl.ledger import FileResult, RunResult
from warehouse.access_log import folder_of, head
from warehouse.settings import Settings

#: Step of the journal that says how far the access log had come.
ACCESS_LOG = "access_log"
#: Called at each step with its name and facts.
Tell = Callable[..., None]


class Journal:
    """Tell each step; a log that cannot be written is said once and stops nothing."""

    def __init__(self, settings: Settings, result: RunResult, tell: Tell) -> None:
        self.settings = settings
        self.data_dir = settings.data_dir
        self.result = result
        self.tell = tell
        self.broken = False

    def __call__(self, step: str, **facts: Any) -> None:
        """Tell one step."""
        self.tell(step, **facts)
        self._write({"step": step} | facts)

    def file(self, file: FileResult) -> None:
        """Tell what became of a file and keep it in the result."""
        self.result.files.append(file)
        self("file", **file.as_json())

    def warn(self, message: str) -> None:
        """Tell what a person should know, once, and keep it in the result."""
        if message not in self.result.warnings:
            self.result.warnings.append(message)
            self("warning", message=message)

    def error(self, error: BaseException, told: str | None = None) -> None:
        """Keep where an internal error came from; values of rows are not in a traceback.

        ``told`` stands for the error's own text where that may hold some.
        """
        frames = traceback.format_tb(error.__traceback__)
        self._write({"step": "error", "error": told or repr(error), "trace": frames})

    def end(self) -> None:
        """Tell the result, and keep it for ``status``."""
        told = self.result.as_json() | {
            "outcome": self.result.outcome,
            "exit_code": self.result.exit_code,
            "ended_at": _now(),
        }
        self._anchor()
        self("end", **told)
        if not self.result.dry_run:
            path = self.data_dir / "state" / "last_run.json"
            fresh = path.with_suffix(".tmp")
            self._try(
                path.parent, lambda: (fresh.write_text(_json(told), "utf-8"), fresh.replace(path))
            )

    def _anchor(self) -> None:
        """Keep how far the access log has come, apart from it: a cut at its end then shows."""
        found = head(folder_of(self.settings))
        if found is not None:
            self._write({"step": ACCESS_LOG, "n": found.n, "hash": found.hash})

    def _write(self, entry: dict[str, Any]) -> None:
        folder = self.data_dir / "logs"
        line = _json({"at": _now(), "run_id": self.result.run_id} | entry)

        def append() -> None:
            name = f"refresh-{datetime.now(UTC):%Y-%m}.jsonl"
            with (folder / name).open("a", encoding="utf-8") as file:
                file.write(line + "\n")

        self._try(folder, append)

    def _try(self, folder: Path, write: Callable[[], Any]) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write()
        except OSError as error:
            if not self.broken:
                self.broken = True
                self.tell("warning", message=f"the log cannot be written: {error}")


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def _json(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)


def anchors(data_dir: Path) -> dict[int, str]:
    """Return how far the access log had come at the end of each run: number → hash.

    Raises
    ------
    ValueError
        Where a line that should say it cannot be read.
    """
    found: dict[int, str] = {}
    for path in sorted((data_dir / "logs").glob("refresh-*.jsonl")):
        for line in path.read_text("utf-8", "replace").splitlines():
            if f'"{ACCESS_LOG}"' not in line:
                continue
            entry = json.loads(line)
            if entry.get("step") == ACCESS_LOG:
                found[int(entry["n"])] = str(entry["hash"])
    return found
