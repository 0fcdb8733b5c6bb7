"""The Outcomes page says what the analyses found, and what is missing."""

import json

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from pages.shared import format as fmt
from tests.pages.app import charts, opened, texts

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


@pytest.mark.parametrize("show", ["Pain and function", "Responders"])
def test_few_cases_are_no_error(show: str) -> None:
    opened(PAGE, show=show, period="30d", procedure=fmt.procedure("PARS"))
