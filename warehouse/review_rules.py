"""Outlier rules as people change them: versions with day, person and reason, none ever removed."""

import hashlib
import json
from datetime import date
from typing import Annotated, Any, Literal

import polars as pl
import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from warehouse.access import Person
from warehouse.access_log import deed
from warehouse.procedures import regions
from warehouse.review_store import frame, now, reading, writing
from warehouse.review_tables import rule_version
from warehouse.reviews import ReviewError
from warehouse.settings import Settings

RuleChange = Literal["add", "change", "on", "off", "confirm"]
RuleKind = Literal[
    "trigger", "own_percentile", "robust_limit", "reference_multiple", "patient_sum", "unit_ratio"
]
Quantity = Literal[
    "air_kerma_mgy", "kap_gycm2", "fluoro_time_s", "peak_skin_dose_mgy", "dlp_mgycm",
    "ctdi_vol_mgy", "ssde_mgy",
]  # fmt: skip
Level = Literal["notification", "follow-up", "local", "screening", "data check"]
UNITS: dict[str, str] = {
    "air_kerma_mgy": "mGy", "kap_gycm2": "Gy·cm²", "fluoro_time_s": "s",
    "peak_skin_dose_mgy": "mGy", "dlp_mgycm": "mGy·cm", "ctdi_vol_mgy": "mGy", "ssde_mgy": "mGy",
}  # fmt: skip
WINDOWED = ("own_percentile", "robust_limit", "patient_sum")
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=1000)]


class RuleVersion(BaseModel):
    """One version of a rule as an RSO writes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule_id: Annotated[
        str,
        StringConstraints(
            strip_whitespace=True, to_upper=True, pattern=r"^[A-Za-z][A-Za-z0-9_]{2,39}$"
        ),
    ]
    change: RuleChange
    active: bool
    kind: RuleKind
    quantity: Quantity
    level: Level
    threshold: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    unit: str | None = None
    modality: Literal["CT", "fluoroscopy"] | None = None
    procedure_code: str | None = None
    age_from_years: float | None = Field(default=None, ge=0, le=130)
    age_to_years: float | None = Field(default=None, gt=0, le=130)
    region: str | None = None  #: one body region, or several: ``lumbar|sacral``
    ctdi_phantom_cm: Literal[16, 32] | None = None
    room: str | None = None
    window_months: int | None = Field(default=None, ge=1, le=120)
    valid_from: date
    valid_to: date | None = None  #: first day on which it holds no more
    source: Words
    url: str | None = None
    note: str | None = None
    why: Words

    @model_validator(mode="after")
    def _make_sense(self) -> "RuleVersion":
        """Refuse a rule that could judge nothing, or judge unlike by unlike."""
        if self.kind != "unit_ratio" and self.threshold is None:
            raise ValueError("threshold: a positive number is needed")
        if self.kind in WINDOWED and self.window_months is None:
            raise ValueError("window: months are needed for this kind of rule")
        if self.kind in ("own_percentile", "robust_limit") and self.quantity == "ctdi_vol_mgy":
            raise ValueError(
                "quantity: CTDIvol of 16 and 32 cm phantoms has no common distribution; take DLP"
            )
        if self.kind == "patient_sum" and self.quantity in ("ctdi_vol_mgy", "ssde_mgy"):
            raise ValueError("quantity: CTDIvol and SSDE do not add up over cases; take DLP")
        if self.ctdi_phantom_cm is not None and self.modality != "CT":
            raise ValueError("phantom: only CT has one; choose modality CT")
        strange = set((self.region or "").split("|")) - {"", *regions()}
        if strange:
            raise ValueError(f"region: {', '.join(sorted(strange))} is no region of a procedure")
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError(f"the rule would end ({self.valid_to}) before it begins")
        low, high = self.age_from_years, self.age_to_years
        if low is not None and high is not None and low >= high:
            raise ValueError(f"age: from {low:g} must lie below to {high:g}")
        return self


def record(settings: Settings, version: RuleVersion, person: Person, seen: int) -> int:
    """Keep a version and return its number; ``seen`` is the newest number its writer knew.

    Raises
    ------
    ReviewError
        Where another version of this rule was recorded since, or nobody is named.
    RefusedError
        Where the person's role or sites do not allow it: a rule holds at every site.
    """
    if not person.name.strip():
        raise ReviewError("who changes the rule is not known: sign in, or set KERMA_USER")
    row = version.model_dump() | {
        "unit": _unit(version),
        "person": person.name,
        "recorded_at": now(),
    }
    newest = sa.select(sa.func.max(rule_version.c.id)).where(
        rule_version.c.rule_id == version.rule_id
    )
    about = f"{version.change} {version.rule_id}"
    with deed(settings, person, "rule", about), writing(settings) as con:
        if con.dialect.name == "postgresql":
            con.execute(sa.select(sa.func.pg_advisory_xact_lock(RULES_LOCK)))
        known = con.execute(newest).scalar() or 0
        if known > seen:
            raise ReviewError(
                f"{version.rule_id} was changed by somebody else meanwhile; nothing was written: "
                "look at its history, then change it again"
            )
        return con.execute(
            rule_version.insert().values(row).returning(rule_version.c.id)
        ).scalar_one()


RULES_LOCK = 7_430_120


def _unit(version: RuleVersion) -> str | None:
    fixed = version.kind in ("trigger", "patient_sum")
    return UNITS[version.quantity] if fixed else version.unit


def versions(settings: Settings) -> pl.DataFrame:
    """Return every version that was ever recorded, in order of recording."""
    with reading(settings) as con:
        return frame(con, sa.select(rule_version).order_by(rule_version.c.id))


def fingerprint(periods: pl.DataFrame, levels: pl.DataFrame | None = None) -> str:
    """Return a short text that differs when any rule in force differs, or a level it multiplies."""
    rows: list[dict[str, Any]] = periods.sort("rule_id", "valid_from").to_dicts()
    if levels is not None:
        rows += levels.sort(levels.columns).to_dicts()
    text = json.dumps(rows, default=str, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
