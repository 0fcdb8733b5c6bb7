"""What the Significance page draws: sentence, tables, checks and programs."""

from collections.abc import Callable

import polars as pl
import streamlit as st

from analytics.code import python_code, r_code
from analytics.comparison import Comparison
from analytics.detectable import detectable_words
from analytics.dose import DoseIndex
from analytics.results import Estimate, NotComputable
from analytics.workbench import Outcome
from pages.shared import auth, downloads, navigation, trace, trial_table
from pages.shared import format as fmt
from pages.shared.page import View
from warehouse.spreadsheets import neutralised


def why_one_group(outcome: Outcome, grouping: str) -> str:
    """Say why there are not two groups to compare, and what to do."""
    index = outcome.index
    if index is None or grouping != "modality" or index is DoseIndex.EFFECTIVE_DOSE:
        return "Fewer than two groups have values: widen the period or the filters."
    able = " and ".join(index.modalities)
    return (
        f"{index.label} is {index.meaning}; of the modalities, only {able} can have it,"
        " and equal numbers of different quantities do not mean equal dose. Compare"
        " the effective dose estimate instead, or group by something else."
    )


def draw_answer(comparison: Comparison) -> None:
    """Draw the sentence, to read and to copy; a refusal with its reason."""
    if isinstance(comparison.test, NotComputable):
        st.warning(comparison.sentence, icon=":material/block:")
        return
    st.header("In words", anchor=False)
    st.code(comparison.sentence, language=None, wrap_lines=True)
    st.caption(f"Test: {comparison.method}. Why: {comparison.reason}.")
    planning = detectable_words(comparison)
    if planning:
        st.caption(planning)


def draw_tables(comparison: Comparison, view: View) -> None:
    """Draw groups, effects and pairs."""
    groups = pl.DataFrame(
        [
            {
                "Group": group.group,
                "Values": trial_table.group_words(group, comparison.unit),
                "Geometric mean": estimate_words(group.geometric_mean),
                "Mean": estimate_words(group.mean),
            }
            for group in comparison.groups
        ]
    )
    if groups.height:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.header("Groups", anchor=False, width="stretch")
            downloads.offer(
                groups_frame(comparison), key="significance-groups", title=comparison.quantity,
                filters=view.filters, words=groups,
                cells=downloads.Cells("n", ("group",), parts=("events",)),
            )  # fmt: skip
        empty = [name for name in groups.columns if (groups[name] == fmt.DASH).all()]
        st.table(groups.drop(empty), hide_index=True)
    effects = effects_frame(comparison)
    if effects.height:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.header("Effects", anchor=False, width="stretch")
            words = _effects_words(comparison)
            downloads.offer(
                effects, key="significance-effects", title=f"{comparison.quantity}: effects",
                filters=view.filters, words=words,
                cells=downloads.over(*_behind(comparison)),
            )  # fmt: skip
        st.table(words, hide_index=True)


def _behind(comparison: Comparison) -> list[int]:
    """Return the counts on which effects rest: the groups', their events and those without."""
    groups = comparison.groups
    events = [(group.n, group.events) for group in groups if group.events is not None]
    few = [count for n, some in events for count in (some, n - some)]
    return [*(group.n for group in groups), *few]


def groups_frame(comparison: Comparison) -> pl.DataFrame:
    """Return the groups as numbers, for downloads."""
    return pl.DataFrame(
        [
            {
                "group": group.group,
                "n": group.n,
                "unit": comparison.unit,
                "q1": group.q1,
                "q3": group.q3,
                "sd": group.sd,
                "events": group.events,
            }
            | trial_table.columns_of("median", group.median)
            | trial_table.columns_of("mean", group.mean)
            | trial_table.columns_of("geometric_mean", group.geometric_mean)
            | trial_table.columns_of("share", group.proportion)
            for group in comparison.groups
        ],
        infer_schema_length=None,
    )


def effects_frame(comparison: Comparison) -> pl.DataFrame:
    """Return effects and pairs as numbers, for downloads."""
    rows = [
        (effect.name, effect.first, effect.second, effect.estimate, comparison.p_value, None)
        for effect in comparison.effects[:1]
    ]
    rows += [(e.name, e.first, e.second, e.estimate, None, None) for e in comparison.effects[1:]]
    rows += [
        (pair.effect_name, pair.first, pair.second, pair.effect, pair.test.p_value, pair.p_adjusted)
        for pair in comparison.pairs
    ]
    return pl.DataFrame(
        [
            {
                "effect": name,
                "first": first,
                "second": second,
                "value": estimate.value,
                "low": estimate.low,
                "high": estimate.high,
                "level": estimate.level,
                "method": estimate.method,
                "p_value": p,
                "p_adjusted": adjusted,
            }
            for name, first, second, estimate, p, adjusted in rows
            if isinstance(estimate, Estimate)
        ],
        infer_schema_length=None,
    )


def _effects_words(comparison: Comparison) -> pl.DataFrame:
    """Return effects, companions and pairs in words."""
    rows = [
        {
            "What": f"{effect.first} v {effect.second}",
            "Effect (95 % CI)": trial_table.effect_words(effect),
            "p": fmt.p_value(comparison.p_value) if place == 0 else fmt.DASH,
        }
        for place, effect in enumerate(comparison.effects)
    ]
    rows += [
        {
            "What": f"{pair.first} v {pair.second}",
            "Effect (95 % CI)": trial_table.pair_words(pair),
            "p": f"{fmt.p_value(pair.test.p_value)}; adjusted {fmt.p_value(pair.p_adjusted)}",
        }
        for pair in comparison.pairs
    ]
    rows += [
        {"What": "Companion test", "Effect (95 % CI)": test.method, "p": fmt.p_value(test.p_value)}
        for test in comparison.companions
    ]
    return pl.DataFrame(rows)


def estimate_words(found: Estimate | NotComputable | None) -> str:
    """Write an estimate with its interval, a dash where there is none."""
    if not isinstance(found, Estimate):
        return fmt.DASH
    return f"{fmt.quantity(found.value, found.unit)} ({fmt.interval(found.low, found.high)})"


def draw_checks(comparison: Comparison) -> None:
    """Draw what was looked at and left out."""
    with st.expander("Checked before the test was chosen", icon=":material/fact_check:"):
        checks = [{"Check": check.name, "Found": check.finding} for check in comparison.checks]
        left = [
            {"Check": f"left out of {out.group}", "Found": f"{fmt.count(out.n)}: {out.why}"}
            for out in comparison.left_out
        ]
        if checks or left:
            st.table(pl.DataFrame(checks + left), hide_index=True)
        st.caption("No test of normality decides: the kind of outcome and the group sizes do.")


def draw_programs(comparison: Comparison, values: Callable[[], pl.DataFrame]) -> None:
    """Draw the programs that repeat the result, and the values they read."""
    programs = {"R": r_code(comparison), "Python": python_code(comparison)}
    if not any(programs.values()):
        return
    with st.expander("Repeat it in R or Python", icon=":material/code:"):
        if auth.person().roles & navigation.CASES:
            st.download_button(
                "values.csv",
                trace.taken(
                    lambda: neutralised(values()).write_csv().encode(), "Values of a test as CSV"
                ),
                "values.csv", "text/csv", on_click="ignore",
                help="The values counted: no patient, no case",
            )  # fmt: skip
        for tab, program in zip(st.tabs(list(programs)), programs.items(), strict=True):
            language, text = program
            tab.code(text or "", language=language.lower())
