"""The comparison's pictures: doses on axes that they share, duration, complications, answers."""

import polars as pl
import streamlit as st

from analytics.dose import DoseIndex
from analytics.modalities import OWN_INDICES, Result, describe_index, refuse_machine_output
from pages.shared import charts, comparison_charts, downloads, trial_table
from pages.shared import filters as bar
from pages.shared import format as fmt
from pages.shared.page import View
from warehouse.reference import EFFECTIVE_DOSE, read


def draw_dose(values: pl.DataFrame, view: View, modalities: tuple[str, ...]) -> None:
    """Draw the common axis of dose, and the indices that are each modality's own."""
    st.header("Dose", anchor=False)
    effective = DoseIndex.EFFECTIVE_DOSE.column
    shown = [m for m in charts.MODALITIES if m in modalities and m != "ultrasound"]
    known = values.filter((pl.col("measure") == effective) & pl.col("value").is_not_null())
    if known.height:
        chart, bins = comparison_charts.distribution(values, effective)
        charts.show(
            chart, bins, key="effective-dose", title="Estimated effective dose",
            alt_text="Shares of cases by estimated effective dose, CT and fluoroscopy",
            filters=view.filters, cells=bins_cells(bins),
        )  # fmt: skip
        st.caption(band_words())
    elif len(shown) > 1:
        st.info("No case has an estimated effective dose: CT and fluoroscopy have no common axis.")
    rows = [describe_index(values, index) for index in OWN_INDICES]
    kept = [row for row in rows if any(group.n for group in row.groups)]
    if len(shown) > 1:
        kept = [refuse_machine_output(values), *kept]
    if kept:
        st.table(trial_table.described(kept, shown), hide_index=True)
        draw_index(values, view)
    if "ultrasound" in modalities:
        st.caption(
            "Ultrasound has no ionising dose: not applicable, which is neither 0 nor missing."
        )


def draw_index(values: pl.DataFrame, view: View) -> None:
    """Draw the distribution of one index that the reader chooses, of its own modality."""
    known = set(values.drop_nulls("value")["measure"])
    present = {i.column: fmt.measure(i.column).short for i in OWN_INDICES if i.column in known}
    if not present:
        return
    index = bar.choose("distribution", "Distribution of", present)
    chart, bins = comparison_charts.distribution(values, index)
    charts.show(
        chart, bins, key="index-distribution", title=fmt.measure(index).name, filters=view.filters,
        alt_text=f"Distribution of {fmt.measure(index).name}", cells=bins_cells(bins),
    )  # fmt: skip


def bins_cells(bins: pl.DataFrame) -> downloads.Cells | None:
    """Return what a distribution's rows count; None where they are single values."""
    edges = ("modality", "low", "middle", "high")
    return downloads.Cells("n", edges) if {*edges} <= {*bins.columns} else None


def band_words() -> str:
    """Say how uncertain the estimate is, from the coefficients in use."""
    bands = (
        read("effective_dose.csv", EFFECTIVE_DOSE)
        .group_by("modality")
        .agg(pl.col("band_fraction").max())
    )
    said = ", ".join(
        f"{m} ±{100 * band:.0f}{fmt.THIN}%" for m, band in bands.sort("modality").rows()
    )
    return (
        "The only axis that CT and fluoroscopy share: DLP or KAP times a coefficient of the body"
        f" region. Band of the coefficients: {said}, on top of the interval in the table;"
        " modalities whose bands overlap are not told apart by it. An estimate for a reference"
        " adult, a population figure and not one patient's risk."
    )


def draw_pictures(values: pl.DataFrame, results: tuple[Result, ...], view: View) -> None:
    """Draw duration, complications and satisfaction."""
    measures = {result.outcome.measure for result in results}
    if "duration_min" in measures:
        chart, bins = comparison_charts.distribution(values, "duration_min", log=False)
        charts.show(
            chart, bins, key="duration", title="Procedure duration",
            alt_text="Shares of cases by duration, by modality", filters=view.filters,
            cells=bins_cells(bins),
        )  # fmt: skip
    left, right = st.columns(2)
    shares = comparison_charts.complications_frame(results)
    if shares.height:
        with left:
            charts.show(
                comparison_charts.complications_chart(shares), shares, key="complications",
                title="Complications", filters=view.filters,
                alt_text="Share of procedures with a complication by modality, 95 % intervals",
                cells=downloads.Cells("n", ("modality",), parts=("events",)),
            )  # fmt: skip
    answers = comparison_charts.satisfaction_frame(values)
    if answers.height:
        with right:
            charts.show(
                comparison_charts.satisfaction_chart(answers), answers, key="satisfaction",
                title="Satisfaction", filters=view.filters,
                alt_text="Shares of satisfaction answers by modality, stacked to 100 %",
                cells=downloads.Cells("n", ("modality", "answer", "grade")),
            )  # fmt: skip
