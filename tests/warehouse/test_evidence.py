"""The evidence store: rows are checked in words, added whole or not at all, never lost."""

import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from tests.people import rso
from warehouse import evidence
from warehouse.evidence import append, as_csv, checked, load, own_rows, read_rows, withdraw
from warehouse.evidence_import import read_foreign
from warehouse.evidence_models import Bias, EvidenceError, Grade, Result
from warehouse.settings import Settings

EVENTS: dict[str, Any] = {
    "study": "Akkaya 2017", "source": "Table 2", "question": "Complications", "outcome": "any",
    "group_1": "ultrasound", "group_2": "fluoroscopy",
    "n_1": 15, "events_1": 1, "n_2": 15, "events_2": 0,
}  # fmt: skip
MEANS = {
    k: v for k, v in EVENTS.items() if not k.startswith("events")
} | {"mean_1": 3.2, "sd_1": 1.1, "mean_2": 3.9, "sd_2": 1.4}  # fmt: skip
ORACLE = Path(__file__).resolve().parents[2].parent / "shared" / "oracle"


def test_shipped_files_keep_their_models() -> None:
    assert len(evidence.shipped_results()) == 34
    trials = {s.study for s in evidence.shipped_studies()}
    assert {b.study for b in evidence.shipped_bias()} <= trials
    assert [b.overall for b in evidence.shipped_bias()].count("high") == 4
    assert len(evidence.shipped_grades()) == 5
    assert evidence.published().height == 130


def test_shipped_rows_stand_in_published_csv_and_only_usable_ones_are_used() -> None:
    usable = dict(evidence.published().select("row_id", "usable_as_reference").iter_rows())
    values = dict(evidence.published().select("row_id", "value").iter_rows())
    for row in evidence.shipped_results():
        for number in (int(n) for n in row.published_rows.split(";")):
            assert usable[number] == "yes", row
        if row.effect is not None:
            assert float(values[int(row.published_rows)]) == row.effect, row


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"events_1": 16}, "events_1 16 is more than n_1 15"),
        ({"n_2": None}, "has no n_2: fill in the patients of group 2"),
        ({"events_2": None}, "has no numbers of group 2"),
        ({"study": ""}, "study is empty: fill it in"),
        ({"doi": "doi.org/10.1/x"}, "doi 'doi.org/10.1/x'.*write it as 10.1234/abc"),
        ({"n_1": "fifteen"}, "n_1 'fifteen'.*valid integer"),
        ({"n_1": 15.5}, "n_1 15.5.*fractional"),
        ({"mean_3": 1}, "column mean_3 is unknown"),
        ({"effect": 0.5, "measure": "RR"}, "gives an effect and group numbers"),
    ],
)
def test_a_wrong_row_is_refused_in_words(change: dict[str, Any], said: str) -> None:
    with pytest.raises(EvidenceError, match=said):
        checked(EVENTS | change)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"effect": 0.5}, "without measure"),
        ({"measure": "RR", "effect": 0.5, "low": 0.9, "high": 0.2}, "not below high 0.2: swap"),
        ({"measure": "RR", "effect": 2, "low": 0.2, "high": 0.9}, "outside 0.2 to 0.9"),
        ({"measure": "OR", "effect": 0.2, "low": -0.3, "high": 0.9}, "not above 0.*logarithm"),
        ({"measure": "RR", "effect": 0.5, "low": 0.2}, "one end of the interval only"),
        ({"n_1": 10, "median_1": 4, "q1_1": 5, "q3_1": 6}, "q1_1 5 is above median_1 4: swap"),
        ({"n_1": 10, "median_1": 4, "q1_1": 3}, "one of q1_1 and q3_1: fill both"),
        ({"n_1": 10, "mean_1": 4, "sd_1": 0}, "sd_1 0"),
        ({"n_1": 10, "mean_1": float("nan"), "sd_1": 1}, "mean_1"),
        ({}, "has no numbers"),
    ],
)
def test_wrong_numbers_are_refused_in_words(given: dict[str, Any], said: str) -> None:
    base = {k: EVENTS[k] for k in ("study", "source", "question", "outcome")}
    with pytest.raises(EvidenceError, match=said):
        checked(base | given)


