"""Refuse in words instead of returning a wrong number: checks every analysis shares."""

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from analytics.results import Estimate, NotComputable, TestResult

FloatArray = NDArray[np.float64]
P = ParamSpec("P")
T = TypeVar("T")

LARGEST_COUNT = 2**53
LARGEST_VALUE = 1e150
"""Beyond this a square leaves double precision."""


class UndefinedError(Exception):
    """The analysis has no answer on this data; the text completes "because …"."""

    def __init__(self, because: str, n: int = 0) -> None:
        super().__init__(because)
        self.because = because
        self.n = n


def not_computable(because: str, n: int = 0) -> NotComputable:
    """Word a refusal the way every page shows it."""
    return NotComputable(f"cannot be computed, because {because}", n)


def computable(function: Callable[P, T]) -> Callable[P, T | NotComputable]:
    """Turn an undefined case, an overflow or a singular matrix into NotComputable."""

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T | NotComputable:
        with np.errstate(all="ignore"):
            try:
                result = function(*args, **kwargs)
            except UndefinedError as undefined:
                return not_computable(undefined.because, undefined.n)
            except (ArithmeticError, np.linalg.LinAlgError):
                return not_computable("the values are too extreme or too alike for the arithmetic")
        if _is_nan(result):
            return not_computable("the values are too extreme or too alike for the arithmetic")
        return result

    return guarded


def _is_nan(result: Any) -> bool:
    """Say whether a headline number of the result is not a number."""
    if isinstance(result, Estimate):
        bounds = [b for b in (result.low, result.high) if b is not None]
        return any(math.isnan(number) for number in (result.value, *bounds))
    if isinstance(result, TestResult):
        return math.isnan(result.statistic) or math.isnan(result.p_value)
    return False


def real(value: Any, what: str) -> float:
    """Return a finite number.

    Raises
    ------
    UndefinedError
        If the value is missing, infinite, or not a number.
    """
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise UndefinedError(f"{what} is {value}, not a number") from error
    require(math.isfinite(number), f"{what} is {value}, not a finite number")
    return number


def count(value: float, what: str) -> int:
    """Return a whole number of at least zero.

    Raises
    ------
    UndefinedError
        If the value is not a finite whole number from 0 to 2**53.
    """
    number = real(value, what)
    if number < 0 or number != math.floor(number):
        raise UndefinedError(f"{what} is {value}, not a whole number of at least 0")
    if number > LARGEST_COUNT:
        raise UndefinedError(f"{what} is larger than can be counted exactly")
    return int(value)


def events_of(events: float, n: float, what: str = "group") -> tuple[int, int]:
    """Return events and group size as whole numbers with 0 ≤ events ≤ n and n ≥ 1."""
    size = count(n, f"the size of the {what}")
    happened = count(events, f"the number of events in the {what}")
    if size == 0:
        raise UndefinedError(f"the {what} is empty")
    if happened > size:
        raise UndefinedError(f"the {what} has more events ({happened}) than members ({size})", size)
    return happened, size


def check_level(level: float) -> float:
    """Return a confidence level strictly between 0 and 1."""
    level = real(level, "the confidence level")
    if not 0 < level < 1:
        raise UndefinedError(f"the confidence level {level} does not lie between 0 and 1")
    return level


def count_table(table: Any) -> FloatArray:
    """Return a two-way table of whole, non-negative counts, shape (rows, columns)."""
    counts = as_floats(table, "counts")
    if counts.ndim != 2 or counts.size == 0:
        raise UndefinedError("the table has no cells")
    if not np.isfinite(counts).all() or (counts < 0).any() or (counts % 1 != 0).any():
        raise UndefinedError("the table holds something other than whole counts")
    if counts.sum() > LARGEST_COUNT:
        raise UndefinedError("the counts are larger than can be added exactly")
    return counts


def numbers(values: Any, what: str = "values") -> FloatArray:
    """Return a vector of finite numbers; a missing or infinite value is refused, not dropped."""
    vector = as_floats(values, what)
    if vector.ndim != 1:
        raise UndefinedError(f"the {what} are not one column")
    if not np.isfinite(vector).all():
        bad = int((~np.isfinite(vector)).sum())
        raise UndefinedError(f"the {what} hold {bad} missing or infinite entries", len(vector))
    if len(vector) and np.abs(vector).max() > LARGEST_VALUE:
        raise UndefinedError(f"the {what} are too large for the arithmetic", len(vector))
    return vector


def as_floats(values: Any, what: str = "values") -> FloatArray:
    """Return an array of doubles; None becomes NaN. A date is not a number."""
    try:
        found = np.asarray(values)
        require(found.dtype.kind not in "mM", f"the {what} are times, not numbers", found.size)
        require(found.dtype.kind != "c", f"the {what} are complex numbers", found.size)
        return found.astype(np.float64)
    except OverflowError as error:
        raise UndefinedError(f"the {what} are too large for the arithmetic") from error
    except (TypeError, ValueError) as error:
        raise UndefinedError(f"the {what} hold something that is not a number") from error


def complete_columns(*columns: Any) -> list[FloatArray]:
    """Return the columns, shape (n,) each, without the rows in which one is missing."""
    for column in columns:
        require(as_floats(column).ndim == 1, "the values are not one column")
    return complete_rows(*columns)


def complete_rows(*columns: Any) -> list[FloatArray]:
    """Return the columns without the rows in which one is missing (NaN or None).

    An infinite or huge value is refused: it is a mistake of measurement, not a gap.
    """
    arrays = [as_floats(column) for column in columns]
    lengths = {array.shape[0] if array.ndim else -1 for array in arrays}
    if len(lengths) != 1 or -1 in lengths:
        raise UndefinedError("the columns differ in length")
    keep = np.ones(arrays[0].shape[0], dtype=bool)
    for array in arrays:
        keep &= ~np.isnan(array).any(axis=tuple(range(1, array.ndim)))
    kept = [array[keep] for array in arrays]
    if any(array.size and np.abs(array).max() > LARGEST_VALUE for array in kept):
        raise UndefinedError("the values are infinite or too large for the arithmetic", keep.sum())
    return kept


def require(condition: bool, because: str, n: int = 0) -> None:
    """Refuse with the reason unless the condition holds."""
    if not condition:
        raise UndefinedError(because, n)


def as_counts(values: Sequence[float], what: str) -> FloatArray:
    """Return a vector of whole, non-negative counts."""
    require(isinstance(values, Iterable), f"{what} are not one column")
    return np.array([count(value, what) for value in values], dtype=np.float64)
