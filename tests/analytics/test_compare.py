"""The choice of a test, its reason, and the words around it."""

import itertools
import re
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from analytics.compare import adjust_family, compare
from analytics.comparison import Comparison, Equivalence
from analytics.decision import Facts, choose
from analytics.dose import DoseIndex, Quantity
from analytics.results import Estimate, NotComputable, TestResult
from analytics.wording import number, p_text

OVERCLAIMS = re.compile(
    r"similar|\bsame\b|equivalen|\bequal|no difference|not significant|\bNS\b|comparable|identical",
    re.IGNORECASE,
)
KINDS = ("dose", "duration", "continuous", "score", "ordinal", "binary")


def frame(**groups: object) -> pl.DataFrame:
    """Build a (group, value) frame from lists."""
    rows = [(name, value) for name, values in groups.items() for value in values]  # pyright: ignore
    return pl.DataFrame(rows, schema={"group": pl.String, "value": pl.Float64}, orient="row")


def skewed(n: int, centre: float, seed: int) -> list[float]:
    return np.random.default_rng(seed).lognormal(centre, 0.5, n).round(1).tolist()


@pytest.mark.parametrize(
    "kind, facts, method",
    [
        ("dose", Facts((10, 10), 0.1), "welch_log"),
        ("dose", Facts((9, 100), 0.1), "mann_whitney"),
        ("dose", Facts((100, 100), 0.0), "mann_whitney"),
        ("duration", Facts((60_000, 60_000), 1.0), "welch_log"),
        ("duration", Facts((30, 30, 30), 1.0), "welch_anova_log"),
        ("duration", Facts((30, 30, 3), 1.0), "kruskal_wallis"),
        ("continuous", Facts((30, 30), -4.0), "welch_mean"),
        ("continuous", Facts((30, 30, 30), -4.0), "welch_anova"),
        ("continuous", Facts((5, 30), -4.0), "mann_whitney"),
        ("score", Facts((10, 10), 0.0), "brunner_munzel"),
        ("score", Facts((9, 10), 0.0), "mann_whitney"),
        ("score", Facts((30, 30, 30), 0.0), "kruskal_wallis"),
        ("ordinal", Facts((30, 30), 1.0), "mann_whitney"),
        ("ordinal", Facts((30, 30, 30), 1.0), "kruskal_wallis"),
        ("binary", Facts((100, 100), 0.0, 5.0), "chi_square"),
        ("binary", Facts((100, 100), 0.0, 4.9), "fisher_midp"),
        ("binary", Facts((100, 100, 100), 0.0, 5.0), "table_chi_square"),
        ("binary", Facts((100, 100, 100), 0.0, 1.0), "table_exact"),
        ("rate", Facts((2, 2)), "poisson"),
    ],
)
def test_the_decision_table(kind, facts, method):
    choice = choose(kind, facts)
    assert choice.method == method
    assert len(choice.reason) > 20


def test_a_dose_comparison_gives_ratio_before_p():
    found = compare(
        frame(a=skewed(40, 5, 1), b=skewed(50, 5.4, 2)),
        "dose",
        "KAP",
        "Gy·cm²",
        dose_quantity=DoseIndex.KAP,
    )
    assert isinstance(found.test, TestResult) and found.method == "Welch t on logarithms"
    assert found.effects[0].name == "ratio of geometric means"
    headline = found.sentences[0]
    assert headline.index("ratio of geometric means") < headline.index("p ")
    assert "(n = 40, median" in headline and "95 % CI" in headline
    assert {check.name for check in found.checks} >= {"records", "skewness", "zero or negative"}
    assert "not allocated at random" in found.sentence


