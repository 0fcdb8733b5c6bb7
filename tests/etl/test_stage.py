"""Every way a file can be odd ends in rows, in a row's reason, or in words about the file."""

import gzip
import json
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.sources.census import census
from tests.etl.staging_help import KEY, only, reason, rows, stage_bytes, stage_path

HEAD = "accession_number,modality,performed_on,age_years,operator\n"
ROW = "A1,CT,2026-01-05,55,Dr A\n"


def test_plain_log(tmp_path: Path):
    row = only(stage_bytes(tmp_path, HEAD + ROW))
    assert row["site"] == "main" and row["age_years"] == 55 and row["source_line"] == 2
    assert row["performed_on"] == date(2026, 1, 5) and row["status"] == "completed"
    assert row["flags"] == []


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_delimiters_line_ends_and_encodings(tmp_path: Path, delimiter, end, encoding):
    text = (HEAD + "A1,CT,2026-01-05,55,Dr Müller\nA2,CT,2026-01-06,,\n").replace(",", delimiter)
    staged = stage_bytes(tmp_path, text.replace("\n", end).encode(encoding))
    frame = rows(staged)
    assert frame["operator"].to_list() == ["Dr Müller", None]
    assert frame["source_line"].to_list() == [2, 3]


def test_quoted_line_breaks_give_physical_lines(tmp_path: Path):
    text = HEAD + 'A1,CT,2026-01-05,55,"Dr\nA"\n\nA2,CT,2026-01-05,x,B\nA3,CT,2026-01-05,5,C\n'
    staged = stage_bytes(tmp_path, text)
    assert rows(staged)["source_line"].to_list() == [2, 6]
    assert rows(staged)["operator"][0] == "Dr\nA"
    assert staged.rejected["line"].to_list() == [5]
    assert "age_years: Input should be a valid number: 'x'" in reason(staged)


def test_stray_quotes_swallow_nothing(tmp_path: Path):
    text = HEAD + 'A1,CT,2026-01-05,5,5" needle\nA2,CT,2026-01-05,6,"say ""hi"""\n'
    assert rows(stage_bytes(tmp_path, text))["operator"].to_list() == ['5" needle', 'say "hi"']


@pytest.mark.parametrize(
    ("rest", "line"),
    [('6,"Dr B\nA3,CT,2026-01-05,7,C\n', 3), ('6,"Dr B', 3), ('6,B\nA3,CT,2026-01-05,7,"C\n', 4)],
)
def test_a_quote_that_is_never_closed_loses_no_row(tmp_path: Path, rest: str, line: int):
    staged = stage_bytes(tmp_path, HEAD + ROW + "A2,CT,2026-01-05," + rest)
    assert staged.refusal and f"line {line}: " in staged.refusal
    assert "quote that is never closed" in staged.refusal


def test_rows_between_two_stray_quotes_are_rejected_not_swallowed(tmp_path: Path):
    text = 'A2,CT,2026-01-05,6,"Dr B\nA3,CT,2026-01-05,7,C\nA4,CT,2026-01-05,8,"D\n'
    staged = stage_bytes(tmp_path, HEAD + ROW + text + ROW.replace("A1", "A5"))
    assert rows(staged)["accession_number"].to_list() == ["A1", "A5"]
    assert (staged.rejected["line"].item(), staged.rejected["rules"][0].to_list()) == (3, ["quote"])
    assert "the next closes it 2 lines further" in reason(staged)


@pytest.mark.parametrize("more", ["", ",more"], ids=["", "as many commas as even rows"])
def test_ragged_rows(tmp_path: Path, more: str):
    long = f"A2,CT,2026-01-05,5,B,surplus{more}\n"
    text = HEAD + "A1,CT,2026-01-05\n" + long + ROW.replace("A1", "A3")
    staged = stage_bytes(tmp_path, text)
    assert rows(staged)["accession_number"].to_list() == ["A1", "A3"]
    assert staged.rejected["rules"].to_list() == [["long_row"]]
    assert f"{6 + len(more) // 5} cells, the header 5 columns: 'surplus'" in reason(staged)
    assert staged.rejected["line"][0] == 3 and staged.rejected["raw_text"][0].startswith("A2,CT")


