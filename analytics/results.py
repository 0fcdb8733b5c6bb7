"""What every analysis returns: numbers with interval, n and method; never formatted strings."""

from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class Estimate:
    """A number with its confidence interval.

    ``low`` or ``high`` is None where the method gives no such bound; ``unit`` is the unit of all
    three ('' for a ratio or probability).
    """

    value: float
    low: float | None
    high: float | None
    n: int
    method: str
    unit: str = ""
    level: float = 0.95


@dataclass(frozen=True)
class NotComputable:
    """An analysis that has no answer on this data, and why; pages show the reason."""

    reason: str
    n: int = 0


@dataclass(frozen=True)
class TestResult:
    """A significance test: its statistic, degrees of freedom and two-sided p unless told."""

    __test__: ClassVar[bool] = False  # pytest would collect a class of this name
    method: str
    statistic: float
    p_value: float
    n: int
    df: float | tuple[float, float] | None = None
    alternative: str = "two-sided"
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pair:
    """Two of several groups: the test between them, adjusted within its family, and the effect."""

    first: str
    second: str
    test: TestResult
    p_adjusted: float
    adjustment: str
    effect: Estimate | NotComputable | None = None
    effect_name: str = ""
