"""Complications, satisfaction and follow-up at the papers' rates."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from etl.demo.catalogue import FOLLOW_UPS

S3 = Path(__file__).parents[1] / "data" / "demo_s3.csv"

#: Share of cases with a complication: 1/100 v 4/100 as in paper S0; ultrasound like fluoroscopy
#: (paper S1 finds no difference between the two).
COMPLICATED = {"fluoroscopy": 0.01, "CT": 0.04, "ultrasound": 0.01}
#: Term, CIRSE 2017 grade and share among complications; the first three are paper S1's.
TERMS = (
    ("vasovagal reaction", "1", 0.40),
    ("transient headache", "1", 0.18),
    ("facial flushing", "1", 0.20),
    ("dural puncture", "2", 0.06),
    ("haematoma", "3", 0.06),
    ("nerve root irritation", "2", 0.06),
    ("infection", "3", 0.02),
    ("vasovagal reaction:1|transient headache", "1", 0.02),
)
#: Satisfaction 1 to 5; 92 % satisfied or very satisfied (paper S0: at least 90 %).
SATISFACTION = (0.01, 0.02, 0.05, 0.40, 0.52)

#: Share of baseline pain that is left; completeness of each follow-up.
PAIN_LEFT = {"15min": 0.55, "1wk": 0.55, "2wk": 0.56, "1mo": 0.58, "2mo": 0.60, "3mo": 0.62}
PAIN_LEFT["6mo"] = 0.64
COMPLETE = {"15min": 0.95, "1wk": 0.80, "2wk": 0.72, "1mo": 0.70, "2mo": 0.58, "3mo": 0.52}
COMPLETE["6mo"] = 0.40
#: Fluoroscopy relieves better at these points, by so many NRS points (pattern of paper S0).
FLUOROSCOPY_BETTER_BY = 0.6
BETTER_AT = ("1mo", "2mo", "3mo", "6mo")
DISABILITY_LEFT = 0.7
VAS_100_SITE = "Harbour"
#: Isthmic bone marrow oedema on MRI, as two readers saw it (paper S3: 70 % of those with it respond
#: at 1 month, of all 54.5 %; agreement 0.94). That half of the patients have it is assumed.
READ_TWICE = ("isthmic_oedema_reader_1", "isthmic_oedema_reader_2")
OEDEMA_OF_RESPONDERS = 0.5 * 0.70 / 0.545
OEDEMA_OF_OTHERS = 0.5 * 0.30 / 0.455
READERS_DIFFER = 0.03


def outcomes(frame: pl.DataFrame, end: date, rng: np.random.Generator) -> pl.DataFrame:
    """Add complications, satisfaction, pain and disability; follow-ups after `end` are not yet."""
    frame = _complications(frame, rng)
    frame = _pain(frame, rng)
    frame = _read_twice(_pars(frame, rng), rng.spawn(1)[0])
    frame = _disability(frame, rng)
    return _leave_out(_scale(frame), end, rng)


def _complications(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Draw complication terms and satisfaction of cases that took place."""
    n = frame.height
    rate = frame["modality"].replace_strict(COMPLICATED, return_dtype=pl.Float64).to_numpy()
    texts = pl.Series([f"{term}:{grade}" for term, grade, _ in TERMS])
    text = texts[rng.choice(len(TERMS), n, p=[share for *_, share in TERMS])]
    some = pl.Series(rng.random(n) < rate)
    took_place = pl.col("status") != "cancelled"
    graded = pl.when(took_place & (pl.lit(pl.Series(rng.random(n))) > 0.06))
    level = pl.Series(rng.choice(5, n, p=SATISFACTION) + 1)
    answered = (pl.col("status") == "completed") & (pl.lit(pl.Series(rng.random(n))) < 0.65)
    found = graded.then(pl.when(some).then(pl.lit(text)).otherwise(pl.lit("none")))
    return frame.with_columns(
        complications=found,
        complication_scale=pl.when(found.is_not_null()).then(pl.lit("CIRSE 2017")),
        satisfaction=pl.when(answered).then(pl.lit(level)),
    )


