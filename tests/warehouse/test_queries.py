"""Queries take named parameters only, stay within the reader's sites, and say what is wrong."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from warehouse.access import SYSTEM, Scope
from warehouse.connect import current_snapshot
from warehouse.procedures import procedures
from warehouse.queries import FILTER_PARAMETERS, QueryError, bind, parameters, run, text

ALL = SYSTEM


@pytest.fixture
def snapshot(demo_data: Path) -> Path:
    found = current_snapshot(demo_data / "snapshots")
    assert found is not None
    return found


def shown(snapshot: Path, scope: Scope = ALL, **filters: object) -> int:
    return run("counts", snapshot, scope, **filters)["n_shown"].item()


def test_parts_are_included_and_comments_are_no_parameters() -> None:
    assert "-- include:" not in text("overview_counts")
    assert "filtered as not materialized" in text("overview_counts")
    assert parameters("overview_counts") == {*FILTER_PARAMETERS, "scope_sites", "current_from"}


@pytest.mark.parametrize("name", ["nothing", "../schema", "parts/filtered", "Counts", ""])
def test_only_a_query_can_be_asked(name: str) -> None:
    with pytest.raises(QueryError, match="query"):
        text(name)


def test_parameters_that_are_missing_or_unknown_are_named() -> None:
    with pytest.raises(QueryError, match=r"missing \['current_from'\]"):
        bind("overview_counts", ALL, {})
    with pytest.raises(QueryError, match=r"unknown parameters \['room'\]"):
        bind("counts", ALL, {"room": "Lab 1"})


def test_filters_that_a_query_does_not_take_are_left_out() -> None:
    assert bind("freshness", ALL, {"rooms": ("Lab 1",)}) == {"scope_sites": None}


def test_null_leaves_a_filter_open_and_an_empty_list_lets_nothing_through(snapshot: Path) -> None:
    every = shown(snapshot)
    by_modality = [shown(snapshot, modalities=(m,)) for m in ("CT", "fluoroscopy", "ultrasound")]
    assert every == sum(by_modality) > 3_000
    assert shown(snapshot, modalities=()) == 0


def test_text_that_looks_like_sql_is_only_text(snapshot: Path) -> None:
    assert shown(snapshot, rooms=("x') or true --",)) == 0
    assert shown(snapshot) > 0


def test_a_reader_of_one_site_sees_no_other(snapshot: Path) -> None:
    values = run("filter_values", snapshot, ALL)
    sites = values.filter(values["field"] == "site")["value"].to_list()
    assert len(sites) > 1
    one = Scope(("manager",), (sites[0],))
    assert shown(snapshot, one) == shown(snapshot, sites=(sites[0],)) < shown(snapshot)
    assert shown(snapshot, one, sites=(sites[1],)) == 0
    seen = run("filter_values", snapshot, one)
    assert seen.filter(seen["field"] == "site")["value"].to_list() == [sites[0]]
    assert shown(snapshot, Scope(("manager",), ())) == 0


def test_what_the_bar_offers_is_what_the_filters_find(snapshot: Path) -> None:
    values = run("filter_values", snapshot, ALL)
    names = {"modality": "modalities", "procedure": "procedures", "room": "rooms", "site": "sites"}
    for field, value, n in values.sample(25, seed=1).rows():
        filters = {names.get(field, "operators"): (value,)}
        assert shown(snapshot, **filters) == n, (field, value)


def test_the_days_of_a_period_are_inclusive(snapshot: Path) -> None:
    bounds = run("freshness", snapshot, ALL).row(0, named=True)
    last: date = bounds["data_to"]
    assert shown(snapshot, from_date=last, to_date=last) > 0
    assert shown(snapshot, from_date=bounds["data_from"], to_date=last) == shown(snapshot)


def test_a_result_says_what_was_left_out_once(snapshot: Path) -> None:
    row = run("counts", snapshot, ALL).row(0, named=True)
    assert row["n_shown"] == row["n_all"]
    assert row["n_without_dose"] <= row["n_ionising"] <= row["n_shown"]
    assert row["n_test"] > 0 and row["n_cancelled"] > 0


def test_counts_by_day_equal_counts_of_procedures(snapshot: Path) -> None:
    """Naming every procedure leaves nothing out, but is counted case by case."""
    every = (*procedures()["code"], "unmapped")
    last = run("freshness", snapshot, ALL)["data_to"].item()
    views: list[dict[str, object]] = [
        {}, {"modalities": ("CT",)}, {"to_date": last - timedelta(days=200)},
        {"sites": ("Harbour",)},
    ]  # fmt: skip
    one = Scope(("manager",), ("Northgate",))
    for filters in views:
        for scope in (ALL, one):
            by_day = run("counts", snapshot, scope, **filters)
            by_case = run("counts", snapshot, scope, procedures=every, **filters)
            assert by_day.equals(by_case), filters
    assert run("counts", snapshot, ALL)["n_without_dose"].item() > 0


def test_the_first_record_of_a_patient_is_the_earliest_day_whatever_its_number(
    snapshot: Path, tmp_path: Path
) -> None:
    """Two patients and one unknown: days and numbers run against each other, one before 1970."""
    path = tmp_path / snapshot.name
    shutil.copy(snapshot, path)
    cases = [(9, "1969-12-30", "a", 9), (3, "2026-01-02", "a", 3), (5, "2026-01-01", "b", 5),
             (4, "2026-01-01", "b", 4), (8, "2026-01-01", None, 8)]  # fmt: skip
    with duckdb.connect(path) as con:
        con.execute("create table one as select * from procedure limit 1; delete from procedure")
        for number, day, patient, minutes in cases:
            con.execute(
                "insert into procedure by name select * replace ($number as procedure_id,"
                " $day::date as performed_on, $patient as patient_key, 'completed' as status,"
                " false as is_test, $minutes as duration_min) from one",
                {"number": number, "day": day, "patient": patient, "minutes": minutes},
            )
    found = run("comparison_values", path, ALL, first_of_patient=True)
    kept = found.filter(found["measure"] == "duration_min")["value"].sort().to_list()
    assert kept == [4, 8, 9]
