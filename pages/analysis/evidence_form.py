"""Add a study: by form in a minute, or by file; withdraw what was added wrongly."""

from datetime import UTC, datetime
from typing import Any

import polars as pl
import streamlit as st

from analytics.evidence_rows import MEASURES, PERCENTAGES, Measure, point, possible_measures
from pages.shared import auth, downloads
from pages.shared import format as fmt
from warehouse import evidence, evidence_import
from warehouse.access import RefusedError
from warehouse.evidence_models import EvidenceError, Result
from warehouse.settings import settings

KINDS = {
    "events": "Events of n",
    "means": "Mean and SD",
    "medians": "Median, quartiles or range",
    "effect": "Effect and interval",
}
NEW = "a new question …"
BETTER = {"": "not stated", "lower": "lower is better", "higher": "higher is better"}


def draw(known: evidence.Evidence) -> None:
    """Draw form, file upload and the list of what was added."""
    if said := st.session_state.pop("evidence-said", None):
        st.success(said, icon=":material/check:")
    st.header("From a paper's table", anchor=False)
    _form(known)
    with st.expander("From a CSV file", icon=":material/upload_file:"):
        _upload()
    if known.own:
        _added(known)


def _form(known: evidence.Evidence) -> None:
    questions = list(dict.fromkeys(r.question for r in known.results))
    left, right = st.columns(2)
    with left:
        kind = st.segmented_control(
            "The paper prints", list(KINDS), default="events", required=True, wrap=True,
            format_func=KINDS.__getitem__, key="add-kind",
        )  # fmt: skip
    with right:
        arms = st.segmented_control(
            "Groups", [2, 1], default=2, required=True, wrap=True, key="add-arms",
            format_func=lambda n: "Two groups compared" if n == 2 else "One group",
        )  # fmt: skip
    question = st.selectbox(
        "Question: what it is pooled with", [NEW, *questions], key="add-question"
    )
    with st.form("add-study", border=True):
        row = _about(question == NEW) | _numbers(kind or "events", arms or 2)
        row |= _about_more()
        if st.form_submit_button("Check and add", type="primary", icon=":material/add:"):
            if question != NEW:
                row["question"] = question
            _save(row)


def _about(new: bool) -> dict[str, Any]:
    row: dict[str, Any] = {}
    if new:
        row["question"] = st.text_input(
            "Name of the question *", placeholder="Complications: CT v fluoroscopy"
        )
    one, two, three = st.columns(3)
    row["study"] = one.text_input("Study: first author and year *", placeholder="Akkaya 2017")
    row["outcome"] = two.text_input("Outcome *", placeholder="any complication")
    row["timepoint"] = three.text_input("Time point", placeholder="1 month")
    row["source"] = one.text_input("Where printed *", placeholder="Table 2, page 422")
    row["doi"] = two.text_input("DOI", placeholder="10.1234/abc")
    year = three.number_input("Year", 1900, 2100, value=None, step=1)
    return row | {"year": year}


def _numbers(kind: str, arms: int) -> dict[str, Any]:
    if kind == "effect":
        return _effect()
    row: dict[str, Any] = {}
    names = ["First group (ultrasound, CT, new …)", "Second group (fluoroscopy, control …)"]
    for which, column in zip(range(1, arms + 1), st.columns(arms), strict=True):
        with column:
            row |= _group(kind, which, names[which - 1])
    if kind != "events":
        row["unit"] = st.text_input("Unit of the numbers", placeholder="points, min, mGy·cm")
    if kind == "medians":
        row["conversion"] = st.segmented_control(
            "Mean and SD from the median by", ["Luo and Wan", "McGrath"], default="Luo and Wan",
            required=True, help="Luo and Wan for values near a normal distribution, McGrath where"
            " they are skewed. The forest plot's table names the conversion.",
        )  # fmt: skip
    return row


