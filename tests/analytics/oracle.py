"""Results of R that lie beside the repository; tests that need them skip where they are absent."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ORACLE = Path(__file__).resolve().parents[2] / ".." / "shared" / "oracle"


def case(case_id: str) -> dict[str, Any]:
    """Return one case with its input and R's results."""
    cases = json.loads(_existing("oracle.json").read_text())["cases"]
    return next(c for c in cases if c["id"] == case_id)


def inputs_and_results(case_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the input of a case and R's results, with 'Inf' and 'NaN' as numbers."""
    found = case(case_id)
    return _as_numbers(found["input"]), _as_numbers(found["expected"])


def _as_numbers(value: Any) -> Any:
    """Turn R's words for special values into numbers, in whatever holds them."""
    words = {"NaN": np.nan, "NA": np.nan, "Inf": np.inf, "-Inf": -np.inf}
    if isinstance(value, dict):
        return {key: _as_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_numbers(item) for item in value]
    return words.get(value, value) if isinstance(value, str) else value


def column(name: str, value: str) -> np.ndarray:
    """Return one numeric column of a data file, NaN where empty or NA."""
    with _existing(name).open(newline="") as text:
        return np.array(
            [
                float(row[value]) if row[value] not in ("", "NA") else np.nan
                for row in csv.DictReader(text)
            ]
        )


def values_by(case_id: str) -> dict[str, np.ndarray]:
    """Return the values of a case by group, in the order of its levels or of appearance."""
    given = case(case_id)["input"]
    if "csv" not in given:
        return {name: np.atleast_1d(np.array(given[name], dtype=float)) for name in ("x", "y")}
    numbers = column(given["csv"], given["value"])
    with (ORACLE / given["csv"]).open(newline="") as text:
        labels = [row[given["group"]] for row in csv.DictReader(text)]
    order = given.get("levels") or list(dict.fromkeys(labels))
    place = np.array(labels)
    return {level: numbers[place == level] for level in order}


def words(name: str, value: str) -> list[str]:
    """Return one column of a data file as text."""
    with _existing(name).open(newline="") as text:
        return [row[value] for row in csv.DictReader(text)]


def two_groups(case_id: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the two groups of a case."""
    first, second = values_by(case_id).values()
    return first, second


def _existing(name: str) -> Path:
    path = ORACLE / name
    if not path.exists():
        pytest.skip("R's results (../shared/oracle) are not here")
    return path
