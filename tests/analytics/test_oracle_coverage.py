"""No case of the oracle is left without a test."""

import json
from itertools import combinations
from pathlib import Path

import pytest

from analytics import effects, means, ranks
from analytics.multiplicity import adjust
from analytics.results import NotComputable, TestResult
from tests.analytics.oracle import ORACLE, case, two_groups, values_by

HERE = Path(__file__).parent


def test_every_case_is_named_in_a_test() -> None:
    table = ORACLE / "oracle.json"
    if not table.exists():
        pytest.skip("R's results (../shared/oracle) are not here")
    written = "".join(path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py"))
    missing = [c["id"] for c in json.loads(table.read_text())["cases"] if c["id"] not in written]
    assert not missing


def test_two_different_constants_are_refused_as_in_r() -> None:
    # t.test(c(1,1,1), c(2,2,2)): "data are essentially constant"
    x, y = two_groups("t_constant_both")
    for refused in (
        means.welch_test(x, y),
        means.welch_test(x, y, pooled=True),
        effects.mean_difference(x, y),
        effects.hedges_g(x, y),
    ):
        assert isinstance(refused, NotComputable) and "do not vary" in refused.reason


def test_pairwise_mann_whitney_with_holm() -> None:
    # pairwise.wilcox.test(minutes, modality, "holm", exact = FALSE)
    expected = case("pairwise_wilcox_holm")["expected"]
    groups = values_by("pairwise_wilcox_holm")
    tests = [
        ranks.mann_whitney(groups[a], groups[b], exact=False) for a, b in combinations(groups, 2)
    ]
    p = adjust([test.p_value for test in tests if isinstance(test, TestResult)])
    assert sorted(p, key=float) == pytest.approx(sorted(expected.values()), rel=1e-9)  # pyright: ignore[reportArgumentType]
