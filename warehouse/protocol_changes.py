"""Recorded changes of protocol or equipment: written in the app, or in a site's own file.

The file is ``protocol_changes.csv`` in the data folder: ``changed_on`` (YYYY-MM-DD), ``what``, and
``site``, ``room``, ``procedure_code``, each blank where the change concerns all of them.
"""

from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path

import polars as pl
import sqlalchemy as sa

from warehouse.access import Person, RefusedError, Scope
from warehouse.access_log import deed
from warehouse.review_store import frame, now, reading, writing
from warehouse.review_tables import protocol_change
from warehouse.settings import Settings

NAME = "protocol_changes.csv"
SCHEMA = pl.Schema(
    {
        "changed_on": pl.Date,
        "what": pl.String,
        "site": pl.String,
        "room": pl.String,
        "procedure_code": pl.String,
    }
)


class ProtocolChangesError(ValueError):
    """A change cannot be read or recorded as it stands; the text says where and what to do."""


def record(
    settings: Settings,
    person: Person,
    changed_on: date,
    what: str,
    site: str | None = None,
    room: str | None = None,
    procedure_code: str | None = None,
) -> int:
    """Record a change of protocol or equipment and return its number.

    Raises
    ------
    ProtocolChangesError
        Without words, without a person, or with a day that has not come.
    RefusedError
        Where the person's role or sites do not allow it; a change at every site (None) needs all.
    """
    if not what.strip():
        raise ProtocolChangesError("say in a few words what was changed")
    if not person.name.strip():
        raise ProtocolChangesError("a change is recorded by a person: sign in, or set KERMA_USER")
    if changed_on > date.today():
        raise ProtocolChangesError(
            f"{changed_on} has not come yet: record a change once it is made"
        )
    row = {
        "changed_on": changed_on, "what": what.strip(), "site": site, "room": room,
        "procedure_code": procedure_code, "person": person.name.strip(), "recorded_at": now(),
    }  # fmt: skip
    with _allowed(settings, person, site, what.strip()), writing(settings) as con:
        made = con.execute(protocol_change.insert().values(row).returning(protocol_change.c.id))
        return made.scalar_one()


def withdraw(settings: Settings, change_id: int, person: Person) -> None:
    """Withdraw a change that was recorded by mistake; who did it stays."""
    with reading(settings) as con:
        site = con.execute(
            sa.select(protocol_change.c.site).where(protocol_change.c.id == change_id)
        ).scalar()
    about = f"withdraw change {change_id}"
    with _allowed(settings, person, site, about), writing(settings) as con:
        done = con.execute(
            protocol_change.update()
            .where(protocol_change.c.id == change_id, protocol_change.c.withdrawn_at.is_(None))
            .values(withdrawn_by=person.name, withdrawn_at=now())
        )
        if not done.rowcount:
            raise ProtocolChangesError(f"change {change_id} is not recorded, or withdrawn already")


def _allowed(
    settings: Settings, person: Person, site: str | None, about: str
) -> AbstractContextManager[None]:
    """Refuse a change that reaches beyond the person's sites; None is every site."""
    if site is None and person.scope.sites is not None:
        raise RefusedError("a change at every site is recorded by those of all sites: name a site")
    return deed(settings, person, "protocol change", about, site)


def recorded(settings: Settings, scope: Scope) -> pl.DataFrame:
    """Return the changes recorded in the app and not withdrawn, in order of time.

    A reader of some sites sees theirs and those of every site.
    """
    site = protocol_change.c.site
    sees = sa.true() if scope.sites is None else site.is_(None) | site.in_(scope.sites)
    names = ("id", *SCHEMA.names(), "person")
    query = (
        sa.select(*(protocol_change.c[name] for name in names))
        .where(protocol_change.c.withdrawn_at.is_(None), sees)
        .order_by(protocol_change.c.changed_on, protocol_change.c.id)
    )
    with reading(settings) as con:
        return frame(con, query)


def all_changes(settings: Settings, scope: Scope) -> pl.DataFrame:
    """Return the changes of the app and of the site's file together, in order of time.

    Raises
    ------
    ProtocolChangesError
        Where the file cannot be read.
    """
    written = recorded(settings, scope).select(SCHEMA.names())
    filed = protocol_changes(settings.data_dir)
    if scope.sites is not None:
        filed = filed.filter(pl.col("site").is_null() | pl.col("site").is_in(scope.sites))
    return pl.concat([filed, written]).sort("changed_on", maintain_order=True)


def protocol_changes(folder: Path) -> pl.DataFrame:
    """Read the recorded changes of a data folder, in order of time.

    Raises
    ------
    ProtocolChangesError
        Where a column is missing or a row has no date or no text, naming row and value.
    """
    path = folder / NAME
    if not path.exists():
        return pl.DataFrame(schema=SCHEMA)
    try:
        text = pl.read_csv(path, infer_schema=False)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise ProtocolChangesError(f"{NAME} is no UTF-8 CSV file: {error}") from error
    missing = [column for column in ("changed_on", "what") if column not in text.columns]
    if missing:
        raise ProtocolChangesError(
            f"{NAME}: column {', '.join(missing)} is missing; the columns are {', '.join(SCHEMA)}"
        )
    text = text.with_columns(
        pl.lit(None, pl.String).alias(column) for column in SCHEMA if column not in text.columns
    ).select(pl.col(SCHEMA.names()).str.strip_chars().replace("", None))
    typed = text.with_columns(pl.col("changed_on").str.to_date("%Y-%m-%d", strict=False))
    _require(text, typed)
    return typed.sort("changed_on", maintain_order=True)


def _require(text: pl.DataFrame, typed: pl.DataFrame) -> None:
    """Refuse the first row without a date or without words."""
    for row, (sent, day, what) in enumerate(
        zip(text["changed_on"], typed["changed_on"], typed["what"], strict=True), start=2
    ):
        if day is None:
            raise ProtocolChangesError(
                f"{NAME}, row {row}, changed_on: {sent!r} is no date; write it as 2026-03-31"
            )
        if what is None:
            raise ProtocolChangesError(
                f"{NAME}, row {row}, what: blank; say in a few words what was changed"
            )
