"""What happened in one case: as sent and as canonical, event by event, among its own kind."""

from datetime import date
from typing import Any

import polars as pl
import streamlit as st

from analytics.outliers import MIN_CASES
from pages.data import case_outcomes, case_parts, case_review
from pages.dose.case_chart import distribution_chart
from pages.dose.measures import MEASURES
from pages.shared import charts, coefficients, data, downloads
from pages.shared import format as fmt
from pages.shared.navigation import link

OUTLIERS = "dose/outliers.py"
#: Windows of the patient's other cases, months; the first is the one that sums are judged by.
WINDOWS = {6: "6 months", 12: "12 months", 36: "3 years", 120: "10 years"}
SIMILAR = 12
#: Digits that a case number can have.
LONGEST_NUMBER = 18


def chosen_case() -> int | None:
    """Return the case that the address names, or the one opened last."""
    asked = st.query_params.get("id", st.session_state.get("open_case"))
    if asked is None or not str(asked).isascii() or not str(asked).isdigit():
        return None
    if len(str(asked)) > LONGEST_NUMBER:
        return None
    st.session_state["open_case"] = str(asked)
    return int(asked)


def no_case(asked: int | None) -> None:
    """Say how to come to a case."""
    st.title("Case", anchor=False)
    if asked is None:
        st.info("No case is chosen. Choose one in the list of dose outliers and open it.")
    else:
        st.info(f"There is no case {asked} in this warehouse that you may see.")
    link(OUTLIERS, "Dose outliers")


def draw_head(row: dict[str, Any]) -> None:
    """Name the case: what, when, where, whom (by size and age), and its state."""
    st.title(f"Case {row['procedure_id']}", anchor=False)
    name = fmt.procedure(row["procedure_code"]) if row["procedure_code"] else row["procedure_name"]
    when = (
        fmt.moment(row["procedure_start_at"])
        if row["procedure_start_at"]
        else fmt.day(row["performed_on"])
    )
    st.markdown(f"**{name or 'Procedure not named'}**, {row['modality']}, {when}")
    link(OUTLIERS, "Dose outliers")
    if row["is_test"]:
        st.warning("Marked as a test patient or phantom: kept out of all statistics.")
    if row["status"] != "completed":
        st.warning(f"Status {row['status']}: not part of any statistics.")


def draw_values(row: dict[str, Any], reports: pl.DataFrame) -> None:
    """Show the canonical values beside what was sent, and which source each comes from."""
    sent = data.query("case_raw_values", None, procedure_id=row["procedure_id"])
    told = data.query("case_provenance", None, procedure_id=row["procedure_id"])
    table = case_parts.values(row, sent, case_parts.sources(row, told, reports))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header("Values", anchor=False, width="stretch")
        downloads.offer(table, key="case-values", title=f"Case {row['procedure_id']}, values")
    st.dataframe(
        table,
        hide_index=True,
        placeholder="–",
        height="content",
        alt="Values as canonical and as sent",
        column_config={"As sent": st.column_config.Column(width="medium")},
    )
    source = row["source_path"] or "an unknown file"
    st.caption(
        f"Dose from the {row['dose_source'] or 'source without dose'}; read from {source}, line "
        f"{fmt.count(row['source_line'])}. Blank under “As sent”: the text was the value itself."
    )


def draw_checks(row: dict[str, Any], events: pl.DataFrame, reports: pl.DataFrame) -> None:
    """Check the dose data of the case and say the flags in words."""
    st.header("Data checks", anchor=False)
    for found in case_parts.checks(row, events, reports):
        icon = {"ok": ":material/check_circle:", "look": ":material/warning:"}.get(
            found.state, ":material/help:"
        )
        st.markdown(f"{icon} **{found.what}:** {found.words}")


def draw_events(events: pl.DataFrame, row: dict[str, Any]) -> None:
    """Draw the cumulative dose over the events of the dose report, and list them."""
    st.header("Irradiation events", anchor=False)
    if events.is_empty():
        st.info(
            "No dose report with events has been loaded for this case. A dose report (DICOM SR) of "
            "the study in the inbox adds them."
        )
        return
    for name, frame in case_parts.cumulative(events).items():
        total = row[name]
        of = fmt.measure(name)
        axis = f"{of.short} ({of.unit})"
        charts.show(
            case_parts.event_chart(frame, axis, total), frame, key=f"events-{name}",
            title=f"{of.short} over {fmt.plural(len(frame), 'event')}, cumulative",
            alt_text=f"Cumulative {of.name} over the irradiation events",
        )  # fmt: skip
    with st.expander(f"All {fmt.count(len(events))} events"):
        downloads.offer(events, key="case-events", title=f"Case {row['procedure_id']}, events")
        st.dataframe(
            events, hide_index=True, placeholder="–", alt="Irradiation events in order of time"
        )


