"""Scores over follow-up: five patients on paper, what silence hides, the demo's relief."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as some

from analytics.outcomes import (
    SCALES,
    TIMEPOINTS,
    Bounds,
    change_bounds,
    compare_changes,
    describe,
    in_points,
    model_over_time,
)
from analytics.results import Estimate, NotComputable
from warehouse.access import SYSTEM
from warehouse.connect import current_snapshot, cursor
from warehouse.queries import run

PAIN = SCALES["pain"]


def five() -> pl.DataFrame:
    """Return five patients: A 80→40, B 60→60, C 50→20, D 40→?, E 70→ not due (per cent of range).

    By hand, at one month on the scale 0 to 10: four are due (E is not), three have a score (A, B,
    C: 4, 6, 2; median 4); changes −4, 0, −3, mean −7/3; two of three improve by 2 points.
    Missing is D alone: unchanged, the mean is −7/4; at 0 it is (−7 − 4)/4 = −11/4; at 10 it is
    (−7 + 6)/4 = −1/4.
    """
    start = [("CT", "baseline", True, b, b, 1) for b in (80.0, 60.0, 50.0, 40.0, 70.0)]
    month = [
        ("CT", "1mo", True, 80.0, 40.0, 1),
        ("CT", "1mo", True, 60.0, 60.0, 1),
        ("CT", "1mo", True, 50.0, 20.0, 1),
        ("CT", "1mo", True, 40.0, None, 1),
        ("CT", "1mo", False, 70.0, None, 1),
    ]
    names = ["modality", "timepoint", "due", "baseline", "value", "n"]
    return in_points(pl.DataFrame(start + month, schema=names, orient="row"), PAIN)


def test_five_patients_by_hand() -> None:
    start, month = describe(five(), PAIN)
    assert (start.timepoint, start.n, start.n_due) == ("baseline", 5, 5)
    assert isinstance(start.median, Estimate) and start.median.value == 6.0
    assert isinstance(start.change, NotComputable)
    assert (month.n_due, month.n_not_due, month.n, month.n_pairs) == (4, 1, 3, 3)
    assert isinstance(month.complete, Estimate) and month.complete.value == 0.75
    assert isinstance(month.median, Estimate) and month.median.value == 4.0
    assert isinstance(month.change, Estimate) and month.change.value == pytest.approx(-7 / 3)
    assert isinstance(month.important, Estimate) and month.important.value == pytest.approx(2 / 3)


def test_missing_scores_are_bounded_by_hand() -> None:
    found = change_bounds(five().filter(timepoint="1mo"), 10)
    assert found == Bounds(-7 / 3, -11 / 4, -1 / 4, -7 / 4, 3, 1)


def test_nobody_with_both_scores_is_said() -> None:
    found = change_bounds(five().filter(pl.col("timepoint") == "1mo", pl.col("baseline") == 4), 10)
    assert isinstance(found, NotComputable) and "both times" in found.reason


@given(
    some.lists(
        some.tuples(
            some.integers(0, 10), some.one_of(some.none(), some.integers(0, 10)), some.booleans()
        ),
        min_size=1,
        max_size=30,
    )
)
def test_bounds_hold_whatever_the_missing_scores_were(
    patients: list[tuple[int, int | None, bool]],
) -> None:
    rows = pl.DataFrame(
        {
            "due": [True] * len(patients),
            "baseline": [float(b) for b, _, _ in patients],
            "value": [None if v is None else float(v) for _, v, _ in patients],
            "n": [1] * len(patients),
        },
        schema_overrides={"value": pl.Float64},
    )
    found = change_bounds(rows, 10)
    if isinstance(found, NotComputable):
        assert all(v is None for _, v, _ in patients)
        return
    truth = [(v if v is not None else 10 * high) - b for b, v, high in patients]
    assert found.best - 1e-9 <= sum(truth) / len(truth) <= found.worst + 1e-9
    assert found.best - 1e-9 <= found.carried <= found.worst + 1e-9


@pytest.fixture
def snapshot(demo_data: Path) -> Path:
    found = current_snapshot(demo_data / "snapshots")
    assert found is not None
    return found


def scores(snapshot: Path, scale: str) -> pl.DataFrame:
    return in_points(run("outcomes_scores", snapshot, SYSTEM, outcome_scale=scale), SCALES[scale])


def test_the_scores_are_those_of_the_outcome_table(snapshot: Path) -> None:
    """The page reads the wide columns for speed; table outcome says the same with scale_max."""
    with cursor(snapshot) as cur:
        wanted = cur.sql(
            "select o.scale, o.timepoint, count(*)::bigint n, sum(100 * value / scale_max) total"
            " from outcome o join procedure p using (procedure_id)"
            " where p.status = 'completed' and not p.is_test group by all"
        ).pl()
    for scale in SCALES:
        found = run("outcomes_scores", snapshot, SYSTEM, outcome_scale=scale).drop_nulls("value")
        sums = {
            t: (n, total)
            for t, n, total in found.group_by("timepoint")
            .agg(pl.col("n").sum(), total=(pl.col("n") * pl.col("value")).sum())
            .iter_rows()
        }
        rows = wanted.filter(scale=scale)
        assert rows.height == len(sums) > 5
        for _, timepoint, n, total in rows.iter_rows():
            assert sums[timepoint] == (n, pytest.approx(total))


def test_what_is_not_yet_due_is_not_missing(snapshot: Path) -> None:
    described = describe(scores(snapshot, "pain"), PAIN)
    points = {p.timepoint: p for p in described if p.group == "fluoroscopy"}
    assert list(points) == list(TIMEPOINTS)
    waiting = [points[t].n_not_due for t in ("15min", "1mo", "6mo")]
    assert waiting[0] == 0 < waiting[1] < waiting[2]
    assert {p.n_due + p.n_not_due for p in points.values()} == {points["baseline"].n_due}
    shares = [p.complete.value for p in points.values() if isinstance(p.complete, Estimate)]
    assert shares[1] > 0.9 and shares[-1] == pytest.approx(0.4, abs=0.08), "planted completeness"


def test_relief_is_better_under_fluoroscopy_from_one_month_on(snapshot: Path) -> None:
    """docs/demo-data.md plants 0.6 points at 1, 2, 3 and 6 months, none before and none in ODI."""
    found = compare_changes(scores(snapshot, "pain"), PAIN, ["fluoroscopy", "CT"])
    gaps = {t: _mean_difference(c) for t, c in found.items()}
    for timepoint in ("1mo", "2mo", "3mo", "6mo"):
        assert gaps[timepoint].value == pytest.approx(-0.65, abs=0.35)
        assert (gaps[timepoint].high or 0) < 0
    assert all(abs(gaps[t].value) < 0.3 for t in ("1wk", "2wk"))
    odi = compare_changes(scores(snapshot, "odi"), SCALES["odi"], ["fluoroscopy", "CT"])
    assert all(c.p_adjusted is None or c.p_adjusted > 0.01 for c in odi.values())


def _mean_difference(comparison) -> Estimate:
    found = next(e.estimate for e in comparison.effects if e.name == "mean difference")
    assert isinstance(found, Estimate)
    return found


def test_the_mixed_model_sees_the_planted_relief_too(snapshot: Path) -> None:
    visits = in_points(
        run("outcomes_visits", snapshot, SYSTEM, outcome_scale="pain", most=1_500), PAIN
    )
    assert visits.group_by("subject").len().height <= 1_500
    model = model_over_time(visits, PAIN, ["fluoroscopy", "CT"])
    assert not isinstance(model, NotComputable)
    effects = {e.name.rsplit(" ", 1)[-1]: e.estimate for e in model.effects}
    for timepoint in ("1mo", "3mo"):
        effect = effects[timepoint]
        assert isinstance(effect, Estimate) and effect.high is not None
        assert effect.value == pytest.approx(-0.65, abs=0.4) and effect.high < 0
    assert model.interaction.p_value < 0.05, "the difference grows with time"


def test_the_draw_of_visits_is_the_same_each_time(snapshot: Path) -> None:
    draws = [
        run("outcomes_visits", snapshot, SYSTEM, outcome_scale="odi", most=50) for _ in range(2)
    ]
    first, second = (draw.sort(draw.columns) for draw in draws)
    assert first.equals(second) and first["subject"].n_unique() <= 50
