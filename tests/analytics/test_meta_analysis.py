"""Meta-analysis against metafor, and its edges."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import meta_analysis as ma
from analytics import meta_effects as me
from analytics import meta_moderators as mo
from analytics.meta_analysis import Pooled, Study
from analytics.meta_effects import Effect
from analytics.meta_rare import RarePooled, mantel_haenszel, peto
from analytics.results import Estimate, NotComputable, TestResult
from tests.analytics.oracle import column, inputs_and_results, words


def pooled(studies, **options) -> Pooled:
    result = ma.pool(studies, **options)
    assert isinstance(result, Pooled), result
    return result


def effect(result) -> Effect:
    assert isinstance(result, Effect), result
    return result


def rows(y, v) -> list[Study]:
    return [Study(f"study {i}", e, w) for i, (e, w) in enumerate(zip(y, v, strict=True))]


@pytest.fixture(scope="module")
def bcg() -> tuple[list[Study], dict]:
    """Colditz 1994: log risk ratio of tuberculosis by vaccination, with R's results."""
    found, expected = inputs_and_results("meta_bcg")
    names, kinds = words("bcg.csv", "author"), words("bcg.csv", "alloc")
    latitude = column("bcg.csv", "ablat")
    studies = [
        Study(f"{name} {i}", y, v, None, kind, place)
        for i, (name, y, v, kind, place) in enumerate(
            zip(names, found["yi"], found["vi"], kinds, latitude, strict=True)
        )
    ]
    return studies, expected


def tables(name: str = "bcg.csv") -> tuple[np.ndarray, ...]:
    tp, tn, cp, cn = (column(name, c) for c in ("tpos", "tneg", "cpos", "cneg"))
    return tp, tp + tn, cp, cp + cn


def check(result: Pooled, expected: dict) -> None:
    shown = result.estimate
    assert shown.value == pytest.approx(expected["mu"], rel=1e-6)
    assert result.standard_error == pytest.approx(expected["se"], rel=1e-6)
    assert (shown.low, shown.high) == pytest.approx((expected["lo"], expected["hi"]), rel=1e-6)
    assert result.test.p_value == pytest.approx(expected["p"], rel=2e-6)
    spread = result.heterogeneity
    assert spread is not None
    for ours, theirs in (
        (spread.tau2, "tau2"),
        (spread.i2, "I2"),
        (spread.h2, "H2"),
        (spread.q, "Q"),
        (spread.q_p, "Qp"),
    ):
        assert ours == pytest.approx(expected[theirs], rel=1e-6, abs=1e-12), theirs
    if expected["pi_lo"] is not None:
        assert result.prediction == pytest.approx((expected["pi_lo"], expected["pi_hi"]), rel=1e-6)
    if "tau2_ci" in expected:
        assert (spread.tau2_low, spread.tau2_high) == pytest.approx(expected["tau2_ci"], rel=1e-5)
        assert (spread.i2_low, spread.i2_high) == pytest.approx(expected["I2_ci"], rel=1e-5)
        assert spread.tau2_standard_error == pytest.approx(expected["se_tau2"], rel=1e-5)


@pytest.mark.parametrize(
    ("ours", "theirs"), [("fixed", "FE")] + [(m, m) for m in ("DL", "REML", "PM")]
)
def test_bcg_with_wald_intervals_is_that_of_metafor(bcg, ours, theirs):
    # R: rma(yi, vi, method = …, test = "z"); predict(); confint()
    studies, expected = bcg
    check(pooled(studies, estimator=ours, hartung_knapp=False), expected["z"][theirs])


@pytest.mark.parametrize("estimator", ["DL", "REML", "PM"])
def test_bcg_with_hartung_knapp_is_that_of_metafor(bcg, estimator):
    # R: rma(yi, vi, method = …, test = "knha")
    studies, expected = bcg
    result = pooled(studies, estimator=estimator, safeguard=False)
    check(result, expected["hk"][estimator])
    assert result.test.df == 12 and sum(result.weights) == pytest.approx(100)


def test_prediction_variants_are_those_of_r(bcg):
    # R: mu ± qt(.975, k - 2 | k - 1) * sqrt(se² + tau²)
    studies, _ = bcg
    _, expected = inputs_and_results("meta_bcg_pi")
    for estimator, df, field in (
        ("REML", 11, "reml_t_km2"),
        ("REML", 12, "reml_t_km1"),
        ("DL", 11, "dl_t_km2"),
    ):
        result = pooled(studies, estimator=estimator, hartung_knapp=False)
        assert result.heterogeneity is not None
        shown = ma.prediction_interval(
            result.estimate.value, result.standard_error, result.heterogeneity.tau2, df
        )
        assert shown == pytest.approx(expected[field], rel=1e-6)


