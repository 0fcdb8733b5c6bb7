"""The decimal mark of a file: declared, else recognised from all its numbers."""

from typing import Any

import polars as pl

from etl import normalise as to
from etl.layout import Layout
from etl.profiles import Profile
from etl.sources.base import RefusalError, Table
from warehouse.settings import Settings


def decimal_style(table: Table, profile: Profile, settings: Settings) -> to.Decimal:
    """Return the decimal mark: declared, else recognised from all numbers of the file."""
    if profile.decimal:
        return profile.decimal
    if not table.may_hold_comma:
        return "."
    layout = Layout(table, profile, settings, ".")
    places = layout.numeric_places()
    if not places:
        return "."
    with_comma = pl.concat_list(pl.col(places)).explode().str.strip_chars().alias("text")
    texts = (
        table.frame.select(with_comma)
        .filter(pl.col("text").str.contains(r"^[+-]?[\d.,]*\d[\d.,]*"))
        .with_columns(
            comma=pl.col("text").str.contains(
                r"^[+-]?(\d*,(\d{1,2}|\d{4,})|0,\d+|[\d.]*\.\d{3},\d+)([^\d.,]|$)"
            ),
            dot=pl.col("text").str.contains(
                r"^[+-]?(\d*\.(\d{1,2}|\d{4,})|0\.\d+|[\d,]*,\d{3}\.\d+)([^\d.,]|$)"
            ),
            open=pl.col("text").str.contains(r"^[+-]?[1-9]\d{0,2},\d{3}([^\d.,]|$)"),
        )
    )
    found = texts.select(
        *(pl.col(k).sum().alias(k) for k in ("comma", "dot", "open")),
        *(
            pl.col("text").filter(pl.col(k)).first().alias(f"{k}_text")
            for k in ("comma", "dot", "open")
        ),
    ).collect(engine="streaming")
    row = found.row(0, named=True)
    return _judge_decimal(row)


def _judge_decimal(row: dict[str, Any]) -> to.Decimal:
    """Decide the decimal mark from counts, and refuse what could be read in two ways."""
    if row["comma"] and row["dot"] and row["open"]:
        raise RefusalError(
            f"decimal comma ('{row['comma_text']}') and point ('{row['dot_text']}') in one file, "
            f"and '{row['open_text']}' could be either: write one style, or declare `decimal` in "
            "a profile"
        )
    if row["open"] and not row["comma"] and not row["dot"]:
        raise RefusalError(
            f"'{row['open_text']}' could be a decimal comma or a thousands mark and nothing in the "
            "file decides it: write a decimal point, or declare `decimal` in a profile"
        )
    return "," if row["comma"] > row["dot"] else "."
