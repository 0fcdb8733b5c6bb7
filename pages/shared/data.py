"""The cached way from a page to the warehouse."""

from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from pages.shared import auth, trace
from pages.shared.filters import Filters
from warehouse import queries
from warehouse.access import RefusedError, Scope
from warehouse.connect import serving
from warehouse.queries import run, schema_wanted
from warehouse.settings import shown

KEPT_RESULTS = 256
#: The query that opens a case: whoever runs it has looked at one.
CASE = "case_row"


def snapshot() -> Path | None:
    """Return the published warehouse file, or None before the first refresh."""
    return serving(shown().snapshots)


def scope() -> Scope:
    """Return what the reader of this page may see."""
    return auth.person().scope


def may(name: str) -> bool:
    """Say whether the reader may run a query; a page leaves out the part that needs it."""
    try:
        queries.allowed(name, scope())
    except RefusedError:
        return False
    return True


def operators(filters: Filters) -> tuple[str, ...] | None:
    """Return the operators of the filter bar as the reviews know them: codes become names."""
    path = snapshot()
    if path is None or filters.operators is None:
        return filters.operators
    return queries.named(path, scope(), filters.operators)


def query(name: str, filters: Filters | None = None, **parameters: Any) -> pl.DataFrame:
    """Run ``warehouse/queries/<name>.sql``; the same question on the same snapshot is asked once.

    ``filters`` gives the filter bar's parameters, ``parameters`` the query's own. The frame is
    shared between readers of one scope: never change it in place.

    Raises
    ------
    RefusedError
        Where the reader's role or sites do not allow the query, whatever page asks.
    """
    reader = scope()
    try:
        queries.allowed(name, reader)
    except RefusedError as error:
        trace.tell_once("refused", f"query {name}", why=error)
        raise
    path = snapshot()
    if path is None:
        raise FileNotFoundError(f"no warehouse in {shown().snapshots}: run `make refresh`")
    given = (filters.parameters() if filters else {}) | parameters
    rows = _rows(str(path), name, reader, tuple(sorted(given.items())))
    if name == CASE:
        _tell_case(parameters["procedure_id"], rows)
    return rows


def _tell_case(number: int, rows: pl.DataFrame) -> None:
    """Log that somebody looked at a case, or asked for one that is not theirs or not there."""
    if rows.is_empty():
        trace.tell_once("refused", f"Case {number}", why="not there, or not for this reader")
        return
    case = rows.row(0, named=True)
    trace.tell_once(
        "opened case", f"Case {number}", site=case["site"], performed_on=case["performed_on"]
    )


@st.cache_resource(show_spinner=False, max_entries=KEPT_RESULTS)
def _rows(
    path: str, name: str, reader: Scope, parameters: tuple[tuple[str, Any], ...]
) -> pl.DataFrame:
    return run(name, Path(path), reader, **dict(parameters))


def schema_differs() -> bool:
    """Say whether the published warehouse was made for other queries than these."""
    return query("schema_version")["schema_version"].item() != schema_wanted()
