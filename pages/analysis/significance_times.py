"""Significance over time: the same patients at several times, in one group or between groups."""

from collections.abc import Sequence

import polars as pl
import streamlit as st

from analytics.compare_paired import compare_paired
from analytics.comparison import Comparison
from pages.analysis import significance_choices as ask
from pages.analysis import significance_parts as parts
from pages.analysis.significance_course import draw_course
from pages.shared import data
from pages.shared.page import View
from pages.shared.patients import choose_records

BASELINE = "baseline"


def compare_times(view: View) -> None:
    """Compare a score or a response between times, or groups over time."""
    score, times, grouping = ask.choose_times()
    with st.expander("Records and margin", icon=":material/tune:"):
        view, _ = choose_records(view)
        paired = grouping is None and len(times) == 2 and score != "responder"
        margin = ask.choose_margin(ask.PAIRED, times) if paired else None
    if len(times) < 2:
        st.info("Choose at least two times.")
        return
    between = grouping is not None
    patterns = data.query(
        "significance_visits", view.filters, score=score, group_by=grouping, stratum=None,
        times=tuple(dict.fromkeys([*times, BASELINE]) if between else times),
        first_of_patient=view.filters.first_of_patient,
    )  # fmt: skip
    groups = ask.choose_followed(patterns, str(grouping)) if between else None
    visits = long_visits(patterns, times, groups)
    named = [ask.TIME_NAMES[time] for time in times]
    found = compare_paired(
        visits, "binary" if score == "responder" else "score", ask.SCORES[score],
        "" if score == "responder" else "points", times=named, groups=groups, margin=margin,
    )  # fmt: skip
    draw(found, visits, view, named)


def draw(found: Comparison, visits: pl.DataFrame, view: View, times: Sequence[str]) -> None:
    """Draw the answer, the course and what it rests on."""
    parts.draw_answer(found)
    draw_course(found, times, view)
    parts.draw_tables(found, view)
    parts.draw_checks(found)
    parts.draw_programs(found, lambda: visits.drop_nulls("value"))


def long_visits(
    patterns: pl.DataFrame, times: Sequence[str], groups: Sequence[str] | None
) -> pl.DataFrame:
    """Return one row a pattern and time; groups are compared with the baseline held equal.

    A subject here is a pattern of values with how many patients have it, nobody in particular.
    """
    chosen = patterns if groups is None else patterns.filter(pl.col("group").is_in(list(groups)))
    keep = ["count", "subject"]
    if groups is not None:
        keep.append("group")
        if BASELINE not in times:
            chosen = chosen.with_columns(start=pl.col(BASELINE))
            keep.append("start")
    frame = chosen.with_row_index("subject").unpivot(
        list(times), index=keep, variable_name="time", value_name="value"
    )
    named = frame.with_columns(pl.col("time").replace_strict(ask.TIME_NAMES))
    return named.rename({"start": "baseline"}) if "start" in named.columns else named
