"""The seam between readers and the merge: what one source file became."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

import polars as pl

#: Rows that were refused. ``line`` is the physical line, the sheet row, or null for the whole file.
REJECTED = pl.Schema(
    {
        "line": pl.Int64,
        "raw_text": pl.String,
        "reasons": pl.List(pl.String),
        "rules": pl.List(pl.String),
        "site": pl.String,
        "accession_number": pl.String,
    }
)

#: Unit-bearing values as they were sent, where the text or the unit is not the canonical one.
RAW_VALUE = pl.Schema(
    {
        "source_line": pl.Int64,
        "field": pl.String,
        "text": pl.String,
        "unit": pl.String,
        "source": pl.String,
    }
)

#: Procedure names that no synonym covers exactly.
UNMAPPED = pl.Schema({"name": pl.String, "count": pl.Int64, "suggestions": pl.List(pl.String)})

#: Rejected rows that a file brings back corrected: their file's SHA-256, cut, and their line.
CORRECTED = pl.Schema({"sha256": pl.String, "line": pl.Int64})

#: One row per dose report: the columns of table ``dose_report`` that a reader can know.
REPORT = pl.Schema(
    {
        "report_uid": pl.String,
        "site": pl.String,
        "accession_number": pl.String,
        "study_uid": pl.String,
        "modality": pl.String,
        "started_at": pl.Datetime("us"),
        "performed_on": pl.Date,
        "event_uids": pl.List(pl.String),
        "n_events_stated": pl.Int64,
        "air_kerma_mgy": pl.Float64,
        "kap_gycm2": pl.Float64,
        "fluoro_time_s": pl.Float64,
        "ctdi_vol_mgy": pl.Float64,
        "ctdi_phantom_cm": pl.Int64,
        "dlp_mgycm": pl.Float64,
        "ssde_mgy": pl.Float64,
        "peak_skin_dose_mgy": pl.Float64,
        "device": pl.String,
        "manufacturer": pl.String,
        "model": pl.String,
        "details": pl.String,
        "flags": pl.List(pl.String),
        "source_line": pl.Int64,
    }
)

#: One row per irradiation event: the columns of table ``irradiation_event`` that a reader can know.
EVENT = pl.Schema(
    {
        "event_uid": pl.String,
        "report_uid": pl.String,
        "started_at": pl.Datetime("us"),
        "event_type": pl.String,
        "protocol": pl.String,
        "plane": pl.String,
        "air_kerma_mgy": pl.Float64,
        "kap_gycm2": pl.Float64,
        "ctdi_vol_mgy": pl.Float64,
        "ctdi_phantom_cm": pl.Int64,
        "dlp_mgycm": pl.Float64,
        "duration_s": pl.Float64,
        "kvp": pl.Float64,
        "ma": pl.Float64,
        "body_region": pl.String,
    }
)


#: One row per word on a case's outcome: the columns of table ``follow_up`` that a source can know.
FOLLOW_UP = pl.Schema(
    {
        "site": pl.String,
        "accession_number": pl.String,
        "performed_on": pl.Date,
        "measure": pl.String,
        "scale": pl.String,
        "timepoint": pl.String,
        "measured_on": pl.Date,
        "score": pl.Float64,
        "terms": pl.String,
        "withdrawn": pl.Boolean,
        "entered_by": pl.String,
        "updated_at": pl.Datetime("us", "UTC"),
        "source_line": pl.Int64,
    }
)


@dataclass(frozen=True)
class SourceFile:
    """A file of the inbox and what identifies it."""

    path: Path
    name: str  #: relative to the inbox, with forward slashes: what messages and tables call it
    sha256: str
    bytes: int
    source_at: datetime  #: when its content was current, UTC: export stamp, else modified
    arrived_at: datetime  #: when this run found it, UTC


@dataclass(frozen=True)
class Staged:
    """What one source file became: typed rows on disk, refusals and side tables in memory.

    ``procedures`` has the columns of table ``procedure`` that a source can set (all but the
    surrogate, provenance and hash columns), plus ``source_line``; a column that no row can have may
    be absent. A kind ``report`` has there what the report says of the procedure besides dose
    (patient, device, names, times).
    Rows of ``reports`` belong to the procedure row of the same ``source_line``. A kind ``followup``
    has no procedures, but ``follow_ups``.
    """

    source: SourceFile
    profile: str
    kind: Literal["log", "report", "followup"]
    read: int
    procedures: Path | None
    rejected: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REJECTED))
    reports: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REPORT))
    events: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=EVENT))
    follow_ups: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=FOLLOW_UP))
    raw_values: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=RAW_VALUE))
    unmapped: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=UNMAPPED))
    corrected: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CORRECTED))
    refusal: str | None = None  #: why the whole file was refused; then nothing else is set

    @property
    def message(self) -> str | None:
        """What a person should know of the file as a whole: why it was refused, or is empty."""
        is_table = self.kind == "followup" or self.procedures is not None
        if self.refusal is None and self.read == 0 and is_table:
            return (
                f"{self.source.name}: names its columns and has no row: if there was something to "
                "tell, export it again"
            )
        return self.refusal


def renamed(staged: Staged, former: str, name: str) -> Staged:
    """Return a refused file with another name for what it came in."""
    source = replace(staged.source, name=staged.source.name.replace(former, name, 1))
    return replace(
        staged, source=source, refusal=(staged.refusal or "").replace(former, name, 1) or None
    )
