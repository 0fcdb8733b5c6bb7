"""The forest plot as journals draw it: squares by weight, diamonds, prediction interval."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import polars as pl
from streamlit.elements.vega_charts import AltairChart

from analytics.evidence import Analysis
from analytics.evidence_rows import (
    MEASURES,
    ORDER_STATISTICS,
    PERCENTAGES,
    RATIOS,
    SHARES,
    SINGLE,
)
from analytics.meta_analysis import Pooled
from analytics.meta_rare import RarePooled
from pages.analysis.evidence_lines import ALONE, Line, cells_title
from pages.shared import charts
from pages.shared import format as fmt

ROW_HEIGHT = 24
AXIS_HEIGHT = 70
SHORT_NAMES = {
    "MD": "MD", "SMD": "SMD", "ROM": "RoM", "RR": "RR", "OR": "OR", "RD": "RD",
    "PROPORTION": "Share", "ARCSINE": "Share",
}  # fmt: skip
BLUE, ORANGE = "#0072B2", "#D55E00"


@dataclass(frozen=True)
class Axes:
    """The axes that all layers share."""

    found: Analysis
    drawn: Sequence[Line]
    low: float
    high: float

    def x(self, field: str) -> alt.X:
        """Place by a field of the rows."""
        kind = "log" if self.found.measure in RATIOS else "linear"
        form = ".0%" if self.found.measure in PERCENTAGES else "~g"
        return alt.X(
            field, type="quantitative", title=x_title(self.found),
            scale=alt.Scale(type=kind, domain=[self.low, self.high], nice=False, zero=False),
            axis=alt.Axis(format=form, grid=False, tickCount=6, titlePadding=10, labelOverlap=True),
        )  # fmt: skip

    def y(self, field: str = "y") -> alt.Y:
        """Place by line, named on the left."""
        names = ["Study", *(_indented(line) for line in self.drawn)]
        width = _label_width(names)
        return alt.Y(
            field, type="quantitative", scale=self._scale(), title=None,
            axis=alt.Axis(
                values=self._places(), labelExpr=f"{json.dumps(names)}[datum.value + 1]",
                labelFontWeight=_bold(self.drawn), grid=False, ticks=False, domain=False,
                labelAlign="left", labelLimit=width, labelFontSize=12,
                labelPadding=charts.by_width(width, width + self._cells_width()),
                labelOverlap=False,
            ),
        )  # fmt: skip

    def right(self) -> alt.Y:
        """Name the lines on the right by their numbers, where the window is wide enough."""
        column = f"{x_title(self.found)[0].split(' (')[0].split(',')[0]}"
        column = f"{SHORT_NAMES.get(self.found.measure, column)} [95 % CI]  weight"
        words = [column, *(line.words for line in self.drawn)]
        return self._column(words, orient="right", labelLimit=320)

    def cells(self) -> alt.Y:
        """Put what the paper prints of the groups between names and plot, in a wide window."""
        title = cells_title(self.found) if self._cells_width() else ""
        return self._column(
            [title, *(line.cells for line in self.drawn)], orient="left", labelLimit=320
        )

    def _column(self, words: Sequence[str], **how: Any) -> alt.Y:
        """Write one text a line, where the window is wide enough."""
        return alt.Y(
            "y", type="quantitative", scale=self._scale(), title=None,
            axis=alt.Axis(
                values=self._places(),
                labelExpr=f"windowSize()[0] < {charts.NARROW} ? '' :"
                f" {json.dumps(words)}[datum.value + 1]",
                labelFontWeight=_bold(self.drawn), grid=False, ticks=False, domain=False,
                labelFontSize=12, labelOverlap=False, **how,
            ),
        )  # fmt: skip

    def _cells_width(self) -> int:
        """Return about how many pixels the groups' column takes, 0 without any."""
        longest = max((len(line.cells) for line in self.drawn), default=0)
        return 24 + round(6.2 * max(longest, len(cells_title(self.found)))) if longest else 0

    def _places(self) -> list[int]:
        """Return the heading's place and one a line."""
        return list(range(-1, len(self.drawn)))

    def _scale(self) -> alt.Scale:
        ends = [-1.6, len(self.drawn) - 0.4]
        return alt.Scale(domain=ends, reverse=True, nice=False, zero=False)


