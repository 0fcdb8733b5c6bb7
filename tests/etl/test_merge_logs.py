"""Procedure rows merge by key, whatever arrives first."""

from itertools import permutations
from pathlib import Path

import pytest

from etl.merge import Merge
from etl.publish import BrokenPromiseError
from tests.etl.staged import at, content, load, log, row, warehouse


def counts(result) -> tuple[int, ...]:
    c = result.counts
    assert c.balanced()
    return c.inserted, c.updated, c.unchanged, c.duplicate, c.rejected


def one(con, sql: str):
    (found,) = con.sql(sql).fetchall()
    return found


def test_new_then_same_then_corrected(tmp_path: Path) -> None:
    with warehouse(tmp_path) as con:
        first = log(tmp_path, [row("A1", kap_gycm2=1.0), row("A2", kap_gycm2=2.0)], day=1)
        assert counts(load(con, tmp_path, first)[0]) == (2, 0, 0, 0, 0)
        before = con.sql(
            "select accession_number, procedure_id from procedure order by 1"
        ).fetchall()
        again = log(tmp_path, [row("A1", kap_gycm2=1.0), row("A2", kap_gycm2=2.5)], day=2)
        assert counts(load(con, tmp_path, again)[0]) == (0, 1, 1, 0, 0)
        assert one(con, "select kap_gycm2, why from procedure_history") == (2.0, "corrected")
        assert one(con, "select kap_gycm2 from procedure where accession_number = 'A2'") == (2.5,)
        after = con.sql(
            "select accession_number, procedure_id from procedure order by 1"
        ).fetchall()
        assert after == before


def test_an_older_file_goes_to_history_once(tmp_path: Path) -> None:
    with warehouse(tmp_path) as con:
        load(con, tmp_path, log(tmp_path, [row("A1", kap_gycm2=2.0)], day=5))
        for _ in range(2):
            late = log(tmp_path, [row("A1", kap_gycm2=1.0)], day=3)
            assert counts(load(con, tmp_path, late)[0]) == (0, 0, 1, 0, 0)
        assert one(con, "select kap_gycm2, why from procedure_history") == (1.0, "older")
        assert one(con, "select kap_gycm2 from procedure") == (2.0,)


def test_the_rows_own_time_beats_the_files(tmp_path: Path) -> None:
    with warehouse(tmp_path) as con:
        load(con, tmp_path, log(tmp_path, [row("A1", kap_gycm2=2.0, updated_at=at(20))], day=1))
        load(con, tmp_path, log(tmp_path, [row("A1", kap_gycm2=1.0)], day=10))
        assert one(
            con,
            "select kap_gycm2, source_at = '2026-03-20 00:00:00+00'::timestamptz from procedure",
        ) == (
            2.0,
            True,
        )


def test_a_value_sent_again_is_as_new_as_its_newest_sending(tmp_path: Path) -> None:
    with warehouse(tmp_path) as con:
        for value, day in ((1.0, 1), (1.0, 3), (2.0, 2)):
            load(con, tmp_path, log(tmp_path, [row("A1", kap_gycm2=value)], day=day))
        assert one(con, "select kap_gycm2 from procedure") == (1.0,)


def test_identical_rows_are_duplicates_and_contradictions_are_refused(tmp_path: Path) -> None:
    rows = [
        row("A1", kap_gycm2=1.0),
        row("A2", kap_gycm2=1.0),
        row("A1", kap_gycm2=1.0),
        row("A2", kap_gycm2=9.0),
        row("A3"),
    ]
    with warehouse(tmp_path) as con:
        assert counts(load(con, tmp_path, log(tmp_path, rows))[0]) == (2, 0, 0, 1, 2)
        refused = con.sql(
            "select line, accession_number, reasons[1], raw_text from rejected_row order by line"
        ).fetchall()
        assert [(line, accession) for line, accession, *_ in refused] == [(3, "A2"), (5, "A2")]
        assert all("lines 3, 5" in reason for *_, reason, _ in refused)
        assert '"kap_gycm2":9.0' in refused[1][3]
        assert "source_line" not in refused[1][3]


