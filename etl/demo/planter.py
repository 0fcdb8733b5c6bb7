"""Sets planted values in cases and keeps the record of them."""

from typing import Any

import numpy as np
import polars as pl


class Planter:
    """Sets values in chosen cases and keeps the record; a case is used once."""

    def __init__(self, frame: pl.DataFrame, rng: np.random.Generator) -> None:
        self.frame = frame
        self.rng = rng
        self.used = np.zeros(frame.height, dtype=bool)
        self.record: dict[str, Any] = {}
        self.by_rule: dict[str, list[str]] = {}

    def choose(self, condition: pl.Expr, count: int, apart: pl.Expr | None = None) -> np.ndarray:
        """Draw up to `count` unused cases that meet the condition, in the order of time.

        No two of them have the same value of `apart`.
        """
        fits = self.frame.select(condition.fill_null(False)).to_series().to_numpy() & ~self.used
        able = np.flatnonzero(fits)
        if apart is not None:
            mixed = self.rng.permutation(able)
            kinds = self.frame.select(kind=apart)[mixed]
            firsts = kinds.with_row_index().unique("kind", keep="first", maintain_order=True)
            able = mixed[firsts["index"].to_numpy()]
        picked = np.sort(self.rng.choice(able, min(count, len(able)), replace=False))
        self.used[picked] = True
        return picked

    def put(self, rows: np.ndarray, **values: Any) -> None:
        """Write values into the chosen rows."""
        for name, value in values.items():
            column = self.frame[name].clone()
            new = pl.Series(np.broadcast_to(value, len(rows))).cast(column.dtype)
            self.frame = self.frame.with_columns(column.scatter(rows, new).alias(name))

    def accessions(self, rows: np.ndarray) -> list[str]:
        """Give the accession numbers of rows."""
        return self.frame["accession_number"].gather(rows).to_list()

    def mean_for(self, rows: np.ndarray, *rules: str) -> None:
        """Note the rules that are meant to find these cases."""
        for rule in rules:
            self.by_rule.setdefault(rule, []).extend(self.accessions(rows))
