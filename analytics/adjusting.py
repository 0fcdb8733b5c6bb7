"""An outcome of the workbench compared with covariates held equal, beside the crude effect."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from analytics.cell_regression import Adjustment, adjusted_linear, adjusted_logistic
from analytics.dose import DoseIndex
from analytics.effective_dose import effective_dose
from analytics.guards import not_computable
from analytics.results import NotComputable
from analytics.workbench import Outcome


@dataclass(frozen=True)
class Adjusted:
    """The effect on the same records without and with covariates; ``scale`` names it."""

    crude: Adjustment | NotComputable
    adjusted: Adjustment | NotComputable
    scale: str


def on_log(outcome: Outcome) -> bool:
    """Say whether an outcome is compared as a ratio of geometric means."""
    return outcome.kind in ("dose", "duration")


def adjust_for(
    cells: pl.DataFrame,
    outcome: Outcome,
    groups: Sequence[str],
    covariates: Sequence[str],
    active: pl.DataFrame | None = None,
) -> Adjusted:
    """Compare groups crudely and with covariates held equal, on the same records.

    Parameters
    ----------
    cells
        As ``cell_regression`` takes them; for effective dose of DLP and KAP, with ``modality``,
        ``region`` and ``age_years`` of a child.
    groups
        The last is the reference.
    active
        Coefficients in force, for effective dose: see ``dose.active_coefficients``.
    """
    if outcome.kind == "ordinal":
        reason = "ordered answers have no adjusted model here: choose the share that is satisfied"
        refused = not_computable(reason)
        return Adjusted(refused, refused, "")
    if outcome.index is DoseIndex.EFFECTIVE_DOSE:
        if active is None:
            refused = not_computable("no coefficient of effective dose is in force")
            return Adjusted(refused, refused, "")
        cells = _as_effective_dose(cells, active)
    whole = cells.drop_nulls(["group", *covariates])
    names = list(groups)
    if outcome.kind == "binary":
        fit = [adjusted_logistic(c, names, v) for c, v in ((whole, ()), (cells, covariates))]
        return Adjusted(fit[0], fit[1], "odds ratio")
    log = on_log(outcome)
    crude = adjusted_linear(whole, names, (), log, unit=outcome.unit)
    fitted = adjusted_linear(cells, names, covariates, log, unit=outcome.unit)
    return Adjusted(crude, fitted, "ratio of geometric means" if log else "mean difference")


def _as_effective_dose(cells: pl.DataFrame, active: pl.DataFrame) -> pl.DataFrame:
    """Turn logarithms of DLP and KAP into those of effective dose; no coefficient, no cell."""
    one = cells.with_columns(dlp_mgycm=pl.lit(1.0), kap_gycm2=pl.lit(1.0))
    factor = effective_dose(one, active)["effective_dose_msv"]
    return (
        cells.with_columns(mean=pl.col("mean") + factor.log())
        .filter(pl.col("mean").is_not_null())
    )  # fmt: skip
