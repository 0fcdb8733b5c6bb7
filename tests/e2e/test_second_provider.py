"""Sign-in through a provider that demands PKCE and a password, in a real browser."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Server, free_port, serve, settled, wait_for, watched
from tests.e2e.django_provider import CLIENT, PASSWORD, PEOPLE, SECRET


@pytest.fixture(scope="module")
def kerma(demo_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve the demo warehouse to those whom the provider knows."""
    folder = tmp_path_factory.mktemp("second-provider")
    port, its = free_port(), free_port()
    back = f"http://127.0.0.1:{port}/oauth2callback"
    script = Path(__file__).with_name("django_provider.py")
    log = folder / "provider.log"
    with open(log, "wb") as out:
        process = subprocess.Popen(
            [sys.executable, str(script), str(its), str(folder / "db"), back],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    metadata = f"http://127.0.0.1:{its}/o/.well-known/openid-configuration"
    sign_in = {
        "metadata_url": metadata,
        "client_id": CLIENT,
        "client_secret": SECRET,
        "cookie_secret": "a secret of the cookie, long enough",
        "redirect_uri": back,
    }
    try:
        wait_for(metadata, process, log)
        yield from serve(
            demo_data, folder / "server.log", port, KERMA_SIGN_IN=json.dumps(sign_in),
            KERMA_ACCESS_DIR=str(folder / "access"),
        )  # fmt: skip
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture
def page(browser: Browser, kerma: Server) -> Iterator[Page]:
    """Open a window of somebody new."""
    yield from watched(browser, kerma.url)


@pytest.mark.parametrize("account", PEOPLE)
def test_a_person_signs_in_with_a_password_and_out_at_the_provider(
    page: Page, account: str
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/levels?period=All")
    settled(page, "Sign in")
    page.get_by_role("button", name="Sign in").click()
    page.locator("#id_username").fill(account)
    page.locator("#id_password").fill(PASSWORD)
    page.locator("input[type=submit]").click()
    settled(page, "Reference levels")
    expect(page.locator(".st-key-reader")).to_contain_text(PEOPLE[account])
    sent = next(parse_qs(urlsplit(url).query) for url in asked if "/o/authorize/?" in url)
    assert sent["code_challenge_method"] == ["S256"] and len(sent["code_challenge"][0]) == 43
    page.goto("/rules")
    settled(page, "Outlier rules" if account == "rso" else "Not for your role")
    if account != "rso":
        expect(page.get_by_text("not among those that your role opens")).to_be_visible()
    page.locator(".st-key-reader button").click()
    page.get_by_role("button", name="Sign out").click()
    settled(page, "Sign in")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#id_password")).to_be_visible()  # the provider has forgotten them too
