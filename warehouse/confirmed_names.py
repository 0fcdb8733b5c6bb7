"""Procedure names that a person gave a code, because no synonym covers them exactly."""

import polars as pl
import sqlalchemy as sa

from warehouse.access import Person
from warehouse.access_log import deed
from warehouse.procedures import procedure_names
from warehouse.review_store import frame, now, reading, writing
from warehouse.review_tables import confirmed_name
from warehouse.settings import Settings


class ConfirmedNameError(ValueError):
    """A name cannot be confirmed as it stands; the text says why."""


def confirm(settings: Settings, name: str, procedure_code: str, person: Person) -> None:
    """Give a procedure name a code; the next refresh applies it to past procedures too.

    Raises
    ------
    ConfirmedNameError
        For a blank name, an unknown code, or without a person.
    RefusedError
        Where the person's role or sites do not allow it: a name holds at every site.
    """
    if not name.strip():
        raise ConfirmedNameError("there is no name to confirm")
    if procedure_code not in procedure_names():
        raise ConfirmedNameError(f"'{procedure_code}' is no procedure that Kerma knows")
    if not person.name.strip():
        raise ConfirmedNameError("a name is confirmed by a person: sign in, or set KERMA_USER")
    row = {
        "name": name, "procedure_code": procedure_code, "person": person.name.strip(),
        "confirmed_at": now(),
    }  # fmt: skip
    with (
        deed(settings, person, "procedure name", f"{name} is {procedure_code}"),
        writing(settings) as con,
    ):
        con.execute(confirmed_name.insert().values(row))


def confirmed_names(settings: Settings) -> pl.DataFrame:
    """Return the code that stands for each confirmed name, and who said so when."""
    latest = sa.select(sa.func.max(confirmed_name.c.id)).group_by(confirmed_name.c.name)
    query = (
        sa.select(
            *(confirmed_name.c[n] for n in ("name", "procedure_code", "person", "confirmed_at"))
        )
        .where(confirmed_name.c.id.in_(latest))
        .order_by(confirmed_name.c.name)
    )
    with reading(settings) as con:
        return frame(con, query)
