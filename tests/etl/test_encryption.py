"""Snapshots under an encryption key: what is on the disk, who can read it, and the way back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from etl.backup import BackupError, backup
from etl.encrypt import decrypt
from etl.patient import forget
from etl.pseudonym import add_key
from etl.publish import base_snapshot, work_on
from etl.refresh import Asked, refresh
from etl.restore import restore
from etl.rollback import rollback
from etl.status import status
from tests.conftest import ROOT, run_etl
from warehouse import files
from warehouse.access import SYSTEM
from warehouse.connect import current_snapshot, cursor, reading, serving, snapshots
from warehouse.files import encryption, is_encrypted, opened
from warehouse.keys import KeyProblemError
from warehouse.queries import run
from warehouse.settings import Settings, settings

HEADER = "site,accession_number,modality,performed_on,patient_id,air_kerma_mgy,room\n"
FIRST, SECOND = (
    "first-key-of-forty-characters-or-more-00",
    "second-key-of-forty-characters-or-more-0",
)
MARKER = b"QXROOMMARKER"


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return what sets the keys of this process; DuckDB's own cipher is accepted."""

    def use(*ring: str, **others: str) -> None:
        for name in ("ENCRYPTION_KEY", "ENCRYPTION_BUILTIN", "DUCKDB_EXTENSIONS"):
            monkeypatch.delenv(f"KERMA_{name}", raising=False)
        chosen = {"KERMA_ENCRYPTION_KEY": "\n".join(ring), "KERMA_ENCRYPTION_BUILTIN": "accept"}
        for name, value in (chosen if ring else {}).items():
            monkeypatch.setenv(name, value)
        for name, value in others.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()

    yield use
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def chosen(tmp_path: Path) -> Settings:
    made = Settings(data_dir=tmp_path / "data", settle_seconds=0)
    made.inbox.mkdir(parents=True)
    return made


def load(chosen: Settings, number: int, patient: str = "P1") -> Any:
    row = f"north,A{number},fluoroscopy,2026-03-0{number},{patient},1.5,{MARKER.decode()}{number}\n"
    (chosen.inbox / f"{number}.csv").write_text(HEADER + row, "utf-8")
    return again(chosen)


def again(chosen: Settings) -> Any:
    result = refresh(chosen, Asked(), lambda *_, **__: None)
    assert result.failure is None, result.failure
    return result


def in_service(chosen: Settings) -> Path:
    snapshot = current_snapshot(chosen.snapshots)
    assert snapshot is not None
    return snapshot


def accessions(chosen: Settings) -> set[str]:
    with cursor(in_service(chosen)) as cur:
        return {a for (a,) in cur.sql("select accession_number from procedure").fetchall()}


def readable(folder: Path) -> list[str]:
    """Return the files that hold the marker in clear."""
    every = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.name for path in every if MARKER in path.read_bytes())


def test_a_key_encrypts_the_snapshots_kept_and_decrypt_is_the_way_back(
    chosen: Settings, keys: Any
) -> None:
    load(chosen, 1)
    load(chosen, 2)
    names = [path.name for path in snapshots(chosen.snapshots)]
    assert readable(chosen.snapshots) == sorted(["current.duckdb", *names]), "in clear so far"
    with reading(in_service(chosen)) as before:
        keys(FIRST)
        assert status(chosen)["encryption"] == "off, under the key in force from the next refresh"
        assert accessions(chosen) == {"A1", "A2"}, "in clear is read until then"
        warned = again(chosen).warnings  # nothing new
        assert "encrypted under the key in force" in " ".join(warned)
        assert before.sql("select count(*) from procedure").fetchall() == [(2,)], "still open"
    assert [path.name for path in snapshots(chosen.snapshots)] == names
    assert readable(chosen.snapshots) == []
    assert status(chosen)["encryption"] == "on"
    assert accessions(chosen) == {"A1", "A2"}
    assert load(chosen, 3).warnings == []
    assert run("operators", in_service(chosen), SYSTEM).height == 0
    assert readable(chosen.snapshots) == []
    rollback(chosen)
    assert accessions(chosen) == {"A1", "A2"}
    changed, left = decrypt(chosen)
    assert len(changed) == 3 and not left
    keys()
    assert accessions(chosen) == {"A1", "A2"} and status(chosen)["encryption"] == "off"
    assert again(chosen).snapshot


