"""Every query for every role: who is refused, what another site changes, whom it names.

Two warehouses hold the same cases of one site and different ones of another: whatever a reader of
the first site can tell apart is a figure into which cases of the other went.
"""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl import demo
from etl.demo import files
from tests.conftest import run_etl
from warehouse.access import ROLES, RefusedError, Scope
from warehouse.connect import current_snapshot
from warehouse.queries import FILTER_PARAMETERS, FOLDER, SCOPE_PARAMETERS, parameters, rule, run

END = date(2026, 11, 20)
MINE, OTHER = "Northgate", "Harbour"
MARK = "Zz Marker"
NAMES = sorted(path.stem for path in FOLDER.glob("*.sql"))
#: A value for every parameter of every query.
GIVEN: dict[str, Any] = {
    "at": "1mo", "days_later": 5, "extra_fields": [], "first": "pattern", "second": "pattern",
    "timepoints": ["1wk", "1mo"], "age_from": 0.0,
    "area_high": 1600.0, "area_low": 10.0, "at_1": "1wk", "at_2": "1mo",
    "at_3": "3mo", "at_4": "6mo", "bins_per_decade": 10, "block_from": 480, "block_to": 960,
    "child": False, "clock_changes": [], "course_from": None, "covariates": ["age"],
    "current_from": date(2026, 6, 1), "day": date(2026, 11, 3), "dose_index": "kap_gycm2",
    "factor": 3.0, "few": 1000, "first_of_patient": False, "group_by": "operator", "log": True,
    "longest": 720, "longest_gap": 90, "min_n": 5, "modality": "fluoroscopy", "months": 6,
    "most": 500, "open_only": False, "outcome": "duration_min", "outcome_scale": "pain",
    "procedure": None, "procedure_id": None, "procedure_key": None, "room": None, "rule": None,
    "score": "pain", "shift_from": 360, "shift_to": 1320, "size_band": None, "skip": 0,
    "stratum": None, "term": None, "times": ["baseline", "1mo"], "unit": "operator",
    "x": "bmi", "x_extra": None, "y": "duration_min", "y_extra": None,
}  # fmt: skip
#: When the warehouse was loaded differs between the two, whoever asks.
CLOCK = {"loaded_at", "arrived_at", "file_arrived_at", "source_at", "run_id", "changed_at"}


def fill(folder: Path, seed: int, rows: int) -> Path:
    """Load the same cases of one site, then others of the other, whose names carry a mark."""
    inbox = folder / "inbox"
    inbox.mkdir(parents=True)
    log, _ = demo.log(1200, 1, END)
    files.write_csv(log.filter(pl.col("site") == MINE), inbox / "a.csv")
    assert run_etl(folder, "refresh").returncode in (0, 1)
    more, _ = demo.log(rows, seed, END)
    named = pl.format("{} {}", pl.lit(MARK), "operator")
    others = more.filter(pl.col("site") == OTHER).with_columns(
        named.alias("operator"), pl.col("kap_gycm2") * seed, room=pl.format("{} Z", "room")
    )
    files.write_csv(others, inbox / "b.csv")
    assert run_etl(folder, "refresh").returncode in (0, 1)
    found = current_snapshot(folder / "snapshots")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    base = tmp_path_factory.mktemp("scope")
    with pytest.MonkeyPatch.context() as env:
        env.setenv("KERMA_PSEUDONYM_KEY", "one-key-of-sufficient-length-for-both")
        return fill(base / "one", 2, 1200), fill(base / "two", 3, 800)


def asked(name: str, snapshot: Path) -> dict[str, Any]:
    """Return values for a query's parameters; the case is one of the reader's site."""
    missing = parameters(name) - set(GIVEN) - set(FILTER_PARAMETERS) - set(SCOPE_PARAMETERS)
    missing -= set(KEY)
    assert not missing, f"add a value for {sorted(missing)} to GIVEN in {Path(__file__).name}"
    common = run("trends_choices", snapshot, Scope(("rso",), (MINE,))).filter(
        pl.col("modality") == "fluoroscopy"
    )["procedure"][0]
    case = run("outcomes_cases", snapshot, Scope(("rso",), (MINE,)), most=1)["procedure_id"][0]
    values = GIVEN | {"procedure": common, "procedure_key": common, "procedure_id": case}
    given = {key: value for key, value in values.items() if key in parameters(name)}
    if name == "alerts_ids":
        row = run("case_row", snapshot, Scope(("rso",)), procedure_id=case).row(0, named=True)
        given |= {key: [row[column]] for key, column in KEY.items()}
    return given


