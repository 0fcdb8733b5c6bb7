"""A checked design matrix: named covariates, complete rows, no constant or redundant column."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analytics.guards import FloatArray, as_floats, complete_rows, require


@dataclass(frozen=True)
class Design:
    """Outcome y (n,) and design x (n, p) whose first column is the intercept.

    ``scaled`` is x with centred columns of unit spread, ``back`` (p, p) turns coefficients of
    ``scaled`` into those of x.
    """

    y: FloatArray
    x: FloatArray
    names: tuple[str, ...]
    scaled: FloatArray
    back: FloatArray
    left_out: int

    @property
    def n(self) -> int:
        """Rows used."""
        return len(self.y)


def make_design(outcome: Any, covariates: Mapping[str, Any], intercept: bool = True) -> Design:
    """Check outcome and covariates; rows with a gap are left out and counted.

    Raises
    ------
    UndefinedError
        If lengths differ, too few rows are complete, or a covariate is constant or a sum of
        multiples of others (it is named).
    """
    names = tuple(covariates)
    y, *columns = complete_rows(outcome, *covariates.values())
    n = len(y)
    require(all(column.ndim == 1 for column in (y, *columns)), "a covariate is not one column", n)
    require(n > len(names) + 1, f"{n} complete rows are too few for {len(names)} covariates", n)
    for name, column in zip(names, columns, strict=True):
        spread = float(np.ptp(column))
        constant = spread <= 1e-12 * float(np.abs(column).max())
        require(not constant, f"the covariate {name} has the same value in all rows", n)
    means = np.array([column.mean() for column in columns])
    spreads = np.array([column.std() for column in columns])
    x = np.column_stack([np.ones(n), *columns])
    standard = [(c - m) / s for c, m, s in zip(columns, means, spreads, strict=True)]
    scaled = np.column_stack([np.ones(n), *standard])
    _refuse_redundant(scaled, names, n)
    back = np.diag(np.concatenate([[1.0], 1 / spreads]))
    back[0, 1:] = -means / spreads
    left_out = len(as_floats(outcome)) - n
    if not intercept:
        return Design(y, x[:, 1:], names, scaled[:, 1:], back[1:, 1:], left_out)
    return Design(y, x, ("(Intercept)", *names), scaled, back, left_out)


def _refuse_redundant(scaled: FloatArray, names: tuple[str, ...], n: int) -> None:
    """Name the first covariate that the ones before it already determine."""
    residual = np.abs(np.diag(np.linalg.qr(scaled, mode="r"))) / np.sqrt(n)
    redundant = [name for name, left in zip(names, residual[1:], strict=True) if left < 1e-9]
    because = f"the covariate {redundant[0]} follows from the others" if redundant else ""
    require(not redundant, because, n)


def binary_outcome(y: FloatArray) -> None:
    """Refuse an outcome that is not 0 and 1 with both present."""
    require(bool(np.isin(y, (0.0, 1.0)).all()), "the outcome is neither 0 nor 1 in a row", len(y))
    require(y.sum() > 0, "nobody had the outcome", len(y))
    require(y.sum() < len(y), "everybody had the outcome", len(y))
