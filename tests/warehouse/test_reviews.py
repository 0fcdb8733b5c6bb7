"""Reviews: states, sign-off by someone else, two writers at once; on SQLite and on PostgreSQL."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from tests.people import rso
from tests.warehouse.postgres import postgres_address
from warehouse import alert_entry, review_store, review_tables, reviews
from warehouse.access import SYSTEM, Scope
from warehouse.alert_entry import Judged, enter, unjudged
from warehouse.case_keys import case_key, case_key_expr
from warehouse.review_alerts import Asked, cases_page, counts
from warehouse.review_form import ReviewForm
from warehouse.review_store import NewerReviewsError, ReviewsUnreachableError
from warehouse.review_tables import metadata
from warehouse.reviews import (
    ConflictError,
    NotAllowedError,
    ReviewError,
    act,
    alerts_of,
    history,
    reviews_of,
    same_person,
)
from warehouse.settings import Settings
from warehouse.skin_doses import estimated

WRITTEN = ReviewForm(
    data_check="confirmed",
    justification="patient size",
    narrative="BMI 41, two levels",
    outcome="justified and optimised",
)
OPERATOR = "Dr. Vera Stent"


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Return settings of an empty installation on each database."""
    if request.param == "sqlite":
        settings = Settings(data_dir=tmp_path, reviews_url=None)
    else:
        url = postgres_address(request)
        settings = Settings(data_dir=tmp_path, reviews_url=url)
        with review_store.engine(settings).begin() as con:
            for table in reversed(metadata.sorted_tables):
                if table.name != "reviews_meta":
                    con.execute(table.delete())
    yield settings
    review_store.engine(settings).dispose()


def found(*cases: str, rule: str = "KAR_SRDL", **more: Any) -> pl.DataFrame:
    """Return alerts of cases named by accession number."""
    row = {
        "rule_id": rule, "site": "Nord", "performed_on": date(2026, 11, 2), "device": None,
        "procedure_start_at": datetime(2026, 11, 2, 8, 30), "modality": "fluoroscopy",
        "procedure_code": "VP", "procedure_name": "Vertebroplasty", "size_band": "BMI ≥ 30",
        "room": "R1", "operator": OPERATOR, "age_years": 70.0, "bmi": 41.0, "kind": "trigger",
        "level": "follow-up", "quantity": "air_kerma_mgy", "value": 7690.0, "limit_value": 5000.0,
        "ratio": 1.538, "score": 4.0, "own_median": 300.0, "n_basis": None,
        "basis": "fixed level", "unit_suspect": False, "rule_threshold": 5000.0,
        "rule_window_months": None, "rule_source": "NCRP 168", "rule_valid_from": date(2009, 1, 1),
    }  # fmt: skip
    frame = pl.DataFrame([row | {"accession_number": case} | more for case in cases])
    ints = [name for name in ("n_basis", "rule_window_months") if frame[name].dtype == pl.Null]
    return frame.with_columns(pl.col(ints).cast(pl.Int64), pl.col("device").cast(pl.String)).select(
        case_key_expr(), pl.all()
    )


def judged(store: Settings, alerts: pl.DataFrame, *more: str, run: str = "R1") -> Any:
    keys = pl.concat([alerts["case_key"], pl.Series("case_key", list(more), pl.String)])
    rules = ["KAR_SRDL", "KAP_SRDL"]
    return enter(store, alerts, [Judged(keys, rules)], [run], "rules-1")


def key(case: str) -> str:
    return case_key("Nord", case, date(2026, 11, 2), None, None, "fluoroscopy")


def current(store: Settings, case: str = "A1") -> reviews.Review:
    return reviews_of(store, key(case), SYSTEM)[0]


