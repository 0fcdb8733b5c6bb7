"""Read the project's dated data: reference levels, coefficients and trigger levels.

The files lie in ``warehouse/data`` and carry their source, unit, first day and whether the value
was verified in its primary source; analyses get them as frames.
"""

from functools import lru_cache
from pathlib import Path

import polars as pl

DATA = Path(__file__).resolve().parent / "data"

REFERENCE_LEVELS = pl.Schema(
    {
        "reference_id": pl.String,
        "modality": pl.String,
        "procedure_code": pl.String,
        "procedure": pl.String,
        "dose_index": pl.String,
        "value": pl.Float64,
        "unit": pl.String,
        "statistic": pl.String,
        "percentile_over": pl.String,
        "scope": pl.String,
        "role": pl.String,
        "size_band": pl.String,
        "population": pl.String,
        "country": pl.String,
        "n": pl.Int64,
        "year": pl.Int64,
        "valid_from": pl.Date,
        "source": pl.String,
        "doi": pl.String,
        "url": pl.String,
        "verified": pl.Boolean,
        "raw_value": pl.String,
        "note": pl.String,
    }
)

EFFECTIVE_DOSE = pl.Schema(
    {
        "coefficient_id": pl.String,
        "modality": pl.String,
        "dose_index": pl.String,
        "region": pl.String,
        "age_from_years": pl.Float64,
        "coefficient": pl.Float64,
        "unit": pl.String,
        "band_fraction": pl.Float64,
        "icrp": pl.Int64,
        "source": pl.String,
        "url": pl.String,
        "mark": pl.String,
        "verified": pl.Boolean,
        "valid_from": pl.Date,
        "valid_to": pl.Date,
        "note": pl.String,
    }
)

TRIGGER_LEVELS = pl.Schema(
    {
        "rule_id": pl.String,
        "kind": pl.String,
        "quantity": pl.String,
        "level": pl.String,
        "threshold": pl.Float64,
        "unit": pl.String,
        "step": pl.Float64,
        "modality": pl.String,
        "procedure_code": pl.String,
        "age_from_years": pl.Float64,
        "age_to_years": pl.Float64,
        "region": pl.String,
        "ctdi_phantom_cm": pl.Int64,
        "room": pl.String,
        "window_months": pl.Int64,
        "source": pl.String,
        "url": pl.String,
        "mark": pl.String,
        "verified": pl.Boolean,
        "valid_from": pl.Date,
        "valid_to": pl.Date,
        "note": pl.String,
    }
)


@lru_cache
def reference_levels() -> pl.DataFrame:
    """Return published dose levels, one row a study, procedure, index and statistic."""
    return read("reference_levels.csv", REFERENCE_LEVELS)


@lru_cache
def effective_dose_coefficients() -> pl.DataFrame:
    """Return coefficients for effective dose, one row an index, region, age band and version."""
    return read("effective_dose.csv", EFFECTIVE_DOSE)


@lru_cache
def trigger_levels() -> pl.DataFrame:
    """Return the shipped outlier rules, one row a rule and period of validity."""
    return read("trigger_levels.csv", TRIGGER_LEVELS)


def read(name: str, schema: pl.Schema) -> pl.DataFrame:
    """Read one project file with its declared types; ``yes`` and ``no`` are the truth values.

    Raises
    ------
    ValueError
        Where a column is missing, unknown or a value does not fit, naming file and column.
    """
    text = pl.read_csv(DATA / name, infer_schema=False)
    if text.columns != schema.names():
        missing, more = set(schema) - set(text.columns), set(text.columns) - set(schema)
        raise ValueError(f"{name}: columns missing {sorted(missing)}, unknown {sorted(more)}")
    return text.select(_typed(name, text[column], kind) for column, kind in schema.items())


def _typed(name: str, column: pl.Series, kind: pl.DataType) -> pl.Series:
    """Cast one text column, naming the first value that does not fit."""
    if kind == pl.Boolean:
        typed = column.replace_strict({"yes": True, "no": False}, default=None)
    elif kind == pl.Date:
        typed = column.str.to_date("%Y-%m-%d", strict=False)
    else:
        typed = column.cast(kind, strict=False)
    wrong = typed.is_null() & column.is_not_null()
    if wrong.any():
        row = wrong.arg_true()[0]
        raise ValueError(f"{name}, row {row + 2}, {column.name}: {column[row]!r} is no {kind}")
    return typed
