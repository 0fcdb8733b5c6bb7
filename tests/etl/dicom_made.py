"""DICOM dose reports written item by item, as scanners write them."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from etl.stage import stage
from etl.staging import SourceFile, Staged
from warehouse.settings import Settings

KEY = b"0123456789abcdef0123456789abcdef"
X_RAY_DOSE = "1.2.840.10008.5.1.4.1.1.88.67"
ENHANCED_SR = "1.2.840.10008.5.1.4.1.1.88.22"
ROOT = "1.2.826.0.1.3680043.10.1999"


def code(value: str, scheme: str = "DCM", meaning: str = "wrong on purpose") -> Dataset:
    """Return a code; its meaning is never to be matched."""
    made = Dataset()
    made.CodeValue, made.CodingSchemeDesignator, made.CodeMeaning = value, scheme, meaning
    return made


def item(kind: str, name: str | Dataset, children: Sequence[Dataset] = ()) -> Dataset:
    """Return a content item of a kind."""
    made = Dataset()
    made.RelationshipType, made.ValueType = "CONTAINS", kind
    made.ConceptNameCodeSequence = [code(name) if isinstance(name, str) else name]
    if children:
        made.ContentSequence = list(children)
    return made


def num(name: str | Dataset, value: str | None, unit: str = "1") -> Dataset:
    """Return a measured value; None leaves the measurement out."""
    made = item("NUM", name)
    made.MeasuredValueSequence = []
    if value is not None:
        measured = Dataset()
        measured.add_new(0x0040A30A, "DS", "0")
        measured[0x0040A30A]._value = value
        measured.MeasurementUnitsCodeSequence = [code(unit, "UCUM", unit)]
        made.MeasuredValueSequence = [measured]
    return made


def coded(name: str, value: str, scheme: str = "DCM", meaning: str = "as said") -> Dataset:
    made = item("CODE", name)
    made.ConceptCodeSequence = [code(value, scheme, meaning)]
    return made


def words(name: str, text: str) -> Dataset:
    made = item("TEXT", name)
    made.TextValue = text
    return made


def uid(name: str, value: str) -> Dataset:
    made = item("UIDREF", name)
    made.UID = value
    return made


def moment(name: str, value: str) -> Dataset:
    made = item("DATETIME", name)
    made.DateTime = value
    return made


def report(
    root: Sequence[Dataset],
    *,
    template: str | None,
    title: Dataset | None = None,
    sop_class: str = X_RAY_DOSE,
    number: str = "1",
) -> Dataset:
    """Return a dose report around its content."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = sop_class, f"{ROOT}.{number}"
    made.StudyInstanceUID, made.SeriesInstanceUID = f"{ROOT}.100", f"{ROOT}.200"
    made.StudyDate, made.StudyTime, made.Modality = "20260302", "091500", "SR"
    made.AccessionNumber, made.PatientID, made.PatientName = "A1", "P-77", "Doe^Jane"
    made.PatientBirthDate, made.PatientSex = "19660302", "F"
    made.PatientSize, made.PatientWeight = "1.70", "70"
    made.Manufacturer, made.ManufacturerModelName = "Acme", "Arc 3"
    made.StationName, made.InstitutionName = "ROOM1", "North"
    made.StudyDescription = "Facet joint injection"
    made.ValueType = "CONTAINER"
    made.ConceptNameCodeSequence = [title or code("113701")]
    if template:
        named = Dataset()
        named.MappingResource, named.TemplateIdentifier = "DCMR", template
        made.ContentTemplateSequence = [named]
    made.ContentSequence = list(root)
    return made


def plane(
    name: str = "113622",
    *,
    kap: str | None = "0.00024",
    kap_unit: str = "Gy.m2",
    kerma: str | None = "0.0117",
    kerma_unit: str = "Gy",
    time: str | None = "72.5",
) -> Dataset:
    """Return the totals of one plane."""
    return item(
        "CONTAINER",
        "113702",
        [
            coded("113764", name),
            num("113722", kap, kap_unit),
            num("113725", kerma, kerma_unit),
            num("113730", time, "s"),
        ],
    )


