"""The pictures of the modality comparison, and the frames that they show."""

import altair as alt
import polars as pl
from streamlit.elements.vega_charts import AltairChart

from analytics.modalities import Result, histogram
from analytics.results import Estimate
from pages.shared import charts
from pages.shared import format as fmt

SATISFACTION = (
    "1 very dissatisfied",
    "2 dissatisfied",
    "3 neither",
    "4 satisfied",
    "5 very satisfied",
)


def distribution(
    values: pl.DataFrame, measure: str, log: bool = True
) -> tuple[alt.Chart, pl.DataFrame]:
    """Draw the shares of cases along an axis, one line a modality."""
    bins = histogram(values, measure, log)
    unit = fmt.measure(measure)
    title = (
        f"{unit.axis}, logarithmic"
        if log
        else f"{unit.axis}; the last point gathers the highest 1 %"
    )
    chart = (
        alt.Chart(bins, height=charts.HEIGHT)
        .mark_area(opacity=0.18, line=True, interpolate="monotone")
        .encode(
            x=alt.X(
                "middle", type="quantitative", title=title, axis=alt.Axis(tickCount=10),
                scale=alt.Scale(type="log" if log else "linear", nice=False, zero=not log),
            ),
            y=alt.Y(
                "share", type="quantitative", stack=None, title="Share of the modality's cases",
                axis=alt.Axis(format="%"),
            ),
            color=charts.modality_colour(bins["modality"]),
            strokeDash=charts.modality_dash(bins["modality"]),
            tooltip=[
                alt.Tooltip("modality", type="nominal", title="Modality"),
                alt.Tooltip("low", type="quantitative", format=".3~g", title=f"From, {unit.unit}"),
                alt.Tooltip("high", type="quantitative", format=".3~g", title=f"To, {unit.unit}"),
                alt.Tooltip("n", type="quantitative", format=",", title="Cases"),
            ],
        )
    )  # fmt: skip
    return chart, bins


def complications_frame(results: tuple[Result, ...]) -> pl.DataFrame:
    """Return the share of complications with its interval, one row a modality."""
    rows = [
        {
            "modality": group.group,
            "events": group.events,
            "n": group.n,
            "share": group.proportion.value,
            "low": group.proportion.low,
            "high": group.proportion.high,
        }
        for result in results
        if result.outcome.measure == "complication"
        for group in result.comparison.groups
        if isinstance(group.proportion, Estimate)
    ]
    return pl.DataFrame(rows)


def complications_chart(shares: pl.DataFrame) -> AltairChart:
    """Draw points with intervals."""
    base = alt.Chart(shares, height=charts.SHORT).encode(
        y=alt.Y("modality", type="nominal", title=None),
        color=charts.modality_colour(shares["modality"], legend=False),
        tooltip=[
            alt.Tooltip("modality", type="nominal", title="Modality"),
            alt.Tooltip("events", type="quantitative", title="With complication"),
            alt.Tooltip("n", type="quantitative", title="Recorded", format=","),
            alt.Tooltip("share", type="quantitative", title="Share", format=".2%"),
            alt.Tooltip("low", type="quantitative", title="95 % CI from", format=".2%"),
            alt.Tooltip("high", type="quantitative", title="to", format=".2%"),
        ],
    )
    percent = alt.Axis(format="%")
    title = "Procedures with a complication, 95 % CI"
    whiskers = base.mark_rule(strokeWidth=2).encode(
        x=alt.X(
            "low", type="quantitative", title=title, axis=percent, scale=alt.Scale(domainMin=0)
        ),
        x2=alt.X2("high"),
    )
    points = base.mark_point(filled=True, size=90, opacity=1).encode(
        x=alt.X("share", type="quantitative", title=title),
        shape=charts.modality_shape(shares["modality"]),
    )
    return alt.layer(whiskers, points)


def satisfaction_frame(values: pl.DataFrame) -> pl.DataFrame:
    """Return the answers' shares, one row a modality and answer."""
    return (
        values.filter(pl.col("measure") == "satisfaction")
        .drop_nulls("value")
        .with_columns(grade=pl.col("value").cast(pl.Int64))
        .with_columns(
            answer=pl.col("grade").replace_strict(dict(enumerate(SATISFACTION, start=1))),
            share=pl.col("n") / pl.col("n").sum().over("modality"),
        )
        .select("modality", "answer", "grade", "n", "share")
        .sort("modality", "grade")
    )


def satisfaction_chart(answers: pl.DataFrame) -> alt.Chart:
    """Stack the answers of each modality to 100 %."""
    return (
        alt.Chart(answers, height=charts.SHORT)
        .mark_bar()
        .encode(
            y=alt.Y("modality", type="nominal", title=None),
            x=alt.X(
                "share", type="quantitative", title="Share of answers",
                axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1]),
            ),
            order=alt.Order("grade", type="quantitative"),
            color=alt.Color(
                "answer", type="ordinal",
                scale=alt.Scale(
                    domain=list(SATISFACTION), range=list(charts.SATISFACTION_COLOURS)
                ),
                legend=alt.Legend(title=None, orient="top", columns=3),
            ),
            tooltip=[
                alt.Tooltip("modality", type="nominal", title="Modality"),
                alt.Tooltip("answer", type="nominal", title="Answer"),
                alt.Tooltip("n", type="quantitative", title="Answers", format=","),
                alt.Tooltip("share", type="quantitative", title="Share", format=".1%"),
            ],
        )
    )  # fmt: skip