def draw_distributions(row: dict[str, Any]) -> None:
    """Show the case in the distribution of every dose index that it has."""
    st.header("Among its own kind", anchor=False)
    names = case_parts.measures_of(row)
    if not names:
        st.info("The case has no dose figure to compare.")
        return
    name = st.segmented_control(
        "Dose index", names, default=names[0], required=True, key="case-index",
        format_func=lambda name: MEASURES[name].label,
    )  # fmt: skip
    value = row[MEASURES[name or names[0]].index.column]
    months = {"baseline_from": year_before(row["performed_on"]), "baseline_to": row["performed_on"]}
    distribution_chart(row | months, name or names[0], value, None)
    st.caption(
        f"Same modality, procedure and size band, {fmt.day(months['baseline_from'])} to "
        f"{fmt.day(months['baseline_to'])}, this case included; where these are fewer than "
        f"{MIN_CASES}, all sizes."
    )


def year_before(day: date) -> date:
    """Return the day after the one a year before."""
    return pl.select(pl.lit(day).dt.offset_by("-1y").dt.offset_by("1d")).item()


def draw_patient(row: dict[str, Any]) -> None:
    """List the patient's other cases in the window, with their sums."""
    st.header("The patient's other cases", anchor=False)
    months = st.segmented_control(
        "Before and after this case", list(WINDOWS), default=6, required=True,
        key="patient-window", format_func=WINDOWS.__getitem__,
    )  # fmt: skip
    mine = data.query("case_patient", None, procedure_id=row["procedure_id"], months=months or 6)
    if not row["has_patient"]:
        st.info("The source gave no patient id, so other cases of the patient are not known.")
    elif len(mine) <= 1:
        st.markdown("No other case of this patient is known in the window.")
    else:
        case_table(case_parts.brief(mine, row["procedure_id"]), "patient", "The patient's cases")
        st.markdown(case_parts.sum_words(mine, row["performed_on"], months or 6))
        active = coefficients.in_force()
        st.markdown(case_parts.effective_words(mine, row["performed_on"], active))


def draw_similar(row: dict[str, Any]) -> None:
    """List the cases most like this one."""
    st.header("Similar cases", anchor=False)
    like = data.query("case_similar", None, procedure_id=row["procedure_id"], most=SIMILAR)
    if like.is_empty():
        st.markdown("No other case has the same modality, procedure and size band within a year.")
        return
    n = fmt.count(like["n_similar"][0])
    st.caption(
        f"{fmt.plural(len(like), 'nearest case', 'nearest cases')} of {n} with the same modality, "
        "procedure and size band within 12 months: same number of levels first, then body mass "
        "index and age."
    )
    case_table(case_parts.brief(like, row["procedure_id"]), "similar", "Similar cases")


def case_table(table: pl.DataFrame, key: str, title: str) -> None:
    """Draw a short list of cases; a chosen row opens that case."""
    ids = table["Case"].to_list()
    event = st.dataframe(
        table, hide_index=True, placeholder="–", on_select="rerun",
        key=f"{key}-{st.session_state['open_case']}", selection_mode="single-row",
        height="content", alt=title,
        column_config={
            "Case": st.column_config.NumberColumn(format="%d"),
            "Day": st.column_config.DateColumn(format="YYYY-MM-DD"),
        },
    )  # fmt: skip
    downloads.offer(table, key=f"case-{key}", title=title)
    if event.selection.rows:
        chosen = ids[event.selection.rows[0]]
        if chosen != int(st.session_state["open_case"]):
            st.session_state["open_case"] = str(chosen)
            st.query_params["id"] = str(chosen)
            st.rerun()


def draw_history(row: dict[str, Any]) -> None:
    """List what later versions of the case changed."""
    st.header("History", anchor=False)
    changes = data.query("case_history", None, procedure_id=row["procedure_id"])
    if changes.is_empty():
        st.markdown(f"One version, loaded by run {row['run_id']}. Nothing was corrected.")
        return
    st.dataframe(
        case_parts.history(changes),
        hide_index=True,
        placeholder="–",
        height="content",
        alt="Corrections",
    )
    downloads.offer(changes, key="case-history", title=f"Case {row['procedure_id']}, history")


def main() -> None:
    """Draw the page."""
    asked = chosen_case()
    found = data.query("case_row", None, procedure_id=asked) if asked is not None else None
    if found is None or found.is_empty():
        no_case(asked)
        return
    row = found.row(0, named=True)
    events = data.query("case_events", None, procedure_id=asked)
    reports = data.query("case_reports", None, procedure_id=asked)
    draw_head(row)
    left, right = st.columns([3, 2], gap="large")
    with left:
        draw_values(row, reports)
    with right:
        draw_checks(row, events, reports)
    case_review.draw(row)
    case_outcomes.draw(row)
    draw_events(events, row)
    draw_distributions(row)
    draw_patient(row)
    draw_similar(row)
    draw_history(row)


main()
