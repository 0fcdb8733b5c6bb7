"""DICOM dose reports of CT and fluoroscopy: found by content, everything else refused by name."""

import re
import warnings
import zlib
from dataclasses import replace
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
from pydicom import config
from pydicom.dataset import Dataset
from pydicom.uid import UID

from etl.sources import dicom_dose as dose
from etl.sources.base import RefusalError
from etl.sources.dicom_items import (
    Item,
    below,
    children,
    concept,
    said,
    sequence,
    text,
)
from etl.sources.dicom_times import Clock, a_date, a_time, an_offset, any_date
from etl.sources.reports import Notes, Report, staged
from etl.staging import SourceFile, Staged
from warehouse.settings import Settings

X_RAY_DOSE, ENHANCED_SR = "1.2.840.10008.5.1.4.1.1.88.67", "1.2.840.10008.5.1.4.1.1.88.22"
COMPREHENSIVE_SR, BASIC_SR = "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.88.11"
COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.34"
_STRUCTURED = (ENHANCED_SR, COMPREHENSIVE_SR, COMPREHENSIVE_3D_SR, BASIC_SR)
#: Reports that are named when they are refused.
_REFUSED = {
    "1.2.840.10008.5.1.4.1.1.88.76": "is an Enhanced X-Ray Radiation Dose SR, which is not "
    "read yet: let the scanner send the X-Ray Radiation Dose SR as well",
    "1.2.840.10008.5.1.4.1.1.88.68": "is a nuclear-medicine report (Radiopharmaceutical Radiation "
    "Dose SR): only CT and fluoroscopy are read; remove it",
    "1.2.840.10008.5.1.4.1.1.88.73": "is a Patient Radiation Dose SR, an estimate of organ doses: "
    "send the X-Ray Radiation Dose SR",
}
_TITLE, _SUMMARY_TITLE = ("113701", "DCM"), ("C-10", dose.SUMMARY)
_NUCLEAR_TITLE = ("113500", "DCM")
_CT = {("P5-08000", "SRT"), ("77477000", "SCT"), ("77477000", "SNM3"), ("P5-08000", "99SDM")}
_MAMMOGRAPHY = {("P5-40010", "SRT"), ("71651007", "SCT"), ("P5-40010", "SNM3")}
_FLUOROSCOPY_DEVICE = ("113957", "DCM")
_FLUOROSCOPIC = {"Fluoroscopy", "Stepping Acquisition", "Rotational Acquisition"}
_UTC_OFFSET = 0x00080201
_DEFLATED = b"1.2.840.10008.1.2.1.99"
#: A dose report has a few megabytes at most; what claims more is an image or an attack.
LARGEST = 256 * 2**20
_TEST_NAME = re.compile(r"(?i)(^|[^a-z])(phantom|physics|qa|test|quality ?control)([^a-z]|$)")
_TEST_STUDY = re.compile(r"(?i)phantom|physics ?test|quality ?(control|assurance)")


def stage(source: SourceFile, *, work_dir: Path, settings: Settings, key: bytes) -> Staged:
    """Read one object and stage it."""
    if source.bytes > LARGEST:
        raise RefusalError(f"has {source.bytes:,} bytes: too large for a dose report; remove it")
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")  # pydicom warns of what is checked here item by item
        try:
            report = read(source, settings)
        except (RefusalError, MemoryError, FileNotFoundError, PermissionError):
            raise
        except Exception as error:
            # A damaged object can make the library raise anything; the file is refused in words.
            # Its own words may quote an element's value, so only the kind of error is told.
            raise RefusalError(
                f"is a damaged DICOM object ({type(error).__name__}): send it again"
            ) from error
    return staged(source, "dicom_sr", [report], work_dir, key)


def read(source: SourceFile, settings: Settings) -> Report:
    """Read one dose report; raise RefusalError for any other object."""
    data = _load(source.path)
    persons = _persons(data)
    try:
        report = _read(data, source, settings)
    except RefusalError as error:
        raise RefusalError(str(error), persons) from error
    return replace(report, persons=persons)


