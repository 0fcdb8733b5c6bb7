"""The programs that are offered give the p-value that is shown."""

import re
import runpy
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from analytics.code import PYTHON_TESTS, R_TESTS, python_code, r_code
from analytics.compare import compare
from analytics.compare_paired import compare_paired
from analytics.comparison import Comparison, Kind
from analytics.dose import DoseIndex

RNG = np.random.default_rng(12)


def groups(*parts: np.ndarray) -> pl.DataFrame:
    names = ['CT "low"', "fluoroscopy", "third"]
    frames = [
        pl.DataFrame({"group": name, "value": part.tolist()})
        for name, part in zip(names, parts, strict=False)
    ]
    return pl.concat(frames).group_by("group", "value", maintain_order=True).agg(count=pl.len())


def visits(n_times: int) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"subject": str(s), "time": f"t{t}", "value": float(RNG.binomial(10, 0.6 - 0.1 * t))}
            for t in range(n_times)
            for s in range(40)
        ]
    )


def skewed(n: int, centre: float) -> np.ndarray:
    return RNG.lognormal(centre, 0.5, n).round(1)


CASES: dict[str, tuple[Comparison, pl.DataFrame, float]] = {}
INDEPENDENT: tuple[tuple[Kind, pl.DataFrame, float], ...] = (
    ("duration", groups(skewed(40, 3), skewed(50, 3.2)), 1e-6),
    ("duration", groups(skewed(8, 3), skewed(9, 3.4)), 0.02),
    ("duration", groups(skewed(30, 3), skewed(30, 3.2), skewed(30, 3.1)), 1e-6),
    ("continuous", groups(skewed(40, 3), skewed(50, 3.2)), 1e-6),
    ("score", groups(RNG.binomial(10, 0.4, 40), RNG.binomial(10, 0.5, 50)), 1e-6),
    ("ordinal", groups(*(RNG.integers(1, 6, 40) for _ in range(3))), 1e-6),
    ("ordinal", groups(*(RNG.integers(1, 6, 150) for _ in range(2))), 1e-6),
    ("binary", groups(RNG.binomial(1, 0.3, 80), RNG.binomial(1, 0.4, 90)), 1e-6),
    ("binary", groups(RNG.binomial(1, 0.05, 40), RNG.binomial(1, 0.2, 30)), 1e-6),
    ("binary", groups(*(RNG.binomial(1, p, 20) for p in (0.05, 0.1, 0.2))), 0.01),
    ("binary", groups(*(RNG.binomial(1, p, 60) for p in (0.2, 0.3, 0.4))), 1e-6),
)
for kind, data, tolerance in INDEPENDENT:
    shown = compare(data, kind, "X", "min", margin=(0.8, 1.25))
    CASES[f"{kind}, {shown.method}"] = (shown, data, tolerance)
for n_times, tolerance in ((2, 0.02), (3, 1e-6)):
    data = visits(n_times)
    shown = compare_paired(data, "score", "Pain")
    CASES[f"paired, {shown.method}"] = (shown, data, tolerance)


def answers(n_times: int, n: int) -> pl.DataFrame:
    chances = RNG.uniform(0.1, 0.9, n)
    return pl.DataFrame(
        [
            {"subject": str(s), "time": f"t{t}", "value": float(RNG.binomial(1, c * (1 - 0.2 * t)))}
            for t in range(n_times)
            for s, c in enumerate(chances)
        ]
    )


def followed(baseline: bool) -> pl.DataFrame:
    frame = visits(3).with_columns(
        group=pl.when(pl.col("subject").cast(pl.Int64) % 2 == 0)
        .then(pl.lit("CT"))
        .otherwise(pl.lit("fluoroscopy")),
        baseline=pl.lit(RNG.uniform(4, 9, 120)).implode().explode(),
        count=1 + pl.col("subject").cast(pl.Int64) % 3,
        value=pl.col("value") + pl.col("subject").cast(pl.Int64) % 7,
    )
    own = pl.col("baseline").first().over("subject").round(1)
    return frame.with_columns(own) if baseline else frame.drop("baseline")


for n_times, n in ((2, 60), (2, 8), (3, 60)):
    data = answers(n_times, n)
    shown = compare_paired(data, "binary", "Relief")
    CASES[f"answers, {shown.method}"] = (shown, data, 1e-6)
for baseline in (False, True):
    data = followed(baseline)
    shown = compare_paired(data, "score", "Pain", groups=["CT", "fluoroscopy"])
    CASES[f"groups over time, baseline {baseline}"] = (shown, data, 1e-3)
for sizes in ((12, 30), (12, 30, 20)):
    data = pl.DataFrame(
        {
            "group": ['CT "low"', "fluoroscopy", "third"][: len(sizes)],
            "value": sizes,
            "exposure": [100.0, 150.0, 120.0][: len(sizes)],
        }
    )
    shown = compare(data, "rate", "Falls", "per case")
    CASES[f"rates, {shown.method}"] = (shown, data, 1e-6)
for n, tolerance in ((150, 1e-6), (8, 0.01)):
    data = (
        pl.concat(
            pl.DataFrame({"group": g, "value": RNG.choice(["x", "y", "z"], n, p=p).tolist()})
            for g, p in (('CT "low"', [0.5, 0.3, 0.2]), ("fluoroscopy", [0.3, 0.3, 0.4]))
        )
        .group_by("group", "value")
        .agg(count=pl.len())
    )
    shown = compare(data, "nominal", "Access")
    CASES[f"categories, {shown.method}"] = (shown, data, tolerance)


@pytest.mark.parametrize("name", CASES)
def test_the_python_program_repeats_p(name, tmp_path: Path, monkeypatch, capsys):
    comparison, data, tolerance = CASES[name]
    program = python_code(comparison)
    assert program is not None and comparison.p_value is not None
    data.write_csv(tmp_path / "values.csv")
    (tmp_path / "repeat.py").write_text(program, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    runpy.run_path("repeat.py")
    said = capsys.readouterr().out
    found = re.search(r"^p (.+)$", said, re.MULTILINE)
    assert found is not None
    assert float(found[1]) == pytest.approx(comparison.p_value, rel=1e-6, abs=tolerance)


@pytest.mark.parametrize("name", CASES)
def test_the_r_program_names_the_groups(name):
    comparison, _, _ = CASES[name]
    program = r_code(comparison)
    assert program is not None and "{" not in program
    if comparison.design == "independent":
        assert '"CT \\"low\\""' in program
    assert program.count("(") == program.count(")")


def test_every_test_has_both_programs():
    assert set(R_TESTS) == set(PYTHON_TESTS)
    refused = compare(groups(np.array([1.0])), "dose", "X", dose_quantity=DoseIndex.KAP)
    assert r_code(refused) is None and python_code(refused) is None
