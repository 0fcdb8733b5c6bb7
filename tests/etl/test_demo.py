"""The demo's logs: their shape, and that every planted fact can be found in what was written."""

import hashlib
import json
import sys
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import mannwhitneyu, spearmanr

from etl import contract
from etl.demo import log, papers, write
from etl.demo.catalogue import plan, procedures
from etl.demo.dose import size_factor
from etl.demo.outcomes import READ_TWICE
from etl.procedures import code as code_of
from etl.reasons import reasons
from tests.paper_imaging import FINDINGS

END = date(2026, 11, 20)
PUBLISHED = Path(__file__).parents[3] / "shared" / "domain"


@pytest.fixture(scope="module")
def demo() -> tuple[pl.DataFrame, dict]:
    return log(12_000, 1, END)


@pytest.fixture(scope="module")
def large() -> tuple[pl.DataFrame, dict]:
    return log(60_000, 2, END)


def completed(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(pl.col("status") == "completed", pl.col("procedure_name") != "Phantom")


def minutes(later: str, earlier: str) -> pl.Expr:
    return (pl.col(later) - pl.col(earlier)).dt.total_minutes()


def read(path: Path) -> pl.DataFrame:
    if path.suffix == ".parquet":
        return pl.read_parquet(path)
    if path.suffix == ".xlsx":
        return pl.read_excel(path)
    return pl.read_csv(path, infer_schema=False)


def residual(frame: pl.DataFrame, planted: dict, column: str = "kap_gycm2") -> pl.DataFrame:
    """Add log dose over its procedure's median at that size and number of levels."""
    median = pl.DataFrame(planted["medians"]).select(
        "modality", procedure_name="log_name", typical=column, at="at_bmi"
    )
    bmi = (pl.col("weight_kg") / (pl.col("height_cm") / 100) ** 2).alias("bmi")
    frame = frame.join(median, on=["modality", "procedure_name"]).with_columns(bmi)
    frame = frame.drop_nulls([column, "typical", "bmi"])
    modality = frame["modality"].to_numpy()
    at = frame["at"].fill_null(planted["size"]["typical_bmi"]).to_numpy()
    size = size_factor(frame["bmi"].to_numpy(), modality) / size_factor(at, modality)
    levels = planted["size"]["factor_per_level"] ** (frame["n_levels"].fill_null(1).to_numpy() - 1)
    expected = pl.Series(np.log(size * levels))
    return frame.with_columns(residual=(pl.col(column) / pl.col("typical")).log() - expected)


def test_same_arguments_give_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    def digest(folder: str, seed: int) -> list[tuple[str, str]]:
        paths = write(tmp_path / folder, rows=1500, seed=seed, end=END)
        return [(p.name, hashlib.sha256(p.read_bytes()).hexdigest()) for p in paths]

    first = digest("a", 1)
    assert digest("b", 1) == first
    assert digest("c", 2) != first


def test_writes_each_kind_of_file_and_every_row_once(tmp_path: Path) -> None:
    paths = write(tmp_path, rows=1500, seed=3, end=END)
    assert paths[-1] == tmp_path / "planted.json"
    assert {path.suffix for path in paths} == {".csv", ".parquet", ".xlsx", ".json"}
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in paths)
    frames = [read(path) for path in paths[:-1]]
    assert sum(frame.height for frame in frames) == 1500
    numbers = pl.concat([frame["accession_number"] for frame in frames])
    assert numbers.n_unique() == 1500
    planted = json.loads(paths[-1].read_text(encoding="utf-8"))
    assert planted["files"] == [path.name for path in paths[:-1]]
    assert planted["rows"] == 1500


def test_a_new_demo_replaces_the_files_of_the_last_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("site\n", encoding="utf-8")
    write(tmp_path, rows=400, seed=1, end=END)
    paths = write(tmp_path, rows=400, seed=1, end=END - timedelta(days=800))
    expected = sorted(["own.csv", *(path.name for path in paths)])
    assert sorted(path.name for path in tmp_path.iterdir()) == expected


