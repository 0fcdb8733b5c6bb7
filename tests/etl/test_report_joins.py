"""One study told by a scanner, a log and an export of a dose-management system counts once."""

from datetime import date
from itertools import permutations
from pathlib import Path

import pytest

from tests.etl.staged import content, load, log, report, reports, row, warehouse

UID = "1.2.840.1"


def doses(con) -> list[tuple]:
    return con.sql(
        "select round(dlp_mgycm, 4), round(kap_gycm2, 4) from procedure order by accession_number"
    ).fetchall()


def scanner(uid: str, events: list[str], **values) -> dict:
    return report(f"{UID}.{uid}", events, modality="CT", **values)


def export(uid: str, **values) -> dict:
    return report(f"kerma.{uid}", [f"kerma.{uid}.e"], modality="CT", **values)


def test_an_export_of_a_report_is_that_report(tmp_path: Path) -> None:
    for number, order in enumerate(permutations(["dicom", "export", "log"])):
        folder = tmp_path / str(number)
        folder.mkdir()
        made = {
            "dicom": reports(folder, [scanner("1", ["a", "b"], dlp_mgycm=236.09)], day=1),
            "export": reports(folder, [export("x", dlp_mgycm=236.0899963, device="R 1")], day=2),
            "log": log(folder, [row("A1", modality="CT", room="Suite 2")], day=3),
        }
        with warehouse(folder / "w") as con:
            for name in order:
                load(con, folder / "w", made[name])
            assert doses(con) == [(236.09, None)]
            assert con.sql("select count(*) from dose_report").fetchall() == [(2,)]


def test_an_export_made_between_two_cumulative_reports(tmp_path: Path) -> None:
    rows = [
        scanner("1", ["a"], dlp_mgycm=7.46),
        scanner("2", ["a", "b"], dlp_mgycm=77.27),
        scanner("3", ["a", "b", "c"], dlp_mgycm=236.09),
        export("x", dlp_mgycm=77.27),
    ]
    with warehouse(tmp_path) as con:
        load(con, tmp_path, reports(tmp_path, rows))
        assert doses(con) == [(236.09, None)]


def test_an_export_that_added_continued_reports(tmp_path: Path) -> None:
    rows = [
        scanner("1", ["a"], dlp_mgycm=60.17),
        scanner("2", ["b"], dlp_mgycm=56.44),
        export("x", dlp_mgycm=116.61),
    ]
    with warehouse(tmp_path) as con:
        load(con, tmp_path, reports(tmp_path, rows))
        assert doses(con) == [(116.61, None)]


def test_what_an_export_adds_is_not_lost(tmp_path: Path) -> None:
    rows = [scanner("1", ["a"], dlp_mgycm=60.17), export("x", dlp_mgycm=60.17)]
    rows.append(export("y", dlp_mgycm=56.44))
    with warehouse(tmp_path) as con:
        load(con, tmp_path, reports(tmp_path, rows))
        assert doses(con) == [(116.61, None)]


def test_a_summary_follows_the_report_that_it_names(tmp_path: Path) -> None:
    """Also where it says another total; of two summaries of one report the newer stands."""
    first = reports(tmp_path, [report("kerma.s1", ["1.2.3"], modality="CT", dlp_mgycm=5.0)], day=11)
    second = reports(
        tmp_path, [report("kerma.s2", ["1.2.3"], modality="CT", dlp_mgycm=6.0)], day=12
    )
    itself = reports(tmp_path, [report("1.2.3", ["a", "b"], modality="CT", dlp_mgycm=7.0)], day=10)
    orders = [(first, second, itself), (itself, second, first), (second, first)]
    for place, order in enumerate(orders):
        with warehouse(tmp_path / str(place)) as con:
            for staged in order:
                load(con, tmp_path, staged)
            assert doses(con) == [(7.0 if itself in order else 6.0, None)]


def test_two_reports_of_the_scanner_with_equal_doses_both_count(tmp_path: Path) -> None:
    rows = [scanner("1", ["a"], dlp_mgycm=60.0), scanner("2", ["b"], dlp_mgycm=60.0)]
    with warehouse(tmp_path) as con:
        load(con, tmp_path, reports(tmp_path, rows))
        assert doses(con) == [(120.0, None)]


def test_without_accession_number_doses_and_start_join_them(tmp_path: Path) -> None:
    bare = {"accession_number": None, "dlp_mgycm": 541.1}
    first = reports(tmp_path, [scanner("1", ["a"], study_uid="1.2.3", device="HOST", **bare)])
    second = reports(tmp_path, [export("x", device="Clinic HOST", **bare)])
    other = reports(tmp_path, [export("y", device="Clinic CT 2", **(bare | {"dlp_mgycm": 99.0}))])
    for number, files in enumerate(permutations([first, second, other])):
        with warehouse(tmp_path / str(number)) as con:
            for staged in files:
                load(con, tmp_path, staged)
            assert sorted(con.sql("select dlp_mgycm from procedure").fetchall()) == [
                (99.0,),
                (541.1,),
            ]


