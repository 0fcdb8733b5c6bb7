"""Sign-in through a real provider in a real browser, attacks on it, and scripts hidden in data."""

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import polars as pl
import pytest
from joserfc.jwk import RSAKey
from playwright.sync_api import APIResponse, Browser, Page, expect
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

from pages.shared.navigation import HIDDEN, PAGES, ROLES
from tests.conftest import run_etl
from tests.e2e.conftest import AT_REST, Server, free_port, serve, settled, shot, watched
from tests.e2e.provider import Claims, Provider, encoded, running
from warehouse import access_log
from warehouse.settings import Settings

#: Text that runs where a page takes it for HTML or Markdown.
SCRIPT = "<script>window.pwned=1</script>"
IMAGE = "<img src=x onerror=window.pwned=1>"
LINK = "[x](javascript:window.pwned=1)"
#: Text that means something to SQL, HTML or a number's parser.
HOSTILE = ["' OR 1=1; DROP TABLE procedures --", f'"{SCRIPT}', "-9223372036854775809"]
#: Every name that the address of some page may carry.
PARAMETERS = """period modality procedure site room operator age bmi quarter edit size of in log
    state rule id turnover first question paper outcome groups-by followed-by""".split()  # noqa: SIM905
#: Pages that are opened side by side, so that no tab waits for another's picture to settle.
TABS = 6
#: Without a click so long a session ends, minutes.
IDLE = 0.5


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """Run a provider that knows one person of each role, one of none, and one of two."""
    with running(tmp_path_factory.mktemp("provider") / "log") as found:
        for role in ("manager", "rso", "physician", "admin"):
            found.knows(role, name=f"Robin {role}", roles=[role])
        found.knows("visitor", name="Robin visitor", roles=["nurse"])
        found.knows("both", name=f"Robin {SCRIPT}{LINK}", roles=["rso", "admin"])
        yield found


