"""The pictures of pain and function: course, change, completeness and responders."""

from collections.abc import Sequence

import altair as alt
import polars as pl
from streamlit.elements.vega_charts import AltairChart

from analytics.outcomes import TIMEPOINTS, Point, Scale
from analytics.outcomes_responders import Responders
from analytics.results import Estimate
from pages.shared import charts

#: Columns of ``points_frame`` that may be blank throughout and are numbers all the same.
ESTIMATES = (
    "complete", "median", "median_low", "median_high", "q1", "q3", "change", "change_low",
    "change_high", "improved",
)  # fmt: skip


def points_frame(points: Sequence[Point]) -> pl.DataFrame:
    """Return the numbers of the charts, one row a modality and timepoint."""
    return pl.DataFrame(
        [
            {
                "modality": p.group,
                "timepoint": TIMEPOINTS[p.timepoint],
                "n": p.n,
                "n_due": p.n_due,
                "n_not_due": p.n_not_due,
                "complete": _value(p.complete),
                "median": _value(p.median),
                "median_low": _end(p.median, 0),
                "median_high": _end(p.median, 1),
                "q1": p.q1,
                "q3": p.q3,
                "change": _value(p.change),
                "change_low": _end(p.change, 0),
                "change_high": _end(p.change, 1),
                "improved": _value(p.important),
                "n_pairs": p.n_pairs,
            }
            for p in points
        ],
        schema_overrides=dict.fromkeys(ESTIMATES, pl.Float64),
        infer_schema_length=None,
    )


def _value(found: object) -> float | None:
    return found.value if isinstance(found, Estimate) else None


def _end(found: object, end: int) -> float | None:
    if not isinstance(found, Estimate):
        return None
    return (found.low, found.high)[end]


def _time_axis(title: str | None = None) -> alt.X:
    return alt.X(
        "timepoint", type="ordinal", sort=list(TIMEPOINTS.values()), title=title,
        axis=alt.Axis(
            labelAngle=charts.by_width(-40, 0), labelAlign=charts.by_width("'right'", "'center'"),
            labelOverlap=False,
        ),
    )  # fmt: skip


def _beside(present: Sequence[str]) -> alt.XOffset:
    shown = [m for m in charts.MODALITIES if m in present]
    return alt.XOffset("modality", type="nominal", sort=shown, scale=alt.Scale(paddingOuter=0.6))


def _tooltip(first: str, low: str, high: str, title: str) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("modality", type="nominal", title="Modality"),
        alt.Tooltip("timepoint", type="nominal", title="At"),
        alt.Tooltip(first, type="quantitative", title=title, format=".3~g"),
        alt.Tooltip(low, type="quantitative", title="95 % CI from", format=".3~g"),
        alt.Tooltip(high, type="quantitative", title="to", format=".3~g"),
        alt.Tooltip("n", type="quantitative", title="With a score", format=","),
    ]


def course(frame: pl.DataFrame, scale: Scale) -> AltairChart:
    """Draw medians with intervals, and quartiles as thin bars."""
    present = frame["modality"].unique().to_list()
    base = alt.Chart(frame, height=charts.HEIGHT).encode(
        x=_time_axis(), xOffset=_beside(present), color=charts.modality_colour(present),
        tooltip=_tooltip("median", "median_low", "median_high", f"Median, {scale.unit}"),
    )  # fmt: skip
    title = f"{scale.name}, {scale.unit}: median, CI, quartiles"
    y = alt.Scale(domain=[0, scale.maximum], nice=False)
    quartiles = base.mark_rule(opacity=0.35, strokeWidth=7).encode(
        y=alt.Y("q1", type="quantitative", title=title, scale=y), y2=alt.Y2("q3")
    )
    whiskers = base.mark_rule(strokeWidth=2).encode(
        y=alt.Y("median_low", type="quantitative"), y2=alt.Y2("median_high")
    )
    medians = base.mark_point(filled=True, size=70, opacity=1).encode(
        y=alt.Y("median", type="quantitative"), shape=charts.modality_shape(present)
    )
    return alt.layer(quartiles, whiskers, medians)


