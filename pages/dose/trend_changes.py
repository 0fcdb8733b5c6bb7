"""Recording changes of protocol or equipment, so that courses can be judged before and after."""

from datetime import date

import streamlit as st

from pages.dose.trend_findings import Choice
from pages.shared import auth, data
from pages.shared import format as fmt
from warehouse import protocol_changes as changes
from warehouse.access import Person, RefusedError, may
from warehouse.settings import shown

EVERYWHERE = "All"


def draw(choice: Choice) -> None:
    """Draw the recorded changes with the form that adds one."""
    reader = auth.person()
    if told := st.session_state.pop("change-told", None):
        st.success(told)
    with st.expander("Record a change of protocol or equipment"):
        if not may(reader, "protocol change"):
            st.markdown("Changes are recorded by a radiation safety officer.")
            return
        _form(choice, reader)
        _listed(reader)


def _form(choice: Choice, person: Person) -> None:
    values = data.query("filter_values")
    rooms = values.filter(values["field"] == "room")["value"].unique().sort().to_list()
    sites = values.filter(values["field"] == "site")["value"].unique().sort().to_list()
    with st.form("record-change", border=False, clear_on_submit=True):
        with st.container(horizontal=True):
            day = st.date_input("Day", "today", max_value="today", format="YYYY-MM-DD", width=150)
            everywhere = [] if person.scope.sites is not None else [EVERYWHERE]
            site = st.selectbox("Site", [*everywhere, *sites], width=200)
            room = st.selectbox("Room", [EVERYWHERE, *rooms], width=200)
            of = st.selectbox(
                "Procedure", [EVERYWHERE, choice.procedure], width=330,
                format_func=lambda code: code if code == EVERYWHERE else fmt.procedure(code),
            )  # fmt: skip
        what = st.text_input("What was changed", max_chars=200, placeholder="Pulse rate 15 to 7.5")
        if not st.form_submit_button("Record", icon=":material/flag:"):
            return
    try:
        changes.record(
            shown(), person, day if isinstance(day, date) else date.today(), what,
            *(None if value == EVERYWHERE else value for value in (site, room, of)),
        )  # fmt: skip
    except (changes.ProtocolChangesError, RefusedError) as error:
        st.error(f"Not recorded: {error}.")
        return
    st.session_state["change-told"] = f"Recorded: {what}."
    st.rerun()


def _listed(person: Person) -> None:
    """List what was recorded here, each with its way back."""
    for row in changes.recorded(shown(), person.scope).iter_rows(named=True):
        where = ", ".join(
            str(value) for value in (row["site"], row["room"], row["procedure_code"]) if value
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"{fmt.day(row['changed_on'])}: {row['what']} ({where or 'everywhere'}; "
                f"recorded by {row['person']})"
            )
            st.button(
                "Withdraw", type="tertiary", key=f"withdraw-{row['id']}",
                on_click=changes.withdraw, args=(shown(), row["id"], person),
            )  # fmt: skip