def test_bcg_effects_are_those_of_escalc():
    # R: escalc(measure = "RR", ai = tpos, bi = tneg, ci = cpos, di = cneg)
    found, _ = inputs_and_results("meta_bcg")
    made = [effect(me.log_risk_ratio(*row)) for row in zip(*tables(), strict=True)]
    assert [e.value for e in made] == pytest.approx(found["yi"], rel=1e-12)
    assert [e.variance for e in made] == pytest.approx(found["vi"], rel=1e-12)


def test_subgroups_are_those_of_metafor(bcg):
    # R: rma(yi, vi, mods = ~ factor(alloc)); rma(…, method = "DL") in each subgroup
    studies, expected = bcg
    order = {"random": 1, "alternate": 0, "systematic": 2}
    ordered = sorted(studies, key=lambda study: order[study.subgroup])
    common = mo.subgroups_common_tau2(ordered)
    assert isinstance(common, mo.Subgroups) and isinstance(common.test, TestResult)
    theirs = expected["subgroup_common_tau2"]
    assert [name for name, _ in common.groups] == theirs["levels"]
    assert common.common_tau2 == pytest.approx(theirs["tau2"], rel=1e-6)
    assert common.test.statistic == pytest.approx(theirs["QM"], rel=1e-6)
    assert common.test.p_value == pytest.approx(theirs["QMp"], rel=1e-6)
    assert [p.estimate.value for _, p in common.groups] == pytest.approx(theirs["est"], rel=1e-6)
    assert [p.standard_error for _, p in common.groups] == pytest.approx(theirs["se"], rel=1e-6)
    separate = mo.subgroups(ordered, "DL", hartung_knapp=False)
    assert isinstance(separate, mo.Subgroups) and isinstance(separate.test, TestResult)
    theirs = expected["subgroup_separate_DL"]
    assert [p.estimate.value for _, p in separate.groups] == pytest.approx(theirs["est"], rel=1e-6)
    assert [p.heterogeneity.tau2 for _, p in separate.groups] == pytest.approx(theirs["tau2"])
    assert separate.test.statistic == pytest.approx(theirs["Q_between"], rel=1e-6)
    assert separate.test.p_value == pytest.approx(theirs["p"], rel=1e-6)


def test_meta_regression_is_that_of_metafor(bcg):
    # R: rma(yi, vi, mods = ~ ablat)
    studies, expected = bcg
    theirs = expected["metareg_ablat"]
    result = mo.meta_regression(studies, hartung_knapp=False)
    assert isinstance(result, mo.MetaRegression)
    assert [result.intercept.value, result.slope.value] == pytest.approx(theirs["b"], rel=1e-6)
    assert result.slope.value / result.test.statistic == pytest.approx(theirs["se"][1], rel=1e-6)
    half = result.intercept.high - result.intercept.value
    assert half == pytest.approx(1.959963984540054 * theirs["se"][0], rel=1e-6)
    assert result.tau2 == pytest.approx(theirs["tau2"], rel=1e-6)
    assert result.test.statistic**2 == pytest.approx(theirs["QM"], rel=1e-6)
    assert result.r2 == pytest.approx(theirs["R2"], rel=1e-6)
    assert isinstance(mo.meta_regression(studies[:2]), NotComputable)
    same = [replace(study, covariate=3.0) for study in studies]
    assert "the same in all studies" in mo.meta_regression(same).reason


def test_egger_is_that_of_metafor(bcg):
    # R: regtest(res, model = "lm")
    studies, expected = bcg
    theirs, result = expected["egger_lm"], mo.egger(studies)
    assert isinstance(result, TestResult)
    assert result.statistic == pytest.approx(theirs["t"], rel=1e-6)
    assert result.p_value == pytest.approx(theirs["p"], rel=1e-6)
    limit = result.details["limit"]
    assert limit.value == pytest.approx(theirs["b0"], rel=1e-6)
    assert (limit.low, limit.high) == pytest.approx(theirs["b0_ci"], rel=1e-6)
    assert "needs ten studies" in mo.egger(studies[:9]).reason


