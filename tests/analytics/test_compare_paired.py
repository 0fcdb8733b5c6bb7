"""The same patients over time, within one group and between groups."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import pytest

from analytics.compare_paired import compare_paired
from analytics.comparison import Equivalence
from analytics.paired import friedman, wilcoxon_signed_rank
from analytics.results import Estimate, NotComputable, TestResult
from analytics.workbench import OUTCOMES, analyse, strata_frame
from tests.analytics.oracle import ORACLE, case
from tests.analytics.test_compare import OVERCLAIMS, check_sound


def visits(values: Mapping[str, Sequence[float | None]]) -> pl.DataFrame:
    rows = [
        {"subject": str(i), "time": time, "value": value}
        for time, column in values.items()
        for i, value in enumerate(column)
    ]
    return pl.DataFrame(rows, schema={"subject": pl.String, "time": pl.String, "value": pl.Float64})


def nrs() -> pl.DataFrame:
    case("wsr_nrs_134")
    frame = pl.read_csv(ORACLE / "paired_nrs_134.csv").rename({"id": "subject"})
    return frame.unpivot(index="subject", variable_name="time", value_name="value")


def test_two_times_give_the_exact_signed_rank_test():
    expected = case("wsr_nrs_134")["expected"]
    found = compare_paired(nrs(), "score", "Pain", times=["nrs_base", "nrs_1month"])
    assert isinstance(found.test, TestResult)
    assert found.test.p_value == pytest.approx(expected["p_exact_ties"], rel=1e-9)
    change = found.effects[0].estimate
    assert isinstance(change, Estimate) and change.value == -expected["walsh_median_nonzero"]
    assert "regression to the mean" in found.sentence
    assert not OVERCLAIMS.search(found.sentence)


def test_three_times_give_friedman_and_holm_pairs():
    expected = case("friedman_nrs")["expected"]
    found = compare_paired(nrs(), "score", "Pain")
    assert isinstance(found.test, TestResult)
    assert found.test.statistic == pytest.approx(expected["chi2"], rel=1e-9)
    assert [(p.first, p.second) for p in found.pairs] == [
        ("nrs_1month", "nrs_15min"),
        ("nrs_1month", "nrs_base"),
        ("nrs_15min", "nrs_base"),
    ]
    assert all(p.p_adjusted >= p.test.p_value for p in found.pairs)


def test_groups_over_time_keep_missing_visits():
    case("mixed_vas")
    frame = pl.read_csv(ORACLE / "longitudinal_vas.csv", null_values="NA").rename(
        {"id": "subject", "modality": "group", "vas": "value"}
    )
    found = compare_paired(frame, "score", "VAS", groups=["CT", "Fluoroscopy"])
    assert found.design == "repeated" and len(found.pairs) == 4
    assert isinstance(found.test, TestResult) and found.test.n == 226
    assert "changes over time" in found.sentence
    assert found.left_out[0].n == frame["value"].null_count()


def test_counted_patterns_give_what_visits_give():
    rng = np.random.default_rng(3)
    rows = pl.DataFrame(
        {
            "group": rng.choice(["CT", "fluoroscopy"], 300),
            "t0": rng.integers(4, 9, 300).astype(float),
            "t1": rng.integers(0, 6, 300).astype(float),
            "t2": [None if v > 4 else float(v) for v in rng.integers(0, 6, 300)],
        }
    )
    patterns = rows.group_by(rows.columns).agg(count=pl.len())
    long = [
        frame.with_row_index("subject").unpivot(
            ["t0", "t1", "t2"], index=[c for c in frame.columns if c[0] != "t"] + ["subject"],
            variable_name="time",
        )
        for frame in (rows, patterns)
    ]  # fmt: skip
    for groups in (None, ["CT", "fluoroscopy"]):
        by_rows, by_counts = (
            compare_paired(frame, "score", "Pain", groups=groups) for frame in long
        )
        assert isinstance(by_rows.test, TestResult) and isinstance(by_counts.test, TestResult)
        assert by_counts.test.statistic == pytest.approx(by_rows.test.statistic, rel=1e-6)
        assert by_counts.left_out == by_rows.left_out and by_counts.checks == by_rows.checks
        for one, other in zip(by_rows.pairs, by_counts.pairs, strict=True):
            assert other.test.p_value == pytest.approx(one.test.p_value, rel=1e-6)


def test_incomplete_patients_are_counted():
    data = visits({"a": [1, 2, 3, None, 5, 6.0], "b": [2, 4, 4, 5, None, 9.0]})
    found = compare_paired(data, "score", "Pain")
    assert (found.left_out[0].group, found.left_out[0].n) == ("patients", 2)
    assert "Left out: 2 patients (no value at one of the times)." in found.sentence


def test_a_margin_of_the_change_is_tested():
    rng = np.random.default_rng(1)
    base = rng.normal(5, 1, 80)
    data = visits({"before": base.tolist(), "after": (base + rng.normal(0, 0.5, 80)).tolist()})
    found = compare_paired(data, "score", "Pain", margin=(-1, 1))
    assert isinstance(found.equivalence, Equivalence) and found.equivalence.supported


EDGES: dict[str, dict[str, list[float | None]]] = {
    "nothing": {},
    "one time": {"a": [1.0, 2.0]},
    "no change": {"a": [1.0, 2.0], "b": [1.0, 2.0]},
    "one patient": {"a": [1.0], "b": [2.0]},
    "constant change": {"a": [1.0, 2.0, 3.0], "b": [2.0, 3.0, 4.0]},
    "no complete patient": {"a": [1.0, None], "b": [None, 2.0]},
    "infinite": {"a": [1.0, np.inf], "b": [2.0, 3.0]},
    "three constant": {"a": [1.0] * 4, "b": [1.0] * 4, "c": [1.0] * 4},
    "huge": {"a": [1e308, -1e308], "b": [-1e308, 1e308]},
}


@pytest.mark.parametrize("name", EDGES)
def test_odd_visits_give_a_reason_or_a_sound_result(name):
    found = compare_paired(visits(EDGES[name]), "score", "Pain")
    check_sound(found)
    if isinstance(found.test, NotComputable):
        assert found.test.reason.startswith("cannot be computed, because ")


def test_a_patient_twice_at_one_time_is_refused():
    twice = pl.concat([visits({"a": [1.0, 2.0], "b": [2.0, 4.0]}), visits({"a": [3.0]})])
    found = compare_paired(twice, "score", "Pain")
    assert isinstance(found.test, NotComputable) and "twice" in found.test.reason


def test_the_functions_below_take_the_rows_in_any_order():
    rng = np.random.default_rng(9)
    matrix = rng.integers(0, 10, (30, 3)).astype(float)
    order = rng.permutation(30)
    assert friedman(matrix) == friedman(matrix[order])
    change = matrix[:, 0] - matrix[:, 1]
    assert wilcoxon_signed_rank(change) == wilcoxon_signed_rank(change[order])


def counted(seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    frames = [
        pl.DataFrame({"stratum": s, "group": g, "value": rng.lognormal(3 + shift, 0.4, n).round()})
        for s, n in (("p1", 40), ("p2", 60), ("p3", 4))
        for g, shift in (("CT", 0.3), ("fluoroscopy", 0.0))
    ]
    return pl.concat(frames).group_by("stratum", "group", "value").agg(count=pl.len())


def test_the_workbench_tests_whole_and_strata():
    duration = next(o for o in OUTCOMES if o.key == "duration_min")
    found = analyse(counted(2), duration, ["CT", "fluoroscopy"])
    assert [name for name, _ in found.strata] == ["p1", "p2"] and found.small_strata == 1
    assert all(c.family_size == 2 and c.p_adjusted is not None for _, c in found.strata)
    assert found.overall.groups[0].n == 104
    forest = strata_frame(found)
    assert forest["stratum"].to_list() == ["p1", "p2", "All"]
    assert (forest["low"] < forest["value"]).all() and (forest["value"] < forest["high"]).all()


def test_a_dose_outcome_says_which_index_it_is():
    for outcome in OUTCOMES:
        assert (outcome.index is not None) == (outcome.kind == "dose")


def test_kajdis_responders_give_mcnemar_with_tangos_interval():
    # 27 gained and 10 lost response of 134: difference +12.7 points, Tango 4.0 to 21.6
    before = [1.0] * 56 + [0.0] * 78
    after = [1.0] * 46 + [0.0] * 10 + [1.0] * 27 + [0.0] * 51
    found = compare_paired(visits({"15 min": before, "1 month": after}), "binary", "Response")
    difference = found.effects[0].estimate
    assert isinstance(difference, Estimate)
    assert difference.value == pytest.approx(17 / 134)
    assert difference.low == pytest.approx(0.040, abs=1e-3)
    assert difference.high == pytest.approx(0.216, abs=1e-3)
    assert "27 gained and 10 lost it." in found.sentence
    assert isinstance(found.test, TestResult) and found.test.p_value < 0.01


def test_three_answers_give_cochran_q():
    rng = np.random.default_rng(3)
    answers = {
        t: (rng.random(40) < p).astype(float).tolist()
        for t, p in zip("abc", (0.3, 0.5, 0.8), strict=True)
    }
    found = compare_paired(visits(answers), "binary", "Response")
    assert found.method == "Cochran Q" and isinstance(found.test, TestResult)
    broken = compare_paired(visits({"a": [1.0, 2.0], "b": [0.0, 1.0]}), "binary", "Response")
    assert isinstance(broken.test, NotComputable) and "neither 0 nor 1" in broken.sentence
