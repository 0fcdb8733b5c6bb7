"""From a table of follow-ups to a staged file."""

from typing import Any

import polars as pl

from etl import normalise as to
from etl.follow_up import COLUMNS, checked
from etl.layout import Layout
from etl.pipeline import impersonal
from etl.refusals import refused_row
from etl.returned import corrected
from etl.sources.base import LINE, MARK, PROBLEM
from etl.staging import FOLLOW_UP, REJECTED, SourceFile, Staged
from etl.words import word_map

#: Rows that are checked together: as many Python objects live at once.
_BATCH = 50_000
_DAYS = ("performed_on", "measured_on")


def stage(layout: Layout, source: SourceFile, key: bytes) -> Staged:
    """Check every row of a follow-up log."""
    source = impersonal(source, layout)
    frame = read(layout).collect(engine="streaming")
    good, bad = [pl.DataFrame(schema=FOLLOW_UP)], [pl.DataFrame(schema=REJECTED)]
    for start in range(0, frame.height, _BATCH):
        rows = [_with_problem(row) for row in frame.slice(start, _BATCH).iter_rows(named=True)]
        taken, refused = checked(rows)
        good.append(pl.DataFrame(taken, schema=FOLLOW_UP, orient="row"))
        told = [refused_row(layout, r.row, r.reasons, r.rules, key) for r in refused]
        bad.append(pl.DataFrame(told, schema=REJECTED, orient="row"))
    return Staged(
        source=source,
        profile=layout.profile.name,
        kind="followup",
        read=frame.height,
        procedures=None,
        rejected=pl.concat(bad),
        follow_ups=pl.concat(good),
        corrected=corrected(layout.table),
    )


def read(layout: Layout) -> pl.LazyFrame:
    """Return the text of every column, with days and times read; blank rows are none."""
    texts, profile, zone = layout.fields, layout.profile, layout.zone
    given = {name: texts.get(name, pl.lit(None, dtype=pl.String)) for name in COLUMNS}
    for name, added in profile.words.items():
        given[name] = to.word(given[name], word_map(name, added), pl.String()).fill_null(
            given[name]
        )
    site = pl.lit(profile.default_site or layout.settings.default_site)
    filled = pl.any_horizontal(pl.col(layout.table.columns).is_not_null())
    frame = layout.table.frame.filter(filled | pl.col(PROBLEM).is_not_null())
    frame = frame.with_columns(layout.problem().alias(PROBLEM))
    frame = frame.with_columns(text.alias(f"t_{name}") for name, text in given.items())
    days = {
        name: to.day(pl.col(f"t_{name}"), profile.date_formats, profile.datetime_formats, zone)
        for name in _DAYS
    }
    changed = to.stamp(pl.col("t_updated_at"), profile.datetime_formats, zone)
    changed = changed.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    plain = [pl.col(f"t_{name}").alias(name) for name in COLUMNS if name not in days]
    return frame.with_columns(*plain, **days, source_line=pl.col(LINE).cast(pl.Int64)).with_columns(
        site=pl.col("site").fill_null(site), updated_at=changed.dt.convert_time_zone("UTC")
    )


def _with_problem(row: dict[str, Any]) -> dict[str, Any]:
    """Say what is wrong with the row as such as (rule, reason), or None."""
    rule, _, reason = (row[PROBLEM] or "").partition(MARK)
    return row | {"problem": (rule, reason) if rule else None}