def rare(result, expected: dict) -> None:
    assert isinstance(result, RarePooled), result
    shown = result.estimate
    assert shown.value == pytest.approx(expected["est"], rel=1e-6)
    assert result.standard_error == pytest.approx(expected["se"], rel=1e-6)
    assert (shown.low, shown.high) == pytest.approx((expected["lo"], expected["hi"]), rel=1e-6)
    assert result.test.p_value == pytest.approx(expected["p"], rel=1e-5)
    assert result.q == pytest.approx(expected["Q"], rel=1e-6)


def test_mantel_haenszel_and_peto_of_bcg_are_those_of_metafor(bcg):
    # R: rma.mh(measure = "RR" | "OR" | "RD"); rma.peto
    _, expected = bcg
    rare(mantel_haenszel(*tables(), "RR"), expected["mh_rr"])
    rare(mantel_haenszel(*tables(), "OR"), expected["mh_or"])
    rare(mantel_haenszel(*tables(), "RD"), expected["mh_rd"])
    rare(peto(*tables()), expected["peto"])


def test_double_zero_studies_are_counted():
    # R: rma.peto; rma.mh(measure = "RR" | "RD")
    found, expected = inputs_and_results("meta_double_zero")
    counts = found["ai"], found["n1i"], found["ci"], found["n2i"]
    rare(peto(*counts), expected["peto"])
    rare(mantel_haenszel(*counts, "RR"), expected["mh_rr"])
    rare(mantel_haenszel(*counts, "RD"), expected["mh_rd"])
    result = mantel_haenszel(*counts, "RR")
    assert isinstance(result, RarePooled)
    assert (result.k, result.k_informative, result.double_zero) == (4, 2, 2)


def test_heterogeneity_of_rare_differences_leaves_double_zeros_out():
    # R: rma.mh(ai = c(4,3,2,0,0,2,1), n1i = …, ci = c(3,0,6,6,0,1,5), n2i = …, measure = "RD")
    first = [4, 3, 2, 0, 0, 2, 1], [199, 149, 162, 40, 18, 144, 125]
    second = [3, 0, 6, 6, 0, 1, 5], [62, 16, 154, 178, 10, 120, 183]
    result = mantel_haenszel(*first, *second, "RD")
    assert isinstance(result, RarePooled)
    assert result.estimate.value == pytest.approx(-0.0166514868660344, rel=1e-9)
    assert (result.q, result.q_p) == pytest.approx((3.68925533572046, 0.594963738098873))
    assert (result.k, result.q_df) == (7, 5)
    # R: rma.mh(ai = c(0,1,0), n1i = c(103,78,13), ci = 0, n2i = c(126,116,13), "RD"): QE = 0
    alone = mantel_haenszel([0, 1, 0], [103, 78, 13], [0, 0, 0], [126, 116, 13], "RD")
    assert isinstance(alone, RarePooled) and (alone.q, alone.q_df, alone.q_p) == (0, 0, 1)


def test_only_double_zero_studies_have_no_ratio():
    nothing = ([0, 0], [20, 30], [0, 0], [20, 30])
    assert isinstance(peto(*nothing), NotComputable)
    for measure in ("OR", "RR", "RD"):
        assert isinstance(mantel_haenszel(*nothing, measure), NotComputable)
    assert "double-zero" in me.log_risk_ratio(0, 20, 0, 30).reason
    assert isinstance(mantel_haenszel([0], [20], [3], [30]), NotComputable)
    for wrong in ([math.nan], [math.inf], [-1], [50]):
        assert isinstance(peto(wrong, [20], [3], [30]), NotComputable)


def test_continuous_effects_are_those_of_metafor():
    # R: escalc(measure = "SMD" | "ROM"); rma(test = "knha"); rma(measure = "MD", method = "DL")
    found, expected = inputs_and_results("meta_smd_normand")
    data = [column(found["csv"], c) for c in ("n1i", "m1i", "sd1i", "n2i", "m2i", "sd2i")]
    arms = list(zip(*data, strict=True))
    smd = [effect(me.standardised_mean_difference(*arm)) for arm in arms]
    assert [e.value for e in smd] == pytest.approx(expected["smd_yi"], rel=1e-9)
    assert [e.variance for e in smd] == pytest.approx(expected["smd_vi"], rel=1e-9)
    check(
        pooled(rows([e.value for e in smd], [e.variance for e in smd]), safeguard=False),
        expected["reml_hk"],
    )
    md = [effect(me.mean_difference(*arm)) for arm in arms]
    studies = rows([e.value for e in md], [e.variance for e in md])
    check(pooled(studies, estimator="DL", hartung_knapp=False), expected["md_dl"])
    ratio = [effect(me.log_ratio_of_means(*arm)) for arm in arms]
    assert [e.value for e in ratio] == pytest.approx(expected["rom_yi"], rel=1e-9)
    assert [e.variance for e in ratio] == pytest.approx(expected["rom_vi"], rel=1e-9)


