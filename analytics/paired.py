"""Tests on the same patients at two or more times."""

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analytics.exact import LARGEST_PAIRED, signed_rank_distribution
from analytics.frequency import Counts, tally
from analytics.guards import as_floats, complete_columns, computable, require
from analytics.moments import moments
from analytics.multiplicity import adjust
from analytics.results import Estimate, NotComputable, Pair, TestResult
from analytics.shift import pseudomedian
from analytics.tails import chi_square_p, normal_p, t_p, t_quantile

FloatArray = NDArray[np.float64]


@computable
def wilcoxon_signed_rank(x: Any, y: Any = None, exact: bool | None = None) -> TestResult:
    """Test whether paired differences x − y are symmetric about zero (Wilcoxon 1945).

    Zero differences are left out. Exact, ties included, up to 400 others; otherwise normal with
    tie and continuity correction (R: ``wilcox.test(paired = TRUE, exact = FALSE)``).

    Parameters
    ----------
    x, y
        Paired values, shape (n,); pairs with a missing value are left out. With ``y`` None, ``x``
        holds the differences, as values or as Counts.

    Returns
    -------
    TestResult
        ``statistic`` is V, the sum of ranks of positive differences; ``details`` holds
        ``n_zero``, and ``rank_biserial`` = (V − V_negative) / total.
    """
    counts = tally(_differences(x, y))
    require(counts.all_finite, "a difference is infinite", counts.n)
    nonzero = counts.values != 0
    values, n_each = counts.values[nonzero], counts.n_each[nonzero]
    n = int(n_each.sum())
    require(n > 0, "no difference differs from zero", counts.n)
    sizes, place = np.unique(np.abs(values), return_inverse=True)
    ties = np.zeros(len(sizes), dtype=np.int64)
    np.add.at(ties, place, n_each)
    doubled_ranks = 2 * np.cumsum(ties) - ties + 1
    positive = values > 0
    doubled_v = int((doubled_ranks[place[positive]] * n_each[positive]).sum())
    v = doubled_v / 2
    z = _signed_rank_z(v, n, ties)
    details: dict[str, Any] = {
        "n_zero": counts.n - n,
        "rank_biserial": 4 * v / (n * (n + 1)) - 1,
        "z": z,
    }
    use_exact = n <= LARGEST_PAIRED if exact is None else exact
    if not use_exact:
        p = normal_p(z)
        return TestResult("Wilcoxon signed rank", v, p, counts.n, details=details)
    require(n <= LARGEST_PAIRED, "there are too many pairs for an exact test", n)
    p = signed_rank_distribution(tuple(int(tie) for tie in ties)).two_sided(doubled_v)
    return TestResult("Wilcoxon signed rank, exact", v, p, counts.n, details=details)


def _differences(x: Any, y: Any) -> FloatArray | Counts:
    """Return x − y of complete pairs; x itself, counted or not, when y is None."""
    if isinstance(x, Counts) and y is None:
        return x
    if y is None:
        return complete_columns(x)[0]
    first, second = complete_columns(x, y)
    return first - second


def _signed_rank_z(v: float, n: int, ties: NDArray[np.int64]) -> float:
    """Return the standardised V with tie and continuity correction."""
    t = ties.astype(np.float64)
    variance = n * (n + 1.0) * (2 * n + 1) / 24 - float((t**3 - t).sum()) / 48
    away = v - n * (n + 1) / 4
    return (away - math.copysign(0.5, away) if away else 0.0) / math.sqrt(variance)


@computable
def paired_t(x: Any, y: Any = None) -> TestResult:
    """Test that the mean of paired differences is zero (R: ``t.test(paired = TRUE)``)."""
    m, error = _paired_moments(x, y)
    t = m.mean / error
    p = t_p(t, m.n - 1)
    return TestResult("paired t", t, p, m.n, df=float(m.n - 1))


@computable
def mean_change(x: Any, y: Any = None, level: float = 0.95, unit: str = "") -> Estimate:
    """Return the mean of paired differences x − y with its t interval, in the values' unit."""
    m, error = _paired_moments(x, y)
    half = t_quantile(level, m.n - 1) * error
    return Estimate(m.mean, m.mean - half, m.mean + half, m.n, "paired t", unit, level)


def _paired_moments(x: Any, y: Any) -> tuple[Any, float]:
    """Return moments of the differences and the standard error of their mean."""
    m = moments(_differences(x, y))
    require(m.n >= 2, "there are fewer than two complete pairs", m.n)
    error = m.sd / math.sqrt(m.n)
    require(error > 1e-15 * abs(m.mean), "the differences do not vary", m.n)
    return m, error


@computable
def friedman(matrix: Any) -> TestResult:
    """Test whether any of three or more times tends to be higher (Friedman 1937), tie-corrected.

    Parameters
    ----------
    matrix
        One row a patient, one column a time, shape (n, k); rows with a missing value are left out
        (R: ``friedman.test``).

    Returns
    -------
    TestResult
        ``details`` holds ``kendalls_w`` = χ² / (n (k − 1)) and ``left_out`` rows.
    """
    values = as_floats(matrix)
    require(values.ndim == 2, "the values are not one row a patient and one column a time")
    require(values.shape[1] >= 3, "there are fewer than three times", len(values))
    complete = values[~np.isnan(values).any(axis=1)]
    n, k = complete.shape
    require(n >= 2, "fewer than two patients have a value at every time", n)
    ranks = stats.rankdata(complete, axis=1)
    spread = float(((ranks - (k + 1) / 2) ** 2).sum())
    require(spread > 0, "no patient's values differ between the times", n)
    between = float(((ranks.sum(axis=0) - n * (k + 1) / 2) ** 2).sum())
    chi2 = between * (k - 1) / spread
    details = {"kendalls_w": chi2 / (n * (k - 1)), "left_out": len(values) - n}
    p = chi_square_p(chi2, k - 1)
    return TestResult("Friedman", chi2, p, n, df=float(k - 1), details=details)


def signed_rank_pairs(
    columns: Mapping[str, Any], adjustment: str = "holm", level: float = 0.95, unit: str = ""
) -> tuple[Pair, ...]:
    """Compare all pairs of times by signed ranks, first minus second, adjusted as one family.

    A pair whose test cannot be computed takes no part.
    """
    found: list[tuple[str, str, TestResult, Estimate | NotComputable]] = []
    for first, second in combinations(columns, 2):
        test = wilcoxon_signed_rank(columns[first], columns[second])
        if isinstance(test, TestResult):
            differences = _differences(columns[first], columns[second])
            found.append((first, second, test, pseudomedian(differences, level, unit)))
    adjusted = adjust([test.p_value for _, _, test, _ in found], adjustment)
    return tuple(
        Pair(
            first,
            second,
            test,
            test.p_value if p is None else p,
            adjustment,
            effect,
            "typical change",
        )
        for (first, second, test, effect), p in zip(found, adjusted, strict=True)
    )
