"""Small samples with ties, zeros and separation: what R 4.2.2 prints for them.

The call stands above each value. Packages: exactRankTests 0.8-35, coin 1.4-2, metafor 3.8-1, lme4
1.1-31, brglm2 0.9, ordinal 2022.11-16, sandwich 3.0-2, vcd 1.4-11, psych 2.2.9, pROC 1.18.0.
"""

import math
from typing import Any

import numpy as np
import polars as pl
import pytest

from analytics import (
    agreement,
    association,
    casemix,
    discrimination,
    effects,
    equivalence,
    means,
    mixed,
    ordinal,
    paired,
    power,
    proportions,
    ranks,
    rates,
    regression,
    shift,
    strata,
    tables,
)
from analytics.results import Estimate, NotComputable, TestResult
from analytics.studentised import noncentral_t, range_p, range_quantile

X, Y = [1, 2, 2, 3, 3, 3, 5], [2, 3, 4, 4, 5, 6, 6, 7]
A, B = [1.1, 2.3, 2.9, 4.2, 7.7], [0.4, 1.9, 3.3]
CHANGES = [0, 0, 1, -1, 2, 3, 3, -2, 5, 4, -1]
UNTIED = [1.2, -0.4, 2.5, 3.1, 0.7, 1.9, -1.1]
G1, G2 = [5.1, 6.2, 7.9], [1, 2.2, 3.1, 2.5]
FOUR = ([3, 3, 4, 5], [4, 6, 6, 7, 9], [1, 2, 2], [5, 8])
TIMES = [[5, 3, 3], [6, 6, 2], [4, 1, 1], [7, 3, 2], [5, 5, 5]]
STRATA = ([8, 3, 12], [40, 25, 30], [4, 1, 9], [42, 30, 33])
E1, N1, E2, N2 = (np.array(column, dtype=float) for column in STRATA)


def p_of(test: TestResult | NotComputable) -> list[float]:
    assert isinstance(test, TestResult), test
    return [test.statistic, test.p_value]


def numbers(estimate: Estimate | NotComputable) -> list[float | None]:
    assert isinstance(estimate, Estimate), estimate
    return [estimate.value, estimate.low, estimate.high]


def wrong_way(test: TestResult | NotComputable) -> float:
    assert isinstance(test, TestResult)
    return test.details["p_by_distance"]


