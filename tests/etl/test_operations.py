"""What a person or a monitor does around the nightly refresh: return, save, bring back, be told."""

import json
import os
import tarfile
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from etl.backup import BackupError, backup
from etl.ledger import FileResult, RunResult
from etl.notify import message, notify
from etl.refresh import Asked, refresh
from etl.restore import restore
from etl.rollback import RollbackError, choices, rollback
from etl.status import judged, rejected_rows, status
from warehouse import alert_messages
from warehouse.connect import current_snapshot, reading, serving, snapshots
from warehouse.settings import Settings

HEADER = "site,accession_number,modality,performed_on,patient_id,kap_gycm2\n"


def here(folder: Path, **given: object) -> Settings:
    return Settings(data_dir=folder, settle_seconds=0, **given)  # pyright: ignore[reportArgumentType]


def load(settings: Settings, name: str, *rows: str) -> RunResult:
    settings.inbox.mkdir(parents=True, exist_ok=True)
    (settings.inbox / name).write_text(HEADER + "\n".join(rows) + "\n", "utf-8")
    return refresh(settings, Asked(), lambda *_, **__: None)


def accessions(settings: Settings) -> set[str]:
    snapshot = current_snapshot(settings.snapshots)
    assert snapshot is not None
    with reading(snapshot) as con:
        rows = con.sql("select accession_number from procedure").fetchall()
    return {number for (number,) in rows}


@pytest.fixture
def two_nights(tmp_path: Path) -> Settings:
    settings = here(tmp_path / "data")
    load(settings, "a.csv", "north,A1,fluoroscopy,2026-01-05,P1,1.5")
    load(settings, "b.csv", "north,A2,fluoroscopy,2026-01-06,P2,2.5")
    return settings


def test_rollback_serves_the_night_before_and_the_next_refresh_goes_on(
    two_nights: Settings,
) -> None:
    assert accessions(two_nights) == {"A1", "A2"}
    former, now = rollback(two_nights)
    assert former != now
    assert accessions(two_nights) == {"A1"}
    assert [in_service for _, in_service, _ in choices(two_nights)] == [False, True]
    (two_nights.inbox / "b.csv").unlink()
    load(two_nights, "c.csv", "north,A3,fluoroscopy,2026-01-07,P3,3.5")
    assert accessions(two_nights) == {"A1", "A3"}


def test_rollback_names_what_there_is(two_nights: Settings) -> None:
    with pytest.raises(RollbackError, match="no snapshot kerma-none; kept are: kerma-"):
        rollback(two_nights, "kerma-none")
    rollback(two_nights)
    with pytest.raises(RollbackError, match="no snapshot is older than"):
        rollback(two_nights)


def test_rollback_refuses_a_damaged_snapshot(two_nights: Settings) -> None:
    oldest = two_nights.snapshots / choices(two_nights)[-1][0]
    oldest.write_bytes(oldest.read_bytes()[:5000])
    with pytest.raises(RollbackError, match="cannot be used"):
        rollback(two_nights)
    assert accessions(two_nights) == {"A1", "A2"}


def test_backup_brings_everything_back_elsewhere(two_nights: Settings, tmp_path: Path) -> None:
    saved = backup(two_nights, tmp_path / "kerma.tar", with_key=True)
    with tarfile.open(saved.path) as tar:
        assert {"manifest.json", "key"} <= set(tar.getnames())
    other = here(tmp_path / "other")
    assert restore(other, saved.path).aside is None
    assert accessions(other) == {"A1", "A2"}
    again = "north,A1,fluoroscopy,2026-01-05,P1,1.5"
    result = load(other, "c.csv", again, "north,A9,fluoroscopy,2026-01-09,P9,9")
    assert result.totals.unchanged == 1, "the same key gives the same patient"