def test_an_alert_is_entered_once(store: Settings) -> None:
    two = found("A1", "A2")
    assert judged(store, two).new == 2
    assert judged(store, two, run="R2") == alert_entry.Entered()
    assert unjudged(store, ["R1", "R2", "R3"], "rules-1") == {"R3"}
    assert unjudged(store, ["R1"], "rules-2") == {"R1"}
    listed, total = cases_page(store, Asked(scope=SYSTEM), 0, 50)
    assert total == listed.height == 2
    with review_store.writing(store) as con, pytest.raises(sa.exc.IntegrityError):
        rows = con.execute(sa.select(review_tables.alert)).mappings().first()
        assert rows is not None
        again = {name: value for name, value in rows.items() if name != "id"}
        con.execute(review_tables.alert.insert().values(again))


def test_a_whole_review_and_its_history(store: Settings) -> None:
    judged(store, found("A1"))
    seen = act(store, current(store), "take", rso("Ada"))
    assert seen.state == "in review"
    seen = act(store, seen, "save", rso("Ada"), WRITTEN)
    seen = act(store, seen, "submit", rso("Ada"), WRITTEN, facts={"bmi": 41.0})
    assert (seen.state, seen.reviewer) == ("awaiting sign-off", "Ada")
    seen = act(store, seen, "sign", rso("Grace"), operators=[OPERATOR])
    assert (seen.state, seen.signed_by) == ("closed", "Grace")
    assert seen.closed_at is not None
    seen = act(store, seen, "reopen", rso("Ada"), note="patient reported a rash")
    assert (seen.state, seen.signed_by, seen.form) == ("reopened", None, WRITTEN)
    told = history(store, [seen.review_id], SYSTEM)
    assert told["what"].to_list() == ["reopen", "sign", "submit", "save", "take", "found"]
    assert told["version"].to_list() == sorted(told["version"].to_list(), reverse=True)
    assert "'bmi': 41.0" in told["details"][2] and "BMI 41" in told["details"][2]


@pytest.mark.parametrize(
    ("person", "words"),
    [("Ada", "reviewed this case"), ("ada", "reviewed this case"), ("Stent, Vera Dr.", "operator")],
)
def test_second_sign_off_is_someone_elses(store: Settings, person: str, words: str) -> None:
    judged(store, found("A1"))
    seen = act(store, current(store), "submit", rso("Ada"), WRITTEN)
    with pytest.raises(NotAllowedError, match=words):
        act(store, seen, "sign", rso(person))
    assert current(store) == seen


@pytest.mark.parametrize("operator", ["Grace", "grace; Bob", "Bob / GRACE"])
def test_the_operator_as_the_warehouse_now_names_them_may_not_sign(
    store: Settings, operator: str
) -> None:
    judged(store, found("A1", operator=None))
    seen = act(store, current(store), "submit", rso("Ada"), WRITTEN)
    with pytest.raises(NotAllowedError, match="performed this case"):
        act(store, seen, "sign", rso("Grace"), operators=[operator])


def test_what_a_review_still_needs_is_named(store: Settings) -> None:
    judged(store, found("A1"))
    thin = ReviewForm(data_check="confirmed", action="Retrain")
    with pytest.raises(ReviewError, match="justification, narrative, outcome, owner of the action"):
        act(store, current(store), "submit", rso("Ada"), thin)
    with pytest.raises(ReviewError, match="say why"):
        act(store, current(store), "note", rso("Ada"), note=" ")
    with pytest.raises(ReviewError, match="one can sign one that is awaiting sign-off"):
        act(store, current(store), "sign", rso("Grace"))
    with pytest.raises(NotAllowedError, match="not known"):
        act(store, current(store), "save", rso("  "), WRITTEN)
    assert current(store).version == 1


def test_two_reviewers_at_once_overwrite_nothing(store: Settings) -> None:
    judged(store, found("A1"))
    seen = current(store)
    theirs = ReviewForm(narrative="by Ada")
    act(store, seen, "save", rso("Ada"), theirs)
    with pytest.raises(ConflictError, match=r"Ada changed this review at .* UTC") as error:
        act(store, seen, "save", rso("Bob"), ReviewForm(narrative="by Bob"))
    assert error.value.stands.form == theirs == current(store).form
    saved = act(store, error.value.stands, "save", rso("Bob"), ReviewForm(narrative="both"))
    assert saved.version == 3


