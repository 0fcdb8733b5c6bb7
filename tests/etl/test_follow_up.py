"""Follow-ups arrive after the procedure, from a log of their own or from a person in the app."""

import itertools
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from etl.__main__ import app
from etl.follow_up import SCALE_NAMES, TIMEPOINTS, judge, timepoint
from etl.profiles import recognise
from etl.rollback import rollback
from etl.status import status
from tests.etl.staged import at as source_time
from tests.etl.staged import load, log, row, source, warehouse
from tests.etl.staging_help import stage_bytes
from tests.etl.test_refresh import ask, data, drop, etl
from tests.people import manager, physician, rso
from warehouse.access import RefusedError
from warehouse.entries import Case, Entry, EntryError, enter, entries_of
from warehouse.settings import settings

__all__ = ["data"]
HEADER = "site,accession_number,scale,timepoint,date,value\n"
LOG = (
    "site,accession_number,modality,procedure_start_at,pain_scale,pain_baseline,pain_1mo,"
    "complications,complication_scale\n"
    "north,A1,fluoroscopy,2026-03-02 09:00,NRS 0-10,8,7,vasovagal reaction:1,CIRSE 2017\n"
    "north,A2,CT,2026-03-02 10:00,VAS 0-100,80,,none,\n"
)
SCORES = """select accession_number, timepoint, value, scale_max from outcome
    join procedure using (procedure_id) order by 1, 2"""
STATES = "select accession_number, measure, state from follow_up order by 1, 2, source_line"


def test_a_follow_up_log_is_known_by_its_header() -> None:
    for header in (
        HEADER.strip().split(","),
        ["Site", "Accession Number", "Scale", "Time point", "Value"],
        ["accession", "instrument", "date", "score"],
    ):
        found = recognise(header, None)
        assert found is not None, header
        assert found.kind == "followup", header
    log_header = ["site", "accession_number", "modality", "performed_on", "scale", "value", "date"]
    found = recognise(log_header, None)
    assert found is not None
    assert found.kind == "log", "a procedure log may have such columns beside its own"


def test_a_header_that_lacks_a_column_is_told_which(tmp_path: Path) -> None:
    staged = stage_refused(tmp_path, "site,accession_number,scale,timepoint\nn,A1,ODI,1mo\n")
    assert "missing column: value" in staged
    staged = stage_refused(tmp_path, "site,accession_number,scale,value\nn,A1,ODI,4\n")
    assert "missing column: timepoint (or measured_on)" in staged


def stage_refused(folder: Path, text: str) -> str:
    staged = stage_bytes(folder, text, "f.csv")
    assert staged.refusal is not None
    return staged.refusal


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("1 month", "1mo"), ("1mo", "1mo"), ("4 weeks", "1mo"), ("1wk", "1wk"), ("2 Weeks", "2wk"),
        ("15 min", "15min"), ("15 minutes", "15min"), ("6 months", "6mo"), ("Baseline", "baseline"),
        ("5 months", None), ("soon", None), ("8 weeks", "2mo"),
    ],
)  # fmt: skip
def test_time_points_may_be_written_in_words(text: str, name: str | None) -> None:
    assert timepoint(text) == name


@pytest.mark.parametrize(
    ("scale", "point", "value", "rule"),
    [
        ("NRS", "1wk", "11", "pain_1wk.pain_scale"),
        ("VAS 0-100", "1wk", "101", "pain_1wk.max"),
        ("ODI", "1wk", "-1", "odi_1wk.min"),
        ("ODI", "15min", "30", "timepoint.words"),
        ("NDI 0-50", "1mo", "51", "ndi_1mo.max"),
        ("satisfaction", None, "6", "satisfaction.words"),
        ("satisfaction", None, None, "satisfaction.missing"),
        ("ODI", "1wk", "some", "odi_1wk.type"),
        ("ODI", "1wk", "nan", "odi_1wk.type"),
        ("ODI", None, "30", "timepoint.missing"),
        ("mood", "1wk", "3", "scale.words"),
        (None, "1wk", "3", "scale.missing"),
    ],
)
def test_a_value_must_satisfy_the_contract_of_its_column(
    scale: str | None, point: str | None, value: str | None, rule: str
) -> None:
    found = judge(scale, point, False, value)
    assert found.rules == (rule,)
    (reason,) = found.reasons
    shown = {"scale": scale, "timepoint": point if scale != "ODI" or point else None}
    name, *_, sent, remedy = reason.split(": ")
    assert name in ("value", "scale", "timepoint")
    assert sent == "(blank)" or str(shown.get(name) or value) in sent
    assert remedy


