"""The procedure log: one model of its columns, from which all checks and the documentation come."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from etl import units

Modality = Literal["CT", "fluoroscopy", "ultrasound"]
Sex = Literal["M", "F", "O", "U"]
Laterality = Literal["left", "right", "bilateral", "midline"]
Status = Literal["completed", "cancelled", "discontinued", "scheduled", "deleted"]
DoseIndex = Literal["air_kerma", "ctdi_vol", "ssde", "unspecified"]
Pregnancy = Literal["not pregnant", "possibly pregnant", "pregnant", "unknown", "not applicable"]
PainScale = Literal["NRS 0-10", "VAS 0-10", "VAS 0-100"]

EARLIEST, LATEST = date(1970, 1, 1), date(2100, 1, 1)


def _text(description: str, *, length: int = 200, identifier: bool = False) -> Any:
    """Describe a text column."""
    return Field(
        None,
        max_length=length,
        description=description,
        json_schema_extra={"identifier": identifier},
    )


def _quantity(description: str, unit: str, *, signed: bool = False) -> Any:
    """Describe a number with a unit; text may carry another unit of the same quantity."""
    return Field(
        None,
        ge=None if signed else 0.0,
        le=None if signed else units.LARGEST,
        allow_inf_nan=False,
        description=description,
        json_schema_extra={"unit": unit},
    )


def _stamp(description: str) -> Any:
    """Describe a wall-clock time of the site."""
    first, last = (datetime(day.year, day.month, day.day) for day in (EARLIEST, LATEST))
    return Field(None, ge=first, lt=last, description=description)


def _score(description: str) -> Any:
    """Describe a questionnaire score from 0 to 100."""
    return Field(None, ge=0.0, le=100.0, allow_inf_nan=False, description=description)


class ProcedureRow(BaseModel):
    """One procedure of the log, in canonical units and words."""

    model_config = ConfigDict(strict=True, extra="forbid")

    site: str = Field(min_length=1, max_length=100, description="site; blank: the default site")
    accession_number: str | None = _text(
        "accession number of the order; without one, device and start identify the procedure",
        length=100,
    )
    study_uid: str | None = _text("DICOM Study Instance UID", length=64)
    modality: Modality = Field(
        description="guidance; DICOM XA, RF, XF are fluoroscopy, US ultrasound"
    )
    second_modality: Modality | None = Field(
        None, description="second guidance where two were used"
    )
    procedure_start_at: datetime | None = _stamp("needle in")
    performed_on: date = Field(
        ge=EARLIEST, lt=LATEST, description="day of the procedure; else the day of its start"
    )
    procedure_name: str | None = _text("name as the source writes it", length=500)
    patient_id: str | None = _text(
        "patient id; stored only as a keyed hash", length=200, identifier=True
    )
    age_years: float | None = _quantity("age at the procedure", "year", signed=True)
    sex: Sex | None = Field(None, description="as in DICOM; U is unknown")
    weight_kg: float | None = _quantity("body weight", "kg", signed=True)
    height_cm: float | None = _quantity("body height", "cm", signed=True)
    pregnancy_status: Pregnancy | None = Field(None, description="pregnancy status")
    operator: str | None = _text("who performed it")
    trainee: bool | None = Field(None, description="a trainee took part")
    room: str | None = _text("room")
    device: str | None = _text("imaging system")
    levels: str | None = _text("spinal levels treated")
    n_levels: int | None = Field(None, ge=0, le=30, description="number of levels treated")
    laterality: Laterality | None = Field(None, description="side")
    status: Status = Field("completed", description="state; blank: completed")
    cancel_reason: str | None = _text("why it was cancelled or discontinued", length=500)
    is_test: bool = Field(False, description="test patient or phantom: kept out of statistics")
    ordered_at: datetime | None = _stamp("order placed")
    scheduled_at: datetime | None = _stamp("scheduled start")
    arrived_at: datetime | None = _stamp("patient arrived")
    room_in_at: datetime | None = _stamp("patient in the room")
    procedure_end_at: datetime | None = _stamp("needle out")
    room_out_at: datetime | None = _stamp("patient out of the room")
    report_signed_at: datetime | None = _stamp("report signed")
    updated_at: datetime | None = _stamp(
        "when the source last changed the row; decides what is newer"
    )
    duration_min: float | None = _quantity(
        "needle in to needle out; else from the two times", "min"
    )
    dose_mgy: float | None = _quantity("plain dose figure; dose_index says what it is", "mGy")
    dose_index: DoseIndex | None = Field(None, description="what dose_mgy is; blank: unspecified")
    air_kerma_mgy: float | None = _quantity("air kerma at the reference point", "mGy")
    kap_gycm2: float | None = _quantity("kerma-area product", "Gy·cm²")
    fluoro_time_s: float | None = _quantity("beam-on time", "s")
    ctdi_vol_mgy: float | None = _quantity("highest CTDIvol of an acquisition", "mGy")
    ctdi_phantom_cm: Literal[16, 32] | None = Field(
        None, description="phantom of CTDIvol", json_schema_extra={"unit": "cm"}
    )
    dlp_mgycm: float | None = _quantity("dose-length product, summed", "mGy·cm")
    ssde_mgy: float | None = _quantity("size-specific dose estimate", "mGy")
    peak_skin_dose_mgy: float | None = _quantity("peak skin dose", "mGy")
    complications: str | None = _text("term or term:grade, several with |, or none", length=1000)
    complication_scale: str | None = _text("scale of the grades, with its version")
    satisfaction: Literal[1, 2, 3, 4, 5] | None = Field(
        None, description="1 very dissatisfied … 5 very satisfied, or the words"
    )
    pain_scale: PainScale | None = Field(None, description="scale of the pain scores")
    pain_baseline: float | None = _score("pain before")
    pain_15min: float | None = _score("pain after 15 minutes")
    pain_1wk: float | None = _score("pain after 1 week")
    pain_2wk: float | None = _score("pain after 2 weeks")
    pain_1mo: float | None = _score("pain after 1 month")
    pain_2mo: float | None = _score("pain after 2 months")
    pain_3mo: float | None = _score("pain after 3 months")
    pain_6mo: float | None = _score("pain after 6 months")
    odi_baseline: float | None = _score("Oswestry Disability Index before, %")
    odi_1wk: float | None = _score("ODI after 1 week")
    odi_2wk: float | None = _score("ODI after 2 weeks")
    odi_1mo: float | None = _score("ODI after 1 month")
    odi_2mo: float | None = _score("ODI after 2 months")
    odi_3mo: float | None = _score("ODI after 3 months")
    odi_6mo: float | None = _score("ODI after 6 months")
    ndi_baseline: float | None = _score("Neck Disability Index before, %")
    ndi_1wk: float | None = _score("NDI after 1 week")
    ndi_2wk: float | None = _score("NDI after 2 weeks")
    ndi_1mo: float | None = _score("NDI after 1 month")
    ndi_2mo: float | None = _score("NDI after 2 months")
    ndi_3mo: float | None = _score("NDI after 3 months")
    ndi_6mo: float | None = _score("NDI after 6 months")
    contrast_pattern: str | None = _text("spread of contrast")
    injectate: str | None = _text("what was injected", length=500)

    @field_validator("*", mode="before")
    @classmethod
    def _name_unit(cls, value: Any, info: Any) -> Any:
        """Name the unit when it is why a text is no number."""
        unit = unit_of(cls.model_fields[info.field_name])
        sent = units.sent_unit(value) if unit and isinstance(value, str) else None
        if sent and unit and units.factor(sent, unit) is None:
            raise PydanticCustomError(
                "unit", "unit '{sent}' is not one of {unit}", {"sent": sent, "unit": unit}
            )
        return value

    @model_validator(mode="after")
    def _cross_fields(self) -> "ProcedureRow":
        """Apply every rule on several columns and report all that fail."""
        failed = [rule.name for rule in RULES if rule.breaks(self)]
        if failed:
            raise PydanticCustomError("rules", "columns contradict each other", {"failed": failed})
        return self


IONISING = (
    "dose_mgy",
    "air_kerma_mgy",
    "kap_gycm2",
    "fluoro_time_s",
    "ctdi_vol_mgy",
    "dlp_mgycm",
    "ssde_mgy",
    "peak_skin_dose_mgy",
)
PAIN = tuple(
    name for name in ProcedureRow.model_fields if name.startswith("pain_") and name != "pain_scale"
)


@dataclass(frozen=True)
class Rule:
    """A rule on several columns, said once for a row and once for a frame."""

    name: str
    fields: tuple[str, ...]
    message: str
    remedy: str
    breaks: Callable[[ProcedureRow], bool]
    expr: pl.Expr


def _order(first: str, last: str, remedy: str) -> Rule:
    """Demand that one time does not come before another."""

    def breaks(row: ProcedureRow) -> bool:
        start, end = getattr(row, first), getattr(row, last)
        return start is not None and end is not None and end < start

    return Rule(
        f"{last}_before_{first}",
        (first, last),
        f"{last} lies before {first}",
        remedy,
        breaks,
        pl.col(last) < pl.col(first),
    )


def _over_pain_scale(row: ProcedureRow) -> bool:
    return row.pain_scale in ("NRS 0-10", "VAS 0-10") and any(
        (getattr(row, name) or 0) > 10 for name in PAIN
    )


RULES: tuple[Rule, ...] = (
    Rule(
        "no_key",
        ("accession_number", "device", "procedure_start_at"),
        "a row without an accession number needs device and procedure_start_at",
        "fill accession_number, or device and procedure_start_at",
        lambda row: not row.accession_number and (not row.device or row.procedure_start_at is None),
        pl.col("accession_number").is_null()
        & (pl.col("device").is_null() | pl.col("procedure_start_at").is_null()),
    ),
    _order("procedure_start_at", "procedure_end_at", "correct the start or the end"),
    _order("room_in_at", "room_out_at", "correct the times in and out of the room"),
    Rule(
        "ultrasound_dose",
        ("modality", *IONISING),
        "ultrasound alone carries no dose",
        "leave the dose columns blank, or name the X-ray modality",
        lambda row: (
            row.modality == "ultrasound"
            and row.second_modality in (None, "ultrasound")
            and any(getattr(row, name) for name in IONISING)
        ),
        (pl.col("modality") == "ultrasound")
        & pl.col("second_modality").ne_missing("CT")
        & pl.col("second_modality").ne_missing("fluoroscopy")
        & pl.any_horizontal(*(pl.col(name) > 0 for name in IONISING)),
    ),
    Rule(
        "pain_scale",
        ("pain_scale", *PAIN),
        "a pain score is above the maximum of its scale",
        "correct the score or the scale",
        _over_pain_scale,
        pl.col("pain_scale").is_in(["NRS 0-10", "VAS 0-10"])
        & pl.any_horizontal(*(pl.col(name) > 10 for name in PAIN)),
    ),
)


def unit_of(info: FieldInfo) -> str | None:
    """Return the canonical unit of a column, or none."""
    extra = info.json_schema_extra
    unit = extra.get("unit") if isinstance(extra, dict) else None
    return unit if isinstance(unit, str) else None


def is_identifier(name: str) -> bool:
    """Say whether a column names a person."""
    info = ProcedureRow.model_fields.get(name)
    extra = info.json_schema_extra if info else None
    return isinstance(extra, dict) and bool(extra.get("identifier"))


def base_type(info: FieldInfo) -> Any:
    """Return a column's type without its ``None``."""
    annotation = info.annotation
    if get_origin(annotation) in (Union, UnionType):
        return next(part for part in get_args(annotation) if part is not type(None))
    return annotation


