"""Compare groups by categories that have no order."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from analytics import tables
from analytics.comparison import Check, Comparison, GroupSummary, LeftOut
from analytics.decision import Facts, choose
from analytics.frequency import counts_of
from analytics.guards import UndefinedError, not_computable, require
from analytics.results import TestResult


def compare_categories(
    blank: Comparison, frame: pl.DataFrame, groups: Sequence[str] | None
) -> Comparison:
    """Fill a comparison of categories from columns ``group``, ``value`` (text) and ``count``."""
    try:
        table, names, left_out = _table(frame, groups)
        sizes = tuple(int(n) for n in table.sum(axis=1))
        summaries = tuple(GroupSummary(name, n) for name, n in zip(names, sizes, strict=True))
        blank = replace(blank, left_out=left_out, groups=summaries)
        total = table.sum()
        require(len(names) >= 2 and total > 0, "fewer than two groups have values", int(total))
        margins = np.outer(table.sum(axis=1), table.sum(axis=0)) / total
        smallest = float(margins[margins > 0].min())
        choice = choose("nominal", Facts(sizes, 1.0, smallest, max(3, table.shape[1])))
        sparse = choice.method == "table_exact"
        test = tables.fisher_freeman_halton(table) if sparse else tables.chi_square_table(table)
        checks = (
            Check("records", ", ".join(f"{n} {s}" for n, s in zip(names, sizes, strict=True))),
            Check("categories", f"{table.shape[1]}"),
            Check("smallest expected count", f"{smallest:.1f}"),
        )
        method = test.method if isinstance(test, TestResult) else choice.method
        return replace(blank, checks=checks, reason=choice.reason, method=method, test=test)
    except UndefinedError as refusal:
        return replace(blank, test=not_computable(refusal.because, refusal.n))


def _table(
    frame: pl.DataFrame, groups: Sequence[str] | None
) -> tuple[np.ndarray, list[str], tuple[LeftOut, ...]]:
    """Count categories by group; records without either are left out."""
    dtype = frame.schema["value"]
    words = not dtype.is_nested() and dtype != pl.Duration
    require(words, f"the values are {dtype}, not categories", frame.height)
    rows = frame.select(
        group=pl.col("group").cast(pl.String),
        value=pl.col("value").cast(pl.String),
        count=counts_of(frame),
    )
    known = rows.drop_nulls()
    lost = int(rows["count"].sum()) - int(known["count"].sum())
    left_out = (LeftOut("records", lost, "no group or value"),) if lost else ()
    present = known["group"].unique(maintain_order=True).to_list()
    names = present if groups is None else [name for name in groups if name in present]
    categories = sorted(known["value"].unique().to_list())
    table = np.zeros((len(names), len(categories)))
    for group, value, n in known.filter(pl.col("group").is_in(names)).iter_rows():
        table[names.index(group), categories.index(value)] += n
    return table, names, left_out
