"""Effective dose of facilities and modalities: sums of estimates, the only axis they share."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from analytics.effective_dose import effective_dose
from analytics.frequency import quantile_interval, tally
from analytics.results import NotComputable

E, LOW, HIGH = "effective_dose_msv", "effective_dose_low_msv", "effective_dose_high_msv"


def effective_sums(doses: pl.DataFrame, active: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Sum the effective dose estimates of groups of patients.

    Parameters
    ----------
    doses
        ``modality``, ``region``, ``age_years`` (null: adult), ``dlp_mgycm``, ``kap_gycm2``, ``n``
        and the columns of ``by``: counted doses of CT and fluoroscopy.
    active
        The coefficients in force: see :func:`analytics.dose.active_coefficients`.
    by
        Grouping, e.g. site and modality.

    Returns
    -------
    polars.DataFrame
        ``by``, ``n`` cases, ``n_estimated``, ``sum_msv``, ``sum_low_msv``, ``sum_high_msv`` (the
        coefficients' band, not a confidence interval; null where no case has an estimate),
        ``median_msv`` with ``median_low_msv`` and ``median_high_msv`` (95 %, order statistics),
        ``icrp`` (publications in use, ascending) and ``band_low``, ``band_high`` (narrowest and
        widest band of the coefficients, fraction).

    Notes
    -----
    A sum describes a population of patients by a reference adult's organ weights (ICRP 103,
    paragraph 157); it predicts nobody's risk, one patient's least of all.
    """
    estimated = effective_dose(doses, active)
    known, n = pl.col(E).is_not_null(), pl.col("n")
    band = (pl.col(HIGH) / pl.col(E) - 1).filter(pl.col(E) > 0)
    sums = estimated.group_by(*by).agg(
        n.sum(),
        n.filter(known).sum().alias("n_estimated"),
        *(
            pl.when(known.any()).then((pl.col(column) * n).sum()).alias(name)
            for column, name in ((E, "sum_msv"), (LOW, "sum_low_msv"), (HIGH, "sum_high_msv"))
        ),
        pl.col("effective_dose_icrp").drop_nulls().unique().sort().alias("icrp"),
        band.min().alias("band_low"),
        band.max().alias("band_high"),
    )
    medians = [(*key, *_median(mine)) for key, mine in estimated.filter(known).group_by(*by)]
    names = ("median_msv", "median_low_msv", "median_high_msv")
    schema = {name: doses.schema[name] for name in by} | dict.fromkeys(names, pl.Float64())
    told = pl.DataFrame(medians, schema=schema, orient="row")
    return sums.join(told, on=list(by), how="left", nulls_equal=True).sort(*by)


def effective_total(cases: pl.DataFrame, active: pl.DataFrame) -> dict[str, Any]:
    """Sum the estimates of a few single cases; a row of :func:`effective_sums`.

    Parameters
    ----------
    cases
        ``modality``, ``region``, ``age_years`` (null: adult), ``dlp_mgycm``, ``kap_gycm2``; at
        least one case.
    active
        The coefficients in force.
    """
    one = cases.with_columns(pl.lit(1).alias("n"), pl.lit("all").alias("of"))
    return effective_sums(one, active, ["of"]).row(0, named=True)


def _median(estimated: pl.DataFrame) -> tuple[float | None, float | None, float | None]:
    found = quantile_interval(tally(estimated[E], estimated["n"]), 0.5, 0.95, "mSv")
    if isinstance(found, NotComputable):
        return None, None, None
    return found.value, found.low, found.high
