"""What people wrote about one patient's cases: to be told to the patient, or to be deleted."""

from typing import Any

import polars as pl
import sqlalchemy as sa

from warehouse.case_keys import case_key_expr
from warehouse.review_store import reading, writing
from warehouse.review_tables import alert, outcome_entry, review, review_event
from warehouse.settings import Settings

TABLES = (review_event, alert, review, outcome_entry)


def told(settings: Settings, cases: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Return every row about some cases, by table.

    ``cases`` has site, accession_number, performed_on, device, procedure_start_at and modality.
    """
    with reading(settings) as con:
        return {
            table.name: [
                dict(row._mapping) for row in con.execute(sa.select(table).where(_of(table, cases)))
            ]
            for table in TABLES
        }


def forget(settings: Settings, cases: pl.DataFrame) -> dict[str, int]:
    """Delete every row about some cases (as for :func:`told`); return how many, by table.

    The file is written anew, so that nothing stays readable in its free pages.
    """
    with writing(settings) as con:
        counts = {
            table.name: con.execute(sa.delete(table).where(_of(table, cases))).rowcount
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


def _of(table: sa.Table, cases: pl.DataFrame) -> sa.ColumnElement[bool]:
    """Say which rows are about the cases."""
    keys = cases.select(case_key_expr()).to_series().unique().sort().to_list()
    if table is outcome_entry:
        numbered = cases.drop_nulls("accession_number").select("site", "accession_number").unique()
        pair = sa.tuple_(outcome_entry.c.site, outcome_entry.c.accession_number)
        return pair.in_(numbered.rows())
    if table is review_event:
        ids = sa.select(review.c.id).where(review.c.case_key.in_(keys))
        return review_event.c.review_id.in_(ids)
    return table.c.case_key.in_(keys)
