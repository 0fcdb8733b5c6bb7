"""OpenREM's exports: doses of a study from its planes or acquisitions, as reports and events."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from etl import normalise as to
from etl.layout import Layout
from etl.sources.base import LINE, MARK
from etl.staging import EVENT, REPORT

COMMENTS = "Study Comments"
_LOCALISER = "Constant Angle Acquisition"
_PLANE = ("DAP total (Gy.m^2)", "Dose RP total (Gy)", "Fluoro duration total (s)")
_PLANE_DETAILS = (
    *_PLANE,
    "Fluoro DAP total (Gy.m^2)",
    "Fluoro dose RP total (Gy)",
    "Acq. DAP total (Gy.m^2)",
    "Acq. dose RP total (Gy)",
    "Acq. duration total (s)",
    "Number of events",
)
#: Columns of an acquisition that are kept, by the name of the event's column.
_ACQUISITION = {
    "event_type": "Type",
    "protocol": "Protocol",
    "ctdi_vol_mgy": "CTDIvol",
    "phantom": "Phantom",
    "dlp_mgycm": "DLP",
    "duration_s": "Exposure time",
    "kvp": "S1 kVp",
    "ma": "S1 mA",
    "dose_check": "Dose check details",
}
_NUMBERS = ("ctdi_vol_mgy", "dlp_mgycm", "duration_s", "kvp", "ma")


@dataclass(frozen=True)
class Dialect:
    """What is particular to one export: its doses, what may be wrong, what is kept beside."""

    doses: Callable[[Layout], dict[str, pl.Expr]]
    problem: Callable[[Layout], pl.Expr]
    details: Callable[[Layout], dict[str, pl.Expr]]


def _number(text: pl.Expr) -> pl.Expr:
    return to.number(text, ".")


def _text(layout: Layout, name: str) -> pl.Expr:
    """Return a cell's text, null where the file lacks the column."""
    cell = layout.cell(name)
    return pl.lit(None, dtype=pl.String) if cell is None else cell


def blocks(layout: Layout) -> list[int]:
    """Return the numbers of the acquisitions that the header has columns for."""
    found = (re.match(r"^E(\d+) CTDIvol$", name) for name in layout.table.header)
    return sorted({int(match[1]) for match in found if match})


def _acquisition(layout: Layout, number: int) -> dict[str, pl.Expr]:
    """Return the texts of one acquisition."""
    return {name: _text(layout, f"E{number} {column}") for name, column in _ACQUISITION.items()}


def _phantom(text: pl.Expr) -> pl.Expr:
    """Return the phantom's diameter in cm, from "32 cm" or the DICOM term."""
    words = text.str.to_lowercase()
    return (
        pl.when(words.str.contains(r"^32 ?cm|body"))
        .then(pl.lit(32, dtype=pl.Int64))
        .when(words.str.contains(r"^16 ?cm|head"))
        .then(pl.lit(16, dtype=pl.Int64))
    )


def _ct_doses(layout: Layout) -> dict[str, pl.Expr]:
    """Return CTDIvol (the highest, without localisers) and the phantom it belongs to."""
    acquired = [_acquisition(layout, number) for number in blocks(layout)]
    values = [
        pl.when(part["event_type"].ne_missing(_LOCALISER)).then(_number(part["ctdi_vol_mgy"]))
        for part in acquired
    ]
    highest = pl.max_horizontal(*values)
    phantoms = [
        pl.when(value == highest).then(_phantom(part["phantom"]))
        for part, value in zip(acquired, values, strict=True)
    ]
    return {"ctdi_vol_mgy": highest, "ctdi_phantom_cm": pl.coalesce(*phantoms)}


def _ct_problem(layout: Layout) -> pl.Expr:
    """Name the first number of an acquisition that is none."""
    return _no_number(
        layout,
        [
            f"E{n} {_ACQUISITION[name]}"
            for n in blocks(layout)
            for name in ("ctdi_vol_mgy", "dlp_mgycm")
        ],
    )


def _no_number(layout: Layout, names: list[str]) -> pl.Expr:
    """Say which of several numeric columns holds no number."""
    wrong = []
    for name in names:
        cell = layout.cell(name)
        if cell is not None:
            told = pl.format(
                "number{}{}: Input should be a valid number: '{}': correct the value",
                pl.lit(MARK), pl.lit(name), cell,
            )  # fmt: skip
            bad = cell.is_not_null() & (_number(cell).is_null() | (_number(cell) < 0))
            wrong.append(pl.when(bad.fill_null(False)).then(told))
    return pl.coalesce(*wrong) if wrong else pl.lit(None, dtype=pl.String)


def _ct_details(layout: Layout) -> dict[str, pl.Expr]:
    """Return the texts of all acquisitions, named by number."""
    return {
        f"E{number}.{name}": text
        for number in blocks(layout)
        for name, text in _acquisition(layout, number).items()
    }


def _rf_doses(layout: Layout) -> dict[str, pl.Expr]:
    """Return the doses of both planes: KAP and time add up, air kerma is of the first with one."""
    kap, kerma, time = (_number(_text(layout, f"B {name}")) for name in _PLANE)
    a_kerma = pl.col("air_kerma_mgy")
    return {
        "kap_gycm2": _sum(pl.col("kap_gycm2"), kap * 1e4),
        "air_kerma_mgy": pl.when(a_kerma.is_null() | ((a_kerma == 0) & (kerma > 0)))
        .then(kerma * 1000)
        .otherwise(a_kerma),
        "fluoro_time_s": _sum(pl.col("fluoro_time_s"), time),
    }