def test_default_end_is_yesterday(tmp_path: Path) -> None:
    paths = write(tmp_path, rows=30)
    planted = json.loads(paths[-1].read_text(encoding="utf-8"))
    assert date.fromisoformat(planted["end"]) in {
        date.today() - timedelta(days=1),
        date.today() - timedelta(days=2),  # the day may turn during the test
    }


@pytest.mark.parametrize("rows", [1, 2, 37, 300])
def test_small_logs_have_exactly_the_rows_asked_for(rows: int) -> None:
    assert log(rows, 1, END)[0].height == rows


def test_no_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rows: must be at least 1: 0"):
        write(tmp_path, rows=0)


@pytest.mark.parametrize("name", ["demo", "large"])
def test_every_row_keeps_the_contract(name: str, request: pytest.FixtureRequest) -> None:
    frame, _ = request.getfixturevalue(name)
    further = set(frame.columns) - set(contract.ProcedureRow.model_fields)
    assert further == set(READ_TWICE), "the log's further columns"
    frame = frame.drop(*further)
    every = frame.with_columns(
        pl.lit(None, contract.polars_type(column)).alias(column)
        for column in contract.ProcedureRow.model_fields
        if column not in frame.columns
    )
    typed = every.cast({c: contract.polars_type(c) for c in frame.columns})
    assert typed.filter(contract.gate(frame.columns)).is_empty()
    for row in frame.sample(100, seed=1).to_dicts():
        assert reasons(row) == ([], [])


def test_names_are_synonyms_of_the_procedure_list() -> None:
    for code, name in procedures().select("proc_code", "log_name").iter_rows():
        assert code_of(name) == code
    assert code_of("Phantom") == "QA"
    assert code_of("TIPS") is None


def test_every_dose_median_says_its_source() -> None:
    sources = procedures()["source"]
    assert sources.null_count() == 0
    assert sources.str.contains("line|assumed|no ionising").all()


def test_published_medians_stand_in_the_cited_lines() -> None:
    file = PUBLISHED / "reference_levels.csv"
    if not file.exists():
        pytest.skip("the reference levels that the demo cites are not beside this repository")
    lines = pl.read_csv(file, infer_schema=False).to_dicts()

    def value(line: int) -> float:
        return float(lines[line - 2]["value"])

    kap = {(c, m): k for c, m, k in procedures()["proc_code", "modality", "kap_gycm2"].iter_rows()}
    dlp = {c: k for c, m, k in procedures()["proc_code", "modality", "dlp_mgycm"].iter_rows() if k}
    assert kap["TFESI_L", "fluoroscopy"] == pytest.approx((value(9) * value(10)) ** 0.5, rel=1e-3)
    assert kap["ILESI_L", "fluoroscopy"] == pytest.approx((value(5) * value(6)) ** 0.5, rel=2e-3)
    assert kap["MBB_L", "fluoroscopy"] == pytest.approx((value(7) * value(8)) ** 0.5, rel=2e-3)
    assert kap["SIJ_INJ", "fluoroscopy"] == value(16)
    assert [kap[c, "fluoroscopy"] for c in ("VP", "KP", "NEPHRO", "BILI_DRAIN", "GASTRO")] == [
        value(line) for line in (49, 51, 67, 70, 73)
    ]
    assert [dlp[c] for c in ("TFESI_L", "VP", "BX_SPINE_L", "BX_LIVER", "DRAIN_ABD")] == [
        value(line) for line in (94, 101, 118, 139, 140)
    ]


@pytest.mark.parametrize("column", ["kap_gycm2", "dlp_mgycm"])
def test_medians_are_the_published_ones_within_sampling_error(
    large: tuple[pl.DataFrame, dict], column: str
) -> None:
    frame, planted = large
    begins = min(planted["dose_drop"]["from"], planted["drift"]["from"])
    before = completed(frame).filter(pl.col("performed_on") < date.fromisoformat(begins))
    before = residual(before, planted, column).join(
        pl.DataFrame(planted["medians"]).select("modality", "spread", procedure_name="log_name"),
        on=["modality", "procedure_name"],
    )
    by = before.group_by("procedure_name", "modality", "spread").agg(
        pl.len(), pl.col("residual").median()
    )
    by = by.filter(pl.col("len") >= 100)
    assert by.height >= 12
    error = 1.2533 * by["spread"] / by["len"].sqrt()  # of a median, in log units
    assert (by["residual"].abs() < 4 * error + 0.01).all()


