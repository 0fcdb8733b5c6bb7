"""From text to canonical values, as Polars expressions: numbers with units, times, words, names."""

import hashlib
import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import cache, reduce
from threading import Lock
from typing import Literal
from zoneinfo import ZoneInfo

import polars as pl

from etl import units
from etl.pseudonym import SEPARATOR

Decimal = Literal[".", ","]
Clock = Literal["mm:ss", "hh:mm"]

ISO_DATETIME = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
)
ISO_DATE = ("%Y-%m-%d",)
_OFFSET = r"(?:[Zz]|[+-]\d{2}:?\d{2})$"
#: Number, then whatever stands behind it, for both decimal styles.
_NUMBER = {
    ".": r"^([+-]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d*)?(?:[eE][+-]?\d+)?)\s*([^\d\s.,:+-].*)?$",
    ",": r"^([+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)?(?:,\d*)?(?:[eE][+-]?\d+)?)\s*([^\d\s.,:+-].*)?$",
}
_CLOCK = r"^(\d{1,4}):([0-5]\d)(?::([0-5]\d(?:[.,]\d+)?))?$"


def cell(name: str, missing: tuple[str, ...] = (), *, trimmed: bool = False) -> pl.Expr:
    """Return a cell's text without outer blanks; blanks and marks for missing are null."""
    if trimmed and not missing:
        return pl.col(name)
    text = pl.col(name) if trimmed else pl.col(name).str.strip_chars()
    blank = text.is_in(["", *missing]) if missing else text == ""
    return pl.when(~blank).then(text)


def lookup(text: pl.Expr, find: Callable[[str], object], kind: pl.DataType) -> pl.Expr:
    """Apply a function to each distinct text once.

    Batch by batch: ``Expr.replace_strict`` would wait for the whole column, and a stream of ten
    million rows would be held in memory until it came.
    """
    found: dict[str, object] = {}

    def batch(values: pl.Series) -> pl.Series:
        keys = values.unique().drop_nulls()
        if keys.is_empty():
            return pl.Series(values.name, [None], dtype=kind).new_from_index(0, len(values))
        for value in keys.to_list():
            if value not in found:
                found[value] = find(value)
        targets = pl.Series([found[value] for value in keys.to_list()], dtype=kind)
        return values.replace_strict(keys, targets, default=None, return_dtype=kind)

    return text.map_batches(batch, return_dtype=kind, is_elementwise=True)


def quick_then_careful(
    text: pl.Expr,
    quick: Callable[[pl.Series], pl.Series],
    careful: Callable[[pl.Expr], pl.Expr],
    kind: pl.DataType,
) -> pl.Expr:
    """Parse with ``quick``; only what it leaves unread is parsed with ``careful``.

    Most cells of a log are plainly written: one cast reads them, and the many forms that a cell
    may have cost nothing. ``quick`` must be null or say what ``careful`` says.
    """

    def batch(values: pl.Series) -> pl.Series:
        read = quick(values)
        if read.null_count() == values.null_count():
            return read
        left = read.is_null() & values.is_not_null()
        rest = pl.select(careful(pl.lit(values.filter(left)))).to_series()
        return read.scatter(left.arg_true(), rest)

    return text.map_batches(batch, return_dtype=kind, is_elementwise=True)


def plain_number(text: pl.Expr, decimal: Decimal) -> pl.Expr:
    """Parse what is a bare number in the file's decimal style."""
    if decimal == ".":
        return text.cast(pl.Float64, strict=False)
    comma = text.str.replace(",", ".", literal=True)
    return pl.when(~text.str.contains(".", literal=True)).then(comma).cast(pl.Float64, strict=False)


def _digits(text: pl.Expr, decimal: Decimal) -> pl.Expr:
    """Parse the number part of a text, with thousands marks."""
    thousands = "," if decimal == "." else "."
    bare = text.str.replace_all(thousands, "", literal=True)
    return bare.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)