def _group(kind: str, which: int, name: str) -> dict[str, Any]:
    """Ask for the numbers of one group."""
    row: dict[str, Any] = {f"group_{which}": st.text_input(name)}
    fields = {
        "events": {"events": "with the event", "n": "patients"},
        "means": {"n": "patients", "mean": "mean", "sd": "SD"},
        "medians": {
            "n": "patients", "median": "median", "q1": "lower quartile", "q3": "upper quartile",
            "min": "minimum", "max": "maximum",
        },
    }[kind]  # fmt: skip
    columns = st.columns(min(3, len(fields)))
    for place, (field, words) in enumerate(fields.items()):
        label = f"Group {which}: {words}"
        with columns[place % len(columns)]:
            row[f"{field}_{which}"] = _number(label, whole=field in ("n", "events"))
    return row


def _number(label: str, whole: bool = False) -> int | float | None:
    if whole:
        return st.number_input(label, min_value=0, value=None, step=1)
    return st.number_input(label, value=None, step=None, format="%g")


def _effect() -> dict[str, Any]:
    one, two, three, four, five = st.columns([2, 1, 1, 1, 1])
    measure = one.selectbox("Effect measure", list(MEASURES), format_func=MEASURES.__getitem__)
    with two:
        value = _number("Effect")
    with three:
        low = _number("CI, low")
    with four:
        high = _number("CI, high")
    with five:
        patients = _number("Patients", whole=True)
    one, two, three, four = st.columns(4)
    percent = four.number_input("Level of the interval, %", 51, 99, value=95, step=1)
    row = {
        "group_1": one.text_input("First group"),
        "group_2": two.text_input("Second group"),
        "level": percent / 100,
        "unit": three.text_input("Unit", help="% where shares or risk differences are in per cent"),
    }
    return row | {
        "measure": measure, "effect": value, "low": low, "high": high, "patients": patients,
    }  # fmt: skip


def _about_more() -> dict[str, Any]:
    with st.expander("More: design, population, subgroup, covariate"):
        one, two, three = st.columns(3)
        row: dict[str, Any] = {
            "design": one.text_input("Design", placeholder="randomised trial"),
            "population": two.text_input("Population", placeholder="chronic low back pain"),
            "better": three.selectbox("Direction", list(BETTER), format_func=BETTER.__getitem__),
            "subgroup": one.text_input("Subgroup", placeholder="lumbar"),
            "covariate_name": two.text_input("Covariate", placeholder="mean age, years"),
        }
        with three:
            row["covariate"] = _number("Covariate's value")
        row["note"] = st.text_input("Note")
    return row


def _save(row: dict[str, Any]) -> None:
    """Check a row, add it and say what it gives; or say what to correct."""
    try:
        result = evidence.checked(_signed({k: v for k, v in row.items() if v not in (None, "")}))
        evidence.append(settings(), [result], auth.person())
    except (EvidenceError, RefusedError, OSError) as error:
        st.error(f"Not added: {error}.", icon=":material/error:")
        return
    st.session_state["evidence-said"] = f"Added {result.study}: {_preview(result)}"
    st.rerun()


def _signed(row: dict[str, Any]) -> dict[str, Any]:
    """Put down who entered a row and when."""
    now = datetime.now(UTC)
    return row | {"entered_by": auth.person().name[:80], "entered_at": f"{now:%Y-%m-%d %H:%M} UTC"}


def _preview(result: Result) -> str:
    """Say what a row gives."""
    row = result.model_dump()
    said = []
    able: list[Measure] = [m for m in possible_measures([row]) if m != "ARCSINE"]
    for measure in able[:3]:
        found = point(row, measure)
        if found.reason:
            said.append(f"{MEASURES[measure]}: shown, not pooled ({found.reason})")
        else:
            said.append(
                f"{MEASURES[measure]} {_words(found.value, found.low, found.high, measure)}"
            )
        if found.converted:
            said[-1] += f" ({found.converted})"
    return "; ".join(said) + "."


def _words(value: float | None, low: float | None, high: float | None, measure: Measure) -> str:
    if measure in PERCENTAGES:
        ends = fmt.percent_interval(low, high)
        return f"{fmt.percent(value)} (95 % CI {ends})"
    return f"{fmt.number(value)} (95 % CI {fmt.interval(low, high)})"


