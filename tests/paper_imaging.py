"""What paper S3 prints of its patients, response classes and imaging findings, beside ours."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from analytics.agreement import Kappa
from analytics.alone import alone
from analytics.diagnostic import Diagnostic
from analytics.outcomes_responders import CLASSES, class_table, reduction
from analytics.prediction import Prediction, predict
from analytics.readers import agreement
from analytics.results import Estimate
from pages.analysis.outcome_predictors import table
from warehouse.access import SYSTEM
from warehouse.connect import cursor
from warehouse.queries import run

SITE = "Paper S3"
FINDINGS = (
    "contrast_spread", "unisegmental_degeneration", "pfirrmann_grade", "modic_1", "weishaupt_grade",
    "spondylolisthesis_mm", "meyerding_grade", "isthmic_oedema", "soft_tissue_oedema_or_cyst",
    "lee_grade", "bartynski_grade",
)  # fmt: skip
OEDEMA, DEGENERATION, SOFT_TISSUE = FINDINGS[7], FINDINGS[1], FINDINGS[8]
TIMES = {"15min": "15 min", "1mo": "1 month"}
PATIENTS = """
select age_years, sex, bmi, levels, contrast_pattern, pain_baseline, pain_15min, pain_1mo,
    json_extract_string(extra, '$.mri_tesla') as tesla
from procedure where site = 'Paper S3'
"""


@dataclass(frozen=True)
class Figure:
    """One printed figure beside ours; ``why_not`` says why ours does not round to print."""

    row: int
    name: str
    printed: str
    ours: float
    digits: int
    remark: str = ""
    why_not: str = ""

    @property
    def written(self) -> str:
        return f"{self.ours:.{self.digits}f}"


def patients(snapshot: Path) -> list[Figure]:
    """Repeat Table 1, and the classes of Table 2."""
    with cursor(snapshot) as cur:
        rows = cur.sql(PATIENTS).pl()
    count = {name: dict(rows[name].value_counts().iter_rows())
             for name in ("sex", "levels", "contrast_pattern", "tesla")}  # fmt: skip
    adds = "the two printed percentages add to 110.6: the count is right"
    return [
        Figure(4, "mean age, years", "43.9", _mean(rows["age_years"]), 1),
        Figure(5, "male, %", "59.7", 100 * count["sex"]["M"] / rows.height, 1),
        Figure(6, "mean BMI, kg/m²", "26.1", _mean(rows["bmi"]), 1),
        *(Figure(row, f"injected at {level}", str(n), count["levels"][level], 0)
          for row, level, n in ((7, "L3", 2), (8, "L4", 14), (9, "L5", 118))),
        Figure(10, "MRI at 1.5 T", "58", count["tesla"]["1.5"], 0, adds),
        Figure(11, "MRI at 3 T", "76", count["tesla"]["3.0"], 0, adds),
        *(Figure(row, f"pain reduction, {name}: mean, %", printed, 100 * _relief(rows, at), 1)
          for row, (at, name), printed in zip((15, 16), TIMES.items(), ("34.4", "47.5"),
                                              strict=True)),
        *_classes(rows),
        Figure(69, "contrast round the defect", "66", count["contrast_pattern"]["peri-defect"], 0),
        Figure(70, "contrast in the defect", "55", count["contrast_pattern"]["intra-defect"], 0),
    ]  # fmt: skip


def _relief(rows: pl.DataFrame, at: str) -> float:
    share = rows.select(reduction(f"pain_{at}", "pain_baseline")).to_series()
    return _mean(share)


def _mean(column: pl.Series) -> float:
    return float(column.to_numpy().mean())


def _classes(rows: pl.DataFrame) -> list[Figure]:
    """Repeat Table 2, its rows in the order of the paper."""
    found = []
    place = {"50–74 %": 21, "75–99 %": 23, "100 %": 25, "1–49 %": 29, "0 %": 31, "increased": 33}
    printed = {"15min": (16, 9, 31, 36, 32, 10), "1mo": (38, 10, 25, 9, 52, 0)}
    for later, (at, name) in enumerate(TIMES.items()):
        scores = rows.select(
            modality=pl.lit("CT"), timepoint=pl.lit(at), due=pl.lit(True), n=pl.lit(1),
            baseline="pain_baseline", value=f"pain_{at}",
        )  # fmt: skip
        counts = dict(class_table(scores).select("label", "n").iter_rows())
        for label, n in zip(CLASSES, printed[at], strict=True):
            said = f"pain reduced by {label}" if label != "increased" else "pain increased"
            found.append(
                Figure(place[label] + later, f"{said}, {name}", str(n), counts.get(label, 0), 0)
            )
        none = sum(counts.get(label, 0) for label in CLASSES[3:])
        found.append(Figure(27 + later, f"less than halved, {name}", str((78, 61)[later]), none, 0))
    return sorted(found, key=lambda figure: figure.row)


def columns(snapshot: Path, at: str, reader: int) -> tuple[list[Any], pl.DataFrame]:
    """Return who responded and one reader's findings, as the Predictors page asks for them."""
    fields = [f"{name}_reader_{reader}" for name in FINDINGS]
    rows = run(
        "outcomes_predictors", snapshot, SYSTEM, outcome_scale="pain", at=at, most=5_000,
        extra_fields=tuple(fields), sites=(SITE,),
    )  # fmt: skip
    responded = rows.select(reduction("score", "baseline") >= 0.5).to_series().to_list()
    return responded, table(rows, tuple(f"extra:{name}" for name in fields), fields, 10)


