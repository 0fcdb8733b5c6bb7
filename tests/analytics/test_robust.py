"""No public analysis raises or warns on any numbers: it gives a result or says why not."""

import math
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics import (
    agreement,
    association,
    cell_regression,
    detectable,
    diagnostic,
    effects,
    equivalence,
    means,
    mixed,
    paired,
    pairs,
    power,
    proportions,
    ranks,
    rates,
    shift,
    strata,
    tables,
)
from analytics.by_procedure import by_procedure
from analytics.compare import compare
from analytics.compare_paired import compare_paired
from analytics.dose import DoseIndex
from analytics.modalities import OUTCOMES as COMPARED
from analytics.results import Estimate, NotComputable, TestResult
from analytics.workbench import OUTCOMES, analyse
from tests.analytics.test_compare import OVERCLAIMS

ODD = [0.0, 1.0, -1.0, 2.0, 5.0, math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, 1e-300]
value = st.one_of(st.sampled_from(ODD), st.integers(0, 10).map(float), st.floats(-1e3, 1e3))
several = st.one_of(
    st.lists(value, max_size=12),
    st.lists(st.integers(0, 4).map(float), max_size=25),
    st.tuples(value, st.integers(0, 12)).map(lambda pair: [pair[0]] * pair[1]),
)
number = st.one_of(value, st.integers(-2, 40).map(float), st.just(None))
counts = st.tuples(*[st.one_of(st.integers(0, 30).map(float), number)] * 4)

TWO: dict[str, Callable[[Any, Any], Any]] = {
    "mann_whitney": ranks.mann_whitney,
    "brunner_munzel": ranks.brunner_munzel,
    "kruskal_wallis": ranks.kruskal_wallis,
    "hodges_lehmann": shift.hodges_lehmann,
    "cliffs_delta": effects.cliffs_delta,
    "probability_higher": effects.probability_higher,
    "mean_difference": effects.mean_difference,
    "geometric_mean_ratio": effects.geometric_mean_ratio,
    "hedges_g": effects.hedges_g,
    "welch": means.welch_test,
    "welch_log": lambda x, y: means.welch_test(x, y, log=True),
    "welch_anova": lambda x, y: means.welch_anova(x, y, y),
    "tost_mean": lambda x, y: equivalence.tost_mean(x, y, -1, 1),
    "tost_ratio": lambda x, y: equivalence.tost_ratio(x, y, 0.8, 1.25),
    "dunn": lambda x, y: ranks.dunn({"a": x, "b": y, "c": x}),
    "games_howell": lambda x, y: means.games_howell({"a": x, "b": y, "c": x}),
}
PAIRED: dict[str, Callable[[Any, Any], Any]] = {
    "signed_rank": paired.wilcoxon_signed_rank,
    "paired_t": paired.paired_t,
    "mean_change": paired.mean_change,
    "friedman": lambda x, y: paired.friedman(np.column_stack([x, y, y])),
    "cochran_q": lambda x, y: tables.cochran_q(np.column_stack([x, y, x])),
    "pseudomedian": lambda x, y: shift.pseudomedian(x),
    "spearman": association.spearman,
    "spearman_test": association.spearman_test,
    "kappa": agreement.cohens_kappa,
    "kappa_weighted": lambda x, y: agreement.cohens_kappa(x, y, "quadratic"),
    "icc": lambda x, y: agreement.icc(np.column_stack([x, y])),
    "bland_altman": agreement.bland_altman,
    "associate": lambda x, y: pairs.associate(x, y, "a", "b").test,
    "agree": lambda x, y: pairs.agree(x, y, "a", "b").icc,
    "tost_paired": lambda x, y: equivalence.tost_paired(x, -1, 1),
}