def exposure(
    number: int,
    *,
    kap: str | None = "0.00012",
    kap_unit: str = "Gy.m2",
    kerma: str | None = "0.00585",
    kind: tuple[str, str] = ("P5-06000", "SRT"),
    on: str = "113622",
    further: Sequence[Dataset] = (),
) -> Dataset:
    """Return one irradiation event of a projection report."""
    return item(
        "CONTAINER",
        "113706",
        [
            coded("113764", on),
            uid("113769", f"{ROOT}.9.{number}"),
            moment("111526", f"2026030209150{number}"),
            coded("113721", *kind),
            words("125203", "Spine 7.5 fps"),
            coded("123014", "T-D2700", "SRT", "Lumbar spine"),
            num("122130", kap, kap_unit),
            num("113738", kerma, "Gy"),
            num("113742", "10", "s"),
            num("113733", "72", "kV"),
            num("113734", "8", "mA"),
            *further,
        ],
    )


def projection(root: Sequence[Dataset] = (), **more: object) -> Dataset:
    """Return a fluoroscopy report of one plane and two events, or of other content."""
    content = [
        coded("121058", "113704"),
        *(root or (plane(), exposure(1), exposure(2))),
    ]
    return report(content, **({"template": "10001"} | more))  # type: ignore[arg-type]


def scan(
    number: int,
    *,
    ctdi: str | None = "8.5",
    dlp: str | None = "170",
    kind: tuple[str, str] = ("P5-08001", "SRT"),
    phantom: str = "113691",
    further: Sequence[Dataset] = (),
) -> Dataset:
    """Return one CT acquisition."""
    source = item(
        "CONTAINER",
        "113831",
        [num("113733", "120", "kV"), num("113734", "80", "mA")],
    )
    return item(
        "CONTAINER",
        "113819",
        [
            words("125203", "Spine"),
            coded("113820", *kind),
            uid("113769", f"{ROOT}.8.{number}"),
            item("CONTAINER", "113822", [num("113824", "3.2", "s"), source]),
            item(
                "CONTAINER",
                "113829",
                [num("113830", ctdi, "mGy"), coded("113835", phantom), num("113838", dlp, "mGycm")],
            ),
            *further,
        ],
    )


def tomography(
    scans: Sequence[Dataset] = (), *, total: str | None = "340", events: str = "2", **more: object
) -> Dataset:
    """Return a CT report of two scans, or of others."""
    accumulated = item(
        "CONTAINER",
        "113811",
        [num("113812", events, "{events}"), num("113813", total, "mGy.cm")],
    )
    content = [coded("121058", "P5-08000", "SRT"), accumulated, *(scans or (scan(1), scan(2)))]
    return report(content, **({"template": "10011"} | more))  # type: ignore[arg-type]


def save(made: Dataset, path: Path, *, part10: bool = True) -> Path:
    """Write an object with the preamble, or bare as some archives do."""
    if not part10:
        dcmwrite(path, made, implicit_vr=True, little_endian=True, enforce_file_format=False)
        return path
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.get("SOPClassUID", X_RAY_DOSE)
    made.file_meta.MediaStorageSOPInstanceUID = made.get("SOPInstanceUID", ROOT)
    dcmwrite(path, made, enforce_file_format=True)
    return path


def source(path: Path) -> SourceFile:
    """Return a file as the refresh finds it."""
    data = path.read_bytes()
    now = datetime(2026, 3, 3, tzinfo=UTC)
    return SourceFile(path, path.name, hashlib.sha256(data).hexdigest(), len(data), now, now)


def read(path: Path, work_dir: Path, **settings: object) -> Staged:
    """Stage a file under settings of its own."""
    chosen = Settings(data_dir=work_dir, pseudonym_key=KEY.decode(), **settings)  # type: ignore[arg-type]
    return stage(source(path), work_dir=work_dir, settings=chosen, key=KEY)
