"""Who is at the screen, as long as nobody signs in."""

import getpass

import pytest

from pages.shared import auth
from tests.pages.app import opened, texts
from warehouse.settings import settings

pytestmark = pytest.mark.usefixtures("demo_settings")


def test_the_installation_names_the_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERMA_USER", "Ada Safety")
    settings.cache_clear()
    assert "You write as Ada Safety" in texts(opened("dose/rules.py"))


def test_without_a_name_the_account_stands_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KERMA_USER", raising=False)
    monkeypatch.setattr(getpass, "getuser", lambda: "account")
    settings.cache_clear()
    assert "You write as account" in texts(opened("dose/rules.py"))


def test_an_account_without_a_name_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("uid 4711")

    monkeypatch.delenv("KERMA_USER", raising=False)
    monkeypatch.setattr(getpass, "getuser", nameless)
    settings.cache_clear()
    assert auth._account() == ""
    assert "nobody: sign in, or set KERMA_USER" in texts(opened("dose/rules.py"))
