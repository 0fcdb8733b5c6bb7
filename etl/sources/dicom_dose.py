"""What a dose report says: totals, planes, irradiation events, dose checks."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset

from etl.sources.dicom_items import (
    DamagedError,
    Item,
    below,
    children,
    code_at,
    concept,
    gather,
    meaning,
    number,
    numbers,
    quantity,
    said,
)
from etl.sources.dicom_times import Clock
from etl.sources.reports import Code, Notes

DCM = "DCM"
_CONCEPT_NAME = 0x0040A043
KAP_TOTAL, KERMA_TOTAL = ("113722", DCM), ("113725", DCM)
FLUORO_KAP, ACQUISITION_KAP = ("113726", DCM), ("113727", DCM)
FLUORO_KERMA, ACQUISITION_KERMA = ("113728", DCM), ("113729", DCM)
FLUORO_TIME, ACQUISITION_TIME = ("113730", DCM), ("113855", DCM)
FRAMES, PLANE = ("113731", DCM), ("113764", DCM)
GLANDULAR_DOSE = ("111637", DCM)
CT_EVENTS, DLP_TOTAL = ("113812", DCM), ("113813", DCM)
CTDI_VOL, DLP, SSDE = ("113830", DCM), ("113838", DCM), ("113930", DCM)
PHANTOM, CT_TYPE, EVENT_TYPE = ("113835", DCM), ("113820", DCM), ("113721", DCM)
PROTOCOL, REGION = ("125203", DCM), ("123014", DCM)
EVENT_UID, STARTED = ("113769", DCM), ("111526", DCM)
KAP, KERMA = ("122130", DCM), ("113738", DCM)
DURATION, EXPOSURE_TIME = ("113742", DCM), ("113824", DCM)
KVP, TUBE_CURRENT = ("113733", DCM), ("113734", DCM)
REFERENCE_POINT = ("113780", DCM)
ACCUMULATED, EVENT = ("113702", DCM), ("113706", DCM)
CT_ACCUMULATED, CT_ACQUISITION = ("113811", DCM), ("113819", DCM)
_PAIRS = ((ACCUMULATED, EVENT), (CT_ACCUMULATED, CT_ACQUISITION))
_CARRIERS = tuple(kind for pair in _PAIRS for kind in pair)
IRRADIATION_START, IRRADIATION_END = ("113809", DCM), ("113810", DCM)
DOSE_ALERT, DOSE_NOTIFICATION = ("113900", DCM), ("113908", DCM)
#: Siemens Arcadis: its own scheme, totals only.
SUMMARY = "99SMS_RADSUM"

_BODY_CM = {("113691", DCM): 32, ("113690", DCM): 16}
_PLANES = {("113620", DCM): "A", ("113621", DCM): "B", ("113622", DCM): "single"}
#: Names of event types by code, old (SRT) and new (SCT); other codes keep their own words.
TYPES: dict[Code, str] = {
    ("P5-06000", "SRT"): "Fluoroscopy",
    ("44491008", "SCT"): "Fluoroscopy",
    ("113611", DCM): "Stationary Acquisition",
    ("113612", DCM): "Stepping Acquisition",
    ("113613", DCM): "Rotational Acquisition",
    ("P5-08001", "SRT"): "Spiral Acquisition",
    ("116152004", "SCT"): "Spiral Acquisition",
    ("113804", DCM): "Sequenced Acquisition",
    ("113805", DCM): "Constant Angle Acquisition",
    ("113806", DCM): "Stationary Acquisition",
    ("113807", DCM): "Free Acquisition",
}
LOCALISER = TYPES[("113805", DCM)]
#: A total that differs more than this from the sum of its events is flagged.
SUM_TOLERANCE = 0.02


@dataclass
class Dose:
    """Doses of one report in canonical units, its events, and what to keep beside."""

    values: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)


#: Containers of a report that carry doses, by code.
Parts = dict[Code, list[Dataset]]


def parts_of(root: list[Item]) -> Parts:
    """Return the containers that carry doses, wherever they hang: some makers nest them."""
    found = {kind: _named(root, kind) for kind in _CARRIERS}
    if any(found[total] and found[event] for total, event in _PAIRS):
        return found
    for top in root:
        for item in below(top.data):
            if item.code in found:
                found[item.code].append(item.data)
    return found


def read_ct(parts: Parts, clock: Clock) -> Dose:
    """Read a CT dose report."""
    dose = Dose()
    total: list[float] = []
    stated: list[float] = []
    for part in parts[CT_ACCUMULATED]:
        found = gather(part)
        total += _quantities(found, DLP_TOTAL, "mGy·cm", "dlp_mgycm", dose.notes)
        stated += [value for item in found.get(CT_EVENTS, []) for value in numbers(item)]
    _events(parts[CT_ACQUISITION], dose, clock)
    in_scans = [e for e in dose.events if e["event_type"] != LOCALISER]
    highest = max(
        (e for e in in_scans if e["ctdi_vol_mgy"] is not None),
        key=lambda e: e["ctdi_vol_mgy"],
        default=None,
    )
    sizes = [e.pop("ssde_mgy") for e in dose.events]
    dose.values = {
        "dlp_mgycm": _added(total),
        "ctdi_vol_mgy": highest["ctdi_vol_mgy"] if highest else None,
        "ctdi_phantom_cm": highest["ctdi_phantom_cm"] if highest else None,
        "ssde_mgy": max((size for size in sizes if size is not None), default=None),
        "n_events_stated": int(stated[0]) if stated and stated[0] < 1e6 else None,
    }
    _compare(dose, "dlp_mgycm", "dlp_mgycm")
    expected = dose.values["n_events_stated"]
    if expected is not None and expected != len(dose.events):
        dose.notes.flag("event_count_differs")
    return dose


def read_projection(parts: Parts, clock: Clock) -> Dose:
    """Read a fluoroscopy dose report: planes add up in KAP and time, not in air kerma."""
    dose = Dose()
    planes: dict[str, dict[str, float]] = {}
    for part in parts[ACCUMULATED]:
        found = gather(part)
        plane = _plane(found)
        into = planes.setdefault(plane or "unknown", {})
        for name, (code, unit) in _TOTALS.items():
            notes = dose.notes if name in _MAIN else Notes()
            values = _quantities(found, code, unit, name, notes)
            if notes is not dose.notes:
                _keep(notes, dose)
            if values:
                into[name] = _added([into.get(name, 0.0), *values]) or 0.0
        point = found.get(REFERENCE_POINT)
        if point and (told := said(point[0])):
            dose.details["reference_point"] = told
    _events(parts[EVENT], dose, clock)
    for event in dose.events:
        event.pop("ssde_mgy")
    by_plane = list(planes.values())
    dose.values = {
        "kap_gycm2": _added([p["kap_gycm2"] for p in by_plane if "kap_gycm2" in p]),
        "fluoro_time_s": _added([p["fluoro_time_s"] for p in by_plane if "fluoro_time_s" in p]),
        "air_kerma_mgy": max(
            (p["air_kerma_mgy"] for p in by_plane if "air_kerma_mgy" in p), default=None
        ),
    }
    if planes:
        dose.details["planes"] = planes
    _compare(dose, "kap_gycm2", "kap_gycm2")
    if len(planes) <= 1:
        _compare(dose, "air_kerma_mgy", "air_kerma_mgy")
    return dose


#: Totals of a plane: code and canonical unit.
_TOTALS: dict[str, tuple[Code, str]] = {
    "kap_gycm2": (KAP_TOTAL, "Gy·cm²"),
    "air_kerma_mgy": (KERMA_TOTAL, "mGy"),
    "fluoro_time_s": (FLUORO_TIME, "s"),
    "fluoro_kap_gycm2": (FLUORO_KAP, "Gy·cm²"),
    "fluoro_air_kerma_mgy": (FLUORO_KERMA, "mGy"),
    "acquisition_kap_gycm2": (ACQUISITION_KAP, "Gy·cm²"),
    "acquisition_air_kerma_mgy": (ACQUISITION_KERMA, "mGy"),
    "acquisition_time_s": (ACQUISITION_TIME, "s"),
}
#: Those that become columns: their values as sent are always kept.
_MAIN = ("kap_gycm2", "air_kerma_mgy", "fluoro_time_s")


def read_summary(root: list[Item]) -> Dose:
    """Read a Siemens Radiation Summary Report: totals in its own scheme, no events."""
    dose = Dose()
    found: dict[Code, list[Dataset]] = {}
    for item in root:
        found.setdefault(item.code, []).append(item.data)
    fields = {
        "fluoro_time_s": ("C-202", "s"),
        "kap_gycm2": ("C-204", "Gy·cm²"),
        "air_kerma_mgy": ("C-210", "mGy"),
    }
    for name, (value, unit) in fields.items():
        dose.values[name] = _added(_quantities(found, (value, SUMMARY), unit, name, dose.notes))
    for name, value in {"irradiation_start": "C-206", "irradiation_end": "C-208"}.items():
        if (value, SUMMARY) in found:
            dose.details[name] = said(found[(value, SUMMARY)][0])
    return dose


def _named(root: Iterable[Item], code: Code) -> list[Dataset]:
    return [item.data for item in root if item.code == code]


def _added(values: list[float]) -> float | None:
    """Add values; none of them is null, not 0."""
    return float(f"{sum(values):.12g}") if values else None


def _quantities(
    found: dict[Code, list[Dataset]], code: Code, unit: str, name: str, notes: Notes
) -> list[float]:
    """Return the values of all items of one code in a canonical unit."""
    values = [quantity(item, unit, name, notes) for item in found.get(code, [])]
    return [value for value in values if value is not None]


def _plane(found: dict[Code, list[Dataset]]) -> str | None:
    """Return the plane, A, B or single."""
    items = found.get(PLANE)
    return _PLANES.get(concept(items[0]) or ("", "")) if items else None


def _events(parts: list[Dataset], dose: Dose, clock: Clock) -> None:
    """Read the events; one that cannot be read is noted and does not lose the others."""
    seen: dict[str, int] = {}
    lost: list[str] = []
    for place, part in enumerate(parts, 1):
        try:
            event = _event(gather(part), dose, place, clock)
        except DamagedError as error:
            dose.notes.flag("event_unreadable")
            lost.append(f"E{place}: {error}")
            continue
        uid = event["event_uid"]
        seen[uid] = seen.get(uid, 0) + 1
        if seen[uid] > 1:  # both planes of a biplane run may carry one UID
            event["event_uid"] = f"{uid}#{seen[uid]}"
        dose.events.append(event)
    if lost:
        dose.details["unreadable_events"] = lost


def _event(
    found: dict[Code, list[Dataset]], dose: Dose, place: int, clock: Clock
) -> dict[str, Any]:
    """Return one irradiation event."""
    notes = Notes()

    def value(code: Code, unit: str, name: str) -> float | None:
        items = found.get(code)
        return quantity(items[0], unit, f"E{place}.{name}", notes) if items else None

    def told(code: Code) -> str | None:
        items = found.get(code)
        return said(items[0]) if items else None

    started = told(STARTED)
    event = {
        "started_at": clock.stamp(started) if started else None,
        "event_type": _type(found),
        "protocol": told(PROTOCOL),
        "plane": _plane(found),
        "air_kerma_mgy": value(KERMA, "mGy", "air_kerma_mgy"),
        "kap_gycm2": value(KAP, "Gy·cm²", "kap_gycm2"),
        "ctdi_vol_mgy": value(CTDI_VOL, "mGy", "ctdi_vol_mgy"),
        "ctdi_phantom_cm": _phantom(found),
        "dlp_mgycm": value(DLP, "mGy·cm", "dlp_mgycm"),
        "duration_s": value(DURATION, "s", "duration_s"),
        "kvp": _mean(found, KVP),
        "ma": _mean(found, TUBE_CURRENT),
        "body_region": told(REGION),
        "ssde_mgy": value(SSDE, "mGy", "ssde_mgy"),
    }
    if event["duration_s"] is None:
        event["duration_s"] = value(EXPOSURE_TIME, "s", "duration_s")
    event["event_uid"] = told(EVENT_UID) or _made_up(event, place)
    _keep(notes, dose)
    if checks := _dose_checks(found):
        dose.details.setdefault("dose_check", {})[f"E{place}"] = checks
    return event


def _keep(notes: Notes, dose: Dose) -> None:
    """Keep an event's flags, and the values that could not be understood."""
    for flag in notes.flags:
        dose.notes.flag(flag)
    if notes.flags:
        dose.notes.raw += notes.raw


