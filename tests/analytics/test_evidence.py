"""Evidence rows to pools: against R (metafor) and the papers; refusals in words."""

import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.evidence import Analysis, analyse, sentence
from analytics.evidence_checks import recompute
from analytics.evidence_own import complications, contrast, duration, pain, responders, satisfied
from analytics.evidence_rows import point, possible_measures
from analytics.meta_analysis import Pooled
from analytics.meta_rare import RarePooled
from analytics.results import Estimate, NotComputable
from warehouse import evidence
from warehouse.evidence import checked
from warehouse.evidence_import import read_foreign

ORACLE = Path(__file__).resolve().parents[2].parent / "shared" / "oracle"
needs_oracle = pytest.mark.skipif(not ORACLE.exists(), reason="the results from R are absent")


def expected(case: str) -> dict[str, Any]:
    cases = json.loads((ORACLE / "oracle.json").read_text("utf-8"))["cases"]
    return next(c for c in cases if c["id"] == case)


def rows_of(file: str) -> list[dict[str, Any]]:
    text = (ORACLE / file).read_text("utf-8")
    good, bad = read_foreign(text, file, {"question": "q", "outcome": "o", "source": file})
    assert not bad
    return [row.model_dump() for row in good]


def two_by_two(*cells: tuple[int, int, int, int], **more: Any) -> list[dict[str, Any]]:
    return [
        checked(
            {
                "study": f"Study {i}", "source": "s", "question": "q", "outcome": "o",
                "group_1": "a", "group_2": "b",
                "events_1": e1, "n_1": n1, "events_2": e2, "n_2": n2,
            } | more
        ).model_dump()
        for i, (e1, n1, e2, n2) in enumerate(cells)
    ]  # fmt: skip


def effects(*triples: tuple[float, float, float], **more: Any) -> list[dict[str, Any]]:
    return [
        checked(
            {
                "study": f"Study {i}", "source": "s", "question": "q", "outcome": "o",
                "group_2": "b", "measure": "MD", "effect": value, "low": low, "high": high,
            } | more
        ).model_dump()
        for i, (value, low, high) in enumerate(triples)
    ]  # fmt: skip


def shipped(question: str, **where: str) -> list[dict[str, Any]]:
    rows = [r.model_dump() for r in evidence.shipped_results() if r.question.startswith(question)]
    assert rows
    return [row for row in rows if all(row[k] == v for k, v in where.items())]


def natural(found: Analysis) -> Estimate:
    assert found.summary is not None, sentence(found)
    return found.summary


@needs_oracle
@pytest.mark.parametrize("model", ["REML", "DL", "PM"])
def test_bcg_comes_out_of_a_file_as_in_r(model: Any) -> None:
    # R: rma(yi, vi, method = ..., test = "z"), predict(transf = exp)
    want = expected("meta_bcg")["expected"]["z"][model]
    found = analyse(rows_of("bcg.csv"), "RR", model, hartung_knapp=False)
    assert isinstance(found.pooled, Pooled) and found.pooled.heterogeneity is not None
    got = natural(found)
    assert (got.value, got.low, got.high) == pytest.approx(
        [math.exp(want[k]) for k in ("mu", "lo", "hi")], rel=1e-6
    )
    assert found.pooled.heterogeneity.tau2 == pytest.approx(want["tau2"], rel=1e-6)
    assert found.pooled.heterogeneity.i2 == pytest.approx(want["I2"], rel=1e-6)
    assert found.prediction == pytest.approx(
        [math.exp(want["pi_lo"]), math.exp(want["pi_hi"])], rel=1e-6
    )
    assert sum(p.weight or 0 for p in found.points) == pytest.approx(100)


@needs_oracle
def test_normand_smd_comes_out_of_a_file_as_in_r() -> None:
    case = expected("meta_smd_normand")["expected"]
    found = analyse(rows_of("normand1999.csv"), "SMD")
    assert [p.value for p in found.points] == pytest.approx(case["smd_yi"], rel=1e-6)
    got = natural(found)
    want = case["reml_hk"]
    assert (got.value, got.low, got.high) == pytest.approx(
        [want[k] for k in ("mu", "lo", "hi")], rel=1e-6
    )


