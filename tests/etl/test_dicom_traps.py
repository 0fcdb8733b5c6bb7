"""Every trap that real dose reports set, in reports made for it."""

import json
import re
import zlib
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from etl import normalise as to
from etl.staging import Staged
from tests.etl import dicom_made as made


def row(staged: Staged) -> dict:
    """Return the one report of a file."""
    assert staged.refusal is None, staged.refusal
    assert staged.rejected.is_empty(), staged.rejected.to_dicts()
    return staged.reports.row(0, named=True)


def load(data: Dataset, folder: Path, name: str = "report", **settings: object) -> dict:
    return row(made.read(made.save(data, folder / name), folder, **settings))


def refusal(data: Dataset, folder: Path, **settings: object) -> str:
    staged = made.read(made.save(data, folder / "report.dcm"), folder, **settings)
    assert staged.refusal is not None
    assert staged.read == 0 and staged.procedures is None
    return staged.refusal


def test_a_fluoroscopy_report_in_canonical_units(tmp_path: Path) -> None:
    staged = made.read(made.save(made.projection(), tmp_path / "r"), tmp_path)
    found = row(staged)
    assert found["modality"] == "fluoroscopy"
    assert (found["kap_gycm2"], found["air_kerma_mgy"], found["fluoro_time_s"]) == (2.4, 11.7, 72.5)
    assert found["flags"] == []
    first = staged.events.row(0, named=True)
    assert first["event_type"] == "Fluoroscopy" and first["protocol"] == "Spine 7.5 fps"
    assert (first["kap_gycm2"], first["air_kerma_mgy"]) == (1.2, 5.85)
    assert (first["kvp"], first["ma"], first["duration_s"]) == (72, 8, 10)
    assert first["body_region"] == "Lumbar spine" and str(first["started_at"]).endswith("09:15:01")
    kept = staged.raw_values.select("field", "text", "unit").rows()
    assert ("kap_gycm2", "0.00024", "Gy.m2") in kept and ("air_kerma_mgy", "0.0117", "Gy") in kept


def test_the_patient_is_a_keyed_hash_and_is_measured(tmp_path: Path) -> None:
    staged = made.read(made.save(made.projection(), tmp_path / "r"), tmp_path)
    assert staged.procedures is not None
    procedure = pl.read_parquet(staged.procedures).row(0, named=True)
    assert procedure["patient_key"] == to.pseudonymiser(made.KEY)("P-77")
    assert (procedure["age_years"], procedure["sex"]) == (60.0, "F")
    assert (procedure["height_cm"], procedure["weight_kg"]) == (170.0, 70.0)
    assert procedure["procedure_name"] == "Facet joint injection"
    told = json.dumps([staged.reports.to_dicts(), procedure], default=str)
    assert "P-77" not in told and "Doe" not in told


@pytest.mark.parametrize(
    ("unit", "sent", "gycm2"),
    [
        ("Gy.m2", "0.00024", 2.4),
        ("Gym2", "2.4e-004", 2.4),
        ("dGy.cm2", "24", 2.4),
        ("cGy.cm2", "240", 2.4),
        ("mGy.cm2", "2400", 2.4),
        ("uGy.m2", "240", 2.4),
        ("Gy.cm^2", "2.4", 2.4),
    ],
)
def test_units_of_kap(tmp_path: Path, unit: str, sent: str, gycm2: float) -> None:
    found = load(made.projection([made.plane(kap=sent, kap_unit=unit)]), tmp_path)
    assert found["kap_gycm2"] == pytest.approx(gycm2, rel=1e-12)


def test_air_kerma_in_milligray(tmp_path: Path) -> None:
    found = load(made.projection([made.plane(kerma="30.573", kerma_unit="mGy")]), tmp_path)
    assert found["air_kerma_mgy"] == 30.573


@pytest.mark.parametrize("unit", ["furlong", "", "Gy", "mGy.cm"])
def test_an_unknown_unit_is_null_flagged_and_kept(tmp_path: Path, unit: str) -> None:
    data = made.projection([made.plane(kap_unit=unit)])
    staged = made.read(made.save(data, tmp_path / "r"), tmp_path)
    found = row(staged)
    assert found["kap_gycm2"] is None and "unit_unknown" in found["flags"]
    assert ("kap_gycm2", "0.00024") in staged.raw_values.select("field", "text").rows()
    assert found["air_kerma_mgy"] == 11.7


