"""Satisfaction: five answers on paper, R's proportional odds, the demo's planted shares."""

from pathlib import Path

import polars as pl

from analytics.ordinal import OrdinalFit
from analytics.outcomes_satisfaction import (
    Satisfaction,
    cumulative_odds,
    diverging,
    satisfaction_by,
)
from analytics.results import Estimate
from warehouse.access import SYSTEM
from warehouse.connect import current_snapshot
from warehouse.queries import run


def of(group: str, *answers: int) -> Satisfaction:
    rows = pl.DataFrame(
        {"modality": [group] * 5, "answer": [1, 2, 3, 4, 5], "n": list(answers)},
    )
    return satisfaction_by(rows, "modality")[0]


def test_five_cases_by_hand() -> None:
    """Five cases answer 2, 3, 4, 5 and nothing: response 4/5, top two 2/4.

    Around the middle of "neither" (a quarter, so an eighth to each side): dissatisfied from −3/8 to
    −1/8, neither −1/8 to 1/8, satisfied 1/8 to 3/8, very satisfied 3/8 to 5/8.
    """
    rows = pl.DataFrame({"modality": ["CT"] * 5, "answer": [2, 3, 4, 5, None], "n": [1] * 5})
    (found,) = satisfaction_by(rows, "modality")
    assert (found.answers, found.n, found.n_asked) == ((0, 1, 1, 1, 1), 4, 5)
    assert isinstance(found.top_two, Estimate) and found.top_two.value == 0.5
    assert isinstance(found.response, Estimate) and found.response.value == 0.8
    bars = [
        (level, low, high)
        for level, low, high in diverging([found]).select("level", "from", "to").rows()
    ]
    assert bars[1:] == [
        (2, -3 / 8, -1 / 8),
        (3, -1 / 8, 1 / 8),
        (4, 1 / 8, 3 / 8),
        (5, 3 / 8, 5 / 8),
    ]


def test_nobody_answered_is_no_bar() -> None:
    silent = of("CT", 0, 0, 0, 0, 0)
    assert silent.n == 0 and diverging([silent]).is_empty()


def test_more_satisfied_has_odds_above_one() -> None:
    fit = cumulative_odds([of("CT", 5, 5, 10, 40, 40), of("US", 2, 2, 6, 30, 60)], "CT")
    assert isinstance(fit, OrdinalFit)
    (coefficient,) = fit.coefficients
    assert coefficient.name == "US" and coefficient.ratio.value > 1


def test_planted_answers_are_found(demo_data: Path) -> None:
    """docs/demo-data.md: 92 % satisfied or very satisfied, 65 % answer."""
    snapshot = current_snapshot(demo_data / "snapshots")
    assert snapshot is not None
    rows = run("outcomes_satisfaction", snapshot, SYSTEM).with_columns(every=pl.lit("all"))
    (found,) = satisfaction_by(rows, "every")
    for share, planted in ((found.top_two, 0.92), (found.response, 0.65)):
        assert isinstance(share, Estimate) and share.low is not None and share.high is not None
        assert share.low - 0.01 <= planted <= share.high + 0.01
