"""The evidence store: published studies, shipped and added, as checked rows.

Shipped files lie in ``warehouse/data/evidence``, a site's own in ``data_dir/evidence/*.csv`` with
the columns of ``Result``. A row that breaks the model is reported with file, row, column and remedy
and never drawn; the good rows of the same file are.
"""

import csv
import io
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from pydantic import ValidationError

from warehouse.access import Person
from warehouse.access_log import deed
from warehouse.evidence_models import Bias, EvidenceError, Grade, Number, Result, Study
from warehouse.lock import held
from warehouse.reference import DATA
from warehouse.settings import Settings

SHIPPED = DATA / "evidence"
ADDED = "added.csv"
LARGEST_FILE = 5_000_000


@dataclass(frozen=True)
class Problem:
    """What is wrong in a file, where, and what to do."""

    file: str
    row: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}, row {self.row}: {self.text}"


@dataclass(frozen=True)
class Evidence:
    """The good rows of all files, and what was wrong with the others."""

    results: tuple[Result, ...]
    problems: tuple[Problem, ...]
    own: tuple[Result, ...] = ()


def checked(row: Mapping[str, Any]) -> Result:
    """Return a row that keeps the model.

    Raises
    ------
    EvidenceError
        Naming each column that does not, its value and what to do.
    """
    given = {k: v for k, v in row.items() if v is not None and v != ""}
    try:
        return Result.model_validate(given)
    except ValidationError as error:
        raise EvidenceError("; ".join(_say(row, e) for e in error.errors())) from error


def _say(row: Mapping[str, Any], error: Any) -> str:
    """Word one of pydantic's findings with column, value and remedy."""
    message = str(error["msg"]).removeprefix("Value error, ")
    if not error["loc"]:
        return message
    column = str(error["loc"][0])
    if error["type"] == "missing":
        return f"{column} is empty: fill it in"
    if error["type"] == "extra_forbidden":
        return f"column {column} is unknown: rename or leave it out"
    remedy = {"doi": "; write it as 10.1234/abc", "study": "; write author and year"}.get(
        column, ""
    )
    return f"{column} {row.get(column)!r}: {message[0].lower()}{message[1:]}{remedy}"


def read_rows(text: str, name: str) -> tuple[list[Result], list[Problem]]:
    """Read one CSV file with the columns of ``Result``, by name, in any order.

    Lines above the header that start with ``#`` are comments. Decimal commas are accepted in a file
    that separates its columns by semicolons.
    """
    lines = text.lstrip("\ufeff").splitlines(keepends=True)
    skipped = next((i for i, line in enumerate(lines) if line.strip() and line[0] != "#"), 0)
    delimiter = max(",;\t", key=(lines[skipped] if lines else "").count)
    reader = csv.DictReader(io.StringIO("".join(lines[skipped:])), delimiter=delimiter)
    try:
        columns = [name.strip() for name in reader.fieldnames or []]
        reader.fieldnames = columns
        rows = [(reader.line_num + skipped, row) for row in reader]
    except csv.Error as error:
        return [], [Problem(name, reader.line_num + skipped, f"is no CSV: {error}")]
    unknown = [c for c in columns if c not in Result.model_fields]
    missing = [c for c in ("study", "source", "question", "outcome") if c not in columns]
    if unknown or missing:
        said = [f"unknown columns {', '.join(map(repr, unknown))}"] if unknown else []
        said += [f"missing columns {', '.join(missing)}"] if missing else []
        return [], [Problem(name, skipped + 1, f"{'; '.join(said)}: see the empty form")]
    good, bad = [], []
    for number, row in rows:
        if None in row or None in row.values():
            bad.append(Problem(name, number, f"has not {len(columns)} columns: quote text"))
            continue
        cells = _with_points(row) if delimiter == ";" else row
        try:
            good.append(checked(cells))
        except EvidenceError as error:
            bad.append(Problem(name, number, str(error)))
    return good, bad


def _with_points(row: Mapping[str, str]) -> dict[str, str]:
    """Write decimal commas of the numeric columns as points."""
    numeric = {k for k, f in Result.model_fields.items() if f.annotation in (float, Number)}
    return {k: v.replace(",", ".") if k in numeric else v for k, v in row.items()}


@lru_cache
def shipped_results() -> tuple[Result, ...]:
    """Return the project's own rows; they must all keep the model."""
    good, bad = read_rows((SHIPPED / "results.csv").read_text("utf-8"), "results.csv")
    if bad:
        raise EvidenceError("; ".join(map(str, bad)))
    return tuple(good)


@lru_cache
def shipped_studies() -> tuple[Study, ...]:
    """Return the studies of the papers."""
    return tuple(Study.model_validate(row) for row in _records("studies.csv"))


@lru_cache
def shipped_bias() -> tuple[Bias, ...]:
    """Return the risk-of-bias judgements that the papers print."""
    return tuple(Bias.model_validate(row) for row in _records("bias.csv"))


@lru_cache
def shipped_grades() -> tuple[Grade, ...]:
    """Return the summaries of findings that the papers print."""
    return tuple(Grade.model_validate(row) for row in _records("grade.csv"))


@lru_cache
def published() -> pl.DataFrame:
    """Return all figures of the papers as printed, with what checking them found."""
    return pl.read_csv(SHIPPED / "published.csv", infer_schema=False).with_columns(
        pl.col("row_id", "n").cast(pl.Int64, strict=False),
        pl.col("ci_low", "ci_high").cast(pl.Float64, strict=False),
    )


