"""Frames behind the charts of the Outcomes page."""

import polars as pl

from analytics.outcomes import Point
from analytics.results import NotComputable
from pages.analysis import outcome_charts


def test_one_case_without_any_estimate_still_draws() -> None:
    none = NotComputable("too few values")
    nan = float("nan")
    frame = outcome_charts.points_frame(
        [Point("CT", "baseline", 1, 0, 1, 0, none, none, nan, nan, none, none)]
    )
    assert all(frame.schema[name] == pl.Float64 for name in outcome_charts.ESTIMATES)
    assert outcome_charts.completeness(frame).to_dict()["mark"]["type"] == "bar"
