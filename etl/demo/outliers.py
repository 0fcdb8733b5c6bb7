"""The cases planted for each outlier rule: what is far out, and which rule is meant to find it."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from analytics.dose import size_band
from etl.demo.planter import Planter

AIR_KERMA_KAP = ("air_kerma_mgy", "kap_gycm2")
#: Mean field areas of planted cases, cm²: KAP in Gy·cm² over K_a,r in Gy.
VESSEL_FIELD_CM2, WIDE_FIELD_CM2 = 50, 140
#: How far above its own kind a local outlier lies, in robust standard deviations of the log dose.
FAR_OUT = 6.5
#: Cases that a kind must have in all, so that 20 of them are left where sizes are missing.
OF_A_KIND = 75
#: The Belgian national level of transforaminal injections (reference_levels.csv line 4), Gy·cm²,
#: and multiples of it that lie over the twofold.
TFESI_LEVEL, OVER_LEVEL = 3.0, (2.4, 2.9, 3.6)


def plant_outliers(planter: Planter, fluoro: pl.Expr, done: pl.Expr, end: date) -> None:
    """Plant cases for every kind of rule but the unit error."""
    vessel = fluoro & pl.col("proc_code").is_in(["BILI_DRAIN", "NEPHRO", "IVCF"])
    _cumulative_patient(planter, fluoro, end)
    _air_kerma(planter, vessel)
    _kap(planter, vessel)
    _fluoro_time(planter, fluoro & (pl.col("proc_code") == "BILI_DRAIN"))
    _ctdi(planter, done & (pl.col("modality") == "CT"))
    _local_outliers(planter, fluoro, done & (pl.col("modality") == "CT"))
    _over_reference(planter, fluoro & (pl.col("proc_code") == "TFESI_L"))


def _air_kerma(planter: Planter, vessel: pl.Expr) -> None:
    """Plant cases over 5 Gy and over 3 Gy, some under names that no list of procedures has."""
    for name, values in (
        ("air_kerma_over_5_gy", [5400.0, 6200, 7700, 5150, 9300]),
        ("air_kerma_over_3_gy", [3300.0, 3900, 4600]),
    ):
        rows = planter.choose(vessel, len(values))
        gray = np.array(values)[: len(rows)]
        planter.put(rows, air_kerma_mgy=gray, kap_gycm2=gray / 1000 * VESSEL_FIELD_CM2)
        planter.put(rows, peak_skin_dose_mgy=gray * 0.8)
        planter.put(rows, fluoro_time_s=np.full(len(rows), 1500.0))
        planter.record[name] = planter.accessions(rows)
        planter.mean_for(rows, "KAR_NOTIFY", "PSD_NOTIFY")
        if name == "air_kerma_over_5_gy":
            planter.mean_for(rows, "KAR_SRDL", "PSD_SRDL")
            planter.put(rows[:2], log_name="TIPS", proc_code="UNMAPPED")
            planter.record["unmapped_names"] = {"TIPS": planter.accessions(rows[:2])}


def _kap(planter: Planter, vessel: pl.Expr) -> None:
    """Plant cases over 500 and over 300 Gy·cm²."""
    over_500 = [540.0, 610, 720, 505], [2400.0, 2700, 2900, 2200]
    over_300 = [320.0, 390, 460], [1500.0, 1900, 2300]
    for name, rules, (kap, gray) in (
        ("kap_over_500", ("KAP_NOTIFY", "KAP_SRDL"), over_500),
        ("kap_over_300", ("KAP_NOTIFY",), over_300),
    ):
        rows = planter.choose(vessel, len(kap))
        planter.put(rows, kap_gycm2=np.array(kap)[: len(rows)])
        planter.put(rows, air_kerma_mgy=np.array(gray)[: len(rows)])
        planter.record[name] = planter.accessions(rows)
        planter.mean_for(rows, *rules)


def _fluoro_time(planter: Planter, long: pl.Expr) -> None:
    """Plant cases over 60 and over 30 minutes."""
    for name, rules, seconds in (
        ("fluoro_time_over_60_min", ("FT_NOTIFY", "FT_SRDL"), [3720.0, 4100, 4560, 5200]),
        ("fluoro_time_over_30_min", ("FT_NOTIFY",), [1920.0, 2500, 3300]),
    ):
        rows = planter.choose(long, len(seconds))
        planter.put(rows, fluoro_time_s=np.array(seconds)[: len(rows)])
        planter.record[name] = planter.accessions(rows)
        planter.mean_for(rows, *rules)


def _ctdi(planter: Planter, ct: pl.Expr) -> None:
    """Plant cases over the alert value of CT; they are over the notification value too."""
    rows = planter.choose(ct & pl.col("proc_code").is_in(["ABL_LIVER", "DRAIN_ABD"]), 2)
    planter.put(rows, ctdi_vol_mgy=np.array([1120.0, 1380])[: len(rows)])
    planter.put(rows, dlp_mgycm=np.array([5200.0, 6900])[: len(rows)])
    planter.record["ctdi_vol_over_1000_mgy"] = planter.accessions(rows)
    planter.mean_for(rows, "CTDI_ALERT", "CTDI_NOTIFY_TORSO")


def _cumulative_patient(planter: Planter, fluoro: pl.Expr, end: date) -> None:
    """Let one patient come five times in six months, none of it remarkable alone."""
    recent = pl.col("performed_on").is_between(end - timedelta(days=170), end - timedelta(days=10))
    kind = pl.col("proc_code").is_in(["BILI_DRAIN", "NEPHRO", "GASTRO", "IVCF"])
    rows = planter.choose(fluoro & recent & kind & (pl.col("site") == "Northgate"), 5)
    if len(rows) == 0:
        planter.record["cumulative_patient"] = {"accession_numbers": [], "sum_air_kerma_mgy": 0.0}
        return
    first = int(rows[0])
    for name in ("patient_id", "sex", "age_years", "height_cm", "weight_kg", "pregnancy_status"):
        planter.put(rows, **{name: planter.frame[name][first]})
    kerma = np.array([1300.0, 1450, 1250, 1500, 1350])[: len(rows)]
    planter.put(rows, air_kerma_mgy=kerma, kap_gycm2=kerma / 1000 * WIDE_FIELD_CM2)
    planter.put(rows, peak_skin_dose_mgy=kerma * 0.8)
    planter.record["cumulative_patient"] = {
        "patient_id": planter.frame["patient_id"][first],
        "accession_numbers": planter.accessions(rows),
        "sum_air_kerma_mgy": float(kerma.sum()),
        "window_days": 183,
        "level_mgy": 5000,
    }
    for rule, doses, level in (("KAR_6MO", kerma, 5000), ("PSD_6MO", kerma * 0.8, 3000)):
        planter.mean_for(rows[_reached(planter, rows, doses) >= level], rule)


def _reached(planter: Planter, rows: np.ndarray, doses: np.ndarray) -> np.ndarray:
    """Sum a patient's doses up to and with the day of each case."""
    days = planter.frame["performed_on"].gather(rows).to_numpy()
    return np.array([doses[days <= day].sum() for day in days])


