"""Rank tests against R, and what must hold for any data."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analytics import effects, frequency, ranks
from analytics.results import Estimate, NotComputable, TestResult
from analytics.shift import hodges_lehmann
from tests.analytics.oracle import case, two_groups, values_by

TWO_NUMERIC = [
    "mw_small_noties",
    "mw_hollander_wolfe",
    "mw_nrs_ties",
    "mw_dose_small",
    "mw_dose_big",
    "mw_n1",
    "mw_huge",
    "mw_constant_one_group",
    "mw_missing",
]


def as_test(result: TestResult | NotComputable) -> TestResult:
    assert isinstance(result, TestResult), result
    return result


def as_estimate(result: Estimate | NotComputable) -> Estimate:
    assert isinstance(result, Estimate), result
    return result


@pytest.mark.parametrize("name", TWO_NUMERIC)
def test_mann_whitney_is_that_of_r(name):
    # R: wilcox.test(x, y, exact = FALSE, correct = TRUE); coin::wilcox_test(distribution = "exact")
    expected = case(name)["expected"]
    x, y = two_groups(name)
    asymptotic = as_test(ranks.mann_whitney(x, y, exact=False))
    assert asymptotic.statistic == expected["W"]
    assert asymptotic.p_value == pytest.approx(expected["p_asymptotic_cc"], rel=1e-10)
    if "p_exact_ties_doubled" in expected:
        exact = as_test(ranks.mann_whitney(x, y))
        assert exact.p_value == pytest.approx(expected["p_exact_ties_doubled"], rel=1e-10)
        assert exact.details["p_by_distance"] == pytest.approx(
            expected["p_exact_ties_coin"], rel=1e-10
        )


@pytest.mark.parametrize("name", TWO_NUMERIC)
def test_hodges_lehmann_is_that_of_r(name):
    # R: median(outer(x, y, "-")); exactRankTests::wilcox.exact(conf.int = TRUE)
    expected = case(name)["expected"]
    shift = as_estimate(hodges_lehmann(*two_groups(name)))
    assert shift.value == pytest.approx(expected["hl_pairwise_median"], rel=1e-12, abs=1e-12)
    interval = expected.get("hl_ci_exact_ties")
    if interval:
        assert [shift.low, shift.high] == pytest.approx(interval, rel=1e-12)


def test_shift_of_a_large_sample_has_the_interval_of_r():
    # R: wilcox.test(conf.int = TRUE) searches the same jump points to 1e-4
    expected = case("mw_dose_big")["expected"]
    shift = as_estimate(hodges_lehmann(*two_groups("mw_dose_big")))
    assert [shift.low, shift.high] == pytest.approx(expected["hl_ci_asymptotic_R"], rel=1e-4)


def test_one_value_gives_a_shift_without_bounds():
    shift = as_estimate(hodges_lehmann(*two_groups("mw_n1")))
    assert (shift.low, shift.high) == (None, None)


@pytest.mark.parametrize("name", ["bm_nrs", "bm_dose"])
def test_brunner_munzel_is_that_of_r(name):
    # R: lawstat::brunner.munzel.test(x, y), whose probability is that of the second group
    expected = case(name)["expected"]
    x, y = two_groups(name)
    test = as_test(ranks.brunner_munzel(y, x))
    probability = test.details["probability"]
    assert test.statistic == pytest.approx(expected["statistic"], rel=1e-10)
    assert test.df == pytest.approx(expected["df"], rel=1e-10)
    assert test.p_value == pytest.approx(expected["p"], rel=1e-10)
    found = [probability.value, probability.low, probability.high]
    assert found == pytest.approx([expected["phat"], *expected["ci"]], rel=1e-10)


@pytest.mark.parametrize("name", ["cliff_doc", "cliff_separated"])
def test_cliffs_delta_is_that_of_r(name):
    # R: effsize::cliff.delta(x, y)
    expected = case(name)["expected"]
    delta = as_estimate(effects.cliffs_delta(*two_groups(name)))
    assert delta.value == pytest.approx(expected["delta"], rel=1e-12)
    assert [delta.low, delta.high] == pytest.approx(expected["ci"], rel=1e-10)
    probability = as_estimate(effects.probability_higher(*two_groups(name)))
    assert probability.value == pytest.approx(expected["vda"], abs=1e-12)


@pytest.mark.parametrize("name", ["kw_airquality", "k3_duration"])
def test_kruskal_wallis_and_dunn_are_those_of_r(name):
    # R: kruskal.test; dunn.test(altp = TRUE) with p.adjust
    expected = case(name)["expected"]
    groups = values_by(name)
    test = as_test(ranks.kruskal_wallis(*groups.values()))
    assert test.statistic == pytest.approx(expected["H"], rel=1e-10)
    assert test.p_value == pytest.approx(expected["p"], rel=1e-10)
    pairs = {f"{p.first} - {p.second}": p for p in ranks.dunn(groups)}
    for i, label in enumerate(expected["dunn_comparisons"]):
        assert pairs[label].test.statistic == pytest.approx(expected["dunn_z"][i], rel=1e-8)
        assert pairs[label].test.p_value == pytest.approx(expected["dunn_p"][i], rel=1e-8)
        assert pairs[label].p_adjusted == pytest.approx(expected["dunn_p_holm"][i], rel=1e-8)
    if "epsilon2" in expected:
        assert test.details["epsilon2"] == pytest.approx(expected["epsilon2"], rel=1e-10)
        assert test.details["eta2"] == pytest.approx(expected["eta2_H"], rel=1e-10)


def test_exact_distribution_counts_every_allocation():
    ties = (2, 1, 3)
    null = ranks.rank_sum_distribution(3, ties)
    doubled = [3, 3, 6, 10, 10, 10]
    sums = [sum(chosen) for chosen in combinations(doubled, 3)]
    for s in set(sums):
        lower, upper = null.tails(s)
        assert lower == pytest.approx(np.mean(np.array(sums) <= s))
        assert upper == pytest.approx(np.mean(np.array(sums) >= s))


EDGE_CASES = {
    "empty": ([], [1.0, 2.0]),
    "both empty": ([], []),
    "all tied": ([3.0] * 5, [3.0] * 4),
    "all missing": ([np.nan, None], [1.0, 2.0]),
}


@pytest.mark.parametrize("name", EDGE_CASES)
def test_what_cannot_be_ranked_is_refused_with_the_reason(name):
    x, y = EDGE_CASES[name]
    for result in (
        ranks.mann_whitney(x, y),
        ranks.brunner_munzel(x, y),
        ranks.kruskal_wallis(x, y),
    ):
        assert isinstance(result, NotComputable)
        assert result.reason.startswith("cannot be computed, because ")


def test_complete_separation_is_named():
    result = ranks.brunner_munzel([1, 2, 3], [4, 5, 6])
    assert isinstance(result, NotComputable) and "separation" in result.reason
    probability = as_estimate(effects.probability_higher([1, 2, 3], [4, 5, 6]))
    assert (probability.value, probability.low, probability.high) == (0.0, None, None)


def test_infinities_are_extreme_ranks_without_a_shift():
    finite = as_test(ranks.mann_whitney([1, 2, 9], [3, 4, 5, 6]))
    infinite = as_test(ranks.mann_whitney([1, 2, np.inf], [3, 4, 5, 6]))
    assert infinite.p_value == finite.p_value
    assert isinstance(hodges_lehmann([1, np.inf], [2, 3]), NotComputable)


def test_huge_values_keep_their_differences():
    shift = as_estimate(hodges_lehmann([1.5e308, 1.4e308], [1.3e308, 1.2e308]))
    assert shift.value == pytest.approx(2e307)
    assert isinstance(hodges_lehmann([1.7e308] * 2, [-1.7e308] * 2), NotComputable)


scores = st.lists(st.integers(-20, 20).map(float), min_size=2, max_size=12)


@settings(max_examples=60, deadline=None)
@given(scores, scores, st.randoms(use_true_random=False))
def test_order_shift_and_monotone_scale_do_not_matter(x, y, random):
    if len(set(x + y)) == 1:
        return
    before = as_test(ranks.mann_whitney(x, y))
    shuffled = random.sample(x, len(x))
    assert as_test(ranks.mann_whitney(shuffled, y)) == before
    x3, y3 = np.array(x) ** 3 + 5, np.array(y) ** 3 + 5
    assert as_test(ranks.mann_whitney(x3, y3)) == before
    delta = as_estimate(effects.cliffs_delta(x, y))
    assert as_estimate(effects.cliffs_delta(x3, y3)) == delta
    shifted = as_estimate(hodges_lehmann(np.array(x) + 100, y))
    original = as_estimate(hodges_lehmann(x, y))
    assert shifted.value == pytest.approx(original.value + 100)
    if original.low is not None and original.high is not None:
        assert [shifted.low, shifted.high] == pytest.approx(
            [original.low + 100, original.high + 100]
        )


@settings(max_examples=60, deadline=None)
@given(scores, scores)
def test_swapping_groups_mirrors_the_result(x, y):
    if len(set(x + y)) == 1:
        return
    one, other = as_test(ranks.mann_whitney(x, y)), as_test(ranks.mann_whitney(y, x))
    assert one.p_value == pytest.approx(other.p_value, rel=1e-12)
    assert one.statistic + other.statistic == len(x) * len(y)
    shift, back = as_estimate(hodges_lehmann(x, y)), as_estimate(hodges_lehmann(y, x))
    assert shift.value == pytest.approx(-back.value)
    for bound, mirrored in ((shift.low, back.high), (shift.high, back.low)):
        assert (bound is None) == (mirrored is None)
        assert bound is None or mirrored is None or bound == pytest.approx(-mirrored)


@settings(max_examples=60, deadline=None)
@given(scores, scores)
def test_intervals_contain_their_estimate(x, y):
    for estimate in (
        hodges_lehmann(x, y),
        effects.cliffs_delta(x, y),
        effects.mean_difference(x, y),
        effects.hedges_g(x, y),
        frequency.quantile_interval(x),
    ):
        if isinstance(estimate, Estimate):
            assert estimate.low is None or estimate.low <= estimate.value + 1e-12
            assert estimate.high is None or estimate.high >= estimate.value - 1e-12


def test_p_is_uniform_under_the_null():
    rng = np.random.default_rng(7)
    continuous = [
        as_test(ranks.mann_whitney(rng.lognormal(size=150), rng.lognormal(size=120))).p_value
        for _ in range(300)
    ]
    assert stats.kstest(continuous, "uniform").pvalue > 0.001
    tied = [
        as_test(ranks.brunner_munzel(rng.binomial(10, 0.4, 60), rng.binomial(10, 0.4, 50))).p_value
        for _ in range(300)
    ]
    assert np.mean(np.array(tied) < 0.05) < 0.09


def test_exact_p_with_ties_never_exceeds_its_level():
    rng = np.random.default_rng(11)
    p = [
        as_test(ranks.mann_whitney(rng.binomial(4, 0.5, 9), rng.binomial(4, 0.5, 8))).p_value
        for _ in range(400)
    ]
    assert np.mean(np.array(p) <= 0.05) <= 0.08
