"""Level tables: every median is judged by the decision table, children and own levels apart."""

from datetime import date, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.effective_dose import active_coefficients
from analytics.effective_sums import effective_sums
from analytics.level_table import (
    against_saved,
    decisions,
    level_table,
    local_levels,
    of_size,
)
from analytics.reference_levels import Decision
from warehouse.procedures import lineage
from warehouse.reference import effective_dose_coefficients, reference_levels

UNIT = "Gy·cm²"
ADULT, CHILD = "BMI 25–30", "child 15–30 kg"


def cases(values: list[float], procedure: str, site: str = "A", size: str = ADULT) -> pl.DataFrame:
    return pl.DataFrame({"value": values}).with_columns(
        pl.lit(procedure).alias("procedure_code"), pl.lit(site).alias("site"),
        pl.lit("R1").alias("room"), pl.lit(size).alias("size_band"),
    )  # fmt: skip


def judged(frame: pl.DataFrame, size: str | None = None) -> pl.DataFrame:
    return level_table(
        frame, ["site"], reference_levels(), lineage(), "fluoroscopy", "kap_gycm2", UNIT, size
    )


def around(middle: float, n: int = 41) -> list[float]:
    return [middle * (0.9 + 0.2 * i / (n - 1)) for i in range(n)]


@pytest.mark.parametrize(
    ("middle", "decision"),
    [
        (2.0, Decision.BELOW),  # Belgian DRL of transforaminal injections: 3 Gy·cm²
        (3.0, Decision.UNCERTAIN),
        (4.0, Decision.ABOVE),
    ],
)
def test_a_lumbar_procedure_borrows_the_level_of_its_parent(
    middle: float, decision: Decision
) -> None:
    row = judged(cases(around(middle), "TFESI_L")).row(0, named=True)
    assert row["drl"] == 3.0
    assert row["strength"] == "national"
    assert row["decision"] == decision.value
    assert row["p50"] == pytest.approx(middle)


def test_fewer_than_twenty_cases_get_no_verdict() -> None:
    row = judged(cases(around(9.0, 19), "TFESI_L")).row(0, named=True)
    assert row["decision"] == Decision.TOO_FEW.value


def test_a_childs_dose_is_not_held_against_an_adults_level() -> None:
    both = pl.concat(
        [cases(around(9.0), "TFESI_L", size=CHILD), cases(around(1.0), "TFESI_L", size=ADULT)]
    )
    adults = judged(both).row(0, named=True)
    children = judged(both, CHILD).row(0, named=True)
    assert (adults["n"], adults["decision"]) == (41, Decision.BELOW.value)
    assert (children["n"], children["decision"]) == (41, Decision.NO_REFERENCE.value)


def test_names_that_are_not_mapped_are_no_procedure() -> None:
    frame = pl.concat([cases(around(1.0), "unmapped"), cases(around(1.0), "MBB_L")])
    assert set(judged(frame)["procedure_code"]) == {"MBB_L"}
    assert local_levels(frame, UNIT)["procedure_code"].to_list() == ["MBB_L"]


def test_a_size_bands_own_level_comes_first() -> None:
    heavy = judged(cases(around(2.0), "SIJ_INJ", size="BMI ≥ 30"), "BMI ≥ 30").row(0, named=True)
    assert heavy["achievable"] == 2.09  # Cushman 2016, obese


def test_the_most_frequent_procedure_comes_first_and_verdicts_are_counted() -> None:
    frame = pl.concat(
        [cases(around(4.0), "TFESI_L"), cases(around(1.0, 30), "MBB_L"),
         cases(around(1.0, 30), "MBB_L", "B")]
    )  # fmt: skip
    table = judged(frame)
    assert table["procedure_code"].to_list() == ["MBB_L", "MBB_L", "TFESI_L"]
    assert decisions(table) == {Decision.ABOVE: 1, Decision.BELOW: 2}