@pytest.mark.parametrize("log_first", [True, False])
def test_an_institution_s_name_is_no_other_site(tmp_path: Path, log_first: bool) -> None:
    told = log(tmp_path, [row("A1", modality="CT", room="Suite 2", patient_key="p")])
    measured = reports(tmp_path, [scanner("1", ["a"], site="Clinic of the North", dlp_mgycm=9.0)])
    with warehouse(tmp_path) as con:
        for staged in [told, measured] if log_first else [measured, told]:
            load(con, tmp_path, staged)
        assert con.sql("select site, room, dlp_mgycm, dose_source from procedure").fetchall() == [
            ("north", "Suite 2", 9.0, "report")
        ]
        corrected = log(tmp_path, [row("A1", modality="CT", room="Suite 3")], day=20)
        load(con, tmp_path, corrected)
        assert con.sql("select room, dlp_mgycm from procedure").fetchall() == [("Suite 3", 9.0)]
        further = reports(
            tmp_path, [scanner("2", ["b"], site="Clinic of the North", dlp_mgycm=1.0)]
        )
        load(con, tmp_path, further)
        assert con.sql("select room, dlp_mgycm from procedure").fetchall() == [("Suite 3", 10.0)]


def test_either_order_gives_the_same_warehouse(tmp_path: Path) -> None:
    told = log(tmp_path, [row("A1", modality="CT", dlp_mgycm=8.0)])
    measured = reports(tmp_path, [scanner("1", ["a"], site="Clinic", dlp_mgycm=9.0)])
    seen = []
    for number, order in enumerate(([told, measured], [measured, told])):
        with warehouse(tmp_path / str(number)) as con:
            for staged in order:
                load(con, tmp_path, staged)
            seen.append(content(con))
    assert seen[0] == seen[1]
    assert "dose_contradiction" in repr(seen[0]["procedure"])


@pytest.mark.parametrize(("site", "together"), [("north", False), ("Clinic of the North", True)])
def test_an_export_follows_its_report_under_another_accession_number(
    tmp_path: Path, site: str, together: bool
) -> None:
    """The study UID leads the report to a log row; the export has only the report's number."""
    number = {"accession_number": "ORDER-7", "site": site}
    files = [
        log(tmp_path, [row("A1", modality="CT", study_uid="1.2.3", room="Suite 2")]),
        reports(tmp_path, [scanner("1", ["a"], dlp_mgycm=9.0, study_uid="1.2.3", **number)]),
        reports(tmp_path, [export("x", dlp_mgycm=9.0, **number)]),
    ]
    seen = []
    for place, order in enumerate(permutations(files)):
        with warehouse(tmp_path / str(place)) as con:
            for staged in [order] if together else [[one] for one in order]:
                load(con, tmp_path, *staged)
            told = "select site, accession_number, room, dlp_mgycm from procedure"
            assert con.sql(told).fetchall() == [("north", "A1", "Suite 2", 9.0)], place
            seen.append(content(con))
    assert all(one == seen[0] for one in seen)


def test_of_two_orders_of_one_study_the_one_with_the_report_s_number_has_its_dose(
    tmp_path: Path,
) -> None:
    orders = [row(name, modality="CT", study_uid="1.2.3") for name in ("A0", "A1")]
    files = [
        log(tmp_path, orders),
        reports(tmp_path, [scanner("1", ["a"], dlp_mgycm=9.0, study_uid="1.2.3")]),
    ]
    for place, order in enumerate(permutations(files)):
        with warehouse(tmp_path / str(place)) as con:
            for staged in order:
                load(con, tmp_path, staged)
            assert doses(con) == [(None, None), (9.0, None)]


@pytest.mark.parametrize(
    "other",
    [
        {"modality": "ultrasound"},
        {"performed_on": date(2026, 3, 4)},
        {"accession_number": "A2"},
    ],
)
def test_what_does_not_fit_stays_apart(tmp_path: Path, other: dict) -> None:
    accession = other.pop("accession_number", "A1")
    told = log(tmp_path, [row(accession, **({"modality": "CT"} | other))])
    measured = reports(tmp_path, [scanner("1", ["a"], site="Clinic", dlp_mgycm=9.0)])
    with warehouse(tmp_path) as con:
        load(con, tmp_path, measured, told)
        assert con.sql("select count(*) from procedure").fetchall() == [(2,)]


def test_two_sites_with_one_number_leave_the_report_apart(tmp_path: Path) -> None:
    told = log(tmp_path, [row("A1", modality="CT"), row("A1", modality="CT", site="south")])
    measured = reports(tmp_path, [scanner("1", ["a"], site="Clinic", dlp_mgycm=9.0)])
    for number, order in enumerate(([told, measured], [measured, told])):
        with warehouse(tmp_path / str(number)) as con:
            for staged in order:
                load(con, tmp_path, staged)
            assert con.sql("select count(*) from procedure").fetchall() == [(3,)]


def test_one_number_on_two_days_is_flagged(tmp_path: Path) -> None:
    later = {"performed_on": date(2026, 4, 1), "study_uid": "1.2.9"}
    rows = [
        scanner("1", ["a"], dlp_mgycm=1.0, study_uid="1.2.8"),
        scanner("2", ["b"], dlp_mgycm=2.0, **later),
    ]
    for number, files in enumerate(([rows], [[rows[0]], [rows[1]]])):
        with warehouse(tmp_path / str(number)) as con:
            for some in files:
                load(con, tmp_path, reports(tmp_path, some))
            assert con.sql("select dlp_mgycm, flags from procedure order by 1").fetchall() == [
                (1.0, ["accession_reused"]),
                (2.0, ["accession_reused"]),
            ]