def test_ct_and_fluoroscopy_doses_are_refused_with_the_way_out():
    data = frame(CT=skewed(40, 5, 1), fluoroscopy=skewed(40, 5, 2))
    ct, xa = Quantity(DoseIndex.CTDI_VOL, "CT"), Quantity(DoseIndex.AIR_KERMA, "fluoroscopy")
    for quantity in ({"CT": ct, "fluoroscopy": xa}, None, DoseIndex.CTDI_VOL):
        found = compare(data, "dose", "Dose", "mGy", dose_quantity=quantity)
        assert isinstance(found.test, NotComputable) and not found.effects
        assert "effective dose" in found.sentence.lower()
    unspecified = {"CT": Quantity(None, "CT"), "fluoroscopy": Quantity(None, "fluoroscopy")}
    found = compare(data, "dose", "Dose", "mGy", dose_quantity=unspecified)
    assert "does not say which dose index" in found.sentence
    effective = compare(
        data, "dose", "Effective dose", "mSv", dose_quantity=DoseIndex.EFFECTIVE_DOSE
    )
    assert isinstance(effective.test, TestResult)


def test_ultrasound_takes_no_part_in_a_dose_comparison():
    data = frame(CT=skewed(20, 1, 1), fluoroscopy=skewed(20, 1, 2), ultrasound=[None] * 7)
    found = compare(data, "dose", "E", "mSv", dose_quantity=DoseIndex.EFFECTIVE_DOSE)
    assert [group.group for group in found.groups] == ["CT", "fluoroscopy"]
    assert "7 of ultrasound (ultrasound has no ionising radiation)" in found.sentence


def test_what_is_left_out_is_counted():
    data = pl.concat([frame(a=[1.0, np.nan, np.inf, 2, 3], b=[4.0, 5, 6, None])])
    unnamed = pl.DataFrame({"group": [None], "value": [1.0]}, schema=data.schema)
    found = compare(pl.concat([data, unnamed]), "duration", "Time", "min")
    assert {(out.group, out.n, out.why) for out in found.left_out} == {
        ("records", 1, "no group"),
        ("a", 1, "no value"),
        ("a", 1, "infinite value"),
        ("b", 1, "no value"),
    }


def test_repeated_patients_are_refused_without_pairing():
    data = frame(a=skewed(20, 1, 1), b=skewed(20, 1, 2))
    found = compare(data, "duration", "Time", "min", repeated_share=0.2)
    assert isinstance(found.test, NotComputable) and "paired" in found.sentence
    assert found.groups[0].n == 20


def test_counted_rows_give_what_rows_give():
    rows = frame(a=skewed(30, 2, 1), b=skewed(30, 2.2, 2), c=skewed(25, 2.4, 3))
    counted = rows.group_by("group", "value", maintain_order=True).agg(count=pl.len())
    one, other = (compare(data, "duration", "Time", "min") for data in (rows, counted))
    assert one == other


def test_more_than_two_groups_are_compared_in_pairs():
    rows = frame(a=skewed(30, 2, 1), b=skewed(30, 2.9, 2), c=skewed(25, 2.4, 3))
    found = compare(rows, "duration", "Time", "min")
    assert [(pair.first, pair.second) for pair in found.pairs] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    ]
    assert all(pair.p_adjusted >= 0 for pair in found.pairs)
    ranked = compare(rows, "score", "Pain")
    assert [pair.adjustment for pair in ranked.pairs] == ["holm"] * 3
    table = compare(
        frame(a=[0] * 50 + [1] * 5, b=[0] * 40 + [1] * 15, c=[0] * 45 + [1] * 10), "binary", "Any"
    )
    assert len(table.pairs) == 3


def test_bessars_complications_are_not_called_alike():
    found = compare(frame(CT=[1] + [0] * 99, fluoroscopy=[1] * 4 + [0] * 96), "binary", "Events")
    assert found.method == "Fisher mid-p"
    assert isinstance(found.test, TestResult)
    assert found.test.p_value == pytest.approx(0.214026987730531)
    assert "CT 1/100 (1.0 %) v fluoroscopy 4/100 (4.0 %)" in found.sentence
    assert "difference −3.00 percentage points (95 % CI −8.89 to 2.07, Newcombe)" in found.sentence
    assert "do not show a difference; that is not proof that there is none" in found.sentence


def test_no_event_is_no_zero_risk():
    found = compare(frame(CT=[0] * 250, fluoroscopy=[1] * 3 + [0] * 237), "binary", "Events")
    assert "No event in 250 of CT; rates up to 1.19 % remain compatible" in found.sentence


