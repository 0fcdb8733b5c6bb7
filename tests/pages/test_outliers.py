"""Dose outliers: what was planted is found by the rule meant for it; list, case and review."""

import json
import os
import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from analytics.dose import size_band
from analytics.outliers import MIN_CASES, rules_from
from etl import demo
from pages.dose import case_chart, outlier_list
from pages.dose.case_chart import reference_of
from pages.dose.measures import MEASURES
from pages.dose.outlier_list import Choice
from pages.shared.filters import Filters
from tests.conftest import DEMO_END, DEMO_ROWS, use_data
from tests.pages.app import charts, opened, texts
from warehouse import reviews
from warehouse.access import SYSTEM
from warehouse.case_keys import case_key_expr
from warehouse.connect import current_snapshot, cursor
from warehouse.reference import trigger_levels
from warehouse.review_form import ReviewForm
from warehouse.settings import settings

pytestmark = pytest.mark.usefixtures("demo_settings")
EVERYTHING = Filters(date(2000, 1, 1), date(2100, 1, 1))


@pytest.fixture
def procedures(demo_data: Path) -> pl.DataFrame:
    """Return the stored procedures, without the queries under test."""
    snapshot = current_snapshot(demo_data / "snapshots")
    assert snapshot is not None
    with cursor(snapshot) as cur:
        return cur.sql("select * from procedure").pl()


@pytest.fixture(scope="session")
def planted() -> dict:
    """Return what the demo says it planted."""
    return json.loads(json.dumps(demo.log(DEMO_ROWS, 1, DEMO_END)[1], default=str))


def numbers(procedures: pl.DataFrame, accessions: list[str]) -> set[int]:
    mine = procedures.filter(
        pl.col("accession_number").is_in(accessions),
        ~pl.col("is_test"),
        pl.col("status").is_in(["completed", "discontinued"]),
    )
    return set(mine["procedure_id"])


def broke(*rules: str) -> set[int]:
    """Return the cases that the list shows for rules, whatever the page's own default."""
    found, _, total = outlier_list.cases(EVERYTHING, Choice(rules=rules), 0, 10_000)
    assert total == found.height
    return set(found["procedure_id"])


def test_planted_cases_are_found_by_the_rule_meant_for_them(procedures, planted) -> None:
    """Those that are off until confirmed are tried in tests/etl/test_demo_rules.py."""
    shipped = trigger_levels()
    on = {rule.rule_id for rule in rules_from(shipped)}
    meant = {rule: listed for rule, listed in planted["found_by_rule"].items() if rule in on}
    assert len(meant) == 13
    for rule, accessions in meant.items():
        assert numbers(procedures, accessions) <= broke(rule), rule
    unit = numbers(procedures, planted["unit_error"]["accession_numbers"])
    assert unit and broke("FIELD_AREA") == unit


def test_a_rare_size_is_judged_by_all_sizes_of_its_procedure() -> None:
    _, alerts, _ = outlier_list.cases(EVERYTHING, Choice(), 0, 10_000)
    judged = alerts.filter(pl.col("basis").str.contains("all sizes"))
    assert judged.height and judged["n_basis"].min() >= MIN_CASES


def test_size_bands_of_warehouse_and_analytics_are_the_same(demo_data: Path) -> None:
    snapshot = current_snapshot(demo_data / "snapshots")
    assert snapshot is not None
    edges = [None, 0.0, 4.9, 5.0, 14.9, 15.0, 18.4, 18.5, 24.9, 25.0, 29.9, 30.0, 50.0, 80.0, 90.0]
    ages = [None, 0.0, 15.9, 16.0, 60.0]
    grid = pl.DataFrame(
        [(age, w, b) for age in ages for w in edges for b in edges],
        schema={"age_years": pl.Float64, "weight_kg": pl.Float64, "bmi": pl.Float64},
        orient="row",
    ).with_columns(size_band())
    sql = (
        "select size_band(a, w, b) as band from "
        "(select unnest($a::double[]) a, unnest($w::double[]) w, unnest($b::double[]) b)"
    )
    with cursor(snapshot) as cur:
        given = {
            "a": grid["age_years"].to_list(),
            "w": grid["weight_kg"].to_list(),
            "b": grid["bmi"].to_list(),
        }
        bands = cur.sql(sql, params=given).pl()["band"]
    assert bands.to_list() == grid["size_band"].to_list()


