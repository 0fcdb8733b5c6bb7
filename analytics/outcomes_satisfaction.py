"""Satisfaction: five levels, top-two-box, response rate, cumulative odds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from analytics.ordinal import OrdinalFit, proportional_odds
from analytics.proportions import wilson
from analytics.results import Estimate, NotComputable

LEVELS = (
    "very dissatisfied",
    "dissatisfied",
    "neither",
    "satisfied",
    "very satisfied",
)
TOP_TWO = 4


@dataclass(frozen=True)
class Satisfaction:
    """One group: how many answered which of 1 to 5, of how many asked.

    ``top_two`` is the share of answers 4 and 5, ``response`` the share that answered at all; both
    with Wilson's interval.
    """

    group: str
    answers: tuple[int, int, int, int, int]
    n: int
    n_asked: int
    top_two: Estimate | NotComputable
    response: Estimate | NotComputable


def satisfaction_by(
    rows: pl.DataFrame, column: str, level: float = 0.95
) -> tuple[Satisfaction, ...]:
    """Describe the answers by one column, groups with most procedures first.

    Parameters
    ----------
    rows
        ``column``, ``answer`` (1 to 5, null: none), ``n``: every procedure counts as asked.
    """
    found = []
    order = rows.group_by(column).agg(pl.col("n").sum()).sort("n", column, descending=[True, False])
    for name in order[column].drop_nulls():
        part = rows.filter(pl.col(column) == name)
        counts = dict(part.group_by("answer").agg(pl.col("n").sum()).iter_rows())
        one, two, three, four, five = (int(counts.get(k, 0)) for k in range(1, 6))
        n, asked = one + two + three + four + five, int(part["n"].sum())
        found.append(
            Satisfaction(
                str(name),
                (one, two, three, four, five),
                n,
                asked,
                wilson(four + five, n, level),
                wilson(n, asked, level),
            )
        )
    return tuple(found)


def diverging(groups: Sequence[Satisfaction]) -> pl.DataFrame:
    """Lay the answers out as bars around the middle of the middle level.

    Returns
    -------
    polars.DataFrame
        ``group``, ``answer``, ``level`` (1 to 5), ``n``, ``share``, ``from``, ``to``: shares of the
        group's answers; 0 is the middle of level 3, dissatisfied below.
    """
    rows = []
    for group in groups:
        if not group.n:
            continue
        shares = [count / group.n for count in group.answers]
        at = -(shares[0] + shares[1] + shares[2] / 2)
        for level, share in enumerate(shares, start=1):
            rows.append(
                {
                    "group": group.group,
                    "answer": LEVELS[level - 1],
                    "level": level,
                    "n": group.answers[level - 1],
                    "share": share,
                    "from": at,
                    "to": at + share,
                }
            )
            at += share
    return pl.DataFrame(rows)


def cumulative_odds(groups: Sequence[Satisfaction], reference: str) -> OrdinalFit | NotComputable:
    """Compare groups by their odds of a higher answer, whatever the cut (proportional odds).

    Parameters
    ----------
    groups
        Answers by group.
    reference
        The group that the others are held against; odds ratios above 1: more satisfied than it.
    """
    others = [g.group for g in groups if g.group != reference and g.n]
    answers = np.concatenate([np.repeat(np.arange(1, 6), g.answers) for g in groups])
    names = np.repeat([g.group for g in groups], [g.n for g in groups])
    return proportional_odds(answers, {name: (names == name).astype(float) for name in others})