def _indented(line: Line) -> str:
    return line.label if line.kind == "heading" else f"\u2002{line.label}"


def chart(found: Analysis, drawn: Sequence[Line], caption: Sequence[str] = ()) -> AltairChart:
    """Draw the plot; ``caption`` stands below it, for the downloads.

    On a page the height takes in the axis, in a download it does not.
    """
    low, high = _domain(found, drawn)
    axes = Axes(found, drawn, low, high)
    rows = _rows(drawn, low, high)
    height = ROW_HEIGHT * (len(drawn) + 1) + (0 if caption else AXIS_HEIGHT)
    layers = [_reference(axes), *_intervals(rows, axes), *_marks(rows, axes)]
    nothing = alt.Chart(pl.DataFrame({"y": [0.0]})).mark_point(opacity=0)
    columns = [nothing.encode(y=axes.right()), nothing.encode(y=axes.cells())]
    whole = alt.layer(alt.layer(*layers), *columns, height=height)
    whole = whole.resolve_scale(y="independent").resolve_axis(y="independent")
    if not caption:
        return whole
    title = alt.TitleParams(
        list(caption), orient="bottom", anchor="start", fontSize=11, fontWeight="normal", offset=14
    )
    return whole.properties(title=title)


def _rows(drawn: Sequence[Line], low: float, high: float) -> pl.DataFrame:
    """Return what the marks show: clipped ends, and where a clipped end gets an arrow."""
    return pl.DataFrame(
        [
            {
                "y": float(i),
                "kind": line.kind,
                "label": line.label,
                "value": line.value if line.value is None or low <= line.value <= high else None,
                "low": None if line.low is None else min(max(line.low, low), high),
                "high": None if line.high is None else max(min(line.high, high), low),
                "arrow_low": low if line.low is not None and line.low < low else None,
                "arrow_high": high if line.high is not None and line.high > high else None,
                "weight": 20.0 if line.weight and line.weight >= ALONE else line.weight,
                "words": line.words,
                "n": line.n,
                "note": line.note or fmt.DASH,
            }
            for i, line in enumerate(drawn)
        ],
        schema={
            "y": pl.Float64, "kind": pl.String, "label": pl.String, "value": pl.Float64,
            "low": pl.Float64, "high": pl.Float64, "arrow_low": pl.Float64,
            "arrow_high": pl.Float64, "weight": pl.Float64, "words": pl.String, "n": pl.Int64,
            "note": pl.String,
        },
    )  # fmt: skip


def _domain(found: Analysis, drawn: Sequence[Line]) -> tuple[float, float]:
    """Return the axis: all points and the pool, intervals as far as they do not crush the rest."""
    log = found.measure in RATIOS
    null = [] if found.measure in SINGLE else [1.0 if log else 0.0]
    values = null + [v for line in drawn if (v := _usable(line.value, log)) is not None]
    sides = [end for line in drawn for end in (line.low, line.high)]
    ends = [e for end in sides if (e := _usable(end, log)) is not None]
    if found.measure in SHARES:
        top = max([*values, *ends, 0.05])
        return (0.0, min(1.0, 1.1 * top))
    scale = math.log if log else float
    unscale = math.exp if log else float
    at = [scale(v) for v in values]
    reach = sorted(scale(e) for e in ends)
    if not at:
        return (0.5, 2.0) if log else (-1.0, 1.0)
    spread = max(max(at) - min(at), _typical(drawn, log), 0.05 * abs(at[0]), 1e-9)
    low = max(min([*reach, *at]), min(at) - 1.6 * spread)
    high = min(max([*reach, *at]), max(at) + 1.6 * spread)
    pad = 0.04 * (high - low or spread)
    return unscale(low - pad), unscale(high + pad)