def test_one_study_is_itself():
    # R: rma(.3, .04)
    found, expected = inputs_and_results("meta_k1")
    result = pooled([Study("only", found["yi"], found["vi"], 50)])
    assert result.estimate.value == expected["mu"] and result.standard_error == expected["se"]
    assert result.heterogeneity is None and result.prediction is None
    assert result.estimate.method == "single study" and result.weights == (100.0,)
    assert result.estimate.low == pytest.approx(0.3 - 1.959963984540054 * 0.2)


def test_identical_studies_keep_the_safeguard():
    # R: rma(test = "adhoc"); with test = "knha" the error is 0
    found, expected = inputs_and_results("meta_homogeneous")
    studies = rows(found["yi"], found["vi"])
    result = pooled(studies)
    assert result.safeguard_used and result.heterogeneity is not None
    assert result.heterogeneity.tau2 == 0
    assert result.standard_error == pytest.approx(expected["adhoc_se"], rel=1e-9)
    ends = (expected["adhoc_lo"], expected["adhoc_hi"])
    assert (result.estimate.low, result.estimate.high) == pytest.approx(ends, rel=1e-9)
    assert "safeguard" in ma.pool(studies, safeguard=False).reason


def test_two_studies_have_no_prediction_interval():
    result = pooled(rows([0.1, 0.9], [0.01, 0.02]))
    assert result.prediction is None and result.test.df == 1
    assert result.estimate.low < 0.1 < 0.9 < result.estimate.high


def test_extreme_and_wrong_studies_are_named_or_survive():
    huge = pooled([*rows([0.1, 0.2, 0.3], [0.01, 0.02, 0.03]), Study("huge", 5.0, 1e12)])
    assert huge.estimate.value == pytest.approx(30 / (100 + 50 + 100 / 3), rel=1e-6)
    for bad in (math.nan, math.inf, 1e308, -math.inf):
        refused = ma.pool([Study("Okafor 2019", bad, 0.1), Study("b", 0.1, 0.1)])
        assert isinstance(refused, NotComputable) and "Okafor 2019" in refused.reason
    for bad in (math.nan, math.inf, 0.0, -1.0, 1e308):
        assert isinstance(ma.pool([Study("a", 0.1, bad)]), NotComputable)
    apart = ma.pool([Study("a", 0.1, 1e140), Study("b", 0.2, 1e-140)])
    assert isinstance(apart, NotComputable) and "differ too far" in apart.reason
    assert isinstance(ma.pool([]), NotComputable)
    assert isinstance(ma.pool(rows([0.1], [0.1]), level=95), NotComputable)
    assert isinstance(mo.subgroups([]), NotComputable)
    assert isinstance(mo.egger([]), NotComputable)


def test_leave_one_out_and_cumulative_pool_the_right_studies(bcg):
    studies, _ = bcg
    without = ma.leave_one_out(studies, "DL", False)
    assert len(without) == 13 and without[0][0] == studies[0].name
    assert without[4][1] == ma.pool([*studies[:4], *studies[5:]], "DL", False)
    growing = ma.cumulative(studies)
    assert [p.k for _, p in growing] == list(range(1, 14))
    assert growing[-1][1] == ma.pool(studies)
    alone = ma.leave_one_out(studies[:1])
    assert isinstance(alone[0][1], NotComputable)


def test_patients_counted_twice_are_found():
    # A pooled pain difference of -0.11 to 0.10 SD from 642 patients implies about 1394 of them.
    check_ = ma.unique_patient_check(-0.11, 0.10, 642)
    assert isinstance(check_, ma.PatientCheck)
    assert check_.implied_patients == pytest.approx(1394, abs=1)
    assert not check_.plausible and check_.ratio == pytest.approx(2.17, abs=0.01)
    assert check_.narrowest_half_width == pytest.approx(0.155, abs=5e-4)
    assert isinstance(ma.unique_patient_check(0.1, 0.1, 10), NotComputable)
    assert isinstance(ma.unique_patient_check(0.1, math.nan, 10), NotComputable)
    assert isinstance(ma.unique_patient_check(0.1, 0.3, 0), NotComputable)
    twice = [Study("Kim 2013", 0.1, 0.1, 80), Study("Kim 2013", 0.2, 0.1, 80), Study("b", 0, 1, 9)]
    result = pooled(twice)
    assert result.repeated == ("Kim 2013",) and result.patients == 89


