"""OpenREM's workbooks say the same as its CSV exports of the same studies."""

import datetime
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xlsxwriter

from etl.refresh import Asked, refresh
from etl.staging import Staged
from tests.etl.dicom_made import KEY, read
from warehouse.connect import current_snapshot, reading
from warehouse.settings import Settings

SAMPLES = Path(__file__).resolve().parents[2] / ".." / "shared" / "samples" / "openrem"
PAIRS = [("ct_csv.csv", "ctxlsx.xlsx"), ("rf_csv.csv", "rfxlsx.xlsx")]
DOSES = ("dlp_mgycm", "ctdi_vol_mgy", "ctdi_phantom_cm", "kap_gycm2", "air_kerma_mgy",
         "fluoro_time_s")  # fmt: skip
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="the sample exports are not here")

CT = ["Institution", "Manufacturer", "Model", "Station name", "Display name", "Operator",
      "Patient sex", "Study description", "Requested procedure", "Accession number", "Study date",
      "Study time", "Number of events", "Patient age", "Patient height (m)", "Patient weight (kg)",
      "Total DLP (mGy.cm)"]  # fmt: skip
BLOCK = ["Acquisition protocol", "Acquisition type", "CTDI phantom type", "CTDIvol (mGy)",
         "DLP (mGy.cm)", "Exposure time (s)", "Number of sources", "S1 kVp", "S2 kVp"]  # fmt: skip


def workbook(path: Path, *studies: list[Any], header: list[str] | None = None) -> Path:
    """Write a CT workbook as the export does: serial dates, single-precision numbers."""
    names = header or CT + [f"E{n} {name}" for n in (1, 2) for name in BLOCK]
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet("Summary").write(0, 0, "XLSX Export from OpenREM version 1.0.0b3")
        sheet = book.add_worksheet("All data")
        for row, cells in enumerate([names, *studies]):
            for column, value in enumerate(cells):
                if value is not None:
                    sheet.write(row, column, value)
        book.add_worksheet("spine").write_row(0, 0, names)
    return path


def study(**more: Any) -> list[Any]:
    told: dict[str, Any] = {"Institution": "Clinic, North", "Display name": "Clinic CT1"}
    told |= {"Accession number": "A1", "Study date": 46083, "Study time": 0.49335037037}
    told |= {"Number of events": 2, "Patient age": -7976.7001953, "Patient height (m)": 1.779999971}
    told |= {"Total DLP (mGy.cm)": 667.719970703125} | more
    spiral = ["Spine", "Spiral Acquisition", "IEC Body Dosimetry Phantom", 4.590000153,
              661.14001464, 42.299999, 1, 120, 140]  # fmt: skip
    scout = [
        "Scout",
        "Constant Angle Acquisition",
        "IEC Body Dosimetry Phantom",
        0.04,
        6.58,
        8.26,
        2,
        100,
        100,
    ]
    return [told.get(name) for name in CT] + spiral + scout


def row(staged: Staged) -> dict[str, Any]:
    assert staged.refusal is None and staged.rejected.is_empty(), (staged.refusal, staged.rejected)
    return staged.reports.row(0, named=True)


def test_serial_dates_and_single_precision(tmp_path: Path) -> None:
    staged = read(workbook(tmp_path / "x.xlsx", study()), tmp_path)
    found = row(staged)
    assert found["performed_on"] == datetime.date(2026, 3, 2)
    assert str(found["started_at"]) == "2026-03-02 11:50:25.472000"
    assert (found["dlp_mgycm"], found["ctdi_vol_mgy"]) == (667.72, 4.59)
    assert found["ctdi_phantom_cm"] == 32 and found["site"] == "Clinic; North"
    assert "age_implausible" in found["flags"]
    assert staged.procedures is not None
    assert pl.read_parquet(staged.procedures)["height_cm"].item() == 178.0


def test_a_second_tube_counts_only_where_there_are_two(tmp_path: Path) -> None:
    from etl.sources.openrem_xlsx import read as table

    found = table(workbook(tmp_path / "x.xlsx", study()))
    rows = found.frame.collect()
    names = dict(zip(found.header, found.columns, strict=True))
    assert rows[names["E1 S2 kVp"]].to_list() == [None]  # one source: another study's value
    assert rows[names["E2 S2 kVp"]].to_list() == ["100"]


def test_damaged_and_empty_workbooks_are_refused(tmp_path: Path) -> None:
    whole = workbook(tmp_path / "x.xlsx", study()).read_bytes()
    for length in (10, len(whole) // 2, len(whole) - 30):
        path = tmp_path / "cut.xlsx"
        path.write_bytes(whole[:length])
        assert read(path, tmp_path).refusal is not None
    assert "no studies" in (read(workbook(tmp_path / "e.xlsx"), tmp_path).refusal or "")


def test_a_number_that_is_none_is_rejected_with_its_row(tmp_path: Path) -> None:
    bad = study(**{"Total DLP (mGy.cm)": "a lot"})
    staged = read(workbook(tmp_path / "x.xlsx", bad, study()), tmp_path)
    assert staged.rejected["line"].to_list() == [2] and staged.reports.height == 1


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Staged, Staged]]:
    folder = tmp_path_factory.mktemp("exports")
    return [(read(SAMPLES / a, folder), read(SAMPLES / b, folder)) for a, b in PAIRS]


