"""Two quantities of the same procedures: do they go together, do two readings agree."""

import numpy as np
import polars as pl
import streamlit as st

from analytics.pairs import agree, associate, same_unit
from pages.analysis import significance_choices as ask
from pages.analysis.significance_scatter import draw_pairs
from pages.shared import data, filters
from pages.shared.page import View
from pages.shared.patients import choose_records

MOST_READINGS = 20_000
QUESTIONS = {"association": "Do they go together", "agreement": "Do they agree"}


def compare_pairs(view: View) -> None:
    """Ask which two, then draw association or agreement."""
    question = filters.choose("question", "Question", QUESTIONS)
    extra = []
    if data.may("significance_extra"):
        extra = data.query("significance_extra", view.filters)["field"].to_list()
    first, second = ask.choose_pair(extra, readings=question == "agreement")
    view, _ = choose_records(view)
    if first == second:
        st.info("Choose two different columns.")
        return
    rows = data.query(
        "significance_pairs", view.filters, first_of_patient=view.filters.first_of_patient,
        x=ask.column_of(first), y=ask.column_of(second),
        x_extra=ask.extra_of(first), y_extra=ask.extra_of(second),
    )  # fmt: skip
    frame = rows.select(_side("x", first), _side("y", second), "count")
    names = ask.pair_name(first), ask.pair_name(second)
    if frame.is_empty():
        st.info(f"No procedure has both {names[0]} and {names[1]}.")
    elif question == "agreement":
        _agreement(frame, first, second, view)
    else:
        _association(frame, first, second, view)


def _side(side: str, chosen: str) -> pl.Expr:
    """Return the value of one side, the text of a further column of the log."""
    return pl.col(f"{side}_text").alias(side) if ask.extra_of(chosen) else pl.col(side)


def _agreement(frame: pl.DataFrame, first: str, second: str, view: View) -> None:
    """Draw κ of grades, or limits of agreement and ICC of measurements."""
    refused = same_unit(ask.unit_of(first), ask.unit_of(second))
    if refused is not None:
        st.warning(f"Agreement {refused.reason}.", icon=":material/block:")
        return
    if int(frame["count"].sum()) > MOST_READINGS:
        st.info(f"Agreement is a question of readings: narrow the filters below {MOST_READINGS}.")
        return
    rows = repeated(frame)
    names = ask.pair_name(first), ask.pair_name(second)
    found = agree(rows["x"].to_list(), rows["y"].to_list(), *names, unit=ask.unit_of(first))
    st.header("In words", anchor=False)
    st.code(found.sentence, language=None, wrap_lines=True)
    numbers = as_numbers(frame)
    if numbers is not None and found.limits is not None:
        draw_pairs(numbers, *names, view, limits=found.limits)


def _association(frame: pl.DataFrame, first: str, second: str, view: View) -> None:
    """Draw Spearman's correlation and the cloud."""
    names = ask.pair_name(first), ask.pair_name(second)
    numbers = as_numbers(frame)
    if numbers is None:
        st.warning(
            "A correlation by rank cannot be computed, because a column holds text: choose"
            " agreement, or a column of numbers.", icon=":material/block:",
        )  # fmt: skip
        return
    rows = repeated(numbers)
    found = associate(rows["x"].to_numpy(), rows["y"].to_numpy(), *names)
    st.header("In words", anchor=False)
    st.code(found.sentence, language=None, wrap_lines=True)
    draw_pairs(numbers, *names, view)


def repeated(frame: pl.DataFrame) -> pl.DataFrame:
    """Return one row a procedure."""
    return frame[np.repeat(np.arange(frame.height), frame["count"].to_numpy())]


def as_numbers(frame: pl.DataFrame) -> pl.DataFrame | None:
    """Return both sides as numbers, or None where one holds text."""
    numbers = frame.with_columns(pl.col("x", "y").cast(pl.Float64, strict=False))
    lost = numbers["x"].null_count() + numbers["y"].null_count()
    return None if lost else numbers.filter(pl.col("x").is_finite() & pl.col("y").is_finite())
