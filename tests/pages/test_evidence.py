"""Evidence: known meta-analyses come out through the page; ours stands beside, never inside."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.analytics.test_evidence import ORACLE, expected, needs_oracle, rows_of
from tests.conftest import use_data
from tests.pages.app import charts, opened, texts
from tests.people import rso
from warehouse import evidence
from warehouse.evidence import append, checked
from warehouse.settings import Settings

PAGE = "analysis/evidence.py"
STUDY = "Study: first author and year *"


@pytest.fixture
def site(demo_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Read the demo warehouse in a folder of its own, so that studies can be added."""
    os.symlink(demo_data / "snapshots", tmp_path / "snapshots")
    yield from use_data(tmp_path, monkeypatch)


def view(at: AppTest, name: str) -> AppTest:
    at.segmented_control(key="view").set_value(name).run()
    assert not at.exception, at.exception[0].message
    return at


def question(at: AppTest, text: str) -> AppTest:
    found = next(q for q in at.selectbox(key="question").options if q.startswith(text))
    at.selectbox(key="question").set_value(found).run()
    assert not at.exception, at.exception[0].message
    return at


@needs_oracle
def test_bcg_as_a_sites_file_comes_out_as_in_r(site: Path) -> None:
    rows = [
        checked({k: v for k, v in r.items() if v not in (None, "")}) for r in rows_of("bcg.csv")
    ]
    tb = [r.model_copy(update={"question": "TB"}) for r in rows]
    append(Settings(data_dir=site), tb, rso("A. Person"))
    at = question(opened(PAGE), "TB")
    said = at.code[0].value
    # R: rma(yi, vi, method = "REML", test = "knha")
    want = expected("meta_bcg")["expected"]["hk"]["REML"]
    ends = [f"{math.exp(want[k]):.3g}" for k in ("mu", "lo", "hi")]
    assert f"risk ratio {ends[0]} (95 % CI {ends[1]} to {ends[2]}" in said
    assert f"τ² {want['tau2']:.3g}, I² {want['I2']:.0f} %" in said
    marks = [layer["mark"]["type"] for layer in charts(at)[0]["layer"][0]["layer"]]
    assert marks.count("area") == 1 and "rule" in marks and "point" in marks
    assert "Egger's test: t = " in texts(at)
    assert "Subgroup differences: χ²" in texts(at)
    assert "No figure of ours beside it" in texts(at)


@pytest.mark.usefixtures("site")
def test_the_same_patients_are_refused_and_then_warned_of() -> None:
    at = opened(PAGE)
    assert "same patients enter more than once (Viderman 2023)" in texts(at)
    at.toggle(key="repeats").set_value(True)
    at.toggle(key="knapp").set_value(False)
    at.selectbox(key="model").set_value("fixed").run()
    assert "risk ratio 0.99 (95 % CI 0.49 to 2;" in at.code[0].value
    assert "narrower than they allow" in texts(at)


@pytest.mark.usefixtures("site")
def test_every_shipped_question_draws() -> None:
    at = opened(PAGE)
    for text in at.selectbox(key="question").options:
        at.selectbox(key="question").set_value(text).run()
        assert not at.exception, f"{text}: {at.exception[0].message}"
        assert len(charts(at)) >= 1, text


@pytest.mark.usefixtures("site")
def test_ours_stands_beside_and_never_in_the_pool() -> None:
    at = question(opened(PAGE), "Responders")
    said = texts(at)
    assert "Ours, 1 month, CT: " in said and "routine care; pain at least 50 % below" in said
    at = question(at, "Radiation")
    assert "the dose quantity is not stated" in texts(at)
    at = view(at, "ours")
    beside = at.table[0].value
    assert {"Published", "Ours", "Our definition", "Source"} <= set(beside.columns)
    assert "73 of 134 (54.5" in "".join(beside["Published"])
    assert "(?view=Printed+and+computed&paper=S3+Kajdi" in beside["Check"][0]
    assert "Kajdi, Wald: bilateral lumbar spondylolysis" in texts(at)


@pytest.mark.usefixtures("site")
def test_dose_stands_beside_the_same_index_procedure_and_size() -> None:
    at = view(opened(PAGE), "ours")
    table = at.table[1].value
    sij = table[table["Procedure"].str.contains("SIJ_INJ")]
    assert list(sij["Published (Gy·cm²)"])[:2] == ["1.21", "1.671"]
    assert [name.split(", ")[1] for name in sij["Procedure"]][:2] == ["BMI 18.5–25", "BMI 25–30"]
    assert len(set(sij["Ours (Gy·cm²)"])) == len(sij), "each band beside our own of that band"
    assert "n = all BMI groups" in sij["Published population and definition"].iloc[0]
    assert "CTDIvol is left out" in texts(at)
    marks = [layer["mark"]["type"] for layer in charts(at)[0]["layer"]]
    assert marks == ["rule", "point", "point"]


