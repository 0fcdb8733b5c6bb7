"""What a dose report says: totals, planes, irradiation events, dose checks."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset

from etl.sources import dicom_codes as codes
from etl.sources.dicom_codes import Code
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
from etl.sources.reports import Notes

#: A total that differs more than this from the sum of its events is flagged.
SUM_TOLERANCE = 0.02


@dataclass
class Dose:
    """Doses of one report in canonical units, its events, and what to keep beside."""

    values: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)

    @property
    def tells(self) -> bool:
        """Whether there is a dose or an event at all."""
        return bool(self.events) or any(value is not None for value in self.values.values())


#: Containers of a report that carry doses, by code.
Parts = dict[Code, list[Dataset]]


def parts_of(root: list[Item]) -> Parts:
    """Return the containers that carry doses, wherever they hang: some makers nest them."""
    found = {kind: _named(root, kind) for kind in codes.CARRIERS}
    if any(found[total] and found[event] for total, event in codes.PAIRS):
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
    for part in parts[codes.CT_ACCUMULATED]:
        found = gather(part)
        total += _quantities(found, codes.DLP_TOTAL, "mGy·cm", "dlp_mgycm", dose.notes)
        stated += [value for item in found.get(codes.CT_EVENTS, []) for value in numbers(item)]
    _events(parts[codes.CT_ACQUISITION], dose, clock)
    in_scans = [e for e in dose.events if e["event_type"] != codes.LOCALISER]
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
    """Read a fluoroscopy dose report: planes add up in codes.KAP and time, not in air kerma."""
    dose = Dose()
    planes: dict[str, dict[str, float]] = {}
    for part in parts[codes.ACCUMULATED]:
        found = gather(part)
        # Planes without a name are taken as different ones, like those with two names.
        plane = _plane(found) or f"unnamed {len(planes) + 1}"
        into = planes.setdefault(plane, {})
        for name, (code, unit) in _TOTALS.items():
            notes = dose.notes if name in _MAIN else Notes()
            values = _quantities(found, code, unit, name, notes)
            if notes is not dose.notes:
                _keep(notes, dose)
            if values:
                into[name] = _added([into.get(name, 0.0), *values]) or 0.0
        point = found.get(codes.REFERENCE_POINT)
        if point and (told := said(point[0])):
            dose.details["reference_point"] = told
    _events(parts[codes.EVENT], dose, clock)
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
    "kap_gycm2": (codes.KAP_TOTAL, "Gy·cm²"),
    "air_kerma_mgy": (codes.KERMA_TOTAL, "mGy"),
    "fluoro_time_s": (codes.FLUORO_TIME, "s"),
    "fluoro_kap_gycm2": (codes.FLUORO_KAP, "Gy·cm²"),
    "fluoro_air_kerma_mgy": (codes.FLUORO_KERMA, "mGy"),
    "acquisition_kap_gycm2": (codes.ACQUISITION_KAP, "Gy·cm²"),
    "acquisition_air_kerma_mgy": (codes.ACQUISITION_KERMA, "mGy"),
    "acquisition_time_s": (codes.ACQUISITION_TIME, "s"),
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
        dose.values[name] = _added(
            _quantities(found, (value, codes.SUMMARY), unit, name, dose.notes)
        )
    for name, value in {"irradiation_start": "C-206", "irradiation_end": "C-208"}.items():
        if (value, codes.SUMMARY) in found:
            dose.details[name] = said(found[(value, codes.SUMMARY)][0])
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
    items = found.get(codes.PLANE)
    return codes.PLANES.get(concept(items[0]) or ("", "")) if items else None


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

    started = told(codes.STARTED)
    event = {
        "started_at": clock.stamp(started) if started else None,
        "event_type": _type(found),
        "protocol": told(codes.PROTOCOL),
        "plane": _plane(found),
        "air_kerma_mgy": value(codes.KERMA, "mGy", "air_kerma_mgy"),
        "kap_gycm2": value(codes.KAP, "Gy·cm²", "kap_gycm2"),
        "ctdi_vol_mgy": value(codes.CTDI_VOL, "mGy", "ctdi_vol_mgy"),
        "ctdi_phantom_cm": _phantom(found),
        "dlp_mgycm": value(codes.DLP, "mGy·cm", "dlp_mgycm"),
        "duration_s": value(codes.DURATION, "s", "duration_s"),
        "kvp": _mean(found, codes.KVP),
        "ma": _mean(found, codes.TUBE_CURRENT),
        "body_region": told(codes.REGION),
        "ssde_mgy": value(codes.SSDE, "mGy", "ssde_mgy"),
    }
    if event["duration_s"] is None:
        event["duration_s"] = value(codes.EXPOSURE_TIME, "s", "duration_s")
    event["event_uid"] = told(codes.EVENT_UID) or _made_up(event, place)
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
    items = found.get(codes.EVENT_TYPE) or found.get(codes.CT_TYPE)
    if not items:
        return None
    return codes.TYPES.get(concept(items[0]) or ("", "")) or meaning(items[0])


def _phantom(found: dict[Code, list[Dataset]]) -> int | None:
    """Return the diameter of the CTDI phantom in cm."""
    items = found.get(codes.PHANTOM)
    return codes.BODY_CM.get(concept(items[0]) or ("", "")) if items else None


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
    for kind in (codes.DOSE_ALERT, codes.DOSE_NOTIFICATION):
        for part in found.get(kind, []):
            for item in children(part):
                sent = number(item.data)
                told = f"{sent.text} {sent.unit}".strip() if sent else said(item.data)
                name = meaning(item.data, 0x0040A043) or item.code[0]
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
    found = _named(root, codes.REPORTED)
    return concept(found[0]) if found else None


def code_of_name(data: Dataset) -> Code | None:
    """Return the code of an object's title."""
    return code_at(data, 0x0040A043)
