"""Logs in Excel workbooks: cells as their values, errors of formulas in words, rows by number."""

from datetime import date, datetime, time
from pathlib import Path

import polars as pl
import pytest
import xlsxwriter

from tests.etl.staging_help import only, reason, rows, stage_bytes, stage_path
from tests.etl.test_openrem_xlsx import read, study
from tests.etl.test_openrem_xlsx import workbook as export

LOG = ("accession_number", "modality", "performed_on", "kap_gycm2", "room", "bmi_formula")


def workbook(path: Path) -> None:
    book = xlsxwriter.Workbook(str(path))
    book.add_worksheet("Notes").write(0, 0, "read me")
    sheet = book.add_worksheet("Log")
    stamp = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
    day, clock = (
        book.add_format({"num_format": "dd.mm.yy"}),
        book.add_format({"num_format": "h:mm:ss"}),
    )
    sheet.write_row(
        0,
        0,
        [
            "accession_number",
            "modality",
            "performed_on",
            "procedure_start_at",
            "kap_gycm2",
            "fluoro_time_s",
            "trainee",
            "operator",
            "age_years",
        ],
    )
    sheet.write(1, 0, 4885555100963520)
    sheet.write(1, 1, "XA")
    sheet.write_datetime(1, 2, datetime(2026, 1, 5), day)
    sheet.write_datetime(1, 3, datetime(2026, 1, 5, 10, 11), stamp)
    sheet.write_formula(1, 4, "=1+0.5", None, 1.5)
    sheet.write_datetime(1, 5, datetime(1899, 12, 31, 0, 2, 30), clock)
    sheet.write_boolean(1, 6, True)
    sheet.write_string(1, 7, "=HYPERLINK(1)")
    sheet.write_row(3, 0, ["A2", "CT", "2026-01-05", "", "", "", "", "", "old"])
    book.close()


def test_excel_cells_keep_their_values(tmp_path: Path):
    workbook(tmp_path / "log.xlsx")
    staged = stage_path(tmp_path / "log.xlsx", tmp_path / "work")
    row = only(staged)
    assert row["accession_number"] == "4885555100963520"
    assert row["procedure_start_at"] == datetime(2026, 1, 5, 10, 11)
    assert (row["kap_gycm2"], row["fluoro_time_s"], row["trainee"]) == (1.5, 150, True)
    assert row["operator"] == "=HYPERLINK(1)", "kept as it stood; downloads neutralise it"
    assert staged.rejected["line"].to_list() == [4] and "'old'" in reason(staged)


def failing(path: Path, *errors: tuple[int, int, str], header: tuple[str, ...] = LOG) -> Path:
    """Write two good rows below two blank rows, in the second column; then put errors in."""
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.write_row(2, 1, header)
        for row in (3, 4):
            sheet.write_row(row, 1, [f"A{row}", "XA", "2026-01-05", 2.5, "R1", 22])
        for row, column, shown in errors:
            sheet.write_formula(row, column, "=1/0", None, shown)
    return path


@pytest.mark.parametrize("shown", ["#DIV/0!", "#N/A", "#REF!", "#VALUE!", "#NAME?", "#NUM!"])
def test_a_failed_formula_rejects_its_row_in_words(tmp_path: Path, shown: str):
    path = failing(tmp_path / "log.xlsx", (3, 4, shown))
    staged = stage_path(path, tmp_path / "work")
    assert only(staged)["accession_number"] == "A4"
    assert staged.rejected["line"].to_list() == [4], "the row that the spreadsheet shows"
    assert reason(staged) == (
        f"column 'kap_gycm2' holds the spreadsheet's error {shown}: correct its formula, or leave "
        "the cell blank"
    )
    assert staged.rejected["rules"].to_list() == [["failed_cell"]]
    assert shown in staged.rejected["raw_text"].item()


def test_words_and_numbers_that_failed_are_no_blanks(tmp_path: Path):
    path = failing(tmp_path / "log.xlsx", (3, 1, "#REF!"), (4, 5, "#N/A"))
    staged = stage_path(path, tmp_path / "work")
    told = [words for (words,) in staged.rejected["reasons"].to_list()]
    assert rows(staged).is_empty()
    assert "'accession_number'" in told[0] and "'room'" in told[1]


