"""What a comparison of groups returns: what was looked at, chosen, found and left out."""

from dataclasses import dataclass
from typing import Literal

from analytics.results import Estimate, NotComputable, Pair, TestResult

Kind = Literal["dose", "duration", "continuous", "score", "ordinal", "binary", "nominal", "rate"]

Design = Literal["independent", "paired", "repeated"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at before a test was chosen."""

    name: str
    finding: str


@dataclass(frozen=True)
class LeftOut:
    """Records of a group that took no part, and why."""

    group: str
    n: int
    why: str


@dataclass(frozen=True)
class Effect:
    """The first group against the second; ``null`` is the value that means no effect."""

    name: str
    first: str
    second: str
    estimate: Estimate | NotComputable
    null: float


@dataclass(frozen=True)
class GroupSummary:
    """One group in numbers; what makes no sense for the kind of outcome is None."""

    group: str
    n: int
    median: Estimate | NotComputable | None = None
    q1: float | None = None
    q3: float | None = None
    mean: Estimate | NotComputable | None = None
    sd: float | None = None
    geometric_mean: Estimate | NotComputable | None = None
    events: int | None = None
    proportion: Estimate | NotComputable | None = None
    upper_limit: Estimate | NotComputable | None = None
    exposure: float | None = None
    rate: Estimate | NotComputable | None = None


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests against a margin that was stated beforehand.

    ``estimate`` carries the interval at level 1 − 2 alpha; ``supported`` says that it lies within
    the margin. With one margin None this is a test of non-inferiority (or non-superiority).
    """

    method: str
    margin_low: float | None
    margin_high: float | None
    estimate: Estimate
    p_lower: float | None
    p_upper: float | None
    p_value: float
    supported: bool
    alpha: float = 0.05


@dataclass(frozen=True)
class Comparison:
    """The whole answer to "do these groups differ?".

    ``effects[0]`` is the primary effect when there are two groups; with more, ``pairs`` compares
    all of them. ``sentences`` are ready to print; ``sentence`` joins them.
    """

    quantity: str
    unit: str
    kind: Kind
    groups: tuple[GroupSummary, ...]
    checks: tuple[Check, ...]
    method: str
    reason: str
    test: TestResult | NotComputable
    effects: tuple[Effect, ...] = ()
    companions: tuple[TestResult, ...] = ()
    pairs: tuple[Pair, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    equivalence: Equivalence | NotComputable | None = None
    randomised: bool = False
    p_adjusted: float | None = None
    adjustment: str | None = None
    family_size: int = 1
    sentences: tuple[str, ...] = ()
    design: Design = "independent"

    @property
    def sentence(self) -> str:
        """All sentences as one paragraph."""
        return " ".join(self.sentences)

    @property
    def p_value(self) -> float | None:
        """The unadjusted p-value, or None where there is no test."""
        return None if isinstance(self.test, NotComputable) else self.test.p_value
