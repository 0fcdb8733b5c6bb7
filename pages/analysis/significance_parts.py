"""What the Significance page draws: sentence, tables, forest plot, checks and programs."""

import math

import altair as alt
import polars as pl
import streamlit as st
from streamlit.elements.vega_charts import AltairChart

from analytics.code import python_code, r_code
from analytics.comparison import Comparison
from analytics.dose import DoseIndex
from analytics.results import Estimate, NotComputable
from analytics.workbench import Analysis, Outcome, strata_frame
from pages.shared import charts, downloads, trial_table
from pages.shared import format as fmt
from pages.shared.page import View

ROW_HEIGHT = 26


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
    st.subheader("In words", anchor=False)
    st.code(comparison.sentence, language=None, wrap_lines=True)
    st.caption(f"Test: {comparison.method}. Why: {comparison.reason}.")


def draw_tables(comparison: Comparison, view: View) -> None:
    """Draw groups, effects and pairs."""
    groups = pl.DataFrame(
        [
            {
                "Group": group.group,
                "Values": trial_table.group_words(group, comparison.unit),
                "Geometric mean": _estimate(group.geometric_mean),
                "Mean": _estimate(group.mean),
            }
            for group in comparison.groups
        ]
    )
    if groups.height:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader("Groups", anchor=False, width="stretch")
            downloads.offer(groups, key="significance-groups", title="Groups", filters=view.filters)
        empty = [name for name in groups.columns if (groups[name] == fmt.DASH).all()]
        st.table(groups.drop(empty), hide_index=True)
    effects = effects_frame(comparison)
    if effects.height:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader("Effects", anchor=False, width="stretch")
            downloads.offer(
                effects, key="significance-effects", title="Effects", filters=view.filters
            )
        st.table(_effects_words(comparison), hide_index=True)


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
            "Effect (95 % CI)": f"{pair.effect_name} {fmt.estimate(pair.effect)}"
            if pair.effect is not None
            else pair.test.method,
            "p": f"{fmt.p_value(pair.test.p_value)}; adjusted {fmt.p_value(pair.p_adjusted)}",
        }
        for pair in comparison.pairs
    ]
    rows += [
        {"What": "Companion test", "Effect (95 % CI)": test.method, "p": fmt.p_value(test.p_value)}
        for test in comparison.companions
    ]
    return pl.DataFrame(rows)


def _estimate(found: Estimate | NotComputable | None) -> str:
    """Write an estimate with its interval, a dash where there is none."""
    if not isinstance(found, Estimate):
        return fmt.DASH
    return f"{fmt.quantity(found.value, found.unit)} ({fmt.interval(found.low, found.high)})"


def draw_forest(analysis: Analysis, view: View) -> None:
    """Draw the primary effect by procedure and over all."""
    frame = strata_frame(analysis).drop_nulls(["value"])
    frame = frame.with_columns(
        name=pl.col("stratum").replace_strict(
            {s: fmt.procedure(s) for s in frame["stratum"] if s != "All"}, default="All"
        )
    )
    first = frame.row(-1, named=True)
    charts.show(
        _forest(frame, str(first["effect"]), float(first["null"])),
        frame,
        key="significance-forest",
        title=f"{str(first['effect']).capitalize()} by procedure, 95 % intervals",
        alt_text="Effect with interval within each procedure and over all",
        filters=view.filters,
    )
    left = f" {fmt.plural(analysis.small_strata, 'procedure')} with fewer than ten values in a "
    st.caption(
        "Each procedure is compared within itself; their p-values are adjusted together."
        + (f"{left}group are not shown." if analysis.small_strata else "")
    )


def _forest(frame: pl.DataFrame, effect: str, null: float) -> AltairChart:
    """Draw points with intervals and the line of no effect."""
    ratio = effect.startswith(("ratio", "risk ratio"))
    ends = [v for name in ("low", "value", "high") for v in frame[name] if v is not None]
    domain = axis_domain([null, *ends], ratio)
    scale = alt.Scale(type="log" if ratio else "linear", zero=False, nice=False, domain=domain)
    order = [*sorted(set(frame["name"]) - {"All"}), "All"]
    base = alt.Chart(frame, height=ROW_HEIGHT * frame.height + 40).encode(
        y=alt.Y("name", type="nominal", title=None, sort=order, axis=alt.Axis(labelLimit=320))
    )
    line = base.mark_rule(color=charts.OKABE_ITO[0], strokeWidth=2, clip=True).encode(
        x=alt.X("low", type="quantitative", title=effect.capitalize(), scale=scale),
        x2="high",
    )
    point = base.mark_point(filled=True, size=60, color=charts.OKABE_ITO[0]).encode(
        x=alt.X("value", type="quantitative", scale=scale),
        tooltip=[
            alt.Tooltip("name", type="nominal", title="Procedure"),
            alt.Tooltip("value", type="quantitative", format=".3~g", title="Effect"),
            alt.Tooltip("low", type="quantitative", format=".3~g", title="From"),
            alt.Tooltip("high", type="quantitative", format=".3~g", title="To"),
            alt.Tooltip("n", type="quantitative", format=",", title="Records"),
            alt.Tooltip("p_value", type="quantitative", format=".3~g", title="p"),
            alt.Tooltip("p_adjusted", type="quantitative", format=".3~g", title="adjusted p"),
        ],
    )
    none = (
        alt.Chart(pl.DataFrame({"null": [null]}))
        .mark_rule(color=charts.NEUTRAL, strokeDash=[4, 4])
        .encode(x=alt.X("null", type="quantitative"))
    )
    return none + line + point


def axis_domain(values: list[float], log: bool) -> list[float]:
    """Return the ends of an axis a twentieth wider than the values; infinite ones are cut."""
    finite = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
    low, high = min(finite), max(finite)
    if log:
        margin = max((high / low) ** 0.05, 1.02)
        return [low / margin, high * margin]
    margin = max((high - low) * 0.05, 1e-9)
    return [low - margin, high + margin]


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


def draw_programs(comparison: Comparison, values: pl.DataFrame, view: View) -> None:
    """Draw the programs that repeat the result, and the values they read."""
    programs = {"R": r_code(comparison), "Python": python_code(comparison)}
    if not any(programs.values()):
        return
    with st.expander("Repeat it in R or Python", icon=":material/code:"):
        rows = values.group_by("group", "value").agg(pl.col("count").sum()).sort("group", "value")
        st.download_button(
            "values.csv", rows.write_csv, "values.csv", "text/csv", on_click="ignore",
            help="Group, value and how often: no patient, no case",
        )  # fmt: skip
        for tab, program in zip(st.tabs(list(programs)), programs.items(), strict=True):
            language, text = program
            tab.code(text or "", language=language.lower())