def test_values_are_read_as_people_write_them() -> None:
    assert judge("NRS", "1wk", False, "3,5").score == 3.5
    assert judge("NDI raw", "1wk", False, "20").score == 40, "raw sums are doubled to per cent"
    assert judge("Satisfaction", None, False, "Very satisfied").score == 5
    assert judge("complications", None, False, "Infection : 3 | none").terms == "infection:3"
    assert judge("complications", None, False, "none").terms == "none"


@given(st.sampled_from(SCALE_NAMES), st.sampled_from(TIMEPOINTS), st.text(max_size=12))
def test_every_text_is_taken_or_refused_with_its_reason(scale: str, point: str, value: str) -> None:
    found = judge(scale, point, False, value)
    assert bool(found.reasons) == bool(found.rules)
    assert bool(found.reasons) != (found.score is not None or found.terms is not None)


def test_values_are_merged_into_the_procedure(data: Path) -> None:
    """Five follow-ups of two cases, on paper.

    A1 (NRS 0-10; 2 March): 1 month 3,5 replaces the log's 7; ODI of 10 March is day 8, so 1 week;
    satisfaction 5; an infection of 12 March is added to the log's vasovagal reaction. A2 (VAS
    0-100): 4 of 10 at 1 week is 40 of 100.
    """
    drop(data, "log.csv", LOG)
    drop(
        data,
        "follow.csv",
        HEADER + 'north,A1,NRS,1 month,,"3,5"\nnorth,A1,ODI,,2026-03-10,30\n'
        "north,A1,satisfaction,,,very satisfied\nnorth,A1,complications,,2026-03-12,infection:3\n"
        "north,A2,VAS 0-10,1wk,,4\n",
    )
    code, said = etl("refresh")
    follow = next(f for f in said["files"] if f["path"] == "follow.csv")
    assert (code, follow["profile"], follow["read"], follow["inserted"]) == (0, "follow-up", 5, 5)
    assert ask(data, SCORES) == [
        ("A1", "1mo", 3.5, 10), ("A1", "1wk", 30, 100), ("A1", "baseline", 8, 10),
        ("A2", "1wk", 40, 100), ("A2", "baseline", 80, 100),
    ]  # fmt: skip
    case = "select satisfaction, complications, complication_scale from procedure order by all"
    assert ask(data, case)[0] == (5, "infection:3|vasovagal reaction:1", "CIRSE 2017")
    assert ask(data, "select count(*) from complication where term = 'infection'") == [(1,)]
    assert ask(data, "select kind from source_file where path = 'follow.csv'") == [("followup",)]


def test_a_follow_up_waits_for_its_procedure_and_is_counted(data: Path) -> None:
    drop(data, "follow.csv", HEADER + "north,A1,NRS,1mo,,3\nnorth,A9,NRS,1mo,,3\n")
    _, said = etl("refresh")
    assert said["warnings"] == ["follow-ups of this run that wait for their procedure: 2; 2 in all"]
    assert ask(data, SCORES) == []
    drop(data, "log.csv", LOG)
    etl("refresh")
    assert ("A1", "1mo", 3, 10) in ask(data, SCORES)
    assert ask(data, STATES) == [("A1", "pain", "placed"), ("A9", "pain", "waiting")]
    drop(data, "outside.csv", HEADER + "north,A1,NRS,,2027-03-02,3\n")
    etl("refresh")
    told = status(settings())
    assert (told["follow_ups_waiting"], told["follow_ups_not_counted"]) == (1, 1)


