"""The refresh from the command line: what it says, keeps and leaves alone."""

import json
import os
import stat
import threading
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from etl import stage as etl_stage
from etl.__main__ import app
from etl.ahead import One
from etl.publish import latest_version, point_to
from etl.staging import SourceFile
from warehouse.connect import current_snapshot, reading
from warehouse.settings import ROOT, settings, shown, shows_demo

HEADER = "site,accession_number,modality,procedure_start_at,kap_gycm2,room\n"
GOOD = HEADER + "north,A1,fluoroscopy,2026-03-02 09:00,1.5,R1\nnorth,A2,CT,2026-03-02 10:00,,R2\n"
PARTLY = (
    HEADER + "north,B1,fluoroscopy,2026-03-02 09:00,1.5,R1\nnorth,B2,teapot,2026-03-02 10:00,1,R1\n"
)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    (folder / "inbox").mkdir(parents=True)
    monkeypatch.setenv("KERMA_DATA_DIR", str(folder))
    monkeypatch.setenv("KERMA_SETTLE_SECONDS", "0")
    settings.cache_clear()
    yield folder
    settings.cache_clear()


def drop(data: Path, name: str, text: str) -> Path:
    path = data / "inbox" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def etl(*arguments: str) -> tuple[int, Any]:
    """Run the command line; standard output must be the one JSON object."""
    done = CliRunner().invoke(app, [*arguments, "--json"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, json.loads(done.stdout) if done.stdout.strip() else None


def ask(data: Path, sql: str) -> list[tuple]:
    snapshot = current_snapshot(data / "snapshots")
    assert snapshot is not None
    with reading(snapshot) as con:
        return con.sql(sql).fetchall()


def snapshot_names(data: Path) -> list[str]:
    return sorted(path.name for path in (data / "snapshots").glob("kerma-*"))


def test_a_file_of_column_names_is_loaded_and_told(data: Path) -> None:
    drop(data, "sunday.csv", HEADER)
    code, said = etl("check", str(data / "inbox" / "sunday.csv"))
    assert code == 0 and "has no row" in said["files"][0]["message"]
    code, said = etl("refresh")
    told = "sunday.csv: names its columns and has no row: if there was something to tell, "
    told += "export it again"
    assert (code, said["files"][0]["status"], said["files"][0]["message"]) == (0, "loaded", told)
    assert said["warnings"] == [told]
    assert ask(data, "select message from source_file union select message from run") == [(told,)]


def test_a_first_load_and_its_json(data: Path) -> None:
    drop(data, "a.csv", GOOD)
    drop(data, "deep/er/b.csv", PARTLY)
    code, said = etl("refresh")
    assert code == 1
    assert {"run_id", "files", "totals", "snapshot", "seconds"} <= set(said)
    by_path = {file["path"]: file for file in said["files"]}
    assert by_path["a.csv"]["status"] == "loaded"
    b = by_path["deep/er/b.csv"]
    assert (b["status"], b["read"], b["inserted"], b["rejected"]) == ("partly", 2, 1, 1)
    assert b["reasons"]["modality.words"] == 1
    assert said["totals"]["read"] == 4
    assert ask(data, "select count(*) from procedure") == [(3,)]
    assert (data / "snapshots" / said["snapshot"]).exists()
    assert ask(
        data, "select read = inserted + updated + unchanged + duplicate + rejected from run"
    ) == [(True,)]
    assert list((data / "snapshots").glob(".work*")) == []


def test_nothing_new_publishes_nothing(data: Path) -> None:
    path = drop(data, "a.csv", GOOD)
    assert etl("refresh")[0] == 0
    before = snapshot_names(data)
    code, said = etl("refresh")
    assert (code, said["files"], said["totals"]["known"]) == (0, [], 1)
    assert snapshot_names(data) == before
    # The same bytes under another name, or touched, are known too.
    path.rename(path.with_name("renamed.csv"))
    assert etl("refresh")[1]["files"] == []
    code, said = etl("refresh", str(data / "inbox" / "renamed.csv"))
    assert (code, said["files"][0]["status"]) == (0, "known")


def test_a_dry_run_writes_nothing(data: Path) -> None:
    drop(data, "a.csv", GOOD)
    code, said = etl("refresh", "--dry-run")
    assert (code, said["totals"]["inserted"], said["snapshot"]) == (0, 2, None)
    assert snapshot_names(data) == []
    assert not (data / "key").exists()


def test_paths_outside_the_inbox_load_too(data: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "log.csv"
    elsewhere.parent.mkdir()
    elsewhere.write_text(GOOD, "utf-8")
    drop(data, "left.csv", PARTLY)
    code, said = etl("refresh", str(elsewhere.parent))
    assert (code, len(said["files"])) == (0, 1)
    assert etl("refresh", str(tmp_path / "nowhere"))[0] == 2


def test_a_file_that_is_refused_does_not_hold_up_the_others(data: Path) -> None:
    drop(data, "a.csv", GOOD)
    drop(data, "empty.csv", "")
    drop(data, "foreign.csv", "x,y\n1,2\n")
    (data / "inbox" / "folder.csv").mkdir()
    drop(data, "folder.csv/inside.csv", PARTLY)
    os.mkfifo(data / "inbox" / "pipe.csv")
    (data / "inbox" / "dead.csv").symlink_to("nowhere")
    (data / "inbox" / "out.csv").symlink_to(ROOT / "README.md")
    code, said = etl("refresh")
    assert code == 1
    status = {file["path"]: file["status"] for file in said["files"]}
    assert status == {
        "a.csv": "loaded",
        "empty.csv": "refused",
        "foreign.csv": "refused",
        "folder.csv/inside.csv": "partly",
        "pipe.csv": "unreadable",
        "dead.csv": "unreadable",
        "out.csv": "unreadable",
    }
    told = {file["path"]: file.get("message") for file in said["files"]}
    assert told["pipe.csv"] == "is neither a file nor a folder: remove it"
    assert told["out.csv"] == "is a link that leaves the inbox: put the file itself here"
    assert "set its permissions right, or remove it" in told["dead.csv"]
    assert ask(data, "select count(*) from rejected_row where line is null") == [(2,)]


def test_nothing_could_be_loaded(data: Path) -> None:
    drop(data, "foreign.csv", "x,y\n1,2\n")
    assert etl("refresh")[0] == 4
    assert etl("refresh")[0] == 0, "known bytes are not read again"
    assert etl("refresh", "--retry")[0] == 4


def test_links_that_leave_the_inbox_are_not_followed(data: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text(GOOD, "utf-8")
    (data / "inbox" / "link.csv").symlink_to(secret)
    (data / "inbox" / "loop").symlink_to(data / "inbox")
    code, said = etl("refresh")
    assert code == 4
    assert "leaves the inbox" in said["files"][0]["message"]


def test_a_file_that_still_grows_is_left_for_the_next_run(data: Path, monkeypatch) -> None:
    monkeypatch.setenv("KERMA_SETTLE_SECONDS", "0.6")
    settings.cache_clear()
    path = drop(data, "growing.csv", GOOD)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            with path.open("a", encoding="utf-8") as file:
                file.write(f"north,G{time.monotonic_ns()},CT,2026-03-02 11:00,,R1\n")
            time.sleep(0.05)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        code, said = etl("refresh")
    finally:
        stop.set()
        writer.join()
    assert (code, said["files"][0]["status"]) == (0, "busy")
    assert snapshot_names(data) == []
    code, said = etl("refresh")
    assert said["files"][0]["status"] == "loaded"


def test_a_file_that_changes_while_it_is_read_is_left(data: Path, monkeypatch) -> None:
    path = drop(data, "a.csv", GOOD)
    real = etl_stage._staged

    def slow(*arguments: Any) -> Any:
        staged = real(*arguments)
        with path.open("a", encoding="utf-8") as file:
            file.write("north,A3,CT,2026-03-02 11:00,,R1\n")
        return staged

    with monkeypatch.context() as patched:
        patched.setattr(etl_stage, "_staged", slow)
        assert etl("refresh")[1]["files"][0]["status"] == "busy"
    assert etl("refresh")[1]["totals"]["inserted"] == 3


def test_an_internal_error_on_one_file_leaves_the_others(data: Path, monkeypatch) -> None:
    drop(data, "bad.csv", PARTLY)
    drop(data, "good.csv", GOOD)
    real = etl_stage._reader

    def sometimes(source: SourceFile) -> Any:
        if source.name == "bad.csv":
            raise ZeroDivisionError("boom")
        return real(source)

    with monkeypatch.context() as patched:
        patched.setattr(etl_stage, "_reader", sometimes)
        code, said = etl("refresh")
    assert code == 1
    status = {file["path"]: file["status"] for file in said["files"]}
    assert status == {"bad.csv": "failed", "good.csv": "loaded"}
    code, said = etl("refresh")
    assert [(file["path"], file["status"]) for file in said["files"]] == [("bad.csv", "partly")]


def test_a_failure_before_publication_leaves_the_snapshot(data: Path, monkeypatch) -> None:
    from etl.merge import Merge
    from etl.publish import BrokenPromiseError

    drop(data, "a.csv", GOOD)
    etl("refresh")
    before = snapshot_names(data), ask(data, "select count(*) from procedure")
    drop(data, "b.csv", PARTLY)

    def fails(self: Merge) -> None:
        raise BrokenPromiseError("two procedures with one key: 1")

    with monkeypatch.context() as patched:
        patched.setattr(Merge, "check", fails)
        code, said = etl("refresh")
    assert code == 5
    assert "two procedures with one key" in said["failure"]
    assert (said["totals"]["inserted"], said["snapshot"]) == (0, before[0][0])
    assert (snapshot_names(data), ask(data, "select count(*) from procedure")) == before
    status = etl("status")[1]
    assert status["last_run"]["outcome"] == "failed"


def test_the_key_is_private_and_must_stay_the_same(data: Path, monkeypatch) -> None:
    drop(data, "a.csv", GOOD)
    etl("refresh")
    assert stat.S_IMODE((data / "key").stat().st_mode) == 0o600
    monkeypatch.setenv("KERMA_PSEUDONYM_KEY", "f" * 64)
    settings.cache_clear()
    drop(data, "b.csv", PARTLY)
    assert etl("refresh")[0] == 2
    assert len(snapshot_names(data)) == 1
    monkeypatch.setenv("KERMA_PSEUDONYM_KEY", "short")
    settings.cache_clear()
    assert etl("refresh")[0] == 2


def test_a_key_file_that_others_can_read_is_refused(
    data: Path, monkeypatch, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text("a" * 64)
    key.chmod(0o644)
    monkeypatch.setenv("KERMA_PSEUDONYM_KEY_FILE", str(key))
    settings.cache_clear()
    assert etl("refresh")[0] == 2
    key.chmod(0o600)
    drop(data, "a.csv", GOOD)
    assert etl("refresh")[0] == 0
    assert not (data / "key").exists()


def test_only_the_last_snapshots_are_kept(data: Path, monkeypatch) -> None:
    monkeypatch.setenv("KERMA_KEEP_SNAPSHOTS", "2")
    settings.cache_clear()
    for n in range(4):
        drop(data, f"{n}.csv", HEADER + f"north,N{n},CT,2026-03-02 09:00,,R1\n")
        assert etl("refresh")[0] == 0
    names = snapshot_names(data)
    assert [name[-9:-7] for name in names] == ["03", "04"]
    assert current_snapshot(data / "snapshots").name == names[-1]


def test_a_damaged_snapshot_is_replaced_from_the_one_before(data: Path) -> None:
    drop(data, "a.csv", GOOD)
    etl("refresh")
    drop(data, "b.csv", PARTLY)
    etl("refresh")
    newest = current_snapshot(data / "snapshots")
    assert newest is not None
    for damage in (newest.stat().st_size // 2, 100, 0):
        os.truncate(newest, damage)
        code, said = etl("refresh")
        assert code == 1
        assert any(newest.name in warning for warning in said["warnings"])
        assert [file["path"] for file in said["files"]] == ["b.csv"], "lost with it, loaded again"
        assert ask(data, "select count(*) from procedure") == [(3,)]
        fresh = current_snapshot(data / "snapshots")
        assert fresh is not None
        assert fresh != newest
        newest.unlink()
        newest = fresh


def test_check_says_what_would_be_rejected(data: Path) -> None:
    path = drop(data, "b.csv", PARTLY)
    code, said = etl("check", str(path))
    assert (code, said["files"][0]["rejected"]) == (1, 1)
    assert sorted(child.name for child in data.iterdir()) == ["inbox"]


def test_check_names_line_column_value_and_remedy_on_one_whole_line(data: Path) -> None:
    path = drop(data, "b.csv", PARTLY)
    told = CliRunner().invoke(app, ["check", str(path)]).stdout.splitlines()
    (row,) = [line for line in told if line.startswith("b.csv:3  ")]
    assert "modality" in row and "'teapot'" in row and "use one of the values named" in row
    assert any("unchanged" in line and "duplicate" in line for line in told), "nothing is cut"


def test_check_goes_on_after_an_internal_error(data: Path, monkeypatch) -> None:
    good, bad = drop(data, "good.csv", PARTLY), drop(data, "bad.csv", PARTLY + "\n")
    whole = One.read
    monkeypatch.setattr(
        One,
        "read",
        lambda self, source: (
            TypeError("broken") if source.name.endswith("bad.csv") else whole(self, source)
        ),
    )
    code, said = etl("check", str(good), str(bad))
    states = {Path(file["path"]).name: file["status"] for file in said["files"]}
    assert (code, states) == (1, {"good.csv": "partly", "bad.csv": "failed"})


def test_every_refused_file_waits_until_its_own_name_loads(data: Path) -> None:
    drop(data, "one.csv", "name\nx\n")
    drop(data, "two.csv", "")
    etl("refresh")
    listed = CliRunner().invoke(app, ["rejected"]).stdout
    assert "one.csv" in listed and "two.csv" in listed
    assert "0 rejected rows, 2 refused files" in listed
    drop(data, "two.csv", PARTLY)
    etl("refresh")
    listed = CliRunner().invoke(app, ["rejected"]).stdout
    assert "one.csv" in listed and "two.csv:" not in listed.replace("two.csv:3", "")


def test_rejected_rows_are_listed_and_exported(data: Path, tmp_path: Path) -> None:
    drop(data, "b.csv", PARTLY)
    etl("refresh")
    shown = CliRunner().invoke(app, ["rejected"])
    assert "b.csv:3" in shown.stdout
    assert "teapot" in shown.stdout
    out = tmp_path / "out.csv"
    assert CliRunner().invoke(app, ["rejected", "--export", str(out)]).exit_code == 0
    assert "teapot" in out.read_text("utf-8-sig")


def test_the_demo_lives_apart_and_gives_way_to_a_sites_own_data(data: Path) -> None:
    done = CliRunner().invoke(app, ["demo", "--if-empty", "--rows", "300"])
    assert done.exit_code == 0, done.output
    apart = data / "demo"
    assert ask(apart, "select count(*) > 250 from procedure") == [(True,)]
    before = snapshot_names(apart)
    assert CliRunner().invoke(app, ["demo", "--if-empty"]).exit_code == 0
    assert snapshot_names(apart) == before
    assert (shown().data_dir, shows_demo()) == (apart, True)
    drop(data, "a.csv", GOOD)
    etl("refresh")
    assert (shown().data_dir, shows_demo()) == (data, False)
    assert ask(data, "select count(*) < 10 from procedure") == [(True,)], "no demo row among ours"


def test_known_files_are_not_read_again(data: Path, monkeypatch) -> None:
    import etl.find as module

    drop(data, "a.csv", GOOD)
    etl("refresh")

    def reads(*_: Any) -> None:
        raise AssertionError("a known file was read")

    monkeypatch.setattr(module.hashlib, "file_digest", reads)
    assert etl("refresh")[1]["totals"]["known"] == 1


def test_the_memory_of_hashes_is_only_a_cache(data: Path) -> None:
    path = drop(data, "a.csv", GOOD)
    etl("refresh")
    (data / "state" / "seen.json").write_text("not json")
    assert etl("refresh")[1]["totals"]["known"] == 1
    # Changed bytes of the same length and time are seen: the change time cannot be set.
    before = path.stat()
    path.write_text(GOOD.replace("1.5", "1.7"), "utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert etl("refresh")[1]["totals"]["updated"] == 1


def test_a_folder_that_cannot_be_written_is_said(data: Path, monkeypatch) -> None:
    monkeypatch.setenv("KERMA_DATA_DIR", "/proc/kerma")
    settings.cache_clear()
    done = CliRunner().invoke(app, ["refresh"])
    assert done.exit_code == 2
    assert "/proc/kerma" in done.stderr


def test_a_running_refresh_is_said_with_its_process(data: Path) -> None:
    from etl.lock import only_one

    with only_one(data / "refresh.lock"):
        done = CliRunner().invoke(app, ["refresh"])
    assert done.exit_code == 3
    assert str(os.getpid()) in done.stderr
    assert CliRunner().invoke(app, ["refresh"]).exit_code == 0


def test_a_snapshot_of_an_older_kerma_is_upgraded_without_new_files(data: Path) -> None:
    (data / "snapshots").mkdir()
    snapshot = data / "snapshots" / "kerma-20260101T000000Z-000001.duckdb"
    with duckdb.connect(snapshot) as con:
        con.execute((ROOT / "tests" / "warehouse" / "schema_001.sql").read_text("utf-8"))
        con.execute("insert into meta values (1, now(), 'Europe/Berlin')")
    point_to(snapshot)
    assert etl("refresh")[0] == 0
    assert ask(data, "select schema_version from meta") == [(latest_version(),)]
    assert len(snapshot_names(data)) == 2


def test_a_death_just_before_the_first_link_is_made_good(data: Path) -> None:
    drop(data, "a.csv", GOOD)
    etl("refresh")
    (data / "snapshots" / "current.duckdb").unlink()
    etl("refresh")
    assert current_snapshot(data / "snapshots") is not None
