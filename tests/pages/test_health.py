"""Data health: ledger, coverage, refused rows with their reason, corrections, unit warnings."""

from pathlib import Path

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from etl.flags import FLAGS
from pages.data import flag_words, health_parts
from pages.shared import format as fmt
from tests.conftest import run_etl, use_data
from tests.pages import lived_in
from tests.pages.app import charts, opened, texts
from warehouse.connect import current_snapshot, cursor


def tables(at: AppTest) -> dict[str, list[dict]]:
    """Return the tables of the page by their first column."""
    return {t.value.columns[0]: t.value.to_dict("records") for t in at.dataframe}


@pytest.fixture
def health(lived_settings: Path) -> AppTest:
    return opened("data/health.py", period="All")


def test_the_ledger_of_every_run_is_shown(health: AppTest) -> None:
    runs = tables(health)["Started (UTC)"]
    assert [run["Outcome"] for run in runs] == ["loaded", "loaded, some refused"]
    first = runs[-1]
    assert (first["Read"], first["Inserted"], first["Rejected"]) == (5, 4, 1)
    assert all(run["Balanced"] == "yes" for run in runs)
    assert runs[0]["Updated"] == 1


def test_a_refused_row_is_shown_as_it_stood_with_file_line_and_reason(health: AppTest) -> None:
    (row,) = tables(health)["File"]
    assert (row["File"], row["Line"]) == ("juli.csv", 6)
    assert "31.02.2026" in row["Reasons"]
    assert "A5" in row["Row as it stood"] and ";P4;" not in row["Row as it stood"]
    rules = tables(health)["Reason"]
    assert {rule["Open"] for rule in rules} == {1}


def test_corrections_say_what_changed(health: AppTest) -> None:
    (change,) = tables(health)["Changed (UTC)"]
    assert (change["Value"], change["Before"], change["After"]) == ("KAP (Gy·cm²)", "2.0", "2.5")


def test_unmapped_names_and_unit_warnings_are_listed(health: AppTest) -> None:
    (name,) = tables(health)["Name as sent"]
    assert (name["Name as sent"], name["Procedures"]) == ("Zauberei", 1)
    (machine,) = tables(health)["Machine"]
    assert (machine["Machine"], machine["Cases"]) == ("XA1", 1)
    assert "about 1000" in machine["What is suspected"]
    warnings = {row["Warning"] for row in tables(health)["Warning"]}
    assert flag_words.words("unit_suspect") in warnings


def test_coverage_counts_agree_with_the_rows(demo_settings: Path) -> None:
    at = opened("data/health.py", period="All")
    snapshot = current_snapshot(demo_settings / "snapshots")
    assert snapshot is not None
    with cursor(snapshot) as cur:
        rows = cur.sql("select * from procedure").pl()
    done = rows.filter(
        ~pl.col("is_test"), pl.col("status") == "completed", pl.col("modality") != "ultrasound"
    )
    dose = ("kap_gycm2", "air_kerma_mgy", "dlp_mgycm", "ctdi_vol_mgy", "ssde_mgy", "dose_mgy")
    dosed = done.filter(pl.any_horizontal(pl.col(dose).is_not_null()))
    said = f"**{fmt.percent(dosed.height / done.height)}** of {fmt.count(done.height)} completed"
    assert said in texts(at)
    (chart,) = charts(at)
    assert chart["layer"][0]["mark"]["type"] == "rect"


def test_every_flag_that_the_load_sets_has_words() -> None:
    assert [flag for flag in FLAGS if flag not in flag_words.WORDS] == []


@pytest.mark.parametrize("room", ["R1", "R2"])
def test_warnings_by_kind_are_those_of_the_view(lived_settings: Path, room: str) -> None:
    snapshot = current_snapshot(lived_settings / "snapshots")
    assert snapshot is not None
    with cursor(snapshot) as cur:
        rows = "select unnest(flags) as flag from procedure where room = ?"
        counted = f"select flag, count(*) from ({rows}) group by flag"
        expected = cur.execute(counted, [room]).fetchall()
    shown = tables(opened("data/health.py", period="All", room=room)).get("Warning", [])
    assert {(row["Warning"], row["Procedures"]) for row in shown} == {
        (flag_words.words(flag), n) for flag, n in expected
    }


def test_rooms_below_the_aim_are_named_worst_first() -> None:
    frame = pl.DataFrame(
        {
            "site": ["S"] * 3,
            "room": ["good", "bad", "worse"],
            "n": [100, 100, 100],
            "n_with_dose": [99, 90, 10],
        }
    )
    said = health_parts.coverage_words(frame)
    assert said.index("worse") < said.index("bad")
    assert "good" not in said


def test_a_failed_run_is_told_first(lived_settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pages.shared import data

    ask = data.query

    def failed(name: str, *args: object, **parameters: object) -> pl.DataFrame:
        found = ask(name, *args, **parameters)  # type: ignore[arg-type]
        if name != "health_runs":
            return found
        return found.with_columns(outcome=pl.lit("failed"), message=pl.lit("disk full"))

    monkeypatch.setattr(data, "query", failed)
    assert "The last refresh failed: disk full" in texts(opened("data/health.py"))


def test_a_warehouse_without_procedures_still_says_what_was_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, refused = lived_in.HEAD, lived_in.REFUSED
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "nur_falsch.csv").write_text(f"{head}\n{refused}\n", encoding="utf-8")
    run_etl(tmp_path, "refresh")
    for _ in use_data(tmp_path, monkeypatch):
        if current_snapshot(tmp_path / "snapshots") is None:
            pytest.skip("nothing was loaded, so nothing was published")
        said = texts(opened("data/health.py"))
        assert "No completed CT or fluoroscopy procedure in this view" in said
        assert "31.02.2026" in "".join(t.value.to_csv() for t in opened("data/health.py").dataframe)
