"""The procedure log: the one definition of its columns, their units, bounds and rules.

Everything else that knows a column is derived from ``ProcedureRow``: the vectorised Polars checks
(``gate``), the reasons for a rejected row (pydantic's own words), the warehouse's ``procedure``
table (a test holds them equal) and the documentation page ``docs/columns.md``.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

TIMEPOINTS = ("baseline", "15min", "1wk", "2wk", "1mo", "2mo", "3mo", "6mo")


class Modality(StrEnum):
    """Imaging guidance. DICOM XA, RF and XF are fluoroscopy; US is ultrasound."""

    CT = "CT"
    FLUOROSCOPY = "fluoroscopy"
    ULTRASOUND = "ultrasound"


DoseIndex = Literal["air_kerma", "ctdi_vol", "ssde", "unspecified"]
Sex = Literal["F", "M", "O"]
Status = Literal["completed", "cancelled", "discontinued", "scheduled", "deleted"]
Laterality = Literal["left", "right", "bilateral", "midline"]
Pregnancy = Literal["no", "yes", "unknown", "not_applicable"]
ComplicationScale = Literal["CIRSE 2017", "CIRSE 2025", "SIR 2017", "Clavien-Dindo", "unstated"]
PainScale = Literal["NRS 0-10", "VAS 0-10", "VAS 0-100"]


def column(description: str, *, unit: str | None = None, identifier: bool = False, **bounds: Any):
    """Return the pydantic field of one log column.

    Parameters
    ----------
    description
        What the column means, for the documentation page.
    unit
        Canonical unit as the units library writes it; ``None`` for a plain text or code.
    identifier
        True where the value could identify a person: never kept as it was sent.
    bounds
        Pydantic constraints (``ge``, ``le``, ``gt``, ``max_length``).
    """
    return Field(
        default=None,
        description=description,
        json_schema_extra={"unit": unit, "identifier": identifier},
        **bounds,
    )


Text = Annotated[str | None, Field(max_length=500)]
