"""What several folders of tests share: one small warehouse, made by the real refresh."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import hypothesis
import pytest

# The suite draws the same examples each time; `make soak` draws new ones.
hypothesis.settings.register_profile("suite", deadline=None, derandomize=True)
hypothesis.settings.register_profile("soak", deadline=None)
hypothesis.settings.load_profile(os.environ.get("KERMA_HYPOTHESIS", "suite"))

ROOT = Path(__file__).resolve().parents[1]
#: The programme that runs the tests; pages under test take its name.
MAIN = sys.modules["__main__"]
DEMO_ROWS = 4_000
DEMO_END = date(2026, 11, 20)


@pytest.fixture(autouse=True)
def main_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a test the programme back whose name a page took: new processes would run the page."""
    monkeypatch.setitem(sys.modules, "__main__", MAIN)


def run_etl(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m etl`` on a data folder."""
    return subprocess.run(
        [sys.executable, "-m", "etl", *arguments],
        cwd=ROOT,
        env=os.environ | {"KERMA_DATA_DIR": str(data_dir), "KERMA_SETTLE_SECONDS": "0"},
        capture_output=True,
        text=True,
        check=False,
    )


def make_demo(data_dir: Path) -> None:
    """Fill a data folder: one demo log, loaded by the refresh."""
    from etl import demo
    from etl.demo import files

    inbox = data_dir / "inbox"
    inbox.mkdir(parents=True)
    log, _ = demo.log(DEMO_ROWS, 1, DEMO_END)
    files.write_csv(log, inbox / "demo.csv")
    done = run_etl(data_dir, "refresh")
    assert done.returncode in (0, 1), done.stdout + done.stderr


@pytest.fixture(scope="session")
def demo_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with a warehouse of demo procedures; workers share it, read only."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder = shared / "demo-data"
    with open(shared / "demo-data.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "snapshots" / "current.duckdb").exists():
            make_demo(folder)
    return folder


@pytest.fixture
def demo_settings(demo_data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let this process read the demo warehouse."""
    yield from use_data(demo_data, monkeypatch)


def use_data(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Point the settings at a data folder for one test."""
    from warehouse.settings import settings

    monkeypatch.setenv("KERMA_DATA_DIR", str(data_dir))
    settings.cache_clear()
    yield data_dir
    settings.cache_clear()
