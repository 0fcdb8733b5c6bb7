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
    console = Console()
    if run.files:
        console.print(_file_table(run))
    for file in run.files:
        if file.message:
            named = file.message.startswith(file.path)
            console.print(Text(file.message if named else f"{file.path}: {file.message}"))
        elif file.reasons:
            rules = ", ".join(f"{rule} {count}" for rule, count in file.reasons.items())
            console.print(Text(f"{file.path}: rejected for {rules}"))
    console.print(Text(_sentence(run)))
    if run.failure:
        say(f"internal error: {run.failure}; the snapshot in service is untouched")


def _file_table(run: RunResult) -> Table:
    table = Table("file", "status", *COUNTS)
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
    Console().print(table)


def rejected(rows: pl.DataFrame) -> None:
    """Print rejected rows with their reasons."""
    console = Console()
    for row in rows.iter_rows(named=True):
        place = f"{row['path']}:{row['line']}" if row["line"] is not None else row["path"]
        console.print(Text(f"{place}  {'; '.join(row['reasons'])}"))
    console.print(Text(f"{rows.height} rejected rows"))