def test_sacroiliac_medians_by_size_are_the_published_ones(
    large: tuple[pl.DataFrame, dict],
) -> None:
    frame, planted = large
    begins = date.fromisoformat(planted["dose_drop"]["from"])
    bmi = pl.col("weight_kg") / (pl.col("height_cm") / 100) ** 2
    cases = completed(frame).filter(
        pl.col("procedure_name") == "SI joint injection", pl.col("performed_on") < begins
    )
    for low, high, published in ((18.5, 25, 1.21), (25, 30, 1.671), (30, 40, 2.09)):
        median = cases.filter(bmi.is_between(low, high, closed="left"))["kap_gycm2"].median()
        assert median == pytest.approx(published, rel=0.08)


def test_kap_per_air_kerma_is_a_field_size(demo: tuple[pl.DataFrame, dict]) -> None:
    frame, planted = demo
    wrong = planted["unit_error"]["accession_numbers"]
    area = completed(frame).select(
        "accession_number", area=pl.col("kap_gycm2") / pl.col("air_kerma_mgy") * 1000
    )
    clean = area.filter(~pl.col("accession_number").is_in(wrong)).drop_nulls()["area"]
    assert clean.is_between(10, 1600).all()
    assert clean.is_between(90, 270).mean() > 0.85
    broken = area.filter(pl.col("accession_number").is_in(wrong)).drop_nulls()["area"]
    assert len(broken) > 5
    assert (broken > 1600).all()
    assert sorted(planted["expected_hits"]["kap_per_air_kerma_outside_10_1600_cm2"]) == sorted(
        wrong
    )


def test_ultrasound_and_cancelled_cases_have_no_dose(demo: tuple[pl.DataFrame, dict]) -> None:
    doses = ["dose_mgy", "air_kerma_mgy", "kap_gycm2", "fluoro_time_s", "ctdi_vol_mgy", "dlp_mgycm"]
    frame, _ = demo
    none = frame.filter((pl.col("modality") == "ultrasound") | (pl.col("status") == "cancelled"))
    assert none.select(pl.col(doses).is_null().all()).row(0) == (True,) * len(doses)
    assert none.height > 500


def test_dose_falls_after_the_protocol_change(large: tuple[pl.DataFrame, dict]) -> None:
    frame, planted = large
    change = planted["dose_drop"]
    cases = completed(frame).filter(
        pl.col("site") == change["site"], pl.col("modality") == change["modality"]
    )
    cases = residual(cases, planted)
    after = pl.col("performed_on") >= date.fromisoformat(change["from"])
    ratio = np.exp(cases.filter(after)["residual"].mean() - cases.filter(~after)["residual"].mean())
    assert ratio == pytest.approx(change["factor"], rel=0.08)


def test_the_drifting_room_shows_within_three_months(demo: tuple[pl.DataFrame, dict]) -> None:
    frame, planted = demo
    drift = planted["drift"]
    cases = residual(completed(frame).filter(pl.col("room") == drift["room"]), planted)
    month = pl.col("performed_on").dt.truncate("1mo")
    by = cases.group_by(month.alias("month")).agg(
        pl.len(), pl.col("residual").mean(), sd=pl.col("residual").std()
    )
    start = date.fromisoformat(drift["from"])
    before = by.filter(pl.col("month") < start)
    after = by.filter(pl.col("month") >= start).sort("month")
    level, spread = before["residual"].mean(), before["sd"].mean()
    z = (after["residual"] - level) / (spread / after["len"].sqrt())
    assert (z.head(3) > 3).any()
    steps = np.arange(1, after.height + 1)
    slope = np.polyfit(steps, after["residual"].to_numpy(), 1, w=np.sqrt(after["len"]))[0]
    assert slope == pytest.approx(np.log(1 + drift["per_month"]), abs=0.04)


