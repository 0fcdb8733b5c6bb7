"""What lengthens a procedure: an exact made-up case and the demo's planted factors."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from analytics.regression import LinearFit
from analytics.results import NotComputable
from analytics.workflow_duration import adjusted_duration
from warehouse.access import SYSTEM
from warehouse.connect import current_snapshot
from warehouse.queries import run


def test_a_product_of_factors_is_taken_apart() -> None:
    """Kinds of 20 and 60 min, × 1.25 a level, × 1.2 with a trainee, noise of a thousandth."""
    rng = np.random.default_rng(1)
    n = 200
    kind, level, trainee = rng.integers(0, 2, n), rng.integers(1, 4, n), rng.integers(0, 2, n)
    minutes = np.where(kind == 1, 60, 20) * 1.25 ** (level - 1) * 1.2**trainee
    frame = pl.DataFrame(
        {
            "procedure": np.where(kind == 1, "B", "A"),
            "duration_min": minutes * np.exp(0.001 * rng.standard_normal(n)),
            "n_levels": level.astype(float),
            "trainee": trainee.astype(float),
            "bmi": rng.normal(27, 4, n),
        }
    )
    fit = adjusted_duration(frame)
    assert isinstance(fit, LinearFit)
    ratios = {c.name: c.ratio.value for c in fit.coefficients}
    assert ratios["each further level"] == pytest.approx(1.25, rel=1e-3)
    assert ratios["trainee takes part"] == pytest.approx(1.2, rel=1e-3)
    assert ratios["BMI, each 5 kg/m²"] == pytest.approx(1, rel=1e-3)
    assert isinstance(adjusted_duration(frame.head(5)), NotComputable)


def test_planted_factors_are_found(demo_data: Path) -> None:
    """docs/demo-data.md: trainee × 1.22, each level × 1.25, nothing for BMI."""
    snapshot = current_snapshot(demo_data / "snapshots")
    assert snapshot is not None
    fit = adjusted_duration(run("times_drawn", snapshot, SYSTEM, most=3_000))
    assert isinstance(fit, LinearFit)
    found = {c.name: c.ratio for c in fit.coefficients}
    for name, planted in (("trainee takes part", 1.22), ("each further level", 1.25)):
        assert found[name].value == pytest.approx(planted, abs=0.05)
    size = found["BMI, each 5 kg/m²"]
    assert size.low is not None and size.high is not None and size.low < 1.01 < size.high + 0.02
