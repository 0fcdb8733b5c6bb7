"""The programs that are offered give the p-values that are shown, in Python and in R."""

import os
import re
import runpy
import shutil
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from analytics.code import PYTHON_MARGIN, PYTHON_TESTS, R_MARGIN, R_TESTS, python_code, r_code
from analytics.compare import compare
from analytics.compare_paired import compare_paired
from analytics.comparison import Comparison, Equivalence, Kind
from analytics.dose import DoseIndex

RNG = np.random.default_rng(12)


def groups(*parts: np.ndarray) -> pl.DataFrame:
    names = ['CT "low"', "fluoroscopy", "third"]
    frames = [
        pl.DataFrame({"group": name, "value": part.tolist()})
        for name, part in zip(names, parts, strict=False)
    ]
    return pl.concat(frames).group_by("group", "value", maintain_order=True).agg(count=pl.len())


def visits(n_times: int, n: int = 40) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"subject": str(s), "time": f"t{t}", "value": float(RNG.binomial(10, 0.6 - 0.1 * t))}
            for t in range(n_times)
            for s in range(n)
        ]
    )


def skewed(n: int, centre: float) -> np.ndarray:
    return RNG.lognormal(centre, 0.5, n).round(1)


MARGINS = {
    "duration": (0.8, 1.25),
    "continuous": (-3, 3),
    "score": (-0.5, None),
    "binary": (-0.1, 0.12),
}
CASES: dict[str, tuple[Comparison, pl.DataFrame]] = {}
INDEPENDENT: tuple[tuple[Kind, pl.DataFrame], ...] = (
    ("duration", groups(skewed(40, 3), skewed(50, 3.2))),
    ("duration", groups(skewed(8, 3), skewed(9, 3.4))),
    ("duration", groups(skewed(30, 3), skewed(30, 3.2), skewed(30, 3.1))),
    ("continuous", groups(skewed(40, 3), skewed(50, 3.2))),
    ("continuous", groups(skewed(40, 3), skewed(50, 3.2), skewed(20, 3))),
    ("score", groups(RNG.binomial(10, 0.4, 40), RNG.binomial(10, 0.5, 50))),
    ("ordinal", groups(*(RNG.integers(1, 6, 40) for _ in range(3)))),
    ("ordinal", groups(*(RNG.integers(1, 6, 150) for _ in range(2)))),
    ("binary", groups(RNG.binomial(1, 0.3, 80), RNG.binomial(1, 0.4, 90))),
    ("binary", groups(RNG.binomial(1, 0.05, 40), RNG.binomial(1, 0.2, 30))),
    ("binary", groups(*(RNG.binomial(1, p, 20) for p in (0.05, 0.1, 0.2)))),
    ("binary", groups(*(RNG.binomial(1, p, 60) for p in (0.2, 0.3, 0.4)))),
)
for kind, data in INDEPENDENT:
    shown = compare(data, kind, "X", "min", margin=MARGINS.get(kind))
    CASES[f"{kind} of {len(shown.groups)}, {shown.method}"] = (shown, data)
for n_times, n, margin in ((2, 40, (-2, None)), (2, 600, (None, 0.5)), (3, 40, None)):
    data = visits(n_times, n)
    shown = compare_paired(data, "score", "Pain", margin=margin)
    CASES[f"paired, {shown.method}"] = (shown, data)


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
    CASES[f"answers, {shown.method}"] = (shown, data)
for baseline in (False, True):
    data = followed(baseline)
    shown = compare_paired(data, "score", "Pain", groups=["CT", "fluoroscopy"])
    CASES[f"groups over time, baseline {baseline}"] = (shown, data)
for sizes in ((12, 30), (12, 30, 20)):
    data = pl.DataFrame(
        {
            "group": ['CT "low"', "fluoroscopy", "third"][: len(sizes)],
            "value": sizes,
            "exposure": [100.0, 150.0, 120.0][: len(sizes)],
        }
    )
    shown = compare(data, "rate", "Falls", "per case")
    CASES[f"rates, {shown.method}"] = (shown, data)
