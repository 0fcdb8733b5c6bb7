"""Responders: a day of five on paper, paper S3's tables to the digit, numbers needed."""

import csv
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as some

from analytics.outcomes_responders import (
    CLASSES,
    NO_SCORE,
    NOT_DUE,
    UNDEFINED,
    Moved,
    NumberNeeded,
    class_of,
    class_table,
    flows,
    gained_and_lost,
    number_needed,
    responders,
)
from analytics.results import Estimate, NotComputable, TestResult
from etl.demo.papers import S3, study
from warehouse.access import SYSTEM
from warehouse.connect import current_snapshot
from warehouse.queries import run

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared"


def labels(*rows: tuple[float | None, float | None, bool]) -> list[str]:
    frame = pl.DataFrame(
        rows,
        schema={"baseline": pl.Float64, "value": pl.Float64, "due": pl.Boolean},
        orient="row",
    )
    return frame.select(label=class_of())["label"].to_list()


@pytest.mark.parametrize(
    ("baseline", "value", "due", "label"),
    [
        (6, 0, True, "100 %"),
        (4, 1, True, "75–99 %"),
        (8, 4, True, "50–74 %"),
        (6, 3, True, "50–74 %"),
        (10, 5.1, True, "1–49 %"),
        (5, 5, True, "0 %"),
        (5, 6, True, "increased"),
        (0, 0, True, UNDEFINED),
        (None, 3, True, UNDEFINED),
        (5, None, True, NO_SCORE),
        (5, None, False, NOT_DUE),
    ],
)
def test_the_bounds_of_the_classes(
    baseline: float | None, value: float | None, due: bool, label: str
) -> None:
    assert labels((baseline, value, due)) == [label]


def test_five_patients_by_hand() -> None:
    """Five patients, baseline → one month: 8→4, 6→5, 0→2, 5→7, 7→no score.

    Reductions 50 %, 17 %, undefined, −40 %, unknown. Of three that can be judged one responded
    at 50 % (33.3 %). With the missing one: at worst 1 of 4, at best 2 of 4. At ≥ 10 %: 2 of 3.
    """
    rows = pl.DataFrame(
        {
            "modality": ["CT"] * 5,
            "timepoint": ["1mo"] * 5,
            "due": [True] * 5,
            "baseline": [8.0, 6.0, 0.0, 5.0, 7.0],
            "value": [4.0, 5.0, 2.0, 7.0, None],
            "n": [1] * 5,
        }
    )
    (found,) = responders(rows)
    assert (found.events, found.n, found.n_missing, found.n_undefined) == (1, 3, 1, 1)
    assert (found.low_bound, found.high_bound) == (0.25, 0.5)
    assert responders(rows, 0.1)[0].events == 2
    shares = dict(class_table(rows).select("label", "share").iter_rows())
    assert shares["50–74 %"] == pytest.approx(1 / 3) and shares[NO_SCORE] is None


@pytest.fixture(scope="module")
def s3() -> pl.DataFrame:
    """Return paper S3's patients as the demo writes them."""
    patients = study("demo_s3.csv", S3)
    return patients.select(pl.col("pain_baseline", "pain_15min", "pain_1mo").cast(pl.Float64))


@pytest.fixture(scope="module")
def s3_scores(s3: pl.DataFrame) -> pl.DataFrame:
    """Return them as counted scores."""
    return pl.concat(
        s3.group_by(baseline="pain_baseline", value=f"pain_{t}")
        .len("n")
        .with_columns(modality=pl.lit("CT"), timepoint=pl.lit(t), due=pl.lit(True))
        for t in ("15min", "1mo")
    )


@pytest.fixture(scope="module")
def s3_steps(s3: pl.DataFrame) -> pl.DataFrame:
    """Return their step from 15 min to 1 month."""
    return s3.select(
        pl.lit(1).alias("step"),
        baseline="pain_baseline",
        **{"from": "pain_15min", "to": "pain_1mo"},
        from_due=pl.lit(True),
        to_due=pl.lit(True),
        n=pl.lit(1),
    )


def test_s3s_responders_to_the_digit(s3_scores: pl.DataFrame) -> None:
    """Abstract and Table 2: 56 of 134 (41.8 %) at 15 min, 73 of 134 (54.5 %) at one month."""
    early, late = responders(s3_scores)
    assert (early.timepoint, early.events, early.n) == ("15min", 56, 134)
    assert (late.timepoint, late.events, late.n) == ("1mo", 73, 134)
    assert isinstance(early.share, Estimate) and isinstance(late.share, Estimate)
    assert f"{early.share.value:.1%} {late.share.value:.1%}" == "41.8% 54.5%"
    wilson = [f"{100 * end:.1f}" for end in (early.share.low or 0, early.share.high or 0)]
    assert wilson == ["33.8", "50.3"]


def test_s3s_classes_to_the_digit(s3_scores: pl.DataFrame) -> None:
    """Table 2, from 100 % to increased: 16 9 31 36 32 10 at 15 min; 38 10 25 9 52 0 at 1 month."""
    counts = {
        (t, c): n for t, c, n in class_table(s3_scores).select("timepoint", "label", "n").rows()
    }
    assert [counts.get(("15min", c), 0) for c in CLASSES] == [16, 9, 31, 36, 32, 10]
    assert [counts.get(("1mo", c), 0) for c in CLASSES] == [38, 10, 25, 9, 52, 0]


