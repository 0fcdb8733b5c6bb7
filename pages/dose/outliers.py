"""Which cases stand out, and why: the list, furthest first, and each case among its own kind."""

from typing import Any

import polars as pl
import streamlit as st

from analytics.outliers import MIN_CASES
from pages.dose import outlier_list
from pages.dose.case_chart import distribution_chart
from pages.dose.outlier_list import Found, rule_words, value_words
from pages.shared import data, downloads, page
from pages.shared import format as fmt
from pages.shared.filters import Filters
from pages.shared.navigation import ROOT
from warehouse.reference import trigger_levels

ROWS = 50
CASE = ROOT / "pages" / "data" / "case.py"
CHOSEN = "chosen_case"


def counted_rules(found: Found) -> dict[str, int]:
    """Return the cases of each rule that was broken, the most frequent first."""
    counts = found.exceedances.group_by("rule_id").agg(pl.col("procedure_id").n_unique().alias("n"))
    return dict(counts.sort("n", "rule_id", descending=[True, False]).iter_rows())


def chosen_rules(counts: dict[str, int]) -> list[str]:
    """Ask which rules to list; none chosen means all."""
    if "rule" in st.session_state:
        st.session_state["rule"] = [rule for rule in st.session_state["rule"] if rule in counts]
    return st.multiselect(
        "Rule", list(counts), key="rule", bind="query-params", placeholder="All rules",
        format_func=rule_words,
    )  # fmt: skip


def listed(found: Found, chosen: list[str]) -> pl.DataFrame:
    """Return the cases that broke one of the chosen rules, furthest out first."""
    if not chosen:
        return found.cases
    return found.cases.filter(pl.col("rules").list.eval(pl.element().is_in(chosen)).list.any())


def as_table(cases: pl.DataFrame) -> pl.DataFrame:
    """Write the list as the reader sees and downloads it."""
    rows = [
        {
            "Day": row["performed_on"],
            "Why": "; ".join(rule_words(rule) for rule in row["rules"]),
            "Value": value_words(row["quantity"], row["kind"], row["value"]),
            "Limit": value_words(row["quantity"], row["kind"], row["limit"]),
            "Times own median": row["dose"] / row["p50"] if row["p50"] else None,
            "Distance, SD": row["score"],
            "Procedure": fmt.procedure(row["procedure_code"])
            if row["procedure_code"]
            else row["procedure_name"],
            "Size": row["size_band"],
            "Room": row["room"],
            "Modality": row["modality"],
            "Cases behind": row["n_basis"],
            "Case": row["procedure_id"],
        }
        for row in cases.iter_rows(named=True)
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def label(row: dict[str, Any]) -> str:
    """Name a case in the list without naming a person."""
    return (
        f"Case {row['procedure_id']} · {fmt.day(row['performed_on'])} · "
        f"{value_words(row['quantity'], row['kind'], row['value'])}"
    )


def pick_row(ids: list[int]) -> None:
    """Take over the row that was selected in the table; a callback."""
    rows = st.session_state["outlier-table"]["selection"]["rows"]
    if rows:
        st.session_state[CHOSEN] = ids[rows[0]]


def draw_list(cases: pl.DataFrame, filters: Filters) -> dict[str, Any]:
    """Draw one page of the list and return the case that is chosen on it."""
    pages = -(-len(cases) // ROWS)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{fmt.plural(len(cases), 'case')}, furthest out first**", width="stretch")
        number = st.pagination(pages, key="outlier-page") if pages > 1 else 1
        downloads.offer(as_table(cases), key="outliers", title="Dose outliers", filters=filters)
    shown = cases.slice((min(number, pages) - 1) * ROWS, ROWS)
    ids = shown["procedure_id"].to_list()
    st.dataframe(
        as_table(shown), key="outlier-table", hide_index=True, height=420, row_height=35,
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
                "log scale; for a unit error, tenths of a power of ten. Blank: fewer than "
                f"{MIN_CASES} such cases, so only fixed levels apply; these come first.",
            ),
            "Cases behind": st.column_config.NumberColumn(help="Cases that the limit rests on."),
            "Case": st.column_config.NumberColumn(format="%d", help="Number in this warehouse."),
        },
    )  # fmt: skip
    if st.session_state.get(CHOSEN) not in ids:
        st.session_state[CHOSEN] = ids[0]
    labels = {row["procedure_id"]: label(row) for row in shown.iter_rows(named=True)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Chosen case", ids, key=CHOSEN, format_func=labels.__getitem__, width=520
        )
        if st.button("Open case", type="primary", icon=":material/open_in_new:"):
            st.switch_page(CASE, query_params={"id": str(chosen)})
    return shown.row(ids.index(chosen), named=True)


