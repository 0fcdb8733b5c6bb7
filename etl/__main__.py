"""Command line: ``python -m etl …``."""

import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from etl import cli_privacy, ledger, show
from etl.cli import chosen as _settings
from etl.cli import stop as _stop
from etl.ledger import RunResult
from warehouse.settings import Settings, shown

app = typer.Typer(
    help="Load procedure logs and dose reports into the warehouse.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.registered_commands += cli_privacy.app.registered_commands
Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]


@app.command()
def refresh(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="files or folders; else the inbox")
    ] = None,
    as_json: Json = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would happen")] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="read files again that were refused, whole or in part")
    ] = False,
) -> None:
    """Load what is new in the inbox, or in the paths given, and publish it."""
    result = _refresh(_settings(), tuple(paths or ()), dry_run, retry, as_json)
    raise typer.Exit(result.exit_code)


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(help="files or folders")], as_json: Json = False
) -> None:
    """Say what would load and what would be rejected, without a warehouse; nothing is written."""
    from etl.check import check as check_paths

    _must_exist(paths)
    with tempfile.TemporaryDirectory(prefix="kerma-check-") as work:
        result = check_paths(_settings(), paths, Path(work))
    show.result(result, as_json)
    raise typer.Exit(result.exit_code)


@app.command()
def status(as_json: Json = False) -> None:
    """Say what is loaded, how fresh it is and how the last run ended.

    Exit code for monitoring: 0 fresh, 1 stale, 2 failed or nothing loaded.
    """
    from etl.status import FAILED, FRESH, STALE
    from etl.status import status as state

    told = state(_shown())
    show.status(told, as_json)
    raise typer.Exit({"fresh": FRESH, "stale": STALE}.get(told["health"], FAILED))


@app.command()
def rollback(
    to: Annotated[str | None, typer.Option("--to", help="snapshot; else the one before")] = None,
    show_them: Annotated[bool, typer.Option("--list", help="only list the snapshots kept")] = False,
) -> None:
    """Return to an older snapshot; take a bad file out of the inbox before the next refresh."""
    from etl.lock import AlreadyRunningError
    from etl.rollback import RollbackError, choices
    from etl.rollback import rollback as back

    if show_them:
        for name, in_service, written in choices(_settings()):
            print(f"{name}  {written:%Y-%m-%d %H:%M:%S %Z}{'  in service' if in_service else ''}")
        return
    try:
        former, now = back(_settings(), to)
    except AlreadyRunningError as error:
        raise _stop(str(error), ledger.RUNNING) from None
    except RollbackError as error:
        raise _stop(str(error), ledger.USAGE) from None
    show.say(f"{now} is in service, no longer {former}")


@app.command()
def backup(
    out: Annotated[Path, typer.Option("--out", help="tar file to write")],
    with_key: Annotated[
        bool, typer.Option("--with-key", help="also the key behind the patient pseudonyms")
    ] = False,
) -> None:
    """Save the snapshot in service, reviews, rules and other state in one checked file."""
    from etl.backup import BackupError
    from etl.backup import backup as save
    from etl.lock import AlreadyRunningError

    try:
        saved = save(_settings(), out, with_key=with_key)
    except AlreadyRunningError as error:
        raise _stop(str(error), ledger.RUNNING) from None
    except (BackupError, OSError) as error:
        raise _stop(str(error), ledger.USAGE) from None
    show.say(f"{saved.members} files, {saved.bytes:,} bytes in {saved.path}")
    if not saved.with_key:
        show.say("the pseudonym key is not in it: keep a copy of it elsewhere")


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="file that `backup` wrote")],
    replace: Annotated[
        bool, typer.Option("--replace", help="set the present state aside first")
    ] = False,
) -> None:
    """Bring a backup back, all of it or nothing."""
    from etl.backup import BackupError
    from etl.lock import AlreadyRunningError
    from etl.publish import NewerSchemaError
    from etl.restore import restore as bring_back
    from warehouse.keys import KeyProblemError

    try:
        done = bring_back(_settings(), source, replace=replace)
    except AlreadyRunningError as error:
        raise _stop(str(error), ledger.RUNNING) from None
    except (BackupError, KeyProblemError, NewerSchemaError, OSError) as error:
        raise _stop(str(error), ledger.USAGE) from None
    show.say(f"restored into {_settings().data_dir}")
    if done.forgotten:
        show.say(f"patients forgotten since that backup, deleted again: {done.forgotten}")
    if done.aside:
        show.say(f"the former state lies in {done.aside}")


@app.command()
def rejected(
    run: Annotated[str | None, typer.Option("--run", help="one run instead of all")] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            "--export", help="write the rows as CSV, read again from their files, to be corrected"
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="also those resolved since")] = False,
) -> None:
    """List the rejected rows that wait for a correction."""
    from etl.rejected import export_rejected
    from etl.status import rejected_rows

    chosen = _shown()
    rows = rejected_rows(chosen, run, everything)
    if export is None:
        show.rejected(rows)
        return
    for line in export_rejected(rows, export, chosen):
        show.say(line)


