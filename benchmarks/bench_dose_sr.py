"""Dose reports: our reading against pydicom's own read-and-walk of the same files, on all cores."""

import argparse
import hashlib
import multiprocessing
import os
import statistics
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import write_section

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT.parent / "shared" / "samples" / "dicom"
REPEATS = 3


def walk(paths: list[str]) -> int:
    """Read files with pydicom and touch every element of them."""
    import pydicom

    elements = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in paths:
            for element in pydicom.dcmread(path).iterall():
                elements += element.VR != ""
    return elements


def make(folder: Path, copies: int) -> list[Path]:
    """Copy the sample reports under UIDs of their own: each file is another study."""
    import pydicom

    made = []
    for path in sorted(SAMPLES.glob("*.dcm")):
        if path.stat().st_size > 200_000:
            continue  # one report of 316 events would be most of the work
        data = path.read_bytes()
        uid = str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID).encode()
        for number in range(copies):
            fresh = uid[:-4] + f"{number:04}".encode() if len(uid) > 20 else uid
            target = folder / f"{number:04}-{path.name}"
            target.write_bytes(data.replace(uid, fresh))
            made.append(target)
    return made


def by_pydicom(paths: list[Path], cores: int) -> float:
    """Return the seconds of pydicom on all cores, its processes warm."""
    batches = [[str(p) for p in paths[i : i + 16]] for i in range(0, len(paths), 16)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores, mp_context=context) as pool:
        list(pool.map(walk, [[str(paths[0])]] * 4 * cores))
        begin = time.perf_counter()
        list(pool.map(walk, batches))
        return time.perf_counter() - begin


def by_kerma(paths: list[Path], work: Path, cores: int) -> tuple[float, int]:
    """Return the seconds of the refresh's reading step, processes warm, and how many loaded."""
    from etl.ahead import One, Reading
    from etl.staging import SourceFile, Staged
    from warehouse.settings import Settings

    now = datetime.now(UTC)
    sources = []
    for path in paths:
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        sources.append(SourceFile(path, path.name, digest, len(data), now, now))
    with Reading(One(work, Settings(data_dir=work), b"k" * 32)) as reading:
        list(reading.read(sources[: 8 * 16 * cores]))
        begin = time.perf_counter()
        loaded = sum(
            isinstance(outcome, Staged) and outcome.refusal is None
            for _, outcome in reading.read(sources)
        )
        return time.perf_counter() - begin, loaded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=12)
    asked = parser.parse_args([] if sys.argv[0].endswith("__main__.py") else None)
    if not SAMPLES.exists():
        sys.exit("the sample reports are not here")
    cores = len(os.sched_getaffinity(0))
    with TemporaryDirectory() as folder, TemporaryDirectory() as work:
        paths = make(Path(folder), asked.copies)
        theirs, ours, loaded = [], [], 0
        for _ in range(REPEATS):
            theirs.append(by_pydicom(paths, cores))
            seconds, loaded = by_kerma(paths, Path(work), cores)
            ours.append(seconds)
    one, other = statistics.median(ours), statistics.median(theirs)
    write_section(
        "Dose reports",
        f"`python -m benchmarks dose_sr`: {len(paths)} files (copies of the sample reports, each "
        f"under a UID of its own; {loaded} of CT and fluoroscopy), medians of {REPEATS} "
        f"interleaved runs on {cores} cores, processes warm.\n\n"
        "| what | s | files/s |\n|---|---|---|\n"
        f"| pydicom reads and walks every element | {other:.1f} | {len(paths) / other:.0f} |\n"
        f"| Kerma reads, checks and stages | {one:.1f} | {len(paths) / one:.0f} |\n\n"
        f"Ratio {one / other:.2f}: only what is needed is decoded; the aim is 1.3 or less.",
    )


if __name__ == "__main__":
    main()
