"""What the command line shows: tables and a progress bar for people, JSON for programs."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import polars as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from etl.journal import Tell
from etl.ledger import RunResult

COUNTS = ("read", "inserted", "updated", "unchanged", "duplicate", "rejected")


def say(message: str) -> None:
    """Print a sentence to people, leaving standard output to results."""
    print(message, file=sys.stderr)


def as_json(told: dict[str, Any]) -> str:
    """Write what is told as one JSON object."""
    return json.dumps(told, default=str, ensure_ascii=False)


@contextmanager
def progress() -> Iterator[Tell]:
    """Give a function that shows steps: a bar on a terminal, else one JSON line each."""
    if not sys.stderr.isatty():
        yield _json_line
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} files", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("looking for files", total=0)

        def tell(step: str, **facts: Any) -> None:
            if step == "found":
                bar.update(task, total=facts["new"])
            elif step == "file" and facts["status"] != "known":
                bar.advance(task)
            elif step == "warning":
                bar.console.print(Text(facts["message"], style="yellow"))
            else:
                bar.update(task, description=f"{step} {facts.get('file', '')}".strip())

        yield tell


def _json_line(step: str, **facts: Any) -> None:
    if step != "end":  # its facts are the result, which is printed anyway
        at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        line = json.dumps({"at": at, "step": step} | facts, ensure_ascii=False, default=str)
        print(line, file=sys.stderr, flush=True)


def result(run: RunResult, as_json: bool) -> None:
    """Print what a run did."""
    if as_json:
        print(json.dumps(run.as_json(), ensure_ascii=False))
        return
    if run.files:
        _console().print(_file_table(run))
    for file in run.files:
        if file.message:
            named = file.message.startswith(file.path)
            print(file.message if named else f"{file.path}: {file.message}")
        elif file.reasons:
            rules = ", ".join(f"{rule} {count}" for rule, count in file.reasons.items())
            print(f"{file.path}: rejected for {rules}")
        for line, reasons in file.rejected_rows:
            print(f"{file.path}:{line}  {'; '.join(reasons)}")
        if file.rejected_rows and (more := file.counts.rejected - len(file.rejected_rows)):
            print(f"{file.path}: {more} more rejected rows")
    print(_sentence(run))
    if run.totals.rejected and not run.dry_run:
        print("python -m etl rejected lists the rejected rows with their reasons.")
    if run.failure:
        say(f"internal error: {run.failure}; the snapshot in service is untouched")


def _console() -> Console:
    """Give a console that is never too narrow for the counts when nobody looks at it."""
    return Console() if sys.stdout.isatty() else Console(width=160)


def _file_table(run: RunResult) -> Table:
    table = Table("file", "status", *COUNTS)
    table.columns[0].overflow = "fold"
    for column in table.columns[1:]:
        column.no_wrap = True
    for column in table.columns[2:]:
        column.justify = "right"
    for file in run.files:
        counts = (str(getattr(file.counts, name)) for name in COUNTS)
        table.add_row(Text(file.path), file.status, *counts)
    return table


def _sentence(run: RunResult) -> str:
    totals = run.totals
    if run.outcome == "nothing":
        told = f"Nothing new; {run.known} known files."
    else:
        changed = (
            f"{totals.inserted} inserted, {totals.updated} updated, {totals.rejected} rejected"
        )
        told = f"{totals.read} rows read: {changed}."
    where = "nothing was written" if run.dry_run else f"snapshot {run.snapshot or 'none yet'}"
    return f"{told} {run.seconds:.1f} s, {where}."


def status(state: dict[str, Any], as_json: bool) -> None:
    """Print where the installation stands."""
    if as_json:
        print(json.dumps(state, ensure_ascii=False, default=str))
        return
    table = Table(show_header=False)
    for name, value in state.items():
        if not isinstance(value, dict | list):
            table.add_row(name.replace("_", " "), Text("none" if value is None else str(value)))
    _console().print(table)


def rejected(rows: pl.DataFrame) -> None:
    """Print rejected rows with their reasons."""
    for row in rows.iter_rows(named=True):
        place = f"{row['path']}:{row['line']}" if row["line"] is not None else row["path"]
        print(f"{place}  {'; '.join(row['reasons'])}")
    files = rows["line"].null_count()
    told = f"{rows.height - files} rejected rows"
    print(f"{told}, {files} refused files" if files else told)
