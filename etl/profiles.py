"""Site layouts: which column of a file is which column of the log, recognised by the header."""

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from etl import units
from etl.contract import ProcedureRow, unit_of
from etl.follow_up import COLUMNS, MOMENT, REQUIRED
from etl.words import word_map

SHIPPED = Path(__file__).parent / "profiles"


class ProfileError(ValueError):
    """A profile file that cannot be used; the message names file, entry and remedy."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Origin(_Strict):
    """Where a column of the log comes from: a column of the file, or several joined by a blank."""

    columns: tuple[str, ...] = Field(min_length=1)
    unit: str | None = None
    clock: Literal["mm:ss", "hh:mm"] | None = None
    first_of: bool = Field(False, description="take the first that is filled instead of joining")

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        """Accept a bare column name, or ``column`` for one column."""
        if isinstance(value, str):
            return {"columns": [value]}
        if isinstance(value, dict) and "column" in value:
            return {k: v for k, v in value.items() if k != "column"} | {
                "columns": [value["column"]]
            }
        return value


#: Identifiers of what is no patient, unless a profile says otherwise.
NO_PATIENT = r"(?i)(^|[^a-z])(phantom|physics|qa|test|quality ?control)([^a-z]|$)"


class Pattern(_Strict):
    """A regular expression that marks a test patient when it is found in one of the columns."""

    columns: tuple[str, ...]
    pattern: str

    @model_validator(mode="after")
    def _compiles(self) -> "Pattern":
        """Refuse an expression that Polars cannot use."""
        try:
            pl.select(pl.lit("").str.contains(self.pattern))
        except pl.exceptions.ComputeError as error:
            raise ValueError(f"'{self.pattern}' is no regular expression: {error}") from error
        return self


class TestRule(_Strict):
    """How a file marks test patients and phantoms."""

    __test__ = False

    not_empty: tuple[str, ...] = ()
    patterns: tuple[Pattern, ...] = ()


class Refuse(_Strict):
    """Rows that are none, recognised by the start of a cell."""

    column: str
    starts_with: str
    reason: str


class Profile(_Strict):
    """One layout of files."""

    name: str
    title: str = ""
    kind: Literal["log", "report", "followup"] = "log"
    dialect: Literal["openrem_ct", "openrem_rf"] | None = None
    requires: tuple[str, ...] = Field(description="columns by which the header is recognised")
    decimal: Literal[".", ","] | None = None
    time_zone: str | None = None
    default_site: str | None = None
    missing: tuple[str, ...] = ()
    date_formats: tuple[str, ...] = ()
    datetime_formats: tuple[str, ...] = ()
    columns: dict[str, Origin]
    words: dict[str, dict[str, str]] = {}
    constants: dict[str, str] = {}
    identifiers: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    test: TestRule = TestRule()
    refuse: tuple[Refuse, ...] = ()
    #: Times that share one date column and go back have passed midnight.
    rolls_over: bool = False
    #: Pattern of repeated column groups, with their number as its group.
    extend_long_rows: str | None = None

    @model_validator(mode="after")
    def _known(self) -> "Profile":
        """Refuse names, words and units that the log does not have."""
        known = COLUMNS if self.kind == "followup" else ProcedureRow.model_fields
        for field in (*self.columns, *self.words, *self.constants):
            if field not in known:
                raise ValueError(f"'{field}' is no column of the log (docs/columns.md)")
        for field, added in self.words.items():
            word_map(field, added)
        for field, origin in self.columns.items():
            info = ProcedureRow.model_fields.get(field)
            canonical = unit_of(info) if info else None
            if origin.unit and (not canonical or units.factor(origin.unit, canonical) is None):
                raise ValueError(f"{field}: unit '{origin.unit}' is not one of {canonical}")
        return self

    def fits(self, header: Sequence[str]) -> bool:
        """Say whether a header has all columns by which this layout is recognised."""
        names = {plain(name) for name in header}
        return all(plain(name) in names for name in self.requires)


def plain(name: str) -> str:
    """Return a column name without case, outer blanks and repeated blanks."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


@cache
def load(folder: Path) -> tuple[Profile, ...]:
    """Read every profile of a folder, by name."""
    return tuple(_read(path) for path in sorted(folder.glob("*.toml")))