def _type(found: dict[Code, list[Dataset]]) -> str | None:
    """Return an event's type by its code, else in its own words."""
    items = found.get(EVENT_TYPE) or found.get(CT_TYPE)
    if not items:
        return None
    return TYPES.get(concept(items[0]) or ("", "")) or meaning(items[0])


def _phantom(found: dict[Code, list[Dataset]]) -> int | None:
    """Return the diameter of the CTDI phantom in cm."""
    items = found.get(PHANTOM)
    return _BODY_CM.get(concept(items[0]) or ("", "")) if items else None


def _mean(found: dict[Code, list[Dataset]], code: Code) -> float | None:
    """Return the mean of all values (several sources, or one a pulse) that are not 0."""
    values = [value for item in found.get(code, []) for value in numbers(item) if value > 0]
    return float(f"{sum(values) / len(values):.12g}") if values else None


def _made_up(event: dict[str, Any], place: int) -> str:
    """Return a stable name for an event that came without one."""
    text = json.dumps([str(value) for value in event.values()] + [place])
    return f"kerma.{hashlib.sha256(text.encode()).hexdigest()[:40]}"


def _dose_checks(found: dict[Code, list[Dataset]]) -> list[dict[str, str]]:
    """Return the alert and notification values of an acquisition as they were sent."""
    checks = []
    for kind in (DOSE_ALERT, DOSE_NOTIFICATION):
        for part in found.get(kind, []):
            for item in children(part):
                sent = number(item.data)
                told = f"{sent.text} {sent.unit}".strip() if sent else said(item.data)
                name = meaning(item.data, _CONCEPT_NAME) or item.code[0]
                if told:
                    checks.append({"code": item.code[0], "name": name, "value": told})
    return checks


def _compare(dose: Dose, total_name: str, event_name: str) -> None:
    """Flag a total that is not the sum of its events; both are kept."""
    total = dose.values.get(total_name)
    parts = [e[event_name] for e in dose.events if e[event_name] is not None]
    if not parts:
        return
    summed = sum(parts)
    if total is None:
        dose.notes.flag("total_missing")
    elif total == 0 and summed > 0:
        dose.notes.flag("zero_total_nonzero_events")
    elif abs(summed - total) > SUM_TOLERANCE * max(total, summed):
        dose.notes.flag("event_sum_differs")


def procedure_reported(root: list[Item]) -> Code | None:
    """Return the code of the procedure that the report is of."""
    found = _named(root, ("121058", DCM))
    return concept(found[0]) if found else None


def code_of_name(data: Dataset) -> Code | None:
    """Return the code of an object's title."""
    return code_at(data, _CONCEPT_NAME)
