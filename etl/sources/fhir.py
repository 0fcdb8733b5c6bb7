"""FHIR R4: Radiation Dose Summaries (HL7 implementation guide 1.0.0), alone or in bundles."""

import hashlib
import re
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from etl import units
from etl.sources.base import RefusalError
from etl.sources.dicom_codes import Code
from etl.sources.fhir_resources import (
    Resources,
    as_dict,
    as_dicts,
    as_text,
    codes,
    dicom_uid,
    parse,
)
from etl.sources.reports import Notes, Report, staged
from etl.staging import SourceFile, Staged
from warehouse.settings import Settings

_REPORTED = ("121058", "DCM")
_CT, _PROJECTION = ("77477000", "SCT"), ("113704", "DCM")
_MAMMOGRAPHY, _NUCLEAR = ("71651007", "SCT"), ("113502", "DCM")
#: Components that become columns: code, column, canonical unit.
_DOSES: dict[Code, tuple[str, str]] = {
    ("113813", "DCM"): ("dlp_mgycm", "mGy·cm"),
    ("113725", "DCM"): ("air_kerma_mgy", "mGy"),
    ("113722", "DCM"): ("kap_gycm2", "Gy·cm²"),
    ("113730", "DCM"): ("fluoro_time_s", "s"),
    ("113830", "DCM"): ("ctdi_vol_mgy", "mGy"),
}
_HIGHEST = ("air_kerma_mgy", "ctdi_vol_mgy")
#: Components that are kept beside.
_KEPT: dict[Code, str] = {
    ("113726", "DCM"): "fluoro_kap",
    ("113727", "DCM"): "acquisition_kap",
    ("113731", "DCM"): "radiographic_frames",
}
_NOT_READ = {("111637", "DCM"): "mammography", ("113507", "DCM"): "nuclear-medicine"}
_SEX = {"male": "M", "female": "F", "other": "O"}
_DROPPED = ("entered-in-error", "cancelled")
#: A bundle is text of a few megabytes at most.
LARGEST = 256 * 2**20


@dataclass(frozen=True)
class FhirReader:
    """Reads FHIR resources in JSON."""

    name: str = "FHIR dose summary"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Say whether a file is a FHIR resource in JSON, or JSON of another kind."""
        text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
        if path.suffix.lower() == ".json":
            return True
        return text.startswith(b"{") and b'"resourceType"' in text

    def stage(
        self, source: SourceFile, *, work_dir: Path, settings: Settings, key: bytes
    ) -> Staged:
        """Read all dose summaries of one file."""
        if source.bytes > LARGEST:
            raise RefusalError(f"has {source.bytes:,} bytes: split the bundle and send its parts")
        known = Resources(parse(source.path))
        reports = [_report(known, one, settings, source) for one in known.summaries]
        if not reports:
            raise RefusalError(
                "has no Radiation Dose Summary (an Observation with LOINC code 73569-6): remove it"
            )
        return staged(source, "fhir", reports, work_dir, key)


def _report(
    known: Resources, summary: dict[str, Any], settings: Settings, source: SourceFile
) -> Report:
    """Return one dose summary as a report."""
    notes = Notes()
    doses, details, reported = _components(summary, notes)
    modality = _modality(known, summary, reported, doses)
    patient = known.find(summary.get("subject"), summary)
    device = known.find(summary.get("device"), summary)
    study = _study(known, summary)
    start, day = _start(summary, study, settings.time_zone)
    sop_uid = dicom_uid(summary.get("identifier"), "sop-instance-uid")
    uid = sop_uid or as_text(summary.get("id")) or source.sha256
    mark = hashlib.sha256(f"{uid} {start}".encode()).hexdigest()[:40]
    names = _device_names(device)
    station = names.get("application-entity") or as_text(
        as_dict(summary.get("device")).get("display")
    )
    about = {
        "site": settings.site_of("", station or ""),
        "accession_number": _accession(known, summary, study),
        "study_uid": _study_uid(summary, study),
        "modality": modality,
        "procedure_start_at": start,
        "performed_on": day,
        "procedure_name": as_text(study.get("description")),
        "patient_id": _patient_id(summary, patient),
        "age_years": _age(patient, day),
        "sex": _SEX.get(str(patient.get("gender"))),
        "device": station or names.get("model-name"),
        "is_test": False,
    }
    words = as_text(summary.get("valueString")) if settings.keeps_free_text("summary") else None
    details |= {"summary": words, "report": sop_uid}
    return Report(
        uid=f"kerma.fhir.{hashlib.sha256(f'{uid} {doses}'.encode()).hexdigest()[:40]}",
        covers=sop_uid or f"kerma.fhir.{mark}",
        about=about,
        doses=doses,
        details={name: value for name, value in details.items() if value},
        flags=notes.flags,
        raw=notes.raw,
        manufacturer=as_text(device.get("manufacturer")) or names.get("manufacturer-name"),
        model=names.get("model-name"),
        persons=_persons(summary, patient),
        problem=_problem(summary, reported),
    )


def _components(
    summary: dict[str, Any], notes: Notes
) -> tuple[dict[str, float | None], dict[str, Any], list[Code]]:
    """Return doses, what is kept beside, and the procedure reported."""
    sent: dict[str, list[float]] = {}
    details: dict[str, Any] = {}
    reported: list[Code] = []
    for part in as_dicts(summary.get("component")):
        told = codes(part.get("code"))
        dose = next((_DOSES[code] for code in told if code in _DOSES), None)
        if dose:
            name, unit = dose
            value = _quantity(part.get("valueQuantity"), unit, name, notes)
            sent.setdefault(name, []).extend([] if value is None else [value])
        for code in told:
            if code == _REPORTED:
                reported += codes(part.get("valueCodeableConcept"))
            elif code in _NOT_READ:
                reported.append(_MAMMOGRAPHY if _NOT_READ[code] == "mammography" else _NUCLEAR)
            elif code in _KEPT:
                details[_KEPT[code]] = _as_sent(part)
    return {name: _together(name, values) for name, values in sent.items()}, details, reported


def _as_sent(part: dict[str, Any]) -> str:
    """Return a component's value and unit as they were sent."""
    sent = as_dict(part.get("valueQuantity"))
    return f"{sent.get('value', part.get('valueInteger'))} {_unit(sent)}".strip()


