"""Effective dose estimates from DLP and KAP, by coefficients that are dated data."""

from datetime import date

import polars as pl

from analytics.dose import ADULT_YEARS, DoseIndex


def active_coefficients(
    coefficients: pl.DataFrame,
    on: date,
    icrp: int | None = None,
    confirmed: frozenset[str] = frozenset(),
) -> pl.DataFrame:
    """Choose one effective-dose coefficient for each index, region and age band.

    Parameters
    ----------
    coefficients
        Project data ``effective_dose.csv``: ``coefficient_id``, ``modality``, ``dose_index``,
        ``region``, ``age_from_years``, ``coefficient``, ``band_fraction``, ``icrp``,
        ``valid_from``, ``valid_to``, ``verified``, ``source`` …
    on
        The day of the estimate: estimates of one report use one set, whatever the case's day.
    icrp
        Tissue weighting of ICRP publication 60 or 103 alone; None takes the newest there is.
    confirmed
        ``coefficient_id`` of unverified rows that the radiation safety officer has confirmed.

    Returns
    -------
    polars.DataFrame
        The rows in force, unique in (modality, dose_index, region, age_from_years).
    """
    in_force = (
        (pl.col("verified") | pl.col("coefficient_id").is_in(sorted(confirmed)))
        & (pl.col("valid_from") <= on)
        & (pl.col("valid_to").is_null() | (pl.col("valid_to") > on))
    )
    chosen = coefficients.filter(in_force)
    if icrp is not None:
        chosen = chosen.filter(pl.col("icrp") == icrp)
    key = ["modality", "dose_index", "region", "age_from_years"]
    newest = chosen.sort(
        "icrp", "valid_from", "coefficient_id", descending=[True, True, False], nulls_last=True
    )
    # An older publication's child rows stand only where the newer one has none for the region.
    return newest.unique(key, keep="first", maintain_order=True).sort(key)


def effective_dose(cases: pl.DataFrame, active: pl.DataFrame) -> pl.DataFrame:
    """Estimate effective dose as DLP·k (CT) or KAP·c (fluoroscopy) by body region.

    Parameters
    ----------
    cases
        With ``modality``, ``region``, ``age_years`` (null: adult), ``dlp_mgycm`` (mGy·cm) and
        ``kap_gycm2`` (Gy·cm²); any number of rows.
    active
        What :func:`active_coefficients` returned.

    Returns
    -------
    polars.DataFrame
        ``cases`` in the same order with ``effective_dose_msv``, ``effective_dose_low_msv``,
        ``effective_dose_high_msv`` (mSv; the coefficient's band, not a confidence interval),
        ``effective_dose_coefficient``, ``effective_dose_icrp`` and ``effective_dose_source``;
        all null where there is no coefficient in force or no dose.

    Notes
    -----
    Method: AAPM report 96; coefficients and bands are project data with their own sources. The
    estimate holds for groups of patients and is no measure of one patient's risk.
    """
    added = ["effective_dose_msv", "effective_dose_low_msv", "effective_dose_high_msv"]
    table = active.select(
        "modality",
        "region",
        "dose_index",
        pl.col("age_from_years").cast(pl.Float64).alias("_age"),
        # An adult never takes a child's coefficient: no adult row, no estimate.
        pl.when(pl.col("age_from_years") < ADULT_YEARS).then(ADULT_YEARS).alias("_until"),
        pl.col("coefficient").alias("effective_dose_coefficient"),
        pl.col("band_fraction").alias("_band"),
        pl.col("icrp").alias("effective_dose_icrp"),
        pl.col("source").alias("effective_dose_source"),
    ).sort("_age")
    joined = (
        cases.drop(*added, *_PROVENANCE, strict=False)
        .with_row_index("_row")
        .with_columns(_age_or_adult().alias("_age"))
        .sort("_age")
        .join_asof(table, on="_age", by=["modality", "region"], check_sortedness=False)
        .sort("_row")
        .with_columns(
            pl.when(pl.col("_until").is_null() | (pl.col("_age") < pl.col("_until"))).then(
                pl.col(*_PROVENANCE)
            )
        )
    )
    dlp = pl.col("dose_index") == DoseIndex.DLP.column
    amount = pl.when(dlp).then(pl.col("dlp_mgycm")).otherwise(pl.col("kap_gycm2"))
    usable = pl.when(amount.is_finite() & (amount >= 0)).then(amount)
    estimate = usable * pl.col("effective_dose_coefficient")
    return joined.with_columns(
        estimate.alias(added[0]),
        (estimate * (1 - pl.col("_band"))).alias(added[1]),
        (estimate * (1 + pl.col("_band"))).alias(added[2]),
    ).drop("_row", "_age", "_until", "_band", "dose_index")


def _age_or_adult() -> pl.Expr:
    return pl.col("age_years").fill_nan(None).fill_null(ADULT_YEARS).clip(0)


_PROVENANCE = ("effective_dose_coefficient", "effective_dose_icrp", "effective_dose_source")
