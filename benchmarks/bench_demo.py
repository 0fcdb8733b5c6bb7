"""Time and memory of making the demo: `python -m benchmarks.bench_demo [--rows N] [--runs N]`."""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

RUN = """
import resource, sys, time
from datetime import date
from pathlib import Path
from etl.demo import write
began = time.perf_counter()
paths = write(Path(sys.argv[1]), rows=int(sys.argv[2]), seed=1, end=date(2026, 11, 20))
seconds = time.perf_counter() - began
size = sum(path.stat().st_size for path in paths)
print(seconds, size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def measure(rows: int) -> tuple[float, float, float]:
    """Make the demo once in a process of its own; give seconds, bytes written, peak bytes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", RUN, folder, str(rows)]
        root = Path(__file__).parents[1]
        said = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    seconds, size, peak = map(float, said.split())
    return seconds, size, peak


def main() -> None:
    """Print the medians for the newcomer's size and for a large one, run in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    found: dict[int, list[tuple[float, float, float]]] = {12_000: [], given.rows: []}
    for _ in range(given.runs):
        for rows, results in found.items():
            results.append(measure(rows))
    print("| rows | seconds | MB written | peak memory, MiB |\n|---:|---:|---:|---:|")
    for rows, results in found.items():
        seconds, size, peak = (statistics.median(part) for part in zip(*results, strict=True))
        print(f"| {rows:,} | {seconds:.2f} | {size / 1e6:.0f} | {peak / 2**20:.0f} |")


if __name__ == "__main__":
    main()