PRINTED: dict[str, tuple[Any, Any]] = {
    # exactRankTests::wilcox.exact(x, y)$p.value
    "Mann–Whitney, ties, by distance": (wrong_way(ranks.mann_whitney(X, Y)), 0.0374514374514375),
    # u <- coin::wilcox_test(v ~ g, distribution = "exact"); z <- statistic(u)
    # 2 * min(pperm(u, z), 1 - pperm(u, z) + dperm(u, z))
    "Mann–Whitney, ties, twice the tail": (p_of(ranks.mann_whitney(X, Y))[1], 0.0391608391608392),
    # wilcox.test(x, y, exact = FALSE)$p.value
    "Mann–Whitney, normal": (p_of(ranks.mann_whitney(X, Y, exact=False))[1], 0.0397160869970114),
    # wilcox.test(a, b, exact = TRUE, conf.int = TRUE, conf.level = 0.9)
    "Hodges–Lehmann": (numbers(shift.hodges_lehmann(A, B, 0.9)), [1, -1, 5.8]),
    # exactRankTests::wilcox.exact(d, exact = TRUE): statistic; p by distance, symmetric here
    "signed ranks with ties and zeros": (
        p_of(paired.wilcoxon_signed_rank(CHANGES)),
        [36.5, 0.12109375],
    ),
    # wilcox.test(d, exact = FALSE)$p.value
    "signed ranks, normal": (
        p_of(paired.wilcoxon_signed_rank(CHANGES, exact=False))[1],
        0.107873160462563,
    ),
    # wilcox.test(e, exact = TRUE, conf.int = TRUE, conf.level = 0.9)
    "Walsh median": (numbers(shift.pseudomedian(UNTIED, 0.9)), [1.125, -0.2, 2.5]),
    # J * s * uniroot(function(k) pt(t, 5, ncp = k) - c(.975, .025)), J by gamma()
    "Hedges g": (
        numbers(effects.hedges_g(G1, G2)),
        [3.14081205260057, 0.836696436288102, 5.370333487093375],
    ),
    # kruskal.test(list(...))
    "Kruskal–Wallis": (p_of(ranks.kruskal_wallis(*FOUR)), [9.94211111111112, 0.0190646761538975]),
    # oneway.test(v ~ g)
    "Welch ANOVA": (p_of(means.welch_anova(*FOUR)), [9.98442947430771, 0.0319492008148093]),
    # friedman.test(m)
    "Friedman": (p_of(paired.friedman(TIMES)), [6.61538461538461, 0.0366005391542709]),
    # fisher.test(matrix(c(7, 2, 12, 15), 2))$p.value
    "Fisher": (p_of(proportions.fisher(7, 9, 12, 27))[1], 0.127909798766306),
    # d <- dhyper(7, 19, 17, 9); 2 * min(phyper(6, 19, 17, 9) + d/2, 1 - phyper(7, 19, 17, 9) + d/2)
    "Fisher mid-p": (p_of(proportions.fisher_midp(7, 9, 12, 27))[1], 0.102049896710631),
    # prop.trend.test(c(2, 5, 9, 14), c(30, 32, 28, 31))
    "Cochran–Armitage": (
        p_of(tables.cochran_armitage([2, 5, 9, 14], [30, 32, 28, 31])),
        [14.2653974603546, 0.000158756693882245],
    ),
    # mantelhaen.test(array, correct = FALSE): statistic, p
    "Cochran–Mantel–Haenszel": (
        p_of(strata.cochran_mantel_haenszel(*STRATA)),
        [4.01200935871482, 0.0451772788663604],
    ),
    # … its estimate and conf.int
    "Mantel–Haenszel odds ratio": (
        numbers(strata.mantel_haenszel_odds_ratio(*STRATA)),
        [2.17557027843006, 1.01120282724438, 4.68066930675657],
    ),
    # exp(metafor::rma.mh(measure = "RR"))
    "Mantel–Haenszel risk ratio": (
        numbers(strata.mantel_haenszel_risk_ratio(*STRATA)),
        [1.79626035502959, 1.00465984085787, 3.21158578439433],
    ),
    # metafor::rma.mh(measure = "RD")
    "Mantel–Haenszel risk difference": (
        numbers(casemix.mantel_haenszel_difference(E1, N1, E2, N2)),
        [0.106908605567561, 0.00286318115201993, 0.21095402998310148],
    ),
    # metafor::rma.mh(measure = "OR")[c("TA", "TAp")]
    "Tarone": (p_of(strata.breslow_day(*STRATA)), [0.416828971341049, 0.811870458292007]),
    # poisson.test(c(3, 11), c(120.5, 98))
    "rate ratio": (
        numbers(rates.rate_ratio(3, 120.5, 11, 98)),
        [0.221803093172388, 0.0397326280013411, 0.8396443582625325],
    ),
    "rates": (p_of(rates.rate_test(3, 120.5, 11, 98))[1], 0.0140787503627408),
    # cor.test(method = "spearman", exact = TRUE)
    "Spearman": (
        p_of(association.spearman_test([1, 4, 2, 8, 5, 7], [2, 3, 1, 6, 8, 4])),
        [0.771428571428571, 0.102777777777778],
    ),
    # power.t.test(n = 17, delta = .8, sd = 1.1, sig.level = .01)$power
    "power": (numbers(power.t_power(17, 17, 0.8, 1.1, 0.01))[0], 0.286237855059479),
    # power.t.test(n = 3, delta = .05, sd = 1, strict = TRUE)$power
    "power, strict": (numbers(power.t_power(3, 3, 0.05, 1, strict=True))[0], 0.0502663632751237),
    # power.t.test(delta = .8, sd = 1.1, power = .9)$n
    "sample size": (numbers(power.t_sample_size(0.8, 1.1, 0.9))[0], 40.7159601346985),
    # power.prop.test(n = 80, p1 = .1, p2 = .25)$power
    "power, proportions": (numbers(power.proportion_power(80, 0.1, 0.25))[0], 0.708002925874105),
    # t.test(g1, g2, mu = 2, alternative = "greater")$p.value; mu = 6, "less"
    "two one-sided tests": (
        [getattr(equivalence.tost_mean(G1, G2, 2, 6), name) for name in ("p_lower", "p_upper")],
        [0.0467690358153743, 0.0712280789767465],
    ),
    # binom.test(3, 47, conf.level = 0.9)$conf.int
    "Clopper–Pearson": (
        numbers(proportions.clopper_pearson(3, 47, 0.9))[1:],
        [0.0176221560947685, 0.1567918247469451],
    ),
    # prop.test(3, 47, correct = FALSE, conf.level = 0.9)$conf.int
    "Wilson": (
        numbers(proportions.wilson(3, 47, 0.9))[1:],
        [0.025795495580029, 0.149346809465589],
    ),
    # psych::ICC(cbind(x, y), lmer = FALSE)$results[2:3, ]
    "ICC(A,1)": (
        numbers(agreement.icc([[9, 2], [6, 1], [8, 4], [7, 1], [10, 5], [6, 2]])),
        [0.1256544502617800, -0.0236532215432571, 0.5998514840379151],
    ),
    "ICC(C,1)": (
        numbers(agreement.icc([[9, 2], [6, 1], [8, 4], [7, 1], [10, 5], [6, 2]], "consistency")),
        [0.7453416149068316, -0.0209087462970924, 0.9599830815080957],
    ),
    # pROC::ci.auc(roc(y, x, direction = "<"))
    "AUC": (
        numbers(discrimination.auc([0, 0, 1, 1, 0, 1, 0, 1], [1, 2, 2, 3, 1, 4, 3, 5])),
        [0.875, 0.630004501932493, 1],
    ),
    # pt(2.5, 3, ncp = 1); pt(1.3, 4900, ncp = -2); pt(30, 2, ncp = 12)
    "noncentral t": (
        [noncentral_t(2.5, 3, 1), noncentral_t(1.3, 4900, -2), noncentral_t(30, 2, 12)],
        [0.824183759200367, 0.999515971280236, 0.851500568541324],
    ),
}


