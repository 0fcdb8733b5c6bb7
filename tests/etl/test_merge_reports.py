"""Dose reports of one study become one procedure, whatever arrives first."""

from datetime import date, datetime
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.etl.staged import content, load, log, report, reports, row, warehouse

DOSES = "kap_gycm2, air_kerma_mgy, fluoro_time_s, dlp_mgycm, ctdi_vol_mgy"


def procedures(con, columns: str) -> list[tuple]:
    return con.sql(f"select {columns} from procedure order by accession_number").fetchall()


def event(uid: str, of: str, kap: float, plane: str | None = None, kerma: float = 0.0) -> dict:
    told = {"event_uid": uid, "report_uid": of, "kap_gycm2": kap, "plane": plane}
    return told | {"air_kerma_mgy": kerma, "event_type": "Fluoroscopy", "duration_s": kap}


def test_cumulative_replaces_continued_adds_duplicate_is_ignored(tmp_path: Path) -> None:
    rows = [
        report("R1", ["a", "b"], kap_gycm2=3.0, fluoro_time_s=30.0),
        report("R2", ["a", "b", "c"], kap_gycm2=6.0, fluoro_time_s=60.0),
        report("R3", ["d"], kap_gycm2=4.0, fluoro_time_s=40.0),
    ]
    with warehouse(tmp_path) as con:
        result = load(con, tmp_path, reports(tmp_path, rows))[0]
        assert (result.counts.inserted, result.counts.updated) == (1, 2)
        assert procedures(con, "kap_gycm2, fluoro_time_s, dose_source") == [(10.0, 100.0, "report")]
        again = load(con, tmp_path, reports(tmp_path, rows))[0]
        assert again.counts.duplicate == 3
        assert procedures(con, "kap_gycm2") == [(10.0,)]


def test_events_that_two_reports_share_count_once(tmp_path: Path) -> None:
    rows = [report("R1", ["a", "b"], kap_gycm2=3.0), report("R2", ["b", "c"], kap_gycm2=5.0)]
    events = [
        event("a", "R1", 1.0),
        event("b", "R1", 2.0),
        event("b", "R2", 2.0),
        event("c", "R2", 3.0),
    ]
    with warehouse(tmp_path) as con:
        load(con, tmp_path, reports(tmp_path, rows, events))
        assert procedures(con, "kap_gycm2, flags") == [(6.0, ["reports_overlap"])]
        assert con.sql(
            "select count(*), count(distinct event_uid) from irradiation_event"
        ).fetchall() == [(3, 3)]


def test_air_kerma_adds_within_a_plane_only(tmp_path: Path) -> None:
    rows = [
        report("R1", ["a"], air_kerma_mgy=100.0, kap_gycm2=1.0),
        report("R2", ["b"], air_kerma_mgy=50.0, kap_gycm2=1.0),
        report("R3", ["c"], air_kerma_mgy=30.0, kap_gycm2=1.0),
    ]
    events = [event("a", "R1", 1, "A"), event("b", "R2", 1, "B"), event("c", "R3", 1, "A")]
    with warehouse(tmp_path) as con:
        load(con, tmp_path, reports(tmp_path, rows, events))
        assert procedures(con, "air_kerma_mgy, kap_gycm2") == [(130.0, 3.0)]


def test_ctdi_vol_is_the_maximum_with_its_phantom(tmp_path: Path) -> None:
    rows = [
        report("R1", ["a"], modality="CT", ctdi_vol_mgy=5.0, ctdi_phantom_cm=32, dlp_mgycm=100.0),
        report("R2", ["b"], modality="CT", ctdi_vol_mgy=9.0, ctdi_phantom_cm=16, dlp_mgycm=50.0),
    ]
    with warehouse(tmp_path) as con:
        load(con, tmp_path, reports(tmp_path, rows))
        assert procedures(con, "ctdi_vol_mgy, ctdi_phantom_cm, dlp_mgycm") == [(9.0, 16, 150.0)]


@pytest.mark.parametrize("log_first", [True, False])
def test_a_log_row_gives_outcome_and_times_the_report_the_dose(
    tmp_path: Path, log_first: bool
) -> None:
    said = log(
        tmp_path,
        [row("A1", room="Suite 2", kap_gycm2=8.0, air_kerma_mgy=101.0, complications="none")],
    )
    measured = reports(tmp_path, [report("R1", ["a"], kap_gycm2=10.0, air_kerma_mgy=100.0)])
    with warehouse(tmp_path) as con:
        files = [said, measured] if log_first else [measured, said]
        results = [load(con, tmp_path, staged)[0].counts for staged in files]
        assert [(c.inserted, c.updated) for c in results] == [(1, 0), (0, 1)]
        assert procedures(
            con, "room, complications, kap_gycm2, air_kerma_mgy, dose_source, flags"
        ) == [("Suite 2", "none", 10.0, 100.0, "report", ["dose_contradiction"])]
        aside = con.sql("select field, text, unit, source from raw_value order by field").fetchall()
        assert aside == [
            ("air_kerma_mgy", "101.0", "mGy", "log, set aside"),
            ("kap_gycm2", "8.0", "Gy·cm²", "log, set aside"),
        ]
        corrected = log(tmp_path, [row("A1", room="Suite 3", kap_gycm2=10.1)], day=20)
        load(con, tmp_path, corrected)
        assert procedures(con, "room, kap_gycm2, air_kerma_mgy, flags") == [
            ("Suite 3", 10.0, 100.0, [])
        ]
        assert con.sql("select room, why from procedure_history").fetchall() == [
            ("Suite 2", "corrected")
        ]


