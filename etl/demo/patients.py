"""Who the patients are: synthetic ids, repeated visits, age, sex and size."""

import numpy as np
import polars as pl

PATIENTS_PER_CASE = 0.6


def patients(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Give each case a patient of its site; a patient keeps sex, height and (nearly) weight."""
    n = frame.height
    sites = frame["prefix"].unique(maintain_order=True)
    site = frame["prefix"].replace_strict(sites, np.arange(len(sites)), return_dtype=pl.Int64)
    pool = max(1, int(n * PATIENTS_PER_CASE / len(sites)))
    person = site.to_numpy() * pool + rng.integers(0, pool, n)
    people = pool * len(sites)
    female = rng.random(people) < 0.53
    age = rng.normal(56, 15, people).clip(18, 96)
    height = np.where(female, 165.0, 178.0) + 6.5 * rng.standard_normal(people)
    bmi = np.exp(np.log(26.1) + 0.165 * rng.standard_normal(people)).clip(16.5, 52)
    visit = (frame["performed_on"] - frame["performed_on"].max()).dt.total_days().to_numpy()
    height = np.rint(height)
    weight = np.round(bmi[person] * (height[person] / 100) ** 2 + rng.normal(0, 1, n), 1)
    years = np.floor(age[person] + visit / 365.25).clip(18)
    sex = np.where(female, "F", "M")[person]
    bearing = (sex == "F") & (years <= 55)
    known = rng.random(n) < 0.92
    status = np.where(known, "not pregnant", "unknown")
    return frame.with_columns(
        patient_id=pl.Series(_numbers(people)[person]),
        sex=pl.Series(sex),
        age_years=pl.Series(years),
        height_cm=pl.Series(height[person]),
        weight_kg=pl.Series(weight),
        true_bmi=pl.Series(weight / (height[person] / 100) ** 2),
        pregnancy_status=pl.when(pl.Series(bearing)).then(pl.Series(status)),
    )


def _numbers(people: int) -> pl.Series:
    """Give unique numbers that look like a hospital's: 'D' and eight digits."""
    scrambled = (np.arange(1, people + 1) * 48_271_399 + 7_919) % 99_999_989
    return "D" + pl.Series(scrambled).cast(pl.String).str.zfill(8)
