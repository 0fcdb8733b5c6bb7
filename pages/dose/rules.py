"""Which levels make a case stand out: the rules, their sources and history; an RSO edits them."""

from datetime import date
from typing import Any

import polars as pl
import streamlit as st

from analytics.rules import REGIONS_APART
from pages.dose import outlier_list
from pages.dose.outlier_list import Choice, rule_words
from pages.dose.rule_editor import SAID, fields, keep
from pages.shared import auth, data, downloads, page
from pages.shared import format as fmt
from warehouse.access import may
from warehouse.review_rules import versions
from warehouse.settings import settings

NEW = "A new rule"


def holding(periods: pl.DataFrame, day: date) -> pl.DataFrame:
    """Return each rule as it holds on a day, else its newest form."""
    on_the_day = (pl.col("valid_from") <= day) & (
        pl.col("valid_to").is_null() | (pl.col("valid_to") > day)
    )
    ranked = periods.with_columns(on_the_day.alias("holds")).sort("rule_id", "holds", "valid_from")
    return ranked.unique("rule_id", keep="last", maintain_order=True).sort("rule_id")


def state_words(row: dict[str, Any]) -> str:
    """Say whether a rule is on, and if not, why."""
    if not row["holds"]:
        return "ended" if row["valid_to"] and row["valid_to"] <= date.today() else "not yet"
    if row["active"]:
        return "in force"
    return "off" if row["verified"] else "off: source not verified"


def scope_words(row: dict[str, Any]) -> str:
    """Say which cases a rule judges."""
    low, high = row["age_from_years"], row["age_to_years"]
    ages = f"age {low or 0:g} to {high:g}" if high else f"age {low or 0:g} and over"
    said = [
        row["modality"],
        fmt.procedure(row["procedure_code"]) if row["procedure_code"] else None,
        ages if low is not None or high is not None else None,
        (row["region"] or "").replace(REGIONS_APART, ", "),
        f"phantom {row['ctdi_phantom_cm']} cm" if row["ctdi_phantom_cm"] else None,
        row["room"],
    ]
    return ", ".join(filter(None, said)) or "all cases"


def draw_table(current: pl.DataFrame, counts: dict[str, int]) -> None:
    """List the rules as they hold today."""
    table = pl.DataFrame(
        [
            {
                "Rule": row["rule_id"],
                "Looks at": rule_words(row),
                "State": state_words(row),
                "Threshold": row["threshold"],
                "Unit": row["unit"],
                "Months": row["window_months"],
                "Judges": scope_words(row),
                "From": row["valid_from"],
                "To": row["valid_to"],
                "Set by": "shipped" if not row["version"] else f"version {row['version']}",
                "Cases": counts.get(row["rule_id"], 0),
                "Source": row["source"],
                "Note": row["note"],
            }
            for row in current.iter_rows(named=True)
        ],
        infer_schema_length=None,
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{fmt.plural(len(table), 'rule')} as of today**", width="stretch")
        downloads.offer(table, key="rules", title="Outlier rules")
    st.dataframe(
        table, hide_index=True, placeholder="–", height=430, alt="Outlier rules as of today",
        column_config={
            "Looks at": st.column_config.TextColumn(width="medium"),
            "From": st.column_config.DateColumn(format="YYYY-MM-DD"),
            "To": st.column_config.DateColumn(format="YYYY-MM-DD", help="First day without it."),
            "Cases": st.column_config.NumberColumn(help="With an alert of it, in this period."),
        },
    )  # fmt: skip


def draw_history(rule_id: str, periods: pl.DataFrame, recorded: pl.DataFrame) -> None:
    """Show from when to when each form of a rule holds, and who wrote it why."""
    mine = periods.filter(pl.col("rule_id") == rule_id)
    said = recorded.select("id", "change", "person", "recorded_at", "why")
    table = (
        mine.join(said, left_on="version", right_on="id", how="left")
        .sort("valid_from")
        .select(
            pl.col("valid_from").alias("From"),
            pl.col("valid_to").alias("To"),
            pl.when("active").then(pl.lit("on")).otherwise(pl.lit("off")).alias("State"),
            pl.col("threshold").alias("Threshold"),
            pl.col("unit").alias("Unit"),
            pl.col("change").fill_null("shipped").alias("Change"),
            pl.col("person").alias("Who"),
            pl.col("recorded_at").alias("When (UTC)"),
            pl.col("why").alias("Why"),
            pl.col("source").alias("Source"),
        )
    )
    written = recorded.filter(pl.col("rule_id") == rule_id).height
    st.markdown(
        f"**Periods of {rule_id}:** a case is judged by the form of its day. "
        f"{fmt.plural(written, 'version')} recorded."
    )
    st.dataframe(
        table, hide_index=True, placeholder="–", alt=f"Periods of {rule_id}",
        column_config={
            "From": st.column_config.DateColumn(format="YYYY-MM-DD"),
            "To": st.column_config.DateColumn(format="YYYY-MM-DD", help="First day without it."),
            "When (UTC)": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
        },
    )  # fmt: skip


def draw_editor(current: pl.DataFrame, periods: pl.DataFrame, recorded: pl.DataFrame) -> None:
    """Choose a rule, show its history, and let an RSO change it or add one."""
    st.header("Change a rule", anchor=False)
    chosen = st.selectbox(
        "Rule to look at", [*current["rule_id"], NEW], key="edit", bind="query-params"
    )
    row: dict[str, Any] = {}
    if chosen != NEW:
        row = current.filter(pl.col("rule_id") == chosen).row(0, named=True)
        draw_history(chosen, periods, recorded)
    who = auth.person()
    if not may(who, "rule"):
        st.info(
            "Rules hold at every site: they are changed by a radiation safety officer of all sites."
        )
        return
    mine = recorded.filter(pl.col("rule_id") == chosen)["id"].max()
    seen = mine if isinstance(mine, int) else 0
    st.caption(f"You write as {who.name or 'nobody: sign in, or set KERMA_USER'}.")
    with st.form(f"rule-{chosen}-{seen}", enter_to_submit=False):
        given = fields(row, f"rule-{chosen}-{seen}")
        if st.form_submit_button("Record", type="primary", icon=":material/save:"):
            keep(given, row, who, seen)


def main() -> None:
    """Draw the page."""
    view = page.begin(
        "Outlier rules", "Which levels make a case stand out, since when, and who set them?",
        needs_procedures=False,
    )  # fmt: skip
    said = st.session_state.pop(SAID, None)
    if said:
        st.success(said)
    periods, recorded = outlier_list.rules(), versions(settings())
    current = holding(periods, date.today())
    draw_table(current, outlier_list.count(view.filters, Choice(), "rule_id"))
    st.caption(
        "A level is a trigger for a look at the case, no limit and no verdict. Values whose source "
        "nobody has opened are off until an RSO confirms them. Switching a rule off leaves its "
        f"alerts where they are. Snapshot {getattr(data.snapshot(), 'name', 'none')}."
    )
    draw_editor(current, periods, recorded)


main()
