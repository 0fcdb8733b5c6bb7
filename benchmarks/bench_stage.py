"""Reading and checking a log, beside DuckDB's typed read of the same file."""

import hashlib
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.bench_refresh import ROWS, RUNS, make, read_csv  # noqa: F401
from benchmarks.measure import WORK, Cost, median, run, table, write_section

TITLE = f"Reading and checking, {ROWS:,} rows of 25 columns"
PROGRAM = "import benchmarks.bench_stage as b, sys; getattr(b, sys.argv[1])(*sys.argv[2:])"


def stage_file(path: str, folder: str) -> None:
    """Stage one file and say how many rows were read and refused."""
    from etl.stage import stage
    from etl.staging import SourceFile
    from warehouse.settings import settings

    file, now = Path(path), datetime.now(UTC)
    with file.open("rb") as data:
        sha256 = hashlib.file_digest(data, "sha256").hexdigest()
    source = SourceFile(file, file.name, sha256, file.stat().st_size, now, now)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        staged = stage(source, work_dir=Path(work), settings=settings(), key=b"k" * 32)
    print(staged.refusal or f"{staged.read} read, {staged.rejected.height} rejected")


def program(name: str, *arguments: Path) -> Cost:
    return run(["-c", PROGRAM, name, *map(str, arguments)], {})


def main() -> None:
    folder = WORK / f"refresh-{ROWS}"
    if not (folder / "log.csv").exists():
        make(str(folder))
    base = "DuckDB read_csv, given types → table"
    seen: dict[str, list[Cost]] = {base: [], "reading and checking": []}
    for _ in range(RUNS):
        (folder / "plain.duckdb").unlink(missing_ok=True)
        seen[base].append(program("read_csv", folder / "log.csv", folder / "plain.duckdb"))
        staged = program("stage_file", folder / "log.csv", folder)
        assert f"{ROWS} read, 0 rejected" in staged.output, staged.output
        seen["reading and checking"].append(staged)
    write_section(
        TITLE,
        f"`KERMA_BENCH_ROWS={ROWS} python -m benchmarks stage`, medians of {RUNS} interleaved runs "
        "on two cores; times include the start of Python.\n\n"
        + table({name: median(costs) for name, costs in seen.items()}, base),
    )


if __name__ == "__main__":
    main()
