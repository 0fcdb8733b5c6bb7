"""Alerts of the refresh: found after each publication, once, whatever happens in between."""

import json
import sqlite3
from datetime import date
from functools import partial
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal

from analytics.alerts import REFERENCE, find_alerts
from analytics.rules import rules_from
from etl import alerts
from etl.refresh import Asked as RunAsked
from etl.refresh import refresh as run
from tests.conftest import ROOT, run_etl
from tests.people import rso
from warehouse import review_store, reviews
from warehouse.access import SYSTEM
from warehouse.case_keys import case_key
from warehouse.connect import current_snapshot
from warehouse.queries import run as run_query
from warehouse.reference import trigger_levels
from warehouse.review_alerts import Asked, cases_page, counts
from warehouse.review_rules import RuleVersion, record
from warehouse.review_store import ReviewsUnreachableError
from warehouse.review_tables import alert
from warehouse.settings import Settings

NO_ESTIMATE = pl.DataFrame(schema={"procedure_id": pl.Int64, "peak_skin_dose_mgy": pl.Float64})
SAMPLES = ROOT.parent / "shared" / "samples" / "dicom"
COLUMNS = (
    "site,accession_number,modality,performed_on,procedure_name,air_kerma_mgy,kap_gycm2,operator"
)


def settings_of(folder: Path) -> Settings:
    return Settings(data_dir=folder, reviews_url=None, settle_seconds=0)


def put(folder: Path, name: str, *rows: str) -> None:
    inbox = folder / "inbox"
    inbox.mkdir(parents=True, exist_ok=True)
    (inbox / name).write_text("\n".join([COLUMNS, *rows]) + "\n", "utf-8")


def case(number: int, kerma: float, day: str = "2026-11-02") -> str:
    """Write a case whose mean field area is 50 cm²."""
    return f"Nord,A{number},fluoroscopy,{day},Vertebroplasty,{kerma},{kerma * 0.05},Op {number}"


def refresh(folder: Path, code: int = 0) -> dict:
    """Run one refresh, its database closed before and after: each night is a process of its own."""
    review_store._engine.cache_clear()
    done = run(settings_of(folder), RunAsked(), lambda _step, **_facts: None)
    review_store._engine.cache_clear()
    assert done.exit_code == code, done.as_json()
    return done.as_json()


def listed(folder: Path) -> dict[str, float]:
    found, _ = cases_page(settings_of(folder), Asked(scope=SYSTEM), 0, 1000)
    rows = reviews.alerts_of(settings_of(folder), found["review_id"].to_list(), SYSTEM)
    kerma = rows.filter(pl.col("rule_id") == "KAR_SRDL")
    return dict(kerma.select("accession_number", "value").iter_rows())


@pytest.fixture
def loaded(tmp_path: Path) -> Path:
    """Return an installation with one case over 5 Gy."""
    put(tmp_path, "a.csv", case(1, 7690.0), case(2, 300.0))
    result = refresh(tmp_path)
    assert result["alerts"]["new"] >= 1
    return tmp_path


def test_a_second_refresh_finds_nothing_again(loaded: Path) -> None:
    before = cases_page(settings_of(loaded), Asked(scope=SYSTEM), 0, 100)[0]
    again = refresh(loaded)
    assert (again["alerts"]["new"], again["alerts"]["judged"]) == (0, 0)
    assert cases_page(settings_of(loaded), Asked(scope=SYSTEM), 0, 100)[0].equals(before)
    assert listed(loaded) == {"A1": 7690.0}


def test_leaving_out_cases_below_every_limit_changes_no_alert(demo_data: Path) -> None:
    snapshot = current_snapshot(demo_data / "snapshots")
    assert snapshot is not None
    runs = run_query("alerts_runs", snapshot, SYSTEM)["run_id"].to_list()
    ask = partial(run_query, snapshot=snapshot, scope=SYSTEM, runs=runs)
    rules = rules_from(trigger_levels(), frozenset(trigger_levels()["rule_id"]))
    references = alerts.references(rules)
    months = ask("alerts_months")
    narrow, history = alerts.candidates(ask, months, rules, NO_ESTIMATE)
    groups = ask("alerts_groups", months=months["month"].to_list())["case_group"].to_list()
    no_limit = {f"least_{name}": [0.0] * len(groups) for name in alerts.QUANTITIES}
    nobody = {name: [] for name in ("sites", "machines", "least_area", "most_area", "patients")}
    ids = ask("alerts_found", case_groups=groups, **no_limit, **nobody)["procedure_id"].to_list()
    every = ask("alerts_cases", ids=ids)
    assert every.height == months["judged"].sum() > 2 * narrow.height > 0
    expected = find_alerts(every, rules, references)
    found = find_alerts(narrow, rules, references, narrow.filter("judged")["procedure_id"], history)
    assert {"trigger", "own_percentile", "robust_limit", "unit_ratio"} <= set(found["kind"])
    assert_frame_equal(found, expected, check_row_order=False)