@needs_oracle
@pytest.mark.parametrize(
    ("measure", "model", "name"),
    [("OR", "Peto", "peto"), ("RR", "MH", "mh_rr"), ("RD", "MH", "mh_rd")],
)
def test_rare_events_as_in_r_with_double_zero_studies_counted(
    measure: Any, model: Any, name: str
) -> None:
    case = expected("meta_double_zero")
    columns = [case["input"][k] for k in ("ai", "n1i", "ci", "n2i")]
    found = analyse(two_by_two(*zip(*columns, strict=True)), measure, model)
    assert isinstance(found.pooled, RarePooled)
    assert found.pooled.estimate.value == pytest.approx(case["expected"][name]["est"], rel=1e-6)
    assert found.double_zero == 2
    assert "2 double-zero studies" in sentence(found)


@needs_oracle
def test_medians_are_converted_as_published_and_named() -> None:
    case = expected("median_iqr_to_mean_sd")
    s2 = case["input"]["s2"]
    base = {"study": "A", "source": "s", "question": "q", "outcome": "o"}
    row = checked(
        base | {"n_1": s2["n"], "median_1": s2["m"], "q1_1": s2["q1"], "q3_1": s2["q3"]}
    ).model_dump()
    found = point(row, "MEAN")
    assert found.value == pytest.approx(case["expected"]["s2"]["mean"], rel=1e-6)
    assert "Luo 2018" in found.converted
    assert "McGrath" in point(row | {"conversion": "McGrath"}, "MEAN").converted


def test_the_same_patients_are_not_pooled_twice_unless_asked_for() -> None:
    rows = shipped("Complications: ultrasound")
    refused = analyse(rows, "RR", "DL", hartung_knapp=False)
    assert isinstance(refused.pooled, NotComputable)
    assert "same patients enter more than once (Viderman 2023)" in refused.pooled.reason
    as_printed = analyse(rows, "RR", "DL", hartung_knapp=False, allow_repeats=True)
    got = natural(as_printed)
    # Viderman 2023 prints 0.99 [0.49, 1.99]; three outcomes as if independent
    assert (got.value, got.low, got.high) == pytest.approx((0.990, 0.490, 2.001), abs=5e-4)
    assert "results of the same patients" in sentence(as_printed)


@pytest.mark.parametrize(
    ("question", "needed", "there"), [("Pain: ultra", 1394, 642), ("Function", 983, 452)]
)
def test_the_unit_of_analysis_error_is_found(question: str, needed: int, there: int) -> None:
    found = analyse(shipped(question), "SMD")
    bad = [p for p in found.points if "unit-of-analysis" in p.reason]
    assert len(bad) == 1 and bad[0].study is None and bad[0].weight is None
    assert f"would need {needed} patients and there were {there}" in bad[0].reason
    fine = [p for p in found.points if p.row["timepoint"] == "1 month"]
    assert fine[0].reason == ""


def test_inconsistent_figures_are_shown_with_the_reason_not_pooled() -> None:
    found = analyse(shipped("Responders", timepoint="2 weeks"), "PROPORTION")
    assert found.points[0].value == 0.43 and found.points[0].reason.startswith("INCONSISTENT")
    assert isinstance(found.pooled, NotComputable)
    dose = analyse(shipped("Radiation"), "MEAN")
    assert all("dose quantity not stated" in p.reason for p in dose.points)
    withdrawn = shipped("Articles")[0] | {"usable": "no", "check": ""}
    assert analyse([withdrawn], "PROPORTION").points[0].reason == "marked as not usable"


def test_s2_share_with_its_interval() -> None:
    found = analyse(shipped("Articles"), "PROPORTION").points[0]
    assert (found.value, found.low, found.high) == pytest.approx((0.7727, 0.5656, 0.8988), abs=1e-4)


def test_printed_per_cent_become_fractions() -> None:
    share = effects((43, 31, 56), measure="PROPORTION", unit="%", patients=59, group_2="")
    found = point(share[0], "PROPORTION")
    assert found.value == pytest.approx(0.43) and found.reason == ""
    difference = point(effects((-3, -8.9, 2.1), measure="RD", unit="percentage points")[0], "RD")
    assert (difference.value, difference.low) == pytest.approx((-0.03, -0.089))
    fraction = point(effects((0.43, 0.31, 0.56), measure="PROPORTION", group_2="")[0], "PROPORTION")
    assert fraction.low == pytest.approx(found.low or 0, rel=1e-9)