def _typical(drawn: Sequence[Line], log: bool) -> float:
    """Return the middle width of the intervals."""
    turn = math.log if log else float
    sides = [(_usable(line.low, log), _usable(line.high, log)) for line in drawn]
    widths = sorted(
        turn(two) - turn(one) for one, two in sides if one is not None and two is not None
    )
    return widths[len(widths) // 2] if widths else 0.0


def _usable(value: float | None, log: bool) -> float | None:
    """Return a number that has a place on the axis, or None."""
    if value is None or not math.isfinite(value) or (log and not 1e-300 < value < 1e300):
        return None
    return value


def x_title(found: Analysis) -> list[str]:
    """Name the axis, and say which side favours whom."""
    unit = f" ({found.unit})" if found.unit else ""
    medians = {p.row["measure"] in ORDER_STATISTICS for p in found.points}
    name = {frozenset({True}): "Median", frozenset({True, False}): "Mean or median"}.get(
        frozenset(medians), MEASURES[found.measure]
    )
    first = f"{name}{unit}, 95 % CI"
    if found.measure in RATIOS:
        first += ", logarithmic"
    named = {(p.row["group_1"], p.row["group_2"], p.row["better"]) for p in found.points}
    if found.measure in SINGLE or len(named) != 1:
        return [first]
    one, two, better = named.pop()
    if not (one and two and better):
        return [first]
    left, right = (one, two) if better == "lower" else (two, one)
    return [first, f"← favours {left}    ·    favours {right} →"]


def _bold(drawn: Sequence[Line]) -> dict[str, Any]:
    kinds = ("heading", "subtotal", "total")
    strong = [-1, *(i for i, line in enumerate(drawn) if line.kind in kinds)]
    test = f"indexof({json.dumps(strong)}, datum.value) >= 0"
    return {"condition": {"test": test, "value": "bold"}, "value": "normal"}


def _label_width(names: Sequence[str]) -> int:
    """Return about how many pixels the longest name takes."""
    return min(300, 14 + round(6.7 * max((len(name) for name in names), default=0)))


def _reference(axes: Axes) -> alt.Chart:
    """Draw the lines of no effect and of the pooled estimate."""
    found, rows = axes.found, len(axes.drawn)
    marks = [] if found.measure in SINGLE else [(1.0 if found.measure in RATIOS else 0.0, "none")]
    if found.summary is not None and isinstance(found.pooled, Pooled | RarePooled):
        marks += [(found.summary.value, "pooled")] if found.pooled.k > 1 else []
    inside = [(x, what) for x, what in marks if axes.low <= x <= axes.high]
    data = pl.DataFrame(
        inside or [(axes.low, "hidden")], schema=["x", "what"], orient="row"
    ).with_columns(y=pl.lit(-0.5), y2=pl.lit(rows - 0.5))
    kinds = ["none", "pooled", "hidden"]
    dash = alt.Scale(domain=kinds, range=[[1, 0], [4, 3], [0, 1]])
    opacity = alt.Scale(domain=kinds, range=[1, 0.8, 0])
    return alt.Chart(data).mark_rule(color=charts.NEUTRAL).encode(
        x=axes.x("x"), y=axes.y(), y2=alt.Y2("y2"),
        strokeDash=alt.StrokeDash("what", type="nominal", scale=dash, legend=None),
        opacity=alt.Opacity("what", type="nominal", scale=opacity, legend=None),
    )  # fmt: skip


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("label", type="nominal", title="Study"),
        alt.Tooltip("words", type="nominal", title="Result"),
        alt.Tooltip("n", type="quantitative", title="Patients", format=","),
        alt.Tooltip("note", type="nominal", title="Note"),
    ]


