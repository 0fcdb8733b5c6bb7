"""The cached way from a page to the warehouse."""

from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from pages.shared.filters import Filters
from warehouse.connect import current_snapshot
from warehouse.queries import Scope, run, schema_wanted
from warehouse.settings import shown

KEPT_RESULTS = 256


def snapshot() -> Path | None:
    """Return the published warehouse file, or None before the first refresh."""
    return current_snapshot(shown().snapshots)


def scope() -> Scope:
    """Return what the reader of this page may see."""
    return Scope()


def query(name: str, filters: Filters | None = None, **parameters: Any) -> pl.DataFrame:
    """Run ``warehouse/queries/<name>.sql``; the same question on the same snapshot is asked once.

    ``filters`` gives the filter bar's parameters, ``parameters`` the query's own. The frame is
    shared between readers: never change it in place.
    """
    path = snapshot()
    if path is None:
        raise FileNotFoundError(f"no warehouse in {shown().snapshots}: run `make refresh`")
    given = (filters.parameters() if filters else {}) | parameters
    return _rows(str(path), name, scope(), tuple(sorted(given.items())))


@st.cache_resource(show_spinner=False, max_entries=KEPT_RESULTS)
def _rows(
    path: str, name: str, reader: Scope, parameters: tuple[tuple[str, Any], ...]
) -> pl.DataFrame:
    return run(name, Path(path), reader, **dict(parameters))


def schema_differs() -> bool:
    """Say whether the published warehouse was made for other queries than these."""
    return query("schema_version")["schema_version"].item() != schema_wanted()
