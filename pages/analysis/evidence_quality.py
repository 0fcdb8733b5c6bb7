"""Funnel plot, risk-of-bias lights and summary of findings."""

import json
import math
from collections.abc import Sequence

import altair as alt
import numpy as np
import polars as pl
import streamlit as st
from streamlit.elements.vega_charts import AltairChart

from analytics.evidence import Analysis
from analytics.evidence_rows import RATIOS, back
from analytics.meta_analysis import Pooled
from pages.analysis.evidence_forest import x_title
from pages.shared import charts, downloads
from pages.shared import format as fmt
from warehouse.evidence_models import Bias, Grade

DOMAINS = {
    "randomisation": "Randomisation",
    "deviations": "Deviations",
    "missing_data": "Missing data",
    "measurement": "Measurement",
    "selection": "Selection",
    "overall": "Overall",
}
#: Names for narrow screens, as RoB 2 numbers its domains.
SHORT = {
    name: "All" if field == "overall" else f"D{place}"
    for place, (field, name) in enumerate(DOMAINS.items(), start=1)
}
JUDGEMENTS = ["low", "some concerns", "high"]
#: Told apart without colour by the sign.
LIGHTS = ["#009E73", "#E69F00", "#D55E00"]
SIGNS = {"low": "+", "some concerns": "–", "high": "×"}
CIRCLES = {"high": "⊕⊕⊕⊕", "moderate": "⊕⊕⊕○", "low": "⊕⊕○○", "very low": "⊕○○○"}


def funnel(found: Analysis) -> tuple[AltairChart, pl.DataFrame] | None:
    """Draw effects against their errors with the pooled effect and its 95 % funnel."""
    if not isinstance(found.pooled, Pooled):
        return None
    centre, measure = found.pooled.estimate.value, found.measure
    points = pl.DataFrame(
        [
            {
                "study": s.name,
                "effect": back(s.effect, measure),
                "standard_error": math.sqrt(s.variance),
                "n": s.patients,
            }
            for s in found.studies
        ]
    )
    widest = 1.08 * float(points["standard_error"].to_numpy().max())
    sides = [
        {"effect": back(centre + side * 1.96 * se, measure), "standard_error": se, "side": side}
        for side in (-1, 1)
        for se in np.linspace(0.0, widest, 30).tolist()
    ]
    log = measure in RATIOS
    x = alt.X(
        "effect", type="quantitative", title=x_title(found)[0].replace(", 95 % CI", ""),
        scale=alt.Scale(type="log" if log else "linear", zero=False, nice=False),
        axis=alt.Axis(grid=False, tickCount=6, format="~g", labelOverlap=True),
    )  # fmt: skip
    y = alt.Y(
        "standard_error", type="quantitative", title="Standard error",
        scale=alt.Scale(domain=[0, widest], reverse=True, nice=False),
    )  # fmt: skip
    middle = [{"effect": back(centre, measure), "standard_error": se} for se in (0.0, widest)]
    layers = [
        alt.Chart(pl.DataFrame(sides)).mark_line(color=charts.NEUTRAL, strokeDash=[4, 3]).encode(
            x=x, y=y, detail=alt.Detail("side", type="nominal"),
            order=alt.Order("standard_error", type="quantitative"),
        ),
        alt.Chart(pl.DataFrame(middle)).mark_line(color=charts.NEUTRAL).encode(
            x=x, y=y, order=alt.Order("standard_error", type="quantitative")
        ),
        alt.Chart(points).mark_point(filled=True, size=80, opacity=0.9, color="#0072B2").encode(
            x=x, y=y,
            tooltip=[
                alt.Tooltip("study", type="nominal", title="Study"),
                alt.Tooltip("effect", type="quantitative", title="Effect", format=".3~g"),
                alt.Tooltip("standard_error", type="quantitative", title="SE", format=".3~g"),
                alt.Tooltip("n", type="quantitative", title="Patients", format=","),
            ],
        ),
    ]  # fmt: skip
    return alt.layer(*layers, height=charts.TALL), points


def draw_bias(judged: Sequence[Bias]) -> None:
    """Draw traffic lights and their summary."""
    if not judged:
        st.info("No trial of this question has risk-of-bias judgements.")
        return
    rows = bias_frame(judged)
    charts.show(
        lights(rows, len(judged)), rows, key="bias", title="Risk of bias, trial by trial (RoB 2)",
        cells=downloads.NO_PATIENTS,
        alt_text="Risk of bias in five domains and overall, one row a trial",
    )  # fmt: skip
    charts.show(
        bias_summary(rows), rows, key="bias-summary", title="Risk of bias, share of trials",
        cells=downloads.NO_PATIENTS,
        alt_text="Share of trials by judgement, one bar a domain",
    )  # fmt: skip
    st.caption(
        "Signs: + low, – some concerns, × high. Domains D1 to D5 of RoB 2: randomisation process,"
        " deviations from intended interventions, missing outcome data, measurement of the"
        f" outcome, selection of the reported result. Source: {_sources(judged)}."
    )


