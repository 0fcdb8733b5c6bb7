"""How CT, fluoroscopy and ultrasound compare: a trial report's table, and its pictures."""

from itertools import combinations

import polars as pl
import streamlit as st

from analytics.modalities import compare_modalities
from analytics.modality_values import values_and_strata
from pages.dose import comparison_dose as dose
from pages.dose import comparison_parts as parts
from pages.shared import charts, coefficients, data, page
from pages.shared import filters as bar
from pages.shared.page import View
from pages.shared.patients import choose_records


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


def main() -> None:
    """Draw the page."""
    view = page.begin("Modality comparison", "How do CT, fluoroscopy and ultrasound compare?")
    view, repeated = choose_records(view)
    values, strata = outcomes(view)
    modalities = chosen_modalities(values)
    results = compare_modalities(values, strata, modalities, repeated)
    if results:
        parts.draw_report(results, modalities, view)
        parts.draw_case_mix(results, modalities, view)
        parts.draw_by_procedure(results, strata, modalities, view)
    else:
        st.info(
            "These cases have no outcome that could be compared: no effective dose (a procedure"
            " that is not mapped has no body region), duration, complication, satisfaction or pain"
            " score."
        )
    shown = values.filter(pl.col("modality").is_in(modalities))
    dose.draw_dose(shown, view, modalities)
    dose.draw_pictures(shown, results, view)


def outcomes(view: View) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the counted outcomes and the strata, with effective dose by today's coefficients."""
    counted = data.query(
        "comparison_values", view.filters, first_of_patient=view.filters.first_of_patient
    )
    return values_and_strata(counted, coefficients.in_force())


main()
