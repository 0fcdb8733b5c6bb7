"""Whatever stops a refresh, the last good snapshot serves and the next run completes the work."""

import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.etl.staged import content
from warehouse.connect import current_snapshot, reading, snapshots
from warehouse.files import is_encrypted
from warehouse.settings import ROOT, settings

HEADER = "site,accession_number,modality,procedure_start_at,kap_gycm2,room,complications\n"
KILLS, SOAK_KILLS = 42, 1000
PATIENCE_S = 600  #: a run takes seconds; the soak shares its machine


def fill(data: Path, files: int = 4, rows: int = 40) -> None:
    """Write an inbox of logs that correct each other and hold bad rows, each with a fixed time."""
    inbox = data / "inbox"
    inbox.mkdir(parents=True)
    for number in range(files):
        lines = [
            f"north,A{n},fluoroscopy,2026-03-02 09:{n % 60:02}:00,{n + number}.5,R{number},none\n"
            for n in range(number * 15, number * 15 + rows)
        ]
        lines.append(f"north,X{number},teapot,2026-03-02 09:00:00,1,R1,none\n")
        path = inbox / f"{number}.csv"
        path.write_text(HEADER + "".join(lines), "utf-8")
        os.utime(path, (1_772_000_000 + number, 1_772_000_000 + number))


def start(data: Path, kill_at: int = 0, **options: Any) -> subprocess.Popen:
    environment = {**os.environ, "KERMA_DATA_DIR": str(data), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.etl.killed", str(kill_at), "refresh", "--json"]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment | {"KERMA_PSEUDONYM_KEY": "k" * 40, "KERMA_SETTLE_SECONDS": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finish(process: subprocess.Popen) -> tuple[int, dict[str, Any], str]:
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, json.loads(out) if out.strip() else {}, err


def state(data: Path) -> dict[str, Any]:
    """Return what the snapshot in service says; raise when its ledger does not balance."""
    snapshot = current_snapshot(data / "snapshots")
    assert snapshot is not None
    with reading(snapshot) as con:
        unbalanced = "read <> inserted + updated + unchanged + duplicate + rejected"
        assert con.sql(f"select count(*) from source_file where {unbalanced}").fetchall() == [(0,)]
        twice = "select sha256 from source_file group by 1 having count(*) > 1"
        assert con.sql(twice).fetchall() == []
        rejected = "select path, line, raw_text, reasons from rejected_row order by all"
        counts = "select path, read, inserted, updated, rejected from source_file order by all"
        return content(con) | {
            "rejected": con.sql(rejected).fetchall(),
            "files": con.sql(counts).fetchall(),
        }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], int, float]:
    """Return what an undisturbed run gives, its number of file operations and its seconds."""
    data = tmp_path_factory.mktemp("undisturbed") / "data"
    fill(data)
    begin = time.monotonic()
    code, _, err = finish(start(data))
    assert code == 1, err
    found = re.search(r"operations (\d+)", err)
    assert found
    assert int(found[1]) > 30
    return state(data), int(found[1]), time.monotonic() - begin


