"""A site's own dose levels, kept with the day and the cases they were computed from."""

import polars as pl
import sqlalchemy as sa

from warehouse.access import Person, Scope
from warehouse.access_log import deed
from warehouse.review_store import frame, now, reading, writing
from warehouse.review_tables import local_level
from warehouse.settings import Settings

#: What a level is of: those of one kind are compared over time.
OF = ("modality", "procedure_code", "size_band", "dose_index")
COMPUTED = (
    *OF, "kind", "value", "low", "high", "unit", "rooms", "cases", "filters", "from_date",
    "to_date", "snapshot",
)  # fmt: skip


def save(settings: Settings, levels: pl.DataFrame, person: Person) -> int:
    """Keep computed levels, all or none, under one moment; return how many.

    ``levels`` has the columns of :data:`COMPUTED`.

    Raises
    ------
    ValueError
        Without a person or without levels.
    RefusedError
        Where the person's role does not save levels.
    """
    if not person.name.strip():
        raise ValueError("levels are saved by a person: sign in, or set KERMA_USER")
    if levels.is_empty():
        raise ValueError("there is no level to save")
    stamp = {"person": person.name.strip(), "saved_at": now()}
    rows = [row | stamp for row in levels.select(COMPUTED).iter_rows(named=True)]
    with deed(settings, person, "own level", f"{len(rows)} levels"), writing(settings) as con:
        con.execute(local_level.insert(), rows)
    return len(rows)


def saved(settings: Settings, scope: Scope) -> pl.DataFrame:
    """Return every saved level, the newest first; none to a reader of some sites.

    Which sites' cases went into a level is not kept.
    """
    sees = sa.true() if scope.sites is None else sa.false()
    query = (
        sa.select(local_level).where(sees).order_by(local_level.c.saved_at.desc(), local_level.c.id)
    )
    with reading(settings) as con:
        return frame(con, query)
