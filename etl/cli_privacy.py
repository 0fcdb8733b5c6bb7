"""Commands about patients' data: disclose, forget, export without identity, change the key."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from etl import ledger, show
from etl.cli import chosen, stop

app = typer.Typer()
PatientId = Annotated[
    str | None,
    typer.Argument(
        help="patient id as in the sources; left out, it is asked for (the shell remembers what is "
        "typed in a command)"
    ),
]


@app.command()
def disclose(
    patient_id: PatientId = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="JSON file to write; else print")
    ] = None,
) -> None:
    """Tell all that is stored of one patient."""
    from etl.patient import disclose as tell
    from etl.patient import write_disclosure

    with _words():
        told = tell(chosen(), _asked(patient_id))
        counts = {name: len(rows) for name, rows in (told["warehouse"] | told["reviews"]).items()}
        if out is None:
            print(show.as_json(told))
        else:
            write_disclosure(told, out)
            show.say(f"{sum(counts.values())} rows in {out}: {_listed(counts)}")
        if not any(counts.values()):
            show.say("nothing is stored of this patient id")


@app.command()
def forget(
    patient_id: PatientId = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask again")] = False,
) -> None:
    """Delete all that is stored of one patient, and say what remains to be done by hand."""
    from etl import forgotten
    from etl.patient import forget as delete

    with _words():
        asked = _asked(patient_id)
        if not yes:
            typer.confirm(
                "This deletes the patient's cases, reviews and history, and every older snapshot "
                "that holds them. It cannot be undone. Go on?",
                abort=True,
                err=True,
            )
        settings = chosen()
        done = delete(settings, asked)
    if not done.found:
        show.say("nothing is stored of this patient id")
    show.say(f"deleted: {_listed(done.counts)}")
    if done.snapshots_removed:
        show.say(f"older snapshots removed: {', '.join(done.snapshots_removed)}")
    for name in done.inbox_files:
        show.say(f"to do: the source file {name} still holds the patient; delete or redact it")
    for path in done.backups:
        show.say(f"to do: the backup {path} may hold the patient; make a new one and delete it")
    for path in done.far_backups:
        show.say(
            f"{path} is not there: restored here it is freed of the patient, elsewhere only with "
            f"{forgotten.path_of(settings)} copied beside it as {forgotten.beside(Path(path)).name}"
        )
    for path in done.set_aside:
        show.say(f"to do: {path}, set aside by a restore, may hold the patient; delete it")
    show.say(
        "to do: a file that names the patient again loads them again; tell the source. Copies that "
        "people took (downloads, reports, exports) and logs of other systems are theirs to delete"
    )


@app.command()
def export(
    out: Annotated[Path, typer.Option("--out", help="folder to write into")],
    deidentified: Annotated[
        bool, typer.Option("--deidentified", help="without identity: the only kind there is")
    ] = False,
    dates: Annotated[
        str, typer.Option("--dates", help="year: the year alone; shift: moved per patient")
    ] = "year",
) -> None:
    """Write the procedures without what tells who somebody is."""
    from etl.export import export as write

    if not deidentified:
        raise stop("only a de-identified export is made: add --deidentified", ledger.USAGE)
    kind: Literal["year", "shift"] = "shift" if dates == "shift" else "year"
    if dates not in ("year", "shift"):
        raise stop(f"--dates is 'year' or 'shift', not '{dates}'", ledger.USAGE)
    with _words():
        made = write(chosen(), out, kind)
    show.say(
        f"{made.table.height} procedures in {out}; {made.left_out} left out as too rare, "
        f"blanked: {_listed(made.blanked) or 'nothing'}; README.txt there says what was done"
    )


@app.command()
def rekey() -> None:
    """Add a key behind the patient pseudonyms, apply it to all, and remove older snapshots."""
    from etl.pseudonym import add_key
    from etl.publish import prune
    from etl.refresh import Asked, refresh

    with _words():
        settings = chosen()
        path = add_key(settings)
        with show.progress() as tell:
            result = refresh(settings, Asked(), tell)
        show.result(result, as_json=False)
        if result.failure is None:
            prune(settings.snapshots, 1)
            show.say(
                f"{path} has a further key: save a copy of the file apart from the backups. Older "
                "snapshots, under the former key, are removed; delete older backups"
            )
    raise typer.Exit(result.exit_code)


@app.command()
def decrypt() -> None:
    """Write all snapshots in clear; with an encryption key a refresh encrypts them by itself."""
    from etl.encrypt import decrypt as write_in_clear

    with _words():
        changed, left = write_in_clear(chosen())
    show.say(f"in clear now: {', '.join(changed) or 'nothing was encrypted'}")
    for message in left:
        show.say(message)
    show.say("to do: take the key out of the settings, or the next refresh encrypts again")


def _asked(patient_id: str | None) -> str:
    """Return the id given, or read it from the terminal unseen, or from standard input."""
    if patient_id not in (None, "-"):
        return str(patient_id)
    if sys.stdin.isatty():
        return typer.prompt("patient id", hide_input=True, err=True)
    return sys.stdin.readline().strip()


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


@contextmanager
def _words() -> Iterator[None]:
    """End a call in words where something hinders it."""
    from etl.export import NothingToExportError
    from etl.lock import AlreadyRunningError
    from etl.patient import NoWarehouseError
    from etl.publish import NewerSchemaError, NoGoodSnapshotError
    from warehouse.keys import KeyProblemError
    from warehouse.review_store import NewerReviewsError, ReviewsUnreachableError

    try:
        yield
    except AlreadyRunningError as error:
        raise stop(str(error), ledger.RUNNING) from None
    except (
        KeyProblemError, NewerSchemaError, NoGoodSnapshotError, NoWarehouseError,
        NothingToExportError, NewerReviewsError, ReviewsUnreachableError, OSError,
    ) as error:  # fmt: skip
        raise stop(str(error), ledger.USAGE) from None
