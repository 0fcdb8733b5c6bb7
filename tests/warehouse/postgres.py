"""A PostgreSQL server of the tests' own, in a folder that goes away with it."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.e2e.conftest import free_port

_running: dict[str, str] = {}


def _binaries() -> Path | None:
    """Return the folder of the server's programs; Debian keeps them off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def postgres_address(request: pytest.FixtureRequest) -> str:
    """Start a server once a process and return its address; skip where there is none."""
    programs = _binaries()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    if os.geteuid() == 0 and shutil.which("runuser") is None:
        pytest.skip("PostgreSQL does not run as root and runuser is missing")
    if "url" not in _running:
        _start(programs, request)
    return _running["url"]


def _start(programs: Path, request: pytest.FixtureRequest) -> None:
    folder = Path(tempfile.mkdtemp(prefix="kerma-pg-"))
    as_user = []
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    port = free_port()

    def call(*arguments: str) -> None:
        subprocess.run(
            [*as_user, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=120
        )

    data = str(folder / "data")
    call(str(programs / "initdb"), "-D", data, "-U", "kerma", "-A", "trust", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    log = str(folder / "log")
    call(str(programs / "pg_ctl"), "-D", data, "-o", options, "-l", log, "-w", "start")

    def stop() -> None:
        call(str(programs / "pg_ctl"), "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)
        _running.clear()

    request.session.addfinalizer(stop)
    _running["url"] = f"postgresql://kerma@127.0.0.1:{port}/postgres"