def _sum(first: pl.Expr, second: pl.Expr) -> pl.Expr:
    """Add two values; null only where both are."""
    return pl.when(first.is_null()).then(second).otherwise(first + second.fill_null(0.0))


def _rf_problem(layout: Layout) -> pl.Expr:
    """Name the first total of plane B that is no number."""
    return _no_number(layout, [f"B {name}" for name in _PLANE])


def _rf_details(layout: Layout) -> dict[str, pl.Expr]:
    """Return the totals of both planes as sent."""
    return {
        f"{plane} {name}": _text(layout, f"{plane} {name}")
        for plane in "AB"
        for name in _PLANE_DETAILS
    }


DIALECTS = {
    "openrem_ct": Dialect(_ct_doses, _ct_problem, _ct_details),
    "openrem_rf": Dialect(_rf_doses, _rf_problem, _rf_details),
}
#: Texts of a study that a report keeps.
STUDY = {
    "manufacturer": "Manufacturer",
    "model": "Model name",
    "n_events": "No. events",
    "comments": COMMENTS,
}


def kept(layout: Layout) -> dict[str, pl.Expr]:
    """Return the texts of a study that its report and events are made of."""
    study = {
        f"study.{name}": _text(layout, column)
        if column != COMMENTS or layout.settings.keeps_free_text(COMMENTS)
        else pl.lit(None, dtype=pl.String)
        for name, column in STUDY.items()
    }
    return study | DIALECTS[layout.profile.dialect or ""].details(layout)


def build(layout: Layout, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Make reports and events of the good rows of an export."""
    reports, events = [], []
    for row in rows.iter_rows(named=True):
        found = _events(layout, row)
        report = _report(layout, row, [str(event["event_uid"]) for event in found])
        reports.append(report)
        events += [event | {"report_uid": report["report_uid"]} for event in found]
    return pl.DataFrame(reports, schema=REPORT), pl.DataFrame(events, schema=EVENT)


def _hash(*parts: object) -> str:
    """Return a stable name for values that came without one, whatever digits they came with."""
    parts = tuple(f"{part:.5g}" if isinstance(part, float) else part for part in parts)
    text = json.dumps([str(part) for part in parts], ensure_ascii=False)
    return f"kerma.{hashlib.sha256(text.encode()).hexdigest()[:40]}"


def _identity(row: dict[str, object]) -> tuple[object, ...]:
    """Return what tells a study from others."""
    names = ("site", "accession_number", "device", "procedure_start_at", "performed_on", "modality")
    told = (row[name] for name in names)
    return tuple(v.replace(microsecond=0) if isinstance(v, datetime) else v for v in told)


def _events(layout: Layout, row: dict[str, object]) -> list[dict[str, object]]:
    """Return the acquisitions of a CT study; a second one with the same values is told apart."""
    if layout.profile.dialect != "openrem_ct":
        return []
    seen: dict[tuple[object, ...], int] = {}
    events: list[dict[str, object]] = []
    for number in blocks(layout):
        texts = {name: row[f"E{number}.{name}"] for name in _ACQUISITION}
        if all(value is None for value in texts.values()):
            continue
        event = _event(texts)
        values = tuple(event.values())
        seen[values] = seen.get(values, 0) + 1
        events.append({"event_uid": _hash(*_identity(row), *values, seen[values]), **event})
    return events


def _event(texts: dict[str, object]) -> dict[str, object]:
    """Return one acquisition as an event."""
    phantom = str(texts["phantom"] or "").casefold()
    size = (
        32
        if "32" in phantom or "body" in phantom
        else 16
        if "16" in phantom or "head" in phantom
        else None
    )
    numbers = {name: float(str(texts[name])) if texts[name] else None for name in _NUMBERS}
    return {
        "event_type": texts["event_type"],
        "protocol": texts["protocol"],
        "ctdi_phantom_cm": size,
        **numbers,
    }


def _report(layout: Layout, row: dict[str, object], event_uids: list[str]) -> dict[str, object]:
    """Return a study as a dose report."""
    doses = ("air_kerma_mgy", "kap_gycm2", "fluoro_time_s", "ctdi_vol_mgy", "ctdi_phantom_cm",
             "dlp_mgycm")  # fmt: skip
    values = {name: row[name] for name in doses}
    uid = _hash(*_identity(row), *values.values(), *sorted(event_uids))
    details = _details(row)
    stated = row["study.n_events"]
    return {
        "report_uid": uid,
        "event_uids": event_uids or [uid],
        "started_at": row["procedure_start_at"],
        "n_events_stated": int(str(stated)) if stated and str(stated).isdecimal() else None,
        "manufacturer": row["study.manufacturer"],
        "model": row["study.model"],
        "details": json.dumps(details, ensure_ascii=False) if details else None,
        "source_line": row[LINE],
        **values,
        **{name: row[name] for name in ("site", "accession_number", "study_uid", "modality",
                                        "performed_on", "device", "flags")},
    }  # fmt: skip


def _details(row: dict[str, object]) -> dict[str, object]:
    """Return what a report keeps as sent: comments, totals by plane, dose checks by acquisition."""
    details: dict[str, object] = {}
    if row["study.comments"]:
        details["comments"] = row["study.comments"]
    for name, value in row.items():
        if value is None:
            continue
        if name[:2] in ("A ", "B "):
            planes = details.setdefault("planes", {})
            assert isinstance(planes, dict)
            planes.setdefault(name[0], {})[name[2:]] = value
        elif name.endswith(".dose_check"):
            checks = details.setdefault("dose_check", {})
            assert isinstance(checks, dict)
            checks[name.partition(".")[0]] = value
    return details