def test_the_list_is_sorted_and_filtered_by_rule() -> None:
    at = opened("dose/outliers.py", period="all")
    listed, _, _ = outlier_list.cases(at.session_state["chosen_filters"], Choice(reviews.TO_DO))
    assert listed["score"].to_list() == sorted(listed["score"], reverse=True)
    assert at.dataframe[0].value["Case"].to_list() == listed["procedure_id"].to_list()
    at.multiselect(key="rule").set_value(["FIELD_AREA"]).run()
    cases = at.dataframe[0].value
    assert set(cases["Case"]) == broke("FIELD_AREA")
    assert all("Unit error suspected" in why for why in cases["Why"])


def test_every_filter_leaves_what_it_says(procedures: pl.DataFrame) -> None:
    """The list's own state, rule and size, and those of the bar, against the rows themselves."""
    everything, _, _ = outlier_list.cases(EVERYTHING, Choice(), 0, 10_000)
    facts = procedures.filter(pl.col("procedure_id").is_in(everything["procedure_id"].implode()))
    for column, field in (
        ("modality", "modalities"), ("room", "rooms"), ("operator", "operators"), ("site", "sites"),
    ):  # fmt: skip
        value = facts[column].drop_nulls()[0]
        only = Filters(EVERYTHING.from_date, EVERYTHING.to_date, **{field: (value,)})
        found, _, _ = outlier_list.cases(only, Choice(), 0, 10_000)
        assert set(found["procedure_id"]) == set(
            facts.filter(pl.col(column) == value)["procedure_id"]
        ), column
    for band, n in outlier_list.count(EVERYTHING, Choice(), "size_band").items():
        found, _, total = outlier_list.cases(EVERYTHING, Choice(size_bands=(band,)), 0, 10_000)
        assert total == n
        assert set(found["size_band"]) == {band}


def test_pages_of_the_list_hold_every_case_once() -> None:
    whole, _, total = outlier_list.cases(EVERYTHING, Choice(), 0, 10_000)
    paged = [outlier_list.cases(EVERYTHING, Choice(), at, 7)[0] for at in range(0, total, 7)]
    assert pl.concat(paged)["review_id"].to_list() == whole["review_id"].to_list()


def test_a_chosen_row_shows_the_case_among_its_own_kind() -> None:
    at = opened("dose/outliers.py", period="all")
    at.multiselect(key="rule").set_value(["KAP_ROBUST"]).run()
    chosen = at.selectbox(key="chosen_case")
    at.selectbox(key="chosen_case").set_value(chosen.value).run()
    assert "far out of own kind" in texts(at)
    specs = [json.dumps(chart).split('"') for chart in charts(at)]
    assert any({"This case", "Limit"} <= set(spec) for spec in specs)


def test_a_single_case_of_its_kind_has_no_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    alone = pl.DataFrame({"n_all": [1], "median": [469.0], "p95": [469.0]})
    monkeypatch.setattr(case_chart, "_own_kind", lambda _row, _name: (alone, None))
    monkeypatch.setattr(case_chart.st, "info", said.append)
    row = {"procedure_code": None, "procedure_name": "Cardiac", "modality": "fluoroscopy"}
    case_chart.distribution_chart(row, "kap_gycm2", 469.0, None)
    kind = "Cardiac, fluoroscopy, all sizes"
    assert said == [f"A single case of this kind has KAP in these months: {kind}."]


def test_a_case_stands_beside_the_level_of_its_procedure_and_a_child_beside_none() -> None:
    """TFESI_L borrows the Belgian level of transforaminal injections, 3.0 Gy·cm²."""
    adult = {"modality": "fluoroscopy", "procedure_code": "TFESI_L", "child": False,
             "size_band": "BMI 25–30"}  # fmt: skip
    of = MEASURES["kap_gycm2"]
    assert reference_of(adult, of).drl == 3.0
    assert reference_of(adult | {"procedure_code": None}, of).drl is None
    for band in ("child 15–30 kg", "size unknown"):
        assert reference_of(adult | {"child": True, "size_band": band}, of).drl is None


def test_without_any_hit_the_page_says_so() -> None:
    at = opened("dose/outliers.py", modality="ultrasound")
    assert not at.dataframe
    assert "No case of this view has an alert" in texts(at)


