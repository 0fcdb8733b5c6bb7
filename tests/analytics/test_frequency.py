"""Counts give what rows give."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import effects, means, ranks
from analytics.frequency import (
    Counts,
    doubled_placements,
    quantile,
    quantile_interval,
    tally,
    tally_groups,
    tally_strata,
)
from analytics.guards import UndefinedError
from analytics.moments import moments, skewness
from analytics.results import Estimate, NotComputable
from analytics.shift import BRUTE_FORCE_PAIRS, _select_difference, hodges_lehmann
from tests.analytics.oracle import case, values_by


def test_quantiles_and_intervals_are_those_of_r():
    # R: quantile(x, type = 7); sort(x)[c(k, n - k + 1)] with k = qbinom(.025, n, .5)
    expected = case("descriptives_dose")["expected"]
    dose = values_by("bm_dose")["CT"]
    assert [quantile(dose, q) for q in (0.05, 0.25, 0.75, 0.95)] == pytest.approx(expected["q"])
    median = quantile_interval(dose)
    assert isinstance(median, Estimate)
    assert [median.value, median.low, median.high] == [expected["median"], *expected["median_ci"]]
    assert skewness(dose) == pytest.approx(expected["skew_g1"], rel=1e-10)


def test_few_values_bound_no_median():
    median = quantile_interval([1.0, 2.0, 3.0])
    assert isinstance(median, Estimate)
    assert (median.value, median.low, median.high) == (2.0, None, None)
    assert isinstance(quantile_interval([]), NotComputable)


def test_quantile_interval_covers_at_its_level():
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(600):
        found = quantile_interval(rng.exponential(size=40), 0.75)
        assert isinstance(found, Estimate) and found.low is not None
        hits += found.low <= -np.log(0.25) <= (np.inf if found.high is None else found.high)
    assert hits / 600 > 0.935


numbers = st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 1)), min_size=2, max_size=40)


@settings(max_examples=60, deadline=None)
@given(numbers, st.floats(0, 1))
def test_quantile_is_numpys(values, q):
    assert quantile(values, q) == pytest.approx(np.quantile(values, q), rel=1e-12, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(numbers)
def test_moments_are_numpys(values):
    found = moments(values)
    assert found.mean == pytest.approx(np.mean(values), rel=1e-12, abs=1e-7)
    assert found.variance == pytest.approx(np.var(values, ddof=1), rel=1e-9, abs=1e-7)


@settings(max_examples=40, deadline=None)
@given(numbers, numbers)
def test_placements_count_pairs(x, y):
    a, b = tally(x), tally(y)
    pairs = np.sign(a.values[:, None] - np.array(y)[None, :])
    assert doubled_placements(a, b).tolist() == (pairs + 1).sum(axis=1).astype(int).tolist()


def test_a_counted_table_gives_what_its_rows_give():
    rng = np.random.default_rng(8)
    x, y = rng.lognormal(5, 0.6, 3000).round(0), rng.lognormal(5.1, 0.5, 2500).round(0)
    rows = pl.DataFrame({"group": ["a"] * 3000 + ["b"] * 2500, "value": np.concatenate([x, y])})
    counted = rows.group_by("group", "value").agg(count=pl.len()).sample(fraction=1.0, shuffle=True)
    groups = tally_groups(counted)
    a, b = groups["a"], groups["b"]
    for function in (
        ranks.mann_whitney,
        ranks.brunner_munzel,
        ranks.kruskal_wallis,
        effects.cliffs_delta,
        effects.geometric_mean_ratio,
        effects.hedges_g,
        means.welch_test,
        hodges_lehmann,
    ):
        assert function(a, b) == function(x, y), function


def test_ten_million_rows_neither_overflow_nor_lose_digits():
    values = np.arange(1, 101, dtype=float)
    many = Counts(values, np.full(100, 100_000))
    more = Counts(values + 0.5, np.full(100, 100_000))
    u = ranks.mann_whitney(many, more)
    assert not isinstance(u, NotComputable)
    below = int((values[:, None] > values[None, :] + 0.5).sum())
    assert u.statistic == below * 100_000**2
    delta = effects.cliffs_delta(many, more)
    assert isinstance(delta, Estimate)
    assert delta.value == pytest.approx(2 * below / 10_000 - 1, rel=1e-12)


def test_bisection_finds_what_looking_at_all_differences_finds():
    rng = np.random.default_rng(4)
    a, b = tally(rng.lognormal(5, 0.6, 400).round(1)), tally(rng.lognormal(5.1, 0.5, 300).round(1))
    differences = np.sort(np.subtract.outer(a.rows(), b.rows()).ravel())
    assert len(a.values) * len(b.values) < BRUTE_FORCE_PAIRS
    for k in (1, 2, 777, 60_000, len(differences) - 1, len(differences)):
        assert _select_difference(a, b, k) == pytest.approx(
            differences[k - 1], rel=1e-12, abs=1e-10
        )


def test_groups_keep_their_missing_values():
    frame = pl.DataFrame(
        {
            "stratum": ["p", "p", "p", None],
            "group": ["CT", "CT", None, "CT"],
            "value": [1.5, None, 2.0, 3.0],
            "count": [2, 3, 1, 1],
        }
    )
    ct = tally_strata(frame)["p"]["CT"]
    assert (ct.values.tolist(), ct.n_each.tolist(), ct.missing) == ([1.5], [2], 3)


@pytest.mark.parametrize(
    "values, counts",
    [([1.0], [-1]), ([1.0], [0.5]), ([1.0], [1, 2]), (["a"], [1]), ([[1.0]], [1])],
)
def test_broken_tables_are_refused(values, counts):
    with pytest.raises(UndefinedError):
        tally(values, counts)


def test_words_are_no_values():
    with pytest.raises(UndefinedError, match="not numbers"):
        tally_groups(pl.DataFrame({"group": ["a"], "value": ["much"]}))


def test_extreme_values_have_quantiles():
    assert quantile([-1.5e308, 1.5e308], 0.5) == 0.0
    assert quantile([1e308] * 4, 0.3) == 1e308
    assert isinstance(quantile_interval([-np.inf, np.inf]), NotComputable)
