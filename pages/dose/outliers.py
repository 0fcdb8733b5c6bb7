"""Which cases stand out, and why: the list of alerts, furthest first, each among its own kind."""

from datetime import timedelta
from typing import Any

import polars as pl
import streamlit as st

from analytics.outliers import ALL_SIZES, MIN_CASES
from pages.dose import outlier_list
from pages.dose.case_chart import distribution_chart
from pages.dose.measures import MEASURES, SKIN
from pages.dose.outlier_list import MOST, ROWS, Choice, as_table, reason, value_words
from pages.shared import data, downloads, page
from pages.shared import format as fmt
from pages.shared.filters import Filters
from pages.shared.navigation import ROOT, link
from warehouse.reviews import STATES, TO_DO

CASE = ROOT / "pages" / "data" / "case.py"
RULES = "dose/rules.py"
CHOSEN = "chosen_case"


def choose(filters: Filters, names: dict[str, str]) -> Choice:
    """Ask for state, rule and size, and say how many cases each would leave."""
    so_far = Choice(*(tuple(st.session_state.get(key, ())) for key in ("state", "rule", "size")))
    counted = {
        by: outlier_list.count(filters, so_far, by) for by in ("state", "rule_id", "size_band")
    }
    known = {
        "state": list(STATES),
        "rule": sorted(set(counted["rule_id"]) | (set(so_far.rules) & set(names))),
        "size": sorted(set(counted["size_band"]) | set(so_far.size_bands)),
    }
    columns = st.columns([3, 4, 3])
    chosen = []
    for column, (key, label) in zip(
        columns,
        (("state", "State"), ("rule", "Rule"), ("size", "Size")),
        strict=True,
    ):
        if key in st.session_state:
            st.session_state[key] = [v for v in st.session_state[key] if v in known[key]]
        chosen.append(
            column.multiselect(
                label, known[key], key=key, bind="query-params",
                default=list(TO_DO) if key == "state" else None, placeholder=f"All {key}s",
                format_func=lambda value: str(names.get(value, value)),
            )
        )  # fmt: skip
    said = [f"{names.get(value, value)} {fmt.count(n)}" for value, n in counted["rule_id"].items()]
    states = [f"{state} {fmt.count(counted['state'].get(state, 0))}" for state in STATES]
    st.caption(f"Cases by state: {', '.join(states)}. By rule: {', '.join(said) or 'none'}.")
    return Choice(*(tuple(values) for values in chosen))


def label(row: dict[str, Any]) -> str:
    """Name a case in the list without naming a person."""
    number = f"Case {row['procedure_id']}" if row["procedure_id"] else "Case not in this warehouse"
    value = value_words(row["quantity"], row["kind"], row["value"])
    return f"{number} · {fmt.day(row['performed_on'])} · {value}"


def pick_row(ids: list[int]) -> None:
    """Take over the row that was selected in the table; a callback."""
    rows = st.session_state["outlier-table"]["selection"]["rows"]
    if rows:
        st.session_state[CHOSEN] = ids[rows[0]]


