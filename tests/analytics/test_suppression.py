"""What is held back cannot be computed from what is shown."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.suppression import bounds, held_back, protected


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
    made = protected(frame, "n", ["month"])
    assert made.rows() == [("a", None, None, None), ("b", None, None, None), ("c", 90, 3.0, None)]
    assert made.schema == frame.schema
