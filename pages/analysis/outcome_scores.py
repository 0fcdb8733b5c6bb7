"""Pain and function, and responders: what the Outcomes page says of the scores."""

from collections.abc import Sequence
from itertools import pairwise
from math import isinf
from typing import Any

import polars as pl
import streamlit as st

from analytics import outcomes, outcomes_responders
from analytics.mixed import RepeatedMeasures
from analytics.outcomes import IMMPACT, SCALES, TIMEPOINTS, Bounds, Scale
from analytics.outcomes_responders import Moved, NumberNeeded, Responders
from analytics.results import Estimate, NotComputable, TestResult
from pages.analysis import alluvial, outcome_charts
from pages.shared import charts, data, downloads, filters
from pages.shared import format as fmt
from pages.shared.page import View

#: The mixed model needs the patients themselves: so many are drawn, and the page says so.
DRAWN = 2_000
FLOW_TIMES = ("15min", "1mo", "3mo", "6mo")
FEW = 20


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
    _draw_asked(frame, view, scale)
    left, right = st.columns(2)
    with left:
        charts.show(
            outcome_charts.course(frame, scale), frame, key="course", title="Scores",
            alt_text=f"{scale.name} over follow-up, medians with intervals", filters=view.filters,
        )  # fmt: skip
    with right:
        if frame["change"].count():
            charts.show(
                outcome_charts.change(frame, scale), frame, key="change", filters=view.filters,
                title="Change from baseline", alt_text=f"Mean change of {scale.name}, intervals",
            )  # fmt: skip
        else:
            st.info("No patient has both a baseline and a later score: no change can be shown.")
    charts.show(
        outcome_charts.completeness(frame), frame, key="complete", title="Completeness",
        alt_text="Share of due scores that are there", filters=view.filters,
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
    rows = [_difference_row(t, c, model, pair) for t, c in compared.items()]
    if rows:
        downloads.table(pl.DataFrame(rows), key="difference", title="Difference between modalities")
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
    timepoint: str, comparison: Any, model: RepeatedMeasures | NotComputable, pair: Sequence[str]
) -> dict[str, str]:
    simple = next(
        (e.estimate for e in comparison.effects if e.name == "mean difference"), comparison.test
    )
    p = comparison.p_adjusted if comparison.p_adjusted is not None else comparison.p_value
    row = {
        "At": TIMEPOINTS[timepoint],
        "Simple difference (95 % CI)": _with_interval(simple),
        "p, Holm": fmt.p_value(p),
    }
    fitted = {}
    if isinstance(model, RepeatedMeasures):
        fitted = {e.name.rsplit(" ", 1)[-1]: e.estimate for e in model.effects}
    found = fitted.get(timepoint)
    return row | {"Mixed model (95 % CI)": _with_interval(found) if found else fmt.DASH}


def _with_interval(found: Estimate | NotComputable) -> str:
    if not isinstance(found, Estimate):
        return fmt.DASH
    return f"{fmt.signed(found.value)} ({fmt.signed(found.low)} to {fmt.signed(found.high)})"


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
    rows = []
    for group in [m for m in charts.MODALITIES if m in set(scores["modality"])]:
        for timepoint, name in list(TIMEPOINTS.items())[1:]:
            part = scores.filter(modality=group, timepoint=timepoint)
            found = outcomes.change_bounds(part, scale.maximum)
            if isinstance(found, Bounds):
                rows.append(
                    {
                        "Modality": group,
                        "At": name,
                        "Scored": fmt.count(found.n),
                        "Missing": fmt.count(found.n_missing),
                        "Mean change observed": fmt.signed(found.observed),
                        "If the missing are unchanged": fmt.signed(found.carried),
                        "Best to worst case": f"{fmt.signed(found.best)} to"
                        f" {fmt.signed(found.worst)}",
                    }
                )
    if rows:
        downloads.table(pl.DataFrame(rows), key="bounds", title="What missing follow-up could hide")
    st.caption(
        f"Best case: every missing score 0; worst case: every one {scale.maximum:g}. The truth lies"
        " between, whatever the reason for silence. Missing: due, with a baseline, no score."
    )


def draw_responders(view: View) -> None:
    """Draw shares of responders, their classes, the flow and the number needed to treat."""
    scale, scores = choose_scale(view)
    cuts = {"50": "≥ 50 % (substantial)", "30": "≥ 30 % (moderate)"}
    cut = int(filters.choose("cut", "Responder: reduction from baseline", cuts)) / 100
    found = outcomes_responders.responders(scores, cut)
    frame = outcome_charts.responders_frame(found)
    if frame.is_empty():
        st.info("No patient has both a baseline above 0 and a later score.")
        return
    charts.show(
        outcome_charts.responder_chart(frame), frame, key="responders", filters=view.filters,
        title="Responders", alt_text="Share of responders over follow-up with intervals and bounds",
    )  # fmt: skip
    undefined = max(frame.group_by("modality").agg(pl.col("n_undefined").max())["n_undefined"])
    st.caption(
        "Reduction = 100 · (baseline − score) / baseline; negative when pain grew, undefined at"
        f" baseline 0 or without one ({fmt.plural(undefined, 'patient')} at most, left out). Share"
        " of patients with a score, 95 % Wilson interval; the faint bar runs from none to all of"
        f" the due patients without a score having responded. Cut-offs: {IMMPACT}."
    )
    _draw_classes(scores)
    _draw_flow(scores, scale, cut, view)
    _draw_number_needed(found, cut)


