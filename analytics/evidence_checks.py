"""What the papers' own figures give when they are computed again.

``published`` has the columns of published.csv; printed values come from it by ``row_id``, so that
a corrected figure corrects the check. Methods and bounds: Cochrane Handbook 10.10 and 23
(unit of analysis), Wilson 1927, Newcombe 1998, Fieller et al. 1957.
"""

import math
import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from scipy import special

from analytics.meta_analysis import PatientCheck, Pooled, Study, pool, unique_patient_check
from analytics.meta_effects import Effect, Measure, from_interval, natural_scale
from analytics.multiplicity import adjust
from analytics.proportions import fisher, risk_difference_newcombe, wilson
from analytics.results import Estimate, TestResult

Verdict = Literal["reproduced", "consistent", "inconsistent", "not shown", "cannot be reproduced"]
#: Rows of published.csv that more than one check uses.
PAIN_ALL, PAIN_MONTH, ODI_ALL, ODI_WEEKS, ODI_MONTH, ANY = 92, 93, 94, 95, 96, 97
SINGLE_COMPLICATIONS = (98, 99, 100)
TRIALS = range(101, 109)
MODELS = {36: "72.0", 42: "73.0", 48: "68.0", 54: "66.4"}


@dataclass(frozen=True)
class Check:
    """One printed figure against its recomputation."""

    paper: str
    figure: str
    printed: str
    computed: str
    verdict: Verdict
    note: str = ""


class Printed:
    """The printed figures by row."""

    def __init__(self, published: pl.DataFrame) -> None:
        self._rows = {row["row_id"]: row for row in published.iter_rows(named=True)}

    def value(self, row: int) -> float:
        """Return the printed number."""
        return float(self._rows[row]["value"])

    def n(self, row: int) -> int:
        """Return the number of patients."""
        return int(self._rows[row]["n"])

    def interval(self, row: int) -> tuple[float, float, float]:
        """Return estimate, low and high."""
        found = self._rows[row]
        return float(found["value"]), float(found["ci_low"]), float(found["ci_high"])

    def spread(self, row: int) -> str:
        """Return what is printed beside the number."""
        return str(self._rows[row]["spread"] or "")

    def note(self, row: int) -> str:
        """Return what checking by hand found."""
        return str(self._rows[row]["note"] or "")

    def counts(self, paper: str) -> list[tuple[str, int, int, float]]:
        """Return counts with a printed percentage: figure, count, n, percent."""
        found = []
        for row in self._rows.values():
            percent = re.search(r"(\d+(?:\.\d+)?) %", str(row["spread"] or ""))
            if row["paper"] == paper and row["statistic"] == "count (percent)" and percent:
                name = (
                    f"{row['outcome']}, {row['timepoint']}" if row["timepoint"] else row["outcome"]
                )
                found.append((name, int(row["value"]), int(row["n"]), float(percent[1])))
        return found


def recompute(published: pl.DataFrame) -> tuple[Check, ...]:
    """Return every check, in the order of the papers."""
    p = Printed(published)
    return (*_bessar(p), *_viderman(p), *_ruan(p), *_kajdi(p))


def _bessar(p: Printed) -> list[Check]:
    without = [100 - int(p.value(row)) for row in (85, 84)]
    difference = risk_difference_newcombe(without[0], 100, without[1], 100)
    test = fisher(without[0], 100, without[1], 100)
    assert isinstance(difference, Estimate) and isinstance(test, TestResult)
    adjusted = [q or 0.0 for q in adjust([1.0, 0.030, 0.041, 0.012], "holm")]
    return [
        Check(
            "S0", "complications, 96–99 % without", "“similar”",
            f"{without[0]}/100 v {without[1]}/100: {100 * difference.value:.1f} points"
            f" ({_ends(difference, 100)}), Fisher p = {test.p_value:.2f}",
            "not shown", "100 an arm assumed; which arm is CT is not stated",
        ),
        Check(
            "S0", "pain at 1, 3 and 6 months", "p = .030, .041, .012",
            "Holm over four follow-ups: " + ", ".join(f"{q:.3f}"[1:] for q in adjusted[1:]),
            "not shown", "1 week printed as not significant; effect sizes are not printed",
        ),
        Check(
            "S0", "radiation exposure", f"{p.value(80):g} v {p.value(81):g} mGy, “similar”",
            "–", "cannot be reproduced",
            "dose quantity not stated, no spread, no margin for similarity",
        ),
        Check(
            "S0", "operative time", f"median {p.value(82):g} v {p.value(83):g} min, p = .317",
            "–", "cannot be reproduced", "no quartiles printed",
        ),
    ]  # fmt: skip


def _effect(p: Printed, row: int, measure: Measure) -> Effect:
    found = from_interval(*p.interval(row), 0, measure)
    assert isinstance(found, Effect)
    return found


