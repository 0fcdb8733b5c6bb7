"""Case: what was sent beside what it became, checks in words, events, history; never the key."""

import os
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from analytics.effective_dose import active_coefficients
from etl.refresh import Asked, refresh
from pages.data import case_parts
from tests.conftest import use_data
from tests.etl import dicom_made
from tests.pages.app import ROOT, charts, opened, texts
from warehouse.connect import current_snapshot, cursor
from warehouse.reference import effective_dose_coefficients
from warehouse.settings import Settings

EVENTS = """
insert into irradiation_event by name
select 'e' || i as event_uid, 'r' as report_uid, $id::bigint as procedure_id,
    timestamp '2026-07-01 08:00:00' + to_minutes(i::integer) as started_at,
    'Fluoroscopy' as event_type, 5.0 as air_kerma_mgy, 0.5 as kap_gycm2, 'R' as run_id
from range(4) t(i);
insert into dose_report by name
select 'r' as report_uid, 'Nord' as site, $id::bigint as procedure_id, 'fluoroscopy' as modality,
    date '2026-07-01' as performed_on, ['e0', 'e1', 'e2', 'e3'] as event_uids,
    4 as n_events_stated, []::varchar[] as flags, now() as source_at, 1 as source_file_id,
    'R' as run_id;
"""


def number(data_dir: Path, accession: str) -> int:
    snapshot = current_snapshot(data_dir / "snapshots")
    assert snapshot is not None
    with cursor(snapshot) as cur:
        found = cur.sql(
            "select procedure_id from procedure where accession_number = $a",
            params={"a": accession},
        )
        return found.fetchall()[0][0]


def opened_case(case: object) -> AppTest:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    at.run()
    at.query_params["id"] = str(case)
    at.switch_page(str(ROOT / "pages" / "data" / "case.py")).run()
    assert not at.exception, at.exception[0].message
    return at


def values(at: AppTest) -> dict[str, tuple[str, str]]:
    table = at.dataframe[0].value
    return {row["Value"]: (row["Canonical"], row["As sent"]) for row in table.to_dict("records")}


def test_values_stand_beside_what_was_sent(lived_settings: Path) -> None:
    at = opened_case(number(lived_settings, "A1"))
    shown = values(at)
    canonical, sent = shown["KAP"]
    assert canonical == "2.50 Gy·cm²"
    assert "250 cGy·cm² (log korrektur.csv:2)" in sent
    assert "200 cGy·cm² (log juli.csv:2)" in sent
    assert shown["Fluoroscopy time"][0] == "90.0 s (1.50 min)"
    assert "01:30" in shown["Fluoroscopy time"][1]


def test_an_age_above_89_is_told_as_90_or_more(lived_settings: Path) -> None:
    assert values(opened_case(number(lived_settings, "A4")))["Age"][0] == "90 years or more"


def test_a_correction_is_told_with_before_and_after(lived_settings: Path) -> None:
    at = opened_case(number(lived_settings, "A1"))
    history = at.dataframe[-1].value.to_dict("records")
    (change,) = [row for row in history if row["Value"].startswith("KAP")]
    assert (change["Before"], change["After"], change["Why"]) == ("2.0", "2.5", "corrected")
    assert change["Value"] == "KAP (Gy·cm²)"


def test_a_unit_error_is_named(lived_settings: Path) -> None:
    said = texts(opened_case(number(lived_settings, "A3")))
    assert "unit error suspected" in said
    assert "KAP outside 0.001 to 1000 Gy·cm²" in said


def test_the_patients_other_cases_are_listed_and_added_up_without_the_key(lived_settings) -> None:
    second = number(lived_settings, "A2")
    at = opened_case(second)
    (mine,) = [t.value for t in at.dataframe if "Which" in t.value.columns]
    assert set(mine["Case"]) == {number(lived_settings, "A1"), second}
    assert "K_a,r 32.5 mGy, KAP 5.60 Gy·cm²" in texts(at)
    assert "not this patient's risk" in texts(at) or "No effective dose is estimated" in texts(at)
    snapshot = current_snapshot(lived_settings / "snapshots")
    assert snapshot is not None
    with cursor(snapshot) as cur:
        keys = cur.sql("select distinct patient_key from procedure").pl()["patient_key"].to_list()
    everything = texts(at) + "".join(table.value.to_csv() for table in at.dataframe)
    assert all(key not in everything for key in keys if key)


