"""A radiation safety officer's morning: outliers, filter, a row, the case's values as sent."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import pick, settled, shot


def open_page(page: Page, path: str, title: str) -> None:
    page.goto("/")
    settled(page, "Overview")
    page.goto(path)
    settled(page, title)


def cells(table: Locator) -> list[str]:
    return table.locator("table tbody tr td").all_inner_texts()


def click_row(page: Page, table: Locator, row: int) -> None:
    """Click the mark of a row: the grid is drawn on a canvas."""
    canvas = table.locator("canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 15, box["y"] + 35 + 35 * row + 17)
    # The grid tells its selection a moment later, and no element says that the run it starts is
    # still to come: a click before it would fall between two drawings of the button.
    page.wait_for_timeout(1_500)


def chosen_case(page: Page) -> int:
    words = page.locator(".st-key-chosen_case").get_by_role("combobox").first
    text = words.input_value() if words.evaluate("e => 'value' in e") else words.inner_text()
    text = text or page.locator(".st-key-chosen_case").inner_text()
    found = re.search(r"Case (\d+)", text)
    assert found, text
    return int(found[1])


def test_outliers_to_filter_to_row_to_case_values(page: Page) -> None:
    open_page(page, "/outliers?period=All", "Dose outliers")
    table = page.locator(".st-key-outlier-table")
    expect(table.locator("canvas").first).to_be_visible()
    shot(page, "outliers")

    pick(page.locator(".st-key-rule").get_by_role("combobox"), "Unit error suspected")
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile("rule=Unit"))
    settled(page, "Dose outliers")
    first = chosen_case(page)

    click_row(page, table, 1)
    expect(page.locator(".st-key-chosen_case")).not_to_contain_text(f"Case {first} ")
    settled(page, "Dose outliers")
    second = chosen_case(page)
    expect(page.get_by_text("Unit error suspected:").first).to_be_visible()
    chart = page.locator('[data-testid="stVegaLiteChart"][aria-label*="with this case at"]')
    expect(chart.locator('line[aria-label*="This case"]').first).to_be_attached()

    page.get_by_role("button", name="Open case").click()
    settled(page, f"Case {second}")
    assert f"id={second}" in page.url
    expect(page.get_by_text("unit error suspected in one of the two")).to_be_visible()
    values = page.locator('[data-testid="stDataFrame"]').first
    expect(values.locator("table tbody tr td").first).to_be_attached()
    assert {"KAP", "Air kerma K_a,r", "Room"} <= set(cells(values))
    shot(page, "case")


def test_a_case_is_chosen_and_opened_by_keyboard_alone(page: Page) -> None:
    open_page(page, "/outliers?period=All", "Dose outliers")
    first = chosen_case(page)
    page.locator(".st-key-chosen_case").get_by_role("combobox").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".st-key-chosen_case")).not_to_contain_text(f"Case {first} ")
    settled(page, "Dose outliers")
    chosen = chosen_case(page)
    page.get_by_role("button", name="Open case").focus()
    page.keyboard.press("Enter")
    settled(page, f"Case {chosen}")


def test_trends_and_health_answer_in_the_browser(page: Page) -> None:
    open_page(page, "/trends?period=All", "Dose trends")
    course = page.locator('[data-testid="stVegaLiteChart"][aria-label^="Monthly median"]')
    expect(course.locator("g.mark-line path").first).to_be_visible()
    expect(page.get_by_text("Slope:")).to_be_visible()
    shot(page, "trends")
    page.goto("/health")
    settled(page, "Data health")
    expect(page.get_by_text("completed CT or fluoroscopy procedures").first).to_be_visible()
    shot(page, "health")
