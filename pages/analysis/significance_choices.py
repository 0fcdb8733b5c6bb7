"""What a reader can choose on the Significance page."""

from collections.abc import Sequence

import polars as pl
import streamlit as st

from analytics.runners import Margin
from analytics.workbench import OUTCOMES, Outcome
from pages.analysis import significance_parts as parts
from pages.shared import charts, data
from pages.shared import format as fmt
from pages.shared.page import View

GROUPINGS = {
    "modality": "Modality",
    "procedure": "Procedure",
    "site": "Site",
    "room": "Room",
    "device": "Device",
    "sex": "Sex",
    "trainee": "Trainee",
    "year": "Year",
}
ADJUSTMENTS = {"holm": "Holm", "bh": "Benjamini–Hochberg", "none": "None"}
DESIGNS = {"groups": "Groups", "times": "Before and after in the same patients"}
SCORES = {"pain": "Pain, 0 to 10", "odi": "Oswestry disability index, 0 to 100"}
TIMES = {
    "pain": {
        "15min": "15 minutes",
        "1wk": "1 week",
        "1mo": "1 month",
        "3mo": "3 months",
        "6mo": "6 months",
    },
    "odi": {"1wk": "1 week", "1mo": "1 month", "3mo": "3 months", "6mo": "6 months"},
}
PAIRED = Outcome("change", "Change", "points", "continuous")
MUCH_REPEATED = 0.05
MOST_GROUPS = 8


def choose_outcome() -> tuple[Outcome, str]:
    """Ask what is compared and between which groups."""
    named = {outcome.key: outcome for outcome in OUTCOMES}
    left, right = st.columns(2)
    with left:
        key = st.selectbox(
            "Outcome", list(named), key="outcome", bind="query-params",
            format_func=lambda k: named[k].name + (f" ({named[k].unit})" if named[k].unit else ""),
        )  # fmt: skip
    with right:
        grouping = st.selectbox(
            "Groups by", list(GROUPINGS), key="groups-by", bind="query-params",
            format_func=GROUPINGS.__getitem__,
        )  # fmt: skip
    return named[str(key)], str(grouping)


def choose_groups(values: pl.DataFrame, grouping: str, outcome: Outcome) -> list[str]:
    """Ask which groups to compare; stop where fewer than two have values."""
    sizes = (
        values.drop_nulls(["group", "value"])
        .group_by("group")
        .agg(pl.col("count").sum())
        .sort("count", "group", descending=[True, False])
    )
    counts = dict(sizes.iter_rows())
    options = [*counts]
    if grouping == "modality":
        able = outcome.index.modalities if outcome.index else charts.MODALITIES
        options = [m for m in charts.MODALITIES if m in counts and m in able]
    if len(options) < 2:
        st.info(parts.why_one_group(outcome, grouping))
        st.stop()
    named = fmt.procedure if grouping == "procedure" else str
    chosen = st.multiselect(
        "Compare", options, default=options[:2], key=f"compare-{grouping}",
        max_selections=MOST_GROUPS,
        format_func=lambda name: f"{named(name)} · n = {fmt.count(counts[name])}",
    )  # fmt: skip
    if len(chosen) < 2:
        st.info("Choose at least two groups.")
        st.stop()
    return list(chosen)


def choose_patients(view: View) -> tuple[bool, float]:
    """Ask whether only each patient's first record counts; tests take records as independent."""
    row = data.query("comparison_patients", view.filters).row(0, named=True)
    share = row["n_repeated"] / row["n_known"] if row["n_known"] else 0.0
    first_only = st.toggle(
        "Only the first record of each patient", value=share > MUCH_REPEATED, key="first-only",
        help="Tests take records as independent. Above 5 % of records of patients with several, "
        "p is not given unless one record for each is chosen.",
    )  # fmt: skip
    st.caption(f"{fmt.percent(share)} of the records belong to patients with several.")
    return first_only, 0.0 if first_only else share


def choose_margin(outcome: Outcome, groups: Sequence[str]) -> Margin | None:
    """Ask for a margin that was set before looking."""
    if len(groups) != 2 or outcome.kind == "ordinal":
        st.caption("A margin is tested between two groups of a measured or yes/no outcome.")
        return None
    if not st.toggle("A margin was set in advance", key="with-margin"):
        return None
    ratio = outcome.kind in ("dose", "duration")
    scale = 100.0 if outcome.kind == "binary" else 1.0
    start = (0.8, 1.25) if ratio else (-1.0, 1.0) if scale == 1.0 else (-5.0, 5.0)
    left, right = st.columns(2)
    low = left.number_input("From", value=start[0], key=f"low-{outcome.kind}")
    high = right.number_input("To", value=start[1], key=f"high-{outcome.kind}")
    st.caption(f"As {outcome.margin_words}. An end that is left empty is not tested.")
    if low is None and high is None:
        return None
    return None if low is None else low / scale, None if high is None else high / scale
