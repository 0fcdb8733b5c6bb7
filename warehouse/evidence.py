"""The evidence store: published studies, shipped and added, as checked rows.

Shipped files lie in ``warehouse/data/evidence``, a site's own in ``data_dir/evidence/*.csv`` with
the columns of ``Result``. A row that breaks the model is reported with file, row, column and remedy
and never drawn; the good rows of the same file are.
"""

import csv
import io
import itertools
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from warehouse.reference import DATA

SHIPPED = DATA / "evidence"
ADDED = "added.csv"
LARGEST_FILE = 5_000_000

Measure = Literal[
    "MD", "SMD", "ROM", "RR", "OR", "RD", "PROPORTION", "MEAN", "MEDIAN", "PERCENTILE"
]
Kind = Literal["continuous", "events", "effect", "figure"]
Number = float | None
ARM_NUMBERS = ("n", "mean", "sd", "median", "q1", "q3", "min", "max", "events")


class EvidenceError(ValueError):
    """Something in the evidence that a person has to correct; the text says what and how."""


class Result(BaseModel):
    """What one study says of one outcome at one time: one row.

    ``study`` names the patients: two rows of one study hold the same people. Numbers of group 1 and
    2 end in ``_1`` and ``_2``; a row without ``group_2`` describes one group. PROPORTION and RD are
    percent where ``unit`` is ``%``, fractions where it is empty.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, frozen=True)

    study: str = Field(min_length=1, max_length=80, description="first author and year")
    year: int | None = Field(None, ge=1900, le=2100)
    doi: str = Field("", pattern=r"^(10\.\d{4,9}/\S+)?$")
    source: str = Field(min_length=1, max_length=300, description="page, table or figure")
    design: str = Field("", max_length=120)
    population: str = Field("", max_length=200)
    question: str = Field(min_length=1, max_length=120, description="what is pooled together")
    outcome: str = Field(min_length=1, max_length=120)
    timepoint: str = Field("", max_length=60)
    unit: str = Field("", max_length=30)
    better: Literal["lower", "higher", ""] = ""
    group_1: str = Field("", max_length=80)
    group_2: str = Field("", max_length=80)
    n_1: int | None = Field(None, ge=1, le=100_000_000)
    mean_1: Number = None
    sd_1: Number = Field(None, gt=0)
    median_1: Number = None
    q1_1: Number = None
    q3_1: Number = None
    min_1: Number = None
    max_1: Number = None
    events_1: int | None = Field(None, ge=0)
    n_2: int | None = Field(None, ge=1, le=100_000_000)
    mean_2: Number = None
    sd_2: Number = Field(None, gt=0)
    median_2: Number = None
    q1_2: Number = None
    q3_2: Number = None
    min_2: Number = None
    max_2: Number = None
    events_2: int | None = Field(None, ge=0)
    conversion: Literal["Luo and Wan", "McGrath"] = "Luo and Wan"
    measure: Measure | None = None
    effect: Number = None
    low: Number = None
    high: Number = None
    level: float = Field(0.95, gt=0.5, lt=1)
    patients: int | None = Field(None, ge=1, le=100_000_000)
    subgroup: str = Field("", max_length=80)
    covariate: Number = None
    covariate_name: str = Field("", max_length=60)
    own: str = Field("", description="the department's figure of the same kind")
    check: str = Field("", max_length=300, description="what checking the figure found")
    usable: Literal["yes", "no"] = "yes"
    published_rows: str = Field("", description="row_id in published.csv")
    note: str = Field("", max_length=800)
    entered_by: str = Field("", max_length=80)
    entered_at: str = Field("", max_length=40)

    @field_validator("*", mode="after")
    @classmethod
    def _finite(cls, value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError("write a number")
        return value

    def arm(self, which: Literal[1, 2]) -> dict[str, float | None]:
        """Return the numbers of one group by name: n, mean, sd, median, q1 …."""
        return {name: getattr(self, f"{name}_{which}") for name in ARM_NUMBERS}

    @property
    def kind(self) -> Kind:
        """Say which numbers the row has; a figure has no spread and is shown, not pooled."""
        if self.events_1 is not None:
            return "events"
        if self.mean_1 is not None or self.median_1 is not None:
            return "continuous" if _has_spread(self.arm(1)) else "figure"
        return "effect" if self.low is not None else "figure"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        given = [self.events_1 is not None, self.mean_1 is not None, self.median_1 is not None]
        if self.effect is not None:
            if any(given):
                raise ValueError("gives an effect and group numbers: keep one of them")
            self._check_effect()
            return self
        if not any(given):
            raise ValueError(
                "has no numbers: fill n_1 and events_1, n_1 with mean_1 and sd_1 or median_1 with"
                " quartiles, or effect with low and high"
            )
        two = self.group_2 != "" or any(v is not None for v in self.arm(2).values())
        for which in (1, 2) if two else (1,):
            self._check_arm(which)
        if two and (self.events_1 is None) != (self.events_2 is None):
            raise ValueError("gives events for one group only: fill events_1 and events_2")
        return self

    def _check_effect(self) -> None:
        if self.measure is None:
            raise ValueError("gives an effect without measure: write RR, OR, RD, MD, SMD …")
        if (self.low is None) != (self.high is None):
            raise ValueError("gives one end of the interval only: fill low and high, or neither")
        if self.low is None or self.high is None or self.effect is None:
            return
        if not self.low < self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}: swap them")
        if not self.low <= self.effect <= self.high:
            raise ValueError(
                f"effect {self.effect:g} lies outside {self.low:g} to {self.high:g}: read the"
                " paper's numbers again"
            )
        if self.measure in ("RR", "OR", "ROM") and self.low <= 0:
            raise ValueError(
                f"low {self.low:g} of a ratio is not above 0: enter the ratio, not its logarithm"
            )

    def _check_arm(self, which: Literal[1, 2]) -> None:
        arm = self.arm(which)
        if arm["n"] is None:
            raise ValueError(f"has no n_{which}: fill in the patients of group {which}")
        if arm["events"] is not None:
            if arm["events"] > arm["n"]:
                raise ValueError(
                    f"events_{which} {arm['events']:g} is more than n_{which} {arm['n']:g}: events"
                    " are counted in patients"
                )
            return
        if arm["mean"] is None and arm["median"] is None:
            raise ValueError(
                f"has no numbers of group {which}: fill mean_{which} or median_{which}"
            )
        if arm["mean"] is not None and arm["median"] is not None:
            raise ValueError(f"gives mean_{which} and median_{which}: keep one of them")
        if arm["mean"] is not None and arm["sd"] is None and which == 2 and self.sd_1 is not None:
            raise ValueError(f"has mean_{which} without sd_{which}: fill it in (SD = SE × √n)")
        self._check_order(arm, which)

    def _check_order(self, arm: Mapping[str, float | None], which: int) -> None:
        order = ("min", "q1", "median", "q3", "max")
        given = [(name, value) for name in order if (value := arm[name]) is not None]
        for (left, a), (right, b) in itertools.pairwise(given):
            if a > b:
                raise ValueError(f"{left}_{which} {a:g} is above {right}_{which} {b:g}: swap them")
        for left, right in (("q1", "q3"), ("min", "max")):
            if (arm[left] is None) != (arm[right] is None):
                raise ValueError(f"has one of {left}_{which} and {right}_{which}: fill both")


def _has_spread(arm: Mapping[str, float | None]) -> bool:
    """Say whether a continuous group has an SD, quartiles or a range."""
    return any(arm[name] is not None for name in ("sd", "q1", "min"))


class Study(BaseModel):
    """A study as its paper describes it."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, frozen=True)
    study: str = Field(min_length=1)
    paper: str = Field(pattern=r"^S\d$", description="the paper in which it is printed")
    citation: str
    year: int | None = None
    doi: str = ""
    country: str = ""
    design: str = ""
    population: str = ""
    n: int | None = Field(None, ge=1)
    age_mean_1: Number = None
    age_sd_1: Number = None
    n_1: int | None = None
    age_mean_2: Number = None
    age_sd_2: Number = None
    n_2: int | None = None
    conclusion: str = ""
    note: str = ""


