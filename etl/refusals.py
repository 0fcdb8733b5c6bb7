"""Refused rows: why, in the file's own words, and as they stood without what names a person."""

import csv
import io
from typing import Any

import polars as pl

from etl import normalise as to
from etl.gate import FIELDS
from etl.layout import Layout
from etl.privacy import OLDEST_AGE, REMOVED, without
from etl.reasons import reasons
from etl.sources.base import LINE, MARK, PROBLEM
from etl.staging import REJECTED
from warehouse.settings import Settings

_REASON_BATCH = 50_000


def reject(layout: Layout, bad: pl.DataFrame, key: bytes) -> pl.DataFrame:
    """Word the reasons of the rows that the gate held back."""
    parts = [pl.DataFrame(schema=REJECTED)]
    for start in range(0, bad.height, _REASON_BATCH):
        rows = [
            _reject_row(layout, row, key)
            for row in bad.slice(start, _REASON_BATCH).iter_rows(named=True)
        ]
        parts.append(pl.DataFrame(rows, schema=REJECTED, orient="row"))
    return pl.concat(parts)


def _reject_row(layout: Layout, row: dict[str, Any], key: bytes) -> tuple[Any, ...]:
    """Return one refused row: line, text, reasons, rules, site, accession number."""
    values = {n: _value(row, n) for n in FIELDS}
    told, rules = reasons(values, {name: row.get(f"t_{name}") for name in FIELDS})
    if row[PROBLEM] is not None:
        rule, _, reason = row[PROBLEM].partition(MARK)
        told, rules = [reason], [rule]
    return refused_row(layout, row, told, rules, key)


def refused_row(
    layout: Layout, row: dict[str, Any], told: list[str], rules: list[str], key: bytes
) -> tuple[Any, ...]:
    """Return a row of `REJECTED`, without what names a person."""
    places = _withheld(layout, row, rules)
    hidden = {part.strip() for place in places for part in (row[place] or "").split("\t")} - {""}
    told = [_in_the_files_words(layout, without(reason, hidden)) for reason in told]
    site, accession = (
        None if row[name] in hidden else row[name] for name in ("site", "accession_number")
    )
    return row[LINE], raw_text(layout, row, key, places, hidden), told, rules, site, accession


def _withheld(layout: Layout, row: dict[str, Any], rules: list[str]) -> frozenset[str]:
    """Return the columns of a refused row that name a person or may do so.

    Where a row has too many cells, or so few that neither modality nor day can be read, its cells
    are shifted: what stands as far from an identifier column as cells are in surplus or missing may
    be the identifier. Of a row in which a stray quote has swallowed others, every cell may.
    """
    columns = layout.table.columns
    named = layout.identifiers | layout.prose
    if "quote" in rules and named:
        return frozenset(columns)
    surplus = (row[columns[-1]] or "").count("\t") if "long_row" in rules else 0
    unread = row.get("modality") is None and row["performed_on"] is None
    filled = next((i for i in range(len(columns), 0, -1) if row[columns[i - 1]]), 0)
    missing = len(columns) - filled if unread else 0
    return frozenset(
        columns[at]
        for place in named
        for at in range(
            max(columns.index(place) - missing, 0),
            min(columns.index(place) + surplus, len(columns) - 1) + 1,
        )
    )


def _value(row: dict[str, Any], name: str) -> Any:
    """Return a column's canonical value, or its text where it has none."""
    typed = row[name]
    return typed if typed is not None else row.get(f"t_{name}")


def _in_the_files_words(layout: Layout, reason: str) -> str:
    """Add the file's own column name where it differs from the log's."""
    name, _, rest = reason.partition(": ")
    header = layout.header_of(name)
    return reason if header == name else f"{name} ('{header}'): {rest}"


def _is_old(age_years: float | None, settings: Settings) -> bool:
    """Say whether an age is kept only as 90 and more."""
    return age_years is not None and OLDEST_AGE < age_years <= 120 and not settings.exact_ages


def raw_text(
    layout: Layout, row: dict[str, Any], key: bytes, withheld: frozenset[str], hidden: set[str]
) -> str:
    """Return the row as it stood, without what names a person; the patient id as its pseudonym."""
    ids, ages = layout.places_of("patient_id"), layout.places_of("age_years")
    cells = []
    for place in layout.table.columns:
        value = row[place]
        if value and place in ids:
            value = f"pseudonym:{to.pseudonymiser(key)(value.strip())}"
        elif value and place in withheld:
            value = REMOVED
        elif value and place in ages and _is_old(row["age_years"], layout.settings):
            value = "90+"
        elif value:
            value = without(value, hidden)
        cells.append(value)
    while cells and cells[-1] is None:
        cells.pop()
    line = io.StringIO()
    csv.writer(line, delimiter=layout.table.delimiter, lineterminator="").writerow(cells)
    return line.getvalue()
