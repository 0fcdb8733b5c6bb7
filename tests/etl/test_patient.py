"""One patient through a change of key, told in full, and deleted."""

import json
import sqlite3
import tarfile
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from etl.backup import BackupError, backup
from etl.forgotten import beside
from etl.normalise import pseudonymiser
from etl.patient import disclose, forget, pseudonyms
from etl.pseudonym import add_key, fingerprints, load_key, since
from etl.refresh import Asked, refresh
from etl.restore import restore
from tests.conftest import run_etl
from tests.etl.dicom_made import projection, save
from warehouse.access import SYSTEM
from warehouse.case_keys import case_key
from warehouse.connect import current_snapshot, reading, snapshots
from warehouse.keys import KeyProblemError
from warehouse.queries import run
from warehouse.review_store import now, writing
from warehouse.review_tables import outcome_entry, review
from warehouse.settings import Settings

HEADER = "site,accession_number,modality,performed_on,patient_id,air_kerma_mgy,weight_kg,operator\n"
ANNA, BERT = "QX-ANNA-1", "QX-BERT-2"


def row(accession: str, day: str, patient: str, kerma: str = "3000", weight: str = "70") -> str:
    return f"north,{accession},fluoroscopy,{day},{patient},{kerma},{weight},Dr Q\n"


@pytest.fixture
def chosen(tmp_path: Path) -> Settings:
    made = Settings(data_dir=tmp_path / "data", settle_seconds=0)
    made.inbox.mkdir(parents=True)
    return made


def load(chosen: Settings, name: str, *rows: str) -> Any:
    (chosen.inbox / name).write_text(HEADER + "".join(rows), "utf-8")
    result = refresh(chosen, Asked(), lambda *_, **__: None)
    assert result.failure is None, result.failure
    return result


def now_open(chosen: Settings) -> duckdb.DuckDBPyConnection:
    snapshot = current_snapshot(chosen.snapshots)
    assert snapshot is not None
    return reading(snapshot)


def sums(chosen: Settings) -> dict[str, float]:
    """Return each patient's air kerma of the window, by pseudonym."""
    with now_open(chosen) as con:
        return dict(
            con.sql(
                "select patient_key, sum(air_kerma_mgy) from procedure "
                "where performed_on > date '2026-01-01' group by patient_key"
            ).fetchall()
        )


def test_a_new_key_reaches_all_and_splits_nobody(chosen: Settings) -> None:
    load(
        chosen, "one.csv",
        row("A1", "2026-02-01", ANNA), row("B1", "2026-02-02", BERT, "100"),
        "north,X,teapot,2026-02-03," + ANNA + ",1,70,Dr Q\n",
    )  # fmt: skip
    before = sums(chosen)
    add_key(chosen)
    # The next refresh re-keys, Bert too, who never comes again; Anna's sum spans both keys.
    result = load(
        chosen, "two.csv",
        row("A1", "2026-02-01", ANNA), row("A2", "2026-05-01", ANNA, "2500"),
    )  # fmt: skip
    assert "2 patients have new pseudonyms" in " ".join(result.warnings)
    assert (result.totals.unchanged, result.totals.inserted) == (1, 1), "sent again: unchanged"
    anna, bert = (pseudonyms(chosen, patient) for patient in (ANNA, BERT))
    assert before == {anna[0]: 3000.0, bert[0]: 100.0}
    assert sums(chosen) == {anna[1]: 5500.0, bert[1]: 100.0}
    snapshot = current_snapshot(chosen.snapshots)
    assert snapshot is not None
    with reading(snapshot) as con:
        (case,) = con.sql(
            "select procedure_id from procedure where accession_number = 'A2'"
        ).fetchall()
        (text,) = con.sql("select raw_text from rejected_row").fetchall()
    assert anna[1] in text[0] and anna[0] not in text[0]
    assert run("case_patient", snapshot, SYSTEM, procedure_id=case[0], months=6).height >= 1
    assert add_key(chosen).read_text().count("\n") == 3
    load(chosen, "three.csv", row("A3", "2026-06-01", ANNA, "1"))
    assert sums(chosen)[pseudonyms(chosen, ANNA)[2]] == 5501.0


def test_a_rollback_and_an_older_backup_find_their_key_again(chosen: Settings) -> None:
    load(chosen, "one.csv", row("A1", "2026-02-01", ANNA))
    backup(chosen, chosen.data_dir.parent / "old.tar")
    told = fingerprints(load_key(chosen, create=False))
    add_key(chosen)
    key = load_key(chosen, create=False)
    assert fingerprints(key)[0] == told[0] and since(key, told[0]) == key.split(b"\n")[1]
    assert since(key, fingerprints(key)[1]) == b"" and since(key, "another") is None
    done = run_etl(chosen.data_dir, "restore", str(chosen.data_dir.parent / "old.tar"), "--replace")
    assert done.returncode == 0, done.stderr
    load(chosen, "two.csv", row("A2", "2026-03-01", ANNA))
    assert sums(chosen) == {pseudonyms(chosen, ANNA)[1]: 6000.0}


