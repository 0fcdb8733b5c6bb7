"""The facts planted in the demo, and the record of them."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from etl.demo.catalogue import months_before
from etl.demo.outliers import AIR_KERMA_KAP, plant_outliers
from etl.demo.planter import Planter

DROP_SITE, DROP_FACTOR, DROP_MONTHS = "Riverside", 0.75, 9
#: +12 % a month: so much that about 120 cases a month show it within three months.
DRIFT_ROOM, DRIFT_PER_MONTH, DRIFT_MONTHS = "NG Fluoro 2", 0.12, 9
DRIFT_CASES = 120
UNIT_ROOM, UNIT_FACTOR, UNIT_DAYS, UNIT_MONTHS = "HB Fluoro 1", 100, 14, 5

#: Plain trigger levels that the expected hits are counted with.
RULES = {
    "air_kerma_over_3_gy": ("air_kerma_mgy", 3000.0),
    "air_kerma_over_5_gy": ("air_kerma_mgy", 5000.0),
    "kap_over_300": ("kap_gycm2", 300.0),
    "kap_over_500": ("kap_gycm2", 500.0),
    "fluoro_time_over_30_min": ("fluoro_time_s", 1800.0),
    "fluoro_time_over_60_min": ("fluoro_time_s", 3600.0),
    "ctdi_vol_over_1000_mgy": ("ctdi_vol_mgy", 1000.0),
}


def dates(end: date) -> dict[str, date]:
    """Give the days on which the planted changes begin."""
    unit = months_before(end, UNIT_MONTHS) + timedelta(days=7)
    return {
        "drop_from": months_before(end, DROP_MONTHS),
        "drift_from": months_before(end, DRIFT_MONTHS),
        "unit_from": unit,
        "unit_to": unit + timedelta(days=UNIT_DAYS - 1),
    }


def drift_per_month(frame: pl.DataFrame) -> float:
    """Give the monthly growth that the room's cases can show: steeper where they are few."""
    mine = frame.filter(pl.col("room") == DRIFT_ROOM)["performed_on"]
    cases = len(mine) / max(1, mine.dt.truncate("1mo").n_unique())
    return round(DRIFT_PER_MONTH * min(3.0, max(1.0, (DRIFT_CASES / max(1, cases)) ** 0.5)), 2)


def change(frame: pl.DataFrame, end: date) -> pl.DataFrame:
    """Apply the protocol change and the drift to fluoroscopy doses."""
    day = dates(end)
    on = pl.col("performed_on")
    fluoro = pl.col("modality") == "fluoroscopy"
    drop = fluoro & (pl.col("site") == DROP_SITE) & (on >= day["drop_from"])
    start = day["drift_from"]
    months = (on.dt.year() - start.year) * 12 + on.dt.month().cast(pl.Int32) - start.month + 1
    drift = fluoro & (pl.col("room") == DRIFT_ROOM) & (months > 0)
    factor = (
        pl.when(drop)
        .then(DROP_FACTOR)
        .when(drift)
        .then((1 + drift_per_month(frame)) ** months.cast(pl.Float64))
        .otherwise(1.0)
    )
    return frame.with_columns(pl.col(AIR_KERMA_KAP) * factor)


def plant(frame: pl.DataFrame, end: date, rng: np.random.Generator) -> Planter:
    """Plant outliers, a patient with a high sum, a unit error, overlaps and test patients."""
    planter = Planter(frame, rng)
    done = (pl.col("status") == "completed") & pl.col("operator").is_not_null()
    fluoro = done & (pl.col("modality") == "fluoroscopy") & (pl.col("room") != UNIT_ROOM)
    plant_outliers(planter, fluoro, done, end)
    _overlaps(planter)
    _tests(planter)
    _unit_error(planter, end)
    planter.record["found_by_rule"] = dict(sorted(planter.by_rule.items()))
    return planter