def test_a_log_sent_again_does_not_undo_a_follow_up(data: Path) -> None:
    drop(data, "log.csv", LOG)
    drop(data, "follow.csv", HEADER + "north,A1,NRS,1mo,,3\n")
    etl("refresh")
    drop(data, "again.csv", LOG + "north,A3,CT,2026-03-04 10:00,,,,,\n")
    _, said = etl("refresh")
    assert (said["totals"]["inserted"], said["totals"]["unchanged"]) == (1, 2)
    assert ("A1", "1mo", 3, 10) in ask(data, SCORES)
    drop(data, "corrected.csv", LOG.replace("8,7,", "9,7,"))
    _, said = etl("refresh")
    assert said["totals"]["updated"] == 1
    found = ask(data, SCORES)
    assert ("A1", "1mo", 3, 10) in found
    assert ("A1", "baseline", 9, 10) in found, "the log's own correction counts"


def test_corrections_withdrawals_and_history(data: Path) -> None:
    drop(data, "log.csv", LOG)
    drop(data, "f1.csv", HEADER + "north,A1,NRS,1wk,,3\nnorth,A1,NRS,2wk,,4\nnorth,A1,NRS,2wk,,4\n")
    _, said = etl("refresh")
    counts = {f["path"]: f for f in said["files"]}["f1.csv"]
    assert (counts["inserted"], counts["duplicate"]) == (2, 1)
    header = HEADER.strip() + ",status,updated_at\n"
    old = "north,A1,NRS,2wk,,9,,2020-01-01 08:00\n"
    drop(data, "f2.csv", header + "north,A1,NRS,1wk,,5,,\nnorth,A1,NRS,2wk,,4,,\n" + old)
    _, said = etl("refresh")
    counts = said["files"][0]
    assert (counts["updated"], counts["unchanged"], counts["rejected"]) == (1, 2, 0)
    assert ("A1", "1wk", 5, 10) in ask(data, SCORES)
    drop(data, "f3.csv", header + "north,A1,NRS,1wk,,5,deleted,\n")
    etl("refresh")
    assert [t for _, t, *_ in ask(data, SCORES)] == ["1mo", "2wk", "baseline", "baseline"]
    why = "select score, why from follow_up_history order by 1"
    assert ask(data, why) == [(3, "corrected"), (5, "withdrawn"), (9, "older")]


def test_rows_that_cannot_be_taken_are_rejected_with_reasons_and_resolved(data: Path) -> None:
    drop(data, "log.csv", LOG)
    bad = "north,A1,ODI,1wk,,200\nnorth,,ODI,1wk,,20\nnorth,A1,NDI,1mo,,5\nnorth,A1,NDI,1mo,,6\n"
    drop(data, "f.csv", HEADER + "north,A1,NRS,1wk,,3\n" + bad)
    code, said = etl("refresh")
    counts = {f["path"]: f for f in said["files"]}["f.csv"]
    assert (code, counts["status"], counts["inserted"], counts["rejected"]) == (1, "partly", 1, 4)
    assert counts["reasons"] == {
        "ndi_1mo.contradiction": 2, "accession_number.missing": 1, "odi_1wk.max": 1,
    }  # fmt: skip
    told = ask(data, "select line, reasons[1] from rejected_row order by line")
    assert told[0] == (
        3, "value: Input should be less than or equal to 100: '200': correct the value",
    )  # fmt: skip
    assert "lines 5, 6" in told[2][1]
    open_lines = "select line from rejected_row where resolved_by_run is null order by 1"
    drop(data, "log2.csv", LOG.replace("8,7,", "8,6,"))
    etl("refresh")
    assert ask(data, open_lines) == [(3,), (4,), (5,), (6,)], "a procedure resolves no follow-up"
    drop(data, "f2.csv", HEADER + "north,A1,ODI,1mo,,20\n")
    etl("refresh")
    assert ask(data, open_lines) == [(3,), (4,), (5,), (6,)], "nor does another time point"
    drop(data, "f3.csv", HEADER + "north,A1,ODI,1wk,,20\nnorth,A1,NDI,1mo,,5\n")
    etl("refresh")
    assert ask(data, open_lines) == [(4,)]


