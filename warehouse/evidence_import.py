"""Read files of studies that a person brings: our columns, or those of metafor's data sets."""

import csv
import io
import math
from collections.abc import Mapping
from string import ascii_lowercase

from warehouse.evidence import Problem, read_rows
from warehouse.evidence_models import EvidenceError, Result

#: Column names of metafor's data sets → ours; patients without the event give group sizes.
FOREIGN = {
    "ai": "events_1", "tpos": "events_1", "ci": "events_2", "cpos": "events_2",
    "xi": "events_1", "ni": "n_1",
    "n1i": "n_1", "n2i": "n_2", "m1i": "mean_1", "m2i": "mean_2", "sd1i": "sd_1", "sd2i": "sd_2",
    "alloc": "subgroup", "ablat": "covariate", "citation": "source",
}  # fmt: skip
WITHOUT_EVENT = {"bi": "1", "tneg": "1", "mi": "1", "di": "2", "cneg": "2"}
EFFECTS = ("yi", "vi", "sei")
NAMES = ("author", "authors", "study", "source", "trial", "paper", "id")
#: What ``yi`` may be; a logarithm is turned back into the ratio that papers print.
YI = {
    "SMD": "standardised mean difference",
    "MD": "mean difference",
    "RR": "log risk ratio",
    "OR": "log odds ratio",
    "ROM": "log ratio of means",
    "RD": "risk difference",
}
Z95 = 1.959963984540054
LONGEST_NOTE = 800
#: Columns of ours that mean something else in other people's files.
AMBIGUOUS = ("study", "patients", "level")


def read_foreign(
    text: str, name: str, given: Mapping[str, str]
) -> tuple[list[Result], list[Problem]]:
    """Read a file with our columns or those of metafor's data sets.

    ``given`` fills question, outcome and source where the file has no such column, and says as
    ``measure`` what ``yi`` is (a key of ``YI``). Patients without the event (``bi``, ``tneg`` …)
    become group sizes; a study's year joins its author. Further columns go into the note.
    """
    lines = text.lstrip("\ufeff").splitlines(keepends=True)
    first = next(iter(lines), "")
    delimiter = max(",;\t", key=first.count)
    try:
        header = next(csv.reader([first], delimiter=delimiter), [])
    except csv.Error as error:
        return [], [Problem(name, 1, f"is no CSV: {error}")]
    if not {*FOREIGN, *WITHOUT_EVENT, "yi"} & set(header):
        named = {key: value for key, value in given.items() if key != "measure"}
        return read_rows(_filled(text, named), name)
    rows, numbers, bad = [], [], []
    reader = csv.DictReader(io.StringIO("".join(lines)), delimiter=delimiter)
    for row in reader:
        cells = {k: "" if v in (None, "NA") else v for k, v in row.items() if k is not None}
        try:
            rows.append(_ours(cells, given))
            numbers.append(next((cells[c] for c in NAMES if cells.get(c, "").isdigit()), ""))
        except EvidenceError as error:
            bad.append(Problem(name, reader.line_num, str(error)))
    _tell_apart(rows, numbers)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(key for row in rows for key in row)))
    writer.writeheader()
    writer.writerows(rows)
    good, wrong = read_rows(out.getvalue(), name) if not bad else ([], [])
    return good, [*bad, *wrong]


def _filled(text: str, given: Mapping[str, str]) -> str:
    """Add the given columns to a file that lacks them."""
    lines = text.lstrip("\ufeff").splitlines(keepends=True)
    start = next((i for i, line in enumerate(lines) if line.strip() and line[0] != "#"), 0)
    delimiter = max(",;\t", key=(lines[start] if lines else "").count)
    table = list(csv.reader(io.StringIO("".join(lines[start:])), delimiter=delimiter))
    if not table:
        return text
    missing = {k: v for k, v in given.items() if k not in [c.strip() for c in table[0]]}
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow([*table[0], *missing])
    writer.writerows([*row, *missing.values()] if row else row for row in table[1:])
    return "".join(lines[:start]) + out.getvalue()


