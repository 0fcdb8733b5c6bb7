"""Rows that went back to a person to be corrected: what the export adds, and reading takes off."""

from dataclasses import replace

import polars as pl

from etl.sources.base import LINE, ORIGIN, REASONS, Table
from etl.staging import CORRECTED
from warehouse.spreadsheets import restored


def origin(sha256: str, line: pl.Expr) -> pl.Expr:
    """Return the mark by which a corrected row is known again: its file's bytes and its line."""
    return pl.format(f"{sha256[:16]}:{{}}", line)


def as_sent(table: Table) -> Table:
    """Take the export's mark off the cells that a spreadsheet would have run."""
    if not {ORIGIN, REASONS} & set(table.header):
        return table
    return replace(table, frame=table.frame.with_columns(restored(pl.col(table.columns))))


def corrected(table: Table) -> pl.DataFrame:
    """Return which rejected rows a table brings back; later they count as resolved."""
    if ORIGIN not in table.header:
        return pl.DataFrame(schema=CORRECTED)
    mark = pl.col(table.columns[table.header.index(ORIGIN)]).str.strip_chars()
    parts = mark.str.extract_groups(r"^([0-9a-f]{16}):(\d{1,18})$")
    found = table.frame.select(LINE, sha256=parts.struct[0], of=parts.struct[1].cast(pl.Int64))
    return found.drop_nulls().select("sha256", line="of").unique().collect()
