"""What a report is made of: sections of words, figures, tables and pictures."""

import re
from dataclasses import dataclass

#: Text between double asterisks is strong; nothing else is marked up.
_STRONG = re.compile(r"\*\*(.+?)\*\*", re.DOTALL)


def runs(words: str) -> list[tuple[str, bool]]:
    """Split words into runs and whether each is strong."""
    parts = _STRONG.split(words)
    return [(part, bool(place % 2)) for place, part in enumerate(parts) if part]


@dataclass(frozen=True)
class Words:
    """A paragraph; a quiet one is a note."""

    text: str
    quiet: bool = False


@dataclass(frozen=True)
class Listing:
    """Short points."""

    points: tuple[str, ...]


@dataclass(frozen=True)
class Figure:
    """A number that stands on its own: what, how much, beside what."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Figures:
    """A row of figures."""

    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Table:
    """A table as it is printed; ``right`` says which columns hold numbers."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[bool, ...]
    shares: tuple[int, ...] = ()  #: of the room that is left, for each column; 0: as it needs

    def __post_init__(self) -> None:
        """Refuse a table whose rows are not as wide as its head."""
        width = len(self.columns)
        widths = {width, len(self.right), len(self.shares or self.right), *map(len, self.rows)}
        if len(widths) > 1:
            raise ValueError(f"table {self.title!r}: rows, alignment and head differ in width")


@dataclass(frozen=True)
class Picture:
    """A chart in both forms, with its text alternative."""

    title: str
    alt: str
    svg: str
    pdf: bytes


Block = Words | Listing | Figures | Table | Picture


@dataclass(frozen=True)
class Section:
    """A numbered part of the report."""

    title: str
    blocks: tuple[Block, ...]
    appendix: bool = False


@dataclass(frozen=True)
class Report:
    """A whole report: its head, its sections and what it was made from."""

    title: str
    period: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    made: str  #: when and from which snapshot, for the foot of each page
    signatures: tuple[str, ...] = ()
