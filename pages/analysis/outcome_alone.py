"""Each predictor by itself, beside the model of all: p adjusted over what is shown together."""

from collections.abc import Mapping, Sequence

import polars as pl
import streamlit as st

from analytics.alone import OTHERS, RESPONDED, alone
from analytics.comparison import Comparison
from pages.shared import downloads, trial_table
from pages.shared import format as fmt
from pages.shared.page import View


def draw_alone(
    responded: Sequence[bool | None], columns: pl.DataFrame, names: Mapping[str, str], view: View
) -> None:
    """Draw who responded beside who did not, for each chosen predictor."""
    found = alone(responded, columns)
    rows = pl.DataFrame([_row(one, columns, responded, names) for one in found])
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header("Each predictor alone", anchor=False, width="stretch")
        downloads.offer(
            rows, key="alone", title="Each predictor alone", filters=view.filters, words=rows
        )
    st.table(rows, hide_index=True)
    st.caption(
        f"One test a predictor, {fmt.plural(len(found), 'test')} read together: the adjusted p is"
        " the one to read. Nothing else is held equal; numbers are medians [quartiles]."
    )


def _row(
    found: Comparison,
    columns: pl.DataFrame,
    responded: Sequence[bool | None],
    names: Mapping[str, str],
) -> dict[str, str]:
    """Return one predictor as a line of the table."""
    name = found.quantity
    line = trial_table.line(found, (RESPONDED, OTHERS))
    if found.kind == "nominal":
        line |= _categories(columns[name], responded)
        line["Effect (95 % CI)"] = fmt.DASH if found.p_value is not None else found.sentence
    del line["Outcome"]
    titled = {"Predictor": names[name]} | line
    return {key[:1].upper() + key[1:] if key != "p" else key: said for key, said in titled.items()}


def _categories(column: pl.Series, responded: Sequence[bool | None]) -> dict[str, str]:
    """Write how often each category occurs in both groups."""
    frame = pl.DataFrame({"group": responded, "value": column.cast(pl.String)}).drop_nulls()
    named = fmt.procedure if column.name == "procedure" else str
    counted = frame.group_by("group", "value").len().sort("value")
    return {
        label: "; ".join(
            f"{named(value)} {fmt.count(n)}"
            for group, value, n in counted.iter_rows()
            if group == (label == RESPONDED)
        )
        for label in (RESPONDED, OTHERS)
    }
