"""Agreement of two readers on a column that was read twice."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from analytics.agreement import Kappa, cohens_kappa, icc
from analytics.guards import computable, require
from analytics.results import Estimate, NotComputable

_READ = re.compile(r"(?i)^(?P<what>.+?)[ _.-]*(?:reader|rater|observer|r)[ _.-]?(?P<who>[12])$")
#: From so many distinct numbers a column is a measurement; fewer are grades.
MEASUREMENT = 7
#: Landis & Koch 1977 for κ, Koo & Li 2016 for ICC, as paper S3 words them: from which value.
KAPPA_WORDS = (
    (0.81, "almost perfect"), (0.61, "substantial"), (0.41, "moderate"), (0.21, "fair"),
    (0.01, "slight"),
)  # fmt: skip
ICC_WORDS = ((0.9, "excellent"), (0.75, "good"), (0.5, "moderate"))


def read_twice(columns: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return what two readers read: ``edema_reader_1`` and ``edema_reader_2`` are one thing."""
    found: dict[str, dict[str, str]] = {}
    for column in columns:
        match = _READ.match(column)
        if match:
            found.setdefault(match["what"].strip(" _.-"), {})[match["who"]] = column
    return {what: (by["1"], by["2"]) for what, by in sorted(found.items()) if len(by) == 2}


@dataclass(frozen=True)
class Agreement:
    """Agreement of two readers.

    ``kappa`` is there for categories and grades, with ``weighted`` (quadratic weights) for grades
    that are numbers; ``icc`` is ICC(A,1) of measurements.
    """

    n: int
    left_out: int
    kappa: Kappa | NotComputable | None
    weighted: Kappa | NotComputable | None
    icc: Estimate | NotComputable | None


@computable
def agreement(first: Sequence[str | None], second: Sequence[str | None]) -> Agreement:
    """Compare what two readers wrote of the same cases; cases read once are left out.

    Numbers with at least seven distinct values are measurements: ICC, two-way, absolute agreement,
    single measures. Others are categories: Cohen's κ; of numbers also quadratically weighted.
    """
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    require(len(pairs) >= 2, "fewer than two cases were read by both", len(pairs))
    left_out = sum((a is None) != (b is None) for a, b in zip(first, second, strict=True))
    numbers = [(_number(a), _number(b)) for a, b in pairs]
    if any(value is None for pair in numbers for value in pair):
        kappa = cohens_kappa([a for a, _ in pairs], [b for _, b in pairs])
        return Agreement(len(pairs), left_out, kappa, None, None)
    one, two = [a for a, _ in numbers], [b for _, b in numbers]
    distinct = {value for pair in numbers for value in pair}
    if len(distinct) >= MEASUREMENT:
        return Agreement(len(pairs), left_out, None, None, icc(np.array(numbers, dtype=float)))
    weighted = cohens_kappa(one, two, "quadratic") if len(distinct) > 2 else None
    return Agreement(len(pairs), left_out, cohens_kappa(one, two), weighted, None)


def _number(text: str) -> float | None:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def word(value: float, words: Sequence[tuple[float, str]]) -> str:
    """Return the word of an agreement, to two digits as the scales are printed."""
    rounded = round(value, 2)
    return next((name for least, name in words if rounded >= least), "poor")