@pytest.fixture
def written(demo_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the demo that a test may write reviews into."""
    folder = tmp_path / "data"
    shutil.copytree(demo_data, folder, symlinks=True)
    monkeypatch.setenv("KERMA_USER", "Ada Review")
    next(use_data(folder, monkeypatch))
    return folder


def case_page(number: int) -> AppTest:
    at = AppTest.from_file(str(Path(__file__).parents[2] / "app.py"), default_timeout=60)
    at.run()
    at.query_params["id"] = str(number)
    at.switch_page(str(Path(__file__).parents[2] / "pages" / "data" / "case.py")).run()
    assert not at.exception, at.exception[0].message
    return at


def widget(at: AppTest, kind: str, name: str):
    return next(w for w in at.get(kind) if w.key and w.key.endswith(f"-{name}"))


def press(at: AppTest, label: str) -> None:
    next(b for b in at.button if b.label == label).click().run()
    assert not at.exception, at.exception[0].message


def fill(at: AppTest, narrative: str) -> None:
    widget(at, "selectbox", "data_check").set_value("confirmed")
    widget(at, "selectbox", "justification").set_value("patient size")
    widget(at, "selectbox", "outcome").set_value("justified and optimised")
    widget(at, "text_area", "narrative").set_value(narrative)


def test_a_review_from_the_case_page_and_its_sign_off(written: Path, monkeypatch) -> None:
    number = next(iter(broke("KAR_SRDL")))
    at = case_page(number)
    assert "Rule KAR_SRDL, in force from" in texts(at) and "NCRP 168" in texts(at)
    press(at, "Submit for sign-off")
    assert "still needs: data check, justification" in at.error[0].value
    fill(at, "obese patient, biliary drainage")
    press(at, "Submit for sign-off")
    assert "Submitted" in at.success[0].value and "awaiting sign-off" in texts(at)
    press(at, "Sign off")
    assert "second sign-off is someone else's" in at.error[0].value
    monkeypatch.setenv("KERMA_USER", "Grace Second")
    settings.cache_clear()
    at = case_page(number)
    press(at, "Sign off")
    assert "Review: closed" in texts(at)
    listed = opened("dose/outliers.py", period="all")
    assert number not in listed.dataframe[0].value["Case"].to_list()


def test_two_reviewers_at_once_lose_nothing(written: Path) -> None:
    number = next(iter(broke("KAR_SRDL")))
    mine = case_page(number)
    theirs = case_page(number)
    fill(theirs, "written by the other")
    press(theirs, "Save")
    fill(mine, "written by me")
    press(mine, "Save")
    said = "\n".join(w.value for w in mine.warning)
    assert "changed this review while you were writing" in said
    assert widget(mine, "text_area", "narrative").value == "written by me"
    shown = [table.value for table in mine.dataframe if "Stands now" in table.value.columns]
    assert "written by the other" in shown[0]["Stands now"].to_list()
    press(mine, "Go on with mine")
    press(mine, "Save")
    assert "Saved" in mine.success[0].value
    (stands,) = [
        r
        for r in reviews.reviews_of(settings(), key_of(number), SYSTEM)
        if isinstance(r.form, ReviewForm)
    ]
    assert stands.form.narrative == "written by me"
    told = reviews.history(settings(), [stands.review_id], SYSTEM)["details"].str.join("\n")[0]
    assert "written by the other" in told and "written by me" in told


def key_of(number: int) -> str:
    snapshot = current_snapshot(Path(os.environ["KERMA_DATA_DIR"]) / "snapshots")
    assert snapshot is not None
    with cursor(snapshot) as cur:
        rows = cur.sql("select * from procedure where procedure_id = $n", params={"n": number}).pl()
    return rows.select(case_key_expr()).item()


def test_an_rso_confirms_a_rule_and_the_cases_are_judged_by_it(written: Path) -> None:
    assert not broke("KAP_NOTIFY")
    at = AppTest.from_file(str(Path(__file__).parents[2] / "app.py"), default_timeout=120)
    at.run()
    at.query_params["edit"] = "KAP_NOTIFY"
    at.switch_page(str(Path(__file__).parents[2] / "pages" / "dose" / "rules.py")).run()
    state = {row["Rule"]: row["State"] for row in at.dataframe[0].value.to_dict("records")}
    assert state["KAP_NOTIFY"] == "off: source not verified" and state["KAR_SRDL"] == "in force"
    at.toggle[0].set_value(True)
    press(at, "Record")
    assert "why is needed" in at.error[0].value
    widget(at, "text_input", "why").set_value("table of the source read")
    widget(at, "date_input", "valid_from").set_value(date(2026, 3, 1))
    press(at, "Record")
    assert "KAP_NOTIFY: version 1 recorded" in at.success[0].value
    found, _, _ = outlier_list.cases(EVERYTHING, Choice(rules=("KAP_NOTIFY",)), 0, 10_000)
    assert found.height and found["performed_on"].min() >= date(2026, 3, 1)
    periods = at.dataframe[1].value
    assert periods["State"].to_list() == ["off", "on"]
    assert periods["Who"].to_list()[1] == "Ada Review"
