"""What the papers print against what their own numbers give."""

import polars as pl
import streamlit as st

from analytics.evidence_checks import recompute
from pages.shared import downloads

PAPERS = {
    "S0": "S0 Bessar 2026, CT v fluoroscopy, randomised",
    "S1": "S1 Viderman 2023, ultrasound v fluoroscopy, meta-analysis",
    "S2": "S2 Ruan 2025, ablation with augmentation, scoping review",
    "S3": "S3 Kajdi, CT-guided pars injections, cohort",
    "S4": "S4 web text without sources",
}


def draw(published: pl.DataFrame) -> None:
    """Draw the recomputed figures, then all printed ones with their mark."""
    checks = pl.DataFrame([vars(check) for check in recompute(published)]).with_columns(
        pl.col("printed", "computed").str.replace_all(r"(^|[ (])-(\d)", "$1−$2")
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Computed again", anchor=False, width="stretch")
        downloads.offer(checks, key="recomputed", title="Printed and computed")
    st.table(
        checks.select(
            Paper="paper", Figure="figure", Printed="printed", Computed="computed",
            Verdict="verdict", Note="note",
        ),
        hide_index=True,
    )  # fmt: skip
    st.subheader("All figures as printed", anchor=False)
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    present = [paper for paper in PAPERS if paper in set(published["paper"])]
    with left:
        paper = st.selectbox("Paper", present, format_func=PAPERS.__getitem__, key="paper")
    with right:
        all_rows = st.toggle("Also those that may not be drawn", key="unusable")
    rows = published.filter(pl.col("paper") == paper)
    rows = rows if all_rows else rows.filter(pl.col("usable_as_reference") == "yes")
    shown = rows.select(
        "row_id", "outcome", "timepoint", "arm_modality", "n", "statistic", "value", "unit",
        "ci_low", "ci_high", "spread", "p_printed", "printed_where", "cited_from", "check", "note",
        doi=pl.when(pl.col("doi").str.starts_with("10.")).then("https://doi.org/" + pl.col("doi")),
    ).with_columns(pl.col(pl.String).exclude("doi").fill_null(""))  # fmt: skip
    downloads.offer(rows, key="published", title=f"Figures printed in {paper}")
    st.dataframe(
        shown, hide_index=True,
        column_config={"doi": st.column_config.LinkColumn("doi", display_text="open")},
    )  # fmt: skip
