"""Read files of studies that a person brings: our columns, or those of metafor's data sets."""

import csv
import io
from collections.abc import Mapping

from warehouse.evidence import Problem, read_rows
from warehouse.evidence_models import Result

#: Column names of metafor's data sets → ours; others non-negative counts derive from them.
FOREIGN = {
    "ai": "events_1", "tpos": "events_1", "ci": "events_2", "cpos": "events_2",
    "n1i": "n_1", "n2i": "n_2", "m1i": "mean_1", "m2i": "mean_2", "sd1i": "sd_1", "sd2i": "sd_2",
    "alloc": "subgroup", "ablat": "covariate", "author": "study", "citation": "source",
}  # fmt: skip
WITHOUT_EVENT = {"bi": "1", "tneg": "1", "di": "2", "cneg": "2"}
Z95 = 1.959963984540054


def read_foreign(
    text: str, name: str, given: Mapping[str, str]
) -> tuple[list[Result], list[Problem]]:
    """Read a file with our columns or those of metafor's data sets.

    ``given`` fills question, outcome and source where the file has no such column. Patients without
    the event (``bi``, ``tneg`` …) become group sizes, ``yi`` and ``vi`` a standardised mean
    difference with its interval; a study's year joins its author. Columns that are not understood
    refuse the file.
    """
    lines = text.lstrip("\ufeff").splitlines(keepends=True)
    try:
        header = next(csv.reader([next(iter(lines), "")]), [])
    except csv.Error as error:
        return [], [Problem(name, 1, f"is no CSV: {error}")]
    if not {*FOREIGN, *WITHOUT_EVENT, "yi"} & set(header):
        return read_rows(_filled(text, given), name)
    try:
        rows = [_ours(row, given) for row in csv.DictReader(io.StringIO(text.lstrip("\ufeff")))]
    except (ValueError, TypeError) as error:
        return [], [Problem(name, 1, f"has a count that is no whole number: {error}")]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(key for row in rows for key in row)))
    writer.writeheader()
    writer.writerows(rows)
    return read_rows(out.getvalue(), name)


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
    found = dict(given)
    numbered = row.get("author") is not None
    for column, value in row.items():
        if column in WITHOUT_EVENT:
            continue
        if numbered and column in ("trial", "study"):
            continue
        if column not in ("yi", "vi"):
            found[FOREIGN.get(column, column)] = value
    for column, arm in WITHOUT_EVENT.items():
        if column in row and f"n_{arm}" not in found:
            found[f"n_{arm}"] = str(int(found[f"events_{arm}"]) + int(row[column]))
    if row.get("year") and row["year"] not in found.get("study", ""):
        found["study"] = f"{found.get('study', '')} {row['year']}".strip()
    if "yi" in row and "vi" in row and "events_1" not in found and "mean_1" not in found:
        middle, half = float(row["yi"]), Z95 * float(row["vi"]) ** 0.5
        found |= {"measure": found.get("measure", "SMD"), "effect": repr(middle)}
        found |= {"low": repr(middle - half), "high": repr(middle + half)}
    two = {"events_2", "n_2", "mean_2", "effect"} & set(found)
    groups = {"group_1": "first group", "group_2": "second group"} if two else {}
    return groups | found
