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


def two_groups(case_id: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the two groups of a case."""
    first, second = values_by(case_id).values()
    return first, second


def _existing(name: str) -> Path:
    path = ORACLE / name
    if not path.exists():
        pytest.skip("R's results (../shared/oracle) are not here")
    return path
