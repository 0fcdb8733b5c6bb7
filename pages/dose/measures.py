"""The dose figures that a page may offer: never two on one axis, CTDIvol only of one phantom."""

from dataclasses import dataclass

import polars as pl

from analytics.dose import DoseIndex


@dataclass(frozen=True)
class DoseMeasure:
    """A dose index as it is asked for in queries (``name``) and as the warehouse calls it."""

    name: str
    index: DoseIndex
    label: str
    phantom_cm: int | None = None

    @property
    def axis(self) -> str:
        """Axis title with the unit."""
        return f"{self.label} ({self.index.unit})"


MEASURES = {
    measure.name: measure
    for measure in (
        DoseMeasure("kap_gycm2", DoseIndex.KAP, "KAP"),
        DoseMeasure("air_kerma_mgy", DoseIndex.AIR_KERMA, "Air kerma K_a,r"),
        DoseMeasure("dlp_mgycm", DoseIndex.DLP, "DLP"),
        DoseMeasure("ctdi_vol_32_mgy", DoseIndex.CTDI_VOL, "CTDIvol, 32 cm phantom", 32),
        DoseMeasure("ctdi_vol_16_mgy", DoseIndex.CTDI_VOL, "CTDIvol, 16 cm phantom", 16),
        DoseMeasure("ctdi_vol_unknown_mgy", DoseIndex.CTDI_VOL, "CTDIvol, phantom not stated"),
        DoseMeasure("fluoro_time_s", DoseIndex.FLUORO_TIME, "Fluoroscopy time"),
    )
}
SKIN = DoseMeasure("peak_skin_dose_mgy", DoseIndex.PEAK_SKIN_DOSE, "Peak skin dose")


def measure(name: str) -> DoseMeasure:
    """Return a measure by the name that queries use."""
    return SKIN if name == SKIN.name else MEASURES[name]


def offered(choices: pl.DataFrame) -> dict[tuple[str, str], int]:
    """Return (modality, measure) with the cases of each, most frequent modality first."""
    totals = choices.group_by("modality", maintain_order=True).agg(pl.col(list(MEASURES)).sum())
    return {
        (row["modality"], name): row[name]
        for row in totals.sort("modality", descending=True).iter_rows(named=True)
        for name in MEASURES
        if row[name]
    }
