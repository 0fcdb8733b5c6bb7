"""Realistic procedure logs with known answers.

``write`` makes departments' logs with planted facts and says them in ``planted.json``; ``papers``
makes two logs with the counts and statistics of two published studies.
"""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from etl.demo import dose, files, outcomes, patients, plant, record, schedule
from etl.demo.catalogue import plan
from etl.demo.papers import papers

__all__ = ["DEFAULT_ROWS", "log", "papers", "write"]

DEFAULT_ROWS = 12_000

#: Share of values that a log lacks; a missing dose takes all dose columns with it.
MISSING = {
    "weight_kg": 0.15, "height_cm": 0.18, "age_years": 0.01, "sex": 0.005, "operator": 0.01,
    "trainee": 0.02, "scheduled_at": 0.05, "arrived_at": 0.08, "room_out_at": 0.04,
    "report_signed_at": 0.06, "n_levels": 0.04, "pregnancy_status": 0.05,
}  # fmt: skip
MISSING_DOSE, MISSING_AIR_KERMA, MISSING_FLUORO_TIME = 0.03, 0.06, 0.02


def write(
    out: Path, rows: int = DEFAULT_ROWS, seed: int = 1, end: date | None = None
) -> list[Path]:
    """Write `rows` procedures up to `end` (yesterday) as log files, and ``planted.json``."""
    if rows < 1:
        raise ValueError(f"rows: must be at least 1: {rows}")
    last = end or files.yesterday()
    frame, planted = log(rows, seed, last)
    files.remove_old(out)
    paths = files.write_log(frame, out)
    planted = {"files": [path.name for path in paths], **planted}
    answers = out / "planted.json"
    answers.write_text(json.dumps(planted, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return [*paths, answers]


def log(rows: int, seed: int, end: date) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Make the log and the record of what was planted; the same for the same arguments."""
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence([seed, rows]).spawn(7)]
    size = plan(rows, end)
    frame = schedule.cases(size, rows, streams[0])
    frame = schedule.run_days(frame, streams[1])
    frame = patients.patients(frame, streams[2])
    frame = dose.doses(frame, streams[3])
    frame = plant.change(frame, end)
    frame = outcomes.outcomes(frame, end, streams[4])
    number = pl.int_range(1, pl.len() + 1).over("prefix").cast(pl.String).str.zfill(7)
    frame = frame.with_columns(
        accession_number=pl.col("prefix") + number,
        peak_skin_dose_mgy=pl.lit(None, pl.Float64),
    )
    planter = plant.plant(frame, end, streams[5])
    frame = _finish(planter.frame, planter.used, streams[6])
    return frame, record.record(frame, planter.record, size, seed)


def _finish(frame: pl.DataFrame, keep: np.ndarray, rng: np.random.Generator) -> pl.DataFrame:
    """Name, round and thin out the columns of the log; planted cases stay whole."""
    n = frame.height
    spared = pl.lit(pl.Series(keep))

    def lost(share: float) -> pl.Expr:
        return ~spared & pl.lit(pl.Series(rng.random(n) < share))

    no_dose = pl.lit(pl.Series(rng.random(n) < MISSING_DOSE)) & ~spared
    extra = {"air_kerma_mgy": MISSING_AIR_KERMA, "fluoro_time_s": MISSING_FLUORO_TIME}
    doses = [*dose.DOSES, "ctdi_phantom_cm"]
    frame = frame.with_columns(
        *[pl.when(~no_dose & ~lost(extra.get(c, 0.0))).then(pl.col(c)).alias(c) for c in doses],
        *[pl.when(~lost(share)).then(pl.col(c)).alias(c) for c, share in MISSING.items()],
    )
    lumbar = pl.Series(["L5-S1", "L4-L5, L5-S1", "L3-L4, L4-L5, L5-S1"])
    level = lumbar[(frame["n_levels"].fill_null(1) - 1).to_numpy()]
    side = pl.Series(["left", "right", "bilateral"])[rng.choice(3, n, p=[0.4, 0.4, 0.2])]
    sided = pl.col("proc_code").is_in(["TFESI_L", "TFESI_C", "FACET_L", "MBB_L", "SIJ_INJ"])
    levelled = pl.col("multi_level") > 0
    wide = pl.col("proc_code").is_in(["VP", "KP", "MBB_C"])
    shown = pl.col("air_kerma_mgy").fill_null(pl.col("ctdi_vol_mgy"))
    index = pl.when(pl.col("modality") == "CT").then(pl.lit("ctdi_vol"))
    index = index.otherwise(pl.lit("air_kerma"))
    ct_alone = pl.col("ctdi_vol_mgy").is_not_null()
    said = pl.when(pl.col("site").str.starts_with("Riverside") & (ct_alone | shown.is_not_null()))
    number = pl.when(ct_alone).then(pl.col("ctdi_vol_mgy")).otherwise(pl.col("air_kerma_mgy"))
    frame = frame.with_columns(
        pl.col(dose.DOSES).round_sig_figs(4),
        procedure_name=pl.col("log_name"),
        levels=pl.when(levelled & pl.col("n_levels").is_not_null() & ~wide).then(pl.lit(level)),
        n_levels=pl.when(levelled).then(pl.col("n_levels")),
        laterality=pl.when(sided).then(pl.lit(side)),
        dose_mgy=said.then(number).round_sig_figs(4),
        dose_index=said.then(index),
    )
    return frame.select(files.COLUMNS)
