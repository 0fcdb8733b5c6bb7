"""The follow-up log: one value of one scale a row, checked by the contract of the procedure log.

A row says of a case (``site``, ``accession_number``) what a scale read at a time point or on a day.
Its value has to satisfy what `etl.contract` asks of the column that it fills (``pain_1mo``,
``satisfaction`` …), so that a value is right or wrong however it arrives.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, get_args

from etl import normalise as to
from etl.contract import EARLIEST, LATEST, PainScale, ProcedureRow
from etl.reasons import reasons
from etl.words import word_map

#: Columns of a follow-up log, and other names that a header may give them.
COLUMNS: dict[str, tuple[str, ...]] = {
    "site": (),
    "accession_number": ("accession", "accession number", "accession no"),
    "performed_on": ("procedure_date", "procedure date"),
    "scale": ("instrument", "questionnaire"),
    "timepoint": ("time point", "time_point", "visit"),
    "measured_on": ("date", "measured on", "follow_up_date", "followup_date", "follow-up date"),
    "value": ("score", "answer"),
    "grade_scale": ("complication_scale", "grade scale"),
    "status": (),
    "updated_at": (),
    "entered_by": (),
}
#: Columns that no follow-up can do without; and one of the last two, unless the scale has no time.
REQUIRED = ("accession_number", "scale", "value")
MOMENT = ("timepoint", "measured_on")
TIMEPOINTS = ("baseline", "15min", "1wk", "2wk", "1mo", "2mo", "3mo", "6mo")
SCORES = ("pain", "odi", "ndi")
#: Scales that are asked once: no time point is needed.
ONCE = ("satisfaction", "complications")
STATUS = {"recorded": "recorded", "": "recorded", "deleted": "deleted", "withdrawn": "deleted"}

#: Why a follow-up is kept and not counted, by its state.
UNPLACED = {
    "waiting": "that wait for their procedure",
    "ambiguous": "whose accession number names procedures of several days (add performed_on)",
    "outside": "with a day in no window of a time point",
    "scale": "on another scale than the procedure's",
    "beside": "beside another one of the same time point",
}

_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?|[+-]?[.,]\d+")
_FEW_WORDS = re.compile(r"(\d+)\s*(min|wk|w|mo|m)[a-z]*")
_UNITS = {"min": "min", "w": "wk", "wk": "wk", "m": "mo", "mo": "mo"}


@dataclass(frozen=True)
class Scale:
    """What a scale's name means: which measure, its name where it has a range, and the factor."""

    measure: str
    name: str | None
    factor: float = 1.0


def _scales() -> dict[str, Scale]:
    """Return the scales by the words that name them."""
    pain = {word: Scale("pain", str(name)) for word, name in word_map("pain_scale", {}).items()}
    pain |= {"pain": Scale("pain", None), "vas": Scale("pain", "VAS")}
    odi, ndi = Scale("odi", "ODI"), Scale("ndi", "NDI")
    named = dict.fromkeys(("odi", "odi %", "oswestry", "oswestry disability index"), odi)
    named |= dict.fromkeys(("ndi", "ndi %", "neck disability index"), ndi)
    named |= dict.fromkeys(("ndi 0-50", "ndi 0–50", "ndi raw"), Scale("ndi", "NDI", 2.0))
    named |= dict.fromkeys(("satisfaction", "likert"), Scale("satisfaction", None))
    complication = Scale("complications", None)
    return pain | named | dict.fromkeys(("complications", "complication"), complication)


SCALES = _scales()
#: Names of scales to choose from, for messages and forms.
SCALE_NAMES = (*get_args(PainScale), "ODI", "NDI", *ONCE)


def timepoint(text: str) -> str | None:
    """Return the time point that a text names (``1mo``, ``1 month``, ``4 weeks``), or none."""
    word = " ".join(text.casefold().replace("_", " ").replace("-", " ").split())
    if word in ("baseline", "before", "pre", "bl"):
        return "baseline"
    found = _FEW_WORDS.fullmatch(word)
    if found is None:
        return None
    count, unit = int(found[1]), _UNITS[found[2]]
    if unit == "wk" and count % 4 == 0:
        count, unit = count // 4, "mo"
    name = f"{count}{unit}"
    return name if name in TIMEPOINTS else None


@dataclass(frozen=True)
class Judged:
    """What the contract makes of scale, time point and value; ``reasons`` where it refuses."""

    measure: str = ""
    scale: str | None = None
    timepoint: str | None = None
    score: float | None = None
    terms: str | None = None
    reasons: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


def _refused(reason: str, rule: str, measure: str = "") -> Judged:
    return Judged(measure=measure, reasons=(reason,), rules=(rule,))


@lru_cache(maxsize=100_000)
def judge(
    scale: str | None, point: str | None, dated: bool, value: str | None, grades: str | None = None
) -> Judged:
    """Check what a row says by the contract of the procedure log.

    Parameters
    ----------
    scale, point, value
        Texts as sent: ``NRS 0-10``, ``1 month``, ``3,5``.
    dated
        Whether the row has a day instead of a time point.
    grades
        Scale of a complication's grades.
    """
    if scale is None:
        return _refused("scale: missing: (blank): fill the column", "scale.missing")
    known = SCALES.get(" ".join(scale.casefold().split()))
    if known is None:
        names = ", ".join(SCALE_NAMES)
        return _refused(
            f"scale: not one of {names}: {scale!r}: use one of the values named", "scale.words"
        )
    at = timepoint(point) if point else None
    if point and at is None:
        names = ", ".join(TIMEPOINTS)
        return _refused(
            f"timepoint: not one of {names}: {point!r}: use one of the values named, or give the "
            "day in measured_on",
            "timepoint.words",
            known.measure,
        )
    if not at and not dated and known.measure in SCORES:
        return _refused(
            "timepoint: a score needs a time point or a day: (blank): fill timepoint, or "
            "measured_on",
            "timepoint.missing",
            known.measure,
        )
    return _valued(known, at, value, grades)