@pytest.mark.parametrize("name", ["log[1].csv", "<b title=1>.csv", "a{b,c}.csv"])
def test_a_name_that_looks_like_a_pattern_is_a_name(tmp_path: Path, name: str):
    ragged = HEAD + "A1,CT,2026-01-05\n" + ROW.replace("A1", "A2")
    staged = stage_bytes(tmp_path, ragged, name)
    assert rows(staged)["accession_number"].to_list() == ["A1", "A2"]


def test_mixed_encodings_are_named(tmp_path: Path):
    good, bad = (
        "A1,CT,2026-01-05,5,Müller\n".encode(),
        "A2,CT,2026-01-05,5,Jäger\n".encode("cp1252"),
    )
    staged = stage_bytes(tmp_path, HEAD.encode() + good + bad)
    assert only(staged)["operator"] == "Müller"
    assert staged.rejected["rules"].to_list() == [["encoding"]]
    assert "column 5" in reason(staged) and "'Jäger'" in reason(staged)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_packed_files(tmp_path: Path, suffix: str):
    def pack(text: str) -> bytes:
        data = text.encode()
        return gzip.compress(data) if suffix == ".gz" else pa.compress(data, "zstd", asbytes=True)

    packed = pack(HEAD + ROW)
    assert only(stage_bytes(tmp_path, packed, f"log.csv{suffix}"))["accession_number"] == "A1"
    line = json.dumps({"accession_number": "A2", "modality": "CT", "performed_on": "2026-01-05"})
    found = stage_bytes(tmp_path, pack(line), f"log.ndjson{suffix}")
    assert only(found)["accession_number"] == "A2"
    assert (found.source.name, found.source.bytes) == (f"log.ndjson{suffix}", len(pack(line)))
    broken = stage_bytes(tmp_path, packed[:-9], f"cut.csv{suffix}")
    assert broken.refusal and "cannot be unpacked" in broken.refusal


def test_figures_beyond_any_real_one_are_rejected(tmp_path: Path):
    head = "accession_number,modality,performed_on,kap_gycm2,duration_min\n"
    text = "A1,XA,2026-01-05,1e308,5\nA2,XA,2026-01-05,3,2e9\nA3,XA,2026-01-05,nan,5\n"
    staged = stage_bytes(tmp_path, head + text + "A4,XA,2026-01-05,3,5\n")
    assert only(staged)["accession_number"] == "A4"
    assert staged.rejected["rules"].to_list() == [
        ["kap_gycm2.max"],
        ["duration_min.max"],
        ["kap_gycm2.type"],
    ]
    assert "'1e308': correct the value" in staged.rejected["reasons"][0][0]


