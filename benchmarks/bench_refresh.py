"""The refresh beside DuckDB's own read_csv, MERGE and a plain copy of the file."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.measure import WORK, Cost, median, run, table, write_section

ROWS = int(os.environ.get("KERMA_BENCH_ROWS", "1000000"))
RUNS = int(os.environ.get("KERMA_BENCH_RUNS", "5"))
DELTA, CORRECTED = 50_000, 5_000
#: The log's first moment and its length; the night's new rows lie in the days after it.
FIRST, LOG_DAYS = np.datetime64("2022-01-03T07:00", "ms"), 4 * 365
NIGHT_DAYS, CORRECTED_DAYS = 2, 90
NIGHT = (
    f"The night: {DELTA - CORRECTED:,} new rows of the {NIGHT_DAYS} days after the log, "
    f"{CORRECTED:,} corrections of rows of its last {CORRECTED_DAYS} days."
)
#: Rows that are made at a time.
PART = 1_000_000
TITLE = f"Refresh, {ROWS:,} rows of 25 columns"

PROGRAM = "import benchmarks.bench_refresh as b, sys; getattr(b, sys.argv[1])(*sys.argv[2:])"
NAMES = (
    ("lumbar facet joint injection", "fluoroscopy"),
    ("lumbar transforaminal epidural injection", "CT"),
    ("PICC insertion", "ultrasound"),
    ("vertebroplasty", "fluoroscopy"),
)
TYPES = {
    "site": "varchar", "accession_number": "varchar", "modality": "varchar",
    "procedure_start_at": "timestamp", "procedure_name": "varchar", "patient_id": "varchar",
    "age_years": "double", "sex": "varchar", "weight_kg": "double", "height_cm": "double",
    "operator": "varchar", "room": "varchar", "device": "varchar", "status": "varchar",
    "arrived_at": "timestamp", "procedure_end_at": "timestamp", "air_kerma_mgy": "double",
    "kap_gycm2": "double", "fluoro_time_s": "double", "ctdi_vol_mgy": "double",
    "dlp_mgycm": "double", "complications": "varchar", "satisfaction": "tinyint",
    "pain_scale": "varchar", "pain_baseline": "double",
}  # fmt: skip


def rows(
    first: int,
    count: int,
    seed: int,
    patients: int | None = None,
    days: tuple[int, int] = (0, LOG_DAYS),
) -> pl.DataFrame:
    """Return made-up procedures of these days, numbered from ``first``, three a patient."""
    rng = np.random.default_rng(seed)
    patients = patients or max(count // 3, 1)
    pick = rng.integers(0, len(NAMES), count)
    seconds = rng.integers(days[0] * 86_400, days[1] * 86_400, count)
    start = FIRST + seconds * 1000
    modality = np.array([kind for _, kind in NAMES])[pick]
    frame = pl.DataFrame(
        {
            "site": np.array(["north", "south", "west"])[rng.integers(0, 3, count)],
            "accession_number": [f"A{n:09d}" for n in range(first, first + count)],
            "modality": modality,
            "procedure_start_at": start,
            "procedure_name": np.array([name for name, _ in NAMES])[pick],
            "patient_id": [f"P{n:07d}" for n in rng.integers(0, patients, count)],
            "age_years": rng.integers(18, 95, count).astype(float),
            "sex": np.array(["F", "M"])[rng.integers(0, 2, count)],
            "weight_kg": rng.normal(78, 14, count).clip(40, 160).round(1),
            "height_cm": rng.normal(170, 9, count).clip(140, 205).round(0),
            "operator": [f"Dr {n}" for n in rng.integers(1, 30, count)],
            "room": [f"Room {n}" for n in rng.integers(1, 9, count)],
            "device": [f"Device {n}" for n in rng.integers(1, 9, count)],
            "status": "completed",
            "arrived_at": start - 1000 * rng.integers(600, 5400, count),
            "procedure_end_at": start + 1000 * rng.integers(300, 5400, count),
            "air_kerma_mgy": rng.lognormal(3, 0.8, count).round(3),
            "fluoro_time_s": rng.lognormal(4, 0.7, count).round(1),
            "ctdi_vol_mgy": rng.lognormal(2, 0.6, count).round(2),
            "dlp_mgycm": rng.lognormal(4.5, 0.6, count).round(1),
            "complications": np.array(["none", "none", "haematoma"])[rng.integers(0, 3, count)],
            "satisfaction": rng.integers(1, 6, count),
            "pain_scale": "NRS 0-10",
            "pain_baseline": rng.integers(0, 11, count).astype(float),
        }
    ).with_columns(kap_gycm2=(pl.col("air_kerma_mgy") * 0.12).round(4))
    only = {
        "fluoroscopy": ("air_kerma_mgy", "kap_gycm2", "fluoro_time_s"),
        "CT": ("ctdi_vol_mgy", "dlp_mgycm"),
    }
    blanked = [
        pl.when(pl.col("modality") == kind).then(pl.col(name)).alias(name)
        for kind, columns in only.items()
        for name in columns
    ]
    return frame.with_columns(blanked).select(*TYPES)


def make(target: str) -> None:
    """Write the log and the night's delta: new rows and corrections of old ones."""
    folder = Path(target)
    folder.mkdir(parents=True, exist_ok=True)
    form = "%Y-%m-%d %H:%M:%S"
    corrected = []
    since = FIRST + np.timedelta64(LOG_DAYS - CORRECTED_DAYS, "D")
    with (folder / "log.csv").open("wb") as file:
        for part, first in enumerate(range(1, ROWS + 1, PART)):
            log = rows(first, min(PART, ROWS + 1 - first), seed=10 + part, patients=ROWS // 3)
            log.write_csv(file, include_header=part == 0, datetime_format=form)
            late = log.filter(pl.col("procedure_start_at") >= pl.lit(since))
            corrected.append(late.sample(CORRECTED * log.height // ROWS, seed=2))
    night = (LOG_DAYS, LOG_DAYS + NIGHT_DAYS)
    fresh = rows(ROWS + 1, DELTA - CORRECTED, seed=3, patients=ROWS // 3, days=night)
    changed = pl.concat(corrected).with_columns(room=pl.lit("Room 99"))
    pl.concat([changed, fresh]).write_csv(folder / "night.csv", datetime_format=form)


def read_csv(source: str, target: str) -> None:
    """Do what the refresh is measured against: DuckDB's typed read of the same file."""
    import duckdb

    with duckdb.connect(target, config={"threads": 2}) as con:
        con.execute(
            "create table procedure as from read_csv($source, columns = $types, header = true)",
            {"source": source, "types": TYPES},
        )


def copy_and_merge(snapshots: str, plain: str, delta: str) -> None:
    """Copy the snapshot in service, and let DuckDB merge the delta into its own plain table."""
    import duckdb

    copied = Path(plain).with_suffix(".copy")
    shutil.copyfile(Path(snapshots) / "current.duckdb", copied)
    copied.unlink()
    with duckdb.connect(plain, config={"threads": 2}) as con:
        con.execute(
            "merge into procedure p "
            "using (from read_csv($delta, columns = $types, header = true)) d "
            "on p.site = d.site and p.accession_number = d.accession_number "
            "when matched then update when not matched then insert",
            {"delta": delta, "types": TYPES},
        )


def program(name: str, *arguments: Path) -> Cost:
    return run(["-c", PROGRAM, name, *map(str, arguments)], {})


def refresh(data: Path, path: Path) -> Cost:
    return run(["-m", "etl", "refresh", str(path), "--json"], {"KERMA_DATA_DIR": str(data)})


def main() -> None:
    folder = WORK / f"refresh-{ROWS}"
    if not (folder / "night.csv").exists():
        program("make", folder)
    seen: dict[str, list[Cost]] = {}
    for _ in range(RUNS):
        shutil.rmtree(folder / "data", ignore_errors=True)
        (folder / "plain.duckdb").unlink(missing_ok=True)
        measured = {
            "DuckDB read_csv, given types → table": program(
                "read_csv", folder / "log.csv", folder / "plain.duckdb"
            ),
            "refresh into an empty warehouse": refresh(folder / "data", folder / "log.csv"),
            "refresh, nothing new": refresh(folder / "data", folder / "log.csv"),
        }
        took = json.loads(measured["refresh into an empty warehouse"].output)["totals"]
        assert took["read"] == took["inserted"] == ROWS, took
        measured["copy of the snapshot, DuckDB MERGE of the delta"] = program(
            "copy_and_merge",
            folder / "data" / "snapshots",
            folder / "plain.duckdb",
            folder / "night.csv",
        )
        measured[f"refresh, {DELTA:,} rows, {CORRECTED:,} of them corrections"] = refresh(
            folder / "data", folder / "night.csv"
        )
        for name, cost in measured.items():
            seen.setdefault(name, []).append(cost)
            print(f"{name}: {cost.wall_s:.1f} s, {cost.cpu_s:.1f} CPU s, {cost.peak_mib:.0f} MiB")
    base = "DuckDB read_csv, given types → table"
    write_section(
        TITLE,
        f"`KERMA_BENCH_ROWS={ROWS} python -m benchmarks refresh`, medians of {RUNS} interleaved "
        "runs on two cores; times include the start of Python. "
        + NIGHT
        + "\n\n"
        + table({name: median(costs) for name, costs in seen.items()}, base),
    )


if __name__ == "__main__":
    main()
