"""The outcomes of a case: what is known, from whom, and the form by which staff add to it."""

from collections.abc import Mapping
from typing import Any

import polars as pl
import streamlit as st

from analytics.outcomes_complications import SCALES as GRADES
from etl.follow_up import TIMEPOINTS, judge
from pages.shared import auth, data, downloads
from pages.shared import format as fmt
from warehouse.access import RefusedError
from warehouse.entries import Case, Entry, EntryError, enter, entries_of
from warehouse.settings import settings

SAID = "outcomes-said"
TIMES = {
    "baseline": "before", "15min": "15 min", "1wk": "1 week", "2wk": "2 weeks", "1mo": "1 month",
    "2mo": "2 months", "3mo": "3 months", "6mo": "6 months",
}  # fmt: skip
PAIN_SCALES = ("NRS 0-10", "VAS 0-10", "VAS 0-100")
ANSWERS = ("very dissatisfied", "dissatisfied", "neutral", "satisfied", "very satisfied")


def draw(row: dict[str, Any]) -> None:
    """Draw the outcomes of a case of query ``case_row``, and the form to those who may write."""
    st.header("Outcomes", anchor=False)
    said = st.session_state.pop(SAID, None)
    if said:
        st.success(said)
    _scores(row)
    _follow_ups(row)
    if not auth.may_do("outcome", row["site"]):
        return
    if not row["accession_number"]:
        st.caption("Outcomes cannot be entered: the case has no accession number.")
        return
    case = Case(row["site"], row["accession_number"], row["performed_on"])
    with st.expander("Enter outcomes", icon=":material/edit_note:"):
        _form(row, case)
    _entered(case)


def _scores(row: Mapping[str, Any]) -> None:
    """Show the scores by time point, satisfaction and complications as they stand."""
    table = pl.DataFrame(
        [
            {"Scale": name}
            | {TIMES[point]: _score(row.get(f"{measure}_{point}")) for point in TIMEPOINTS}
            for measure, name in (("pain", row["pain_scale"]), ("odi", "ODI"), ("ndi", "NDI"))
            if any(row.get(f"{measure}_{point}") is not None for point in TIMEPOINTS)
        ]
    )
    if table.height:
        st.table(table.fill_null("Pain, no scale"), hide_index=True)
    answer = ANSWERS[row["satisfaction"] - 1] if row["satisfaction"] else "not known"
    graded = f" ({row['complication_scale']})" if row["complication_scale"] else ""
    complications = (row["complications"] or "not documented").replace("|", ", ")
    st.markdown(f"Satisfaction: **{answer}**. Complications: **{complications}**{graded}.")


def _score(value: float | None) -> str:
    """Write a score as it was given: 6, not 6.00."""
    return fmt.DASH if value is None else f"{value:g}"


def _follow_ups(row: Mapping[str, Any]) -> None:
    """List what arrived after the procedure, with its source and who entered it."""
    found = data.query("case_follow_ups", None, procedure_id=row["procedure_id"])
    if found.is_empty():
        return
    table = found.select(
        pl.coalesce("scale", "measure").alias("Scale"),
        pl.col("timepoint").replace(TIMES).alias("At"),
        pl.col("measured_on").alias("Day"),
        pl.coalesce(pl.col("score").cast(pl.String), "terms").alias("Value"),
        pl.col("state").alias("State"),
        pl.coalesce("entered_by", "path").alias("From"),
        pl.col("said_at").alias("As of, UTC"),
    )
    st.dataframe(table, hide_index=True, placeholder="–", height="content", alt="Follow-ups")
    downloads.offer(table, key="case-follow-ups", title=f"Case {row['procedure_id']}, follow-ups")


def _form(row: Mapping[str, Any], case: Case) -> None:
    """Offer the form; nothing is kept unless every value is right."""
    who = auth.person()
    st.caption(f"You write as {who.name or 'nobody: sign in, or set KERMA_USER'}.")
    with st.form(f"outcomes-{row['procedure_id']}", enter_to_submit=False, border=False):
        given = _fields(row)
        sent = st.form_submit_button("Enter", type="primary", icon=":material/save:")
    if not sent:
        return
    entries, wrong = checked(given, row["complications"])
    if wrong:
        st.error("Nothing was entered. " + " ".join(wrong))
        return
    try:
        n = enter(settings(), case, entries, who)
    except (EntryError, RefusedError) as error:
        st.error(f"Nothing was entered: {error}.")
        return
    st.session_state[SAID] = (
        f"{fmt.plural(n, 'value')} kept. The next refresh merges {'it' if n == 1 else 'them'}."
    )
    st.rerun()