for n in (150, 8):
    data = (
        pl.concat(
            pl.DataFrame({"group": g, "value": RNG.choice(["x", "y", "z"], n, p=p).tolist()})
            for g, p in (('CT "low"', [0.5, 0.3, 0.2]), ("fluoroscopy", [0.3, 0.3, 0.4]))
        )
        .group_by("group", "value")
        .agg(count=pl.len())
    )
    shown = compare(data, "nominal", "Access")
    CASES[f"categories, {shown.method}"] = (shown, data)


SIMULATED = "simulated"  # Monte Carlo in Kerma, in R and in Python, each with its own draws


def agrees(said: str, comparison: Comparison) -> None:
    """Check that a program's output holds the p that is shown, and that against the margin."""
    found = re.search(r"^p (\S+)", said, re.MULTILINE)
    assert found is not None and comparison.p_value is not None
    near = 0.01 if SIMULATED in comparison.method else 1e-6
    near = 1e-3 if comparison.design == "repeated" else near  # iterative fits
    assert float(found[1]) == pytest.approx(comparison.p_value, rel=1e-6, abs=near)
    if isinstance(comparison.equivalence, Equivalence):
        margin = re.search(r"^margin p (\S+)", said, re.MULTILINE)
        assert margin is not None
        assert float(margin[1]) == pytest.approx(comparison.equivalence.p_value, rel=1e-5, abs=1e-9)


def folder(name: str, at: Path) -> Path:
    """Write a case as a reader has it: the program and the values beside it."""
    comparison, data = CASES[name]
    place = at / str(list(CASES).index(name))
    place.mkdir()
    data.write_csv(place / "values.csv")
    for text, file in ((python_code(comparison), "repeat.py"), (r_code(comparison), "repeat.R")):
        assert text is not None
        (place / file).write_text(text, encoding="utf-8")
    return place


@pytest.mark.parametrize("name", CASES)
def test_the_python_program_repeats_p(name, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(folder(name, tmp_path))
    runpy.run_path("repeat.py")
    agrees(capsys.readouterr().out, CASES[name][0])


def test_the_r_programs_repeat_p(tmp_path: Path):
    r = shutil.which("Rscript")
    if r is None:
        pytest.skip("R is not installed")
    places = {name: folder(name, tmp_path) for name in CASES}
    lines = ["has_lme4 <- requireNamespace('lme4', quietly = TRUE)"]
    for place in places.values():
        run = f"source('{place}/repeat.R', encoding = 'UTF-8', local = TRUE)"
        lines += [f"setwd('{place}')", f"out <- try(capture.output(local({run})))"]
        lines += ["writeLines(out, 'said')"]
    (tmp_path / "all.R").write_text("\n".join(lines), encoding="utf-8")
    environment = os.environ | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
    done = subprocess.run(
        [r, "--vanilla", str(tmp_path / "all.R")], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for name, place in places.items():
        said = (place / "said").read_text(encoding="utf-8")
        if "lme4" in said and "no package" in said:
            continue
        assert re.search(r"^p ", said, re.MULTILINE), f"{name}: {said}{done.stderr[-2000:]}"
        agrees(said, CASES[name][0])


@pytest.mark.parametrize("name", CASES)
def test_the_r_program_names_the_groups(name):
    comparison, _ = CASES[name]
    program = r_code(comparison)
    assert program is not None and "{{" not in program
    if comparison.design == "independent":
        assert '"CT \\"low\\""' in program
    assert program.count("(") == program.count(")")


def test_every_test_has_both_programs():
    assert set(R_TESTS) == set(PYTHON_TESTS) and set(R_MARGIN) == set(PYTHON_MARGIN)
    refused = compare(groups(np.array([1.0])), "dose", "X", dose_quantity=DoseIndex.KAP)
    assert r_code(refused) is None and python_code(refused) is None
    shown = {comparison.method for comparison, _ in CASES.values()}
    margins = {getattr(c.equivalence, "method", None) for c, _ in CASES.values()} - {None}
    assert margins == set(R_MARGIN)
    assert {m.removesuffix(", categories") for m in R_TESTS} <= shown