def test_own_levels_are_compared_with_saved_ones_of_their_kind_only() -> None:
    today = local_levels(cases(around(2.0), "TFESI_L"), UNIT)
    saved = pl.DataFrame(
        {
            "procedure_code": ["TFESI_L", "TFESI_L"],
            "value": [1.0, 50.0],
            "kind": ["typical value", "typical value"],
            "saved_at": [datetime(2026, 6, 1), datetime(2025, 6, 1)],
        }
    )
    row = against_saved(today, saved).row(0, named=True)
    assert row["saved_value"] == 1.0, "the newest one counts"
    assert row["change"] == pytest.approx(1.0)
    assert row["outside"] is True
    other = against_saved(today, saved.with_columns(pl.lit("local DRL").alias("kind")))
    assert other["change"].to_list() == [None]
    none = against_saved(today, saved.head(0))
    assert none["saved_value"].to_list() == [None]


@given(st.lists(st.sampled_from([ADULT, CHILD, "size unknown"]), min_size=1, max_size=20))
def test_all_adults_and_the_childrens_bands_share_nothing(sizes: list[str]) -> None:
    frame = pl.concat([cases([1.0], "MBB_L", size=size) for size in sizes])
    adults, children = of_size(frame, None), of_size(frame, CHILD)
    assert len(adults) + len(children) == len(frame)


DOSES = pl.DataFrame(
    {
        "site": ["A", "A", "A", "B"],
        "modality": ["CT", "CT", "fluoroscopy", "CT"],
        "region": ["lumbar", "lumbar", "lumbar", "nowhere"],
        "age_years": [None, None, None, None],
        "dlp_mgycm": [100.0, 200.0, None, 100.0],
        "kap_gycm2": [None, None, 2.0, None],
        "n": [3, 1, 5, 7],
    },
    schema_overrides={"age_years": pl.Float64},
)


def test_sums_of_effective_dose_are_those_by_hand() -> None:
    active = active_coefficients(effective_dose_coefficients(), date(2026, 11, 1))
    sums = {row["site"] + row["modality"]: row for row in effective_sums(
        DOSES, active, ["site", "modality"]).to_dicts()}  # fmt: skip
    lumbar_ct = 0.01843  # ICRP 103, PMC7554984
    assert sums["ACT"]["sum_msv"] == pytest.approx((3 * 100 + 200) * lumbar_ct)
    assert sums["ACT"]["sum_low_msv"] == pytest.approx(0.6 * 500 * lumbar_ct)
    assert sums["ACT"]["sum_high_msv"] == pytest.approx(1.4 * 500 * lumbar_ct)
    assert sums["ACT"]["median_msv"] == pytest.approx(100 * lumbar_ct)
    assert sums["ACT"]["icrp"] == [103]
    assert sums["Afluoroscopy"]["sum_msv"] == pytest.approx(5 * 2.0 * 0.33)  # Kim 2009
    assert sums["Afluoroscopy"]["band_high"] == pytest.approx(0.5)
    assert (sums["BCT"]["n"], sums["BCT"]["n_estimated"], sums["BCT"]["sum_msv"]) == (7, 0, None)
    assert sums["BCT"]["median_msv"] is None


@settings(max_examples=25)
@given(st.lists(st.tuples(st.floats(1, 1e4), st.integers(1, 50)), min_size=1, max_size=20))
def test_a_sum_does_not_depend_on_how_cases_are_counted(counted: list[tuple[float, int]]) -> None:
    active = active_coefficients(effective_dose_coefficients(), date(2026, 11, 1))
    frame = pl.DataFrame(
        [("A", "CT", "lumbar", None, value, None, n) for value, n in counted],
        schema=DOSES.schema,
        orient="row",
    )
    places = [place for place, (_, n) in enumerate(counted) for _ in range(n)]
    rows = frame[places].with_columns(n=pl.lit(1, pl.Int64))
    one, many = (effective_sums(f, active, ["site"]).row(0, named=True) for f in (frame, rows))
    assert one["n"] == many["n"]
    assert one["sum_msv"] == pytest.approx(many["sum_msv"])
    assert one["median_msv"] == pytest.approx(many["median_msv"])
    assert np.isfinite(one["sum_msv"])
