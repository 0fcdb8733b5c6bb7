"""Text that a spreadsheet would run as a formula, made harmless before it leaves in a table."""

import re

import polars as pl

#: Starts of a formula, in half and full width, behind whatever spreadsheets strip or do not show.
_RUNS = r"^[\s\x00-\x1f\u200b-\u200f\u2060\ufeff]*[=+\-@＝＋－＠]|^[\t\r\n]"
_NUMBER = r"^[+-]?\d[\d.,]*$"


def harmless(text: str) -> str:
    """Put an apostrophe before a text that would be run."""
    return f"'{text}" if re.search(_RUNS, text) else text


def neutralised(frame: pl.DataFrame, *, keep_numbers: bool = False) -> pl.DataFrame:
    """Make text cells and column names harmless; texts that are signed numbers may be kept.

    Nested columns become text: lists their members, separated by ``|``.
    """
    lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List)]
    coded = [n for n, kind in frame.schema.items() if isinstance(kind, pl.Categorical | pl.Enum)]
    text = pl.col(pl.String)
    runs = text.str.contains(_RUNS)
    if keep_numbers:
        runs &= ~text.str.contains(_NUMBER)
    return (
        frame.with_columns(pl.col(coded).cast(pl.String))
        .with_columns(pl.col(lists).cast(pl.List(pl.String)).list.join("|"))
        .with_columns(pl.when(runs).then(text.str.replace("^", "'")).otherwise(text))
        .rename(harmless)
    )


def restored(text: pl.Expr) -> pl.Expr:
    """Take the apostrophe off again, from texts that came back."""
    bare = text.str.strip_prefix("'")
    return pl.when(text.str.starts_with("'") & bare.str.contains(_RUNS)).then(bare).otherwise(text)