def test_a_day_counts_as_the_nearest_time_point_within_its_window(tmp_path: Path) -> None:
    """The windows meet halfway; day 0 and what lies beyond them must be named."""
    expected = {
        -31: None, -30: "baseline", -1: "baseline", 0: None, 3: None, 4: "1wk", 10: "1wk",
        11: "2wk", 22: "2wk", 23: "1mo", 45: "1mo", 46: "2mo", 76: "2mo", 77: "3mo", 137: "3mo",
        138: "6mo", 229: "6mo", 230: None,
    }  # fmt: skip
    with warehouse(tmp_path / "w") as con:
        procedures = [row(f"A{day}", pain_scale="NRS 0-10") for day in expected]
        words = [
            f"north,A{day},NRS,,{pl.select(pl.date(2026, 3, 2).dt.offset_by(f'{day}d')).item()},3"
            for day in expected
        ]
        load(con, tmp_path, log(tmp_path, procedures), follow(tmp_path, "\n".join(words)))
        found = con.sql("select accession_number, placed_timepoint, state from follow_up")
        assert {int(a[1:]): t for a, t, _ in found.fetchall()} == expected
        assert {s for _, t, s in found.fetchall() if t is None} == {"outside"}
        nominal = con.sql(
            "select first_day, last_day, nominal_day from follow_up_window where place > 1"
            " order by 1"
        ).fetchall()
    for (_, last, day), (first, _, after) in itertools.pairwise(nominal):
        assert first == last + 1
        assert last - day <= after - last, "of two time points the nearer one"
        assert after - first < first - day


def follow(folder: Path, rows: str, *, day: int = 10, header: str = HEADER) -> Any:
    staged = stage_bytes(folder, header + rows, "f.csv")
    assert staged.refusal is None, staged.refusal
    assert staged.rejected.is_empty(), staged.rejected.to_dicts()
    from dataclasses import replace

    return replace(staged, source=source("f.csv", source_time(day)))


def test_of_two_days_in_one_window_the_nearer_stands(tmp_path: Path) -> None:
    rows = "north,A1,NRS,,2026-03-07,6\nnorth,A1,NRS,,2026-03-10,3"
    with warehouse(tmp_path / "w") as con:
        load(
            con, tmp_path, log(tmp_path, [row("A1", pain_scale="NRS 0-10")]), follow(tmp_path, rows)
        )
        assert con.sql("select pain_1wk from procedure").fetchall() == [(3,)]
        load(con, tmp_path, follow(tmp_path, "north,A1,NRS,1wk,,5", day=1))
        assert con.sql("select pain_1wk from procedure").fetchall() == [(5,)], "a named one first"
        states = con.sql("select score, state from follow_up order by 1").fetchall()
        assert states == [(3, "beside"), (5, "placed"), (6, "beside")]


def test_another_instrument_is_kept_but_not_mixed(tmp_path: Path) -> None:
    rows = "north,A1,VAS 0-10,1wk,,3\nnorth,A1,pain,2wk,,40\nnorth,A1,pain,1mo,,4"
    with warehouse(tmp_path / "w") as con:
        load(
            con, tmp_path, log(tmp_path, [row("A1", pain_scale="NRS 0-10")]), follow(tmp_path, rows)
        )
        assert con.sql("select pain_1wk, pain_2wk, pain_1mo from procedure").fetchall() == [
            (None, None, 4)
        ]
        assert con.sql(STATES).fetchall() == [
            ("A1", "pain", "scale"), ("A1", "pain", "scale"), ("A1", "pain", "placed"),
        ]  # fmt: skip


def test_an_accession_number_of_two_days_needs_the_day(tmp_path: Path) -> None:
    from datetime import date, datetime

    other = row(
        "A1", pain_scale="NRS 0-10", performed_on=date(2026, 3, 9),
        procedure_start_at=datetime(2026, 3, 9, 9),
    )  # fmt: skip
    first = row("A1", pain_scale="NRS 0-10")
    header = HEADER.strip() + ",performed_on\n"
    rows = "north,A1,NRS,1wk,,3,\nnorth,A1,NRS,2wk,,4,2026-03-09"
    with warehouse(tmp_path / "w") as con:
        load(con, tmp_path, log(tmp_path, [first]), follow(tmp_path, rows, header=header))
        assert con.sql("select pain_1wk, pain_2wk from procedure").fetchall() == [(3, None)]
        load(con, tmp_path, log(tmp_path, [other]))
        found = "select performed_on::varchar, pain_1wk, pain_2wk from procedure order by 1"
        assert con.sql(found).fetchall() == [("2026-03-02", None, None), ("2026-03-09", None, 4)]