def test_a_log_row_meets_a_report_by_study_uid(tmp_path: Path) -> None:
    measured = reports(
        tmp_path, [report("R1", ["a"], accession_number=None, study_uid="1.2.3", kap_gycm2=5.0)]
    )
    with warehouse(tmp_path) as con:
        load(con, tmp_path, measured)
        load(con, tmp_path, log(tmp_path, [row("A1", study_uid="1.2.3", room="Suite 2")]))
        assert procedures(con, "accession_number, room, kap_gycm2") == [("A1", "Suite 2", 5.0)]


def test_reports_without_accession_are_kept_apart_by_device_and_start(tmp_path: Path) -> None:
    rows = [
        report("R1", ["a"], accession_number=None, kap_gycm2=1.0),
        report("R2", ["b"], accession_number=None, kap_gycm2=2.0, device="Room 2"),
        report("R3", ["c"], accession_number=None, kap_gycm2=4.0),
    ]
    with warehouse(tmp_path) as con:
        load(con, tmp_path, reports(tmp_path, rows))
        assert con.sql("select device, kap_gycm2 from procedure order by 1").fetchall() == [
            ("Room 1", 5.0),
            ("Room 2", 2.0),
        ]


def test_a_report_can_show_that_two_procedures_are_one(tmp_path: Path) -> None:
    one = reports(
        tmp_path, [report("R1", ["a"], accession_number=None, study_uid="1.2.3", kap_gycm2=1.0)]
    )
    two = log(tmp_path, [row("A1", procedure_start_at=datetime(2026, 3, 2, 8, 0), room="Suite 2")])
    bridge = reports(tmp_path, [report("R2", ["b"], study_uid="1.2.3", kap_gycm2=2.0)])
    with warehouse(tmp_path) as con:
        load(con, tmp_path, one, two)
        assert len(procedures(con, "kap_gycm2")) == 2
        load(con, tmp_path, bridge)
        assert procedures(con, "accession_number, room, kap_gycm2") == [("A1", "Suite 2", 3.0)]


def test_a_study_that_crosses_midnight_is_one_procedure(tmp_path: Path) -> None:
    night = {
        "study_uid": "1.2.3",
        "performed_on": date(2026, 3, 3),
        "started_at": datetime(2026, 3, 3, 0, 10),
    }
    rows = [
        report("R2", ["b"], kap_gycm2=2.0, **night),
        report("R1", ["a"], kap_gycm2=1.0, study_uid="1.2.3"),
    ]
    with warehouse(tmp_path) as con:
        for each in rows:
            load(con, tmp_path, reports(tmp_path, [each]))
        assert procedures(con, "performed_on, kap_gycm2") == [(date(2026, 3, 2), 3.0)]


def test_any_order_gives_the_same_warehouse(tmp_path: Path) -> None:
    files = [
        reports(
            tmp_path, [report("R1", ["a", "b"], kap_gycm2=3.0)], [event("a", "R1", 1.0)], day=1
        ),
        reports(
            tmp_path, [report("R2", ["a", "b", "c"], kap_gycm2=6.0)], [event("a", "R2", 1.0)], day=2
        ),
        log(tmp_path, [row("A1", room="Suite 2", kap_gycm2=3.0)], day=3),
        reports(tmp_path, [report("R3", ["d"], kap_gycm2=1.0, study_uid="1.2.3")], day=4),
    ]
    seen = []
    for number, order in enumerate(list(permutations(files))[::4]):
        with warehouse(tmp_path / f"w{number}") as con:
            for staged in order:
                load(con, tmp_path, staged)
            seen.append(content(con))
    assert procedures_of(seen[0]) == 1
    assert all(each == seen[0] for each in seen)


def procedures_of(held: dict) -> int:
    return len(held["procedure"])


event_sets = st.lists(
    st.frozensets(st.sampled_from("abcdef"), min_size=1, max_size=4), min_size=1, max_size=4
)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sets=event_sets)
def test_dose_is_that_of_all_events(tmp_path_factory: pytest.TempPathFactory, sets: list) -> None:
    """Whatever the reports repeat, the total is the sum over distinct events."""
    folder = tmp_path_factory.mktemp("events")
    dose = {uid: float(2**n) for n, uid in enumerate("abcdef")}
    rows = [
        report(f"R{n}", sorted(s), kap_gycm2=sum(dose[e] for e in s)) for n, s in enumerate(sets)
    ]
    events = [event(e, f"R{n}", dose[e]) for n, s in enumerate(sets) for e in s]
    with warehouse(folder) as con:
        load(con, folder, reports(folder, rows, events))
        assert procedures(con, "kap_gycm2") == [(sum(dose[e] for e in frozenset().union(*sets)),)]
