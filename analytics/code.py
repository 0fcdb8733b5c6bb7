"""R and Python programs that repeat a comparison from its downloaded values, without Kerma."""

import json
from collections.abc import Sequence

from analytics.comparison import Comparison
from analytics.programs_python import (
    PYTHON_CATEGORIES,
    PYTHON_GROUPS,
    PYTHON_RATES,
    PYTHON_TESTS,
    PYTHON_VISITS,
)
from analytics.programs_r import (
    R_CATEGORIES,
    R_GROUPS,
    R_MARGIN,
    R_NEEDS_TWO,
    R_RATES,
    R_TESTS,
    R_TWO,
    R_VISITS,
)
from analytics.results import NotComputable

FILE = "values.csv"


def r_code(comparison: Comparison) -> str | None:
    """Return an R program that repeats the comparison; None where there is no test."""
    found = _parts(comparison, (R_GROUPS, R_VISITS, R_CATEGORIES, R_RATES), R_TESTS)
    if found is None:
        return None
    setup, test = found
    if comparison.method in R_NEEDS_TWO and comparison.kind != "nominal":
        setup += R_TWO
    return setup + test + _r_margin(comparison)


def python_code(comparison: Comparison) -> str | None:
    """Return a Python program that repeats the comparison; None where there is no test."""
    setups = (PYTHON_GROUPS, PYTHON_VISITS, PYTHON_CATEGORIES, PYTHON_RATES)
    found = _parts(comparison, setups, PYTHON_TESTS)
    return None if found is None else "".join(found)


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


def _r_margin(comparison: Comparison) -> str:
    """Return the lines that test against the margin, where both ends were stated."""
    margin = comparison.equivalence
    if margin is None or isinstance(margin, NotComputable) or margin.method not in R_MARGIN:
        return ""
    if margin.margin_low is None or margin.margin_high is None:
        return ""
    return R_MARGIN[margin.method].format(low=margin.margin_low, high=margin.margin_high)