def test_planted_sizes_are_the_documented_ones(demo: tuple[pl.DataFrame, dict]) -> None:
    _, planted = demo
    assert (planted["dose_drop"]["from"], planted["dose_drop"]["factor"]) == ("2026-02-01", 0.75)
    assert (planted["drift"]["from"], planted["drift"]["per_month"]) == ("2026-02-01", 0.12)
    assert (planted["unit_error"]["from"], planted["unit_error"]["to"]) == (
        "2026-06-08",
        "2026-06-21",
    )
    assert planted["unit_error"]["factor"] == 100
    assert planted["workflow"]["monday_first_case_extra_min"] == 20
    assert planted["workflow"]["slow_room"] == {"room": "NG CT 1", "duration_factor": 1.25}
    assert planted["outcome"]["fluoroscopy_better_by_nrs"] == 0.6
    assert planted["outcome"]["complication_rate"] == {
        "fluoroscopy": 0.01,
        "CT": 0.04,
        "ultrasound": 0.01,
    }


def test_planted_outliers_are_found_by_the_plain_rules(demo: tuple[pl.DataFrame, dict]) -> None:
    frame, planted = demo
    hits = planted["expected_hits"]
    for rule, count in (
        ("air_kerma_over_5_gy", 5),
        ("kap_over_500", 4),
        ("fluoro_time_over_60_min", 4),
        ("ctdi_vol_over_1000_mgy", 2),
    ):
        assert len(planted[rule]) == count
        assert set(planted[rule]) <= set(hits[rule])
    over = frame.filter(pl.col("air_kerma_mgy") > 5000)["accession_number"]
    assert sorted(over) == sorted(planted["air_kerma_over_5_gy"])
    names = frame.filter(pl.col("procedure_name") == "TIPS")["accession_number"]
    assert sorted(names) == sorted(planted["unmapped_names"]["TIPS"])


def test_local_outliers_lie_above_p95_and_below_trigger_levels(
    demo: tuple[pl.DataFrame, dict],
) -> None:
    frame, planted = demo
    everyone = {n for hits in planted["expected_hits"].values() for n in hits}
    for column, numbers in planted["far_above_local_p95"]["accession_numbers"].items():
        assert len(numbers) == 8
        assert not everyone & set(numbers)
        ranked = completed(frame).with_columns(
            p95=pl.col(column).quantile(0.95).over("procedure_name", "modality")
        )
        planted_cases = ranked.filter(pl.col("accession_number").is_in(numbers))
        assert (planted_cases[column] > 1.5 * planted_cases["p95"]).all()


def test_one_patient_sums_up_without_a_remarkable_case(demo: tuple[pl.DataFrame, dict]) -> None:
    frame, planted = demo
    known = planted["cumulative_patient"]
    cases = frame.filter(pl.col("accession_number").is_in(known["accession_numbers"]))
    assert cases["patient_id"].unique().to_list() == [known["patient_id"]]
    assert cases["air_kerma_mgy"].sum() == known["sum_air_kerma_mgy"] > known["level_mgy"]
    assert cases["air_kerma_mgy"].max() < 3000
    days = (cases["performed_on"].max() - cases["performed_on"].min()).days
    assert days < known["window_days"]
    assert (
        known["patient_id"] in planted["expected_hits"]["patient_air_kerma_over_5_gy_in_183_days"]
    )


def test_patients_come_back_and_keep_sex_and_height(demo: tuple[pl.DataFrame, dict]) -> None:
    frame = demo[0].filter(pl.col("patient_id") != "TEST-PHANTOM")
    by = frame.group_by("patient_id").agg(
        pl.len(), pl.col("sex").drop_nulls().n_unique(), pl.col("height_cm").drop_nulls().n_unique()
    )
    assert by["sex"].max() == 1
    assert by["height_cm"].max() == 1
    assert 0.3 < (by["len"] > 1).mean() < 0.8
    assert frame["patient_id"].str.contains(r"^D\d{8}$").all()


