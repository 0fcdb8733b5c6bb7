"""Pain and function: what the Outcomes page says of the scores."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import streamlit as st

from analytics import outcomes
from analytics.mixed import RepeatedMeasures
from analytics.outcomes import SCALES, TIMEPOINTS, Bounds, Scale
from analytics.results import Estimate, NotComputable
from pages.analysis import outcome_charts
from pages.shared import charts, data, downloads, filters
from pages.shared import format as fmt
from pages.shared.page import View

#: The mixed model needs the patients themselves: so many are drawn, and the page says so.
DRAWN = 2_000


#: What the figures of a modality at a time rest on.
POINTS = downloads.Cells(
    "n", ("modality", "timepoint"),
    also=("n_pairs", "n_missing", "n_not_due", "n_improved", "n_not_improved"),
)  # fmt: skip


def choose_scale(view: View) -> tuple[Scale, pl.DataFrame]:
    """Ask for the scale and return its counted scores; stop where nobody has one."""
    names = {key: scale.name for key, scale in SCALES.items()}
    scale = SCALES[filters.choose("scale", "Scale", names)]
    found = data.query("outcomes_scores", view.filters, outcome_scale=scale.key)
    if not found["value"].count():
        st.info(
            f"No procedure in this view has a score of {scale.name}. Widen the period or clear"
            " filters; scores come with the procedure log or a follow-up log."
        )
        st.stop()
    return scale, outcomes.in_points(found, scale)


def draw_scores(view: View) -> None:
    """Draw course, change, completeness, comparison and bounds of one scale."""
    scale, scores = choose_scale(view)
    points = outcomes.describe(scores, scale)
    frame = outcome_charts.points_frame(points)
    counted = frame.with_columns(
        n_improved=(pl.col("improved") * pl.col("n_pairs")).round().cast(pl.Int64),
        n_missing=pl.col("n_due") - pl.col("n"),
    ).with_columns(n_not_improved=pl.col("n_pairs") - pl.col("n_improved"))
    _draw_asked(frame, view, scale)
    left, right = st.columns(2)
    with left:
        charts.show(
            outcome_charts.course(frame, scale), frame, key="course", title="Scores",
            alt_text=f"{scale.name} over follow-up, medians with intervals", filters=view.filters,
            cells=POINTS, counted=counted,
        )  # fmt: skip
    with right:
        if frame["change"].count():
            charts.show(
                outcome_charts.change(frame, scale), frame, key="change", filters=view.filters,
                title="Change from baseline", alt_text=f"Mean change of {scale.name}, intervals",
                cells=POINTS, counted=counted,
            )  # fmt: skip
        else:
            st.info("Too few patients have both a baseline and a later score for a mean change.")
    charts.show(
        outcome_charts.completeness(frame), frame, key="complete", title="Completeness",
        alt_text="Share of due scores that are there", filters=view.filters,
        cells=POINTS, counted=counted,
    )  # fmt: skip
    st.caption(_definitions(scale))
    groups = [m for m in ("fluoroscopy", "CT", "ultrasound") if m in set(frame["modality"])]
    if len(groups) > 1 and frame["change"].count():
        _draw_difference(scores, scale, groups, view)
    _draw_bounds(scores, scale)


def _draw_asked(frame: pl.DataFrame, view: View, scale: Scale) -> None:
    """Say how many procedures have any score of the scale."""
    asked = frame.group_by("modality").agg(n=(pl.col("n_due") + pl.col("n_not_due")).max())
    n = int(asked["n"].sum())
    st.caption(
        f"{fmt.count(n)} of {fmt.plural(view.n, 'procedure')} have a score of {scale.name}"
        f" ({fmt.percent(n / view.n)}); shares of completeness are of these."
    )


def _definitions(scale: Scale) -> str:
    steps = "; ".join(f"{s.instrument} {s.points:g} ({s.source})" for s in scale.important)
    return (
        "Median with its 95 % order-statistic interval, thick bar: quartiles. Change: later minus"
        " baseline in the same patient, mean with 95 % t interval; below 0 is better. Scored of"
        " due: with a score, of patients whose follow-up day has passed by the last day with data."
        f" Minimal important change: {steps}. Pain on a scale 0–100 is shown on 0–10."
    )


def _draw_difference(scores: pl.DataFrame, scale: Scale, groups: list[str], view: View) -> None:
    """Draw the simple tests beside the mixed model."""
    st.header("Difference between modalities", anchor=False)
    pair = groups
    if len(groups) > 2:
        named = {f"{a} v {b}": [a, b] for i, a in enumerate(groups) for b in groups[i + 1 :]}
        pair = named[filters.choose("pair", "Compare", {name: name for name in named})]
    compared = outcomes.compare_changes(scores, scale, pair)
    model = _model(view, scale, pair)
    rows = [_difference_row(t, c, model, scale) for t, c in compared.items()]
    if rows:
        pairs = [[g.n for g in c.groups] for c in compared.values()]
        fitted = [] if isinstance(model, NotComputable) else [model.fit.n_subjects]
        downloads.table(
            pl.DataFrame(rows), key="difference", title="Difference between modalities",
            cells=downloads.over(*(n for each in pairs for n in each), *fitted),
        )  # fmt: skip
    st.caption(
        f"Difference of mean change, {pair[0]} minus {pair[1]}, {scale.unit}; below 0: more relief"
        f" under {pair[0]}. The simple test drops a patient whose score is missing then; the"
        " model (random intercept per patient, modality × time, adjusted for baseline) keeps the"
        f" patient's other visits. It is fitted on at most {fmt.count(DRAWN)} procedures, drawn by"
        " a fixed hash. Neither repairs follow-up that is missing because of the pain itself: see"
        " the bounds. Patients were not allocated at random."
    )
    if isinstance(model, RepeatedMeasures):
        st.markdown(
            f"Mixed model: {fmt.count(model.fit.n_values)} visits of"
            f" {fmt.plural(model.fit.n_subjects, 'patient')}; the difference changes over time:"
            f" {fmt.p_value(model.interaction.p_value)}."
        )
    else:
        st.caption(f"Mixed model: {model.reason}.")
    with st.expander("In plain words"):
        for comparison in compared.values():
            st.markdown(f"- {comparison.sentence}")


def _difference_row(
    timepoint: str,
    comparison: Any,
    model: RepeatedMeasures | NotComputable,
    scale: Scale,
) -> dict[str, str]:
    simple = next(
        (e.estimate for e in comparison.effects if e.name == "mean difference"), comparison.test
    )
    p = comparison.p_adjusted if comparison.p_adjusted is not None else comparison.p_value
    row = {
        "At": TIMEPOINTS[timepoint],
        "Simple difference (95 % CI)": _with_interval(simple, _decimals(scale)),
        "p, Holm": fmt.p_value(p),
    }
    fitted = {}
    if isinstance(model, RepeatedMeasures):
        fitted = {e.name.rsplit(" ", 1)[-1]: e.estimate for e in model.effects}
    found = fitted.get(timepoint)
    fitted_words = _with_interval(found, _decimals(scale)) if found else fmt.DASH
    return row | {"Mixed model (95 % CI)": fitted_words}


def _decimals(scale: Scale) -> int:
    """Return the decimals of a change: two on a scale of 10, one on a scale of 100."""
    return 2 if scale.maximum <= 10 else 1


def _with_interval(found: Estimate | NotComputable, decimals: int) -> str:
    if not isinstance(found, Estimate):
        return fmt.DASH
    value, low, high = (fmt.signed(v, decimals) for v in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})"


def _model(view: View, scale: Scale, pair: Sequence[str]) -> RepeatedMeasures | NotComputable:
    given = tuple(sorted(view.filters.parameters().items()))
    return _fitted(str(data.snapshot()), given, scale.key, tuple(pair), view)


@st.cache_resource(show_spinner="Fitting the mixed model …", max_entries=32)
def _fitted(
    snapshot: str, given: tuple[tuple[str, Any], ...], key: str, pair: tuple[str, ...], _view: View
) -> RepeatedMeasures | NotComputable:
    """Fit once for a snapshot and a view."""
    scale = SCALES[key]
    visits = data.query("outcomes_visits", _view.filters, outcome_scale=key, most=DRAWN)
    return outcomes.model_over_time(outcomes.in_points(visits, scale), scale, pair)


def _draw_bounds(scores: pl.DataFrame, scale: Scale) -> None:
    """Draw what missing follow-up could do to the mean change."""
    st.header("What missing follow-up could hide", anchor=False)
    rows, counts, decimals = [], [], _decimals(scale)
    for group in [m for m in charts.MODALITIES if m in set(scores["modality"])]:
        for timepoint, name in list(TIMEPOINTS.items())[1:]:
            part = scores.filter(modality=group, timepoint=timepoint)
            found = outcomes.change_bounds(part, scale.maximum)
            if isinstance(found, Bounds):
                counts.append(
                    {"Modality": group, "At": name, "n": found.n, "missing": found.n_missing}
                )
                rows.append(
                    {
                        "Modality": group,
                        "At": name,
                        "Scored": fmt.count(found.n),
                        "Missing": fmt.count(found.n_missing),
                        "Mean change observed": fmt.signed(found.observed, decimals),
                        "If the missing are unchanged": fmt.signed(found.carried, decimals),
                        "Best to worst case": f"{fmt.signed(found.best, decimals)} to"
                        f" {fmt.signed(found.worst, decimals)}",
                    }
                )
    if rows:
        downloads.table(
            pl.DataFrame(rows), key="bounds", title="What missing follow-up could hide",
            cells=downloads.Cells("n", ("Modality", "At"), also=("missing",)),
            counted=pl.DataFrame(counts),
        )  # fmt: skip
    st.caption(
        f"Best case: every missing score 0; worst case: every one {scale.maximum:g}. The truth lies"
        " between, whatever the reason for silence. Missing: due, with a baseline, no score."
    )
