"""Operators by stable codes, for readers who are not to know who did what.

A code is made from the name and a secret of the warehouse: the same person has the same code on
every page and after every refresh, and a list of the staff does not tell whose it is. Where
operators stand in an answer is a convention: in a column ``operator``; in ``group`` or ``unit``
where the parameter ``group_by`` or ``unit`` is 'operator'; in ``value``, ``old_text`` and
``new_text`` of rows whose ``field`` is 'operator'.
"""

import hmac
from base64 import b32encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import polars as pl

#: Characters of a code: one in 30,000 that two of a hundred operators share one.
LENGTH = 5
#: Column → parameter that makes it hold operators.
_BY_PARAMETER = {"group": "group_by", "unit": "unit"}
_OF_FIELD = ("value", "old_text", "new_text")


@dataclass(frozen=True)
class Masks:
    """The codes of a warehouse's operators."""

    secret: str
    names: dict[str, str]  #: code → name

    def code(self, name: str) -> str:
        """Return the code that stands for a name."""
        made = hmac.new(self.secret.encode(), name.encode(), sha256).digest()
        return f"Operator {b32encode(made).decode()[:LENGTH]}"

    def named(self, chosen: Iterable[str], own: Iterable[str]) -> tuple[str, ...]:
        """Return the names behind codes; a name that is not the reader's own selects nobody."""
        mine = set(own)
        found = ((value if value in mine else self.names.get(value)) for value in chosen)
        return tuple(name for name in found if name is not None)

    def masked(self, rows: pl.DataFrame, given: dict[str, Any], own: Iterable[str]) -> pl.DataFrame:
        """Return an answer with codes in place of all names but the reader's own."""
        whole = [name for name in rows.columns if name == "operator"] + [
            column
            for column, parameter in _BY_PARAMETER.items()
            if column in rows.columns and given.get(parameter) == "operator"
        ]
        made = [self._coded(rows, name, own) for name in whole]
        if "field" in rows.columns:
            made += [
                pl.when(pl.col("field") == "operator")
                .then(self._coded(rows.filter(field="operator"), name, own))
                .otherwise(pl.col(name))
                .alias(name)
                for name in _OF_FIELD
                if name in rows.columns
            ]
        return rows.with_columns(made)

    def _coded(self, rows: pl.DataFrame, column: str, own: Iterable[str]) -> pl.Expr:
        mine = set(own)
        names = [name for name in rows[column].unique().drop_nulls() if name not in mine]
        return pl.col(column).replace({name: self.code(name) for name in names})


def masks(operators: Iterable[str], secret: str) -> Masks:
    """Make the masks of a warehouse's operators."""
    empty = Masks(secret, {})
    return Masks(secret, {empty.code(name): name for name in operators})
