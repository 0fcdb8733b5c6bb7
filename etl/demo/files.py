"""The columns of the log and the files it is written to."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import xlsxwriter

from etl.demo.catalogue import FOLLOW_UPS

COLUMNS = """
    site accession_number modality second_modality performed_on procedure_start_at
    procedure_name patient_id age_years sex weight_kg height_cm pregnancy_status operator
    trainee room device levels n_levels laterality status cancel_reason ordered_at scheduled_at
    arrived_at room_in_at procedure_end_at room_out_at report_signed_at duration_min dose_mgy
    dose_index air_kerma_mgy kap_gycm2 fluoro_time_s ctdi_vol_mgy ctdi_phantom_cm dlp_mgycm
    peak_skin_dose_mgy complications complication_scale satisfaction pain_scale pain_baseline
""".split()  # noqa: SIM905 - a table of names reads better as text
COLUMNS += [f"pain_{point}" for point in FOLLOW_UPS]
COLUMNS += [
    f"{scale}_{point}" for scale in ("odi", "ndi") for point in ("baseline", *list(FOLLOW_UPS)[1:])
]
COLUMNS += ["contrast_pattern", "injectate", "isthmic_oedema_reader_1", "isthmic_oedema_reader_2"]

#: Up to so many rows a file holds a site's quarter; beyond, a year of all sites.
SMALL = 50_000


def write_log(log: pl.DataFrame, out: Path) -> list[Path]:
    """Write the log in parts: CSV, the newest of one site as XLSX, of another as Parquet."""
    out.mkdir(parents=True, exist_ok=True)
    year = pl.col("performed_on").dt.year().cast(pl.String)
    quarter = year + "q" + pl.col("performed_on").dt.quarter().cast(pl.String)
    site = pl.col("site").str.to_lowercase().str.replace_all(" ", "-")
    small = log.height <= SMALL
    part = site + "-" + quarter if small else "all-sites-" + year
    parts = log.with_columns(part=part).partition_by("part", as_dict=True, include_key=False)
    names = sorted(str(key[0]) for key in parts)
    newest = {
        site: max(n for n in names if n.rsplit("-", 1)[0] == site)
        for site in {n.rsplit("-", 1)[0] for n in names}
    }
    paths = []
    for name in names:
        frame = parts[(name,)]
        if small and name == newest.get("riverside"):
            paths.append(_write_xlsx(frame, out / f"{name}.xlsx"))
        elif name == newest.get("harbour") or name == newest.get("all-sites"):
            paths.append(_write_parquet(frame, out / f"{name}.parquet"))
        else:
            paths.append(write_csv(frame, out / f"{name}.csv"))
    return paths


def write_csv(frame: pl.DataFrame, path: Path) -> Path:
    """Write CSV under a name that no refresh reads, then give it its own."""
    part = path.with_name(f".{path.name}.part")
    frame.write_csv(part, datetime_format="%Y-%m-%d %H:%M:%S")
    return part.replace(path)


def remove_old(out: Path) -> None:
    """Remove the files of an earlier demo, as its record lists them, so that two never mix."""
    record = out / "planted.json"
    if record.exists():
        for name in json.loads(record.read_text(encoding="utf-8")).get("files", []):
            (out / Path(name).name).unlink(missing_ok=True)


def _write_parquet(frame: pl.DataFrame, path: Path) -> Path:
    """Write Parquet as `write_csv` does."""
    part = path.with_name(f".{path.name}.part")
    frame.write_parquet(part, compression="zstd")
    return part.replace(path)


def _write_xlsx(frame: pl.DataFrame, path: Path) -> Path:
    """Write a sheet as `write_csv` does; its bytes do not depend on the time of writing."""
    part = path.with_name(f".{path.name}.part")
    with xlsxwriter.Workbook(str(part)) as book:
        book.set_properties({"created": datetime(2000, 1, 1, tzinfo=UTC)})
        frame.write_excel(
            book,
            worksheet="procedures",
            dtype_formats={pl.Datetime: "yyyy-mm-dd hh:mm:ss", pl.Date: "yyyy-mm-dd"},
            autofit=False,
        )
    return part.replace(path)


def yesterday() -> date:
    """Give the day before today, the last one a night's log is complete for."""
    return date.fromordinal(date.today().toordinal() - 1)
