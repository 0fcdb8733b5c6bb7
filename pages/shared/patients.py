"""Which records of a patient take part in a test."""

from dataclasses import replace

import streamlit as st

from analytics.compare import LARGEST_REPEATED_SHARE
from pages.shared import address, data
from pages.shared import format as fmt
from pages.shared.page import View

KEY = "records"
FIRST, EVERY = "first", "all"


def choose_records(view: View) -> tuple[View, float]:
    """Ask whether only each patient's first record counts; tests take records as independent.

    Returns the view that says so, and the share of records of patients with several in it.
    """
    row = data.query("comparison_patients", view.filters).row(0, named=True)
    share = row["n_repeated"] / row["n_known"] if row["n_known"] else 0.0
    usual = FIRST if share > LARGEST_REPEATED_SHARE else EVERY
    asked = st.query_params.get(KEY)
    first_only = st.toggle(
        "Only the first record of each patient",
        value=(asked if asked in (FIRST, EVERY) else usual) == FIRST, key="first-only",
        help="Tests take records as independent. Above 5 % of records of patients with several, "
        "p is not given unless one record for each is chosen.",
    )  # fmt: skip
    address.keep(KEY, [FIRST if first_only else EVERY], [usual])
    rest = ": the later ones take no part" if first_only and share else ""
    st.caption(f"{fmt.percent(share)} of the records belong to patients with several{rest}.")
    if not first_only:
        return view, share
    return replace(view, filters=replace(view.filters, first_of_patient=True)), 0.0