def words(info: FieldInfo) -> tuple[Any, ...]:
    """Return the values of an enumeration, or nothing."""
    kind = base_type(info)
    return get_args(kind) if get_origin(kind) is Literal else ()


def polars_type(name: str) -> pl.DataType:
    """Return the canonical Polars type of a column."""
    info = ProcedureRow.model_fields[name]
    values = words(info)
    if values:
        return pl.Int64() if isinstance(values[0], int) else pl.String()
    kinds = {str: pl.String(), float: pl.Float64(), int: pl.Int64(), bool: pl.Boolean()}
    kinds |= {date: pl.Date(), datetime: pl.Datetime("us")}
    return kinds[base_type(info)]


def bounds(info: FieldInfo) -> Mapping[str, Any]:
    """Return a column's constraints by name."""
    found: dict[str, Any] = {}
    for part in info.metadata:
        for name in ("ge", "le", "gt", "lt", "min_length", "max_length"):
            if getattr(part, name, None) is not None:
                found[name] = getattr(part, name)
    return found


def column_gate(name: str) -> list[pl.Expr]:
    """Return the expressions that are true where a typed column breaks its definition."""
    info, column = ProcedureRow.model_fields[name], pl.col(name)
    gates: list[pl.Expr] = []
    if info.is_required():
        gates.append(column.is_null())
    for bound, limit in bounds(info).items():
        match bound:
            case "ge":
                gates.append(column < pl.lit(limit))
            case "le":
                gates.append(column > pl.lit(limit))
            case "lt":
                gates.append(column >= pl.lit(limit))
            case "min_length":
                gates.append(column.str.len_chars() < limit)
            case "max_length":
                gates.append(column.str.len_chars() > limit)
            case _:
                raise ValueError(f"no gate for the constraint {bound} of {name}")
    if base_type(info) is float and "le" not in bounds(info):
        gates.append(~column.is_finite())  # a bound holds back NaN too: Polars sorts it last
    if words(info):
        gates.append(~column.is_in(list(words(info))))
    return gates


def gate(columns: list[str]) -> pl.Expr:
    """Return the expression that is true where a row of typed columns breaks the contract."""
    parts = [part for name in columns for part in column_gate(name)]
    return pl.any_horizontal(
        *(part.fill_null(False) for part in (*parts, *(r.expr for r in RULES)))
    )


#: Columns that the reader derives from others.
DERIVED: dict[str, pl.DataType] = {
    "procedure_code": pl.String(),
    "procedure_family": pl.String(),
    "region": pl.String(),
    "patient_key": pl.String(),
    "bmi": pl.Float64(),
    "extra": pl.String(),
    "flags": pl.List(pl.String),
    "source_line": pl.Int64(),
}


@cache
def staged_schema() -> pl.Schema:
    """Return the columns of ``Staged.procedures``: what a source can set, and the source line."""
    columns = {
        name: polars_type(name) for name in ProcedureRow.model_fields if not is_identifier(name)
    }
    narrow = {"n_levels": pl.Int32(), "ctdi_phantom_cm": pl.Int32(), "satisfaction": pl.Int8()}
    columns |= narrow | {"updated_at": pl.Datetime("us", "UTC")}
    return pl.Schema(columns | DERIVED)