def test_without_its_key_nothing_is_read_or_built_on(chosen: Settings, keys: Any) -> None:
    load(chosen, 1)
    in_clear = in_service(chosen).read_bytes()
    keys(FIRST)
    load(chosen, 2)
    # However it came there: an older one in clear is not what the next run builds on.
    snapshots(chosen.snapshots)[-1].write_bytes(in_clear)
    nowhere = {"KERMA_DUCKDB_EXTENSIONS": "/nowhere"}
    for ring, others, told in (
        ((), {}, "is encrypted: supply its key"),
        ((SECOND,), {}, "is encrypted under another key than the 1 supplied"),
        (("short",), {}, "KERMA_ENCRYPTION_KEY: the key has 5 characters and needs 32"),
        ((FIRST,), nowhere, "/nowhere has no usable httpfs"),
    ):
        keys(*ring, **others)
        for attempt in (lambda: load(chosen, 3), lambda: reading(in_service(chosen))):
            with pytest.raises(KeyProblemError, match=told):
                attempt()
    keys(FIRST)
    assert load(chosen, 3).totals.inserted == 1 and accessions(chosen) == {"A1", "A2", "A3"}


def test_status_says_that_the_key_is_wanting(chosen: Settings, keys: Any) -> None:
    keys(FIRST)
    load(chosen, 1)
    keys()
    told = status(chosen)
    assert told["health"] == "failed" and "supply its key" in told["why"]
    assert "restore" not in told["why"]


