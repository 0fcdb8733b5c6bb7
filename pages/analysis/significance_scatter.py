"""Pairs of values as a cloud, binned where there are many; differences where two should agree."""

import altair as alt
import polars as pl
import streamlit as st
from streamlit.elements.vega_charts import AltairChart

from analytics.agreement import BlandAltman
from analytics.results import NotComputable
from pages.shared import charts
from pages.shared.page import View

MOST_POINTS = 1_500
BINS = 40


def draw_pairs(
    frame: pl.DataFrame,
    first: str,
    second: str,
    view: View,
    limits: BlandAltman | NotComputable | None = None,
) -> None:
    """Draw y against x, or differences against means with the limits of agreement."""
    if isinstance(limits, BlandAltman):
        middle, difference = (pl.col("x") + pl.col("y")) / 2, pl.col("x") - pl.col("y")
        shown = frame.select("count", x=middle, y=difference)
        titles = (f"Mean of {first} and {second}", f"{first} minus {second}")
        lines = [e.value for e in (limits.bias, limits.lower, limits.upper)]
    else:
        shown, titles, lines = frame, (first, second), []
    binned = shown.height > MOST_POINTS
    table = _binned(shown) if binned else shown.group_by("x", "y").agg(pl.col("count").sum())
    chart = _cloud(table, titles, lines)
    charts.show(
        chart, table, key="significance-pairs", title=f"{titles[1]} by {titles[0]}",
        alt_text=f"{titles[1]} against {titles[0]}", filters=view.filters,
    )  # fmt: skip
    if binned:
        st.caption("Points gather the pairs that lie close together; their size is the number.")


def _binned(frame: pl.DataFrame) -> pl.DataFrame:
    """Gather pairs in a grid between the 0.5th and 99.5th percentile of each side."""
    bounds = {s: (frame[s].quantile(0.005), frame[s].quantile(0.995)) for s in ("x", "y")}
    inside = frame
    places = []
    for side, (low, high) in bounds.items():
        if low is None or high is None:
            return frame
        step = (high - low) / BINS or 1.0
        inside = inside.filter(pl.col(side).is_between(low, high))
        places.append((((pl.col(side) - low) / step).floor() * step + low + step / 2).alias(side))
    return inside.select(*places, "count").group_by("x", "y").agg(pl.col("count").sum())


def _cloud(table: pl.DataFrame, titles: tuple[str, str], lines: list[float]) -> AltairChart:
    """Draw points sized by their number, and horizontal lines."""
    points = (
        alt.Chart(table.sort("x", "y"), height=charts.TALL)
        .mark_point(filled=True, opacity=0.55, color=charts.OKABE_ITO[0])
        .encode(
            x=alt.X("x", type="quantitative", title=titles[0], scale=alt.Scale(zero=False)),
            y=alt.Y("y", type="quantitative", title=titles[1], scale=alt.Scale(zero=False)),
            size=alt.Size(
                "count", type="quantitative", legend=None, scale=alt.Scale(range=[20, 300])
            ),
            tooltip=[
                alt.Tooltip("x", type="quantitative", format=".3~g", title=titles[0]),
                alt.Tooltip("y", type="quantitative", format=".3~g", title=titles[1]),
                alt.Tooltip("count", type="quantitative", format=",", title="Procedures"),
            ],
        )
    )  # fmt: skip
    if not lines:
        return points
    rules = (
        alt.Chart(pl.DataFrame({"at": lines}))
        .mark_rule(color=charts.NEUTRAL, strokeDash=[4, 4])
        .encode(y=alt.Y("at", type="quantitative"))
    )
    return alt.layer(points, rules)
