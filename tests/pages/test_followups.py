"""Who still has to be asked, and the form by which staff enter what they hear."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from pages.data.case_outcomes import checked
from tests.etl.test_follow_up import HEADER, LOG
from tests.etl.test_refresh import ask, data, drop, etl
from tests.pages.app import opened, texts

__all__ = ["data"]
PAGE = "analysis/followups.py"
CASE = "data/case.py"


def tables(at: AppTest) -> list[pl.DataFrame]:
    return [pl.from_pandas(table.value, include_index=False) for table in at.table]


def on(at: AppTest, day: date) -> AppTest:
    at.date_input(key="on").set_value(day).run()
    assert not at.exception, at.exception[0].message
    return at


FIVE = (
    "site,accession_number,modality,performed_on,pain_scale,pain_baseline,pain_1wk\n"
    "north,A1,CT,2026-03-02,NRS 0-10,8,\nnorth,A2,CT,2026-03-04,NRS 0-10,8,\n"
    "north,A3,CT,2026-02-20,NRS 0-10,8,\nnorth,A4,CT,2026-03-02,NRS 0-10,8,3\n"
    "north,A5,CT,2026-03-09,NRS 0-10,8,\n"
)


def test_due_overdue_missed_and_not_yet(data: Path) -> None:
    """Five cases on 10 March, at one week (day 7, open on days 4 to 10).

    A1 of 2 March is at day 8: overdue. A2 of the 4th at day 6: due. A3 of 20 February at day 18:
    missed. A4 has its score. A5 of the 9th is at day 1: not yet.
    """
    drop(data, "log.csv", FIVE)
    drop(data, "f.csv", HEADER + "north,A9,NRS,1wk,,3\nnorth,A1,NRS,,2027-01-01,3\n")
    etl("refresh")
    at = on(opened(PAGE, period="All"), date(2026, 3, 10))
    week = tables(at)[0].row(0, named=True)
    assert week == {
        "At": "1 week", "Due": "1", "Overdue": "1", "Missed": "1", "Scored": "1", "Not yet": "1",
    }  # fmt: skip
    listed = at.dataframe[0].value
    assert listed[["Accession number", "State", "At"]].values.tolist() == [
        ["A1", "overdue", "1 week"], ["A2", "due", "1 week"],
    ]  # fmt: skip
    assert [str(day)[:10] for day in listed["Day"]] == ["2026-03-09", "2026-03-11"]
    assert "1 day in no window of a time point; 1 waits for its procedure" in texts(at)


def test_a_recent_case_is_picked_from_its_day(data: Path) -> None:
    """Without a day the last one with cases; none of another day, none without a number."""
    drop(data, "log.csv", FIVE + "north,,CT,2026-03-10,,,\n")
    etl("refresh")
    at = opened(PAGE, period="All")

    def listed(at: AppTest) -> list[str]:
        found = [t.value for t in at.dataframe if "Satisfaction known" in t.value.columns]
        return found[0]["Accession number"].to_list() if found else []

    assert listed(at) == ["A5"]
    assert listed(at.date_input(key="cases-of").set_value(date(2026, 3, 2)).run()) == ["A1", "A4"]
    at.date_input(key="cases-of").set_value(date(2026, 3, 3)).run()
    assert listed(at) == [] and "No completed case that you may see" in texts(at)


def test_a_manager_sees_counts_and_no_cases(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pages.shared import auth
    from tests.people import manager

    drop(data, "log.csv", FIVE)
    etl("refresh")
    monkeypatch.setattr(auth, "person", lambda: manager("M"))
    at = opened(PAGE, period="All")
    assert tables(at) and not at.dataframe
    assert "listed for physicians" in texts(at)


def test_what_is_entered_on_the_case_waits_and_is_merged(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERMA_USER", "Dr Kay")
    drop(data, "log.csv", LOG)
    etl("refresh")
    at = opened(CASE, id="1")
    assert "Complications: **vasovagal reaction:1** (CIRSE 2017)" in texts(at)
    at.selectbox(key="at-1").set_value("3mo")
    at.text_input(key="pain-1").set_value("12")
    at.selectbox(key="answer-1").set_value("satisfied")
    enter = next(b for b in at.button if b.label == "Enter")
    enter.click().run()
    assert "above the maximum of its scale" in texts(at), "the contract of the logs"
    at.text_input(key="pain-1").set_value("2")
    next(b for b in at.button if b.label == "Enter").click().run()
    assert not at.exception and "2 values kept" in texts(at)
    entered = next(f.value for f in at.dataframe if "By" in f.value.columns)
    assert set(entered["By"]) == {"Dr Kay"}
    etl("refresh")
    assert ask(data, "select pain_3mo, satisfaction from procedure order by all limit 1") == [
        (2, 4)
    ]
    again = opened(CASE, id="1")
    assert "Satisfaction: **satisfied**" in texts(again)


def test_the_form_offers_only_what_is_new() -> None:
    blank = {
        "timepoint": None, "pain": ("NRS 0-10", ""), "odi": ("ODI", ""), "ndi": ("NDI", ""),
        "satisfaction": None, "complications": "none", "grades": "CIRSE 2017",
    }  # fmt: skip
    assert checked(blank, "none") == ([], ["Fill in at least one value."])
    entries, wrong = checked(blank | {"complications": "infection:3"}, "none")
    assert not wrong and [(e.value, e.grade_scale) for e in entries] == [
        ("infection:3", "CIRSE 2017")
    ]
    _, wrong = checked(blank | {"odi": ("ODI", "30")}, "none")
    assert wrong == ["ODI: choose a time point."]
