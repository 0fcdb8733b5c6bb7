"""What the demo departments have: rooms, people, procedures and their published doses."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import polars as pl

DOSES = Path(__file__).parents[1] / "data" / "demo_doses.csv"

#: Follow-up points of a canonical log, in days after the procedure; 15 min is the same day.
FOLLOW_UPS = {"15min": 0, "1wk": 7, "2wk": 14, "1mo": 30, "2mo": 61, "3mo": 91, "6mo": 183}


@dataclass(frozen=True)
class Room:
    """One room, its machine and how busy it is."""

    site: str
    prefix: str
    room: str
    device: str
    modality: str
    cases_per_day: float
    busy: float = 1.0  #: how often it is staffed, relative to the others
    operators: tuple[str, ...] = ()
    only: tuple[str, ...] = ()  #: procedure codes, where a room is kept for some


_NORTHGATE = ("Dr Abara", "Dr Bellini", "Dr Castro", "Dr Duarte", "Dr Eriksen", "Dr Farouk")
_RIVERSIDE = ("Dr Grau", "Dr Horvat", "Dr Ito", "Dr Jansen")
_SPINE = ("TFESI_L", "MBB_L", "FACET_L", "SIJ_INJ", "RFA_MB_L")
_HARBOUR = ("Dr Kowal", "Dr Lemaire", "Dr Mbeki", "Dr Novak")

ROOMS = (
    Room("Northgate", "NG", "NG Fluoro 1", "NG-XA-1", "fluoroscopy", 5, 1.0, _NORTHGATE),
    Room("Northgate", "NG", "NG Fluoro 2", "NG-XA-2", "fluoroscopy", 7, 1.8, _NORTHGATE, _SPINE),
    Room("Northgate", "NG", "NG CT 1", "NG-CT-1", "CT", 5, 1.0, _NORTHGATE),
    Room("Northgate", "NG", "NG US 1", "NG-US-1", "ultrasound", 5, 1.0, _NORTHGATE),
    Room("Riverside", "RV", "RV Fluoro 1", "RV-XA-1", "fluoroscopy", 5, 1.0, _RIVERSIDE),
    Room("Riverside", "RV", "RV CT 1", "RV-CT-1", "CT", 5, 1.0, _RIVERSIDE),
    Room("Harbour", "HB", "HB Fluoro 1", "HB-XA-1", "fluoroscopy", 5, 1.0, _HARBOUR),
    Room("Harbour", "HB", "HB CT 1", "HB-CT-1", "CT", 4, 1.0, _HARBOUR),
    Room("Harbour", "HB", "HB US 1", "HB-US-1", "ultrasound", 4, 1.0, _HARBOUR),
)

#: The most of its working days that a room of the demo is staffed.
FULL = 0.85
BUSIEST = max(room.busy for room in ROOMS)


@dataclass(frozen=True)
class Plan:
    """How large the demo is: which rooms, from when to when, and how often they are staffed."""

    rooms: tuple[Room, ...]
    start: date
    end: date
    staffed: float

    @property
    def days(self) -> list[date]:
        """Working days, Monday to Friday."""
        span = (self.end - self.start).days + 1
        every = (self.start + timedelta(days=k) for k in range(span))
        return [day for day in every if day.weekday() < 5]


def months_before(day: date, months: int) -> date:
    """Give the first of the month that lies so many months before the day's month."""
    month = day.year * 12 + day.month - 1 - months
    return date(month // 12, month % 12 + 1, 1)


def plan(rows: int, end: date) -> Plan:
    """Size the demo: 24 months of three sites; ten years, then further sites, for more rows."""
    per_day = sum(room.cases_per_day * room.busy for room in ROOMS)
    for months in (24, 60, 120):
        start = months_before(end, months) + timedelta(days=end.day - 1 if end.day <= 28 else 27)
        days = Plan(ROOMS, start, end, 1.0).days
        copies = 1
        staffed = rows / (len(days) * per_day)
        if staffed <= FULL / BUSIEST:
            break
    else:
        copies = -(-rows // int(len(days) * per_day * FULL / BUSIEST))
        staffed = rows / (len(days) * per_day * copies)
    rooms = tuple(_copy(room, k) for k in range(1, copies + 1) for room in ROOMS)
    return Plan(rooms, start, end, staffed)


def _copy(room: Room, k: int) -> Room:
    """Give the room of the k-th set of sites; the first set keeps its names."""
    if k == 1:
        return room
    prefix = f"{room.prefix}{k}"
    return replace(
        room,
        site=f"{room.site} {k}",
        prefix=prefix,
        room=room.room.replace(room.prefix, prefix),
        device=room.device.replace(room.prefix, prefix),
        operators=tuple(f"{name} {k}" for name in room.operators),
    )


@cache
def procedures() -> pl.DataFrame:
    """One row per procedure and modality: share, duration, published medians and their source."""
    texts = ["proc_code", "modality", "log_name", "pain", "second_modality", "source"]
    frame = pl.read_csv(DOSES, infer_schema_length=0)
    numbers = pl.exclude(texts).cast(pl.Float64)
    return frame.with_columns(numbers).with_row_index("catalogue")
