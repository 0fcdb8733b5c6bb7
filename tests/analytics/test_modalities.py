"""The modality comparison as a whole: outcomes, effective dose, refusals, histograms."""

import numpy as np
import polars as pl
import pytest

from analytics.dose import DoseIndex
from analytics.modalities import (
    compare_modalities,
    describe_index,
    histogram,
    refuse_machine_output,
)
from analytics.modality_values import effective_doses
from analytics.results import Estimate, NotComputable

ACTIVE = pl.DataFrame(
    {
        "modality": ["CT", "fluoroscopy"], "region": ["lumbar", "lumbar"],
        "dose_index": ["dlp_mgycm", "kap_gycm2"], "age_from_years": [16, 16],
        "coefficient": [0.02, 0.3], "band_fraction": [0.4, 0.5], "icrp": [103, 60],
        "source": ["a", "b"],
    }
)  # fmt: skip
DOSES = pl.DataFrame(
    {
        "modality": ["CT", "CT", "CT", "fluoroscopy", "fluoroscopy"],
        "procedure": ["A", "A", "B", "A", "A"],
        "region": ["lumbar", "lumbar", "limb", "lumbar", "lumbar"],
        "age_years": pl.Series([None] * 5, dtype=pl.Float64),
        "dlp_mgycm": [50.0, 100.0, 70.0, None, None],
        "kap_gycm2": [None, None, None, 2.0, None],
        "n": [3, 1, 4, 5, 2],
    }
)


def counted(measure: str, **groups: list[float | None]) -> pl.DataFrame:
    return pl.concat(
        pl.DataFrame(
            {"measure": measure, "modality": group, "value": values, "n": 1},
            schema_overrides={"value": pl.Float64, "n": pl.Int64},
        )
        for group, values in groups.items()
    )


def test_effective_dose_counts_every_case_and_says_nothing_without_coefficient() -> None:
    values, strata = effective_doses(DOSES, ACTIVE)
    rows = {(m, None if v is None else round(v, 9)): n for _, m, v, n in values.rows()}
    assert rows == {
        ("CT", 1.0): 3, ("CT", 2.0): 1, ("CT", None): 4,
        ("fluoroscopy", 0.6): 5, ("fluoroscopy", None): 2,
    }  # fmt: skip
    ct = strata.filter(pl.col("modality") == "CT").row(0, named=True)
    logs = np.log([1.0, 1, 1, 2])
    assert (ct["procedure"], ct["effective_dose_n"]) == ("A", 4)
    assert ct["effective_dose_mean"] == pytest.approx(logs.mean())
    assert ct["effective_dose_variance"] == pytest.approx(logs.var(ddof=1))


def test_outcomes_without_values_are_not_listed_and_p_is_adjusted_over_the_rest() -> None:
    rng = np.random.default_rng(1)
    values = pl.concat(
        [
            counted("duration_min", CT=[*rng.lognormal(3, 0.3, 40)],
                    fluoroscopy=[*rng.lognormal(3.4, 0.3, 40)]),
            counted("complication", CT=[0.0] * 39 + [1.0], fluoroscopy=[0.0] * 40),
            counted("satisfaction", CT=[None] * 3, fluoroscopy=[None] * 3),
        ]
    )  # fmt: skip
    strata = pl.DataFrame(
        {"modality": ["CT", "fluoroscopy"], "procedure": ["A", "A"], "duration_n": [40, 40],
         "duration_mean": [3.0, 3.4], "duration_variance": [0.09, 0.09],
         "complication_n": [40, 40], "complication_events": [1, 0]}
    )  # fmt: skip
    results = compare_modalities(values, strata, ["CT", "fluoroscopy"])
    assert [r.outcome.measure for r in results] == ["duration_min", "complication"]
    assert all(r.comparison.family_size == 2 for r in results)
    duration = results[0].adjusted
    assert duration is not None and isinstance(duration.adjusted, Estimate)
    assert duration.adjusted.value == pytest.approx(np.exp(-0.4))
    assert duration.adjusted.unit == ""


def test_ctdi_and_air_kerma_are_described_and_refused() -> None:
    values = pl.concat(
        [
            counted("ctdi_vol_mgy", CT=[10.0, 12, 14, 20, 31, 8, 9]),
            counted("air_kerma_mgy", fluoroscopy=[11.0, 12, 14, 20, 31, 8, 9]),
        ]
    )
    found = refuse_machine_output(values)
    assert isinstance(found.test, NotComputable) and "effective dose" in found.test.reason
    assert [group.group for group in found.groups] == ["CT", "fluoroscopy"]
    assert isinstance(found.groups[0].median, Estimate)
    alone = describe_index(values, DoseIndex.CTDI_VOL)
    assert isinstance(alone.test, NotComputable) and len(alone.groups) == 1


@pytest.mark.parametrize("log", [True, False])
def test_a_histogram_loses_no_value(log: bool) -> None:
    rng = np.random.default_rng(5)
    values = counted(
        "duration_min", CT=[*np.rint(rng.lognormal(3, 0.5, 500))], ultrasound=[7.0] * 9
    )
    bins = histogram(values, "duration_min", log)
    totals = dict(bins.group_by("modality").agg(pl.col("n").sum()).rows())
    assert totals == {"CT": 500, "ultrasound": 9}
    shares = bins.group_by("modality").agg(pl.col("share").sum())["share"]
    assert shares.to_list() == pytest.approx([1.0, 1.0])
    assert (bins["low"] < bins["high"]).all()


def test_whole_minutes_fall_evenly_into_round_bins() -> None:
    values = counted("duration_min", CT=[float(minute) for minute in range(10, 100)])
    bins = histogram(values, "duration_min", log=False)
    widths = (bins["high"] - bins["low"]).unique().to_list()
    assert len(widths) == 1 and widths[0] == int(widths[0])
    assert bins["n"][1:-1].n_unique() == 1


def test_values_that_a_logarithm_has_no_place_for_are_not_drawn() -> None:
    assert histogram(counted("duration_min", CT=[0.0, -1, None]), "duration_min").is_empty()
    one = histogram(counted("duration_min", CT=[5.0]), "duration_min")
    assert one["n"].sum() == 1
