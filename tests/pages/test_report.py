"""The committee report: its figures are those of the pages, its files open."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages.dose import report_blocks as blocks
from pages.dose import unit_funnels
from pages.dose.report_blocks import Quarter
from pages.shared.filters import Filters
from report.model import Figures, Listing, Report, Table, Words
from tests.pages.app import opened, texts

PAGE = "dose/report.py"
QUARTER = Quarter(2026, 3)
MADE: dict[Path, Report] = {}
FULL_YEAR = {"period": "Range", "range": ["2025-10-01", "2026-09-30"]}
THIS_QUARTER = {"period": "Range", "range": ["2026-07-01", "2026-09-30"]}


@pytest.fixture
def report(demo_settings: Path) -> Report:
    """Return the report of a quarter, made once as the page makes it."""
    from pages.dose.report_document import document

    if demo_settings not in MADE:
        MADE[demo_settings] = document(QUARTER, Filters(), names=False, person="Ada")
    return MADE[demo_settings]


def tables(report: Report, title: str) -> list[Table]:
    found = [
        block
        for section in report.sections
        for block in section.blocks
        if isinstance(block, Table) and title in block.title
    ]
    assert found, title
    return found


def words(report: Report) -> str:
    said: list[str] = []
    for section in report.sections:
        for block in section.blocks:
            if isinstance(block, Words):
                said.append(block.text)
            if isinstance(block, Listing):
                said += block.points
    return "\n".join(said)


def test_volumes_and_coverage_are_those_of_the_pages(report: Report) -> None:
    health = texts(opened("data/health.py", **THIS_QUARTER))
    coverage = next(s for s in report.sections if s.title == "Coverage").blocks[0]
    assert isinstance(coverage, Words)
    assert coverage.text in health
    figures = report.sections[0].blocks[0]
    assert isinstance(figures, Figures)
    n = figures.figures[0].value
    assert f"{n} of " in texts(opened("dose/overview.py", **THIS_QUARTER))
    by_site = tables(report, "by site and modality")[0]
    total = sum(int(row[2].replace("\u202f", "")) for row in by_site.rows)
    assert total == int(n.replace("\u202f", ""))


def test_medians_and_verdicts_are_those_of_the_page(report: Report) -> None:
    page = opened("dose/levels.py", **FULL_YEAR).dataframe[0].value
    printed = tables(report, "KAP, fluoroscopy: medians")[0]
    names = printed.columns
    procedure, compared = "", 0
    for row in printed.rows:
        procedure = row[names.index("Procedure")] or procedure
        mine = page[(page["Procedure"] == procedure) & (page["Site"] == row[1])]
        assert mine["n"].item() == int(row[2].replace("\u202f", ""))
        assert mine["Median (Gy·cm²)"].item() == pytest.approx(
            float(row[3].replace("\u202f", "")), rel=6e-3
        )
        assert mine["95 % CI"].item() == row[4]
        assert mine["Verdict"].item() == row[-1]
        compared += 1
    assert compared


def test_outliers_are_those_of_the_page(report: Report) -> None:
    from pages.dose import outlier_list

    view = Filters(from_date=QUARTER.first, to_date=QUARTER.last)
    _, _, total = outlier_list.cases(view, outlier_list.Choice())
    figures = report.sections[0].blocks[0]
    assert isinstance(figures, Figures)
    assert figures.figures[2].value == str(total)
    if total:
        assert f"**{total} case" in words(report)


def test_slopes_are_those_of_the_trends_page(report: Report) -> None:
    row = tables(report, "The last 36 months")[0].rows[0]
    code = row[0].rsplit("(", 1)[1].rstrip(")")
    page = texts(
        opened(
            "dose/trends.py", period="Range", range=["2023-10-01", "2026-09-30"], of=code,
        )
    )  # fmt: skip
    slope = row[2].split(" (")[0]
    assert f"**Slope:** {slope} a year" in page


def test_rooms_that_drift_are_those_of_the_trends_page(report: Report) -> None:
    """The planted room, in the summary and in a section of its own, as of the quarter's end."""
    page = texts(opened("dose/trends.py", period="Range", range=["2024-10-01", "2026-09-30"]))
    (section,) = [s for s in report.sections if s.title == "Rooms that drift"]
    said = next(b.text for b in section.blocks if isinstance(b, Words))
    assert "NG Fluoro 2 (Northgate) signals since " in said and said in page
    assert f"**Drift:** {said.replace('**', '')}" in words(report)
    listed = tables(report, "rooms and their drift")[0]
    assert [row[0] for row in listed.rows if row[2].startswith("signals")].count("NG Fluoro 2") == 1


