"""What a dose report says besides dose: when, of whom, for which order, by which device."""

import re
from datetime import date, datetime
from typing import Any

from pydicom.dataset import Dataset

from etl.sources import dicom_codes as codes
from etl.sources import dicom_dose as dose
from etl.sources.dicom_items import Item, said, sequence, text
from etl.sources.dicom_kind import device_names, template
from etl.sources.dicom_times import Clock, a_date, a_time, an_offset, any_date
from etl.sources.reports import Notes, Report
from etl.staging import SourceFile
from warehouse.settings import Settings

_UTC_OFFSET = 0x00080201
_TEST_NAME = re.compile(r"(?i)(^|[^a-z])(phantom|physics|qa|test|quality ?control)([^a-z]|$)")
_TEST_STUDY = re.compile(r"(?i)phantom|physics ?test|quality ?(control|assurance)")


def clock_of(data: Dataset, settings: Settings) -> Clock:
    """Return how the times of an object become the site's."""
    return Clock(settings.time_zone, an_offset(text(data, _UTC_OFFSET)))


def report(
    source: SourceFile,
    data: Dataset,
    root: list[Item],
    modality: str,
    found: dose.Dose,
    settings: Settings,
) -> Report:
    """Put together what an object says."""
    notes = found.notes
    start, day = _started(data, root, found, clock_of(data, settings))
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
        "irradiation_start": _observer(root, codes.IRRADIATION_START[0]),
        "irradiation_end": _observer(root, codes.IRRADIATION_END[0]),
        "comment": _observer(root, "121106") if settings.keeps_free_text("comment") else None,
        "template": template(data) or None,
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
    beam = _observer(root, codes.IRRADIATION_START[0]) or found.details.get("irradiation_start")
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
    names = device_names(data)
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
