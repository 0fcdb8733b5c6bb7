"""How every page begins: its title, what it shows of what, how fresh it is; or why it is empty."""

from dataclasses import dataclass

import polars as pl
import streamlit as st

from pages.shared import data, freshness
from pages.shared import filters as bar
from pages.shared import format as fmt
from pages.shared.filters import Filters
from warehouse.settings import shows_demo


@dataclass(frozen=True)
class View:
    """What the reader looks at: the filters and how many procedures they leave."""

    filters: Filters
    n: int
    n_all: int
    counts: pl.DataFrame


def begin(title: str, question: str, needs_procedures: bool = True) -> View:
    """Draw the head of a page; stop it with the way out where no procedure is left.

    A page with ``needs_procedures`` False goes on without any, as Data health must.
    """
    filters = bar.current()
    counts = data.query("counts", filters)
    row = counts.row(0, named=True)
    st.title(title, anchor=False)
    st.markdown(question)
    _caption(filters, counts)
    if needs_procedures and not row["n_shown"]:
        no_procedures() if filters == Filters() else nothing(filters)
        st.stop()
    return View(filters, row["n_shown"], row["n_all"], counts)


def _caption(filters: Filters, counts: pl.DataFrame) -> None:
    row = counts.row(0, named=True)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if shows_demo():
            st.badge(
                "Demo data",
                icon=":material/science:",
                color="violet",
                help="Made-up procedures. Put your log into the inbox and run `make refresh`: "
                "your own data then take this place.",
            )
        freshness.badge(data.query("freshness").row(0, named=True))
        st.caption(
            f"{fmt.count(row['n_shown'])} of {fmt.plural(row['n_all'], 'procedure')} · "
            f"{' · '.join(filters.words())}",
            width="content",
        )
    left_out = freshness.left_out(counts)
    if left_out:
        st.caption(f"Left out in this period: {'; '.join(left_out)}.")


def nothing(filters: Filters) -> None:
    """Say that the filters leave no procedure, and which of them to widen."""
    set_filters = filters.narrowing()
    if set_filters:
        way_out = f"Widen the period or clear: {', '.join(set_filters)}."
    else:
        way_out = "Widen the period."
    st.info(f"No procedure matches {' · '.join(filters.words())}. {way_out}")
    st.button("Clear all filters", on_click=bar.reset, key="clear-all-filters")


def no_warehouse() -> None:
    """Say what to do before the first refresh."""
    st.title("No data yet", anchor=False)
    st.markdown(
        "Kerma has no warehouse to show. Either fill one with realistic demo data or load your own"
        " procedure logs from the inbox, then reload this page:"
    )
    st.code(
        "python -m etl demo --if-empty    # a year of demo procedures\n"
        "python -m etl refresh            # what lies in data/inbox",
        language="shell",
    )


def no_procedures() -> None:
    """Say that the warehouse holds nothing that counts yet."""
    st.info(
        "The warehouse has been made, but holds no completed procedure that you may see."
        " See what the last refresh read and rejected, then put a procedure log into the inbox:"
    )
    st.code("python -m etl status\npython -m etl rejected\npython -m etl refresh", language="shell")


def other_schema() -> None:
    """Say that Kerma and its warehouse are of different versions."""
    st.title("The warehouse is of another version", anchor=False)
    st.markdown(
        "Kerma was updated and its warehouse was not, or the other way round. One refresh brings an"
        " older warehouse up to date; nothing is lost:"
    )
    st.code("python -m etl refresh", language="shell")
