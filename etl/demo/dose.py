"""Doses: log-normal round the published median, with size, levels and what was planted."""

import numpy as np
import polars as pl

#: Median KAP of a sacroiliac injection for normal, overweight and obese patients, by their
#: BMI (reference_levels.csv lines 15-17); outside, +20 % per 5 kg/m².
SIZE_BMI = np.array([22.5, 27.3, 33.5])
SIZE_KAP = np.array([1.21, 1.671, 2.09])
SLOPE = np.log(1.2) / 5
TYPICAL_BMI = 26.1
LEVEL_DOSE = 1.35
DOSES = ("air_kerma_mgy", "kap_gycm2", "fluoro_time_s", "ctdi_vol_mgy", "dlp_mgycm")


def size_factor(bmi: np.ndarray, modality: np.ndarray) -> np.ndarray:
    """Give the dose of a patient relative to one of typical size (BMI 26.1 as in paper S3)."""
    fluoro = np.exp(_curve(bmi) - _curve(np.array([TYPICAL_BMI])))
    return np.where(modality == "CT", np.exp(SLOPE * (bmi - TYPICAL_BMI)), fluoro)


def _curve(bmi: np.ndarray) -> np.ndarray:
    """Give the log of the fluoroscopy curve."""
    inside = np.interp(bmi, SIZE_BMI, np.log(SIZE_KAP))
    beyond = np.minimum(bmi - SIZE_BMI[0], 0) + np.maximum(bmi - SIZE_BMI[-1], 0)
    return inside + SLOPE * beyond


def doses(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Draw the dose columns; the noise is cut at 3.2 SD so that no clean case is a planted one."""
    n = frame.height

    def column(name: str) -> np.ndarray:
        return frame[name].to_numpy().astype(np.float64)

    z = rng.standard_normal((4, n)).clip(-3.2, 3.2)
    spread = column("spread")
    size = size_factor(column("true_bmi"), frame["modality"].to_numpy())
    at = np.nan_to_num(column("at_bmi"), nan=TYPICAL_BMI)
    size = size / size_factor(at, frame["modality"].to_numpy())
    given = (frame["status"] != "cancelled").to_numpy()
    given = np.where(frame["status"].to_numpy() == "discontinued", rng.random(n) < 0.6, given)
    part = np.where((frame["status"] == "discontinued").to_numpy(), 0.4, 1.0)
    levels = LEVEL_DOSE ** (column("n_levels") - 1) * part
    body = levels * size * np.exp(spread * z[0])
    kap = column("kap_gycm2") * body
    area = column("area_cm2") * np.exp(0.2 * z[1])
    values = {
        "kap_gycm2": kap,
        "air_kerma_mgy": 1000 * kap / area,
        "fluoro_time_s": column("fluoro_time_s") * levels * np.exp(0.5 * (0.7 * z[0] + 0.7 * z[2])),
        "dlp_mgycm": column("dlp_mgycm") * body,
        "ctdi_vol_mgy": column("ctdi_vol_mgy") * body * np.exp(0.15 * z[3]),
    }
    values = {name: np.where(given, value, np.nan) for name, value in values.items()}
    frame = frame.with_columns([pl.Series(k, v).fill_nan(None) for k, v in values.items()])
    c_arm = pl.col("second_share") > pl.Series(rng.random(n))
    second = pl.when(c_arm).then(pl.col("second_modality"))
    alone = (pl.col("modality") == "CT") & second.is_null()
    fluoro = [pl.when(~alone).then(pl.col(k)).alias(k) for k in DOSES[:3]]
    phantom = pl.when(pl.col("dlp_mgycm").is_not_null()).then(pl.lit(32, pl.Int64))
    return frame.with_columns(*fluoro, second_modality=second, ctdi_phantom_cm=phantom)