@pytest.fixture(scope="module")
def kerma(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve a log with hostile names to those whom the provider knows."""
    from etl import demo
    from etl.demo import files

    data = tmp_path_factory.mktemp("sign-in")
    (data / "inbox").mkdir()
    log, _ = demo.log(1_500, 1, date(2026, 11, 20))
    for column in ("operator", "room", "procedure_name", "device"):
        often = log[column].drop_nulls().value_counts(sort=True)[column][:3].to_list()
        log = log.with_columns(pl.col(column).replace(often, [SCRIPT, IMAGE, LINK]))
    turns = pl.int_range(pl.len()) % 3
    extra = pl.lit(pl.Series([SCRIPT, IMAGE, LINK])).gather(turns)
    log = log.with_columns(extra.alias(f"Referral {IMAGE}"))
    files.write_csv(log, data / "inbox" / "<b onmouseover=1>.csv")
    done = run_etl(data, "refresh")
    assert done.returncode in (0, 1), done.stdout + done.stderr

    port = free_port()
    sign_in = {
        "metadata_url": f"{provider.url}/.well-known/openid-configuration",
        "client_id": "kerma",
        "client_secret": "a secret of the client",
        "cookie_secret": "a secret of the cookie, long enough",
        "redirect_uri": f"http://127.0.0.1:{port}/oauth2callback",
        "idle_minutes": IDLE,
    }
    yield from serve(data, data / "server.log", port, KERMA_SIGN_IN=json.dumps(sign_in))


@pytest.fixture
def page(browser: Browser, kerma: Server, provider: Provider) -> Iterator[Page]:
    """Open a window of somebody new."""
    yield from watched(browser, kerma.url, provider.issuer)


@pytest.fixture(scope="module")
def left_alone(browser: Browser, kerma: Server, provider: Provider) -> Iterator[Page]:
    """Sign in and then touch nothing, while the other tests run."""
    for opened in watched(browser, kerma.url, provider.issuer):
        sign_in(opened, "manager")
        settled(opened, "Overview")
        yield opened


def sign_in(page: Page, account: str, address: str = "/") -> None:
    """Go to an address, and from Kerma's sign-in through the provider's."""
    page.goto(address)
    settled(page, "Sign in")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_placeholder("sub").fill(account)
    page.get_by_role("button", name="Authorize").click()


def listed(page: Page) -> dict[str, list[str]]:
    """Return the menu as the reader sees it: the titles of each section."""
    sections = page.get_by_test_id("stTopNavSection")
    if sections.count() == 0:  # a single section lies open in the bar
        return {"": page.get_by_test_id("stTopNavLink").all_inner_texts()}
    found: dict[str, list[str]] = {}
    for section in sections.all():
        section.click()
        links = page.get_by_test_id("stTopNavDropdownLink")
        expect(links.first).to_be_visible()
        found[section.inner_text().split("\n")[0]] = links.all_inner_texts()
        page.keyboard.press("Escape")
        expect(links).to_have_count(0)
    return found


def test_no_address_shows_a_page_before_the_first_sign_in(page: Page) -> None:
    for address in ("/settings", "/overview", "/case?id=1"):
        page.goto(address)
        settled(page, "Sign in")
        expect(page.get_by_test_id("stTopNavSection")).to_have_count(0)
        expect(page.get_by_test_id("stMetric")).to_have_count(0)
        expect(page.get_by_test_id("stDataFrame")).to_have_count(0)
    shot(page, "sign-in")
    for address in ("/pages/dose/rules.py", "/pages/dose/rules", "/app.py"):
        assert "import" not in page.request.get(address).text(), address


@pytest.mark.usefixtures("left_alone")
@pytest.mark.parametrize("role", ["manager", "rso", "physician", "admin"])
def test_each_role_sees_its_pages_and_no_other(page: Page, role: str) -> None:
    sign_in(page, role)
    expect(page.locator(".st-key-reader")).to_contain_text(f"Robin {role}")
    assert page.evaluate(AT_REST)
    expected = {
        section: [title for path, title in pages if role in ROLES[path] and path not in HIDDEN]
        for section, pages in PAGES.items()
    }
    found = [title for titles in listed(page).values() for title in titles]
    assert found == [title for titles in expected.values() for title in titles]
    closed = next(path for path in ROLES if role not in ROLES[path])
    page.goto(f"/{Path(closed).stem}")
    settled(page, "Not for your role")
    expect(page.get_by_test_id("stDataFrame")).to_have_count(0)


def test_a_link_survives_the_sign_in(page: Page) -> None:
    sign_in(page, "rso", "/trends?modality=CT&period=All")
    settled(page, "Dose trends")
    asked = urlsplit(page.url)
    assert asked.path == "/trends"
    assert set(asked.query.split("&")) == {"modality=CT", "period=All"}


@pytest.mark.parametrize("there", ["//evil.example/", "https://evil.example/", "/\\evil.example"])
def test_no_link_leads_to_another_server(page: Page, there: str) -> None:
    page.goto("/")
    settled(page, "Sign in")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_placeholder("sub")).to_be_visible()
    here = urlsplit(page.url).netloc
    page.add_init_script(
        f"if (location.host !== {here!r}) sessionStorage.setItem('kerma-here', {there!r})"
    )
    page.get_by_placeholder("sub").fill("manager")
    page.get_by_role("button", name="Authorize").click()
    settled(page, "Overview")  # that nothing was asked elsewhere is the window's own check


def test_without_a_role_there_is_a_way_out_and_no_page(page: Page, provider: Provider) -> None:
    sign_in(page, "visitor", "/trends")
    settled(page, "Nothing is open to you")
    expect(page.get_by_text("Robin visitor")).to_be_visible()
    expect(page.get_by_test_id("stTopNavSection")).to_have_count(0)
    shot(page, "no-role")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{provider.issuer}/oauth2/end_session?**")


def test_signing_out_ends_at_the_provider_and_comes_back(page: Page, provider: Provider) -> None:
    sign_in(page, "manager")
    settled(page, "Overview")
    kept = page.context.cookies()
    page.locator(".st-key-reader button").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{provider.issuer}/oauth2/end_session?**")
    assert "id_token_hint=" in page.url
    page.get_by_role("button", name="End session").click()
    settled(page, "Sign in")
    # Whoever kept a copy of the cookie opens nothing with it.
    page.context.add_cookies([{**cookie} for cookie in kept])  # pyright: ignore[reportArgumentType]
    page.goto("/")
    page.wait_for_url(f"{provider.issuer}/oauth2/end_session?**")


def unsigned(claims: Claims) -> str:
    """Return a token that says that it needs no signature."""
    parts = ({"alg": "none"}, claims)
    return ".".join(encoded(json.dumps(part).encode()) for part in parts) + "."


#: What an attacker may send for a token, made of the provider and the true claims.
FORGERIES: dict[str, Callable[[Provider, Claims], str]] = {
    "a stranger's signature": lambda p, c: p.signed(c, RSAKey.generate_key(2048)),
    "no signature": lambda _, c: unsigned(c),
    "signed with the public key": lambda p, c: p.signed_with_public_key(c),
    "expired": lambda p, c: p.signed(c | {"iat": c["iat"] - 7200, "exp": c["iat"] - 3600}),
    "another audience": lambda p, c: p.signed(c | {"aud": "payroll"}),
    "another issuer": lambda p, c: p.signed(c | {"iss": "https://evil.example"}),
    "another nonce": lambda p, c: p.signed(c | {"nonce": "of another sign-in"}),
    "no token": lambda _p, _c: "",
}


def sign_in_address(page: Page) -> str:
    """Return where the button leads; each call of it begins a sign-in."""
    page.goto("/")
    settled(page, "Sign in")
    with page.expect_request("**/auth/login?**") as asked:
        page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_placeholder("sub")).to_be_visible()
    return asked.value.url


def refused(answer: APIResponse, page: Page, kerma: Server) -> str:
    """Check that an answer of the callback signs nobody in; return its error id."""
    assert answer.status == 400, answer.url
    words = answer.text()
    number = re.search(r"id ([0-9a-f]{8})", words)
    assert number and "Traceback" not in words and "authlib" not in words.casefold()
    assert f"id {number[1]}" in kerma.log.read_text(errors="replace")
    assert not [c for c in page.context.cookies() if c.get("name") == "_streamlit_user"]
    return number[1]


def test_the_true_token_and_no_forged_one_signs_in(
    page: Page, provider: Provider, kerma: Server
) -> None:
    login = sign_in_address(page)
    accepted: list[str] = []
    try:
        for name, made in FORGERIES.items():
            provider.forge = lambda claims, made=made: made(provider, claims)
            form = page.request.get(login)
            answer = page.request.post(form.url, form={"sub": "both"})
            if answer.status == 200:
                accepted.append(name)
                continue
            refused(answer, page, kerma)
        assert accepted == []
        provider.forge = provider.signed  # the same key with the true claims does
        assert page.request.post(page.request.get(login).url, form={"sub": "both"}).ok
    finally:
        provider.forge = None
    assert [c for c in page.context.cookies() if c.get("name") == "_streamlit_user"]


def told(kerma: Server) -> list[dict[str, Any]]:
    """Return the server's access log."""
    return access_log.entries(Settings(data_dir=kerma.log.parent))


def test_a_token_for_another_application_gets_no_session(
    page: Page, provider: Provider, kerma: Server
) -> None:
    """Authlib lets it pass, since its ``azp`` names Kerma."""
    provider.forge = lambda claims: provider.signed(claims | {"aud": "payroll", "azp": "kerma"})
    try:
        sign_in(page, "both")
        expect(page.get_by_role("heading", name="You are not signed in")).to_be_visible()
        expect(page.get_by_text("issued for another application")).to_be_visible()
    finally:
        provider.forge = None
    assert not [c for c in page.context.cookies() if "_streamlit_user" in c.get("name", "")]
    last = told(kerma)[-1]
    assert (last["what"], last["about"], last["account"]) == ("refused", "sign-in", "both")
    assert "another application" in last["details"]["why"] and last["roles"] == []
    page.goto("/")
    settled(page, "Sign in")


def test_a_made_up_way_back_signs_nobody_in(page: Page, kerma: Server) -> None:
    sign_in_address(page)
    for way in ("code=x&state=made-up", "code=x", "error=access_denied&error_description=<b>no"):
        number = refused(page.request.get(f"/oauth2callback?{way}"), page, kerma)
        assert told(kerma)[-1]["details"]["id"] == number
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("heading", name="You are not signed in")).to_be_visible()
    shot(page, "sign-in-failed")
    page.get_by_role("link", name="Back to the sign-in").click()
    settled(page, "Sign in")


