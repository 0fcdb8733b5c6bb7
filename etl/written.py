"""What people wrote in the app since the last load: it waits for the next refresh."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from etl.publish import latest_version, one_row
from warehouse.confirmed_names import confirmed_names
from warehouse.connect import reading
from warehouse.entries import entries_after
from warehouse.procedures import procedures
from warehouse.review_store import NewerReviewsError, ReviewsUnreachableError
from warehouse.settings import Settings


def is_older(base: Path | None) -> bool:
    """Say whether the warehouse waits for a migration: pages cannot show it until then."""
    if base is None:
        return False
    with reading(base) as con:
        return one_row(con, "write/version")[0] < latest_version()


@dataclass(frozen=True)
class Written:
    """Names that people gave a code, and outcomes that they entered; ``warn`` tells what waits."""

    settings: Settings
    warn: Callable[[str], None]

    def names_wait(self, base: Path | None) -> bool:
        """Say whether a person gave a code to a name that past procedures have."""
        confirmed = self.names()
        if base is None or confirmed.is_empty() or is_older(base):
            return False
        with reading(base) as con:
            (waiting,) = one_row(
                con,
                "write/names_waiting",
                names=confirmed["name"].to_list(),
                codes=confirmed["procedure_code"].to_list(),
            )
        return waiting > 0

    def names(self) -> pl.DataFrame:
        """Return the names that people gave a code, with what follows from the code."""
        known = procedures().select(
            procedure_code="code", procedure_family="family", region="region"
        )
        try:
            named = confirmed_names(self.settings)
        except (NewerReviewsError, ReviewsUnreachableError) as error:
            message = f"confirmed names wait for the next run: {error}"
            self.warn(message)
            named = pl.DataFrame(schema={"name": pl.String, "procedure_code": pl.String})
        return named.join(known, on="procedure_code")

    def entries(self, con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
        """Return what people entered in the app and this warehouse does not hold yet."""
        (last,) = one_row(con, "write/entries_merged")
        try:
            return entries_after(self.settings, last)
        except (NewerReviewsError, ReviewsUnreachableError) as error:
            message = f"entered outcomes wait for the next run: {error}"
            self.warn(message)
            return pl.DataFrame()

    def entries_wait(self, base: Path | None) -> bool:
        """Say whether a person entered an outcome since the last load."""
        if base is None or is_older(base):
            return False
        with reading(base) as con:
            return self.entries(con).height > 0