def test_a_printed_interval_stands_as_printed() -> None:
    # Its middle on the log scale is 1.05, so an interval made from the error would differ.
    found = point(effects((1.04, 0.16, 6.87), measure="RR")[0], "RR")
    assert (found.low, found.high) == (0.16, 6.87)
    narrower = point(effects((1.0, 0.5, 2.0), measure="RR", level=0.9)[0], "RR")
    assert narrower.low == pytest.approx(math.exp(math.log(0.5) * 1.959964 / 1.644854), rel=1e-6)


def one_group(*cells: tuple[int, int], **more: Any) -> list[dict[str, Any]]:
    base = {"source": "s", "question": "q", "outcome": "o"}
    return [
        checked(base | {"study": f"Study {i}", "events_1": e, "n_1": n} | more).model_dump()
        for i, (e, n) in enumerate(cells)
    ]


RARE_SHARES = ((0, 50), (1, 80), (0, 33), (2, 120), (5, 90), (0, 41), (3, 210))


def test_shares_on_the_logit_scale_the_arcsine_scale_and_by_the_binomial_model() -> None:
    rows = one_group(*RARE_SHARES)
    # R: e <- escalc("PAS", xi, ni); rma(yi, vi, data = e, control = list(threshold = 1e-12))
    arcsine = analyse(rows, "ARCSINE", hartung_knapp=False).pooled
    assert isinstance(arcsine, Pooled) and arcsine.heterogeneity is not None
    assert arcsine.estimate.value == pytest.approx(0.10218689150651, rel=1e-6)
    assert arcsine.standard_error == pytest.approx(0.03122113496923, rel=1e-6)
    assert arcsine.heterogeneity.tau2 == pytest.approx(0.00342999849293, rel=1e-5)
    assert natural(analyse(rows, "ARCSINE")).value == pytest.approx(math.sin(0.10218689) ** 2)
    # R: rma.glmm(measure = "PLO", xi, ni, nAGQ = 100): b, se, τ², Q (LRT) and its p, I²
    found = analyse(rows, "PROPORTION", "GLMM")
    binomial = found.pooled
    assert isinstance(binomial, Pooled) and binomial.heterogeneity is not None
    assert binomial.estimate.value == pytest.approx(-4.1365511459, rel=1e-5)
    assert binomial.standard_error == pytest.approx(0.4460993985, rel=1e-4)
    h = binomial.heterogeneity
    assert (h.tau2, h.i2) == pytest.approx((0.2159765306, 24.65937), rel=1e-4)
    assert (h.q, h.q_p) == pytest.approx((9.4826365466, 0.1481986694), rel=1e-8)
    assert not any(p.added_half for p in found.points) and found.points[0].weight is not None
    added = analyse(rows, "PROPORTION").points[0]
    assert added.added_half and added.value == 0, "the share is drawn as it was counted"


def test_the_binomial_model_of_frequent_events_and_of_none() -> None:
    found = analyse(
        one_group((12, 20), (30, 61), (7, 30), (44, 80), (25, 28)), "PROPORTION", "GLMM"
    )
    # R: rma.glmm(measure = "PLO", …, nAGQ = 100): b, se, τ²
    assert isinstance(found.pooled, Pooled) and found.pooled.heterogeneity is not None
    got = found.pooled.estimate.value, found.pooled.standard_error, found.pooled.heterogeneity.tau2
    assert got == pytest.approx((0.2579734507, 0.4468001228, 0.8455641148), rel=1e-4)
    none = analyse(one_group((0, 50), (0, 80)), "PROPORTION", "GLMM").pooled
    # 1 − 0.05^(1/130)
    assert isinstance(none, NotComputable) and "rates up to 2.3 % remain possible" in none.reason
    every = analyse(one_group((5, 5), (8, 8)), "PROPORTION", "GLMM").pooled
    assert isinstance(every, NotComputable) and "every patient" in every.reason
    same = analyse(one_group((3, 50), (3, 50)), "PROPORTION", "GLMM")
    assert isinstance(same.pooled, Pooled) and same.pooled.heterogeneity is not None
    assert same.pooled.heterogeneity.tau2 == 0 and natural(same).value == pytest.approx(0.06)
    printed = effects((43, 31, 56), measure="PROPORTION", unit="%", patients=59, group_2="")
    mixed = analyse([*one_group(*RARE_SHARES), *printed], "PROPORTION", "GLMM")
    assert mixed.points[-1].reason == "no events are printed, only an effect"


