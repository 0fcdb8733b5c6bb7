"""What every reader of a file is and gives."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import polars as pl

from etl.privacy import names_columns
from etl.staging import SourceFile, Staged
from warehouse.settings import Settings

#: Column of a table's physical line, and of what is wrong with the row as such.
LINE, PROBLEM = "__line", "__problem"
#: Between the rule and the reason in ``PROBLEM``.
MARK = "\x1f"
#: What a spreadsheet shows in a cell whose formula failed, and writes into its text files.
FAILED_CELLS = frozenset(
    {"#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#GETTING_DATA"}
)
#: Column that `etl rejected --export` adds to say what to correct; never read.
REASONS = "kerma_rejected_because"
#: Column that it adds to know a corrected row again.
ORIGIN = "kerma_rejected_row"


class RefusalError(Exception):
    """A whole file that cannot be read; the message names what is wrong and the remedy.

    ``persons`` are the ids, names and dates in the file that its own name may be made of.
    """

    def __init__(self, message: str, persons: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.persons = persons


@dataclass(frozen=True)
class Table:
    """Rows of text: columns ``c0`` …, the physical line, and a problem of the row or null."""

    header: tuple[str, ...]
    frame: pl.LazyFrame
    delimiter: str = ","
    may_hold_comma: bool = True
    may_hold_failed_cells: bool = True
    trimmed: bool = False  #: no cell has outer blanks or is an empty text
    #: Reads the same rows with care, or refuses the file, where the quick way may fail amid them.
    otherwise: "Callable[[], Table] | None" = None
    columns: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(f"c{i}" for i in range(len(self.header))))


class Reader(Protocol):
    """A kind of source: what it recognises, and how a file of it is staged."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    def recognises(self, path: Path, head: bytes) -> bool:
        """Say whether a file is of this kind, by its name and first bytes."""
        ...

    def stage(
        self, source: SourceFile, *, work_dir: Path, settings: Settings, key: bytes
    ) -> Staged:
        """Read, normalise and check one file."""
        ...


def tidy_header(names: list[str]) -> tuple[str, ...]:
    """Check the header: names are unique; a nameless column gets its number."""
    header = [name.strip().lstrip("\ufeff") or f"(column {i})" for i, name in enumerate(names, 1)]
    seen: dict[str, int] = {}
    for number, name in enumerate(header, 1):
        if name.casefold() in seen:
            told = f"column '{name}'" if names_columns(names) else "a value of the first row"
            raise RefusalError(
                f"{told} appears twice (columns {seen[name.casefold()]} and {number}): "
                "rename or remove one"
            )
        seen[name.casefold()] = number
    return tuple(header)
