"""A warehouse with corrections and refused rows, for the pages that show them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import use_data
from tests.pages import lived_in
from warehouse.settings import settings


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


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let people sign in: claims ``roles``, ``sites`` and ``operator``; see ``opened(user=…)``."""
    given = {
        "METADATA_URL": "https://idp.test/.well-known/openid-configuration",
        "CLIENT_ID": "kerma", "CLIENT_SECRET": "secret", "COOKIE_SECRET": "cookie",
        "REDIRECT_URI": "https://kerma.test/oauth2callback",
        "SITE_CLAIM": "sites", "OPERATOR_CLAIM": "operator",
    }  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(f"KERMA_SIGN_IN__{name}", value)
    settings.cache_clear()
    yield
    settings.cache_clear()
