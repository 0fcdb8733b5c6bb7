"""What a run says: to the caller's progress bar or stream, and to ``logs/``."""

import json
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl.ledger import FileResult, RunResult

#: Called at each step with its name and facts.
Tell = Callable[..., None]


class Journal:
    """Tell each step; a log that cannot be written is said once and stops nothing."""

    def __init__(self, data_dir: Path, result: RunResult, tell: Tell) -> None:
        self.data_dir = data_dir
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

    def error(self, error: BaseException) -> None:
        """Keep where an internal error came from; values of rows are not in a traceback."""
        frames = traceback.format_tb(error.__traceback__)
        self._write({"step": "error", "error": repr(error), "trace": frames})

    def end(self) -> None:
        """Tell the result, and keep it for ``status``."""
        told = self.result.as_json() | {
            "outcome": self.result.outcome,
            "exit_code": self.result.exit_code,
            "ended_at": _now(),
        }
        self("end", **told)
        if not self.result.dry_run:
            path = self.data_dir / "state" / "last_run.json"
            fresh = path.with_suffix(".tmp")
            self._try(
                path.parent, lambda: (fresh.write_text(_json(told), "utf-8"), fresh.replace(path))
            )

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
