"""Dose indices, what may be compared with what, and size bands."""

from dataclasses import dataclass
from enum import Enum
from typing import Literal

import polars as pl

Modality = Literal["CT", "fluoroscopy", "ultrasound"]
#: Age from which a patient counts as an adult, and the adult coefficients hold, years.
ADULT_YEARS = 16.0


class DoseIndex(Enum):
    """A dose index; its value is the column that holds it, with the canonical unit in the name."""

    AIR_KERMA = "air_kerma_mgy"
    KAP = "kap_gycm2"
    FLUORO_TIME = "fluoro_time_s"
    CTDI_VOL = "ctdi_vol_mgy"
    DLP = "dlp_mgycm"
    SSDE = "ssde_mgy"
    PEAK_SKIN_DOSE = "peak_skin_dose_mgy"
    EFFECTIVE_DOSE = "effective_dose_msv"

    @property
    def column(self) -> str:
        """Column of table ``procedure``."""
        return self.value

    @property
    def label(self) -> str:
        """Name in full, as the field writes it."""
        return _ABOUT[self].label

    @property
    def symbol(self) -> str:
        """Short name for axes and cards."""
        return _ABOUT[self].symbol

    @property
    def unit(self) -> str:
        """Canonical unit."""
        return _ABOUT[self].unit

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Guidance modalities that have this index."""
        return _ABOUT[self].modalities

    @property
    def meaning(self) -> str:
        """What the index measures, in one sentence."""
        return _ABOUT[self].meaning


@dataclass(frozen=True)
class _About:
    label: str
    symbol: str
    unit: str
    modalities: tuple[Modality, ...]
    meaning: str


_ABOUT: dict[DoseIndex, _About] = {
    DoseIndex.AIR_KERMA: _About(
        "Air kerma at the reference point",
        "K_a,r",
        "mGy",
        ("fluoroscopy",),
        "beam output in air at a reference point, without backscatter",
    ),
    DoseIndex.KAP: _About(
        "Kerma-area product",
        "KAP",
        "Gy·cm²",
        ("fluoroscopy",),
        "air kerma times beam area, summed over the procedure",
    ),
    DoseIndex.FLUORO_TIME: _About(
        "Fluoroscopy time",
        "FT",
        "s",
        ("CT", "fluoroscopy"),
        "beam-on time: an index of technique, not of dose",
    ),
    DoseIndex.CTDI_VOL: _About(
        "Volume CT dose index",
        "CTDIvol",
        "mGy",
        ("CT",),
        "scanner output in a 16 or 32 cm plastic phantom",
    ),
    DoseIndex.DLP: _About(
        "Dose-length product",
        "DLP",
        "mGy·cm",
        ("CT",),
        "CTDIvol times scanned length, summed over the acquisitions",
    ),
    DoseIndex.SSDE: _About(
        "Size-specific dose estimate",
        "SSDE",
        "mGy",
        ("CT",),
        "CTDIvol corrected for patient size (AAPM reports 204 and 220)",
    ),
    DoseIndex.PEAK_SKIN_DOSE: _About(
        "Peak skin dose",
        "PSD",
        "mGy",
        ("CT", "fluoroscopy"),
        "highest dose to one area of skin, estimated",
    ),
    DoseIndex.EFFECTIVE_DOSE: _About(
        "Effective dose estimate",
        "E",
        "mSv",
        ("CT", "fluoroscopy"),
        "estimate for a reference adult; a population figure, not one patient's risk",
    ),
}


@dataclass(frozen=True)
class Quantity:
    """A dose index as it was measured.

    ``index`` is None where a log gave a plain mGy figure and did not say what it is.
    """

    index: DoseIndex | None
    modality: Modality
    phantom_cm: int | None = None


@dataclass(frozen=True)
class Comparability:
    """Whether two quantities may share an axis, a mean or a test, and why."""

    allowed: bool
    reason: str


def may_compare(first: Quantity, second: Quantity) -> Comparability:
    """Say whether two quantities may be compared, with the reason.

    Parameters
    ----------
    first, second
        Index, guidance modality and (CT) phantom diameter in cm of the two groups.

    Returns
    -------
    Comparability
        ``allowed`` and the sentence to show; a permission may carry a caution.

    Examples
    --------
    >>> ct, xa = Quantity(DoseIndex.CTDI_VOL, "CT"), Quantity(DoseIndex.AIR_KERMA, "fluoroscopy")
    >>> may_compare(ct, xa).allowed
    False
    """
    refusal = _refusal(first, second)
    if refusal:
        return Comparability(False, refusal)
    assert first.index is not None
    if first.modality == second.modality:
        return Comparability(True, f"both are {first.index.label} ({first.index.unit})")
    caution = (
        "both are estimates from modality-specific coefficients: read the difference with its band"
        if first.index is DoseIndex.EFFECTIVE_DOSE
        else "both are estimates by different methods: state the method"
    )
    return Comparability(True, caution)


def _refusal(first: Quantity, second: Quantity) -> str | None:
    for one in (first, second):
        if one.modality == "ultrasound":
            return "ultrasound has no ionising radiation: dose is not applicable, not zero"
        if one.index is None:
            return "the log does not say which dose index its mGy figure is"
        if one.modality not in one.index.modalities:
            return f"{one.index.label} does not exist for {one.modality}"
    assert first.index is not None and second.index is not None
    if first.index is not second.index:
        return (
            f"{first.index.symbol} is {first.index.meaning}, {second.index.symbol} is "
            f"{second.index.meaning}: equal numbers do not mean equal dose"
        )
    if first.index is DoseIndex.FLUORO_TIME and first.modality != second.modality:
        return "beam-on time of CT and of fluoroscopy are techniques with different dose rates"
    phantoms = {first.phantom_cm, second.phantom_cm}
    by_phantom = first.index in (DoseIndex.CTDI_VOL, DoseIndex.DLP)
    if by_phantom and None not in phantoms and len(phantoms) == 2:
        return (
            f"{first.index.symbol} of the {first.phantom_cm} cm and the {second.phantom_cm} cm "
            "phantom differ about twofold for the same beam"
        )
    return None


def shared_axes(modalities: set[Modality]) -> tuple[DoseIndex, ...]:
    """Return the indices on which all of these modalities may be drawn together.

    Ultrasound has none and is left aside; CT and fluoroscopy share only the effective dose
    estimate (peak skin dose is a local quantity and no axis of a whole procedure).
    """
    ionising = modalities - {"ultrasound"}
    if len(ionising) > 1:
        return (DoseIndex.EFFECTIVE_DOSE,)
    return tuple(i for i in DoseIndex if ionising and ionising <= set(i.modalities))


def size_band(
    bmi: str = "bmi", weight_kg: str = "weight_kg", age_years: str = "age_years"
) -> pl.Expr:
    """Return the size band of each case as an expression named ``size_band``.

    Adults (16 years and more, or age not known): BMI below 18.5, 18.5–25, 25–30, 30 and more
    kg/m² (WHO classes). Children: weight below 5, 5–15, 15–30, 30–50, 50–80, 80 and more kg
    (ICRP paediatric bands). ``size unknown`` where the measure is missing.
    """
    index, weight, child = pl.col(bmi), pl.col(weight_kg), pl.col(age_years) < ADULT_YEARS
    child_band = _bands(weight, (5, 15, 30, 50, 80), _CHILD_BANDS)
    adult_band = _bands(index, (18.5, 25, 30), _ADULT_BANDS)
    return pl.when(child).then(child_band).otherwise(adult_band).alias("size_band")


_CHILD_BANDS = (
    "child < 5 kg",
    "child 5–15 kg",
    "child 15–30 kg",
    "child 30–50 kg",
    "child 50–80 kg",
    "child ≥ 80 kg",
)
_ADULT_BANDS = ("BMI < 18.5", "BMI 18.5–25", "BMI 25–30", "BMI ≥ 30")
SIZE_UNKNOWN = "size unknown"
SIZE_BANDS = (*_CHILD_BANDS, *_ADULT_BANDS, SIZE_UNKNOWN)


def _bands(measure: pl.Expr, edges: tuple[float, ...], names: tuple[str, ...]) -> pl.Expr:
    band = pl.when(measure.is_null() | measure.is_nan()).then(pl.lit(SIZE_UNKNOWN))
    for edge, name in zip(edges, names, strict=False):
        band = band.when(measure < edge).then(pl.lit(name))
    return band.otherwise(pl.lit(names[-1]))