def _persons(data: Dataset) -> tuple[str, ...]:
    """Return what the object says of who the patient is: ids, names, birth date."""
    tags = (0x00100020, 0x00100010, 0x00100030, 0x00101000, 0x00101001, 0x00101005)
    told = (text(data, tag) for tag in tags)
    return tuple(one for one in told if one)


def _read(data: Dataset, source: SourceFile, settings: Settings) -> Report:
    """Read one dose report of an object that was loaded."""
    sop_class = text(data, 0x00080016)
    _refuse_class(sop_class)
    title = dose.code_of_name(data)
    if title == _SUMMARY_TITLE:
        root = children(data)
        return _report(source, data, root, "fluoroscopy", dose.read_summary(root), settings)
    if sop_class in _STRUCTURED and title != _TITLE:
        raise RefusalError("is a structured report without doses: only dose reports are read")
    if title == _NUCLEAR_TITLE:
        raise RefusalError(_REFUSED["1.2.840.10008.5.1.4.1.1.88.68"])
    root = children(data)
    if not root:
        raise RefusalError("is a dose report without content, or cut short: send it again")
    parts = dose.parts_of(root)
    clock = _clock(data, settings)
    if _is_ct(data, root, parts):
        return _report(source, data, root, "CT", dose.read_ct(parts, clock), settings)
    _refuse_mammography(root, parts)
    found = dose.read_projection(parts, clock)
    _refuse_radiography(data, root, found, settings)
    return _report(source, data, root, "fluoroscopy", found, settings)


def _load(path: Path) -> Dataset:
    """Read an object without its pixels; refuse one that is cut short."""
    raw = path.read_bytes()
    if _DEFLATED in raw[:1024]:
        _refuse_bomb(raw)
    data = pydicom.dcmread(BytesIO(raw), force=True, stop_before_pixels=True)
    if not len(data):
        raise RefusalError("is a DICOM object without content, or cut short: send it again")
    for element in data.values():
        length, value = getattr(element, "length", None), getattr(element, "value", None)
        if isinstance(value, bytes) and length not in (None, 0xFFFFFFFF, len(value)):
            raise RefusalError("is cut short (fewer bytes than an element says): send it again")
    return data


def _refuse_bomb(raw: bytes) -> None:
    """Refuse a compressed object that unpacks to more than a dose report has."""
    start = 144 + int.from_bytes(raw[140:144], "little")  # behind the group that says its length
    unpacked = zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw[start:], LARGEST)
    if len(unpacked) >= LARGEST:
        raise RefusalError("unpacks to more than any dose report has: remove it")


def _refuse_class(sop_class: str) -> None:
    """Refuse what is no structured report that can carry doses."""
    if sop_class in _REFUSED:
        raise RefusalError(_REFUSED[sop_class])
    if sop_class == X_RAY_DOSE or sop_class in _STRUCTURED:
        return
    if not sop_class:
        raise RefusalError("is a DICOM object without a SOP class, or a damaged one: send it again")
    kind = UID(sop_class).name
    if "Image" in kind:
        raise RefusalError(f"is an image ({kind}): only dose reports are read; remove it")
    if "SR" in kind.split() or ".88." in sop_class:
        raise RefusalError(f"is a structured report without doses ({kind}): remove it")
    raise RefusalError(f"is no dose report but '{kind}': remove it")


def _template(data: Dataset) -> str:
    """Return the id of the template that the object names, or nothing."""
    named = sequence(data, 0x0040A504)
    return text(named[0], 0x0040DB00) if named else ""


def _is_ct(data: Dataset, root: list[Item], parts: dose.Parts) -> bool:
    """Say whether a report is of CT: by what it holds, else its template, else what it reports."""
    ct = bool(parts[dose.CT_ACCUMULATED] or parts[dose.CT_ACQUISITION])
    projection = bool(parts[dose.ACCUMULATED] or parts[dose.EVENT])
    if not ct and not projection:
        raise RefusalError("is a dose report without a total or an event: send it again")
    if ct != projection:
        return ct
    template = _template(data)
    return template == "10011" or (template != "10001" and dose.procedure_reported(root) in _CT)


