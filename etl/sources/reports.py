"""From what dose reports say to a staged file: gate, pseudonym, flags, frames."""

import json
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from etl import normalise as to
from etl import procedures
from etl.contract import staged_schema
from etl.privacy import OLDEST_AGE, impersonal_name, without
from etl.reasons import reasons
from etl.staging import EVENT, RAW_VALUE, REJECTED, REPORT, UNMAPPED, SourceFile, Staged

#: What a report says of a procedure besides dose.
ABOUT = (
    "site", "accession_number", "study_uid", "modality", "procedure_start_at", "performed_on",
    "procedure_name", "patient_id", "age_years", "sex", "weight_kg", "height_cm",
    "pregnancy_status", "operator", "room", "device", "is_test",
)  # fmt: skip
DOSES = (
    "air_kerma_mgy", "kap_gycm2", "fluoro_time_s", "ctdi_vol_mgy", "ctdi_phantom_cm", "dlp_mgycm",
    "ssde_mgy", "peak_skin_dose_mgy",
)  # fmt: skip
#: Body measures that are set aside outside these bounds.
_PLAUSIBLE = {
    "age_years": (0.0, 120.0, "age_implausible", "year"),
    "weight_kg": (2.0, 300.0, "weight_implausible", "kg"),
    "height_cm": (40.0, 220.0, "height_implausible", "cm"),
}
#: Doses that are flagged outside these bounds, unless 0.
_WINDOWS = {
    "kap_gycm2": (0.001, 1000.0, "kap_window"),
    "air_kerma_mgy": (0.01, 15_000.0, "air_kerma_window"),
    "fluoro_time_s": (1.0, 10_800.0, "fluoro_time_window"),
    "dlp_mgycm": (0.5, 20_000.0, "dlp_window"),
    "ctdi_vol_mgy": (0.1, 2000.0, "ctdi_vol_window"),
}


@dataclass
class Notes:
    """What reading came upon: flags and values as they were sent."""

    flags: list[str] = field(default_factory=list)
    raw: list[tuple[str, str, str | None]] = field(default_factory=list)

    def flag(self, name: str) -> None:
        """Note a flag once."""
        if name not in self.flags:
            self.flags.append(name)


@dataclass
class Report:
    """One dose report, in canonical units and words."""

    uid: str
    about: dict[str, Any]
    doses: dict[str, Any]
    events: list[dict[str, Any]] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    raw: list[tuple[str, str, str | None]] = field(default_factory=list)
    manufacturer: str | None = None
    model: str | None = None
    n_events_stated: int | None = None
    persons: tuple[str, ...] = ()  #: ids, names and birth date as sent: to be kept nowhere
    covers: str | None = None  #: what stands for its events: a correction names the same
    problem: str | None = None  #: why it is not read although it is a report


def staged(
    source: SourceFile, profile: str, reports: list[Report], work_dir: Path, key: bytes
) -> Staged:
    """Check the reports of one file and stage them; the line of a report is its place."""
    persons = {person for report in reports for person in report.persons}
    source = replace(source, name=impersonal_name(source.name, persons))
    rows, found, events, raw = [], [], [], []
    rejected, unmapped = [], {}
    for line, report in enumerate(reports, 1):
        _judge(report)
        wrong, rules = ([report.problem], ["not_read"]) if report.problem else _wrong(report)
        if wrong:
            rejected.append(_refused(report, line, wrong, rules, key))
            continue
        row = _procedure(report, line, key)
        rows.append(row)
        found.append(_report(report, line))
        events += [event | {"report_uid": report.uid} for event in report.events]
        raw += [(line, *value, f"report {source.name}:{line}") for value in report.raw]
        if row["procedure_name"] and not row["procedure_code"]:
            unmapped[row["procedure_name"]] = unmapped.get(row["procedure_name"], 0) + 1
    out = work_dir / f"{source.sha256[:16]}.procedures.parquet"
    if rows:
        pl.DataFrame(rows, schema=staged_schema()).write_parquet(out, compression="lz4")
    names = [(name, count, _similar(name)) for name, count in unmapped.items()]
    return Staged(
        source=source,
        profile=profile,
        kind="report",
        read=len(reports),
        procedures=out if rows else None,
        rejected=pl.DataFrame(rejected, schema=REJECTED, orient="row"),
        reports=pl.DataFrame(found, schema=REPORT),
        events=pl.DataFrame(events, schema=EVENT),
        raw_values=pl.DataFrame(raw, schema=RAW_VALUE, orient="row"),
        unmapped=pl.DataFrame(names, schema=UNMAPPED, orient="row"),
    )


