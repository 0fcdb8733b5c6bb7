"""Run programs, measure them, and write what was measured into docs/performance.md."""

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "benchmarks" / "work"
PAGE = ROOT / "docs" / "performance.md"


@dataclass(frozen=True)
class Cost:
    """What one run of a program took."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    output: str


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> Cost:
    """Run a Python program of its own process; raise when it fails."""
    begin = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise RuntimeError(f"{arguments}: exit code {process.returncode}: {output[-500:]}")
    wall = time.perf_counter() - begin
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output)


def median(costs: Sequence[Cost]) -> Cost:
    """Return the median of each figure; the peak is the highest."""
    return Cost(
        statistics.median(cost.wall_s for cost in costs),
        statistics.median(cost.cpu_s for cost in costs),
        max(cost.peak_mib for cost in costs),
        costs[-1].output,
    )


def table(rows: Mapping[str, Cost], base: str | None = None) -> str:
    """Return a Markdown table of medians, with the ratio to one of them."""
    lines = ["| what | wall s | CPU s | peak MiB | ratio of wall, CPU |", "|---|---|---|---|---|"]
    for name, cost in rows.items():
        ratio = ""
        if base is not None and name != base:
            wall, cpu = cost.wall_s / rows[base].wall_s, cost.cpu_s / rows[base].cpu_s
            ratio = f"{wall:.2f}, {cpu:.2f}"
        lines.append(
            f"| {name} | {cost.wall_s:.2f} | {cost.cpu_s:.2f} | {cost.peak_mib:.0f} | {ratio} |"
        )
    return "\n".join(lines)


def write_section(title: str, text: str) -> None:
    """Put a section into docs/performance.md, in place of the one of that title."""
    page = PAGE.read_text("utf-8") if PAGE.exists() else "# Performance\n"
    section = f"## {title}\n\n{text.strip()}\n"
    found = re.search(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    if found:
        page = page[: found.start()] + section + ("\n" + page[found.end() :]).rstrip() + "\n"
    else:
        page = page.rstrip() + "\n\n" + section
    PAGE.write_text(page, "utf-8")
    print(f"{title}\n{text}\n")
