"""The department's own figures beside the published ones, and how their definitions differ."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import streamlit as st

from analytics import evidence_own as own
from analytics.evidence_own import Own
from analytics.evidence_rows import Measure, Row, has_two
from analytics.results import Estimate
from pages.analysis import evidence_dose
from pages.analysis.evidence_papers import row_address
from pages.shared import charts, data, downloads, page
from pages.shared import format as fmt
from pages.shared.page import View
from warehouse.evidence_models import Result

#: Own figure → the measure on whose scale it can be drawn.
SINGLE_MEASURE: dict[str, Measure] = {
    "responders": "PROPORTION",
    "satisfied": "PROPORTION",
    "complications": "PROPORTION",
    "pain": "MEAN",
    "pain_reduction": "MEAN",
    "duration": "MEAN",
}


def modality_of(group: str) -> str:
    """Return the modality that a group's name tells, '' for none or several."""
    said = group.casefold().replace("-", " ")
    found = [m for m in charts.MODALITIES if m.casefold() in said.split()]
    return found[0] if len(found) == 1 else ""


def figures(rows: Sequence[Row], measure: Measure, view: View) -> list[Own]:
    """Return our figures for the rows of a question, each once."""
    found: dict[tuple[str, str], Own] = {}
    for row in rows:
        figure = figure_of(row, measure, view) if row["own"] else None
        if figure is not None:
            found[figure.label, figure.definition] = figure
    return list(found.values())


def figure_of(row: Row, measure: Measure, view: View) -> Own | None:
    """Return our figure for one published row, of the same modality and time point."""
    key = str(row["own"])
    timepoint = own.TIMEPOINTS.get(str(row["timepoint"]), "")
    if has_two(row):
        named = modality_of(row["group_1"]), modality_of(row["group_2"])
        pair = named if all(named) else _stated(row)
        if pair is None:
            return None
        first, second = (_rows(key, view, modality) for modality in pair)
        return own.contrast(first, second, pair, key, measure, timepoint if key == "pain" else "")
    if SINGLE_MEASURE.get(key) != measure:
        return None
    modality = modality_of(row["group_1"])
    figure = _single(key, _rows(key, view, modality), timepoint)
    if figure is None or not modality:
        return figure
    return Own(f"{figure.label}, {modality}", figure.estimate, figure.definition, figure.timepoint)


def _stated(row: Row) -> tuple[str, str] | None:
    """Return the modalities of a question that names them where its arms do not."""
    named = [m for m in charts.MODALITIES if m.casefold() in str(row["question"]).casefold()]
    return (named[0], named[1]) if len(named) == 2 else None


def _single(key: str, rows: pl.DataFrame, timepoint: str) -> Own | None:
    timed = {"responders": own.responders, "pain": own.pain, "pain_reduction": own.pain_reduction}
    untimed = {
        "complications": own.complications, "satisfied": own.satisfied, "duration": own.duration
    }  # fmt: skip
    if key in timed:
        return timed[key](rows, timepoint) if timepoint else None
    return untimed[key](rows) if key in untimed else None


def _rows(key: str, view: View, modality: str) -> pl.DataFrame:
    """Return the counted values behind a figure, of one modality or all."""
    if key in ("responders", "pain", "pain_reduction"):
        rows = data.query("outcomes_scores", view.filters, outcome_scale="pain")
    else:
        rows = data.query("evidence_values", view.filters)
    return rows.filter(pl.col("modality") == modality) if modality else rows


def differences(row: Row, figure: Own, view: View) -> str:
    """Say in what the published figure and ours differ."""
    return f"Published: {_published_kind(row)}. Ours: {_our_kind(view)}; {figure.definition}."


def _published_kind(row: Row) -> str:
    """Return population and design of a study."""
    return "; ".join(str(row[name]) for name in ("population", "design") if row[name]) or (
        "not stated"
    )


def _our_kind(view: View) -> str:
    """Return what our procedures are."""
    chosen = view.filters.procedures
    procedures = ", ".join(fmt.procedure(code) for code in chosen) if chosen else "all procedures"
    return f"{procedures}, routine care"


