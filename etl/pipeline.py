"""From a table of text to a staged file: normalise, gate, split good rows from bad."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from etl import normalise as to
from etl import procedures
from etl.contract import (
    DERIVED,
    FLAGS,
    IONISING,
    PAIN,
    ProcedureRow,
    gate,
    polars_type,
    reasons,
    staged_schema,
    unit_of,
)
from etl.follow_up import REQUIRED
from etl.layout import Layout
from etl.privacy import (
    OLDEST_AGE,
    REMOVED,
    impersonal_name,
    names_columns,
    telling_words,
    without,
)
from etl.profiles import Profile, recognise
from etl.returned import as_sent, corrected
from etl.sources import openrem
from etl.sources.base import LINE, MARK, PROBLEM, RefusalError, Table
from etl.staging import EVENT, RAW_VALUE, REJECTED, REPORT, UNMAPPED, SourceFile, Staged
from warehouse.settings import Settings

FIELDS = list(ProcedureRow.model_fields)
QUANTITIES = [name for name, info in ProcedureRow.model_fields.items() if unit_of(info)]
_REASON_BATCH = 50_000
#: Body measures that are set aside when implausible, and their flags.
_SET_ASIDE = {
    "age_years": "age_implausible",
    "weight_kg": "weight_implausible",
    "height_cm": "height_implausible",
}


def stage_table(
    table: Table, source: SourceFile, *, work_dir: Path, settings: Settings, key: bytes
) -> Staged:
    """Stage a table of text: recognise its layout, then normalise and check every row."""
    table = as_sent(table)
    profile = recognise(table.header, settings.profiles_dir)
    if profile is None:
        raise RefusalError(unknown_layout(table.header))
    layout = Layout(table, profile, settings, decimal_style(table, profile, settings))
    source = impersonal(source, layout)
    out = work_dir / f"{source.sha256[:16]}.procedures.parquet"
    bad, raw, report = split(layout, check(layout), out, key)
    kept = pl.scan_parquet(out).select(pl.len()).collect().item()
    rejected = reject(layout, bad, key)
    reports, events = openrem.build(layout, report) if layout.profile.dialect else (None, None)
    return Staged(
        source=source,
        profile=profile.name,
        kind=profile.kind,
        read=kept + rejected.height,
        procedures=out,
        rejected=rejected,
        reports=pl.DataFrame(schema=REPORT) if reports is None else reports,
        events=pl.DataFrame(schema=EVENT) if events is None else events,
        raw_values=raw_values(layout, raw, source),
        unmapped=unmapped(out),
        corrected=corrected(table),
    )


def impersonal(source: SourceFile, layout: Layout) -> SourceFile:
    """Return a source file under a name that names no person of its table."""
    return replace(source, name=impersonal_name(source.name, _persons_named(layout, source.name)))


def _persons_named(layout: Layout, file_name: str) -> list[str]:
    """Return the identifiers in a table that its file name may be made of."""
    words = telling_words(file_name)
    if not layout.identifiers or not words:
        return []
    cells = pl.concat_list(pl.col(sorted(layout.identifiers))).explode().alias("cell")
    found = layout.table.frame.select(cells).filter(
        pl.col("cell").str.contains_any(words, ascii_case_insensitive=True)
    )
    return found.unique().collect(engine="streaming")["cell"].to_list()


def unknown_layout(header: tuple[str, ...]) -> str:
    """Say what a file lacks that no layout fits."""
    from etl.profiles import field_of, follow_up_columns, missing_columns

    if not names_columns(header):
        return (
            "its first row holds values, no column names: put the names of docs/columns.md above it"
        )
    known = {found[0] for found in map(field_of, header) if found}
    follow = follow_up_columns(header)
    names = ", ".join(f"'{name}'" for name in header[:12]) + (" …" if len(header) > 12 else "")
    if "scale" in follow and "modality" not in known:
        lacking = ", ".join(name for name in REQUIRED if name not in follow)
        return (
            f"missing column: {lacking or 'timepoint (or measured_on)'}; a follow-up log was found "
            f"with {names}. Add the column, or describe the layout in a profile (docs/profiles.md)"
        )
    if known:
        lacking = ", ".join(missing_columns(known))
        return (
            f"missing column: {lacking}; the file has {names}. "
            "Add the column, or describe the layout in a profile (docs/profiles.md)"
        )
    return (
        f"no known layout has these columns: {names}. Name them as in docs/columns.md, "
        "or describe the layout in a profile (docs/profiles.md)"
    )


def decimal_style(table: Table, profile: Profile, settings: Settings) -> to.Decimal:
    """Return the decimal mark: declared, else recognised from all numbers of the file."""
    if profile.decimal:
        return profile.decimal
    if not table.may_hold_comma:
        return "."
    layout = Layout(table, profile, settings, ".")
    places = layout.numeric_places()
    if not places:
        return "."
    with_comma = pl.concat_list(pl.col(places)).explode().str.strip_chars().alias("text")
    texts = (
        table.frame.select(with_comma)
        .filter(pl.col("text").str.contains(r"^[+-]?[\d.,]*\d[\d.,]*"))
        .with_columns(
            comma=pl.col("text").str.contains(
                r"^[+-]?(\d*,(\d{1,2}|\d{4,})|0,\d+|[\d.]*\.\d{3},\d+)([^\d.,]|$)"
            ),
            dot=pl.col("text").str.contains(
                r"^[+-]?(\d*\.(\d{1,2}|\d{4,})|0\.\d+|[\d,]*,\d{3}\.\d+)([^\d.,]|$)"
            ),
            open=pl.col("text").str.contains(r"^[+-]?[1-9]\d{0,2},\d{3}([^\d.,]|$)"),
        )
    )
    found = texts.select(
        *(pl.col(k).sum().alias(k) for k in ("comma", "dot", "open")),
        *(
            pl.col("text").filter(pl.col(k)).first().alias(f"{k}_text")
            for k in ("comma", "dot", "open")
        ),
    ).collect(engine="streaming")
    row = found.row(0, named=True)
    return _judge_decimal(row)


def _judge_decimal(row: dict[str, Any]) -> to.Decimal:
    """Decide the decimal mark from counts, and refuse what could be read in two ways."""
    if row["comma"] and row["dot"] and row["open"]:
        raise RefusalError(
            f"decimal comma ('{row['comma_text']}') and point ('{row['dot_text']}') in one file, "
            f"and '{row['open_text']}' could be either: write one style, or declare `decimal` in "
            "a profile"
        )
    if row["open"] and not row["comma"] and not row["dot"]:
        raise RefusalError(
            f"'{row['open_text']}' could be a decimal comma or a thousands mark and nothing in the "
            "file decides it: write a decimal point, or declare `decimal` in a profile"
        )
    return "," if row["comma"] > row["dot"] else "."


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
            to_words(layout, "modality"),
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


def to_words(layout: Layout, name: str) -> dict[str, object]:
    """Return the words of a column under a layout."""
    from etl.words import word_map

    return word_map(name, layout.profile.words.get(name, {}))


def _flag_rules(layout: Layout) -> dict[str, pl.Expr]:
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
        "unit_misprint": _any(to.misprinted(col(f"t_{n}"), layout.unit(n)) for n in products),
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
        "ultrasound_zero_dose": ultrasound_only & _any(col(n) == 0 for n in IONISING),
        "date_mismatch": col("performed_on") != col("procedure_start_at").dt.date(),
        "duration_mismatch": (col("duration_min") - minutes).abs() > 1,
        "duration_window": ~pl.coalesce("duration_min", minutes).is_between(0.001, 720),
        "stamp_order": _any(col(a) > col(b) for a, b in pairwise(given)),
        "dst_gap": _any(to.in_gap(col(n), layout.zone) for n in stamps),
        "pain_scale_missing": col("pain_scale").is_null()
        & _any(col(n).is_not_null() for n in PAIN),
    }
    return {name: rule.fill_null(False) for name, rule in rules.items()}


def _any(parts: Iterator[pl.Expr]) -> pl.Expr:
    """Say where any part holds; nowhere without parts."""
    listed = list(parts)
    return pl.any_horizontal(*listed) if listed else pl.lit(False)


#: Columns that the plain mGy figure fills where they are blank: by stated index and modality.
_STATED = {
    "air_kerma_mgy": ("air_kerma", "fluoroscopy"),
    "ctdi_vol_mgy": ("ctdi_vol", "CT"),
    "ssde_mgy": ("ssde", "CT"),
}


def _stated(index: str, beam: str) -> pl.Expr:
    """Say where the plain figure is of this index, and the modality can have it."""
    one, two = (pl.col(name).eq_missing(beam) for name in ("modality", "second_modality"))
    return (pl.col("dose_index") == index) & (one | two)


def _derive(layout: Layout, frame: pl.LazyFrame, key: bytes) -> pl.LazyFrame:
    """Add flags and the derived columns; set aside what is implausible."""
    col, names = pl.col, list(FLAGS)
    frame = frame.with_columns(
        pl.coalesce(name, pl.when(_stated(index, beam)).then("dose_mgy")).alias(name)
        for name, (index, beam) in _STATED.items()
    )
    rules = _flag_rules(layout)
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
        *(pl.when(~rules[flag]).then(col(name)).alias(name) for name, flag in _SET_ASIDE.items()),
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


@dataclass
class Aside:
    """Takes out of a passing stream the rows that were refused and the texts that must be kept."""

    raw_texts: dict[str, pl.Expr]
    bad: list[pl.DataFrame] = field(default_factory=list)
    raw: list[pl.DataFrame] = field(default_factory=list)

    def take(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Keep what is needed of some rows and pass the good ones on."""
        held = rows["bad"]
        good = rows
        if held.any():
            self.bad.append(rows.filter(held))
            good = rows.filter(~held)
        if good["any_raw"].any():
            self.raw.append(good.filter("any_raw").select(LINE, **self.raw_texts))
        return good


