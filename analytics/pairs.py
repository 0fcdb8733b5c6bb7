"""Two quantities of the same cases: do they go together, and do two readings agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analytics.agreement import BlandAltman, Kappa, bland_altman, cohens_kappa, icc
from analytics.association import spearman, spearman_test
from analytics.guards import not_computable
from analytics.results import Estimate, NotComputable, TestResult
from analytics.wording import interval, number, p_text, with_unit

FEW_GRADES = 10


@dataclass(frozen=True)
class Association:
    """How two quantities go together by rank."""

    rho: Estimate | NotComputable
    test: TestResult | NotComputable
    sentence: str


@dataclass(frozen=True)
class Agreement:
    """How two readings of the same cases agree; what the kind of reading does not have is None."""

    sentence: str
    icc: Estimate | NotComputable | None = None
    consistency: Estimate | NotComputable | None = None
    limits: BlandAltman | NotComputable | None = None
    kappa: Kappa | NotComputable | None = None
    weighted: Kappa | NotComputable | None = None


def associate(x: Any, y: Any, first: str, second: str) -> Association:
    """Correlate two quantities of the same cases by rank.

    Parameters
    ----------
    x, y
        Values of the same cases in any units, shape (n,); pairs with a gap are left out.
    first, second
        Their names.
    """
    rho, test = spearman(x, y), spearman_test(x, y)
    if isinstance(rho, NotComputable):
        return Association(rho, test, f"{first} and {second}: the correlation {rho.reason}.")
    p = f"; {test.method}, {p_text(test.p_value)}" if isinstance(test, TestResult) else ""
    said = (
        f"{first} and {second} (n = {rho.n}): Spearman's ρ {number(rho.value)}"
        f" ({interval(rho)}, {rho.method}{p}). It says how far the ranks go together, not why."
    )
    if isinstance(test, TestResult) and test.p_value >= 0.05:
        said += " The data do not show an association; that is not proof that there is none."
    return Association(rho, test, said)


def agree(x: Sequence[Any], y: Sequence[Any], first: str, second: str, unit: str = "") -> Agreement:
    """Compare two readings of the same cases: grades by κ, measurements by ICC and limits.

    Parameters
    ----------
    x, y
        Readings in one unit, or grades as text, shape (n,). Text that is a number throughout
        counts as one; up to ten whole numbers are grades in order.
    first, second
        Their names.
    unit
        Unit of both.
    """
    if not (hasattr(x, "__len__") and hasattr(y, "__len__")):
        return Agreement(f"{first} and {second} are not two columns of readings.")
    if len(x) != len(y):
        return Agreement(f"{first} and {second} have different numbers of cases.")
    values = [_numeric(x), _numeric(y)]
    if values[0] is None or values[1] is None:
        return _of_grades(list(x), list(y), first, second, ordered=False)
    whole = np.concatenate([values[0], values[1]])
    whole = whole[np.isfinite(whole)]
    if len(np.unique(whole)) <= FEW_GRADES and bool((whole % 1 == 0).all()):
        return _of_grades(values[0].tolist(), values[1].tolist(), first, second, ordered=True)
    return _of_measurements(values[0], values[1], first, second, unit)


def _numeric(values: Sequence[Any]) -> np.ndarray | None:
    """Return numbers where all readings are numbers; gaps are NaN."""
    try:
        found = [np.nan if v is None or v == "" else float(v) for v in values]
    except (TypeError, ValueError, OverflowError):
        return None
    return np.array(found, dtype=np.float64)


def _of_grades(x: list[Any], y: list[Any], first: str, second: str, ordered: bool) -> Agreement:
    """Word κ and the raw share."""
    kappa = cohens_kappa(x, y)
    weighted = cohens_kappa(x, y, "quadratic") if ordered else None
    if isinstance(kappa, NotComputable):
        return Agreement(f"{first} and {second}: agreement {kappa.reason}.", kappa=kappa)
    said = f"{first} and {second}"
    if isinstance(kappa.raw, Estimate):
        said += (
            f" (n = {kappa.raw.n}): equal in {number(100 * kappa.raw.value)} %"
            f" ({interval(kappa.raw, 100)} %)"
        )
    said += f"; {_kappa_words('Cohen’s κ', kappa)}"
    if isinstance(weighted, Kappa):
        said += f"; {_kappa_words('quadratically weighted κ', weighted)}"
    said += ". κ is agreement beyond chance; it falls where one grade is rare."
    return Agreement(said, kappa=kappa, weighted=weighted)


def _kappa_words(name: str, found: Kappa) -> str:
    """Write one κ."""
    if isinstance(found.kappa, NotComputable):
        return f"{name} {found.kappa.reason}"
    return f"{name} {number(found.kappa.value)} ({interval(found.kappa)})"


def _of_measurements(x: Any, y: Any, first: str, second: str, unit: str) -> Agreement:
    """Word ICC and limits of agreement."""
    both = np.column_stack([x, y])
    absolute, consistent = icc(both), icc(both, "consistency")
    limits = bland_altman(x, y, unit=unit)
    if isinstance(limits, NotComputable):
        said = f"{first} and {second}: the limits of agreement {limits.reason}."
        return Agreement(said, absolute, consistent, limits)
    said = (
        f"{first} minus {second} (n = {limits.bias.n}): bias"
        f" {with_unit(number(limits.bias.value), unit)} ({interval(limits.bias)}); 95 % of the"
        f" differences lie between {number(limits.lower.value)} ({interval(limits.lower)}) and"
        f" {number(limits.upper.value)} ({interval(limits.upper)})."
    )
    if isinstance(absolute, Estimate):
        said += f" ICC(A,1) {number(absolute.value)} ({interval(absolute)})."
    said += " Whether these limits are narrow enough is a clinical judgement made beforehand."
    return Agreement(said, absolute, consistent, limits)


def same_unit(first: str, second: str) -> NotComputable | None:
    """Refuse agreement of quantities in different units."""
    if first == second:
        return None
    units = f"{first or 'no unit'} and {second or 'no unit'}"
    return not_computable(f"the two are in different units ({units}): choose association instead")