def _records(name: str) -> Iterator[dict[str, str]]:
    with (SHIPPED / name).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield {key: value for key, value in row.items() if value}


def load(folder: Path) -> Evidence:
    """Return shipped and own rows, with the problems of the own files."""
    own: list[Result] = []
    problems: list[Problem] = []
    for path in sorted(folder.glob("*.csv")) if folder.is_dir() else []:
        try:
            good, bad = read_rows(_text(path), path.name)
        except (OSError, EvidenceError) as error:
            good, bad = [], [Problem(path.name, 1, str(error))]
        own += good
        problems += bad
    return Evidence((*shipped_results(), *own), tuple(problems), tuple(own))


Judged = TypeVar("Judged", Bias, Grade)


def own_rows(folder: Path, model: type[Judged]) -> tuple[list[Judged], list[Problem]]:
    """Return a site's own risk-of-bias or certainty rows, and what is wrong with the others.

    ``folder`` holds CSV files with exactly the model's columns, in any order.
    """
    good: list[Judged] = []
    bad: list[Problem] = []
    for path in sorted(folder.glob("*.csv")) if folder.is_dir() else []:
        try:
            rows = list(csv.DictReader(io.StringIO(_text(path))))
        except (OSError, EvidenceError, csv.Error) as error:
            bad.append(Problem(path.name, 1, str(error)))
            continue
        for number, row in enumerate(rows, start=2):
            given = {k or "one column too many": v for k, v in row.items() if v}
            try:
                good.append(model.model_validate(given))
            except ValidationError as error:
                said = "; ".join(_say(given, e) for e in error.errors())
                bad.append(Problem(path.name, number, said))
    return good, bad


def _text(path: Path) -> str:
    if path.stat().st_size > LARGEST_FILE:
        raise EvidenceError(f"is larger than {LARGEST_FILE // 10**6} MB: split it")
    return decoded(path.read_bytes())


def decoded(raw: bytes) -> str:
    """Return the text of a UTF-8 file.

    Raises
    ------
    EvidenceError
        Where it is in another encoding.
    """
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise EvidenceError("is not UTF-8: save it as “CSV UTF-8”") from error


def folder_of(settings: Settings) -> Path:
    """Return the folder of a site's own evidence."""
    return settings.data_dir / "evidence"


def append(settings: Settings, rows: Sequence[Result], person: Person) -> Path:
    """Add rows to the site's own file; all or none, also after a crash or beside another writer.

    Raises
    ------
    EvidenceError
        Where the file on disk has a row that breaks the model: it would otherwise be lost; or
        where a row is already there.
    RefusedError
        Where the person's role does not change the evidence.
    """
    folder = folder_of(settings)
    path = folder / ADDED
    about = "add " + ", ".join(dict.fromkeys(row.study for row in rows))
    with deed(settings, person, "evidence", about), held(folder / ".lock"):
        there, bad = read_rows(_text(path), path.name) if path.exists() else ([], [])
        if bad:
            raise EvidenceError(f"correct this first, nothing was added: {bad[0]}")
        known = {_identity(row) for row in (*shipped_results(), *there)}
        for row in rows:
            if _identity(row) in known:
                raise EvidenceError(
                    f"{row.study} already has {row.outcome} {row.timepoint} under “{row.question}”:"
                    " nothing was added. Name other patients apart: 1972a, 1972b"
                )
            known.add(_identity(row))
        _replace(path, [*there, *rows])
    return path


def withdraw(settings: Settings, row: Result, person: Person, on: str) -> None:
    """Take an added row out of all analyses; it stays in the file, marked with who and when.

    Raises
    ------
    EvidenceError
        Where the row is not in the site's own file.
    RefusedError
        Where the person's role does not change the evidence.
    """
    folder = folder_of(settings)
    path = folder / ADDED
    with deed(settings, person, "evidence", f"withdraw {row.study}"), held(folder / ".lock"):
        there, bad = read_rows(_text(path), path.name) if path.exists() else ([], [])
        if bad:
            raise EvidenceError(f"correct this first, nothing was changed: {bad[0]}")
        if row not in there:
            raise EvidenceError(f"{row.study} is not in {path.name}: someone changed it meanwhile")
        said = f"{row.note} Withdrawn by {person.name or 'unknown'} on {on}.".strip()
        gone = row.model_copy(update={"usable": "no", "note": said[-800:]})
        _replace(path, [gone if other == row else other for other in there])


def _identity(row: Result) -> tuple[str, ...]:
    state = row.note if row.usable == "no" else ""
    key = (row.study, row.question, row.outcome, row.timepoint, row.group_1, row.group_2)
    return (*(part.casefold() for part in (*key, row.subgroup)), state)


def as_csv(rows: Iterable[Result]) -> str:
    """Write rows with all columns; no rows give the empty form."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(Result.model_fields), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: "" if v is None else v for k, v in row.model_dump().items()})
    return out.getvalue()


def _replace(path: Path, rows: Sequence[Result]) -> None:
    """Write a file beside the old one and swap it in."""
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".added-", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(as_csv(rows))
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, 0o644)
        os.replace(beside, path)
    finally:
        Path(beside).unlink(missing_ok=True)
