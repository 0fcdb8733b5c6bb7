"""Filters, freshness, downloads, cards: what all pages share."""

import io
from datetime import date, datetime, timedelta

import altair as alt
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.periods import Course
from analytics.results import Estimate, NotComputable
from pages.shared import cards, charts, files, filters, freshness
from pages.shared import format as fmt
from pages.shared.filters import Filters
from warehouse.queries import FILTER_PARAMETERS
from warehouse.spreadsheets import neutralised

HEAD = files.Header("Title", "12 months", "kerma-1.duckdb", "kap_gycm2 in Gy·cm²")


def test_filters_are_the_parameters_of_the_queries() -> None:
    assert tuple(Filters().parameters()) == FILTER_PARAMETERS


def test_the_period_before_is_as_long_and_ends_the_day_before() -> None:
    chosen = Filters(date(2026, 1, 1), date(2026, 1, 31), modalities=("CT",))
    assert chosen.previous() == Filters(date(2025, 12, 1), date(2025, 12, 31), modalities=("CT",))
    assert Filters().previous() is None


@pytest.mark.parametrize(
    ("period", "first"),
    [
        ("30d", date(2026, 10, 22)),
        ("90d", date(2026, 8, 23)),
        ("quarter", date(2026, 10, 1)),
        ("12m", date(2025, 11, 21)),
        ("all", date(2020, 1, 1)),
    ],
)
def test_relative_periods_end_with_the_data(period: str, first: date) -> None:
    found = filters._period(period, date(2020, 1, 1), date(2026, 11, 20))
    assert found == (first, date(2026, 11, 20))


def test_filters_in_words() -> None:
    chosen = Filters(
        date(2026, 1, 1), date(2026, 1, 31), modalities=("CT",), procedures=("VP",),
        operators=("Dr A", "Dr B"), age_low=40, age_high=60, bmi_low=35,
    )  # fmt: skip
    assert chosen.words() == [
        "1 Jan 2026 to 31 Jan 2026", "CT", "Vertebroplasty (VP)", "2 operators",
        "age 40 to under 60 years", "BMI 35 kg/m² and over",
    ]  # fmt: skip
    assert chosen.narrowing() == ["modality", "procedure", "operator", "age", "size"]


@pytest.mark.parametrize(
    ("hours", "colour"), [(2, "green"), (35.9, "green"), (36.1, "orange"), (72.1, "red")]
)
def test_freshness_is_judged_by_the_newest_file(hours: float, colour: str) -> None:
    now = datetime(2026, 11, 21, 8)
    row = {
        "arrived_at": now - timedelta(hours=hours),
        "loaded_at": now - timedelta(minutes=5),
        "data_to": date(2026, 11, 20),
    }
    found = freshness.judge(row, now)
    assert found.colour == colour
    assert found.words.startswith("Data to 20 Nov 2026 · loaded ")


def test_no_load_is_red() -> None:
    row = {"arrived_at": None, "loaded_at": None, "data_to": None}
    assert freshness.judge(row, datetime(2026, 11, 21)).colour == "red"


def test_what_is_left_out_is_counted_with_its_reason() -> None:
    counts = pl.DataFrame(
        {"n_test": 4, "n_cancelled": 0, "n_discontinued": 1, "n_scheduled": 0, "n_deleted": 2,
         "n_without_dose": 5, "n_ionising": 100}
    )  # fmt: skip
    said = "; ".join(freshness.left_out(counts)).replace(fmt.THIN, " ")
    assert "4 test patients or phantoms; 1 discontinued; 2 withdrawn by the source" in said
    assert "5 CT or fluoroscopy procedures without a dose (5.00 %" in said
    assert "cancelled" not in said


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\ufeff=", "\u200b@"])
def test_cells_that_a_spreadsheet_would_run_are_neutralised(start: str) -> None:
    frame = pl.DataFrame({"name": [f"{start}cmd|' /C calc'!A0", "plain", None], "x": [-1.5, 2, 3]})
    safe = neutralised(frame)
    assert safe["name"].to_list() == [f"'{start}cmd|' /C calc'!A0", "plain", None]
    assert safe["x"].to_list() == [-1.5, 2, 3]


@given(st.lists(st.text(max_size=8), max_size=8))
def test_no_text_cell_begins_a_formula(texts: list[str]) -> None:
    safe = neutralised(pl.DataFrame({"t": texts}, schema={"t": pl.String}))
    assert not any(text[:1] in "=+-@\t\r" and text for text in safe["t"])


