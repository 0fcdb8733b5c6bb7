"""What the papers print against what their own numbers give."""

from urllib.parse import urlencode

import polars as pl
import streamlit as st

from analytics.evidence_checks import recompute
from pages.shared import downloads
from warehouse import evidence

PAPERS = {
    "S0": "S0 Bessar 2026, CT v fluoroscopy, randomised",
    "S1": "S1 Viderman 2023, ultrasound v fluoroscopy, meta-analysis",
    "S2": "S2 Ruan 2025, ablation with augmentation, scoping review",
    "S3": "S3 Kajdi, CT-guided pars injections, cohort",
    "S4": "S4 web text without sources",
}

VIEW = "Printed and computed"


def row_address(rows: str) -> str:
    """Return the address at which the first of these printed rows stands with its mark, or ''."""
    first = rows.split(";")[0]
    found = evidence.published().filter(pl.col("row_id").cast(pl.String) == first)
    if found.is_empty():
        return ""
    return "?" + urlencode({"view": VIEW, "paper": PAPERS[found["paper"][0]]})


def draw(published: pl.DataFrame) -> None:
    """Draw the recomputed figures, then all printed ones with their mark."""
    checks = pl.DataFrame([vars(check) for check in recompute(published)]).with_columns(
        pl.col("printed", "computed").str.replace_all(r"(^|[ (])-(\d)", "$1−$2")
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header("Computed again", anchor=False, width="stretch")
        downloads.offer(
            checks, key="recomputed", title="Printed and computed", cells=downloads.NO_PATIENTS
        )
    st.table(
        checks.select(
            Paper="paper", Figure="figure", Printed="printed", Computed="computed",
            Verdict="verdict", Note="note",
        ),
        hide_index=True,
    )  # fmt: skip
    st.header("All figures as printed", anchor=False)
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    present = [paper for paper in PAPERS if paper in set(published["paper"])]
    with left:
        paper = st.selectbox("Paper", present, format_func=PAPERS.__getitem__, key="paper",
                             bind="query-params")  # fmt: skip
    with right:
        all_rows = st.toggle("Also those that may not be drawn", key="unusable")
    rows = published.filter(pl.col("paper") == paper)
    rows = rows if all_rows else rows.filter(pl.col("usable_as_reference") == "yes")
    shown = rows.select(
        pl.col("row_id").alias("Row"),
        pl.col("outcome").alias("Figure"),
        pl.col("timepoint").alias("Time"),
        pl.col("arm_modality").alias("Group"),
        pl.col("n").cast(pl.String).alias("n"),
        pl.col("statistic").alias("Statistic"),
        pl.concat_str(
            "value",
            pl.format("({} to {})", "ci_low", "ci_high"),
            "unit", "spread", pl.format("p {}", "p_printed"),
            separator=" ", ignore_nulls=True,
        ).alias("Printed"),
        pl.col("printed_where").alias("Where"),
        pl.col("check").alias("Check"),
        pl.concat_str(
            "note", pl.format("cited from {}", "cited_from"), separator="; ", ignore_nulls=True
        ).alias("Note"),
        pl.when(pl.col("doi").str.starts_with("10."))
        .then(pl.format("[open](https://doi.org/{})", "doi"))
        .alias("Source"),
    ).with_columns(pl.col(pl.String).fill_null(""))  # fmt: skip
    downloads.offer(
        rows, key="published", title=f"Figures printed in {paper}", cells=downloads.NO_PATIENTS
    )
    st.table(shown.select(name for name in shown.columns if _told(shown[name])), hide_index=True)


def _told(column: pl.Series) -> bool:
    """Say whether a column holds anything."""
    return column.dtype != pl.String or bool((column != "").any())
