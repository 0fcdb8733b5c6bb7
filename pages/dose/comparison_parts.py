"""The comparison's tables: outcomes as in a trial report, crude and within procedures."""

import polars as pl
import streamlit as st

from analytics.by_procedure import by_procedure
from analytics.modalities import Result
from analytics.results import Estimate
from pages.shared import charts, downloads, forest, trial_table
from pages.shared import filters as bar
from pages.shared import format as fmt
from pages.shared.page import View

#: A row's effect rests on the other group too: whoever knew one could compute the other.
CELLS = downloads.Cells(
    "n", ("outcome", "group"), parts=("events",), also=("n_smallest_group",), within=("outcome",)
)


def draw_report(results: tuple[Result, ...], modalities: tuple[str, ...], view: View) -> None:
    """Draw the table and the words."""
    words = trial_table.words(results, modalities)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header("Outcomes", anchor=False, width="stretch")
        downloads.offer(
            trial_table.numbers(results),
            key="comparison",
            title=f"Modality comparison, {' v '.join(modalities)}",
            filters=view.filters,
            words=words,
            cells=CELLS,
        )
    st.table(words, hide_index=True)
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


def draw_case_mix(results: tuple[Result, ...], modalities: tuple[str, ...], view: View) -> None:
    """Draw the differences as they are and within procedures."""
    rows = trial_table.adjusted_words(results)
    if rows.is_empty():
        st.caption("Choose two modalities to see their difference within procedures.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header("Crude and within procedures", anchor=False, width="stretch")
        downloads.offer(
            trial_table.numbers(results), key="case-mix",
            title=f"Crude and within procedures, {' v '.join(modalities)}",
            filters=view.filters, words=rows, cells=CELLS,
        )  # fmt: skip
    st.table(rows, hide_index=True)
    st.caption(
        "Modalities treat different procedures. “Within procedures” compares only cases of the same"
        " procedure and then averages; procedures that one modality alone does are left out, and so"
        " are names that are not mapped. Size, levels and operator may still differ."
    )


def draw_by_procedure(
    results: tuple[Result, ...], strata: pl.DataFrame, modalities: tuple[str, ...], view: View
) -> None:
    """Draw the effect in each procedure, and over all of them, for the outcome that is chosen."""
    named = {r.outcome.measure: r for r in results if r.adjusted is not None}
    if not named:
        return
    chosen = bar.choose(
        "effect-of", "Effect by procedure", {m: r.outcome.name for m, r in named.items()}
    )
    result = named[chosen]
    frame, few = by_procedure(strata, result.outcome, modalities)
    if frame.is_empty():
        st.caption("No procedure has ten values of this outcome with both modalities.")
        return
    frame = frame.with_columns(
        name=pl.col("stratum").replace_strict({s: fmt.procedure(s) for s in frame["stratum"]})
    )
    together = result.adjusted.adjusted if result.adjusted else None
    if isinstance(together, Estimate):
        ends = {"value": together.value, "low": together.low, "high": together.high}
        last = {"stratum": forest.ALL, "name": forest.ALL, "n": together.n} | ends
        frame = pl.concat(
            [frame, pl.DataFrame([last], schema_overrides=frame.schema)], how="diagonal"
        )
    share = result.outcome.scale == "share"
    title = result.outcome.strata_name + (", percentage points" if share else "")
    title += f", {modalities[0]} v {modalities[1]}"
    charts.show(
        forest.forest(
            forest.in_points(frame) if share else frame, title,
            1.0 if result.outcome.scale == "ratio" else 0.0,
        ),
        frame, key="by-procedure", title=title, filters=view.filters,
        cells=downloads.Cells("n", ("stratum", "name")),
        alt_text="Effect with 95 % interval within each procedure, and averaged over them",
    )  # fmt: skip
    st.caption(
        "“All” averages over procedures and is not adjusted for anything else."
        + (
            f" {fmt.plural(few, 'procedure')} with fewer than ten values are not shown."
            if few
            else ""
        )
    )