def _viderman(p: Printed) -> list[Check]:
    return [
        _pooled_complications(p),
        *(_patients(p, *which) for which in (
            (PAIN_ALL, "pain, all follow-ups together"),
            (PAIN_MONTH, "pain, 1 month"),
            (ODI_ALL, "ODI, all follow-ups together"),
            (ODI_MONTH, "ODI, 1 month"),
        )),
        _p_of(p, ODI_WEEKS, "ODI, 2 weeks", "p = .02"),
        _trial_sum(p),
        _repositioning(p),
        Check("S1", "single trials in Figures 2 to 4", "forest plots", "–", "cannot be reproduced",
              "means, SDs and events of the trials are drawn, not printed as numbers"),
        Check("S1", "risk of bias", "text: 3 some concerns, 4 high", "Table 2: 4 and 4",
              "inconsistent", "the text counts 7 of 8 trials"),
        Check("S1", "certainty (GRADE)", "text: 1 moderate, 4 low", "Table 3: 2 high, 3 moderate",
              "inconsistent"),
    ]  # fmt: skip


def _pooled_complications(p: Printed) -> Check:
    """Pool the three complications as the paper did: as if of different patients."""
    parts = [_effect(p, row, "RR") for row in SINGLE_COMPLICATIONS]
    studies = [Study(f"outcome {i}", e.value, e.variance) for i, e in enumerate(parts)]
    found = pool(studies, "DL", hartung_knapp=False)
    assert isinstance(found, Pooled)
    e = natural_scale(found.estimate, "RR")
    value, low, high = p.interval(ANY)
    close = abs(e.value - value) < 0.005 and abs((e.low or 0) - low) < 0.005
    return Check(
        "S1", "any complication, risk ratio", f"{value:g} ({low:g} to {high:g}), p = .97",
        f"{e.value:.3f} ({_ends(e, 1, 3)}), p = {found.test.p_value:.3f}",
        "reproduced" if close else "inconsistent",
        "three outcomes of the same patients pooled as if independent",
    )  # fmt: skip


def _patients(p: Printed, row: int, figure: str) -> Check:
    """Ask how many patients a printed interval needs; rounding of its ends gives the range."""
    value, low, high = p.interval(row)
    needed = []
    for slack in (0.01, 0.0, -0.01):
        found = unique_patient_check(low - slack / 2, high + slack / 2, p.n(row))
        assert isinstance(found, PatientCheck)
        needed.append(found.implied_patients)
    there, fine = p.n(row), needed[0] <= p.n(row)
    return Check(
        "S1", figure, f"SMD {value:g} ({low:g} to {high:g}), {there} patients",
        f"needs {needed[1]:.0f} patients ({needed[0]:.0f} to {needed[2]:.0f} by rounding);"
        f" {there} allow ± {3.92 / math.sqrt(there):.3f}",
        "consistent" if fine else "inconsistent",
        "" if fine else f"{needed[1] / there:.1f} times too many: unit-of-analysis error",
    )  # fmt: skip


def _p_of(p: Printed, row: int, figure: str, printed: str) -> Check:
    value, low, high = p.interval(row)
    z = value / ((high - low) / 3.919928)
    computed = 2 * float(special.ndtr(-abs(z)))
    return Check(
        "S1", figure, f"SMD {value:g} ({low:g} to {high:g}), {printed}", f"p = {computed:.3f}",
        "consistent", "patients not printed",
    )  # fmt: skip


def _trial_sum(p: Printed) -> Check:
    total = sum(int(p.value(row)) for row in TRIALS)
    return Check("S1", "patients of the eight trials", f"{p.value(109):.0f}", str(total),
                 "reproduced" if total == p.value(109) else "inconsistent")  # fmt: skip


def _repositioning(p: Printed) -> Check:
    rates = [p.value(110), p.value(111)]
    fits = [n for n in range(40, 81) if all(_fits(rate, n) for rate in rates)]
    return Check(
        "S1", "needle repositioned, Park 2013", f"{rates[0]:g} % and {rates[1]:g} % of 55",
        f"both are whole patients only of {', '.join(map(str, fits))} an arm (40 to 80 tried)",
        "inconsistent" if 55 not in fits else "consistent",
    )  # fmt: skip


def _fits(percent: float, n: int) -> bool:
    """Say whether a percentage, as far as it is printed, is a whole number of n patients."""
    digits = len(f"{percent:g}".partition(".")[2])
    nearest = round(percent * n / 100)
    return round(100 * nearest / n + 1e-9, digits) == percent


def _ruan(p: Printed) -> list[Check]:
    events = int(p.value(126))
    found = wilson(events, p.n(126))
    assert isinstance(found, Estimate)
    return [
        Check("S2", "articles with fluoroscopy alone", f"{events} of {p.n(126)}, {p.spread(126)}",
              f"{100 * found.value:.1f} % ({_ends(found, 100)}, Wilson)", "reproduced",
              "the unit is the article; no pooled effect is printed")
    ]  # fmt: skip


