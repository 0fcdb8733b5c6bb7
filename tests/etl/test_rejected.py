"""Rejected rows go back to a person, are corrected, and resolve themselves when they load."""

import csv
import zipfile
from pathlib import Path

from etl.refresh import Asked, refresh
from etl.rejected import REASONS, export_rejected
from etl.status import rejected_rows
from tests.etl.test_openrem_xlsx import study, workbook
from tests.etl.test_operations import here
from warehouse.connect import current_snapshot, cursor
from warehouse.settings import Settings

LOG = """site,accession_number,modality,performed_on,patient_id,kap_gycm2,room
north,A1,fluoroscopy,2026-01-05,P4711,1.5,"Lab 1
upstairs"
north,A2,fluoroscopy,2026-01-06,P4712,much,Lab 2
north,A3,teapot,2026-01-07,P4713,2.5,=1+1
"""


def load(settings: Settings) -> dict[str, tuple[int, int]]:
    result = refresh(settings, Asked(), lambda *_, **__: None)
    return {file.path: (file.counts.inserted, file.counts.rejected) for file in result.files}


def dropped(tmp_path: Path) -> Settings:
    settings = here(tmp_path / "data")
    settings.inbox.mkdir(parents=True)
    (settings.inbox / "log.csv").write_text(LOG, "utf-8")
    assert load(settings) == {"log.csv": (1, 2)}
    return settings


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_exported_rows_stand_as_sent_with_their_reason(tmp_path: Path) -> None:
    settings, out = dropped(tmp_path), tmp_path / "fix.csv"
    told = export_rejected(rejected_rows(settings, None, False), out, settings)
    assert told == [f"2 rejected rows in {out}, to correct and put into the inbox"]
    second, third = read(out)
    assert (second["patient_id"], second["kap_gycm2"]) == ("P4712", "much")
    assert "kap_gycm2" in second[REASONS] and "teapot" in third[REASONS]
    assert third["room"] == "'=1+1", "a spreadsheet must not run it"


def test_a_corrected_export_loads_and_resolves_the_rejections(tmp_path: Path) -> None:
    settings, out = dropped(tmp_path), tmp_path / "fix.csv"
    export_rejected(rejected_rows(settings, None, False), out, settings)
    fixed = out.read_text("utf-8-sig").replace("much", "3.5").replace("teapot", "CT", 1)
    (settings.inbox / "fixed.csv").write_text(fixed.replace("2.5", ""), "utf-8")
    assert load(settings) == {"fixed.csv": (2, 0)}
    assert rejected_rows(settings, None, False).is_empty()
    assert rejected_rows(settings, None, True).height == 2


def test_rows_of_a_file_that_is_gone_come_as_they_were_kept(tmp_path: Path) -> None:
    settings, out = dropped(tmp_path), tmp_path / "fix.csv"
    (settings.inbox / "log.csv").unlink()
    (told,) = export_rejected(rejected_rows(settings, None, False), out, settings)
    assert "2 rejected rows" in told and "identifiers pseudonymised" in told
    kept = out.with_stem("fix-kept").read_text("utf-8-sig")
    assert "pseudonym:" in kept and "P4712" not in kept


def test_two_layouts_make_two_files(tmp_path: Path) -> None:
    settings, out = dropped(tmp_path), tmp_path / "fix.csv"
    other = "site,accession_number,modality,performed_on\nnorth,B1,kettle,2026-01-08\n"
    (settings.inbox / "other.csv").write_text(other, "utf-8")
    load(settings)
    told = export_rejected(rejected_rows(settings, None, False), out, settings)
    assert len(told) == 2
    assert {len(read(out)), len(read(out.with_stem("fix-2")))} == {1, 2}


def corrected(settings: Settings, tmp_path: Path, *changes: tuple[str, str]) -> dict:
    """Export what is open, correct it as a person would, and load it."""
    out = tmp_path / "fix.csv"
    export_rejected(rejected_rows(settings, None, False), out, settings)
    text = out.read_text("utf-8-sig")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    (settings.inbox / f"fixed-{len(list(settings.inbox.iterdir()))}.csv").write_text(text, "utf-8")
    return load(settings)


def test_a_row_that_nothing_names_is_known_again_by_its_mark(tmp_path: Path) -> None:
    """Rejected for want of a key: the correction itself gives the accession number."""
    settings = here(tmp_path / "data")
    settings.inbox.mkdir(parents=True)
    text = "modality,performed_on,room\nfluoroscopy,2026-01-05,Lab 1\n"
    (settings.inbox / "log.csv").write_text(text, "utf-8")
    assert load(settings) == {"log.csv": (0, 1)}
    keyed = ("modality,", "accession_number,modality,"), ("fluoroscopy,", "A9,fluoroscopy,")
    assert list(corrected(settings, tmp_path, *keyed).values()) == [(1, 0)]
    assert rejected_rows(settings, None, False).is_empty()


def test_a_correction_that_is_wrong_too_waits_in_the_place_of_the_first(tmp_path: Path) -> None:
    settings = dropped(tmp_path)
    assert list(corrected(settings, tmp_path, ("teapot", "CT"), ("2.5", "")).values()) == [(1, 1)]
    waiting = rejected_rows(settings, None, False)
    assert (waiting["path"].to_list(), waiting["line"].to_list()) == (["fixed-1.csv"], [2])
    assert list(corrected(settings, tmp_path, ("much", "3.5")).values()) == [(1, 0)]
    assert rejected_rows(settings, None, False).is_empty()
    assert rejected_rows(settings, None, True).height == 3


def test_what_the_export_made_safe_loads_as_it_was_sent(tmp_path: Path) -> None:
    settings = here(tmp_path / "data")
    settings.inbox.mkdir(parents=True)
    head = "accession_number,modality,performed_on,patient_id,procedure_name,room\n"
    (settings.inbox / "a.csv").write_text(head + "A1,CT,2026-01-05,+49 12,-x,L\n", "utf-8")
    (settings.inbox / "b.csv").write_text(head + "A2,kettle,2026-01-05,+49 12,-x,'L\n", "utf-8")
    load(settings)
    assert list(corrected(settings, tmp_path, ("kettle", "CT")).values()) == [(1, 0)]
    snapshot = current_snapshot(settings.snapshots)
    assert snapshot is not None
    with cursor(snapshot) as con:
        rows = con.sql(
            "select patient_key, procedure_name, room from procedure order by accession_number"
        ).fetchall()
    assert rows[0][:2] == rows[1][:2]
    assert [room for _, _, room in rows] == ["L", "'L"]


def test_rows_within_an_archive_and_of_a_workbook_are_read_again(tmp_path: Path) -> None:
    settings = here(tmp_path / "data")
    settings.inbox.mkdir(parents=True)
    with zipfile.ZipFile(settings.inbox / "pack.zip", "w") as archive:
        archive.writestr("in/log.csv", LOG)
    workbook(settings.inbox / "openrem.xlsx", study(**{"Total DLP (mGy.cm)": "much"}))
    load(settings)
    told = export_rejected(rejected_rows(settings, None, False), tmp_path / "fix.csv", settings)
    assert len(told) == 2 and not any("as kept" in line for line in told)
    rows = [row for name in ("fix.csv", "fix-2.csv") for row in read(tmp_path / name)]
    assert {row.get("patient_id") for row in rows} == {"P4712", "P4713", None}
    assert any(row.get("DLP total (mGy.cm)") == "much" for row in rows)
