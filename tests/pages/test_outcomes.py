"""The Outcomes page says what the analyses found, and what is missing."""

import json
import re

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from pages.shared import auth
from pages.shared import format as fmt
from tests.pages.app import charts, opened, texts
from tests.people import manager

pytestmark = pytest.mark.usefixtures("demo_settings")
PAGE = "analysis/outcomes.py"


def tables(at: AppTest) -> list[pl.DataFrame]:
    return [pl.from_pandas(table.value, include_index=False) for table in at.table]


def test_scores_come_with_completeness_change_and_bounds() -> None:
    at = opened(PAGE, period="all")
    said = texts(at)
    assert "have a score of Pain" in said and "Ostelo 2008" in said
    specs = json.dumps(charts(at))
    assert "Scored of due" in specs and "Change from baseline, points of 10" in specs
    difference = next(t for t in tables(at) if "Mixed model (95 % CI)" in t.columns)
    assert difference["At"].to_list()[3] == "1 month"
    assert difference["Simple difference (95 % CI)"][3].startswith("−0.")
    assert difference["Mixed model (95 % CI)"][3].startswith("−0.")
    bounds = next(t for t in tables(at) if "Best to worst case" in t.columns)
    assert bounds.height == 21


def test_a_view_without_scores_says_so() -> None:
    at = opened(PAGE, procedure=fmt.procedure("NEPHRO"), period="all")
    assert "No procedure in this view has a score" in texts(at) and not charts(at)


def test_responders_flow_and_number_needed() -> None:
    at = opened(PAGE, show="Responders", period="all")
    said = texts(at)
    assert "became responders" in said and "McNemar" in said
    classes = next(t for t in tables(at) if "Reduction" in t.columns)
    assert classes["Reduction"].to_list()[:6] == [
        "100 %", "75–99 %", "50–74 %", "1–49 %", "0 %", "increased",
    ]  # fmt: skip
    needed = next(t for t in tables(at) if "Number needed to treat (95 % CI)" in t.columns)
    month = needed.filter((pl.col("Compared") == "fluoroscopy v CT") & (pl.col("At") == "1 month"))
    assert "to benefit" in month["Number needed to treat (95 % CI)"].item()
    flow = [spec for spec in charts(at) if "layer" in spec and "not yet due" in json.dumps(spec)]
    assert flow, "the missing are drawn, not dropped"


@pytest.mark.parametrize(
    "show",
    [
        "Pain and function",
        "Responders",
        "Predictors",
        "Reader agreement",
        "Complications",
        "Satisfaction",
    ],
)
def test_few_cases_are_no_error(show: str) -> None:
    opened(PAGE, show=show, period="30d", procedure=fmt.procedure("PARS"))


def test_complications_have_exact_intervals_terms_and_cases() -> None:
    at = opened(PAGE, show="Complications", period="All")
    said = texts(at)
    assert "Documented for" in said and "Clopper–Pearson" in said and "**Signals:**" in said
    terms = next(t for t in tables(at) if "Term" in t.columns)
    assert terms["Term"][0] == "vasovagal reaction" and set(terms["Scale"]) == {"CIRSE 2017"}
    assert at.dataframe[0].value.shape[0] > 10
    assert "g-chart" in texts(
        opened(PAGE, show="Complications", period="All", chart="Cases between events (g-chart)")
    )


def test_satisfaction_stands_around_the_middle_with_its_response_rate() -> None:
    at = opened(PAGE, show="Satisfaction", period="All")
    table = next(t for t in tables(at) if "Top two (95 % CI)" in t.columns)
    assert set(table["Group"]) == {"CT", "fluoroscopy", "ultrasound"}
    assert all(cell.startswith("9") for cell in table["Top two (95 % CI)"])
    odds = next(t for t in tables(at) if "Odds ratio (95 % CI)" in t.columns)
    assert odds.height == 2 and "McCullagh" in texts(at)


def test_predictors_name_the_optimism_of_their_own_data() -> None:
    at = opened(PAGE, show="Predictors", period="All")
    said = texts(at)
    ratios = next(t for t in tables(at) if "Odds ratio (95 % CI)" in t.columns)
    assert "Modality: CT" in ratios["Predictor"] and "Age, each 10 years" in ratios["Predictor"]
    accuracy = next(t for t in tables(at) if "Optimism" in t.columns)
    assert accuracy["Figure"].to_list() == [
        "Sensitivity", "Specificity", "PPV", "NPV", "Accuracy", "AUC", "Calibration slope",
        "Explained variability (Nagelkerke)",
    ]  # fmt: skip
    assert "10 folds" in said and "flatters" in said
    assert "Predicted to respond" in json.dumps(charts(at))
    at.multiselect(key="predictors").set_value([]).run()
    assert not at.exception and "at least one predictor" in texts(at)


def test_without_columns_read_twice_the_page_says_how_to_name_them() -> None:
    at = opened(PAGE, show="Reader agreement", period="30d", procedure=fmt.procedure("NEPHRO"))
    assert "_reader_1" in texts(at)


def test_readers_of_the_pars_injections_agree_as_planted() -> None:
    at = opened(PAGE, show="Reader agreement", period="All")
    (row,) = next(t for t in tables(at) if "Word" in t.columns).to_dicts()
    assert row["Read"] == "Isthmic oedema" and row["Word"] == "almost perfect"
    kappa = float(row["Agreement (95 % CI)"].split(" ")[1])
    assert 0.85 < kappa < 1, "the readers differ in 3 %"


def test_oedema_predicts_response_as_planted() -> None:
    at = opened(PAGE, show="Predictors", period="All", procedure=fmt.procedure("PARS"))
    at.multiselect(key="predictors").set_value(["extra:isthmic_oedema_reader_1"]).run()
    assert not at.exception
    ratios = next(t for t in tables(at) if "Odds ratio (95 % CI)" in t.columns)
    name, ratio, _, risks = ratios.row(0)
    assert "isthmic oedema reader 1: no" in name.casefold()
    assert float(ratio.split(" ")[0]) < 0.7, "against those with oedema"
    without, with_oedema = (float(share.removesuffix("\u202f%")) for share in risks.split(", "))
    assert without < with_oedema
    alone = next(t for t in tables(at) if "Did not respond" in t.columns)
    assert alone.height == 1 and "χ²" in alone["Test"][0]
    assert re.search(r"no \d+; yes \d+", alone["Responded"][0].lower())


@pytest.mark.parametrize("show", ["Predictors", "Reader agreement"])
def test_a_manager_sees_no_further_columns_and_no_error(
    show: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "person", lambda: manager("M"))
    at = opened(PAGE, show=show, period="All")
    if show == "Predictors":
        offered = at.multiselect(key="predictors").options
        assert "Modality" in offered and not any("isthmic" in option for option in offered)
    else:
        assert "for physicians and radiation safety" in texts(at)