def test_a_failed_formula_beside_the_log_costs_no_row(tmp_path: Path):
    path = failing(tmp_path / "log.xlsx", (3, 6, "#DIV/0!"))
    staged = stage_path(path, tmp_path / "work")
    assert staged.rejected.is_empty() and rows(staged).height == 2
    assert "#DIV/0!" in rows(staged)["extra"][0]


def test_a_text_file_saved_by_a_spreadsheet_is_judged_alike(tmp_path: Path):
    text = (
        "accession_number,modality,performed_on,room\nA1,XA,2026-01-05,#N/A\nA2,XA,2026-01-05,R#1\n"
    )
    staged = stage_bytes(tmp_path, text)
    assert only(staged)["room"] == "R#1"
    assert staged.rejected["line"].to_list() == [2] and "#N/A" in reason(staged)


def test_follow_ups_and_exports_are_judged_alike(tmp_path: Path):
    names = ("accession_number", "scale", "timepoint", "value")
    path = failing(tmp_path / "follow.xlsx", (3, 4, "#DIV/0!"), header=names)
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, names)
        sheet.write_row(1, 0, ["A1", "NRS 0-10", "1wk"])
        sheet.write_formula(1, 3, "=1/0", None, "#DIV/0!")
    staged = stage_path(path, tmp_path / "work")
    assert staged.kind == "followup" and staged.rejected["line"].to_list() == [2]
    assert "'value' holds the spreadsheet's error #DIV/0!" in reason(staged)

    made = read(
        export(tmp_path / "openrem.xlsx", study(**{"Total DLP (mGy.cm)": "#DIV/0!"})), tmp_path
    )
    assert made.reports.is_empty()
    assert "'DLP total (mGy.cm)' holds the spreadsheet's error" in made.rejected["reasons"][0][0]


def test_workbooks_that_count_from_1904(tmp_path: Path):
    path = tmp_path / "mac.xlsx"
    with xlsxwriter.Workbook(path, {"date_1904": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(
            0, 0, ["accession_number", "modality", "performed_on", "procedure_start_at"]
        )
        sheet.write_row(1, 0, ["A1", "XA"])
        day, clock = (book.add_format({"num_format": f}) for f in ("dd.mm.yyyy", "hh:mm"))
        sheet.write_datetime(1, 2, date(2026, 1, 5), day)
        sheet.write_datetime(
            1, 3, datetime(2026, 1, 5, 9, 15), book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        )
        sheet.write(0, 4, "fluoro_time_s")
        sheet.write_datetime(1, 4, time(0, 2, 30), clock)
    row = only(stage_path(path, tmp_path / "work"))
    assert (row["performed_on"], row["fluoro_time_s"]) == (date(2026, 1, 5), 150)
    assert row["procedure_start_at"] == datetime(2026, 1, 5, 9, 15)


def test_a_title_above_the_column_names_is_told(tmp_path: Path):
    with xlsxwriter.Workbook(tmp_path / "log.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.merge_range(0, 0, 0, 5, "Interventions 2026")
        sheet.write_row(1, 0, LOG)
    told = stage_path(tmp_path / "log.xlsx", tmp_path / "work").refusal or ""
    assert "'Interventions 2026'" in told
    assert "Take away what stands above the column names" in told


def test_of_two_logs_in_one_workbook_the_hidden_one_is_named(tmp_path: Path):
    with xlsxwriter.Workbook(tmp_path / "log.xlsx") as book:
        for name in ("now", "before"):
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, LOG)
        sheet.hide()
    told = stage_path(tmp_path / "log.xlsx", tmp_path / "work").refusal or ""
    assert "several sheets that are logs ('now', 'before' (hidden))" in told


EMPTY = "accession_number,modality,performed_on\n"


@pytest.mark.parametrize("name", ["log.csv", "log.xlsx", "log.parquet", "follow.csv"])
def test_column_names_without_a_row_are_told(tmp_path: Path, name: str):
    path = tmp_path / name
    columns = EMPTY.strip().split(",")
    match name:
        case "log.xlsx":
            with xlsxwriter.Workbook(path) as book:
                book.add_worksheet().write_row(0, 0, columns)
        case "log.parquet":
            pl.DataFrame(schema=dict.fromkeys(columns, pl.String)).write_parquet(path)
        case "follow.csv":
            path.write_text("accession_number,scale,timepoint,value\n")
        case _:
            path.write_text(EMPTY)
    staged = stage_path(path, tmp_path / "work")
    assert staged.refusal is None and staged.read == 0
    assert staged.message and staged.message.startswith(f"{name}: names its columns and has no row")