def test_a_changed_cookie_signs_nobody_in(page: Page) -> None:
    sign_in(page, "manager")
    settled(page, "Overview")
    cookie = next(c for c in page.context.cookies() if c.get("name") == "_streamlit_user")
    value = cookie.get("value", "")
    now = int(time.time())
    made = {"is_logged_in": True, "roles": ["rso"], "aud": "kerma", "iat": now, "sub": "rso"}
    body = json.dumps(made | {"origin": "http://" + urlsplit(page.url).netloc})
    forged = create_signed_value("another secret of a cookie, long", "_streamlit_user", body)
    for wrong in (value[:-3] + "abc", "x" + value[1:], forged.decode(), body):
        page.context.clear_cookies()
        page.context.add_cookies(
            [{"name": "_streamlit_user", "value": quote(wrong, safe="=|:"), "url": page.url}]
        )
        page.goto("/")
        settled(page, "Sign in")
        expect(page.get_by_test_id("stTopNavSection")).to_have_count(0)


def test_no_text_of_the_log_or_of_an_address_runs(page: Page, kerma: Server) -> None:
    sign_in(page, "both", "/settings")
    settled(page, "Settings")
    values = [*HOSTILE, SCRIPT, IMAGE, LINK]
    opened = [(path, title) for section in PAGES.values() for path, title in section]
    addresses = []
    for at, (path, title) in enumerate(opened):
        # Each parameter gets another text on each page: unknown ones, and names of the log.
        asked = {
            name: values[(at + place) % len(values)] for place, name in enumerate(PARAMETERS)
        } | {"period": "All" if at % 2 else HOSTILE[0]}
        addresses.append((f"/{Path(path).stem}?{urlencode(asked)}", title))
    addresses += [(f"/case?id={case}", "Case") for case in range(1, 5)]
    tabs = [page, *(page.context.new_page() for _ in range(TABS - 1))]
    for start in range(0, len(addresses), TABS):
        side_by_side = list(zip(tabs, addresses[start : start + TABS], strict=False))
        for tab, (address, _) in side_by_side:
            tab.goto(address, wait_until="commit")
        for tab, (_, title) in side_by_side:
            expect(tab.get_by_role("heading", level=1, name=title)).to_be_visible()
            tab.evaluate(f"() => {{ window.resting = ({AT_REST})() }}")
        for tab, (address, title) in side_by_side:
            assert tab.evaluate("window.resting"), f"{title} does not come to rest"
            expect(tab.get_by_test_id("stException")).to_have_count(0)
            assert_nothing_ran(tab, address)
    page.goto("/outliers?period=All")
    settled(page, "Dose outliers")
    page.get_by_test_id("stPopover").filter(has_text="More filters").get_by_role("button").click()
    expect(page.get_by_role("combobox", name="Operator")).to_be_visible()
    assert_nothing_ran(page, "filters")


