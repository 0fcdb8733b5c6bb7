"""Outlier rules: each finds what it is for, on its day, and seldom anything else."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics.dose import DoseIndex
from analytics.outliers import (
    ALL_SIZES,
    EXCEEDANCE,
    GROUP,
    SCORED,
    Rule,
    child,
    field_areas,
    machine_field_areas,
    months_of,
    own_distribution,
    own_distribution_exceedances,
    patient_sum_exceedances,
    reference_exceedances,
    rules_from,
    scored,
    trigger_exceedances,
    unit_exceedances,
    with_month,
)
from analytics.own_distribution import MAD_TO_SD, distribution_of, too_few
from warehouse.reference import trigger_levels

KAP = DoseIndex.KAP.column
UNITS = Rule("FIELD_AREA", "unit_ratio", KAP, "data check", None)


def cases(n: int, **columns: Any) -> pl.DataFrame:
    """Return n ordinary lumbar injections in 2025, with the given columns instead."""
    usual: dict[str, Any] = {
        "procedure_id": list(range(n)),
        "site": "A",
        "modality": "fluoroscopy",
        "procedure_code": "TFESI_L",
        "size_band": "BMI 25–30",
        "performed_on": date(2025, 6, 15),
        "status": "completed",
        "patient_key": [f"p{i}" for i in range(n)],
        "age_years": 50.0,
        "room": "R1",
        "device": "C-arm 1",
        KAP: 1.0,
        "air_kerma_mgy": 5.0,
        "fluoro_time_s": 60.0,
        "peak_skin_dose_mgy": None,
        "dlp_mgycm": None,
        "ctdi_vol_mgy": None,
    }
    full = {
        k: v if isinstance(v, list | np.ndarray | pl.Series) else [v] * n
        for k, v in (usual | columns).items()
    }
    floats = [c for c in full if c.endswith(("_mgy", "_s", "_gycm2", "_mgycm", "_years"))]
    return pl.DataFrame(full).cast(dict.fromkeys(floats, pl.Float64))


def rule(kind: Any = "trigger", threshold: float | None = 5.0, **more: Any) -> Rule:
    return Rule("R", kind, more.pop("quantity", KAP), "local", threshold, **more)


def days(first: str, spread: int, n: int, rng: np.random.Generator) -> pl.Series:
    start = np.datetime64(first)
    return pl.Series(start + rng.integers(0, spread, n).astype("timedelta64[D]")).cast(pl.Date)


def test_trigger_level_is_reached_at_the_level() -> None:
    found = trigger_exceedances(cases(3, **{KAP: [4.999, 5.0, 12.0]}), rule())
    assert found["procedure_id"].to_list() == [1, 2]
    assert found["ratio"].to_list() == pytest.approx([1.0, 2.4])
    assert found.schema == EXCEEDANCE


def test_a_case_is_judged_by_the_rule_of_its_day() -> None:
    three = cases(
        3,
        performed_on=[date(2024, 12, 31), date(2025, 1, 1), date(2026, 1, 1)],
        **{KAP: [9.0, 9.0, 9.0]},
    )
    dated = rule(valid_from=date(2025, 1, 1), valid_to=date(2026, 1, 1))
    assert trigger_exceedances(three, dated)["procedure_id"].to_list() == [1]


def test_scope_of_a_rule() -> None:
    mixed = cases(
        6,
        modality=["fluoroscopy"] * 5 + ["CT"],
        procedure_code=["TFESI_L", "VP", "TFESI_L", "TFESI_L", "TFESI_L", "TFESI_L"],
        age_years=[50.0, 50.0, 10.0, None, 50.0, 50.0],
        room=["R1", "R1", "R1", "R1", "R2", "R1"],
        **{KAP: [9.0] * 6},
    )
    scoped = rule(
        modality="fluoroscopy",
        procedure_code="TFESI_L",
        age_from_years=16.0,
        age_to_years=90.0,
        room="R1",
    )
    assert trigger_exceedances(mixed, scoped)["procedure_id"].to_list() == [0]


def test_unusable_values_are_never_flagged() -> None:
    odd = [None, 0.0, -3.0, float("nan"), float("inf")]
    assert trigger_exceedances(cases(5, **{KAP: odd}), rule(threshold=0.0001)).height == 0


def test_unverified_rules_are_off_until_confirmed() -> None:
    on = {r.rule_id for r in rules_from(trigger_levels())}
    assert "KAR_SRDL" in on
    assert "KAP_NOTIFY" not in on
    confirmed = rules_from(trigger_levels(), frozenset({"KAP_NOTIFY"}))
    assert next(r for r in confirmed if r.rule_id == "KAP_NOTIFY").threshold == 300


def test_shipped_levels_are_those_of_the_sources() -> None:
    levels = dict(trigger_levels().select("rule_id", "threshold").iter_rows())
    assert (levels["KAR_NOTIFY"], levels["KAR_SRDL"]) == (3000, 5000)  # MPPG 12.a, NCRP 168
    assert (levels["KAP_SRDL"], levels["FT_SRDL"], levels["PSD_SRDL"]) == (500, 3600, 3000)


def test_limits_by_hand() -> None:
    """21 cases exp(0), exp(0.1) … exp(2.0): median 1, MAD 0.5, P95 1.9 on the log scale."""
    logs = [i / 10 for i in range(21)]
    history = cases(21, performed_on=date(2025, 3, 1), **{KAP: [float(np.exp(v)) for v in logs]})
    own = own_distribution(history, KAP, [date(2025, 6, 1)])
    row = own.row(0, named=True)
    assert (row["n"], row["basis"]) == (21, "12 months before")
    assert row["log_median"] == pytest.approx(1.0)
    assert row["log_sd"] == pytest.approx(0.5 * 1.4826, rel=1e-4)
    assert row["log_p95"] == pytest.approx(1.9)
    judged = cases(4, **{KAP: [float(np.exp(v)) for v in (2.34, 2.36, 3.59, 3.60)]})
    share = own_distribution_exceedances(judged, own, rule("own_percentile", 1.5))
    assert share["procedure_id"].to_list() == [1, 2, 3]  # limit exp(1 + 1.5·0.9)
    robust = own_distribution_exceedances(judged, own, rule("robust_limit", 3.5))
    assert robust["procedure_id"].to_list() == [3]  # limit exp(1 + 3.5·0.7413) = exp(3.5946)


@given(st.lists(st.sampled_from((0.5, 1.0, 1.1, 3.0, 8.0, 70.0, 900.0)), min_size=20, max_size=60))
def test_median_spread_and_percentile_are_numpys(doses: list[float]) -> None:
    history = cases(len(doses), performed_on=date(2025, 3, 1), **{KAP: doses})
    row = own_distribution(history, KAP, [date(2025, 6, 1)]).row(0, named=True)
    logs = np.log(doses)
    spread = MAD_TO_SD * np.median(np.abs(logs - np.median(logs)))
    assert row["log_median"] == pytest.approx(np.median(logs))
    assert row["log_sd"] == pytest.approx(spread)
    assert row["log_p95"] == pytest.approx(np.quantile(logs, 0.95))


def test_the_window_is_the_months_before() -> None:
    old = cases(30, performed_on=date(2023, 1, 10))
    recent = cases(25, performed_on=date(2025, 5, 31), **{KAP: 10.0})
    own_month = cases(25, performed_on=date(2025, 6, 1), **{KAP: 1000.0})
    own = own_distribution(pl.concat([old, recent, own_month]), KAP, [date(2025, 6, 1)])
    assert own["log_median"].to_list() == pytest.approx([np.log(10.0)])
    assert own["n"].to_list() == [25]


def test_first_months_stand_in_where_there_are_none_before() -> None:
    history = cases(25, performed_on=date(2025, 6, 3))
    own = own_distribution(history, KAP, [date(2025, 6, 1)])
    assert own["basis"].to_list() == ["first 12 months"]


@pytest.mark.parametrize("n", [0, 1, 2, 19])
def test_fewer_than_twenty_cases_judge_nobody(n: int) -> None:
    history = cases(n, performed_on=date(2025, 3, 1))
    assert own_distribution(history, KAP, [date(2025, 6, 1)]).height == 0
    assert own_distribution(history, KAP, []).height == 0


def test_constant_doses_leave_the_devices_tolerance() -> None:
    history = cases(30, performed_on=date(2025, 3, 1))
    own = own_distribution(history, KAP, [date(2025, 6, 1)])
    judged = cases(2, **{KAP: [1.34, 1.36]})
    for kind in ("own_percentile", "robust_limit"):
        found = own_distribution_exceedances(judged, own, rule(kind, 1.5))
        assert found["procedure_id"].to_list() == [1]


def test_size_bands_are_judged_apart() -> None:
    small = cases(30, performed_on=date(2025, 3, 1), size_band="BMI 18.5–25")
    large = cases(30, performed_on=date(2025, 3, 1), size_band="BMI ≥ 30", **{KAP: 10.0})
    own = own_distribution(pl.concat([small, large]), KAP, [date(2025, 6, 1)])
    judged = cases(2, size_band=["BMI 18.5–25", "BMI ≥ 30"], **{KAP: [9.0, 9.0]})
    found = own_distribution_exceedances(judged, own, rule("robust_limit", 3.5))
    assert found["procedure_id"].to_list() == [0]


def test_a_rare_size_takes_all_sizes_of_its_procedure_and_says_so() -> None:
    """19 large patients have no scale of their own: 49 cases of all sizes judge them."""
    usual = cases(30, performed_on=date(2025, 3, 1), size_band="BMI 18.5–25")
    rare = cases(19, performed_on=date(2025, 3, 1), size_band="BMI ≥ 30", **{KAP: 2.0})
    own = own_distribution(pl.concat([usual, rare]), KAP, [date(2025, 6, 1)])
    by_size = {row["size_band"]: row for row in own.iter_rows(named=True)}
    assert (by_size["BMI 18.5–25"]["n"], by_size["BMI ≥ 30"]["n"]) == (30, 49)
    assert by_size["BMI 18.5–25"]["basis"] == "12 months before"
    assert by_size["BMI ≥ 30"]["basis"] == f"12 months before, {ALL_SIZES}"
    judged = cases(2, size_band="BMI ≥ 30", **{KAP: [1.3, 8.0]})
    found = own_distribution_exceedances(judged, own, rule("robust_limit", 3.0))
    assert found.select("procedure_id", "n_basis").rows() == [(1, 49)]


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 35), st.floats(0.01, 100)),
        min_size=1,
        max_size=8,
    ),
    st.lists(st.integers(12, 36), min_size=1, max_size=3),
)
def test_values_outside_the_windows_matter_to_groups_with_few_inside_alone(
    blocks: list[tuple[int, int, float]], judged: list[int]
) -> None:
    """Groups 0 to 5 are of two kinds; each block is 11 cases of one group in one month.

    Groups 2 and 5 are not judged: what they hold counts with their kinds.
    """
    groups = pl.DataFrame(
        {
            "case_group": range(6),
            "kind": [n // 3 for n in range(6)],
            "modality": "CT",
            "procedure_code": [f"P{n // 3}" for n in range(6)],
            "size_band": [f"band {n % 3}" for n in range(6)],
            "child": False,
        }
    ).filter(~pl.col("case_group").is_in([2, 5]))
    values = pl.DataFrame(
        [
            (group, group // 3, date(2022 + month // 12, month % 12 + 1, 1 + n), dose * 1.1**n)
            for group, month, dose in blocks
            for n in range(11)
        ],
        schema=["case_group", "kind", "performed_on", "value"],
        orient="row",
    )
    months = [date(2022 + n // 12, n % 12 + 1, 1) for n in sorted(set(judged))]
    since, until = date(months[0].year - 1, months[0].month, 1), months[-1]
    inside = pl.col("performed_on").is_between(since, until, closed="left")
    few, few_kinds = too_few(values.filter(inside), groups, months)
    asked = inside | pl.col("case_group").is_in(few) | pl.col("kind").is_in(few_kinds)
    narrow = distribution_of(values.filter(asked), groups, months)
    assert_frame_equal(narrow, distribution_of(values, groups, months), check_row_order=False)


def test_multiple_of_the_reference_level() -> None:
    levels = pl.DataFrame(
        {
            "modality": ["fluoroscopy"] * 2,
            "procedure_code": ["TFESI_L"] * 2,
            "dose_index": [KAP] * 2,
            "size_band": [None, "BMI ≥ 30"],
            "value": [3.0, 5.0],
        }
    )
    judged = cases(
        4,
        size_band=["BMI 25–30", "BMI 25–30", "BMI ≥ 30", "BMI ≥ 30"],
        **{KAP: [6.0, 6.1, 9.0, 10.1]},
    )
    found = reference_exceedances(judged, levels, rule("reference_multiple", 2.0))
    assert found.select("procedure_id", "limit").rows() == [(1, 6.0), (3, 10.0)]


def test_patient_sum_over_the_rolling_window() -> None:
    """3 Gy in January and 2.5 Gy in June are 5.5 Gy in six months; in August they are apart."""
    kerma = DoseIndex.AIR_KERMA.column
    visits = cases(
        7,
        patient_key=["a", "a", "b", "b", "c", None, None],
        performed_on=[
            date(2025, 1, 10),
            date(2025, 6, 10),
            date(2025, 1, 10),
            date(2025, 8, 10),
            date(2025, 1, 10),
            date(2025, 1, 10),
            date(2025, 1, 11),
        ],
        **{kerma: [3000.0, 2500.0, 3000.0, 2500.0, 6000.0, 3000.0, 3000.0]},
    )
    summed = rule("patient_sum", 5000.0, quantity=kerma, window_months=6)
    found = patient_sum_exceedances(visits, summed)
    assert found.select("procedure_id", "value", "n_basis").rows() == [(1, 5500.0, 2)]
    assert patient_sum_exceedances(visits, summed, pl.Series([0, 2])).height == 0


def test_patient_sum_of_one_day_counts_all_its_cases() -> None:
    kerma = DoseIndex.AIR_KERMA.column
    twice = cases(2, patient_key="a", **{kerma: [3000.0, 2500.0]})
    found = patient_sum_exceedances(
        twice, rule("patient_sum", 5000.0, quantity=kerma, window_months=6)
    )
    assert found["value"].to_list() == [5500.0, 5500.0]


def test_unit_errors_are_named_with_their_power_of_ten() -> None:
    """K_a,r written in Gy, then KAP in dGy·cm² on a machine whose field is 200 cm²."""
    n = 40
    kap, kerma = np.full(n, 1.0), np.full(n, 5.0)
    kerma[3] = 0.005
    kap[7] = 10.0
    found = unit_exceedances(field_areas(cases(n, **{KAP: kap, "air_kerma_mgy": kerma})), UNITS)
    assert dict(found.select("procedure_id", "basis").iter_rows()) == {
        3: "field area outside 10–1600 cm²: KAP or K_a,r off by a factor of about 1000",
        7: "field area outside 10–1600 cm²: KAP or K_a,r off by a factor of about 10",
    }
    kap[7] = 6.0
    inside = unit_exceedances(field_areas(cases(n, **{KAP: kap, "air_kerma_mgy": kerma})), UNITS)
    assert "far from what its machine usually has" in inside["basis"].to_list()[1]


def test_a_machine_that_is_always_wrong_shows_against_its_peers() -> None:
    device = [f"C-arm {i % 4}" for i in range(120)]
    kap = np.where(np.arange(120) % 4 == 0, 7.0, 1.0)
    found = unit_exceedances(field_areas(cases(120, device=device, **{KAP: kap})), UNITS)
    assert found["procedure_id"].to_list() == list(range(0, 120, 4))


def test_field_area_by_month_shows_since_when() -> None:
    performed = [date(2025, 1 + i // 20, 5) for i in range(120)]
    kap = np.where(np.arange(120) >= 100, 10.0, 1.0)
    areas = field_areas(cases(120, performed_on=performed, **{KAP: kap}))
    monthly = machine_field_areas(areas)
    assert monthly.filter("suspect")["month"].to_list() == [date(2025, 6, 1)]


def test_field_area_needs_both_values() -> None:
    assert (
        field_areas(cases(3, **{KAP: [None, 0.0, 1.0], "air_kerma_mgy": [5.0, 5.0, None]})).height
        == 0
    )


def test_furthest_out_on_its_own_scale_comes_first() -> None:
    """A small dose that is unusual for its procedure ranks before a large usual one."""
    rng = np.random.default_rng(1)
    usual = np.concatenate([rng.lognormal(0, 0.3, 200), rng.lognormal(4, 0.3, 200)])
    code = ["MBB_L"] * 200 + ["VP"] * 200
    history = cases(400, procedure_code=code, performed_on=date(2025, 3, 1), **{KAP: usual})
    judged = cases(
        2, procedure_id=[900, 901], procedure_code=["VP", "MBB_L"], **{KAP: [110.0, 12.0]}
    )
    own = own_distribution(history, KAP, months_of(judged))
    found = scored(trigger_exceedances(judged, rule(threshold=10.0)), judged, {KAP: own})
    assert found["procedure_id"].to_list() == [901, 900]
    assert found["score"][0] == pytest.approx(np.log(12) / 0.3, rel=0.2)
    assert scored(found.head(0), judged, {}).schema == SCORED


def clean(per_year: int, sd: float, rng: np.random.Generator, n: int = 20_000) -> pl.DataFrame:
    """Return log-normal cases of two years in groups of the given size."""
    code = [f"P{i}" for i in rng.integers(0, n // (2 * per_year), n)]
    kap = rng.lognormal(0, sd, n)
    area = rng.lognormal(np.log(170), 0.35, n)
    performed = days("2024-01-01", 730, n, rng)
    return cases(
        n,
        procedure_code=code,
        performed_on=performed,
        patient_key=[f"p{i}" for i in rng.integers(0, n // 2, n)],
        **{KAP: kap, "air_kerma_mgy": 1000 * kap / area},
    )


@pytest.mark.parametrize(("per_year", "sd"), [(25, 0.7), (100, 0.4), (500, 1.0)])
def test_false_alarms_on_clean_cases_stay_under_100_in_10_000(per_year: int, sd: float) -> None:
    """Every shipped rule on 20,000 seeded clean cases, per rule."""
    clean_cases = clean(per_year, sd, np.random.default_rng(20261121))
    for shipped in rules_from(trigger_levels()):
        match shipped.kind:
            case "own_percentile" | "robust_limit":
                if shipped.quantity not in (KAP, "air_kerma_mgy"):
                    continue
                own = own_distribution(clean_cases, shipped.quantity, months_of(clean_cases))
                whose = with_month(clean_cases.with_columns(child()))
                judged = whose.join(own, on=[*GROUP, "month"]).height
                found = own_distribution_exceedances(clean_cases, own, shipped)
            case "trigger":
                judged, found = clean_cases.height, trigger_exceedances(clean_cases, shipped)
            case "patient_sum":
                judged, found = clean_cases.height, patient_sum_exceedances(clean_cases, shipped)
            case "unit_ratio":
                judged = clean_cases.height
                found = unit_exceedances(field_areas(clean_cases), shipped)
            case _:
                continue
        assert 10_000 * found.height / judged < 100, shipped.rule_id


def test_p95_itself_flags_one_case_in_twenty() -> None:
    """Why the shipped threshold is 1.8: a percentile is no alert level."""
    clean_cases = clean(500, 0.7, np.random.default_rng(5))
    own = own_distribution(clean_cases, KAP, months_of(clean_cases))
    found = own_distribution_exceedances(clean_cases, own, rule("own_percentile", 1.0))
    assert found.height / clean_cases.height == pytest.approx(0.05, abs=0.01)


def test_planted_outliers_are_found() -> None:
    """Twelvefold doses among 5,000 clean ones with log SD 0.5, by the robust rule."""
    rng = np.random.default_rng(7)
    clean_cases = clean(250, 0.5, rng, n=5_000)
    planted = rng.choice(5_000, 50, replace=False)
    kap = clean_cases[KAP].to_numpy().copy()
    kap[planted] = 12.0
    with_outliers = clean_cases.with_columns(pl.Series(KAP, kap))
    own = own_distribution(with_outliers, KAP, months_of(with_outliers))
    found = own_distribution_exceedances(with_outliers, own, rule("robust_limit", 3.5))
    assert set(planted.tolist()) <= set(found["procedure_id"])
    assert found.height < 60


def test_children_and_adults_never_share_a_distribution() -> None:
    """Children without a weight are not judged by adults whose size is unknown, nor the reverse."""
    adults = cases(30, performed_on=date(2025, 3, 1), size_band="size unknown", **{KAP: 8.0})
    few = cases(19, performed_on=date(2025, 3, 1), size_band="child 5–15 kg", age_years=2.0)
    own = own_distribution(pl.concat([adults, few]), KAP, [date(2025, 6, 1)])
    assert own.select("size_band", "child", "n").rows() == [("size unknown", False, 30)]
    more = cases(6, performed_on=date(2025, 3, 1), size_band="size unknown", age_years=9.0)
    own = own_distribution(pl.concat([adults, few, more]), KAP, [date(2025, 6, 1)])
    judged = cases(2, size_band="size unknown", age_years=[9.0, 40.0], **{KAP: [7.0, 7.0]})
    found = own_distribution_exceedances(judged, own, rule("robust_limit", 3.0))
    assert found.select("procedure_id", "n_basis").rows() == [(0, 25)]
    assert ALL_SIZES in found["basis"][0]


def test_a_child_is_never_held_against_an_adult_level() -> None:
    levels = pl.DataFrame(
        {
            "modality": ["fluoroscopy"] * 2, "procedure_code": ["TFESI_L"] * 2,
            "dose_index": [KAP] * 2, "size_band": [None, "child 5–15 kg"], "value": [3.0, 1.0],
        }
    )  # fmt: skip
    bands = ["child 15–30 kg", "size unknown", "child 5–15 kg", "size unknown"]
    judged = cases(4, size_band=bands, age_years=[8.0, 8.0, 2.0, 40.0], **{KAP: 9.0})
    found = reference_exceedances(judged, levels, rule("reference_multiple", 2.0))
    assert found.select("procedure_id", "limit").rows() == [(2, 2.0), (3, 6.0)]


def test_a_sum_counts_what_came_before_the_rule() -> None:
    """A rule of June judges June's cases, by all doses of the six months before them."""
    kerma = DoseIndex.AIR_KERMA.column
    days_of = [date(2025, 2, 1), date(2025, 4, 1), date(2025, 7, 1)]
    visits = cases(3, patient_key="a", performed_on=days_of, **{kerma: 2600.0})
    summed = rule(
        "patient_sum", 5000.0, quantity=kerma, window_months=6, valid_from=date(2025, 6, 1)
    )
    found = patient_sum_exceedances(visits, summed)
    assert found.select("procedure_id", "value", "n_basis").rows() == [(2, 7800.0, 3)]


