"""Rooms or operators against what cases alike get: a funnel of the log dose, nobody ranked."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from analytics.funnel import Funnel, Limits, log_dose_funnel, normal_limits
from analytics.guards import not_computable
from analytics.results import NotComputable

#: Points of the limits' curves.
CURVE_POINTS = 60
CELLS = ("unit", "size_band", "levels")


@dataclass(frozen=True)
class DoseFunnel:
    """A funnel of ln(observed/expected) with the curves of its limits; exponentiate to show."""

    funnel: Funnel
    sd: float  #: of ln dose around cases alike, within units
    curves: Limits


def dose_funnel(cells: pl.DataFrame) -> DoseFunnel | NotComputable:
    """Place units' doses against what the cases alike of all units got.

    Parameters
    ----------
    cells
        Counted cases of one procedure and dose index: ``unit``, ``size_band``, ``levels``, ``n``,
        ``mean_ln`` (mean of ln dose) and ``squares_ln`` (sum of squared distances from it).

    Returns
    -------
    DoseFunnel or NotComputable
        Values are means of ln(observed/expected), target 0; units in order of name.

    Notes
    -----
    Indirect standardisation as for standardised ratios: a case's expectation is the mean ln dose of
    its size band and number of levels over all units. A unit that has most of a stratum sets its
    own expectation, which pulls it towards 0. Limits: Spiegelhalter 2005, doi 10.1002/sim.1970.
    """
    if cells.is_empty():
        return not_computable("there are no cases")
    n, mean = pl.col("n"), pl.col("mean_ln")
    expected = (n * mean).sum().over("size_band", "levels") / n.sum().over("size_band", "levels")
    away = cells.with_columns((mean - expected).alias("away"))
    units = away.group_by("unit").agg(
        n.sum(),
        ((n * pl.col("away")).sum() / n.sum()).alias("mean"),
        (pl.col("squares_ln") + n * pl.col("away") ** 2).sum().alias("squares"),
    ).sort("unit")  # fmt: skip
    within = (pl.col("squares") - n * pl.col("mean") ** 2).sum()
    freedom = int(units["n"].sum()) - units.height
    if freedom < 1:
        return not_computable("no unit has two cases", int(units["n"].sum()))
    sd = float(np.sqrt(max(units.select(within).item(), 0.0) / freedom))
    names = units["unit"].to_list()
    found = log_dose_funnel(names, units["mean"].to_numpy(), units["n"].to_numpy(), sd, target=0.0)
    if isinstance(found, NotComputable):
        return found
    each = units["n"].to_numpy()
    sizes = np.geomspace(0.9 * each.min(), 1.1 * each.max(), CURVE_POINTS)
    return DoseFunnel(found, sd, normal_limits(sizes, 0.0, sd, found.phi_used))
