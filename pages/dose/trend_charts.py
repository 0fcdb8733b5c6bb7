"""The charts of the trends page: the course of a dose index and its control chart."""

import altair as alt
import polars as pl

from pages.dose.measures import DoseMeasure
from pages.shared import charts

MEDIAN, P75, IQR, CASE = "Median", "P75", "P25 to P75", "Single case"
REFERENCE, FOUND, RECORDED = "Reference level", "Change of level found", "Recorded change"
POINT, AVERAGE, CENTRE = "Monthly median", "Weighted average", "Centre"
LIMITS, SIGNAL = "Control limits", "Signal"
_COLOURS = {
    MEDIAN: charts.OKABE_ITO[0],
    IQR: charts.OKABE_ITO[4],
    P75: charts.OKABE_ITO[2],
    CASE: charts.NEUTRAL,
    REFERENCE: charts.OKABE_ITO[5],
    FOUND: charts.OKABE_ITO[3],
    RECORDED: charts.OKABE_ITO[1],
    POINT: charts.OKABE_ITO[0],
    AVERAGE: charts.OKABE_ITO[0],
    CENTRE: charts.NEUTRAL,
    LIMITS: charts.OKABE_ITO[1],
    SIGNAL: charts.OKABE_ITO[5],
}
_MONTH_TIP = alt.Tooltip("month", type="temporal", title="Month", format="%b %Y")
_N_TIP = alt.Tooltip("n", type="quantitative", title="Cases", format=",")


def _month(bars: bool = False) -> alt.X:
    axis = alt.Axis(format="%b %Y", labelOverlap=True, tickCount={"interval": "month", "step": 1})
    return alt.X(
        "month", type="temporal", title=None, axis=axis,
        timeUnit="yearmonth" if bars else alt.Undefined,
    )  # fmt: skip


def _colour(shown: list[str]) -> alt.Color:
    """Colour by the field ``layer``, which each layer names itself, so that the legend has all."""
    scale = alt.Scale(domain=shown, range=[_COLOURS[name] for name in shown])
    legend = alt.Legend(title=None, orient="top", columns=3, labelLimit=240, symbolOpacity=1)
    return alt.Color("layer", type="nominal", scale=scale, legend=legend)


def _named(chart: alt.Chart, what: str) -> alt.Chart:
    return chart.transform_calculate(layer=f"'{what}'")


def _number(field: str, title: str) -> alt.Tooltip:
    return alt.Tooltip(field, type="quantitative", title=title, format=",.3~r")


def _y(field: str, measure: DoseMeasure, log: bool, domain: list[float] | None = None) -> alt.Y:
    title = measure.axis + (", log scale" if log else "")
    scale = alt.Scale(type="log", nice=True) if log else alt.Scale(zero=True, nice=True)
    if domain:
        scale = alt.Scale(type="log", nice=False, domain=domain)
    axis = alt.Axis(format=",.3~r", tickCount=6)
    return alt.Y(field, type="quantitative", title=title, scale=scale, axis=axis)


def _around(frame: pl.DataFrame, columns: list[str]) -> list[float]:
    """Return the range of these columns with a little room on both sides."""
    values = pl.concat([frame[column] for column in columns]).drop_nulls().to_list()
    return [0.95 * min(values), 1.05 * max(values)]


def course(
    months: pl.DataFrame,
    points: pl.DataFrame,
    references: pl.DataFrame,
    marks: pl.DataFrame,
    measure: DoseMeasure,
    log: bool,
) -> alt.LayerChart | alt.FacetChart:
    """Draw medians with their quartiles, reference levels, changes, and few cases as points.

    ``months``: month, n, p25, median, p75 (null where too few); ``points``: performed_on, value;
    ``references``: value, words; ``marks``: month, kind, words.
    """
    kinds = marks["kind"].unique(maintain_order=True).to_list()
    shown = [MEDIAN, IQR, P75, *kinds]
    shown += [CASE] * (not points.is_empty()) + [REFERENCE] * (not references.is_empty())
    tips = [
        _MONTH_TIP,
        _number("median", f"Median, {measure.index.unit}"),
        _number("p25", "P25"),
        _number("p75", "P75"),
        _N_TIP,
    ]
    base = alt.Chart(months, height=charts.TALL).encode(x=_month())
    layers = [
        _named(base, IQR)
        .mark_area(opacity=0.3)
        .encode(y=_y("p25", measure, log), y2=alt.Y2("p75"), color=_colour(shown)),
        _named(base, P75)
        .mark_line(strokeDash=[6, 3])
        .encode(y=_y("p75", measure, log), color=_colour(shown), tooltip=tips),
        _named(base, MEDIAN)
        .mark_line(point=alt.OverlayMarkDef(size=55))
        .encode(y=_y("median", measure, log), color=_colour(shown), tooltip=tips),
    ]
    layers += [_rule_at_months(marks, kind, shown) for kind in kinds]
    if not points.is_empty():
        layers.append(_points(points, measure, log, shown))
    if not references.is_empty():
        layers.append(_references(references, measure, log, shown))
    return alt.layer(*layers)