def _local_outliers(planter: Planter, fluoro: pl.Expr, ct: pl.Expr) -> None:
    """Plant cases far beyond their own kind's spread, but under every trigger level.

    One of a kind at most: several would widen the percentile that is to find them.
    """
    common = pl.col("proc_code").is_in(["TFESI_L", "MBB_L", "FACET_L", "SIJ_INJ", "PARS"])
    listed: dict[str, list[str]] = {}
    for modality, columns, rules in (
        (fluoro, AIR_KERMA_KAP, ("KAP_OWN_P95", "KAP_ROBUST", "KAR_OWN_P95", "KAR_ROBUST")),
        (ct, ("dlp_mgycm", "ctdi_vol_mgy"), ("DLP_OWN_P95", "DLP_ROBUST")),
    ):
        kind = pl.struct("proc_code", "modality", size_band("true_bmi"))
        known = pl.col(columns[0]).is_not_null()
        large = known.sum().over(kind) >= OF_A_KIND
        rows = planter.choose(modality & common & known & large, 8, apart=kind)
        far = planter.frame.select(_far_out(column).over(kind).alias(column) for column in columns)[
            rows
        ]
        planter.put(rows, **{column: far[column].to_numpy() for column in columns})
        listed[columns[-1]] = planter.accessions(rows)
        planter.mean_for(rows, *rules)
    planter.record["far_above_local_p95"] = {
        "robust_standard_deviations": FAR_OUT,
        "accession_numbers": listed,
    }


def _far_out(column: str) -> pl.Expr:
    """Give the dose that lies so many robust standard deviations above its kind's median."""
    log = pl.col(column).log()
    spread = 1.4826 * (log - log.median()).abs().median()
    return (log.median() + FAR_OUT * spread).exp()


def _over_reference(planter: Planter, injection: pl.Expr) -> None:
    """Plant cases over twice the reference level of their procedure."""
    rows = planter.choose(injection & pl.col("kap_gycm2").is_not_null(), len(OVER_LEVEL))
    kap = TFESI_LEVEL * np.array(OVER_LEVEL)[: len(rows)]
    planter.put(rows, kap_gycm2=kap, air_kerma_mgy=1000 * kap / WIDE_FIELD_CM2)
    planter.record["kap_over_twice_the_reference_level"] = planter.accessions(rows)
    planter.mean_for(rows, "KAP_REFERENCE")