#: Table 3: time, reader, first row, then accuracy, sensitivity, specificity, PPV, NPV, explained.
MODELS = (
    ("15min", 1, 35, ("72.0", "64.3", "76.9", "66.7", "75.0"), "43.3", 59, ("6.2", "2.0", "18.9")),
    ("15min", 2, 41, ("73.0", "62.5", "80.8", "70.0", "75.0"), "40.1", 60, ("8.9", "3.0", "26.0")),
    ("1mo", 1, 47, ("68.0", "72.6", "62.3", "69.6", "65.5"), "27.3", 61, ("2.8", "1.0", "7.4")),
    ("1mo", 2, 53, ("66.4", "71.2", "60.7", "68.4", "63.8"), "23.0", 62, ("2.6", "1.1", "6.3")),
)
MEASURES = ("accuracy", "sensitivity", "specificity", "ppv", "npv")
ROUNDED = {
    36: "printed as a whole per cent: 96 of 134",
    42: "printed as a whole per cent: 98 of 134",
    48: "printed as a whole per cent: 91 of 134",
    51: "53 of 76 is 69.74",
}


def models(snapshot: Path) -> list[Figure]:
    """Repeat Table 3 and the odds ratios of isthmic oedema."""
    found = []
    for at, reader, row, printed, explained, ratio_row, ratio in MODELS:
        outcome, findings = columns(snapshot, at, reader)
        fitted = predict(outcome, findings)
        assert isinstance(fitted, Prediction)
        accuracy, name = fitted.apparent.accuracy, f"{TIMES[at]}, reader {reader}"
        assert isinstance(accuracy, Diagnostic)
        found.append(
            Figure(row, f"model of {name}: explained, %", explained, 100 * fitted.fit.nagelkerke, 1,
                   "Nagelkerke; the paper does not say which")
        )  # fmt: skip
        for offset, (measure, value) in enumerate(zip(MEASURES, printed, strict=True), start=1):
            ours, place = getattr(accuracy, measure), row + offset
            shown = measure.upper() if measure in ("ppv", "npv") else measure
            found.append(Figure(place, f"model of {name}: {shown}, %", value, 100 * ours.value, 1,
                                why_not=ROUNDED.get(place, "")))  # fmt: skip
        found += _odds(fitted, name, ratio_row, ratio)
    return sorted(found, key=lambda figure: figure.row)


def _odds(fitted: Prediction, name: str, row: int, printed: tuple[str, ...]) -> list[Figure]:
    column = next(c for c in fitted.fit.coefficients if c.name.startswith(OEDEMA))
    risks = fitted.risks[column.name]
    assert isinstance(column.ratio.low, float) and isinstance(column.ratio.high, float)
    assert not hasattr(risks, "reason")
    said = f"risk {100 * risks.first.value:.0f} v {100 * risks.second.value:.0f} %"  # pyright: ignore
    ends = (column.ratio.value, column.ratio.low, column.ratio.high)
    names = (f"oedema, {name}: odds ratio", "lower bound", "upper bound")
    return [
        Figure(row, names[0] if i == 0 else f"oedema, {name}: {names[i]}", printed[i], ends[i], 1,
               said if i == 0 else "")
        for i in range(3)
    ]  # fmt: skip


def univariable(snapshot: Path) -> list[Figure]:
    """Test single findings, and how well the readers agree on oedema."""
    found = []
    for row, finding, at, printed in (
        (65, DEGENERATION, "15min", ("0.047", "0.044")),
        (66, OEDEMA, "15min", ("0.001", "0.001")),
        (67, SOFT_TISSUE, "15min", ("0.013", "0.046")),
        (68, OEDEMA, "1mo", ("0.006", "0.005")),
    ):
        for reader, p in enumerate(printed, start=1):
            one = next(c for c in alone(*columns(snapshot, at, reader))
                       if c.quantity.startswith(finding))  # fmt: skip
            assert one.p_value is not None and one.p_adjusted is not None
            name = f"{finding.replace('_', ' ')} alone, {TIMES[at]}, reader {reader}: p"
            below, digits = (" (below)", 5) if p == "0.001" else ("", 3)
            adjusted = f"χ²; {one.p_adjusted:.3f} after Holm over 11"
            found.append(Figure(row, name + below, p, one.p_value, digits, adjusted))
    for row, at, printed in ((63, "15min", "64"), (64, "1mo", "70")):
        outcome, findings = columns(snapshot, at, 2)
        seen = findings[f"{OEDEMA}_reader_2"].to_numpy() == 1
        share = 100 * float(np.mean(np.array(outcome)[seen]))
        found.append(Figure(row, f"responders of those with oedema, {TIMES[at]}, %", printed, share,
                            0, "of reader 2, see below"))  # fmt: skip
    return [*found, _kappa(snapshot)]


def _kappa(snapshot: Path) -> Figure:
    first, second = (
        columns(snapshot, "1mo", reader)[1][f"{OEDEMA}_reader_{reader}"].cast(pl.String).to_list()
        for reader in (1, 2)
    )
    found = agreement(first, second)
    assert isinstance(found.kappa, Kappa) and isinstance(found.kappa.kappa, Estimate)  # pyright: ignore
    return Figure(71, "oedema, two readers: κ", "0.94", found.kappa.kappa.value, 2)  # pyright: ignore