def test_of_many_writers_at_the_same_moment_one_wins(store: Settings) -> None:
    """Ten threads save on the version that all of them saw."""
    judged(store, found("A1"))
    seen, ready = current(store), threading.Barrier(10)
    won: list[str] = []
    lost: list[str] = []

    def write(person: str) -> None:
        ready.wait()
        try:
            act(store, seen, "save", rso(person), ReviewForm(narrative=f"by {person}"))
            won.append(person)
        except ConflictError:
            lost.append(person)

    threads = [threading.Thread(target=write, args=(f"P{i}",)) for i in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 9)
    assert current(store).form.narrative == f"by {won[0]}"
    assert history(store, [seen.review_id], SYSTEM)["what"].to_list() == ["save", "found"]


def test_judging_at_the_same_moment_enters_each_alert_once(store: Settings) -> None:
    alerts, ready = found(*(f"A{i}" for i in range(50))), threading.Barrier(4)
    entered: list[int] = []

    def judge() -> None:
        ready.wait()
        entered.append(judged(store, alerts).new)

    threads = [threading.Thread(target=judge) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(entered) == [0, 0, 0, 50]
    assert cases_page(store, Asked(scope=SYSTEM), 0, 1)[1] == 50


def test_whoever_opens_new_reviews_at_the_same_moment_gets_in(tmp_path: Path) -> None:
    """SQLite refuses at once, and does not wait, while another switches a new file's mode."""
    for number in range(40):
        store, ready = Settings(data_dir=tmp_path / str(number)), threading.Barrier(6)

        def seen(store: Settings = store, ready: threading.Barrier = ready) -> bool:
            ready.wait()
            return unjudged(store, [], "x") != set()

        with ThreadPoolExecutor(6) as pool:
            opened = [pool.submit(seen) for _ in range(6)]
        assert not any(one.result() for one in opened)


def test_a_further_rule_joins_the_open_round_and_calls_back_a_sign_off(store: Settings) -> None:
    judged(store, found("A1"))
    act(store, current(store), "submit", rso("Ada"), WRITTEN)
    both = pl.concat([found("A1"), found("A1", rule="KAP_SRDL", quantity="kap_gycm2")])
    assert judged(store, both, run="R2").new == 1
    after = current(store)
    assert (after.state, after.form) == ("in review", WRITTEN)
    assert alerts_of(store, [after.review_id], SYSTEM).height == 2
    assert "another rule" in " ".join(
        history(store, [after.review_id], SYSTEM)["note"].drop_nulls()
    )


def test_a_further_rule_after_closing_opens_a_new_round(store: Settings) -> None:
    judged(store, found("A1"))
    seen = act(store, current(store), "submit", rso("Ada"), WRITTEN)
    closed = act(store, seen, "sign", rso("Grace"))
    judged(store, pl.concat([found("A1"), found("A1", rule="KAP_SRDL")]), run="R2")
    later, first = reviews_of(store, key("A1"), SYSTEM)
    assert (later.state, first.state) == ("open", "closed")
    assert alerts_of(store, [later.review_id], SYSTEM)["rule_id"].to_list() == ["KAP_SRDL"]
    with pytest.raises(ReviewError, match="a later round"):
        act(store, closed, "reopen", rso("Ada"), note="again")


def test_a_corrected_case_lapses_and_returns(store: Settings) -> None:
    judged(store, found("A1"))
    assert judged(store, found("A2"), key("A1"), run="R2").lapsed == 1
    mine = alerts_of(store, [current(store).review_id], SYSTEM)
    assert mine["lapsed_at"].is_not_null().all()
    assert current(store).state == "open"
    back = judged(store, found("A1", value=8000.0, ratio=1.6, operator="Bob"), run="R3")
    assert (back.new, back.changed) == (0, 1)
    mine = alerts_of(store, [current(store).review_id], SYSTEM).row(0, named=True)
    assert (mine["value"], mine["lapsed_at"], mine["operator"]) == (8000.0, None, "Bob")
    told = history(store, [current(store).review_id], SYSTEM)["what"].to_list()
    assert told == ["exceeds again", "lapsed", "found"]


def test_an_alert_of_a_rule_that_is_off_stays(store: Settings) -> None:
    judged(store, found("A1", rule="OLD_RULE"))
    assert judged(store, found("A2"), key("A1"), run="R2").lapsed == 0


def test_lists_are_filtered_sorted_and_paged(store: Settings) -> None:
    parts = [
        found(
            f"B{i}", score=float(i), room=f"R{i % 3}", bmi=20.0 + i,
            performed_on=date(2026, 1, 1 + i),
        )
        for i in range(20)
    ]  # fmt: skip
    parts.append(found("U", rule="FIELD_AREA", kind="unit_ratio", score=99.0, procedure_code=None))
    frames = [part.with_columns(pl.col("procedure_code").cast(pl.String)) for part in parts]
    judged(store, pl.concat(frames))
    first, total = cases_page(store, Asked(scope=SYSTEM), 0, 5)
    assert total == 21
    assert first["score"].to_list() == [99.0, 19.0, 18.0, 17.0, 16.0]
    last, _ = cases_page(store, Asked(scope=SYSTEM), 20, 5)
    assert last["score"].to_list() == [0.0]
    day = Asked(scope=SYSTEM, filters={"from_date": date(2026, 1, 3), "to_date": date(2026, 1, 4)})
    assert cases_page(store, day, 0, 5)[1] == 2
    for asked, n in (
        (Asked(scope=SYSTEM, filters={"rooms": ("R1",)}), 8),
        (Asked(scope=SYSTEM, filters={"procedures": ("unmapped",)}), 1),
        (Asked(scope=SYSTEM, filters={"bmi_low": 25.0, "bmi_high": 30.0}), 5),
        (Asked(scope=SYSTEM, rules=("FIELD_AREA",)), 1),
        (Asked(scope=SYSTEM, states=("closed",)), 0),
        (Asked(scope=Scope(("rso",), ("Süd",))), 0),
        (Asked(scope=Scope(("rso",), ())), 0),
    ):
        assert cases_page(store, asked, 0, 5)[1] == n, asked
    assert counts(store, Asked(scope=SYSTEM), "rule_id") == {"KAR_SRDL": 20, "FIELD_AREA": 1}
    assert counts(store, Asked(scope=SYSTEM), "state") == {"open": 21}


def test_reviews_of_a_newer_kerma_are_left_alone(store: Settings) -> None:
    judged(store, found("A1"))
    engine = review_store.engine(store)
    version = review_tables.reviews_meta.update()
    with engine.begin() as con:
        con.execute(version.values(schema_version=99))
    try:
        review_store._engine.cache_clear()
        with pytest.raises(NewerReviewsError, match="schema 99"):
            review_store.engine(store)
    finally:
        with engine.begin() as con:
            con.execute(version.values(schema_version=max(review_store.MIGRATIONS)))
        engine.dispose()


def test_a_database_that_is_not_there_is_named_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://kerma:secret@127.0.0.1:1/reviews"
    with pytest.raises(ReviewsUnreachableError, match=r"127\.0\.0\.1:1/reviews") as error:
        review_store.engine(Settings(data_dir=tmp_path, reviews_url=url))
    assert "secret" not in str(error.value)


def test_the_latest_peak_skin_dose_that_a_review_states_is_the_cases(store: Settings) -> None:
    judged(store, found("A1", "A2"))
    assert estimated(store).is_empty()
    (review,) = reviews_of(store, key("A1"), SYSTEM)
    for skin_mgy in (2100.0, 3300.0):
        said = {"peak_skin_dose_mgy": skin_mgy, "peak_skin_dose_method": "film"}
        review = act(store, review, "save", rso("Ada"), WRITTEN.model_copy(update=said))
    row = estimated(store).row(0, named=True)
    assert (row["case_key"], row["peak_skin_dose_mgy"]) == (key("A1"), 3300.0)
    act(store, review, "save", rso("Ada"), WRITTEN)
    assert estimated(store).is_empty()


def test_keys_keep_cases_without_accession_apart() -> None:
    start = datetime(2026, 11, 2, 8, 30, 15, 250)
    one = case_key("Nord", None, start.date(), "C1", start, "CT")
    assert one == case_key("Nord", None, start.date(), "C1", start.replace(microsecond=0), "CT")
    other = {
        case_key("Nord", None, start.date(), "C2", start, "CT"),
        case_key("Nord", None, start.date(), "C1", start, "fluoroscopy"),
        case_key("Nord", None, start.date(), "C1", None, "CT"),
        case_key("Nord", "C1", start.date(), "C1", start, "CT"),
        case_key("Süd", None, start.date(), "C1", start, "CT"),
    }  # fmt: skip
    assert len(other | {one}) == 6


def test_names_are_compared_as_people_write_them() -> None:
    assert same_person("Stent, Vera", "vera STENT")
    assert not same_person("Vera Stent", "Vera Stone")
    assert not same_person("", "")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"follow_up_done": date(2026, 1, 1)}, "when it was due"),
        ({"peak_skin_dose_mgy": 3000.0}, "by which method"),
        ({"patient_informed_on": date(2026, 1, 1)}, "by whom"),
        ({"action_owner": "Ada"}, "what is to be done"),
        ({"data_check": "unit error", "outcome": "not justified"}, "outcome data error"),
        ({"justification": "because"}, "Input should be"),
    ],
)
def test_a_form_that_contradicts_itself_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ReviewForm(**fields)


