"""Medians against reference levels, percentiles, local levels."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.frequency import quantile_interval
from analytics.reference_levels import (
    Benchmarks,
    Decision,
    LocalLevel,
    choose_benchmarks,
    decide,
    judge,
    local_level,
    median_of,
    typical_values,
)
from analytics.results import Estimate, NotComputable
from warehouse.reference import reference_levels

KAP = "kap_gycm2"


def _median(value: float, low: float, high: float, n: int = 50) -> Estimate:
    return Estimate(value, low, high, n, "", "Gy·cm²")


@pytest.mark.parametrize(
    ("median", "levels", "decision"),
    [
        (_median(6, 5.5, 7), Benchmarks(drl=5, achievable=3), Decision.ABOVE),
        (_median(6, 4.5, 7), Benchmarks(drl=5, achievable=3), Decision.UNCERTAIN),
        (_median(4.5, 4, 5.5), Benchmarks(drl=5, achievable=3), Decision.UNCERTAIN),
        (_median(4, 3.5, 4.5), Benchmarks(drl=5, achievable=3), Decision.OPTIMISE),
        (_median(3, 2.5, 3.5), Benchmarks(drl=5, achievable=3), Decision.WITHIN),
        (_median(1.4, 1, 1.8), Benchmarks(drl=5, achievable=3), Decision.LOW),
        (_median(1.6, 1, 1.8), Benchmarks(drl=5, achievable=3), Decision.WITHIN),
        (_median(1.6, 1, 1.8), Benchmarks(drl=5, achievable=3, low=2), Decision.LOW),
        (_median(4, 3.5, 4.5), Benchmarks(drl=5), Decision.BELOW),
        (_median(4, 3.5, 4.5), Benchmarks(achievable=3), Decision.ABOVE_MEDIAN),
        (_median(4, 2.5, 4.5), Benchmarks(achievable=3), Decision.UNCERTAIN),
        (_median(4, 3.5, 4.5), Benchmarks(), Decision.NO_REFERENCE),
        (_median(60, 50, 70, n=19), Benchmarks(drl=5), Decision.TOO_FEW),
        (NotComputable("no value"), Benchmarks(drl=5), Decision.TOO_FEW),
    ],
)
def test_decision_table(
    median: Estimate | NotComputable, levels: Benchmarks, decision: Decision
) -> None:
    assert decide(median, levels) is decision
    assert decision.action


def test_a_verdict_needs_twenty_cases_and_says_how_many_there_are() -> None:
    few = judge([9.0] * 19, Benchmarks(drl=5), "Gy·cm²")
    assert few.wording == "too few to judge (n = 19)"
    assert judge([9.0] * 20, Benchmarks(drl=5), "Gy·cm²").decision is Decision.ABOVE
    assert judge([], Benchmarks(drl=5), "Gy·cm²").decision is Decision.TOO_FEW


def test_national_level_before_a_centres_quartile() -> None:
    """Hustinx 2018 cites the Belgian national DRL 0.5 Gy·cm²; the hospital's P75 is 0.55."""
    levels = choose_benchmarks(reference_levels(), "fluoroscopy", ["ESI_UNSPEC"], KAP)
    assert (levels.drl, levels.strength) == (0.5, "national")
    biopsy = choose_benchmarks(reference_levels(), "CT", ["BX_SPINE_L"], "dlp_mgycm")
    assert biopsy.strength == "orientation"
    assert biopsy.drl == 619
    assert set(biopsy.reference_ids) <= set(reference_levels()["reference_id"])


def test_level_of_the_size_band_and_of_the_parent_procedure() -> None:
    obese = choose_benchmarks(
        reference_levels(), "fluoroscopy", ["SIJ_INJ"], KAP, size_band="BMI ≥ 30"
    )
    assert obese.achievable == 2.09
    assert choose_benchmarks(reference_levels(), "fluoroscopy", ["SIJ_INJ"], KAP) == Benchmarks()
    codes = ["TFESI_L", "TFESI_UNSPEC"]
    assert choose_benchmarks(reference_levels(), "fluoroscopy", codes, KAP).drl == 3.0


def test_a_level_begins_on_its_day() -> None:
    before, after = date(2010, 12, 31), date(2011, 1, 1)
    code = ["MBB_UNSPEC"]
    assert choose_benchmarks(reference_levels(), "fluoroscopy", code, KAP, on=before).drl is None
    assert choose_benchmarks(reference_levels(), "fluoroscopy", code, KAP, on=after).drl == 2.5


def test_units_of_the_shipped_levels_are_canonical() -> None:
    pairs = reference_levels().select("dose_index", "unit").unique().rows()
    assert sorted(pairs) == [
        ("air_kerma_mgy", "mGy"),
        ("ctdi_vol_mgy", "mGy"),
        ("dlp_mgycm", "mGy·cm"),
        ("effective_dose_msv", "mSv"),
        ("entrance_skin_dose_mgy", "mGy"),
        ("fluoro_time_s", "s"),
        ("kap_gycm2", "Gy·cm²"),
    ]
    time = reference_levels().filter(
        (pl.col("procedure_code") == "VP") & (pl.col("dose_index") == "fluoro_time_s")
    )
    assert 660.0 in time["value"].to_list()  # 11 min, Etard 2017


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_typical_values_agree_with_the_exact_quantiles(values: list[float]) -> None:
    cases = pl.DataFrame({"room": "R1", KAP: [*values, None, float("nan"), -1.0]}, strict=False)
    row = typical_values(cases, KAP, ["room"]).row(0, named=True)
    expected = quantile_interval(values, 0.5)
    assert isinstance(expected, Estimate)
    assert row["n"] == len(values)
    assert row["p50"] == pytest.approx(expected.value)
    assert (row["median_low"], row["median_high"]) == (expected.low, expected.high)
    assert row["p99"] == pytest.approx(float(np.quantile(values, 0.99)))
    assert median_of(row, "Gy·cm²").low == expected.low


def test_typical_values_of_nothing() -> None:
    cases = pl.DataFrame({"room": ["R1"], KAP: [None]}, schema={"room": pl.String, KAP: pl.Float64})
    assert typical_values(cases, KAP, ["room"]).height == 0


def _rooms(n_rooms: int, n: int = 25) -> pl.DataFrame:
    """Return rooms whose medians are 1, 2, 3 …, and one with too few cases."""
    rows = [("S", f"R{r}", float(r)) for r in range(1, n_rooms + 1) for _ in range(n)]
    rows += [("S", "small", 99.0)] * 3
    return pl.DataFrame(rows, schema=["site", "room", KAP], orient="row")


def test_local_level_is_p75_of_room_medians_or_a_typical_value() -> None:
    local = local_level(_rooms(12), KAP, "Gy·cm²")
    assert isinstance(local, LocalLevel)
    assert (local.kind, local.rooms, local.rooms_left_out) == ("local DRL", 12, 1)
    assert local.level.value == pytest.approx(9.25)  # type 7 of 1 … 12
    typical = local_level(_rooms(3), KAP, "Gy·cm²")
    assert isinstance(typical, LocalLevel)
    assert (typical.kind, typical.level.value) == ("typical value", 2.0)
    assert isinstance(local_level(_rooms(3, n=5), KAP, "Gy·cm²"), NotComputable)
