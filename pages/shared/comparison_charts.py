"""The pictures of the modality comparison, and the frames that they show."""

import altair as alt
import polars as pl
from streamlit.elements.vega_charts import AltairChart

from analytics.modalities import Result, histogram
from analytics.results import Estimate
from pages.shared import charts
from pages.shared import format as fmt

SMALL_GROUP = 50
SATISFACTION = (
    "1 very dissatisfied",
    "2 dissatisfied",
    "3 neither",
    "4 satisfied",
    "5 very satisfied",
)


def distribution(
    values: pl.DataFrame, measure: str, log: bool = True
) -> tuple[AltairChart, pl.DataFrame]:
    """Draw how a measure is distributed, by modality; small groups as their single values."""
    rows = values.filter((pl.col("measure") == measure) & pl.col("value").is_not_null())
    sizes = rows.group_by("modality").agg(pl.col("n").sum())["n"].to_list()
    if min(sizes, default=0) < SMALL_GROUP:
        single = rows.filter(pl.col("value") > 0) if log else rows
        single = single.select("modality", "value", "n").sort("modality", "value")
        return _single_values(single, measure, log), single
    bins = histogram(values, measure, log)
    return _shares(bins, measure, log), bins


def _axis(measure: str, log: bool) -> tuple[str, alt.Scale]:
    title = fmt.measure(measure).axis
    return (
        f"{title}, logarithmic" if log else title,
        alt.Scale(type="log" if log else "linear", nice=False, zero=not log),
    )


def _single_values(rows: pl.DataFrame, measure: str, log: bool) -> AltairChart:
    """Draw one point a value: a curve through few cases would show what is not there."""
    title, scale = _axis(measure, log)
    return (
        alt.Chart(rows, height=charts.SHORT)
        .mark_point(filled=True, opacity=0.6)
        .encode(
            x=alt.X("value", type="quantitative", title=title, scale=scale),
            y=alt.Y("modality", type="nominal", title=None),
            size=alt.Size("n", type="quantitative", legend=None, scale=alt.Scale(range=[60, 400])),
            color=charts.modality_colour(rows["modality"], legend=False),
            shape=charts.modality_shape(rows["modality"]),
            tooltip=[
                alt.Tooltip("modality", type="nominal", title="Modality"),
                alt.Tooltip("value", type="quantitative", format=".3~g", title=title),
                alt.Tooltip("n", type="quantitative", title="Cases"),
            ],
        )
    )


def _shares(bins: pl.DataFrame, measure: str, log: bool) -> AltairChart:
    """Draw the shares of cases along an axis, one line a modality."""
    title, scale = _axis(measure, log)
    title = title if log else f"{title}; the last point gathers the highest 1 %"
    unit = fmt.measure(measure).unit
    return (
        alt.Chart(bins, height=charts.HEIGHT)
        .mark_area(opacity=0.18, line=True, interpolate="monotone")
        .encode(
            x=alt.X(
                "middle", type="quantitative", title=title, axis=alt.Axis(tickCount=10),
                scale=scale,
            ),
            y=alt.Y(
                "share", type="quantitative", stack=None, title="Share of the modality's cases",
                axis=alt.Axis(format="%"),
            ),
            color=charts.modality_colour(bins["modality"]),
            strokeDash=charts.modality_dash(bins["modality"]),
            tooltip=[
                alt.Tooltip("modality", type="nominal", title="Modality"),
                alt.Tooltip("low", type="quantitative", format=".3~g", title=f"From, {unit}"),
                alt.Tooltip("high", type="quantitative", format=".3~g", title=f"To, {unit}"),
                alt.Tooltip("n", type="quantitative", format=",", title="Cases"),
            ],
        )
    )  # fmt: skip


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
