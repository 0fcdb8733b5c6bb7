"""Overview: the cards agree with the rows, changes carry intervals, gaps are named."""

import math
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pages.shared import format as fmt
from tests.pages.app import charts, opened, texts
from warehouse.connect import current_snapshot, cursor

pytestmark = pytest.mark.usefixtures("demo_settings")


@pytest.fixture
def rows(demo_data: Path) -> pl.DataFrame:
    """Return the procedures that count, as stored, without the queries under test."""
    snapshot = current_snapshot(demo_data / "snapshots")
    assert snapshot is not None
    with cursor(snapshot) as cur:
        table = cur.sql("select * from procedure").pl()
    return table.filter(~pl.col("is_test") & (pl.col("status") == "completed"))


def last_year(rows: pl.DataFrame, back: int = 0) -> pl.DataFrame:
    end = rows["performed_on"].max() - timedelta(days=365 * back)
    return rows.filter(pl.col("performed_on").is_between(end - timedelta(days=364), end))


def test_cards_show_what_the_rows_hold(rows: pl.DataFrame) -> None:
    shown = {metric.label: metric.value for metric in opened().metric}
    year = last_year(rows)
    assert shown["Procedures"] == fmt.count(year.height)
    for label, column in {
        "KAP, Gy·cm²": "kap_gycm2",
        "K_a,r, mGy": "air_kerma_mgy",
        "DLP, mGy·cm": "dlp_mgycm",
        "CTDIvol, mGy": "ctdi_vol_mgy",
        "Duration, min": "duration_min",
    }.items():
        assert shown[label] == fmt.number(float(np.median(year[column].drop_nulls())))
    known = year["complications"].drop_nulls()
    assert shown["Complications"] == fmt.percent((known != "none").sum() / len(known))
    answers = year["satisfaction"].drop_nulls()
    assert shown["Satisfied patients"] == fmt.percent((answers >= 4).sum() / len(answers))
    waiting = year.select(
        (pl.coalesce("room_in_at", "procedure_start_at") - pl.col("arrived_at")).dt.total_minutes()
    ).to_series()
    waiting = waiting.filter(waiting >= 0)
    assert shown["Waiting, min"] == fmt.number(float(np.median(waiting)))


def test_a_change_is_on_the_period_of_equal_length_before(rows: pl.DataFrame) -> None:
    deltas = {metric.label: metric.delta for metric in opened().metric}
    now, before = last_year(rows)["dlp_mgycm"].median(), last_year(rows, 1)["dlp_mgycm"].median()
    change = float(deltas["DLP, mGy·cm"].split(fmt.THIN)[0])
    assert math.isclose(change, 100 * (now / before - 1), abs_tol=0.6)


def test_every_estimate_carries_n_and_an_interval(rows: pl.DataFrame) -> None:
    notes = [caption.value for caption in opened().caption if "n = " in caption.value]
    assert len(notes) == 9
    assert all("95" in note and "CI" in note for note in notes)
    dosed = last_year(rows)["dlp_mgycm"].drop_nulls().len()
    assert any(f"n = {fmt.count(dosed)}" in note for note in notes)


def test_the_head_says_of_what_and_what_is_left_out(rows: pl.DataFrame) -> None:
    said = texts(opened())
    shown, all_of = fmt.count(last_year(rows).height), fmt.count(rows.height)
    assert f"{shown} of {all_of} procedures" in said
    assert "Left out in this period" in said and "cancelled" in said


def test_filters_come_from_the_address(rows: pl.DataFrame) -> None:
    at = opened(modality="CT", period="All")
    ct = rows.filter(pl.col("modality") == "CT")
    shown = {metric.label: metric.value for metric in at.metric}
    assert shown["Procedures"] == fmt.count(ct.height)
    assert shown["DLP, mGy·cm"] == fmt.number(float(np.median(ct["dlp_mgycm"].drop_nulls())))
    (volume,) = charts(at)
    assert volume["encoding"]["color"]["scale"]["domain"] == ["CT"]


def test_junk_in_the_address_is_dropped() -> None:
    at = opened(modality="MRI", period="yesterday", age="-5")
    assert at.session_state["modality"] == [] and at.session_state["period"] == "12m"


def test_a_reversed_range_is_turned_round_and_said() -> None:
    at = opened(period="Range", range=["2026-09-30", "2026-07-01"])
    assert "The range ran backwards" in texts(at)
    assert "1 Jul 2026 to 30 Sep 2026" in texts(at)


def test_a_band_takes_its_lower_bound_and_leaves_its_upper(rows: pl.DataFrame) -> None:
    at = opened(period="All", age="40-59")
    expected = rows.filter((pl.col("age_years") >= 40) & (pl.col("age_years") < 60)).height
    assert {metric.label: metric.value for metric in at.metric}["Procedures"] == fmt.count(expected)


def test_no_row_says_which_filter_to_widen() -> None:
    at = opened(period="Range", range=["1999-01-01", "1999-01-02"], modality="CT")
    assert "No procedure matches" in texts(at) and "clear: modality" in texts(at)
    assert not at.metric
    at.button(key="clear-all-filters").click().run()
    assert len(at.metric) == 9


def test_no_warehouse_says_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from warehouse.settings import settings

    monkeypatch.setenv("KERMA_DATA_DIR", str(tmp_path))
    settings.cache_clear()
    at = opened()
    assert at.title[0].value == "No data yet"
    assert "etl demo" in at.code[0].value and "etl refresh" in at.code[0].value


def test_charts_state_types_units_and_height() -> None:
    for spec in charts(opened()):
        assert spec["height"] >= 200
        assert spec["encoding"]["y"]["title"] == "Procedures a month"


def test_cases_beyond_a_rule_are_counted_with_a_link() -> None:
    at = opened()
    said = texts(at)
    assert "What needs attention" in said and "beyond a dose rule in this period" in said
    assert "Nothing stands out" not in said
