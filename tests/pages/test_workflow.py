"""Times and Rooms show the planted facts, with their definitions, in every state."""

import json
from datetime import date

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.app import charts, claims, opened, texts

pytestmark = pytest.mark.usefixtures("demo_settings")
TIMES, ROOMS = "workflow/times.py", "workflow/rooms.py"


def tables(at: AppTest) -> list[pl.DataFrame]:
    return [pl.from_pandas(table.value, include_index=False) for table in at.table]


def test_the_slow_room_stands_out_and_stamps_are_counted() -> None:
    at = opened(TIMES, period="All", by="Room")
    medians = dict(tables(at)[0].select("Group", "Median, min (95 % CI)").rows())
    minutes = {room: float(cell.split(" ")[0]) for room, cell in medians.items()}
    ct = {room: m for room, m in minutes.items() if "CT" in room}
    assert max(ct, key=lambda room: ct[room]) == "NG CT 1"
    assert "6 cases of" in texts(at) and "needle out − needle in" in texts(at)
    assert "Minutes from arrival" in json.dumps(charts(at))


@pytest.mark.parametrize("by", ["Procedure", "Weekday", "Hour of room-in", "Operator", "Trainee"])
def test_times_can_be_split_by_everything_that_is_offered(by: str) -> None:
    assert tables(opened(TIMES, by=by))[0].height >= 2


@pytest.mark.usefixtures("provider")
def test_operators_are_codes_for_those_who_may_not_see_names() -> None:
    named = set(tables(opened(TIMES, claims("rso"), by="Operator"))[0]["Group"])
    shown = set(tables(opened(TIMES, claims("manager"), by="Operator"))[0]["Group"])
    assert all(name.startswith("Operator ") for name in shown) and not shown & named
    me = next(iter(named))
    own = set(tables(opened(TIMES, claims("physician", operator=me), by="Operator"))[0]["Group"])
    assert own & named == {me} and own - {me} <= shown


def test_mondays_stand_out_and_every_figure_has_its_definition() -> None:
    at = opened(ROOMS, period="All", by="Weekday", grace="15 min")
    rows = next(t for t in tables(at) if "First-case delay, median min" in t.columns)
    delay = {
        day: float(cell.split(" ")[0])
        for day, cell in rows.select("Weekday", "First-case delay, median min").rows()
    }
    assert delay.pop("Monday") - max(delay.values()) > 15
    assert len(at.metric) == 6 and all(metric.help for metric in at.metric)
    specs = json.dumps(charts(at))
    assert "Share of planned cases" in specs and "procedure_id" in specs


def test_a_day_without_cases_says_so() -> None:
    at = opened(ROOMS)
    at.date_input(key="day").set_value(date(2026, 11, 15)).run()
    assert not at.exception and "Choose another day" in texts(at)


def test_a_block_that_ends_before_it_begins_is_said() -> None:
    at = opened(ROOMS)
    at.number_input(key="block_from").set_value(18).run()
    assert not at.exception and "ends before it begins" in texts(at)


@pytest.mark.parametrize("page", [TIMES, ROOMS])
def test_few_cases_are_no_error(page: str) -> None:
    opened(page, period="30 days", room="HB US 1")


def test_paths_are_listed_and_the_event_log_is_offered() -> None:
    at = opened("workflow/process.py", period="All")
    paths = tables(at)[0]
    assert paths["Path"][0].startswith("order placed → patient arrived → patient in room")
    assert "event log" in texts(at).lower()
    assert len(at.get("download_button")) >= 2


def test_what_if_answers_with_a_range_and_repeats_itself() -> None:
    at = opened("workflow/whatif.py", period="All", turnover="-10")
    said = texts(at)
    assert "more cases a room-day" in said and "seed 1" in said
    assert len(at.metric) == 3
    again = opened("workflow/whatif.py", period="All", turnover="-10")
    assert [m.value for m in again.metric] == [m.value for m in at.metric]
