"""What a DICOM object is: a dose report of CT or of fluoroscopy, or something refused by name."""

from pydicom.dataset import Dataset
from pydicom.uid import UID

from etl.sources import dicom_codes as codes
from etl.sources import dicom_dose as dose
from etl.sources.base import RefusalError
from etl.sources.dicom_items import Item, below, concept, sequence, text
from warehouse.settings import Settings

X_RAY_DOSE, ENHANCED_SR = "1.2.840.10008.5.1.4.1.1.88.67", "1.2.840.10008.5.1.4.1.1.88.22"
COMPREHENSIVE_SR, BASIC_SR = "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.88.11"
COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.34"
STRUCTURED = (ENHANCED_SR, COMPREHENSIVE_SR, COMPREHENSIVE_3D_SR, BASIC_SR)
#: Reports that are named when they are refused.
REFUSED = {
    "1.2.840.10008.5.1.4.1.1.88.76": "is an Enhanced X-Ray Radiation Dose SR, which is not "
    "read yet: let the scanner send the X-Ray Radiation Dose SR as well",
    "1.2.840.10008.5.1.4.1.1.88.68": "is a nuclear-medicine report (Radiopharmaceutical Radiation "
    "Dose SR): only CT and fluoroscopy are read; remove it",
    "1.2.840.10008.5.1.4.1.1.88.73": "is a Patient Radiation Dose SR, an estimate of organ doses: "
    "send the X-Ray Radiation Dose SR",
}
TITLE, SUMMARY_TITLE = ("113701", "DCM"), ("C-10", codes.SUMMARY)
NUCLEAR_TITLE = ("113500", "DCM")
_MAMMOGRAPHY = {("P5-40010", "SRT"), ("71651007", "SCT")}
_FLUOROSCOPY_DEVICE = ("113957", "DCM")
_FLUOROSCOPIC = {"Fluoroscopy", "Stepping Acquisition", "Rotational Acquisition"}


def refuse_class(sop_class: str) -> None:
    """Refuse what is no structured report that can carry doses."""
    if sop_class in REFUSED:
        raise RefusalError(REFUSED[sop_class])
    if sop_class == X_RAY_DOSE or sop_class in STRUCTURED:
        return
    if not sop_class:
        raise RefusalError("is a DICOM object without a SOP class, or a damaged one: send it again")
    kind = UID(sop_class).name
    if "Image" in kind:
        raise RefusalError(f"is an image ({kind}): only dose reports are read; remove it")
    if "SR" in kind.split() or ".88." in sop_class:
        raise RefusalError(f"is a structured report without doses ({kind}): remove it")
    raise RefusalError(f"is no dose report but '{kind}': remove it")


def template(data: Dataset) -> str:
    """Return the id of the template that the object names, or nothing."""
    named = sequence(data, 0x0040A504)
    return text(named[0], 0x0040DB00) if named else ""


def modalities(parts: dose.Parts) -> list[str]:
    """Return what a report holds containers of; both where a room has a CT and a fluoroscope."""
    kinds = {
        "CT": (codes.CT_ACCUMULATED, codes.CT_ACQUISITION),
        "fluoroscopy": (codes.ACCUMULATED, codes.EVENT),
    }
    held = [name for name, kind in kinds.items() if any(parts[code] for code in kind)]
    if not held:
        raise RefusalError("is a dose report without a total or an event: send it again")
    return held


def refuse_mammography(root: list[Item], parts: dose.Parts) -> None:
    """Refuse reports of mammography."""
    glandular = any(
        item.code == codes.GLANDULAR_DOSE
        for part in parts[codes.ACCUMULATED]
        for item in below(part)
    )
    if glandular or dose.procedure_reported(root) in _MAMMOGRAPHY:
        raise RefusalError("is a mammography report: only CT and fluoroscopy are read; remove it")


def refuse_radiography(
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
    names = ", ".join(f"'{name}'" for name in device_names(data))
    raise RefusalError(
        "is a radiography report: only CT and fluoroscopy are read. If this device "
        f"({names or 'without a name'}) is used for fluoroscopy, set device_modality in kerma.toml"
    )


def device_names(data: Dataset) -> list[str]:
    """Return what a device is called: station, model, serial number, manufacturer."""
    tags = (0x00081010, 0x00081090, 0x00181000, 0x00080070)
    return [name for name in (text(data, tag) for tag in tags) if name]


def _mapped(data: Dataset, settings: Settings) -> str | None:
    """Return what the settings say a device is used for; the station counts before the maker."""
    known = {name.casefold(): use for name, use in settings.device_modality.items()}
    return next((known[n.casefold()] for n in device_names(data) if n.casefold() in known), None)
