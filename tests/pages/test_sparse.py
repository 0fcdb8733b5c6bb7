"""Every page on logs that hold little: what a department's first file looks like."""

import csv
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pages.shared.navigation import PAGES
from tests.conftest import run_etl, use_data
from tests.pages.app import opened, texts

NAMES = {
    "CT": ("Lung biopsy", "Lumbosacral transforaminal ESI"),
    "fluoroscopy": ("Vertebroplasty", "ERCP", "Lumbar facet joint injection"),
    "ultrasound": ("Liver biopsy", "Thyroid FNA"),
}


def required_only(draw: random.Random) -> list[dict[str, object]]:
    """One procedure with the four columns that a log must have."""
    return [{"site": "Uptown", "accession_number": "U1", "modality": "CT",
             "performed_on": "2026-10-01"}]  # fmt: skip


def without_stamps(draw: random.Random) -> list[dict[str, object]]:
    """Doses, durations and a follow-up, but no room stamps, sizes or planned times."""
    rows = []
    for number in range(300):
        modality = draw.choice(list(NAMES))
        start = datetime(2026, 6, 1, 8) + timedelta(minutes=draw.randrange(180 * 24 * 60))
        kap = draw.lognormvariate(2, 0.8) if modality == "fluoroscopy" else None
        rows.append(
            {
                "site": "Uptown", "accession_number": f"U{number}", "modality": modality,
                "procedure_start_at": f"{start:%Y-%m-%d %H:%M}",
                "procedure_name": draw.choice(NAMES[modality]), "room": f"R{number % 3}",
                "duration_min": draw.randrange(8, 90), "kap_gycm2": kap and f"{kap:.2f}",
                "dlp_mgycm": draw.randrange(50, 900) if modality == "CT" else None,
                "complications": draw.choice(["none"] * 20 + ["haematoma:2"]),
                "pain_scale": "NRS 0-10", "pain_baseline": draw.randrange(3, 10),
                "pain_1mo": draw.randrange(8),
            }
        )  # fmt: skip
    return rows


@pytest.fixture(scope="module", params=[required_only, without_stamps], ids=lambda f: f.__name__)
def sparse(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with one sparse log, loaded."""
    folder = tmp_path_factory.mktemp("sparse")
    (folder / "inbox").mkdir()
    rows = request.param(random.Random(9))
    with open(folder / "inbox" / "own.csv", "w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    done = run_etl(folder, "refresh")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def sparse_settings(sparse: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    yield from use_data(sparse, monkeypatch)


@pytest.mark.parametrize("page", [path for listed in PAGES.values() for path, _ in listed])
def test_every_page_is_drawn(sparse_settings: Path, page: str) -> None:
    at = opened(page, period="All")
    assert not at.exception


def test_no_use_of_rooms_is_told_without_stamps(sparse_settings: Path) -> None:
    said = texts(opened("workflow/rooms.py", period="All"))
    assert "0–0 %" not in said
