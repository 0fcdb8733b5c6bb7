"""Which levels make a case stand out: the rules, their sources and history; an RSO edits them."""

import json
import subprocess
import sys
from datetime import date
from typing import Any

import polars as pl
import streamlit as st
from pydantic import ValidationError

from analytics.rules import REGIONS_APART
from pages.dose import outlier_list
from pages.dose.outlier_list import Choice, rule_words
from pages.shared import auth, data, downloads, page
from pages.shared import format as fmt
from pages.shared.navigation import ROOT
from warehouse import review_rules
from warehouse.access import Person, RefusedError, may
from warehouse.procedures import procedure_names, regions
from warehouse.review_rules import WINDOWED, RuleChange, RuleVersion, versions
from warehouse.reviews import ReviewError
from warehouse.settings import settings

NEW = "A new rule"
SAID = "rules-said"
KINDS = {
    "trigger": "Fixed level: value ≥ threshold",
    "patient_sum": "Patient's sum over the months ≥ threshold",
    "own_percentile": "Beyond own P95: P50·(P95/P50)^threshold; 1 is P95 itself",
    "robust_limit": "Far out: median + threshold·1.4826·MAD of the logarithm",
    "reference_multiple": "Multiple of the national reference level",
    "unit_ratio": "Unit error: KAP against K_a,r",
}
LEVELS = ["notification", "follow-up", "local", "screening", "data check"]


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


def fields(row: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Draw the fields of a rule, filled from a row, and return what stands in them."""
    given: dict[str, Any] = {}

    def pick(name: str, label: str, options: list[Any], words: Any = str, **more: Any) -> None:
        index = options.index(row.get(name)) if row.get(name) in options else None
        given[name] = st.selectbox(
            label, options, index=index, key=f"{prefix}-{name}", format_func=words,
            placeholder="All", **more,
        )  # fmt: skip

    def figure(name: str, label: str, **more: Any) -> None:
        value = row.get(name)
        given[name] = st.number_input(label, value=value, key=f"{prefix}-{name}", **more)

    one, two, three, four = st.columns(4)
    with one:
        given["rule_id"] = st.text_input(
            "Rule", row.get("rule_id", ""), key=f"{prefix}-rule_id", disabled=bool(row),
            help="Short name of letters, digits and underscores.",
        )  # fmt: skip
        pick("kind", "Kind", list(KINDS), KINDS.__getitem__)
        pick("level", "Level", LEVELS)
    with two:
        pick("quantity", "Quantity", list(review_rules.UNITS), lambda q: fmt.measure(q).axis)
        figure("threshold", "Threshold", min_value=0.0, help="In the unit of the quantity, or a "
               "factor, by kind.")  # fmt: skip
        figure("window_months", "Months of the window", min_value=1, max_value=120)
    with three:
        pick("modality", "Modality", ["CT", "fluoroscopy"])
        pick("procedure_code", "Procedure", sorted(procedure_names()), fmt.procedure)
        given["room"] = st.text_input("Room", row.get("room") or "", key=f"{prefix}-room")
        chosen = (row.get("region") or "").split(REGIONS_APART) if row.get("region") else []
        given["region"] = REGIONS_APART.join(
            st.multiselect("Region", regions(), chosen, key=f"{prefix}-region", placeholder="All")
        )
    with four:
        figure("age_from_years", "Age from, years", min_value=0.0)
        figure("age_to_years", "Age to (exclusive), years", min_value=0.0)
        pick("ctdi_phantom_cm", "Phantom, cm", [16, 32])
        given["active"] = st.toggle("In force", bool(row.get("active", True)), key=f"{prefix}-on")
    given |= _dated(row, prefix)
    return given


def _dated(row: dict[str, Any], prefix: str) -> dict[str, Any]:
    one, two, three = st.columns([1, 1, 3])
    return {
        "valid_from": one.date_input(
            "Holds from", date.today(), key=f"{prefix}-valid_from", format="YYYY-MM-DD",
            min_value=date(1990, 1, 1), max_value=date(2099, 12, 31),
            help="Cases of earlier days keep the rule that they had. A day in the past judges the "
            "cases since then anew.",
        ),
        "valid_to": two.date_input(
            "Until (exclusive)", None, key=f"{prefix}-valid_to", format="YYYY-MM-DD",
            min_value=date(1990, 1, 1), max_value=date(2099, 12, 31),
        ),
        "source": three.text_input(
            "Source", row.get("source") or "", key=f"{prefix}-source", max_chars=1000,
            help="Where the value stands: document, table, page.",
        ),
        "url": row.get("url"),
        "note": row.get("note"),
        "why": st.text_input(
            "Why", "", key=f"{prefix}-why", max_chars=1000,
            placeholder="What is changed and for which reason; kept for good",
        ),
    }  # fmt: skip


def change_of(row: dict[str, Any], active: bool) -> RuleChange:
    """Name what a version does to the rule as it stood."""
    if not row:
        return "add"
    if active and not row["active"]:
        return "on" if row["verified"] else "confirm"
    return "off" if row["active"] and not active else "change"


def keep(given: dict[str, Any], row: dict[str, Any], who: Person, seen: int) -> None:
    """Record a version and judge the cases by it, or say what is wrong."""
    filled = {name: None if value == "" else value for name, value in given.items()}
    if row:
        filled["rule_id"] = row["rule_id"]
    elif str(filled["rule_id"] or "").strip().upper() in set(outlier_list.rules()["rule_id"]):
        st.error(f"Nothing was written: {filled['rule_id']} exists; choose it above to change it.")
        return
    if filled["kind"] not in WINDOWED:
        filled["window_months"] = None
    try:
        version = RuleVersion.model_validate(
            filled | {"change": change_of(row, bool(given["active"]))}
        )
        number = review_rules.record(settings(), version, who, seen)
    except ValidationError as error:
        st.error(f"Nothing was written. {'; '.join(map(wrong_words, error.errors()))}.")
        return
    except (ReviewError, RefusedError) as error:
        st.error(f"Nothing was written: {error}.")
        return
    st.session_state[SAID] = f"{version.rule_id}: version {number} recorded. {rejudge()}"
    st.rerun()


def wrong_words(found: Any) -> str:
    """Say what is wrong with a field of a rule."""
    where = str(found["loc"][0]) if found["loc"] else "rule"
    if found.get("input") is None and found["loc"]:
        return f"{where} is needed"
    return f"{where}: {found['msg'].removeprefix('Value error, ')}"


def rejudge() -> str:
    """Judge all cases by the rules as they now are, in a process of its own, and say the result."""
    with st.spinner("Judging all cases by the rules as they now are"):
        done = subprocess.run(
            [sys.executable, "-m", "etl", "alerts", "--json"],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        return (
            "The cases could not be judged by it now; the next refresh does it. "
            f"{done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ''}"
        )
    found = json.loads(done.stdout.splitlines()[-1])
    return (
        f"{fmt.plural(found['judged'], 'case')} judged: {fmt.plural(found['new'], 'new alert')}, "
        f"{fmt.count(found['lapsed'])} no longer hold."
    )


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
