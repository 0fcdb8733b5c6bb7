"""No identifier of a patient stands in anything that Kerma writes, whatever the source's format."""

import contextlib
import io
import json
import re
import sqlite3
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
import xlsxwriter
from pypdf import PdfReader

from etl.privacy import impersonal_name, names_columns, telling_words, without
from pages.shared import navigation, trace
from tests.conftest import run_etl, use_data
from tests.etl.dicom_made import ROOT, projection, save, tomography
from tests.etl.test_fhir import FLUORO, bundle, summary
from tests.pages.app import opened
from tests.pages.app import texts as texts_of
from warehouse.connect import current_snapshot, reading
from warehouse.settings import Settings

FAMILY, GIVEN, IDENTIFIER = "Qxmarkerfam", "Qxmarkergiv", "QXID-77812345"
BORN, BORN_FORMS = "1931-02-17", ("1931-02-17", "19310217", "17.02.1931", "1931, 2, 17")
PROSE = "Qxmarkerprose"
MARKERS = (FAMILY, GIVEN, IDENTIFIER, PROSE, *BORN_FORMS)

HEADER = [
    "site", "accession_number", "modality", "performed_on", "patient_id", "Patient name",
    "Date of birth", "age_years", "kap_gycm2", "comment", "colour", "cancel_reason",
]  # fmt: skip


def table(start: str, good: int = 2) -> list[list[str]]:
    """Return rows of a log: some good, one with a bad value, each naming the patient."""
    person = [IDENTIFIER, f"{FAMILY}, {GIVEN}", BORN]
    told = [f"{PROSE} called {GIVEN}", f"red {FAMILY}, {GIVEN}", ""]
    rows = [
        ["north", f"{start}{n}", "fluoroscopy", "2026-03-02", *person, "95", "1.5", *told]
        for n in range(good)
    ]
    rows.append(["north", f"{start}9", "teapot", "2026-03-02", *person, "95", "1.5", *told])
    return rows


def delimited(path: Path, rows: list[list[str]]) -> None:
    quoted = [",".join(f'"{cell}"' for cell in row) for row in [HEADER, *rows]]
    path.write_text("\n".join(quoted) + "\n", "utf-8")


def ragged(path: Path) -> None:
    """Write rows whose cells are shifted: the name unquoted, and one broken by a line end."""
    shifted = f"north,S1,CT,2026-03-02,{IDENTIFIER},{FAMILY}, {GIVEN},{BORN},95,1,a,b,c"
    broken = f"north,S2,CT,2026-03-02\n{IDENTIFIER},{FAMILY},{BORN},95,1,{PROSE}"
    path.write_text("\n".join([",".join(HEADER), shifted, broken]) + "\n", "utf-8")