def test_counts_of_the_same_patients_are_not_pooled_twice_either() -> None:
    rows = two_by_two((3, 50, 6, 50), (2, 40, 3, 40), study="Kim 2013")
    ways: list[tuple[Any, Any]] = [("OR", "MH"), ("OR", "Peto"), ("RR", "MH")]
    for measure, model in ways:
        refused = analyse(rows, measure, model).pooled
        assert isinstance(refused, NotComputable) and "(Kim 2013)" in refused.reason
        asked = analyse(rows, measure, model, allow_repeats=True)
        assert asked.repeated == ("Kim 2013",) and "results of the same patients" in sentence(asked)
    shares = one_group((3, 50), (4, 50), study="Kim 2013")
    assert isinstance(analyse(shares, "PROPORTION", "GLMM").pooled, NotComputable)


def test_a_median_is_shown_and_not_pooled_with_means() -> None:
    rows = effects((25, 24, 27), measure="MEDIAN", unit="min", group_2="")
    found = point(rows[0], "MEAN")
    assert found.reason == "a median is not pooled with means"
    assert (found.value, found.low, found.high) == (25, 24, 27)


def test_one_study_keeps_its_own_interval() -> None:
    found = analyse(two_by_two((4, 100, 1, 100)), "RR")
    assert natural(found).method == "single study" and found.prediction is None
    assert sentence(found).startswith("1 study, 200 patients: risk ratio 4")


def test_two_studies_have_no_prediction_interval() -> None:
    found = analyse(effects((1, 0, 2), (2, 1, 3)), "MD")
    assert found.prediction is None and natural(found).value == pytest.approx(1.5)


def test_identical_studies_use_the_safeguard() -> None:
    found = analyse(effects((1, 0, 2), (1, 0, 2), (1, 0, 2)), "MD")
    got = natural(found)
    assert got.value == pytest.approx(1) and got.low is not None and got.low < 0.5
    assert isinstance(found.pooled, Pooled) and found.pooled.safeguard_used


def test_huge_variance_changes_nothing() -> None:
    small = analyse(effects((1, 0, 2), (2, 1, 3)), "MD", "fixed")
    found = analyse(effects((1, 0, 2), (2, 1, 3), (5e5, -1e9, 1e9)), "MD", "fixed")
    assert natural(found).value == pytest.approx(natural(small).value, rel=1e-6)
    assert found.points[2].weight == pytest.approx(0, abs=1e-6)


def test_zero_events() -> None:
    both = analyse(two_by_two((0, 50, 0, 50)), "RR")
    assert isinstance(both.pooled, NotComputable) and "double-zero" in both.pooled.reason
    one = analyse(two_by_two((0, 50, 3, 50), (1, 40, 2, 40)), "RR")
    assert one.points[0].added_half and one.rare
    none = analyse(two_by_two((0, 50, 0, 50)), "RR", "MH")
    assert isinstance(none.pooled, NotComputable)


def test_nothing_to_pool_says_so() -> None:
    assert "there is no study" in sentence(analyse([], "RR"))
    mixed = effects((1, 0, 2), unit="min") + effects((1, 0, 2), unit="points", study="B")
    found = analyse(mixed, "MD")
    assert isinstance(found.pooled, NotComputable) and "different units" in found.pooled.reason
    peto = analyse(two_by_two((1, 10, 2, 10)), "RR", "Peto")
    assert isinstance(peto.pooled, NotComputable) and "odds ratio" in peto.pooled.reason