def test_s3s_classes_are_those_that_are_published(s3_scores: pl.DataFrame) -> None:
    path = SHARED / "domain" / "published.csv"
    if not path.exists():
        pytest.skip("the published values are not beside the project")
    names = {
        "100 %": "100 %",
        "75 % to <100 %": "75–99 %",
        ">=50 % to <75 %": "50–74 %",
        ">0 % to <50 %": "1–49 %",
        "0 %": "0 %",
        "increased pain": "increased",
    }
    counts = {
        (t, c): n for t, c, n in class_table(s3_scores).select("timepoint", "label", "n").rows()
    }
    checked = 0
    with path.open(encoding="utf-8") as file:
        for row in csv.reader(file):
            label = next((cell for cell in row if cell.startswith("response class: ")), None)
            if label is None:
                continue
            at = row.index(label)
            timepoint = {"15 min": "15min", "1 month": "1mo"}[row[at + 1]]
            ours = names.get(label.removeprefix("response class: "))
            below_half = [counts.get((timepoint, name), 0) for name in CLASSES[3:]]
            found = counts.get((timepoint, ours), 0) if ours else sum(below_half)
            assert found == int(row[at + 3]), label
            checked += 1
    assert checked == 14


def test_s3s_flow_gains_27_and_loses_10(s3_steps: pl.DataFrame) -> None:
    """27 became responders and 10 ceased to be: +12.7 points (Tango 4.0 to 21.6), p = 0.009."""
    moved = gained_and_lost(s3_steps, 1)
    assert isinstance(moved, Moved)
    assert (moved.gained, moved.lost, moved.n) == (27, 10, 134)
    d = moved.difference
    assert isinstance(d, Estimate) and d.low is not None and d.high is not None
    assert [round(100 * x, 1) for x in (d.value, d.low, d.high)] == [12.7, 4.0, 21.6]
    assert isinstance(moved.test, TestResult) and moved.test.p_value < 0.01
    flow = flows(s3_steps)
    assert flow["n"].sum() == 134
    into = dict(flow.group_by("target").agg(pl.col("n").sum()).iter_rows())
    assert into == {"100 %": 38, "75–99 %": 10, "50–74 %": 25, "1–49 %": 9, "0 %": 52}


def test_the_demo_s_pars_injections_respond_as_in_s3(demo_data: Path) -> None:
    snapshot = current_snapshot(demo_data / "snapshots")
    assert snapshot is not None
    scores = run(
        "outcomes_scores", snapshot, SYSTEM, outcome_scale="pain", procedures=("PARS",),
        modalities=("CT",),
    )  # fmt: skip
    found = {r.timepoint: r for r in responders(scores)}
    for timepoint, published in (("15min", 56 / 134), ("1mo", 73 / 134)):
        share = found[timepoint].share
        assert isinstance(share, Estimate) and share.low is not None and share.high is not None
        assert share.low <= published <= share.high
    steps = run(
        "outcomes_flow", snapshot, SYSTEM, outcome_scale="pain", procedures=("PARS",),
        modalities=("CT",), at_1="15min", at_2="1mo", at_3=None, at_4=None,
    )  # fmt: skip
    assert set(steps["step"]) == {1}
    n = sum(r.n + r.n_missing + r.n_not_due for r in [found["1mo"]])
    assert flows(steps)["n"].sum() == n, "nobody with a baseline is lost from the flow"


def test_number_needed_by_hand() -> None:
    """30 of 100 against 20 of 100: difference 10 points, so 10 to treat.

    Newcombe's interval of the difference (published method 10) is −2.0 to 21.7 points, so the
    number runs from 4.6 to benefit through infinity to 49 to harm.
    """
    found = number_needed(30, 100, 20, 100)
    assert isinstance(found, NumberNeeded)
    assert found.value == pytest.approx(10) and found.benefit and found.through_infinity
    assert found.difference.high == pytest.approx(0.2168, abs=2e-4)
    assert found.low == pytest.approx(1 / 0.2168, rel=2e-3)
    assert found.high == pytest.approx(1 / abs(found.difference.low or 1))


def test_number_needed_that_leaves_out_zero_and_harm() -> None:
    found = number_needed(60, 100, 20, 100)
    assert isinstance(found, NumberNeeded) and not found.through_infinity
    assert found.value == pytest.approx(2.5)
    assert found.low < found.value < found.high
    turned = number_needed(20, 100, 60, 100)
    assert isinstance(turned, NumberNeeded) and not turned.benefit
    assert (turned.low, turned.high) == pytest.approx((found.low, found.high))
    assert isinstance(number_needed(5, 10, 5, 10), NotComputable)


@given(some.integers(1, 100), some.integers(0, 100), some.sampled_from([1, 10, 3]))
def test_classes_do_not_depend_on_the_scale(baseline: int, value: int, divisor: int) -> None:
    scaled = labels((baseline / divisor, value / divisor, True))
    assert scaled == labels((float(baseline), float(value), True))