def test_backup_without_the_key_asks_for_it(two_nights: Settings, tmp_path: Path) -> None:
    saved = backup(two_nights, tmp_path / "kerma.tar")
    with tarfile.open(saved.path) as tar:
        assert "key" not in tar.getnames()
    with pytest.raises(BackupError, match="does not hold the pseudonym key"):
        restore(here(tmp_path / "other"), saved.path)
    with pytest.raises(BackupError, match="not the one of the backup"):
        restore(here(tmp_path / "third", pseudonym_key="0" * 64), saved.path)


def test_restore_sets_the_present_state_aside(two_nights: Settings, tmp_path: Path) -> None:
    saved = backup(two_nights, tmp_path / "kerma.tar")
    load(two_nights, "c.csv", "north,A3,fluoroscopy,2026-01-07,P3,3.5")
    with pytest.raises(BackupError, match="holds a warehouse"):
        restore(two_nights, saved.path)
    aside = restore(two_nights, saved.path, replace=True).aside
    assert accessions(two_nights) == {"A1", "A2"}
    assert aside is not None
    assert len(list((aside / "snapshots").glob("kerma-*.duckdb"))) == 3


def test_a_damaged_backup_changes_nothing(two_nights: Settings, tmp_path: Path) -> None:
    saved = backup(two_nights, tmp_path / "kerma.tar")
    whole = saved.path.read_bytes()
    at = len(whole) // 2
    saved.path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
    with pytest.raises(BackupError, match=r"damaged|no whole backup"):
        restore(two_nights, saved.path, replace=True)
    saved.path.write_bytes(whole[:5000])
    with pytest.raises(BackupError, match=r"damaged|no whole backup"):
        restore(two_nights, saved.path, replace=True)
    assert accessions(two_nights) == {"A1", "A2"}
    assert not list(two_nights.data_dir.glob("before-restore-*"))


def test_a_backup_is_not_overwritten(two_nights: Settings, tmp_path: Path) -> None:
    out = tmp_path / "kerma.tar"
    out.write_text("mine")
    with pytest.raises(BackupError, match="is there already"):
        backup(two_nights, out)
    assert out.read_text() == "mine"


NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)


def ended(hours_ago: float, outcome: str = "ok") -> dict[str, str]:
    return {"ended_at": (NOW - timedelta(hours=hours_ago)).isoformat(), "outcome": outcome}


@pytest.mark.parametrize(
    ("last", "has_warehouse", "health"),
    [
        (ended(6), True, "fresh"),
        (ended(6, "nothing"), True, "fresh"),
        (ended(6, "rejected"), True, "fresh"),
        (ended(37), True, "stale"),
        (ended(-1), True, "fresh"),  # the clock was set back
        (ended(-48), True, "stale"),
        (ended(1, "failed"), True, "failed"),
        (None, True, "stale"),
        (None, False, "failed"),
    ],
)
def test_health_for_monitoring(last: dict | None, has_warehouse: bool, health: str) -> None:
    assert judged(last, has_warehouse, 36, NOW)[0] == health


def test_status_says_its_health(two_nights: Settings) -> None:
    told = status(two_nights)
    assert told["health"] == "fresh"
    assert told["procedures"] == 2


