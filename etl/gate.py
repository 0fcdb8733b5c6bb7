"""The gate: typed columns of the log, and which rows break the contract."""

import polars as pl

from etl import normalise as to
from etl.contract import IONISING, ProcedureRow, gate, polars_type
from etl.layout import Layout
from etl.sources import openrem
from etl.sources.base import PROBLEM
from etl.words import word_map

FIELDS = list(ProcedureRow.model_fields)


def check(layout: Layout) -> pl.LazyFrame:
    """Return all rows with typed columns and ``bad``."""
    texts = layout.fields
    frame = layout.table.frame.filter(
        pl.any_horizontal(pl.col(layout.table.columns).is_not_null())
        | pl.col(PROBLEM).is_not_null()
    )
    dialect = openrem.DIALECTS.get(layout.profile.dialect or "")
    problem = layout.problem()
    frame = frame.with_columns(
        (pl.coalesce(problem, dialect.problem(layout)) if dialect else problem).alias(PROBLEM)
    )
    frame = frame.with_columns(text.alias(f"t_{name}") for name, text in texts.items())
    frame = frame.with_columns(
        (layout.typed(name) if name in texts else pl.lit(None, dtype=polars_type(name))).alias(name)
        for name in FIELDS
    )
    unread = pl.any_horizontal(
        *(pl.col(name).is_null() & pl.col(f"t_{name}").is_not_null() for name in texts)
    )
    frame = frame.with_columns(_defaults(layout), unread=unread)
    if dialect:
        frame = frame.with_columns(**dialect.doses(layout))
    if layout.profile.rolls_over:
        frame = frame.with_columns(_rolled(layout))
    required = [name for name, info in ProcedureRow.model_fields.items() if info.is_required()]
    present = list(dict.fromkeys([*texts, *required, *IONISING, "ctdi_phantom_cm"]))
    broken = pl.col("unread") | pl.col(PROBLEM).is_not_null() | gate(present)
    return frame.with_columns(bad=broken)


def _rolled(layout: Layout) -> list[pl.Expr]:
    """Move times to the next day that share the start's date column and lie 12 hours before it."""
    start, columns = pl.col("procedure_start_at"), layout.profile.columns
    shared = columns["procedure_start_at"].columns[0] if "procedure_start_at" in columns else None
    later = [
        name
        for name in ("procedure_end_at", "room_out_at")
        if name in layout.fields and columns[name].columns[0] == shared
    ]
    half = pl.duration(hours=12)
    return [
        pl.when(start - pl.col(name) > half)
        .then(pl.col(name) + pl.duration(days=1))
        .otherwise(pl.col(name))
        .alias(name)
        for name in later
    ]


def _defaults(layout: Layout) -> list[pl.Expr]:
    """Return the values of columns that may be left blank."""
    site = layout.profile.default_site or layout.settings.default_site
    second = pl.col("second_modality")
    if "second_modality" not in layout.fields and "t_modality" in {f"t_{n}" for n in layout.fields}:
        second = layout._modality(
            "second_modality",
            pl.lit(None, dtype=pl.String),
            pl.col("t_modality"),
            word_map("modality", layout.profile.words.get("modality", {})),
        )
    return [
        _site(layout).fill_null(pl.lit(site)).alias("site"),
        pl.when(second != pl.col("modality")).then(second).alias("second_modality"),
        pl.col("status").fill_null("completed"),
        pl.coalesce("performed_on", pl.col("procedure_start_at").dt.date()).alias("performed_on"),
    ]


def _site(layout: Layout) -> pl.Expr:
    """Return the site as sent; an institution that the settings map is of its site."""
    sites = layout.settings.sites
    if layout.profile.kind != "report" or not sites:
        return pl.col("site")
    own = {name.casefold(): site for name, site in sites.items()}
    return to.lookup(pl.col("site"), lambda name: own.get(name.casefold(), name), pl.String())