def test_versions_in_one_file_are_told_apart_by_their_time(tmp_path: Path) -> None:
    rows = [
        row("A1", kap_gycm2=1.0, updated_at=at(1)),
        row("A1", kap_gycm2=2.0, updated_at=at(2)),
    ]
    with warehouse(tmp_path) as con:
        assert counts(load(con, tmp_path, log(tmp_path, rows))[0]) == (1, 0, 1, 0, 0)
        assert one(con, "select kap_gycm2 from procedure") == (2.0,)
        assert one(con, "select kap_gycm2, why from procedure_history") == (1.0, "older")
        assert one(
            con, "select count(*) from procedure p join procedure_history using (procedure_id)"
        ) == (1,)


def test_a_withdrawn_row_stays_in_history(tmp_path: Path) -> None:
    with warehouse(tmp_path) as con:
        load(
            con,
            tmp_path,
            log(tmp_path, [row("A1", kap_gycm2=1.0, complications="haematoma:1")], day=1),
        )
        gone = log(tmp_path, [row("A1", status="deleted")], day=2)
        assert counts(load(con, tmp_path, gone)[0]) == (0, 1, 0, 0, 0)
        assert one(con, "select status, kap_gycm2 from procedure") == ("deleted", None)
        assert one(con, "select why, kap_gycm2 from procedure_history") == ("withdrawn", 1.0)
        assert con.sql("from complication").fetchall() == []
        late = log(tmp_path, [row("A1", kap_gycm2=0.5)], day=1)
        load(con, tmp_path, late)
        assert one(con, "select status from procedure") == ("deleted",)


def test_one_accession_number_on_two_dates_is_two_procedures(tmp_path: Path) -> None:
    from datetime import date

    other = date(2026, 3, 9)
    with warehouse(tmp_path) as con:
        load(con, tmp_path, log(tmp_path, [row("A1"), row("A2")], day=1))
        load(con, tmp_path, log(tmp_path, [row("A1", performed_on=other)], day=2))
        flagged = con.sql(
            "select accession_number, flags from procedure order by accession_number, performed_on"
        ).fetchall()
        assert flagged == [("A1", ["accession_reused"])] * 2 + [("A2", [])]
        # A correction keeps the flag.
        load(con, tmp_path, log(tmp_path, [row("A1", room="2")], day=3))
        assert one(con, "select count(*) from procedure where flags = ['accession_reused']") == (2,)
        both = log(tmp_path, [row("B1"), row("B1", performed_on=other)], day=2)
        assert counts(load(con, tmp_path, both)[0]) == (2, 0, 0, 0, 0)
        assert one(con, "select count(*) from procedure where flags = ['accession_reused']") == (4,)


def test_without_an_accession_number_device_start_and_modality_are_the_key(tmp_path: Path) -> None:
    with warehouse(tmp_path) as con:
        rows = [row(None, device="Room 1"), row(None, device="Room 2")]
        assert counts(load(con, tmp_path, log(tmp_path, rows, day=1))[0]) == (2, 0, 0, 0, 0)
        again = [row(None, device="Room 1", sex="F"), row(None, device="Room 2")]
        assert counts(load(con, tmp_path, log(tmp_path, again, day=2))[0]) == (0, 1, 1, 0, 0)


def test_derived_tables_follow_a_correction(tmp_path: Path) -> None:
    first = row("A1", complications="haematoma:2|vasovagal", complication_scale="CTCAE")
    first |= {"pain_scale": "VAS 0-100", "pain_baseline": 70.0, "odi_1mo": 22.0}
    with warehouse(tmp_path) as con:
        load(con, tmp_path, log(tmp_path, [first], day=1))
        terms = "select term, grade, scale from complication order by term"
        assert con.sql(terms).fetchall() == [
            ("haematoma", "2", "CTCAE"),
            ("vasovagal", None, "CTCAE"),
        ]
        scores = "select scale, timepoint, value, scale_max from outcome order by scale"
        assert con.sql(scores).fetchall() == [
            ("odi", "1mo", 22.0, 100.0),
            ("pain", "baseline", 70.0, 100.0),
        ]
        load(
            con,
            tmp_path,
            log(tmp_path, [first | {"complications": "none", "odi_1mo": 20.0}], day=2),
        )
        assert con.sql(terms).fetchall() == [("none", None, "CTCAE")]
        assert con.sql(scores).fetchall()[0] == ("odi", "1mo", 20.0, 100.0)


