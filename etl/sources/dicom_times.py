"""Dates and times of DICOM objects, as wall clock of the site."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

_STAMP = re.compile(r"(\d{4})[.-]?(\d{2})[.-]?(\d{2})")
_CLOCK = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2})?(?:\.(\d{1,6})\d*)?")
_OFFSET = re.compile(r"([+-])(\d{2})([0-5]\d)$")
#: No place on earth is further from UTC.
_FURTHEST = timedelta(hours=14)
EARLIEST, LATEST = date(1970, 1, 1), date(2100, 1, 1)


@dataclass(frozen=True)
class Clock:
    """How the times of one object become wall clock of the site.

    ``offset`` is the object's Timezone Offset From UTC (0008,0201): it holds for all times that do
    not carry their own. Without either a time is taken as wall clock already.
    """

    zone: str
    offset: timedelta | None = None

    def wall(self, day: date, at: time) -> datetime:
        """Return the site's wall clock of a date and a time of the object."""
        return self._local(datetime.combine(day, at), self.offset)

    def stamp(self, sent: str) -> datetime | None:
        """Read a date and time (DT); an offset of its own goes before the object's."""
        day = _STAMP.match(sent)
        if not day:
            return None
        own = _OFFSET.search(sent[8:])
        rest = sent[day.end() : len(sent) - len(own[0]) if own else None]
        on, at = a_date(day[0]), a_time(rest)
        if on is None or at is None:
            return None
        offset = an_offset(own[0]) if own else self.offset
        return self._local(datetime.combine(on, at), offset)

    def _local(self, told: datetime, offset: timedelta | None) -> datetime:
        if offset is None:
            return told
        there = told.replace(tzinfo=timezone(offset))
        return there.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)


def an_offset(sent: str) -> timedelta | None:
    """Read an offset from UTC (``+0100``); none where it is not in the standard's form."""
    found = _OFFSET.fullmatch(sent)
    if not found:
        return None
    size = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return None if size > _FURTHEST else -size if found[1] == "-" else size


def a_date(sent: str) -> date | None:
    """Read a DICOM date (DA); none outside 1970–2099, as anonymised ones are."""
    found = any_date(sent)
    return found if found and EARLIEST <= found < LATEST else None


def any_date(sent: str) -> date | None:
    """Read a DICOM date (DA) of any year."""
    match = _STAMP.match(sent)
    if not match:
        return None
    try:
        return date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return None


def a_time(sent: str) -> time | None:
    """Read a DICOM time (TM), whole or cut short."""
    match = _CLOCK.match(sent)
    if not match:
        return None
    hour, minute, second, fraction = match.groups()
    try:
        return time(
            int(hour),
            int(minute or 0),
            min(int(second or 0), 59),
            int((fraction or "0").ljust(6, "0")),
        )
    except ValueError:
        return None
