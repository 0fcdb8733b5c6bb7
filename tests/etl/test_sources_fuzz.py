"""Damaged files end in rows or in words: no crash, no hang, no row lost."""

import gzip
import json
import math
import os
import random
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from etl.ahead import One, Reading
from etl.staging import Staged
from tests.etl import dicom_made as made
from tests.etl.test_fhir import FLUORO, bundle, summary
from tests.etl.test_openrem_xlsx import study, workbook
from warehouse.settings import Settings

SAMPLES = Path(__file__).resolve().parents[2] / ".." / "shared" / "samples" / "dicom"
SOAK_EXAMPLES = int(os.environ.get("KERMA_SOAK_EXAMPLES", "5000"))
SOAK_S = float(os.environ.get("KERMA_SOAK_SECONDS", "600"))


def check(path: Path, folder: Path) -> list[Staged]:
    """Read a file as the refresh does, and hold what it became against what must be."""
    chosen = Settings(data_dir=folder, pseudonym_key=made.KEY.decode())  # type: ignore[arg-type]
    found: list[Staged] = []
    with Reading(One(folder, chosen, made.KEY)) as reading:
        for group in reading.groups([made.source(path)]):
            for part in group.parts:
                outcome = part if isinstance(part, Staged) else reading.one.read(part)
                if isinstance(outcome, Exception):
                    raise outcome
                found.append(outcome)
    assert found
    for staged in found:
        if staged.refusal is not None:
            assert staged.source.name in staged.refusal and staged.read == 0
            continue
        if staged.kind == "report":
            assert staged.read == staged.reports.height + staged.rejected.height
        for name in ("kap_gycm2", "air_kerma_mgy", "dlp_mgycm", "fluoro_time_s", "ctdi_vol_mgy"):
            for value in staged.reports[name].drop_nulls():
                assert math.isfinite(value) and value >= 0
        if staged.procedures is not None:
            kept = pl.read_parquet(staged.procedures).height
            assert staged.read == kept + staged.rejected.height
            staged.procedures.unlink()
        if (lines := plain_lines(path)) is not None:
            assert staged.read == lines, "a row was lost, or made up"
    return found


def plain_lines(path: Path) -> int | None:
    """Count the rows of a comma-separated file as a person would; None where it takes more."""
    head, *lines = path.read_bytes().split(b"\n")
    if path.suffix != ".csv" or any(mark in path.read_bytes() for mark in (b'"', b"\r")):
        return None
    most = head.count(b",")
    if not most or any(head.count(other) >= most for other in (b";", b"\t", b"|")):
        return None
    return sum(bool(line.strip(b",")) for line in lines)


def damaged(data: bytes, seed: int) -> bytes:
    """Change, drop, repeat or cut bytes."""
    dice, out = random.Random(seed), bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 4, 16))):
        place, size = dice.randrange(len(out)), dice.choice((1, 1, 2, 4, 32))
        match dice.randrange(6):
            case 0:
                out[place] ^= 1 << dice.randrange(8)
            case 1:
                out[place : place + size] = dice.randbytes(size)
            case 2:
                del out[place : place + size]
            case 3:
                out[place:place] = out[place : place + size]
            case 4:
                out[place : place + size] = dice.choice((b"\xff", b"\0", b"\\")) * size
            case 5 if dice.random() < 0.3:
                del out[place:]
        if not out:
            return b"\0"
    return bytes(out)


