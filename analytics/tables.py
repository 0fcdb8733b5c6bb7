"""Tables of counts beyond 2 × 2 of independent groups: r × c, ordered, paired."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special, stats
from scipy.optimize import brentq

from analytics.guards import (
    FloatArray,
    as_floats,
    check_level,
    computable,
    count,
    count_table,
    events_of,
    numbers,
    require,
)
from analytics.proportions import clopper_pearson_bounds, wilson_bounds
from analytics.results import Estimate, NotComputable, TestResult
from analytics.tails import chi_square_p, normal_quantile

RESAMPLES = 99_999
LARGEST_SIMULATED_CELLS = 100
EXACT_BELOW_DISCORDANT = 10


def _occupied(table: Any) -> FloatArray:
    """Return the table without empty rows and columns, at least 2 × 2."""
    counts = count_table(table)
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    total = int(counts.sum())
    require(counts.shape[0] > 1, "fewer than two groups hold anybody", total)
    require(counts.shape[1] > 1, "only one category occurs", total)
    return counts


@computable
def chi_square_table(table: Any) -> TestResult:
    """Pearson's χ² of an r × c table of counts; empty rows and columns are left out.

    Parameters
    ----------
    table
        Counts, shape (groups, categories).

    Returns
    -------
    TestResult
        ``details``: ``cramers_v`` (0 to 1), ``smallest_expected``, ``expected_below_5`` (cells).
    """
    counts = _occupied(table)
    total = counts.sum()
    expected = counts.sum(axis=1, keepdims=True) * (counts.sum(axis=0) / total)
    statistic = float(((counts - expected) ** 2 / expected).sum())
    rows, columns = counts.shape
    df = (rows - 1) * (columns - 1)
    details = {
        "cramers_v": math.sqrt(statistic / (total * (min(rows, columns) - 1))),
        "smallest_expected": float(expected.min()),
        "expected_below_5": int((expected < 5).sum()),
    }
    p = chi_square_p(statistic, df)
    return TestResult("χ²", statistic, p, int(total), float(df), details=details)


@computable
def fisher_freeman_halton(table: Any, resamples: int = RESAMPLES, seed: int = 1) -> TestResult:
    """Fisher–Freeman–Halton test of an r × c table by simulation of tables with its margins.

    Parameters
    ----------
    table
        Counts, shape (groups, categories).
    resamples, seed
        Random tables and their seed: the same data give the same p.

    Returns
    -------
    TestResult
        ``statistic`` is the probability of the observed table; ``details["standard_error"]`` the
        simulation's own error of p (R: ``fisher.test(simulate.p.value = TRUE)``).
    """
    counts = _occupied(table)
    total = int(counts.sum())
    require(counts.size <= LARGEST_SIMULATED_CELLS, "the table has more than 100 cells", total)
    require(total <= 10_000_000, "the counts are too large to simulate; use χ²", total)
    draws = stats.MonteCarloMethod(n_resamples=resamples, rng=np.random.default_rng(seed))
    found = stats.fisher_exact(counts.astype(np.int64), method=draws)
    p = float(np.asarray(found.pvalue).item())  # SciPy gives an array where few tables exist
    details = {"standard_error": math.sqrt(p * (1 - p) / resamples), "resamples": resamples}
    probability = float(np.exp(_log_probability(counts)))
    name = "Fisher–Freeman–Halton, simulated"
    return TestResult(name, probability, p, total, details=details)


def _log_probability(counts: FloatArray) -> float:
    """Return the log probability of a table given its margins."""
    margins = special.gammaln(counts.sum(axis=0) + 1).sum()
    margins += special.gammaln(counts.sum(axis=1) + 1).sum()
    cells = special.gammaln(counts + 1).sum() + special.gammaln(counts.sum() + 1)
    return float(margins - cells)


@computable
def cochran_armitage(
    events: Sequence[float], n: Sequence[float], scores: Sequence[float] | None = None
) -> TestResult:
    """Trend of a proportion over ordered groups (R: ``prop.trend.test``).

    Parameters
    ----------
    events, n
        Events and members of each group, in order, shape (k,).
    scores
        Distance of the groups; 1, 2, 3 … if not given.

    Returns
    -------
    TestResult
        χ² with 1 df; ``details["z"]`` is positive where the proportion rises. statsmodels uses
        the variance with N − 1 instead.
    """
    columns = as_floats(events, "events").shape, as_floats(n, "sizes").shape
    two = len(columns[0]) == 1 and columns[0] == columns[1] and columns[0][0] >= 2
    require(two, "there are not two groups with events and sizes")
    checked = [events_of(*pair, "group") for pair in zip(events, n, strict=True)]
    x, sizes = (np.array(column, dtype=float) for column in zip(*checked, strict=True))
    place = numbers(range(1, len(n) + 1) if scores is None else scores, "scores")
    require(len(place) == len(n), "the scores do not match the groups")
    total = sizes.sum()
    share = x.sum() / total
    require(0 < share < 1, f"{'nobody' if share == 0 else 'everybody'} had the event", int(total))
    centred = place - (sizes @ place) / total
    spread = float(sizes @ centred**2)
    require(spread > 0, "all groups have the same score", int(total))
    z = float(centred @ (x - sizes * share)) / math.sqrt(share * (1 - share) * spread)
    p = chi_square_p(z * z, 1)
    return TestResult("Cochran–Armitage", z * z, p, int(total), 1.0, details={"z": z})


@computable
def cochran_q(matrix: Any) -> TestResult:
    """Compare a yes/no outcome of the same patients over three or more times (Cochran 1950).

    Parameters
    ----------
    matrix
        0 or 1, one row a patient, one column a time, shape (n, k). Rows with a gap are left out
        and counted in ``details["left_out"]``.
    """
    values = as_floats(matrix)
    require(values.ndim == 2, "the values are not one row a patient and one column a time")
    complete = values[~np.isnan(values).any(axis=1)]
    n, k = complete.shape
    require(k >= 3, "there are fewer than three times", n)
    require(bool(np.isin(complete, (0, 1)).all()), "a value is neither 0 nor 1", n)
    rows, columns = complete.sum(axis=1), complete.sum(axis=0)
    informative = float((rows * (k - rows)).sum())
    require(informative > 0, "no patient's answer differs between the times", n)
    statistic = (k - 1) * k * float(((columns - columns.mean()) ** 2).sum()) / informative
    details = {"left_out": len(values) - n}
    p = chi_square_p(statistic, k - 1)
    return TestResult("Cochran Q", statistic, p, n, float(k - 1), details=details)


@dataclass(frozen=True)
class PairedProportions:
    """Yes/no before and after in the same patients; differences are first minus second.

    ``primary`` is mid-p, or the exact test where fewer than ten pairs changed. The tests and the
    odds ratio need a changed pair; the differences do not.
    """

    gained: int
    lost: int
    n: int
    difference: Estimate | NotComputable
    difference_newcombe: Estimate | NotComputable
    odds_ratio: Estimate | NotComputable
    exact: TestResult | NotComputable
    mid_p: TestResult | NotComputable
    chi_square: TestResult | NotComputable
    chi_square_corrected: TestResult | NotComputable

    @property
    def primary(self) -> TestResult | NotComputable:
        """Return the test to show first."""
        return self.exact if self.gained + self.lost < EXACT_BELOW_DISCORDANT else self.mid_p


def mcnemar(
    yes_yes: float, yes_no: float, no_yes: float, no_no: float, level: float = 0.95
) -> PairedProportions | NotComputable:
    """Compare a yes/no outcome at two times in the same patients.

    Parameters
    ----------
    yes_yes, yes_no, no_yes, no_no
        Pairs by (first, second) answer.
    level
        Confidence level, 0 to 1.

    Notes
    -----
    McNemar 1947; mid-p: Fagerland, Lydersen & Laake 2013 (10.1186/1471-2288-13-91). R:
    ``mcnemar.test``, ``exact2x2::mcnemar.exact``, ``ratesci::pairbinci``. statsmodels returns
    p = 0 for χ² when no pair changed; here there is no test then.
    """
    difference = tango(yes_yes, yes_no, no_yes, no_no, level)
    if isinstance(difference, NotComputable):
        return difference
    b, c = int(yes_no), int(no_yes)
    return PairedProportions(
        gained=c,
        lost=b,
        n=difference.n,
        difference=difference,
        difference_newcombe=newcombe_paired(yes_yes, yes_no, no_yes, no_no, level),
        odds_ratio=_paired_odds_ratio(b, c, level),
        exact=_binomial_test(b, c, False),
        mid_p=_binomial_test(b, c, True),
        chi_square=_mcnemar_chi_square(b, c, 0),
        chi_square_corrected=_mcnemar_chi_square(b, c, 1),
    )


def _pairs(*cells: float) -> tuple[int, int, int, int, int]:
    """Return the four checked cells and their sum."""
    names = ("yes–yes", "yes–no", "no–yes", "no–no")
    a, b, c, d = (count(v, f"the {n} cell") for v, n in zip(cells, names, strict=True))
    total = count(a + b + c + d, "the number of pairs")
    require(total > 0, "there is no pair")
    return a, b, c, d, total


@computable
def tango(
    yes_yes: float, yes_no: float, no_yes: float, no_no: float, level: float = 0.95
) -> Estimate:
    """Paired risk difference (first − second) with Tango's score interval.

    Source: Tango 1998, 10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B.
    """
    _, b, c, _, n = _pairs(yes_yes, yes_no, no_yes, no_no)
    z = normal_quantile(level)
    observed = (b - c) / n

    def statistic(delta: float) -> float:
        linear = -b - c + (2 * n - b + c) * delta
        root = math.sqrt(max(0.0, linear * linear + 8 * n * c * delta * (1 - delta)))
        variance = n * ((root - linear) / (2 * n) + delta * (1 - delta))
        distance = b - c - n * delta
        if variance <= 0:
            return 0.0 if abs(distance) < 1e-9 else math.copysign(1e9, distance)
        return max(-1e9, min(1e9, distance / math.sqrt(variance)))

    low = high = observed
    low = -1.0 if observed <= -1 else _crossing(lambda t: statistic(t) - z, -1.0, observed)
    high = 1.0 if observed >= 1 else _crossing(lambda t: statistic(t) + z, observed, 1.0)
    return Estimate(observed, low, high, n, "Tango score", level=level)


def _crossing(function: Any, low: float, high: float) -> float:
    """Return where a falling function is zero; the outer end where it never is."""
    if function(low) <= 0:
        return low
    if function(high) >= 0:
        return high
    return float(brentq(function, low, high, xtol=1e-14))  # pyright: ignore[reportArgumentType]


@computable
def newcombe_paired(
    yes_yes: float, yes_no: float, no_yes: float, no_no: float, level: float = 0.95
) -> Estimate:
    """Paired risk difference (first − second) with Newcombe's interval (1998, method 10)."""
    a, b, c, d, n = _pairs(yes_yes, yes_no, no_yes, no_no)
    p1, p2 = (a + b) / n, (a + c) / n
    l1, u1 = wilson_bounds(a + b, n, check_level(level))
    l2, u2 = wilson_bounds(a + c, n, level)
    cross, margins = a * d - b * c, (a + b) * (c + d) * (a + c) * (b + d)
    if cross > 0:
        cross = max(cross - n / 2, 0)
    phi = cross / math.sqrt(margins) if margins else 0.0
    down, up = p1 - l1, u2 - p2
    low = (b - c) / n - math.sqrt(max(0.0, down**2 - 2 * phi * down * up + up**2))
    down, up = p2 - l2, u1 - p1
    high = (b - c) / n + math.sqrt(max(0.0, down**2 - 2 * phi * down * up + up**2))
    return Estimate((b - c) / n, max(-1.0, low), min(1.0, high), n, "Newcombe paired", level=level)


