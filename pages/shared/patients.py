"""Which records of a patient take part in a test."""

import streamlit as st

from analytics.compare import LARGEST_REPEATED_SHARE
from pages.shared import data
from pages.shared import format as fmt
from pages.shared.page import View


def choose_records(view: View) -> tuple[bool, float]:
    """Ask whether only each patient's first record counts; tests take records as independent."""
    row = data.query("comparison_patients", view.filters).row(0, named=True)
    share = row["n_repeated"] / row["n_known"] if row["n_known"] else 0.0
    first_only = st.toggle(
        "Only the first record of each patient",
        value=share > LARGEST_REPEATED_SHARE, key="first-only",
        help="Tests take records as independent. Above 5 % of records of patients with several, "
        "p is not given unless one record for each is chosen.",
    )  # fmt: skip
    rest = ": the later ones take no part" if first_only and share else ""
    st.caption(f"{fmt.percent(share)} of the records belong to patients with several{rest}.")
    return first_only, 0.0 if first_only else share