def test_no_measured_value_is_null_not_zero(tmp_path: Path) -> None:
    found = load(made.projection([made.plane(kap=None, kerma=None)]), tmp_path)
    assert found["kap_gycm2"] is None and found["air_kerma_mgy"] is None
    events = [made.exposure(1, kap=None, kerma=None)]
    staged = made.read(
        made.save(made.projection([made.plane(), *events]), tmp_path / "e"), tmp_path
    )
    assert staged.events.row(0, named=True)["kap_gycm2"] is None


def test_zero_total_with_events_is_kept_and_flagged(tmp_path: Path) -> None:
    found = load(made.projection([made.plane(kerma="0"), made.exposure(1)]), tmp_path)
    assert found["air_kerma_mgy"] == 0.0
    assert "zero_total_nonzero_events" in found["flags"]


@pytest.mark.parametrize(
    ("total", "flagged"), [("0.00024", False), ("0.000244", False), ("0.000286", True)]
)
def test_a_total_that_is_not_the_sum_is_kept_and_flagged(
    tmp_path: Path, total: str, flagged: bool
) -> None:
    found = load(
        made.projection([made.plane(kap=total), made.exposure(1), made.exposure(2)]), tmp_path
    )
    assert found["kap_gycm2"] == pytest.approx(float(total) * 1e4)
    assert ("event_sum_differs" in found["flags"]) is flagged


def test_a_missing_total_is_flagged_and_not_made_up(tmp_path: Path) -> None:
    found = load(made.tomography(total=None), tmp_path)
    assert found["dlp_mgycm"] is None and "total_missing" in found["flags"]


def test_biplane_adds_kap_and_time_but_not_air_kerma(tmp_path: Path) -> None:
    planes = [
        made.plane("113620", kap="0.0003", kerma="0.010", time="60"),
        made.plane("113621", kap="0.0001", kerma="0.004", time="30"),
    ]
    events = [
        made.exposure(1, kap="0.0003", kerma="0.010", on="113620"),
        made.exposure(1, kap="0.0001", kerma="0.004", on="113621"),
    ]
    staged = made.read(made.save(made.projection([*planes, *events]), tmp_path / "r"), tmp_path)
    found = row(staged)
    assert (found["kap_gycm2"], found["air_kerma_mgy"], found["fluoro_time_s"]) == (4.0, 10.0, 90.0)
    held = json.loads(found["details"])["planes"]
    assert held["B"] == {"kap_gycm2": 1.0, "air_kerma_mgy": 4.0, "fluoro_time_s": 30.0}
    assert staged.events["plane"].to_list() == ["A", "B"]
    assert staged.events["event_uid"].n_unique() == 2  # both planes sent one UID


def test_a_second_plane_of_zeros(tmp_path: Path) -> None:
    planes = [made.plane("113620"), made.plane("113621", kap="0", kerma="0", time="0")]
    found = load(made.projection(planes), tmp_path)
    assert (found["kap_gycm2"], found["air_kerma_mgy"]) == (2.4, 11.7)


def test_a_ct_report(tmp_path: Path) -> None:
    localiser = made.scan(3, ctdi="99", dlp="1", kind=("113805", "DCM"))
    head = made.scan(1, ctdi="12", phantom="113690", dlp="100")
    body = made.scan(2, ctdi="8", dlp="70")
    staged = made.read(
        made.save(
            made.tomography([localiser, head, body], total="171", events="3"), tmp_path / "r"
        ),
        tmp_path,
    )
    found = row(staged)
    assert (found["modality"], found["dlp_mgycm"], found["n_events_stated"]) == ("CT", 171.0, 3)
    assert (found["ctdi_vol_mgy"], found["ctdi_phantom_cm"]) == (12.0, 16)  # not the localiser's
    assert found["flags"] == []
    assert staged.events["event_type"].to_list() == [
        "Constant Angle Acquisition", "Spiral Acquisition", "Spiral Acquisition",
    ]  # fmt: skip
    first = staged.events.row(1, named=True)
    assert (first["kvp"], first["ma"], first["duration_s"]) == (120, 80, 3.2)


