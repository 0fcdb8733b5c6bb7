"""Balance: R's standardised differences, from rows and from counts alike."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.balance import balance_of_counts, balance_table
from tests.analytics.oracle import column, inputs_and_results, words


def test_balance_is_that_of_r():
    # R: (mean1 - mean0) / sqrt((var1 + var0) / 2)
    found, expected = inputs_and_results("adjusted_dose")
    ct = np.array([word == "CT" for word in words(found["csv"], "modality")], dtype=float)
    cervical = [float(word == "cervical") for word in words(found["csv"], "level")]
    table = balance_table(
        {
            "bmi": column(found["csv"], "bmi"),
            "age": column(found["csv"], "age"),
            "cervical": cervical,
            "constant": np.ones(len(ct)),
        },
        ct,
    )
    shown = {row.characteristic: row for row in table}
    for name in ("bmi", "age", "cervical"):
        # R's case gives sizes without sign
        assert abs(shown[name].smd) == pytest.approx(expected[f"smd_{name}"], rel=1e-6)
        assert shown[name].imbalanced == (expected[f"smd_{name}"] > 0.1)
    assert shown["constant"].smd is None and not shown["constant"].imbalanced


def counted(**groups: dict[str, dict[str, int] | list[float]]) -> pl.DataFrame:
    """Count characteristics as the query does."""
    rows = []
    for group, characteristics in groups.items():
        for name, found in characteristics.items():
            if isinstance(found, dict):
                rows += [(group, name, level, n, None, None) for level, n in found.items()]
            else:
                known = np.array(found)
                variance = float(known.var(ddof=1)) if len(known) > 1 else None
                mean = float(known.mean()) if len(known) else None
                rows.append((group, name, None, len(known), mean, variance))
    schema = {"group": pl.String, "characteristic": pl.String, "level": pl.String,
              "n": pl.Int64, "mean": pl.Float64, "variance": pl.Float64}  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_counts_and_rows_give_one_answer() -> None:
    found, expected = inputs_and_results("adjusted_dose")
    ct = [word == "CT" for word in words(found["csv"], "modality")]
    age = column(found["csv"], "age")
    sides = {
        name: {"age": [v for v, c in zip(age, ct, strict=True) if c == is_ct]}
        for name, is_ct in (("CT", True), ("fluoroscopy", False))
    }
    (row,) = balance_of_counts(counted(**sides), "CT", "fluoroscopy")
    assert row.smd is not None and abs(row.smd) == pytest.approx(expected["smd_age"], rel=1e-6)
    (swapped,) = balance_of_counts(counted(**sides), "fluoroscopy", "CT")
    assert swapped.smd == pytest.approx(-row.smd)


def test_two_and_three_categories_on_paper() -> None:
    """Shares 0.5 v 0.3: |0.2| / √((0.25 + 0.21) / 2). Three: d'S⁻¹d with S by hand.

    Of 100 each (50, 30, 20) v (30, 30, 40), first category left out: d = (0, −0.2),
    S = ((0.21, −0.09), (−0.09, 0.20)); S⁻¹₂₂ = 0.21 / (0.21·0.20 − 0.0081).
    """
    two = counted(a={"sex": {"F": 50, "M": 50}}, b={"sex": {"F": 30, "M": 70}})
    (row,) = balance_of_counts(two, "a", "b")
    assert row.smd == pytest.approx(0.2 / math.sqrt(0.23)) and row.imbalanced
    three = counted(a={"p": {"x": 50, "y": 30, "z": 20}}, b={"p": {"x": 30, "y": 30, "z": 40}})
    (row,) = balance_of_counts(three, "a", "b")
    assert row.smd == pytest.approx(math.sqrt(0.04 * 0.21 / (0.21 * 0.20 - 0.0081)))


@given(st.lists(st.integers(0, 40), min_size=2, max_size=5), st.data())
@settings(max_examples=60, deadline=None)
def test_the_name_of_a_category_and_the_order_of_groups_do_not_matter(first, data) -> None:
    second = data.draw(st.lists(st.integers(0, 40), min_size=len(first), max_size=len(first)))
    names = [f"c{i}" for i in range(len(first))]

    def found(levels: list[str], one: str, two: str):
        frame = counted(
            a={"p": dict(zip(levels, first, strict=True))},
            b={"p": dict(zip(levels, second, strict=True))},
        )
        return balance_of_counts(frame, one, two)[0].smd

    smd = found(names, "a", "b")
    for other in (found(names[::-1], "a", "b"), found(names, "b", "a")):
        assert (smd is None) == (other is None)
        assert smd is None or smd == pytest.approx(other, abs=1e-7)
    assert smd is None or smd >= 0


@pytest.mark.parametrize(
    "a, b, why",
    [
        ({"age": [50.0]}, {"age": [40.0, 50.0]}, "fewer than two values"),
        ({"age": []}, {"age": [40.0, 50.0]}, "fewer than two values"),
        ({"age": [5.0, 5.0]}, {"age": [5.0, 5.0]}, "does not vary"),
        ({"sex": {"F": 10}}, {"sex": {"M": 10}}, "category of its own"),
        ({"sex": {"F": 10}}, {"sex": {"F": 7}}, "only one category"),
        ({"sex": {"F": 1}}, {"sex": {"F": 7, "M": 3}}, "fewer than two values"),
        ({}, {"sex": {"F": 7, "M": 3}}, "fewer than two values"),
    ],
)
def test_what_cannot_be_compared_is_said(a, b, why) -> None:
    (row,) = balance_of_counts(counted(a=a, b=b), "a", "b")
    assert row.smd is None and not row.imbalanced and why in row.why_not