def test_only_new_cases_are_judged_next_night(loaded: Path) -> None:
    put(loaded, "b.csv", case(3, 5400.0, "2026-11-03"))
    result = refresh(loaded)
    assert result["alerts"]["judged"] == 1
    assert listed(loaded) == {"A1": 7690.0, "A3": 5400.0}


def test_a_process_that_dies_before_the_alerts_leaves_them_to_the_next_run(tmp_path: Path) -> None:
    """The snapshot is published, then nothing: as after a kill between the two steps."""
    put(tmp_path, "a.csv", case(1, 7690.0))
    refresh(tmp_path)
    for file in tmp_path.glob("reviews.db*"):
        file.unlink()
    assert refresh(tmp_path)["alerts"]["new"] >= 1
    assert listed(tmp_path) == {"A1": 7690.0}


def test_a_death_amid_entering_leaves_no_trace(tmp_path: Path, monkeypatch) -> None:
    put(tmp_path, "a.csv", case(1, 7690.0))
    refresh(tmp_path)
    for file in tmp_path.glob("reviews.db*"):
        file.unlink()
    review_store._engine.cache_clear()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("warehouse.alert_entry._lapse", die)
        with pytest.raises(KeyboardInterrupt):
            alerts.find(settings_of(tmp_path))
    assert listed(tmp_path) == {}
    assert alerts.find(settings_of(tmp_path)).new >= 1
    assert listed(tmp_path) == {"A1": 7690.0}


def test_alerts_that_cannot_be_found_do_not_stop_the_load(loaded: Path, monkeypatch) -> None:
    def fail(_settings: Settings) -> None:
        raise ReviewsUnreachableError("the server is away")

    put(loaded, "b.csv", case(3, 5400.0))
    with monkeypatch.context() as patch:
        patch.setattr("etl.refresh.find_alerts", fail)
        result = refresh(loaded, code=1)
    assert "alerts were not found, the next run does it: the server is away" in result["warnings"]
    assert result["totals"]["inserted"] == 1
    assert refresh(loaded)["alerts"]["judged"] == 1
    assert listed(loaded) == {"A1": 7690.0, "A3": 5400.0}


def test_reviews_that_cannot_be_opened_do_not_stop_the_load(loaded: Path) -> None:
    put(loaded, "b.csv", case(3, 5400.0))
    kept = loaded / "kept"
    kept.mkdir()
    for file in loaded.glob("reviews.db*"):
        file.rename(kept / file.name)
    (loaded / "reviews.db").mkdir()
    result = refresh(loaded, code=1)
    said = " ".join(result["warnings"])
    assert "alerts were not found" in said and "confirmed names wait" in said
    assert result["totals"]["inserted"] == 1
    (loaded / "reviews.db").rmdir()
    for file in kept.iterdir():
        file.rename(loaded / file.name)
    assert refresh(loaded)["alerts"]["judged"] == 1
    assert listed(loaded) == {"A1": 7690.0, "A3": 5400.0}


def test_a_corrected_dose_lapses_its_alert_and_keeps_the_review(loaded: Path) -> None:
    put(loaded, "b.csv", case(1, 769.0))
    assert refresh(loaded)["alerts"]["lapsed"] >= 1
    rows = reviews.reviews_of(settings_of(loaded), key("A1"), SYSTEM)
    mine = reviews.alerts_of(settings_of(loaded), [rows[0].review_id], SYSTEM)
    assert rows[0].state == "open"
    assert mine.filter(pl.col("rule_id") == "KAR_SRDL")["lapsed_at"].is_not_null().all()


