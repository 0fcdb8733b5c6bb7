"""Reader agreement: columns of the log that two readers filled."""

import polars as pl
import streamlit as st

from analytics.agreement import Kappa
from analytics.readers import ICC_WORDS, KAPPA_WORDS, Agreement, agreement, read_twice, word
from analytics.results import Estimate, NotComputable
from pages.shared import data, downloads
from pages.shared import format as fmt
from pages.shared.page import View


def draw(view: View) -> None:
    """Draw κ or ICC of every column that was read twice."""
    if not data.may("significance_extra"):
        st.caption("Further columns of the log are for physicians and radiation safety.")
        return
    fields = data.query("significance_extra", view.filters)["field"].to_list()
    pairs = read_twice(fields)
    if not pairs:
        st.info(
            "No column in this view was read twice. Two columns of the log whose names end in"
            " `_reader_1` and `_reader_2` (or `_r1`, `_r2`) are compared here."
        )
        return
    rows = []
    for what, (first, second) in pairs.items():
        counted = data.query("outcomes_readers", view.filters, first=first, second=second)
        every = counted.select(pl.col("first", "second").repeat_by("n").explode())
        rows.append(_row(what, agreement(every["first"].to_list(), every["second"].to_list())))
    downloads.table(pl.DataFrame(rows), key="readers", title="Agreement of two readers")
    st.caption(
        "κ: Cohen, Fleiss' interval; weighted: quadratic, for grades that are numbers. ICC(A,1):"
        " two-way, absolute agreement, single measures, for numbers with seven or more values."
        " Words for κ after Landis & Koch 1977, for ICC after Koo & Li 2016, as Kajdi et al. use"
        " them. A high κ does not make a finding right: both readers may be wrong together."
    )


def _row(what: str, found: Agreement | NotComputable) -> dict[str, str]:
    named = {"Read": what.replace("_", " ").capitalize()}
    if isinstance(found, NotComputable):
        return named | {"Cases": fmt.DASH, "Equal": fmt.DASH, "Agreement (95 % CI)": found.reason,
                        "Weighted κ (95 % CI)": fmt.DASH, "Word": fmt.DASH}  # fmt: skip
    kappa = found.kappa if isinstance(found.kappa, Kappa) else None
    value = kappa.kappa if kappa else found.icc
    words = KAPPA_WORDS if found.icc is None else ICC_WORDS
    return named | {
        "Cases": fmt.count(found.n),
        "Equal": fmt.percent(kappa.raw.value)
        if kappa and isinstance(kappa.raw, Estimate)
        else fmt.DASH,
        "Agreement (95 % CI)": ("κ " if kappa else "ICC ") + _said(value),
        "Weighted κ (95 % CI)": _said(
            found.weighted.kappa if isinstance(found.weighted, Kappa) else None
        ),
        "Word": word(value.value, words) if isinstance(value, Estimate) else fmt.DASH,
    }


def _said(found: Estimate | NotComputable | None) -> str:
    if not isinstance(found, Estimate):
        return found.reason if isinstance(found, NotComputable) else fmt.DASH
    if found.low is None:
        return f"{fmt.number(found.value)} (no interval: agreement without exception)"
    return f"{fmt.number(found.value)} ({fmt.interval(found.low, found.high)})"