def test_a_lost_former_key_is_refused(chosen: Settings) -> None:
    load(chosen, "one.csv", row("A1", "2026-02-01", ANNA))
    path = add_key(chosen)
    load(chosen, "two.csv", row("A2", "2026-02-02", ANNA))
    path.write_text(path.read_text().splitlines()[1] + "\n")
    with pytest.raises(KeyProblemError, match="not the one this warehouse was made with"):
        load(chosen, "three.csv", row("A3", "2026-02-03", ANNA))


def test_two_keys_are_one_hmac_within_the_other() -> None:
    import hmac

    first, second = b"a" * 32, b"b" * 32
    inner = hmac.digest(first, b"P1", "sha256")
    assert pseudonymiser(first + b"\n" + second)("P1") == hmac.digest(second, inner, "sha256").hex()


@pytest.fixture
def lived(chosen: Settings) -> Settings:
    """Return a warehouse in which Anna has history, raw values, a report, rejects and a review."""
    load(chosen, "one.csv", row("A1", "2026-02-01", ANNA, "3 Gy"), row("B1", "2026-02-02", BERT))
    load(chosen, "two.csv", row("A1", "2026-02-01", ANNA, "2.9 Gy"), row("A2", "x", ANNA))
    made = projection()
    made.PatientID, made.AccessionNumber = ANNA, "A3"
    save(made, chosen.inbox / "three.dcm")
    with writing(chosen) as con:
        for number in ("A1", "B1"):
            con.execute(
                outcome_entry.insert().values(
                    site="north", accession_number=number, performed_on=date(2026, 2, 1),
                    scale="NRS 0-10", timepoint="1wk", value="3", status="recorded",
                    person="Dr Q", recorded_at=now(),
                )
            )  # fmt: skip
    load(chosen, "four.csv", row("A3", "2026-03-02", ANNA), row("B2", "2026-02-03", BERT, "6000"))
    backup(chosen, chosen.data_dir.parent / "saved.tar")
    return chosen


def test_disclosure_tells_everything_of_one_patient_alone(lived: Settings, tmp_path: Path) -> None:
    told = disclose(lived, f" {ANNA} ")
    held = {name: len(rows) for name, rows in told["warehouse"].items()}
    assert held["procedure"] == 2 and held["procedure_history"] == 1 and held["rejected_row"] == 1
    assert held["dose_report"] == 1 and held["irradiation_event"] == 2 and held["raw_value"] >= 2
    assert {file["path"] for file in told["source_files"]} == {
        "one.csv", "two.csv", "three.dcm", "four.csv", "entered in the app/1-2.jsonl",
    }  # fmt: skip
    assert len(told["snapshots"]) == len(snapshots(lived.snapshots))
    assert told["backups"] == [str(tmp_path / "saved.tar")]
    assert not any(row["accession_number"] == "B1" for row in told["warehouse"]["procedure"])
    assert not any(disclose(lived, "QX-NOBODY")["warehouse"].values())


def test_a_patient_is_forgotten_everywhere(lived: Settings) -> None:
    (key,) = pseudonyms(lived, ANNA)
    _reviewed(lived, "A1")
    _reviewed(lived, "B1")
    done = forget(lived, ANNA)
    assert done.counts["procedure"] == 2 and done.counts["review"] >= 1
    assert {"one.csv", "two.csv", "three.dcm", "four.csv"} == set(done.inbox_files)
    assert done.backups and done.snapshots_removed
    assert done.counts["outcome_entry"] == 1 and done.counts["follow_up"] >= 1
    assert len(snapshots(lived.snapshots)) == 1
    for path in lived.data_dir.rglob("*"):
        if path.is_file() and "inbox" not in path.parts and path.name != "saved.tar":
            data = path.read_bytes()
            assert key.encode() not in data and b"A3" + b"\x1f" not in data, path
    with now_open(lived) as con:
        for table in ("procedure", "procedure_history", "procedure_part", "dose_report"):
            numbers = con.sql(f"select distinct accession_number from {table}").fetchall()
            assert {number for (number,) in numbers} <= {"B1", "B2"}, table
        assert con.sql("select sum(n) from daily").fetchall() == [(2,)]
    assert not any(disclose(lived, ANNA)["warehouse"].values())
    assert disclose(lived, BERT)["reviews"]["review"], "nobody else's review is touched"
    again = load(lived, "five.csv", row("B3", "2026-04-01", BERT))
    assert again.totals.inserted == 1, "known files stay known, so nothing comes back by itself"


