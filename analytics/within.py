"""Two groups within strata taken together: one test over all procedures, each compared in itself.

A crude comparison mixes the groups' cases with their effect; these tests compare like with like:
Cochran–Mantel–Haenszel for yes/no, van Elteren's stratified rank test for the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from analytics.comparison import Kind
from analytics.frequency import Counts
from analytics.results import Estimate, NotComputable, TestResult
from analytics.strata import (
    breslow_day,
    cochran_mantel_haenszel,
    mantel_haenszel_odds_ratio,
)
from analytics.stratified_ranks import van_elteren_counts
from analytics.summaries import events
from analytics.wording import ALPHA, interval, number, p_text, test_text


@dataclass(frozen=True)
class Within:
    """The test over all strata; odds ratio and its homogeneity for yes/no only."""

    test: TestResult | NotComputable
    odds_ratio: Estimate | NotComputable | None
    homogeneity: TestResult | NotComputable | None
    sentence: str


def within_strata(
    kind: Kind, strata: Mapping[str, Mapping[str, Counts]], first: str, second: str
) -> Within | None:
    """Compare two groups within strata.

    Parameters
    ----------
    kind
        Of the outcome; yes/no by Mantel and Haenszel, everything else by ranks.
    strata
        Values by stratum and group.
    first, second
        The groups; a stratum without one of them says nothing.

    Returns
    -------
    Within or None
        None where fewer than two strata hold both groups.
    """
    both = [(s[first], s[second]) for s in strata.values() if first in s and second in s]
    both = [(one, other) for one, other in both if one.n and other.n]
    if len(both) < 2:
        return None
    if kind == "binary":
        return _of_shares(both)
    test = van_elteren_counts(both)
    said = (
        f"Within procedures taken together, {first} tends to be "
        f"{'higher' if isinstance(test, TestResult) and test.statistic > 0 else 'lower'} than "
        f"{second} (van Elteren, "
    )
    if isinstance(test, NotComputable):
        return Within(test, None, None, f"The test within procedures {test.reason}.")
    tested = f"z = {number(test.statistic)}, {p_text(test.p_value)})."
    if test.p_value >= ALPHA:
        said = "Within procedures taken together, a difference is not shown (van Elteren, "
    return Within(test, None, None, said + tested)


def _of_shares(both: list[tuple[Counts, Counts]]) -> Within:
    """Compare shares within strata."""
    columns = (
        [events(one) for one, _ in both],
        [one.n for one, _ in both],
        [events(other) for _, other in both],
        [other.n for _, other in both],
    )
    test = cochran_mantel_haenszel(*columns)
    ratio = mantel_haenszel_odds_ratio(*columns)
    one_for_all = breslow_day(*columns)
    if isinstance(test, NotComputable):
        return Within(test, ratio, one_for_all, f"The test within procedures {test.reason}.")
    said = "Within procedures taken together: "
    if isinstance(ratio, Estimate):
        said += f"odds ratio {number(ratio.value)} ({interval(ratio)}, Mantel–Haenszel; "
    else:
        said += "no odds ratio, since one group has no event ("
    said += f"{test_text(test)})."
    if isinstance(one_for_all, TestResult):
        p = p_text(one_for_all.p_value)
        differs = one_for_all.p_value < ALPHA
        said += (
            f" It differs between procedures (Breslow–Day–Tarone, {p}): read them one by one."
            if differs
            else f" That it differs between procedures is not shown (Breslow–Day–Tarone, {p})."
        )
    return Within(test, ratio, one_for_all, said)
