"""What lengthens a procedure: levels, trainee and body size, within the same procedure."""

import polars as pl

from analytics.guards import not_computable
from analytics.regression import LinearFit, log_linear
from analytics.results import NotComputable

FEWEST_OF_A_KIND = 10
BMI_STEP = 5.0
COVARIATES = {
    "n_levels": "each further level",
    "trainee": "trainee takes part",
    "bmi_5": "BMI, each 5 kg/m²",
}


def adjusted_duration(drawn: pl.DataFrame, level: float = 0.95) -> LinearFit | NotComputable:
    """Regress the logarithm of duration on levels, trainee and BMI, and on the procedure itself.

    Parameters
    ----------
    drawn
        ``procedure``, ``duration_min``, ``n_levels``, ``trainee`` (0, 1), ``bmi`` (kg/m²); rows
        with a gap, and procedures with fewer than ten whole rows, are left out.

    Returns
    -------
    LinearFit
        The first coefficients after the intercept are those of ``COVARIATES`` that vary, as ratios
        of geometric means: 1.25 is a quarter longer, other things equal.
    """
    whole = drawn.with_columns(bmi_5=pl.col("bmi") / BMI_STEP).drop_nulls()
    rows = whole.filter(pl.len().over("procedure") >= FEWEST_OF_A_KIND)
    varying = [name for name in COVARIATES if rows[name].n_unique() > 1]
    if not varying:
        return not_computable("levels, trainee and size do not vary", rows.height)
    kinds = rows.group_by("procedure").len().sort("len", descending=True)["procedure"].to_list()
    columns = {COVARIATES[name]: rows[name].to_numpy() for name in varying}
    for kind in kinds[1:]:
        columns[kind] = (rows["procedure"] == kind).cast(pl.Float64).to_numpy()
    return log_linear(rows["duration_min"].to_numpy(), columns, level=level)