@pytest.mark.parametrize("order", list(permutations(range(4)))[1::4])
def test_any_order_of_files_gives_the_same_warehouse(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    from datetime import date

    versions = [
        log(tmp_path, [row("A1", kap_gycm2=1.0), row("A2")], day=1),
        log(tmp_path, [row("A1", kap_gycm2=2.0), row("A2", performed_on=date(2026, 4, 1))], day=2),
        log(tmp_path, [row("A1", status="deleted"), row(None, sex="F")], day=3),
        log(tmp_path, [row("A1", kap_gycm2=1.0), row(None, sex="M")], day=4),
    ]
    with warehouse(tmp_path / "ordered") as con:
        for staged in versions:
            load(con, tmp_path, staged)
        expected = content(con)
    with warehouse(tmp_path / "any") as con:
        for i in order:
            load(con, tmp_path, versions[i])
        got = content(con)
    assert {k: v for k, v in got.items() if k != "history"} == {
        k: v for k, v in expected.items() if k != "history"
    }


def test_a_rejection_is_resolved_when_its_row_loads(tmp_path: Path) -> None:
    bad = {"line": 2, "raw_text": "north,A1,x", "reasons": ["modality: …"], "rules": ["word"]}
    bad |= {"site": "north", "accession_number": "A1"}
    open_rows = "select count(*) from rejected_row where resolved_by_run is null"
    with warehouse(tmp_path) as con:
        result = load(con, tmp_path, log(tmp_path, [row("A2")], rejected=[bad], day=1))[0]
        assert counts(result) == (1, 0, 0, 0, 1)
        assert result.status == "partly"
        assert result.reasons == {"word": 1}
        load(con, tmp_path, log(tmp_path, [row("A3")], rejected=[bad], day=2))
        assert one(con, open_rows) == (1,), "the same row refused again is one entry of the queue"
        load(con, tmp_path, log(tmp_path, [row("A1")], day=3))
        assert one(con, open_rows) == (0,)


BROKEN = {
    "two procedures with one key": """insert into procedure
        select * replace (procedure_id + 100 as procedure_id)
        from procedure where room = 'twice'""",
    "a file whose counts do not balance": "update source_file set read = read + 1",
    "procedures lost or added": "delete from procedure where room = 'twice'",
    "dose reports of no procedure": """insert into dose_report by name
        select 'R' as report_uid, 'north' as site, 'CT' as modality, [] as event_uids, [] as flags,
            performed_on, source_at, source_file_id, run_id, -1 as procedure_id
        from procedure limit 1""",
    "rejected rows that the counts do not name": "delete from rejected_row",
}


@pytest.mark.parametrize("promise", BROKEN)
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("accession", ["A1", None])
def test_a_broken_promise_stops_publication(
    tmp_path: Path, promise: str, first: bool, accession: str | None
) -> None:
    bad = {"line": 9, "raw_text": "x", "reasons": ["…"], "rules": ["word"]}
    with warehouse(tmp_path) as con:
        if not first:
            load(con, tmp_path, log(tmp_path, [row("A0")]))
        merge = Merge(con, "run-x", tmp_path)
        rows = [row(accession, room="twice"), row("A2")]
        merge.log(log(tmp_path, rows, rejected=[{"site": None, "accession_number": None} | bad]))
        con.execute(BROKEN[promise])
        merge.finish()
        with pytest.raises(BrokenPromiseError, match=promise):
            merge.check()
