"""Significance: the answer agrees with SciPy on the rows, and says what it may say."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower
from streamlit.testing.v1 import AppTest

from analytics.workbench import OUTCOMES
from pages.shared import files
from tests.analytics.test_compare import OVERCLAIMS
from tests.pages.app import charts, opened, texts
from tests.pages.test_overview import rows  # noqa: F401

pytestmark = pytest.mark.usefixtures("demo_settings")
PAGE = "analysis/significance.py"


@pytest.fixture
def at() -> AppTest:
    return opened(PAGE)


def sentence(at: AppTest) -> str:
    return at.code[0].value


def one_per_patient(rows: pl.DataFrame) -> pl.DataFrame:  # noqa: F811
    end = rows["performed_on"].max()
    year = rows.filter(pl.col("performed_on") > pl.lit(end).dt.offset_by("-1y"))
    known = year.drop_nulls("patient_key").sort("performed_on", "procedure_id")
    first = known.unique("patient_key", keep="first", maintain_order=True)
    return pl.concat([first, year.filter(pl.col("patient_key").is_null())])


def test_duration_agrees_with_scipy_on_the_rows(at: AppTest, rows: pl.DataFrame) -> None:  # noqa: F811
    cases = one_per_patient(rows)
    ct, fluoroscopy = (
        np.log(cases.filter(pl.col("modality") == m)["duration_min"].drop_nulls().to_numpy())
        for m in ("CT", "fluoroscopy")
    )
    said = sentence(at)
    assert f"CT (n = {len(ct)}," in said and f"fluoroscopy (n = {len(fluoroscopy)}," in said
    ratio = np.exp(ct.mean() - fluoroscopy.mean())
    assert f"ratio of geometric means {ratio:.2f} (95 % CI" in said
    t = stats.ttest_ind(ct, fluoroscopy, equal_var=False)
    found = re.search(r"t\(([\d.]+)\) = (−?[\d.]+)", said)
    assert found is not None
    assert float(found[1]) == pytest.approx(t.df, abs=0.06)
    assert float(found[2].replace("−", "-")) == pytest.approx(t.statistic, rel=0.01)


def test_the_page_shows_checks_forest_and_programs(at: AppTest) -> None:
    assert "Why: positive and skewed" in texts(at)
    checks = pl.concat([pl.from_pandas(t.value) for t in at.table if "Check" in t.value.columns])
    assert {"records", "skewness", "zero or negative"} <= set(checks["Check"])
    forest = charts(at)[0]
    assert [layer["mark"]["type"] for layer in forest["layer"]] == ["rule", "rule", "point"]
    programs = [code.value for code in at.code[1:]]
    assert any("t.test(log(a), log(b)" in program for program in programs)
    assert any("stats.ttest_ind" in program for program in programs)


@pytest.mark.parametrize(
    "outcome, grouping, words",
    [
        ("complication", "modality", "percentage points"),
        ("satisfaction", "sex", "is higher than"),
        ("pain_relief_1mo", "site", "Brunner–Munzel"),
        ("effective_dose_msv", "modality", "ratio of geometric means"),
        ("kap_gycm2", "procedure", "ratio of geometric means"),
        ("duration_min", "year", "ratio of geometric means"),
    ],
)
def test_outcomes_and_groupings(at: AppTest, outcome: str, grouping: str, words: str) -> None:
    at.selectbox(key="outcome").set_value(outcome)
    at.selectbox(key="groups-by").set_value(grouping).run()
    assert not at.exception
    assert words in sentence(at)


@pytest.mark.parametrize("outcome", ["kap_gycm2", "ctdi_vol_mgy", "air_kerma_mgy"])
def test_indices_of_one_modality_are_not_compared_between_modalities(at, outcome) -> None:
    at.selectbox(key="outcome").set_value(outcome).run()
    assert not at.exception and not at.code
    assert "do not mean equal dose" in texts(at) and "effective dose" in texts(at)


def test_repeated_patients_cost_the_p_value(at: AppTest) -> None:
    at.toggle(key="first-only").set_value(False).run()
    assert not at.exception
    assert "belong to patients with several" in at.warning[0].value
    assert not at.code


def test_a_margin_brings_the_word_equivalence(at: AppTest) -> None:
    assert "equivalence" not in sentence(at)
    at.toggle(key="with-margin").set_value(True).run()
    assert "With the margin 0.800 to 1.25 set in advance" in sentence(at)
    at.selectbox(key="outcome").set_value("satisfied").run()
    assert not at.exception
    assert "set in advance" in sentence(at) or "margin" in sentence(at)


def test_fewer_than_two_groups_ask_for_more(at: AppTest) -> None:
    at.multiselect(key="compare-modality").set_value(["CT"]).run()
    assert not at.exception and not at.code
    assert "at least two groups" in texts(at)


def test_pain_before_and_after_agrees_with_scipy_on_the_rows(
    at: AppTest,
    rows: pl.DataFrame,  # noqa: F811
) -> None:
    at.button_group(key="design").set_value("times").run()
    assert not at.exception
    cases = one_per_patient(rows).drop_nulls(["pain_baseline", "pain_1mo"])
    scale = pl.when(pl.col("pain_scale") == "VAS 0-100").then(10).otherwise(1)
    change = cases.select((pl.col("pain_1mo") - pl.col("pain_baseline")) / scale).to_series()
    said = sentence(at)
    assert f"baseline (n = {len(change)}," in said
    mean = f"{change.mean():.2f}".replace("-", "−")
    assert f"Mean change {mean} points" in said
    assert "regression to the mean" in said
    at.button_group(key="score").set_value("odi").run()
    assert not at.exception


def test_three_times_give_friedman_and_pairs(at: AppTest) -> None:
    at.button_group(key="design").set_value("times").run()
    at.multiselect(key="times-pain").set_value(["baseline", "15min", "1mo"]).run()
    assert not at.exception
    assert "Friedman, χ²(2)" in sentence(at) and "Holm-adjusted" in sentence(at)
    assert any("friedman.test" in code.value for code in at.code)


def test_groups_over_time_are_read_time_by_time(at: AppTest) -> None:
    at.button_group(key="design").set_value("times").run()
    at.selectbox(key="followed-by").set_value("modality").run()
    assert not at.exception
    assert "mean difference at 1 month" in sentence(at)
    assert "between groups" in sentence(at) or "between patients" in str(
        [t.value for t in at.table]
    )
    at.multiselect(key="times-pain").set_value(["15min", "1mo", "6mo"]).run()
    assert not at.exception and "group × time" in sentence(at)


def test_a_response_at_two_times_gives_mcnemar(at: AppTest, rows: pl.DataFrame) -> None:  # noqa: F811
    at.button_group(key="design").set_value("times").run()
    at.button_group(key="score").set_value("responder").run()
    assert not at.exception
    cases = one_per_patient(rows).drop_nulls(["pain_baseline", "pain_15min", "pain_1mo"])
    cases = cases.filter(pl.col("pain_baseline") > 0)
    relief = [
        (cases["pain_baseline"] - cases[f"pain_{t}"]) / cases["pain_baseline"] >= 0.5
        for t in ("15min", "1mo")
    ]
    gained, lost = int((relief[1] & ~relief[0]).sum()), int((relief[0] & ~relief[1]).sum())
    assert f"{gained} gained and {lost} lost it." in sentence(at)


def test_two_columns_go_together_as_scipy_says(at: AppTest, rows: pl.DataFrame) -> None:  # noqa: F811
    at.button_group(key="design").set_value("pairs").run()
    assert not at.exception
    cases = one_per_patient(rows).drop_nulls(["bmi", "kap_gycm2"])
    rho = stats.spearmanr(cases["bmi"], cases["kap_gycm2"]).statistic
    assert f"ρ {rho:.3f}"[:7] in sentence(at)
    at.button_group(key="question").set_value("agreement").run()
    assert not at.exception and not at.code
    assert "different units" in texts(at)
    at.selectbox(key="pair-x").set_value("pain_baseline")
    at.selectbox(key="pair-y").set_value("pain_1mo").run()
    assert "95 % of the differences lie between" in sentence(at)


def test_crude_and_adjusted_stand_side_by_side(at: AppTest) -> None:
    tables = [pl.from_pandas(t.value, include_index=False) for t in at.table]
    (adjusted,) = [t for t in tables if "Adjusted (95 % CI)" in t.columns]
    assert adjusted["Crude, same records"].item() != adjusted["Adjusted (95 % CI)"].item()
    assert "not measured is not adjusted for" in texts(at)
    at.multiselect(key="covariates-modality").set_value([]).run()
    assert not at.exception and "Choose what to hold equal" in texts(at)


def said_why(at: AppTest) -> bool:
    assert not at.exception, at.exception[0].message
    said = texts(at).lower()
    reasons = ("fewer than two", "cannot be computed, because", "no procedure has both")
    return bool(at.code) or any(reason in said for reason in reasons)


def test_little_data_gives_reasons_and_no_traceback(lived_settings: Path) -> None:
    at = opened(PAGE)
    for outcome in OUTCOMES:
        at.selectbox(key="outcome").set_value(outcome.key).run()
        assert said_why(at) or "do not mean equal dose" in texts(at), outcome.key
    for grouping in ("sex", "procedure"):
        at.selectbox(key="groups-by").set_value(grouping).run()
        assert said_why(at), grouping
    at.button_group(key="design").set_value("times").run()
    for score in ("pain", "odi", "ndi", "responder"):
        at.button_group(key="score").set_value(score).run()
        assert said_why(at), score
    at.button_group(key="score").set_value("pain").run()
    at.selectbox(key="followed-by").set_value("sex").run()
    assert said_why(at)
    at.button_group(key="design").set_value("pairs").run()
    assert said_why(at)


ODD_LOG = """site,accession_number,modality,performed_on,duration_min,dlp_mgycm,complications,\
satisfaction,\
pain_scale,pain_baseline,pain_15min,pain_1mo,reader1,reader2,grade1,grade2
""" + "".join(
    f"north,A{i},{'CT' if i % 2 else 'XA'},2026-03-{i + 1:02d},20,"
    f"{'' if i % 2 == 0 else 50},none,5,NRS 0-10,5,5,5,{i}.5,"
    f"{i}.25,{'high' if i > 6 else 'low'},{'high' if i > 5 else 'low'}\n"
    for i in range(14)
)


@pytest.fixture
def ties(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """Open the page on a log of nothing but ties, with further columns of two readers."""
    from tests.conftest import run_etl
    from warehouse.settings import settings

    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "log.csv").write_text(ODD_LOG, encoding="utf-8")
    done = run_etl(tmp_path, "refresh")
    assert done.returncode in (0, 1), done.stdout + done.stderr
    monkeypatch.setenv("KERMA_DATA_DIR", str(tmp_path))
    settings.cache_clear()
    return opened(PAGE, period="all")


def test_all_ties_and_one_category_are_said(ties: AppTest) -> None:
    for outcome in ("duration_min", "complication", "satisfaction", "satisfied", "pain_1mo"):
        ties.selectbox(key="outcome").set_value(outcome).run()
        assert not ties.exception
        assert "cannot be computed, because" in texts(ties), outcome
    ties.button_group(key="design").set_value("times").run()
    assert not ties.exception and "cannot be computed, because" in texts(ties)
    ties.multiselect(key="times-pain").set_value(["baseline", "15min", "1mo"]).run()
    assert not ties.exception and "cannot be computed, because" in texts(ties)
    ties.button_group(key="score").set_value("responder").run()
    assert not ties.exception and "cannot be computed, because" in texts(ties)


def test_readers_in_further_columns_are_compared(ties: AppTest) -> None:
    ties.button_group(key="design").set_value("pairs").run()
    ties.button_group(key="question").set_value("agreement").run()
    ties.selectbox(key="pair-x").set_value("log:reader1")
    ties.selectbox(key="pair-y").set_value("log:reader2").run()
    assert not ties.exception
    assert "bias 0.250" in sentence(ties) or "differences do not vary" in sentence(ties)
    ties.selectbox(key="pair-x").set_value("log:grade1")
    ties.selectbox(key="pair-y").set_value("log:grade2").run()
    assert not ties.exception and "Cohen’s κ" in sentence(ties)
    ties.button_group(key="question").set_value("association").run()
    assert not ties.exception and "a column holds text" in texts(ties)


@pytest.mark.parametrize("design", ["groups", "times", "pairs"])
def test_no_answer_calls_groups_alike(at: AppTest, design: str) -> None:
    at.button_group(key="design").set_value(design).run()
    assert not OVERCLAIMS.search(sentence(at))


@pytest.mark.parametrize("outcome, grouping", [("complication", "sex"), ("Complications", "Sex")])
def test_a_link_asks_by_key_and_by_the_name_of_old(outcome: str, grouping: str) -> None:
    link = {"outcome": outcome, "groups-by": grouping, "compare-sex": ["M", "F"]}
    at = opened(PAGE, **link)
    assert sentence(at).startswith("Complications: M ")
    assert at.query_params["outcome"] == "complication"
    assert at.query_params["groups-by"] == "sex"
    assert at.query_params["compare-sex"] == ["M", "F"]


def test_a_choice_goes_to_the_address_and_the_usual_one_leaves_it(at: AppTest) -> None:
    assert "outcome" not in at.query_params
    at.selectbox(key="outcome").set_value("satisfied").run()
    assert at.query_params["outcome"] == "satisfied"
    at.toggle(key="with-margin").set_value(True).run()
    assert at.query_params["margin"] == ["binary", "-5", "5"]
    at.selectbox(key="outcome").set_value("duration_min").run()
    assert "outcome" not in at.query_params
    assert at.query_params["margin"] == ["duration", "0.8", "1.25"]


def test_a_link_states_the_margin() -> None:
    at = opened(PAGE, margin=["duration", "0.5", "2"])
    assert "With the margin 0.500 to 2.00 set in advance" in sentence(at)
    at = opened(PAGE, margin=["duration", "", "1.5"])
    assert at.number_input(key="low-duration").value is None and "1.50" in sentence(at)


@pytest.mark.parametrize(
    "margin", [["a", "b"], ["duration", "nan", "2"], ["binary", "1", "2"], ["duration", "x", "2"]]
)
def test_a_broken_link_is_not_obeyed(margin: list[str]) -> None:
    at = opened(PAGE, outcome="nonsense", margin=margin, records="maybe", design="x")
    assert "set in advance" not in sentence(at)


def test_downloads_say_that_first_records_were_taken(at: AppTest) -> None:
    filters = at.session_state["chosen_filters"]
    assert "first record of each patient" not in filters.words()
    taken = replace(filters, first_of_patient=True)
    lines = files.header("Effects", taken, pl.DataFrame()).lines()
    assert any("first record of each patient" in line for line in lines)
    assert taken.parameters() == filters.parameters()


def table_with(at: AppTest, column: str) -> pl.DataFrame:
    shown = (pl.from_pandas(table.value) for table in at.table)
    return next(table for table in shown if column in table.columns)


def test_balance_is_that_of_the_rows(at: AppTest, rows: pl.DataFrame) -> None:  # noqa: F811
    cases = one_per_patient(rows)
    ct, other = (
        cases.filter(pl.col("modality") == m)["bmi"].drop_nulls() for m in ("CT", "fluoroscopy")
    )
    smd = (ct.mean() - other.mean()) / np.sqrt((ct.var() + other.var()) / 2)
    size = pl.col("Characteristic").str.starts_with("Body mass")
    bmi = table_with(at, "Difference, SD").row(by_predicate=size, named=True)
    assert bmi["Difference, SD"].rstrip(" ▲").replace("−", "-") == f"{smd:.2f}"
    assert bmi["Difference, SD"].endswith("▲") == (abs(smd) > 0.1)
    assert bmi["CT"].endswith(f"n = {len(ct)}")
    at.selectbox(key="groups-by").set_value("sex").run()
    grouped = table_with(at, "Difference, SD")
    assert not at.exception and "Sex" not in grouped["Characteristic"]


def test_a_study_is_planned_from_the_spread_seen(at: AppTest, rows: pl.DataFrame) -> None:  # noqa: F811
    cases = one_per_patient(rows)
    logs = [
        np.log(cases.filter(pl.col("modality") == m)["duration_min"].drop_nulls().to_numpy())
        for m in ("CT", "fluoroscopy")
    ]
    degrees = sum(len(x) - 1 for x in logs)
    sd = np.sqrt(sum((len(x) - 1) * x.var(ddof=1) for x in logs) / degrees)
    at.number_input(key="worth-duration").set_value(1.5).run()
    power = TTestIndPower().solve_power(np.log(1.5) / sd, power=0.8, alpha=0.05)
    plan = table_with(at, "Question")
    assert plan["Answer"][0] == f"{int(np.ceil(power))} in each group"
    at.number_input(key="worth-duration").set_value(1.0).run()
    assert not at.exception and "the difference is zero" in table_with(at, "Question")["Answer"][0]
    at.selectbox(key="outcome").set_value("complication").run()
    assert "percentage points more" in table_with(at, "Question")["Answer"][2]
