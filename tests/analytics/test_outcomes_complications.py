"""Complications: exact intervals, zero handled, grades only within their scale, charts."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from analytics.control_charts import Chart
from analytics.outcomes_complications import (
    between_chart,
    is_major,
    monthly_chart,
    rank,
    share_of,
    shares_by,
    shares_by_term,
)
from analytics.results import Estimate, NotComputable
from warehouse.access import SYSTEM
from warehouse.connect import current_snapshot
from warehouse.queries import run


def test_five_cases_by_hand() -> None:
    """Five cases on one day: none, none, vasovagal:1, vasovagal:1|dural puncture:2, not documented.

    Four are documented, two had something: 2/4 = 50 %. Vasovagal twice of 4, dural puncture once of
    4. Clopper–Pearson of 2/4 is 6.76 to 93.24 % (published tables), of 1/4 0.63 to 80.59 %.
    """
    documented = pl.DataFrame({"modality": ["CT"], "n": [5], "n_documented": [4], "n_with": [2]})
    (found,) = shares_by(documented, "modality")
    assert (found.events, found.n, found.limit) == (2, 4, None)
    assert isinstance(found.share, Estimate) and found.share.value == 0.5
    assert found.share.low == pytest.approx(0.0676, abs=5e-5)
    assert found.share.high == pytest.approx(0.9324, abs=5e-5)
    terms = pl.DataFrame(
        {
            "term": ["none", "vasovagal reaction", "dural puncture", None],
            "grade": [None, "1", "2", None],
            "scale": ["CIRSE 2017"] * 3 + [None],
            "n": [2, 2, 1, 1],
        }
    )
    first, second = shares_by_term(terms, 4)
    assert first.label["term"] == "vasovagal reaction" and (first.events, second.events) == (2, 1)
    assert isinstance(second.share, Estimate)
    assert second.share.low == pytest.approx(0.0063, abs=5e-5)
    assert second.share.high == pytest.approx(0.8059, abs=5e-5)


def test_no_event_has_an_upper_limit_near_three_over_n() -> None:
    found = share_of(0, 100, {})
    assert isinstance(found.limit, Estimate) and found.limit.low is None
    assert found.limit.high == pytest.approx(1 - 0.05 ** (1 / 100))
    assert found.limit.high == pytest.approx(3 / 100, rel=0.03)
    assert isinstance(share_of(0, 0, {}).share, NotComputable)


@pytest.mark.parametrize(
    ("scale", "grade", "major"),
    [
        ("CIRSE 2017", "2", False),
        ("CIRSE 2017", "3", True),
        ("cirse 2025", "3a", True),
        ("CIRSE 2025", "3", True),
        ("CIRSE 2025", "1b", False),
        ("SIR 2017", "2", False),
        ("Clavien–Dindo", "IIIb", True),
        ("Clavien-Dindo", "IId", False),
        ("Clavien Dindo", "V", True),
        ("CIRSE 2017", "7", None),
        ("SIR A-F", "C", None),
        (None, "3", None),
        ("CIRSE 2017", None, None),
    ],
)
def test_grades_count_within_their_own_scale(
    scale: str | None, grade: str | None, major: bool | None
) -> None:
    assert is_major(scale, grade) is major


def test_grades_are_ordered() -> None:
    places = [rank("CIRSE 2025", g) for g in ("1a", "1b", "2", "3a", "3b", "4", "5", "6")]
    assert places == list(range(8))


def test_a_month_without_cases_keeps_its_place() -> None:
    rows = pl.DataFrame(
        {
            "month": [date(2026, m, 1) for m in range(1, 13) if m != 5],
            "n_documented": [100] * 11,
            "n_with": [2] * 10 + [20],
        }
    )
    months, chart = monthly_chart(rows)
    assert months.height == 12 and months["n"][4] == 0
    assert isinstance(chart, Chart)
    assert {signal.index for signal in chart.signals} == {11}
    assert isinstance(monthly_chart(rows.head(0))[1], NotComputable)


@pytest.fixture
def snapshot(demo_data: Path) -> Path:
    found = current_snapshot(demo_data / "snapshots")
    assert found is not None
    return found


def test_planted_rates_are_found(snapshot: Path) -> None:
    """docs/demo-data.md: 4 % under CT, 1 % under fluoroscopy and ultrasound, 6 % undocumented."""
    documented = run("outcomes_documented", snapshot, SYSTEM)
    found = {s.label["modality"]: s.share for s in shares_by(documented, "modality")}
    for modality, planted in (("CT", 0.04), ("fluoroscopy", 0.01)):
        share = found[modality]
        assert isinstance(share, Estimate) and share.low is not None and share.high is not None
        assert share.low <= planted <= share.high
    few = found["ultrasound"]
    assert isinstance(few, Estimate) and few.value < 0.02
    missing = 1 - int(documented["n_documented"].sum()) / int(documented["n"].sum())
    assert missing == pytest.approx(0.06, abs=0.015)


def test_terms_add_up_to_the_procedures(snapshot: Path) -> None:
    terms = run("outcomes_complications", snapshot, SYSTEM)
    documented = run("outcomes_documented", snapshot, SYSTEM)
    of = {t: int(n) for t, n in terms.group_by("term").agg(pl.col("n").sum()).iter_rows()}
    n, known, some = (int(documented[c].sum()) for c in ("n", "n_documented", "n_with"))
    assert of[None] == n - known and of["none"] == known - some
    assert sum(n for term, n in of.items() if term not in (None, "none")) >= some


def test_cases_between_events_are_counted_in_order(snapshot: Path) -> None:
    between = run("outcomes_between", snapshot, SYSTEM, term=None, most=10_000)
    documented = run("outcomes_documented", snapshot, SYSTEM)
    events = int(documented["n_with"].sum())
    assert between.height == events - 1
    assert int(between["cases_between"].sum()) + events <= int(documented["n_documented"].sum())
    assert between["event_on"].is_sorted()
    assert isinstance(between_chart(between), Chart)
    rare = run("outcomes_between", snapshot, SYSTEM, term="haematoma", most=10_000)
    assert 0 < rare.height < between.height / 5
    assert run("outcomes_between", snapshot, SYSTEM, term=None, most=7).equals(between.tail(7))


def test_the_list_has_only_cases_with_something(snapshot: Path) -> None:
    cases = run("outcomes_cases", snapshot, SYSTEM, most=20)
    assert cases.height == 20 and not (cases["complications"] == "none").any()
    assert cases["performed_on"].is_sorted(descending=True)