def _read(path: Path) -> Profile:
    try:
        return Profile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ProfileError(f"{path.name}: no TOML that can be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "profile"
        raise ProfileError(f"{path.name}: {where}: {_plainly(first['msg'])}") from error


def _plainly(message: str) -> str:
    """Return what was said without the library's own word for it."""
    return message.removeprefix("Value error, ")


def recognise(header: Sequence[str], own: Path | None) -> Profile | None:
    """Return the layout of a header: a site's own, a shipped one, the plain log or follow-ups."""
    for folder in (own, SHIPPED):
        fitting = [p for p in (load(folder) if folder else ()) if p.fits(header)]
        if fitting:
            return max(fitting, key=lambda profile: len(profile.requires))
    return canonical(header) or follow_up(header)


def follow_up(header: Sequence[str]) -> Profile | None:
    """Return the layout of a follow-up log, or none."""
    columns = follow_up_columns(header)
    if any(name not in columns for name in REQUIRED) or not any(n in columns for n in MOMENT):
        return None
    return Profile(
        name="follow-up",
        title="follow-up log",
        kind="followup",
        requires=(),
        columns={name: Origin.model_validate(sent) for name, sent in columns.items()},
    )


def follow_up_columns(header: Sequence[str]) -> dict[str, str]:
    """Return which column of a header is which of a follow-up log."""
    names = {word: name for name, other in COLUMNS.items() for word in (name, *other)}
    found: dict[str, str] = {}
    for sent in header:
        name = names.get(plain(sent))
        if name in found:
            raise ProfileError(f"columns '{found[name]}' and '{sent}' both mean {name}: keep one")
        if name:
            found[name] = sent
    return found


#: Short names of quantities that may stand with a unit in brackets: ``KAP (cGy·cm²)``.
_SHORT = {
    "kap": "kap_gycm2", "dap": "kap_gycm2", "pka": "kap_gycm2", "air kerma": "air_kerma_mgy",
    "ka,r": "air_kerma_mgy", "reference air kerma": "air_kerma_mgy", "dose": "dose_mgy",
    "dlp": "dlp_mgycm", "ctdivol": "ctdi_vol_mgy", "ctdi vol": "ctdi_vol_mgy",
    "ssde": "ssde_mgy", "peak skin dose": "peak_skin_dose_mgy", "fluoro time": "fluoro_time_s",
    "fluoroscopy time": "fluoro_time_s", "duration": "duration_min", "weight": "weight_kg",
    "height": "height_cm", "age": "age_years",
}  # fmt: skip
_BRACKET = re.compile(r"^(?P<name>.+?)\s*[(\[](?P<unit>[^)\]]+)[)\]]$")


def field_of(name: str) -> tuple[str, str | None] | None:
    """Return the log's column that a header names, and the unit in its brackets."""
    found = _BRACKET.match(name.strip())
    bare, unit = (plain(found["name"]), found["unit"]) if found else (plain(name), None)
    joined = bare.replace(" ", "_")
    if joined in ProcedureRow.model_fields:
        return joined, unit
    short = _SHORT.get(bare.replace("_", " "))
    return (short, unit) if short and unit else None


def canonical(header: Sequence[str]) -> Profile | None:
    """Return the layout of a log that needs no profile, or none."""
    columns: dict[str, Any] = {}
    for name in header:
        found = field_of(name)
        if found is None:
            continue
        field, unit = found
        if field in columns:
            raise ProfileError(
                f"columns '{columns[field]['columns'][0]}' and '{name}' both mean {field}: keep one"
            )
        columns[field] = {"columns": [name], "unit": unit}
    if missing_columns(columns):
        return None
    try:
        return Profile(
            name="log",
            title="procedure log",
            requires=(),
            columns=columns,
            test=_plain_test(columns),
        )
    except ValidationError as error:
        told = _plainly(error.errors()[0]["msg"])
        field = told.partition(":")[0]
        name = columns[field]["columns"][0] if field in columns else field
        raise ProfileError(f"column '{name}': {told}; correct the header") from error


def _plain_test(columns: dict[str, Any]) -> TestRule:
    """Watch the identifiers of a plain log for what is no patient."""
    watched = [columns[n]["columns"][0] for n in ("patient_id", "accession_number") if n in columns]
    return TestRule(patterns=(Pattern(columns=tuple(watched), pattern=NO_PATIENT),))


def missing_columns(fields: Iterable[str]) -> list[str]:
    """Return what a log cannot do without among its columns."""
    have = set(fields)
    lacking = [] if "modality" in have else ["modality"]
    if not have & {"performed_on", "procedure_start_at"}:
        lacking.append("performed_on (or procedure_start_at)")
    return lacking