def _pain(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Draw pain (0-10) of pain procedures; relief differs from patient to patient."""
    n = frame.height
    asked = ((frame["pain"] == "yes") & (frame["status"] == "completed")).to_numpy()
    baseline = (6 + 1.6 * rng.standard_normal(n)).clip(1, 10)
    person = 0.28 * rng.standard_normal(n)
    fluoroscopy = (frame["modality"] != "CT").to_numpy()
    columns = {"pain_baseline": np.where(asked, np.rint(baseline), np.nan)}
    for point in FOLLOW_UPS:
        left = baseline * (PAIN_LEFT[point] + person) + 0.9 * rng.standard_normal(n)
        if point in BETTER_AT:
            left = left - FLUOROSCOPY_BETTER_BY * fluoroscopy
        columns[f"pain_{point}"] = np.where(asked, np.rint(left).clip(0, 10), np.nan)
    return frame.with_columns([pl.Series(k, v).fill_nan(None) for k, v in columns.items()])


def _pars(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Give CT-guided pars injections the pain of a patient drawn from paper S3's counts."""
    known = pl.read_csv(S3, comment_prefix="#").select("pain_baseline", "pain_15min", "pain_1mo")
    known = known.cast(pl.Float64)
    drawn = known[rng.integers(0, known.height, frame.height)]
    mine = (pl.col("proc_code") == "PARS") & pl.col("pain_baseline").is_not_null()
    patterns = pl.Series(["peri-defect", "intra-defect", "trans-defect"])
    pattern = patterns[rng.choice(3, frame.height, p=[66 / 134, 55 / 134, 13 / 134])]
    later = [c for c in frame.columns if c.startswith("pain_") and c not in known.columns]
    return frame.with_columns(
        *[
            pl.when(mine).then(pl.lit(drawn[c])).otherwise(pl.col(c)).alias(c)
            for c in known.columns
        ],
        *[pl.when(~mine).then(pl.col(c)).alias(c) for c in later],
        contrast_pattern=pl.when(pl.col("proc_code") == "PARS").then(pl.lit(pattern)),
        injectate=pl.when(pl.col("proc_code") == "PARS").then(
            pl.lit("triamcinolone 2 mg, ropivacaine 0.2 %")
        ),
    )


def _read_twice(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Let two readers look for isthmic oedema before a pars injection: it goes with response."""
    n = frame.height
    relieved = pl.col("pain_1mo") <= pl.col("pain_baseline") / 2
    seen = pl.when(relieved).then(OEDEMA_OF_RESPONDERS).otherwise(OEDEMA_OF_OTHERS)
    oedema = pl.lit(pl.Series(rng.random(n))) < seen
    other = oedema ^ (pl.lit(pl.Series(rng.random(n))) < READERS_DIFFER)
    mine = (pl.col("proc_code") == "PARS") & pl.col("pain_baseline").is_not_null()
    said = {True: "yes", False: "no"}
    return frame.with_columns(
        pl.when(mine).then(read.replace_strict(said, return_dtype=pl.String)).alias(name)
        for name, read in zip(READ_TWICE, (oedema, other), strict=True)
    )


def _disability(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Draw ODI below the neck and NDI for it, in %; no difference between modalities."""
    n = frame.height
    asked = (pl.col("pain_baseline").is_not_null()) & (pl.col("proc_code") != "PARS")
    neck = pl.col("proc_code").is_in(["ILESI_C", "TFESI_C", "MBB_C", "STELLATE", "OCC"])
    person = 0.15 * rng.standard_normal(n)
    baseline = (42 + 13 * rng.standard_normal(n)).clip(6, 90)
    columns: list[pl.Expr] = []
    for point in ("baseline", *list(FOLLOW_UPS)[1:]):
        left = 1.0 if point == "baseline" else DISABILITY_LEFT + person
        value = baseline * left + (0 if point == "baseline" else 6) * rng.standard_normal(n)
        score = pl.lit(pl.Series((np.rint(value / 2) * 2).clip(0, 100)))
        columns.append(pl.when(asked & ~neck).then(score).alias(f"odi_{point}"))
        columns.append(pl.when(asked & neck).then(score).alias(f"ndi_{point}"))
    return frame.with_columns(columns)


def _scale(frame: pl.DataFrame) -> pl.DataFrame:
    """Write one site's pain on a 0-100 scale, as sites do."""
    pain = [c for c in frame.columns if c.startswith("pain_")]
    hundred = pl.col("site") == VAS_100_SITE
    some = pl.col("pain_baseline").is_not_null()
    return frame.with_columns(
        *[pl.when(hundred).then(pl.col(c) * 10).otherwise(pl.col(c)).alias(c) for c in pain],
        pain_scale=pl.when(some & hundred)
        .then(pl.lit("VAS 0-100"))
        .when(some)
        .then(pl.lit("NRS 0-10")),
    )


def _leave_out(frame: pl.DataFrame, end: date, rng: np.random.Generator) -> pl.DataFrame:
    """Lose follow-ups, more with time, and all that lie after the log's end."""
    columns: list[pl.Expr] = []
    for point, days in FOLLOW_UPS.items():
        answered = pl.lit(pl.Series(rng.random(frame.height) < COMPLETE[point]))
        due = pl.col("performed_on") + pl.duration(days=days) <= pl.lit(end)
        names = [f"{scale}_{point}" for scale in ("pain", "odi", "ndi")]
        columns += [
            pl.when(answered & due).then(pl.col(c)).alias(c) for c in names if c in frame.columns
        ]
    return frame.with_columns(columns)
