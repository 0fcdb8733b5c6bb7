"""Two groups within strata together, and groups in order."""

import numpy as np
import polars as pl
import pytest

from analytics import strata
from analytics.compare import compare
from analytics.frequency import tally, tally_strata
from analytics.results import NotComputable, TestResult
from analytics.stratified_ranks import van_elteren, van_elteren_counts
from analytics.within import within_strata
from analytics.workbench import OUTCOMES, analyse
from tests.analytics.test_compare import OVERCLAIMS

NAMED = {outcome.key: outcome for outcome in OUTCOMES}


def counted(kind: str, shift: float, mix: float, seed: int = 4) -> pl.DataFrame:
    """Return two groups in three procedures; ``mix`` moves the first group to the last one."""
    rng = np.random.default_rng(seed)
    rows = []
    for place, procedure in enumerate(("A", "B", "C")):
        for group in ("CT", "fluoroscopy"):
            n = 40 + int(mix * place * (20 if group == "CT" else 0))
            effect = shift if group == "CT" else 0.0
            if kind == "binary":
                values = rng.binomial(1, 0.1 + 0.2 * place + effect, n).astype(float)
            else:
                values = np.round(np.exp(rng.normal(2 + place + effect, 0.4, n)), 1)
            rows += [(procedure, group, float(v), 1) for v in values]
    schema = {"stratum": pl.String, "group": pl.String, "value": pl.Float64, "count": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_shares_within_procedures_are_those_of_mantel_and_haenszel() -> None:
    # R: mantelhaen.test(correct = FALSE), metafor::rma.mh: test_against_r has the numbers
    data = counted("binary", 0.1, 0)
    found = analyse(data, NAMED["complication"], ["CT", "fluoroscopy"]).within
    assert found is not None
    cells = data.group_by("stratum", "group").agg(e=pl.col("value").sum(), n=pl.len())
    sides = [cells.filter(pl.col("group") == g).sort("stratum") for g in ("CT", "fluoroscopy")]
    columns = [side[name].to_list() for side in sides for name in ("e", "n")]
    assert found.test == strata.cochran_mantel_haenszel(*columns)
    assert found.odds_ratio == strata.mantel_haenszel_odds_ratio(*columns)
    assert found.homogeneity == strata.breslow_day(*columns)
    for said in ("Mantel–Haenszel", "Cochran–Mantel–Haenszel", "Breslow–Day–Tarone"):
        assert said in found.sentence
    assert "χ²(1) = " in found.sentence
    assert not OVERCLAIMS.search(found.sentence)


def test_a_mix_of_cases_alone_is_no_effect_within_procedures() -> None:
    data = counted("duration", 0, 4)
    found = analyse(data, NAMED["duration_min"], ["CT", "fluoroscopy"])
    assert found.overall.p_value is not None and found.overall.p_value < 0.01
    assert found.within is not None and isinstance(found.within.test, TestResult)
    assert found.within.test.p_value > 0.05 and "not shown" in found.within.sentence
    longer = analyse(counted("duration", 0.3, 0), NAMED["duration_min"], ["CT", "fluoroscopy"])
    assert longer.within is not None and "CT tends to be higher" in longer.within.sentence


def test_counts_give_what_rows_give() -> None:
    data = counted("duration", 0.2, 1)
    rows = van_elteren(
        data["value"],
        (data["group"] == "CT").cast(pl.Int8),
        data["stratum"].cast(pl.Enum(["A", "B", "C"])).to_physical(),
    )
    parts = [(s["CT"], s["fluoroscopy"]) for s in tally_strata(data).values()]
    assert van_elteren_counts(parts) == rows


def test_one_stratum_or_no_spread_gives_no_test() -> None:
    one = {"A": {"x": tally([1.0, 2.0]), "y": tally([2.0, 3.0])}}
    assert within_strata("score", one, "x", "y") is None
    flat = {name: {"x": tally([1.0, 1.0]), "y": tally([1.0])} for name in "AB"}
    for kind in ("score", "binary"):
        found = within_strata(kind, flat, "x", "y")
        assert found is not None and isinstance(found.test, NotComputable)
        assert "cannot be computed" in found.sentence


def test_years_in_order_are_tested_for_a_trend() -> None:
    # R: prop.trend.test(c(2, 5, 9, 14), c(30, 32, 28, 31))
    rows = [
        (year, float(value))
        for year, events, n in zip("2345", (2, 5, 9, 14), (30, 32, 28, 31), strict=True)
        for value in [1] * events + [0] * (n - events)
    ]
    data = pl.DataFrame(rows, schema={"group": pl.String, "value": pl.Float64}, orient="row")
    found = compare(data, "binary", "Complications", ordered=True)
    (trend,) = found.companions
    assert (trend.method, trend.p_value) == (
        "Cochran–Armitage",
        pytest.approx(0.000158756693882245, rel=1e-9),
    )
    assert not compare(data, "binary", "Complications").companions
