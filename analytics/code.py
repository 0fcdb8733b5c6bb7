"""R and Python programs that repeat a comparison from its downloaded values, without Kerma."""

import json
from collections.abc import Sequence

from analytics.comparison import Comparison
from analytics.results import NotComputable

FILE = "values.csv"

R_GROUPS = """\
# values.csv has the columns group, value, count
d <- read.csv("{file}", encoding = "UTF-8")
d <- d[!is.na(d$value) & is.finite(d$value), ]
d <- d[rep(seq_len(nrow(d)), d$count), ]
groups <- c({names})
d <- d[d$group %in% groups, ]
d$group <- factor(d$group, levels = groups)
"""
R_TWO = """\
a <- d$value[d$group == groups[1]]
b <- d$value[d$group == groups[2]]
"""
R_VISITS = """\
# values.csv has the columns subject, time, value (and group)
d <- read.csv("{file}", encoding = "UTF-8")
times <- c({names})
d <- d[d$time %in% times & !is.na(d$value), ]
w <- reshape(d[, c("subject", "time", "value")], idvar = "subject", timevar = "time",
             direction = "wide")
w <- w[complete.cases(w), paste0("value.", times)]
"""
R_TESTS = {
    "Welch t on logarithms": R_TWO
    + """\
fit <- t.test(log(a), log(b), conf.level = {level})
exp(unname(fit$estimate[1] - fit$estimate[2]))  # ratio of geometric means
exp(fit$conf.int)
fit$p.value
""",
    "Welch t": R_TWO + "t.test(a, b, conf.level = {level})\n",
    "Mann–Whitney": R_TWO
    + """\
wilcox.test(a, b, exact = FALSE, conf.int = TRUE, conf.level = {level})
effsize::cliff.delta(a, b, conf.level = {level})
""",
    "Mann–Whitney, exact": R_TWO
    + """\
# exact with ties; R before 4.6 leaves ties to this package
exactRankTests::wilcox.exact(a, b, conf.int = TRUE, conf.level = {level})
effsize::cliff.delta(a, b, conf.level = {level})
# R 4.6 and Kerma double the smaller tail:
u <- coin::wilcox_test(value ~ group, data = d, distribution = "exact")
z <- coin::statistic(u)
min(1, 2 * min(coin::pperm(u, z), 1 - coin::pperm(u, z) + coin::dperm(u, z)))
""",
    "Brunner–Munzel": R_TWO
    + "lawstat::brunner.munzel.test(b, a, alpha = 1 - {level})  # P(a > b)\n",
    "Welch ANOVA on logarithms": """\
oneway.test(log(value) ~ group, data = d)
rstatix::games_howell_test(transform(d, value = log(value)), value ~ group)
""",
    "Welch ANOVA": """\
oneway.test(value ~ group, data = d)
rstatix::games_howell_test(d, value ~ group)
""",
    "Kruskal–Wallis": """\
kruskal.test(value ~ group, data = d)
dunn.test::dunn.test(d$value, d$group, altp = TRUE)  # adjust with p.adjust
""",
    "χ²": """\
chisq.test(table(d$group, d$value), correct = FALSE)
DescTools::BinomDiffCI(sum(a == 1), length(a), sum(b == 1), length(b), method = "score")
""",
    "Fisher mid-p": """\
exact2x2::exact2x2(table(d$group, d$value), tsmethod = "central", midp = TRUE)
DescTools::BinomDiffCI(sum(a == 1), length(a), sum(b == 1), length(b), method = "score")
""",
    "Fisher–Freeman–Halton, simulated": """\
fisher.test(table(d$group, d$value), simulate.p.value = TRUE, B = 99999)
""",
    "Wilcoxon signed rank, exact": """\
change <- w[[2]] - w[[1]]
exactRankTests::wilcox.exact(change, exact = TRUE)
wilcox.test(change, conf.int = TRUE, conf.level = {level})
""",
    "Wilcoxon signed rank": """\
change <- w[[2]] - w[[1]]
wilcox.test(change, exact = FALSE, conf.int = TRUE, conf.level = {level})
""",
    "Friedman": "friedman.test(as.matrix(w))\n",
    "group × time, Wald F": """\
d$time <- factor(d$time, levels = times)
fit <- lme4::lmer(value ~ group * time + (1 | subject), data = d, REML = TRUE)
summary(fit)
""",
}
R_NEEDS_TWO = ("χ²", "Fisher mid-p")

