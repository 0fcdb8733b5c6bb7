"""What is held back cannot be computed from what is shown."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from analytics.suppression import bounds, held_back, held_rows, protected


def table_sums(rows: int, columns: int) -> list[list[int]]:
    across = [[r * columns + c for c in range(columns)] for r in range(rows)]
    down = [[r * columns + c for r in range(rows)] for c in range(columns)]
    return [*across, *down, list(range(rows * columns))]


@pytest.mark.parametrize(
    ("counts", "held"),
    [
        ([50, 60, 70], [False, False, False]),
        ([0, 60, 70], [False, False, False]),
        ([3, 60, 70], [True, True, False]),  # alone it would be the total less the others
        ([1, 1, 70], [True, True, True]),  # two ones of a known 2 are both known
        ([9, 9, 70], [True, True, False]),  # 1 to 17 each
        ([10, 11, 90], [True, True, False]),
        ([11, 60], [False, False]),
        ([3], [True]),
        ([3, 0, 0], [True, True, True]),  # nothing could hide it: nothing is told
    ],
)
def test_a_line_with_a_known_total(counts: list[int], held: list[bool]) -> None:
    assert held_back(counts, [list(range(len(counts)))]) == held


def test_a_cell_of_a_table_takes_a_square_with_it() -> None:
    counts = [5, 40, 50, 45, 60, 70, 55, 65, 80]
    held = held_back(counts, table_sums(3, 3))
    assert held[0] and sum(held) == 4
    assert [i for i, h in enumerate(held) if h] == [0, 1, 3, 4]


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        held_back([-1, 3], [[0, 1]])


@given(
    st.integers(1, 4).flatmap(
        lambda rows: st.integers(1, 4).flatmap(
            lambda columns: st.tuples(
                st.just(rows), st.just(columns),
                st.lists(
                    st.one_of(st.integers(0, 12), st.integers(0, 200)),
                    min_size=rows * columns, max_size=rows * columns,
                ),
            )
        )
    )
)  # fmt: skip
def test_no_small_cell_is_known_from_the_margins(table: tuple[int, int, list[int]]) -> None:
    rows, columns, counts = table
    sums = table_sums(rows, columns)
    held = held_back(counts, sums)
    assert all(h for n, h in zip(counts, held, strict=True) if 1 <= n <= 10)
    if all(held):
        return  # nothing at all is shown
    for cell, hidden in enumerate(held):
        if hidden:
            low, high = bounds(counts, held, sums, cell)
            assert high > low
            assert counts[cell] > 10 or (low <= 1 and high > 10)


def test_figures_of_a_cell_held_back_are_blank() -> None:
    frame = pl.DataFrame(
        {"month": ["a", "b", "c"], "n": [4, 80, 90], "median": [1.0, 2.0, 3.0], "n_x": [1, 2, 3]}
    )
    made = protected(frame, held_rows(frame, "n", ["month"]), ["month"])
    assert made.rows() == [("a", None, None, None), ("b", None, None, None), ("c", 90, 3.0, None)]
    assert made.schema == frame.schema


COUNTED = st.integers(1, 4).flatmap(
    lambda rows: st.integers(2, 4).flatmap(
        lambda columns: st.lists(
            st.tuples(
                st.one_of(st.integers(0, 14), st.integers(0, 120)), st.floats(0, 1, width=16)
            ),
            min_size=rows * columns, max_size=rows * columns,
        ).map(lambda cells: (columns, cells))
    )
)  # fmt: skip


def reach(goal: list[float], totals: list[tuple[list[float], float]]) -> tuple[float, float]:
    """Return the least and the most that cases and events (two a row) can make of a goal."""
    half = len(goal) // 2
    among = [[0.0] * len(goal) for _ in range(half)]
    for row in range(half):  # events are among the cases
        among[row][row], among[row][half + row] = -1.0, 1.0
    found = [
        linprog(
            [sign * g for g in goal], A_ub=among, b_ub=[0.0] * half, bounds=(0, None),
            A_eq=[row for row, _ in totals], b_eq=[total for _, total in totals],
        ).fun
        for sign in (1.0, -1.0)
    ]  # fmt: skip
    low, high = (float("inf") if f is None else f for f in found)
    return low, -high if high != float("inf") else float("inf")


@given(COUNTED)
@settings(max_examples=60)
def test_no_small_count_follows_from_all_that_a_download_shows(
    table: tuple[int, list[tuple[int, float]]],
) -> None:
    """An attacker solves for cases and events together: shares give events, margins the rest."""
    columns, cells = table
    frame = pl.DataFrame(
        [
            {"room": str(i // columns), "month": str(i % columns), "n": n, "events": int(n * part)}
            for i, (n, part) in enumerate(cells)
        ]
    )
    held = held_rows(frame, "n", ("room", "month"), ("events",))
    made = protected(frame, held, ("room", "month"))
    cases, events = frame["n"].to_list(), frame["events"].to_list()
    rows = len(cases)
    for i in range(rows):
        small = [k for k in (cases[i], events[i], cases[i] - events[i]) if 1 <= k <= 10]
        if not small:
            continue
        assert held[i] and made.row(i)[2:] == (None, None)
    if held.all():
        return  # nothing is given
    totals: list[tuple[list[float], float]] = []
    lines = [list(range(rows))]
    lines += [[i for i in range(rows) if i // columns == r] for r in range(rows // columns)]
    lines += [[i for i in range(rows) if i % columns == c] for c in range(columns)]
    for line in lines:
        for at, counts in ((0, cases), (rows, events)):
            total = sum(counts[i] for i in line)
            if len(line) == rows or (len(line) > 1 and not 1 <= total <= 10):
                totals.append(([1.0 * (k - at in line) for k in range(2 * rows)], total))
    for i in range(rows):  # what is shown is known, and a share of it is a count
        if not held[i]:
            for at, counts in ((0, cases), (rows, events)):
                totals.append(([1.0 * (k == at + i) for k in range(2 * rows)], counts[i]))
    for i in range(rows):
        for goal, value in (
            ([1.0 * (k == i) for k in range(2 * rows)], cases[i]),
            ([1.0 * (k == rows + i) for k in range(2 * rows)], events[i]),
            ([1.0 * (k == i) - (k == rows + i) for k in range(2 * rows)], cases[i] - events[i]),
        ):
            if 1 <= value <= 10:
                low, high = reach(goal, totals)
                assert high - low >= 1, (made, i, value, low, high)


def test_a_mean_or_a_share_of_a_row_that_hides_another_is_blank_too() -> None:
    """Else n times the mean of what is shown, from the whole's, would give the small row's."""
    frame = pl.DataFrame(
        {"g": ["a", "b", "c"], "n": [4, 80, 90], "mean": [1 / 3, 2 / 3, 1.0], "share": [0.5] * 3}
    )
    made = protected(frame, held_rows(frame, "n", ("g",)), ("g",))
    assert made["mean"].to_list() == [None, None, 1.0]
    assert made["share"].to_list() == [None, None, 0.5]


def test_nothing_adds_up_over_outcomes_of_the_same_cases() -> None:
    frame = pl.DataFrame(
        {"outcome": ["x", "x", "x", "y", "y", "y"], "g": ["a", "b", "c"] * 2,
         "n": [5, 50, 60, 200, 210, 220]}
    )  # fmt: skip
    held = held_rows(frame, "n", ("outcome", "g"), within=("outcome",))
    assert held.to_list() == [True, True, False, False, False, False]
    assert sum(held_rows(frame, "n", ("outcome", "g"))) > 2
