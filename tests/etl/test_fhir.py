"""FHIR Radiation Dose Summaries, as the guide's profiles have them."""

import copy
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl import normalise as to
from etl.staging import Staged
from tests.etl.dicom_made import KEY, read

DCM = "http://dicom.nema.org/resources/ontology/DCM"
V2 = "http://terminology.hl7.org/CodeSystem/v2-0203"
ID_TYPE = "http://hl7.org/fhir/uv/radiation-dose-summary/CodeSystem/dicom-identifier-type"


def coded(value: str, system: str = DCM) -> dict:
    return {"coding": [{"system": system, "code": value, "display": "wrong on purpose"}]}


def component(concept: str, value: float, unit: str, **more: Any) -> dict:
    quantity = {"value": value, "unit": unit, "system": "http://unitsofmeasure.org"} | more
    return {"code": coded(concept), "valueQuantity": quantity}


def identifier(kind: str, value: str, system: str = "urn:dicom:uid") -> dict:
    return {"type": coded(kind, ID_TYPE), "system": system, "value": value}


def summary(*components: dict, reported: dict | None = None, **more: Any) -> dict:
    made = {
        "resourceType": "Observation",
        "id": "139",
        "status": "final",
        "identifier": [identifier("sop-instance-uid", "urn:oid:1.2.840.7.1")],
        "code": coded("73569-6", "http://loinc.org"),
        "subject": {"reference": "Patient/56", "display": "Somebody"},
        "partOf": [{
            "reference": "ImagingStudy/342",
            "identifier": identifier("study-instance-uid", "urn:oid:1.2.840.7"),
        }],
        "basedOn": [{"identifier": {"type": coded("ACSN", V2), "value": "A1"}}],
        "focus": [{"reference": "ImagingStudy/342"}],
        "effectiveDateTime": "2026-03-02T08:15:00Z",
        "device": {"reference": "Device/539"},
        "valueString": "as text",
        "component": [
            {"code": coded("121058"), "valueCodeableConcept": reported or coded("113704")},
            *components,
        ],
    }  # fmt: skip
    return made | more


def bundle(*summaries: dict) -> dict:
    patient = {
        "resourceType": "Patient",
        "id": "56",
        "birthDate": "1966-03-02",
        "gender": "female",
        "name": [{"family": "Doe"}],
        "identifier": [{"system": "urn:pid", "value": "P-77"}],
    }
    study = {"resourceType": "ImagingStudy", "id": "342", "description": "Facet injection",
             "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.840.7"}]}  # fmt: skip
    device = {"resourceType": "Device", "id": "539", "manufacturer": "Acme",
              "identifier": [identifier("application-entity", "XA01", "")],
              "deviceName": [{"type": "model-name", "name": "Arc 3"}]}  # fmt: skip
    entries = [
        {"fullUrl": f"urn:uuid:{number}", "resource": resource}
        for number, resource in enumerate([patient, study, device, *summaries])
    ]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


FLUORO = (
    component("113722", 13639, "mGy.cm2"),
    component("113725", 0.212, "Gy"),
    component("113730", 7.5, "min"),
    component("113726", 4523, "mGy.cm2"),
)


def stage(resource: Any, folder: Path, name: str = "dose.json") -> Staged:
    path = folder / name
    path.write_text(resource if isinstance(resource, str) else json.dumps(resource), "utf-8")
    return read(path, folder)


def row(staged: Staged) -> dict:
    assert staged.refusal is None and staged.rejected.is_empty(), (staged.refusal, staged.rejected)
    return staged.reports.row(0, named=True)


def test_fluoroscopy(tmp_path: Path) -> None:
    staged = stage(bundle(summary(*FLUORO)), tmp_path)
    found = row(staged)
    assert (found["modality"], found["kap_gycm2"]) == ("fluoroscopy", 13.639)
    assert (found["air_kerma_mgy"], found["fluoro_time_s"]) == (212.0, 450.0)
    assert (found["accession_number"], found["study_uid"]) == ("A1", "1.2.840.7")
    assert str(found["started_at"]) == "2026-03-02 09:15:00"  # 08:15 UTC in Berlin
    assert (found["device"], found["manufacturer"], found["model"]) == ("XA01", "Acme", "Arc 3")
    assert staged.procedures is not None
    procedure = pl.read_parquet(staged.procedures).row(0, named=True)
    assert procedure["patient_key"] == to.pseudonymiser(KEY)("P-77")
    assert (procedure["age_years"], procedure["sex"]) == (60.0, "F")
    told = json.dumps([staged.reports.to_dicts(), procedure], default=str)
    assert "Doe" not in told and "Somebody" not in told and "P-77" not in told
    assert ("kap_gycm2", "13639", "mGy.cm2") in staged.raw_values.select(
        "field", "text", "unit"
    ).rows()


def test_ct_alone_without_a_bundle(tmp_path: Path) -> None:
    ct = coded("77477000", "http://snomed.info/sct")
    found = row(stage(summary(component("113813", 203.12, "mGy.cm"), reported=ct), tmp_path))
    assert (found["modality"], found["dlp_mgycm"]) == ("CT", 203.12)


def test_components_of_two_planes_come_together(tmp_path: Path) -> None:
    planes = [component("113722", kap, "Gy.cm2") for kap in (3, 1)]
    planes += [component("113725", kerma, "mGy") for kerma in (10, 4)]
    planes += [component("113730", seconds, "s") for seconds in (60, 30)]
    found = row(stage(summary(*planes), tmp_path))
    assert (found["kap_gycm2"], found["air_kerma_mgy"], found["fluoro_time_s"]) == (4.0, 10.0, 90.0)