def _ours(row: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Turn one row of a metafor data set into ours."""
    found = {key: value for key, value in given.items() if key != "measure"}
    named = _study(row)
    others = []
    for column, value in row.items():
        ours = FOREIGN.get(column, column)
        if ours == "source" and value == row.get(named):
            continue
        if ours in Result.model_fields and column not in (*AMBIGUOUS, named):
            found[ours] = value
        elif column not in (named, *WITHOUT_EVENT, *EFFECTS) and value:
            others += [] if column in NAMES and value.isdigit() else [f"{column} {value}"]
    found["study"] = row.get(named, "")
    if row.get("year") and row["year"] not in found["study"]:
        found["study"] = f"{found['study']} {row['year']}".strip()
    if "ablat" in row:
        found["covariate_name"] = "absolute latitude"
    if others:
        found["note"] = "; ".join(t for t in (found.get("note", ""), *others) if t)[:LONGEST_NOTE]
    for column, arm in WITHOUT_EVENT.items():
        if column in row and f"n_{arm}" not in found:
            with_event = next(c for c, f in FOREIGN.items() if f == f"events_{arm}" and c in row)
            found[f"n_{arm}"] = str(_whole(row, with_event) + _whole(row, column))
    if "yi" in row and "events_1" not in found and "mean_1" not in found:
        found |= _effect(row, given.get("measure") or "SMD")
    two = {"events_2", "n_2", "mean_2", "effect"} & set(found)
    groups = {"group_1": "first group", "group_2": "second group"} if two else {}
    return groups | found


def _tell_apart(rows: list[dict[str, str]], numbers: list[str]) -> None:
    """Letter studies of one author and year that the file numbers as different ones: 1972 a, b."""
    for name in {row["study"] for row in rows}:
        alike = [i for i, row in enumerate(rows) if row["study"] == name]
        told = list(dict.fromkeys(numbers[i] for i in alike))
        if 1 < len(told) <= len(ascii_lowercase):
            for i in alike:
                rows[i]["study"] += f" {ascii_lowercase[told.index(numbers[i])]}"


def _study(row: Mapping[str, str]) -> str:
    """Return the column that names the studies: the first that is no running number."""
    present = [column for column in NAMES if column in row]
    told = [column for column in present if row[column] and not row[column].isdigit()]
    return next(iter(told or present), "")


def _whole(row: Mapping[str, str], column: str) -> int:
    try:
        return int(row[column])
    except ValueError as error:
        raise EvidenceError(
            f"{column} {row[column]!r}: is no whole number: write how many patients"
        ) from error


def _number(row: Mapping[str, str], column: str) -> float:
    try:
        return float(row[column])
    except ValueError as error:
        raise EvidenceError(f"{column} {row[column]!r}: is no number: correct it") from error


def _effect(row: Mapping[str, str], measure: str) -> dict[str, str]:
    """Return the effect ``yi`` with its interval, as the measure is printed."""
    spread = "vi" if "vi" in row else "sei"
    if spread not in row:
        raise EvidenceError("has yi without vi or sei: add the variance or the standard error")
    middle, size = _number(row, "yi"), _number(row, spread)
    if not size > 0:
        raise EvidenceError(f"{spread} {row[spread]!r}: is not above 0: correct it")
    half = Z95 * (math.sqrt(size) if spread == "vi" else size)
    ends = [middle, middle - half, middle + half]
    if YI[measure].startswith("log"):
        ends = [math.exp(min(end, 700.0)) for end in ends]
    sizes = [row[c] for c in ("n1i", "n2i", "ni") if row.get(c, "").isdigit()]
    patients = str(sum(map(int, sizes))) if sizes else ""
    value, low, high = map(repr, ends)
    return {"measure": measure, "effect": value, "low": low, "high": high, "patients": patients}
