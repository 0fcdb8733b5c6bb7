"""What Python needs to repeat each test: how it reads values.csv, and the test itself."""

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

# values.csv has the columns subject, time, value (and group, baseline); count, where it is given,
# says how many subjects have these values
times = [{names}]
visits = {{}}
rows = []
with open("{file}", newline="", encoding="utf-8") as file:
    for row in csv.DictReader(file):
        for copy in range(int(row.get("count") or 1) if row["value"] else 0):
            subject = row["subject"], copy
            visits.setdefault(subject, {{}})[row["time"]] = float(row["value"])
            rows.append((subject, row))
complete = np.array([[v[t] for t in times] for v in visits.values() if set(times) <= set(v)])
"""
PYTHON_CATEGORIES = """\
import csv

import numpy as np
from scipy import stats

# values.csv has the columns group, value, count
groups = [{names}]
counts = {{}}
with open("{file}", newline="", encoding="utf-8") as file:
    for row in csv.DictReader(file):
        if row["value"] and row["group"] in groups:
            cell = row["group"], row["value"]
            counts[cell] = counts.get(cell, 0) + int(row["count"])
categories = sorted({{value for _, value in counts}})
table = [[counts.get((group, value), 0) for value in categories] for group in groups]
"""
PYTHON_RATES = """\
import csv

import numpy as np
from scipy import stats

# values.csv has the columns group, value (events), exposure
sums = {{}}
with open("{file}", newline="", encoding="utf-8") as file:
    for row in csv.DictReader(file):
        events, exposure = sums.get(row["group"], (0.0, 0.0))
        sums[row["group"]] = events + float(row["value"]), exposure + float(row["exposure"])
totals = [sums[name] for name in ({names},)]
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
# exact with ties (SciPy's method="exact" ignores them): the ways in which each sum of doubled
# mid-ranks comes about
ranks = (2 * stats.rankdata(np.concatenate([a, b]))).astype(int)
ways = np.zeros((len(a) + 1, ranks.sum() + 1))
ways[0, 0] = 1
for rank in ranks:
    ways[1:, rank:] += ways[:-1, :-rank].copy()
chance = ways[-1] / math.comb(len(ranks), len(a))
at = ranks[: len(a)].sum()
print("p", min(1, 2 * min(chance[: at + 1].sum(), chance[at:].sum())))
print("shift", np.median(np.subtract.outer(a, b)))
print("Cliff's delta", np.sign(np.subtract.outer(a, b)).mean())
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
# exact with ties (SciPy's method="exact" ignores them): each doubled mid-rank is positive or
# negative by a fair coin
ranks = (2 * stats.rankdata(np.abs(change))).astype(int)
chance = np.zeros(ranks.sum() + 1)
chance[0] = 1
for rank in ranks:
    moved = chance[:-rank].copy() / 2
    chance /= 2
    chance[rank:] += moved
at = ranks[change > 0].sum()
print("p", min(1, 2 * min(chance[: at + 1].sum(), chance[at:].sum())))
walsh = np.add.outer(change, change)[np.triu_indices(len(change))] / 2
print("typical change", np.median(walsh))
""",
    "Wilcoxon signed rank": """\
change = complete[:, 1] - complete[:, 0]
print("p", stats.wilcoxon(change, method="asymptotic", correction=True).pvalue)
""",
    "Friedman": """\
print("p", stats.friedmanchisquare(*complete.T).pvalue)
""",
    "McNemar exact": """\
change = complete[:, 1] - complete[:, 0]
lost, gained = int(np.sum(change < 0)), int(np.sum(change > 0))
print("difference", (gained - lost) / len(complete))
print("p", stats.binomtest(min(lost, gained), lost + gained).pvalue)
""",
    "McNemar mid-p": """\
change = complete[:, 1] - complete[:, 0]
lost, gained = int(np.sum(change < 0)), int(np.sum(change > 0))
print("difference", (gained - lost) / len(complete))
null = stats.binom(lost + gained, 0.5)
fewer = min(lost, gained)
print("p", min(1, 2 * null.cdf(fewer) - null.pmf(fewer)))
""",
    "Cochran Q": """\
