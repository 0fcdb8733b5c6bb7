"""Responders: what the Outcomes page says of percent reduction, its classes and their flow."""

from itertools import pairwise
from math import isinf

import polars as pl
import streamlit as st

from analytics import outcomes_responders
from analytics.outcomes import IMMPACT, TIMEPOINTS, Scale
from analytics.outcomes_responders import Moved, NumberNeeded, Responders
from analytics.results import Estimate, NotComputable, TestResult
from pages.analysis import alluvial, outcome_charts
from pages.analysis.outcome_scores import choose_scale
from pages.shared import charts, data, downloads, filters
from pages.shared import format as fmt
from pages.shared.page import View

FLOW_TIMES = ("15min", "1mo", "3mo", "6mo")
FEW = 20
#: What the shares of a modality at a time rest on.
RESPONDERS = downloads.Cells(
    "n", ("modality", "timepoint"), parts=("responders",),
    also=("n_missing", "n_not_due", "n_undefined"),
)  # fmt: skip


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
        cells=RESPONDERS,
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
        title="How patients move", cells=downloads.Cells("n", ("step", "source", "target")),
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
    rows, counts = [], []
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
            counts.append(
                {
                    "Compared": f"{first} v {second}", "At": name, "n": a.n, "events": a.events,
                    "n_other": b.n, "events_other": b.events, "others": b.n - b.events,
                }
            )  # fmt: skip
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
    downloads.table(
        pl.DataFrame(rows), key="needed", title="Number needed to treat",
        cells=downloads.Cells("n", ("Compared", "At"), parts=("events",),
                              also=("n_other", "events_other", "others")),
        counted=pl.DataFrame(counts),
    )  # fmt: skip
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