def _fields(row: Mapping[str, Any]) -> dict[str, Any]:
    """Draw the fields; blank means: not asked."""
    key = str(row["procedure_id"])
    first, second, third, fourth = st.columns(4)
    point = first.selectbox(
        "Time point", TIMEPOINTS, index=None, key=f"at-{key}", format_func=TIMES.__getitem__
    )
    scales = [row["pain_scale"]] if row["pain_scale"] else list(PAIN_SCALES)
    scale = second.selectbox("Pain scale", scales, key=f"scale-{key}")
    pain = third.text_input("Pain", key=f"pain-{key}", max_chars=6)
    odi = fourth.text_input("ODI, %", key=f"odi-{key}", max_chars=6)
    first, second, third, fourth = st.columns(4)
    ndi = first.text_input("NDI, %", key=f"ndi-{key}", max_chars=6)
    answer = second.selectbox("Satisfaction", ANSWERS, index=None, key=f"answer-{key}")
    complications = third.text_input(
        "Complications, of the whole case", row["complications"] or "", key=f"terms-{key}",
        max_chars=1000, help="term or term:grade, several with |; none where there was none",
    )  # fmt: skip
    known = row["complication_scale"]
    named = list(dict.fromkeys([*([known] if known else []), *GRADES]))
    grades = fourth.selectbox("Scale of the grades", named, key=f"grades-{key}")
    return {
        "timepoint": point, "pain": (scale, pain), "odi": ("ODI", odi), "ndi": ("NDI", ndi),
        "satisfaction": answer, "complications": complications, "grades": grades,
    }  # fmt: skip


def checked(given: Mapping[str, Any], stands: str | None) -> tuple[list[Entry], list[str]]:
    """Return what a form says as entries, and in words what the contract refuses.

    ``stands`` are the complications as known: the same text again is no new word.
    """
    entries, wrong = [], []
    offered: list[Entry] = []
    for name in ("pain", "odi", "ndi"):
        scale, value = given[name]
        if value.strip():
            offered.append(Entry(scale, value.strip(), given["timepoint"]))
    timed = {entry.scale for entry in offered}
    if given["satisfaction"]:
        offered.append(Entry("satisfaction", given["satisfaction"]))
    terms = given["complications"].strip()
    if terms and terms != (stands or ""):
        grades = given["grades"] if ":" in terms else None
        offered.append(Entry("complications", terms, grade_scale=grades))
    for entry in offered:
        found = judge(entry.scale, entry.timepoint, False, entry.value, entry.grade_scale)
        if entry.timepoint is None and entry.scale in timed:
            wrong.append(f"{entry.scale}: choose a time point.")  # the contract speaks of columns
        else:
            wrong += [f"{entry.scale}: {reason}." for reason in found.reasons]
        entries.append(entry)
    if not offered:
        wrong.append("Fill in at least one value.")
    return entries, wrong


def _entered(case: Case) -> None:
    """List what was entered here, by whom and when, and offer to withdraw it."""
    found = entries_of(settings(), case)
    if found.is_empty():
        return
    with st.expander(f"Entered in the app: {fmt.count(found.height)}", icon=":material/history:"):
        table = found.select(
            pl.col("scale").alias("Scale"),
            pl.col("timepoint").replace(TIMES).alias("At"),
            pl.col("value").alias("Value"),
            pl.col("status").alias("Status"),
            pl.col("person").alias("By"),
            pl.col("recorded_at").alias("When, UTC"),
        )
        st.dataframe(table, hide_index=True, placeholder="–", height="content", alt="Entries")
        st.caption("Nothing here is changed or removed; the latest word on a value stands.")
        last = found.unique(["scale", "timepoint"], keep="first", maintain_order=True)
        open_ones = last.filter(pl.col("status") != "deleted")
        if open_ones.height:
            _withdraw(case, open_ones)


def _withdraw(case: Case, entries: pl.DataFrame) -> None:
    """Offer to withdraw an entry that was a mistake."""
    rows = {row["id"]: row for row in entries.iter_rows(named=True)}

    def words(number: int) -> str:
        row = rows[number]
        at = f" at {TIMES[row['timepoint']]}" if row["timepoint"] else ""
        return f"{row['scale']}{at}: {row['value']}"

    with st.container(horizontal=True, vertical_alignment="bottom"):
        number = st.selectbox("Entry", list(rows), format_func=words, key="withdraw-entry")
        pressed = st.button("Withdraw", icon=":material/undo:")
    if not pressed or number is None:
        return
    row = rows[number]
    entry = Entry(row["scale"], row["value"], row["timepoint"], row["grade_scale"], withdrawn=True)
    try:
        enter(settings(), case, [entry], auth.person())
    except (EntryError, RefusedError) as error:
        st.error(f"Nothing was withdrawn: {error}.")
        return
    st.session_state[SAID] = f"{words(number)} withdrawn. The next refresh takes it out."
    st.rerun()