def test_an_older_backup_does_not_bring_a_forgotten_patient_back(
    lived: Settings, tmp_path: Path
) -> None:
    saved = tmp_path / "saved.tar"
    done = forget(lived, ANNA)
    assert done.backups == [str(saved)] and not done.far_backups
    assert restore(lived, saved, replace=True).forgotten == 1
    for told in (disclose(lived, ANNA)["warehouse"], disclose(lived, ANNA)["reviews"]):
        assert not any(told.values())
    assert len(disclose(lived, BERT)["warehouse"]["procedure"]) == 2
    with sqlite3.connect(lived.data_dir / "reviews.db") as con:
        assert con.execute("select accession_number from outcome_entry").fetchall() == [("B1",)]
    # Elsewhere, from the list beside the backup; nothing there tells of whom.
    other = Settings(data_dir=tmp_path / "other", settle_seconds=0)
    other.data_dir.mkdir()
    (other.data_dir / "key").write_bytes((lived.data_dir / "key").read_bytes())
    (other.data_dir / "key").chmod(0o600)
    assert restore(other, saved).forgotten == 1
    assert not any(disclose(other, ANNA)["warehouse"].values())
    assert pseudonyms(lived, ANNA)[0] not in beside(saved).read_text()
    aside = disclose(lived, ANNA)["set_aside"]
    assert len(aside) == 1 and (Path(aside[0]) / "reviews.db").exists()
    # Who comes again after that is a patient like any other, and in later backups.
    load(lived, "six.csv", row("A6", "2026-06-01", ANNA))
    backup(lived, tmp_path / "later.tar")
    with tarfile.open(tmp_path / "later.tar") as tar:
        assert not [name for name in tar.getnames() if "before-restore" in name]
    assert restore(lived, tmp_path / "later.tar", replace=True).forgotten == 0
    assert len(disclose(lived, ANNA)["warehouse"]["procedure"]) == 1
    saved.unlink()
    done = forget(lived, ANNA)
    assert done.far_backups == [str(saved)] and len(done.set_aside) == 2


def test_a_backup_holds_what_its_manifest_names_and_nothing_else(
    lived: Settings, tmp_path: Path
) -> None:
    saved = tmp_path / "saved.tar"
    whole = saved.read_bytes()
    for odd in ("key", "link"):
        saved.write_bytes(whole)
        info = tarfile.TarInfo(odd)
        if odd == "link":
            info.type, info.linkname = tarfile.SYMTYPE, "reviews.db"
        with tarfile.open(saved, "a") as tar:
            tar.addfile(info)
        with pytest.raises(BackupError, match=rf"does not know {odd}|{odd} is no plain file"):
            restore(lived, saved, replace=True)


def _reviewed(chosen: Settings, accession: str) -> None:
    """Open a review of a case, with an alert."""
    day = date(2026, 2, 1 if accession == "A1" else 2)
    key = case_key("north", accession, day, None, None, "fluoroscopy")
    with writing(chosen) as con:
        held = con.execute(review.select().where(review.c.case_key == key)).first()
        if held is None:
            con.execute(
                review.insert().values(
                    case_key=key, site="north", state="open", version=1, form={},
                    opened_at=now(), changed_at=now(),
                )
            )  # fmt: skip


def test_the_commands(lived: Settings, tmp_path: Path) -> None:
    out = tmp_path / "told.json"
    done = run_etl(lived.data_dir, "disclose", ANNA, "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert out.stat().st_mode & 0o077 == 0
    assert len(json.loads(out.read_text("utf-8"))["warehouse"]["procedure"]) == 2
    assert run_etl(lived.data_dir, "forget", ANNA).returncode == 1, "asks first"
    done = run_etl(lived.data_dir, "forget", ANNA, "--yes")
    assert done.returncode == 0 and "one.csv" in done.stderr and "saved.tar" in done.stderr
    assert ANNA not in done.stderr + done.stdout
    before = pseudonyms(lived, BERT)[-1]
    assert run_etl(lived.data_dir, "rekey").returncode == 0
    assert sums(lived).keys() == {pseudonyms(lived, BERT)[-1]} != {before}
    done = run_etl(lived.data_dir, "export", "--deidentified", "--out", str(tmp_path / "given"))
    assert done.returncode == 0, done.stderr
    table = pl.read_csv(tmp_path / "given" / "procedures.csv")
    assert table.height == 0, "two procedures of one patient are a rare combination"
