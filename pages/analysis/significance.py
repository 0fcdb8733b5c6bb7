"""Is this difference real: outcome and groups in; checks, test, effect and words out."""

from datetime import date

import polars as pl
import streamlit as st

from analytics.compare_paired import compare_change
from analytics.dose import active_coefficients, effective_dose
from analytics.workbench import Analysis, Outcome, analyse
from pages.analysis import significance_choices as ask
from pages.analysis import significance_parts as parts
from pages.shared import data, filters, page
from pages.shared.page import View
from warehouse.reference import EFFECTIVE_DOSE, read


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


def draw(analysis: Analysis, view: View, values: pl.DataFrame) -> None:
    """Draw the answer, then what it rests on."""
    overall = analysis.overall
    parts.draw_answer(overall)
    parts.draw_tables(overall, view)
    if analysis.strata and overall.effects:
        parts.draw_forest(analysis, view)
    parts.draw_checks(overall)
    parts.draw_programs(overall, values, view)


def compare_times(view: View) -> None:
    """Compare one score before and after within patients."""
    left, right = st.columns(2)
    with left:
        score = filters.choose("score", "Score", ask.SCORES)
    with right:
        time = filters.choose("after", "Baseline against", ask.TIMES[score])
    with st.expander("Records and margin", icon=":material/tune:"):
        first_only, _ = ask.choose_patients(view)
        margin = ask.choose_margin(ask.PAIRED, ("before", "after"))
    counts = data.query(
        "significance_change",
        view.filters,
        score=score,
        timepoint=time,
        first_of_patient=first_only,
    )
    found = compare_change(
        counts,
        ask.SCORES[score],
        "points",
        times=("baseline", ask.TIMES[score][time]),
        margin=margin,
    )
    parts.draw_answer(found)
    parts.draw_tables(found, view)
    parts.draw_checks(found)


def main() -> None:
    """Draw the page."""
    view = page.begin("Significance", "Is this difference real, and how large may it be?")
    if filters.choose("design", "Compare", ask.DESIGNS) == "times":
        compare_times(view)
    else:
        compare_groups(view)


def compare_groups(view: View) -> None:
    """Compare an outcome between groups, over all and within procedures."""
    outcome, grouping = ask.choose_outcome()
    with st.expander("Records, margin and adjustment", icon=":material/tune:"):
        first_only, repeated = ask.choose_patients(view)
        adjustment = filters.choose("adjust", "Adjust p within a family", ask.ADJUSTMENTS)
        margin_place = st.container()
    values = counted(view, outcome, grouping, first_only)
    groups = ask.choose_groups(values, grouping, outcome)
    with margin_place:
        margin = ask.choose_margin(outcome, groups)
    analysis = analyse(
        values, outcome, groups,
        margin=margin, adjustment=adjustment, repeated_share=repeated,
    )  # fmt: skip
    draw(analysis, view, values.filter(pl.col("group").is_in(groups)))


main()