def test_a_corrected_case_lapses_the_sum_of_a_later_one(tmp_path: Path) -> None:
    """3 Gy in June and 2.5 Gy in November are a sum; June was 0.3 Gy, so November's is none."""
    columns = COLUMNS + ",patient_id\n"
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    june, november = case(1, 3000.0, "2026-06-02"), case(2, 2500.0)
    (inbox / "a.csv").write_text(f"{columns}{june},P7\n{november},P7\n", "utf-8")
    refresh(tmp_path)

    def lapsed() -> list[bool]:
        rows = reviews.reviews_of(settings_of(tmp_path), key("A2"), SYSTEM)
        mine = reviews.alerts_of(settings_of(tmp_path), [r.review_id for r in rows], SYSTEM)
        summed = mine.filter(pl.col("rule_id") == "KAR_6MO")
        return summed["lapsed_at"].is_not_null().to_list()

    assert lapsed() == [False]
    corrected = case(1, 300.0, "2026-06-02")
    (inbox / "b.csv").write_text(f"{columns}{corrected},P7\n", "utf-8")
    refresh(tmp_path)
    assert lapsed() == [True]


def key(accession: str) -> str:
    return case_key("Nord", accession, date(2026, 11, 2), None, None, "fluoroscopy")


def test_reviews_survive_refresh_and_rollback(loaded: Path) -> None:
    """An older snapshot comes back, the night loads again, numbers may change: the review stays."""
    (review,) = reviews.reviews_of(settings_of(loaded), key("A1"), SYSTEM)
    form = review.form.model_copy(update={"narrative": "kept"})
    reviews.act(settings_of(loaded), review, "save", rso("Ada"), form)
    put(loaded, "b.csv", case(3, 5400.0))
    refresh(loaded)
    link = loaded / "snapshots" / "current.duckdb"
    older = min(path for path in link.parent.glob("kerma-*.duckdb"))
    link.unlink()
    link.symlink_to(older.name)
    assert alerts.find(settings_of(loaded)).lapsed == 0
    refresh(loaded)
    assert listed(loaded) == {"A1": 7690.0, "A3": 5400.0}
    (after,) = reviews.reviews_of(settings_of(loaded), key("A1"), SYSTEM)
    assert (after.review_id, after.form.narrative) == (review.review_id, "kept")


def changed(folder: Path, **more: object) -> int:
    version = {
        "rule_id": "KAR_SRDL", "change": "change", "active": True, "kind": "trigger",
        "quantity": "air_kerma_mgy", "level": "follow-up", "threshold": 5000.0,
        "modality": "fluoroscopy", "valid_from": date(2009, 1, 1), "source": "local decision",
        "why": "decided by the committee",
    } | more  # fmt: skip
    return record(settings_of(folder), RuleVersion.model_validate(version), rso("Ada"), 99)


def test_a_changed_rule_judges_all_cases_of_its_days(loaded: Path) -> None:
    put(loaded, "b.csv", case(3, 2500.0, "2026-10-31"), case(4, 2500.0, "2026-11-05"))
    refresh(loaded)
    changed(loaded, threshold=2000.0, valid_from=date(2026, 11, 1))
    done = run_etl(loaded, "alerts", "--json")
    assert json.loads(done.stdout)["judged"] == 4, done.stderr
    assert listed(loaded) == {"A1": 7690.0, "A4": 2500.0}
    rows, _ = cases_page(settings_of(loaded), Asked(scope=SYSTEM, rules=("KAR_SRDL",)), 0, 10)
    mine = reviews.alerts_of(settings_of(loaded), rows["review_id"].to_list(), SYSTEM)
    new = mine.filter(pl.col("accession_number") == "A4").row(0, named=True)
    assert (new["rule_threshold"], new["rule_source"]) == (2000.0, "local decision")
    assert new["rule_valid_from"] == date(2026, 11, 1)


def test_a_rule_of_ones_own_finds_its_cases(loaded: Path) -> None:
    changed(
        loaded, rule_id="OWN_R1", change="add", threshold=250.0, level="local",
        procedure_code="VP", valid_from=date(2026, 1, 1),
    )  # fmt: skip
    assert alerts.find(settings_of(loaded)).new >= 1
    assert counts(settings_of(loaded), Asked(scope=SYSTEM), "rule_id")["OWN_R1"] == 2


def estimate(folder: Path, accession: str, skin_mgy: float | None) -> None:
    (review,) = reviews.reviews_of(settings_of(folder), key(accession), SYSTEM)
    said = {"peak_skin_dose_mgy": skin_mgy, "peak_skin_dose_method": skin_mgy and "film"}
    form = review.form.model_copy(update=said)
    reviews.act(settings_of(folder), review, "save", rso("Ada"), form)


