"""Each predictor alone: SciPy's tests on the same rows, one family, no traceback."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

from analytics.alone import OTHERS, RESPONDED, alone
from analytics.multiplicity import adjust
from analytics.results import NotComputable


@pytest.fixture(scope="module")
def made() -> tuple[list[bool | None], pl.DataFrame]:
    rng = np.random.default_rng(5)
    outcome: list[bool | None] = (rng.random(90) < 0.5).tolist()
    outcome[7] = None
    return outcome, pl.DataFrame(
        {
            "oedema": rng.integers(0, 2, 90),
            "spread": rng.choice(["in", "round", "through"], 90),
            "grade": rng.integers(0, 4, 90),
            "slip_mm": rng.normal(6, 2, 90).round(1),
            "constant": np.ones(90) * 3,
            "empty": pl.Series([None] * 90, dtype=pl.String),
        }
    )


def test_the_tests_are_scipys_and_the_family_is_holms(made) -> None:
    outcome, table = made
    found = {one.quantity: one for one in alone(outcome, table)}
    known = np.array([value is not None for value in outcome])
    y = np.array([bool(value) for value in outcome])[known]
    column = {name: table[name].to_numpy()[known] for name in table.columns}
    crossed = [[int((column["oedema"][y == g] == v).sum()) for v in (1, 0)] for g in (True, False)]
    spread = [[int((column["spread"][y == g] == v).sum()) for v in ("in", "round", "through")]
              for g in (True, False)]  # fmt: skip
    expected = {
        "oedema": stats.chi2_contingency(crossed, correction=False).pvalue,
        "spread": stats.chi2_contingency(spread).pvalue,
        "slip_mm": stats.ttest_ind(
            column["slip_mm"][y], column["slip_mm"][~y], equal_var=False
        ).pvalue,
    }
    for name, p in expected.items():
        assert found[name].p_value == pytest.approx(p, rel=1e-9), name
    assert found["grade"].method.startswith("Mann–Whitney")
    assert [group.group for group in found["grade"].groups] == [RESPONDED, OTHERS]
    for name in ("constant", "empty"):
        assert isinstance(found[name].test, NotComputable)
    p_values = [one.p_value for one in found.values()]
    assert [one.p_adjusted for one in found.values()] == adjust(p_values, "holm")
    assert found["oedema"].family_size == 4


def test_order_of_rows_and_swapped_outcome_change_no_p(made) -> None:
    outcome, table = made
    order = np.random.default_rng(1).permutation(90)
    shuffled = alone([outcome[i] for i in order], table[order])
    swapped = alone([None if v is None else not v for v in outcome], table)
    for one, two, three in zip(alone(outcome, table), shuffled, swapped, strict=True):
        if one.p_value is None:
            assert two.p_value is None and three.p_value is None
            continue
        assert one.p_value == pytest.approx(two.p_value, rel=1e-12)
        assert one.p_value == pytest.approx(three.p_value, rel=1e-9)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e308, 0.0, 1.0, -3.5])
@pytest.mark.parametrize("outcome", [[], [True], [None, None], [True, False], [True] * 30])
def test_odd_columns_are_answered_in_words(value: float, outcome: list[bool | None]) -> None:
    table = pl.DataFrame({"x": [value] * len(outcome), "t": ["a"] * len(outcome)})
    for one in alone(outcome, table):
        assert one.sentences and (one.p_value is None or one.p_value == 1)
