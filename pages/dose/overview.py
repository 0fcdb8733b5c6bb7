"""Whether the department is all right: level, change and course of what a manager asks for."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import altair as alt
import polars as pl
import streamlit as st

from analytics.dose import DoseIndex
from analytics.periods import Course, median_course, share_course, volume_course
from pages.dose import outlier_list
from pages.shared import attention, cards, charts, data, downloads, page
from pages.shared import format as fmt
from pages.shared.cards import Better, Card
from pages.shared.filters import Filters

COURSE_DAYS = 730
DOSES = (DoseIndex.KAP, DoseIndex.AIR_KERMA, DoseIndex.DLP, DoseIndex.CTDI_VOL)


def with_previous(filters: Filters) -> dict[str, Any]:
    """Widen the filters by the period before, and say where the current one begins."""
    before = filters.previous()
    if before is None:
        return filters.parameters() | {"current_from": None}
    widened = replace(filters, from_date=before.from_date)
    return widened.parameters() | {"current_from": filters.from_date}


def course_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    """Bound the monthly course to the last two years of what the cards cover."""
    course = {key: value for key, value in parameters.items() if key != "current_from"}
    last = parameters["to_date"]
    return course | {"course_from": last and last - timedelta(days=COURSE_DAYS)}


def median_card(course: Course, label: str, unit: str, versus: str, about: str) -> Card:
    """Make the card of a median; a lower one is better."""
    return cards.of_course(
        course,
        label=f"{label}, {unit}",
        level=fmt.number,
        note=lambda e: f"median, 95{fmt.THIN}% CI {fmt.interval(e.low, e.high)}",
        change=fmt.ratio_change,
        versus=versus,
        better="lower",
        help=about,
    )


def share_card(course: Course, label: str, versus: str, better: Better, about: str) -> Card:
    """Make the card of a share."""
    return cards.of_course(
        course,
        label=label,
        level=fmt.percent,
        note=lambda e: f"95{fmt.THIN}% CI {fmt.percent_interval(e.low, e.high)}",
        change=fmt.points_change,
        versus=versus,
        better=better,
        help=about,
    )


def volume_card(course: Course, versus: str) -> Card:
    """Make the card of the number of procedures."""
    return cards.of_course(
        course,
        label="Procedures",
        level=lambda value: fmt.count(int(value)),
        note=lambda _: "completed",
        change=fmt.ratio_change,
        versus=versus,
        better="neither",
        help="Completed procedures without test patients. Interval of the change: exact Poisson.",
    )


def courses_of(
    values: pl.DataFrame, counts: pl.DataFrame, months: pl.DataFrame, filters: dict[str, Any]
) -> dict[str, Course]:
    """Follow every measure of the cards, by column name."""
    data_from = data.query("freshness")["data_from"].item()
    first = max(filters["from_date"] or data_from, data_from)
    units = {index.column: index.unit for index in DOSES}
    units |= {"duration_min": "min", "waiting_min": "min"}
    return {
        "procedures": volume_course(counts, first, filters["to_date"]),
        "complications": share_course(counts, "n_complication", "n_complication_known"),
        "satisfaction": share_course(counts, "n_satisfied", "n_satisfaction"),
    } | {measure: median_course(values, months, measure, unit) for measure, unit in units.items()}


def draw_cards(courses: dict[str, Course], versus: str) -> None:
    """Draw the cards: how many, how safe, how satisfied, how long; then one card per dose index."""
    cards.grid(
        [
            volume_card(courses["procedures"], versus),
            share_card(
                courses["complications"], "Complications", versus, "lower",
                "Procedures with any complication, of those whose outcome was recorded.",
            ),
            share_card(
                courses["satisfaction"], "Satisfied patients", versus, "higher",
                "Satisfied or very satisfied (4 or 5 of 5), of those who answered.",
            ),
            median_card(
                courses["duration_min"], "Duration", "min", versus, "Needle in to needle out."
            ),
            median_card(
                courses["waiting_min"], "Waiting", "min", versus,
                "Arrival to room entry, or to the start where room entry is not recorded.",
            ),
        ],
        columns=5,
    )  # fmt: skip
    st.caption("Dose by index: each is its own quantity and is compared only with itself.")
    cards.grid(
        [
            median_card(
                courses[index.column], fmt.measure(index.column).short, index.unit, versus,
                f"{index.label}: {index.meaning}.",
            )
            for index in DOSES
        ],
        columns=4,
    )  # fmt: skip


def volume_chart(counts: pl.DataFrame) -> alt.Chart:
    """Stack the months' procedures by modality."""
    return (
        alt.Chart(counts, height=charts.HEIGHT)
        .mark_bar()
        .encode(
            x=alt.X(
                "month", type="ordinal", timeUnit="yearmonth", title=None,
                axis=alt.Axis(format="%b %Y", labelAngle=0, labelOverlap="greedy"),
            ),
            y=alt.Y(
                "n", type="quantitative", title="Procedures a month",
                axis=alt.Axis(tickMinStep=1, format=",d"),
            ),
            color=charts.modality_colour(counts["modality"]),
            tooltip=[
                alt.Tooltip("month", type="temporal", timeUnit="yearmonth", title="Month"),
                alt.Tooltip("modality", type="nominal", title="Modality"),
                alt.Tooltip("n", type="quantitative", title="Procedures", format=","),
            ],
        )
    )  # fmt: skip


def by_month(counts: pl.DataFrame) -> pl.DataFrame:
    """Count the current period's procedures a month and modality; a month without any is 0."""
    current = counts.filter(pl.col("is_current"))
    summed = current.group_by("month", "modality").agg(pl.col("n").sum())
    months = current.select(
        pl.date_range(pl.col("month").min(), pl.col("month").max(), interval="1mo")
    )
    every = months.join(summed.select(pl.col("modality").unique()), how="cross")
    return (
        every.join(summed, on=["month", "modality"], how="left")
        .with_columns(pl.col("n").fill_null(0))
        .sort("month", "modality")
    )


def main() -> None:
    """Draw the page."""
    view = page.begin("Overview", "Are we all right? Each figure beside the period before.")
    parameters = with_previous(view.filters)
    values = data.query("overview_values", None, **parameters)
    counts = data.query("overview_counts", None, **parameters)
    months = data.query("overview_course", None, **course_parameters(parameters))
    courses = courses_of(values, counts, months, parameters)
    draw_cards(courses, f"vs previous {view.filters.days} d")
    st.header("What needs attention", anchor=False)
    standing_out = outlier_list.waiting(view.filters)
    attention.draw(attention.listed(view, courses, standing_out))
    monthly = by_month(counts)
    charts.show(
        volume_chart(monthly),
        monthly,
        key="volume",
        title="Procedures a month by modality",
        alt_text="Stacked bars: procedures a month by modality",
        filters=view.filters,
        cells=downloads.Cells("n", ("month", "modality")),
    )


main()