def test_a_localiser_without_dose_and_a_missing_protocol(tmp_path: Path) -> None:
    bare = made.item(
        "CONTAINER", "113819", [made.coded("113820", "113805"), made.uid("113769", "1.2")]
    )
    staged = made.read(
        made.save(made.tomography([bare, made.scan(1)], total="170"), tmp_path / "r"), tmp_path
    )
    assert row(staged)["dlp_mgycm"] == 170
    first = staged.events.row(0, named=True)
    assert (
        first["ctdi_vol_mgy"] is None and first["protocol"] is None and first["started_at"] is None
    )


def test_events_fewer_than_stated_are_flagged(tmp_path: Path) -> None:
    assert "event_count_differs" in load(made.tomography(events="5"), tmp_path)["flags"]


def test_several_tubes_are_averaged_without_zeros(tmp_path: Path) -> None:
    tubes = [
        made.item("CONTAINER", "113831", [made.num("113733", value, "kV")]) for value in ("80", "0")
    ]
    staged = made.read(
        made.save(made.tomography([made.scan(1, further=tubes)], total="170"), tmp_path / "r"),
        tmp_path,
    )
    assert staged.events.row(0, named=True)["kvp"] == 100  # of 120, 80 and 0


def test_values_of_each_pulse_are_averaged(tmp_path: Path) -> None:
    pulses = made.exposure(1, further=[made.num("113734", "0\\10\\20", "mA")])
    staged = made.read(made.save(made.projection([made.plane(), pulses]), tmp_path / "r"), tmp_path)
    assert staged.events.row(0, named=True)["ma"] == pytest.approx((8 + 10 + 20) / 3)


def test_an_illegal_decimal_costs_one_value_not_the_file(tmp_path: Path) -> None:
    scans = [made.scan(1, ctdi="10.50/ 15.00"), made.scan(2)]
    staged = made.read(made.save(made.tomography(scans), tmp_path / "r"), tmp_path)
    found = row(staged)
    assert found["dlp_mgycm"] == 340 and found["ctdi_vol_mgy"] == 8.5
    assert staged.events.row(0, named=True)["ctdi_vol_mgy"] is None
    assert "value_unreadable" in found["flags"]
    assert ("E1.ctdi_vol_mgy", "10.50/ 15.00") in staged.raw_values.select("field", "text").rows()


@pytest.mark.parametrize("sent", ["-3", "NaN", "inf", "1_0", "ten"])
def test_no_dose_is_negative_or_no_number(tmp_path: Path, sent: str) -> None:
    found = load(made.tomography(total=sent), tmp_path)
    assert found["dlp_mgycm"] is None and "value_unreadable" in found["flags"]


def test_dose_checks_are_kept(tmp_path: Path) -> None:
    checks = made.item(
        "CONTAINER",
        "113900",
        [made.coded("113902", "R-0038D", "SRT", "Yes"), made.num("113904", "1000.00", "mGy")],
    )
    scans = [made.scan(1, further=[checks]), made.scan(2)]
    held = json.loads(load(made.tomography(scans), tmp_path)["details"])["dose_check"]
    assert [(c["code"], c["value"]) for c in held["E1"]] == [
        ("113902", "Yes"),
        ("113904", "1000.00 mGy"),
    ]
    assert "E2" not in held


def test_codes_decide_not_words(tmp_path: Path) -> None:
    data = made.projection()
    for part in data.ContentSequence:
        part.ConceptNameCodeSequence[0].CodeMeaning = "CT Acquisition"
    assert load(data, tmp_path)["kap_gycm2"] == 2.4
    other = made.plane()
    other.ConceptNameCodeSequence[0].CodingSchemeDesignator = "99ACME"
    assert load(made.projection([other, made.exposure(1)]), tmp_path, "o")["kap_gycm2"] is None


