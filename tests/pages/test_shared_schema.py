"""A warehouse of another schema is named, not shown half."""

from pathlib import Path

import pytest

from tests.etl.test_refresh_migrates import old_warehouse
from tests.pages.app import opened, texts


def test_an_older_warehouse_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from warehouse.settings import settings

    old_warehouse(tmp_path)
    monkeypatch.setenv("KERMA_DATA_DIR", str(tmp_path))
    settings.cache_clear()
    at = opened()
    assert at.title[0].value == "The warehouse is of another version"
    assert "etl refresh" in at.code[0].value and "nothing is lost" in texts(at)
    settings.cache_clear()
