"""The units that run Kerma unattended."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from etl.receive import GRACE_S

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Write the units for a checkout that has an environment."""
    home = tmp_path / "kerma"
    shutil.copytree(ROOT / "deploy", home / "deploy", ignore=shutil.ignore_patterns("__pycache__"))
    python = home / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    out = tmp_path / "units"
    subprocess.run(
        ["sh", str(home / "deploy" / "install.sh")],
        env={"PATH": os.environ["PATH"], "UNITS": str(out)},
        check=True,
        capture_output=True,
    )
    return out


def test_units_name_this_checkout_and_its_data(units: Path) -> None:
    for unit in units.iterdir():
        text = unit.read_text("utf-8")
        assert "@" not in text, unit.name
    service = (units / "kerma-refresh.service").read_text("utf-8")
    assert f"{units.parent}/kerma/.venv/bin/python -m etl refresh" in service
    assert f"ReadWritePaths={units.parent}/kerma/data" in service


def test_the_timer_runs_at_two_and_catches_up(units: Path) -> None:
    timer = (units / "kerma-refresh.timer").read_text("utf-8")
    assert re.search(r"^OnCalendar=\*-\*-\* 02:00$", timer, re.M)
    assert "Persistent=true" in timer


def test_cron_runs_the_same_with_the_same_settings(units: Path) -> None:
    line = (units / "kerma.cron").read_text("utf-8").splitlines()[-1]
    minute, hour, *_, user = line.split()[:6]
    assert (minute, hour, user) == ("0", "2", "kerma")
    command = line.split(maxsplit=6)[6]
    assert "%" not in command, "cron ends a command at a percent sign"
    assert subprocess.run(["sh", "-n", "-c", command]).returncode == 0
    assert f"cd {units.parent}/kerma " in command and "/etc/kerma.env" in command


def test_the_receiver_says_who_may_send_and_stops_gracefully(units: Path) -> None:
    unit = (units / "kerma-receive.service").read_text("utf-8")
    assert "-m etl receive $KERMA_RECEIVE" in unit
    assert int(re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.M)[0]) > GRACE_S


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_accepts_the_units(units: Path) -> None:
    found = subprocess.run(
        [
            "systemd-analyze",
            "verify",
            *map(str, [*units.glob("*.service"), *units.glob("*.timer")]),
        ],
        capture_output=True,
        text=True,
    )
    wrong = [line for line in found.stderr.splitlines() if str(units) in line]
    assert not wrong