@pytest.mark.parametrize("damage", ["cut", "scrambled"])
def test_while_the_snapshot_in_service_is_damaged_the_one_before_serves(
    two_nights: Settings, damage: str
) -> None:
    """Pages and commands go on and monitoring hears of it, until the next refresh."""
    before, now = snapshots(two_nights.snapshots)[::-1]
    if damage == "cut":
        os.truncate(now, now.stat().st_size // 2)
    else:
        with now.open("r+b") as file:
            file.seek(4096)
            file.write(os.urandom(20_000))
    assert serving(two_nights.snapshots) == before
    told = status(two_nights)
    assert (told["health"], told["procedures"]) == ("failed", 1)
    assert now.name in told["why"] and before.name in told["why"]
    assert rejected_rows(two_nights, None, False).is_empty()
    refresh(two_nights, Asked(), lambda *_, **__: None)
    assert status(two_nights)["health"] == "fresh" and accessions(two_nights) == {"A1", "A2"}


def test_without_any_good_snapshot_status_says_to_restore(two_nights: Settings) -> None:
    for path in snapshots(two_nights.snapshots):
        path.write_bytes(b"no database")
    told = status(two_nights)
    assert told["health"] == "failed" and "restore a backup" in told["why"]


class Receiver(BaseHTTPRequestHandler):
    """Keeps what is posted to it; what is posted to ``/busy`` first gets an error."""

    bodies: list[str]
    busy: list[str]

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length).decode()
        refused = self.path == "/busy" and not self.busy
        (self.busy if refused else self.bodies).append(body)
        self.send_response(503 if refused else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def webhook() -> tuple[str, list[str]]:
    bodies: list[str] = []
    handler = type("Kept", (Receiver,), {"bodies": bodies, "busy": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"json://127.0.0.1:{server.server_port}", bodies  # pyright: ignore[reportReturnType]
    server.shutdown()
    server.server_close()


def test_a_run_with_rejected_rows_sends_one_message_without_patients(
    tmp_path: Path, webhook: tuple[str, list[str]]
) -> None:
    url, bodies = webhook
    settings = here(tmp_path / "data", notify_urls=(url,))
    load(settings, "Doe^John.csv", "north,A1,fluoroscopy,2026-01-05,P4711,much")
    assert len(bodies) == 1
    told = json.loads(bodies[0])
    assert "1 of 1 rows were rejected" in told["message"]
    for secret in ("Doe", "P4711", "A1"):
        assert secret not in bodies[0]


def test_a_good_run_sends_nothing(tmp_path: Path, webhook: tuple[str, list[str]]) -> None:
    url, bodies = webhook
    settings = here(tmp_path / "data", notify_urls=(url,))
    load(settings, "a.csv", "north,A1,fluoroscopy,2026-01-05,P1,1.5")
    assert bodies == []


def test_an_address_that_does_not_answer_stops_nothing(tmp_path: Path) -> None:
    settings = here(tmp_path / "data", notify_urls=("json://127.0.0.1:9",))
    result = load(settings, "a.csv", "north,A1,fluoroscopy,2026-01-05,P1,much")
    assert result.failure is None
    assert any("not be delivered to address 1" in warning for warning in result.warnings)


def test_an_alert_is_told_once_and_again_only_where_it_did_not_arrive(
    tmp_path: Path, webhook: tuple[str, list[str]]
) -> None:
    """Two addresses; one answers with an error on the first night."""
    url, bodies = webhook
    settings = here(tmp_path / "data", notify_urls=(f"{url}/busy", url))

    def night(name: str, kap: float) -> list[str]:
        bodies.clear()
        load(settings, f"{name}.csv", f"north,{name},fluoroscopy,2026-01-05,P{name},{kap}")
        return [json.loads(body)["message"].partition(" wait")[0] for body in bodies]

    assert night("A1", 700) == ["1 new dose alerts"], "only one of the two got it"
    assert night("A2", 2) == ["1 new dose alerts"], "the other gets it now, the first nothing"
    assert night("A3", 2) == []
    assert night("A4", 800) == ["1 new dose alerts"] * 2


def test_a_new_password_is_no_new_address() -> None:
    one, other, third = (
        f"mailtos://rso:{word}@mail.example.org?to={who}@example.org"
        for word, who in (("old", "rso"), ("new", "rso"), ("new", "manager"))
    )
    assert alert_messages._name(one) == alert_messages._name(other) != alert_messages._name(third)


def test_the_message_names_alerts_and_failures() -> None:
    run_ = RunResult("r1")
    assert message(run_, 0) is None
    assert "3 new dose alerts" in (message(run_, 3) or "")
    run_.files.append(FileResult("x.csv", None, "refused"))
    assert "1 files were refused" in (message(run_, 0) or "")
    run_.fail("RuntimeError: x")
    assert "former data stay in service" in (message(run_, 0) or "")
    assert notify(Settings(), run_) is None, "off by default"