def _draw_classes(scores: pl.DataFrame) -> None:
    """Draw the table of classes, as paper S3 prints it."""
    st.header("Classes", anchor=False)
    table = outcomes_responders.class_table(scores)
    chosen = [m for m in charts.MODALITIES if m in set(table["modality"])]
    group = (
        chosen[0] if len(chosen) < 2 else filters.choose("of", "Modality", {m: m for m in chosen})
    )
    rows = table.filter(modality=group)
    times = [t for t in TIMEPOINTS if t in set(rows["timepoint"])]
    cells = {
        (r["timepoint"], r["label"]): fmt.count(r["n"])
        + (f" ({fmt.percent(r['share'])})" if r["share"] is not None else "")
        for r in rows.iter_rows(named=True)
    }
    labels = [c for c in outcomes_responders.ALL_CLASSES if any((t, c) in cells for t in times)]
    st.table(
        pl.DataFrame(
            [
                {"Reduction": label}
                | {TIMEPOINTS[t]: cells.get((t, label), "0") for t in times}
                for label in labels
            ]
        ),
        hide_index=True,
    )  # fmt: skip
    st.caption(
        "Classes of Kajdi et al. (CT-guided pars injections, Table 2): the lower bound belongs to"
        " the class. Shares are of patients with a class."
    )


def _draw_flow(scores: pl.DataFrame, scale: Scale, cut: float, view: View) -> None:
    """Draw who moves between the classes, and who became a responder."""
    seen = set(scores.filter(pl.col("value").is_not_null())["timepoint"])
    offered = [t for t in list(TIMEPOINTS)[1:] if t in seen]
    default = [t for t in FLOW_TIMES if t in offered] or offered[:2]
    if len(offered) < 2:
        return
    st.header("Flow between classes", anchor=False)
    times = st.multiselect(
        "Timepoints", offered, default=default, max_selections=4, key="flow",
        format_func=TIMEPOINTS.__getitem__,
    )  # fmt: skip
    times = [t for t in offered if t in times]
    if len(times) < 2:
        st.info("Choose two to four timepoints.")
        return
    asked = {f"at_{i + 1}": times[i] if i < len(times) else None for i in range(4)}
    steps = data.query("outcomes_flow", view.filters, outcome_scale=scale.key, **asked)
    flow = outcomes_responders.flows(steps)
    if flow.is_empty():
        st.info("No patient has a baseline above 0: no reduction is defined.")
        return
    charts.show(
        alluvial.alluvial(flow, times), flow, key="alluvial", filters=view.filters,
        title="How patients move",
        alt_text="Alluvial diagram of the classes of pain reduction over follow-up",
    )  # fmt: skip
    for step, (earlier, later) in enumerate(pairwise(times), start=1):
        moved = outcomes_responders.gained_and_lost(steps, step, cut)
        st.markdown(f"- {_moved_words(moved, earlier, later)}")


def _moved_words(moved: Moved | NotComputable, earlier: str, later: str) -> str:
    span = f"{TIMEPOINTS[earlier]} → {TIMEPOINTS[later]}"
    if isinstance(moved, NotComputable):
        return f"{span}: {moved.reason}."
    said = (
        f"{span}: {fmt.plural(moved.gained, 'patient')} became responders, {fmt.count(moved.lost)}"
        f" ceased to be, of {fmt.count(moved.n)} with both scores"
    )
    if isinstance(moved.difference, Estimate):
        change, ends = fmt.points_change(moved.difference)
        said += f"; {change} (95 % CI {ends}, Tango)"
    if isinstance(moved.test, TestResult):
        said += f"; {moved.test.method}, {fmt.p_value(moved.test.p_value)}"
    return f"{said}."


def _draw_number_needed(found: tuple[Responders, ...], cut: float) -> None:
    """Draw the number needed to treat between two modalities at each timepoint."""
    by = {(r.group, r.timepoint): r for r in found}
    rows = []
    for first, second in (
        ("fluoroscopy", "CT"),
        ("ultrasound", "CT"),
        ("fluoroscopy", "ultrasound"),
    ):
        for timepoint, name in TIMEPOINTS.items():
            a, b = by.get((first, timepoint)), by.get((second, timepoint))
            if a is None or b is None or min(a.n, b.n) < FEW:
                continue
            needed = outcomes_responders.number_needed(a.events, a.n, b.events, b.n)
            rows.append(
                {
                    "Compared": f"{first} v {second}",
                    "At": name,
                    "Responders": f"{a.events}/{a.n} v {b.events}/{b.n}",
                    "Number needed to treat (95 % CI)": _needed_words(needed),
                }
            )
    if not rows:
        return
    st.header("Number needed to treat", anchor=False)
    downloads.table(pl.DataFrame(rows), key="needed", title="Number needed to treat")
    st.caption(
        f"Patients to treat with the first instead of the second for one responder (≥ {cut:.0%})"
        " more: 1 / difference of shares, interval from Newcombe's interval of the difference. An"
        " interval through ∞ means that no difference is shown (Altman 1998). Crude, not adjusted"
        f" for case mix; groups under {FEW} are left out."
    )


def _needed_words(needed: NumberNeeded | NotComputable) -> str:
    if isinstance(needed, NotComputable):
        return needed.reason
    side, other = ("benefit", "harm") if needed.benefit else ("harm", "benefit")
    low, high = ("∞" if isinf(end) else fmt.number(end) for end in (needed.low, needed.high))
    if needed.through_infinity:
        return f"{fmt.number(needed.value)} to {side} ({low} to {side} … ∞ … {high} to {other})"
    return f"{fmt.number(needed.value)} to {side} ({low} to {high})"