def draw_list(filters: Filters, choice: Choice, names: dict[str, str]) -> dict[str, Any] | None:
    """Draw one page of the list and return the case that is chosen on it, with its alerts."""
    number = st.session_state.get("outlier-page", 1)
    cases, alerts, total = outlier_list.cases(filters, choice, (number - 1) * ROWS)
    if total and cases.is_empty():
        st.session_state["outlier-page"] = 1
        cases, alerts, total = outlier_list.cases(filters, choice)
    if not total:
        return None
    pages = -(-total // ROWS)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{fmt.plural(total, 'case')}, furthest out first**", width="stretch")
        if pages > 1:
            st.pagination(pages, key="outlier-page")
        downloads.offer(
            lambda: as_table(outlier_list.cases(filters, choice, 0, MOST)[0], names),
            key="outliers", title="Dose outliers", filters=filters,
        )  # fmt: skip
    draw_table(cases, names)
    ids = cases["review_id"].to_list()
    if st.session_state.get(CHOSEN) not in ids:
        st.session_state[CHOSEN] = ids[0]
    labels = {row["review_id"]: label(row) for row in cases.iter_rows(named=True)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Chosen case", ids, key=CHOSEN, format_func=labels.__getitem__, width=520
        )
        row = cases.row(ids.index(chosen), named=True)
        if st.button(
            "Open case", type="primary", icon=":material/open_in_new:",
            disabled=row["procedure_id"] is None,
        ):  # fmt: skip
            st.switch_page(CASE, query_params={"id": str(row["procedure_id"])})
    mine = alerts.filter(pl.col("review_id") == chosen)
    return row | {"alerts": list(mine.iter_rows(named=True))}


def draw_table(cases: pl.DataFrame, names: dict[str, str]) -> None:
    """Draw the rows of one page; a selected row becomes the chosen case."""
    ids = cases["review_id"].to_list()
    st.dataframe(
        as_table(cases, names), key="outlier-table", hide_index=True,
        height=min(420, 37 + 35 * cases.height), row_height=35,
        placeholder="–", on_select=lambda: pick_row(ids), selection_mode="single-row",
        alt="Cases that stand out, furthest first",
        column_config={
            "Day": st.column_config.DateColumn(format="YYYY-MM-DD"),
            "Why": st.column_config.TextColumn(width="large"),
            "Times own median": st.column_config.NumberColumn(
                format="%.1f", help="Value over the median of the case's own kind and size."
            ),
            "Distance, SD": st.column_config.NumberColumn(
                format="%.1f",
                help="Robust standard deviations above the median of the case's own kind, on the "
                "log scale; for a unit error, tenths of a power of ten. Where its kind has fewer "
                f"than {MIN_CASES} cases, above all cases of its modality.",
            ),
            "Cases behind": st.column_config.NumberColumn(help="Cases that the limit rests on."),
            "Case": st.column_config.NumberColumn(format="%d", help="Number in this warehouse."),
        },
    )  # fmt: skip


def draw_case(row: dict[str, Any], filters: Filters) -> None:
    """Say why the chosen case is listed and show it among its own kind."""
    st.markdown("\n".join(f"- {reason(alert)}" for alert in row["alerts"]))
    if row["procedure_id"] is None:
        st.info("This case is not in the warehouse in service: its alert and review are kept.")
        return
    case = data.query("case_row", None, procedure_id=row["procedure_id"]).row(0, named=True)
    name = chart_measure(row["quantity"], case["ctdi_phantom_cm"])
    value = case[row["quantity"]]
    if name is None or not value:
        return
    own = row["kind"] in ("own_percentile", "robust_limit", "trigger", "reference_multiple")
    first = case["performed_on"].replace(day=1)
    window = row["rule_window_months"] or 12
    whole = ALL_SIZES in row["basis"]
    earliest = row["basis"].startswith("first")
    shown = case | {
        "all_sizes": whole,
        "baseline_from": None if earliest else _months_before(first, window),
        "baseline_to": None if earliest else first - timedelta(days=1),
    }
    distribution_chart(shown, name, value, filters, row["limit_value"] if own else None)


def _months_before(day: Any, months: int) -> Any:
    return pl.select(pl.lit(day).dt.offset_by(f"-{months}mo")).item()


def chart_measure(quantity: str, phantom: int | None) -> str | None:
    """Return the name under which charts know a quantity; None where they do not."""
    if quantity == "ctdi_vol_mgy":
        return f"ctdi_vol_{phantom if phantom in (16, 32) else 'unknown'}_mgy"
    return quantity if quantity in (*MEASURES, SKIN.name) else None


def draw_reach() -> None:
    """Say on what the own scales rest and whom they cannot judge."""
    reach = data.query("outliers_scale", None, min_n=MIN_CASES).row(0, named=True)
    share = reach["n_too_few"] / max(reach["n_values"], 1)
    st.caption(
        "Own scale: cases of the same modality, procedure and size band in the months before the "
        f"case, at least {MIN_CASES} of them; for rarer sizes, all sizes of the procedure. "
        f"{fmt.percent(share)} of the last 12 months' dose values belong to smaller groups, which "
        "fixed levels alone judge. A level that is reached asks for a look at the case; it is no "
        "verdict."
    )
    link(RULES, "Rules, their sources and history")


def main() -> None:
    """Draw the page."""
    view = page.begin("Dose outliers", "Which cases stand out, and why?")
    names = outlier_list.names_of_rules()
    choice = choose(view.filters, names)
    row = draw_list(view.filters, choice, names)
    if row is None:
        said = ", ".join(choice.states) or "any state"
        st.success(f"No case of this view has an alert ({said}).")
    else:
        draw_case(row, view.filters)
    draw_reach()


main()
