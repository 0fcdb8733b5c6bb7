"""The access log: whatever is cut, changed or put in another order shows."""

import json
import multiprocessing
from pathlib import Path

import pytest

from etl.journal import anchors
from tests.conftest import run_etl
from tests.people import manager, rso
from warehouse import access_log
from warehouse.access import DEEDS, Person, RefusedError, Scope, may, require
from warehouse.settings import Settings


@pytest.fixture
def store(tmp_path: Path) -> Settings:
    made = Settings(data_dir=tmp_path)
    for n in range(6):
        access_log.write(made, rso("Ada"), "opened case", f"Case {n}", site="Nord")
    return made


def lines(store: Settings) -> list[str]:
    return (access_log.folder_of(store) / "access.jsonl").read_text("utf-8").splitlines()


def put(store: Settings, changed: list[str]) -> None:
    path = access_log.folder_of(store) / "access.jsonl"
    path.write_text("".join(f"{line}\n" for line in changed), encoding="utf-8")


def test_a_whole_log_is_whole_and_private(store: Settings) -> None:
    assert access_log.verify(store, {}) == []
    assert [e["about"] for e in access_log.entries(store)] == [f"Case {n}" for n in range(6)]
    assert (access_log.folder_of(store) / "access.jsonl").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "change", ["words", "cut", "first", "tail", "swap", "twice", "torn", "all"]
)
def test_every_change_shows(store: Settings, change: str) -> None:
    kept = lines(store)
    made = {
        "words": [line.replace("Case 2", "Case 9") for line in kept],
        "cut": [*kept[:2], *kept[3:]],
        "first": kept[1:],
        "tail": kept[:-1],
        "swap": [kept[1], kept[0], *kept[2:]],
        "twice": [*kept[:3], kept[2], *kept[3:]],
        "torn": [*kept[:-1], kept[-1][:40]],
        "all": [],
    }[change]
    put(store, made)
    assert access_log.verify(store, {})
    access_log.write(store, rso("Bo"), "signed in")
    assert access_log.verify(store, {}), "a later entry mends nothing"


def test_a_changed_entry_with_a_new_hash_breaks_the_next(store: Settings) -> None:
    kept = lines(store)
    entry = json.loads(kept[2]) | {"who": "Nobody"}
    entry["hash"] = access_log.hash_of(entry)
    put(store, [*kept[:2], json.dumps(entry), *kept[3:]])
    assert any("does not follow" in words for words in access_log.verify(store, {}))


def test_a_tail_cut_with_its_head_shows_by_what_a_refresh_kept(store: Settings) -> None:
    run_etl(store.data_dir, "refresh")
    kept = anchors(store.data_dir)
    assert list(kept) == [6]
    put(store, lines(store)[:4])
    last = json.loads(lines(store)[-1])
    head = access_log.folder_of(store) / "head.json"
    head.write_text(json.dumps({"n": 4, "hash": last["hash"]}), encoding="utf-8")
    assert access_log.verify(store, {}) == [], "the chain alone cannot tell"
    done = run_etl(store.data_dir, "verify-log", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 1 and not told["whole"] and "entry 6" in told["wrong"][0]


def test_the_command_says_that_a_log_is_whole(store: Settings) -> None:
    done = run_etl(store.data_dir, "verify-log")
    assert done.returncode == 0 and "6 entries" in done.stdout + done.stderr


def test_a_process_that_died_before_the_head_moved_breaks_nothing(store: Settings) -> None:
    head = access_log.folder_of(store) / "head.json"
    before = head.read_text("utf-8")
    access_log.write(store, rso("Ada"), "export", "x")
    head.write_text(before, encoding="utf-8")
    assert access_log.verify(store, {}) == []
    access_log.write(store, rso("Ada"), "export", "y")
    assert access_log.verify(store, {}) == [] and len(lines(store)) == 8


def _many(folder: str, name: str) -> None:
    for n in range(10):
        access_log.write(Settings(data_dir=Path(folder)), rso(name), "export", f"{name} {n}")


def test_writers_at_once_make_one_chain(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_many, args=(str(tmp_path), f"W{i}")) for i in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    store = Settings(data_dir=tmp_path)
    assert access_log.verify(store, {}) == [] and len(access_log.entries(store)) == 30


def test_texts_of_any_kind_stay_one_line(tmp_path: Path) -> None:
    store = Settings(data_dir=tmp_path)
    for text in ("a\nb", "\u2028\x85", "<script>", "\ud800", "x" * 5_000, '{"n": 1}'):
        access_log.write(store, rso(text), "export", text, why=text)
    assert access_log.verify(store, {}) == [] and len(lines(store)) == 6


def test_a_deed_is_logged_before_it_is_done_and_a_refused_one_too(store: Settings) -> None:
    with access_log.deed(store, rso("Ada"), "rule", "off KAR"):
        assert access_log.entries(store)[-1]["what"] == "rule"
    with (
        pytest.raises(RefusedError, match="rso"),
        access_log.deed(store, manager("Max"), "rule", "off KAR"),
    ):
        raise AssertionError("not reached")
    with (
        pytest.raises(ValueError, match="broken"),
        access_log.deed(store, rso("Ada"), "rule", "off KAR"),
    ):
        raise ValueError("broken")
    assert [e["what"] for e in access_log.entries(store)][-4:] == [
        "rule", "refused", "rule", "not done"
    ]  # fmt: skip


@pytest.mark.parametrize("deed", DEEDS)
def test_a_deed_is_refused_without_its_role(deed: str) -> None:
    for role in ("manager", "rso", "physician", "admin"):
        assert may(Person("A", Scope((role,))), deed) is (role in DEEDS[deed].roles)
    assert not may(Person("A", Scope(())), deed)


def test_a_deed_without_a_rule_is_nobodys_and_a_name_is_no_person() -> None:
    with pytest.raises(RefusedError, match="DEEDS"):
        require(rso("Ada"), "launch")
    with pytest.raises(TypeError, match="no person with a role"):
        require("Ada", "rule")  # pyright: ignore[reportArgumentType]
    with pytest.raises(RefusedError, match="site Süd"):
        require(rso("Ada", ("Nord",)), "review", "Süd")
    with pytest.raises(RefusedError, match="all sites"):
        require(rso("Ada", ("Nord",)), "rule")