def seconds(text: pl.Expr, clock: Clock | None) -> pl.Expr:
    """Parse mm:ss, hh:mm (as declared) and hh:mm:ss to seconds."""
    first = text.str.extract(_CLOCK, 1).cast(pl.Float64, strict=False)
    second = text.str.extract(_CLOCK, 2).cast(pl.Float64, strict=False)
    third = text.str.extract(_CLOCK, 3).str.replace(",", ".", literal=True).cast(pl.Float64)
    long = first * 3600 + second * 60 + third
    if clock is None:
        return long
    short = first * 60 + second if clock == "mm:ss" else first * 3600 + second * 60
    return pl.coalesce(long, pl.when(third.is_null()).then(short))


def quantity(
    text: pl.Expr, decimal: Decimal, canonical: str, sent: str | None, clock: Clock | None
) -> pl.Expr:
    """Parse a number and convert it from the cell's unit, else the column's, to the canonical."""
    of_column = (units.factor(sent, canonical) if sent else None) or 1.0
    if of_column == 1.0 and decimal == ".":
        return quick_then_careful(
            text,
            lambda values: values.cast(pl.Float64, strict=False),
            lambda rest: _any_quantity(rest, decimal, canonical, 1.0, clock),
            pl.Float64(),
        )
    return _any_quantity(text, decimal, canonical, of_column, clock)


def _any_quantity(
    text: pl.Expr, decimal: Decimal, canonical: str, of_column: float, clock: Clock | None
) -> pl.Expr:
    """Parse a number in any of its forms."""
    bare = plain_number(text, decimal)
    rest = pl.when(bare.is_null()).then(text)
    number = _digits(rest.str.extract(_NUMBER[decimal], 1), decimal)
    unit = rest.str.extract(_NUMBER[decimal], 2).str.strip_chars()
    by_cell = lookup(unit, lambda name: units.factor(name, canonical), pl.Float64())
    with_unit = number * pl.when(unit.is_null()).then(of_column).otherwise(by_cell)
    scaled = bare if of_column == 1.0 else (bare * of_column).round_sig_figs(12)
    parts = [scaled, with_unit.round_sig_figs(12)]
    if canonical in ("s", "min"):
        short = clock or ("mm:ss" if canonical == "s" else None)
        parts.append(seconds(rest, short) / (60.0 if canonical == "min" else 1.0))
    return pl.coalesce(*parts)


def misprinted(text: pl.Expr, sent: str | None) -> pl.Expr:
    """Say where a product unit was written as a quotient, in the cell or for the whole column."""
    if sent and units.is_misprint(sent):
        return text.is_not_null()
    return text.str.contains("/", literal=True).fill_null(False)


def number(text: pl.Expr, decimal: Decimal) -> pl.Expr:
    """Parse a number without a unit."""
    if decimal == ".":
        return quick_then_careful(
            text,
            lambda values: values.cast(pl.Float64, strict=False),
            lambda rest: _any_number(rest, decimal),
            pl.Float64(),
        )
    return _any_number(text, decimal)


def _any_number(text: pl.Expr, decimal: Decimal) -> pl.Expr:
    """Parse a number in any of its forms."""
    bare = plain_number(text, decimal)
    rest = pl.when(bare.is_null()).then(text).str.extract(_NUMBER[decimal], 0)
    unit = rest.str.extract(_NUMBER[decimal], 2)
    return pl.coalesce(bare, pl.when(unit.is_null()).then(_digits(rest, decimal)))


def integer(value: pl.Expr) -> pl.Expr:
    """Keep whole numbers, as integers."""
    return pl.when(value == value.floor()).then(value).cast(pl.Int64, strict=False)


def stamp(text: pl.Expr, formats: tuple[str, ...], zone: str) -> pl.Expr:
    """Parse a time to the wall clock of the site; an offset in the text is converted."""
    first = next(iter((*formats, *ISO_DATETIME)))
    return quick_then_careful(
        text,
        lambda values: values.str.to_datetime(first, strict=False, time_unit="us", exact=True),
        lambda rest: _any_stamp(rest, formats, zone),
        pl.Datetime("us"),
    )