CONTENT = """select accession_number, performed_on, pain_scale, pain_baseline, pain_1wk, pain_1mo,
    odi_1wk, satisfaction, complications, complication_scale from procedure order by all"""
WORDS = """select accession_number, measure, timepoint, score, terms, state, placed_timepoint,
    placed_score from follow_up order by all"""


@pytest.mark.parametrize(
    ("order", "together"),
    [((2, 3, 4, 0, 1), False), ((4, 1, 3, 0, 2), True), ((3, 0, 2, 1, 4), False)],
)
def test_any_order_of_arrival_gives_the_same_warehouse(
    tmp_path: Path, order: tuple[int, ...], together: bool
) -> None:
    folder = tmp_path
    told = {"pain_scale": "NRS 0-10", "complications": "none"}
    header = HEADER.strip() + ",updated_at\n"
    files = [
        log(folder, [row("A1", pain_1mo=7.0, **told), row("A2")], day=1),
        log(folder, [row("A1", pain_1mo=6.0, pain_baseline=9.0, **told)], day=5),
        follow(
            folder, "north,A1,NRS,1mo,,3,2026-03-20 08:00\nnorth,A2,VAS 0-10,1wk,,5,", header=header
        ),
        follow(
            folder, "north,A1,NRS,1mo,,2,2026-03-21 08:00\nnorth,A2,pain,1mo,,4,", header=header
        ),
        follow(
            folder,
            "north,A1,ODI,,2026-03-08,44,\nnorth,A1,complications,,2026-03-08,infection,\n"
            "north,A3,satisfaction,,,4,",
            header=header,
        ),
    ]
    expected: list[Any] = []
    for arrival in (range(5), order):
        with warehouse(folder / f"w{len(expected)}") as con:
            if together:
                load(con, folder, *(files[i] for i in arrival))
            else:
                for i in arrival:
                    load(con, folder, files[i])
            expected.append((con.sql(CONTENT).fetchall(), con.sql(WORDS).fetchall()))
    assert expected[0] == expected[1]
    assert expected[0][0][0][:6] == ("A1", row("A1")["performed_on"], "NRS 0-10", 9, None, 2)


def test_a_form_entry_is_kept_with_who_and_when_and_merged_once(data: Path) -> None:
    from datetime import date

    drop(data, "log.csv", LOG)
    etl("refresh")
    case = Case("north", "A1", date(2026, 3, 2))
    said = [
        Entry("NRS 0-10", "2", "3mo"),
        Entry("satisfaction", "4"),
        Entry("complications", "none"),
    ]
    assert enter(settings(), case, said, physician("Dr Kay")) == 3
    assert ("A1", "3mo", 2, 10) not in ask(data, SCORES), "until the next refresh"
    _, told = etl("refresh")
    assert told["files"][0]["path"] == "entered in the app/1-3.jsonl"
    assert told["files"][0]["inserted"] == 3
    assert ("A1", "3mo", 2, 10) in ask(data, SCORES)
    assert ask(data, "select satisfaction, complications from procedure order by all")[0] == (
        4,
        "none",
    )
    assert ask(data, "select distinct entered_by from follow_up") == [("Dr Kay",)]
    _, told = etl("refresh")
    assert told["files"] == [], "nothing waits"
    enter(settings(), case, [Entry("NRS 0-10", "3", "3mo")], physician("Dr Kay"))
    etl("refresh")
    assert ("A1", "3mo", 3, 10) in ask(data, SCORES), "the latest word stands"
    assert entries_of(settings(), case)["value"].to_list() == ["3", "none", "4", "2"]
    rollback(settings())
    assert ("A1", "3mo", 2, 10) in ask(data, SCORES), "the older snapshot"
    etl("refresh")
    assert ("A1", "3mo", 3, 10) in ask(data, SCORES), "what was entered outlives a rollback"