def test_a_ct_value_judges_its_region_age_and_phantom() -> None:
    """The value for a child's torso in the 32 cm phantom is 10 mGy; a head has its own."""
    shipped = rules_from(trigger_levels(), frozenset(trigger_levels()["rule_id"]))
    values = {r.rule_id: r for r in shipped if r.rule_id.startswith("CTDI_NOTIFY")}
    judged = cases(
        6, modality="CT", age_years=[8.0, 8.0, 8.0, 40.0, 40.0, 1.0], ctdi_vol_mgy=30.0,
        region=["lumbar", "lumbar", "head and neck", "lumbar", "extremity", "head and neck"],
        ctdi_phantom_cm=[32, 16, 16, 32, 32, 16],
    )  # fmt: skip

    def found(rule_id: str, mgy: float = 30.0) -> list[int]:
        dosed = judged.with_columns(pl.lit(mgy).alias("ctdi_vol_mgy"))
        return trigger_exceedances(dosed, values[rule_id])["procedure_id"].to_list()

    assert found("CTDI_NOTIFY_TORSO_CHILD_32") == [0]
    assert found("CTDI_NOTIFY_TORSO_CHILD_16") == [1]
    assert found("CTDI_NOTIFY_TORSO", 50.0) == [3]
    assert found("CTDI_NOTIFY_HEAD_INFANT", 50.0) == [5]
    assert found("CTDI_NOTIFY_HEAD", 90.0) == []
