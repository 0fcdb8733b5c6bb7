"""A warehouse with corrections and refused rows, for the pages that show them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import use_data
from tests.pages import lived_in


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder whose warehouse has been corrected once."""
    folder = tmp_path_factory.mktemp("lived-in")
    lived_in.fill(folder)
    return folder


@pytest.fixture
def lived_settings(lived: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let this process read that warehouse."""
    yield from use_data(lived, monkeypatch)
