"""Content items of a DICOM structured report: found by code, read leniently, item by item."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from etl import units
from etl.sources.dicom_codes import Code, canonical
from etl.sources.reports import Notes

_CONTENT, _CONCEPT_NAME, _CONCEPT = 0x0040A730, 0x0040A043, 0x0040A168
_VALUE, _SCHEME, _MEANING = 0x00080100, 0x00080102, 0x00080104
_LONG_VALUE, _URN_VALUE = 0x00080119, 0x00080120
_MEASURED, _NUMBER, _UNITS = 0x0040A300, 0x0040A30A, 0x004008EA
_FLOATING = 0x0040A161
_TEXT, _UID, _DATETIME, _NAME = 0x0040A160, 0x0040A124, 0x0040A120, 0x0040A123
_CHARACTER_SET = 0x00080005
#: Deeper than any template; a deeper tree is damaged or hostile.
_DEEPEST = 24


class DamagedError(Exception):
    """The content of an object cannot be read."""


@dataclass(slots=True)
class Item:
    """One content item: what it is called and where its value stands."""

    code: Code
    data: Dataset


@dataclass(slots=True)
class Number:
    """A measured value as sent, and its number where that can be read."""

    text: str
    unit: str
    value: float | None


def text(data: Dataset, tag: int) -> str:
    """Return the text of an element, decoded leniently; empty where there is none."""
    element = data.get_item(tag)
    if element is None or element.value is None:
        return ""
    _whole(element)
    value = element.value
    if isinstance(element, RawDataElement) and isinstance(value, bytes):
        if value.isascii() and b"\x1b" not in value:
            return value.decode("ascii").strip(" \0\r\n\t")
        if not _declared(data):
            return _undeclared(value).strip(" \0\r\n\t")
        value = data[tag].value
    if isinstance(value, bytes):
        return _undeclared(value).strip(" \0")
    if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue":
        return "\\".join(str(part) for part in value).strip()
    return str(value).strip(" \0\r\n\t")


def _declared(data: Dataset) -> bool:
    """Say whether a character set stands in the object; ``iso8859`` is what pydicom assumes."""
    known = data.original_character_set
    names = [known] if isinstance(known, str) else list(known or ())
    return any(name != "iso8859" for name in names)


def _undeclared(value: bytes) -> str:
    """Decode text without a character set: UTF-8 where it is valid, else Latin-1."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _whole(element: object) -> None:
    """Refuse an element that says it is longer than the bytes that follow it."""
    if not isinstance(element, RawDataElement) or element.value is None:
        return
    if element.length not in (len(element.value), 0xFFFFFFFF):
        raise DamagedError("an element is cut short")


def sequence(data: Dataset, tag: int) -> list[Dataset]:
    """Return the items of a sequence; none where it is absent or empty."""
    if tag not in data:
        return []
    element = data.get_item(tag)
    if element is not None:
        _whole(element)
    found = data[tag].value
    if not found:
        return []
    if isinstance(found, (bytes, str)) or not hasattr(found, "__iter__"):
        raise DamagedError("a sequence is no sequence")
    return list(found)


def code_at(data: Dataset, tag: int) -> Code | None:
    """Return the code that stands in a code sequence, or none."""
    entries = sequence(data, tag)
    if not entries:
        return None
    entry = entries[0]
    value = text(entry, _VALUE) or text(entry, _LONG_VALUE) or text(entry, _URN_VALUE)
    return canonical(value, text(entry, _SCHEME)) if value else None


def children(data: Dataset) -> list[Item]:
    """Return the content items right below one; those without a name have an empty code."""
    return [
        Item(code_at(entry, _CONCEPT_NAME) or ("", ""), entry) for entry in sequence(data, _CONTENT)
    ]


def below(data: Dataset, depth: int = 0) -> Iterator[Item]:
    """Yield all content items below one, at any depth."""
    if depth > _DEEPEST:
        raise DamagedError(f"content nested deeper than {_DEEPEST} levels")
    for item in children(data):
        yield item
        if _CONTENT in item.data:
            yield from below(item.data, depth + 1)


def gather(data: Dataset) -> dict[Code, list[Dataset]]:
    """Return all items below one by their code, in order."""
    found: dict[Code, list[Dataset]] = {}
    for item in below(data):
        found.setdefault(item.code, []).append(item.data)
    return found


def concept(data: Dataset) -> Code | None:
    """Return the code that a coded item says."""
    return code_at(data, _CONCEPT)


def meaning(data: Dataset, tag: int = _CONCEPT) -> str | None:
    """Return the words of a code, for people to read; never matched."""
    entries = sequence(data, tag)
    return (text(entries[0], _MEANING) or text(entries[0], _VALUE) or None) if entries else None


def said(data: Dataset) -> str | None:
    """Return what an item says, whatever its kind."""
    for tag in (_TEXT, _UID, _DATETIME, _NAME):
        if told := text(data, tag):
            return told
    return meaning(data)


def number(data: Dataset) -> Number | None:
    """Return the measured value of an item, or none where it has none (which is not 0)."""
    values = sequence(data, _MEASURED)
    if not values:
        return None
    sent = text(values[0], _NUMBER) or _floating(values[0])
    if not sent:
        return None
    code = code_at(values[0], _UNITS)
    return Number(sent, code[0] if code else "", _float(sent))


def _floating(measured: Dataset) -> str:
    """Return the value in binary that some makers send alone; empty where there is none."""
    value = measured[_FLOATING].value if _FLOATING in measured else None
    return repr(value) if isinstance(value, float) else ""


def numbers(data: Dataset) -> list[float]:
    """Return the numbers of an item that may hold several."""
    found = number(data)
    parts = [_float(part) for part in found.text.split("\\")] if found else []
    return [value for value in parts if value is not None]


def _float(sent: str) -> float | None:
    """Parse a decimal string; none for what is no finite number."""
    try:
        value = float(sent)
    except ValueError:
        return None
    return value if isfinite(value) and "_" not in sent else None


def quantity(data: Dataset, unit: str, name: str, notes: Notes) -> float | None:
    """Return a value in a canonical unit; what cannot be understood is null, noted and kept."""
    found = number(data)
    if found is None:
        return None
    factor = units.factor(found.unit, unit) if found.unit else None
    kept = (name, found.text, found.unit or None)
    if found.value is None or not 0 <= found.value <= units.LARGEST:
        notes.flag("value_unreadable")
        notes.raw.append(kept)
        return None
    if factor is None:
        notes.flag("unit_unknown")
        notes.raw.append(kept)
        return None
    if factor != 1.0:
        notes.raw.append(kept)
    return float(f"{found.value * factor:.15g}")