def _valued(known: Scale, at: str | None, value: str | None, grades: str | None) -> Judged:
    """Check a value by the column that it fills."""
    column = known.measure
    if known.measure in SCORES:
        column = f"{known.measure}_{at or '1mo'}"
    item = column if at or known.measure in ONCE else known.measure
    if column not in ProcedureRow.model_fields:
        return _refused(
            f"timepoint: {known.name} is not kept at {at}: {at!r}: use another time point",
            "timepoint.words",
            known.measure,
        )
    if value is None:
        return _refused(
            "value: missing: (blank): fill the column", f"{item}.missing", known.measure
        )
    read = _read(known, value)
    row: dict[str, Any] = {"site": "-", "accession_number": "-", "modality": "CT"}
    row |= {"performed_on": EARLIEST, column: read}
    if known.name in get_args(PainScale):
        row["pain_scale"] = known.name
    if known.measure == "complications":
        row["complication_scale"] = grades
    told, rules = reasons(row, {column: value})
    if told:
        words = tuple(_as_sent(reason, column) for reason in told)
        return Judged(
            known.measure, reasons=words, rules=tuple(_of(r, column, item) for r in rules)
        )
    if known.measure == "complications":
        return Judged(known.measure, grades, at, terms=str(read))
    return Judged(known.measure, known.name, at, score=float(read))


def _read(known: Scale, value: str) -> Any:
    """Return the canonical value of a text, or the text where it cannot be read."""
    if known.measure == "complications":
        return to.complications(value, {})
    if known.measure == "satisfaction":
        return word_map("satisfaction", {}).get(value.casefold(), value)
    if _NUMBER.fullmatch(value) is None:
        return value
    return float(value.replace(",", ".")) * known.factor


def _as_sent(reason: str, column: str) -> str:
    """Name the columns of this log where a reason names those of the procedure log."""
    name, _, rest = reason.partition(": ")
    told = {column: "value", "pain_scale": "scale", "complication_scale": "grade_scale"}
    return f"{told.get(name, name)}: {rest}"


def _of(rule: str, column: str, item: str) -> str:
    """Name a rule after what the row is of: ``pain_1mo.max``, or ``pain.max`` with a day."""
    return rule.replace(column, item, 1) if rule.startswith(column) else f"{item}.{rule}"


@dataclass(frozen=True)
class Refusal:
    """A row that is refused, with its reasons and their rules."""

    row: dict[str, Any]
    reasons: list[str]
    rules: list[str]


def checked(rows: Sequence[dict[str, Any]]) -> tuple[list[tuple[Any, ...]], list[Refusal]]:
    """Return the rows that the contract takes, as `FOLLOW_UP` has them, and the others."""
    good: list[tuple[Any, ...]] = []
    bad: list[Refusal] = []
    for row in rows:
        found = judge(
            row["scale"], row["timepoint"], row["t_measured_on"] is not None, row["value"],
            row["grade_scale"],
        )  # fmt: skip
        reasons, rules = _of_the_row(row)
        if found.reasons or reasons:
            bad.append(Refusal(row, [*reasons, *found.reasons], [*rules, *found.rules]))
            continue
        good.append(
            (
                row["site"], row["accession_number"], row["performed_on"], found.measure,
                found.scale, found.timepoint, row["measured_on"], found.score, found.terms,
                STATUS[(row["status"] or "").casefold()] == "deleted", row["entered_by"],
                row["updated_at"], row["source_line"],
            )
        )  # fmt: skip
    return good, bad


#: Columns with a day or a time, and how they are written without a profile.
_WRITTEN = {
    "performed_on": "2026-03-31",
    "measured_on": "2026-03-31",
    "updated_at": "2026-03-31 14:05",
}


def _of_the_row(row: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return what is wrong with the columns beside scale, time point and value."""
    found: list[tuple[str, str]] = []
    if row["problem"]:
        rule, reason = row["problem"]
        return [reason], [rule]
    if not row["accession_number"]:
        found.append(
            ("accession_number: missing: (blank): fill the column", "accession_number.missing")
        )
    for name, most in (("site", 100), ("accession_number", 100), ("entered_by", 200)):
        if len(row[name] or "") > most:
            found.append(
                (f"{name}: longer than {most} characters: shorten the text", f"{name}.length")
            )
    for name, written in _WRITTEN.items():
        sent, read = row[f"t_{name}"], row[name]
        if sent and (read is None or not EARLIEST <= _day(read) < LATEST):
            reason = f"{name}: none from 1970 to 2099: {sent!r}: write it as {written}"
            found.append((reason, f"{name}.type"))
    if (row["status"] or "").casefold() not in STATUS:
        found.append(
            (f"status: not one of recorded, deleted: {row['status']!r}: use one of them",
             "status.words")
        )  # fmt: skip
    return [reason for reason, _ in found], [rule for _, rule in found]


def _day(value: date | datetime) -> date:
    return value.date() if isinstance(value, datetime) else value
