"""Who passes the gate: by address, sign-in, role, site and time."""

import time
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.shared import data, gate, navigation
from pages.shared.gate import is_loopback
from pages.shared.sessions import Sessions
from tests.pages.app import ROOT, claims, opened, texts
from warehouse import access_log
from warehouse.queries import rule
from warehouse.settings import Settings, settings

pytestmark = pytest.mark.usefixtures("demo_settings")


@pytest.fixture(autouse=True)
def own_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERMA_ACCESS_DIR", str(tmp_path / "access"))
    settings.cache_clear()
    gate.sessions.clear()
    return tmp_path / "access"


def told() -> list[tuple[str, str]]:
    return [(entry["what"], entry["about"]) for entry in access_log.entries(settings())]


@pytest.mark.parametrize(
    ("address", "ours"),
    [
        ("127.0.0.1", True), ("localhost", True), ("::1", True), ("[::1]:8501", True),
        ("127.0.0.1:8501", True), ("localhost:8501", True), ("127.8.8.8", True),
        ("0.0.0.0", False), ("", False), (None, False), ("10.0.0.5:8501", False),
        ("kerma.hospital.example", False), ("localhost.evil.example:8501", False),
        ("127.0.0.1.evil.example", False), ("::", False), ("[::]:8501", False),
    ],
)  # fmt: skip
def test_what_counts_as_this_machine(address: str | None, ours: bool) -> None:
    assert is_loopback(address) is ours


