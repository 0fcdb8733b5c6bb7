"""Two published studies as logs: made-up patients with the counts and statistics printed."""

from pathlib import Path

import polars as pl

from etl.demo.files import COLUMNS, write_csv

DATA = Path(__file__).parents[1] / "data"

#: What all rows of a study share.
S0 = {
    "site": "Paper S0",
    "procedure_name": "Lumbar TFESI",
    "status": "completed",
    "dose_index": "unspecified",
    "complication_scale": "CIRSE 2017",
    "pain_scale": "VAS 0-10",
}
S3 = {
    "site": "Paper S3",
    "modality": "CT",
    "procedure_name": "Pars injection",
    "n_levels": "1",
    "laterality": "bilateral",
    "status": "completed",
    "pain_scale": "NRS 0-10",
    "injectate": "triamcinolone 2 mg, ropivacaine 0.2 %",
}


def papers(out: Path) -> list[Path]:
    """Write paper S0 (200 patients) and paper S3 (134 patients) as canonical logs."""
    out.mkdir(parents=True, exist_ok=True)
    return [
        write_csv(study("demo_s0.csv", S0), out / "paper-s0.csv"),
        write_csv(study("demo_s3.csv", S3), out / "paper-s3.csv"),
    ]


def study(name: str, shared: dict[str, str]) -> pl.DataFrame:
    """Read a study's patients and add what they share; columns as in the log."""
    patients = pl.read_csv(DATA / name, comment_prefix="#", try_parse_dates=True)
    site = shared["site"]
    number = pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(3)
    frame = patients.with_columns(
        *[pl.lit(value).alias(column) for column, value in shared.items()],
        accession_number=pl.lit(site.rsplit(" ", 1)[-1] + "-") + number,
        patient_id=pl.lit(site + " patient ") + number,
    )
    known = [column for column in COLUMNS if column in frame.columns]
    return frame.select(*known, *(column for column in frame.columns if column not in known))