KEY = {
    "sites": "site", "accessions": "accession_number", "days": "performed_on",
    "devices": "device", "starts": "procedure_start_at", "modalities": "modality",
}  # fmt: skip


def told(name: str, snapshot: Path, scope: Scope) -> pl.DataFrame:
    rows = run(name, snapshot, scope, **asked(name, snapshot))
    kept = [column for column in rows.columns if column not in CLOCK]
    return rows.select(kept)


def texts(rows: pl.DataFrame) -> str:
    return rows.write_json()


def people() -> list[str]:
    return [name for name in NAMES if rule(name).roles & set(ROLES)]


@pytest.mark.parametrize("name", NAMES)
def test_a_role_that_is_not_named_is_refused(name: str, both: tuple[Path, Path]) -> None:
    for role in ROLES:
        if role in rule(name).roles:
            told(name, both[0], Scope((role,), own=("Dr Abara",)))
            continue
        with pytest.raises(RefusedError):
            run(name, both[0], Scope((role,)))
    with pytest.raises(RefusedError):
        run(name, both[0], Scope(()))


@pytest.mark.parametrize("name", people())
def test_no_figure_of_another_site_reaches_a_reader(name: str, both: tuple[Path, Path]) -> None:
    roles = tuple(rule(name).roles & set(ROLES))
    scope = Scope(roles, (MINE,))
    if rule(name).all_sites:
        with pytest.raises(RefusedError, match="all sites"):
            run(name, both[0], scope)
        return
    one, two = (told(name, snapshot, scope) for snapshot in both)
    assert sorted(texts(one)) == sorted(texts(two)), "another site's cases change what it tells"
    assert MARK not in texts(one) and OTHER not in texts(one)
    nobody = run(name, both[0], Scope(roles, ()), **asked(name, both[0]))
    assert MARK not in texts(nobody) and MINE not in texts(nobody)


@pytest.mark.parametrize("name", people())
def test_nobody_is_named_to_those_who_are_not_to_know(name: str, both: tuple[Path, Path]) -> None:
    known = run("filter_values", both[0], Scope(("rso",))).filter(pl.col("field") == "operator")
    names = known["value"].to_list()
    me = next(n for n in names if MARK not in n)
    for scope in (Scope(("manager",)), Scope(("physician",), own=(me,))):
        if not rule(name).roles & set(scope.roles):
            continue
        rows = told(name, both[0], scope)
        named = {n for n in names if n in texts(rows)} - set(scope.own)
        assert not named, (
            f"{scope.roles[0]} reads {sorted(named)[:2]}: give operators as warehouse/masking.py "
            "says, or leave them out"
        )
        if "procedure_id" in rows.columns:
            assert scope.roles == ("physician",), "a manager sees no single case"
            mine = run("outcomes_cases", both[0], scope, most=10_000)["procedure_id"]
            assert "scope_operators" in parameters(name), (
                "a physician sees the number of own cases only: $scope_operators, as in "
                "queries/case_row.sql"
            )
            assert mine.len() > 0


def test_a_masked_operator_is_chosen_by_code_only(both: tuple[Path, Path]) -> None:
    manager = Scope(("manager",))
    offered = run("filter_values", both[0], manager).filter(pl.col("field") == "operator")
    every = run("filter_values", both[0], Scope(("rso",))).filter(pl.col("field") == "operator")
    assert sorted(offered["n"]) == sorted(every["n"]) and offered["value"].n_unique() == len(every)
    code, n = offered.select("value", "n").row(0)
    assert run("counts", both[0], manager, operators=(code,))["n_shown"].item() == n
    for name in every["value"]:
        assert run("counts", both[0], manager, operators=(name,))["n_shown"].item() == 0
    again = run("filter_values", both[1], manager).filter(pl.col("field") == "operator")
    assert set(offered["value"]) & set(again["value"]), "the same person has the same code"


ATTACKS = (
    "x' or 1=1 --", "'); drop table procedure; --", "$scope_sites", "\x00", "%", "<script>", "",
    "a" * 10_000, "Northgate') or true or list_contains(['",
)  # fmt: skip


@pytest.mark.parametrize("field", ["modalities", "procedures", "sites", "rooms", "operators"])
def test_sql_in_a_filter_is_only_text(field: str, both: tuple[Path, Path]) -> None:
    scope = Scope(("manager",), (MINE,))
    before = run("counts", both[0], scope)["n_shown"].item()
    for attack in ATTACKS:
        assert run("counts", both[0], scope, **{field: (attack,)})["n_shown"].item() == 0
    assert run("counts", both[0], scope)["n_shown"].item() == before > 0