@cache
def _similar(name: str) -> list[str]:
    return procedures.suggestions(name)


def _judge(report: Report) -> None:
    """Set aside what is implausible and flag what is odd."""
    about, doses = report.about, report.doses
    for name, (low, high, flag, unit) in _PLAUSIBLE.items():
        value = about.get(name)
        if value is not None and not low <= value <= high:
            about[name] = None
            report.raw.append((name, f"{value:g}", unit))
            _flag(report, flag)
    for name, (low, high, flag) in _WINDOWS.items():
        value = doses.get(name)
        if value and not low <= value <= high:
            _flag(report, flag)
    kap, kerma = doses.get("kap_gycm2"), doses.get("air_kerma_mgy")
    if kap and kerma and not 10 <= kap * 1000 / kerma <= 1600:
        _flag(report, "unit_suspect")
    if kap == 0 and (doses.get("fluoro_time_s") or 0) > 0:
        _flag(report, "kap_zero")
    if about.get("is_test"):
        _flag(report, "test_patient")


def _flag(report: Report, name: str) -> None:
    if name not in report.flags:
        report.flags.append(name)


def _wrong(report: Report) -> tuple[list[str], list[str]]:
    """Return what breaks the contract; a study UID identifies a report without other keys."""
    told, rules = reasons(_values(report))
    kept = [
        (reason, rule)
        for reason, rule in zip(told, rules, strict=True)
        if not (rule == "no_key" and report.about.get("study_uid"))
    ]
    return [reason for reason, _ in kept], [rule for _, rule in kept]


def _values(report: Report) -> dict[str, Any]:
    """Return a report's values by column of the log."""
    about = {name: report.about.get(name) for name in ABOUT}
    return about | {name: report.doses.get(name) for name in DOSES}


def _procedure(report: Report, line: int, key: bytes) -> dict[str, Any]:
    """Return what a report says of the procedure besides dose."""
    about = report.about
    row = {name: about.get(name) for name in ABOUT if name != "patient_id"}
    patient, name = about.get("patient_id"), about.get("procedure_name")
    code = procedures.code(name) if name else None
    known = procedures.catalogue().get(code) if code else None
    weight, height = about.get("weight_kg"), about.get("height_cm")
    bmi = weight / (height / 100) ** 2 if weight and height else None
    return row | {
        "status": "completed",
        "is_test": bool(about.get("is_test")),
        "patient_key": to.pseudonymiser(key)(patient) if patient else None,
        "procedure_code": code,
        "procedure_family": known.family if known else None,
        "region": known.region if known else None,
        "bmi": bmi if bmi is not None and 10 <= bmi <= 80 else None,
        "flags": list(report.flags),
        "source_line": line,
    }


def _report(report: Report, line: int) -> dict[str, Any]:
    """Return the row of table ``dose_report``."""
    about = report.about
    uids = [event["event_uid"] for event in report.events]
    uids = uids or [report.covers or report.uid]
    return {
        "report_uid": report.uid,
        **{name: about.get(name) for name in
           ("site", "accession_number", "study_uid", "modality", "performed_on", "device")},
        "started_at": about.get("procedure_start_at"),
        "event_uids": uids,
        "n_events_stated": report.n_events_stated,
        **{name: report.doses.get(name) for name in DOSES},
        "manufacturer": report.manufacturer,
        "model": report.model,
        "details": json.dumps(report.details, ensure_ascii=False) if report.details else None,
        "flags": list(report.flags),
        "source_line": line,
    }  # fmt: skip


def _refused(
    report: Report, line: int, wrong: list[str], rules: list[str], key: bytes
) -> tuple[Any, ...]:
    """Return the row of a report that broke the contract, without identifiers."""
    about = dict(report.about)
    patient = about.pop("patient_id", None)
    if patient:
        about["patient"] = f"pseudonym:{to.pseudonymiser(key)(patient)}"
    kept = {"report_uid": report.uid} | about | report.doses
    if (about.get("age_years") or 0) > OLDEST_AGE:
        kept["age_years"] = "90+"
    text = json.dumps(
        {name: value for name, value in kept.items() if value is not None},
        ensure_ascii=False,
        default=str,
    )
    wrong = [without(reason, report.persons) for reason in wrong]
    text = without(text, report.persons)
    return line, text, wrong, rules, about.get("site"), about.get("accession_number")
