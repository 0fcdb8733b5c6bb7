"""Can I trust the data: what was loaded, what was refused and why, what is missing or doubtful."""

import polars as pl
import streamlit as st

from analytics import outliers
from pages.data import health_parts as parts
from pages.shared import charts, data, downloads, page
from pages.shared import format as fmt
from pages.shared.auth import person
from pages.shared.filters import Filters
from warehouse.access import RefusedError
from warehouse.confirmed_names import ConfirmedNameError, confirm, confirmed_names
from warehouse.procedures import procedure_names
from warehouse.reference import trigger_levels
from warehouse.settings import shown

RUNS, FILES, CHANGES, NAMES, ROWS, MOST = 30, 200, 200, 200, 25, 5_000
ALL = "All reasons"
DAY = st.column_config.DateColumn(format="YYYY-MM-DD")
CASE = st.column_config.NumberColumn(format="%d")
COLUMNS = {"Day": DAY, "From": DAY, "To": DAY, "First": DAY, "Last": DAY,
           "Case": CASE, "Latest case": CASE, "Line": CASE}  # fmt: skip


def table(frame: pl.DataFrame, key: str, title: str, filters: Filters | None = None) -> None:
    """Draw a table with its download menu."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(title, width="stretch")
        downloads.offer(frame, key=key, title=title, filters=filters)
    height = min(38 + 35 * len(frame), 420)
    st.dataframe(
        frame, hide_index=True, placeholder="–", alt=title, height=height, row_height=35,
        column_config={name: kind for name, kind in COLUMNS.items() if name in frame.columns},
    )  # fmt: skip


def draw_runs() -> None:
    """Show the last refreshes with their ledger, then the files."""
    st.header("Refreshes", anchor=False)
    runs = data.query("health_runs", None, most=RUNS)
    if runs.is_empty():
        st.info("No refresh is recorded. Put a procedure log into the inbox, then run:")
        st.code("python -m etl refresh", language="shell")
        return
    last = runs.row(0, named=True)
    if last["outcome"] == "failed":
        st.error(
            f"The last refresh failed: {last['message'] or 'no message'}. Pages show the load "
            "before it. `python -m etl status` tells more."
        )
    if not runs["balanced"].all():
        st.error("A ledger does not balance: rows were read that are counted nowhere.")
    table(parts.runs(runs), "runs", f"The last {fmt.plural(len(runs), 'refresh', 'refreshes')}")
    files = data.query("health_files", None, most=FILES)
    with st.expander(f"Files ({fmt.count(files['n_files'][0] if len(files) else 0)})"):
        if files.is_empty():
            st.markdown("No file has been read yet.")
        else:
            table(parts.files(files), "files", f"The latest {fmt.plural(len(files), 'file')}")


def draw_coverage(filters: Filters) -> None:
    """Show how much of the dose is there, by room and month."""
    st.header("Coverage of dose", anchor=False)
    frame = data.query("health_coverage", filters)
    if frame.is_empty():
        st.info("No completed CT or fluoroscopy procedure in this view.")
        return
    st.markdown(parts.coverage_words(frame))
    charts.show(
        parts.coverage_chart(frame), frame, key="coverage", title="Procedures with a dose, %",
        alt_text="Share of procedures with a dose by room and month", filters=filters,
        cells=downloads.Cells("n", ("site", "modality", "room", "month"), parts=("n_with_dose",)),
    )  # fmt: skip
    st.caption(
        "Dark blue: 95 % and more, light blue: 90 to 95 %, then from pale to dark orange: 80 to "
        "90 %, 50 to 80 %, below 50 %."
    )


def draw_rejected() -> None:
    """Show why rows were refused, and the rows themselves."""
    st.header("Rejected rows", anchor=False)
    rules = data.query("health_rejected_rules")
    if rules.is_empty():
        st.markdown("No row was ever rejected.")
        return
    table(parts.rejected_rules(rules), "rejected-rules", "By reason; a row can have several")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox("Reason", [ALL, *rules["rule"]], width=320, key="rejected-reason")
        open_only = st.toggle("Only open ones", value=True, key="rejected-open")
    wanted = {"rule": None if chosen == ALL else chosen, "open_only": open_only}
    first = data.query("health_rejected_rows", None, most=ROWS, skip=0, **wanted)
    if first.is_empty():
        st.markdown("No rejected row is open: every one was corrected and loaded.")
        return
    n = int(first["n_rows"][0])
    pages = -(-n // ROWS)
    number = min(st.pagination(pages, key="rejected-page"), pages) if pages > 1 else 1
    skip = (number - 1) * ROWS
    rows = data.query("health_rejected_rows", None, most=ROWS, skip=skip, **wanted)
    every = data.query("health_rejected_rows", None, most=MOST, skip=0, **wanted)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"Rows {fmt.count(skip + 1)} to {fmt.count(skip + len(rows))} of {fmt.count(n)}; "
            "patient identifiers are pseudonymised",
            width="stretch",
        )
        downloads.offer(parts.rejected_rows(every), key="rejected", title="Rejected rows")
    st.dataframe(
        parts.rejected_rows(rows),
        hide_index=True,
        placeholder="–",
        alt="Rejected rows",
        column_config={"Line": CASE},
    )
    cut = f" It holds the first {fmt.count(MOST)}." if n > MOST else ""
    st.caption(
        "The download lists the rows for reading."
        f"{cut} To correct and load them, export them from their files: "
        "`python -m etl rejected --export rejected.csv`."
    )


def draw_changes() -> None:
    """Show what later files corrected."""
    st.header("Corrections", anchor=False)
    changes = data.query("health_changes", None, most=CHANGES)
    if changes.is_empty():
        st.markdown("No loaded procedure has been corrected by a later file.")
        return
    n = int(changes["n_changes"][0])
    shown = changes.select("procedure_id", "changed_at").n_unique()
    title = f"The latest {fmt.count(shown)} of {fmt.plural(n, 'corrected version')}, by value"
    table(parts.changes(changes), "changes", title)


def draw_names() -> None:
    """Show procedure names that no synonym covers."""
    st.header("Procedure names to map", anchor=False)
    names = data.query("health_unmapped", None, most=NAMES)
    if names.is_empty():
        st.markdown("Every procedure name is mapped.")
        return
    n_names, n_procedures = int(names["n_names"][0]), int(names["n_procedures"][0])
    title = (
        f"{fmt.plural(n_names, 'name')} of {fmt.plural(n_procedures, 'procedure')} without"
        " an exact synonym; kept under the name as sent"
    )
    table(parts.unmapped(names), "unmapped", title)
    confirm_name(names)


@st.fragment
def confirm_name(names: pl.DataFrame) -> None:
    """Let a person give one of the names a procedure; nothing is mapped by likeness alone."""
    labels = procedure_names()
    with st.container(border=True):
        st.markdown("Give a name its procedure; past procedures follow at the next refresh.")
        left, right = st.columns(2)
        name = left.selectbox("Name as sent", names["name"].to_list())
        likely = names.filter(pl.col("name") == name)["suggestions"].to_list()[0]
        code = right.selectbox(
            "Procedure",
            [*likely, *(code for code in labels if code not in likely)],
            format_func=lambda code: f"{labels[code]} ({code})",
            index=None,
            placeholder="Choose; the most similar stand first",
        )
        if st.button("Confirm", type="primary", key="confirm-name"):
            code = code or ""
            try:
                confirm(shown(), name or "", code, person())
            except (ConfirmedNameError, RefusedError) as error:
                st.error(str(error))
            else:
                st.success(f"“{name}” is {labels[code]}: applied at the next refresh.")
    waiting = confirmed_names(shown()).filter(pl.col("name").is_in(names["name"].implode()))
    if waiting.height:
        listed = ", ".join(
            f"“{n}” → {c}" for n, c in waiting.select("name", "procedure_code").rows()
        )
        st.caption(f"Confirmed and waiting for the next refresh: {listed}.")


def draw_warnings(filters: Filters) -> None:
    """Show suspected unit errors by machine, then all flags by kind."""
    st.header("Unit warnings", anchor=False)
    odd = data.query(
        "outliers_units", filters, area_low=outliers.FIELD_AREA_CM2[0],
        area_high=outliers.FIELD_AREA_CM2[1], factor=outliers.MACHINE_FACTOR,
        min_n=outliers.MIN_CASES, most=MOST,
    )  # fmt: skip
    rules = [r for r in outliers.rules_from(trigger_levels()) if r.kind == "unit_ratio"]
    found = outliers.unit_exceedances(odd, rules[0]) if rules else None
    if found is None or found.is_empty():
        st.markdown("KAP and air kerma fit each other in every case of this view.")
    else:
        title = f"{fmt.plural(len(found), 'case')} in which KAP and air kerma do not fit each other"
        table(parts.unit_warnings(found, odd), "units", title, filters)
    st.header("Warnings by kind", anchor=False)
    flags = data.query("health_flags", filters)
    if flags.is_empty():
        st.markdown("No procedure of this view was loaded with a warning.")
    else:
        title = "Procedures of this view, loaded with a warning"
        table(parts.flags(flags), "flags", title, filters)


def main() -> None:
    """Draw the page."""
    view = page.begin("Data health", "Can I trust the data?", needs_procedures=False)
    if data.may("health_runs"):
        draw_runs()
    draw_coverage(view.filters)
    if data.may("health_rejected_rows"):
        draw_rejected()
        draw_changes()
        draw_warnings(view.filters)
    if data.may("health_unmapped"):
        draw_names()
    if not data.may("health_runs"):
        st.caption(
            "Refreshes, files and unmapped names are told to a radiation safety officer of all "
            "sites, rejected rows and corrections to one of the site."
        )


main()