def test_a_quarter_without_cases_is_told_in_words_not_by_empty_tables(demo_settings: Path) -> None:
    from pages.dose.report_document import document

    empty = document(Quarter(2001, 1), Filters(), names=False, person="Ada")
    made = [block for section in empty.sections for block in section.blocks]
    assert all(block.rows for block in made if isinstance(block, Table))
    assert "No completed procedure in the 36 months to the quarter's end." in words(empty)
    assert "**The last 36 months:** none." in words(empty)
    assert "No procedure of the 12 months is judged." in words(empty)


def test_operators_are_numbers_unless_names_are_asked_for(report: Report) -> None:
    said = words(report)
    assert "Dr " not in said
    assert dict(report.facts)["Operators"] == "by number, names kept out"
    numbers = unit_funnels.masked(["Dr B", "Dr A", "Dr C", "Dr A"])
    assert sorted(numbers.values()) == ["Operator 1", "Operator 2", "Operator 3"]
    assert unit_funnels.masked(["Dr C", "Dr A", "Dr B"]) == numbers


def test_one_click_makes_both_files(demo_settings: Path) -> None:
    at = opened(PAGE)
    assert at.selectbox(key="quarter").value == "2026 Q3", "the last complete quarter"
    at.button(key="make-report").click().run()
    assert not at.exception, at.exception[0].message
    made = at.session_state["made-report"]
    assert made.pdf.startswith(b"%PDF-")
    page = made.html.decode()
    for title in ("Coverage", "Volumes", "Typical values against reference levels", "Trends",
                  "Outliers and reviews", "Follow-ups and actions", "Children and pregnancy",
                  "Rooms that drift", "Rooms and operators", "Effective dose of the population",
                  "Protocol changes",
                  "Data quality", "Definitions and sources"):  # fmt: skip
        assert f"{title}</h2>" in page
    at.selectbox(key="quarter").set_value("2026 Q2").run()
    assert not at.get("download_button"), "another quarter's files are not offered as this one's"


@given(st.dates(date(2000, 1, 1), date(2100, 12, 31)))
def test_quarters_cover_each_day_once(day: date) -> None:
    quarter = blocks.of_day(day)
    assert quarter.first <= day <= quarter.last
    assert quarter.following.first == quarter.last + timedelta(days=1)
    assert quarter.following.before == quarter
    assert blocks.of_day(quarter.first) == quarter == blocks.of_day(quarter.last)


def test_the_periods_of_a_report() -> None:
    spans = blocks.spans(Quarter(2026, 1), Filters(sites=("A",)))
    days = [(f.from_date, f.to_date) for f in (spans.now, spans.before, spans.year, spans.course)]
    assert days == [
        (date(2026, 1, 1), date(2026, 3, 31)),
        (date(2025, 10, 1), date(2025, 12, 31)),
        (date(2025, 4, 1), date(2026, 3, 31)),
        (date(2023, 4, 1), date(2026, 3, 31)),
    ]
    assert {f.sites for f in (spans.now, spans.before, spans.year, spans.course)} == {("A",)}


def test_counts_in_tables_are_written_in_full() -> None:
    assert blocks.more(-1234) == "−1\u202f234"
    assert blocks.more(1234) == "+1\u202f234"
    assert blocks.written(None) == "–"
    assert blocks.written(12345) == "12\u202f345"


def test_follow_ups_tell_what_is_late_and_what_was_done() -> None:
    from pages.dose.report_safety import due

    spans = blocks.spans(QUARTER, Filters())
    day = date(2026, 8, 1)
    rows = [
        ("late", day, None),
        ("done in time", day, date(2026, 8, 20)),
        ("done after the quarter", day, date(2026, 10, 5)),
        ("soon", date(2026, 11, 1), None),
        ("far off", date(2027, 6, 1), None),
        ("done long ago", date(2025, 1, 1), date(2025, 1, 2)),
        ("none", None, None),
    ]
    rounds = pl.DataFrame(
        [(day, "TFESI_L", room, due, done) for room, due, done in rows],
        schema={
            "performed_on": pl.Date, "procedure_code": pl.String, "room": pl.String,
            "follow_up_due": pl.Date, "follow_up_done": pl.Date,
        },
        orient="row",
    )  # fmt: skip
    found = due(rounds, "follow_up", date(2026, 12, 29), spans)
    assert dict(found.select("Room", "State").rows()) == {
        "late": "overdue",
        "done in time": "done",
        "done after the quarter": "overdue",
        "soon": "due",
    }
