"""Recorded changes of protocol or equipment: a site's own file ``protocol_changes.csv``.

Columns: ``changed_on`` (YYYY-MM-DD), ``what``, and ``site``, ``room``, ``procedure_code``, each
blank where the change concerns all of them. Without the file no change is recorded.
"""

from pathlib import Path

import polars as pl

NAME = "protocol_changes.csv"
SCHEMA = pl.Schema(
    {
        "changed_on": pl.Date,
        "what": pl.String,
        "site": pl.String,
        "room": pl.String,
        "procedure_code": pl.String,
    }
)


class ProtocolChangesError(ValueError):
    """The file cannot be read as it stands; the text says where and what to do."""


def protocol_changes(folder: Path) -> pl.DataFrame:
    """Read the recorded changes of a data folder, in order of time.

    Raises
    ------
    ProtocolChangesError
        Where a column is missing or a row has no date or no text, naming row and value.
    """
    path = folder / NAME
    if not path.exists():
        return pl.DataFrame(schema=SCHEMA)
    try:
        text = pl.read_csv(path, infer_schema=False)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise ProtocolChangesError(f"{NAME} is no UTF-8 CSV file: {error}") from error
    missing = [column for column in ("changed_on", "what") if column not in text.columns]
    if missing:
        raise ProtocolChangesError(
            f"{NAME}: column {', '.join(missing)} is missing; the columns are {', '.join(SCHEMA)}"
        )
    text = text.with_columns(
        pl.lit(None, pl.String).alias(column) for column in SCHEMA if column not in text.columns
    ).select(pl.col(SCHEMA.names()).str.strip_chars().replace("", None))
    typed = text.with_columns(pl.col("changed_on").str.to_date("%Y-%m-%d", strict=False))
    _require(text, typed)
    return typed.sort("changed_on", maintain_order=True)


def _require(text: pl.DataFrame, typed: pl.DataFrame) -> None:
    """Refuse the first row without a date or without words."""
    for row, (sent, day, what) in enumerate(
        zip(text["changed_on"], typed["changed_on"], typed["what"], strict=True), start=2
    ):
        if day is None:
            raise ProtocolChangesError(
                f"{NAME}, row {row}, changed_on: {sent!r} is no date; write it as 2026-03-31"
            )
        if what is None:
            raise ProtocolChangesError(
                f"{NAME}, row {row}, what: blank; say in a few words what was changed"
            )