def survive(data: Path, kills: int, undisturbed: tuple, seed: int) -> None:
    """Kill run after run, half at a file operation and half at an instant; then let one finish."""
    expected, operations, seconds = undisturbed
    chance = random.Random(seed)
    fill(data)
    for number in range(kills):
        process = start(data, chance.randint(1, operations) if number % 2 else 0)
        if number % 2 == 0:
            time.sleep(chance.uniform(0.3, 1.0) * seconds)
            process.kill()
        process.communicate(timeout=PATIENCE_S)
        if number % 2 and current_snapshot(data / "snapshots") is None:
            assert process.returncode == -signal.SIGKILL
        if current_snapshot(data / "snapshots") is not None:
            assert state(data) == expected, f"seed {seed}, kill {number}"
    code, said, err = finish(start(data))
    assert code in (0, 1), err
    assert state(data) == expected, f"seed {seed}"
    assert [p.name for p in (data / "snapshots").iterdir() if p.name.startswith(".")] == []
    assert "failure" not in said


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_refresh_is_completed_by_the_next(
    tmp_path: Path, undisturbed: tuple, seed: int
) -> None:
    survive(tmp_path / "data", KILLS // 3, undisturbed, seed)


@pytest.fixture
def encrypted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process and those that it starts write encrypted files."""
    monkeypatch.setenv("KERMA_ENCRYPTION_KEY", "e" * 40)
    monkeypatch.setenv("KERMA_ENCRYPTION_BUILTIN", "accept")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


@pytest.mark.usefixtures("encrypted")
def test_a_killed_refresh_of_encrypted_files(tmp_path: Path, undisturbed: tuple) -> None:
    survive(tmp_path / "data", 4, undisturbed, 7)
    assert all(map(is_encrypted, snapshots(tmp_path / "data" / "snapshots")))


def test_a_kill_while_files_are_encrypted(
    tmp_path: Path, undisturbed: tuple, request: pytest.FixtureRequest
) -> None:
    data = tmp_path / "data"
    fill(data)
    finish(start(data))
    request.getfixturevalue("encrypted")
    amid = 0
    for kill_at in (13, 17, 20, 23):
        start(data, kill_at).communicate(timeout=120)
        assert state(data) == undisturbed[0], kill_at
        amid += any((data / "snapshots").glob(".work-encrypt-*"))
    assert amid >= 2, "killed before or after it, never amid it"
    code, said, err = finish(start(data))
    assert code == 0, err
    assert state(data) == undisturbed[0] and "failure" not in said
    assert all(map(is_encrypted, snapshots(data / "snapshots")))
    assert [p.name for p in (data / "snapshots").iterdir() if p.name.startswith(".")] == []


@pytest.mark.soak
def test_a_thousand_kills(tmp_path: Path, undisturbed: tuple) -> None:
    for seed in range(SOAK_KILLS // 5):
        survive(tmp_path / str(seed), 5, undisturbed, 1000 + seed)


@pytest.mark.soak
def test_every_file_operation_of_a_run(tmp_path: Path, undisturbed: tuple) -> None:
    expected, operations, _ = undisturbed
    for kill_at in range(1, operations + 1):
        data = tmp_path / str(kill_at)
        fill(data)
        start(data, kill_at).communicate(timeout=PATIENCE_S)
        code, _, err = finish(start(data))
        assert code in (0, 1), err
        assert state(data) == expected, kill_at


def limited(bytes_: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, bytes_))


def test_a_disk_that_fills_up_leaves_the_snapshot(tmp_path: Path, undisturbed: tuple) -> None:
    data = tmp_path / "data"
    fill(data, files=1)
    assert finish(start(data))[0] == 1
    before = state(data)
    snapshot = current_snapshot(data / "snapshots")
    assert snapshot is not None
    shutil.rmtree(data / "inbox")
    fill(data)
    # Full while the snapshot is copied, and while the finished copy is brought to the disk.
    for most in (300_000, snapshot.stat().st_size + 70_000):
        code, said, err = finish(start(data, preexec_fn=limited(most)))
        assert code == 5, err
        assert said["failure"]
        assert current_snapshot(data / "snapshots") == snapshot
        assert state(data) == before
    assert finish(start(data))[0] == 1
    assert state(data)["procedure"] == undisturbed[0]["procedure"]


def test_two_refreshes_at_once(tmp_path: Path, undisturbed: tuple) -> None:
    data = tmp_path / "data"
    fill(data)
    both = [finish(process) for process in [start(data), start(data)]]
    codes = sorted(code for code, _, _ in both)
    assert codes in ([1, 3], [0, 1])  # side by side, or one after the other
    assert state(data) == undisturbed[0]


@pytest.mark.parametrize(("publications", "fixture"), [(20, None), (6, "encrypted")])
def test_readers_never_notice_a_publication(
    tmp_path: Path, publications: int, fixture: str | None, request: pytest.FixtureRequest
) -> None:
    """A reader in another process queries without a pause through publications."""
    if fixture:
        request.getfixturevalue(fixture)
    data = tmp_path / "data"
    (data / "inbox").mkdir(parents=True)
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(data), str(publications)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for number in range(publications):
            publish(data, number)
    finally:
        (data / "stop").touch()
        out, err = reader.communicate(timeout=60)
    assert reader.returncode == 0, err
    said = json.loads(out)
    assert said["mixtures"] == 0
    assert said["late"] == 0
    assert said["queries"] > publications
    assert said["rows"] == publications


READER = """
import json, pathlib, sys
from warehouse.connect import current_snapshot, cursor
data = pathlib.Path(sys.argv[1])
queries = mixtures = late = rows = 0
stopping = False
while not stopping:
    stopping = (data / "stop").exists()
    snapshot = current_snapshot(data / "snapshots")
    if snapshot is None:
        continue
    with cursor(snapshot) as one:
        rows = one.execute("select count(*) from procedure").fetchall()[0][0]
    with cursor(snapshot) as two:
        loaded = two.execute("select sum(inserted) from run").fetchall()[0][0]
    queries += 2
    mixtures += rows != loaded
    late += stopping and rows != int(sys.argv[2])
print(json.dumps({"queries": queries, "mixtures": mixtures, "late": late, "rows": rows}))
"""


def publish(data: Path, number: int) -> None:
    """Load one more row in this process."""
    from etl.refresh import Asked, refresh
    from warehouse.settings import Settings

    line = f"north,N{number},CT,2026-03-02 09:00:00,,R1,none\n"
    (data / "inbox" / f"{number}.csv").write_text(HEADER + line, "utf-8")
    settings = Settings(data_dir=data, settle_seconds=0, keep_snapshots=3)
    result = refresh(settings, Asked(), lambda step, **facts: None)
    assert result.exit_code == 0, result.as_json()
