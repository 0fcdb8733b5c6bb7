"""Is this difference real: outcome and groups in; checks, test, effect and words out."""

from collections.abc import Sequence
from datetime import date

import polars as pl
import streamlit as st

from analytics.dose import active_coefficients, effective_dose
from analytics.runners import Margin
from analytics.workbench import OUTCOMES, Analysis, Outcome, analyse
from pages.analysis import significance_parts as parts
from pages.shared import charts, data, filters, page
from pages.shared import format as fmt
from pages.shared.page import View
from warehouse.reference import EFFECTIVE_DOSE, read

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


def counted(view: View, outcome: Outcome, grouping: str, first_only: bool) -> pl.DataFrame:
    """Return the counted values by stratum and group."""
    asked = {
        "group_by": grouping,
        "stratum": None if grouping == "procedure" else "procedure",
        "first_of_patient": first_only,
    }
    if outcome.key != "effective_dose_msv":
        return data.query("significance_frequency", view.filters, outcome=outcome.key, **asked)
    doses = data.query("significance_dose", view.filters, **asked)
    active = active_coefficients(read("effective_dose.csv", EFFECTIVE_DOSE), date.today())
    estimated = effective_dose(doses, active).rename({"effective_dose_msv": "value"})
    key = ["group", "stratum", "value"]
    return estimated.group_by(key).agg(pl.col("count").sum())


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


def draw(analysis: Analysis, view: View, values: pl.DataFrame) -> None:
    """Draw the answer, then what it rests on."""
    overall = analysis.overall
    parts.draw_answer(overall)
    parts.draw_tables(overall, view)
    if analysis.strata and overall.effects:
        parts.draw_forest(analysis, view)
    parts.draw_checks(overall)
    parts.draw_programs(overall, values, view)


def main() -> None:
    """Draw the page."""
    view = page.begin("Significance", "Is this difference real, and how large may it be?")
    outcome, grouping = choose_outcome()
    with st.expander("Records, margin and adjustment", icon=":material/tune:"):
        first_only, repeated = choose_patients(view)
        adjustment = filters.choose("adjust", "Adjust p within a family", ADJUSTMENTS)
        margin_place = st.container()
    values = counted(view, outcome, grouping, first_only)
    groups = choose_groups(values, grouping, outcome)
    with margin_place:
        margin = choose_margin(outcome, groups)
    analysis = analyse(
        values, outcome, groups,
        margin=margin, adjustment=adjustment, repeated_share=repeated,
    )  # fmt: skip
    draw(analysis, view, values.filter(pl.col("group").is_in(groups)))


main()