@pytest.mark.parametrize("name", PRINTED)
def test_what_r_prints(name: str) -> None:
    ours, printed = PRINTED[name]
    assert ours == pytest.approx(printed, rel=1e-8)


def test_kappa_and_its_error() -> None:
    # vcd::Kappa(table, weights = "Fleiss-Cohen"): value and ASE, unweighted and weighted
    table = [[20, 5, 1], [3, 15, 6], [0, 4, 18]]
    printed = {"none": (0.604624277456647, 0.077588693333447)}
    printed["quadratic"] = (0.7713625866050809, 0.0576683279844092)
    for weights, (value, error) in printed.items():
        found = agreement.kappa_of_table(table, weights)  # pyright: ignore[reportArgumentType]
        assert isinstance(found, Estimate) and found.high is not None
        assert found.value == pytest.approx(value, rel=1e-9)
        assert (found.high - found.value) / 1.959963984540054 == pytest.approx(error, rel=1e-9)


def test_complete_separation_is_bounded_as_the_penalised_likelihood_says() -> None:
    # glm(y ~ x, binomial, method = brglm2::brglmFit, type = "AS_mean"); bounds and p by uniroot and
    # optimize on the penalised likelihood, as logistf has them
    found = regression.logistic([0] * 5 + [1] * 5, {"x": range(1, 11)})
    assert not isinstance(found, NotComputable) and found.separated
    slope = found.coefficients[1]
    assert found.vector == pytest.approx([-5.338572631293450, 0.970649569326082], rel=1e-6)
    assert numbers(slope.coefficient)[1:] == pytest.approx(
        [0.196157993047714, 5.564239020882487], rel=1e-6
    )
    assert slope.test.p_value == pytest.approx(0.00534528581267917, rel=1e-6)


def test_a_nearly_separated_fit_converges() -> None:
    # brglm2 takes 84 steps here: the penalised likelihood is flat near its top
    rng = np.random.default_rng(3)
    x = rng.normal(0, 1, 40)
    y = (rng.random(40) < 1 / (1 + np.exp(-20 * x))).astype(float)
    found = regression.logistic(y, {"x": x}, "firth")
    assert not isinstance(found, NotComputable)
    low, value, high = (numbers(found.coefficients[1].coefficient)[i] for i in (1, 0, 2))
    assert low is not None and high is not None and low < value < high < 1000


def test_log_linear_errors() -> None:
    # f <- lm(log(y) ~ a + b); coef(f); sqrt(diag(sandwich::vcovHC(f, "HC3")))
    found = regression.log_linear(
        [2, 3, 5, 4, 8, 9, 12, 15], {"a": range(1, 9), "b": [0, 1, 0, 1, 1, 0, 1, 0]}
    )
    assert not isinstance(found, NotComputable)
    assert [c.coefficient.value for c in found.coefficients] == pytest.approx(
        [0.5434488897512472, 0.2796702395793049, -0.0396512575441599], rel=1e-8
    )
    assert [c.standard_error for c in found.coefficients] == pytest.approx(
        [0.2248210882594166, 0.0301748408007178, 0.1532136416592091], rel=1e-8
    )


def test_proportional_odds() -> None:
    # ordinal::clm(factor(y) ~ x): slope, thresholds
    y, x = [1, 1, 2, 2, 3, 3, 2, 1, 3, 3, 1, 2], [1, 2, 1, 3, 4, 5, 2, 4, 3, 5, 1, 4]
    found = ordinal.proportional_odds(y, {"x": x})
    assert not isinstance(found, NotComputable)
    assert found.coefficients[0].coefficient.value == pytest.approx(1.06836124912674, rel=1e-7)
    assert found.thresholds == pytest.approx([1.95965285238081, 4.06092773780236], rel=1e-7)
    assert found.coefficients[0].standard_error == pytest.approx(0.501862492377536, rel=1e-6)


