"""The primary effect within each procedure and over all, with intervals."""

import polars as pl
import streamlit as st

from analytics.suppression import LARGEST, SMALLEST
from analytics.workbench import Analysis, strata_frame
from pages.shared import charts, downloads, forest
from pages.shared import format as fmt
from pages.shared.page import View


def draw_forest(analysis: Analysis, view: View) -> None:
    """Draw the primary effect by procedure and over all."""
    frame = strata_frame(analysis).drop_nulls(["value"])
    frame = frame.with_columns(
        name=pl.col("stratum").replace_strict(
            {s: fmt.procedure(s) for s in frame["stratum"] if s != "All"},
            default="All",
            return_dtype=pl.String,
        )
    )
    if frame.is_empty():
        return
    first = frame.row(-1, named=True)
    title = str(first["effect"]).capitalize()
    if first["effect"] == "risk difference":
        title, shown = f"{title}, percentage points", forest.in_points(frame)
    else:
        shown = frame
    charts.show(
        forest.forest(shown, title, float(first["null"])),
        frame,
        key="significance-forest",
        title=f"{title} by procedure, 95 % intervals",
        alt_text="Effect with interval within each procedure and over all",
        filters=view.filters,
        cells=downloads.Cells(
            "n", ("stratum",), also=("few", "few_without"), words=("effect", "null", "name")
        ),
        counted=frame.join(_fewest(analysis), on="stratum", how="left", maintain_order="left"),
    )
    left = f" {fmt.plural(analysis.small_strata, 'procedure')} with fewer than ten values in a "
    st.caption(
        "Each procedure is compared within itself; their p-values are adjusted together."
        + (f"{left}group are not shown." if analysis.small_strata else "")
    )


def _fewest(analysis: Analysis) -> pl.DataFrame:
    """Return the smallest group of each stratum, or its fewest events where they are counted."""
    rows = []
    for name, comparison in (*analysis.strata, ("All", analysis.overall)):
        groups = comparison.groups
        events = [group.events for group in groups if group.events is not None]
        without = [group.n - group.events for group in groups if group.events is not None]
        rows.append(
            {
                "stratum": name,
                "few": min((*(group.n for group in groups), *events), key=_hidden),
                "few_without": min((*(group.n for group in groups), *without), key=_hidden),
            }
        )
    return pl.DataFrame(rows)


def _hidden(count: int) -> tuple[bool, int]:
    """Put counts that are held back before those that are not: none seen is one of these."""
    return not SMALLEST <= count <= LARGEST, count