@app.command()
def alerts(as_json: Json = False) -> None:
    """Judge what the rules in force have not judged yet; a refresh does it too."""
    from etl.alerts import find
    from warehouse.review_store import NewerReviewsError, ReviewsUnreachableError

    chosen = _settings()
    try:
        found = find(chosen).as_json()
    except (NewerReviewsError, ReviewsUnreachableError) as error:
        raise _stop(str(error), ledger.USAGE) from None
    if as_json:
        print(json.dumps(found))
    else:
        show.say(", ".join(f"{value} {name}" for name, value in found.items()))


@app.command("verify-log")
def verify_log(as_json: Json = False) -> None:
    """Say whether the access log is whole: nothing cut, changed or put in another order.

    Exit code: 0 whole, 1 not whole.
    """
    from etl.journal import anchors
    from warehouse.access_log import entries, verify

    chosen = _settings()
    try:
        kept = anchors(chosen.data_dir)
    except (ValueError, OSError) as error:
        raise _stop(f"a log of the refresh cannot be read: {error}", ledger.USAGE) from None
    wrong, n = verify(chosen, kept), len(entries(chosen))
    if as_json:
        print(json.dumps({"entries": n, "anchors": len(kept), "whole": not wrong, "wrong": wrong}))
    else:
        for words in wrong:
            print(words)
        show.say(f"{n} entries, {len(kept)} heads kept by refreshes: "
                 f"{'NOT WHOLE' if wrong else 'whole'}")  # fmt: skip
    raise typer.Exit(1 if wrong else 0)


@app.command()
def demo(
    rows: Annotated[int, typer.Option(min=1, help="procedures")] = 12_000,
    seed: Annotated[int, typer.Option(help="the same seed makes the same rows")] = 1,
    out: Annotated[Path | None, typer.Option(help="folder for the files")] = None,
    if_empty: Annotated[
        bool,
        typer.Option(
            "--if-empty", help="load them too, apart from your own, unless there is a warehouse"
        ),
    ] = False,
) -> None:
    """Make realistic logs with known answers (planted.json says which)."""
    from etl.demo import write

    own = _settings()
    apart = own.demo().model_copy(update={"settle_seconds": 0.0})
    if if_empty and (own.has_warehouse or apart.has_warehouse):
        return
    if out is None and not if_empty:
        raise typer.BadParameter("say where to write the files", param_hint="--out")
    folder = out or apart.inbox
    write(folder, rows, seed)
    show.say(f"{rows} demo procedures in {folder}")
    if if_empty:
        asked = () if out is None else (out,)
        raise typer.Exit(_refresh(apart, asked, False, False, False).exit_code)


@app.command()
def receive(
    port: Annotated[int, typer.Option(min=1, max=65535, help="port to listen on")] = 11112,
    ae_title: Annotated[str, typer.Option("--ae-title", help="our AE title")] = "KERMA",
    allow: Annotated[
        list[str] | None, typer.Option("--allow", help="AE title that may send; repeat; else any")
    ] = None,
    bind: Annotated[str, typer.Option(help="address to listen on; else all")] = "",
) -> None:
    """Receive dose reports from scanners into the inbox until stopped (SIGTERM, Ctrl-C)."""
    from etl.receive import Receiver, ReceiverError, serve, tell_line

    try:
        serve(Receiver(_settings().inbox, ae_title, port, allow or (), bind, tell_line))
    except ReceiverError as error:
        raise _stop(str(error), ledger.USAGE) from None


@app.command()
def columns(out: Annotated[Path, typer.Option(help="Markdown file to write")]) -> None:
    """Write the documentation page of the log's columns."""
    from etl.columns import columns_markdown

    out.write_text(columns_markdown(), "utf-8")


def _refresh(
    chosen: Settings, paths: tuple[Path, ...], dry_run: bool, retry: bool, as_json: bool
) -> RunResult:
    from etl.lock import AlreadyRunningError
    from etl.publish import NewerSchemaError
    from etl.refresh import Asked, MissingPathError
    from etl.refresh import refresh as run
    from warehouse.keys import KeyProblemError

    try:
        with show.progress() as tell:
            result = run(chosen, Asked(paths, dry_run, retry), tell)
    except AlreadyRunningError as error:
        raise _stop(str(error), ledger.RUNNING) from None
    except (MissingPathError, KeyProblemError, NewerSchemaError) as error:
        raise _stop(str(error), ledger.USAGE) from None
    except OSError as error:
        message = f"{error.filename or chosen.data_dir}: {error.strerror or error}"
        raise _stop(f"Kerma cannot write there: {message}", ledger.USAGE) from None
    show.result(result, as_json)
    return result


def _shown() -> Settings:
    _settings()
    return shown()


def _must_exist(paths: list[Path]) -> None:
    for path in paths:
        if not path.exists():
            raise _stop(f"{path}: there is no such file or folder", ledger.USAGE)


def main() -> None:
    """Run the command line; text is UTF-8 whatever the terminal says."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")
    app()


if __name__ == "__main__":
    main()