@pytest.mark.parametrize("address", ["0.0.0.0", "", "10.0.0.5"])
def test_without_a_provider_other_addresses_get_nothing(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = st.get_option

    def option(name: str) -> Any:
        return address if name == "server.address" else before(name)

    monkeypatch.setattr(st, "get_option", option)
    at = opened()
    assert "no sign-in provider is set" in texts(at)
    assert not at.get("vega_lite_chart") and not at.dataframe and not at.metric
    monkeypatch.setenv("KERMA_ALLOW_OPEN", "true")
    settings.cache_clear()
    assert opened().metric


def test_without_a_provider_the_page_says_so() -> None:
    assert "This machine only, every role" in texts(opened())


@pytest.mark.usefixtures("provider")
def test_who_has_not_signed_in_gets_nothing_on_any_address() -> None:
    for page in (None, *(path for pages in navigation.PAGES.values() for path, _ in pages)):
        at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        at.secrets["auth"] = {"client_id": "kerma"}
        at.query_params["id"] = "1"
        at.run()
        if page:
            with pytest.raises(ValueError, match="Could not find a navigation page"):
                at.switch_page(str(ROOT / "pages" / page)).run()
        assert at.title[0].value == "Sign in" and not at.metric and not at.dataframe


@pytest.mark.usefixtures("provider")
def test_a_server_started_without_the_providers_secrets_shows_nothing() -> None:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    at.user = claims("rso")
    at.run()
    assert at.title[0].value == "Started without its sign-in" and not at.metric


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize(
    "user",
    [
        claims(), claims("nurse"), claims("RSO"), claims("rso", sites=()),
        claims("rso", sites=("",)), claims("rso", aud="another-app"), claims("rso", aud=None),
        claims() | {"roles": {"rso": True}}, claims() | {"roles": 7},
        claims() | {"roles": None, "groups": ["rso"]}, claims() | {"roles": [["rso"]]},
    ],
    ids=[
        "no role", "unknown role", "another case", "no site", "blank site", "another audience",
        "no audience", "roles as keys", "roles as number", "role among groups", "roles nested",
    ],  # not the claims themselves: they hold the time, and both workers must name a test alike
)  # fmt: skip
def test_no_role_or_no_site_means_no_page(user: dict[str, Any]) -> None:
    at = opened(user=user)
    assert at.title[0].value == "Nothing is open to you" and not at.metric
    assert [b.label for b in at.button] == ["Sign out"]
    assert ("refused", "every page") in told()


@pytest.mark.usefixtures("provider")
def test_ten_thousand_groups_leave_one_role() -> None:
    user = claims(*(f"group-{n}" for n in range(500)), "manager", *["x" * 300] * 10_000)
    assert opened(user=user).metric


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize(
    ("ago", "title"),
    [(60, "Overview"), (10 * 3600, None), (45 * 60, None), (-3600, None)],
)
def test_a_session_ends(ago: int, title: str | None) -> None:
    """After nine hours; half an hour old and never seen here; said to be of the future."""
    at = opened(user=claims("rso", iat=int(time.time()) - ago))
    assert [t.value for t in at.title] == ([title] if title else [])
    assert ("signed in", "") in told() if title else told()[0][0] == "signed out"


def test_clicks_keep_a_session_and_the_limit_ends_it() -> None:
    sign_in = Settings(sign_in=SIGN_IN).sign_in
    assert sign_in is not None
    kept, user = Sessions(), {"iss": "i", "sub": "s", "iat": 0.0}
    for minute in range(0, 9 * 60, 29):
        assert not kept.why_ended(user, sign_in, minute * 60)
        kept.click(user, minute * 60)
    assert "9 hours" in kept.why_ended(user, sign_in, 9 * 3600 + 1)
    other = user | {"iat": 100.0}
    kept.click(other, 200.0)
    assert "30 minutes" in kept.why_ended(other, sign_in, 200.0 + 1801)
    kept.end(other, 300.0)
    kept.click(other, 301.0)
    assert kept.why_ended(other, sign_in, 302.0) == "signed out", "in every tab, for good"


SIGN_IN = {
    "metadata_url": "https://idp.test", "client_id": "kerma", "client_secret": "s",
    "cookie_secret": "c", "redirect_uri": "https://kerma.test/oauth2callback",
}  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"client_secret": None}, "either client_secret or client_secret_file"),
        ({"client_secret_file": "/x"}, "either client_secret or client_secret_file"),
        ({"redirect_uri": "https://kerma.test/"}, "oauth2callback"),
        ({"roles": {"grp": "root"}}, "manager"),
        ({"session_hours": 0}, "greater than 0"),
        ({"typo": 1}, "Extra inputs"),
    ],
)
def test_wrong_settings_are_named(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Settings(sign_in=SIGN_IN | wrong)


def test_claims_are_mapped_in_one_place() -> None:
    sign_in = Settings(
        sign_in=SIGN_IN
        | {
            "role_claim": "realm_access.roles", "roles": {"grp-7": "physician", "grp-8": "rso"},
            "site_claim": "ou", "sites": {"north": "Northgate", "all": "*"},
            "operator_claim": "op",
        }
    ).sign_in  # fmt: skip
    assert sign_in is not None
    said = {"aud": ["kerma"], "sub": "u", "name": "Ada", "ou": "north", "op": ["DR ADA", "Ada"]}
    one = sign_in.person(said | {"realm_access": {"roles": ["grp-7", "rso"]}})
    assert (one.name, one.account) == ("Ada", "u")
    assert (one.scope.roles, one.scope.sites) == (("physician",), ("Northgate",))
    assert one.scope.own == ("Ada", "DR ADA")
    two = sign_in.person(said | {"realm_access": {"roles": ["grp-8"]}, "ou": ["north", "all"]})
    assert (two.scope.roles, two.scope.sites, two.scope.own) == (("rso",), None, ())


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize("role", ["manager", "rso", "physician", "admin"])
def test_each_role_opens_its_pages_and_no_other(role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()
    before = data.query

    def query(name: str, *given: Any, **more: Any) -> Any:
        asked.add(name)
        return before(name, *given, **more)

    monkeypatch.setattr(data, "query", query)
    listed = {path for pages in navigation.PAGES.values() for path, _ in pages}
    assert listed == set(navigation.ROLES), "every page has a rule, and every rule a page"
    for path in navigation.ROLES:
        at = opened(user=claims(role), page=None, id="1", sites="Northgate")
        if navigation.opens(path, frozenset({role})):
            at.switch_page(str(ROOT / "pages" / path)).run()
            assert not at.exception, (path, at.exception[0].message)
            assert at.title and at.title[0].value != "Not for your role"
        else:
            with pytest.raises(ValueError, match="Could not find a navigation page"):
                at.switch_page(str(ROOT / "pages" / path))
    wrong = [name for name in asked if role not in rule(name).roles]
    assert not wrong, f"pages that {role} opens ask {wrong}"