FOUR: dict[str, Callable[..., Any]] = {
    "newcombe": proportions.risk_difference_newcombe,
    "miettinen_nurminen": proportions.risk_difference_miettinen_nurminen,
    "risk_ratio": proportions.risk_ratio_score,
    "odds_ratio": proportions.odds_ratio_score,
    "fisher": proportions.fisher,
    "fisher_midp": proportions.fisher_midp,
    "chi_square": proportions.chi_square,
    "mcnemar": tables.mcnemar,
    "diagnostic": diagnostic.diagnostic,
    "rate_test": rates.rate_test,
    "rate_ratio": rates.rate_ratio,
    "table": lambda a, b, c, d: tables.chi_square_table([[a, b], [c, d]]),
    "table_exact": lambda a, b, c, d: tables.fisher_freeman_halton([[a, b], [c, d]], 99),
    "tost": lambda a, b, c, d: equivalence.tost_proportions(a, b, c, d, -0.05, 0.05),
    "strata": lambda a, b, c, d: strata.mantel_haenszel_odds_ratio([a], [b], [c], [d]),
    "t_power": power.t_power,
    "t_size": lambda a, b, c, d: power.t_sample_size(a, b),
    "rank_size": lambda a, b, c, d: power.mann_whitney_sample_size(a, b),
    "smallest": lambda a, b, c, d: power.smallest_difference(a, b, c),
    "smallest_ratio": lambda a, b, c, d: power.smallest_ratio(a, b, c),
    "smallest_share": lambda a, b, c, d: detectable.smallest_share_difference(a, b, c),
    "share_power": lambda a, b, c, d: power.proportion_power(a, b, c),
    "share_size": lambda a, b, c, d: power.proportion_sample_size(a, b),
    "non_inferiority": lambda a, b, c, d: power.non_inferiority_proportion_size(a, b),
    "anova_power": lambda a, b, c, d: power.anova_power(a, b, c),
    "correlation_size": lambda a, b, c, d: power.correlation_sample_size(a),
    "tost_power": lambda a, b, c, d: power.tost_power(a, b, c, (-1, 1), d),
}
#: What a caller may hand in instead of a list of numbers.
COLUMNS: dict[str, Any] = {
    "whole numbers": [3, 1, 4, 1, 5],
    "yes or no": [True, False, True, True, False],
    "decimals": [Decimal("1.5"), Decimal("2.5"), Decimal(3), Decimal(1), Decimal(9)],
    "gaps": [None, 1.0, None, 2.5, 3.0],
    "gaps only": [None] * 5,
    "a series with nulls": pl.Series([1.0, None, 3.5, 4.0, 5.0]),
    "a series of nulls": pl.Series([None] * 5),
    "a series of yes, no and null": pl.Series([True, None, False, True, True]),
    "text": ["a", "b", "c", "d", "e"],
    "a word": "words",
    "dates": pl.Series([date(2024, 1, day) for day in range(1, 6)]),
    "complex": [1 + 2j, 2, 3, 4, 5],
    "beyond doubles": [10**400, 1, 2, 3, 4],
    "rows": [[1, 2], [3, 4], [5, 6], [7, 8], [9, 9]],
    "ragged rows": [[1], [2, 3]],
    "one number": 5.0,
    "nothing": None,
    "a mapping": {"a": 1},
    "tiny": [1e-160, 2e-160, 3e-160, 5e-160, 9e-160],
    "huge": [1e149, 2e149, 3e149, 5e149, 9e148],
}
LITTLE = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def sound(found: Any) -> None:
    """Refused with a reason, or finite where it matters and inside its interval."""
    if isinstance(found, NotComputable):
        assert found.reason.startswith("cannot be computed, because ")
    elif isinstance(found, TestResult):
        assert 0 <= found.p_value <= 1
    elif isinstance(found, tuple):
        for pair in found:
            sound(pair.test)
            sound(pair.effect)
    elif isinstance(found, Estimate):
        assert not math.isnan(found.value)
        slack = 1e-9 * (1 + abs(found.value)) if math.isfinite(found.value) else 0
        assert found.low is None or found.low <= found.value + slack
        assert found.high is None or found.value <= found.high + slack


@pytest.mark.parametrize("name", TWO)
@LITTLE
@given(x=several, y=several)
def test_two_groups(name: str, x: list[float], y: list[float]) -> None:
    sound(TWO[name](np.array(x), np.array(y)))


@pytest.mark.parametrize("name", [*TWO, *PAIRED])
def test_whatever_a_column_holds(name: str) -> None:
    stacked = ("friedman", "cochran_q", "icc")  # their tests stack two columns before the call
    run = (TWO | PAIRED)[name]
    for odd in COLUMNS.values():
        if name not in stacked:
            sound(run(odd, odd))
            sound(run(COLUMNS["whole numbers"], odd))
            sound(run(odd, COLUMNS["whole numbers"]))
    for whole in (paired.friedman, tables.cochran_q, agreement.icc, agreement.fleiss_kappa):
        for odd in COLUMNS.values():
            sound(whole(odd))


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, math.nan, None, "high"])
@pytest.mark.parametrize(
    "name", ["hodges_lehmann", "cliffs_delta", "brunner_munzel", "mean_difference", "hedges_g"]
)
def test_a_level_outside_0_to_1_is_refused(name: str, level: Any) -> None:
    found = TWO[name]([1.0, 2, 4, 5], [3.0, 4, 6, 9], level)  # pyright: ignore[reportCallIssue]
    assert isinstance(found, NotComputable) and "level" in found.reason


@pytest.mark.parametrize("name", PAIRED)
@LITTLE
@given(rows=st.lists(st.tuples(value, value), max_size=12))
def test_pairs(name: str, rows: list[tuple[float, float]]) -> None:
    both = np.array(rows, dtype=float).reshape(-1, 2)
    sound(PAIRED[name](both[:, 0], both[:, 1]))