def test_an_entry_needs_a_person_a_value_and_a_case(data: Path) -> None:
    from datetime import date

    case = Case("north", "A1", date(2026, 3, 2))
    for given_case, entries, person in (
        (case, [Entry("ODI", "2", "3mo")], physician(" ")),
        (case, [Entry("ODI", "2", "3mo")], manager("M")),
        (case, [Entry("ODI", "2", "3mo")], rso("R", sites=("south",))),
        (case, [], physician("Dr Kay")),
        (Case("north", "", date(2026, 3, 2)), [Entry("ODI", "2", "3mo")], physician("Dr Kay")),
    ):
        with pytest.raises((EntryError, RefusedError)):
            enter(settings(), given_case, entries, person)


@pytest.mark.parametrize("name", ["f.xlsx", "f.parquet", "f.jsonl", "f.tsv"])
def test_every_kind_of_table_carries_follow_ups(tmp_path: Path, name: str) -> None:
    frame = pl.DataFrame(
        {
            "site": ["n", "n"], "accession_number": ["A1", "A1"], "scale": ["NRS", "ODI"],
            "timepoint": ["1mo", "6mo"], "value": ["3.5", "120"],
        }
    )  # fmt: skip
    path = tmp_path / name
    match path.suffix:
        case ".xlsx":
            frame.write_excel(path)
        case ".parquet":
            frame.with_columns(pl.col("value").cast(pl.Float64)).write_parquet(path)
        case ".jsonl":
            path.write_text("\n".join(json.dumps(r) for r in frame.to_dicts()), "utf-8")
        case _:
            frame.write_csv(path, separator="\t")
    staged = stage_bytes(tmp_path, path.read_bytes(), name)
    assert staged.follow_ups["score"].to_list() == [3.5]
    assert staged.rejected["rules"].to_list() == [["odi_6mo.max"]]


def test_a_profile_maps_another_header(tmp_path: Path) -> None:
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    (profiles / "ours.toml").write_text(
        'name = "ours"\nkind = "followup"\nrequires = ["Auftrag", "Wert"]\n'
        'date_formats = ["%d.%m.%Y"]\n[columns]\naccession_number = "Auftrag"\n'
        'scale = "Bogen"\nmeasured_on = "Datum"\nvalue = "Wert"\n'
        '[words.scale]\n"schmerz" = "NRS 0-10"\n',
        "utf-8",
    )
    text = "Auftrag;Bogen;Datum;Wert\nA1;Schmerz;09.03.2026;3,5\nA1;ODI;9.3.;200\n"
    staged = stage_bytes(tmp_path, text, "f.csv", profiles_dir=profiles, default_site="north")
    found = staged.follow_ups.row(0, named=True)
    assert (found["site"], found["scale"], found["score"]) == ("north", "NRS 0-10", 3.5)
    assert str(found["measured_on"]) == "2026-03-09"
    assert staged.rejected["reasons"][0].to_list() == [
        "measured_on ('Datum'): none from 1970 to 2099: '9.3.': write it as 2026-03-31",
        "value ('Wert'): Input should be less than or equal to 100: '200': correct the value",
    ]


def test_a_row_that_came_back_is_known_by_its_mark_and_no_other_word_resolves_it(
    data: Path, tmp_path: Path
) -> None:
    """A row without a scale that is understood names no column: only its own return closes it."""
    drop(data, "log.csv", LOG)
    drop(data, "f.csv", HEADER + "north,A1,frob,1wk,,3\nnorth,A1,ODI,,,30\n")
    etl("refresh")
    drop(data, "g.csv", HEADER + "north,A1,ODI,1wk,,20\n")
    etl("refresh")
    still_open = "select line from rejected_row where resolved_by_run is null order by 1"
    assert ask(data, still_open) == [(2,), (3,)]
    out = tmp_path / "back.csv"
    assert CliRunner().invoke(app, ["rejected", "--export", str(out)]).exit_code == 0
    text = out.read_text("utf-8-sig")
    assert "frob" in text
    drop(data, "back.csv", text.replace("frob", "NRS"))
    etl("refresh")
    assert ask(data, still_open) == [(3,)], "refused again: the newer entry takes its place"
    assert ("A1", "1wk", 3, 10) in ask(data, SCORES)