def split(
    layout: Layout, checked: pl.LazyFrame, out: Path, key: bytes
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Write the good rows; return the bad, the raw values and the reports of the good, at once."""
    keep = _kept_as_sent(layout)
    aside = Aside({n: pl.when(held).then(pl.col(f"t_{n}")) for n, held in keep.items()})
    given, nulls = _given(layout), _nulls(layout)
    checked = checked.with_columns(any_raw=_any(iter(keep.values())).fill_null(False)).drop(nulls)
    empty = checked.collect_schema().to_frame()
    good = _derive(
        layout,
        checked.map_batches(
            aside.take,
            schema=empty.schema,
            streamable=True,
            predicate_pushdown=False,
            projection_pushdown=False,
            slice_pushdown=False,
        ).with_columns(**nulls),
        key,
    )
    columns = [pl.col(name).cast(kind) for name, kind in staged_schema().items() if name in given]
    report = pl.DataFrame()
    if layout.profile.dialect:
        rows = good.with_columns(**openrem.kept(layout)).collect(engine="streaming")
        report = rows.select(LINE, *FIELDS, "flags", *openrem.kept(layout))
        good = rows.lazy()
    # Read once, minutes later, from the same disk: neither packed nor described.
    good.select(columns).sink_parquet(
        out, compression="uncompressed", statistics=False, engine="streaming"
    )
    texts = empty.select(LINE, **aside.raw_texts)
    bad, raw = pl.concat([empty, *aside.bad]), pl.concat([texts, *aside.raw])
    return bad.sort(LINE).with_columns(**nulls), raw.sort(LINE), report


def _given(layout: Layout) -> set[str]:
    """Name the columns of the staged file: what no row of it can have costs time for nothing."""
    given = {*layout.fields, *DERIVED, "site", "status", "is_test", "performed_on"}
    given |= {"second_modality", "duration_min", "procedure_name"}
    if "dose_mgy" in given:
        given |= {"dose_index", *_STATED}
    # What an export says of doses goes to its reports; the procedure's are derived from these.
    return given - {*IONISING, "ctdi_phantom_cm"} if layout.profile.kind == "report" else given


def _nulls(layout: Layout) -> dict[str, pl.Expr]:
    """Return the columns of the log that the file lacks; rules name them all the same."""
    given = {*_given(layout), *layout.fields}
    if layout.profile.dialect:
        given |= {*IONISING, "ctdi_phantom_cm"}
    return {n: pl.lit(None, dtype=polars_type(n)) for n in FIELDS if n not in given}


def _kept_as_sent(layout: Layout) -> dict[str, pl.Expr]:
    """Say where the text of a unit-bearing column must be kept beside its value."""
    rules = _flag_rules(layout)
    keep = {name: layout.is_raw(name) for name in QUANTITIES if name in layout.fields}
    for name, flag in _SET_ASIDE.items():
        if name in keep:
            keep[name] |= rules[flag]
    if "age_years" in keep and not layout.settings.exact_ages:
        keep["age_years"] &= ~pl.col("age_years").is_between(OLDEST_AGE, 120, closed="right")
    return keep


def raw_values(layout: Layout, raw: pl.DataFrame, source: SourceFile) -> pl.DataFrame:
    """Return the unit-bearing values as they were sent, one row a value."""
    parts = []
    for name in raw.columns[1:]:
        column_unit = layout.unit(name)
        unit = pl.col("text").str.extract(r"\d\s*([^\d\s.,:+-][^\d].*|[^\d\s.,:+-])$", 1)
        part = raw.select(source_line=LINE, text=name).drop_nulls("text")
        parts.append(
            part.select(
                pl.col("source_line").cast(pl.Int64),
                pl.lit(name).alias("field"),
                "text",
                pl.coalesce(unit, pl.lit(column_unit, dtype=pl.String)).alias("unit"),
                pl.concat_str(pl.lit(f"{layout.profile.kind} {source.name}:"), "source_line").alias(
                    "source"
                ),
            )
        )
    return pl.concat([pl.DataFrame(schema=RAW_VALUE), *parts])


def unmapped(procedures_file: Path) -> pl.DataFrame:
    """Count the procedure names without a code, with suggestions for a person."""
    counts = (
        pl.scan_parquet(procedures_file)
        .filter(pl.col("procedure_code").is_null() & pl.col("procedure_name").is_not_null())
        .group_by(name="procedure_name")
        .agg(count=pl.len().cast(pl.Int64))
        .sort("count", "name", descending=[True, False])
        .collect(engine="streaming")
    )
    similar = [procedures.suggestions(name) for name in counts["name"].head(1000)]
    similar += [[]] * (counts.height - len(similar))
    column = pl.Series("suggestions", similar, dtype=pl.List(pl.String))
    return counts.with_columns(column).match_to_schema(UNMAPPED)


def reject(layout: Layout, bad: pl.DataFrame, key: bytes) -> pl.DataFrame:
    """Word the reasons of the rows that the gate held back."""
    parts = [pl.DataFrame(schema=REJECTED)]
    for start in range(0, bad.height, _REASON_BATCH):
        rows = [
            _reject_row(layout, row, key)
            for row in bad.slice(start, _REASON_BATCH).iter_rows(named=True)
        ]
        parts.append(pl.DataFrame(rows, schema=REJECTED, orient="row"))
    return pl.concat(parts)


def _reject_row(layout: Layout, row: dict[str, Any], key: bytes) -> tuple[Any, ...]:
    """Return one refused row: line, text, reasons, rules, site, accession number."""
    values = {n: _value(row, n) for n in FIELDS}
    told, rules = reasons(values, {name: row.get(f"t_{name}") for name in FIELDS})
    if row[PROBLEM] is not None:
        rule, _, reason = row[PROBLEM].partition(MARK)
        told, rules = [reason], [rule]
    return refused_row(layout, row, told, rules, key)


def refused_row(
    layout: Layout, row: dict[str, Any], told: list[str], rules: list[str], key: bytes
) -> tuple[Any, ...]:
    """Return a row of `REJECTED`, without what names a person."""
    places = _withheld(layout, row, rules)
    hidden = {part.strip() for place in places for part in (row[place] or "").split("\t")} - {""}
    told = [_in_the_files_words(layout, without(reason, hidden)) for reason in told]
    site, accession = (
        None if row[name] in hidden else row[name] for name in ("site", "accession_number")
    )
    return row[LINE], raw_text(layout, row, key, places, hidden), told, rules, site, accession


def _withheld(layout: Layout, row: dict[str, Any], rules: list[str]) -> frozenset[str]:
    """Return the columns of a refused row that name a person or may do so.

    Where a row has too many cells, or so few that neither modality nor day can be read, its cells
    are shifted: what stands as far from an identifier column as cells are in surplus or missing may
    be the identifier. Of a row in which a stray quote has swallowed others, every cell may.
    """
    columns = layout.table.columns
    named = layout.identifiers | layout.prose
    if "quote" in rules and named:
        return frozenset(columns)
    surplus = (row[columns[-1]] or "").count("\t") if "long_row" in rules else 0
    unread = row.get("modality") is None and row["performed_on"] is None
    filled = next((i for i in range(len(columns), 0, -1) if row[columns[i - 1]]), 0)
    missing = len(columns) - filled if unread else 0
    return frozenset(
        columns[at]
        for place in named
        for at in range(
            max(columns.index(place) - missing, 0),
            min(columns.index(place) + surplus, len(columns) - 1) + 1,
        )
    )


def _value(row: dict[str, Any], name: str) -> Any:
    """Return a column's canonical value, or its text where it has none."""
    typed = row[name]
    return typed if typed is not None else row.get(f"t_{name}")


def _in_the_files_words(layout: Layout, reason: str) -> str:
    """Add the file's own column name where it differs from the log's."""
    name, _, rest = reason.partition(": ")
    header = layout.header_of(name)
    return reason if header == name else f"{name} ('{header}'): {rest}"


def _is_old(age_years: float | None, settings: Settings) -> bool:
    """Say whether an age is kept only as 90 and more."""
    return age_years is not None and OLDEST_AGE < age_years <= 120 and not settings.exact_ages


def raw_text(
    layout: Layout, row: dict[str, Any], key: bytes, withheld: frozenset[str], hidden: set[str]
) -> str:
    """Return the row as it stood, without what names a person; the patient id as its pseudonym."""
    ids, ages = layout.places_of("patient_id"), layout.places_of("age_years")
    cells = []
    for place in layout.table.columns:
        value = row[place]
        if value and place in ids:
            value = f"pseudonym:{to.pseudonymiser(key)(value.strip())}"
        elif value and place in withheld:
            value = REMOVED
        elif value and place in ages and _is_old(row["age_years"], layout.settings):
            value = "90+"
        elif value:
            value = without(value, hidden)
        cells.append(value)
    while cells and cells[-1] is None:
        cells.pop()
    line = io.StringIO()
    csv.writer(line, delimiter=layout.table.delimiter, lineterminator="").writerow(cells)
    return line.getvalue()
