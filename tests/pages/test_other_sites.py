"""Every page for readers of one site: another site's cases change nothing on it.

Two warehouses hold the same cases of one site. The second also holds another site's, with extreme
doses, staff and rooms that carry a mark, and what its staff wrote. Whatever a page or a table to be
taken away tells differently of the two is a figure into which the other site's cases went.
"""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import streamlit as st

from etl import demo
from etl.demo import files
from pages.shared import downloads, gate, navigation
from tests.conftest import run_etl
from tests.pages.app import claims, opened
from tests.people import rso
from warehouse import protocol_changes
from warehouse.settings import Settings, settings

END = date(2026, 11, 20)
MINE, OTHER, MARK = "Northgate", "Harbour", "Zz Marker"
KEY = "one-key-of-sufficient-length-for-both"
#: Loading is told of in these; who loads what when is no figure of a case. Ids are made anew.
RUNS = re.compile(r'kerma-\d{8}T\w+-\d+|\d{8}T\d{6}Z-\w{4}|\b\w*(id|Id|url|hash|file_name): ".*?"')
#: When a report was made stands in it.
WRITTEN = re.compile(r"\d\d:\d\d")
OPENED = [
    (role, path)
    for role in ("rso", "physician")
    for path, roles in navigation.ROLES.items()
    if role in roles and (role == "rso" or "manager" not in roles)  # the others tell no more
]


def fill(folder: Path, with_others: bool) -> Path:
    """Load one site's cases, then the other's."""
    (folder / "inbox").mkdir(parents=True)
    log, _ = demo.log(1_500, 1, END)
    files.write_csv(log.filter(pl.col("site") == MINE), folder / "inbox" / "a.csv")
    assert run_etl(folder, "refresh").returncode in (0, 1)
    if not with_others:
        return folder
    marked = (pl.format("{} {}", pl.lit(MARK), name).alias(name) for name in ("operator", "room"))
    doses = ("kap_gycm2", "air_kerma_mgy", "dlp_mgycm", "fluoro_time_s")
    others = log.filter(pl.col("site") == OTHER).with_columns(
        *marked, *(pl.col(name) * 30 for name in doses)
    )
    files.write_csv(others, folder / "inbox" / "b.csv")
    assert run_etl(folder, "refresh").returncode in (0, 1)
    protocol_changes.record(
        Settings(data_dir=folder), rso("Bo", (OTHER,)), date(2026, 6, 1), MARK, site=OTHER
    )
    return folder


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    base = tmp_path_factory.mktemp("sites")
    with pytest.MonkeyPatch.context() as env:
        env.setenv("KERMA_PSEUDONYM_KEY", KEY)
        return fill(base / "one", False), fill(base / "two", True)


def told(block: Any) -> Iterator[str]:
    """Give all that a page sends to a browser."""
    for element in getattr(block, "children", {}).values():
        yield from told(element)
    if not hasattr(block, "children"):
        text = RUNS.sub("", str(block.proto))
        yield WRITTEN.sub("", text) if block.type == "iframe" else text


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize(("role", "page"), OPENED)
def test_a_page_tells_the_same_whatever_other_sites_did(
    role: str, page: str, both: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERMA_PSEUDONYM_KEY", KEY)
    taken: dict[str, str] = {}
    before = downloads.offer

    def offer(frame: Any, **more: Any) -> None:
        whole = frame() if callable(frame) else frame
        taken[more["key"]] = RUNS.sub("", whole.write_json())
        before(whole, **more)

    monkeypatch.setattr(downloads, "offer", offer)
    seen: list[tuple[list[str], dict[str, str]]] = []
    for folder in both:
        monkeypatch.setenv("KERMA_DATA_DIR", str(folder))
        settings.cache_clear()
        st.cache_data.clear()
        gate.sessions.clear()
        taken.clear()
        reader = claims(role, sites=(MINE,), operator="Dr Abara")
        at = opened(page, user=reader, period="All", id="3")
        if page == "dose/report.py":
            at.button("make-report").click().run(timeout=120)
            assert "Outliers and reviews" in str(at.get("iframe")[0].proto)
        seen.append((list(told(at.main)), dict(taken)))
    one, two = seen
    assert one[0] == two[0]
    assert one[1] == two[1]
    assert MARK not in str(two) and OTHER not in str(two)
