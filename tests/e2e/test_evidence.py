"""A newcomer adds a study from a paper's table, sees it pooled, takes the plot along."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Server, go, pick, serve, settled, shot, watched

QUESTION = re.compile("Complications: CT v blind")
STUDY = "Study: first author and year *"


@pytest.fixture(scope="module")
def site(demo_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve the demo warehouse from a folder in which studies can be added."""
    folder = tmp_path_factory.mktemp("evidence-site")
    os.symlink(demo_data / "snapshots", folder / "snapshots")
    yield from serve(folder, tmp_path_factory.mktemp("evidence-log") / "server.log")


@pytest.fixture
def page(browser: Browser, site: Server) -> Iterator[Page]:
    yield from watched(browser, site.url)


def add(page: Page, study: str, cells: tuple[int, int, int, int]) -> None:
    page.get_by_label(STUDY).fill(study)
    page.get_by_label("Outcome *").fill("any complication")
    page.get_by_label("Where printed *").fill("Table 3")
    labels = ("Group 1: with the event", "Group 1: patients",
              "Group 2: with the event", "Group 2: patients")  # fmt: skip
    for label, number in zip(labels, cells, strict=True):
        page.get_by_label(label, exact=True).fill(str(number))
    page.get_by_role("button", name="Check and add").click()
    expect(page.get_by_text(f"Added {study}: Risk ratio")).to_be_visible()
    settled(page, "Evidence")


def test_a_newcomer_adds_studies_and_takes_the_forest_plot_along(page: Page) -> None:
    page.goto("/")
    settled(page, "Overview")
    go(page, "Analysis", "Evidence")
    settled(page, "Evidence")
    started = time.monotonic()
    page.get_by_text("Add a study", exact=True).click()
    name = page.get_by_label("Name of the question *")
    expect(name).to_be_visible()
    name.fill("Complications: CT v blind")
    add(page, "Alpha 2019", (2, 80, 7, 82))
    pick(page.get_by_label("Question: what it is pooled with"), QUESTION)
    expect(name).to_have_count(0)
    add(page, "Beta 2021", (1, 60, 4, 61))
    assert time.monotonic() - started < 120, "two studies within two minutes"
    shot(page, "evidence-add")

    page.get_by_text("Pooled answer", exact=True).click()
    question = page.get_by_label("Question", exact=True)
    expect(question).to_be_visible()
    settled(page, "Evidence")
    pick(question, QUESTION)
    expect(page.get_by_text("2 studies, 283 patients: risk ratio 0.2")).to_be_visible()
    chart = page.locator('[data-testid="stVegaLiteChart"][aria-label^="Forest plot: Compl"]')
    expect(chart.get_by_text("Alpha 2019")).to_be_visible()
    expect(chart.get_by_text("Total, 2 studies")).to_be_visible()
    shot(page, "evidence-pool")

    page.locator(".st-key-forest-menu button").click()
    with page.expect_download() as taken:
        page.get_by_role("button", name="SVG", exact=True).click()
    svg = Path(taken.value.path()).read_text("utf-8")
    assert "Beta 2021" in svg and "1/60 v 4/61" in svg and "Heterogeneity" in svg
    assert "favours" not in svg


def test_a_wrong_number_is_explained_beside_the_form(page: Page) -> None:
    page.goto("/evidence?view=Add+a+study")
    settled(page, "Evidence")
    page.get_by_label("Name of the question *").fill("Q")
    page.get_by_label(STUDY).fill("Gamma 2020")
    page.get_by_label("Outcome *").fill("o")
    page.get_by_label("Where printed *").fill("p. 3")
    for label, number in (("Group 1: with the event", 9), ("Group 1: patients", 5),
                          ("Group 2: with the event", 1), ("Group 2: patients", 5)):  # fmt: skip
        page.get_by_label(label, exact=True).fill(str(number))
    page.get_by_role("button", name="Check and add").click()
    expect(page.get_by_text("events_1 9 is more than n_1 5")).to_be_visible()
    assert page.get_by_label(STUDY).input_value() == "Gamma 2020", "nothing typed is lost"