@computable
def _paired_odds_ratio(b: int, c: int, level: float) -> Estimate:
    """Return the conditional odds ratio of changed pairs with its exact interval."""
    require(b + c > 0, "no pair changed", 0)
    low, high = clopper_pearson_bounds(b, b + c, check_level(level))
    value, low, high = (p / (1 - p) if p < 1 else math.inf for p in (b / (b + c), low, high))
    return Estimate(value, low, high, b + c, "exact, changed pairs", level=level)


@computable
def _binomial_test(b: int, c: int, mid: bool) -> TestResult:
    """Run McNemar's exact or mid-p test."""
    require(b + c > 0, "no pair changed")
    distribution = stats.binom(b + c, 0.5)
    p = 2 * float(distribution.cdf(min(b, c)))
    if mid:
        p -= float(distribution.pmf(b))
    if b == c:
        p = 1.0
    name = "McNemar mid-p" if mid else "McNemar exact"
    return TestResult(name, float(min(b, c)), min(1.0, p), b + c)


@computable
def _mcnemar_chi_square(b: int, c: int, correction: int) -> TestResult:
    """Run McNemar's χ² test."""
    require(b + c > 0, "no pair changed")
    statistic = max(0, abs(b - c) - correction) ** 2 / (b + c)
    name = "McNemar χ² with continuity correction" if correction else "McNemar χ²"
    return TestResult(name, statistic, chi_square_p(statistic, 1), b + c, 1.0)
