"""Small cells held back in tables that leave the department, and others so that sums tell nothing.

A count of 1 to 10 could point at a patient. Where sums of a table are known (they always count as
known: every margin, and the total), a cell that is held back alone could be computed, so that
others are held back with it. What stays is checked from the reader's side: from all that is shown,
and from the knowledge that a cell held back is at least 1, each small cell could still be 1 and
could still be above 10, and no other that is held back is known exactly.

References
----------
Hundepool A et al. Statistical Disclosure Control. Wiley 2012, chapter 4 (primary and secondary cell
suppression). doi:10.1002/9781118348239
"""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import polars as pl
from scipy.optimize import linprog

#: Counts that are held back, both ends included.
SMALLEST, LARGEST = 1, 10
#: A table with more cells held back than this is not checked cell by cell: it is refused.
MOST_HELD = 400


def held_back(counts: Sequence[int], sums: Sequence[Sequence[int]]) -> list[bool]:
    """Say which cells of a table to hold back.

    Parameters
    ----------
    counts
        Count of each cell, 0 or more.
    sums
        Places of the cells of each sum that a reader knows.

    Returns
    -------
    list of bool
        Of each cell whether it is held back: every count of 1 to 10, and further ones, the smallest
        first, until each small one could as well be 1 as above 10.

    Raises
    ------
    ValueError
        For a negative count, or where more than :data:`MOST_HELD` cells would be held back.
    """
    values = np.asarray(counts, dtype=np.int64)
    if (values < 0).any():
        raise ValueError("a count is never negative")
    held = (values >= SMALLEST) & (values <= LARGEST)
    hidden: set[int] = set()  # a further cell held back only widens what is known of the others
    while held.any():
        if held.sum() > MOST_HELD:
            raise ValueError(f"more than {MOST_HELD} cells would be held back: group more coarsely")
        known = _first_known(values, held, sums, hidden)
        if known is None:
            break
        further = _further(values, held, sums, known)
        if further is None:  # nothing is left that could hide it: the table tells nothing then
            return [True] * len(values)
        held[further] = True
    return held.tolist()


def bounds(counts: Sequence[int], held: Sequence[bool], sums: Sequence[Sequence[int]], cell: int,
           ) -> tuple[float, float]:  # fmt: skip
    """Return the least and the most that a reader can compute for a cell held back."""
    values, hidden = np.asarray(counts), np.flatnonzero(np.asarray(held))
    place = {int(index): k for k, index in enumerate(hidden)}
    rows, totals = [], []
    for members in sums:
        row = np.zeros(len(hidden))
        for index in members:
            if index in place:
                row[place[index]] = 1.0
        if row.any():
            rows.append(row)
            totals.append(float(sum(values[index] for index in members if index in place)))
    found = []
    for sign in (1.0, -1.0):
        goal = np.zeros(len(hidden))
        goal[place[cell]] = sign
        solved = linprog(
            goal,
            A_eq=np.array(rows) if rows else None,
            b_eq=np.array(totals) if rows else None,
            bounds=(SMALLEST, None),
        )
        found.append(sign * (solved.fun if solved.fun is not None else -np.inf))
    return found[0], found[1]


def _first_known(
    values: np.ndarray, held: np.ndarray, sums: Sequence[Sequence[int]], hidden: set[int]
) -> int | None:
    """Return a cell held back that the sums give away, or None; note those that they do not."""
    for cell in np.flatnonzero(held):
        if cell in hidden:
            continue
        low, high = bounds(values.tolist(), held.tolist(), sums, int(cell))
        small = values[cell] <= LARGEST
        if high - low < 1 or (small and (low > SMALLEST + 1e-6 or high <= LARGEST + 1e-6)):
            return int(cell)
        hidden.add(int(cell))
    return None


