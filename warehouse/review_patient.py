"""What people wrote about one patient's cases: to be told to the patient, or to be deleted."""

from typing import Any

import polars as pl
import sqlalchemy as sa

from warehouse.review_tables import alert, reading, review, review_event, writing
from warehouse.reviews import case_key_expr
from warehouse.settings import Settings

TABLES = (review_event, alert, review)


def case_keys(cases: pl.DataFrame) -> list[str]:
    """Return the keys of cases given by site, accession number, day, device, start and modality."""
    return cases.select(case_key_expr()).to_series().unique().sort().to_list()


def told(settings: Settings, keys: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Return every row about the cases, by table."""
    with reading(settings) as con:
        return {
            table.name: [
                dict(row._mapping) for row in con.execute(sa.select(table).where(_of(table, keys)))
            ]
            for table in TABLES
        }


def forget(settings: Settings, keys: list[str]) -> dict[str, int]:
    """Delete every row about the cases; return how many, by table.

    The file is written anew, so that nothing stays readable in its free pages.
    """
    with writing(settings) as con:
        counts = {
            table.name: con.execute(sa.delete(table).where(_of(table, keys))).rowcount
            for table in TABLES
        }
        file = con.dialect.name == "sqlite"
        engine = con.engine
    if file and any(counts.values()):
        with engine.connect() as con:
            driver = con.connection.driver_connection
            assert driver is not None
            driver.execute("vacuum")
            driver.execute("pragma wal_checkpoint(truncate)").fetchall()
    return counts


def _of(table: sa.Table, keys: list[str]) -> sa.ColumnElement[bool]:
    """Say which rows are about the cases."""
    if table is review_event:
        ids = sa.select(review.c.id).where(review.c.case_key.in_(keys))
        return review_event.c.review_id.in_(ids)
    return table.c.case_key.in_(keys)