class Files(dict[str, bytes]):
    """Files by name, told without their bytes."""

    def __repr__(self) -> str:
        return f"Files({', '.join(self)})"


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Return one good file of each kind."""
    folder = tmp_path_factory.mktemp("whole")
    files = {
        "fluoroscopy.dcm": made.save(made.projection(), folder / "a"),
        "ct.dcm": made.save(made.tomography(), folder / "b"),
        "bare.dcm": made.save(made.projection(), folder / "c", part10=False),
        "book.xlsx": workbook(folder / "d.xlsx", study()),
    }
    found = {name: path.read_bytes() for name, path in files.items()}
    found["dose.json"] = json.dumps(bundle(summary(*FLUORO))).encode()
    packed = folder / "e.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ct", found["ct.dcm"])
        archive.writestr("dose.json", found["dose.json"])
    return Files(found | {"pack.zip": packed.read_bytes()} | tables(folder))


def tables(folder: Path) -> dict[str, bytes]:
    """Return a log in every format that logs come in."""
    columns = ("accession_number", "modality", "procedure_start_at", "kap_gycm2", "room")
    rows = [(f"A{n}", "XA", f"2026-03-0{n + 1} 09:00:00", f"{n}.5", f"Raum {n}") for n in range(6)]
    lines = [",".join(line) for line in (columns, *rows)]
    records = [dict(zip(columns, line, strict=True)) for line in rows]
    frame = pl.DataFrame(records)
    frame.write_parquet(folder / "log.parquet")
    frame.write_excel(folder / "log.xlsx")
    german = ["Untersuchungsnummer;Modalität;Datum;Beginn;Untersuchung;DFP"]
    german += [f'D{n};DL;0{n + 1}.03.2026;09:00;"Facette; müde";{n},5' for n in range(6)]
    found = {
        "log.csv": "\n".join(lines).encode(),
        "quoted.csv": "\n".join(
            lines[:1] + ['"' + line.replace(",", '","') + '"' for line in lines[1:]]
        ).encode(),
        "ris.csv": "\r\n".join(german).encode("cp1252"),
        "log.jsonl": "\n".join(map(json.dumps, records)).encode(),
    }
    found |= {name: (folder / name).read_bytes() for name in ("log.parquet", "log.xlsx")}
    return found | {"log.csv.gz": gzip.compress(found["log.csv"])}


REPORTS = ("fluoroscopy.dcm", "ct.dcm", "bare.dcm", "book.xlsx", "dose.json", "pack.zip")
LOGS = ("log.csv", "quoted.csv", "ris.csv", "log.jsonl", "log.parquet", "log.xlsx", "log.csv.gz")


@pytest.mark.parametrize("name", [*REPORTS, *LOGS])
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32))
@example(seed=194)  # a workbook's part with a name that is no UTF-8
@example(seed=204)  # a workbook's part that cannot be decompressed
@example(seed=4209)  # a Parquet file's values that cannot be decompressed
@example(seed=4_821_065_314)  # a Parquet file's Arrow schema that is no base64
def test_damage_ends_in_rows_or_words(wholes: Files, tmp_path: Path, name: str, seed: int) -> None:
    path = tmp_path / name
    path.write_bytes(damaged(wholes[name], seed))
    check(path, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(0)
@settings(
    max_examples=SOAK_EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(name=st.sampled_from([*REPORTS, *LOGS]), seed=st.integers(0, 2**48))
def test_every_reader_many_times(wholes: Files, tmp_path: Path, name: str, seed: int) -> None:
    path = tmp_path / name
    path.write_bytes(damaged(wholes[name], seed))
    check(path, tmp_path)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.binary(max_size=400), mark=st.sampled_from([b"", b"DICM", b"PK\x03\x04", b"{"]))
def test_any_bytes_end_in_words(tmp_path: Path, data: bytes, mark: bytes) -> None:
    path = tmp_path / "any"
    path.write_bytes((b"\0" * 128 if mark == b"DICM" else b"") + mark + data)
    for staged in check(path, tmp_path):
        assert staged.refusal is not None


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_ten_minutes_of_damage_to_real_reports(tmp_path: Path) -> None:
    """Mutate real reports; an untouched total may not change silently into another's."""
    if not SAMPLES.exists():
        pytest.skip("the sample reports are not here")
    paths = [path for path in sorted(SAMPLES.glob("*.dcm")) if path.stat().st_size < 200_000]
    until, seed = time.monotonic() + SOAK_S, random.randrange(2**48)
    print(f"first seed {seed}")
    while time.monotonic() < until:
        _one(paths[seed % len(paths)], tmp_path, seed, check)
        seed += 1


def _one(path: Path, folder: Path, seed: int, look: Callable[[Path, Path], object]) -> None:
    """Damage one report and read it; a failure names the seed that makes it again."""
    target = folder / "damaged.dcm"
    target.write_bytes(damaged(path.read_bytes(), seed))
    try:
        look(target, folder)
    except Exception as error:
        raise AssertionError(f"{path.name} with seed {seed}: {error!r}") from error
