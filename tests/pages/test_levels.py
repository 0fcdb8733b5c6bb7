"""Reference levels: medians are those of the rows, levels tell their source, own ones stay."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from analytics.level_table import ALL_ADULTS
from pages.dose import level_tables
from pages.dose.measures import MEASURES
from tests.conftest import use_data
from tests.pages.app import opened, texts
from warehouse import local_levels
from warehouse.access import SYSTEM
from warehouse.connect import current_snapshot, cursor
from warehouse.reference import reference_levels
from warehouse.settings import settings

PAGE = "dose/levels.py"


@pytest.fixture
def own_copy(demo_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a data folder of one's own, to write into."""
    folder = tmp_path / "data"
    shutil.copytree(demo_data, folder, symlinks=True, ignore=shutil.ignore_patterns("inbox"))
    yield from use_data(folder, monkeypatch)


def frames(at: AppTest) -> list[pl.DataFrame]:
    """Return the tables of a page."""
    return [pl.from_pandas(element.value) for element in at.dataframe]


def rows(folder: Path) -> pl.DataFrame:
    snapshot = current_snapshot(folder / "snapshots")
    assert snapshot is not None
    with cursor(snapshot) as cur:
        return cur.sql("select * from procedure").pl().filter(
            ~pl.col("is_test"), pl.col("status") == "completed"
        )  # fmt: skip


def test_medians_are_those_of_the_rows(demo_settings: Path) -> None:
    table = frames(opened(PAGE, period="All"))[0]
    assert set(table["Site"]) == {"Harbour", "Northgate", "Riverside"}
    expected = rows(demo_settings).filter(
        pl.col("modality") == "fluoroscopy", pl.col("kap_gycm2") > 0,
        pl.col("procedure_code") == "TFESI_L", pl.col("site") == "Northgate",
        (pl.col("age_years") >= 16) | pl.col("age_years").is_null(),
    )["kap_gycm2"].to_numpy()  # fmt: skip
    mine = table.filter(
        pl.col("Procedure").str.contains("TFESI_L"), pl.col("Site") == "Northgate"
    ).row(0, named=True)
    assert mine["n"] == len(expected)
    assert mine["Median (Gy·cm²)"] == pytest.approx(np.median(expected), rel=5e-3)
    assert mine["Reference (Gy·cm²)"] == 3.0
    assert mine["Level is"] == "national"
    assert "below the reference level" in mine["Verdict"]


def test_percentiles_beyond_the_data_are_left_empty(demo_settings: Path) -> None:
    at = opened(PAGE, period="All", **{"facilities-show": "Percentiles P10 to P99"})
    table = frames(at)[0]
    assert table.filter(pl.col("n") < 100)["P99 (Gy·cm²)"].is_null().all()
    many = table.filter(pl.col("n") >= 200).row(0, named=True)
    assert many["P10 (Gy·cm²)"] < many["P50 (Gy·cm²)"] < many["P95 (Gy·cm²)"]


def test_where_a_level_is_from_is_said_in_full() -> None:
    said = level_tables.provenance(reference_levels(), ["RL004"])
    for part in ("DRL 3.00 Gy·cm²", "national", "Belgium 2011", "Percentile over: not stated",
                 "verified at its source", "Hustinx et al. 2018", "https://", "0.3 mGy.m2",
                 ):  # fmt: skip
        assert part in said[0]


def test_own_levels_are_saved_and_compared(own_copy: Path) -> None:
    at = opened(PAGE, period="All")
    at.button(key="save-levels").click().run()
    assert not at.exception
    assert "saved for later comparison" in texts(at)
    kept = local_levels.saved(settings(), SYSTEM)
    assert set(kept["dose_index"]) == {"kap_gycm2"}
    assert set(kept["size_band"]) == {ALL_ADULTS}
    local = next(frame for frame in frames(at) if "Since then" in frame.columns)
    saved = local.filter(pl.col("Saved on").is_not_null())
    assert len(saved) == len(kept)
    assert set(saved["Since then"]) == {"no clear change"}
    assert set(saved["Change (%)"]) == {0.0}


def test_effective_dose_is_a_sum_of_sites_and_nobodys_risk(demo_settings: Path) -> None:
    at = opened(PAGE, period="All")
    shown = frames(at)
    sums = next(frame for frame in shown if "Sum (man·mSv)" in frame.columns)
    assert set(sums["Modality"]) == {"CT", "fluoroscopy"}
    assert "never one patient's risk" in texts(at)
    assert not any("patient_key" in frame.columns for frame in shown)


def test_a_confirmed_coefficient_changes_the_sums_at_once(own_copy: Path) -> None:
    """Abdominal KAP has no verified coefficient: cases without an estimate get one."""

    def estimated(at: AppTest) -> float:
        sums = next(frame for frame in frames(at) if "Sum (man·mSv)" in frame.columns)
        return sums.filter(pl.col("Modality") == "fluoroscopy")["Estimated"].sum()

    at = opened(PAGE, period="All")
    before = estimated(at)
    off = next(frame for frame in frames(at) if "State" in frame.columns)
    assert set(off["State"]) == {"off"}
    choice = next(box for box in at.multiselect if box.label == "Confirmed")
    choice.set_value(["XF-abdomen-16-103-P"])
    next(box for box in at.text_input if box.label == "Why").set_value("HPA table, read")
    next(box for box in at.button if box.label == "Record").click().run()
    assert not at.exception
    assert "1 coefficient changed." in texts(at)
    assert estimated(at) > before


def test_the_chart_has_every_site_beside_its_level() -> None:
    table = pl.DataFrame(
        {
            "procedure_code": ["TFESI_L"] * 2, "site": ["A", "B"], "n": [30, 40],
            "p50": [1.0, 2.0], "median_low": [0.9, 1.8], "median_high": [1.1, 2.2],
            "drl": [3.0, 3.0], "achievable": [None, None], "decision": ["within"] * 2,
        },
        schema_overrides={"achievable": pl.Float64},
    )  # fmt: skip
    chart, shown = level_tables.medians(table, MEASURES["kap_gycm2"])
    assert chart.to_dict()["layer"]
    assert shown["site"].to_list() == ["A", "B"]