def test_stamps_are_in_order(demo: tuple[pl.DataFrame, dict]) -> None:
    frame, _ = demo
    order = "arrived_at room_in_at procedure_start_at procedure_end_at room_out_at report_signed_at"
    names = order.split()
    for earlier, later in pairwise(names):
        both = frame.drop_nulls([earlier, later])
        assert both.height > 8000
        assert (both[later] >= both[earlier]).all()
    started = frame.drop_nulls("procedure_start_at")
    assert (started["procedure_start_at"].dt.date() == started["performed_on"]).all()
    assert (started["procedure_end_at"].dt.date() == started["performed_on"]).all()
    assert (
        started.select(minutes("procedure_end_at", "procedure_start_at")).to_series()
        == started["duration_min"]
    ).all()


def test_rooms_overlap_only_where_planted(demo: tuple[pl.DataFrame, dict]) -> None:
    frame, planted = demo
    # a missing time out of the room is at least the end of the procedure
    out = pl.col("room_out_at").fill_null(pl.col("procedure_end_at"))
    cases = frame.drop_nulls("room_in_at").sort("accession_number").with_columns(out=out)
    before = pl.col("out").shift(1).over("room", "performed_on")
    gap = (pl.col("room_in_at") - before).dt.total_minutes()
    overlapping = cases.with_columns(gap=gap).filter(pl.col("gap") < 0)
    known = planted["overlaps"]["accession_numbers"]
    assert len(known) == 6
    assert set(overlapping["accession_number"]) <= set(known)
    assert overlapping.height >= 5
    assert overlapping["gap"].min() == -planted["overlaps"]["minutes"]


def test_first_cases_are_late_on_mondays(demo: tuple[pl.DataFrame, dict]) -> None:
    frame, planted = demo
    first = frame.drop_nulls("room_in_at").sort("room_in_at")
    first = first.group_by("room", "performed_on", maintain_order=True).first()
    late = first.select("performed_on", late=minutes("room_in_at", "scheduled_at")).drop_nulls()
    monday = pl.col("performed_on").dt.weekday() == 1
    extra = late.filter(monday)["late"].median() - late.filter(~monday)["late"].median()
    assert extra == pytest.approx(planted["workflow"]["monday_first_case_extra_min"], abs=3)


def test_the_slow_room_is_slow(large: tuple[pl.DataFrame, dict]) -> None:
    frame, planted = large
    slow = planted["workflow"]["slow_room"]
    cases = completed(frame).filter(pl.col("modality") == "CT")
    center = pl.col("duration_min").log().mean().over("procedure_name")
    cases = cases.with_columns(log_duration=pl.col("duration_min").log() - center)
    mine = pl.col("room") == slow["room"]
    shift = cases.filter(mine)["log_duration"].mean() - cases.filter(~mine)["log_duration"].mean()
    assert np.exp(shift) == pytest.approx(slow["duration_factor"], rel=0.04)


def test_waiting_grows_over_the_day_and_turnover_at_lunch(
    large: tuple[pl.DataFrame, dict],
) -> None:
    frame, _ = large
    hour = pl.col("scheduled_at").dt.hour()
    cases = frame.with_columns(hour=hour, wait=minutes("room_in_at", "arrived_at"))
    early = cases.filter(pl.col("hour").is_between(9, 10))["wait"].median()
    late = cases.filter(pl.col("hour").is_between(14, 16))["wait"].median()
    assert late > early + 5
    ordered = frame.drop_nulls("room_in_at").sort("accession_number")
    before = pl.col("room_out_at").shift(1).over("room", "performed_on")
    turnover = (pl.col("room_in_at") - before).dt.total_minutes()
    ordered = ordered.with_columns(turnover=turnover, hour=pl.col("room_in_at").dt.hour())
    lunch = ordered.filter(pl.col("hour").is_between(12, 13))["turnover"].median()
    rest = ordered.filter(pl.col("hour").is_between(9, 11))["turnover"].median()
    assert lunch > rest + 5