def test_rows_give_only_what_they_can() -> None:
    assert possible_measures(two_by_two((1, 10, 2, 10))) == ("RR", "OR", "RD")
    rows = [*two_by_two((1, 10, 2, 10)), *effects((0.5, 0.2, 1.2), measure="OR", study="B")]
    found = analyse(rows, "RR")
    assert found.points[1].reason == "the row has no numbers for: Risk ratio"
    assert analyse(rows, "OR", "MH").points[1].reason == "no events are printed, only an effect"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 40), st.integers(0, 60), st.integers(0, 40), st.integers(0, 60)
        ),
        min_size=1, max_size=8,
    ),
    st.sampled_from(["RR", "OR", "RD"]),
    st.sampled_from(["REML", "DL", "fixed", "MH", "Peto"]),
)  # fmt: skip
def test_any_tables_give_an_answer_or_a_reason(tables: Any, measure: Any, model: Any) -> None:
    rows = two_by_two(*((a, a + b + 1, c, c + d + 1) for a, b, c, d in tables))
    found = analyse(rows, measure, model)
    assert len(found.points) == len(rows)
    if isinstance(found.pooled, NotComputable):
        assert found.pooled.reason
    else:
        got = natural(found)
        assert got.low is not None and got.high is not None and got.low <= got.value <= got.high
        weights = [p.weight for p in found.points if p.weight is not None]
        assert sum(weights) == pytest.approx(100) or sum(weights) == 0
    for p in found.points:
        assert p.reason or p.study is not None


SCORES = pl.DataFrame(
    {
        "timepoint": ["1mo"] * 4 + ["3mo"],
        "baseline": [60.0, 80.0, 0.0, None, 50.0],
        "value": [30.0, 50.0, 0.0, 20.0, 10.0],
        "n": [3, 5, 7, 11, 2],
    }
)


def test_our_responders_by_hand() -> None:
    found = responders(SCORES, "1mo").estimate
    assert isinstance(found, Estimate) and (found.value, found.n) == (3 / 8, 8)
    nobody = responders(SCORES, "2wk").estimate
    assert isinstance(nobody, NotComputable)


def test_our_pain_by_hand() -> None:
    found = pain(SCORES, "1mo").estimate
    assert isinstance(found, Estimate) and found.n == 26
    assert found.value == pytest.approx((3 * 3 + 5 * 5 + 11 * 2) / 26)


def test_our_counts_by_hand() -> None:
    values = pl.DataFrame(
        {
            "measure": ["complication"] * 3 + ["satisfaction"] * 2 + ["duration_min"] * 3,
            "value": [0.0, 1.0, None, 4.0, 2.0, 10.0, 20.0, 30.0],
            "n": [97, 3, 50, 9, 1, 5, 5, 5],
        }
    )
    shares = complications(values).estimate, satisfied(values).estimate
    assert [(e.value, e.n) for e in shares if isinstance(e, Estimate)] == [(0.03, 100), (0.9, 10)]
    middle = duration(values).estimate
    assert isinstance(middle, Estimate) and middle.value == 20
    same = contrast(values, values, ("CT", "ultrasound"), "complications", "RR")
    assert same is not None and isinstance(same.estimate, Estimate)
    assert same.estimate.value == pytest.approx(1)
    assert contrast(values, values, ("CT", "ultrasound"), "duration", "MD") is None


def test_the_papers_come_out_as_documented() -> None:
    found = {c.figure: c for c in recompute(evidence.published())}
    assert "0.990 (0.490 to 2.001), p = 0.978" in found["any complication, risk ratio"].computed
    assert found["any complication, risk ratio"].verdict == "reproduced"
    assert "needs 1394 patients" in found["pain, all follow-ups together"].computed
    assert found["pain, 1 month"].verdict == "consistent"
    assert "(56.6 to 89.9, Wilson)" in found["articles with fluoroscopy alone"].computed
    assert "60, 75" in found["needle repositioned, Park 2013"].computed
    assert found["MRI field strength 1.5 T, baseline"].computed == "43.28 %"
    assert found["Spearman correlation of both scores"].verdict == "reproduced"
    assert "Fisher p = 0.37" in found["complications, 96–99 % without"].computed
    assert ".090, .090, .048" in found["pain at 1, 3 and 6 months"].computed


def test_the_documentation_prints_what_is_computed() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "evidence.md").read_text("utf-8")
    for check in recompute(evidence.published()):
        line = f"| {check.paper} | {check.figure} | {check.printed} | {check.computed} |"
        assert line in text, line
