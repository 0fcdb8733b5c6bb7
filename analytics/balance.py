"""Do groups differ in who is in them: standardised differences of their characteristics."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from analytics.frequency import tally
from analytics.guards import FloatArray, complete_columns, computable, require
from analytics.moments import Moments, moments
from analytics.results import NotComputable

LIMIT = 0.1
"""Size from which a characteristic counts as imbalanced (Austin 2009, 10.1002/sim.3697)."""


@dataclass(frozen=True)
class Balance:
    """Standardised difference of one characteristic, and why there is none."""

    characteristic: str
    smd: float | None
    imbalanced: bool
    why_not: str = ""


def balance_table(
    characteristics: Mapping[str, Any], first_group: Any, limit: float = LIMIT
) -> tuple[Balance, ...]:
    """Return the standardised mean difference of each characteristic between two groups.

    Parameters
    ----------
    characteristics
        Name and values, shape (n,); yes/no as 0/1. A row with a gap is left out of that one.
    first_group
        1 for the first group, 0 for the second, shape (n,).
    limit
        Size from which a characteristic counts as imbalanced.
    """
    return tuple(
        _judged(name, _of_rows(values, first_group), limit)
        for name, values in characteristics.items()
    )


def balance_of_counts(
    frame: pl.DataFrame, first: str, second: str, limit: float = LIMIT
) -> tuple[Balance, ...]:
    """Return the standardised difference of each characteristic from what a database counted.

    Parameters
    ----------
    frame
        ``group``, ``characteristic``, ``level`` (null: measured), ``n``, ``mean``, ``variance``
        (n − 1); one row a group and level.
    first, second
        The groups.
    limit
        Size from which a characteristic counts as imbalanced.
    """
    found = []
    for (name,), part in frame.partition_by(
        "characteristic", as_dict=True, maintain_order=True
    ).items():
        sides = [part.filter(pl.col("group") == group) for group in (first, second)]
        measured = part["level"].null_count() == part.height
        smd = _of_moments(*map(_moments, sides)) if measured else _of_levels(*sides)
        found.append(_judged(str(name), smd, limit))
    return tuple(found)


def _judged(name: str, smd: float | NotComputable, limit: float) -> Balance:
    if isinstance(smd, NotComputable):
        return Balance(name, None, False, smd.reason)
    return Balance(name, smd, abs(smd) > limit)


def _moments(side: pl.DataFrame) -> Moments:
    known = side.filter(pl.col("n") > 0)
    if known.is_empty():
        return Moments(0, math.nan, math.nan)
    row = known.row(0, named=True)
    nothing = math.nan
    return Moments(int(row["n"]), row["mean"], nothing if row["variance"] is None
                   else row["variance"])  # fmt: skip


@computable
def _of_rows(values: Any, first_group: Any) -> float:
    x, g = complete_columns(values, first_group)
    one, two = tally(x[g == 1]), tally(x[g == 0])
    require(one.n > 1 and two.n > 1, "a group has fewer than two values", len(x))
    return _difference(moments(one), moments(two))


@computable
def _of_moments(first: Moments, second: Moments) -> float:
    return _difference(first, second)


def _difference(first: Moments, second: Moments) -> float:
    """Return (mean1 − mean2) / √((s1² + s2²)/2)."""
    n = first.n + second.n
    require(first.n > 1 and second.n > 1, "a group has fewer than two values", n)
    spread = (first.variance + second.variance) / 2
    require(spread > 0, "the characteristic does not vary", n)
    return (first.mean - second.mean) / math.sqrt(spread)


@computable
def _of_levels(first: pl.DataFrame, second: pl.DataFrame) -> float:
    """Return the distance of two groups' shares of categories, in standard deviations.

    √(d' S⁺ d) with d the difference of shares and S the mean of both covariances (Yang & Dalton
    2012, SAS Global Forum 335; R: ``tableone``). Two categories: |p1 − p2| / √((p1q1 + p2q2)/2).
    """
    levels = sorted({*first["level"].to_list(), *second["level"].to_list()} - {None})
    counts = [_counts(side, levels) for side in (first, second)]
    n = int(counts[0].sum() + counts[1].sum())
    require(min(float(c.sum()) for c in counts) > 1, "a group has fewer than two values", n)
    require(len(levels) > 1, "there is only one category", n)
    one, two = (c / c.sum() for c in counts)
    spread = (np.diag(one) - np.outer(one, one) + np.diag(two) - np.outer(two, two)) / 2
    gap = (one - two)[1:]
    within = spread[1:, 1:]
    value = float(gap @ np.linalg.pinv(within, hermitian=True) @ gap)
    require(bool(np.abs(within).max() > 0), "each group has one category of its own", n)
    apart = np.abs(within @ np.linalg.pinv(within, hermitian=True) @ gap - gap).max() > 1e-9
    require(not apart, "each group has one category of its own", n)
    return math.sqrt(max(0.0, value))


def _counts(side: pl.DataFrame, levels: Sequence[str]) -> FloatArray:
    known = dict(side.select("level", "n").iter_rows())
    return np.array([float(known.get(level, 0)) for level in levels])
