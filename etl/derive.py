"""What follows from a row's values: its flags, and the columns that no source sends."""

from collections.abc import Iterator
from itertools import pairwise

import polars as pl

from etl import normalise as to
from etl import procedures
from etl.contract import IONISING, PAIN, polars_type
from etl.flags import FLAGS
from etl.layout import Layout
from etl.sources.base import LINE

#: Body measures that are set aside when implausible, and their flags.
SET_ASIDE = {
    "age_years": "age_implausible",
    "weight_kg": "weight_implausible",
    "height_cm": "height_implausible",
}

#: Columns that the plain mGy figure fills where they are blank: by stated index and modality.
STATED = {
    "air_kerma_mgy": ("air_kerma", "fluoroscopy"),
    "ctdi_vol_mgy": ("ctdi_vol", "CT"),
    "ssde_mgy": ("ssde", "CT"),
}


def flag_rules(layout: Layout) -> dict[str, pl.Expr]:
    """Return the condition of each flag, on the values as sent."""
    col = pl.col
    minutes = (col("procedure_end_at") - col("procedure_start_at")).dt.total_seconds() / 60
    ratio = col("kap_gycm2") * 1000 / col("air_kerma_mgy")
    person = col("weight_kg").is_between(2, 300) & col("height_cm").is_between(40, 220)
    bmi = pl.when(person).then(col("weight_kg") / (col("height_cm") / 100) ** 2)
    ultrasound_only = (col("modality") == "ultrasound") & ~col("second_modality").is_in(
        ["CT", "fluoroscopy"]
    ).fill_null(False)
    plain_xray = (col("modality") == "fluoroscopy") & col("second_modality").ne_missing("CT")
    plain_ct = (col("modality") == "CT") & col("second_modality").ne_missing("fluoroscopy")
    stamps = [n for n in layout.fields if polars_type(n) == pl.Datetime]
    order = ("arrived_at", "room_in_at", "procedure_start_at", "procedure_end_at", "room_out_at")
    given = [name for name in order if name in layout.fields]
    products = [n for n in ("kap_gycm2", "dlp_mgycm") if n in layout.fields]
    rules = {
        "age_implausible": (col("age_years") < 0) | (col("age_years") > 120),
        "weight_implausible": (col("weight_kg") < 2) | (col("weight_kg") > 300),
        "height_implausible": (col("height_cm") < 40) | (col("height_cm") > 220),
        "bmi_implausible": (bmi < 10) | (bmi > 80),
        "unit_suspect": (ratio < 10) | (ratio > 1600),
        "unit_misprint": any_of(to.misprinted(col(f"t_{n}"), layout.unit(n)) for n in products),
        "kap_window": (col("kap_gycm2") > 0) & ~col("kap_gycm2").is_between(0.001, 1000),
        "air_kerma_window": (col("air_kerma_mgy") > 0)
        & ~col("air_kerma_mgy").is_between(0.01, 15_000),
        "fluoro_time_window": (col("fluoro_time_s") > 0)
        & ~col("fluoro_time_s").is_between(1, 10_800),
        "dlp_window": (col("dlp_mgycm") > 0) & ~col("dlp_mgycm").is_between(0.5, 20_000),
        "ctdi_vol_window": (col("ctdi_vol_mgy") > 0) & ~col("ctdi_vol_mgy").is_between(0.1, 2000),
        "kap_zero": (col("kap_gycm2") == 0) & (col("fluoro_time_s") > 0),
        "index_modality": (plain_xray & col("dose_index").is_in(["ctdi_vol", "ssde"]))
        | (plain_ct & (col("dose_index") == "air_kerma")),
        "dose_index_missing": col("dose_mgy").is_not_null() & col("dose_index").is_null(),
        "ultrasound_zero_dose": ultrasound_only & any_of(col(n) == 0 for n in IONISING),
        "date_mismatch": col("performed_on") != col("procedure_start_at").dt.date(),
        "duration_mismatch": (col("duration_min") - minutes).abs() > 1,
        "duration_window": ~pl.coalesce("duration_min", minutes).is_between(0.001, 720),
        "stamp_order": any_of(col(a) > col(b) for a, b in pairwise(given)),
        "dst_gap": any_of(to.in_gap(col(n), layout.zone) for n in stamps),
        "pain_scale_missing": col("pain_scale").is_null()
        & any_of(col(n).is_not_null() for n in PAIN),
    }
    return {name: rule.fill_null(False) for name, rule in rules.items()}