@pytest.mark.parametrize(
    "kind",
    [("P5-06000", "SRT"), ("44491008", "SCT"), ("P5-06000", "SNM3"), ("P5-06000", "99SDM"),
     ("P5-06000", "SCT"), ("44491008", "sct")],
)  # fmt: skip
def test_old_and_new_codes_of_fluoroscopy(tmp_path: Path, kind: tuple[str, str]) -> None:
    data = made.projection([made.plane(time="0"), made.exposure(1, kind=kind)])
    assert load(data, tmp_path)["modality"] == "fluoroscopy"


@pytest.mark.parametrize("scheme", ["dcm", "DCM "])
def test_a_scheme_is_known_however_it_is_written(tmp_path: Path, scheme: str) -> None:
    data = made.projection()
    data.ContentSequence[1].ConceptNameCodeSequence[0].CodingSchemeDesignator = scheme
    assert load(data, tmp_path)["kap_gycm2"] == 2.4


def test_a_value_in_binary_alone_is_read(tmp_path: Path) -> None:
    data = made.projection()
    for part in data.ContentSequence[1].ContentSequence:
        if part.ValueType == "NUM":
            measured = part.MeasuredValueSequence[0]
            measured.FloatingPointValue = float(measured[0x0040A30A]._value)
            del measured[0x0040A30A]
    found = load(data, tmp_path)
    assert (found["kap_gycm2"], found["air_kerma_mgy"], found["fluoro_time_s"]) == (2.4, 11.7, 72.5)


@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
    ids=lambda syntax: syntax.name,
)
def test_every_transfer_syntax_of_reports_is_read(tmp_path: Path, syntax: UID) -> None:
    data = made.projection()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    dcmwrite(tmp_path / "r", data, enforce_file_format=True)
    assert row(made.read(tmp_path / "r", tmp_path))["kap_gycm2"] == 2.4
    headless = tmp_path / "headless"
    headless.write_bytes((tmp_path / "r").read_bytes()[132:])
    assert row(made.read(headless, tmp_path))["kap_gycm2"] == 2.4


def test_a_room_with_a_ct_and_a_fluoroscope_tells_of_both(tmp_path: Path) -> None:
    data = made.tomography()
    data.ContentSequence = [*data.ContentSequence, made.plane(), made.exposure(1), made.exposure(2)]
    staged = made.read(made.save(data, tmp_path / "r"), tmp_path)
    told = staged.reports.select("modality", "dlp_mgycm", "kap_gycm2", "air_kerma_mgy").rows()
    assert told == [("CT", 340.0, None, None), ("fluoroscopy", None, 2.4, 11.7)]
    assert staged.reports["report_uid"].n_unique() == 2 and staged.events.height == 4
    empty = made.tomography()
    empty.ContentSequence = [*empty.ContentSequence, made.item("CONTAINER", "113702")]
    assert load(empty, tmp_path)["modality"] == "CT"


def test_planes_without_a_name_are_not_added_in_air_kerma(tmp_path: Path) -> None:
    planes = [made.plane(kap="0.0003", kerma="0.010"), made.plane(kap="0.0001", kerma="0.004")]
    for one in planes:
        del one.ContentSequence[0]
    found = load(made.projection(planes), tmp_path)
    assert (found["kap_gycm2"], found["air_kerma_mgy"]) == (4.0, 10.0)


def test_without_template_the_reported_procedure_decides(tmp_path: Path) -> None:
    assert load(made.projection(template=None), tmp_path)["modality"] == "fluoroscopy"
    assert load(made.tomography(template=None), tmp_path, "ct")["modality"] == "CT"


def test_a_wrong_template_loses_no_dose(tmp_path: Path) -> None:
    """What a report holds goes before the template that it names."""
    fluoro = load(made.projection(template="10011"), tmp_path)
    assert (fluoro["modality"], fluoro["kap_gycm2"]) == ("fluoroscopy", 2.4)
    ct = load(made.tomography(template="10001"), tmp_path, "ct")
    assert (ct["modality"], ct["dlp_mgycm"]) == ("CT", 340.0)


