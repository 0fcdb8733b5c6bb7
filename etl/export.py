"""Write a de-identified copy of the procedures for people outside the department."""

from pathlib import Path

import polars as pl

from etl.deidentify import Dates, Export, deidentify, words
from etl.publish import base_snapshot, run_sql
from warehouse.connect import reading
from warehouse.settings import Settings
from warehouse.spreadsheets import neutralised


class NothingToExportError(Exception):
    """There is no warehouse, or its files would overwrite others."""


def export(settings: Settings, out: Path, dates: Dates) -> Export:
    """Write ``procedures.csv`` and ``README.txt`` into a folder."""
    base, _ = base_snapshot(settings.snapshots)
    if base is None:
        raise NothingToExportError(f"there is no warehouse in {settings.snapshots}")
    files = out / "procedures.csv", out / "README.txt"
    there = [path for path in files if path.exists()]
    if there:
        raise NothingToExportError(f"{there[0]} is there already: name another folder")
    with reading(base) as con:
        rows = run_sql(con, "export/deidentified")
        names = [column[0] for column in con.description or ()]
    cases = pl.DataFrame(rows, schema=names, orient="row", infer_schema_length=None)
    made = deidentify(cases, dates)
    out.mkdir(parents=True, exist_ok=True)
    files[0].write_text("\ufeff" + neutralised(made.table).write_csv(), "utf-8")
    files[1].write_text(words(made, dates), "utf-8")
    return made