def test_one_component_under_two_names_of_a_scheme_counts_once(tmp_path: Path) -> None:
    both = component("113722", 2.4, "Gy.cm2")
    both["code"]["coding"].append({"system": "urn:oid:1.2.840.10008.2.16.4", "code": "113722"})
    assert row(stage(summary(both), tmp_path))["kap_gycm2"] == 2.4


def test_schemes_by_their_identifiers_and_a_period_are_read(tmp_path: Path) -> None:
    made = summary(*FLUORO, code=coded("73569-6", "urn:oid:2.16.840.1.113883.6.1"))
    made["effectivePeriod"] = {"start": made.pop("effectiveDateTime")}
    assert str(row(stage(made, tmp_path))["started_at"]) == "2026-03-02 09:15:00"


def test_a_correction_covers_what_it_corrects(tmp_path: Path) -> None:
    first, second = (
        row(stage(summary(component("113722", kap, "Gy.cm2")), tmp_path)) for kap in (2.4, 2.6)
    )
    assert first["report_uid"] != second["report_uid"]
    assert first["event_uids"] == second["event_uids"] == ["1.2.840.7.1"]
    unnamed = {"identifier": []}
    third, fourth = (
        row(stage(summary(component("113722", kap, "Gy.cm2"), **unnamed), tmp_path))
        for kap in (2.4, 2.6)
    )
    assert third["event_uids"] == fourth["event_uids"] != first["event_uids"]


def test_the_code_of_a_unit_goes_before_its_words(tmp_path: Path) -> None:
    odd = component("113722", 2.4, "as printed", code="Gy.cm2")
    assert row(stage(summary(odd), tmp_path))["kap_gycm2"] == 2.4


@pytest.mark.parametrize(
    ("part", "flag"),
    [
        (component("113722", 5, "furlong"), "unit_unknown"),
        (component("113722", 5, ""), "unit_unknown"),
        (component("113722", -5, "Gy.m2"), "value_unreadable"),
        (component("113722", 5, "Gy.m2", comparator="<"), "value_unreadable"),
    ],
)
def test_what_is_not_understood_is_null_and_flagged(tmp_path: Path, part: dict, flag: str) -> None:
    staged = stage(summary(part, *FLUORO[1:]), tmp_path)
    assert row(staged)["kap_gycm2"] is None and flag in row(staged)["flags"]
    assert "kap_gycm2" in staged.raw_values["field"].to_list()


def test_codes_decide_not_words_or_other_schemes(tmp_path: Path) -> None:
    other = {
        "code": coded("113722", "http://example.org"),
        "valueQuantity": {"value": 9, "unit": "Gy.cm2"},
    }
    assert row(stage(summary(other, *FLUORO[1:]), tmp_path))["kap_gycm2"] is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"reported": coded("71651007", "http://snomed.info/sct")}, "mammography"),
        ({"reported": coded("113502")}, "nuclear-medicine"),
        ({"status": "entered-in-error"}, "withdrew"),
    ],
)
def test_one_that_is_not_read_does_not_lose_the_others(
    tmp_path: Path, change: dict, reason: str
) -> None:
    staged = stage(bundle(summary(*FLUORO), summary(*FLUORO, id="140", **change)), tmp_path)
    assert (staged.read, staged.reports.height) == (2, 1)
    assert reason in staged.rejected["reasons"].item()[0]


def test_orders_and_studies_are_found_by_reference(tmp_path: Path) -> None:
    order = {"resourceType": "ServiceRequest", "id": "9",
             "identifier": [{"type": coded("ACSN"), "value": "B2"}]}  # fmt: skip
    made = summary(
        *FLUORO,
        basedOn=[{"reference": "ServiceRequest/9"}],
        partOf=[{"reference": "ImagingStudy/342"}],
    )
    whole = bundle(made)
    whole["entry"].append({"resource": order})
    found = row(stage(whole, tmp_path))
    assert (found["accession_number"], found["study_uid"]) == ("B2", "1.2.840.7")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "no JSON"),
        ("", "no JSON"),
        ("[1]", "no FHIR resource"),
        ('{"a": 1}', "no FHIR resource"),
        ('{"resourceType": "Patient"}', "no Radiation Dose Summary"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_other_json_is_refused_in_words(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in (stage(text, tmp_path).refusal or "")


def test_one_resource_a_line_is_a_bundle(tmp_path: Path) -> None:
    """FHIR bulk data (ndjson), whatever its name; a line that is no JSON is named."""
    parts = [entry["resource"] for entry in bundle(summary(*FLUORO))["entry"]]
    text = "\n".join(json.dumps(part) for part in parts) + "\n"
    for name in ("dose.ndjson", "dose.jsonl", "dose.json", "dose"):
        found = row(stage(text, tmp_path, name))
        assert (found["kap_gycm2"], found["accession_number"]) == (13.639, "A1")
    cut = stage(text[:-9], tmp_path, "cut.ndjson")
    assert f"line {len(parts)} is no JSON" in (cut.refusal or "")


def test_a_summary_without_a_date_is_rejected(tmp_path: Path) -> None:
    staged = stage(summary(*FLUORO, effectiveDateTime="soon"), tmp_path)
    assert staged.read == 1 and "performed_on" in staged.rejected["reasons"].item()[0]


def test_any_part_may_be_of_any_type(tmp_path: Path) -> None:
    """Whatever stands in a place, the file ends in rows or in words."""
    whole = bundle(summary(*FLUORO))
    for number, wrong in enumerate((None, 1, "x", [], {}, [None], {"coding": 3})):
        for key in list(whole["entry"][3]["resource"]):
            made = copy.deepcopy(whole)
            made["entry"][3]["resource"][key] = wrong
            staged = stage(made, tmp_path, f"{number}-{key}.json")
            assert staged.refusal or staged.read == staged.reports.height + staged.rejected.height
