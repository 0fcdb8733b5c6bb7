"""A real server on a free port, a real browser, and proof that no request leaves this host."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    Locator,
    Page,
    Request,
    expect,
    sync_playwright,
)
from playwright.sync_api import TimeoutError as TooLate

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]  # fmt: skip
LOCAL = {"127.0.0.1", "localhost", ""}
#: A cold server on a busy machine takes longer than the five seconds that Playwright waits.
expect.set_options(timeout=20_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies here, keep it on one worker, and skip it where there is no browser."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.xdist_group("browser"))
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="Chromium is not installed"))


@dataclass(frozen=True)
class Server:
    """A running dashboard."""

    url: str
    log: Path


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def serve(data_dir: Path, log: Path, port: int = 0, **chosen: str) -> Iterator[Server]:
    """Serve a data folder as an installation does, until the test is done.

    ``chosen`` are environment variables of the server; without ``port`` a free one is taken.
    """
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    with open(log, "wb") as out:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "streamlit",
                "run",
                "deploy/serve.py",
                "--server.port",
                str(port),
            ],
            cwd=ROOT,
            env=os.environ | {"KERMA_DATA_DIR": str(data_dir)} | chosen,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(f"{url}/_stcore/health", process, log)
        yield Server(url, log)
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until an address of a server answers; fail with its log when it does not."""
    for _ in range(300):
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the server did not start:\n{log.read_text(errors='replace')}")


@pytest.fixture(scope="session")
def server(demo_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve the demo warehouse."""
    yield from serve(demo_data, tmp_path_factory.mktemp("server") / "server.log")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Chromium once."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """Open a page that fails the test if anything asks another host, or a script breaks."""
    yield from watched(browser, server.url)


def watched(browser: Browser, url: str, provider: str | None = None) -> Iterator[Page]:
    """Open a browser window on a server and watch its requests and script errors.

    What the pages of a sign-in ``provider`` ask of other hosts is not Kerma's; they get nothing.
    """
    context = browser.new_context(
        base_url=url, viewport={"width": 1400, "height": 1000}, accept_downloads=True
    )
    context.set_default_timeout(30_000)
    foreign: list[str] = []
    broken: list[str] = []

    def note(address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in LOCAL:
            foreign.append(address)

    def note_request(request: Request) -> None:
        if provider is None or not request.headers.get("referer", "").startswith(provider):
            note(request.url)

    def watch(tab: Page) -> None:
        tab.on("websocket", lambda socket: note(socket.url))
        tab.on("pageerror", lambda error: broken.append(str(error)))

    context.on("request", note_request)
    context.on("page", watch)
    yield context.new_page()
    context.close()
    assert not foreign, f"requests left this host: {foreign}"
    assert not broken, f"scripts failed in the browser: {broken}"


#: Resolves when no script runs and the page has kept its height and place for 300 ms. Charts are
#: drawn after the run has ended; what they push aside loses a click and shuts an open list.
AT_REST = """() => new Promise(done => {
    let last = "", still = 0, looks = 0;
    const look = () => {
        const app = document.querySelector('[data-testid="stApp"]');
        const main = document.querySelector('[data-testid="stMain"]');
        const now = [app?.dataset.testScriptState, main?.scrollHeight, main?.scrollTop].join();
        still = now === last && now.startsWith("notRunning") ? still + 1 : 0;
        last = now;
        if (still >= 6 || ++looks > 400) done(still >= 6);
        else setTimeout(look, 50);
    };
    look();
})"""


def settled(page: Page, title: str) -> None:
    """Wait for a page's heading, then for the end of its run and of its drawing."""
    expect(page.get_by_role("heading", level=1, name=title)).to_be_visible()
    assert page.evaluate(AT_REST), f"{title} does not come to rest"
    expect(page.locator('[data-testid="stException"]')).to_have_count(0)


def pick(choice: Locator, option: str | re.Pattern[str]) -> None:
    """Take an option of a choice, opening its list again where a redraw or a scroll shut it."""
    page = choice.page
    wanted = page.get_by_role("option", name=option, exact=isinstance(option, str)).first
    for _ in range(10):
        page.evaluate(AT_REST)
        choice.scroll_into_view_if_needed()
        if not wanted.is_visible():
            choice.focus()
            page.keyboard.press("ArrowDown")
        try:
            wanted.click(timeout=2_000)
        except TooLate:
            continue
        return
    raise AssertionError(f"the list never offered {option!r}")


def go(page: Page, section: str, title: str) -> None:
    """Open a page through the menu."""
    page.get_by_test_id("stTopNavSection").filter(has_text=section).click()
    page.get_by_test_id("stTopNavDropdownLink").filter(has_text=title).click()


def shot(page: Page, name: str) -> None:
    """Keep a picture of the page where ``KERMA_SHOTS`` names a folder."""
    folder = os.environ.get("KERMA_SHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
