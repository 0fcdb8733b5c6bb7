"""Which alerts an address was told of: none is told twice, none is lost where sending failed."""

import hashlib
from dataclasses import dataclass
from urllib.parse import urlsplit

import sqlalchemy as sa

from warehouse.review_store import now, reading, writing
from warehouse.review_tables import alert, alert_told, review
from warehouse.settings import Settings


@dataclass(frozen=True)
class Untold:
    """Alerts that wait for review and that an address was not told of yet."""

    n: int
    newest: int  #: number of the newest alert of all, told or not


def untold(settings: Settings, address: str) -> Untold:
    """Count the alerts that still hold, whose review is not closed, and that are news to one."""
    last = sa.select(alert_told.c.alert_id).where(alert_told.c.address == _name(address))
    waiting = (
        sa.select(sa.func.count())
        .select_from(alert.join(review, alert.c.review_id == review.c.id))
        .where(alert.c.lapsed_at.is_(None), review.c.state != "closed")
    )
    with reading(settings) as con:
        told = con.execute(last).scalar() or 0
        n = con.execute(waiting.where(alert.c.id > told)).scalar_one()
        return Untold(n, con.execute(sa.select(sa.func.max(alert.c.id))).scalar() or 0)


def told(settings: Settings, address: str, newest: int) -> None:
    """Note that an address was told of every alert up to a number."""
    row = {"alert_id": newest, "told_at": now()}
    mine = alert_told.c.address == _name(address)
    with writing(settings) as con:
        if not con.execute(alert_told.update().where(mine).values(row)).rowcount:
            con.execute(alert_told.insert().values(row | {"address": _name(address)}))


def _name(address: str) -> str:
    """Name an address so that neither its password nor a new one of it matters."""
    parts = urlsplit(address)
    user = f"{parts.username}@" if parts.username else ""
    place = f"{parts.scheme}://{user}{parts.netloc.rpartition('@')[2]}{parts.path}?{parts.query}"
    return hashlib.sha256(place.encode()).hexdigest()
