"""The difference of two modalities within each procedure, from strata: for a forest plot."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from analytics.casemix import exponential, stratified_mean_difference
from analytics.modalities import Outcome
from analytics.proportions import risk_difference_newcombe
from analytics.results import Estimate, NotComputable

FEWEST = 10

SCHEMA = {
    "stratum": pl.String,
    "n": pl.Int64,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
}


def by_procedure(
    strata: pl.DataFrame, outcome: Outcome, modalities: Sequence[str], fewest: int = FEWEST
) -> tuple[pl.DataFrame, int]:
    """Compare the first modality with the second within each procedure.

    Parameters
    ----------
    strata
        As ``modalities.compare_modalities`` takes them.
    outcome
        Its ``scale`` says whether effects are ratios, differences or differences of shares.
    fewest
        Values that each modality must have in a procedure.

    Returns
    -------
    tuple of polars.DataFrame and int
        ``stratum`` (procedure code), ``n``, ``value``, ``low``, ``high``; and how many procedures
        of both modalities have too few values. Intervals are Welch's, or Newcombe's for shares.
    """
    first, second = modalities
    named = [name for name in strata.columns if name.startswith(f"{outcome.strata}_")]
    sides = [
        strata.filter(pl.col("modality") == side)
        .drop_nulls("procedure")
        .select("procedure", *named)
        for side in (first, second)
    ]
    n = f"{outcome.strata}_n"
    both = sides[0].join(sides[1], on="procedure", suffix="_other")
    both = both.filter((pl.col(n) > 0) & (pl.col(f"{n}_other") > 0))
    enough = both.filter((pl.col(n) >= fewest) & (pl.col(f"{n}_other") >= fewest))
    rows = []
    for row in enough.sort("procedure").iter_rows(named=True):
        found = _effect(row, outcome)
        if isinstance(found, Estimate):
            ends = {"value": found.value, "low": found.low, "high": found.high}
            rows.append({"stratum": row["procedure"], "n": found.n} | ends)
    return pl.DataFrame(rows, schema=SCHEMA), both.height - enough.height


def _effect(row: dict[str, float], outcome: Outcome) -> Estimate | NotComputable:
    """Return the effect in one procedure."""
    prefix = outcome.strata
    if outcome.scale == "share":
        names = (f"{prefix}_events", f"{prefix}_n")
        return risk_difference_newcombe(
            *(row[name] for name in names), *(row[f"{name}_other"] for name in names)
        )
    parts = [f"{prefix}_{part}" for part in ("n", "mean", "variance")]
    values = [
        np.array([np.nan if row[name] is None else float(row[name])])
        for name in (*parts, *(f"{part}_other" for part in parts))
    ]
    n1, mean1, variance1, n2, mean2, variance2 = values
    found = stratified_mean_difference(n1, mean1, variance1, n2, mean2, variance2)
    return exponential(found) if outcome.scale == "ratio" else found
