"""Readers of different sites and roles share one process and its caches: no row crosses."""

from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import polars as pl
import pytest

from pages.shared import data
from warehouse.access import Scope
from warehouse.queries import run

SITES = ("Northgate", "Harbour")
QUERIES: dict[str, dict[str, Any]] = {
    "counts": {}, "filter_values": {}, "trends_choices": {}, "health_coverage": {},
    "workflow_variants": {}, "rooms_cancelled": {},
    "rooms_days": {"group_by": "room", "block_from": 480, "block_to": 960, "longest_gap": 90},
    "levels_effective": {}, "rooms_occupancy": {},
}  # fmt: skip
READERS = (Scope(("manager",), SITES[:1]), Scope(("rso",), SITES[1:]))
ROUNDS, THREADS = 6, 8


@pytest.mark.usefixtures("demo_settings")
def test_no_row_crosses_between_readers_who_ask_at_once() -> None:
    path = data.snapshot()
    assert path is not None
    asked = [(reader, name) for reader in READERS for name in QUERIES]
    alone = {(r, name): run(name, path, r, **QUERIES[name]) for r, name in asked}
    for name in QUERIES:
        assert not alone[READERS[0], name].equals(alone[READERS[1], name]), f"{name} tells nothing"

    def ask(question: tuple[Scope, str]) -> tuple[Scope, str, pl.DataFrame]:
        reader, name = question
        given = tuple(sorted(QUERIES[name].items()))
        return reader, name, data._rows(str(path), name, reader, given)

    data._rows.clear()
    many = asked * ROUNDS
    Random(7).shuffle(many)
    with ThreadPoolExecutor(THREADS) as pool:
        for reader, name, rows in pool.map(ask, many):
            mine = alone[reader, name]
            assert sorted(rows.write_ndjson().splitlines()) == sorted(
                mine.write_ndjson().splitlines()
            ), f"{name} for {reader}"
            other = SITES[reader.sites == SITES[:1]]
            assert other not in rows.write_json(), f"{name} for {reader} names {other}"