def test_equivalence_is_worded_only_against_a_margin():
    close = frame(a=skewed(400, 3, 1), b=skewed(400, 3.0, 2))
    without = compare(close, "duration", "Time", "min")
    assert not OVERCLAIMS.search(without.sentence)
    within = compare(close, "duration", "Time", "min", margin=(0.8, 1.25))
    assert isinstance(within.equivalence, Equivalence) and within.equivalence.supported
    assert "equivalence is supported" in within.sentence
    outside = compare(
        frame(a=skewed(20, 3, 1), b=skewed(20, 3.1, 2)), "duration", "T", margin=(0.95, 1.05)
    )
    assert "equivalence is not shown" in outside.sentence
    one_sided = compare(close, "duration", "Time", "min", margin=(None, 1.25))
    assert "non-inferiority" in one_sided.sentence


def test_adjusted_p_is_printed_with_its_family():
    data = [frame(a=skewed(60, 3, i), b=skewed(60, 3.15, i + 50)) for i in range(4)]
    family = adjust_family([compare(d, "duration", "Time", "min") for d in data])
    raw = [c.p_value for c in family]
    assert all(
        c.p_adjusted is not None and c.p_adjusted >= (p or 0)
        for c, p in zip(family, raw, strict=True)
    )
    assert all("Holm-adjusted" in c.sentence and "(4 tests)" in c.sentence for c in family)
    refused = compare(frame(a=[1.0]), "duration", "Time", "min")
    mixed = adjust_family([family[0], refused, family[1]])
    assert mixed[1] is refused and mixed[0].family_size == 2


EDGES: dict[str, dict[str, list[float]]] = {
    "nothing": {},
    "one group": {"a": [1.0, 2.0]},
    "one value each": {"a": [1.0], "b": [2.0]},
    "two values each": {"a": [1.0, 2.0], "b": [2.0, 4.0]},
    "all tied": {"a": [3.0] * 12, "b": [3.0] * 12},
    "two constants": {"a": [1.0] * 12, "b": [0.0] * 12},
    "three constants": {"a": [1.0] * 12, "b": [2.0] * 12, "c": [3.0] * 12},
    "one constant": {"a": [5.0] * 12, "b": [1.0, 9.0] * 6},
    "missing": {"a": [np.nan] * 3, "b": [1.0, 2.0]},
    "infinite": {"a": [np.inf] * 12, "b": [-np.inf] * 12},
    "huge": {"a": [1e308, 1.5e308] * 6, "b": [-1e308, -1.2e308] * 6},
    "tiny": {"a": [1e-308, 5e-324] * 6, "b": [1e-310] * 6 + [2e-308] * 6},
    "separated": {"a": [1.0, 2, 3] * 4, "b": [11.0, 12, 13] * 4},
    "all yes": {"a": [1.0] * 9, "b": [1.0] * 7},
    "all no": {"a": [0.0] * 9, "b": [0.0] * 7, "c": [0.0] * 5},
    "wide": {"a": [1e-300, 1.0, 1e300] * 4, "b": [1e-200, 1e200] * 6},
}


@pytest.mark.parametrize("kind, name", list(itertools.product(KINDS, EDGES)))
def test_odd_data_never_gives_a_wrong_number_or_an_error(kind, name):
    found = compare(frame(**EDGES[name]), kind, "X", dose_quantity=DoseIndex.KAP, margin=(0.5, 2.0))
    check_sound(found)
    if isinstance(found.test, NotComputable):
        assert found.test.reason.startswith("cannot be computed, because ")
        assert "because" in found.sentence


def check_sound(found: Comparison) -> None:
    """Hold what must be true of any result."""
    if isinstance(found.test, TestResult):
        assert 0 <= found.test.p_value <= 1
    estimates = [effect.estimate for effect in found.effects]
    estimates += [pair.effect for pair in found.pairs if pair.effect is not None]
    for estimate in estimates:
        if isinstance(estimate, Estimate):
            assert not np.isnan(estimate.value)
            assert estimate.low is None or estimate.low <= estimate.value * (1 + 1e-9) + 1e-9
            assert estimate.high is None or estimate.high >= estimate.value * (1 - 1e-9) - 1e-9
    assert "nan" not in found.sentence.lower().split()
    assert "None" not in found.sentence


