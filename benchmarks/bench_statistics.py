"""Time of exact statistics on counted values: `python -m benchmarks.bench_statistics [--rows N]`.

Dose by modality within 25 procedures: Mann–Whitney, Kruskal–Wallis, three quartiles with exact
intervals and Cliff's delta with its interval, the DuckDB query included; then SciPy on the same
rows, interleaved: its Mann–Whitney, Kruskal–Wallis, quantile_test with interval, and Brunner–Munzel
for the interval that Cliff's delta has here.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
from scipy import stats

from analytics import effects, ranks
from analytics.frequency import quantile_interval, tally_strata
from analytics.results import NotComputable
from analytics.shift import hodges_lehmann

MAKE = """
create table procedure as
with drawn as (
    select i, floor(random() * 3)::int as m, floor(random() * 25)::int as p,
        sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) as z
    from range($rows::bigint) t(i)
)
select ['CT', 'fluoroscopy', 'ultrasound'][m + 1] as modality,
    'procedure ' || p as procedure_code,
    case when m < 2 then round(exp(ln(80 + 8 * p) + (0.5 + 0.2 * m) * z), 1) end as dose
from drawn
"""
COUNTED = """
select procedure_code as stratum, modality as "group", dose as value, count(*) as count
from procedure
where dose is not null
group by all
"""
ROWS = "select procedure_code, modality, dose from procedure where dose is not null"


def ours(con: duckdb.DuckDBPyConnection) -> list[float]:
    """Return the p-values from counts; quartiles and deltas are computed beside them."""
    strata = tally_strata(con.cursor().sql(COUNTED).pl())
    p_values = []
    for groups in strata.values():
        ct, fluoroscopy = groups["CT"], groups["fluoroscopy"]
        tests = [ranks.mann_whitney(ct, fluoroscopy), ranks.kruskal_wallis(*groups.values())]
        for group in groups.values():
            for q in (0.25, 0.5, 0.75):
                quantile_interval(group, q)
        effects.cliffs_delta(ct, fluoroscopy)
        p_values += [test.p_value for test in tests if not isinstance(test, NotComputable)]
    return p_values


def shifts(con: duckdb.DuckDBPyConnection) -> list[float]:
    """Return the 25 Hodges–Lehmann shifts, which SciPy has not."""
    strata = tally_strata(con.cursor().sql(COUNTED).pl())
    found = [hodges_lehmann(groups["CT"], groups["fluoroscopy"]) for groups in strata.values()]
    return [shift.value for shift in found if not isinstance(shift, NotComputable)]


def scipy_rows(con: duckdb.DuckDBPyConnection) -> list[float]:
    """Return SciPy's p-values from the rows."""
    table = con.cursor().sql(ROWS).pl()
    parts = table.partition_by("procedure_code", "modality", as_dict=True)
    p_values = []
    for code in {code for code, _ in parts}:
        ct, fluoroscopy = (parts[code, m]["dose"].to_numpy() for m in ("CT", "fluoroscopy"))
        p_values.append(float(stats.mannwhitneyu(ct, fluoroscopy, method="asymptotic").pvalue))
        p_values.append(float(stats.kruskal(ct, fluoroscopy).pvalue))
        stats.brunnermunzel(ct, fluoroscopy)
        for group in (ct, fluoroscopy):
            for q, value in zip(
                (0.25, 0.5, 0.75), np.quantile(group, [0.25, 0.5, 0.75]), strict=True
            ):
                stats.quantile_test(group, q=value, p=q).confidence_interval()
    return p_values


def timed(
    work: Callable[[duckdb.DuckDBPyConnection], list[float]], con: duckdb.DuckDBPyConnection
) -> tuple[float, float, list[float]]:
    """Return wall seconds, processor seconds and the result."""
    wall, processor = time.perf_counter(), time.process_time()
    found = work(con)
    return time.perf_counter() - wall, time.process_time() - processor, found


def main() -> None:
    """Print medians of interleaved runs and check that both give the same p-values."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    works = {"counted values": ours, "Hodges–Lehmann": shifts, "SciPy on rows": scipy_rows}
    with tempfile.TemporaryDirectory() as folder:
        con = duckdb.connect(Path(folder) / "bench.duckdb", config={"threads": 2})
        con.execute("select setseed(0.5)").fetchall()
        con.execute(MAKE, {"rows": given.rows})
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
        results: dict[str, list[float]] = {}
        for _ in range(given.runs):
            for name, work in works.items():
                wall, processor, results[name] = timed(work, con)
                seconds[name].append((wall, processor))
        con.close()
    same = np.allclose(sorted(results["counted values"]), sorted(results["SciPy on rows"]))
    print(f"{given.rows:,} rows; p-values equal to SciPy's: {same}")
    print("| way | wall s | processor s |\n|---|---:|---:|")
    for name, runs in seconds.items():
        wall, processor = (statistics.median(part) for part in zip(*runs, strict=True))
        print(f"| {name} | {wall:.2f} | {processor:.2f} |")


if __name__ == "__main__":
    main()
