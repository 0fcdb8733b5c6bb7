"""Significance: the answer agrees with SciPy on the rows, and says what it may say."""

import re

import numpy as np
import polars as pl
import pytest
from scipy import stats
from streamlit.testing.v1 import AppTest

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