def _further(
    values: np.ndarray, held: np.ndarray, sums: Sequence[Sequence[int]], cell: int
) -> int | None:
    """Return the smallest count that shares a sum with a cell and is still shown, or any other."""
    shown = [i for i in range(len(values)) if not held[i] and values[i] > 0]
    mine = [members for members in sums if cell in members]
    tight = [members for members in mine if _tight(values, held, members)] or [
        members for members in sums if held[list(members)].any() and _tight(values, held, members)
    ]
    for line in (*sorted(tight, key=len), *sorted(mine, key=len), shown):
        near = [i for i in shown if i in line]
        if near:
            return min(near, key=lambda i: (int(values[i]), i))
    return None


def _tight(values: np.ndarray, held: np.ndarray, members: Sequence[int]) -> bool:
    """Say whether a sum alone tells too much of the cells held back in it."""
    hidden = [index for index in members if held[index]]
    return sum(values[index] for index in hidden) - (len(hidden) - 1) * SMALLEST <= LARGEST or (
        len(hidden) == 1
    )


def held_rows(
    counted: pl.DataFrame,
    count: str,
    by: Sequence[str],
    parts: Sequence[str] = (),
    also: Sequence[str] = (),
    within: Sequence[str] = (),
) -> pl.Series:
    """Say of each row of a table whether its figures are held back.

    Parameters
    ----------
    counted
        One row a cell, with the columns that the others name.
    count
        Column of the count on which a row's other figures rest.
    by
        Columns that name the cell. Every sum over these columns counts as known, and so does the
        total; a sum that is small itself is held back wherever it would stand.
    parts
        Columns that count some of a row's cases, as events of n: a row is held back too where they,
        or the others of its cases, are few.
    also
        Columns of further counts on which a row's figures rest, as the other group of an effect.
    within
        Columns of ``by`` whose values part the table into tables of their own, as outcomes of the
        same cases: nothing adds up over them, and sums are known within each alone.

    Raises
    ------
    ValueError
        Where too many rows would have to be held back.
    """
    every = list(_sums(counted, by, within))
    counts = [counted[name].cast(pl.Int64).fill_null(0) for name in (count, *parts, *also)]
    counts += [counts[0] - counted[name].cast(pl.Int64).fill_null(0) for name in parts]
    each = [held_back(c.to_list(), [s for s in every if _told(c, s)]) for c in counts]
    return pl.Series([any(row) for row in zip(*each, strict=True)], dtype=pl.Boolean)


def _told(counts: pl.Series, places: Sequence[int]) -> bool:
    """Say whether a sum is one that a reader may know: of all rows, or of several and not small."""
    total = counts.gather(list(places)).sum()
    whole = len(places) == len(counts)
    return whole or (len(places) > 1 and not SMALLEST <= total <= LARGEST)


def protected(frame: pl.DataFrame, held: pl.Series, names: Sequence[str]) -> pl.DataFrame:
    """Return a table without the figures of the rows that are held back.

    Parameters
    ----------
    frame
        The table, whose rows are those of ``held`` (:func:`held_rows`).
    names
        Columns that name a row; all others are figures.

    Returns
    -------
    polars.DataFrame
        The same rows and columns; all figures of a row that is held back are null, and so is every
        column of further counts with a small one: its sums are not checked.
    """
    figures = [name for name in frame.columns if name not in names]
    made = frame.with_columns(pl.when(~held).then(pl.col(name)).alias(name) for name in figures)
    small = [
        name
        for name in figures
        if made[name].dtype.is_integer() and made[name].is_between(SMALLEST, LARGEST).any()
    ]
    return made.with_columns(pl.lit(None, made[name].dtype).alias(name) for name in small)


def _sums(
    frame: pl.DataFrame, by: Sequence[str], within: Sequence[str] = ()
) -> Iterator[list[int]]:
    """Give the places of the rows of every sum: of the total, and of each value of some columns."""
    placed = frame.select(by).with_row_index("_place")
    if not within:
        yield placed["_place"].to_list()
    others = [name for name in by if name not in within]
    for size in range(0 if within else 1, len(others)):
        for names in combinations(others, size):
            grouped = placed.group_by([*within, *names], maintain_order=True).agg("_place")
            yield from grouped["_place"].to_list()
