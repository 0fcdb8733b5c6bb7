"""Files that mean harm: each is refused in words, in bounded memory, and harms no other file."""

import gzip
import os
import resource
import zipfile
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
import xlsxwriter

from etl import limits
from etl.publish import work_on
from etl.refresh import Asked, refresh
from tests.etl import dicom_made as made
from warehouse.settings import Settings

GOOD = "accession_number,modality,performed_on\nA1,CT,2026-03-02\n"
SECRET = "root-secret-content"


@pytest.fixture
def chosen(tmp_path: Path) -> Settings:
    found = Settings(data_dir=tmp_path / "data", settle_seconds=0, pseudonym_key=made.KEY.decode())  # type: ignore[arg-type]
    found.inbox.mkdir(parents=True)
    (found.inbox / "good.csv").write_text(GOOD)
    return found


def said(chosen: Settings) -> dict[str, str]:
    """Refresh; return the message of each file that did not load. The good file always does."""
    result = refresh(chosen, Asked(), lambda *_, **__: None)
    assert result.failure is None and result.totals.inserted == 1, result.failure
    return {file.path: file.message or "" for file in result.files if file.status != "loaded"}


def peak_mib() -> float:
    """Return the most memory that this process has held so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_ten_gigabytes_are_refused_unread(chosen: Settings) -> None:
    with (chosen.inbox / "huge.csv").open("wb") as file:
        file.truncate(10 * 2**30)
    before = peak_mib()
    assert "10,737,418,240 bytes, more than 4,294,967,296: split it" in said(chosen)["huge.csv"]
    assert peak_mib() - before < 500


@pytest.mark.parametrize("kind", [".csv.gz", ".csv.zst", ".xlsx", ".zip"])
def test_bombs(chosen: Settings, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SMALL", 2**20)
    path, zeros = chosen.inbox / f"bomb{kind}", bytes(16 * 2**20)
    if kind == ".csv.gz":
        path.write_bytes(gzip.compress(zeros))
    elif kind == ".csv.zst":
        path.write_bytes(pa.Codec("zstd").compress(zeros, asbytes=True))
    elif kind == ".xlsx":
        workbook(path)
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as book:
            book.writestr("xl/media/bomb.bin", zeros)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bomb.csv", zeros)
    told = " ".join(said(chosen).values())
    assert "packed more tightly than real" in told


@pytest.mark.parametrize("kind", [".zip", ".xlsx"])
def test_parts_that_share_their_bytes(chosen: Settings, kind: str) -> None:
    """A small archive can name the same bytes many times, each of which is packed as any other."""
    path = chosen.inbox / f"shared{kind}"
    if kind == ".xlsx":
        workbook(path)
    lines = "".join(f"A{n},CT,2026-03-02\n" for n in range(100_000))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("log.csv", GOOD + lines)
        archive.filelist += [archive.getinfo("log.csv")] * 100
    told = said(chosen)
    assert "packed more tightly than real" in told[path.name]
    assert set(told) == {path.name}


def test_a_packed_file_stops_at_its_limit(
    chosen: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LARGEST_UNPACKED", 2**20)
    (chosen.inbox / "large.csv.gz").write_bytes(gzip.compress(os.urandom(3 * 2**20)))
    assert "unpacks to more than 1,048,576 bytes" in said(chosen)["large.csv.gz"]


def test_a_workbook_that_understates_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SMALL_WORKBOOK", 10)
    path = workbook(tmp_path / "lies.xlsx")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/media/bomb.bin", bytes(2**20))
    data, name = bytearray(path.read_bytes()), b"xl/media/bomb.bin"
    for start in (data.index(name) - 30 + 22, data.rindex(name) - 46 + 24):  # its size, said twice
        assert data[start : start + 4] == (2**20).to_bytes(4, "little")
        data[start : start + 4] = (9).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(limits.RefusalError, match="unpacks to more than it says"):
        limits.check_workbook(path)


def test_a_parquet_file_that_claims_too_many_rows(
    chosen: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MOST_ROWS", 1000)
    many = pl.select(modality=pl.repeat("CT", 1001), performed_on=pl.repeat("2026-03-02", 1001))
    many.write_parquet(chosen.inbox / "many.parquet")
    assert "1,001 rows, more than 1,000" in said(chosen)["many.parquet"]


def workbook(path: Path, entity: str = "") -> Path:
    """Write a log as a workbook; the entity is declared, and used in a shared text."""
    plain = path.with_suffix(".plain")
    with xlsxwriter.Workbook(plain) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["accession_number", "modality", "performed_on", "room"])
        sheet.write_row(1, 0, ["X1", "CT", "2026-03-02", "ROOM"])
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            if entity and info.filename == "xl/sharedStrings.xml":
                head, _, rest = data.decode().partition("?>\n")
                data = f"{head}?>\n<!DOCTYPE x [{entity}]>\n{rest}".replace("ROOM", "&e;").encode()
            new.writestr(info.filename, data)
    plain.unlink()
    return path


@pytest.mark.parametrize("kind", ["file", "laughs"])
def test_entities_of_a_workbook_are_not_resolved(
    chosen: Settings, tmp_path: Path, kind: str
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)
    entity = f'<!ENTITY e SYSTEM "{secret.as_uri()}">'
    if kind == "laughs":
        chain = "".join(
            f'<!ENTITY {a} "{f"&{b};" * 10}">'
            for a, b in zip("efghijklm", "fghijklmn", strict=True)
        )
        entity = f'{chain}<!ENTITY n "{SECRET}">'
    workbook(chosen.inbox / "entities.xlsx", entity)
    before = peak_mib()
    result = refresh(chosen, Asked(), lambda *_, **__: None)
    assert result.failure is None
    assert peak_mib() - before < 500
    for path in chosen.data_dir.rglob("*"):
        if path.is_file() and "inbox" not in path.parts:
            assert SECRET.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("where", ["/etc/passwd", "../../outside/log.csv", "folder"])
def test_links_that_leave_the_inbox(chosen: Settings, where: str, tmp_path: Path) -> None:
    target = tmp_path / "outside"
    target.mkdir()
    (target / "log.csv").write_text(GOOD.replace("A1", "Z9"))
    (chosen.inbox / "link.csv").symlink_to(target if where == "folder" else where)
    assert "link that leaves the inbox" in said(chosen)["link.csv"]


def test_a_name_that_is_no_text_is_told_as_far_as_it_is(chosen: Settings) -> None:
    for place in (b"/\xff\xfe.csv", b"/\xff/log.csv"):
        path = os.fsencode(chosen.inbox) + place
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(GOOD)
    assert said(chosen) == dict.fromkeys(
        ("\ufffd\ufffd.csv", "\ufffd/log.csv"), "its name is no UTF-8 text: rename it"
    )


def test_what_is_no_file_is_not_waited_for(chosen: Settings) -> None:
    """A pipe would never end, links that lead to one another neither."""
    os.mkfifo(chosen.inbox / "pipe.csv")
    (chosen.inbox / "one.csv").symlink_to("two.csv")
    (chosen.inbox / "two.csv").symlink_to("one.csv")
    (chosen.inbox / "self").symlink_to(".")
    (chosen.inbox / "zero.csv").symlink_to("/dev/zero")
    told = said(chosen)
    assert told.keys() == {"pipe.csv", "one.csv", "two.csv", "zero.csv"}
    assert told["pipe.csv"] == "is neither a file nor a folder: remove it"
    assert "leads back to itself" in told["one.csv"] or "symbolic links" in told["one.csv"]


def test_a_writer_reaches_no_file_outside_its_folder(chosen: Settings, tmp_path: Path) -> None:
    import duckdb

    outside = tmp_path / "outside.csv"
    outside.write_text("a\n1\n")
    with work_on(chosen, "run", None, made.KEY) as work:
        for statement in (
            f"select * from read_csv('{outside}')",
            f"copy (select 1) to '{tmp_path}/out.csv'",
            f"attach '{tmp_path}/other.duckdb'",
            "set enable_external_access = true",
            "install httpfs",
        ):
            with pytest.raises(duckdb.Error):
                work.con.execute(statement)
