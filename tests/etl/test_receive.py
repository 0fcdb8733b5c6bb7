"""The receiver against dcmtk's clients: what it confirms is on disk, and only then."""

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etl import receive as module
from etl.receive import Receiver, ReceiverError
from tests.etl import dicom_made as made

ROOT = Path(__file__).resolve().parents[2]
STORE, ECHO = shutil.which("storescu"), shutil.which("echoscu")
needs_dcmtk = pytest.mark.skipif(not (STORE and ECHO), reason="dcmtk's clients are not here")
WAIT_S = 60


def client(*arguments: object) -> tuple[int, str]:
    """Run one of dcmtk's clients."""
    done = subprocess.run(
        [str(a) for a in arguments], capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def node(tmp_path: Path) -> Iterator[tuple[Receiver, int, list[dict[str, Any]]]]:
    told: list[dict[str, Any]] = []
    receiver = Receiver(
        tmp_path / "inbox", "KERMA", 0, ("SCANNER",), "127.0.0.1",
        lambda step, **facts: told.append({"step": step} | facts),
    )  # fmt: skip
    port = receiver.start()
    yield receiver, port, told
    receiver.stop()


def send(port: int, *files: Path, peer: str = "SCANNER") -> tuple[int, str]:
    return client(STORE, "-v", "-aet", peer, "-aec", "KERMA", "127.0.0.1", port, *files)


def held(receiver: Receiver) -> list[Path]:
    return sorted(receiver.folder.iterdir())


@needs_dcmtk
def test_echo(node: tuple) -> None:
    _, port, _ = node
    assert client(ECHO, "-aet", "SCANNER", "-aec", "KERMA", "127.0.0.1", port)[0] == 0


@needs_dcmtk
def test_an_unlisted_title_is_rejected(node: tuple, tmp_path: Path) -> None:
    receiver, port, told = node
    path = made.save(made.projection(), tmp_path / "r.dcm")
    code, output = send(port, path, peer="STRANGER")
    assert code != 0 and "Rejected" in output
    assert client(ECHO, "-aet", "STRANGER", "-aec", "KERMA", "127.0.0.1", port)[0] != 0
    assert held(receiver) == []
    assert any(entry["step"] == "rejected" for entry in told)


@needs_dcmtk
def test_a_report_is_stored_whole_and_reads(node: tuple, tmp_path: Path) -> None:
    receiver, port, told = node
    files = [made.save(made.projection(), tmp_path / "a.dcm"),
             made.save(made.tomography(number="2"), tmp_path / "b.dcm")]  # fmt: skip
    code, output = send(port, *files)
    assert code == 0, output
    one, two = held(receiver)
    assert made.read(one, tmp_path).reports["kap_gycm2"].item() == 2.4
    assert made.read(two, tmp_path).reports["dlp_mgycm"].item() == 340
    assert send(port, files[0])[0] == 0
    assert len(held(receiver)) == 2  # the same object again
    assert "Doe" not in json.dumps(told) and "P-77" not in json.dumps(told)


@needs_dcmtk
def test_the_same_uid_with_other_content_is_kept_beside(node: tuple, tmp_path: Path) -> None:
    receiver, port, _ = node
    send(port, made.save(made.projection(), tmp_path / "a.dcm"))
    send(port, made.save(made.projection([made.plane(kap="0.1")]), tmp_path / "b.dcm"))
    assert len(held(receiver)) == 2


@needs_dcmtk
def test_an_image_is_not_taken(node: tuple, tmp_path: Path) -> None:
    receiver, port, _ = node
    data = made.projection()
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    code, output = send(port, made.save(data, tmp_path / "i.dcm"))
    assert code != 0 and held(receiver) == [], output


@needs_dcmtk
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_full_disk_is_said_and_leaves_nothing(
    node: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    receiver, port, told = node
    real = os.fsync

    def full(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    path = made.save(made.projection(), tmp_path / "r.dcm")
    monkeypatch.setattr(module.os, "fsync", full)
    _, output = send(port, path)
    assert "0xa700" in output.lower() or "OutOfResources" in output or "Refused" in output, output
    assert held(receiver) == [] and told[-1]["step"] == "not stored"
    monkeypatch.setattr(module.os, "fsync", real)
    assert send(port, path)[0] == 0 and len(held(receiver)) == 1


def test_nothing_is_named_before_it_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = Receiver(tmp_path, "KERMA", 0)
    receiver.folder.mkdir()
    seen: list[list[str]] = []

    def look(handle: int) -> None:
        seen.append([p.name for p in held(receiver)])

    monkeypatch.setattr(module.os, "fsync", look)
    receiver.keep("1.2.3", b"data")
    assert [name.startswith(".") for name in seen[0]] == [True]  # the file: still hidden
    assert seen[1] == ["1.2.3.dcm"]  # the folder: after the rename


def test_what_a_killed_receiver_left_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "received"
    folder.mkdir()
    old, fresh = folder / ".1.2.dcm.77-0.part", folder / ".1.3.dcm.78-0.part"
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (1_700_000_000, 1_700_000_000))
    receiver = Receiver(tmp_path, "KERMA", 0, bind="127.0.0.1")
    receiver.start()
    receiver.stop()
    assert [path.name for path in folder.iterdir()] == [fresh.name]


@pytest.mark.parametrize("uid", ["../../out", "", "/etc/passwd", "1.2.3\0", "...", "a" * 500])
def test_a_hostile_uid_stays_in_the_folder(tmp_path: Path, uid: str) -> None:
    receiver = Receiver(tmp_path, "KERMA", 0)
    receiver.folder.mkdir()
    assert receiver.keep(uid, b"data").parent == receiver.folder
    assert len(held(receiver)) == 1


@pytest.mark.parametrize("title", ["", "SEVENTEEN LETTERS", "BACK\\SLASH", " LEAD"])
def test_wrong_titles_and_ports_are_refused_in_words(tmp_path: Path, title: str) -> None:
    with pytest.raises(ReceiverError, match="no AE title"):
        Receiver(tmp_path, title, 0).start()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ReceiverError, match="cannot be used"):
            Receiver(tmp_path, "KERMA", taken.getsockname()[1], (), "127.0.0.1").start()


@needs_dcmtk
def test_the_command_receives_and_stops_when_asked(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "etl", "receive", "--port", str(port), "--ae-title", "KERMA",
               "--allow", "SCANNER", "--bind", "127.0.0.1"]  # fmt: skip
    environment = os.environ | {"KERMA_DATA_DIR": str(tmp_path)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        assert json.loads(run.stdout.readline())["step"] == "listening"
        path = made.save(made.projection(), tmp_path / "r.dcm")
        assert send(port, path)[0] == 0
        assert len(list((tmp_path / "inbox" / "received").iterdir())) == 1
        run.send_signal(signal.SIGTERM)
        until = time.monotonic() + WAIT_S
        while run.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        assert run.returncode == 0
        steps = [json.loads(line)["step"] for line in run.stdout.read().splitlines()]
    assert steps == ["stored", "stopping", "stopped"]