def test_events_add_up_to_the_total_or_show_the_difference(
    lived: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = number(lived, "A2")
    source = current_snapshot(lived / "snapshots")
    assert source is not None
    (tmp_path / "snapshots").mkdir()
    copy = tmp_path / "snapshots" / "kerma-events.duckdb"
    shutil.copy(source, copy)
    with duckdb.connect(copy) as con:
        for statement in EVENTS.strip().split(";\n"):
            con.execute(statement.rstrip(";"), {"id": case})
    os.symlink(copy, tmp_path / "snapshots" / "current.duckdb")
    for _ in use_data(tmp_path, monkeypatch):
        at = opened_case(case)
        said = texts(at)
        assert "K_a,r: sum of events:** 20.0 mGy in 4 events, total 20.0 mGy" in said
        assert "KAP: sum of events:** 2.00 Gy·cm² in 4 events, total 3.10 Gy·cm²" in said
        assert "apart" in said
        titles = [layer["encoding"]["y"]["title"] for c in charts(at) for layer in c["layer"]
                  if "title" in layer["encoding"].get("y", {})]  # fmt: skip
        assert "K_a,r (mGy), sum so far" in titles and "KAP (Gy·cm²), sum so far" in titles


def test_without_a_report_the_page_says_what_would_bring_events(lived_settings: Path) -> None:
    said = texts(opened_case(number(lived_settings, "A2")))
    assert "No dose report with events has been loaded" in said


@pytest.mark.parametrize("asked", ["999999", "9" * 30, "x' or 1=1", "-3", ""])
def test_an_unknown_case_leads_back_to_the_list(lived_settings: Path, asked: str) -> None:
    said = texts(opened_case(asked))
    assert "There is no case 999999" in said if asked == "999999" else "No case is chosen" in said


def test_the_page_is_not_in_the_menu_but_opens(lived_settings: Path) -> None:
    assert "No case is chosen" in texts(opened("data/case.py"))


@pytest.fixture
def joined_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Load a log row and the scanner's report of the same study."""
    data_dir = tmp_path / "data"
    (data_dir / "inbox").mkdir(parents=True)
    dicom_made.save(dicom_made.projection(), data_dir / "inbox" / "rdsr")
    head = "site,accession_number,modality,procedure_start_at,room,kap_gycm2,satisfaction\n"
    row = "North,A1,fluoroscopy,2026-03-02 09:10:00,Suite 2,3.0,4\n"
    (data_dir / "inbox" / "log.csv").write_text(head + row)
    settings = Settings(data_dir=data_dir, settle_seconds=0)
    assert refresh(settings, Asked(), lambda step, **facts: None).exit_code == 0
    yield from use_data(data_dir, monkeypatch)


def test_each_value_names_the_source_it_comes_from(joined_settings: Path) -> None:
    """The log's words, the report's dose; the log's other figure stands beside, flagged."""
    at = opened_case(number(joined_settings, "A1"))
    table = {row["Value"]: row for row in at.dataframe[0].value.to_dict("records")}
    assert (table["Room"]["From"], table["Satisfaction"]["From"]) == ("log log.csv:2",) * 2
    assert table["KAP"]["Canonical"] == "2.40 Gy·cm²"
    assert "3.0 Gy·cm² (log, set aside)" in table["KAP"]["As sent"]
    assert table["KAP"]["From"] == "dose report rdsr"
    assert table["Sex"]["From"] == "dose report rdsr:1"
    assert "Log and dose report differ by more than 5 %" in texts(at)


def test_a_patients_effective_doses_add_up_with_their_band() -> None:
    """2 Gy·cm² lumbar by 0.33 and 100 mGy·cm lumbar by 0.01843: 0.66 + 1.843 mSv."""
    mine = pl.DataFrame(
        {
            "performed_on": [date(2026, 1, 1), date(2026, 2, 1), date(2026, 2, 2),
                             date(2026, 5, 1)],
            "modality": ["fluoroscopy", "CT", "fluoroscopy", "CT"],
            "region": ["lumbar", "lumbar", None, "lumbar"],
            "age_years": [50.0] * 4,
            "kap_gycm2": [2.0, None, 1.0, None],
            "dlp_mgycm": [None, 100.0, None, 5000.0],
        }
    )  # fmt: skip
    active = active_coefficients(effective_dose_coefficients(), date(2026, 11, 30))
    words = case_parts.effective_words(mine, date(2026, 3, 1), active)
    assert "2.50 mSv (1.44 mSv to 3.57 mSv" in words, "0.66 ± 50 % and 1.843 ± 40 %"
    assert "2 of 3 cases" in words and "ICRP 60 and 103" in words
    assert "not this patient's risk" in words
