"""One case among its own kind: the distribution on the log scale with the case in it."""

from typing import Any

import altair as alt
import polars as pl
import streamlit as st

from analytics.dose import SIZE_UNKNOWN
from analytics.outliers import MIN_CASES
from analytics.reference_levels import Benchmarks, choose_benchmarks
from pages.dose.level_tables import provenance
from pages.dose.measures import DoseMeasure, measure
from pages.shared import charts, data
from pages.shared import format as fmt
from pages.shared.filters import Filters
from warehouse.procedures import lineage
from warehouse.reference import reference_levels

BINS_PER_DECADE = 12
THIS, LIMIT, MEDIAN, P95, LEVEL = "This case", "Limit", "Median", "P95", "Reference level"
_COLOURS = {
    THIS: charts.OKABE_ITO[5],
    LIMIT: charts.OKABE_ITO[1],
    MEDIAN: charts.OKABE_ITO[0],
    P95: charts.OKABE_ITO[2],
    LEVEL: charts.OKABE_ITO[4],
}
_DASHES = {THIS: [1, 0], LIMIT: [6, 3], MEDIAN: [2, 2], P95: [8, 3, 2, 3], LEVEL: [4, 4]}


def distribution_chart(
    row: dict[str, Any],
    name: str,
    value: float,
    filters: Filters | None,
    limit: float | None = None,
) -> None:
    """Draw the distribution of a case's own kind and size, with its reference level.

    ``row`` is of query ``case_row``, with baseline_from and baseline_to where they are known.
    """
    of = measure(name)
    bins, size = _own_kind(row, name)
    name_sent = row["procedure_name"] or "procedure not named"
    procedure = fmt.procedure(row["procedure_code"]) if row["procedure_code"] else name_sent
    kind = f"{procedure}, {row['modality']}, {size or 'all sizes'}"
    if bins.is_empty():
        st.info(f"No case of this kind has {of.label} in these months: {kind}.")
        return
    known = bins.row(0, named=True)
    if known["n_all"] == 1:
        st.info(f"A single case of this kind has {of.label} in these months: {kind}.")
        return
    marks = {THIS: value, MEDIAN: known["median"]}
    if known["n_all"] >= MIN_CASES:
        marks[P95] = known["p95"]
    if limit is not None:
        marks[LIMIT] = limit
    levels = reference_of(row, of)
    if levels.drl is not None:
        marks[LEVEL] = levels.drl
    charts.show(
        _histogram(bins, marks, of.axis), bins, key=f"distribution-{name}",
        title=f"{of.label} of {kind}: n = {fmt.count(known['n_all'])}", filters=filters,
        alt_text=f"Distribution of {of.label} with this case at {fmt.number(value)}",
    )  # fmt: skip
    _origin(levels, of)


def _own_kind(row: dict[str, Any], name: str) -> tuple[pl.DataFrame, str | None]:
    """Return the bins of a case's own kind and its size band; None where all sizes stand in."""

    def of_size(size: str | None) -> pl.DataFrame:
        return data.query(
            "outliers_distribution", None, dose_index=name, modality=row["modality"],
            procedure_key=row["procedure_key"], size_band=size, child=row["child"],
            bins_per_decade=BINS_PER_DECADE, from_date=row.get("baseline_from"),
            to_date=row.get("baseline_to"),
        )  # fmt: skip

    banded = of_size(row["size_band"])
    if not row.get("all_sizes") and not banded.is_empty() and banded["n_all"][0] >= MIN_CASES:
        return banded, row["size_band"]
    return of_size(None), None


def reference_of(row: dict[str, Any], of: DoseMeasure) -> Benchmarks:
    """Return the reference level of a case's procedure; a child's is of its own band or none."""
    if row["procedure_code"] is None:
        return Benchmarks()
    size = "child" if row["child"] and row["size_band"] == SIZE_UNKNOWN else row["size_band"]
    codes = lineage().get(row["procedure_code"], [row["procedure_code"]])
    return choose_benchmarks(reference_levels(), row["modality"], codes, of.index.column, size)


def _origin(levels: Benchmarks, of: DoseMeasure) -> None:
    """Say where the level in the chart comes from, one click away."""
    if levels.drl is None:
        st.caption("No reference level is known for this procedure, size and dose index.")
        return
    label = f"{LEVEL}: {fmt.quantity(levels.drl, of.index.unit)}"
    with st.popover(label, type="tertiary", icon=":material/rule:"):
        for words in provenance(reference_levels(), list(levels.reference_ids)):
            st.markdown(words)
        st.markdown("A reference level is held against a facility's median, never one case.")


def _histogram(
    bins: pl.DataFrame, marks: dict[str, float], axis: str
) -> alt.LayerChart | alt.FacetChart:
    lines = pl.DataFrame({"what": list(marks), "value": list(marks.values())})
    shown = [name for name in _COLOURS if name in marks]
    x = alt.X(
        "low", type="quantitative", title=f"{axis}, log scale",
        scale=alt.Scale(type="log", nice=False), axis=alt.Axis(format=",.3~r", tickCount=8),
    )  # fmt: skip
    bars = (
        alt.Chart(bins, height=charts.HEIGHT)
        .mark_rect(color=charts.NEUTRAL, opacity=0.6, stroke="white", strokeWidth=0.5)
        .encode(
            x=x,
            x2=alt.X2("high"),
            y=alt.Y("n", type="quantitative", title="Cases"),
            y2=alt.Y2Datum(0),
            tooltip=[
                alt.Tooltip("low", type="quantitative", title="From", format=",.3~r"),
                alt.Tooltip("high", type="quantitative", title="To", format=",.3~r"),
                alt.Tooltip("n", type="quantitative", title="Cases", format=","),
            ],
        )
    )
    rules = (
        alt.Chart(lines)
        .mark_rule(strokeWidth=2.5)
        .encode(
            x=alt.X("value", type="quantitative"),
            color=alt.Color(
                "what", type="nominal",
                scale=alt.Scale(domain=shown, range=[_COLOURS[name] for name in shown]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            strokeDash=alt.StrokeDash(
                "what", type="nominal", legend=None,
                scale=alt.Scale(domain=shown, range=[_DASHES[name] for name in shown]),
            ),
            tooltip=[
                alt.Tooltip("what", type="nominal", title="Line"),
                alt.Tooltip("value", type="quantitative", title=axis, format=",.3~r"),
            ],
        )
    )  # fmt: skip
    return alt.layer(bars, rules)