def _together(name: str, values: list[float]) -> float | None:
    """Return what several components of one kind (two planes, two scans) come to.

    Air kerma does not add: planes meet different skin. Nor does CTDIvol.
    """
    if not values:
        return None
    return max(values) if name in _HIGHEST else float(f"{sum(values):.12g}")


def _unit(sent: dict[str, Any]) -> str:
    """Return a quantity's unit: its UCUM code, else its words."""
    return as_text(sent.get("code")) or as_text(sent.get("unit")) or ""


def _quantity(sent: Any, unit: str, name: str, notes: Notes) -> float | None:
    """Return a quantity in a canonical unit; what is not understood is null, noted and kept."""
    quantity = as_dict(sent)
    value = quantity.get("value")
    if value is None:
        return None
    kept = (name, str(value), _unit(quantity) or None)
    number = (
        float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    )
    if number is None or not 0 <= number <= units.LARGEST or quantity.get("comparator"):
        notes.flag("value_unreadable")
        notes.raw.append(kept)
        return None
    factor = units.factor(_unit(quantity), unit) if _unit(quantity) else None
    if factor is None:
        notes.flag("unit_unknown")
        notes.raw.append(kept)
        return None
    if factor != 1.0:
        notes.raw.append(kept)
    return float(f"{number * factor:.15g}")


def _modality(
    known: Resources, summary: dict[str, Any], reported: list[Code], doses: dict[str, Any]
) -> str | None:
    """Return what the summary is of: as reported, else by its device, else by its doses."""
    if _CT in reported:
        return "CT"
    if _PROJECTION in reported:
        return "fluoroscopy"
    types = codes(known.find(summary.get("device"), summary).get("type"))
    if ("CT", "DCM") in types or "dlp_mgycm" in doses:
        return "CT"
    return "fluoroscopy" if {"kap_gycm2", "air_kerma_mgy", "fluoro_time_s"} & set(doses) else None


def _problem(summary: dict[str, Any], reported: list[Code]) -> str | None:
    """Say why a summary is not read, or nothing."""
    if summary.get("status") in _DROPPED:
        return f"status: '{summary['status']}': the sender withdrew it; send what holds instead"
    for code, kind in ((_MAMMOGRAPHY, "mammography"), (_NUCLEAR, "nuclear-medicine")):
        if code in reported:
            return f"component: a {kind} summary: only CT and fluoroscopy are read; take it out"
    return None