@pytest.mark.usefixtures("site")
def test_quality_and_papers() -> None:
    at = view(opened(PAGE), "quality")
    assert len(charts(at)) == 2 and "⊕⊕⊕⊕ high" in list(at.table[0].value["Certainty"])
    at = view(at, "papers")
    assert "reproduced" in set(at.table[0].value["Verdict"])


def test_a_study_is_added_through_the_form_and_pooled(site: Path) -> None:
    at = view(opened(PAGE), "add")
    fill = {"Name of the question *": "New", STUDY: "A 2020", "Outcome *": "any",
            "Where printed *": "Table 1"}  # fmt: skip
    numbers = {"Group 1: with the event": 3, "Group 1: patients": 50,
               "Group 2: with the event": 6, "Group 2: patients": 50}  # fmt: skip
    for label, value in fill.items():
        next(w for w in at.text_input if w.label == label).set_value(value)
    for label, value in numbers.items():
        next(w for w in at.number_input if w.label == label).set_value(value)
    next(b for b in at.button if b.label == "Check and add").click().run()
    assert "Added A 2020: Risk ratio 0.5" in texts(at)
    assert list(at.dataframe[0].value["events_1"]) == [3], "the list of what was added"
    row = evidence.load(site / "evidence").own[0]
    assert (row.events_1, row.n_2, row.entered_by != "") == (3, 50, True)
    at = question(view(at, "pool"), "New")
    assert "1 study, 100 patients: risk ratio 0.5" in at.code[0].value


def chosen_file(name: str, answers: str) -> AppTest:
    """Choose a file of the oracle on the form that adds studies."""
    at = view(opened(PAGE), "add")
    at.text_input(key="upload-question").set_value(answers)
    at.file_uploader(key="upload-file").upload(name, (ORACLE / name).read_bytes())
    return at.run()


def added(at: AppTest, rows: int, answers: str) -> AppTest:
    """Add the rows of the chosen file and open their pooled answer."""
    next(b for b in at.button if b.label == f"Add {rows} rows").click().run()
    assert f"Added {rows} rows to: {answers}." in texts(at)
    return question(view(at, "pool"), answers)


@needs_oracle
@pytest.mark.usefixtures("site")
def test_a_file_is_shown_before_it_is_added_and_pooled() -> None:
    at = chosen_file("bcg.csv", "TB: BCG v none")
    preview = at.dataframe[0].value
    assert len(preview) == 13 and preview["events_1"].iloc[0] == 4 and "mean_1" not in preview
    at = added(at, 13, "TB: BCG v none")
    assert "13 studies, 357347 patients: risk ratio 0.489" in at.code[0].value
    # R: rma(yi, vi, mods = ~ ablat, test = "adhoc"): slope -0.0291
    assert "Effect per unit of absolute latitude: −0.0291" in texts(at)


@needs_oracle
@pytest.mark.usefixtures("site")
def test_means_of_a_sites_file_come_out_as_in_r() -> None:
    stay = "Stay: special v usual care"
    at = added(chosen_file("normand1999.csv", stay), 9, stay)
    next(c for c in at.segmented_control if c.label == "Effect measure").set_value("SMD").run()
    # R: rma(yi, vi, data = escalc("SMD", ...), method = "REML", test = "knha")
    want = expected("meta_smd_normand")["expected"]["reml_hk"]
    ends = [f"{want[k]:.3g}".replace("-", "−") for k in ("mu", "lo", "hi")]
    said = at.code[0].value
    assert f"{ends[0]} (95 % CI {ends[1]} to {ends[2]}" in said
    assert f"τ² {want['tau2']:.3g}, I² {want['I2']:.0f} %" in said


def test_a_wrong_study_is_refused_in_words_and_nothing_written(site: Path) -> None:
    at = view(opened(PAGE), "add")
    next(w for w in at.text_input if w.label == STUDY).set_value("A 2020")
    next(b for b in at.button if b.label == "Check and add").click().run()
    assert "Not added: " in texts(at) and "source is empty: fill it in" in texts(at)
    assert not (site / "evidence" / "added.csv").exists()


def test_a_broken_file_is_named_and_the_rest_works(site: Path) -> None:
    (site / "evidence").mkdir()
    (site / "evidence" / "mine.csv").write_text("study,colour\nA,red\n", encoding="utf-8")
    said = texts(opened(PAGE))
    assert "Not used: mine.csv, row 1: unknown columns 'colour'" in said
    assert "Forest plot" in said
