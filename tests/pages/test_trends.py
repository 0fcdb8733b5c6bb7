"""Dose trends: the months are those of the rows, the planted drop and drift are found."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analytics.change_points import change_points
from analytics.drift import RoomDrift, adjusted_logs, every_month, room_months
from analytics.results import Estimate
from analytics.trend import dose_trend
from etl import demo
from pages.dose import trend_findings as findings
from pages.dose import trend_rooms
from pages.dose.measures import MEASURES
from pages.dose.trend_findings import Choice
from pages.shared.filters import Filters
from tests.conftest import DEMO_END, DEMO_ROWS
from tests.pages.app import charts, opened, texts
from warehouse.access import SYSTEM
from warehouse.connect import current_snapshot, cursor
from warehouse.protocol_changes import NAME, ProtocolChangesError, protocol_changes
from warehouse.queries import run

EVERYTHING = Filters(date(2000, 1, 1), date(2100, 1, 1))
KAP = Choice("fluoroscopy", MEASURES["kap_gycm2"], "TFESI_L", None)


def months(values: list[float | None], n: int = 30) -> pl.DataFrame:
    days = pl.date_range(date(2024, 1, 1), date(2027, 12, 1), "1mo", eager=True)[: len(values)]
    return pl.DataFrame({"month": days, "median": values, "n": [n] * len(values)})


def test_medians_are_those_of_the_rows(demo_settings: Path) -> None:
    at = opened("dose/trends.py", period="All")
    procedure = at.selectbox(key="of").value
    snapshot = current_snapshot(demo_settings / "snapshots")
    assert snapshot is not None
    with cursor(snapshot) as cur:
        rows = cur.sql("select * from procedure").pl()
    mine = rows.filter(
        ~pl.col("is_test"), pl.col("status") == "completed", pl.col("kap_gycm2") > 0,
        pl.col("modality") == "fluoroscopy", pl.col("procedure_code") == procedure,
    )  # fmt: skip
    month = mine["performed_on"].dt.truncate("1mo").mode().sort()[0]
    expected = mine.filter(pl.col("performed_on").dt.truncate("1mo") == month)["kap_gycm2"]
    said = texts(at)
    assert f"n = {mine.height:,}".replace(",", " ") in said.replace("\u202f", " ")
    import pyarrow as pa

    frames = []
    for element in at.get("vega_lite_chart"):
        for dataset in element.proto.datasets:
            frames.append(pl.from_arrow(pa.ipc.open_stream(dataset.data.data).read_all()))
    course = next(f for f in frames if "median" in f.columns)
    row = course.filter(pl.col("month").cast(pl.Date) == month).row(0, named=True)
    assert row["n"] == expected.len()
    assert row["median"] == pytest.approx(np.median(expected.to_numpy()))
    assert row["p75"] == pytest.approx(np.quantile(expected.to_numpy(), 0.75))


def test_only_one_dose_index_is_on_an_axis(demo_settings: Path) -> None:
    specs = charts(opened("dose/trends.py", period="All"))
    for spec in specs:
        units = {
            layer["encoding"]["y"].get("title")
            for layer in spec.get("layer", [spec])
            if "y" in layer.get("encoding", {})
        }
        assert len(units - {None}) == 1


def test_a_month_with_few_cases_loses_its_quantiles_and_keeps_its_count() -> None:
    monthly = pl.DataFrame(
        {
            "month": [date(2026, 1, 1), date(2026, 3, 1)],
            "n": [9, 10],
            "p25": [1.0, 1.0],
            "median": [2.0, 2.0],
            "p75": [3.0, 3.0],
            "n_missing": [0, 1],
            "n_not_positive": [0, 0],
        }
    )
    laid = findings.calendar(monthly)
    assert laid["n"].to_list() == [9, 0, 10]
    assert laid["median"].to_list() == [None, None, 2.0]


def test_a_drop_is_found_where_it_was_made_and_worded() -> None:
    rng = np.random.default_rng(3)
    level = np.r_[np.full(18, 2.0), np.full(18, 1.5)]
    frame = months((level * np.exp(rng.normal(0, 0.05, 36))).tolist())
    found = change_points(findings.usable(frame)["median"].log().to_numpy())
    marks = findings.found_marks(frame, found)
    assert marks["month"].to_list() == [date(2025, 7, 1)]
    words = findings.change_words(marks, found)
    assert "Jul 2025" in words and "−2" in words


def test_a_flat_series_is_not_called_similar() -> None:
    rng = np.random.default_rng(1)
    frame = months(np.exp(rng.normal(0, 0.1, 24)).tolist())
    words = findings.trend_words(dose_trend(frame["month"].to_list(), frame["median"].to_numpy()))
    assert "No clear trend was shown" in words
    assert "similar" not in words and "95" in words


def test_signals_come_back_on_the_scale_of_the_dose() -> None:
    values = [1.0, 1.1, 0.9, 1.0, 1.1, 0.9, 1.0, 1.1, 0.9, 1.0, 5.0]
    frame = months(values)  # type: ignore[arg-type]
    chart = findings.control_chart(frame, pl.DataFrame(schema=findings.MARKS), "XmR")
    back = findings.control_frame(frame, chart)  # type: ignore[arg-type]
    assert back["value"].to_list() == pytest.approx(values)
    assert back["signal"].to_list()[-1].startswith("beyond 3 sigma, above")
    assert back["signal"].to_list()[0] is None


@pytest.mark.parametrize("kind", ["XmR", "EWMA"])
def test_a_drift_of_a_tenth_a_month_signals_within_three_months(kind: str) -> None:
    rng = np.random.default_rng(11)
    drift = np.r_[np.ones(15), 1.1 ** np.arange(1, 10)]
    frame = months((drift * np.exp(rng.normal(0, 0.05, 24))).tolist())
    chart = findings.control_chart(frame, pl.DataFrame(schema=findings.MARKS), kind)
    above = [s.index for s in chart.signals if s.side == "above"]  # type: ignore[union-attr]
    assert 15 <= min(above) <= 17


def test_reference_levels_match_modality_procedure_and_index() -> None:
    mbb = Choice("fluoroscopy", MEASURES["kap_gycm2"], "MBB_UNSPEC", None)
    found = findings.references(mbb)
    assert found["value"].to_list() == [2.5]
    assert found["words"][0] == "DRL Belgium 2011, national"
    for other in (
        Choice("CT", MEASURES["kap_gycm2"], "MBB_UNSPEC", None),
        Choice("fluoroscopy", MEASURES["air_kerma_mgy"], "MBB_UNSPEC", None),
    ):
        assert findings.references(other).is_empty()


def test_recorded_changes_are_read_and_wrong_ones_named(tmp_path: Path) -> None:
    assert protocol_changes(tmp_path).is_empty()
    file = tmp_path / NAME
    file.write_text("changed_on,what,room\n2026-02-01,lower pulse rate,R1\n2025-03-15,new tube,\n")
    read = protocol_changes(tmp_path)
    assert read["changed_on"].to_list() == [date(2025, 3, 15), date(2026, 2, 1)]
    assert read["room"].to_list() == [None, "R1"]
    file.write_text("changed_on,what\n2026-02-01,ok\n1.2.2026,bad day\n")
    with pytest.raises(ProtocolChangesError, match=r"row 3, changed_on: '1.2.2026' is no date"):
        protocol_changes(tmp_path)
    file.write_text("changed_on,what\n2026-02-01,\n")
    with pytest.raises(ProtocolChangesError, match="row 2, what: blank"):
        protocol_changes(tmp_path)
    file.write_text("day,what\n2026-02-01,x\n")
    with pytest.raises(ProtocolChangesError, match="column changed_on is missing"):
        protocol_changes(tmp_path)


def test_a_recorded_change_has_its_effect_with_interval() -> None:
    from analytics.change_points import before_after

    rng = np.random.default_rng(5)
    level = np.r_[np.full(10, 2.0), np.full(10, 1.5)] * np.exp(rng.normal(0, 0.03, 20))
    frame = months(level.tolist())
    effect = before_after(frame["month"].to_list(), frame["median"].to_numpy(), date(2024, 11, 1))
    assert isinstance(effect.percent_change, Estimate)  # type: ignore[union-attr]
    words = findings.effect_words(effect)
    assert words.startswith("Level after against before: −2") and "10 months before" in words


def test_without_dose_the_page_says_what_to_do(demo_settings: Path) -> None:
    at = opened("dose/trends.py", modality="ultrasound")
    assert "No CT or fluoroscopy procedure in this view has a dose" in texts(at)
    assert json.dumps(charts(at)) == "[]"


def test_the_planted_room_signals_within_three_months_of_its_drift(demo_settings: Path) -> None:
    """The demo's doses of one room grow month by month; the page says since when it signals."""
    drift = demo.log(DEMO_ROWS, 1, DEMO_END)[1]["drift"]
    begins = date.fromisoformat(str(drift["from"]))
    rooms = trend_rooms.found(KAP.modality, KAP.measure, EVERYTHING)
    (planted,) = [found for (_, room), found in rooms.items() if room == drift["room"]]
    assert isinstance(planted, RoomDrift) and planted.first_signal is not None
    assert begins <= planted.first_signal < pl.select(pl.lit(begins).dt.offset_by("3mo")).item()
    words = texts(opened("dose/trends.py", period="All"))
    assert f"{drift['room']} (" in words and f"signals since {planted.first_signal:%b %Y}" in words


def test_room_months_of_the_warehouse_are_those_of_the_single_cases(demo_settings: Path) -> None:
    snapshot = current_snapshot(demo_settings / "snapshots")
    assert snapshot is not None
    with cursor(snapshot) as cur:
        cases = cur.sql(
            "select *, size_band(age_years, weight_kg, bmi) as size_band from procedure where "
            "not is_test and status = 'completed' and modality = 'fluoroscopy' and room is not null"
        ).pl()
    kinds = cases.with_columns(pl.coalesce("procedure_code", "procedure_name").alias("kind"))
    single = room_months(adjusted_logs(kinds, "kap_gycm2", ("kind", "size_band")))
    asked = {"modality": "fluoroscopy", "dose_index": "kap_gycm2", "min_n": 20}
    stored = every_month(run("drift_months", snapshot, SYSTEM, **asked))
    columns = ["site", "room", "month", "n", "mean", "sum_of_squares"]
    assert_frame_equal(single.select(columns), stored.select(columns), check_dtypes=False)
