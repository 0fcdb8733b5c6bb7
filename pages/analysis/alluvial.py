"""The flow between classes of pain reduction, as bands from one timepoint to the next."""

import math
from collections.abc import Sequence

import altair as alt
import polars as pl
from streamlit.elements.vega_charts import AltairChart

from analytics.outcomes import TIMEPOINTS
from analytics.outcomes_responders import ALL_CLASSES

#: Best blue to worst orange, then greys for no class: told apart without red and green.
CLASS_COLOURS = (
    "#08519C", "#3182BD", "#7FB8D8", "#CFCFCF", "#F2C48D", "#D55E00", "#8A8A8A", "#B5B5B5",
    "#6F6F6F",
)  # fmt: skip
CURVE_POINTS = 24
NODE_WIDTH = 0.07
HEIGHT = 480
#: Classes whose colour is dark enough for white figures.
DARK = {"100 %", "75–99 %", "increased", "no score", "undefined"}
GAP = 0.012
SHARE_WITH_FIGURE = 0.025


def alluvial(flow: pl.DataFrame, times: Sequence[str]) -> AltairChart:
    """Draw how patients move between classes: bands as wide as the patients in them."""
    nodes, bands = _layout(flow, len(times))
    present = [name for name in ALL_CLASSES if name in set(nodes["label"])]
    colour = alt.Color(
        "label", type="nominal",
        scale=alt.Scale(
            domain=present, range=[CLASS_COLOURS[ALL_CLASSES.index(name)] for name in present]
        ),
        legend=alt.Legend(title=None, orient="top", columns=4, symbolOpacity=1),
    )  # fmt: skip
    names = " : ".join(f"datum.value == {i} ? '{TIMEPOINTS[t]}'" for i, t in enumerate(times))
    x = alt.X(
        "x", type="quantitative", title=None, scale=alt.Scale(domain=[-0.12, len(times) - 0.88]),
        axis=alt.Axis(
            values=list(range(len(times))), labelExpr=f"{names} : ''", grid=False, domain=False,
            ticks=False, labelFontSize=13,
        ),
    )  # fmt: skip
    y = alt.Y("low", type="quantitative", axis=None, scale=alt.Scale(domain=[0, _top(nodes)]))
    links = (
        alt.Chart(bands, height=HEIGHT)
        .mark_area(opacity=0.4)
        .encode(
            x=x, y=y, y2=alt.Y2("high"), color=colour, detail=alt.Detail("band", type="nominal"),
            tooltip=[
                alt.Tooltip("label", type="nominal", title="From"),
                alt.Tooltip("target", type="nominal", title="To"),
                alt.Tooltip("n", type="quantitative", title="Patients", format=","),
            ],
        )
    )  # fmt: skip
    boxes = (
        alt.Chart(nodes)
        .mark_rect()
        .encode(
            x=alt.X("left", type="quantitative"), x2=alt.X2("right"), y=y, y2=alt.Y2("high"),
            color=colour,
            tooltip=[
                alt.Tooltip("label", type="nominal", title="Class"),
                alt.Tooltip("n", type="quantitative", title="Patients", format=","),
                alt.Tooltip("share", type="quantitative", title="Of all shown", format=".1%"),
            ],
        )
    )  # fmt: skip
    text = (
        alt.Chart(nodes.filter(pl.col("share") >= SHARE_WITH_FIGURE))
        .mark_text(fontSize=11)
        .encode(
            x=alt.X("x", type="quantitative"), y=alt.Y("middle", type="quantitative"),
            text=alt.Text("n", type="quantitative", format=","),
            color=alt.Color("ink", type="nominal", scale=None),
        )
    )  # fmt: skip
    return alt.layer(links, boxes, text)


def _top(nodes: pl.DataFrame) -> float:
    return max(nodes["high"].to_list(), default=1.0)


def _layout(flow: pl.DataFrame, n_times: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Stack the classes at each time, worst at the bottom, and the bands within them."""
    total = int(flow.filter(pl.col("step") == 1)["n"].sum())
    order: list[str] = list(reversed(ALL_CLASSES))
    nodes: list[dict[str, object]] = []
    low: dict[tuple[int, str], float] = {}
    for i in range(n_times):
        side, step = ("source", 1) if i == 0 else ("target", i)
        sums = dict(
            flow.filter(pl.col("step") == step).group_by(side).agg(pl.col("n").sum()).iter_rows()
        )
        height = 0.0
        for label in [name for name in order if sums.get(name)]:
            share = sums[label] / total
            low[i, label] = height
            nodes.append(
                {
                    "label": label, "n": sums[label], "share": share, "low": height,
                    "high": height + share, "middle": height + share / 2,
                    "x": float(i), "ink": "white" if label in DARK else "black",
                    "left": i - NODE_WIDTH, "right": i + NODE_WIDTH,
                }
            )  # fmt: skip
            height += share + GAP
    return pl.DataFrame(nodes), _bands(flow, order, low, total)


def _bands(
    flow: pl.DataFrame, order: list[str], low: dict[tuple[int, str], float], total: int
) -> pl.DataFrame:
    """Return the outline of every band, smooth from its class to the next."""
    leaving, entering = dict(low), dict(low)
    place = {name: i for i, name in enumerate(order)}
    rows = sorted(
        flow.iter_rows(named=True),
        key=lambda r: (r["step"], place[r["source"]], place[r["target"]]),
    )
    points: list[dict[str, object]] = []
    for number, row in enumerate(rows):
        share, i = row["n"] / total, row["step"]
        start, end = leaving[i - 1, row["source"]], entering[i, row["target"]]
        leaving[i - 1, row["source"]] += share
        entering[i, row["target"]] += share
        for k in range(CURVE_POINTS + 1):
            part = k / CURVE_POINTS
            ease = (1 - math.cos(math.pi * part)) / 2
            at = start + (end - start) * ease
            x = i - 1 + NODE_WIDTH + part * (1 - 2 * NODE_WIDTH)
            points.append(
                {
                    "band": number, "x": x, "low": at, "high": at + share,
                    "label": row["source"], "target": row["target"], "n": row["n"],
                }
            )  # fmt: skip
    return pl.DataFrame(points)
