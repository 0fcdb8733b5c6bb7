"""Modality comparison: the table agrees with SciPy on the rows; some things are not compared."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

from tests.pages.app import charts, opened, texts
from tests.pages.test_overview import rows  # noqa: F401

pytestmark = pytest.mark.usefixtures("demo_settings")


@pytest.fixture
def year(rows: pl.DataFrame) -> pl.DataFrame:  # noqa: F811
    """Return each patient's first procedure of the last year; those without a patient all stay."""
    end = rows["performed_on"].max()
    recent = rows.filter(pl.col("performed_on") > end - timedelta(days=365))
    named = recent.filter(pl.col("patient_key").is_not_null()).sort("performed_on", "procedure_id")
    unnamed = recent.filter(pl.col("patient_key").is_null())
    return pl.concat([named.unique("patient_key", keep="first"), unnamed])


def tables(at) -> list[pl.DataFrame]:
    return [pl.from_pandas(table.value, include_index=False) for table in at.table]


def of(year: pl.DataFrame, modality: str, column: str) -> np.ndarray:
    return year.filter(pl.col("modality") == modality)[column].drop_nulls().to_numpy()


def test_the_table_reads_like_a_trial_report(year: pl.DataFrame) -> None:
    report = tables(opened("comparison"))[0]
    assert report.columns == ["Outcome", "CT", "fluoroscopy", "Effect (95 % CI)", "Test", "p"]
    assert report["Outcome"].to_list() == [
        "Estimated effective dose", "Procedure duration", "Complications",
        "Satisfaction, 1 to 5", "Pain relief at 1 month",
    ]  # fmt: skip
    assert all("n = " in cell or " of " in cell for cell in report["CT"])
    assert all("Holm-adjusted" in p for p in report["p"])


def test_duration_agrees_with_scipy_on_the_rows(year: pl.DataFrame) -> None:
    row = tables(opened("comparison"))[0].filter(pl.col("Outcome") == "Procedure duration")
    ct, fluoroscopy = (of(year, m, "duration_min") for m in ("CT", "fluoroscopy"))
    ratio = np.exp(np.log(ct).mean() - np.log(fluoroscopy).mean())
    assert row["Effect (95 % CI)"].item().startswith(f"ratio {ratio:.2f} ")
    p = stats.ttest_ind(np.log(ct), np.log(fluoroscopy), equal_var=False).pvalue
    written = "p < .001" if p < 0.001 else f"p = {p:.3f}".replace("0.", ".")
    assert row["p"].item().startswith(written)
    quartiles = np.percentile(ct, [25, 50, 75])
    assert row["CT"].item().startswith(f"{quartiles[1]:.1f} [{quartiles[0]:.1f}–")


def test_ctdi_and_air_kerma_stand_side_by_side_and_are_not_compared() -> None:
    at = opened("comparison")
    indices = next(table for table in tables(at) if "Compared" in table.columns)
    mixed = indices.filter(pl.col("Outcome").str.starts_with("CTDIvol (CT)"))
    assert mixed["Compared"].item().startswith("No: CTDIvol is scanner output")
    assert "effective dose" in mixed["Compared"].item()
    assert indices["Compared"].str.starts_with("No").all()
    axes = [spec["encoding"]["x"]["title"] for spec in charts(at) if "encoding" in spec]
    assert not any("CTDI" in axis or "kerma" in axis for axis in axes)


def test_no_difference_is_never_called_similar() -> None:
    for compare in ("CT v fluoroscopy", "CT v fluoroscopy v ultrasound"):
        said = texts(opened("comparison", compare=compare)).lower()
        assert "similar" not in said and "no difference" not in said


def test_crude_and_within_procedures_stand_side_by_side() -> None:
    adjusted = next(t for t in tables(opened("comparison")) if "Within procedures" in t.columns)
    assert adjusted.columns == ["Outcome", "Crude", "Within procedures", "Based on"]
    dose = adjusted.filter(pl.col("Outcome").str.contains("Effective dose"))
    crude, within = (float(dose[c].item().split(" ")[0]) for c in ("Crude", "Within procedures"))
    assert crude > 2 * within, "CT does the procedures that need more dose"


def test_ultrasound_has_no_dose_column() -> None:
    at = opened("comparison", compare="CT v fluoroscopy v ultrasound")
    report = tables(at)[0]
    dose = report.filter(pl.col("Outcome") == "Estimated effective dose")
    assert dose["ultrasound"].item() == "not applicable"
    assert "neither 0 nor missing" in texts(at)


