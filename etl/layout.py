"""One file's layout: profile and header put together, as expressions on its text columns."""

from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from etl import normalise as to
from etl import units
from etl.contract import ProcedureRow, base_type, is_identifier, polars_type, unit_of, words
from etl.privacy import FREE_TEXT, LEAST_TELLING, LONGEST_VALUE, NAMES_A_PERSON
from etl.profiles import Profile, field_of, plain
from etl.sources.base import FAILED_CELLS, MARK, ORIGIN, PROBLEM, REASONS, Table
from etl.words import word_map
from warehouse.settings import Settings


@dataclass(frozen=True)
class Layout:
    """A profile applied to one header."""

    table: Table
    profile: Profile
    settings: Settings
    decimal: to.Decimal
    _places: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        places = dict(zip(map(plain, self.table.header), self.table.columns, strict=True))
        object.__setattr__(self, "_places", places)

    @property
    def zone(self) -> str:
        """Zone of the wall-clock times."""
        return self.profile.time_zone or self.settings.time_zone

    def place(self, name: str) -> str | None:
        """Return the frame's column of a header name, or none."""
        return self._places.get(plain(name))

    def cell(self, name: str) -> pl.Expr | None:
        """Return the text of a header's column, or none when the file lacks it."""
        place = self.place(name)
        return self._text(place) if place else None

    def _text(self, place: str) -> pl.Expr:
        return to.cell(place, self.profile.missing, trimmed=self.table.trimmed)

    @cached_property
    def fields(self) -> dict[str, pl.Expr]:
        """Text of each column of the log that this file or its profile sets."""
        found: dict[str, pl.Expr] = {}
        for name, origin in self.profile.columns.items():
            cells = [text for text in map(self.cell, origin.columns) if text is not None]
            if len(cells) == len(origin.columns) or (cells and origin.first_of):
                joined = (
                    pl.coalesce(*cells) if origin.first_of else pl.concat_str(cells, separator=" ")
                )
                found[name] = cells[0] if len(cells) == 1 else joined
        for name, value in self.profile.constants.items():
            fixed = pl.lit(value, dtype=pl.String)
            found[name] = pl.coalesce(found[name], fixed) if name in found else fixed
        return found

    def header_of(self, name: str) -> str:
        """Return what the file calls a column of the log."""
        origin = self.profile.columns.get(name)
        return " + ".join(origin.columns) if origin else name

    def unit(self, name: str) -> str | None:
        """Return the unit that the profile or the header gives a column, where it is another."""
        origin = self.profile.columns.get(name)
        sent = origin.unit if origin else None
        if sent is None and origin and len(origin.columns) == 1:
            named = field_of(origin.columns[0])
            sent = named[1] if named else None
        return sent

    def typed(self, name: str) -> pl.Expr:
        """Return the canonical value of a column, from its text ``t_<name>``."""
        text, info = pl.col(f"t_{name}"), ProcedureRow.model_fields[name]
        kind, canonical = polars_type(name), unit_of(info)
        added = self.profile.words.get(name, {})
        if name == "operator":
            return to.person(text)
        if name == "complications":
            own = {word.casefold(): term for word, term in added.items()}
            return to.lookup(text, lambda value: to.complications(value, own), pl.String())
        if canonical:
            origin = self.profile.columns.get(name)
            clock = origin.clock if origin else None
            value = to.quantity(text, self.decimal, canonical, self.unit(name), clock)
            return to.integer(value) if kind == pl.Int64 else value
        known = word_map(name, added)
        if words(info) or kind == pl.Boolean:
            value = to.word(text, known, kind)
            return self._modality(name, value, text, known) if "modality" in name else value
        if known:
            return pl.coalesce(to.word(text, known, kind), text)
        return self._plain(name, text, kind)

    def _plain(self, name: str, text: pl.Expr, kind: pl.DataType) -> pl.Expr:
        """Return the value of a column without unit and words."""
        profile = self.profile
        if kind == pl.Date:
            return to.day(text, profile.date_formats, profile.datetime_formats, self.zone)
        if kind == pl.Datetime:
            return to.stamp(text, profile.datetime_formats, self.zone)
        if kind == pl.Int64:
            return pl.coalesce(
                text.cast(pl.Int64, strict=False), to.integer(to.number(text, self.decimal))
            )
        return to.number(text, self.decimal) if kind == pl.Float64 else text

    @staticmethod
    def _modality(name: str, value: pl.Expr, text: pl.Expr, known: dict[str, object]) -> pl.Expr:
        """Read two modalities in one cell (``CT/US``): the modality, then the second."""
        part = r"^\s*([^+/&,;]+?)\s*[+/&,;]\s*([^+/&,;]+?)\s*$"
        piece = text.str.extract(part, 1 if name == "modality" else 2)
        return pl.coalesce(value, to.word(piece, known, pl.String()))

    def numeric_places(self) -> list[str]:
        """Return the frame's columns that hold numbers with decimals."""
        return [
            place
            for name, origin in self.profile.columns.items()
            if base_type(ProcedureRow.model_fields[name]) is float
            for place in map(self.place, origin.columns)
            if place
        ]

    @cached_property
    def identifiers(self) -> frozenset[str]:
        """Frame columns that name a person."""
        named = {plain(name) for name in self.profile.identifiers}
        for name, origin in self.profile.columns.items():
            if is_identifier(name):
                named |= {plain(column) for column in origin.columns}
        return frozenset(
            place
            for name, place in self._places.items()
            if name in named or NAMES_A_PERSON.search(name)
        )

    def places_of(self, field: str) -> frozenset[str]:
        """Return the frame columns that a column of the log is made of."""
        origin = self.profile.columns.get(field)
        found = (self.place(column) for column in origin.columns) if origin else ()
        return frozenset(place for place in found if place)

    @cached_property
    def prose(self) -> frozenset[str]:
        """Frame columns of free text that the log does not know and nobody asked to keep."""
        return frozenset(
            place
            for name, place in self._places.items()
            if name not in self._used
            and FREE_TEXT.search(name)
            and not self.settings.keeps_free_text(name)
        )

    @cached_property
    def _used(self) -> frozenset[str]:
        """Headers that become columns of the log."""
        origins = self.profile.columns.values()
        return frozenset(plain(column) for origin in origins for column in origin.columns)

    @cached_property
    def further(self) -> dict[str, pl.Expr]:
        """Text of the columns that the log does not know, without what names a person."""
        if self.profile.kind == "report":
            return {}
        known = {
            plain(n) for n in (*self.profile.ignore, *self.profile.test.not_empty, REASONS, ORIGIN)
        }
        return {
            name: self._value_to_keep(name, place)
            for name, place in zip(self.table.header, self.table.columns, strict=True)
            if plain(name) not in self._used | known and place not in self.identifiers | self.prose
        }

    def _value_to_keep(self, name: str, place: str) -> pl.Expr:
        """Return a further column's text: short ones only, unless it may hold free text."""
        text = self._text(place)
        if self.settings.keeps_free_text(name):
            return text
        return pl.when(text.str.len_chars() <= LONGEST_VALUE).then(self.impersonal(text))

    def impersonal(self, text: pl.Expr) -> pl.Expr:
        """Blank a text that repeats an identifier of its row."""
        if not self.identifiers:
            return text
        told = [
            text.str.contains(pl.col(place), literal=True)
            & (pl.col(place).str.len_chars() >= LEAST_TELLING)
            for place in sorted(self.identifiers)
        ]
        return pl.when(~pl.any_horizontal(*(part.fill_null(False) for part in told))).then(text)

    def is_test(self) -> pl.Expr:
        """Say which rows the file itself marks as test patients or phantoms."""
        rule, marks = self.profile.test, []
        marks += [text.is_not_null() for text in map(self.cell, rule.not_empty) if text is not None]
        marks += [
            text.str.contains(pattern.pattern)
            for pattern in rule.patterns
            for text in map(self.cell, pattern.columns)
            if text is not None
        ]
        return (
            pl.any_horizontal(*(mark.fill_null(False) for mark in marks))
            if marks
            else pl.lit(False)
        )

    def problem(self) -> pl.Expr:
        """Name what is wrong with a row as such: the reader's word, else the profile's refusals."""
        found = [pl.col(PROBLEM)]
        for rule in self.profile.refuse:
            place = self.table.columns[0] if rule.column == "first" else self.place(rule.column)
            if place:
                hit = pl.col(place).str.starts_with(rule.starts_with)
                found.append(pl.when(hit).then(pl.lit(f"refused{MARK}{rule.reason}")))
        return pl.coalesce(*found, *self._failed_cells())

    def _failed_cells(self) -> list[pl.Expr]:
        """Name the cells that hold a spreadsheet's error, in the columns that are read."""
        if not self.table.may_hold_failed_cells:
            return []
        ignored = {plain(name) for name in self.profile.ignore}
        told = []
        for name, place in zip(self.table.header, self.table.columns, strict=True):
            if plain(name) in self._used or (self.profile.dialect and plain(name) not in ignored):
                text = self._text(place)
                reason = pl.format(
                    "{}column '{}' holds the spreadsheet's error {}: correct its formula, or leave "
                    "the cell blank",
                    pl.lit(f"failed_cell{MARK}"),
                    pl.lit(name),
                    text,
                )
                told.append(pl.when(text.is_in(FAILED_CELLS)).then(reason))
        return told

    def is_raw(self, name: str) -> pl.Expr:
        """Say where a unit-bearing text is not simply its canonical value."""
        canonical, sent = unit_of(ProcedureRow.model_fields[name]), self.unit(name)
        text = pl.col(f"t_{name}")
        if sent and canonical and units.factor(sent, canonical) != 1.0:
            return text.is_not_null()
        return text.is_not_null() & to.plain_number(text, self.decimal).is_null()
