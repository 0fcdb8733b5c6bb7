"""The procedure log as an event log: its paths of stamps, and XES for process-mining tools.

XES is written here in forty lines: pm4py, the usual library, is licensed under the GPL and brings
pandas and a solver for what is one small XML document.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from xml.sax.saxutils import quoteattr
from zoneinfo import ZoneInfo

import polars as pl

#: The stamps in the order of a normal day; names after the SWIM workflow lexicon's steps.
ACTIVITIES = (
    "order placed",
    "patient arrived",
    "patient in room",
    "procedure started",
    "procedure ended",
    "patient out of room",
    "report signed",
)


def variants(paths: pl.DataFrame) -> pl.DataFrame:
    """Name the paths and order them by how often they occur.

    Parameters
    ----------
    paths
        ``present`` (bit k: stamp k of ``ACTIVITIES`` is there), ``sorted`` (numbers of the stamps
        by time where they are not in order, else null), ``n``, ``median_min``, ``p90_min``.

    Returns
    -------
    polars.DataFrame
        ``path``, ``in_order``, ``n``, ``share``, ``median_min``, ``p90_min``.
    """
    rows = [
        {
            "path": " → ".join(ACTIVITIES[k - 1] for k in _steps(row["present"], row["sorted"])),
            "in_order": row["sorted"] is None,
            "n": row["n"],
            "median_min": row["median_min"],
            "p90_min": row["p90_min"],
        }
        for row in paths.iter_rows(named=True)
    ]
    frame = pl.DataFrame(
        rows,
        schema={
            "path": pl.String, "in_order": pl.Boolean, "n": pl.Int64, "median_min": pl.Float64,
            "p90_min": pl.Float64,
        },
    )  # fmt: skip
    named = frame.with_columns(pl.col("path").replace("", "no stamp"))
    return named.with_columns(share=pl.col("n") / pl.col("n").sum()).sort(
        "n", "path", descending=[True, False]
    )


def _steps(present: int, ordered: list[int] | None) -> list[int]:
    if ordered is not None:
        return ordered
    return [k for k in range(1, len(ACTIVITIES) + 1) if present >> (k - 1) & 1]


def event_log(events: pl.DataFrame) -> pl.DataFrame:
    """Return the event log as a table: ``case``, ``activity``, ``timestamp`` and where it was.

    Parameters
    ----------
    events
        ``procedure_id``, ``step`` (1 to 7), ``happened_at`` (wall clock), ``site``, ``room``,
        ``modality``, ``procedure_code``; in order within each case.
    """
    names = dict(enumerate(ACTIVITIES, 1))
    return events.select(
        case="procedure_id",
        activity=pl.col("step").replace_strict(names, return_dtype=pl.String),
        timestamp=pl.col("happened_at").dt.to_string("%Y-%m-%dT%H:%M:%S"),
        site="site",
        room="room",
        modality="modality",
        procedure="procedure_code",
    )  # fmt: skip


def to_xes(events: pl.DataFrame, zone: str) -> bytes:
    """Write an event log as XES (IEEE 1849-2016), times with the offset of ``zone``.

    Characters that XML cannot hold (most control characters) become U+FFFD.

    Parameters
    ----------
    events
        As in ``event_log``; the rows of a case must stand together.
    """
    return "".join(_xes_lines(events, ZoneInfo(zone))).encode()


_EPOCH = '<date key="time:timestamp" value="1970-01-01T00:00:00+00:00"/>'


def _xes_lines(events: pl.DataFrame, zone: ZoneInfo) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<log xes.version="1.0" xes.features="">\n'
    for name in ("Concept", "Time"):
        key = name.lower()
        address = f"http://www.xes-standard.org/{key}.xesext"
        yield f'<extension name="{name}" prefix="{key}" uri="{address}"/>\n'
    # What a classifier names, every event must have: the standard asks to declare it.
    yield f'<global scope="trace">{_text("concept:name", "")}</global>\n'
    yield f'<global scope="event">{_text("concept:name", "")}{_EPOCH}</global>\n'
    yield '<classifier name="Activity" keys="concept:name"/>\n'
    case = None
    for row in events.iter_rows(named=True):
        if row["procedure_id"] != case:
            yield from ("</trace>\n",) if case is not None else ()
            case = row["procedure_id"]
            yield f"<trace>{_text('concept:name', str(case))}"
            yield "".join(
                _text(key, row[key])
                for key in ("site", "room", "modality", "procedure_code")
                if row[key] is not None
            )
            yield "\n"
        yield f"<event>{_text('concept:name', ACTIVITIES[row['step'] - 1])}"
        yield f'<date key="time:timestamp" value="{_moment(row["happened_at"], zone)}"/></event>\n'
    yield "</trace>\n</log>\n" if case is not None else "</log>\n"


#: What XML 1.0 has no place for, not even escaped.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _text(key: str, value: str) -> str:
    sound = _NO_XML.sub("\ufffd", value)
    return f"<string key={quoteattr(key)} value={quoteattr(sound)}/>"


def _moment(wall_clock: datetime, zone: ZoneInfo) -> str:
    return wall_clock.replace(tzinfo=zone).isoformat()