def test_doses_are_found_wherever_their_containers_hang(tmp_path: Path) -> None:
    """Some makers hang the events below the totals, or all of it below a section of their own."""
    plane = made.plane()
    plane.ContentSequence += [made.exposure(1), made.exposure(2)]
    within = made.read(made.save(made.projection([plane]), tmp_path / "within"), tmp_path)
    assert within.reports["kap_gycm2"].item() == 2.4
    assert within.events["kap_gycm2"].to_list() == [1.2, 1.2]
    totals = made.item("CONTAINER", "113811", [made.num("113813", "340", "mGy.cm")])
    section = made.item("CONTAINER", made.code("1", "99ACME"), [totals, made.scan(1), made.scan(2)])
    below = made.read(
        made.save(made.report([section], template=None), tmp_path / "below"), tmp_path
    )
    found = below.reports.row(0, named=True)
    assert (found["modality"], found["dlp_mgycm"], found["ctdi_vol_mgy"]) == ("CT", 340.0, 8.5)
    assert below.events.height == 2


def test_a_report_without_any_dose_container_is_refused(tmp_path: Path) -> None:
    data = made.report([made.words("121106", "no exposure")], template="10001")
    staged = made.read(made.save(data, tmp_path / "none"), tmp_path)
    assert "without a total or an event" in (staged.refusal or "")


def test_a_figure_beyond_any_real_one_costs_that_value_only(tmp_path: Path) -> None:
    row = load(made.projection([made.plane(kap="1e300"), made.exposure(1)]), tmp_path)
    assert (row["kap_gycm2"], row["air_kerma_mgy"]) == (None, 11.7)
    assert "value_unreadable" in row["flags"]


@pytest.mark.parametrize("sop_class", [made.ENHANCED_SR, "1.2.840.10008.5.1.4.1.1.88.33"])
def test_other_classes_that_carry_a_dose_report(tmp_path: Path, sop_class: str) -> None:
    assert load(made.tomography(sop_class=sop_class), tmp_path)["dlp_mgycm"] == 340


def test_a_summary_in_the_maker_s_own_scheme(tmp_path: Path) -> None:
    own = "99SMS_RADSUM"
    data = made.report(
        [
            made.num(made.code("C-202", own), "34.427", "s"),
            made.num(made.code("C-204", own), "0.2359", "Gy.cm^2"),
            made.num(made.code("C-210", own), None),
        ],
        template=None,
        title=made.code("C-10", own),
        sop_class=made.ENHANCED_SR,
    )
    found = load(data, tmp_path)
    assert (found["kap_gycm2"], found["fluoro_time_s"]) == (0.2359, 34.427)
    assert found["air_kerma_mgy"] is None and found["event_uids"] == [found["report_uid"]]


@pytest.mark.parametrize(
    ("sop_class", "reason"),
    [
        ("1.2.840.10008.5.1.4.1.1.88.76", "Enhanced X-Ray Radiation Dose SR"),
        ("1.2.840.10008.5.1.4.1.1.88.68", "nuclear-medicine"),
        ("1.2.840.10008.5.1.4.1.1.88.73", "Patient Radiation Dose SR"),
        ("1.2.840.10008.5.1.4.1.1.1.1.1", "is an image"),
        ("1.2.840.10008.5.1.4.1.1.2", "is an image"),
        ("1.2.840.10008.5.1.4.1.1.88.59", "is no dose report|without doses"),
        ("1.2.840.10008.5.1.4.1.1.104.1", "is no dose report"),
        ("", "without a SOP class"),
    ],
)
def test_other_objects_are_refused_by_name(tmp_path: Path, sop_class: str, reason: str) -> None:
    data = made.projection()
    data.SOPClassUID = sop_class
    path = made.save(data, tmp_path / "r.dcm", part10=bool(sop_class))
    assert re.search(reason, made.read(path, tmp_path).refusal or "")


def test_a_structured_report_without_dose_is_refused(tmp_path: Path) -> None:
    data = made.report([made.words("121071", "normal")], template=None, sop_class=made.ENHANCED_SR,
                       title=made.code("18748-4", "LN"))  # fmt: skip
    assert "without doses" in refusal(data, tmp_path)


def test_mammography_is_refused(tmp_path: Path) -> None:
    part = made.item("CONTAINER", "113702", [made.num("111637", "1.3", "mGy")])
    assert "mammography" in refusal(made.projection([part]), tmp_path)
    data = made.report([made.coded("121058", "71651007", "SCT"), made.plane()], template="10001")
    assert "mammography" in refusal(data, tmp_path)