REFUSED = {
    "empty": (b"", "is empty"),
    "blank": (b"\n", "is empty"),
    "nul": (HEAD.encode() + b"A1,\0CT\n", "line 2 holds a NUL byte"),
    "giant": (b"x," * 700_000, "line of more than 1,048,576 characters"),
    "lacking": (b"accession_number,modality\nA1,CT\n", "missing column: performed_on"),
    "unknown": (b"foo,bar\n1,2\n", "no known layout has these columns: 'foo', 'bar'"),
    "twice": (b"modality,performed_on,room,room\n", "column 'room' appears twice"),
    "same": (b"modality,performed_on,kap_gycm2,KAP (Gy)\n", "both mean kap_gycm2"),
    "unit": (
        b"modality,performed_on,KAP (furlong)\n",
        "column 'KAP (furlong)': kap_gycm2: unit 'furlong' is not one of Gy",
    ),
    "decimals": (
        b"accession_number;modality;performed_on;kap_gycm2\nA1;XA;2026-01-05;1,234\n",
        "'1,234' could be a decimal comma or a thousands mark",
    ),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_files_that_are_refused_in_words(tmp_path: Path, name: str):
    data, words = REFUSED[name]
    staged = stage_bytes(tmp_path, data, f"{name}.csv")
    assert staged.refusal and staged.refusal.startswith(f"{name}.csv: ")
    assert words in staged.refusal
    assert staged.procedures is None and staged.read == 0


def test_a_folder_named_like_a_file(tmp_path: Path):
    folder = tmp_path / "log.csv"
    folder.mkdir()
    staged = stage_path(folder, tmp_path / "work")
    assert staged.refusal and "is a folder" in staged.refusal


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.xlsx", b"PK\x03\x04junk"),
        ("a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"0" * 600),
        ("a.xlsx", b""),
        ("a.parquet", b"PAR1 no"),
        ("a.parquet", b""),
        ("a.jsonl", b""),
        ("a.pdf", b"%PDF"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, name: str, data: bytes):
    staged = stage_bytes(tmp_path, data, name)
    assert staged.refusal and staged.refusal.startswith(name)
    assert "Traceback" not in staged.refusal


def test_parquet_and_json_lines_give_the_same_rows(tmp_path: Path):
    frame = pl.DataFrame(
        {
            "accession_number": ["A1", "A2"],
            "modality": ["CT", "US"],
            "procedure_start_at": [datetime(2026, 1, 5, 10, 30, 1, 500_000), datetime(2026, 1, 6)],
            "dlp_mgycm": [12.5, None],
            "n_levels": [2, None],
            "trainee": [True, None],
        }
    )
    frame.write_parquet(tmp_path / "log.parquet")
    staged = rows(stage_path(tmp_path / "log.parquet", tmp_path / "work"))
    lines = frame.with_columns(pl.col("procedure_start_at").dt.to_string("iso"))
    objects = [
        json.dumps({k: v for k, v in row.items() if v is not None}) for row in lines.to_dicts()
    ]
    again = rows(stage_bytes(tmp_path, "\n".join(objects), "log.jsonl"))
    assert staged.equals(again)
    assert staged["procedure_start_at"].to_list() == frame["procedure_start_at"].to_list()
    assert staged["dlp_mgycm"].to_list() == [12.5, None]


def test_a_json_line_that_is_none_is_a_refused_row(tmp_path: Path):
    good = json.dumps({"accession_number": "A1", "modality": "CT", "performed_on": "2026-01-05"})
    staged = stage_bytes(tmp_path, f"{good}\n{{broken\n[1]\n", "log.jsonl")
    assert only(staged)["accession_number"] == "A1"
    assert staged.rejected["line"].to_list() == [2, 3]
    assert "column 2" in staged.rejected["reasons"][0][0]
    assert "broken" not in staged.rejected["reasons"][0][0]  # it may be anything, a name too


def log(tmp_path: Path, header: str, *lines: str, **settings):
    """Stage rows whose first three cells are given."""
    body = "".join(f"A{n},{line}\n" for n, line in enumerate(lines, 1))
    return stage_bytes(
        tmp_path, f"accession_number,modality,performed_on,{header}\n{body}", **settings
    )


def test_units_in_header_and_cell(tmp_path: Path):
    staged = log(
        tmp_path,
        "KAP (cGy·cm²),Air kerma [Gy],fluoro_time_s",
        "XA,2026-01-05,150,0.012,2:30",
        "XA,2026-01-05,1.5 Gy/cm2,12 mGy,2.5 min",
        "XA,2026-01-05,1 furlong,,",
    )
    frame = rows(staged)
    assert frame["kap_gycm2"].to_list() == [1.5, 1.5]
    assert frame["air_kerma_mgy"].to_list() == [12.0, 12.0]
    assert frame["fluoro_time_s"].to_list() == [150.0, 150.0]
    assert frame["flags"].to_list() == [[], ["unit_misprint"]]
    assert "unit 'furlong' is not one of Gy·cm²" in reason(staged)
    sent = staged.raw_values.filter(field="kap_gycm2").select("source_line", "text", "unit").rows()
    assert sent == [(2, "150", "cGy·cm²"), (3, "1.5 Gy/cm2", "Gy/cm2")]


def test_implausible_people_are_set_aside_not_refused(tmp_path: Path):
    staged = log(
        tmp_path,
        "age_years,weight_kg,height_cm",
        "CT,2026-01-05,-5,0,500",
        "CT,2026-01-05,100,80,180",
        "CT,2026-01-05,121,80,60",
    )
    frame = rows(staged)
    assert frame["age_years"].to_list() == [None, 100.0, None]
    assert frame["flags"][0].to_list() == [
        "age_implausible",
        "weight_implausible",
        "height_implausible",
    ]
    assert frame["flags"][2].to_list() == ["age_implausible", "bmi_implausible"]
    assert frame["bmi"].to_list() == [None, pytest.approx(80 / 1.8**2), None]
    kept = staged.raw_values.select("source_line", "field", "text").rows()
    assert (2, "age_years", "-5") in kept and (2, "height_cm", "500") in kept
    assert (4, "age_years", "121") in kept and len(kept) == 4


def test_dose_flags(tmp_path: Path):
    staged = log(
        tmp_path,
        "kap_gycm2,air_kerma_mgy,dose_mgy,dose_index,fluoro_time_s",
        "XA,2026-01-05,1.5,0.01,,,60",
        "XA,2026-01-05,1.5,15,12,,60",
        "XA,2026-01-05,0,,12,ctdi_vol,60",
        "US,2026-01-05,0,,,,",
        "US,2026-01-05,1,,,,",
        "CT/US,2026-01-05,,,12,CTDIvol,",
    )
    frame = rows(staged)
    assert frame["flags"].to_list() == [
        ["unit_suspect"],
        ["dose_index_missing"],
        ["kap_zero", "index_modality"],
        ["ultrasound_zero_dose"],
        [],
    ]
    assert frame["dose_index"].to_list() == [None, "unspecified", "ctdi_vol", None, "ctdi_vol"]
    assert frame["kap_gycm2"].to_list() == [1.5, 1.5, 0.0, None, None]
    assert frame["second_modality"].to_list() == [None, None, None, None, "ultrasound"]
    assert staged.rejected["rules"].to_list() == [["ultrasound_dose"]]


def test_a_plain_figure_of_a_stated_index_fills_the_column_of_that_index_alone(tmp_path: Path):
    staged = log(
        tmp_path,
        "dose_mgy,dose_index,air_kerma_mgy,ctdi_vol_mgy,ssde_mgy",
        "CT,2026-01-05,12,ctdi_vol,,,",
        "CT,2026-01-05,13,SSDE,,,",
        "XA,2026-01-05,14,air_kerma,,,",
        "XA,2026-01-05,14,air_kerma,15,,",
        "XA,2026-01-05,16,ctdi_vol,,,",
        "CT,2026-01-05,17,,,,",
        "CT,2026-01-05,1e6,ctdi_vol,,,",
    )
    frame = rows(staged)
    assert frame["air_kerma_mgy"].to_list() == [None, None, 14, 15, None, None, None]
    assert frame["ctdi_vol_mgy"].to_list() == [12, None, None, None, None, None, 1e6]
    assert frame["ssde_mgy"].to_list() == [None, 13, None, None, None, None, None]
    assert frame["flags"][6].to_list() == ["ctdi_vol_window"], "windows hold for it too"


def test_times_flags_and_duration(tmp_path: Path):
    staged = log(
        tmp_path,
        "procedure_start_at,procedure_end_at,arrived_at,duration_min",
        "CT,,2026-01-05 10:00,2026-01-05 10:20,2026-01-05 10:05,",
        "CT,2026-01-05,2026-03-29 02:30,2026-03-29 03:10,,",
        "CT,,2026-01-05 10:00,2026-01-05 10:20,,90",
        "CT,,2026-01-05 10:00,2026-01-05 09:59,,",
    )
    frame = rows(staged)
    assert frame["duration_min"].to_list() == [20.0, 40.0, 90.0]
    assert frame["flags"].to_list() == [
        ["stamp_order"],
        ["date_mismatch", "dst_gap"],
        ["duration_mismatch"],
    ]
    assert frame["performed_on"][0] == date(2026, 1, 5)
    assert "procedure_end_at lies before procedure_start_at" in reason(staged)


def test_updated_at_is_utc(tmp_path: Path):
    row = only(log(tmp_path, "updated_at", "CT,2026-01-05,2026-01-05 10:00"))
    assert row["updated_at"].isoformat() == "2026-01-05T09:00:00+00:00"


def test_a_row_without_accession_number_needs_device_and_start(tmp_path: Path):
    text = (
        "accession_number,modality,procedure_start_at,device\n"
        ",CT,2026-01-05 10:00,Scanner\n,CT,2026-01-05 10:00,\n"
    )
    staged = stage_bytes(tmp_path, text)
    assert only(staged)["device"] == "Scanner"
    assert staged.rejected["rules"].to_list() == [["no_key"]]


def test_identifiers_are_never_kept(tmp_path: Path):
    staged = log(
        tmp_path,
        "patient_id,Patient name,Date of birth,MRN,colour,age_years",
        "CT,2026-01-05,P-4711,Jane Doe,1970-01-01,M99,red,55",
        "CT,2026-01-05,P-4711,Jane Doe,1970-01-01,M99,red,old",
    )
    row = only(staged)
    assert len(row["patient_key"]) == 64 and json.loads(row["extra"]) == {"colour": "red"}
    everything = (
        rows(staged).write_json() + staged.rejected.write_json() + staged.raw_values.write_json()
    )
    for secret in ("4711", "Jane", "1970-01-01", "M99", KEY.decode()):
        assert secret not in everything
    assert "pseudonym:" in staged.rejected["raw_text"][0]


def test_test_patients_are_marked(tmp_path: Path):
    staged = log(
        tmp_path,
        "patient_id,is_test,procedure_name",
        "CT,2026-01-05,QA phantom,,",
        "CT,2026-01-05,P1,yes,",
        "CT,2026-01-05,P1,,phantom",
        "CT,2026-01-05,TESTA,no,vertebroplasty",
    )
    assert rows(staged)["is_test"].to_list() == [True, True, True, False]
    assert [f.to_list() for f in rows(staged)["flags"]] == [["test_patient"]] * 3 + [[]]


def test_decimal_comma_is_recognised_from_the_whole_file(tmp_path: Path):
    text = (
        "accession_number;modality;performed_on;kap_gycm2\nA1;XA;2026-01-05;1,25\n"
        "A2;XA;2026-01-05;1.234,5\nA3;XA;2026-01-05;1.5\n"
    )
    staged = stage_bytes(tmp_path, text)
    assert rows(staged)["kap_gycm2"].to_list() == [1.25, 1234.5]
    assert "'1.5'" in reason(staged)


def test_unmapped_names_are_counted_with_suggestions(tmp_path: Path):
    staged = log(
        tmp_path,
        "procedure_name",
        "CT,2026-01-05,stellate ganglion blokc",
        "CT,2026-01-05,stellate ganglion blokc",
        "CT,2026-01-05,vertebroplasty",
    )
    name, count, suggestions = staged.unmapped.row(0)
    assert (name, count) == ("stellate ganglion blokc", 2) and "STELLATE" in suggestions
    assert rows(staged)["procedure_code"].to_list() == [None, None, "VP"]


def test_satisfaction_words_and_default_site(tmp_path: Path):
    staged = log(
        tmp_path,
        "satisfaction,site",
        "CT,2026-01-05,Very satisfied,",
        "CT,2026-01-05,4,west",
        "CT,2026-01-05,6,",
        default_site="north",
    )
    assert rows(staged)["satisfaction"].to_list() == [5, 4]
    assert rows(staged)["site"].to_list() == ["north", "west"]
    assert staged.rejected["site"].to_list() == ["north"]
    assert staged.rejected["rules"].to_list() == [["satisfaction.words"]]


@given(
    st.lists(st.text(alphabet=" ax", max_size=4), min_size=2, max_size=2),
    st.sampled_from([",", ";", "|", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(262_136, 262_152),
)
def test_cells_count_as_trimmed_only_without_outer_blanks(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str], delimiter: str, end: str, at: int
):
    file = tmp_path_factory.mktemp("census") / "log.csv"
    filler = "y" * at  # moves the cells across the end of a block
    file.write_text(f"a{delimiter}b{end}{filler}{delimiter}{delimiter.join(cells)}{end}")
    outer = any(cell != cell.strip() for cell in cells)
    assert not (outer and census(file).trimmed and delimiter in ",;")
    if not outer and delimiter in ",;" and end == "\n":
        assert census(file).trimmed
