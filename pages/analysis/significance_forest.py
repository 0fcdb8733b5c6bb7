"""The primary effect within each procedure and over all, with intervals."""

import math

import altair as alt
import polars as pl
import streamlit as st
from streamlit.elements.vega_charts import AltairChart

from analytics.workbench import Analysis, strata_frame
from pages.shared import charts
from pages.shared import format as fmt
from pages.shared.page import View

ROW_HEIGHT = 26


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