def test_a_key_needs_a_cipher(chosen: Settings, keys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    keys(FIRST)
    monkeypatch.delenv("KERMA_ENCRYPTION_BUILTIN")
    settings.cache_clear()
    with pytest.raises(KeyProblemError, match=r"no cipher.*KERMA_DUCKDB_EXTENSIONS"):
        load(chosen, 1)
    assert not snapshots(chosen.snapshots)
    done = run_etl(chosen.data_dir, "refresh")
    assert done.returncode == 2 and "not secure" in done.stderr


def test_an_extension_that_nobody_signed_is_not_loaded(
    chosen: Settings, keys: Any, tmp_path: Path
) -> None:
    with duckdb.connect() as con:
        ((version, _, _),) = con.sql("pragma version").fetchall()
        ((platform,),) = con.sql("pragma platform").fetchall()
    folder = tmp_path / "extensions" / version / platform
    folder.mkdir(parents=True)
    (folder / "httpfs.duckdb_extension").write_bytes(b"\x00" * 4096)
    keys(FIRST, KERMA_DUCKDB_EXTENSIONS=str(tmp_path / "extensions"))
    with pytest.raises(KeyProblemError, match="has no usable httpfs extension"):
        load(chosen, 1)


def test_the_key_comes_from_a_file_of_its_owner_alone_and_stays_out_of_backups(
    chosen: Settings, keys: Any, tmp_path: Path
) -> None:
    path = chosen.data_dir / "encryption.key"
    path.write_text(f"{FIRST}\n")
    keys(KERMA_ENCRYPTION_KEY_FILE=str(path), KERMA_ENCRYPTION_BUILTIN="accept")
    with pytest.raises(KeyProblemError, match="other users can read the key"):
        load(chosen, 1)
    path.chmod(0o600)
    load(chosen, 1)
    assert is_encrypted(in_service(chosen)) and encryption().key == FIRST
    told = chosen.model_copy(update={"encryption_key_file": path})
    saved = backup(told, tmp_path / "saved.tar").path.read_bytes()
    assert FIRST.encode() not in saved and MARKER not in saved
    assert FIRST not in repr(encryption())


def test_a_new_key_stands_behind_the_former(chosen: Settings, keys: Any) -> None:
    keys(FIRST)
    load(chosen, 1)
    load(chosen, 2)
    keys(FIRST, SECOND)
    assert "from the next refresh" in status(chosen)["encryption"]
    again(chosen)
    keys(SECOND)
    assert status(chosen)["encryption"] == "on" and accessions(chosen) == {"A1", "A2"}
    rollback(chosen)
    assert accessions(chosen) == {"A1"}


def test_readers_and_writers_of_encrypted_files_reach_nothing_else(
    chosen: Settings, keys: Any, tmp_path: Path
) -> None:
    keys(FIRST)
    load(chosen, 1)
    refused = [
        "select * from read_csv('/etc/passwd')", "copy (select 1) to '/tmp/kerma-out.csv'",
        f"attach '{tmp_path}/other.duckdb'", "set enable_external_access = true",
        "set memory_limit = '9GB'", "load httpfs", "install httpfs",
        "set temp_file_encryption = false",
    ]  # fmt: skip
    with cursor(in_service(chosen)) as cur, work_on(chosen, "run", None, b"k" * 40) as work:
        for con in (cur, work.con):
            for statement in refused:
                with pytest.raises(duckdb.Error):
                    con.execute(statement)
            assert con.sql("select current_setting('temp_file_encryption')").fetchall() == [(True,)]
        for statement in ("create table x as select 1", "delete from procedure"):
            with pytest.raises(duckdb.Error):
                cur.execute(statement)


def test_a_reader_spills_beside_its_file(chosen: Settings) -> None:
    """What reading takes more memory for than there is lies in the data folder, nowhere else."""
    load(chosen, 1)
    with cursor(in_service(chosen)) as cur:
        (spill,) = cur.sql("select current_setting('temp_directory')").fetchall()
    assert spill == (f"{in_service(chosen)}.tmp",)


def test_what_spills_to_the_disk_is_encrypted_too(
    chosen: Settings, keys: Any, tmp_path: Path
) -> None:
    spilled = {}
    for ring in ((), (FIRST,)):
        keys(*ring)
        file = tmp_path / f"{len(ring)}.duckdb"
        config: files.Config = {"memory_limit": "40MB", "temp_directory": str(tmp_path / "spill")}
        with opened(file, config, read_only=False) as con:
            rows = f"select '{MARKER.decode()}' || range as room, hash(range) as h"
            con.execute(f"create temp table big as {rows} from range(700_000) order by h")
            spilled[ring] = readable(tmp_path / "spill")
    assert spilled[()] and not spilled[(FIRST,)]


def test_forgetting_and_another_pseudonym_key_leave_files_encrypted(
    chosen: Settings, keys: Any, tmp_path: Path
) -> None:
    keys(FIRST)
    load(chosen, 1, "P1")
    load(chosen, 2, "P2")
    backup(chosen, tmp_path / "saved.tar")
    forget(chosen, "P1")
    assert accessions(chosen) == {"A2"} and readable(chosen.snapshots) == []
    add_key(chosen)
    again(chosen)
    assert readable(chosen.snapshots) == []
    keys(SECOND)
    with pytest.raises(BackupError, match="encrypted under another key"):
        restore(chosen, tmp_path / "saved.tar", replace=True)
    keys(FIRST, SECOND)
    done = restore(chosen, tmp_path / "saved.tar", replace=True)
    assert done.forgotten == 1 and accessions(chosen) == {"A2"}
    assert readable(chosen.snapshots) == []


def test_a_damaged_encrypted_snapshot_gives_way_to_the_one_before(
    chosen: Settings, keys: Any
) -> None:
    keys(FIRST)
    load(chosen, 1)
    load(chosen, 2)
    newest, older = snapshots(chosen.snapshots)
    data = bytearray(newest.read_bytes())
    for at in range(4096, len(data), 4096):
        data[at] ^= 0xFF
    newest.write_bytes(data)
    assert serving(chosen.snapshots) == older
    assert base_snapshot(chosen.snapshots)[0] == older
    assert load(chosen, 3).totals.inserted == 2, "what the damaged one held is loaded again"


def test_warehouse_files_are_opened_in_one_place() -> None:
    """A further opener would not know of keys and locks."""
    openers = {
        str(path.relative_to(ROOT))
        for package in ("warehouse", "etl", "pages", "deploy", "report", "analytics")
        for path in (ROOT / package).rglob("*.py")
        if "duckdb.connect(" in path.read_text("utf-8").replace("duckdb.connect() as parser", "")
    }
    assert openers == {"warehouse/files.py"}
