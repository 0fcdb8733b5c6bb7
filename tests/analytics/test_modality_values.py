"""Strata and values of the modality comparison from counted values, by hand."""

import numpy as np
import polars as pl
import pytest

from analytics.modality_values import values_and_strata

ACTIVE = pl.DataFrame(
    {
        "modality": ["CT"], "region": ["lumbar"], "dose_index": ["dlp_mgycm"],
        "age_from_years": [16], "coefficient": [0.02], "band_fraction": [0.4], "icrp": [103],
        "source": ["a"],
    }
)  # fmt: skip
#: Four CT cases of procedure A, one of no known procedure; measure, procedure, value, n.
COUNTED = [
    ("dlp_mgycm", "A", 50.0, 3), ("dlp_mgycm", "A", None, 1), ("dlp_mgycm", None, 70.0, 1),
    ("duration_min", "A", 10.0, 2), ("duration_min", "A", 20.0, 1), ("duration_min", "A", 0.0, 1),
    ("duration_min", None, 10.0, 1),
    ("satisfaction", "A", 4.0, 1), ("satisfaction", "A", 3.0, 2), ("satisfaction", "A", None, 1),
    ("satisfaction", None, None, 1),
    ("complication", "A", 1.0, 1), ("complication", "A", 0.0, 2), ("complication", "A", None, 1),
    ("complication", None, 0.0, 1),
    ("pain_relief_1mo", "A", 3.0, 1), ("pain_relief_1mo", "A", None, 3),
    ("pain_relief_1mo", None, None, 1),
]  # fmt: skip


def counted() -> pl.DataFrame:
    return pl.DataFrame(
        [("CT", *row, "lumbar" if row[1] == "A" else None, None) for row in COUNTED],
        schema={
            "modality": pl.String, "measure": pl.String, "procedure": pl.String,
            "value": pl.Float64, "n": pl.Int64, "region": pl.String, "age_years": pl.Float64,
        },
        orient="row",
    )  # fmt: skip


def test_strata_hold_each_outcome_with_those_that_have_it() -> None:
    _, strata = values_and_strata(counted(), ACTIVE)
    rows = {row["procedure"]: row for row in strata.iter_rows(named=True)}
    mapped, unmapped = rows["A"], rows[None]
    assert (mapped["n"], unmapped["n"]) == (4, 1)
    logs = np.log([10.0, 10, 20])  # a duration of 0 has no logarithm
    assert mapped["duration_n"] == 3
    assert mapped["duration_mean"] == pytest.approx(logs.mean())
    assert mapped["duration_variance"] == pytest.approx(logs.var(ddof=1))
    assert (mapped["satisfaction_n"], mapped["satisfaction_events"]) == (3, 1)
    assert (mapped["complication_n"], mapped["complication_events"]) == (3, 1)
    assert (mapped["pain_n"], mapped["pain_mean"], mapped["pain_variance"]) == (1, 3, None)
    assert (mapped["effective_dose_n"], unmapped["effective_dose_n"]) == (3, 0)
    assert (unmapped["duration_n"], unmapped["pain_n"], unmapped["satisfaction_n"]) == (1, 0, 0)


def test_values_are_those_of_the_modality_whatever_the_procedure() -> None:
    values, _ = values_and_strata(counted(), ACTIVE)
    found = {(m, v): n for m, _, v, n in values.rows()}
    assert found["duration_min", 10.0] == 3
    assert found["effective_dose_msv", 1.0] == 3 and found["effective_dose_msv", None] == 2
    assert sum(n for (measure, _), n in found.items() if measure == "satisfaction") == 5