def test_cancellations_have_reasons_and_no_times(demo: tuple[pl.DataFrame, dict]) -> None:
    frame, planted = demo
    cancelled = frame.filter(pl.col("status") == "cancelled")
    assert cancelled.height == planted["status"]["cancelled"]
    assert 0.05 < cancelled.height / frame.height < 0.07
    assert cancelled["cancel_reason"].null_count() == 0
    assert cancelled["room_in_at"].null_count() == cancelled.height
    assert planted["status"]["discontinued"] > 40


def test_test_patients_are_named_as_such(demo: tuple[pl.DataFrame, dict]) -> None:
    frame, planted = demo
    tests = frame.filter(pl.col("patient_id") == "TEST-PHANTOM")
    assert tests["accession_number"].to_list() == planted["test_patients"]["accession_numbers"]
    assert tests["procedure_name"].unique().to_list() == ["Phantom"]
    assert tests["age_years"].null_count() == tests.height == 8


def test_complications_and_satisfaction_are_at_the_papers_rates(
    large: tuple[pl.DataFrame, dict],
) -> None:
    frame, planted = large
    cases = completed(frame)
    for modality, rate in planted["outcome"]["complication_rate"].items():
        some = cases.filter(pl.col("modality") == modality)["complications"].drop_nulls() != "none"
        assert some.mean() == pytest.approx(rate, abs=4 * (rate / len(some)) ** 0.5)
    content = (cases["satisfaction"].drop_nulls() >= 4).mean()
    assert content == pytest.approx(planted["outcome"]["satisfaction_top_two"], abs=0.01)
    assert content > 0.9
    assert cases["complications"].null_count() > 0


def test_fluoroscopy_relieves_better_from_one_month(large: tuple[pl.DataFrame, dict]) -> None:
    frame, planted = large
    cases = completed(frame).filter(
        pl.col("pain_scale") == "NRS 0-10", pl.col("procedure_name") != "Pars injection"
    )
    by = {m: cases.filter(pl.col("modality") == m) for m in ("CT", "fluoroscopy")}
    assert by["CT"]["pain_baseline"].median() == by["fluoroscopy"]["pain_baseline"].median() == 6
    for point in ("15min", "1wk", "2wk", "1mo", "2mo", "3mo", "6mo"):
        column = f"pain_{point}"
        shift = by["CT"][column].mean() - by["fluoroscopy"][column].mean()
        better = point in planted["outcome"]["fluoroscopy_better_at"]
        expected = planted["outcome"]["fluoroscopy_better_by_nrs"] if better else 0
        assert shift == pytest.approx(expected, abs=0.13), point
    odi = [by[m]["odi_3mo"].mean() for m in by]
    assert odi[0] == pytest.approx(odi[1], abs=1.5)


def test_follow_up_is_missing_more_with_time_and_never_in_the_future(
    demo: tuple[pl.DataFrame, dict],
) -> None:
    frame, _ = demo
    asked = frame.filter(
        pl.col("pain_scale").is_not_null(), pl.col("procedure_name") != "Pars injection"
    )
    old = asked.filter(pl.col("performed_on") < END - timedelta(days=200))
    points = ("15min", "1wk", "2wk", "1mo", "2mo", "3mo", "6mo")
    shares = [old[f"pain_{point}"].is_not_null().mean() for point in points]
    assert shares == sorted(shares, reverse=True)
    recent = asked.filter(pl.col("performed_on") > END - timedelta(days=183))
    assert recent["pain_6mo"].null_count() == recent.height


def test_pars_responders_are_paper_s3s(large: tuple[pl.DataFrame, dict]) -> None:
    frame, planted = large
    cases = completed(frame).filter(pl.col("procedure_name") == "Pars injection")
    expected = planted["outcome"]["pars_ct_responders"]
    for point in ("15min", "1mo"):
        known = cases.drop_nulls(f"pain_{point}")
        rate = (1 - known[f"pain_{point}"] / known["pain_baseline"] >= 0.5).mean()
        assert rate == pytest.approx(expected[point], abs=4 * 0.5 / known.height**0.5)


