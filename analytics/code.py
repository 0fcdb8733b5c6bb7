"""R and Python programs that repeat a comparison from its downloaded values, without Kerma."""

import json
from collections.abc import Mapping, Sequence

from analytics.comparison import Comparison, Equivalence
from analytics.programs_python import (
    PYTHON_CATEGORIES,
    PYTHON_GROUPS,
    PYTHON_MARGIN,
    PYTHON_RATES,
    PYTHON_TESTS,
    PYTHON_VISITS,
)
from analytics.programs_r import (
    R_CATEGORIES,
    R_GROUPS,
    R_MARGIN,
    R_RATES,
    R_SHARES,
    R_TESTS,
    R_TWO,
    R_VISITS,
)
from analytics.results import NotComputable

FILE = "values.csv"
AGAINST = "# against the margin {words} set in advance: the larger p of the one-sided tests\n"


def r_code(comparison: Comparison) -> str | None:
    """Return an R program that repeats the comparison; None where there is no test."""
    found = _parts(comparison, (R_GROUPS, R_VISITS, R_CATEGORIES, R_RATES), R_TESTS)
    if found is None:
        return None
    setup, test = found
    two = sum(group.n > 0 for group in comparison.groups) == 2
    if comparison.method == "χ²" and comparison.kind == "binary" and two:
        setup += (R_TWO + R_SHARES).format(level=_level(comparison))
    ends = _against_margin(comparison, R_MARGIN)
    show = 'cat("margin p", format(max({ends}), digits = 12), "\\n")\n'
    return setup + test + (ends[0] + show.format(ends=", ".join(ends[1])) if ends else "")


def python_code(comparison: Comparison) -> str | None:
    """Return a Python program that repeats the comparison; None where there is no test."""
    setups = (PYTHON_GROUPS, PYTHON_VISITS, PYTHON_CATEGORIES, PYTHON_RATES)
    found = _parts(comparison, setups, PYTHON_TESTS)
    if found is None:
        return None
    ends = _against_margin(comparison, PYTHON_MARGIN)
    show = 'print("margin p", max([{ends}]))\n'
    return "".join(found) + (ends[0] + show.format(ends=", ".join(ends[1])) if ends else "")


def _parts(
    comparison: Comparison, setups: tuple[str, str, str, str], tests: dict[str, str]
) -> tuple[str, str] | None:
    """Return the part that reads the values and the part that tests them.

    ``setups`` read values by group, visits of patients, categories and events with exposure.
    """
    method = comparison.method
    if comparison.kind == "nominal":
        method = f"{method}, categories"
    if isinstance(comparison.test, NotComputable) or method not in tests:
        return None
    groups, visits, categories, rates = setups
    setup = groups if comparison.design == "independent" else visits
    setup = {"nominal": categories, "rate": rates}.get(comparison.kind, setup)
    names = [group.group for group in comparison.groups if group.n or comparison.kind == "rate"]
    if comparison.design == "repeated":
        names = list(dict.fromkeys(name.split(", ", 1)[1] for name in names))
    test = tests[method].format(level=_level(comparison), file=FILE)
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


def _against_margin(
    comparison: Comparison, tests: Mapping[str, tuple[str, str]]
) -> tuple[str, list[str]] | None:
    """Return what stands before the test against the margin, and its p against each end."""
    margin = comparison.equivalence
    if not isinstance(margin, Equivalence) or margin.method not in tests:
        return None
    before, test = tests[margin.method]
    ends = {"greater": margin.margin_low, "less": margin.margin_high}
    stated = {way: bound for way, bound in ends.items() if bound is not None}
    words = " to ".join(f"{bound:g}" for bound in stated.values())
    lines = [test.format(bound=repr(float(bound)), way=way) for way, bound in stated.items()]
    return AGAINST.format(words=words) + before.format(), lines