def _refuse_mammography(root: list[Item], parts: dose.Parts) -> None:
    """Refuse reports of mammography."""
    glandular = any(
        item.code == dose.GLANDULAR_DOSE for part in parts[dose.ACCUMULATED] for item in below(part)
    )
    if glandular or dose.procedure_reported(root) in _MAMMOGRAPHY:
        raise RefusalError("is a mammography report: only CT and fluoroscopy are read; remove it")


def _refuse_radiography(
    data: Dataset, root: list[Item], found: dose.Dose, settings: Settings
) -> None:
    """Refuse reports of radiography, unless the settings say what the device is used for."""
    mapped = _mapped(data, settings)
    if mapped == "fluoroscopy":
        return
    device = [concept(i.data) for i in root if i.code == ("122142", "DCM")]
    parts = found.details.get("planes", {}).values()
    beam = any(p.get("fluoro_time_s") or p.get("fluoro_kap_gycm2") for p in parts)
    types = {event["event_type"] for event in found.events}
    if mapped is None and (
        beam or len(found.details.get("planes", {})) > 1 or types & _FLUOROSCOPIC
        or _FLUOROSCOPY_DEVICE in device
    ):  # fmt: skip
        return
    names = ", ".join(f"'{name}'" for name in _device_names(data))
    raise RefusalError(
        "is a radiography report: only CT and fluoroscopy are read. If this device "
        f"({names or 'without a name'}) is used for fluoroscopy, set device_modality in kerma.toml"
    )


def _device_names(data: Dataset) -> list[str]:
    """Return what a device is called: station, model, serial number, manufacturer."""
    tags = (0x00081010, 0x00081090, 0x00181000, 0x00080070)
    return [name for name in (text(data, tag) for tag in tags) if name]


def _mapped(data: Dataset, settings: Settings) -> str | None:
    """Return what the settings say a device is used for; the station counts before the maker."""
    known = {name.casefold(): use for name, use in settings.device_modality.items()}
    return next((known[n.casefold()] for n in _device_names(data) if n.casefold() in known), None)


def _clock(data: Dataset, settings: Settings) -> Clock:
    """Return how the times of an object become the site's."""
    return Clock(settings.time_zone, an_offset(text(data, _UTC_OFFSET)))


def _report(
    source: SourceFile,
    data: Dataset,
    root: list[Item],
    modality: str,
    found: dose.Dose,
    settings: Settings,
) -> Report:
    """Put together what an object says."""
    notes = found.notes
    start, day = _started(data, root, found, _clock(data, settings))
    if (sent := text(data, _UTC_OFFSET)) and an_offset(sent) is None:
        notes.flag("offset_unreadable")
    about = _about(data, root, settings, notes, day)
    about |= {"modality": modality, "procedure_start_at": start, "performed_on": day}
    details = found.details | _further(data, root, settings)
    stated = found.values.pop("n_events_stated", None)
    return Report(
        uid=text(data, 0x00080018) or f"kerma.{source.sha256[:40]}",
        about=about,
        doses=found.values,
        events=found.events,
        details=details,
        flags=notes.flags,
        raw=notes.raw,
        manufacturer=text(data, 0x00080070) or _observer(root, "121014"),
        model=text(data, 0x00081090) or _observer(root, "121015"),
        n_events_stated=stated,
    )


def _observer(root: list[Item], value: str) -> str | None:
    """Return what the report says of the device that observed."""
    return next((said(i.data) for i in root if i.code == (value, "DCM")), None)


def _further(data: Dataset, root: list[Item], settings: Settings) -> dict[str, Any]:
    """Return what is kept beside: times of the beam, completion, comments if they may be."""
    kept = {
        "irradiation_start": _observer(root, dose.IRRADIATION_START[0]),
        "irradiation_end": _observer(root, dose.IRRADIATION_END[0]),
        "comment": _observer(root, "121106") if settings.keeps_free_text("comment") else None,
        "template": _template(data) or None,
        "utc_offset": text(data, _UTC_OFFSET) or None,
        "completion": text(data, 0x0040A491) or None,
        "serial_number": text(data, 0x00181000) or None,
        "software": text(data, 0x00181020) or None,
        "institution": text(data, 0x00080080) or None,
    }
    return {name: value for name, value in kept.items() if value}