def draw_case(row: dict[str, Any], found: Found, filters: Filters) -> None:
    """Say why the chosen case is listed and show it among its own kind."""
    for broken in found.exceedances.filter(pl.col("procedure_id") == row["procedure_id"]).iter_rows(
        named=True
    ):
        value = value_words(broken["quantity"], broken["kind"], broken["value"])
        limit = value_words(broken["quantity"], broken["kind"], broken["limit"])
        basis = broken["basis"]
        n = f", n = {fmt.count(broken['n_basis'])}" if broken["n_basis"] else ""
        st.markdown(f"- **{rule_words(broken['rule_id'])}:** {value}; limit {limit} ({basis}{n})")
    if row["dose_index"]:
        limit = None if row["kind"] == "unit_ratio" else row["limit"]
        distribution_chart(row, row["dose_index"], row["dose"], filters, limit)


def draw_rules(counts: dict[str, int]) -> None:
    """List every rule with its source, first day, state and cases."""
    active = {rule.rule_id for rule in outlier_list.rules()}
    table = trigger_levels().select(
        pl.col("rule_id").alias("Rule"),
        pl.col("quantity").replace_strict({}, default=pl.col("quantity")).alias("Quantity"),
        pl.col("level").alias("Level"),
        pl.col("threshold").alias("Threshold"),
        pl.col("unit").alias("Unit"),
        pl.when(pl.col("rule_id").is_in(sorted(active)))
        .then(pl.lit("in force"))
        .otherwise(pl.lit("off: source not verified"))
        .alias("State"),
        pl.col("rule_id").replace_strict(counts, default=0, return_dtype=pl.Int64).alias("Cases"),
        pl.col("valid_from").alias("From"),
        pl.col("valid_to").alias("To"),
        pl.col("source").alias("Source"),
        pl.col("note").alias("Note"),
    )
    with st.expander("Rules, their sources and state"):
        downloads.offer(table, key="rules", title="Outlier rules")
        st.dataframe(table, hide_index=True, alt="Outlier rules with source and state")


def draw_reach() -> None:
    """Say on what the own scales rest and whom they cannot judge."""
    reach = data.query("outliers_scale", None, min_n=MIN_CASES).row(0, named=True)
    of = max(reach["n_values"], 1)
    st.caption(
        f"Own scale: cases of the same modality, procedure and size band from "
        f"{fmt.day(reach['baseline_from'])} to {fmt.day(reach['baseline_to'])}, at least "
        f"{MIN_CASES} of them; for {fmt.percent(reach['n_all_sizes'] / of)} of the dose values all "
        f"sizes stand in, and {fmt.percent(reach['n_too_few'] / of)} belong to procedures with "
        "fewer, which fixed levels alone judge. A level that is reached asks for a look at the "
        "case; it is no verdict."
    )


def main() -> None:
    """Draw the page."""
    view = page.begin("Dose outliers", "Which cases stand out, and why?")
    found = outlier_list.find(view.filters)
    if found.cases.is_empty():
        st.success("No case of this view reaches a level or stands far out among its own kind.")
        draw_rules({})
        draw_reach()
        return
    counts = counted_rules(found)
    chosen = chosen_rules(counts)
    said = [f"{rule_words(rule)}: {fmt.count(n)}" for rule, n in counts.items()]
    st.caption(f"Cases by rule: {' · '.join(said)}")
    cases = listed(found, chosen)
    if found.cut:
        st.warning(f"The list is cut at {fmt.count(outlier_list.MOST)} cases: narrow the filters.")
    row = draw_list(cases, view.filters)
    draw_case(row, found, view.filters)
    draw_rules(counts)
    draw_reach()


main()