PYTHON_GROUPS = """\
import csv
import math

import numpy as np
from scipy import stats

# values.csv has the columns group, value, count
values = {{}}
with open("{file}", newline="", encoding="utf-8") as file:
    for row in csv.DictReader(file):
        if row["value"] and math.isfinite(float(row["value"])):
            found = [float(row["value"])] * int(row["count"])
            values.setdefault(row["group"], []).extend(found)
groups = [np.array(values[name]) for name in ({names},)]
"""
PYTHON_VISITS = """\
import csv

import numpy as np
from scipy import stats

# values.csv has the columns subject, time, value (and group)
times = [{names}]
visits = {{}}
with open("{file}", newline="", encoding="utf-8") as file:
    for row in csv.DictReader(file):
        if row["value"]:
            visits.setdefault(row["subject"], {{}})[row["time"]] = float(row["value"])
complete = np.array([[v[t] for t in times] for v in visits.values() if set(times) <= set(v)])
"""
PYTHON_TESTS = {
    "Welch t on logarithms": """\
a, b = groups
test = stats.ttest_ind(np.log(a), np.log(b), equal_var=False)
interval = test.confidence_interval({level})
print("ratio of geometric means", np.exp(np.log(a).mean() - np.log(b).mean()))
print("interval", np.exp(interval.low), np.exp(interval.high))
print("p", test.pvalue)
""",
    "Welch t": """\
a, b = groups
test = stats.ttest_ind(a, b, equal_var=False)
print("difference", a.mean() - b.mean(), test.confidence_interval({level}))
print("p", test.pvalue)
""",
    "Mann–Whitney": """\
a, b = groups
print("p", stats.mannwhitneyu(a, b, method="asymptotic").pvalue)
print("shift", np.median(np.subtract.outer(a, b)))
""",
    "Mann–Whitney, exact": """\
a, b = groups
# SciPy's method="exact" ignores ties; random permutations come close to the exact p
draws = stats.PermutationMethod(n_resamples=99_999, rng=1)
print("p", stats.mannwhitneyu(a, b, method=draws).pvalue)
print("shift", np.median(np.subtract.outer(a, b)))
""",
    "Brunner–Munzel": """\
a, b = groups
u = stats.mannwhitneyu(a, b, method="asymptotic").statistic
print("probability that a is higher", u / (len(a) * len(b)))
print("p", stats.brunnermunzel(a, b).pvalue)
""",
    "Welch ANOVA on logarithms": """\
logs = [np.log(group) for group in groups]
print("p", stats.f_oneway(*logs, equal_var=False).pvalue)
print(stats.tukey_hsd(*logs, equal_var=False))
""",
    "Welch ANOVA": """\
print("p", stats.f_oneway(*groups, equal_var=False).pvalue)
print(stats.tukey_hsd(*groups, equal_var=False))
""",
    "Kruskal–Wallis": """\
print("p", stats.kruskal(*groups).pvalue)
""",
    "χ²": """\
table = [[np.sum(group == 1), np.sum(group == 0)] for group in groups]
print("p", stats.chi2_contingency(table, correction=False).pvalue)
""",
    "Fisher mid-p": """\
a, b = groups
events, total = int(a.sum()), int(a.sum() + b.sum())
null = stats.hypergeom(len(a) + len(b), total, len(a))
half = null.pmf(events) / 2
tails = null.cdf(events) - half, null.sf(events - 1) - half
print("p", min(1, 2 * min(tails)))
""",
    "Fisher–Freeman–Halton, simulated": """\
table = [[np.sum(group == 1), np.sum(group == 0)] for group in groups]
draws = stats.MonteCarloMethod(n_resamples=99_999, rng=np.random.default_rng(1))
print("p", stats.fisher_exact(table, method=draws).pvalue)
""",
    "Wilcoxon signed rank, exact": """\
change = complete[:, 1] - complete[:, 0]
change = change[change != 0]
# SciPy's method="exact" ignores ties; random signs come close to the exact p
draws = stats.PermutationMethod(n_resamples=9_999, rng=1)
print("p", stats.wilcoxon(change, method=draws).pvalue)
""",
    "Wilcoxon signed rank": """\
change = complete[:, 1] - complete[:, 0]
print("p", stats.wilcoxon(change, method="asymptotic", correction=True).pvalue)
""",
    "Friedman": """\
print("p", stats.friedmanchisquare(*complete.T).pvalue)
""",
    "group × time, Wald F": """\
# pip install statsmodels pandas
import pandas as pd
import statsmodels.formula.api as smf

d = pd.read_csv("{file}").dropna()
fit = smf.mixedlm("value ~ group * C(time)", d, groups=d["subject"]).fit(reml=True)
print(fit.summary())
""",
}
R_MARGIN = {
    "TOST, Welch t on logarithms": """\
# equivalence: the larger p of two one-sided tests against the margin {low} to {high}
t.test(log(a), log(b), mu = log({low}), alternative = "greater")$p.value
t.test(log(a), log(b), mu = log({high}), alternative = "less")$p.value
""",
    "TOST, Welch t": """\
# equivalence: the larger p of two one-sided tests against the margin {low} to {high}
t.test(a, b, mu = {low}, alternative = "greater")$p.value
t.test(a, b, mu = {high}, alternative = "less")$p.value
""",
}