def _study(known: Resources, summary: dict[str, Any]) -> dict[str, Any]:
    """Return the imaging study that the summary is part of."""
    for name in ("partOf", "focus"):
        for reference in as_dicts(summary.get(name)):
            if study := known.find(reference, summary):
                return study
    return {}


def _study_uid(summary: dict[str, Any], study: dict[str, Any]) -> str | None:
    """Return the Study Instance UID: of the references, else of the study itself."""
    for reference in [*as_dicts(summary.get("partOf")), *as_dicts(summary.get("focus"))]:
        if uid := dicom_uid(reference.get("identifier"), "study-instance-uid"):
            return uid
    identifiers = [i for i in as_dicts(summary.get("identifier")) if codes(i.get("type"))]
    named = [i for i in identifiers if ("study-instance-uid", "") in codes(i.get("type"))]
    return dicom_uid(study.get("identifier")) or dicom_uid(named)


def _accession(known: Resources, summary: dict[str, Any], study: dict[str, Any]) -> str | None:
    """Return the accession number: of the order, else of summary or study."""
    found: list[dict[str, Any]] = []
    for resource in (summary, study):
        for reference in as_dicts(resource.get("basedOn")):
            found += as_dicts(reference.get("identifier"))
            found += as_dicts(known.find(reference, resource).get("identifier"))
    found += [*as_dicts(summary.get("identifier")), *as_dicts(study.get("identifier"))]
    for one in found:
        if "ACSN" in [code for code, _ in codes(one.get("type"))]:
            return as_text(one.get("value"))
    return None


def _patient_id(summary: dict[str, Any], patient: dict[str, Any]) -> str | None:
    """Return the patient's identifier."""
    logical = as_dicts(as_dict(summary.get("subject")).get("identifier"))
    for one in [*as_dicts(patient.get("identifier")), *logical]:
        if value := as_text(one.get("value")):
            return value
    return None


def _persons(summary: dict[str, Any], patient: dict[str, Any]) -> tuple[str, ...]:
    """Return what the resources say of who the patient is: ids, names, birth date."""
    told: list[Any] = [patient.get("birthDate"), as_dict(summary.get("subject")).get("display")]
    for name in as_dicts(patient.get("name")):
        given = name.get("given")
        told += [name.get("family"), name.get("text"), *(given if isinstance(given, list) else [])]
    told += [one.get("value") for one in as_dicts(patient.get("identifier"))]
    told += [_patient_id(summary, patient)]
    return tuple(dict.fromkeys(text for text in map(as_text, told) if text))


def _age(patient: dict[str, Any], day: date | None) -> float | None:
    """Return the age at the procedure."""
    born = re.fullmatch(r"(\d{4})-(\d{2})-(\d{2})", str(patient.get("birthDate")))
    if not born or not day:
        return None
    try:
        return round((day - date(int(born[1]), int(born[2]), int(born[3]))).days / 365.25, 1)
    except ValueError:
        return None


def _device_names(device: dict[str, Any]) -> dict[str, str]:
    """Return a device's names by kind."""
    names = {
        str(one.get("type")): told
        for one in as_dicts(device.get("deviceName"))
        if (told := as_text(one.get("name")))
    }
    for one in as_dicts(device.get("identifier")):
        for code, _ in codes(one.get("type")):
            if value := as_text(one.get("value")):
                names[code] = value
    return names


def _start(
    summary: dict[str, Any], study: dict[str, Any], zone: str
) -> tuple[datetime | None, date | None]:
    """Return start and day: of the irradiation, else of the study."""
    period = as_dict(summary.get("effectivePeriod")).get("start")
    told = (summary.get("effectiveDateTime"), period, summary.get("effectiveInstant"))
    for sent in (*told, study.get("started")):
        found = _moment(sent, zone)
        if found[1] is not None:
            return found
    return None, None


def _moment(sent: Any, zone: str) -> tuple[datetime | None, date | None]:
    """Read a FHIR dateTime as wall clock of the zone; a bare date has no time."""
    text = as_text(sent)
    if text is None:
        return None, None
    try:
        if len(text) == 10:
            return None, date.fromisoformat(text)
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            found = found.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None, None
    return found, found.date()


FHIR = FhirReader()
