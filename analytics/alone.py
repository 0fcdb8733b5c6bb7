"""Each predictor by itself: who responded beside who did not, one family of tests."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from analytics.compare import adjust_family, compare
from analytics.comparison import Comparison, Kind

RESPONDED, OTHERS = "responded", "did not respond"
#: Up to so many distinct whole numbers are grades, of which the order is used.
MOST_GRADES = 11


def alone(
    outcome: Sequence[Any], table: pl.DataFrame, adjustment: str = "holm"
) -> tuple[Comparison, ...]:
    """Compare responders with others in each column, p adjusted over all columns.

    Parameters
    ----------
    outcome
        True or False (None: not known), shape (n,).
    table
        One column a predictor, n rows: numbers, booleans, or names of categories. Gaps are left
        out of their own column only.
    adjustment
        See ``multiplicity.METHODS``.
    """
    names = {True: RESPONDED, False: OTHERS, None: None}
    group = pl.Series("group", [names[v if v is None else bool(v)] for v in outcome], pl.String)
    found = [
        compare(
            pl.DataFrame([group, _values(column)]).drop_nulls("group"),
            _kind(column),
            column.name,
            groups=(RESPONDED, OTHERS),
        )
        for column in table
    ]
    return adjust_family(found, adjustment)


def _values(column: pl.Series) -> pl.Series:
    numeric = column.dtype.is_numeric() or column.dtype == pl.Boolean
    return column.cast(pl.Float64 if numeric else pl.String).alias("value")


def _kind(column: pl.Series) -> Kind:
    """Say what a column holds: yes/no, categories, grades or measurements."""
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        return "nominal"
    known = column.cast(pl.Float64).fill_nan(None).drop_nulls().unique()
    if known.is_in([0.0, 1.0]).all():
        return "binary"
    whole = bool((known.filter(known.is_finite()) % 1 == 0).all())
    return "ordinal" if whole and len(known) <= MOST_GRADES else "continuous"
