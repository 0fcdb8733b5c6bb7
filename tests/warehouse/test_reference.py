"""The shipped dated data: types, units, sources, and refusals that name the cell."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from analytics.dose import DoseIndex
from warehouse import reference


@pytest.mark.parametrize(
    ("table", "key"),
    [
        (reference.reference_levels, "reference_id"),
        (reference.effective_dose_coefficients, "coefficient_id"),
        (reference.trigger_levels, "rule_id"),
    ],
)
def test_every_row_has_a_source_and_an_id_of_its_own(
    table: Callable[[], pl.DataFrame], key: str
) -> None:
    frame = table()
    assert frame[key].is_unique().all()
    assert frame["source"].is_not_null().all()
    assert frame["verified"].is_not_null().all()


def test_only_rules_on_own_distributions_and_multiples_have_no_unit() -> None:
    without = reference.trigger_levels().filter(pl.col("unit").is_null())
    kinds = {"own_percentile", "robust_limit", "reference_multiple"}
    assert set(without["kind"]) == kinds
    for table in (reference.reference_levels(), reference.effective_dose_coefficients()):
        assert table["unit"].is_not_null().all()


def test_units_are_those_of_the_dose_index() -> None:
    units = {index.column: index.unit for index in DoseIndex}
    triggers = reference.trigger_levels().filter(pl.col("kind").is_in(["trigger", "patient_sum"]))
    for quantity, unit in triggers.select("quantity", "unit").iter_rows():
        assert unit == units[quantity]
    for index, unit in reference.effective_dose_coefficients().select("dose_index", "unit").rows():
        assert unit == f"mSv/({units[index]})"


def test_figures_from_memory_are_not_verified() -> None:
    for table in (reference.trigger_levels(), reference.effective_dose_coefficients()):
        assert not table.filter(pl.col("mark") == "M")["verified"].any()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,x\n", r"levels.csv: columns missing \['c'\], unknown \['b'\]"),
        ("a,c\n1,2020-01-01\nx,2020-01-01\n", "levels.csv, row 3, a: 'x' is no Int64"),
        ("a,c\n1,01.02.2020\n", "levels.csv, row 2, c: '01.02.2020' is no Date"),
    ],
)
def test_wrong_cells_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    (tmp_path / "levels.csv").write_text(text)
    monkeypatch.setattr(reference, "DATA", tmp_path)
    with pytest.raises(ValueError, match=message):
        reference.read("levels.csv", pl.Schema({"a": pl.Int64(), "c": pl.Date()}))
