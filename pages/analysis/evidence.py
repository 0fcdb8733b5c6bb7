"""Is what we see what others see: published studies, pooled with their doubts, beside ours."""

from pathlib import Path

import streamlit as st

from analytics.evidence import Analysis, analyse
from analytics.evidence_rows import MEASURES, Measure, Model, Row, possible_measures
from pages.analysis import evidence_form, evidence_ours, evidence_papers, evidence_quality
from pages.analysis import evidence_parts as parts
from pages.analysis.evidence_lines import lines
from pages.shared import filters, page
from pages.shared.page import View
from warehouse import evidence
from warehouse.evidence_models import Bias, Grade
from warehouse.settings import settings

VIEWS = {
    "pool": "Pooled answer",
    "ours": "Ours beside the literature",
    "quality": "Risk of bias and certainty",
    "papers": evidence_papers.VIEW,
    "add": "Add a study",
}
MODELS: dict[Model, str] = {
    "REML": "Random effects, REML",
    "DL": "Random effects, DerSimonian–Laird",
    "PM": "Random effects, Paule–Mandel",
    "fixed": "Fixed effect",
    "MH": "Mantel–Haenszel (rare events)",
    "Peto": "Peto odds ratio (rare events)",
    "GLMM": "Binomial model with random logits (rare events)",
}
ALWAYS: tuple[Model, ...] = ("REML", "DL", "PM", "fixed")
WHERE_COUNTED: dict[Measure, tuple[Model, ...]] = {
    "RR": ("MH",), "OR": ("MH", "Peto"), "RD": ("MH",), "PROPORTION": ("GLMM",)
}  # fmt: skip
GROUPINGS = {
    "": "none",
    "subgroup": "subgroup",
    "timepoint": "time point",
    "outcome": "outcome",
    "design": "design",
    "group_1": "first group",
}


def choose_rows(known: evidence.Evidence) -> list[Row]:
    """Ask for a question, and a time point where there are several."""
    questions = list(dict.fromkeys(r.question for r in known.results if r.usable == "yes"))
    left, right = st.columns([3, 1])
    with left:
        question = st.selectbox("Question", questions, key="question", bind="query-params")
    rows = [r.model_dump() for r in known.results if r.question == question]
    times = list(dict.fromkeys(str(row["timepoint"]) for row in rows if row["timepoint"]))
    with right:
        chosen = st.selectbox("Time point", ["All", *times], key=f"time-{question}")
    return [row for row in rows if chosen == "All" or row["timepoint"] == chosen]


def choose_analysis(rows: list[Row]) -> Analysis:
    """Ask for measure, model and subgroups, and pool."""
    able = possible_measures(rows)
    measure: Measure = able[0]
    if len(able) > 1:
        measure = st.segmented_control(
            "Effect measure", able, default=able[0], required=True,
            format_func=MEASURES.__getitem__, key=f"measure-{'-'.join(able)}",
        ) or able[0]  # fmt: skip
    with st.expander("Model and subgroups", icon=":material/tune:"):
        left, right = st.columns(2)
        models: list[Model] = [*ALWAYS, *WHERE_COUNTED.get(measure, ())]
        with left:
            model = st.selectbox("Model", models, format_func=MODELS.__getitem__, key="model")
            knapp = st.toggle(
                "Hartung–Knapp interval, never narrower than the ordinary one", True, key="knapp",
                help="By t with k − 1 degrees of freedom; the usual choice with few studies.",
            )  # fmt: skip
        with right:
            able_to = [c for c in GROUPINGS if not c or len({str(row[c]) for row in rows}) > 1]
            first = able_to.index("subgroup") if "subgroup" in able_to else 0
            grouping = st.selectbox(
                "Subgroups by", able_to, index=first, format_func=GROUPINGS.__getitem__,
                key=f"by-{'-'.join(able_to)}",
            )  # fmt: skip
            repeats = st.toggle(
                "Pool results of the same patients", False, key="repeats",
                help="Only to repeat what a paper did: the interval is then too narrow.",
            )  # fmt: skip
    return analyse(rows, measure, model, knapp, grouping, repeats)


def draw_pool(known: evidence.Evidence, view: View) -> None:
    """Draw the pooled answer of one question."""
    rows = choose_rows(known)
    if not rows:
        st.info("No published result yet: add one under “Add a study”.")
        return
    found = choose_analysis(rows)
    ours = evidence_ours.figures(rows, found.measure, view) if view.n else []
    parts.draw_answer(found)
    drawn = lines(found, ours)
    parts.draw_forest(found, drawn, str(rows[0]["question"]), view)
    parts.draw_ours(ours, rows, found, view)
    parts.draw_rows(found)
    parts.draw_doubts(found)


def draw_quality(folder: Path) -> None:
    """Draw risk of bias and certainty, shipped and the site's own."""
    judged, wrong_bias = evidence.own_rows(folder / "bias", Bias)
    grades, wrong_grades = evidence.own_rows(folder / "grade", Grade)
    for problem in [*wrong_bias, *wrong_grades][:10]:
        st.error(f"Not used: {problem}", icon=":material/error:")
    evidence_quality.draw_bias([*evidence.shipped_bias(), *judged])
    evidence_quality.draw_grades([*evidence.shipped_grades(), *grades])


def main() -> None:
    """Draw the page."""
    question = "Is what we see what others see, and how sure are they?"
    view = page.begin("Evidence", question, needs_procedures=False)
    folder = evidence.folder_of(settings())
    known = evidence.load(folder)
    for problem in known.problems[:10]:
        st.error(f"Not used: {problem}", icon=":material/error:")
    if len(known.problems) > 10:
        st.error(f"… and {len(known.problems) - 10} more rows of data/evidence are not used.")
    shown = filters.choose("view", "Show", VIEWS)
    if shown == "pool":
        draw_pool(known, view)
    elif shown == "ours":
        evidence_ours.draw_beside(known.results, view)
    elif shown == "quality":
        draw_quality(folder)
    elif shown == "papers":
        evidence_papers.draw(evidence.published())
    else:
        evidence_form.draw(known)


main()