def assert_nothing_ran(page: Page, where: str) -> None:
    """Check every frame of a page for what the hostile texts would leave behind."""
    expect(page.get_by_text("This page could not be drawn")).to_have_count(0)
    for frame in page.frames:
        assert frame.evaluate("window.pwned") is None, where
        hostile = "a[href^='javascript:' i], img[src='x'], [onerror]"
        assert frame.locator(hostile).count() == 0, where


def test_no_text_of_the_log_runs_in_a_report(page: Page, tmp_path: Path) -> None:
    sign_in(page, "both", "/report")
    settled(page, "Committee report")
    page.get_by_role("button", name=re.compile("^Make")).click()
    with page.expect_download() as taken:
        page.get_by_role("button", name="HTML").click()
    file = tmp_path / "report.html"
    taken.value.save_as(file)
    assert "&lt;script&gt;window.pwned" in file.read_text("utf-8")
    assert page.evaluate(AT_REST)
    assert_nothing_ran(page, "the report in its page")
    page.goto(file.as_uri())
    assert_nothing_ran(page, "the report as a file")


def test_whoever_does_not_click_is_signed_out(left_alone: Page, provider: Provider) -> None:
    left_alone.wait_for_url(f"{provider.issuer}/oauth2/end_session?**", timeout=90_000)
    left_alone.goto("/")
    settled(left_alone, "Sign in")
