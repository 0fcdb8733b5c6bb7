"""Dose outliers: what was planted is found by the rule meant for it, and little else."""

import json
import math
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from analytics.dose import size_band
from analytics.outliers import MAD_TO_SD, MIN_CASES
from etl import demo
from pages.dose import outlier_list
from pages.shared.filters import Filters
from tests.conftest import DEMO_END, DEMO_ROWS
from tests.pages.app import charts, opened, texts
from warehouse.connect import current_snapshot, cursor

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
        pl.col("status") == "completed",
    )
    return set(mine["procedure_id"])


def broke(found: outlier_list.Found, *rules: str) -> set[int]:
    return set(found.exceedances.filter(pl.col("rule_id").is_in(rules))["procedure_id"])


def test_planted_cases_are_found_by_the_rule_meant_for_them(procedures, planted) -> None:
    found = outlier_list.find(EVERYTHING)
    for name, rule in {
        "air_kerma_over_5_gy": "KAR_SRDL",
        "kap_over_500": "KAP_SRDL",
        "fluoro_time_over_60_min": "FT_SRDL",
    }.items():
        expected = numbers(procedures, planted[name])
        assert expected and expected <= broke(found, rule), name
    unit = numbers(procedures, planted["unit_error"]["accession_numbers"])
    assert unit and broke(found, "FIELD_AREA") == unit
    last = planted["cumulative_patient"]["accession_numbers"][-1:]
    assert numbers(procedures, last) <= broke(found, "KAR_6MO")


def test_a_rare_size_is_judged_by_all_sizes_of_its_procedure(procedures, planted) -> None:
    found = outlier_list.find(EVERYTHING)
    judged = found.exceedances.filter(pl.col("basis").str.contains("all sizes"))
    assert judged.height and judged["n_basis"].min() >= MIN_CASES
    far = numbers(procedures, planted["far_above_local_p95"]["accession_numbers"]["kap_gycm2"])
    assert len(far & set(found.cases["procedure_id"])) >= 0.5 * len(far)


def test_own_rules_leave_clean_cases_alone(procedures) -> None:
    judged = procedures.filter(~pl.col("is_test"), pl.col("status") == "completed")
    found = outlier_list.find(EVERYTHING)
    for rule in ("KAP_ROBUST", "KAP_OWN_P95", "DLP_ROBUST", "DLP_OWN_P95"):
        column = "kap_gycm2" if rule.startswith("KAP") else "dlp_mgycm"
        n = judged.filter(pl.col(column) > 0).height
        assert len(broke(found, rule)) <= 0.02 * n, rule


def test_the_own_scale_is_the_robust_one_of_the_last_twelve_months(procedures) -> None:
    found = outlier_list.find(EVERYTHING)
    broken = found.exceedances.filter(
        pl.col("rule_id") == "KAP_ROBUST", ~pl.col("basis").str.contains("all sizes")
    )
    case = broken.row(0, named=True)
    rows = procedures.with_columns(size_band())
    this = rows.filter(pl.col("procedure_id") == case["procedure_id"]).row(0, named=True)
    counted = rows.filter(~pl.col("is_test"), pl.col("status") == "completed")
    last = counted["performed_on"].max()
    kind = counted.filter(
        pl.col("performed_on") > pl.lit(last).dt.offset_by("-12mo"),
        pl.col("kap_gycm2") > 0,
        *(pl.col(name) == this[name] for name in ("modality", "procedure_code", "size_band")),
    )
    logs = np.log(kind["kap_gycm2"].to_numpy())
    spread = MAD_TO_SD * np.median(np.abs(logs - np.median(logs)))
    assert case["n_basis"] == len(logs) >= MIN_CASES
    expected = (math.log(this["kap_gycm2"]) - np.median(logs)) / spread
    threshold = next(r.threshold for r in outlier_list.rules() if r.rule_id == "KAP_ROBUST")
    assert case["score"] == pytest.approx(expected, rel=1e-9)
    assert case["limit"] == pytest.approx(
        math.exp(np.median(logs) + max(threshold * spread, math.log(1.35))), rel=1e-9
    )


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
    at = opened("dose/outliers.py", period="All")
    found = outlier_list.find(outlier_filters(at))
    scores = found.cases["score"].to_list()
    known = [score for score in scores if score is not None]
    assert scores[: len(scores) - len(known)] == [None] * (len(scores) - len(known))
    assert known == sorted(known, reverse=True)
    shown = at.dataframe[0].value
    assert shown["Case"].to_list() == found.cases["procedure_id"].to_list()[:50]
    at.multiselect(key="rule").set_value(["FIELD_AREA"]).run()
    cases = at.dataframe[0].value
    assert set(cases["Case"]) == broke(found, "FIELD_AREA")
    assert all("Unit error suspected" in why for why in cases["Why"])


def outlier_filters(at: AppTest) -> Filters:
    return at.session_state["chosen_filters"]


def test_a_chosen_row_shows_the_case_among_its_own_kind() -> None:
    at = opened("dose/outliers.py", period="All")
    at.multiselect(key="rule").set_value(["KAP_ROBUST"]).run()
    ids = at.dataframe[0].value["Case"].to_list()
    at.selectbox(key="chosen_case").set_value(ids[1]).run()
    assert f"Case {ids[1]} ·" in at.selectbox(key="chosen_case").format_func(ids[1])
    assert "far out of own kind" in texts(at)
    (chart,) = charts(at)
    assert {"This case", "Limit"} <= set(json.dumps(chart).split('"'))


def test_rules_name_source_and_state() -> None:
    at = opened("dose/outliers.py", period="All")
    rules = at.dataframe[1].value
    state = dict(zip(rules["Rule"], rules["State"], strict=True))
    assert state["KAR_SRDL"] == "in force"
    assert state["KAP_NOTIFY"] == "off: source not verified"
    assert rules["Source"].str.len().min() > 5


def test_without_any_hit_the_page_says_so() -> None:
    at = opened("dose/outliers.py", modality="ultrasound")
    assert not at.dataframe or "Case" not in at.dataframe[0].value.columns
    assert "No case of this view" in texts(at)
