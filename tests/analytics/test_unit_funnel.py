"""Funnels of rooms and operators: case mix is taken out, a real difference is found."""

import math

import numpy as np
import polars as pl
import pytest

from analytics.control_charts import Chart, rebaselined, xmr
from analytics.results import NotComputable
from analytics.smoothed_charts import ewma
from analytics.unit_funnel import DoseFunnel, dose_funnel


def cells(rows: list[tuple[str, str, np.ndarray]]) -> pl.DataFrame:
    """Count cases as the query does: (unit, size band, ln doses)."""
    return pl.DataFrame(
        [
            (unit, size, "1", len(x), float(x.mean()), float(((x - x.mean()) ** 2).sum()))
            for unit, size, x in rows
        ],
        schema=["unit", "size_band", "levels", "n", "mean_ln", "squares_ln"],
        orient="row",
    )


def test_by_hand() -> None:
    low, high = np.log([1.0, 4.0]), np.log([4.0, 16.0])
    found = dose_funnel(cells([("a", "x", low), ("b", "x", high)]))
    assert isinstance(found, DoseFunnel)
    # expectation ln 4; means of the units ln 2 and ln 8; two cases of distance ln 2 each side
    assert [math.exp(u.value) for u in found.funnel.units] == pytest.approx([0.5, 2.0])
    assert found.sd == pytest.approx(math.sqrt(4 * math.log(2) ** 2 / 2))
    assert [u.position for u in found.funnel.units] == ["too few", "too few"]


def test_case_mix_is_not_a_units_fault() -> None:
    random = np.random.default_rng(5)

    def doses(n: int, heavy: bool) -> np.ndarray:
        return random.normal(1.2 if heavy else 0.0, 0.5, n)

    rows = [
        (unit, size, doses(n, size == "heavy"))
        for unit, light, heavy in (("a", 200, 10), ("b", 10, 200), ("c", 100, 100))
        for size, n in (("light", light), ("heavy", heavy))
    ]
    found = dose_funnel(cells(rows))
    assert isinstance(found, DoseFunnel)
    assert {u.position for u in found.funnel.units} == {"within"}
    crude = dose_funnel(cells(rows).with_columns(pl.lit("any").alias("size_band")))
    assert isinstance(crude, DoseFunnel)
    assert {u.position for u in crude.funnel.units} > {"above 99.8 %"}


def test_a_unit_with_half_as_much_again_is_found_and_stands_in_order_of_name() -> None:
    random = np.random.default_rng(6)
    rows = [
        (f"room {i}", "x", random.normal(math.log(1.5) if i == 3 else 0.0, 0.5, 120))
        for i in range(8)
    ]
    found = dose_funnel(cells(rows))
    assert isinstance(found, DoseFunnel)
    out = [u.name for u in found.funnel.units if u.position == "above 99.8 %"]
    assert out == ["room 3"]
    assert [u.name for u in found.funnel.units] == [f"room {i}" for i in range(8)]


def test_units_that_are_alike_seldom_lie_outside() -> None:
    random = np.random.default_rng(7)
    outside = 0
    for _ in range(60):
        rows = [(f"u{i}", "x", random.normal(0, 0.6, 40)) for i in range(10)]
        found = dose_funnel(cells(rows))
        assert isinstance(found, DoseFunnel)
        outside += sum(u.position.endswith("99.8 %") for u in found.funnel.units)
    assert outside <= 6  # of 600 units; 0.2 % are expected


@pytest.mark.parametrize("rows", [[], [("a", "x", np.array([1.0]))]])
def test_without_two_cases_there_is_a_reason(rows: list[tuple[str, str, np.ndarray]]) -> None:
    schema = {"unit": pl.String, "size_band": pl.String, "levels": pl.String, "n": pl.Int64,
              "mean_ln": pl.Float64, "squares_ln": pl.Float64}  # fmt: skip
    frame = cells(rows) if rows else pl.DataFrame(schema=schema)
    assert isinstance(dose_funnel(frame), NotComputable)


def test_an_ewma_begins_anew_at_a_recorded_change() -> None:
    random = np.random.default_rng(8)
    x = np.concatenate([random.normal(0, 1, 20), random.normal(5, 1, 20)])

    def phase(part: np.ndarray, baseline: tuple[int, int]) -> Chart | NotComputable:
        return ewma(part, baseline=baseline)

    both = rebaselined(x, [20], 12, draw=phase)
    second = ewma(x[20:], baseline=(0, 12))
    assert isinstance(both, Chart)
    assert isinstance(second, Chart)
    assert both.kind == "EWMA"
    assert both.points[20:] == pytest.approx(second.points)
    assert both.high[20:] == pytest.approx(second.high)
    assert not [s for s in both.signals if s.index == 20]
    single = rebaselined(x, [20], 12)
    assert isinstance(single, Chart)
    assert single.points == pytest.approx(tuple(x))
    assert isinstance(xmr(x), Chart)
