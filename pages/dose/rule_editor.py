"""The form in which an RSO changes an outlier rule or adds one, and what is done with it."""

from datetime import date
from typing import Any

import streamlit as st
from pydantic import ValidationError

from analytics.rules import REGIONS_APART
from pages.dose import outlier_list
from pages.shared import format as fmt
from pages.shared.rejudge import rejudge
from warehouse import review_rules
from warehouse.access import Person, RefusedError
from warehouse.procedures import procedure_names, regions
from warehouse.review_rules import WINDOWED, RuleChange, RuleVersion
from warehouse.reviews import ReviewError
from warehouse.settings import settings

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