def still(**more: object) -> Dataset:
    """Return a report of radiography: no fluoroscopy time, stationary acquisitions only."""
    events = [made.exposure(1, kind=("113611", "DCM")), made.exposure(2, kind=("113611", "DCM"))]
    return made.projection([made.plane(time="0"), *events], **more)


def test_radiography_is_refused_unless_the_device_is_mapped(tmp_path: Path) -> None:
    told = refusal(still(), tmp_path)
    assert "radiography" in told and "device_modality" in told and "ROOM1" in told
    for name in ("room1", "Arc 3", "ACME"):
        found = load(still(), tmp_path, device_modality={name: "fluoroscopy"})
        assert found["kap_gycm2"] == 2.4
    told = refusal(made.projection(), tmp_path, device_modality={"Acme": "radiography"})
    assert "radiography" in told


def test_the_wrong_device_type_does_not_hide_fluoroscopy(tmp_path: Path) -> None:
    data = made.projection([made.plane(), made.exposure(1), made.coded("122142", "113958")])
    assert load(data, tmp_path)["modality"] == "fluoroscopy"
    data = made.projection([made.plane(time=None), made.coded("122142", "113957")])
    assert load(data, tmp_path, "d")["modality"] == "fluoroscopy"


def test_found_by_content_not_by_name(tmp_path: Path) -> None:
    assert load(made.projection(), tmp_path, "log.csv")["kap_gycm2"] == 2.4
    path = made.save(made.projection(), tmp_path / "bare", part10=False)
    assert row(made.read(path, tmp_path))["kap_gycm2"] == 2.4
    text = tmp_path / "text.dcm"
    text.write_text("no DICOM at all\n")
    assert "is of no kind" in (made.read(text, tmp_path).refusal or "")


def test_maker_and_model_may_be_missing(tmp_path: Path) -> None:
    data = made.projection()
    del data.Manufacturer, data.ManufacturerModelName, data.StationName
    found = load(data, tmp_path)
    assert found["manufacturer"] is None and found["model"] is None and found["device"] is None


def test_character_sets_are_read_leniently(tmp_path: Path) -> None:
    for name, sent in {"utf8": "Münster".encode(), "latin": "Münster".encode("latin-1")}.items():
        path = made.save(made.projection(), tmp_path / name)
        path.write_bytes(_renamed(path, sent))
        assert row(made.read(path, tmp_path))["site"] == "Münster"


def _renamed(path: Path, institution: bytes) -> bytes:
    """Replace the institution's bytes, whatever the object declares."""
    data = dcmread(path)
    even = institution + b" " * (len(institution) % 2)
    data.InstitutionName = "X" * len(even)
    out = BytesIO()
    dcmwrite(out, data)
    return out.getvalue().replace(b"X" * len(even), even, 1)


def test_declared_latin_1_with_bytes_of_utf_8_is_kept_as_declared(tmp_path: Path) -> None:
    data = made.projection()
    data.SpecificCharacterSet = "ISO_IR 100"
    path = made.save(data, tmp_path / "r")
    path.write_bytes(_renamed(path, "æøå".encode()))
    assert row(made.read(path, tmp_path))["site"] == "æøå".encode().decode("latin-1")


def test_an_unknown_character_set_does_not_lose_the_file(tmp_path: Path) -> None:
    data = made.projection()
    path = made.save(data, tmp_path / "r")
    data.SpecificCharacterSet = "ISO_IR 100"
    path = made.save(data, tmp_path / "r")
    path.write_bytes(path.read_bytes().replace(b"ISO_IR 100", b"ISO_IR 999"))
    assert row(made.read(path, tmp_path))["kap_gycm2"] == 2.4


def test_anonymised_dates_are_checked(tmp_path: Path) -> None:
    data = made.projection()
    data.PatientBirthDate = "99990101"
    staged = made.read(made.save(data, tmp_path / "r"), tmp_path)
    assert "age_implausible" in row(staged)["flags"]
    assert staged.procedures is not None
    assert pl.read_parquet(staged.procedures)["age_years"].item() is None
    assert any(field == "age_years" for field in staged.raw_values["field"])
    data.PatientAge = "061Y"
    staged = made.read(made.save(data, tmp_path / "a"), tmp_path)
    assert staged.procedures is not None
    assert pl.read_parquet(staged.procedures)["age_years"].item() == 61