def keyed(staged: Staged) -> dict[tuple, list[dict]]:
    rows: dict[tuple, list[dict]] = {}
    for found in staged.reports.iter_rows(named=True):
        key = (
            found["site"],
            found["accession_number"],
            found["device"],
            str(found["started_at"])[:19],
        )
        rows.setdefault(key, []).append(found)
    return rows


@needs_samples
@pytest.mark.parametrize("number", [0, 1])
def test_the_same_doses_as_the_csv(pairs: list[tuple[Staged, Staged]], number: int) -> None:
    text, book = pairs[number]
    assert book.refusal is None and book.rejected.is_empty()
    ours, theirs = keyed(book), keyed(text)
    assert ours.keys() == theirs.keys() and text.read == book.read
    for key, rows in ours.items():
        told = [[r[name] or 0 for name in DOSES] for r in rows]
        said = [[r[name] or 0 for name in DOSES] for r in theirs[key]]
        for one, other in zip(sorted(told), sorted(said), strict=True):
            assert one == pytest.approx(other, rel=1e-3, abs=1e-5), key


@needs_samples
def test_the_same_acquisitions_as_the_csv(pairs: list[tuple[Staged, Staged]]) -> None:
    text, book = pairs[0]
    assert set(book.events["event_uid"]) == set(text.events["event_uid"])


@needs_samples
@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("together", [True, False])
def test_both_exports_count_once(tmp_path: Path, pair: tuple[str, str], together: bool) -> None:
    alone = warehouse(tmp_path / "alone", [[pair[0]]])
    both = warehouse(tmp_path / "both", [list(pair)] if together else [[pair[1]], [pair[0]]])
    assert len(alone) == len(both)
    for one, other in zip(alone, both, strict=True):
        assert [v or 0 for v in other] == pytest.approx([v or 0 for v in one], rel=1e-3, abs=1e-5)


def warehouse(folder: Path, runs: list[list[str]]) -> list[tuple]:
    chosen = Settings(data_dir=folder, settle_seconds=0, pseudonym_key=KEY.decode())  # type: ignore[arg-type]
    chosen.inbox.mkdir(parents=True)
    for names in runs:
        for name in names:
            shutil.copy(SAMPLES / name, chosen.inbox)
        assert refresh(chosen, Asked(), lambda *_, **__: None).exit_code == 0
    with reading(current_snapshot(chosen.snapshots)) as con:
        return con.sql(
            """select dlp_mgycm, kap_gycm2, air_kerma_mgy, fluoro_time_s from procedure
            order by site, accession_number, device, procedure_start_at"""
        ).fetchall()


@needs_samples
def test_an_export_and_the_reports_themselves_count_once(tmp_path: Path) -> None:
    dicom = SAMPLES.parent / "dicom"
    chosen = Settings(data_dir=tmp_path, settle_seconds=0, pseudonym_key=KEY.decode())  # type: ignore[arg-type]
    chosen.inbox.mkdir(parents=True)
    for name in ("CT-RDSR-Siemens-Multi-3", "CT-RDSR-Siemens-Continued-1", "CT-ESR-GE_Optima",
                 "CT-RDSR-Philips_BigBore4DCT", "RF-RDSR-GE",
                 "RF-RDSR-GE-OECEliteMiniView"):  # fmt: skip
        shutil.copy(dicom / f"{name}.dcm", chosen.inbox)
    for export in ("ct_csv.csv", "rf_csv.csv", "ctxlsx.xlsx"):
        shutil.copy(SAMPLES / export, chosen.inbox)
    assert refresh(chosen, Asked(), lambda *_, **__: None).exit_code == 0
    with reading(current_snapshot(chosen.snapshots)) as con:
        ct = con.sql("select round(dlp_mgycm, 2) from procedure where modality = 'CT'").fetchall()
        rf = con.sql(
            """select round(kap_gycm2, 4) from procedure
            where device like '%GESURG%' or device like '%GEMiniView'"""
        ).fetchall()
    assert sorted(v for (v,) in ct).count(541.1) == 1  # without accession number
    assert {236.09, 116.61, 415.82} <= {v for (v,) in ct}
    assert len(ct) == 14  # 15 rows, of which two are one study
    assert sorted(rf) == [(0.0133,), (2.4126,)]


def test_an_institution_that_the_settings_map_is_of_its_site(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", study())
    assert row(read(path, tmp_path, sites={"clinic; north": "n1"}))["site"] == "n1"
