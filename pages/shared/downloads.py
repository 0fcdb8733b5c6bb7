"""What a reader can take away: tables as CSV, XLSX and HTML, charts as PNG and SVG, on the click.

The HTML is a table as journals print it, to be pasted into a text document. Every table carries its filters, snapshot and units. Cells that a spreadsheet would run as a
formula are neutralised.
"""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

import altair as alt
import polars as pl
import streamlit as st
import vl_convert
import xlsxwriter

from pages.shared import data
from pages.shared import format as fmt
from pages.shared.filters import Filters

_FORMULA = r"^([=+\-@\t\r])"
_WIDTH = 760


@dataclass(frozen=True)
class Header:
    """What a reader needs to know of a table that has left the dashboard."""

    title: str
    filters: str
    snapshot: str
    units: str

    def lines(self) -> list[str]:
        """Return the lines above the table."""
        return [
            f"Kerma: {self.title}",
            f"Filters: {self.filters}",
            f"Snapshot: {self.snapshot}",
            f"Units: {self.units}",
            f"Written: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        ]


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


def neutralised(frame: pl.DataFrame) -> pl.DataFrame:
    """Put an apostrophe before text that a spreadsheet would run as a formula.

    Nested columns become text: lists their members, separated by ``|``.
    """
    return frame.with_columns(
        [
            pl.col(name).cast(pl.List(pl.String)).list.join("|")
            for name, kind in frame.schema.items()
            if isinstance(kind, pl.List)
        ]
    ).with_columns(pl.col(pl.String).str.replace(_FORMULA, "'$1"))


def csv_bytes(frame: pl.DataFrame, head: Header) -> bytes:
    """Write a table as UTF-8 CSV with a byte-order mark, its header lines behind ``#``."""
    lines = "".join(f"# {line}\n" for line in head.lines())
    return b"\xef\xbb\xbf" + (lines + neutralised(frame).write_csv()).encode()


def xlsx_bytes(frame: pl.DataFrame, head: Header) -> bytes:
    """Write a table as a workbook: its header lines, an empty row, the table."""
    buffer = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(buffer, options) as book:
        sheet = book.add_worksheet("Kerma")
        for row, line in enumerate(head.lines()):
            sheet.write_string(row, 0, line)
        neutralised(frame).write_excel(
            book, sheet, position=(len(head.lines()) + 1, 0), float_precision=6, autofit=True
        )
    return buffer.getvalue()


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
        [escape("" if cell is None else str(cell)).replace("\n", "<br>") for cell in row]
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


def offer(
    frame: pl.DataFrame | Callable[[], pl.DataFrame],
    *,
    key: str,
    title: str,
    filters: Filters | None = None,
    chart: alt.TopLevelMixin | None = None,
    words: pl.DataFrame | None = None,
) -> None:
    """Draw the download menu of a table, and of the chart that shows it.

    ``key`` is unique on the page and names the files. A function in place of the table is called
    on the click only. ``words`` is the table as it is printed: with it the menu has HTML too.
    """

    def made(write: Callable[[pl.DataFrame, Header], bytes]) -> bytes:
        table = frame() if callable(frame) else frame
        return write(table, header(title, filters, table))

    kinds: list[tuple[str, str, str, Callable[[], bytes]]] = [
        ("CSV", "csv", "text/csv", lambda: made(csv_bytes)),
        (
            "XLSX",
            "xlsx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            lambda: made(xlsx_bytes),
        ),
    ]
    if words is not None:
        printed = words
        kinds.append(
            (
                "HTML",
                "html",
                "text/html",
                lambda: html_bytes(printed, header(title, filters, printed)),
            )
        )
    if chart is not None:
        kinds += [
            ("PNG", "png", "image/png", lambda: png_bytes(chart)),
            ("SVG", "svg", "image/svg+xml", lambda: svg_bytes(chart)),
        ]
    with (
        st.popover("Download", type="tertiary", icon=":material/download:", key=f"{key}-menu"),
        st.container(horizontal=True),
    ):
        for label, ending, mime, make in kinds:
            st.download_button(
                label, make, f"kerma-{key}.{ending}", mime,
                key=f"{key}-{ending}", on_click="ignore", help=f"{title} as {label}"
                + (", to paste into a text document" if label == "HTML" else ""),
            )  # fmt: skip


def _unit(column: str) -> str:
    return fmt.MEASURES[column].unit if column in fmt.MEASURES else ""


def _spec(chart: alt.TopLevelMixin) -> str:
    """Return a chart's specification with a fixed width, for drawing outside a page."""
    spec = chart.to_dict()
    if not any(part in spec for part in ("facet", "hconcat", "vconcat", "concat", "repeat")):
        spec["width"] = _WIDTH
    spec["background"] = "white"
    return json.dumps(spec)
