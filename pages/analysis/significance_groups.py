"""Significance between groups: crude, within procedures, and with covariates held equal."""

from collections.abc import Sequence

import polars as pl
import streamlit as st

from analytics.adjusting import adjust_for, on_log
from analytics.cell_regression import Adjustment
from analytics.effective_dose import effective_dose
from analytics.results import NotComputable
from analytics.wording import capital
from analytics.workbench import Outcome, analyse
from pages.analysis import significance_choices as ask
from pages.analysis import significance_parts as parts
from pages.analysis.significance_forest import draw_forest
from pages.analysis.significance_planning import draw_balance, draw_planning
from pages.shared import coefficients, data, downloads, filters
from pages.shared import format as fmt
from pages.shared.page import View
from pages.shared.patients import choose_records

EFFECTIVE = "effective_dose_msv"
DIGITS = 4


def compare_groups(view: View) -> None:
    """Compare an outcome between groups, over all and within procedures."""
    outcome, grouping = ask.choose_outcome()
    with st.expander("Records, margin and adjustment", icon=":material/tune:"):
        view, repeated = choose_records(view)
        adjustment = filters.choose("adjust", "Adjust p within a family", ask.ADJUSTMENTS)
        margin_place = st.container()
    values = counted(view, outcome, grouping)
    ordered = grouping in ask.ORDERED
    groups = ask.choose_groups(values, grouping, outcome)
    groups = sorted(groups) if ordered else groups
    with margin_place:
        margin = ask.choose_margin(outcome, groups)
    analysis = analyse(
        values, outcome, groups,
        margin=margin, adjustment=adjustment, repeated_share=repeated, ordered=ordered,
    )  # fmt: skip
    overall = analysis.overall
    parts.draw_answer(overall)
    parts.draw_tables(overall, view)
    if overall.p_value is not None:
        draw_adjusted(view, outcome, grouping, groups)
    if analysis.strata and overall.effects:
        draw_forest(analysis, view)
    if analysis.within is not None:
        st.caption(analysis.within.sentence)
    draw_balance(view, grouping, groups)
    parts.draw_checks(overall)
    draw_planning(overall, outcome)
    shown = values.filter(pl.col("group").is_in(groups))
    parts.draw_programs(overall, lambda: _without_strata(shown))


def counted(view: View, outcome: Outcome, grouping: str) -> pl.DataFrame:
    """Return the counted values by stratum and group.

    Effective dose is written with four digits: its band is a quarter and more of its value.
    """
    asked = {
        "group_by": grouping,
        "stratum": None if grouping == "procedure" else "procedure",
        "first_of_patient": view.filters.first_of_patient,
    }
    if outcome.key != EFFECTIVE:
        return data.query("significance_frequency", view.filters, outcome=outcome.key, **asked)
    doses = data.query("significance_dose", view.filters, **asked)
    estimated = effective_dose(doses, coefficients.in_force()).select(
        "group", "stratum", "count", value=pl.col(EFFECTIVE).round_sig_figs(DIGITS)
    )
    return estimated.group_by("group", "stratum", "value").agg(pl.col("count").sum())


def draw_adjusted(view: View, outcome: Outcome, grouping: str, groups: Sequence[str]) -> None:
    """Draw the effect with covariates held equal, beside the crude one on the same records."""
    head = st.container(horizontal=True, vertical_alignment="center")
    head.header("Crude and adjusted", anchor=False, width="stretch")
    covariates = ask.choose_covariates(grouping)
    if not covariates:
        st.caption("Choose what to hold equal: without it, groups may differ in their cases only.")
        return
    asked = "dose_of_modality" if outcome.key == EFFECTIVE else outcome.key
    cells = data.query(
        "significance_cells", view.filters, outcome=asked, covariates=tuple(covariates),
        log=on_log(outcome), group_by=grouping, stratum=None,
        first_of_patient=view.filters.first_of_patient,
    )  # fmt: skip
    found = adjust_for(cells, outcome, groups, covariates, coefficients.in_force())
    if not isinstance(found.adjusted, Adjustment):
        st.info(f"The adjusted effect {found.adjusted.reason}.")
        return
    rows = adjusted_rows(found.crude, found.adjusted, found.scale)
    with head:
        downloads.offer(
            rows, key="significance-adjusted", title=f"{outcome.name}, crude and adjusted",
            filters=view.filters, words=rows, cells=downloads.over(*_behind(cells, outcome)),
        )  # fmt: skip
    st.table(rows, hide_index=True)
    st.caption(_notes(found.adjusted))


def _behind(cells: pl.DataFrame, outcome: Outcome) -> list[int]:
    """Return the counts on which adjusted effects rest: the groups', and events of a yes or no."""
    sums = cells.group_by("group").agg(pl.col("n", "events").sum())
    if outcome.kind != "binary":
        return sums["n"].to_list()
    events = sums["events"].cast(pl.Int64)
    return [*sums["n"], *events, *(sums["n"] - events)]


def adjusted_rows(
    crude: Adjustment | NotComputable, adjusted: Adjustment, scale: str
) -> pl.DataFrame:
    """Return one row a group: effect against the reference without and with covariates."""
    rows = []
    for group, effect in adjusted.effects.items():
        test = adjusted.tests[group]
        plain = crude.effects[group] if isinstance(crude, Adjustment) else None
        rows.append(
            {
                "Effect": f"{scale}, {group} v {adjusted.reference}",
                "Crude, same records": parts.estimate_words(plain),
                "Adjusted (95 % CI)": parts.estimate_words(effect),
                "p": fmt.p_value(getattr(test, "p_value", None)),
            }
        )
    return pl.DataFrame(rows)


def _notes(found: Adjustment) -> str:
    """Say what the model held equal, on how many records, and what it cannot do."""
    names = ", ".join(ask.COVARIATES[name].lower() for name in found.covariates)
    said = [f"{capital(found.method)} on {fmt.plural(found.n, 'record')} with {names} known"]
    if found.n_left_out:
        said[0] += f" ({fmt.count(found.n_left_out)} left out)"
    said += [note.rstrip(".") for note in found.notes]
    said.append("What was not measured is not adjusted for")
    return ". ".join(said) + "."


def _without_strata(values: pl.DataFrame) -> pl.DataFrame:
    return values.group_by("group", "value").agg(pl.col("count").sum()).sort("group", "value")
