"""Codes of dose reports: value and scheme, as in DICOM PS3.16; never their English meaning."""

#: Code value and coding scheme: what items are matched by.
Code = tuple[str, str]
DCM = "DCM"
#: Former designators of SNOMED's alphanumeric codes, and one under which makers send them.
_SRT = ("SNM3", "99SDM", "SCT")
KAP_TOTAL, KERMA_TOTAL = ("113722", DCM), ("113725", DCM)
FLUORO_KAP, ACQUISITION_KAP = ("113726", DCM), ("113727", DCM)
FLUORO_KERMA, ACQUISITION_KERMA = ("113728", DCM), ("113729", DCM)
FLUORO_TIME, ACQUISITION_TIME = ("113730", DCM), ("113855", DCM)
REPORTED = ("121058", DCM)
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
PAIRS = ((ACCUMULATED, EVENT), (CT_ACCUMULATED, CT_ACQUISITION))
CARRIERS = tuple(kind for pair in PAIRS for kind in pair)
IRRADIATION_START, IRRADIATION_END = ("113809", DCM), ("113810", DCM)
DOSE_ALERT, DOSE_NOTIFICATION = ("113900", DCM), ("113908", DCM)
#: Siemens Arcadis: its own scheme, totals only.
SUMMARY = "99SMS_RADSUM"

BODY_CM = {("113691", DCM): 32, ("113690", DCM): 16}
PLANES = {("113620", DCM): "A", ("113621", DCM): "B", ("113622", DCM): "single"}
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


def canonical(value: str, scheme: str) -> Code:
    """Return a code under the one designator that stands here for its scheme."""
    plain = scheme.upper()
    if plain in _SRT and not value.isdigit():
        return value, "SRT"
    if plain == "SNM3":
        return value, "SCT"
    return value, plain
