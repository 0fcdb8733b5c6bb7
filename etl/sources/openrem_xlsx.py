"""OpenREM's workbooks: the sheet of all studies, turned into the columns of the CSV export."""

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from etl.limits import DAMAGED_ZIP
from etl.pipeline import stage_table
from etl.sources.base import LINE, PROBLEM, RefusalError, Table, tidy_header
from etl.sources.workbook import CLOCK_CELL, sheets
from etl.staging import SourceFile, Staged
from warehouse.settings import Settings

_SHEET = "All data"
#: Column names of the CT workbook where they are not those of the CSV.
_STUDY = {
    "Model": "Model name",
    "Patient sex": "Sex",
    "Number of events": "No. events",
    "Patient age": "Age",
    "Patient height (m)": "Height",
    "Patient weight (kg)": "Mass (kg)",
    "Patient date of birth": "Date of birth",
    "Total DLP (mGy.cm)": "DLP total (mGy.cm)",
}
_ACQUISITION = {
    "Acquisition protocol": "Protocol",
    "Acquisition type": "Type",
    "CTDI phantom type": "Phantom",
    "CTDIvol (mGy)": "CTDIvol",
    "DLP (mGy.cm)": "DLP",
    "Dose check alerts": "Dose check details",
    "Exposure time (s)": "Exposure time",
    "Number of sources": "No. sources",
    "Scanning length (mm)": "Scanning length",
    "Slice thickness (mm)": "Slice thickness",
    "Total collimation (mm)": "Total collimation",
    "mA modulation type": "mA Modulation type",
    **{f"{tube} {a}": f"{tube} {b}" for tube in ("S1", "S2") for a, b in (
        ("Source name", "name"), ("Maximum mA", "max mA"),
        ("Exposure time per rotation", "Exposure time/rotation"))},
}  # fmt: skip
_MEASURED = ("Age", "Height", "Mass (kg)", "DLP total (mGy.cm)")
_WORDS = ("Protocol", "Type", "Phantom", "Dose check details", "S1 name", "S2 name",
          "mA Modulation type")  # fmt: skip
_BLOCK = re.compile(r"^E(\d+) (.+)$")
_GROUP = re.compile(r"^G\d+ ")
_FLOAT32 = re.compile(r"^-?\d+\.\d{7,}$")
_EPOCH = "1899-12-30"


@dataclass(frozen=True)
class OpenRemWorkbook:
    """Reads the CT and fluoroscopy workbooks of OpenREM."""

    name: str = "OpenREM workbook"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Say whether a workbook has OpenREM's sheets."""
        if not head.startswith(b"PK\x03\x04"):
            return False
        try:
            with zipfile.ZipFile(path) as book, book.open("xl/workbook.xml") as sheets:
                named = sheets.read(2**20)
        except DAMAGED_ZIP:
            return False  # no workbook, or one that its own reader refuses in words
        return b'name="All data"' in named and b'name="Summary"' in named

    def stage(
        self, source: SourceFile, *, work_dir: Path, settings: Settings, key: bytes
    ) -> Staged:
        """Read the sheet of all studies as the CSV export of the same studies."""
        table = read(source.path)
        return stage_table(table, source, work_dir=work_dir, settings=settings, key=key)


def read(path: Path) -> Table:
    """Return the studies of a workbook under the names and in the texts of the CSV."""
    sheet = sheets(path, [_SHEET])[_SHEET]
    if sheet.height < 2:
        raise RefusalError(f"its sheet '{_SHEET}' has no studies: export it again")
    names = [str(value or "") for value in sheet.row(0)]
    kept = [i for i, name in enumerate(names) if name and not _GROUP.match(name)]
    header = tidy_header([_name(names[i]) for i in kept])
    rows = sheet.slice(1).select(sheet.columns[i] for i in kept)
    rows.columns = [f"c{i}" for i in range(len(header))]
    columns = dict(zip(header, rows.columns, strict=True))
    frame = rows.with_columns(_texts(header, rows)).with_columns(_second_tube(columns))
    lines = frame.with_row_index(LINE, offset=2)
    return Table(header, lines.lazy().with_columns(pl.lit(None, dtype=pl.String).alias(PROBLEM)))


def _name(name: str) -> str:
    """Return what the CSV calls a column."""
    block = _BLOCK.match(name)
    if block:
        return f"E{block[1]} {_ACQUISITION.get(block[2], block[2])}"
    return _STUDY.get(name, name)


def _texts(header: tuple[str, ...], rows: pl.DataFrame) -> list[pl.Series | pl.Expr]:
    """Return each column's texts as the CSV has them."""
    texts: list[pl.Series | pl.Expr] = []
    for place, name in enumerate(header):
        column = f"c{place}"
        if name == "Study date" or name == "Date of birth":
            texts.append(_dates(column))
        elif name == "Study time":
            texts.append(_times(column))
        else:
            exact = _is_measured(name)
            fresh = [_as_sent(value, exact=exact) for value in rows[column].to_list()]
            texts.append(pl.Series(column, fresh, dtype=pl.String))
    return texts


def _is_measured(name: str) -> bool:
    """Say whether a column holds numbers: an accession number may look like one."""
    block = _BLOCK.match(name)
    return block[2] not in _WORDS if block else name in _MEASURED or "(Gy" in name or "(s)" in name


def _as_sent(value: str | None, *, exact: bool) -> str | None:
    """Undo the noise of single precision, and write a comma in text as the CSV does."""
    if value is None:
        return None
    if exact and _FLOAT32.match(value):
        return str(np.float32(value))
    return value.replace(",", ";")


def _dates(column: str) -> pl.Expr:
    """Return ISO dates of serial numbers (days since 1899-12-30) and of date cells."""
    text = pl.col(column)
    days = text.cast(pl.Float64, strict=False).floor().cast(pl.Int32, strict=False)
    serial = pl.lit(_EPOCH).str.to_date() + pl.duration(days=days)
    return (
        pl.when(days.is_between(1, 2_958_465))
        .then(serial.cast(pl.String))
        .otherwise(text.str.replace(r"[ T]00:00:00(\.0+)?$", ""))
        .alias(column)
    )


def _times(column: str) -> pl.Expr:
    """Return times of day of fractions of a day and of time cells."""
    text = pl.col(column)
    fraction = text.cast(pl.Float64, strict=False)
    thousandths = (fraction % 1 * 86_400_000).round().cast(pl.Int64, strict=False)
    clock = (pl.lit(_EPOCH).str.to_datetime("%Y-%m-%d") + pl.duration(milliseconds=thousandths)).dt
    return (
        pl.when(fraction.is_not_null())
        .then(clock.strftime("%H:%M:%S%.3f").str.strip_suffix(".000"))
        .otherwise(text.str.replace(CLOCK_CELL, "$1"))
        .alias(column)
    )


def _second_tube(columns: dict[str, str]) -> list[pl.Expr]:
    """Blank the values of a second tube where there is one: the export mixes in other studies'."""
    blanked = []
    for name, column in columns.items():
        block = _BLOCK.match(name)
        if block and block[2].startswith("S2 "):
            sources = columns.get(f"E{block[1]} No. sources")
            two = pl.col(sources) == "2" if sources else pl.lit(False)
            blanked.append(pl.when(two).then(pl.col(column)).alias(column))
    return blanked


OPENREM_XLSX = OpenRemWorkbook()