def _overlaps(planter: Planter) -> None:
    """Move the last case of six room-days to before its predecessor has left the room."""
    last = pl.col("position") == pl.col("position").max().over("room_day")
    out = pl.col("room_out_at").shift(1).over("room_day")
    gap = (pl.col("room_in_at") - out).dt.total_minutes()
    rows = planter.choose(last & out.is_not_null() & gap.is_between(0, 60), 6)
    gaps = planter.frame.select(gap.alias("gap"))["gap"].gather(rows).to_numpy()
    minutes = pl.Series(gaps + 12).cast(pl.Int64) * 60_000_000
    names = ["arrived_at", "room_in_at", "procedure_start_at", "procedure_end_at", "room_out_at"]
    for name in names:
        stamp = planter.frame[name].gather(rows)
        moved = stamp - minutes.cast(pl.Duration("us"))
        planter.frame = planter.frame.with_columns(planter.frame[name].clone().scatter(rows, moved))
    planter.record["overlaps"] = {"accession_numbers": planter.accessions(rows), "minutes": 12}


def _tests(planter: Planter) -> None:
    """Make a few cases exposures of a phantom."""
    kind = (pl.col("status") == "completed") & (pl.col("modality") != "ultrasound")
    rows = planter.choose(kind, max(3, planter.frame.height // 1500))
    gone = ["age_years", "height_cm", "weight_kg", "pregnancy_status", "sex", "satisfaction"]
    gone += ["complications", "complication_scale", "contrast_pattern", "injectate"]
    gone += [c for c in planter.frame.columns if c.startswith(("pain_", "odi_", "ndi_"))]
    planter.put(rows, log_name="Phantom", proc_code="QA", patient_id="TEST-PHANTOM")
    keep = np.ones(planter.frame.height, dtype=bool)
    keep[rows] = False
    mask = pl.lit(pl.Series(keep))
    planter.frame = planter.frame.with_columns(
        [pl.when(mask).then(pl.col(c)).alias(c) for c in gone]
    )
    planter.record["test_patients"] = {"accession_numbers": planter.accessions(rows)}


def _unit_error(planter: Planter, end: date) -> None:
    """Let one room send cGy·cm² as Gy·cm² for two weeks."""
    day = dates(end)
    within = pl.col("performed_on").is_between(day["unit_from"], day["unit_to"])
    mine = within & (pl.col("room") == UNIT_ROOM) & pl.col("kap_gycm2").is_not_null()
    hit = planter.frame.select(mine.fill_null(False)).to_series().to_numpy()
    rows = np.flatnonzero(hit)
    planter.put(rows, kap_gycm2=planter.frame["kap_gycm2"].gather(rows).to_numpy() * UNIT_FACTOR)
    planter.used[rows] = True
    planter.record["unit_error"] = {
        "room": UNIT_ROOM,
        "from": day["unit_from"].isoformat(),
        "to": day["unit_to"].isoformat(),
        "field": "kap_gycm2",
        "factor": UNIT_FACTOR,
        "accession_numbers": planter.accessions(rows),
    }
    known = pl.col("air_kerma_mgy").is_not_null() & (pl.col("proc_code") != "QA")
    planter.mean_for(rows[planter.frame.select(known).to_series().to_numpy()[rows]], "FIELD_AREA")


def expected_hits(frame: pl.DataFrame) -> dict[str, list[str]]:
    """List every case that the plain rules find in the written log, test patients left out."""
    used = {"accession_number", "patient_id", "performed_on", "kap_gycm2", "air_kerma_mgy"}
    used |= {column for column, _ in RULES.values()}
    frame = frame.select(sorted(used)).filter(pl.col("patient_id") != "TEST-PHANTOM")
    hits = {
        rule: frame.filter(pl.col(column) > level)["accession_number"].to_list()
        for rule, (column, level) in RULES.items()
    }
    ratio = pl.col("kap_gycm2") / (pl.col("air_kerma_mgy") / 1000)
    outside = frame.filter(~ratio.is_between(10, 1600))
    hits["kap_per_air_kerma_outside_10_1600_cm2"] = outside["accession_number"].to_list()
    hits["patient_air_kerma_over_5_gy_in_183_days"] = _patient_sums(frame)
    return hits


def _patient_sums(frame: pl.DataFrame) -> list[str]:
    """List patients whose air kerma of any 183 days is above 5 Gy."""
    dosed = frame.drop_nulls("air_kerma_mgy")
    high = pl.col("air_kerma_mgy").sum().over("patient_id") > 5000
    dosed = dosed.filter(high).sort("patient_id", "performed_on")
    sums = dosed.rolling("performed_on", period="183d", group_by="patient_id").agg(
        pl.col("air_kerma_mgy").sum()
    )
    return sums.filter(pl.col("air_kerma_mgy") > 5000)["patient_id"].unique().sort().to_list()