def any_of(parts: Iterator[pl.Expr]) -> pl.Expr:
    """Say where any part holds; nowhere without parts."""
    listed = list(parts)
    return pl.any_horizontal(*listed) if listed else pl.lit(False)


def derive(layout: Layout, frame: pl.LazyFrame, key: bytes) -> pl.LazyFrame:
    """Add flags and the derived columns; set aside what is implausible."""
    col, names = pl.col, list(FLAGS)
    frame = frame.with_columns(
        pl.coalesce(name, pl.when(_stated(index, beam)).then("dose_mgy")).alias(name)
        for name, (index, beam) in STATED.items()
    )
    rules = flag_rules(layout)
    bits = [(rule.cast(pl.Int64) * (1 << names.index(name))) for name, rule in rules.items()]
    frame = frame.with_columns(
        mask=pl.sum_horizontal(*bits),
        procedure_code=to.lookup(col("procedure_name"), procedures.code, pl.String()),
        patient_key=to.pseudonyms(col("patient_id"), key),
        extra=to.extra_json(layout.further),
        said_test=layout.is_test(),
    )
    minutes = (col("procedure_end_at") - col("procedure_start_at")).dt.total_seconds() / 60
    is_test = (
        col("said_test")
        | col("is_test").fill_null(False)
        | (col("procedure_code") == "QA").fill_null(False)
    )
    frame = frame.with_columns(
        *(pl.when(~rules[flag]).then(col(name)).alias(name) for name, flag in SET_ASIDE.items()),
        is_test=is_test,
        duration_min=pl.coalesce("duration_min", pl.when(minutes >= 0).then(minutes)),
        dose_index=pl.when(col("dose_mgy").is_not_null()).then(
            col("dose_index").fill_null("unspecified")
        ),
        updated_at=col("updated_at")
        .dt.replace_time_zone(layout.zone, ambiguous="earliest", non_existent="null")
        .dt.convert_time_zone("UTC"),
        mask=col("mask") + is_test.cast(pl.Int64) * (1 << names.index("test_patient")),
    )
    return _last(frame)


def _stated(index: str, beam: str) -> pl.Expr:
    """Say where the plain figure is of this index, and the modality can have it."""
    one, two = (pl.col(name).eq_missing(beam) for name in ("modality", "second_modality"))
    return (pl.col("dose_index") == index) & (one | two)


def _last(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Add what depends on values that were cleared, and the flags as a list."""
    col, known = pl.col, procedures.catalogue()
    bmi = col("weight_kg") / (col("height_cm") / 100) ** 2
    code = col("procedure_code")
    zero = (col("mask") // (1 << list(FLAGS).index("ultrasound_zero_dose"))) % 2 == 1
    return frame.with_columns(
        *(pl.when(~zero).then(col(n)).alias(n) for n in IONISING),
        bmi=pl.when(bmi.is_between(10, 80)).then(bmi),
        procedure_family=to.lookup(code, lambda name: known[name].family, pl.String()),
        region=to.lookup(code, lambda name: known[name].region, pl.String()),
        flags=_flag_list(col("mask")),
        source_line=col(LINE).cast(pl.Int64),
    )


def _flag_list(mask: pl.Expr) -> pl.Expr:
    """Turn the bits of a number into the list of flags."""
    names = list(FLAGS)

    def batch(masks: pl.Series) -> pl.Series:
        distinct = masks.unique()
        lists = [[n for i, n in enumerate(names) if value >> i & 1] for value in distinct.to_list()]
        table = pl.DataFrame(
            {"mask": distinct, "flags": pl.Series(lists, dtype=pl.List(pl.String))}
        )
        found = pl.DataFrame({"mask": masks}).join(
            table, on="mask", how="left", maintain_order="left"
        )
        return found["flags"]

    return mask.map_batches(batch, return_dtype=pl.List(pl.String), is_elementwise=True)