def _points(points: pl.DataFrame, measure: DoseMeasure, log: bool, shown: list[str]) -> alt.Chart:
    return (
        _named(alt.Chart(points), CASE)
        .mark_point(size=40, filled=False)
        .encode(
            x=alt.X("performed_on", type="temporal"),
            y=_y("value", measure, log),
            color=_colour(shown),
            tooltip=[
                alt.Tooltip("performed_on", type="temporal", title="Day", format="%d %b %Y"),
                _number("value", measure.axis),
            ],
        )
    )


def _references(
    references: pl.DataFrame, measure: DoseMeasure, log: bool, shown: list[str]
) -> alt.Chart:
    return (
        _named(alt.Chart(references), REFERENCE)
        .mark_rule(strokeDash=[2, 2], strokeWidth=2)
        .encode(
            y=_y("value", measure, log),
            color=_colour(shown),
            tooltip=[
                _number("value", measure.axis),
                alt.Tooltip("words", type="nominal", title="Source"),
            ],
        )
    )


def _rule_at_months(marks: pl.DataFrame, kind: str, shown: list[str]) -> alt.Chart:
    dash = [8, 4] if kind == FOUND else [1, 0]
    return (
        _named(alt.Chart(marks.filter(pl.col("kind") == kind)), kind)
        .mark_rule(strokeDash=dash, strokeWidth=2)
        .encode(
            x=_month(),
            color=_colour(shown),
            tooltip=[_MONTH_TIP, alt.Tooltip("words", type="nominal", title=kind)],
        )
    )


def volume(months: pl.DataFrame) -> alt.Chart:
    """Draw the cases behind each month's median."""
    return (
        alt.Chart(months, height=110)
        .mark_bar(color=charts.NEUTRAL)
        .encode(
            x=_month(bars=True),
            y=alt.Y("n", type="quantitative", title="Cases", axis=alt.Axis(tickCount=3)),
            tooltip=[_MONTH_TIP, _N_TIP],
        )
    )


def control(
    frame: pl.DataFrame, measure: DoseMeasure, kind: str
) -> alt.LayerChart | alt.FacetChart:
    """Draw a control chart, back on the scale of the dose, with its signals marked.

    ``frame``: month, value, centre, low, high, signal (words, null without), n.
    """
    point = POINT if kind == "XmR" else AVERAGE
    shown = [point, CENTRE, LIMITS, SIGNAL]
    base = alt.Chart(frame, height=charts.HEIGHT).encode(x=_month())
    domain = _around(frame, ["value", "low", "high"])
    tips = [
        _MONTH_TIP,
        _number("value", measure.axis),
        _number("low", "Lower limit"),
        _number("high", "Upper limit"),
        _N_TIP,
        alt.Tooltip("signal", type="nominal", title="Signal"),
    ]
    layers = [
        _named(base, LIMITS)
        .mark_line(strokeDash=[4, 3], interpolate="step")
        .encode(y=_y(bound, measure, True, domain), color=_colour(shown))
        for bound in ("low", "high")
    ]
    layers += [
        _named(base, CENTRE)
        .mark_line(interpolate="step")
        .encode(y=_y("centre", measure, True, domain), color=_colour(shown)),
        _named(base, point)
        .mark_line(point=alt.OverlayMarkDef(size=45))
        .encode(y=_y("value", measure, True, domain), color=_colour(shown), tooltip=tips),
        _named(alt.Chart(frame.filter(pl.col("signal").is_not_null())), SIGNAL)
        .mark_point(shape="diamond", size=170, filled=True)
        .encode(
            x=_month(),
            y=_y("value", measure, True, domain),
            color=_colour(shown),
            tooltip=tips,
        ),
    ]
    return alt.layer(*layers)