Judgement = Literal["low", "some concerns", "high"]


class Bias(BaseModel):
    """Judgements of one trial in the five domains of RoB 2 (Sterne et al. 2019)."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, frozen=True)
    review: str
    study: str = Field(min_length=1)
    randomisation: Judgement
    deviations: Judgement
    missing_data: Judgement
    measurement: Judgement
    selection: Judgement
    overall: Judgement
    source: str = Field(min_length=1)
    note: str = ""


Certainty = Literal["high", "moderate", "low", "very low"]


class Grade(BaseModel):
    """One row of a summary of findings (GRADE)."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, frozen=True)
    review: str
    outcome: str
    measure: Measure
    effect: float
    low: float
    high: float
    patients: int = Field(ge=1)
    studies: int = Field(ge=1)
    certainty: Certainty
    reasons: str = ""
    source: str = Field(min_length=1)
    note: str = ""


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


def append(folder: Path, rows: Sequence[Result]) -> Path:
    """Add rows to the site's own file; all or none, also after a crash or beside another writer.

    Raises
    ------
    EvidenceError
        Where the file on disk has a row that breaks the model: it would otherwise be lost; or
        where a row is already there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ADDED
    with _locked(folder):
        there, bad = read_rows(_text(path), path.name) if path.exists() else ([], [])
        if bad:
            raise EvidenceError(f"correct this first, nothing was added: {bad[0]}")
        known = {_identity(row) for row in (*shipped_results(), *there)}
        for row in rows:
            if _identity(row) in known:
                raise EvidenceError(
                    f"{row.study} already has {row.outcome} {row.timepoint} under “{row.question}”:"
                    " nothing was added"
                )
            known.add(_identity(row))
        _replace(path, [*there, *rows])
    return path


def withdraw(folder: Path, row: Result, by: str, on: str) -> None:
    """Take an added row out of all analyses; it stays in the file, marked with who and when.

    Raises
    ------
    EvidenceError
        Where the row is not in the site's own file.
    """
    path = folder / ADDED
    with _locked(folder):
        there, bad = read_rows(_text(path), path.name) if path.exists() else ([], [])
        if bad:
            raise EvidenceError(f"correct this first, nothing was changed: {bad[0]}")
        if row not in there:
            raise EvidenceError(f"{row.study} is not in {path.name}: someone changed it meanwhile")
        said = f"{row.note} Withdrawn by {by or 'unknown'} on {on}.".strip()
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


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one writer at a time into the folder."""
    import fcntl

    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