def _started(
    data: Dataset, root: list[Item], found: dose.Dose, clock: Clock
) -> tuple[datetime | None, date | None]:
    """Return start and day: the study's, else of the beam, the first event, series or content."""
    beam = _observer(root, dose.IRRADIATION_START[0]) or found.details.get("irradiation_start")
    events = [event["started_at"] for event in found.events if event["started_at"]]
    first = clock.stamp(beam) if beam else min(events, default=None)
    day = a_date(text(data, 0x00080020))
    if day is not None:
        at = a_time(text(data, 0x00080030))
        if at is not None:
            start = clock.wall(day, at)
            return start, start.date()
        return (first, day) if first and first.date() == day else (None, day)
    if first is not None:
        return first, first.date()
    for day_tag, time_tag in ((0x00080021, 0x00080031), (0x00080023, 0x00080033)):
        day, at = a_date(text(data, day_tag)), a_time(text(data, time_tag))
        if day is not None and at is not None:
            start = clock.wall(day, at)
            return start, start.date()
        if day is not None:
            return None, day
    return None, None


def _about(
    data: Dataset, root: list[Item], settings: Settings, notes: Notes, day: date | None
) -> dict[str, Any]:
    """Return what an object says of patient, order and device."""
    requests = sequence(data, 0x0040A370)
    request = requests[0] if requests else Dataset()
    accession = text(data, 0x00080050) or text(request, 0x00080050)
    procedure = text(data, 0x00321060) or text(request, 0x00321060) or text(data, 0x00081030)
    patient = text(data, 0x00100020)
    operator = text(data, 0x00081050) or text(data, 0x00081070)
    names = _device_names(data)
    size, weight = _decimal(data, 0x00101020), _decimal(data, 0x00101030)
    return {
        "site": settings.site_of(text(data, 0x00080080), text(data, 0x00081010)),
        "accession_number": accession or None,
        "study_uid": text(data, 0x0020000D) or None,
        "procedure_name": procedure or text(data, 0x00400254) or None,
        "patient_id": patient or None,
        "age_years": _age(data, day, notes),
        "sex": sex if (sex := text(data, 0x00100040).upper()) in ("M", "F", "O") else None,
        "weight_kg": weight or None,
        "height_cm": float(f"{size * 100:.12g}") if size else None,
        "operator": _person(operator),
        "device": (names[0] if names else None) or _observer(root, "121013"),
        "is_test": _is_test(data, patient, accession, procedure),
    }


def _is_test(data: Dataset, patient: str, accession: str, procedure: str) -> bool:
    """Say whether names tell of a test patient or a phantom."""
    people = (text(data, 0x00100010), patient, accession)
    studies = (procedure, text(data, 0x00081030))
    return any(map(_TEST_NAME.search, people)) or any(map(_TEST_STUDY.search, studies))


def _decimal(data: Dataset, tag: int) -> float | None:
    """Return a decimal string of the object, none where it is none."""
    try:
        return float(text(data, tag))
    except ValueError:
        return None


def _person(name: str) -> str | None:
    """Write ``Family^Given=…`` as plain text; several people are parted by a comma."""
    people = [" ".join(one.partition("=")[0].split("^")).split() for one in name.split("\\")]
    return ", ".join(" ".join(one) for one in people if one) or None


def _age(data: Dataset, day: date | None, notes: Notes) -> float | None:
    """Return the age at the study: from the birth date where plausible, else as sent."""
    born = any_date(text(data, 0x00100030))
    if born and day:
        years = round((day - born).days / 365.25, 1)
        if 0 <= years <= 120:
            return years
        notes.flag("age_implausible")
        notes.raw.append(("age_years", f"{years:g}", "year"))
    sent = re.fullmatch(r"(\d{1,3})([DWMY])", text(data, 0x00101010))
    if not sent:
        return None
    years = int(sent[1]) / {"D": 365.25, "W": 52.18, "M": 12, "Y": 1}[sent[2]]
    return round(years, 2)
