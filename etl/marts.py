"""Small tables for the pages: from what a run changed, or made anew."""

import duckdb

from etl.publish import SQL, run_sql

#: Names of the SQL files, in order.
MARTS = sorted(path.stem for path in (SQL / "marts").glob("*.sql"))


def make(con: duckdb.DuckDBPyConnection, base: int, anew: bool) -> None:
    """Bring the marts up to date; ``base`` is the highest procedure_id before the run."""
    run_sql(con, "write/counted_all" if anew else "write/counted_changes", base=base)
    for mart in MARTS:
        run_sql(con, f"marts/{mart}")
