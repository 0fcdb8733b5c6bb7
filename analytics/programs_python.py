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