def test_kinds() -> None:
    base = {k: EVENTS[k] for k in ("study", "source", "question", "outcome")}
    assert checked(EVENTS).kind == "events"
    assert checked(MEANS).kind == "continuous"
    assert checked(base | {"measure": "MEDIAN", "effect": 22.5}).kind == "figure"
    assert checked(base | {"measure": "SMD", "effect": 0, "low": -1, "high": 1}).kind == "effect"


def test_good_rows_are_read_and_bad_ones_named_with_their_line(tmp_path: Path) -> None:
    good = checked(EVENTS)
    text = as_csv([good]) + as_csv([good]).splitlines()[1].replace(",15,", ",x,", 1) + "\n"
    (tmp_path / "own.csv").write_text("# from the library\n" + text, encoding="utf-8")
    found = load(tmp_path)
    assert found.own == (good,)
    assert str(found.problems[0]).startswith("own.csv, row 4: n_1 'x'")
    assert len(found.results) == len(evidence.shipped_results()) + 1


def test_semicolons_decimal_commas_and_a_byte_order_mark_are_understood() -> None:
    text = "\ufeffstudy;source;question;outcome;n_1;mean_1;sd_1\nA 2020;T1;Q;pain;10;3,5;1,25\n"
    good, bad = read_rows(text, "f.csv")
    assert not bad and (good[0].mean_1, good[0].sd_1) == (3.5, 1.25)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "missing columns study"),
        ("study,source,question\n", "missing columns outcome"),
        ("study,source,question,outcome,colour\na,b,c,d,e\n", "unknown columns 'colour'"),
        ("study,source,question,outcome\na,b,c\n", "has not 4 columns"),
    ],
)
def test_a_wrong_file_is_refused_in_words(text: str, said: str) -> None:
    good, bad = read_rows(text, "f.csv")
    assert not good and said in str(bad[0])


def test_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_bytes("study\nMüller".encode("latin-1"))
    assert "UTF-8" in str(load(tmp_path).problems[0])


PERSON = rso("A. Person")


def at(folder: Path) -> Settings:
    return Settings(data_dir=folder)


def test_rows_are_added_once_and_withdrawn_with_a_name(tmp_path: Path) -> None:
    row = checked(EVENTS)
    append(at(tmp_path), [row], PERSON)
    with pytest.raises(EvidenceError, match="already has any"):
        append(
            at(tmp_path),
            [checked(EVENTS | {"outcome": "other"}), row],
            PERSON,
        )
    assert load(tmp_path / "evidence").own == (row,), "all or nothing"
    withdraw(at(tmp_path), row, PERSON, "2026-11-21")
    gone = load(tmp_path / "evidence").own[0]
    assert gone.usable == "no" and "Withdrawn by A. Person on 2026-11-21" in gone.note
    append(at(tmp_path), [row], PERSON)
    assert [r.usable for r in load(tmp_path / "evidence").own] == ["no", "yes"]


def test_a_damaged_file_is_not_overwritten(tmp_path: Path) -> None:
    append(at(tmp_path), [checked(EVENTS)], PERSON)
    path = tmp_path / "evidence" / "added.csv"
    path.write_text(path.read_text("utf-8") + "broken,line\n", encoding="utf-8")
    before = path.read_bytes()
    with pytest.raises(EvidenceError, match=r"nothing was added: added\.csv, row 3"):
        append(at(tmp_path), [checked(EVENTS | {"study": "B 2020"})], PERSON)
    assert path.read_bytes() == before


def _add(folder: Path, name: str) -> None:
    append(at(folder), [checked(EVENTS | {"study": name})], PERSON)


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_add, args=(tmp_path, f"W{i} 2020")) for i in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert {row.study for row in load(tmp_path / "evidence").own} == {
        f"W{i} 2020" for i in range(4)
    }
    assert not list((tmp_path / "evidence").glob("*.tmp"))