def plant(inbox: Path) -> None:
    """Write one file of each kind, with bad rows and with names that carry the patient."""
    delimited(inbox / f"{FAMILY}_{GIVEN}_{IDENTIFIER}.csv", table("C"))
    ragged(inbox / "ragged.csv")
    swallowed = f'north,Q1,CT,2026-03-02,{IDENTIFIER},"{FAMILY},{BORN},95,1,{PROSE},b,c'
    (inbox / "quotes.csv").write_text("\n".join([",".join(HEADER), swallowed, swallowed]), "utf-8")
    (inbox / "headless.csv").write_text(",".join(table("H")[0]) + "\n", "utf-8")
    frame = pl.DataFrame(table("P"), schema=HEADER, orient="row")
    frame.write_parquet(inbox / f"export-{BORN}.parquet")
    frame.with_columns(accession_number="J" + pl.col("accession_number")).write_ndjson(
        inbox / "log.jsonl"
    )
    with (inbox / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(f'{{"patient_id": "{IDENTIFIER}", "name": {FAMILY}\n["{FAMILY}"]\n')
    with xlsxwriter.Workbook(inbox / f"{FAMILY}.xlsx") as book:
        sheet = book.add_worksheet()
        for number, row in enumerate([HEADER, *table("X")]):
            sheet.write_row(number, 0, row)
    objects(inbox)
    openrem(inbox / "openrem.csv")
    with zipfile.ZipFile(inbox / f"{IDENTIFIER}.zip", "w") as archive:
        made = reported(projection(number="8"), "Z1")
        archive.write(save(made, inbox / "z.tmp"), f"{FAMILY}^{GIVEN}.dcm")
        archive.writestr("noise.txt", "\x00\x01")


def reported(made, accession: str):
    made.PatientID, made.PatientName = IDENTIFIER, f"{FAMILY}^{GIVEN}"
    made.PatientBirthDate, made.AccessionNumber = BORN.replace("-", ""), accession
    made.StudyInstanceUID = f"{ROOT}.{ord(accession[0])}{accession[1:]}"
    made.PatientComments = made.ImageComments = PROSE
    return made


def objects(inbox: Path) -> None:
    """Write DICOM objects and FHIR bundles: good, rejected and refused ones."""
    save(reported(projection(), "D1"), inbox / f"{FAMILY}_{GIVEN}_19310217.dcm")
    bad = reported(tomography(number="2"), "D2")
    del bad.StudyDate, bad.StudyTime
    save(bad, inbox / "rejected.dcm")
    image = reported(projection(number="3"), "D3")
    image.SOPClassUID = "1.2.840.10008.5.1.4.1.1.12.1"
    save(image, inbox / f"{FAMILY}-image.dcm")
    for name, status in (("good", "final"), ("withdrawn", "entered-in-error")):
        made = bundle(summary(*FLUORO, valueString=PROSE, id=name, status=status))
        patient = made["entry"][0]["resource"]
        patient |= {"birthDate": BORN, "name": [{"family": FAMILY, "given": [GIVEN]}]}
        patient["identifier"] = [{"system": "urn:pid", "value": IDENTIFIER}]
        (inbox / f"{name}-{IDENTIFIER}.json").write_text(json.dumps(made), "utf-8")


def openrem(path: Path) -> None:
    header = ["Display name", "Accession number", "Study date", "No. events", "DLP total (mGy.cm)",
              "E1 CTDIvol", "Patient name", "Patient ID", "Date of birth",
              "Study Comments"]  # fmt: skip
    person = [f"{FAMILY}^{GIVEN}", IDENTIFIER, BORN, PROSE]
    rows = [["CT1", "O1", "2026-03-02", "1", "100", "5", *person],
            ["CT1", "O2", "2026-03-02", "1", "many", "5", *person]]  # fmt: skip
    path.write_text("\n".join(",".join(row) for row in [header, *rows]) + "\n", "utf-8")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return a data folder after a refresh of planted files, and all that commands printed."""
    data = tmp_path_factory.mktemp("planted")
    (data / "inbox").mkdir()
    plant(data / "inbox")
    (data / "inbox" / "z.tmp").unlink()
    said = ""
    for arguments in (
        ("refresh", "--json"),
        ("refresh", "--retry"),
        ("status",),
        ("rejected",),
        ("export", "--deidentified", "--dates", "shift", "--out", str(data / "given")),
        ("disclose", IDENTIFIER, "--out", str(data / "told.json")),
        ("backup", "--out", str(data / "saved.tar")),
    ):
        done = run_etl(data, *arguments)
        assert done.returncode in (0, 1, 2), done.stderr
        said += done.stdout + done.stderr
    return data, said


def open_current(data: Path) -> duckdb.DuckDBPyConnection:
    snapshot = current_snapshot(data / "snapshots")
    assert snapshot is not None
    return reading(snapshot)


def written(data: Path) -> dict[str, str]:
    """Return the text of all that Kerma wrote: files as bytes, databases by their values too."""
    texts = {}
    for path in data.rglob("*"):
        if path.is_file() and "inbox" not in path.relative_to(data).parts:
            texts[str(path.relative_to(data))] = path.name + path.read_bytes().decode("latin-1")
    with open_current(data) as con:
        for (table,) in con.sql("select table_name from duckdb_tables()").fetchall():
            texts[f"table {table}"] = str(con.sql(f"select t::varchar from {table} t").fetchall())
    reviews = data / "reviews.db"
    if reviews.exists():
        with sqlite3.connect(reviews) as con:
            texts["reviews"] = "\n".join(con.iterdump())
    return texts


def test_every_format_was_read_and_rejected_from(planted: tuple[Path, str]) -> None:
    data, _ = planted
    with open_current(data) as con:
        loaded = {row[0][0] for row in con.sql("select accession_number from procedure").fetchall()}
        kinds = con.sql("select distinct profile from source_file").fetchall()
        rules = {r for (row,) in con.sql("select rules from rejected_row").fetchall() for r in row}
        keys = con.sql("select count(distinct patient_key) from procedure").fetchall()
    assert loaded >= set("CPJXDAOZ"), loaded
    assert {"log", "dicom_sr", "fhir", "openrem_ct", "zip"} <= {kind for (kind,) in kinds}
    assert {"modality.words", "long_row", "quote", "json", "not_read", "dlp_mgycm.type"} <= rules
    assert keys == [(1,)], "every format gives the one patient the one pseudonym"


def marked(texts: dict[str, str]) -> set[tuple[str, str]]:
    """Return which texts hold which marker."""
    return {
        (where, marker)
        for where, text in texts.items()
        for marker in MARKERS
        if marker.casefold() in text.casefold()
    }


def test_no_marker_in_anything_written(planted: tuple[Path, str]) -> None:
    data, said = planted
    texts = written(data) | {"commands": said}
    assert not marked(texts)
    assert {"given/procedures.csv", "told.json", "saved.tar"} <= texts.keys()
    assert any("teapot" in text for text in texts.values()), "what is wrong is still told"


def unpacked(name: str, content: bytes) -> dict[str, str]:
    """Return the texts of a file: as it stands, and of what is packed within."""
    texts = {name: content.decode("latin-1")}
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            for member in packed.namelist():
                texts[f"{name}!{member}"] = packed.read(member).decode("utf-8", "replace")
    if content.startswith(b"%PDF"):
        pages = [page.extract_text() for page in PdfReader(io.BytesIO(content)).pages]
        texts[f"{name}!text"] = "\n".join(pages)
        streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL)
        for number, stream in enumerate(streams):
            with contextlib.suppress(zlib.error):  # an image or a font that is not deflated
                texts[f"{name}!{number}"] = zlib.decompress(stream).decode("latin-1")
    return texts


def test_no_marker_in_any_page_download_or_error(
    planted: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every page is opened with all rights and every file that it offers is taken."""
    data, _ = planted
    offered: dict[str, Callable[[], bytes]] = {}
    before = trace.taken

    def kept(make: Callable[[], bytes], about: str, **details: Any) -> Callable[[], bytes]:
        offered[about] = before(make, about, **details)
        return offered[about]

    monkeypatch.setattr(trace, "taken", kept)
    texts: dict[str, str] = {}
    for _ in use_data(data, monkeypatch):
        for page in navigation.ROLES:
            at = opened(page, id="1") if page == "data/case.py" else opened(page)
            if page == "dose/report.py":
                at.button(key="make-report").click().run()
            buttons = len(at.get("download_button"))
            assert buttons <= len(offered), f"{page} has a download past the access log"
            texts[page] = str(at.main) + texts_of(at)
            for about, make in offered.items():
                if about.endswith(" as PNG"):
                    continue  # pixels; the SVG beside it has the texts
                texts |= unpacked(f"{page}: {about}", make())
            offered.clear()
        texts |= written(data)
    assert any("Quarter" in text for name, text in texts.items() if name.endswith("!text")), "PDF"
    taken = {name.rpartition(" as ")[2].partition("!")[0] for name in texts}
    assert {"CSV", "XLSX", "HTML", "PDF", "XES", "SVG"} <= taken
    assert not marked(texts)
    assert any("teapot" in text for name, text in texts.items() if "XLSX!" in name)
    assert "north" in texts["data/case.py"]


def test_ages_above_89_are_90_and_more(planted: tuple[Path, str]) -> None:
    data, _ = planted
    with open_current(data) as con:
        assert con.sql("select max(age_years) from procedure").fetchall() == [(90.0,)]
        kept = con.sql(
            "select raw_text from rejected_row where raw_text like '%teapot%'"
        ).fetchall()
        assert len(kept) >= 4 and all("90+" in text for (text,) in kept)
    assert "95" not in written(data)["table raw_value"]


def test_rejected_rows_of_a_masked_file_can_still_be_given_back(
    planted: tuple[Path, str], tmp_path: Path
) -> None:
    data, _ = planted
    out = tmp_path / "rejected.csv"
    done = run_etl(data, "rejected", "--export", str(out))
    assert done.returncode == 0
    assert "C9" in "".join(path.read_text("utf-8-sig") for path in tmp_path.glob("rejected*.csv"))


def test_free_text_and_exact_ages_are_stored_where_configured(tmp_path: Path) -> None:
    from etl.refresh import Asked, refresh

    chosen = Settings(
        data_dir=tmp_path, settle_seconds=0, keep_free_text=("Comment",), exact_ages=True
    )
    chosen.inbox.mkdir()
    delimited(chosen.inbox / "log.csv", table("C"))
    refresh(chosen, Asked(), lambda *_, **__: None)
    with open_current(tmp_path) as con:
        extra, age = con.sql("select extra, age_years from procedure").fetchall()[0]
    assert PROSE in extra and age == 95 and FAMILY not in extra


def test_an_internal_error_keeps_no_value_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a library says of a value that it cannot digest goes into the log, without the value."""
    from etl import ahead
    from etl.refresh import Asked, refresh

    def broken(*_: object, **__: object) -> None:
        raise ValueError(f"could not parse '{FAMILY}, {GIVEN}' born {BORN} (id \"{IDENTIFIER}\")")

    chosen = Settings(data_dir=tmp_path, settle_seconds=0)
    chosen.inbox.mkdir()
    delimited(chosen.inbox / "log.csv", table("C"))
    with monkeypatch.context() as patched:
        patched.setattr(ahead, "stage", broken)
        result = refresh(chosen, Asked(), lambda *_, **__: None)
    (file,) = result.files
    assert file.status == "failed" and "ValueError: could not parse '…'" in (file.message or "")
    every = (path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".csv")
    assert not marked({path.name: path.read_bytes().decode("latin-1") for path in every})


@pytest.mark.parametrize(
    ("name", "persons", "told"),
    [
        ("Doe_Jane.dcm", ["Doe^Jane"], "(removed)"),
        ("north/log_2026-11.csv", ["Doe^Jane", "2026-11-03"], "north/log_2026-11.csv"),
        ("x_19310217.dcm", ["1931-02-17"], "x_(removed).dcm"),
        ("p-4711.csv", ["P 4711"], "(removed).csv"),
        ("4711.csv", ["14711"], "4711.csv"),
        ("janet.csv", ["Jane"], "janet.csv"),
        ("Müller.csv", ["MÜLLER^Hans"], "(removed).csv"),
    ],
)
def test_file_names(name: str, persons: list[str], told: str) -> None:
    assert impersonal_name(name, persons).startswith(told)


def test_only_telling_words_of_a_name_cost_a_look() -> None:
    assert telling_words("2026-11.csv") == ["csv"]
    assert "19310217" in telling_words("a/1931-02-17.csv")


def test_a_row_of_values_is_no_header() -> None:
    assert names_columns(("site", "E1 CTDIvol", "pain_15min"))
    assert not names_columns(("north", "2026-03-02", "Doe"))


def test_short_texts_are_taken_out_only_where_they_are_quoted() -> None:
    assert without("modality: 'Doe': use another", ["Doe"]) == "modality: '(removed)': use another"
    assert without("dose", ["do"]) == "dose"