def r_code(comparison: Comparison) -> str | None:
    """Return an R program that repeats the comparison; None where there is no test."""
    found = _parts(comparison, R_GROUPS, R_VISITS, R_TESTS)
    if found is None:
        return None
    setup, test = found
    if comparison.method in R_NEEDS_TWO:
        setup += R_TWO
    return setup + test + _r_margin(comparison)


def python_code(comparison: Comparison) -> str | None:
    """Return a Python program that repeats the comparison; None where there is no test."""
    found = _parts(comparison, PYTHON_GROUPS, PYTHON_VISITS, PYTHON_TESTS)
    return None if found is None else "".join(found)


def _parts(
    comparison: Comparison, groups: str, visits: str, tests: dict[str, str]
) -> tuple[str, str] | None:
    """Return the part that reads the values and the part that tests them."""
    if isinstance(comparison.test, NotComputable) or comparison.method not in tests:
        return None
    setup = groups if comparison.design == "independent" else visits
    names = [group.group for group in comparison.groups if group.n]
    if comparison.design == "repeated":
        names = list(dict.fromkeys(name.split(", ", 1)[1] for name in names))
    level = _level(comparison)
    test = tests[comparison.method].format(level=level, file=FILE)
    return setup.format(file=FILE, names=_quoted(names)), test


def _quoted(names: Sequence[str]) -> str:
    """Quote names so that neither language reads more into them than text."""
    return ", ".join(json.dumps(name, ensure_ascii=False) for name in names)


def _level(comparison: Comparison) -> float:
    """Return the level of the intervals."""
    for effect in comparison.effects:
        if not isinstance(effect.estimate, NotComputable):
            return effect.estimate.level
    return 0.95


def _r_margin(comparison: Comparison) -> str:
    """Return the lines that test against the margin, where both ends were stated."""
    margin = comparison.equivalence
    if margin is None or isinstance(margin, NotComputable) or margin.method not in R_MARGIN:
        return ""
    if margin.margin_low is None or margin.margin_high is None:
        return ""
    return R_MARGIN[margin.method].format(low=margin.margin_low, high=margin.margin_high)