def bias_frame(judged: Sequence[Bias]) -> pl.DataFrame:
    """Return one row a trial and domain."""
    return pl.DataFrame(
        [
            {
                "study": bias.study,
                "domain": words,
                "place": place,
                "judgement": getattr(bias, field),
                "sign": SIGNS[getattr(bias, field)],
            }
            for bias in judged
            for place, (field, words) in enumerate(DOMAINS.items())
        ]
    )


def _light() -> alt.Color:
    return alt.Color(
        "judgement", type="nominal", scale=alt.Scale(domain=JUDGEMENTS, range=LIGHTS),
        legend=alt.Legend(title=None, orient="top"),
    )  # fmt: skip


def lights(rows: pl.DataFrame, trials: int) -> AltairChart:
    """Draw one light a trial and domain, with its sign."""
    base = alt.Chart(rows, height=34 * trials + 70).encode(
        x=alt.X(
            "domain", type="nominal", sort=list(DOMAINS.values()), title=None,
            axis=alt.Axis(
                orient="top", labelAngle=0, domain=False, ticks=False, labelOverlap=False,
                labelExpr=f"windowSize()[0] < {charts.NARROW} ? {json.dumps(SHORT)}[datum.label]"
                " : datum.label",
            ),
        ),
        y=alt.Y("study", type="nominal", title=None, sort=None,
                axis=alt.Axis(domain=False, ticks=False)),
        tooltip=[
            alt.Tooltip("study", type="nominal", title="Trial"),
            alt.Tooltip("domain", type="nominal", title="Domain"),
            alt.Tooltip("judgement", type="nominal", title="Risk of bias"),
        ],
    )  # fmt: skip
    circles = base.mark_circle(size=520, opacity=1).encode(color=_light())
    signs = base.mark_text(fontSize=17, fontWeight="bold", color="black").encode(
        text=alt.Text("sign", type="nominal")
    )
    return alt.layer(circles, signs)


def bias_summary(rows: pl.DataFrame) -> AltairChart:
    """Draw the share of trials by judgement."""
    counted = (
        rows.group_by("place", "domain", "judgement")
        .agg(trials=pl.len())
        .with_columns(
            share=pl.col("trials") / pl.col("trials").sum().over("domain"),
            rank=pl.col("judgement").replace_strict({j: i for i, j in enumerate(JUDGEMENTS)}),
        )
        .sort("place", "rank")
    )
    return (
        alt.Chart(counted, height=charts.HEIGHT)
        .mark_bar()
        .encode(
            y=alt.Y(
                "domain", type="nominal", sort=list(DOMAINS.values()), title=None,
                axis=alt.Axis(labelOverlap=False),
            ),
            x=alt.X(
                "share", type="quantitative", title="Share of trials", axis=alt.Axis(format="%"),
                scale=alt.Scale(domain=[0, 1]),
            ),
            color=_light(),
            order=alt.Order("rank", type="quantitative"),
            tooltip=[
                alt.Tooltip("domain", type="nominal", title="Domain"),
                alt.Tooltip("judgement", type="nominal", title="Risk of bias"),
                alt.Tooltip("trials", type="quantitative", title="Trials"),
            ],
        )
    )  # fmt: skip


def draw_grades(grades: Sequence[Grade]) -> None:
    """Draw the summary of findings."""
    if not grades:
        return
    table = pl.DataFrame(
        [
            {
                "Review": g.review,
                "Outcome": g.outcome,
                "Effect (95 % CI)": _effect(g),
                "Patients (trials)": f"{fmt.count(g.patients)} ({g.studies})",
                "Certainty": f"{CIRCLES[g.certainty]} {g.certainty}",
                "Why rated down": _capital(g.reasons) or fmt.DASH,
            }
            for g in grades
        ]
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header("Summary of findings (GRADE)", anchor=False, width="stretch")
        frame = pl.DataFrame([g.model_dump() for g in grades])
        downloads.offer(
            frame, key="grade", title="Summary of findings", cells=downloads.NO_PATIENTS
        )
    st.table(table, hide_index=True)
    st.caption(f"Source: {_sources(grades)}.")


def _sources(rows: Sequence[Bias] | Sequence[Grade]) -> str:
    """Name each source once, with its note."""
    said = [f"{row.source} ({row.note})" if row.note else row.source for row in rows]
    return "; ".join(dict.fromkeys(said))


def _effect(g: Grade) -> str:
    said = f"{g.measure} {g.effect:.2f} ({g.low:.2f} to {g.high:.2f})"
    return said.replace("-", fmt.MINUS)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