values = st.lists(
    st.one_of(st.none(), st.integers(0, 10).map(float), st.floats(allow_nan=True)), max_size=15
)


@settings(max_examples=80, deadline=None)
@given(st.lists(values, min_size=1, max_size=4), st.sampled_from(KINDS))
def test_any_data_gives_a_sound_result_without_overclaiming(groups, kind):
    data = frame(**{f"g{i}": group for i, group in enumerate(groups)})
    found = compare(data, kind, "X", dose_quantity=DoseIndex.KAP)
    check_sound(found)
    allowed = found.sentence.replace("are too alike", "")
    assert not OVERCLAIMS.search(allowed), found.sentence


@pytest.mark.parametrize(
    "p, text",
    [
        (0.0123, "p = .012"),
        (0.97, "p = .970"),
        (0.0004, "p < .001"),
        (1.0, "p > .999"),
        (0.10, "p = .100"),
    ],
)
def test_p_is_exact_to_three_digits(p, text):
    assert p_text(p) == text


@pytest.mark.parametrize(
    "value, text",
    [
        (352.04, "352"),
        (0.01234, "0.0123"),
        (-3, "−3.00"),
        (1234567.0, "1 234 567"),
        (0, "0"),
        (np.inf, "∞"),
    ],
)
def test_numbers_have_three_significant_digits(value, text):
    assert number(value) == text


def test_categories_without_order_are_compared_as_a_table():
    counts = {"CT": (40, 30, 10), "fluoroscopy": (20, 30, 30)}
    rows = [(g, v, n) for g, ns in counts.items() for v, n in zip("abc", ns, strict=True)]
    data = pl.DataFrame([*rows, ("CT", None, 4)], schema=["group", "value", "count"], orient="row")
    found = compare(data, "nominal", "Contrast pattern")
    assert found.method == "χ²" and isinstance(found.test, TestResult)
    assert found.test.p_value == pytest.approx(chi2_contingency(list(counts.values())).pvalue)
    assert "Left out: 4 records" in found.sentence
    sparse = compare(data.with_columns(pl.col("count") // 10), "nominal", "Contrast pattern")
    assert sparse.method == "Fisher–Freeman–Halton, simulated"
    for lonely in (
        data.clear(),
        data.filter(pl.col("group") == "CT"),
        data.filter(pl.col("value") == "a"),
    ):
        assert isinstance(compare(lonely, "nominal", "X").test, NotComputable)


@pytest.mark.parametrize("kind", ["duration", "nominal"])
@pytest.mark.parametrize("counts", [[1.5, 1, 1, 1], [None] * 4, [-1, 1, 1, 1], [np.nan, 1, 1, 1]])
def test_broken_counts_are_refused_not_cut(kind, counts):
    data = pl.DataFrame({"group": ["a", "a", "b", None], "value": [1.0, 2, 3, 4], "count": counts})
    found = compare(data, kind, "X")
    assert isinstance(found.test, NotComputable) and "whole numbers" in found.test.reason


@pytest.mark.parametrize("kind", [*KINDS, "nominal", "rate"])
@pytest.mark.parametrize(
    "values",
    [
        pl.Series([[1]] * 4),
        pl.Series([timedelta(minutes=5)] * 4),
        pl.Series([date(2024, 1, 1)] * 4),
        pl.Series([Decimal("1.5"), None, Decimal(0), Decimal(1)]),
        pl.Series(["x", "y", None, "x"], dtype=pl.Categorical),
    ],
    ids=lambda s: str(s.dtype),
)
def test_a_column_of_any_type_is_used_or_refused(kind, values):
    data = pl.DataFrame({"group": ["a", "a", "b", "b"], "value": values, "exposure": [1.0] * 4})
    found = compare(data, kind, "X", dose_quantity=DoseIndex.KAP)
    assert found.sentences
