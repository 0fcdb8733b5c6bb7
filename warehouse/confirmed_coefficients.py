"""Coefficients of effective dose that a person has read in their source and confirmed."""

from collections.abc import Iterable

import polars as pl
import sqlalchemy as sa

from warehouse.access import Person
from warehouse.access_log import deed
from warehouse.reference import effective_dose_coefficients
from warehouse.review_store import frame, now, reading, writing
from warehouse.review_tables import coefficient_mark
from warehouse.settings import Settings


class CoefficientError(ValueError):
    """The confirmation cannot be recorded as it stands; the text says why."""


def confirm(settings: Settings, wanted: Iterable[str], person: Person, why: str) -> int:
    """Let exactly these unverified coefficients be in force, and return how many that changed.

    What was confirmed before and is not wanted any more is taken back; each change stays in the
    history with who, when and why.

    Raises
    ------
    CoefficientError
        For a coefficient that is unknown or needs no confirmation, without a person or a reason.
    RefusedError
        Where the person's role does not confirm coefficients.
    """
    chosen = frozenset(wanted)
    open_ones = set(unverified()["coefficient_id"])
    if strange := sorted(chosen - open_ones):
        raise CoefficientError(f"{', '.join(strange)}: no coefficient that waits for confirmation")
    if not person.name.strip():
        raise CoefficientError("who confirms is not known: sign in, or set KERMA_USER")
    if len(why.strip()) < 3:
        raise CoefficientError("say where the value was read, or why it is taken back")
    at = now()
    with deed(settings, person, "coefficient", why.strip()), writing(settings) as con:
        before = _confirmed(con)
        rows = [
            {"coefficient_id": one, "confirmed": one in chosen, "why": why.strip(),
             "person": person.name.strip(), "recorded_at": at}
            for one in sorted(chosen ^ before)
        ]  # fmt: skip
        if rows:
            con.execute(coefficient_mark.insert(), rows)
    return len(rows)


def confirmed(settings: Settings) -> frozenset[str]:
    """Return the coefficients that are in force because a person confirmed them."""
    with reading(settings) as con:
        return _confirmed(con)


def marks(settings: Settings) -> pl.DataFrame:
    """Return every confirmation that was ever recorded, the latest first."""
    with reading(settings) as con:
        return frame(con, sa.select(coefficient_mark).order_by(coefficient_mark.c.id.desc()))


def unverified() -> pl.DataFrame:
    """Return the shipped coefficients that are off until somebody confirms them."""
    return effective_dose_coefficients().filter(~pl.col("verified"))


def _confirmed(con: sa.Connection) -> frozenset[str]:
    latest = sa.select(sa.func.max(coefficient_mark.c.id)).group_by(
        coefficient_mark.c.coefficient_id
    )
    query = sa.select(coefficient_mark.c.coefficient_id).where(
        coefficient_mark.c.id.in_(latest), coefficient_mark.c.confirmed
    )
    return frozenset(con.execute(query).scalars())