def _any_stamp(text: pl.Expr, formats: tuple[str, ...], zone: str) -> pl.Expr:
    """Parse a time in any of its forms."""
    parsed: pl.Expr | None = None
    for form in (*formats, *ISO_DATETIME):
        rest = text if parsed is None else pl.when(parsed.is_null()).then(text)
        fresh = rest.str.to_datetime(form, strict=False, time_unit="us", exact=True)
        parsed = fresh if parsed is None else pl.coalesce(parsed, fresh)
    assert parsed is not None
    rest = pl.when(parsed.is_null() & text.str.contains(_OFFSET)).then(text)
    bare = rest.str.replace("[Zz]$", "+00:00").str.replace("T", " ", literal=True)
    zoned = pl.coalesce(
        *(
            bare.str.to_datetime(form, strict=False, time_unit="us", time_zone="UTC")
            for form in ("%Y-%m-%d %H:%M:%S%.f%z", "%Y-%m-%d %H:%M%z")
        )
    )
    return pl.coalesce(parsed, zoned.dt.convert_time_zone(zone).dt.replace_time_zone(None))


def day(text: pl.Expr, formats: tuple[str, ...], stamps: tuple[str, ...], zone: str) -> pl.Expr:
    """Parse a date; of a time the day is taken."""
    first = next(iter((*formats, *ISO_DATE)))
    return quick_then_careful(
        text,
        lambda values: values.str.to_date(first, strict=False, exact=True),
        lambda rest: _any_day(rest, formats, stamps, zone),
        pl.Date(),
    )


def _any_day(
    text: pl.Expr, formats: tuple[str, ...], stamps: tuple[str, ...], zone: str
) -> pl.Expr:
    """Parse a date in any of its forms."""
    parsed: pl.Expr | None = None
    for form in (*formats, *ISO_DATE):
        rest = text if parsed is None else pl.when(parsed.is_null()).then(text)
        fresh = rest.str.to_date(form, strict=False, exact=True)
        parsed = fresh if parsed is None else pl.coalesce(parsed, fresh)
    assert parsed is not None
    rest = pl.when(parsed.is_null()).then(text)
    return pl.coalesce(parsed, stamp(rest, stamps, zone).dt.date())


@cache
def gap_slots(zone: str) -> tuple[datetime, ...]:
    """Return the half hours that the clock of a zone leaves out, 1990 to 2060."""
    place, slots = ZoneInfo(zone), []
    last_offset = datetime(1990, 1, 1, 12, tzinfo=place).utcoffset()
    for ordinal in range(date(1990, 1, 1).toordinal(), date(2060, 12, 31).toordinal()):
        noon = datetime.combine(date.fromordinal(ordinal), datetime.min.time()).replace(hour=12)
        offset = noon.replace(tzinfo=place).utcoffset()
        if offset != last_offset:
            steps = (noon - timedelta(hours=24) + timedelta(minutes=30 * i) for i in range(48))
            slots += [step for step in steps if _skipped(step, place)]
        last_offset = offset
    return tuple(slots)


def _skipped(wall: datetime, place: ZoneInfo) -> bool:
    """Say whether a wall-clock time does not exist in a zone."""
    there = wall.replace(tzinfo=place).astimezone(ZoneInfo("UTC")).astimezone(place)
    return there.replace(tzinfo=None) != wall


def in_gap(value: pl.Expr, zone: str) -> pl.Expr:
    """Say where a time lies in an hour that the clock left out."""
    slots = list(gap_slots(zone))
    if not slots:
        return pl.lit(False)
    return value.dt.truncate("30m").is_in(
        pl.lit(pl.Series(slots, dtype=pl.Datetime("us"))).implode()
    )


def word(text: pl.Expr, known: dict[str, object], kind: pl.DataType) -> pl.Expr:
    """Translate the words of an enumeration; an unknown word is null."""
    return lookup(text, lambda value: known.get(value.lower()), kind)


def complications(text: str, added: dict[str, str]) -> str:
    """Write complications in one way: lower case, ``term:grade``, each once, or ``none``."""
    terms: list[str] = []
    for part in text.split("|"):
        term, _, grade = (" ".join(piece.split()) for piece in part.partition(":"))
        name = added.get(term.casefold(), term.casefold())
        if name:
            terms.append(f"{name}:{grade}" if grade else name)
    named = list(dict.fromkeys(term for term in terms if term != "none"))
    return "|".join(named or ["none"])


