"""From a table of text to a staged file: normalise, gate, split good rows from bad."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from etl import procedures
from etl.contract import DERIVED, IONISING, ProcedureRow, polars_type, staged_schema, unit_of
from etl.decimals import decimal_style
from etl.derive import SET_ASIDE, STATED, any_of, derive, flag_rules
from etl.follow_up import REQUIRED
from etl.gate import FIELDS, check
from etl.layout import Layout
from etl.privacy import OLDEST_AGE, impersonal_name, names_columns, telling_words
from etl.profiles import field_of, follow_up_columns, missing_columns, recognise
from etl.refusals import reject
from etl.returned import as_sent, corrected
from etl.sources import openrem
from etl.sources.base import LINE, RefusalError, Table
from etl.staging import EVENT, RAW_VALUE, REPORT, UNMAPPED, SourceFile, Staged
from warehouse.settings import Settings

QUANTITIES = [name for name, info in ProcedureRow.model_fields.items() if unit_of(info)]


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
    title = len(header) > 1 and any(name.startswith("(column ") for name in header)
    remedy = "Take away what stands above the column names, or name" if title else "Name"
    return (
        f"no known layout has these columns: {names}. {remedy} them as in docs/columns.md, "
        "or describe the layout in a profile (docs/profiles.md)"
    )


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
    checked = checked.with_columns(any_raw=any_of(iter(keep.values())).fill_null(False)).drop(nulls)
    empty = checked.collect_schema().to_frame()
    good = derive(
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
        given |= {"dose_index", *STATED}
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
    rules = flag_rules(layout)
    keep = {name: layout.is_raw(name) for name in QUANTITIES if name in layout.fields}
    for name, flag in SET_ASIDE.items():
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