def test_visits_with_gaps() -> None:
    # lme4::lmer(v ~ g * t + (1 | s), REML): fixef, VarCorr, logLik; two of 18 visits missing
    values = [7, 5, 4, 8, 6, 6, 6, 5, 2, 9, 8, 5, 5, 4, 4, 7, 7, 6]
    frame = pl.DataFrame(
        {
            "subject": [str(s) for s in np.repeat(range(6), 3)],
            "group": np.tile(np.repeat(["A", "B"], 3), 3).tolist(),
            "time": ["1", "2", "3"] * 6,
            "value": [None if i in (4, 14) else float(v) for i, v in enumerate(values)],
        }
    )
    found = mixed.repeated_measures(frame, ["A", "B"], ["1", "2", "3"])
    assert not isinstance(found, NotComputable) and found.left_out == 2
    fit = found.fit
    assert [fit.variance_between, fit.variance_within] == pytest.approx(
        [0.197630884390762, 0.587332559439278], rel=1e-5
    )
    assert fit.log_likelihood == pytest.approx(-15.631411200489, rel=1e-9)
    order = ["(Intercept)", "B", "2", "3", "B:2", "B:3"]
    at = [fit.names.index(name) for name in order]
    assert fit.coefficients[at] == pytest.approx(
        [6, 2, -4 / 3, -3.167609764201652, 0.866855286173665, 0.83427643086832], rel=1e-6
    )


def test_studentised_range_in_far_tails_and_few_degrees_of_freedom() -> None:
    # SciPy: studentized_range.sf(q, k, df), .ppf; R's ptukey gives .0118637 for the first
    assert range_p(40, 20, 2) == pytest.approx(0.00900338910237286, rel=1e-9)
    assert range_p(40, 10, 5) == pytest.approx(1.4285908234379363e-05, rel=1e-7)
    assert range_quantile(0.95, 3, 1) == pytest.approx(26.97552986950002, rel=1e-9)


@pytest.mark.parametrize("t, df, shift", [(-4.8, 8, 8.6), (6.2, 100, -6.3), (-13.5, 3000, 3.1)])
def test_noncentral_t_has_its_tails(t: float, df: float, shift: float) -> None:
    # SciPy's nctdtr gives NaN here; R: pt() < 1e-12, and 1 − that for the second
    found = noncentral_t(t, df, shift)
    assert min(found, 1 - found) < 1e-12 and round(found) == (1 if t > shift else 0)


def test_tiny_values_keep_their_degrees_of_freedom() -> None:
    # Squares of variances of 1e-240 vanish; R has NaN here. The same values times 1e120 in R.
    x, y = np.array([1.0, 2, 4, 7, 9]), np.array([2.0, 2.5, 3, 8])
    usual, tiny = means.welch_test(x, y), means.welch_test(x * 1e-120, y * 1e-120)
    assert isinstance(tiny, TestResult) and isinstance(usual, TestResult)
    assert (tiny.df, tiny.p_value) == pytest.approx((usual.df, usual.p_value), rel=1e-9)


def test_an_interval_at_exactly_the_level_there_is() -> None:
    # wilcox.test(x, y, conf.int = TRUE, conf.level = 0.9): 2 / choose(6, 3) is 10 %
    found = shift.hodges_lehmann([1.0, 2.5, 4.1], [0.2, 3.3, 5.6], 0.9)
    assert numbers(found) == pytest.approx([-0.8, -4.6, 3.9])
    narrower = shift.hodges_lehmann([1.0, 2.5, 4.1], [0.2, 3.3, 5.6], 0.91)
    assert isinstance(narrower, Estimate) and narrower.low is None and narrower.high is None


def test_large_groups_have_a_precise_g() -> None:
    # beyond 5000 degrees of freedom too: g · √(1/n1 + 1/n2) inverts pt(ncp) of R
    x = np.concatenate([np.zeros(3000), np.ones(3000)])
    found = effects.hedges_g(x, x[:4000])
    assert isinstance(found, Estimate) and found.low is not None and found.high is not None
    size, df = math.sqrt(1 / 6000 + 1 / 4000), 9998.0
    t = (
        found.value
        / size
        / math.exp(math.lgamma(df / 2) - math.lgamma((df - 1) / 2))
        * math.sqrt(df / 2)
    )
    for bound, tail in ((found.low, 0.975), (found.high, 0.025)):
        assert noncentral_t(t, df, bound / found.value * t) == pytest.approx(tail, abs=1e-9)
