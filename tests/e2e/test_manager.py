"""A manager's ten minutes: overview, comparison, take a table and a picture along."""

import io
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Server, go, pick, serve, settled, shot, watched


def open_overview(page: Page, query: str = "") -> None:
    page.goto(f"/{query}")
    settled(page, "Overview")


def choose(page: Page, label: str, option: str) -> None:
    pick(page.get_by_role("combobox", name=label), option)
    page.keyboard.press("Escape")


def test_overview_to_comparison_to_download(page: Page) -> None:
    open_overview(page)
    expect(page.get_by_test_id("stMetric")).to_have_count(9)
    chart = page.locator('[data-testid="stVegaLiteChart"][aria-label^="Stacked bars"]')
    expect(chart.locator("g.mark-rect path").first).to_be_visible()
    shot(page, "overview")

    choose(page, "Modality", "CT")
    choose(page, "Modality", "fluoroscopy")
    expect(page.get_by_text("CT, fluoroscopy", exact=False).first).to_be_visible()
    assert "modality=CT" in page.url and "modality=fluoroscopy" in page.url

    go(page, "Dose", "Modality comparison")
    settled(page, "Modality comparison")
    assert "modality=CT" in page.url, "the filters go along"
    expect(page.get_by_text("No: CTDIvol is scanner output")).to_be_visible()
    shot(page, "comparison")

    page.locator(".st-key-comparison-menu button").click()
    with page.expect_download() as taken:
        page.get_by_role("button", name="CSV", exact=True).click()
    text = Path(taken.value.path()).read_text("utf-8-sig")
    assert text.startswith("# Kerma: Modality comparison") and "CT, fluoroscopy" in text
    table = pl.read_csv(io.StringIO(text), comment_prefix="#")
    assert {"outcome", "median_value", "within_procedures_value"} <= set(table.columns)


def test_a_picture_can_be_taken_along(page: Page) -> None:
    open_overview(page)
    page.locator(".st-key-volume-menu button").click()
    with page.expect_download() as taken:
        page.get_by_role("button", name="PNG", exact=True).click()
    assert Path(taken.value.path()).read_bytes()[:4] == b"\x89PNG"


def test_an_address_opens_the_same_view_at_once(page: Page) -> None:
    """The first visit to a new server may be a link to any page: no detour, no dialogue."""
    page.goto("/comparison?period=All&modality=CT&modality=fluoroscopy&compare=CT+v+fluoroscopy")
    settled(page, "Modality comparison")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("radio", name="All", exact=True)).to_have_attribute(
        "aria-checked", "true"
    )


def test_reset_clears_the_address(page: Page) -> None:
    open_overview(page, "?period=90+days&modality=CT")
    page.get_by_role("button", name="Reset").click()
    expect(page.get_by_role("radio", name="12 months")).to_have_attribute("aria-checked", "true")
    page.wait_for_url(lambda url: "modality" not in url and "period" not in url)


def test_staff_are_never_in_the_address(page: Page) -> None:
    open_overview(page)
    page.get_by_role("button", name="More filters").click()
    operators = page.get_by_role("combobox", name="Operator (not kept in the address)")
    pick(operators, re.compile("^(?!Select all)"))
    page.keyboard.press("Escape")
    expect(page.get_by_text("1 operator", exact=False).first).to_be_visible()
    assert "operator" not in page.url


@pytest.mark.parametrize("path", ["/", "/comparison"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_does_not_scroll_sideways(page: Page, path: str, scheme: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme=scheme)
    page.goto(path)
    settled(page, "Overview" if path == "/" else "Modality comparison")
    main = page.get_by_test_id("stMain")
    assert main.evaluate("it => it.scrollWidth <= it.clientWidth")
    shot(page, f"narrow-{scheme}-{path.strip('/') or 'overview'}")


def test_the_server_guards_its_pages(server: Server) -> None:
    with urllib.request.urlopen(server.url) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    with urllib.request.urlopen(f"{server.url}/healthz") as answer:
        assert b'"status":"ok"' in answer.read().replace(b" ", b"")


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Server]:
    yield from serve(tmp_path / "data", tmp_path / "server.log")


def test_before_the_first_refresh(browser: Browser, empty: Server) -> None:
    for page in watched(browser, empty.url):
        page.goto("/")
        settled(page, "No data yet")
        expect(page.get_by_text("python -m etl refresh", exact=False).first).to_be_visible()
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{empty.url}/healthz")
    assert refused.value.code == 503
    refused.value.close()
