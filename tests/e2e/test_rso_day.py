"""A radiation safety officer's day: new alert, case, review, sign-off by a second person."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from pages.shared.format import THIN
from tests.conftest import run_etl
from tests.e2e.conftest import Server, pick, serve, settled, shot, watched
from warehouse.access import SYSTEM
from warehouse.connect import current_snapshot
from warehouse.queries import run

OVER_5_GY = quote(f"K_a,r ≥ 5{THIN}000 mGy (follow-up)")
LAST_NIGHT = """\
site,accession_number,modality,procedure_start_at,procedure_name,operator,room,age_years,\
weight_kg,height_cm,air_kerma_mgy,kap_gycm2,fluoro_time_s
Northgate,RSO-1,fluoroscopy,2026-11-20 11:00:00,Percutaneous biliary drainage,Vera Stent,\
NG Fluoro 1,71,118,170,7690,1150,4100
"""


@pytest.fixture(scope="module")
def morning(demo_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the demo after a night that brought one case of 7.69 Gy."""
    folder = tmp_path_factory.mktemp("rso-day") / "data"
    shutil.copytree(demo_data, folder, symlinks=True)
    (folder / "inbox" / "night.csv").write_text(LAST_NIGHT, "utf-8")
    done = run_etl(folder, "refresh", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def desk(morning: Path, person: str, folder: Path) -> Iterator[Server]:
    """Serve the dashboard as one person sees it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERMA_USER", person)
        yield from serve(morning, folder / "server.log")


@pytest.fixture(scope="module")
def first_desk(morning: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from desk(morning, "Ada Safety", tmp_path_factory.mktemp("ada"))


@pytest.fixture(scope="module")
def second_desk(morning: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from desk(morning, "Grace Physics", tmp_path_factory.mktemp("grace"))


@pytest.fixture
def ada(browser: Browser, first_desk: Server) -> Iterator[Page]:
    yield from watched(browser, first_desk.url)


@pytest.fixture
def grace(browser: Browser, second_desk: Server) -> Iterator[Page]:
    yield from watched(browser, second_desk.url)


def choose(page: Page, label: str, option: str) -> None:
    pick(page.get_by_role("combobox", name=label, exact=True), option)


def opened(page: Page, address: str, title: str) -> None:
    page.goto("/")
    settled(page, "Overview")
    page.goto(address)
    settled(page, title)


def test_from_a_new_alert_to_the_second_sign_off(ada: Page, grace: Page) -> None:
    opened(ada, f"/outliers?period=All&rule={OVER_5_GY}", "Dose outliers")
    cases = ada.locator(".st-key-chosen_case").get_by_role("combobox")
    pick(cases, re.compile("20 Nov 2026"))
    settled(ada, "Dose outliers")
    shot(ada, "rso-1-outliers")
    ada.get_by_role("button", name="Open case").click()
    expect(ada.get_by_role("heading", level=1, name=re.compile(r"^Case \d+$"))).to_be_visible()
    heading = ada.get_by_role("heading", level=1).inner_text()
    number = heading.removeprefix("Case ")
    settled(ada, heading)
    expect(ada.get_by_text("Rule KAR_SRDL, in force from")).to_be_visible()
    expect(ada.get_by_text("Review: open.")).to_be_visible()
    expect(ada.get_by_text("You write as Ada Safety").first).to_be_visible()

    ada.get_by_role("button", name="Submit for sign-off").click()
    expect(ada.get_by_text("the review still needs: data check, justification")).to_be_visible()
    settled(ada, heading)
    choose(ada, "Data check", "confirmed")
    choose(ada, "Justification", "technical difficulty")
    choose(ada, "Outcome", "justified, could be optimised")
    ada.get_by_label("Narrative").fill("Two stents, long obstructed segment, BMI 41.")
    ada.get_by_label("Informed by").fill("Vera Stent")
    ada.get_by_role("button", name="Submit for sign-off").click()
    expect(ada.get_by_text("Submitted: a second person signs it off.")).to_be_visible()
    settled(ada, heading)
    shot(ada, "rso-2-case-submitted")
    ada.get_by_role("button", name="Sign off").click()
    expect(ada.get_by_text("the second sign-off is someone else's")).to_be_visible()

    opened(grace, f"/case?id={number}", heading)
    expect(grace.get_by_text("Review: awaiting sign-off.")).to_be_visible()
    grace.get_by_role("button", name="Sign off").click()
    expect(grace.get_by_text("Signed off: the review is closed.")).to_be_visible()
    expect(grace.get_by_text("signed by Grace Physics")).to_be_visible()
    settled(grace, heading)
    shot(grace, "rso-3-case-closed")

    opened(ada, f"/outliers?period=All&rule={OVER_5_GY}&state=closed", "Dose outliers")
    expect(ada.get_by_text("1 case, furthest out first")).to_be_visible()
    chosen = ada.get_by_role("combobox", name="Chosen case")
    expect(chosen).to_have_value(re.compile(f"^Case {number} "))


def test_two_reviewers_at_once_get_a_clear_message(ada: Page, grace: Page) -> None:
    opened(ada, "/outliers?period=All&rule=Unit%20error%20suspected", "Dose outliers")
    ada.get_by_role("button", name="Open case").click()
    expect(ada.get_by_role("heading", level=1, name=re.compile(r"^Case \d+$"))).to_be_visible()
    heading = ada.get_by_role("heading", level=1).inner_text()
    settled(ada, heading)
    opened(grace, f"/case?id={heading.removeprefix('Case ')}", heading)
    ada.get_by_label("Narrative").fill("Written by Ada")
    ada.get_by_role("button", name="Save").click()
    expect(ada.get_by_text("Saved.")).to_be_visible()
    grace.get_by_label("Narrative").fill("Written by Grace")
    grace.get_by_role("button", name="Save").click()
    warning = grace.get_by_text("Ada Safety changed this review while you were writing")
    expect(warning).to_be_visible()
    settled(grace, heading)
    shot(grace, "rso-4-two-at-once")
    expect(grace.get_by_label("Narrative")).to_have_value("Written by Grace")
    grace.get_by_role("button", name="Go on with mine").click()
    expect(warning).to_have_count(0)
    settled(grace, heading)
    grace.get_by_role("button", name="Save").click()
    expect(grace.get_by_text("Saved.")).to_be_visible()
    expect(grace.get_by_label("Narrative")).to_have_value("Written by Grace")


def test_a_rule_is_confirmed_and_judges_at_once(ada: Page) -> None:
    opened(ada, "/rules?period=All&edit=KAP_NOTIFY", "Outlier rules")
    expect(ada.get_by_text("Periods of KAP_NOTIFY")).to_be_visible()
    settled(ada, "Outlier rules")
    ada.get_by_text("In force", exact=True).click()
    ada.get_by_label("Why").fill("Table read by our physicist")
    ada.get_by_role("button", name="Record").click()
    expect(
        ada.get_by_text(re.compile("KAP_NOTIFY: version 1 recorded.*cases judged"))
    ).to_be_visible(timeout=60_000)
    settled(ada, "Outlier rules")
    shot(ada, "rso-5-rules")


def test_a_score_without_its_time_point_is_refused_and_with_it_kept(
    ada: Page, morning: Path
) -> None:
    snapshot = current_snapshot(morning / "snapshots")
    assert snapshot is not None
    case = run("follow_ups_recent", snapshot, SYSTEM, day=None, most=1)["procedure_id"].item()
    opened(ada, f"/case?id={case}", f"Case {case}")
    ada.get_by_text("Enter outcomes", exact=True).click()
    ada.get_by_label("ODI, %", exact=True).fill("30")
    enter = ada.get_by_role("button", name="Enter", exact=True)
    enter.click()
    expect(ada.get_by_text("Nothing was entered. ODI: choose a time point.")).to_be_visible()
    choose(ada, "Time point", "1 month")
    enter.click()
    expect(ada.get_by_text("1 value kept. The next refresh merges it.")).to_be_visible()
    expect(ada.get_by_text("Entered in the app: 1")).to_be_visible()
