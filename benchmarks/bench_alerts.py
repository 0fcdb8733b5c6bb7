"""Alerts of one night beside a million rows, and the list over 10,000 cases with alerts."""

import json
import os
import shutil
import statistics
import time
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.bench_refresh import rows
from benchmarks.measure import WORK, Cost, run, write_section

ROWS = int(os.environ.get("KERMA_BENCH_ROWS", "1000000"))
NIGHT = 50_000
LISTED = 10_000
TITLE = f"Alerts, {ROWS:,} rows"
PROGRAM = "import benchmarks.bench_alerts as b, sys; getattr(b, sys.argv[1])(sys.argv[2])"


def main() -> None:
    folder = WORK / f"alerts-{ROWS}"
    data = folder / "data"
    shutil.rmtree(folder, ignore_errors=True)
    (data / "inbox").mkdir(parents=True)
    rows(0, ROWS, 1).write_csv(data / "inbox" / "log.csv")
    _refresh(data)
    night(data / "inbox" / "night.csv")
    loaded = _refresh(data)
    costs = [_night_again(data) for _ in range(5)]
    shutil.copytree(data, folder / "listed", symlinks=True)
    listing = run(["-c", PROGRAM, "listing", str(folder / "listed")], _environment(data)).output
    best, middle = min(c.wall_s for c in costs), statistics.median(c.wall_s for c in costs)
    cpu, peak = statistics.median(c.cpu_s for c in costs), max(c.peak_mib for c in costs)
    write_section(
        TITLE,
        f"Judging {NIGHT:,} new cases of one night by all rules in force, the other "
        f"{ROWS:,} rows as their history: best {best:.1f} s, median {middle:.1f} s of five "
        f"processes (start of Python included), {cpu:.1f} CPU s, {peak:.0f} MiB; the target is "
        f"5 s. Inside the refresh: {loaded}.\n\n{listing.strip()}",
    )
    shutil.rmtree(folder)


def night(path: Path) -> None:
    """Write the cases of the last days, some of them far out."""
    rng = np.random.default_rng(2)
    last = np.datetime64("2026-01-05T07:00", "ms") + rng.integers(0, 5 * 86_400, NIGHT) * 1000
    frame = rows(ROWS, NIGHT, 2).with_columns(pl.Series("procedure_start_at", last))
    far = pl.Series(rng.random(NIGHT) < 0.001)
    dose = ("air_kerma_mgy", "kap_gycm2", "dlp_mgycm")
    frame.with_columns(
        pl.when(far).then(pl.col(name) * 12).otherwise(pl.col(name)).alias(name) for name in dose
    ).drop("arrived_at", "procedure_end_at").write_csv(path)


def _environment(data: Path) -> dict[str, str]:
    return {"KERMA_DATA_DIR": str(data), "KERMA_SETTLE_SECONDS": "0"}


def _refresh(data: Path) -> str:
    output = run(["-m", "etl", "refresh", "--json"], _environment(data)).output
    found = json.loads(output)["alerts"]
    return f"{found['judged']:,} cases judged, {found['new']} new alerts, {found['seconds']:.1f} s"


def _night_again(data: Path) -> Cost:
    """Judge the last night again, as if the process had died before its alerts."""
    run(["-c", PROGRAM, "forget", str(data)], _environment(data))
    return run(["-m", "etl", "alerts", "--json"], _environment(data))


def forget(folder: str) -> None:
    """Forget that the newest run was judged, and what it found."""
    from warehouse.review_store import writing
    from warehouse.review_tables import alert, judged_run, review_event
    from warehouse.settings import Settings

    with writing(Settings(data_dir=Path(folder))) as con:
        newest = max(con.execute(judged_run.select()).scalars())
        con.execute(judged_run.delete().where(judged_run.c.run_id == newest))
        day = date(2026, 1, 5)
        late = alert.select().where(alert.c.performed_on >= day).with_only_columns(alert.c.id)
        con.execute(review_event.delete().where(review_event.c.alert_id.in_(late)))
        con.execute(alert.delete().where(alert.c.performed_on >= day))


def listing(folder: str) -> None:
    """Fill the list to 10,000 cases and time what the outliers page asks of it."""
    from warehouse.access import SYSTEM
    from warehouse.alert_entry import enter
    from warehouse.connect import current_snapshot
    from warehouse.queries import run as query
    from warehouse.review_alerts import Asked, cases_page, counts
    from warehouse.reviews import TO_DO, alerts_of
    from warehouse.settings import Settings

    chosen = Settings(data_dir=Path(folder))
    snapshot = current_snapshot(chosen.snapshots)
    assert snapshot is not None
    many = query("alerts_cases", snapshot, SYSTEM, runs=[], ids=list(range(1, 2 * LISTED)))
    many = many.head(LISTED)
    enter(chosen, _as_alerts(many), [], [], "made")
    times, total = [], 0
    for first in range(0, LISTED, LISTED // 20):
        begin = time.perf_counter()
        asked = Asked(
            states=TO_DO, filters={"from_date": date.min, "to_date": date.max}, scope=SYSTEM
        )
        for by in ("state", "rule_id", "size_band"):
            counts(chosen, asked, by)
        page, total = cases_page(chosen, asked, first, 50)
        given = alerts_of(chosen, page["review_id"].to_list(), SYSTEM).unique("review_id")
        query(
            "alerts_ids", snapshot, SYSTEM, sites=given["site"].to_list(),
            accessions=given["accession_number"].to_list(), days=given["performed_on"].to_list(),
            devices=given["device"].to_list(), starts=given["procedure_start_at"].to_list(),
            modalities=given["modality"].to_list(),
        )  # fmt: skip
        times.append(time.perf_counter() - begin)
    print(
        f"All that the outliers page asks for one page of 50 among {total:,} cases with alerts "
        f"(counts by state, rule and size, the page, its alerts, the numbers in the warehouse): "
        f"median {1000 * statistics.median(times):.0f} ms, worst of 20 pages "
        f"{1000 * max(times):.0f} ms; the target is 1 s."
    )


def _as_alerts(many: pl.DataFrame) -> pl.DataFrame:
    from warehouse.case_keys import case_key_expr

    lit = pl.lit
    return many.select(
        case_key_expr(), "site", "accession_number", "performed_on", "device",
        "procedure_start_at", "modality", pl.col("mapped_code").alias("procedure_code"),
        "procedure_name", "size_band", "room", "operator", "age_years", "bmi",
        lit("MADE").alias("rule_id"), lit("trigger").alias("kind"), lit("local").alias("level"),
        lit("kap_gycm2").alias("quantity"), lit(1.0).alias("value"), lit(1.0).alias("limit_value"),
        lit(1.0).alias("ratio"), (pl.col("procedure_id") % 977 / 100).alias("score"),
        lit(None, pl.Float64).alias("own_median"), lit(None, pl.Int64).alias("n_basis"),
        lit("made for the benchmark").alias("basis"), lit(False).alias("unit_suspect"),
        lit(1.0).alias("rule_threshold"), lit(None, pl.Int64).alias("rule_window_months"),
        lit("benchmark").alias("rule_source"),
        lit(date.min + timedelta(days=365)).alias("rule_valid_from"),
    )  # fmt: skip
