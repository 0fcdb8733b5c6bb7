"""The facts planted in the demo, and the record of them."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from etl.demo.catalogue import months_before

DROP_SITE, DROP_FACTOR, DROP_MONTHS = "Riverside", 0.75, 9
#: +10 % a month: so much that about 100 cases a month show it within three months.
DRIFT_ROOM, DRIFT_PER_MONTH, DRIFT_MONTHS = "NG Fluoro 2", 0.10, 9
UNIT_ROOM, UNIT_FACTOR, UNIT_DAYS, UNIT_MONTHS = "HB Fluoro 1", 100, 14, 5
AIR_KERMA_KAP = ("air_kerma_mgy", "kap_gycm2")

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
        .then((1 + DRIFT_PER_MONTH) ** months.cast(pl.Float64))
        .otherwise(1.0)
    )
    return frame.with_columns(pl.col(AIR_KERMA_KAP) * factor)


class Planter:
    """Sets values in chosen cases and keeps the record; a case is used once."""

    def __init__(self, frame: pl.DataFrame, rng: np.random.Generator) -> None:
        self.frame = frame
        self.rng = rng
        self.used = np.zeros(frame.height, dtype=bool)
        self.record: dict[str, Any] = {}

    def choose(self, condition: pl.Expr, count: int) -> np.ndarray:
        """Draw up to `count` unused cases that meet the condition, in the order of time."""
        fits = self.frame.select(condition.fill_null(False)).to_series().to_numpy() & ~self.used
        able = np.flatnonzero(fits)
        picked = np.sort(self.rng.choice(able, min(count, len(able)), replace=False))
        self.used[picked] = True
        return picked

    def put(self, rows: np.ndarray, **values: Any) -> None:
        """Write values into the chosen rows."""
        for name, value in values.items():
            column = self.frame[name].clone()
            new = pl.Series(np.broadcast_to(value, len(rows))).cast(column.dtype)
            self.frame = self.frame.with_columns(column.scatter(rows, new).alias(name))

    def accessions(self, rows: np.ndarray) -> list[str]:
        """Give the accession numbers of rows."""
        return self.frame["accession_number"].gather(rows).to_list()


def plant(frame: pl.DataFrame, end: date, rng: np.random.Generator) -> Planter:
    """Plant outliers, a patient with a high sum, a unit error, overlaps and test patients."""
    planter = Planter(frame, rng)
    done = (pl.col("status") == "completed") & pl.col("operator").is_not_null()
    fluoro = done & (pl.col("modality") == "fluoroscopy") & (pl.col("room") != UNIT_ROOM)
    _high_doses(planter, fluoro, done)
    _cumulative_patient(planter, fluoro, end)
    _local_outliers(planter, fluoro, done)
    _overlaps(planter)
    _tests(planter)
    _unit_error(planter, end)
    return planter


def _high_doses(planter: Planter, fluoro: pl.Expr, done: pl.Expr) -> None:
    """Plant cases over the trigger levels, some under names that no list of procedures has."""
    vessel = fluoro & pl.col("proc_code").is_in(["BILI_DRAIN", "NEPHRO", "IVCF"])
    rows = planter.choose(vessel, 5)
    gray = np.array([5400, 6200, 7700, 5150, 9300])[: len(rows)]
    planter.put(rows, air_kerma_mgy=gray, kap_gycm2=gray * 0.05, peak_skin_dose_mgy=gray * 0.8)
    planter.put(rows, fluoro_time_s=np.full(len(rows), 1500.0))
    planter.put(rows[:2], log_name="TIPS", proc_code="UNMAPPED")
    planter.record["air_kerma_over_5_gy"] = planter.accessions(rows)
    planter.record["unmapped_names"] = {"TIPS": planter.accessions(rows[:2])}
    rows = planter.choose(vessel, 4)
    planter.put(rows, kap_gycm2=np.array([540.0, 610, 720, 505])[: len(rows)])
    planter.put(rows, air_kerma_mgy=np.array([2400.0, 2700, 2900, 2200])[: len(rows)])
    planter.record["kap_over_500"] = planter.accessions(rows)
    rows = planter.choose(fluoro & (pl.col("proc_code") == "BILI_DRAIN"), 4)
    planter.put(rows, fluoro_time_s=np.array([3720.0, 4100, 4560, 5200])[: len(rows)])
    planter.record["fluoro_time_over_60_min"] = planter.accessions(rows)
    rows = planter.choose(
        done & pl.col("proc_code").is_in(["ABL_LIVER", "DRAIN_ABD"]) & (pl.col("modality") == "CT"),
        2,
    )
    planter.put(rows, ctdi_vol_mgy=np.array([1120.0, 1380])[: len(rows)])
    planter.put(rows, dlp_mgycm=np.array([5200.0, 6900])[: len(rows)])
    planter.record["ctdi_vol_over_1000_mgy"] = planter.accessions(rows)


def _cumulative_patient(planter: Planter, fluoro: pl.Expr, end: date) -> None:
    """Let one patient come five times in six months, none of it remarkable alone."""
    recent = pl.col("performed_on").is_between(end - timedelta(days=170), end - timedelta(days=10))
    kind = pl.col("proc_code").is_in(["BILI_DRAIN", "NEPHRO", "GASTRO"])
    rows = planter.choose(fluoro & recent & kind & (pl.col("site") == "Northgate"), 5)
    if len(rows) == 0:
        planter.record["cumulative_patient"] = {"accession_numbers": [], "sum_air_kerma_mgy": 0.0}
        return
    first = int(rows[0])
    for name in ("patient_id", "sex", "age_years", "height_cm", "weight_kg", "pregnancy_status"):
        planter.put(rows, **{name: planter.frame[name][first]})
    kerma = np.array([1300.0, 1450, 1250, 1500, 1350])[: len(rows)]
    planter.put(rows, air_kerma_mgy=kerma, kap_gycm2=kerma * 0.14)
    planter.record["cumulative_patient"] = {
        "patient_id": planter.frame["patient_id"][first],
        "accession_numbers": planter.accessions(rows),
        "sum_air_kerma_mgy": float(kerma.sum()),
        "window_days": 183,
        "level_mgy": 5000,
    }


def _local_outliers(planter: Planter, fluoro: pl.Expr, done: pl.Expr) -> None:
    """Plant cases far above their procedure's own P95, but under every trigger level."""
    common = pl.col("proc_code").is_in(["TFESI_L", "MBB_L", "ILESI_L", "FACET_L", "SIJ_INJ"])
    scale = 2.5 * np.exp(1.645 * 0.75)
    listed: dict[str, list[str]] = {}
    ct = done & (pl.col("modality") == "CT")
    for kind, columns in ((fluoro, AIR_KERMA_KAP), (ct, ("dlp_mgycm", "ctdi_vol_mgy"))):
        rows = planter.choose(kind & common & pl.col(columns[0]).is_not_null(), 8)
        for column in columns:
            typical = pl.col(column).median().over("proc_code", "modality")
            values = planter.frame.select(typical.alias(column))[column].gather(rows)
            planter.put(rows, **{column: values.to_numpy() * scale})
        listed[columns[-1]] = planter.accessions(rows)
    planter.record["far_above_local_p95"] = {
        "times_the_procedure_median": round(float(scale), 2),
        "accession_numbers": listed,
    }


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
