"""Outcomes that people enter in the app: kept with who and when, merged by the next refresh."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl
import sqlalchemy as sa

from warehouse.access import Person
from warehouse.access_log import deed
from warehouse.review_store import frame, now, reading, writing
from warehouse.review_tables import outcome_entry
from warehouse.settings import Settings

#: Number that all processes agree on while one of them enters outcomes.
ENTRY_LOCK = 7_430_119


class EntryError(ValueError):
    """Entries cannot be kept as they stand; the text says why."""


@dataclass(frozen=True)
class Case:
    """The case that an entry is about, by its natural key."""

    site: str
    accession_number: str
    performed_on: date


@dataclass(frozen=True)
class Entry:
    """One value of one scale, as text; whoever offers it has checked it by the contract."""

    scale: str
    value: str
    timepoint: str | None = None
    grade_scale: str | None = None
    withdrawn: bool = False


def enter(settings: Settings, case: Case, entries: Sequence[Entry], person: Person) -> int:
    """Keep entries on a case, all or none; return how many.

    Raises
    ------
    EntryError
        Without a name, without entries, or for a case without an accession number.
    RefusedError
        Where the person's role or sites do not allow it.
    """
    if not person.name.strip():
        raise EntryError("an outcome is entered by a person: sign in, or set KERMA_USER")
    if not case.accession_number:
        raise EntryError("the case has no accession number by which an outcome could find it")
    if not entries:
        raise EntryError("there is nothing to enter: fill in at least one value")
    stamp = {
        "site": case.site, "accession_number": case.accession_number,
        "performed_on": case.performed_on, "person": person.name.strip(), "recorded_at": now(),
    }  # fmt: skip
    rows = [
        stamp
        | {
            "scale": entry.scale, "timepoint": entry.timepoint, "value": entry.value,
            "grade_scale": entry.grade_scale,
            "status": "deleted" if entry.withdrawn else "recorded",
        }
        for entry in entries
    ]  # fmt: skip
    about = f"{len(rows)} values of a case of {case.performed_on} at {case.site}"
    with deed(settings, person, "outcome", about, case.site), writing(settings) as con:
        if con.dialect.name == "postgresql":
            # Numbers are given in the order of commits: the refresh goes on after the last it saw.
            con.execute(sa.select(sa.func.pg_advisory_xact_lock(ENTRY_LOCK)))
        con.execute(outcome_entry.insert(), rows)
    return len(rows)


def entries_after(settings: Settings, last_id: int) -> pl.DataFrame:
    """Return the entries with a higher number, in order."""
    query = (
        sa.select(outcome_entry).where(outcome_entry.c.id > last_id).order_by(outcome_entry.c.id)
    )
    with reading(settings) as con:
        return frame(con, query)


def entries_of(settings: Settings, case: Case) -> pl.DataFrame:
    """Return the entries on a case, the newest first."""
    query = (
        sa.select(outcome_entry)
        .where(
            outcome_entry.c.site == case.site,
            outcome_entry.c.accession_number == case.accession_number,
            outcome_entry.c.performed_on == case.performed_on,
        )
        .order_by(outcome_entry.c.id.desc())
    )
    with reading(settings) as con:
        return frame(con, query)