def change(frame: pl.DataFrame, scale: Scale) -> AltairChart:
    """Draw mean changes with intervals against zero and the minimal important changes."""
    rows = frame.drop_nulls("change")
    top = max(0.0, *rows["change"], *rows["change_high"].drop_nulls())
    present = rows["modality"].unique().to_list()
    base = alt.Chart(rows, height=charts.HEIGHT).encode(
        x=_time_axis(), xOffset=_beside(present),
        color=charts.modality_colour(present),
        tooltip=_tooltip("change", "change_low", "change_high", f"Mean change, {scale.unit}"),
    )  # fmt: skip
    whiskers = base.mark_rule(strokeWidth=2).encode(
        y=alt.Y(
            "change_low", type="quantitative", title=f"Change from baseline, {scale.unit}",
            scale=alt.Scale(domainMax=top),
        ),
        y2=alt.Y2("change_high"),
    )  # fmt: skip
    means = base.mark_point(filled=True, size=70, opacity=1).encode(
        y=alt.Y("change", type="quantitative"), shape=charts.modality_shape(present)
    )
    marks = pl.DataFrame(
        {
            "at": [-step.points for step in scale.important],
            "words": [
                f"important for {step.instrument}: {step.points:g}" for step in scale.important
            ],
            "source": [step.source for step in scale.important],
        }
    )
    lines = (
        alt.Chart(marks)
        .mark_rule(strokeDash=[5, 4], color=charts.NEUTRAL)
        .encode(
            y=alt.Y("at", type="quantitative"),
            tooltip=[
                alt.Tooltip("words", type="nominal", title="Minimal change"),
                alt.Tooltip("source", type="nominal", title="Source"),
            ],
        )
    )
    text = (
        alt.Chart(marks)
        .mark_text(align="right", baseline="bottom", dx=-4, dy=-2, color=charts.NEUTRAL)
        .encode(
            x=alt.value("width"),
            y=alt.Y("at", type="quantitative"),
            text=alt.Text("words", type="nominal"),
        )
    )
    return alt.layer(lines, text, whiskers, means)


def completeness(frame: pl.DataFrame) -> AltairChart:
    """Draw which share of the due scores is there."""
    present = frame["modality"].unique().to_list()
    return (
        alt.Chart(frame, height=140)
        .mark_bar()
        .encode(
            x=_time_axis(),
            xOffset=_beside(present),
            y=alt.Y(
                "complete", type="quantitative", title="Scored of due",
                axis=alt.Axis(format="%", tickCount=3), scale=alt.Scale(domain=[0, 1]),
            ),
            color=charts.modality_colour(present, legend=False),
            tooltip=[
                alt.Tooltip("modality", type="nominal", title="Modality"),
                alt.Tooltip("timepoint", type="nominal", title="At"),
                alt.Tooltip("complete", type="quantitative", title="Scored of due", format=".1%"),
                alt.Tooltip("n", type="quantitative", title="With a score", format=","),
                alt.Tooltip("n_due", type="quantitative", title="Due", format=","),
                alt.Tooltip("n_not_due", type="quantitative", title="Not yet due", format=","),
            ],
        )
    )  # fmt: skip


def responders_frame(found: Sequence[Responders]) -> pl.DataFrame:
    """Return the shares of responders with interval and bounds, one row a modality and time."""
    return pl.DataFrame(
        [
            {
                "modality": r.group,
                "timepoint": TIMEPOINTS[r.timepoint],
                "responders": r.events,
                "n": r.n,
                "share": _value(r.share),
                "low": _end(r.share, 0),
                "high": _end(r.share, 1),
                "if_no_missing_responded": r.low_bound,
                "if_all_missing_responded": r.high_bound,
                "n_missing": r.n_missing,
                "n_not_due": r.n_not_due,
                "n_undefined": r.n_undefined,
            }
            for r in found
            if isinstance(r.share, Estimate)
        ],
        infer_schema_length=None,
    )


def responder_chart(frame: pl.DataFrame) -> AltairChart:
    """Draw shares with intervals, and faintly what the missing could make of them."""
    present = frame["modality"].unique().to_list()
    base = alt.Chart(frame, height=charts.HEIGHT).encode(
        x=_time_axis(), xOffset=_beside(present), color=charts.modality_colour(present),
        tooltip=[
            alt.Tooltip("modality", type="nominal", title="Modality"),
            alt.Tooltip("timepoint", type="nominal", title="At"),
            alt.Tooltip("responders", type="quantitative", title="Responders", format=","),
            alt.Tooltip("n", type="quantitative", title="Of", format=","),
            alt.Tooltip("share", type="quantitative", title="Share", format=".1%"),
            alt.Tooltip("low", type="quantitative", title="95 % CI from", format=".1%"),
            alt.Tooltip("high", type="quantitative", title="to", format=".1%"),
            alt.Tooltip("n_missing", type="quantitative", title="Due without a score", format=","),
        ],
    )  # fmt: skip
    bounds = base.mark_rule(opacity=0.2, strokeWidth=9).encode(
        y=alt.Y(
            "if_no_missing_responded", type="quantitative", title="Responders",
            axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1]),
        ),
        y2=alt.Y2("if_all_missing_responded"),
    )  # fmt: skip
    whiskers = base.mark_rule(strokeWidth=2).encode(
        y=alt.Y("low", type="quantitative"), y2=alt.Y2("high")
    )
    shares = base.mark_point(filled=True, size=70, opacity=1).encode(
        y=alt.Y("share", type="quantitative"), shape=charts.modality_shape(present)
    )
    return alt.layer(bounds, whiskers, shares)
