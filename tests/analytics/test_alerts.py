"""Alerts: once per case and rule, by the rule of the day, complete and without repeats."""

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from analytics.alerts import (
    ALERT,
    check_rules,
    find_alerts,
    lapsed_alerts,
    new_alerts,
    reference_table,
)
from analytics.dose import DoseIndex
from analytics.outliers import Rule, rules_from
from tests.analytics.test_outliers import cases, clean
from warehouse.reference import reference_levels, trigger_levels

KERMA = DoseIndex.AIR_KERMA.column
KAP = DoseIndex.KAP.column
SHIPPED = rules_from(trigger_levels())
LEVEL = Rule("LEVEL", "trigger", KERMA, "follow-up", 5000.0)
SUM = Rule("SUM", "patient_sum", KERMA, "follow-up", 5000.0, window_months=6)


def planted() -> tuple[pl.DataFrame, dict[str, int]]:
    """Return 4,000 clean cases with one planted case for each kind of rule."""
    clean_cases = clean(200, 0.4, np.random.default_rng(12), n=4_000)
    where = {"KAR_SRDL": 10, "KAP_ROBUST": 20, "FIELD_AREA": 30, "KAR_6MO": 41}
    kerma, kap = clean_cases[KERMA].to_numpy().copy(), clean_cases[KAP].to_numpy().copy()
    patient = clean_cases["patient_key"].to_list()
    day = clean_cases["performed_on"].to_list()
    kerma[10], kap[10] = 7690.0, 1300.0
    kerma[20], kap[20] = 12 * 1000 / 170, 12.0
    kerma[30] = kerma[30] / 1000
    kerma[40:42], kap[40:42] = [2600.0, 2700.0], [440.0, 460.0]
    patient[40] = patient[41] = "twice"
    day[40:42] = [date(2024, 3, 1), date(2024, 7, 1)]
    frame = clean_cases.with_columns(
        pl.Series(KERMA, kerma),
        pl.Series(KAP, kap),
        pl.Series("patient_key", patient),
        pl.Series("performed_on", day),
    )
    return frame, where


def test_every_planted_case_is_found_by_its_rule() -> None:
    frame, where = planted()
    found = find_alerts(frame, SHIPPED)
    pairs = set(found.select("rule_id", "procedure_id").iter_rows())
    assert set(where.items()) <= pairs
    assert found.schema == ALERT
    assert found.height == found.unique(["procedure_id", "rule_id"]).height
    suspect = found.filter(pl.col("procedure_id") == 30)
    assert suspect["unit_suspect"].all()
    assert not found.filter(pl.col("procedure_id") == 10)["unit_suspect"].any()
    assert found["score"].is_sorted(descending=True)


def test_judging_only_the_new_cases_finds_the_same_alerts_of_them() -> None:
    frame, _ = planted()
    every = find_alerts(frame, SHIPPED)
    new = frame.filter(pl.col("performed_on") >= date(2025, 11, 1))["procedure_id"]
    nightly = find_alerts(frame, SHIPPED, judged=new)
    own_case = every.filter(
        pl.col("procedure_id").is_in(new.implode()) & (pl.col("kind") != "patient_sum")
    )
    got = nightly.filter(pl.col("kind") != "patient_sum")
    assert (
        got.drop("score")
        .sort("procedure_id", "rule_id")
        .equals(own_case.drop("score").sort("procedure_id", "rule_id"))
    )


def test_a_second_refresh_tells_nothing_again() -> None:
    frame, _ = planted()
    first = find_alerts(frame, SHIPPED)
    again = find_alerts(frame, SHIPPED)
    assert new_alerts(again, first).height == 0
    assert new_alerts(again, first.head(3)).height == first.height - 3


def test_an_older_case_that_arrives_late_alerts_the_later_one() -> None:
    visits = cases(
        2,
        patient_key="a",
        performed_on=[date(2025, 3, 1), date(2025, 5, 1)],
        **{KERMA: [3000.0, 2500.0]},
    )
    late = find_alerts(visits, [SUM], judged=pl.Series([0]))
    assert late["procedure_id"].to_list() == [1]


def test_a_changed_rule_alerts_new_cases_and_lapses_old_ones() -> None:
    three = cases(3, **{KERMA: [2500.0, 5500.0, 9000.0]})
    known = find_alerts(three, [LEVEL])
    assert sorted(known["procedure_id"]) == [1, 2]
    lower, higher = replace(LEVEL, threshold=2000.0), replace(LEVEL, threshold=8000.0)
    assert new_alerts(find_alerts(three, [lower]), known)["procedure_id"].to_list() == [0]
    stricter = find_alerts(three, [higher])
    lapsed = lapsed_alerts(stricter, known, three["procedure_id"], [higher])
    assert lapsed["procedure_id"].to_list() == [1]
    assert lapsed_alerts(stricter, known, three["procedure_id"], []).height == 0


def test_an_old_case_keeps_the_rule_of_its_day() -> None:
    two = cases(2, performed_on=[date(2025, 1, 1), date(2026, 1, 1)], **{KERMA: [4000.0, 4000.0]})
    until = replace(LEVEL, valid_to=date(2025, 7, 1))
    since = replace(LEVEL, threshold=3000.0, valid_from=date(2025, 7, 1))
    assert find_alerts(two, [until, since])["procedure_id"].to_list() == [1]


def test_discontinued_cases_are_judged_but_make_no_distribution() -> None:
    history = cases(60, performed_on=date(2025, 3, 1))
    odd = cases(
        30,
        procedure_id=list(range(100, 130)),
        status="discontinued",
        performed_on=[date(2025, 5, 1)] * 15 + [date(2025, 6, 1)] * 15,
        **{KAP: 50.0, KERMA: 250.0},
    )
    robust = Rule("ROBUST", "robust_limit", KAP, "local", 3.5, window_months=12)
    found = find_alerts(pl.concat([history, odd]), [robust])
    assert sorted(found["procedure_id"]) == list(range(100, 130))
    assert set(found["n_basis"]) == {60}


def test_reference_levels_reach_the_procedures_that_borrow_them() -> None:
    lineage = {"TFESI_L": ["TFESI_L", "TFESI_UNSPEC"], "VP": ["VP"], "SCS": ["SCS"]}
    table = reference_table(reference_levels(), lineage, [KAP])
    values = {(m, c): v for m, c, _, _, v in table.iter_rows()}
    assert values == {("fluoroscopy", "TFESI_L"): 3.0, ("fluoroscopy", "VP"): 70.0}
    double = Rule("DOUBLE", "reference_multiple", KAP, "local", 2.0)
    found = find_alerts(cases(2, **{KAP: [5.9, 6.1]}), [double], table)
    assert found["procedure_id"].to_list() == [1]
    with pytest.raises(ValueError, match="DOUBLE needs the reference levels"):
        find_alerts(cases(2), [double])


def test_no_cases_and_no_rules() -> None:
    assert find_alerts(cases(1).clear(), SHIPPED).schema == ALERT
    assert find_alerts(cases(5), []).height == 0


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([LEVEL, replace(LEVEL, threshold=1.0)], "LEVEL holds twice on a day"),
        ([replace(LEVEL, threshold=None)], "threshold None is not positive"),
        ([replace(LEVEL, threshold=-5.0)], "threshold -5.0 is not positive"),
        ([replace(SUM, window_months=None)], "window_months None is needed"),
    ],
)
def test_contradictory_rules_are_refused(rules: list[Rule], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_rules(rules)


def test_the_shipped_rules_do_not_contradict_each_other() -> None:
    every = frozenset(trigger_levels()["rule_id"])
    check_rules(rules_from(trigger_levels(), every))