def _intervals(rows: pl.DataFrame, axes: Axes) -> list[alt.Chart]:
    """Draw intervals, with arrows where the axis cuts them."""
    kinds = ["pooled study", "shown study", "own", "prediction"]
    whiskers = rows.filter(pl.col("kind").is_in(kinds)).drop_nulls("low")
    found = [
        alt.Chart(whiskers).mark_rule(strokeWidth=1.6).encode(
            x=axes.x("low"), x2=alt.X2("high"), y=axes.y(), color=_colour(),
            strokeDash=alt.condition(
                "datum.kind == 'prediction' || datum.kind == 'shown study'",
                alt.value([4, 3]), alt.value([1, 0]),
            ),
            tooltip=_tooltip(),
        )
    ]  # fmt: skip
    for column, shape in (("arrow_low", "triangle-left"), ("arrow_high", "triangle-right")):
        cut = whiskers.drop_nulls(column)
        if cut.height:
            found.append(
                alt.Chart(cut).mark_point(filled=True, opacity=1, size=60, shape=shape).encode(
                    x=axes.x(column), y=axes.y(), color=_colour()
                )
            )  # fmt: skip
    return found


def _colour() -> alt.Color:
    kinds = ["pooled study", "shown study", "prediction", "own"]
    colours = [BLUE, charts.NEUTRAL, BLUE, ORANGE]
    return alt.Color(
        "kind", type="nominal", legend=None, scale=alt.Scale(domain=kinds, range=colours)
    )


def _marks(rows: pl.DataFrame, axes: Axes) -> list[alt.Chart]:
    """Draw squares by weight, open circles of what is not pooled, our own, and diamonds."""
    found = []
    looks: list[tuple[str, dict[str, Any]]] = [
        ("pooled study", {"shape": "square", "filled": True}),
        ("shown study", {"shape": "circle", "filled": False, "size": 60, "strokeWidth": 1.6}),
        ("own", {"shape": "triangle-up", "filled": True, "size": 120}),
    ]
    for kind, look in looks:
        some = rows.filter(pl.col("kind") == kind).drop_nulls("value")
        if some.is_empty():
            continue
        mark = alt.Chart(some).mark_point(opacity=1, **look).encode(
            x=axes.x("value"), y=axes.y(), color=_colour(), tooltip=_tooltip()
        )  # fmt: skip
        if kind == "pooled study":
            size = alt.Scale(domain=[0, 100], range=[25, 420])
            mark = mark.encode(
                size=alt.Size("weight", type="quantitative", scale=size, legend=None)
            )
        found.append(mark)
    return [*found, *_diamonds(rows, axes)]


def _diamonds(rows: pl.DataFrame, axes: Axes) -> list[alt.Chart]:
    """Draw pooled estimates as diamonds from the interval's low to its high end."""
    pooled = rows.filter(pl.col("kind").is_in(["subtotal", "total"])).drop_nulls(["value", "low"])
    corners = [
        {
            "x": x,
            "top": row["y"] - d,
            "bottom": row["y"] + d,
            "y_row": row["y"],
            "kind": row["kind"],
        }
        | {name: row[name] for name in ("label", "words", "n", "note")}
        for row in pooled.iter_rows(named=True)
        for x, d in ((row["low"], 0.0), (row["value"], 0.32), (row["high"], 0.0))
    ]
    if not corners:
        return []
    return [
        alt.Chart(pl.DataFrame(corners, infer_schema_length=None))
        .mark_area(color=BLUE, line=False, clip=True)
        .encode(
            x=axes.x("x"),
            y=axes.y("top"),
            y2=alt.Y2("bottom"),
            detail=alt.Detail("y_row", type="nominal"),
            opacity=alt.condition("datum.kind == 'total'", alt.value(1), alt.value(0.65)),
            tooltip=_tooltip(),
        )
    ]
