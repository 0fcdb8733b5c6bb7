"""The course of a score or a response over time, by group where groups are compared."""

from collections.abc import Sequence

import altair as alt
import polars as pl
from streamlit.elements.vega_charts import AltairChart

from analytics.comparison import Comparison
from analytics.results import Estimate
from pages.shared import charts, downloads
from pages.shared.page import View

ALL = "All"


def draw_course(comparison: Comparison, times: Sequence[str], view: View) -> None:
    """Draw means, or shares, with their intervals at each time."""
    frame = course_frame(comparison, times)
    if frame.is_empty():
        return
    share = comparison.kind == "binary"
    charts.show(
        _course(frame, times, share), frame, key="significance-course",
        title="Share with 95 % interval" if share else "Mean with 95 % interval",
        alt_text=f"{comparison.quantity} at each time", filters=view.filters,
        cells=downloads.Cells("n", ("group", "time"), parts=("events",) if share else ()),
        counted=frame.with_columns(events=(pl.col("value") * pl.col("n")).round()),
    )  # fmt: skip


def course_frame(comparison: Comparison, times: Sequence[str]) -> pl.DataFrame:
    """Return one row a group and time: n, value and interval."""
    rows = []
    for summary in comparison.groups:
        found = summary.proportion if comparison.kind == "binary" else summary.mean
        if not isinstance(found, Estimate):
            continue
        time = next(t for t in times if summary.group == t or summary.group.endswith(f", {t}"))
        group = summary.group.removesuffix(time).removesuffix(", ") or ALL
        ends = {"value": found.value, "low": found.low, "high": found.high}
        rows.append({"group": group, "time": time, "n": summary.n} | ends)
    return pl.DataFrame(rows)


def _course(frame: pl.DataFrame, times: Sequence[str], share: bool) -> AltairChart:
    """Draw lines with whiskers, groups side by side."""
    several = frame["group"].n_unique() > 1
    axis = alt.Axis(format="%") if share else alt.Axis()
    colour = alt.Color(
        "group", type="nominal", scale=alt.Scale(range=list(charts.OKABE_ITO)),
        legend=alt.Legend(title=None, orient="top") if several else None,
    )  # fmt: skip
    base = alt.Chart(frame, height=charts.SHORT).encode(
        x=alt.X(
            "time", type="ordinal", sort=list(times), title=None, axis=alt.Axis(labelAngle=0)
        ),
        xOffset=alt.XOffset("group", type="nominal"),
        color=colour,
        tooltip=[
            alt.Tooltip("group", type="nominal", title="Group"),
            alt.Tooltip("time", type="nominal", title="Time"),
            alt.Tooltip("n", type="quantitative", format=",", title="Records"),
            alt.Tooltip("value", type="quantitative", format=".3~g", title="Value"),
            alt.Tooltip("low", type="quantitative", format=".3~g", title="From"),
            alt.Tooltip("high", type="quantitative", format=".3~g", title="To"),
        ],
    )  # fmt: skip
    scale = alt.Scale(zero=True)
    whiskers = base.mark_rule(strokeWidth=2).encode(
        y=alt.Y("low", type="quantitative", title=None, axis=axis, scale=scale),
        y2=alt.Y2("high"),
    )
    points = base.mark_point(filled=True, size=80, opacity=1).encode(
        y=alt.Y("value", type="quantitative"),
        shape=alt.Shape("group", type="nominal", legend=None),
    )
    return alt.layer(whiskers, points)
