"""Prediction of response: coefficients, what validation takes off, calibration, readers."""

import numpy as np
import polars as pl
import pytest

from analytics.diagnostic import Diagnostic
from analytics.prediction import FOLDS, Prediction, calibration, encoded, predict
from analytics.readers import (
    ICC_WORDS,
    KAPPA_WORDS,
    Agreement,
    agreement,
    read_twice,
    word,
)
from analytics.results import Estimate, NotComputable


def made(n: int, noise_columns: int = 0, seed: int = 3) -> tuple[list[bool], pl.DataFrame]:
    """Draw patients of whom those with oedema respond with odds 4 times as high."""
    rng = np.random.default_rng(seed)
    oedema, age = rng.random(n) < 0.4, rng.normal(50, 12, n)
    logit = -0.6 + np.log(4) * oedema + 0.0 * age
    response = rng.random(n) < 1 / (1 + np.exp(-logit))
    noise = {f"noise {i}": rng.normal(size=n) for i in range(noise_columns)}
    table = pl.DataFrame({"oedema": np.where(oedema, "yes", "no"), "age_years": age, **noise})
    return response.tolist(), table


def predicted(found: Prediction | NotComputable) -> Prediction:
    assert isinstance(found, Prediction), found
    return found


def test_a_two_by_two_table_gives_its_odds_ratio() -> None:
    """On paper: of 30 with oedema 20 respond, of 50 without 10: OR = (20·40)/(10·10) = 8.

    At cut 1/2 those with oedema are predicted to respond: sensitivity 20/30, specificity 40/50,
    PPV 20/30, NPV 40/50; each fold knows the same two groups, so validation says the same.
    """
    oedema = ["yes"] * 30 + ["no"] * 50
    response = [True] * 20 + [False] * 10 + [True] * 10 + [False] * 40
    found = predicted(predict(response, pl.DataFrame({"oedema": oedema})))
    (_, coefficient) = found.fit.coefficients
    assert coefficient.name == "oedema: yes" and found.references == {"oedema": "no"}
    assert coefficient.ratio.value == pytest.approx(8)
    for judged in (found.apparent, found.validated):
        measures = judged.accuracy
        assert isinstance(measures, Diagnostic)
        assert (measures.tp, measures.fp, measures.fn, measures.tn) == (20, 10, 10, 40)
        assert isinstance(measures.ppv, Estimate) and measures.ppv.value == pytest.approx(2 / 3)
        assert isinstance(measures.npv, Estimate) and measures.npv.value == pytest.approx(0.8)
    assert not isinstance(found.apparent.slope, NotComputable)
    assert found.apparent.slope.coefficient.value == pytest.approx(1), "by construction of the fit"


def test_validation_takes_off_what_noise_had_added() -> None:
    response, table = made(120, noise_columns=15)
    found = predicted(predict(response, table))
    apparent, validated = found.apparent.auc, found.validated.auc
    assert isinstance(apparent, Estimate) and isinstance(validated, Estimate)
    assert apparent.value - validated.value > 0.05
    assert found.validated.brier > found.apparent.brier
    slope = found.validated.slope
    assert not isinstance(slope, NotComputable)
    assert slope.coefficient.value < 0.9, "an overfitted model spreads its predictions too far"
    assert predicted(predict(response, table)).validated == found.validated, "repeatable"


def test_separated_data_are_fitted_by_firth() -> None:
    response = [False] * 40 + [True] * 30
    table = pl.DataFrame({"mark": ["no"] * 40 + ["yes"] * 30})
    found = predicted(predict(response, table))
    assert found.fit.separated and found.separated_folds == FOLDS
    ratio = found.fit.coefficients[1].ratio
    assert np.isfinite(ratio.value) and ratio.low is not None and ratio.low > 10


def test_what_cannot_be_computed_is_said() -> None:
    assert isinstance(predict([True, False] * 3, pl.DataFrame({"x": range(6)})), NotComputable)
    few = predict([True] * 5 + [False] * 60, pl.DataFrame({"x": np.arange(65.0) % 7}))
    assert isinstance(few, NotComputable) and "too few for 10 folds" in few.reason
    many = predict([True, False] * 100, pl.DataFrame({"x": [f"v{i % 20}" for i in range(200)]}))
    assert isinstance(many, NotComputable) and "too many" in many.reason


def test_rare_levels_and_gaps_leave_the_row_out() -> None:
    table = pl.DataFrame({"x": ["a"] * 6 + ["b"] * 5 + ["c"] * 2 + [None], "bmi": [25.0] * 14})
    columns, references = encoded(table)
    assert references == {"x": "a"} and list(columns) == ["x: b", "BMI, each 5 kg/m²"]
    assert np.isnan(columns["x: b"]).sum() == 3 and columns["BMI, each 5 kg/m²"][0] == 5


def test_calibration_counts_each_patient_once() -> None:
    """Of four predicted at 0.2 one responds, of four at 0.8 three."""
    frame = calibration(np.array([1, 0, 0, 0, 1, 1, 1, 0.0]), np.array([0.2] * 4 + [0.8] * 4))
    assert frame.select("predicted", "observed", "n").rows() == [
        (pytest.approx(0.2), 0.25, 4), (pytest.approx(0.8), 0.75, 4),
    ]  # fmt: skip


def test_columns_read_twice_are_found_by_their_names() -> None:
    names = ["oedema_reader_1", "oedema_reader_2", "slip mm R1", "slip mm R2", "reader_1", "x_r1"]
    assert read_twice(names) == {
        "oedema": ("oedema_reader_1", "oedema_reader_2"), "slip mm": ("slip mm R1", "slip mm R2"),
    }  # fmt: skip


def test_readers_agree_as_computed_by_hand() -> None:
    """Ten cases: both yes 4, both no 4, split 1 and 1. Raw 0.8, by chance 0.5, κ = 0.6."""
    first = ["yes"] * 5 + ["no"] * 5 + [None]
    second = ["yes"] * 4 + ["no", "yes"] + ["no"] * 4 + ["yes"]
    found = agreement(first, second)
    assert isinstance(found, Agreement) and (found.n, found.left_out) == (10, 1)
    assert found.kappa is not None and not isinstance(found.kappa, NotComputable)
    assert isinstance(found.kappa.kappa, Estimate)
    assert found.kappa.kappa.value == pytest.approx(0.6)
    assert word(0.6, KAPPA_WORDS) == "moderate" and word(0.605, KAPPA_WORDS) == "moderate"
    assert word(0.94, KAPPA_WORDS) == "almost perfect" and word(0.0, KAPPA_WORDS) == "poor"


def test_grades_are_weighted_and_measurements_get_an_icc() -> None:
    grades = agreement(["1", "2", "3", "4"] * 3, ["1", "2", "3", "3"] * 3)
    assert isinstance(grades, Agreement) and grades.weighted is not None and grades.icc is None
    lengths = [str(v / 2) for v in range(20)]
    measured = agreement(lengths, [str(float(v) + 0.5) for v in lengths])
    assert isinstance(measured, Agreement) and isinstance(measured.icc, Estimate)
    assert 0.9 < measured.icc.value < 1, "a constant offset counts against absolute agreement"
    assert word(measured.icc.value, ICC_WORDS) == "excellent"