def _upload() -> None:
    st.markdown(
        "One row a result, with the columns of the empty form (any order, empty ones may be left"
        " out). Files with the column names of R's `metafor` (`ai`, `n1i`, `m1i`, `sd1i`, `xi`,"
        " `ni`, `yi`, `vi`, `tpos`, `tneg` …) are understood too; say below what they are about."
    )
    st.download_button(
        "Empty form", evidence.as_csv([]), "kerma-evidence-form.csv", "text/csv",
        on_click="ignore", icon=":material/download:",
    )  # fmt: skip
    one, two, three = st.columns(3)
    question = one.text_input("Question, if the file has no such column", key="upload-question")
    outcome = two.text_input("Outcome, if the file has no such column", key="upload-outcome")
    yi = three.selectbox(
        "What yi is, if the file has it", list(evidence_import.YI), key="upload-measure",
        format_func=lambda measure: evidence_import.YI[measure].capitalize(),
    )  # fmt: skip
    file = st.file_uploader("CSV file", type=["csv", "txt", "tsv"], key="upload-file")
    if file is None:
        return
    given = {
        "question": question,
        "outcome": outcome or question,
        "source": file.name,
        "measure": yi,
    }
    try:
        text = evidence.decoded(file.getvalue())
        good, bad = evidence_import.read_foreign(text, file.name, given)
    except EvidenceError as error:
        st.error(f"{file.name} {error}.", icon=":material/error:")
        return
    for problem in bad[:20]:
        st.error(str(problem), icon=":material/error:")
    if len(bad) > 20:
        st.error(f"… and {fmt.plural(len(bad) - 20, 'more row')} with errors.")
    if good:
        st.dataframe(_short(good), hide_index=True)
    label = f"Add {fmt.plural(len(good), 'row')}"
    if st.button(label, type="primary", disabled=not good or bool(bad)):
        _add_all(good)
    if bad and good:
        st.caption("Correct the file first: it is added as a whole or not at all.")


def _add_all(rows: list[Result]) -> None:
    signed = [row.model_copy(update=_signed({})) for row in rows]
    try:
        evidence.append(settings(), signed, auth.person())
    except (EvidenceError, RefusedError, OSError) as error:
        st.error(f"Not added: {error}.", icon=":material/error:")
        return
    named = ", ".join(dict.fromkeys(row.question for row in rows))
    st.session_state["evidence-said"] = f"Added {fmt.plural(len(rows), 'row')} to: {named}."
    st.rerun()


def _short(rows: list[Result]) -> pl.DataFrame:
    """Return rows as a table, without the columns that none of them fills."""
    frame = pl.DataFrame([row.model_dump() for row in rows], infer_schema_length=None)
    filled = frame.select(pl.all().cast(pl.String).replace("", None).is_not_null().any())
    return frame.select(name for name in frame.columns if filled[name].item())


def _added(known: evidence.Evidence) -> None:
    """List what this site added; one row can be withdrawn."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header("Added here", anchor=False, width="stretch")
        frame = pl.DataFrame([r.model_dump() for r in known.own], infer_schema_length=None)
        downloads.offer(
            frame, key="evidence-added", title="Studies added here", cells=downloads.NO_PATIENTS
        )
    st.dataframe(_short(list(known.own)), hide_index=True)
    standing = [r for r in known.own if r.usable == "yes"]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        place = st.selectbox(
            "Withdraw a row", range(len(standing)), index=None, key="withdraw",
            format_func=lambda i: ", ".join(
                t for t in (standing[i].study, standing[i].outcome, standing[i].timepoint) if t
            ),
        )  # fmt: skip
        if st.button("Withdraw", disabled=place is None) and place is not None:
            today = f"{datetime.now(UTC):%Y-%m-%d}"
            try:
                evidence.withdraw(settings(), standing[place], auth.person(), today)
            except (EvidenceError, RefusedError, OSError) as error:
                st.error(f"Not withdrawn: {error}.", icon=":material/error:")
                return
            st.session_state["evidence-said"] = f"Withdrawn: {standing[place].study}."
            st.rerun()