def beside(rows: Sequence[Result], view: View) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return one line a published figure that we have too, and the cases behind ours."""
    table, counts = [], []
    for result in rows:
        row = result.model_dump()
        if not result.own or result.usable != "yes" or has_two(row):
            continue
        figure = figure_of(row, SINGLE_MEASURE[result.own], view)
        if figure is not None:
            table.append(_line(result, row, figure))
            counts.append(_counts(figure, SINGLE_MEASURE[result.own] == "PROPORTION"))
    return pl.DataFrame(table, infer_schema_length=None), pl.DataFrame(counts).with_row_index()


def _counts(figure: Own, share: bool) -> dict[str, int]:
    """Return the cases behind a figure of ours; of a share, those with it and without it too."""
    found = figure.estimate
    if not isinstance(found, Estimate):
        return {"n": 0, "events": 0, "others": 0}
    events = round(found.value * found.n) if share else 0
    return {"n": found.n, "events": events, "others": found.n - events}


def _line(result: Result, row: Row, figure: Own) -> dict[str, Any]:
    share = SINGLE_MEASURE[result.own] == "PROPORTION"
    address = row_address(result.published_rows)
    check = result.check or "checked, no remark"
    source = f"https://doi.org/{result.doi}" if result.doi else address
    return {
        "Figure": ", ".join(t for t in (result.outcome, result.timepoint) if t),
        "Study": result.study,
        "Published": published_words(result),
        "Ours": _ours_words(figure, share),
        "Our definition": figure.definition,
        "Check": f"[{check}]({address})" if address else check,
        "Source": f"[{result.source}]({source})" if source else result.source,
        "Published population": _published_kind(row),
    }


def published_words(result: Result) -> str:
    """Write a published figure as printed, with n."""
    n = result.n_1 or result.patients
    size = f", n = {fmt.count(n)}" if n else ""
    unit = f" {result.unit}" if result.unit else ""
    if result.events_1 is not None and result.n_1:
        share = fmt.percent(round(result.events_1 / result.n_1, 3))
        return f"{result.events_1} of {result.n_1} ({share})"
    if result.mean_1 is not None:
        sd = f" (SD {fmt.number(result.sd_1)})" if result.sd_1 else ""
        return f"mean {fmt.number(result.mean_1)}{unit}{sd}{size}"
    if result.median_1 is not None:
        return f"median {fmt.number(result.median_1)}{unit}{size}"
    ends = f" ({fmt.interval(result.low, result.high)})" if result.low is not None else ""
    word = "median " if result.measure == "MEDIAN" else ""
    return f"{word}{fmt.number(result.effect)}{unit}{ends}{size}"


def _ours_words(figure: Own, share: bool) -> str:
    return fmt.share(figure.estimate) if share else fmt.estimate(figure.estimate)


def draw_beside(rows: Sequence[Result], view: View) -> None:
    """Draw the table of outcomes and the table of dose."""
    if not view.n:
        page.nothing(view.filters)
        return
    table, counts = beside(rows, view)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header("Outcomes", anchor=False, width="stretch")
        if table.height:
            downloads.offer(
                table, key="beside", title="Ours beside the literature", filters=view.filters,
                cells=downloads.Cells("n", ("index",), also=("events", "others"),
                                      words=tuple(n for n in table.columns if n != "Ours")),
                counted=counts,
            )  # fmt: skip
    if table.height:
        st.table(table.drop("Published population"), hide_index=True)
        studies = table.group_by("Published population", maintain_order=True).agg(
            pl.col("Study").unique(maintain_order=True)
        )
        told = [f"- {', '.join(names)}: {population}." for population, names in studies.iter_rows()]
        st.markdown("\n".join(["**Who differs**", "", *told, f"- Ours: {_our_kind(view)}."]))
    st.caption(
        "Side by side, not pooled and not tested: patients, procedures and follow-up differ. Our"
        " figures are of the filters above and of the modality that the study names."
    )
    evidence_dose.draw(view)
