"""The pictures of the Rooms page: occupancy by hour, a day's timeline, shares with intervals."""

import altair as alt
import polars as pl
from streamlit.elements.vega_charts import AltairChart

from analytics.workflow_rooms import WEEKDAYS
from pages.shared import charts

CLICK = "case"


def occupancy(heat: pl.DataFrame) -> AltairChart:
    """Draw the share of staffed rooms in use as a map of weekday and hour."""
    days = [WEEKDAYS[i - 1] for i in sorted(set(heat["weekday"]))]
    frame = heat.with_columns(
        day=pl.col("weekday").replace_strict(dict(enumerate(WEEKDAYS, 1))),
        time=pl.format("{}:00", pl.col("hour").cast(pl.String).str.zfill(2)),
    )
    base = alt.Chart(frame, height=alt.Step(34)).encode(
        x=alt.X("time", type="ordinal", title="Hour", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("day", type="ordinal", sort=days, title=None),
    )
    cells = base.mark_rect().encode(
        color=alt.Color(
            "share", type="quantitative", scale=alt.Scale(scheme="blues", domain=[0, 1]),
            legend=alt.Legend(title="In use", format="%", orient="right"),
        ),
        tooltip=[
            alt.Tooltip("day", type="nominal", title="Day"),
            alt.Tooltip("time", type="nominal", title="Hour from"),
            alt.Tooltip("share", type="quantitative", title="Rooms in use", format=".0%"),
            alt.Tooltip("room_days", type="quantitative", title="Room-days", format=","),
        ],
    )  # fmt: skip
    figures = base.mark_text(fontSize=11).encode(
        text=alt.Text("share", type="quantitative", format=".0%"),
        color=alt.condition("datum.share > 0.55", alt.value("white"), alt.value("#333333")),
    )
    return alt.layer(cells, figures)


def timeline(day: pl.DataFrame) -> AltairChart:
    """Draw who was where when: the stay thin, the procedure thick, the plan as a tick."""
    click = alt.selection_point(name=CLICK, fields=["procedure_id"], empty=False)
    rooms = list(dict.fromkeys(day["room"]))
    base = alt.Chart(day, height=alt.Step(44)).encode(
        y=alt.Y("room", type="nominal", sort=rooms, title=None),
        color=charts.modality_colour(day["modality"]),
        tooltip=[
            alt.Tooltip("procedure_id", type="quantitative", title="Case", format="d"),
            alt.Tooltip("name", type="nominal", title="Procedure"),
            alt.Tooltip("scheduled_at", type="temporal", title="Planned", format="%H:%M"),
            alt.Tooltip("room_in_at", type="temporal", title="Room in", format="%H:%M"),
            alt.Tooltip("procedure_start_at", type="temporal", title="Needle in", format="%H:%M"),
            alt.Tooltip("procedure_end_at", type="temporal", title="Needle out", format="%H:%M"),
            alt.Tooltip("room_out_at", type="temporal", title="Room out", format="%H:%M"),
        ],
    )
    stays = base.mark_bar(height=14, opacity=0.45, cornerRadius=2, cursor="pointer").encode(
        x=alt.X("room_in_at", type="temporal", title=None, axis=alt.Axis(format="%H:%M")),
        x2=alt.X2("room_out_at"),
        stroke=alt.condition(click, alt.value(charts.OKABE_ITO[5]), alt.value("transparent")),
        strokeWidth=alt.value(3),
    )
    procedures = base.mark_bar(height=26, cornerRadius=2, cursor="pointer").encode(
        x=alt.X("procedure_start_at", type="temporal"), x2=alt.X2("procedure_end_at")
    )
    plans = base.mark_tick(height=34, thickness=2, color=charts.NEUTRAL).encode(
        x=alt.X("scheduled_at", type="temporal"), color=alt.value(charts.NEUTRAL)
    )
    return alt.layer(plans, stays.add_params(click), procedures)


def shares(frame: pl.DataFrame, title: str) -> AltairChart:
    """Draw one share with its interval for each group."""
    base = alt.Chart(frame, height=alt.Step(28)).encode(
        y=alt.Y(
            "group", type="nominal", title=None, sort=list(frame["group"]),
            axis=charts.names_axis(240),
        ),
        tooltip=[
            alt.Tooltip("group", type="nominal", title="Group"),
            alt.Tooltip("share", type="quantitative", title=title, format=".1%"),
            alt.Tooltip("low", type="quantitative", title="95 % CI from", format=".1%"),
            alt.Tooltip("high", type="quantitative", title="to", format=".1%"),
            alt.Tooltip("n", type="quantitative", title="n", format=","),
        ],
    )  # fmt: skip
    colour = alt.value(charts.OKABE_ITO[0])
    bars = base.mark_rule(strokeWidth=2).encode(
        x=alt.X(
            "low", type="quantitative", title=f"{title}, 95 % interval",
            axis=alt.Axis(format="%", tickCount=6), scale=alt.Scale(domainMin=0),
        ),
        x2=alt.X2("high"), color=colour,
    )  # fmt: skip
    marks = base.mark_point(filled=True, size=70, opacity=1).encode(
        x=alt.X("share", type="quantitative"), color=colour
    )
    return alt.layer(bars, marks)
