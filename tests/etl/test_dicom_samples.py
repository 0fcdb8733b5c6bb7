"""Real reports of many makers give the values that an established system stores for them."""

import json
import shutil
from itertools import permutations
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl.refresh import Asked, refresh
from etl.staging import Staged
from tests.etl.dicom_made import KEY, read
from warehouse.connect import current_snapshot, reading
from warehouse.settings import Settings

SAMPLES = Path(__file__).resolve().parents[2] / ".." / "shared" / "samples"
if not (SAMPLES / "dicom-expected.json").exists():
    pytest.skip("the sample reports are not here", allow_module_level=True)
EXPECTED: dict[str, Any] = json.loads((SAMPLES / "dicom-expected.json").read_text("utf-8"))
#: Devices of radiography and fluoroscopy: what the settings say they are used for.
BOTH = {"Fluorospot Compact FD": "fluoroscopy", "Canon Inc.": "fluoroscopy"}
REFUSED = {
    "DX-Im-GE_XR220-1.dcm": "is an image",
    "DX-RDSR-Canon_CXDI_noDAP.dcm": "is a radiography report",
    "Dual-RDSR-DX.dcm": "is a radiography report",
    "ESR_non-dose.dcm": "without doses",
    "NM-RRDSR-Siemens.dcm": "nuclear-medicine",
}
READ = sorted(set(EXPECTED) - {"DX-Im-GE_XR220-1.dcm", "ESR_non-dose.dcm", "NM-RRDSR-Siemens.dcm"})
#: Expected totals: our column, its name there, the factor between the units.
TOTALS = {
    "dlp_mgycm": ("total_dlp", 1.0),
    "kap_gycm2": ("total_dap", 1e4),
    "air_kerma_mgy": ("total_rp_dose_a", 1e3),
}
EVENTS = {"ctdi_vol_mgy": ("ctdivol_mgy", 1.0), "dlp_mgycm": ("dlp_mgycm", 1.0),
          "kap_gycm2": ("dap_gym2", 1e4), "air_kerma_mgy": ("dose_rp_gy", 1e3)}  # fmt: skip


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Staged]:
    folder = tmp_path_factory.mktemp("samples")
    return {name: read(SAMPLES / "dicom" / name, folder, device_modality=BOTH) for name in READ}


def close(ours: float | None, theirs: float | None, factor: float) -> bool:
    """Compare within the digits that the other system keeps; missing is missing."""
    if ours is None or theirs is None:
        return ours is None and theirs is None
    return ours == pytest.approx(theirs * factor, rel=2e-5, abs=6e-3 if factor == 1 else 1e-6)


@pytest.mark.parametrize("name", READ)
def test_totals(staged: dict[str, Staged], name: str) -> None:
    found = staged[name].reports.row(0, named=True)
    fields = EXPECTED[name]["fields"]
    for ours, (theirs, factor) in TOTALS.items():
        value = fields.get(theirs, {}).get("value")
        if name.startswith("DX-RDSR-Canon"):
            value = None  # no value was sent: the other system makes 0 of it
        assert close(found[ours], value, factor), (ours, found[ours], value)
    times = [v["value"] for k, v in fields.items() if k.endswith("total_fluoro_time")]
    assert close(found["fluoro_time_s"], sum(times) if times else None, 1.0)
    assert found["modality"] == (
        "CT" if EXPECTED[name]["meta"]["modality_type"] == "CT" else "fluoroscopy"
    )


@pytest.mark.parametrize("name", READ)
def test_about(staged: dict[str, Staged], name: str) -> None:
    found, meta = staged[name].reports.row(0, named=True), EXPECTED[name]["meta"]
    assert found["study_uid"] == meta["study_uid"]
    assert found["accession_number"] == meta["accession"]
    assert str(found["performed_on"]) == meta["study_date"]
    assert str(found["started_at"])[11:19] == meta["study_time"][:8]
    assert found["manufacturer"] == meta["manufacturer"] or meta["manufacturer"] is None
    procedures = staged[name].procedures
    assert procedures is not None
    row = pl.read_parquet(procedures).row(0, named=True)
    age = meta["age_years"]
    if age is not None and age < 0:  # birth date anonymised: the age as sent stands, if any
        assert row["age_years"] is None or 0 <= row["age_years"] <= 120
    else:
        assert row["age_years"] == (None if age is None else pytest.approx(age, abs=0.11))
    assert row["sex"] == meta["sex"]
    assert close(row["weight_kg"], meta["weight_kg"], 1.0)
    assert close(row["height_cm"], meta["height_m"], 100.0)


@pytest.mark.parametrize("name", READ)
def test_events(staged: dict[str, Staged], name: str) -> None:
    ours = staged[name].events.to_dicts()
    theirs = EXPECTED[name].get("events") or []
    assert [event["event_uid"] for event in ours] == [event["uid"] for event in theirs]
    for event, other in zip(ours, theirs, strict=True):
        for column, (key, factor) in EVENTS.items():
            assert close(event[column], other.get(key), factor), (column, event, other)
        assert event["protocol"] == other["protocol"]
        assert event["event_type"] == other["type"]
        if other["datetime"]:
            assert str(event["started_at"])[:19] == other["datetime"][:19]


@pytest.mark.parametrize(("name", "reason"), REFUSED.items())
def test_refused_by_name(tmp_path: Path, name: str, reason: str) -> None:
    refusal = read(SAMPLES / "dicom" / name, tmp_path).refusal
    assert refusal is not None and reason in refusal and name in refusal


def test_flags_of_the_traps(staged: dict[str, Staged]) -> None:
    def flags(name: str) -> list[str]:
        return staged[name].reports["flags"].item().to_list()

    assert "zero_total_nonzero_events" in flags("Dual-RDSR-DX.dcm")
    assert "event_sum_differs" in flags("Dual-RDSR-RF.dcm")
    assert "event_sum_differs" in flags("RF-RDSR-Eurocolumbus.dcm")
    assert "age_implausible" in flags("NM-CT-RDSR-Siemens.dcm")
    assert not any("unit_unknown" in flags(name) for name in READ)


def warehouse(folder: Path, runs: list[list[str]]) -> list[tuple]:
    """Return the doses after runs that each brought some files."""
    chosen = Settings(data_dir=folder, settle_seconds=0, pseudonym_key=KEY.decode())  # type: ignore[arg-type]
    chosen.inbox.mkdir(parents=True)
    for names in runs:
        for name in names:
            shutil.copy(SAMPLES / "dicom" / f"CT-RDSR-Siemens-{name}.dcm", chosen.inbox)
        result = refresh(chosen, Asked(), lambda *_, **__: None)
        assert result.exit_code == 0
    with reading(current_snapshot(chosen.snapshots)) as con:
        return con.sql(
            "select round(dlp_mgycm, 6), ctdi_vol_mgy, dose_source, flags from procedure"
        ).fetchall()


@pytest.mark.parametrize("order", list(permutations(["Multi-1", "Multi-2", "Multi-3"]))[::2])
def test_cumulative_reports_replace_in_any_order(tmp_path: Path, order: tuple[str, ...]) -> None:
    one, *rest = order
    assert warehouse(tmp_path, [[one], list(rest)]) == [(236.09, 8.13, "report", [])]


@pytest.mark.parametrize(
    "runs", [[["Continued-1"], ["Continued-2"]], [["Continued-2", "Continued-1"]]]
)
def test_continued_reports_add(tmp_path: Path, runs: list[list[str]]) -> None:
    assert warehouse(tmp_path, runs) == [(116.61, 2.22, "report", [])]