@pytest.mark.parametrize("sent", ["", "99990101", "00000000", "2026"])
def test_without_a_study_date_the_first_event_dates_the_report(tmp_path: Path, sent: str) -> None:
    data = made.projection()
    data.add_new(0x00080020, "DA", "20260101")
    path = made.save(data, tmp_path / "r")
    path.write_bytes(
        path.read_bytes().replace(b"DA\x08\x0020260101", b"DA\x08\x00" + sent.encode().ljust(8))
    )
    found = row(made.read(path, tmp_path))
    assert str(found["started_at"]) == "2026-03-02 09:15:01"


def test_no_date_at_all_is_rejected_with_a_reason(tmp_path: Path) -> None:
    data = made.tomography()
    del data.StudyDate
    staged = made.read(made.save(data, tmp_path / "r"), tmp_path)
    assert staged.read == 1 and staged.reports.is_empty()
    assert "performed_on" in staged.rejected["reasons"].item()[0]
    assert "P-77" not in staged.rejected["raw_text"].item()


def test_an_offset_is_converted_to_the_site_s_clock(tmp_path: Path) -> None:
    start = made.moment("113809", "20260702071500.000+0000")
    data = made.tomography([start, made.scan(1), made.scan(2)])
    del data.StudyDate
    assert str(load(data, tmp_path)["started_at"]) == "2026-07-02 09:15:00"  # Berlin, summer


@pytest.mark.parametrize(
    ("day", "at", "offset", "expected"),
    [
        ("20260302", "081500", "+0000", "2026-03-02 09:15:00"),  # Berlin, winter
        ("20260702", "071500", "+0000", "2026-07-02 09:15:00"),  # Berlin, summer
        ("20260702", "081500", "+0100", "2026-07-02 09:15:00"),  # a scanner left on winter time
        ("20260302", "031500.250", "-0500", "2026-03-02 09:15:00.250000"),
        ("20260302", "230000", "-0500", "2026-03-03 05:00:00"),  # the next day here
        ("20260329", "005959", "+0000", "2026-03-29 01:59:59"),  # before and after the hour
        ("20260329", "010000", "+0000", "2026-03-29 03:00:00"),  # that summer time leaves out
        ("20261025", "003000", "+0000", "2026-10-25 02:30:00"),  # the hour that comes twice
        ("20261025", "013000", "+0000", "2026-10-25 02:30:00"),
        ("20260302", "091500", "+0100", "2026-03-02 09:15:00"),
        ("20260302", "144500", "+0530", "2026-03-02 10:15:00"),
    ],
)
def test_the_object_s_offset_from_utc_holds_for_its_times(
    tmp_path: Path, day: str, at: str, offset: str, expected: str
) -> None:
    data = made.projection()
    data.StudyDate, data.StudyTime, data.TimezoneOffsetFromUTC = day, at, offset
    found = load(data, tmp_path)
    assert str(found["started_at"]) == expected and str(found["performed_on"]) == expected[:10]
    assert json.loads(found["details"])["utc_offset"] == offset and found["flags"] == []


def test_the_object_s_offset_holds_for_events_that_have_none_of_their_own(tmp_path: Path) -> None:
    own = made.exposure(2)
    for part in own.ContentSequence:
        if part.ConceptNameCodeSequence[0].CodeValue == "111526":
            part.DateTime = "20260302101502+0200"
    data = made.projection([made.plane(), made.exposure(1), own])
    data.TimezoneOffsetFromUTC = "+0000"
    events = made.read(made.save(data, tmp_path / "r"), tmp_path).events["started_at"].to_list()
    assert [str(moment) for moment in events] == ["2026-03-02 10:15:01", "2026-03-02 09:15:02"]