def _kajdi(p: Printed) -> list[Check]:
    return [
        *_percentages(p),
        *_responders(p),
        _change(p),
        _correlation(p),
        *_accuracies(p),
        _odds_ratios(p),
        _wald(p),
        Check("S3", "logistic models", "variability, coefficients", "–", "cannot be reproduced",
              "patient data are not printed; 11 predictors at 5 events each"),
    ]  # fmt: skip


def _percentages(p: Printed) -> list[Check]:
    counted = p.counts("S3")
    wrong = [
        (name, x, n, printed)
        for name, x, n, printed in counted
        if round(100 * x / n + 1e-9, 1) != printed and round(100 * x / n + 1e-9) != printed
    ]
    agree = len(counted) - len(wrong)
    found = [Check("S3", "counts with percentages", f"{len(counted)} printed",
                   f"{agree} agree", "reproduced")]  # fmt: skip
    for name, x, n, printed in wrong:
        found.append(Check("S3", name, f"{x} of {n}, {printed:g} %", f"{100 * x / n:.2f} %",
                           "inconsistent", "rounding" if abs(100 * x / n - printed) < 0.1 else "")
                     )  # fmt: skip
    return found


def _responders(p: Printed) -> list[Check]:
    found = []
    for row, when in ((18, "15 min"), (19, "1 month")):
        share = wilson(int(p.value(row)), p.n(row))
        assert isinstance(share, Estimate)
        found.append(
            Check("S3", f"responders, {when}", f"{p.value(row):.0f} of {p.n(row)}, {p.spread(row)}",
                  f"{100 * share.value:.1f} % ({_ends(share, 100)}, Wilson)", "reproduced",
                  "no interval printed")
        )  # fmt: skip
    return found


def _change(p: Printed) -> Check:
    """Bound the paired t of the pain scores, whose correlation is not printed."""
    sds = [float(p.spread(row).removeprefix("SD ")) for row in (12, 14)]
    n, fall = p.n(12), p.value(12) - p.value(14)
    t = fall / math.sqrt((sds[0] ** 2 + sds[1] ** 2) / n)
    return Check("S3", "pain, baseline to 1 month", f"{p.value(12):g} to {p.value(14):g}, p < .001",
                 f"paired t at least {t:.1f} for any correlation of 0 or more", "consistent",
                 "the signed-rank test itself needs the scores")  # fmt: skip


def _correlation(p: Printed) -> Check:
    value, low, high = p.interval(17)
    error = math.sqrt(1.06 / (p.n(17) - 3))
    ends = [math.tanh(math.atanh(value) + side * 1.959964 * error) for side in (-1, 1)]
    same = all(abs(a - b) < 0.005 for a, b in zip(ends, (low, high), strict=True))
    return Check("S3", "Spearman correlation of both scores", f"{value:g} ({low:g} to {high:g})",
                 f"Fieller interval {ends[0]:.3f} to {ends[1]:.3f}",
                 "reproduced" if same else "inconsistent")  # fmt: skip


def _accuracies(p: Printed) -> list[Check]:
    found = []
    for row, printed in MODELS.items():
        cells = re.search(r"tp(\d+) fp(\d+) fn(\d+) tn(\d+)", p.note(row))
        if cells is None:
            continue
        tp, fp, fn, tn = (int(cell) for cell in cells.groups())
        accuracy = 100 * (tp + tn) / (tp + fp + fn + tn)
        same = round(accuracy + 1e-9, 1) == float(printed)
        found.append(
            Check("S3", f"accuracy of model {len(found) + 1}", f"{printed} %",
                  f"{accuracy:.1f} % ({tp}/{fp}/{fn}/{tn} tp/fp/fn/tn)",
                  "reproduced" if same else "inconsistent",
                  "in-sample, on the data it was fitted to")
        )  # fmt: skip
    return found


def _odds_ratios(p: Printed) -> Check:
    rows = (59, 60, 61, 62)
    middles = [math.sqrt(low * high) for _, low, high in map(p.interval, rows)]
    values = [p.value(row) for row in rows]
    close = bool(np.allclose(middles, values, rtol=0.04))
    return Check("S3", "odds ratios of marrow oedema", ", ".join(f"{v:g}" for v in values),
                 "middles of their intervals: " + ", ".join(f"{m:.2f}" for m in middles),
                 "consistent" if close else "inconsistent",
                 "read in the Discussion as “times more likely”, which they are not")  # fmt: skip


def _wald(p: Printed) -> Check:
    percent, n = p.value(74), p.n(74)
    near = [f"{x} of {n} = {100 * x / n:.1f} %" for x in (25, 26)]
    return Check("S3", "responders of Wald et al.", f"{percent:g} % of {n}", "; ".join(near),
                 "consistent" if _fits(percent, n) else "inconsistent",
                 "no whole number of patients gives 43 %")  # fmt: skip


def _ends(e: Estimate, scale: float, digits: int = 1) -> str:
    """Write an interval as the documentation prints it."""
    low, high = scale * (e.low or 0.0), scale * (e.high or 0.0)
    return f"{low:.{digits}f} to {high:.{digits}f}"