def test_values_are_missing_as_in_real_logs(demo: tuple[pl.DataFrame, dict]) -> None:
    frame, _ = demo
    cases = completed(frame)
    share = {column: cases[column].is_null().mean() for column in cases.columns}
    assert share["weight_kg"] == pytest.approx(0.15, abs=0.02)
    assert share["height_cm"] == pytest.approx(0.18, abs=0.02)
    fluoroscopy = cases.filter(pl.col("modality") == "fluoroscopy")
    assert fluoroscopy["kap_gycm2"].is_null().mean() == pytest.approx(0.03, abs=0.01)
    ct = cases.filter(pl.col("modality") == "CT")
    assert ct["dlp_mgycm"].is_null().mean() == pytest.approx(0.03, abs=0.015)
    assert share["satisfaction"] == pytest.approx(0.35, abs=0.03)
    for column in ("operator", "scheduled_at", "arrived_at", "room_out_at", "complications"):
        assert 0 < share[column] < 0.1


def test_two_years_three_sites_and_a_full_set_of_people(demo: tuple[pl.DataFrame, dict]) -> None:
    frame, planted = demo
    assert (frame["performed_on"].max() - frame["performed_on"].min()).days > 720
    assert frame["performed_on"].max() == END
    assert frame["site"].n_unique() == 3
    assert len(planted["operators"]) == frame["operator"].drop_nulls().n_unique() == 14
    assert frame["performed_on"].dt.weekday().max() == 5
    assert frame["second_modality"].drop_nulls().n_unique() == 3


def test_more_rows_need_more_years_then_more_sites() -> None:
    assert len(plan(12_000, END).rooms) == 9
    ten_years = plan(60_000, END)
    assert (len(ten_years.rooms), ten_years.end.year - ten_years.start.year) == (9, 10)
    assert len(plan(1_000_000, END).rooms) > 9
    assert plan(1_000_000, END).staffed < 1


def test_work_in_python_does_not_grow_with_rows() -> None:
    def calls(rows: int) -> int:
        count = 0

        def on_event(frame: object, event: str, argument: object) -> None:
            nonlocal count
            count += event == "call"

        sys.setprofile(on_event)
        try:
            log(rows, 1, END)
        finally:
            sys.setprofile(None)
        return count

    calls(1000)  # imports and caches
    assert calls(12_000) < 1.2 * calls(1000)


def s0(tmp_path: Path) -> pl.DataFrame:
    return pl.read_csv(papers(tmp_path)[0])


def s3(tmp_path: Path) -> pl.DataFrame:
    return pl.read_csv(papers(tmp_path)[1])


def test_paper_logs_keep_the_contract(tmp_path: Path) -> None:
    for path in papers(tmp_path):
        frame = pl.read_csv(path, try_parse_dates=True)
        fields = contract.ProcedureRow.model_fields
        known = [column for column in frame.columns if column in fields]
        further = {c.split("_reader_")[0] for c in frame.columns if c not in fields}
        assert further == ({*FINDINGS, "mri_tesla"} if "s3" in path.name else set())
        typed = frame.select(known).cast({c: contract.polars_type(c) for c in known})
        for row in typed.to_dicts():
            assert reasons(row) == ([], [])