def test_texts_of_a_short_list_are_neutralised_as_any_other() -> None:
    for kind in (pl.Categorical, pl.Enum(["=a", "b"])):
        frame = pl.DataFrame({"room": pl.Series(["=a", "b"], dtype=kind)})
        assert neutralised(frame)["room"].to_list() == ["'=a", "b"]


def test_a_name_with_a_line_end_begins_no_line_of_its_own() -> None:
    head = files.Header("T\r\n=1", "room x\n=cmd|' /C calc'!A0", "s", "u")
    text = files.csv_bytes(pl.DataFrame({"n": [1]}), head).decode("utf-8-sig")
    assert [line[:1] for line in text.splitlines()] == ["#"] * 5 + ["n", "1"]


def test_lists_become_text() -> None:
    frame = pl.DataFrame({"flags": [["=a", "b"], []]})
    assert neutralised(frame)["flags"].to_list() == ["'=a|b", ""]


def test_csv_carries_filters_snapshot_and_units() -> None:
    frame = pl.DataFrame({"modality": ["=CT"], "kap_gycm2": [1.5]})
    text = files.csv_bytes(frame, HEAD).decode("utf-8-sig")
    lines = text.splitlines()
    assert lines[:4] == [
        "# Kerma: Title", "# Filters: 12 months", "# Snapshot: kerma-1.duckdb",
        "# Units: kap_gycm2 in Gy·cm²",
    ]  # fmt: skip
    table = pl.read_csv(io.StringIO(text), comment_prefix="#")
    assert table.rows() == [("'=CT", 1.5)]


def test_xlsx_opens_with_its_header_and_no_formula() -> None:
    frame = pl.DataFrame({"modality": ["=1+1"], "kap_gycm2": [1.5]})
    book = io.BytesIO(files.xlsx_bytes(frame, HEAD))
    sheet = pl.read_excel(book, has_header=False)
    assert sheet["column_0"][0] == "Kerma: Title"
    table = pl.read_excel(book, read_options={"header_row": 6})
    assert table.rows() == [("'=1+1", 1.5)]


def test_charts_are_drawn_without_a_browser() -> None:
    frame = pl.DataFrame({"x": [1.0, 2.0], "y": [3.0, 4.0], "modality": ["CT", "ultrasound"]})
    chart = (
        alt.Chart(frame, height=charts.HEIGHT)
        .mark_point()
        .encode(
            x=alt.X("x", type="quantitative"),
            y=alt.Y("y", type="quantitative"),
            color=charts.modality_colour(frame["modality"]),
        )
    )
    assert files.png_bytes(chart)[:8] == b"\x89PNG\r\n\x1a\n"
    drawn = files.svg_bytes(chart).decode()
    assert drawn.startswith("<svg") and charts.MODALITY_COLOURS["CT"] in drawn
    assert "fluoroscopy" not in drawn


def test_a_modality_looks_the_same_whichever_others_are_there() -> None:
    both = charts.modality_colour(["CT", "ultrasound"]).to_dict()["scale"]
    alone = charts.modality_colour(["ultrasound"]).to_dict()["scale"]
    assert both["domain"] == ["CT", "ultrasound"]
    assert alone["range"] == both["range"][1:] == [charts.MODALITY_COLOURS["ultrasound"]]


def card(change: Estimate | NotComputable) -> cards.Card:
    course = Course(Estimate(2.0, 1.5, 2.5, 40, "m", "min"), change, ())
    return cards.of_course(
        course, label="Duration, min", level=fmt.number, note=lambda e: "median",
        change=fmt.ratio_change, versus="vs previous 30 d", better="lower", help="",
    )  # fmt: skip


def test_a_change_is_clear_only_where_its_interval_excludes_none() -> None:
    assert card(Estimate(1.2, 1.1, 1.3, 80, "ratio of medians")).clear
    assert not card(Estimate(1.2, 0.9, 1.3, 80, "ratio of medians")).clear
    assert cards.excludes_none(Estimate(0.01, 0.002, 0.02, 80, "Newcombe"))
    assert not cards.excludes_none(Estimate(0.01, -0.002, 0.02, 80, "Newcombe"))


def test_a_card_without_a_comparison_says_why() -> None:
    assert card(NotComputable("no value before")).note.endswith("no change shown: no value before")
    empty = Course(NotComputable("too few values (n = 4)", 4), NotComputable(""), ())
    found = cards.of_course(
        empty, label="DLP", level=fmt.number, note=lambda e: "", change=fmt.ratio_change,
        versus="", better="lower", help="",
    )  # fmt: skip
    assert (found.value, found.note, found.change) == ("–", "Too few values (n = 4)", None)
