"""How CT, fluoroscopy and ultrasound compare: a trial report's table, and its pictures."""

from datetime import date
from itertools import combinations

import polars as pl
import streamlit as st

from analytics.dose import DoseIndex, active_coefficients
from analytics.modalities import (
    OWN_INDICES,
    Result,
    compare_modalities,
    describe_index,
    effective_doses,
    refuse_machine_output,
)
from pages.shared import charts, comparison_charts, data, downloads, page, trial_table
from pages.shared import filters as bar
from pages.shared import format as fmt
from pages.shared.page import View
from warehouse.reference import EFFECTIVE_DOSE, read

MUCH_REPEATED = 0.05


def chosen_modalities(values: pl.DataFrame) -> tuple[str, ...]:
    """Ask which modalities to compare, of those that have cases; stop where there is one only."""
    found = set(values["modality"])
    present = [modality for modality in charts.MODALITIES if modality in found]
    if len(present) < 2:
        st.info(
            f"The filters leave {present[0] if present else 'no modality'} only: a comparison needs"
            " two. Clear the modality filter or widen the period."
        )
        st.stop()
    choices = [*combinations(present, 2), *([tuple(present)] if len(present) > 2 else [])]
    named = {" v ".join(choice): choice for choice in choices}
    chosen = bar.choose("compare", "Compare", {name: name for name in named})
    return named[chosen]


def draw_report(results: tuple[Result, ...], modalities: tuple[str, ...], view: View) -> None:
    """Draw the table, the words and the case mix."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Outcomes", anchor=False, width="stretch")
        downloads.offer(
            trial_table.numbers(results),
            key="comparison",
            title=f"Modality comparison, {' v '.join(modalities)}",
            filters=view.filters,
        )
    st.table(trial_table.words(results, modalities), hide_index=True)
    st.caption(
        "Median [quartiles], or events of n: share (95 % CI). Patients were not allocated at random"
        f" and differ in more than the modality. The p-values of these {len(results)} outcomes are"
        " adjusted together."
    )
    with st.expander("In plain words, and why each test", expanded=True):
        for result in results:
            said = [s for s in result.comparison.sentences if not s.startswith("Patients were")]
            reason = result.comparison.reason
            why = f" *Why this test: {reason}.*" if reason else ""
            st.markdown(f"- {' '.join(said)}{why}")


def draw_case_mix(results: tuple[Result, ...]) -> None:
    """Draw the differences as they are and within procedures."""
    rows = trial_table.adjusted_words(results)
    if rows.is_empty():
        st.caption("Choose two modalities to see their difference within procedures.")
        return
    st.subheader("Crude and within procedures", anchor=False)
    st.table(rows, hide_index=True)
    st.caption(
        "Modalities treat different procedures. “Within procedures” compares only cases of the same"
        " procedure and then averages; procedures that one modality alone does are left out, and so"
        " are names that are not mapped. Size, levels and operator may still differ."
    )


def draw_dose(values: pl.DataFrame, view: View, modalities: tuple[str, ...]) -> None:
    """Draw the common axis of dose, and the indices that are each modality's own."""
    st.subheader("Dose", anchor=False)
    effective = DoseIndex.EFFECTIVE_DOSE.column
    shown = [m for m in charts.MODALITIES if m in modalities and m != "ultrasound"]
    known = values.filter((pl.col("measure") == effective) & pl.col("value").is_not_null())
    if known.height:
        chart, bins = comparison_charts.distribution(values, effective)
        charts.show(
            chart, bins, key="effective-dose", title="Estimated effective dose",
            alt_text="Shares of cases by estimated effective dose, CT and fluoroscopy",
            filters=view.filters,
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
        alt_text=f"Distribution of {fmt.measure(index).name}",
    )  # fmt: skip


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
        )  # fmt: skip
    left, right = st.columns(2)
    shares = comparison_charts.complications_frame(results)
    if shares.height:
        with left:
            charts.show(
                comparison_charts.complications_chart(shares), shares, key="complications",
                title="Complications", filters=view.filters,
                alt_text="Share of procedures with a complication by modality, 95 % intervals",
            )  # fmt: skip
    answers = comparison_charts.satisfaction_frame(values)
    if answers.height:
        with right:
            charts.show(
                comparison_charts.satisfaction_chart(answers), answers, key="satisfaction",
                title="Satisfaction", filters=view.filters,
                alt_text="Shares of satisfaction answers by modality, stacked to 100 %",
            )  # fmt: skip


def main() -> None:
    """Draw the page."""
    view = page.begin("Modality comparison", "How do CT, fluoroscopy and ultrasound compare?")
    values, strata = outcomes(view)
    modalities = chosen_modalities(values)
    results = compare_modalities(values, strata, modalities)
    draw_repeated(view)
    if results:
        draw_report(results, modalities, view)
        draw_case_mix(results)
    else:
        st.info(
            "These cases have no outcome that could be compared: no effective dose (a procedure"
            " that is not mapped has no body region), duration, complication, satisfaction or pain"
            " score."
        )
    shown = values.filter(pl.col("modality").is_in(modalities))
    draw_dose(shown, view, modalities)
    draw_pictures(shown, results, view)


def outcomes(view: View) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the counted outcomes and the strata, with effective dose by today's coefficients."""
    active = active_coefficients(read("effective_dose.csv", EFFECTIVE_DOSE), date.today())
    doses, dose_strata = effective_doses(data.query("comparison_dose", view.filters), active)
    values = data.query("comparison_values", view.filters)
    strata = data.query("comparison_strata", view.filters)
    joined = strata.join(dose_strata, on=["modality", "procedure"], how="left", nulls_equal=True)
    return (
        pl.concat([doses, values], how="vertical_relaxed"),
        joined.with_columns(pl.col("effective_dose_n").fill_null(0)),
    )


def draw_repeated(view: View) -> None:
    """Warn where many cases are of the same patients: the tests take cases as independent."""
    row = data.query("comparison_patients", view.filters).row(0, named=True)
    share = row["n_repeated"] / row["n_known"] if row["n_known"] else 0.0
    if share > MUCH_REPEATED:
        st.warning(
            f"{fmt.percent(share)} of the procedures are of patients who had several. The tests"
            " take procedures as independent, so intervals may be too narrow and p too small.",
            icon=":material/group:",
        )


main()