def person(text: pl.Expr) -> pl.Expr:
    """Write a DICOM person name (``Family^Given=…``) as plain text; other names stay."""
    first = text.str.split("=").list.first().str.replace_all(r"\^+", " ").str.strip_chars()
    return pl.when(text.str.contains("^", literal=True)).then(first).otherwise(text)


def pseudonymiser(key: bytes) -> Callable[[str], str]:
    """Return the keyed hash of identifiers: HMAC-SHA-256 (RFC 2104), 64 hexadecimal characters.

    Of several keys (see ``etl.pseudonym``) each is applied to what the one before it made.
    """
    digest = _digester(key)
    return lambda identifier: digest(_bytes(identifier)).hex()


def rekeyed(former: str, keys: bytes) -> str:
    """Return a pseudonym under keys that were added since it was made."""
    return _digester(keys)(bytes.fromhex(former)).hex()


def _bytes(identifier: str) -> bytes:
    return identifier.encode("utf-8", "surrogatepass")


def _digester(key: bytes) -> Callable[[bytes], bytes]:
    """Return HMAC-SHA-256 with one key after the other."""
    steps = [_hmac(one) for one in key.split(SEPARATOR)]
    if len(steps) == 1:
        return steps[0]
    return lambda message: reduce(lambda made, step: step(made), steps, message)


def _hmac(key: bytes) -> Callable[[bytes], bytes]:
    """Return HMAC-SHA-256 with a key.

    The state after the key is made once and copied: a third of the time of ``hmac.digest``, which
    counts for a million patients.
    """
    block = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block)).copy
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block)).copy

    def digest(message: bytes) -> bytes:
        first, second = inner(), outer()
        first.update(message)
        second.update(first.digest())
        return second.digest()

    return digest


class _Digests:
    """Digest of each identifier met, made once however often it comes.

    Polars numbers the distinct texts, which is four times faster than a dictionary of a million
    patients and a third of its memory.
    """

    #: Parts in which digests are kept until they are put together: looking up in more is slow.
    most_parts = 8

    def __init__(self, key: bytes) -> None:
        self.make = _digester(key)
        self.kind = pl.Categorical(pl.Categories.random())
        #: The numbering lives as long as a column that uses it.
        self.numbered = pl.Series(dtype=self.kind)
        self.made = pl.Series(dtype=pl.Binary)
        self.lock = Lock()

    def hex(self, identifiers: pl.Series) -> pl.Series:
        """Return the digests of identifiers, as hexadecimal text."""
        with self.lock:
            self.numbered = identifiers.cast(self.kind)
            numbers = self.numbered.to_physical()
            known, last = len(self.made), numbers.max()
            if isinstance(last, int) and last >= known:
                fresh = pl.Series(range(known, last + 1), dtype=numbers.dtype)
                texts = fresh.cat.to(self.kind).cast(pl.String).to_list()
                digests = pl.Series([self.make(_bytes(text)) for text in texts], dtype=pl.Binary)
                together = self.made.n_chunks() >= self.most_parts
                self.made = pl.concat([self.made, digests], rechunk=together)
            made = self.made
        return made.gather(numbers).bin.encode("hex").alias(identifiers.name)


def pseudonyms(identifier: pl.Expr, key: bytes) -> pl.Expr:
    """Replace each identifier by its keyed hash."""
    return identifier.map_batches(_Digests(key).hex, return_dtype=pl.String, is_elementwise=True)


def extra_json(columns: dict[str, pl.Expr]) -> pl.Expr:
    """Gather further columns of the log as a JSON object of text; null where all are blank."""
    if not columns:
        return pl.lit(None, dtype=pl.String)
    packed = pl.struct(*(text.alias(name) for name, text in columns.items()))
    filled = pl.any_horizontal(*(text.is_not_null() for text in columns.values()))
    compact = lookup(pl.when(filled).then(packed.struct.json_encode()), _without_null, pl.String())
    return compact


def _without_null(text: str) -> str:
    """Drop the blank entries of a JSON object."""
    kept = {name: value for name, value in json.loads(text).items() if value is not None}
    return json.dumps(kept, ensure_ascii=False)
