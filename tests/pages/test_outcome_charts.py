"""Frames behind the charts of the Outcomes page."""

import polars as pl

from analytics.outcomes import SCALES, Point
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


def test_a_change_for_the_worse_stays_on_the_axis() -> None:
    """Mean change +2 (1 to 3): the axis ends at 3, not at 0."""
    row = {"modality": "CT", "timepoint": "1 month", "change": 2.0, "change_low": 1.0,
           "change_high": 3.0, "n": 9}  # fmt: skip
    chart = outcome_charts.change(pl.DataFrame([row]), SCALES["pain"]).to_dict()
    scales = [layer["encoding"]["y"].get("scale", {}) for layer in chart["layer"]]
    assert max(scale.get("domainMax", 0) for scale in scales) == 3
