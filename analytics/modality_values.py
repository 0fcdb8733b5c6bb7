"""What modalities are compared by, from counted values: effective dose, strata of procedures."""

import polars as pl

from analytics.dose import DoseIndex
from analytics.effective_dose import effective_dose

SATISFIED = 4
_STRATUM = ["modality", "procedure"]


def values_and_strata(
    counted: pl.DataFrame, active: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the counted values of each modality, effective dose among them, and the strata.

    Parameters
    ----------
    counted
        ``measure``, ``modality``, ``procedure``, ``region``, ``age_years`` (null: adult),
        ``value``, ``n``: every case once a measure that its modality can have, the null value
        included. Region and age are needed of DLP and KAP, the procedure of what strata hold.
    active
        The coefficients in force: see ``dose.active_coefficients``.

    Returns
    -------
    tuple of polars.DataFrame
        As ``modalities.compare_modalities`` takes them: ``measure``, ``modality``, ``value``,
        ``n``; and ``modality``, ``procedure``, ``n`` with each outcome's columns.
    """
    doses, dose_strata = effective_doses(_doses(counted), active)
    values = counted.group_by("measure", "modality", "value").agg(pl.col("n").sum())
    strata = (
        _shares(counted)
        .join(_means(_of(counted, "duration_min"), "duration", log=True), _STRATUM, "left",
              nulls_equal=True)
        .join(_means(_of(counted, "pain_relief_1mo"), "pain"), _STRATUM, "left", nulls_equal=True)
        .join(dose_strata, _STRATUM, "left", nulls_equal=True)
        .with_columns(pl.col("^.*_n$").fill_null(0))
        .sort("procedure", "modality")
    )  # fmt: skip
    return pl.concat([doses, values], how="vertical_relaxed"), strata


def _of(counted: pl.DataFrame, measure: str) -> pl.DataFrame:
    return counted.filter(pl.col("measure") == measure)


def _doses(counted: pl.DataFrame) -> pl.DataFrame:
    """Return DLP and KAP in columns of their own, as ``effective_doses`` takes them."""
    indices = (DoseIndex.DLP.column, DoseIndex.KAP.column)
    return counted.filter(pl.col("measure").is_in(indices)).select(
        "modality", "procedure", "region", "age_years",
        *(pl.when(pl.col("measure") == index).then(pl.col("value")).alias(index)
          for index in indices),
        "n",
    )  # fmt: skip


def _shares(counted: pl.DataFrame) -> pl.DataFrame:
    """Count cases, complications and satisfied answers in each stratum."""
    known = pl.col("n").filter(pl.col("value").is_not_null())
    complications = _of(counted, "complication").group_by(_STRATUM).agg(
        n=pl.col("n").sum(),
        complication_n=known.sum(),
        complication_events=pl.col("n").filter(pl.col("value") > 0).sum(),
    )  # fmt: skip
    answers = _of(counted, "satisfaction").group_by(_STRATUM).agg(
        satisfaction_n=known.sum(),
        satisfaction_events=pl.col("n").filter(pl.col("value") >= SATISFIED).sum(),
    )  # fmt: skip
    return complications.join(answers, _STRATUM, "left", nulls_equal=True)


def _means(counted: pl.DataFrame, prefix: str, log: bool = False) -> pl.DataFrame:
    """Return number, mean and variance in each stratum, of natural logarithms when ``log``."""
    known = counted.drop_nulls("value")
    if log:
        known = known.filter(pl.col("value") > 0).with_columns(pl.col("value").log())
    n, value = pl.col("n"), pl.col("value")
    mean = (n * value).sum().over(_STRATUM) / n.sum().over(_STRATUM)
    return (
        known.with_columns(mean=mean, squares=n * (value - mean) ** 2)
        .group_by(_STRATUM)
        .agg(
            n.sum().alias(f"{prefix}_n"),
            pl.col("mean").first().alias(f"{prefix}_mean"),
            pl.when(n.sum() > 1)
            .then(pl.col("squares").sum() / (n.sum() - 1))
            .alias(f"{prefix}_variance"),
        )
    )


def effective_doses(doses: pl.DataFrame, active: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Estimate effective dose from counted doses, as values and as strata.

    Parameters
    ----------
    doses
        ``modality``, ``procedure``, ``region``, ``age_years`` (null: adult), ``dlp_mgycm``,
        ``kap_gycm2``, ``n``: counted doses of CT and fluoroscopy.
    active
        The coefficients in force: see ``dose.active_coefficients``.

    Returns
    -------
    tuple of polars.DataFrame
        Counted values (mSv) as ``compare_modalities`` takes them, a dose without coefficient as
        null; and ``modality``, ``procedure``, ``effective_dose_n``, ``…_mean``, ``…_variance`` of
        natural logarithms.
    """
    estimated = effective_dose(doses, active).rename({"effective_dose_msv": "value"})
    values = (
        estimated.group_by("modality", "value")
        .agg(pl.col("n").sum())
        .select(measure=pl.lit(DoseIndex.EFFECTIVE_DOSE.column), modality="modality", value="value",
                n="n")
    )  # fmt: skip
    return values, _means(estimated, "effective_dose", log=True)
