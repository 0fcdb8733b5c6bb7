"""Each page's queries at scale, and what a filter change costs, on the demo's data.

The pages are run once without a browser to see which questions they ask; these are then asked again
in turns with a plain count over the table of procedures, without any cache, and their medians added
per page. A filter change is timed in Chromium: from the click to the end of the page's run.
"""

import os
import re
import shutil
import statistics
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, WORK, run, write_section

ROWS = int(os.environ.get("KERMA_BENCH_ROWS", "1000000"))
RUNS = int(os.environ.get("KERMA_BENCH_RUNS", "5"))
PERIODS = ("12 months", "All")
#: Pages whose filter change is timed in a browser.
CHANGED = (("", "Overview"), ("trends", "Dose trends"), ("outliers", "Dose outliers"))
TITLE = f"Pages, {ROWS:,} demo procedures"

#: What the router and the filter bar ask on every page.
OF_EVERY_PAGE = {"schema_version", "freshness", "filter_values"}

#: A question a page asks: the query's name and its parameters.
Question = tuple[str, tuple[tuple[str, Any], ...]]


def main() -> None:
    folder = WORK / f"pages-{ROWS}"
    os.environ["KERMA_DATA_DIR"] = str(folder)
    prepare(folder)
    asked = {period: questions(period) for period in PERIODS}
    floor, took = measure(
        {q for pages in asked.values() for found in pages.values() for q in found}
    )
    changes = filter_changes(folder)
    write_section(
        TITLE,
        f"`KERMA_BENCH_ROWS={ROWS} python -m benchmarks pages`: milliseconds of DuckDB and the "
        f"hand-over to Polars, medians of {RUNS} interleaved runs, nothing cached. Floor: "
        "`count(*)` with a condition that reads one column of every procedure, "
        f"{floor:.0f} ms. Settings and Access log ask the warehouse nothing.\n\n"
        + table(asked, took, floor)
        + "\n\n"
        + slowest(took)
        + "\n\n"
        + changes,
    )


def prepare(folder: Path) -> None:
    """Make the demo's rows, and a warehouse of them that these queries can be asked of."""
    from warehouse.access import SYSTEM
    from warehouse.connect import current_snapshot
    from warehouse.queries import run as ask
    from warehouse.queries import schema_wanted

    inbox, snapshots = folder / "inbox", folder / "snapshots"
    snapshot = current_snapshot(snapshots)
    if snapshot is not None:
        if ask("schema_version", snapshot, SYSTEM)["schema_version"].item() == schema_wanted():
            return
        shutil.rmtree(folder)  # an earlier version's: its pages would only say so
    if not inbox.exists():
        run(["-m", "etl", "demo", "--rows", str(ROWS), "--out", str(inbox)], {})
    run(["-m", "etl", "refresh"], {})


def questions(period: str) -> dict[str, list[Question]]:
    """Return the questions of each page for a period, in a run with empty caches.

    Without a sign-in provider the reader has every role, so every page opens.

    Raises
    ------
    RuntimeError
        Where a page fails, or asks nothing of its own: its figures would look very good.
    """
    import streamlit as st
    from streamlit.testing.v1 import AppTest

    import pages.shared.data as data
    from pages.shared.navigation import HIDDEN, PAGES, WITHOUT_DATA

    found: dict[str, list[Question]] = {}
    heard: list[Question] = []
    real: Callable[..., Any] = data.run

    def listening(name: str, snapshot: Path, reader: Any, **given: Any) -> Any:
        heard.append((name, tuple(sorted(given.items()))))
        return real(name, snapshot, reader, **given)

    data.run = listening
    try:
        for path, title in [entry for section in PAGES.values() for entry in section]:
            if path in HIDDEN | WITHOUT_DATA:  # without data: nothing is asked of the warehouse
                continue
            app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300)
            app.query_params["period"] = period
            app.run()
            heard.clear()
            st.cache_resource.clear()
            app.switch_page(str(ROOT / "pages" / path)).run()
            if app.exception:
                raise RuntimeError(f"{title}: {app.exception[0].message}")
            found[title] = list(dict.fromkeys(heard))
            if not {name for name, _ in heard} - OF_EVERY_PAGE:
                raise RuntimeError(f"{title}: no query of its own, it showed: {_words(app)}")
    finally:
        data.run = real
    return found


def _words(app: Any) -> str:
    return " ".join(element.value for kind in ("title", "markdown") for element in app.get(kind))


def measure(asked: set[Question]) -> tuple[float, dict[Question, float]]:
    """Return the floor and each question's median time, ms; all take turns."""
    from warehouse.access import SYSTEM
    from warehouse.connect import current_snapshot, cursor
    from warehouse.queries import run as ask
    from warehouse.settings import settings

    snapshot = current_snapshot(settings().snapshots)
    assert snapshot is not None
    floors: list[float] = []
    times: dict[Question, list[float]] = {question: [] for question in asked}
    for _ in range(RUNS + 1):  # the first warms the file cache and does not count
        with cursor(snapshot) as cur:
            floors.append(
                _ms(lambda c=cur: c.sql("select count(*) from procedure where kap_gycm2 > 1").pl())
            )
        for (name, given), seen in times.items():
            seen.append(_ms(lambda n=name, g=dict(given): ask(n, snapshot, SYSTEM, **g)))
    return statistics.median(floors[1:]), {q: statistics.median(t[1:]) for q, t in times.items()}


def _ms(do: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    do()
    return 1000 * (time.perf_counter() - begin)


def table(
    asked: dict[str, dict[str, list[Question]]], took: dict[Question, float], floor: float
) -> str:
    """Return the sum of each page's queries, by period, with the ratio to the floor."""
    lines = [
        "| page | queries | 12 months, ms | × floor | all, ms | × floor |",
        "|---|---|---|---|---|---|",
    ]
    for title in asked[PERIODS[0]]:
        sums = [sum(took[q] for q in asked[period][title]) for period in PERIODS]
        cells = " | ".join(f"{total:.0f} | {total / floor:.1f}" for total in sums)
        lines.append(f"| {title} | {len(asked[PERIODS[0]][title])} | {cells} |")
    return "\n".join(lines)


def filter_changes(folder: Path) -> str:
    """Say how long a page takes to show another period, asked for the first time, in Chromium."""
    from playwright.sync_api import expect, sync_playwright

    from tests.e2e.conftest import ARGUMENTS, CHROMIUM, serve, settled

    took: list[str] = []
    with (
        contextmanager(serve)(folder, folder / "server.log") as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        shown = page.get_by_text(re.compile(r"^[\d\s]+ of [\d\s]+ procedures"))
        for path, title in CHANGED:
            page.goto(f"{server.url}/{path}")
            settled(page, title)
            for period in ("90 days", "This quarter"):
                before = shown.first.inner_text()
                begin = time.perf_counter()
                page.get_by_role("radio", name=period).click()
                expect(shown.first).not_to_have_text(before)
                settled(page, title)
                took.append(f"{title}, {period}: {time.perf_counter() - begin:.2f} s")
        browser.close()
    return "Filter change as the browser sees it, nothing cached: " + "; ".join(took) + "."


def slowest(took: dict[Question, float], most: int = 12) -> str:
    """Name the slowest queries."""
    by_name: dict[str, float] = {}
    for (name, _), ms in took.items():
        by_name[name] = max(ms, by_name.get(name, 0.0))
    top = sorted(by_name.items(), key=lambda pair: -pair[1])[:most]
    return "Slowest queries, ms: " + ", ".join(f"`{name}` {ms:.0f}" for name, ms in top) + "."


if __name__ == "__main__":
    main()