def test_one_modality_alone_says_what_to_do() -> None:
    at = opened("comparison", modality="CT")
    assert "CT only: a comparison needs two" in texts(at)
    assert not at.table


def test_procedures_of_one_patient_are_not_taken_as_independent() -> None:
    at = opened("comparison")
    assert "belong to patients with several" in texts(at)
    assert at.toggle(key="first-only").value is True
    at.toggle(key="first-only").set_value(False).run()
    report = tables(at)[0]
    assert not report["p"].str.contains("p [=<]").any()
    assert "choose a paired comparison or one record for each patient" in texts(at)


def test_the_pictures_share_an_axis_only_where_the_quantity_is_one() -> None:
    specs = charts(opened("comparison"))
    titles = [spec["encoding"]["x"]["title"] for spec in specs if "encoding" in spec]
    assert titles[0] == "Estimated effective dose (mSv), logarithmic"
    named = [spec for spec in specs if "encoding" in spec]
    assert named[0]["encoding"]["x"]["scale"]["type"] == "log"
    assert "Share of answers" in titles


def test_no_warehouse_keeps_the_page_calm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from warehouse.settings import settings

    monkeypatch.setenv("KERMA_DATA_DIR", str(tmp_path))
    settings.cache_clear()
    assert opened().title[0].value == "No data yet"


def test_each_index_is_drawn_for_its_own_modality() -> None:
    for index, modality in (("K_a,r", "fluoroscopy"), ("CTDIvol", "CT")):
        specs = charts(opened("comparison", distribution=index))
        named = [s for s in specs if "encoding" in s]
        (own,) = [s for s in named if s["encoding"]["x"]["title"].startswith(("Air", "Volume"))]
        assert own["encoding"]["color"]["scale"]["domain"] == [modality]


DOSES_ONLY = """site,accession_number,modality,performed_on,dlp_mgycm,air_kerma_mgy,kap_gycm2
north,A1,CT,2026-03-02,140.5,,
north,A2,CT,2026-03-03,88.0,,
north,A3,XA,2026-03-04,,14.5,2.25
north,A4,XA,2026-03-05,,11.5,1.75
"""


def test_doses_without_outcomes_are_still_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.conftest import run_etl
    from warehouse.settings import settings

    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "log.csv").write_text(DOSES_ONLY, encoding="utf-8")
    done = run_etl(tmp_path, "refresh")
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.setenv("KERMA_DATA_DIR", str(tmp_path))
    settings.cache_clear()
    at = opened("comparison")
    assert "no outcome that could be compared" in texts(at)
    (indices,) = tables(at)
    by_name = {row["Outcome"]: row for row in indices.iter_rows(named=True)}
    assert by_name["Dose-length product"]["CT"].startswith("114 [")
    assert by_name["Kerma-area product"]["fluoroscopy"].startswith("2.00 [")
    assert len(opened().metric) == 9


def test_effects_by_procedure_stand_in_a_forest(year: pl.DataFrame) -> None:
    at = opened("comparison")
    forest = next(spec for spec in charts(at) if "layer" in spec and len(spec["layer"]) == 3)
    assert forest["layer"][1]["encoding"]["x"]["scale"]["type"] == "log"
    at.button_group(key="effect-of").set_value("duration_min").run()
    assert not at.exception
    from analytics.by_procedure import by_procedure
    from analytics.modalities import OUTCOMES

    logs = year.filter(pl.col("duration_min") > 0).with_columns(log=pl.col("duration_min").log())
    strata = logs.group_by("modality", procedure="procedure_code").agg(
        duration_n=pl.len(),
        duration_mean=pl.col("log").mean(),
        duration_variance=pl.col("log").var(),
    )
    outcome = next(o for o in OUTCOMES if o.measure == "duration_min")
    frame, _ = by_procedure(strata, outcome, ("CT", "fluoroscopy"))
    code = frame["stratum"][0]
    ct, fluoroscopy = (
        logs.filter((pl.col("procedure_code") == code) & (pl.col("modality") == m))[
            "log"
        ].to_numpy()
        for m in ("CT", "fluoroscopy")
    )
    ends = stats.ttest_ind(ct, fluoroscopy, equal_var=False).confidence_interval()
    assert frame["low"][0] == pytest.approx(np.exp(ends.low), rel=1e-9)
    assert frame["high"][0] == pytest.approx(np.exp(ends.high), rel=1e-9)
