"""Differences within strata against metafor, base R and the rows."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.casemix import (
    adjusted_mean,
    adjusted_share,
    exponential,
    mantel_haenszel_difference,
    stratified_mean_difference,
)
from analytics.results import Estimate, NotComputable

#: UCBAdmissions of R by department: men admitted, rejected, women admitted, rejected.
BERKELEY = np.array(
    [
        [512, 313, 89, 19], [353, 207, 17, 8], [120, 205, 202, 391],
        [138, 279, 131, 244], [53, 138, 94, 299], [22, 351, 24, 317],
    ],
    dtype=float,
)  # fmt: skip
#: Vaccine trials of Colditz 1994 (dat.bcg of metafor): events and members, vaccinated and not.
BCG = np.array(
    [
        [4, 123, 11, 139], [6, 306, 29, 303], [3, 231, 11, 220], [62, 13598, 248, 12867],
        [33, 5069, 47, 5808], [180, 1541, 372, 1451], [8, 2545, 10, 629],
        [505, 88391, 499, 88391], [29, 7499, 45, 7277], [17, 1716, 65, 1665],
        [186, 50634, 141, 27338], [5, 2498, 3, 2341], [27, 16913, 29, 17854],
    ],
    dtype=float,
)  # fmt: skip


def test_risk_difference_agrees_with_metafor() -> None:
    """R: rma.mh(measure = "RD", …) on dat.bcg, and the estimate on UCBAdmissions."""
    found = mantel_haenszel_difference(*BCG.T)
    assert isinstance(found, Estimate)
    assert found.value == pytest.approx(-0.003288181832613, rel=1e-9)
    assert found.low == pytest.approx(-0.00385001873565201, rel=1e-6)
    assert found.high == pytest.approx(-0.00272634492957399, rel=1e-6)
    men, women = BERKELEY[:, :2].sum(axis=1), BERKELEY[:, 2:].sum(axis=1)
    berkeley = mantel_haenszel_difference(BERKELEY[:, 0], men, BERKELEY[:, 2], women)
    assert isinstance(berkeley, Estimate)
    assert berkeley.value == pytest.approx(-0.0184251961908525, rel=1e-9)


def test_double_zero_strata_shrink_the_difference() -> None:
    """R: rma.mh(measure = "RD") with ai 0 0 1 2, ci 0 0 3 1, n 25 20 60 55 in both arms."""
    events, others = np.array([0.0, 0, 1, 2]), np.array([0.0, 0, 3, 1])
    n = np.array([25.0, 20, 60, 55])
    found = mantel_haenszel_difference(events, n, others, n)
    assert isinstance(found, Estimate)
    assert (found.value, found.low) == pytest.approx((-0.00625, -0.0382428446112839), rel=1e-6)


def strata_of(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.group_by("group", "stratum").agg(
        n=pl.len(), mean=pl.col("value").mean(), variance=pl.col("value").var()
    )


def rows_with_case_mix() -> pl.DataFrame:
    """Make groups that differ by 1 within each stratum, and by far more without strata."""
    rng = np.random.default_rng(3)
    parts = [("CT", "a", 100, 11), ("CT", "b", 20, 2), ("XA", "a", 15, 10), ("XA", "b", 120, 1)]
    return pl.concat(
        pl.DataFrame({"group": g, "stratum": s, "value": rng.normal(mean, 1, n)})
        for g, s, n, mean in parts
    )


def test_case_mix_is_taken_out() -> None:
    rows = rows_with_case_mix()
    found = adjusted_mean(strata_of(rows), "CT", "XA")
    assert isinstance(found.crude, Estimate) and isinstance(found.adjusted, Estimate)
    ct, xa = (rows.filter(pl.col("group") == g)["value"].to_numpy() for g in ("CT", "XA"))
    assert found.crude.value == pytest.approx(ct.mean() - xa.mean())
    from scipy import stats

    welch = stats.ttest_ind(ct, xa, equal_var=False).confidence_interval()
    assert (found.crude.low, found.crude.high) == pytest.approx((welch.low, welch.high))
    assert found.adjusted.low is not None and found.adjusted.high is not None
    assert found.adjusted.low < 1 < found.adjusted.high < found.crude.value
    assert (found.n, found.n_strata, found.n_left_out) == (255, 2, 0)


def test_strata_of_one_group_and_unnamed_strata_are_left_out_and_counted() -> None:
    rows = rows_with_case_mix()
    alone = pl.DataFrame({"group": "CT", "stratum": "c", "value": [50.0, 60.0]})
    unnamed = pl.DataFrame(
        {"group": ["CT", "CT", "XA", "XA"], "stratum": [None] * 4, "value": [1.0, 2, 3, 4]},
        schema_overrides={"stratum": pl.String},
    )
    more = adjusted_mean(strata_of(pl.concat([rows, alone, unnamed])), "CT", "XA")
    assert more.adjusted == adjusted_mean(strata_of(rows), "CT", "XA").adjusted
    assert (more.n_strata, more.n_left_out) == (2, 6)


def test_shares_without_and_with_strata() -> None:
    departments = [f"d{i}" for i in range(6)]
    frame = pl.concat(
        pl.DataFrame(
            {"group": sex, "stratum": departments, "events": BERKELEY[:, at],
             "n": BERKELEY[:, at] + BERKELEY[:, at + 1]}
        )
        for sex, at in (("men", 0), ("women", 2))
    )  # fmt: skip
    found = adjusted_share(frame, "men", "women")
    assert isinstance(found.crude, Estimate) and isinstance(found.adjusted, Estimate)
    assert found.crude.value == pytest.approx(1198 / 2691 - 557 / 1835)
    assert found.crude.method == "Newcombe"
    assert found.adjusted.value == pytest.approx(-0.0184251961908525)


def test_logarithms_become_ratios_without_a_unit() -> None:
    found = exponential(Estimate(np.log(2), np.log(1.5), None, 9, "m", "mSv"))
    assert isinstance(found, Estimate)
    assert (found.value, found.low, found.high, found.unit) == (
        pytest.approx(2), pytest.approx(1.5), None, "",
    )  # fmt: skip


@given(
    st.lists(
        st.tuples(st.integers(2, 50), st.integers(2, 50), st.floats(-5, 5), st.floats(0.1, 4)),
        min_size=1,
        max_size=6,
    ),
    st.floats(-3, 3),
)
def test_a_constant_shift_in_every_stratum_is_found_exactly(
    strata: list[tuple[int, int, float, float]], shift: float
) -> None:
    n1, n2, mean, variance = (np.array(column, dtype=float) for column in zip(*strata, strict=True))
    found = stratified_mean_difference(n1, mean + shift, variance, n2, mean, variance)
    assert isinstance(found, Estimate) and found.low is not None and found.high is not None
    assert found.value == pytest.approx(shift, abs=1e-9)
    assert found.low < found.value < found.high
    swapped = stratified_mean_difference(n2, mean, variance, n1, mean + shift, variance)
    assert isinstance(swapped, Estimate) and swapped.high == pytest.approx(-found.low, abs=1e-9)


def test_refusals() -> None:
    empty = np.array([])
    one = np.array([1.0])
    assert isinstance(mantel_haenszel_difference(empty, empty, empty, empty), NotComputable)
    nobody = mantel_haenszel_difference(np.array([0.0]), one * 9, np.array([0.0]), one * 9)
    assert isinstance(nobody, NotComputable)
    constant = stratified_mean_difference(one * 5, one, one * 0, one * 5, one, one * 0)
    assert isinstance(constant, NotComputable)
    single = stratified_mean_difference(one, one, one, one * 5, one, one)
    assert isinstance(single, NotComputable)