def test_forms_say_where_they_differ() -> None:
    other = WRITTEN.model_copy(update={"narrative": "x"})
    assert WRITTEN.changed(other) == {"narrative": ("BMI 41, two levels", "x")}
    assert WRITTEN.changed(WRITTEN) == {}


def test_the_history_of_a_site_tells_no_figure_of_others(store: Settings) -> None:
    """What all sites' cases went into stays out of every entry that a site's own RSO reads."""
    own = {"rule": "KAP_OWN_P95", "kind": "own_percentile", "quantity": "kap_gycm2"}
    summed = {"rule": "KAR_SUM", "kind": "patient_sum"}
    rules = ["KAR_SRDL", "KAP_OWN_P95", "KAR_SUM"]
    for run, limit, total in (("R1", 111.5, 8111.5), ("R2", 222.5, 8222.5)):
        alerts = pl.concat([
            found("A1", limit_value=5000.0),
            found("A1", **own, value=700.0 + limit, limit_value=limit),
            found("A1", **summed, value=total, limit_value=8000.0),
        ])  # fmt: skip
        enter(store, alerts, [Judged(alerts["case_key"].unique(), rules)], [run], "rules-1")
    seen = reviews_of(store, found("A1")["case_key"][0], SYSTEM)[0]
    facts = {"kap_gycm2": 333.5, f"{reviews.PATIENT_SUM}6_months_kap_gycm2": 999.5}
    act(store, seen, "submit", rso("Ada"), WRITTEN, facts=facts)
    whole = "\n".join(history(store, [seen.review_id], SYSTEM)["details"])
    assert all(text in whole for text in ("8111.5", "8222.5", "222.5", "999.5", "333.5"))
    told = history(store, [seen.review_id], Scope(("rso",), ("Nord",)))
    assert told.columns == history(store, [seen.review_id], SYSTEM).columns
    site = "\n".join(told["details"])
    assert "333.5" in site and "922.5" in site, "the case's own values stay"
    for other in ("8111.5", "8222.5", ": 222.5", "999.5"):
        assert other not in site, site
