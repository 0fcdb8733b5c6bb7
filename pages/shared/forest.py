"""Effects with their intervals, one row a stratum: the forest plot of a paper."""

import math

import altair as alt
import polars as pl
from streamlit.elements.vega_charts import AltairChart

from pages.shared import charts

ALL = "All"
ROW_HEIGHT = 28
_P = {"p_value": "p", "p_adjusted": "adjusted p"}


def forest(frame: pl.DataFrame, title: str, null: float) -> AltairChart:
    """Draw points with intervals and the line of no effect; the row "All" comes last.

    ``frame``: name, n, value, low, high and, where they are known, p_value and p_adjusted. Ratios
    (``null`` 1) stand on a logarithmic axis.
    """
    ratio = null == 1
    ends = [v for name in ("low", "value", "high") for v in frame[name] if v is not None]
    domain = axis_domain([null, *ends], ratio)
    scale = alt.Scale(type="log" if ratio else "linear", zero=False, nice=False, domain=domain)
    order = [*sorted(set(frame["name"]) - {ALL}), ALL]
    base = alt.Chart(frame, height=ROW_HEIGHT * frame.height + 80).encode(
        y=alt.Y(
            "name",
            type="nominal",
            title=None,
            sort=order,
            axis=charts.names_axis(320),
        )
    )
    line = base.mark_rule(color=charts.OKABE_ITO[0], strokeWidth=2, clip=True).encode(
        x=alt.X("low", type="quantitative", title=title, scale=scale),
        x2="high",
    )
    of_all = frame["name"] == ALL
    point = base.mark_point(filled=True, size=70, opacity=1, color=charts.OKABE_ITO[0]).encode(
        x=alt.X("value", type="quantitative", scale=scale),
        shape=alt.Shape(
            "name", type="nominal", legend=None,
            scale=alt.Scale(
                domain=frame["name"].to_list(),
                range=["diamond" if whole else "circle" for whole in of_all],
            ),
        ),
        tooltip=[
            alt.Tooltip("name", type="nominal", title="Procedure"),
            alt.Tooltip("value", type="quantitative", format=".3~g", title="Effect"),
            alt.Tooltip("low", type="quantitative", format=".3~g", title="From"),
            alt.Tooltip("high", type="quantitative", format=".3~g", title="To"),
            alt.Tooltip("n", type="quantitative", format=",", title="Records"),
            *(
                alt.Tooltip(name, type="quantitative", format=".3~g", title=said)
                for name, said in _P.items()
                if name in frame.columns
            ),
        ],
    )  # fmt: skip
    none = (
        alt.Chart(pl.DataFrame({"null": [null]}))
        .mark_rule(color=charts.NEUTRAL, strokeDash=[4, 4])
        .encode(x=alt.X("null", type="quantitative"))
    )
    return none + line + point


def in_points(frame: pl.DataFrame) -> pl.DataFrame:
    """Return shares as percentage points."""
    return frame.with_columns(pl.col("value", "low", "high") * 100)


def axis_domain(values: list[float], log: bool) -> list[float]:
    """Return the ends of an axis a twentieth wider than the values; infinite ones are cut."""
    finite = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
    low, high = min(finite), max(finite)
    if log:
        margin = max((high / low) ** 0.05, 1.02)
        return [low / margin, high * margin]
    margin = max((high - low) * 0.05, 1e-9)
    return [low - margin, high + margin]