def holding(folder: Path, rule: str) -> dict[str, float]:
    with review_store.reading(settings_of(folder)) as con:
        found = review_store.frame(con, sa.select(alert).where(alert.c.rule_id == rule))
    there = found.filter(pl.col("lapsed_at").is_null())
    return dict(there.select("accession_number", "value").iter_rows())


def test_a_peak_skin_dose_that_a_reviewer_estimates_is_judged(loaded: Path) -> None:
    """At once, without a run to judge; kept by later nights; gone when the estimate is."""
    estimate(loaded, "A1", 3400.0)
    assert alerts.find(settings_of(loaded)).new == 1
    assert holding(loaded, "PSD_SRDL") == {"A1": 3400.0}
    put(loaded, "b.csv", case(3, 40.0, "2026-11-05"))
    refresh(loaded)
    assert alerts.find(settings_of(loaded)) == alerts.AlertResult(
        seconds=pytest.approx(0, abs=60)  # type: ignore[arg-type]
    )
    assert holding(loaded, "PSD_SRDL") == {"A1": 3400.0}
    changed(loaded, threshold=4000.0)
    assert alerts.find(settings_of(loaded)).judged == 3, "all are judged anew, and it still holds"
    assert holding(loaded, "PSD_SRDL") == {"A1": 3400.0}
    estimate(loaded, "A1", 2900.0)
    assert alerts.find(settings_of(loaded)).lapsed == 1
    estimate(loaded, "A1", 3100.0)
    alerts.find(settings_of(loaded))
    assert holding(loaded, "PSD_SRDL") == {"A1": 3100.0}
    estimate(loaded, "A1", None)
    assert alerts.find(settings_of(loaded)).lapsed == 1


def test_a_changed_reference_level_judges_all_cases_anew(loaded: Path, monkeypatch) -> None:
    changed(
        loaded, rule_id="KAR_REFERENCE", change="confirm", kind="reference_multiple", threshold=2.0,
        level="local", valid_from=date(2026, 1, 1),
    )  # fmt: skip
    alerts.find(settings_of(loaded))
    assert holding(loaded, "KAR_REFERENCE") == {}
    assert alerts.find(settings_of(loaded)).judged == 0
    level = pl.DataFrame(
        [("fluoroscopy", "VP", "air_kerma_mgy", None, 100.0)], schema=REFERENCE, orient="row"
    )
    monkeypatch.setattr(alerts, "references", lambda _rules: level)
    assert alerts.find(settings_of(loaded)).judged == 2
    assert holding(loaded, "KAR_REFERENCE")["A1"] == 7690.0


def test_a_rule_switched_off_keeps_its_alerts_and_finds_no_more(loaded: Path) -> None:
    changed(loaded, active=False, change="off", valid_from=date(2026, 11, 1))
    put(loaded, "b.csv", case(3, 6000.0, "2026-11-05"))
    refresh(loaded)
    assert listed(loaded) == {"A1": 7690.0}


def test_a_dry_run_finds_no_alerts(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", case(1, 7690.0))
    done = run(settings_of(tmp_path), RunAsked(dry_run=True), lambda _step, **_facts: None)
    assert (done.exit_code, done.alerts) == (0, None)
    assert listed(tmp_path) == {}


def test_nothing_to_judge_says_so(tmp_path: Path) -> None:
    assert alerts.find(settings_of(tmp_path)) == alerts.AlertResult()


def test_the_reviews_are_in_write_ahead_mode(loaded: Path) -> None:
    with sqlite3.connect(loaded / "reviews.db") as con:
        assert con.execute("pragma journal_mode").fetchone() == ("wal",)
    con.close()


@pytest.mark.skipif(not SAMPLES.exists(), reason="the sample dose reports are not here")
def test_the_sample_case_of_7_69_gray_alerts(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    sample = SAMPLES / "RF-Pat-Orientation-Modifier-Missing.dcm"
    (inbox / sample.name).write_bytes(sample.read_bytes())
    refresh(tmp_path)
    found, _ = cases_page(settings_of(tmp_path), Asked(scope=SYSTEM, rules=("KAR_SRDL",)), 0, 10)
    values = reviews.alerts_of(settings_of(tmp_path), found["review_id"].to_list(), SYSTEM)
    kerma = values.filter(pl.col("rule_id") == "KAR_SRDL")["value"].to_list()
    assert any(value == pytest.approx(7690, rel=0.01) for value in kerma), kerma