@pytest.mark.parametrize("sent", ["UTC-04:00", "+25", "+9900", "Berlin"])
def test_an_offset_that_cannot_be_read_leaves_the_times_as_sent(tmp_path: Path, sent: str) -> None:
    data = made.projection()
    data.TimezoneOffsetFromUTC = sent
    found = load(data, tmp_path)
    assert str(found["started_at"]) == "2026-03-02 09:15:00"
    assert found["flags"] == ["offset_unreadable"]


def test_test_patients_and_phantoms_are_marked(tmp_path: Path) -> None:
    data = made.projection()
    data.PatientName = "Phantom^32cm"
    staged = made.read(made.save(data, tmp_path / "r"), tmp_path)
    assert staged.procedures is not None
    assert pl.read_parquet(staged.procedures)["is_test"].item()


def test_sites_can_be_mapped(tmp_path: Path) -> None:
    assert load(made.projection(), tmp_path)["site"] == "North"
    assert load(made.projection(), tmp_path, "s", sites={"north": "n1"})["site"] == "n1"
    assert load(made.projection(), tmp_path, "t", sites={"ROOM1": "n2"})["site"] == "n2"
    data = made.projection()
    del data.InstitutionName
    assert load(data, tmp_path, "u", default_site="home")["site"] == "home"


def test_the_accession_number_of_the_request_counts(tmp_path: Path) -> None:
    data = made.projection()
    data.AccessionNumber = ""
    request = Dataset()
    request.AccessionNumber = "R-5"
    data.ReferencedRequestSequence = [request]
    assert load(data, tmp_path)["accession_number"] == "R-5"


def test_a_study_uid_identifies_where_no_accession_number_does(tmp_path: Path) -> None:
    data = made.projection()
    data.AccessionNumber = ""
    del data.StationName, data.ManufacturerModelName, data.Manufacturer
    assert load(data, tmp_path)["study_uid"] == f"{made.ROOT}.100"


def test_a_missing_event_uid_is_made_up_the_same_way_each_time(tmp_path: Path) -> None:
    bare = made.exposure(1)
    bare.ContentSequence = [part for part in bare.ContentSequence
                            if part.ConceptNameCodeSequence[0].CodeValue != "113769"]  # fmt: skip
    uids = []
    for number in ("1", "2"):
        data = made.projection([made.plane(), bare], number=number)
        staged = made.read(made.save(data, tmp_path / number), tmp_path)
        uids.append(staged.events["event_uid"].item())
    assert uids[0] == uids[1] and uids[0].startswith("kerma.")


def test_a_file_cut_short_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    whole = made.save(made.projection(), tmp_path / "whole").read_bytes()
    path = tmp_path / "cut"
    for length in range(132, len(whole) - 1, 97):
        path.write_bytes(whole[:length])
        assert made.read(path, tmp_path).refusal is not None, length


def test_a_compressed_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from etl.sources import dicom_sr

    monkeypatch.setattr(dicom_sr, "LARGEST", 100_000)
    path = made.save(made.projection(), tmp_path / "r")
    plain = path.read_bytes()
    start = 144 + int.from_bytes(plain[140:144], "little")
    meta = plain[:start].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    grown = int.from_bytes(plain[140:144], "little") + len(meta) - start
    meta = meta[:140] + grown.to_bytes(4, "little") + meta[144:]
    at = meta.index(b"1.2.840.10008.1.2.1.99")
    meta = meta[: at - 2] + (22).to_bytes(2, "little") + meta[at:]
    squeezer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    good = meta + squeezer.compress(plain[start:]) + squeezer.flush()
    path.write_bytes(good)
    assert row(made.read(path, tmp_path))["kap_gycm2"] == 2.4
    squeezer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bomb = meta + squeezer.compress(b"\0" * 200_000) + squeezer.flush()
    for data in (bomb, bomb[132:]):  # with and without the preamble
        path.write_bytes(data)
        assert "unpacks to more" in (made.read(path, tmp_path).refusal or "")


def test_a_tree_without_end_is_refused(tmp_path: Path) -> None:
    deep = made.words("121106", "end")
    for _ in range(60):
        deep = made.item("CONTAINER", "113706", [deep])
    staged = made.read(made.save(made.projection([made.plane(), deep]), tmp_path / "r"), tmp_path)
    assert "event_unreadable" in row(staged)["flags"]
