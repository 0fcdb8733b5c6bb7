"""Rejected rows go back to a person, are corrected, and resolve themselves when they load."""

import csv
from pathlib import Path

from etl.refresh import Asked, refresh
from etl.rejected import REASONS, export_rejected
from etl.status import rejected_rows
from tests.etl.test_operations import here
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