def test_paper_s0_counts_medians_and_p_values(tmp_path: Path) -> None:
    frame = s0(tmp_path)
    fluoroscopy = frame.filter(pl.col("modality") == "fluoroscopy")
    ct = frame.filter(pl.col("modality") == "CT")
    assert (fluoroscopy.height, ct.height) == (100, 100)
    assert round(frame["age_years"].mean(), 1) == 51.3
    for column, medians in (
        ("dose_mgy", (352, 347.5)),
        ("duration_min", (22.5, 23)),
        ("pain_baseline", (6, 6)),
    ):
        assert (fluoroscopy[column].median(), ct[column].median()) == medians
    assert (fluoroscopy["complications"] != "none").sum() == 1
    assert (ct["complications"] != "none").sum() == 4
    assert frame["dose_index"].unique().to_list() == ["unspecified"]
    for arm in (fluoroscopy, ct):
        assert (arm["satisfaction"] >= 4).mean() >= 0.9
        for point in ("1wk", "1mo", "3mo", "6mo"):
            assert arm[f"pain_{point}"].median() < 6
    for column, printed in (
        ("pain_1mo", 0.030), ("pain_3mo", 0.041), ("pain_6mo", 0.012),
        ("dose_mgy", 0.970), ("duration_min", 0.317),
    ):  # fmt: skip
        p = mannwhitneyu(fluoroscopy[column], ct[column], method="asymptotic").pvalue
        assert round(p, 3) == printed, column
    for column in ("pain_1wk", *[f"odi_{p}" for p in ("baseline", "1wk", "1mo", "3mo", "6mo")]):
        assert mannwhitneyu(fluoroscopy[column], ct[column]).pvalue > 0.05


def test_paper_s3_is_exact(tmp_path: Path) -> None:
    frame = s3(tmp_path)
    assert frame.height == 134
    assert frame["sex"].value_counts().sort("sex").rows() == [("F", 54), ("M", 80)]
    assert dict(frame.group_by("levels").len().iter_rows()) == {"L3": 2, "L4": 14, "L5": 118}
    patterns = dict(frame.group_by("contrast_pattern").len().iter_rows())
    assert (patterns["peri-defect"], patterns["intra-defect"]) == (66, 55)
    for column, mean, sd in (
        ("age_years", 43.9, 16.2), ("pain_baseline", 5.7, 2.2), ("pain_15min", 3.7, 2.5),
        ("pain_1mo", 3.2, 3.0),
    ):  # fmt: skip
        assert (round(frame[column].mean(), 1), round(frame[column].std(), 1)) == (mean, sd)
    bmi = frame["weight_kg"] / (frame["height_cm"] / 100) ** 2
    assert (round(bmi.mean(), 1), round(bmi.std(), 1)) == (26.1, 4.1)
    reduced = {p: 100 * (1 - frame[f"pain_{p}"] / frame["pain_baseline"]) for p in ("15min", "1mo")}
    classes = {
        point: [
            int(((r >= 50) & (r < 75)).sum()), int(((r >= 75) & (r < 100)).sum()),
            int((r == 100).sum()), int(((r > 0) & (r < 50)).sum()), int((r == 0).sum()),
            int((r < 0).sum()),
        ]
        for point, r in reduced.items()
    }  # fmt: skip
    assert classes == {"15min": [31, 9, 16, 36, 32, 10], "1mo": [25, 10, 38, 9, 52, 0]}
    early, late = reduced["15min"] >= 50, reduced["1mo"] >= 50
    assert (early.sum(), late.sum(), (~early & late).sum(), (early & ~late).sum()) == (
        56,
        73,
        27,
        10,
    )
    assert [(round(r.mean(), 1), round(r.std(), 1)) for r in reduced.values()] == [
        (34.4, 47.3), (47.5, 42.9),
    ]  # fmt: skip
    assert round(spearmanr(frame["pain_15min"], frame["pain_1mo"]).statistic, 2) == 0.61


def test_paper_s3_agrees_with_the_published_table(tmp_path: Path) -> None:
    file = PUBLISHED / "published.csv"
    if not file.exists():
        pytest.skip("the published figures are not beside this repository")
    rows = pl.read_csv(file, infer_schema=False).to_dicts()
    printed = {
        (r["outcome"], r["timepoint"]): float(r["value"])
        for r in rows
        if r["paper"] == "S3" and r["n"] == "134" and r["statistic"] in ("count (percent)", "mean")
    }
    frame = s3(tmp_path)
    for named, column in (("15 min", "pain_15min"), ("1 month", "pain_1mo")):
        responders = (1 - frame[column] / frame["pain_baseline"] >= 0.5).sum()
        assert responders == printed["responder (PPR >= 50 %)", named]
    assert frame["pain_15min"].mean() == pytest.approx(printed["pain NRS 0-10", "15 min"], abs=0.05)