@pytest.mark.parametrize("name", FOUR)
@LITTLE
@given(cells=counts)
def test_four_numbers(name: str, cells: tuple[float, ...]) -> None:
    sound(FOUR[name](*cells))


@pytest.mark.parametrize(
    "kind", ["dose", "duration", "continuous", "score", "ordinal", "binary", "rate", "nominal"]
)
@LITTLE
@given(
    groups=st.lists(several, max_size=4), margin=st.sampled_from([None, (0.8, 1.25), (-1, None)])
)
def test_comparisons(kind: Any, groups: list[list[float]], margin: Any) -> None:
    rows = [(f"g{i}", v) for i, group in enumerate(groups) for v in group]
    frame = pl.DataFrame(rows, schema={"group": pl.String, "value": pl.Float64}, orient="row")
    if kind == "rate":
        frame = frame.with_columns(exposure=pl.lit(10.0))
    index = DoseIndex.KAP if kind == "dose" else None
    found = compare(frame, kind, "X", "u", margin=margin, dose_quantity=index)
    sound(found.test)
    assert found.sentences
    if margin is None:
        assert not OVERCLAIMS.search(found.sentence)
    detectable.detectable_words(found)


@pytest.mark.parametrize("kind", ["score", "binary"])
@pytest.mark.parametrize("groups", [None, ["a", "b"]])
@LITTLE
@given(
    rows=st.lists(st.tuples(st.sampled_from("ab"), *[st.one_of(st.none(), value)] * 3), max_size=10)
)
def test_visits(kind: Any, groups: Any, rows: list[tuple[Any, ...]]) -> None:
    schema = {"group": pl.String, "t0": pl.Float64, "t1": pl.Float64, "t2": pl.Float64}
    wide = pl.DataFrame(rows, schema=schema, orient="row").with_row_index("subject")
    visits = wide.unpivot(["t0", "t1", "t2"], index=["subject", "group"], variable_name="time")
    found = compare_paired(visits, kind, "X", "u", groups=groups)
    sound(found.test)
    assert not OVERCLAIMS.search(found.sentence)


@LITTLE
@given(
    rows=st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("pq"), st.integers(1, 9), value, value),
        max_size=8,
    )
)
def test_adjusted_cells(rows: list[tuple[Any, ...]]) -> None:
    schema = {
        "group": pl.String, "p": pl.String, "n": pl.Int64, "mean": pl.Float64,
        "variance": pl.Float64,
    }  # fmt: skip
    cells = pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col("variance").abs())
    cells = cells.with_columns(events=pl.min_horizontal(pl.col("n") // 2, pl.lit(3)))
    for groups in (["a", "b"], ["a", "b", "c"]):
        for found in (
            cell_regression.adjusted_linear(cells, groups, ["p"]),
            cell_regression.adjusted_linear(cells, groups, ["p"], log=True),
            cell_regression.adjusted_logistic(cells, groups, ["p"]),
        ):
            if isinstance(found, NotComputable):
                sound(found)
            else:
                for part in (*found.effects.values(), *found.tests.values()):
                    sound(part)


@LITTLE
@given(groups=st.lists(several, min_size=2, max_size=3), outcome=st.sampled_from(OUTCOMES))
def test_the_workbench(groups: list[list[float]], outcome: Any) -> None:
    rows = [(f"g{i}", v, "s", 1) for i, group in enumerate(groups) for v in group]
    schema = {"group": pl.String, "value": pl.Float64, "stratum": pl.String, "count": pl.Int64}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    found = analyse(frame, outcome, [f"g{i}" for i in range(len(groups))])
    sound(found.overall.test)


@pytest.mark.parametrize("outcome", COMPARED, ids=lambda o: o.measure)
def test_procedures_of_no_spread_and_no_events(outcome: Any) -> None:
    rows = [
        {"modality": m, "procedure": p, f"{outcome.strata}_n": n, f"{outcome.strata}_events": e,
         f"{outcome.strata}_mean": 1.0, f"{outcome.strata}_variance": v}
        for m in ("CT", "fluoroscopy")
        for p, n, e, v in (("A", 0, 0, None), ("B", 1, 1, None), ("C", 20, 0, 0.0))
    ]  # fmt: skip
    frame, few = by_procedure(pl.DataFrame(rows), outcome, ("CT", "fluoroscopy"))
    assert few == 1 and frame.height == (1 if outcome.scale == "share" else 0)


@LITTLE
@given(y=several, subjects=st.integers(1, 5))
def test_mixed_model(y: list[float], subjects: int) -> None:
    x = np.ones((len(y), 1))
    found = mixed.random_intercept(np.array(y), x, [i % subjects for i in range(len(y))])
    if isinstance(found, NotComputable):
        sound(found)
    else:
        assert found.variance_between >= 0 and found.variance_within > 0
