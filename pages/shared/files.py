"""Tables and charts as files: CSV, XLSX and HTML, PNG and SVG.

The HTML is a table as journals print it, to be pasted into a text document. Every table carries
its filters, snapshot and units. Cells that a spreadsheet would run as a formula are neutralised.
"""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any

import altair as alt
import polars as pl
import vl_convert
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from pages.shared import data
from pages.shared import format as fmt
from pages.shared.filters import Filters
from warehouse.spreadsheets import harmless, neutralised

_WIDTH = 760
_ROWS_AT_ONCE = 1_000
_WIDEST = 60
#: A workbook's cell holds no more characters; a longer text would be left out.
_LONGEST_CELL = 32_767


@dataclass(frozen=True)
class Header:
    """What a reader needs to know of a table that has left the dashboard."""

    title: str
    filters: str
    snapshot: str
    units: str

    def lines(self) -> list[str]:
        """Return the lines above the table; a line end within a name does not make two of one."""
        told = [
            f"Kerma: {self.title}",
            f"Filters: {self.filters}",
            f"Snapshot: {self.snapshot}",
            f"Units: {self.units}",
            f"Written: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        ]
        return [" ".join(line.split()) for line in told]


def header(title: str, filters: Filters | None, frame: pl.DataFrame) -> Header:
    """Describe a table: its filters in words, the snapshot's name, the units of its columns."""
    path = data.snapshot()
    units = [f"{name} in {fmt.measure(name).unit}" for name in frame.columns if _unit(name)]
    return Header(
        title=title,
        filters="; ".join(filters.words()) if filters else "none",
        snapshot=path.name if path else "none",
        units=", ".join(units) or "as in the column names",
    )


def csv_bytes(frame: pl.DataFrame, head: Header) -> bytes:
    """Write a table as UTF-8 CSV with a byte-order mark, its header lines behind ``#``."""
    lines = "".join(f"# {line}\n" for line in head.lines())
    return b"\xef\xbb\xbf" + (lines + neutralised(frame).write_csv()).encode()


def xlsx_bytes(frame: pl.DataFrame, head: Header) -> bytes:
    """Write a table as a workbook: its header lines, an empty row, the table.

    Row by row in constant memory: a hundred thousand whole procedures take 0.6 GiB with all that is
    loaded, where a workbook held in memory took three.
    """
    buffer = io.BytesIO()
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "remove_timezone": True,
    }
    table = neutralised(frame)
    top = len(head.lines()) + 1
    with xlsxwriter.Workbook(buffer, options) as book:
        sheet = book.add_worksheet("Kerma")
        bold = book.add_format({"bold": True, "bottom": 1})
        kinds = [_look(book, kind) for kind in table.schema.values()]
        for column, (name, look) in enumerate(zip(table.columns, kinds, strict=True)):
            sheet.set_column(column, column, _width(table[name], name), look)
        sheet.freeze_panes(top + 1, 0)
        for row, line in enumerate(head.lines()):
            sheet.write_string(row, 0, line)
        for column, name in enumerate(table.columns):
            sheet.write_string(top, column, name, bold)
        writers = [_writer(sheet, kind) for kind in table.schema.values()]
        for row, values in enumerate(_rows(table), start=top + 1):
            for column, value in enumerate(values):
                if value is not None:
                    writers[column](row, column, value, kinds[column])
        if table.width:
            sheet.autofilter(top, 0, top + table.height, table.width - 1)
    return buffer.getvalue()


def _rows(table: pl.DataFrame) -> Iterator[tuple[Any, ...]]:
    """Give the rows as a sheet takes them; what is not finite is blank, as in the page."""
    floats = pl.col(pl.Float32, pl.Float64)
    finite = table.with_columns(
        pl.when(floats.is_finite()).then(floats), pl.col(pl.String).str.head(_LONGEST_CELL)
    )
    for part in finite.iter_slices(_ROWS_AT_ONCE):
        yield from part.rows()


def _writer(sheet: Worksheet, kind: pl.DataType) -> Callable[..., Any]:
    """Return what writes a column's cells; the general way asks each cell for its type."""
    if kind.is_numeric():
        return sheet.write_number
    if isinstance(kind, pl.String):
        return sheet.write_string
    return sheet.write_datetime if isinstance(kind, pl.Date | pl.Datetime) else sheet.write


def _look(book: xlsxwriter.Workbook, kind: pl.DataType) -> Format:
    """Return how a column's values are shown."""
    if isinstance(kind, pl.Date):
        return book.add_format({"num_format": "yyyy-mm-dd"})
    if isinstance(kind, pl.Datetime):
        return book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    return book.add_format()


def _width(column: pl.Series, name: str) -> float:
    """Return a column's width in characters: its longest text among the first rows."""
    longest = column.head(_ROWS_AT_ONCE).cast(pl.String, strict=False).str.len_chars().max()
    return min(max(len(name), int(str(longest or 0))) + 2, _WIDEST)


_CELL = "padding:3px 10px;text-align:left;vertical-align:top;font-weight:normal"
_RULE = "border-bottom:1pt solid black"


def html_bytes(frame: pl.DataFrame, head: Header) -> bytes:
    """Write a table as journals print it: caption above, three rules, notes below.

    Styles stand in the cells, where text processors look for them.
    """
    names = "".join(
        f'<th scope="col" style="{_CELL};border-top:1.5pt solid black;{_RULE};font-weight:bold">'
        f"{escape(name)}</th>"
        for name in frame.columns
    )
    rows = [
        [escape("" if cell is None else harmless(str(cell))).replace("\n", "<br>") for cell in row]
        for row in frame.iter_rows()
    ]
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="{_CELL}{";" + _RULE if place == len(rows) else ""}">{cell}</td>'
            for cell in row
        )
        + "</tr>\n"
        for place, row in enumerate(rows, start=1)
    )
    notes = escape(". ".join(head.lines()[1:]))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(head.title)}</title></head>\n"
        "<body style=\"font-family:'Times New Roman',serif;font-size:10pt\">\n"
        f'<p style="margin:0 0 4px"><b>Table.</b> {escape(head.title)}</p>\n'
        '<table style="border-collapse:collapse;font-size:10pt">\n'
        f"<thead><tr>{names}</tr></thead>\n<tbody>\n{body}</tbody></table>\n"
        f'<p style="margin:4px 0 0;font-size:8.5pt">{notes}</p>\n</body></html>\n'
    ).encode()


def png_bytes(chart: alt.TopLevelMixin) -> bytes:
    """Draw a chart as PNG at twice the screen's resolution, on white."""
    return vl_convert.vegalite_to_png(_spec(chart), scale=2)


def svg_bytes(chart: alt.TopLevelMixin) -> bytes:
    """Draw a chart as SVG, on white."""
    return vl_convert.vegalite_to_svg(_spec(chart)).encode()


def _unit(column: str) -> str:
    return fmt.MEASURES[column].unit if column in fmt.MEASURES else ""


def _spec(chart: alt.TopLevelMixin) -> str:
    """Return a chart's specification with a fixed width, for drawing outside a page."""
    spec = chart.to_dict()
    if not any(part in spec for part in ("facet", "hconcat", "vconcat", "concat", "repeat")):
        spec["width"] = _WIDTH
    spec["background"] = "white"
    return json.dumps(spec)
