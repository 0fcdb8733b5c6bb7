"""FHIR R4 resources in JSON: alone, in bundles, or one a line; found by what refers to them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etl.sources.base import RefusalError
from etl.sources.dicom_codes import Code

_SYSTEMS = {
    "http://dicom.nema.org/resources/ontology/DCM": "DCM",
    "urn:oid:1.2.840.10008.2.16.4": "DCM",
    "http://snomed.info/sct": "SCT",
    "urn:oid:2.16.840.1.113883.6.96": "SCT",
    "http://loinc.org": "LOINC",
    "urn:oid:2.16.840.1.113883.6.1": "LOINC",
}
_SUMMARY = ("73569-6", "LOINC")
_DEEPEST = 64


def parse(path: Path) -> dict[str, Any]:
    """Read JSON, and refuse what is no resource; one resource a line is read as one bundle."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        try:
            found = json.loads(text)
        except json.JSONDecodeError as error:
            if error.msg != "Extra data":
                raise
            found = _lines(text)
    except (ValueError, RecursionError) as error:
        told = str(error)[:200]
        raise RefusalError(f"is no JSON ({told}): send it again") from error
    if not isinstance(found, dict) or not isinstance(found.get("resourceType"), str):
        raise RefusalError("is JSON but no FHIR resource (it has no resourceType): remove it")
    return found


def _lines(text: str) -> dict[str, Any]:
    """Return the resources that stand one a line (ndjson, FHIR bulk data) as a bundle."""
    entries = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                entries.append({"resource": json.loads(line)})
            except json.JSONDecodeError as error:
                raise RefusalError(
                    f"line {number} is no JSON ({error}): send the file again"
                ) from error
    return {"resourceType": "Bundle", "entry": entries}


@dataclass
class Resources:
    """The resources of a file by what refers to them."""

    root: dict[str, Any]
    by_reference: dict[str, dict[str, Any]] = field(default_factory=dict)
    summaries: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for url, resource in _walk(self.root):
            kind = resource["resourceType"]
            if url:
                self.by_reference[url] = resource
            if isinstance(resource.get("id"), str):
                self.by_reference[f"{kind}/{resource['id']}"] = resource
            if kind == "Observation" and _SUMMARY in codes(resource.get("code")):
                self.summaries.append(resource)

    def find(self, reference: Any, within: dict[str, Any]) -> dict[str, Any]:
        """Return the resource that a reference names, or an empty one."""
        name = as_dict(reference).get("reference")
        if not isinstance(name, str):
            return {}
        if name.startswith("#"):
            inside = (r for r in as_dicts(within.get("contained")) if r.get("id") == name[1:])
            return next(inside, {})
        short = "/".join(name.split("/_history")[0].split("/")[-2:])
        return self.by_reference.get(name) or self.by_reference.get(short) or {}


def _walk(
    resource: Any, url: str | None = None, depth: int = 0
) -> Iterator[tuple[str | None, Any]]:
    """Yield every resource of a bundle with its address."""
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        return
    if depth > _DEEPEST:
        raise RefusalError("holds bundles within bundles without end: remove it")
    if resource["resourceType"] != "Bundle":
        yield url, resource
        return
    for entry in as_dicts(resource.get("entry")):
        address = entry.get("fullUrl")
        yield from _walk(
            entry.get("resource"), address if isinstance(address, str) else None, depth + 1
        )


def as_dict(value: Any) -> dict[str, Any]:
    """Return an object; what is none is an empty one."""
    return value if isinstance(value, dict) else {}


def as_dicts(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list, or a lone object as a list."""
    listed = value if isinstance(value, list) else [value]
    return [one for one in listed if isinstance(one, dict)]


def as_text(value: Any) -> str | None:
    """Return a text without outer blanks; none where there is none."""
    return value.strip() or None if isinstance(value, str) else None


def codes(concept: Any) -> list[Code]:
    """Return the codes of a concept by value and scheme."""
    return [
        (str(c.get("code")), _SYSTEMS.get(str(c.get("system")).split("|")[0], ""))
        for c in as_dicts(as_dict(concept).get("coding"))
    ]


def dicom_uid(identifiers: Any, kind: str | None = None) -> str | None:
    """Return a DICOM UID from identifiers, without its mark."""
    for one in as_dicts(identifiers):
        types = [code for code, _ in codes(one.get("type"))]
        value = as_text(one.get("value"))
        if (
            value
            and one.get("system") == "urn:dicom:uid"
            and (kind is None or not types or kind in types)
        ):
            return value.removeprefix("urn:oid:")
    return None