def test_a_crash_while_writing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(at(tmp_path), [checked(EVENTS)], PERSON)

    def broken(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("warehouse.evidence.os.replace", broken)
    with pytest.raises(OSError, match="disk full"):
        append(at(tmp_path), [checked(EVENTS | {"study": "B 2020"})], PERSON)
    assert [row.study for row in load(tmp_path / "evidence").own] == ["Akkaya 2017"]
    assert not list((tmp_path / "evidence").glob(".added-*"))


@pytest.mark.skipif(not ORACLE.exists(), reason="the results from R are absent")
def test_metafor_files_are_understood() -> None:
    given = {"question": "TB", "outcome": "TB", "source": "bcg.csv"}
    good, bad = read_foreign((ORACLE / "bcg.csv").read_text("utf-8"), "bcg.csv", given)
    assert not bad and len(good) == 13
    first = good[0]
    assert first.study == "Aronson 1948" and first.subgroup == "random" and first.covariate == 44
    assert (first.events_1, first.n_1, first.events_2, first.n_2) == (4, 123, 11, 139)
    given = {"question": "stay", "outcome": "days", "source": "-"}
    good, bad = read_foreign((ORACLE / "normand1999.csv").read_text("utf-8"), "n.csv", given)
    assert not bad and good[0].mean_1 == 55 and good[0].study == "Edinburgh"


def test_foreign_files_keep_what_has_no_column_and_name_what_is_wrong() -> None:
    given = {"question": "q", "outcome": "o", "source": "s"}
    good, bad = read_foreign("author,year,ai,bi,ci,di,hue\nA,1990,1,9,2,8,red\n", "f", given)
    assert not bad and (good[0].study, good[0].note, good[0].n_2) == ("A 1990", "hue red", 10)
    _, bad = read_foreign("author,tpos,tneg,cpos,cneg\nA,1,9,2,8\nB,1,x,2,8\n", "f", given)
    assert str(bad[0]) == "f, row 3: tneg 'x': is no whole number: write how many patients"
    _, bad = read_foreign("author,yi,vi\nA,0.1,0\nB,y,1\nC,0.1,NA\n", "f", given)
    assert [problem.row for problem in bad] == [2, 3, 4] and "not above 0" in bad[0].text
    _, bad = read_foreign("author,yi\nA,0.1\n", "f", given)
    assert "without vi or sei" in str(bad[0])


def test_studies_that_a_file_numbers_apart_are_named_apart() -> None:
    text = (
        "study,author,year,ai,n1i,ci,n2i\n8,A,1972,1,9,2,9\n9,A,1972,3,9,2,9\n10,B,1972,1,9,2,9\n"
    )
    good, _ = read_foreign(text, "f", {"question": "q", "outcome": "o", "source": "s"})
    assert [row.study for row in good] == ["A 1972 a", "A 1972 b", "B 1972"]


def test_effects_of_foreign_files_are_what_the_person_says() -> None:
    text = "study;author;year;n1i;n2i;yi;sei\n1;Conn et al.;1968;60;198;0.12;0.147\n"
    given = {"question": "q", "outcome": "o", "source": "s"}
    smd = read_foreign(text, "f", given)[0][0]
    assert (smd.study, smd.measure, smd.effect, smd.patients) == (
        "Conn et al. 1968",
        "SMD",
        0.12,
        258,
    )
    assert smd.low == pytest.approx(0.12 - 1.959964 * 0.147)
    ratio = read_foreign(text, "f", given | {"measure": "OR"})[0][0]
    assert (ratio.measure, ratio.effect) == ("OR", pytest.approx(1.1274969, rel=1e-6))
    assert ratio.high == pytest.approx(1.1274969 * 2.718281828 ** (1.959964 * 0.147), rel=1e-6)
    share = read_foreign('study,authors,xi,ni\n1,"Giannotta et al.",16,17\n', "f", given)[0][0]
    got = share.study, share.events_1, share.n_1, share.group_2
    assert got == ("Giannotta et al.", 16, 17, "")


def test_an_empty_form_has_every_column() -> None:
    assert as_csv([]).strip().split(",") == list(Result.model_fields)


def test_own_judgements_are_read_and_wrong_ones_named(tmp_path: Path) -> None:
    header = ",".join(Bias.model_fields)
    good = "Ours 2026,Alpha 2019,low,low,low,low,low,low,Table 2,"
    bad = "Ours 2026,Beta 2020,low,low,fine,low,low,low,Table 2,"
    (tmp_path / "ours.csv").write_text(f"{header}\n{good}\n{bad}\n", encoding="utf-8")
    rows, problems = own_rows(tmp_path, Bias)
    assert [row.study for row in rows] == ["Alpha 2019"]
    assert str(problems[0]).startswith("ours.csv, row 3: missing_data 'fine': ")
    assert own_rows(tmp_path / "none", Grade) == ([], [])
