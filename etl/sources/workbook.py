"""Cells of Excel workbooks as text; a cell that holds an error says which."""

import re
from collections.abc import Iterable
from pathlib import Path

import fastexcel
import polars as pl

from etl.limits import check_workbook
from etl.sources.base import RefusalError

#: What a spreadsheet shows for the errors that the library names.
_SHOWN = {
    "Div0": "#DIV/0!", "NA": "#N/A", "Name": "#NAME?", "Null": "#NULL!", "Num": "#NUM!",
    "Ref": "#REF!", "Value": "#VALUE!", "GettingData": "#GETTING_DATA",
}  # fmt: skip
#: A time of day, in workbooks that count from 1900 and from 1904.
CLOCK_CELL = r"^(?:1899-12-3[01]|1904-01-01)[ T](\d{2}:\d{2}:\d{2})"
_ERROR = re.compile(r"Error\((\w+)\)")


def sheets(path: Path, names: Iterable[str] | None = None) -> dict[str, pl.DataFrame]:
    """Return the cells of a workbook's sheets as text, from row 1; formulas as their values."""
    check_workbook(path)
    try:
        book = fastexcel.read_excel(path)
        return {name: _cells(book, name) for name in names or book.sheet_names}
    except fastexcel.FastExcelError as error:
        told = str(error).splitlines()[0]
        raise RefusalError(
            f"cannot be read as an Excel workbook ({told}): save it again"
        ) from error


def hidden_sheets(path: Path) -> set[str]:
    """Return the sheets of a workbook that a person does not see."""
    book = fastexcel.read_excel(path)
    return {n for n in book.sheet_names if book.load_sheet(n, n_rows=0).visible != "visible"}


def _cells(book: fastexcel.ExcelReader, name: str) -> pl.DataFrame:
    """Return one sheet; the library gives failed cells as blanks and tells of them beside."""
    sheet = book.load_sheet(name, header_row=None, skip_rows=0, dtypes="string")
    if not sheet.width:
        return pl.DataFrame()
    batch, failed = sheet.to_arrow_with_errors()
    frame = pl.DataFrame(pl.from_arrow(batch))
    by_column: dict[int, dict[int, str]] = {}
    for cell in failed.errors if failed else ():
        row, column = cell.position
        by_column.setdefault(column, {})[row] = _shown(cell.detail)
    for column, texts in by_column.items():
        name = frame.columns[column]
        frame = frame.with_columns(frame[name].scatter(list(texts), list(texts.values())))
    return frame


def _shown(detail: str) -> str:
    """Return what the spreadsheet shows for a cell that has no text."""
    found = _ERROR.search(detail)
    return _SHOWN.get(found[1], "#VALUE!") if found else "#VALUE!"
