"""DICOM dose reports of CT and fluoroscopy: found by content, everything else refused by name."""

import warnings
import zlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom import config
from pydicom.dataset import Dataset

from etl.sources import dicom_dose as dose
from etl.sources.base import RefusalError
from etl.sources.dicom_about import clock_of, report
from etl.sources.dicom_items import children, text
from etl.sources.dicom_kind import (
    NUCLEAR_TITLE,
    REFUSED,
    STRUCTURED,
    SUMMARY_TITLE,
    TITLE,
    modalities,
    refuse_class,
    refuse_mammography,
    refuse_radiography,
)
from etl.sources.reports import Report, staged
from etl.staging import SourceFile, Staged
from warehouse.settings import Settings

_DEFLATED = b"1.2.840.10008.1.2.1.99"
#: A dose report has a few megabytes at most; what claims more is an image or an attack.
LARGEST = 256 * 2**20


def stage(source: SourceFile, *, work_dir: Path, settings: Settings, key: bytes) -> Staged:
    """Read one object and stage it."""
    if source.bytes > LARGEST:
        raise RefusalError(f"has {source.bytes:,} bytes: too large for a dose report; remove it")
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")  # pydicom warns of what is checked here item by item
        try:
            reports = read(source, settings)
        except (RefusalError, MemoryError, FileNotFoundError, PermissionError):
            raise
        except Exception as error:
            # A damaged object can make the library raise anything; the file is refused in words.
            # Its own words may quote an element's value, so only the kind of error is told.
            raise RefusalError(
                f"is a damaged DICOM object ({type(error).__name__}): send it again"
            ) from error
    return staged(source, "dicom_sr", _apart(reports), work_dir, key)


def _apart(reports: list[Report]) -> list[Report]:
    """Give the second report of one object a name of its own."""
    return reports[:1] + [
        replace(one, uid=f"{one.uid}#{one.about['modality']}") for one in reports[1:]
    ]


def read(source: SourceFile, settings: Settings) -> list[Report]:
    """Read the dose reports of one object; raise RefusalError for any other object."""
    data = _load(source.path)
    persons = _persons(data)
    try:
        reports = _read(data, source, settings)
    except RefusalError as error:
        raise RefusalError(str(error), persons) from error
    return [replace(report, persons=persons) for report in reports]


def _persons(data: Dataset) -> tuple[str, ...]:
    """Return what the object says of who the patient is: ids, names, birth date."""
    tags = (0x00100020, 0x00100010, 0x00100030, 0x00101000, 0x00101001, 0x00101005)
    told = (text(data, tag) for tag in tags)
    return tuple(one for one in told if one)


def _read(data: Dataset, source: SourceFile, settings: Settings) -> list[Report]:
    """Read what an object that was loaded says of CT, of fluoroscopy, or of both."""
    sop_class = text(data, 0x00080016)
    refuse_class(sop_class)
    title = dose.code_of_name(data)
    if title == SUMMARY_TITLE:
        root = children(data)
        return [report(source, data, root, "fluoroscopy", dose.read_summary(root), settings)]
    if sop_class in STRUCTURED and title != TITLE:
        raise RefusalError("is a structured report without doses: only dose reports are read")
    if title == NUCLEAR_TITLE:
        raise RefusalError(REFUSED["1.2.840.10008.5.1.4.1.1.88.68"])
    root = children(data)
    if not root:
        raise RefusalError("is a dose report without content, or cut short: send it again")
    parts = dose.parts_of(root)
    clock, held = clock_of(data, settings), modalities(parts)
    found: dict[str, dose.Dose] = {}
    if "CT" in held:
        found["CT"] = dose.read_ct(parts, clock)
    if "fluoroscopy" in held:
        refuse_mammography(root, parts)
        found["fluoroscopy"] = dose.read_projection(parts, clock)
    if len(found) > 1:
        found = {name: one for name, one in found.items() if one.tells} or found
    if list(found) == ["fluoroscopy"]:
        refuse_radiography(data, root, found["fluoroscopy"], settings)
    return [report(source, data, root, name, one, settings) for name, one in found.items()]


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
    group = 132 if raw[128:132] == b"DICM" else 0
    length = int.from_bytes(raw[group + 8 : group + 12], "little")
    start = group + 12 + length  # behind the group that says its length
    unpacked = zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw[start:], LARGEST)
    if len(unpacked) >= LARGEST:
        raise RefusalError("unpacks to more than any dose report has: remove it")