k = complete.shape[1]
columns, rows = complete.sum(axis=0), complete.sum(axis=1)
q = k * (k - 1) * np.sum((columns - columns.mean()) ** 2) / np.sum(rows * (k - rows))
print("p", stats.chi2.sf(q, k - 1))
""",
    "exact conditional Poisson": """\
(x1, t1), (x2, t2) = totals
print("p", stats.binomtest(int(x1), int(x1 + x2), t1 / (t1 + t2)).pvalue)
""",
    "χ² of rates": """\
events, exposure = np.array(totals).T
print("p", stats.chisquare(events, events.sum() * exposure / exposure.sum()).pvalue)
""",
    "χ², categories": """\
print("p", stats.chi2_contingency(table, correction=False).pvalue)
""",
    "Fisher–Freeman–Halton, simulated, categories": """\
draws = stats.MonteCarloMethod(n_resamples=99_999, rng=np.random.default_rng(1))
print("p", stats.fisher_exact(table, method=draws).pvalue)
""",
    "group × time, Wald F": """\
# pip install statsmodels
from statsmodels.regression.mixed_linear_model import MixedLM

rows = [(s, r) for s, r in rows if r["time"] in times and r.get("baseline") != ""]
groups = sorted({{r["group"] for _, r in rows}})
y, x, subjects = [], [], []
for subject, r in rows:
    group = [float(r["group"] == g) for g in groups[1:]]
    time = [float(r["time"] == t) for t in times[1:]]
    both = [g * t for g in group for t in time]
    covariate = [float(r["baseline"])] if "baseline" in r else []
    x.append([1.0, *covariate, *group, *time, *both])
    y.append(float(r["value"]))
    subjects.append(subject)
number = {{s: i for i, s in enumerate(dict.fromkeys(subjects))}}
places = np.array([number[s] for s in subjects])
fit = MixedLM(np.array(y), np.array(x), groups=places).fit(reml=True)
k = len(both)
b, v = fit.fe_params[-k:], fit.cov_params()[: len(x[0]), : len(x[0])][-k:, -k:]
f = b @ np.linalg.solve(v, b) / k
print("effects", fit.fe_params)
print("p", stats.f.sf(f, k, len(number) - len(groups)))
""",
}
#: What must stand before a test against a margin, and its p against one end: ``way`` is "greater"
#: for the lower end, "less" for the upper one, ``bound`` the end.
PYTHON_MARGIN = {
    "TOST, Welch t on logarithms": (
        "a, b = groups\n",
        "stats.ttest_ind(np.log(a) - np.log({bound}), np.log(b), equal_var=False,"
        ' alternative="{way}").pvalue',
    ),
    "TOST, Welch t": (
        "a, b = groups\n",
        'stats.ttest_ind(a - {bound}, b, equal_var=False, alternative="{way}").pvalue',
    ),
    "TOST, paired t": (
        "change = complete[:, 1] - complete[:, 0]\n",
        'stats.ttest_1samp(change, {bound}, alternative="{way}").pvalue',
    ),
    "TOST, Miettinen–Nurminen": (
        """\
from scipy.optimize import minimize_scalar

a, b = groups


def score_p(m, way):
    # the score at a difference m, with the shares that are likeliest there
    x, n = [int(a.sum()), int(b.sum())], [len(a), len(b)]

    def unlikely(s):
        return -stats.binom.logpmf(x[0], n[0], s + m) - stats.binom.logpmf(x[1], n[1], s)

    ends = max(0, -m), min(1, 1 - m)
    s = minimize_scalar(unlikely, bounds=ends, method="bounded", options={{"xatol": 1e-13}}).x
    v = ((s + m) * (1 - s - m) / n[0] + s * (1 - s) / n[1]) * sum(n) / (sum(n) - 1)
    z = (x[0] / n[0] - x[1] / n[1] - m) / v**0.5
    return stats.norm.cdf(z) if way == "less" else stats.norm.sf(z)


""",
        'score_p({bound}, "{way}")',
    ),
}
