"""Which test answers the question: the decision table, with the reason each choice gives.

No test of normality decides: positive skewed quantities are compared on the logarithmic scale,
bounded scores and ordered answers by ranks, whatever this sample looks like.
"""

from dataclasses import dataclass
from typing import Literal

from analytics.comparison import Kind

Method = Literal[
    "welch_log",
    "welch_mean",
    "mann_whitney",
    "brunner_munzel",
    "welch_anova_log",
    "welch_anova",
    "kruskal_wallis",
    "chi_square",
    "fisher_midp",
    "table_chi_square",
    "table_exact",
    "poisson",
]

SMALL_GROUP = 10
LARGE_TOTAL = 50_000
SMALL_EXPECTED = 5.0


@dataclass(frozen=True)
class Facts:
    """What the choice may depend on."""

    sizes: tuple[int, ...]
    smallest_value: float = 1.0
    smallest_expected: float = 0.0
    n_categories: int = 2

    @property
    def smallest_group(self) -> int:
        """Size of the smallest group."""
        return min(self.sizes)

    @property
    def two(self) -> bool:
        """Say whether there are exactly two groups."""
        return len(self.sizes) == 2


@dataclass(frozen=True)
class Choice:
    """The test and the reason shown for it."""

    method: Method
    reason: str


def choose(kind: Kind, facts: Facts) -> Choice:
    """Choose the test of a kind of outcome.

    Parameters
    ----------
    kind
        ``dose`` and ``duration`` are positive and skewed; ``continuous`` is any other metric value;
        ``score`` is bounded (pain 0–10, ODI), ``ordinal`` has ordered words (satisfaction).
    facts
        Sizes, smallest value, smallest expected cell.
    """
    if kind in ("dose", "duration"):
        return _choose_positive(facts)
    if kind == "continuous":
        return _choose_continuous(facts)
    if kind == "score":
        return _choose_score(facts)
    if kind == "ordinal":
        method: Method = "mann_whitney" if facts.two else "kruskal_wallis"
        return Choice(
            method, "ordered answers with many ties: the order is used, distances are not"
        )
    if kind in ("binary", "nominal"):
        return _choose_categories(facts)
    return Choice("poisson", "events per exposure: the exact conditional Poisson test")


def _choose_positive(facts: Facts) -> Choice:
    """Choose for a positive, skewed quantity."""
    if facts.smallest_value <= 0:
        return _by_ranks(facts, "there are zeros, which have no logarithm")
    if facts.smallest_group < SMALL_GROUP:
        return _by_ranks(facts, f"a group has fewer than {SMALL_GROUP} values")
    reason = (
        "positive and skewed: differences are multiplicative, so logarithms are compared, and the "
        "groups may differ in spread"
    )
    return Choice("welch_log" if facts.two else "welch_anova_log", reason)


def _choose_continuous(facts: Facts) -> Choice:
    """Choose for a metric value that need not be positive."""
    if facts.smallest_group < SMALL_GROUP:
        return _by_ranks(facts, f"a group has fewer than {SMALL_GROUP} values")
    reason = "means are compared, and the groups may differ in spread"
    return Choice("welch_mean" if facts.two else "welch_anova", reason)


def _choose_score(facts: Facts) -> Choice:
    """Choose for a bounded score with ties."""
    if not facts.two:
        return Choice("kruskal_wallis", "a bounded score with ties in more than two groups")
    if facts.smallest_group < SMALL_GROUP:
        return _by_ranks(facts, f"a group has fewer than {SMALL_GROUP} values")
    return Choice(
        "brunner_munzel", "a bounded score with ties: ranks, without assuming equal spread"
    )


def _by_ranks(facts: Facts, because: str) -> Choice:
    """Fall back to ranks with a reason."""
    method: Method = "mann_whitney" if facts.two else "kruskal_wallis"
    return Choice(method, f"{because}: ranks assume no distribution")


def _choose_categories(facts: Facts) -> Choice:
    """Choose for counts in a table."""
    sparse = facts.smallest_expected < SMALL_EXPECTED
    small = f"the smallest expected count is {facts.smallest_expected:.1f}"
    if facts.two and facts.n_categories == 2:
        if sparse:
            return Choice("fisher_midp", f"{small}, below 5: an exact test with mid-p")
        return Choice("chi_square", f"{small}, at least 5: χ² without Yates' correction")
    if sparse:
        return Choice("table_exact", f"{small}, below 5: Fisher–Freeman–Halton by simulation")
    return Choice("table_chi_square", f"{small}, at least 5: χ² of the table")