def test_honest_standardised_differences_pass_the_patient_check():
    rng = np.random.default_rng(3)
    for _ in range(50):
        n1, n2 = rng.integers(5, 200, 2)
        g = effect(me.standardised_mean_difference(n1, rng.normal(), 1.0, n2, 0.0, 1.1))
        half = 1.959963984540054 * math.sqrt(g.variance)
        assert ma.unique_patient_check(g.value - half, g.value + half, g.n).plausible


def test_effects_from_printed_intervals():
    shown = effect(me.from_interval(0.5, 0.25, 1.0, 80, "RR"))
    assert shown.value == pytest.approx(math.log(0.5))
    assert math.sqrt(shown.variance) == pytest.approx(math.log(4) / (2 * 1.959963984540054))
    difference = effect(me.from_interval(1.0, 0.0, 2.0, 80, "MD", level=0.9))
    assert math.sqrt(difference.variance) == pytest.approx(1 / 1.6448536269514722)
    for wrong in ((0.5, 1.0, 0.2), (3.0, 0.2, 1.0), (math.nan, 0.1, 1.0), (-0.5, -0.6, 1.0)):
        assert isinstance(me.from_interval(*wrong, 80, "RR"), NotComputable)


def test_proportions_are_pooled_and_turned_back():
    # R: escalc(measure = "PLO", xi = c(0, 4), ni = c(20, 100)): -3.7136, 2.0488; -3.1781, 0.2604
    first, second = effect(me.logit_proportion(0, 20)), effect(me.logit_proportion(4, 100))
    assert first.added_half and first.value == pytest.approx(math.log(0.5 / 20.5))
    assert first.variance == pytest.approx(1 / 0.5 + 1 / 20.5)
    assert second.variance == pytest.approx(1 / 4 + 1 / 96)
    result = pooled(rows([first.value, second.value], [first.variance, second.variance]))
    back = me.natural_scale(result.estimate, "PROPORTION")
    assert 0 < back.low < back.value < back.high < 1
    ratio = me.natural_scale(Estimate(0.0, -1.0, 1.0, 9, "x"), "RR")
    assert (ratio.low, ratio.value, ratio.high) == pytest.approx((math.exp(-1), 1, math.e))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-5, 5), st.floats(0.001, 10)), min_size=2, max_size=12, unique=True
    ),
    st.floats(-100, 100),
    st.floats(0.01, 100),
)
def test_pooling_ignores_order_and_moves_with_shift_and_unit(data, shift, unit):
    y, v = (np.array(side) for side in zip(*data, strict=True))
    for estimator in ("fixed", "DL", "PM", "REML"):
        here = pooled(rows(y, v), estimator=estimator)
        back = pooled(rows(y[::-1], v[::-1]), estimator=estimator)
        assert back.estimate.value == pytest.approx(here.estimate.value, rel=1e-7, abs=1e-7)
        moved = pooled(rows(y * unit + shift, v * unit**2), estimator=estimator)
        expected = here.estimate.value * unit + shift
        assert moved.estimate.value == pytest.approx(expected, rel=1e-5, abs=1e-5 * unit)
        assert here.estimate.low <= here.estimate.value <= here.estimate.high
        assert y.min() - 1e-9 <= here.estimate.value <= y.max() + 1e-9
        if here.heterogeneity is not None and estimator == "PM":
            h = here.heterogeneity
            assert h.tau2 >= 0 and h.tau2_low <= h.tau2 * (1 + 1e-9) + 1e-9


def test_hartung_knapp_covers_near_its_level():
    rng, covered = np.random.default_rng(11), 0
    for _ in range(400):
        v = rng.uniform(0.02, 0.2, 8)
        y = 0.3 + rng.normal(0, 0.3, 8) + rng.normal(0, np.sqrt(v))
        shown = pooled(rows(y, v)).estimate
        covered += shown.low <= 0.3 <= shown.high
    assert 0.92 < covered / 400 <= 0.99
