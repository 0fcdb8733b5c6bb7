"""The database of the reviews: opened, brought up to date, read and written."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import URL, make_url

from warehouse.review_tables import (
    alert_told,
    coefficient_mark,
    confirmed_name,
    local_level,
    metadata,
    outcome_entry,
    protocol_change,
    reviews_meta,
    rule_version,
)
from warehouse.settings import Settings

FILE = "reviews.db"
#: How long one waits for another who writes.
WAIT_SECONDS = 30
#: Number that all processes agree on while one of them makes or changes the tables.
MIGRATION_LOCK = 7_430_118
#: Execution option of connections that only read.
READS = "kerma_reads"


class NewerReviewsError(Exception):
    """The reviews were written by a newer Kerma."""


class ReviewsUnreachableError(Exception):
    """The database of the reviews cannot be opened."""


def _first(con: sa.Connection) -> None:
    metadata.create_all(con)


def _own_levels_and_changes(con: sa.Connection) -> None:
    metadata.create_all(con, tables=[protocol_change, local_level])


def _confirmed_names(con: sa.Connection) -> None:
    metadata.create_all(con, tables=[confirmed_name])


def _messages(con: sa.Connection) -> None:
    metadata.create_all(con, tables=[alert_told])


def _outcome_entries(con: sa.Connection) -> None:
    metadata.create_all(con, tables=[outcome_entry])


def _coefficient_marks(con: sa.Connection) -> None:
    metadata.create_all(con, tables=[coefficient_mark])


def _regions_of_rules(con: sa.Connection) -> None:
    """Add the columns; a table that was made just now has them already."""
    known = {column["name"] for column in sa.inspect(con).get_columns(rule_version.name)}
    for column in (rule_version.c.region, rule_version.c.ctdi_phantom_cm):
        if column.name not in known:
            kind = column.type.compile(con.dialect)
            con.execute(sa.DDL(f"alter table {rule_version.name} add column {column.name} {kind}"))


#: Schema version → what leads to it from the one before.
MIGRATIONS: dict[int, Callable[[sa.Connection], None]] = {
    1: _first,
    2: _own_levels_and_changes,
    3: _confirmed_names,
    4: _messages,
    5: _outcome_entries,
    6: _coefficient_marks,
    7: _regions_of_rules,
}


def address(settings: Settings) -> URL:
    """Return where the reviews of an installation lie."""
    if settings.reviews_url is not None:
        url = make_url(settings.reviews_url.get_secret_value())
        if url.drivername in ("postgresql", "postgres"):
            return url.set(drivername="postgresql+psycopg")
        return url
    return URL.create("sqlite", database=str(settings.data_dir.resolve() / FILE))


def engine(settings: Settings) -> sa.Engine:
    """Return the database of the reviews, its tables made or brought up to date.

    Raises
    ------
    ReviewsUnreachableError
        Where it cannot be opened, with the address (without its password) and the reason.
    NewerReviewsError
        Where a newer Kerma wrote it.
    """
    return _engine(address(settings).render_as_string(hide_password=False))


@lru_cache(maxsize=8)
def _engine(url: str) -> sa.Engine:
    target = make_url(url)
    if target.get_backend_name() == "sqlite" and target.database:
        Path(target.database).parent.mkdir(parents=True, exist_ok=True)
        made = sa.create_engine(target, connect_args={"timeout": WAIT_SECONDS})
        event.listen(made, "connect", _sqlite_settings)
        event.listen(made, "begin", _sqlite_begin)
    else:
        made = sa.create_engine(target, pool_pre_ping=True)
    try:
        with made.begin() as con:
            _migrate(con)
    except exc.OperationalError as error:
        shown = target.render_as_string(hide_password=True)
        reason = str(error.orig).strip().splitlines()[0]
        raise ReviewsUnreachableError(
            f"the reviews cannot be opened at {shown}: {reason}; "
            "see KERMA_REVIEWS_URL and whether the server runs"
        ) from error
    return made


def _sqlite_settings(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions begin as _sqlite_begin says, not by the driver
    _write_ahead(connection)
    connection.execute("pragma synchronous=full")
    connection.execute("pragma foreign_keys=on")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to write-ahead mode; for others who do it at the same time SQLite does not wait."""
    until = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            connection.execute("pragma journal_mode=wal")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(0.01)


def _sqlite_begin(con: sa.Connection) -> None:
    """Take the write lock at once: a later upgrade could fail where another process writes."""
    con.exec_driver_sql("begin" if con.get_execution_options().get(READS) else "begin immediate")


@contextmanager
def reading(settings: Settings) -> Iterator[sa.Connection]:
    """Give a connection that sees one state of the reviews and takes no write lock."""
    with engine(settings).connect().execution_options(**{READS: True}) as con:
        yield con


@contextmanager
def writing(settings: Settings) -> Iterator[sa.Connection]:
    """Give a transaction: all of it is kept, or nothing."""
    with engine(settings).begin() as con:
        yield con


def now() -> datetime:
    """Return the time as the tables hold it: UTC, without zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def _migrate(con: sa.Connection) -> None:
    if con.dialect.name == "postgresql":
        con.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
    found = None
    if sa.inspect(con).has_table(reviews_meta.name):
        found = con.execute(sa.select(reviews_meta.c.schema_version)).scalar()
    latest = max(MIGRATIONS)
    if found is not None and found > latest:
        raise NewerReviewsError(
            f"the reviews have schema {found}, this Kerma knows {latest}: update Kerma"
        )
    for version in range((found or 0) + 1, latest + 1):
        MIGRATIONS[version](con)
    if found is None:
        con.execute(reviews_meta.insert().values(schema_version=latest, created_at=now()))
    elif found < latest:
        con.execute(reviews_meta.update().values(schema_version=latest))


def frame(
    con: sa.Connection,
    query: sa.Select[*tuple[Any, ...]],
    told: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
) -> pl.DataFrame:
    """Return the rows of a query with the types of its columns, also where there are none.

    ``told`` makes of a row what its reader may see of it.
    """
    result = con.execute(query)
    found = result if told is None else (told(dict(r._mapping)).values() for r in result)
    schema = {
        column.name: _POLARS.get(type(column.type), pl.String())
        for column in query.selected_columns
    }
    rows = [
        tuple(str(value) if isinstance(value, dict) else value for value in row) for row in found
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")


_POLARS: dict[type, pl.DataType] = {
    sa.Integer: pl.Int64(),
    sa.Float: pl.Float64(),
    sa.Boolean: pl.Boolean(),
    sa.Date: pl.Date(),
    sa.DateTime: pl.Datetime("us"),
}
