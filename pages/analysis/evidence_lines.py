"""The lines of a forest plot from top to bottom, and how their numbers are written."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from analytics.evidence import Analysis
from analytics.evidence_own import Own
from analytics.evidence_rows import PERCENTAGES, Point, Row
from analytics.meta_analysis import Pooled
from analytics.meta_rare import RarePooled
from analytics.results import NotComputable
from pages.shared import format as fmt

Kind = Literal["heading", "pooled study", "shown study", "subtotal", "total", "prediction", "own"]
#: A study alone in its pool says nothing by its area.
ALONE = 99.95
DOUBLE_ZERO = "double-zero"


@dataclass(frozen=True)
class Line:
    """One line of the plot, on the natural scale."""

    kind: Kind
    label: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    weight: float | None = None
    n: int | None = None
    words: str = ""
    note: str = ""
    cells: str = ""


def lines(found: Analysis, own: Sequence[Own] = ()) -> list[Line]:
    """Return the lines from top to bottom: studies by subgroup, subtotals, total, our own."""
    drawn: list[Line] = []
    groups = found.groups.groups if found.groups else ()
    named = [name for name, _ in groups if name]
    if len(named) > 1 or (named and any(_group(p, found) not in named for p in found.points)):
        for name, pooled in groups:
            members = [p for p in found.points if _group(p, found) == name]
            drawn.append(Line("heading", name or "not stated"))
            drawn += [_study(p, found) for p in members]
            if isinstance(pooled, Pooled) and pooled.k > 1:
                drawn.append(_total(found, pooled, "subtotal", f"Subtotal, {pooled.k} studies"))
        rest = [p for p in found.points if _group(p, found) not in {name for name, _ in groups}]
        if rest:
            drawn.append(Line("heading", "Shown, not pooled"))
            drawn += [_study(p, found) for p in rest]
    else:
        drawn += [_study(p, found) for p in found.points]
    drawn += _totals(found)
    if own:
        drawn.append(Line("heading", "Our department, not pooled"))
        drawn += [_own(figure, found) for figure in own]
    return drawn


def _group(p: Point, found: Analysis) -> str:
    return str(p.row[found.group_by]) if found.group_by else ""


def _totals(found: Analysis) -> list[Line]:
    pooled = found.pooled
    if isinstance(pooled, NotComputable) or pooled.k < 2:
        return []
    total = _total(found, pooled, "total", f"Total, {pooled.k} studies")
    if not found.prediction:
        return [total]
    low, high = found.prediction
    words = ends(low, high, found)
    return [total, Line("prediction", "Prediction interval", None, low, high, words=words)]


def _total(found: Analysis, pooled: Pooled | RarePooled, kind: Kind, label: str) -> Line:
    e = found.natural(pooled)
    return Line(
        kind, label, e.value, e.low, e.high, None, e.n or None, shown(e.value, e.low, e.high, found)
    )


def study_label(p: Point) -> str:
    """Name a row by its study and what tells it apart from the study's other rows."""
    row = p.row
    said = [str(row["study"])]
    said += [str(row["timepoint"])] if row["timepoint"] and not row["group_2"] else []
    if row["outcome"] and "," in str(row["outcome"]):
        said.append(str(row["outcome"]).split(", ", 1)[1])
    return ", ".join(said)


def _study(p: Point, found: Analysis) -> Line:
    kind: Kind = "pooled study" if p.weight is not None else "shown study"
    mark = "" if p.weight is not None else " *"
    words = (
        "no event in either" if DOUBLE_ZERO in p.reason else shown(p.value, p.low, p.high, found)
    )
    if p.weight is not None and p.weight < ALONE:
        words += f"  {p.weight:.1f}{fmt.THIN}%"
    note = "; ".join(t for t in (p.reason, str(p.row["check"]), str(p.row["note"])) if t)
    return Line(
        kind, study_label(p) + mark, p.value, p.low, p.high, p.weight, p.n, words, note, cells(p)
    )


def cells(p: Point) -> str:
    """Return what the paper prints of each group: events of n, or mean (SD) and n."""
    row = p.row
    if row["effect"] is not None:
        return ""
    return " v ".join(said for which in (1, 2) if (said := _cell(row, which)))


def _cell(row: Row, which: int) -> str:
    n, events, mean, median, sd, q1, q3 = (
        row[f"{name}_{which}"] for name in ("n", "events", "mean", "median", "sd", "q1", "q3")
    )
    if events is not None:
        return f"{events}/{n}"
    middle = median if mean is None else mean
    if middle is None:
        return ""
    spread = f" ({sd:g})" if sd is not None else f" ({q1:g}–{q3:g})" if q1 is not None else ""
    return f"{middle:g}{spread}" + (f", {n}" if n else "")


def cells_title(found: Analysis) -> str:
    """Name the column of ``cells``."""
    rows = [p.row for p in found.points if cells(p)]
    kinds = {
        "events/n": all(row["events_1"] is not None for row in rows),
        "mean (SD), n": all(row["mean_1"] is not None for row in rows),
        "median (quartiles), n": all(row["median_1"] is not None for row in rows),
    }
    return next((name for name, fits in kinds.items() if fits), "as printed")


def _own(figure: Own, found: Analysis) -> Line:
    e = figure.estimate
    if isinstance(e, NotComputable):
        return Line("own", figure.label, note=e.reason, words="not computed")
    words = shown(e.value, e.low, e.high, found)
    return Line("own", figure.label, e.value, e.low, e.high, None, e.n, words, figure.definition)


def shown(value: float | None, low: float | None, high: float | None, found: Analysis) -> str:
    """Write an effect with its interval as a forest plot's column does."""
    if value is None:
        return "no figure"
    return (
        f"{_number(value, found)} [{ends(low, high, found)}]"
        if low is not None
        else (f"{_number(value, found)}, no interval")
    )


def ends(low: float | None, high: float | None, found: Analysis) -> str:
    """Write the two ends of an interval."""
    return f"{_number(low, found)} to {_number(high, found)}"


def _number(value: float | None, found: Analysis) -> str:
    if value is None or not math.isfinite(value):
        return "∞" if value else fmt.DASH
    if found.measure in PERCENTAGES:
        return f"{100 * value:.1f}{fmt.THIN}%".replace("-", fmt.MINUS)
    if found.measure in ("MEAN", "MD") or abs(value) >= 100:
        return fmt.number(value)
    return f"{value:.2f}".replace("-", fmt.MINUS)


def frame(drawn: Sequence[Line]) -> pl.DataFrame:
    """Return the plot's lines as a table, for the downloads."""
    return pl.DataFrame(
        [
            {
                "line": line.kind,
                "label": line.label.removesuffix(" *"),
                "n": line.n,
                "value": line.value,
                "low": line.low,
                "high": line.high,
                "weight_percent": line.weight,
                "groups": line.cells,
                "note": line.note,
            }
            for line in drawn
        ],
        infer_schema_length=None,
    )
