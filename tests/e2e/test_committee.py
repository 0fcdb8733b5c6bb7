"""Before the committee: a change is recorded, a level's source is seen, the report is taken."""

from playwright.sync_api import Page, expect

from tests.e2e.conftest import go, settled, shot


def test_a_recorded_change_reaches_the_course_and_the_report(page: Page) -> None:
    page.goto("/")
    go(page, "Dose", "Dose trends")
    settled(page, "Dose trends")
    page.get_by_text("Record a change of protocol or equipment").click()
    settled(page, "Dose trends")
    page.get_by_label("What was changed").fill("Pulse rate 15 to 7.5")
    parts = page.get_by_test_id("stExpander").get_by_role("spinbutton")
    parts.first.focus()
    page.keyboard.type("20260715", delay=60)
    expect(parts.nth(1)).to_have_text("07")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Record", exact=False).last.click()
    expect(page.get_by_text("Recorded: Pulse rate 15 to 7.5.")).to_be_visible()
    expect(page.get_by_text("Recorded change,")).to_be_visible()
    settled(page, "Dose trends")
    shot(page, "change-recorded")

    go(page, "Dose", "Committee report")
    settled(page, "Committee report")
    page.get_by_role("button", name="Make the report").click()
    frame = page.frame_locator("iframe").first
    expect(frame.get_by_role("heading", name="Radiation dose report")).to_be_visible()
    expect(frame.get_by_text("Pulse rate 15 to 7.5")).to_have_count(1)
    with page.expect_download() as taken:
        page.get_by_role("button", name="PDF").click()
    file = taken.value.path().read_bytes()
    assert file.startswith(b"%PDF-")
    assert taken.value.suggested_filename == "kerma-dose-report-2026-q3.pdf"
    with page.expect_download() as html:
        page.get_by_role("button", name="HTML").click()
    assert b"Radiation dose report" in html.value.path().read_bytes()
    shot(page, "committee-report")

    go(page, "Dose", "Dose trends")
    settled(page, "Dose trends")
    page.get_by_text("Record a change of protocol or equipment").click()
    settled(page, "Dose trends")
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("No change of protocol is recorded")).to_be_visible()


def test_a_levels_source_is_one_click_away(page: Page) -> None:
    page.goto("/")
    go(page, "Dose", "Reference levels")
    settled(page, "Reference levels")
    table = page.get_by_test_id("stDataFrame").first
    box = table.bounding_box()
    assert box is not None
    table.click(position={"x": 18, "y": 38 + 18})
    expect(page.get_by_text("Levels for")).to_be_visible()
    expect(page.get_by_text("verified at its source").first).to_be_visible()
    shot(page, "level-source")
