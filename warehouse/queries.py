"""One question, one .sql file: ``run`` is the only way from the warehouse to a page.

A file may take over a common part with a line ``-- include: <part>``, which stands for the text of
``queries/parts/<part>.sql``. Values reach SQL only as named parameters.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from warehouse.connect import cursor

FOLDER = Path(__file__).parent / "queries"

#: What the filter bar offers; ``parts/filtered.sql`` applies it. Null leaves a filter open.
FILTER_PARAMETERS = (
    "from_date",
    "to_date",
    "modalities",
    "procedures",
    "sites",
    "rooms",
    "operators",
    "age_low",
    "age_high",
    "bmi_low",
    "bmi_high",
)

_INCLUDE = re.compile(r"^[ \t]*-- include: (\w+)[ \t]*$", re.MULTILINE)
_PARAMETER = re.compile(r"\$([a-z_][a-z0-9_]*)")
_COMMENT = re.compile(r"--[^\n]*")


@dataclass(frozen=True)
class Scope:
    """What one reader may see; part of every query and of every cache key.

    ``sites`` None means all sites. ``role`` is the reader's role in Kerma.
    """

    sites: tuple[str, ...] | None = None
    role: str = "physicist"


class QueryError(ValueError):
    """A query was asked for by a wrong name or with wrong parameters."""


@lru_cache
def text(name: str) -> str:
    """Return the SQL of a query with its included parts."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise QueryError(f"{name!r} is not the name of a query")
    path = FOLDER / f"{name}.sql"
    if not path.exists():
        raise QueryError(f"there is no query {name!r} in {FOLDER.name}/")
    return _INCLUDE.sub(
        lambda match: (FOLDER / "parts" / f"{match[1]}.sql").read_text("utf-8"),
        path.read_text("utf-8"),
    )


@lru_cache
def parameters(name: str) -> frozenset[str]:
    """Return the names of the parameters that a query takes."""
    return frozenset(_PARAMETER.findall(_COMMENT.sub("", text(name))))


def bind(name: str, scope: Scope, given: dict[str, Any]) -> dict[str, Any]:
    """Return exactly the parameters a query takes, or say which are missing or unknown.

    The filter parameters may be given to any query, which then uses those that it names; left
    out, they leave the filter open.
    """
    wanted = parameters(name)
    unknown = sorted(set(given) - wanted - set(FILTER_PARAMETERS))
    offered = dict.fromkeys(FILTER_PARAMETERS) | given | {"scope_sites": scope.sites}
    missing = sorted(wanted - set(offered))
    if unknown or missing:
        raise QueryError(f"query {name!r}: unknown parameters {unknown}, missing {missing}")
    return {key: _listed(value) for key, value in offered.items() if key in wanted}


def run(name: str, snapshot: Path, scope: Scope, **given: Any) -> pl.DataFrame:
    """Run ``queries/<name>.sql`` on a snapshot within a scope and return its rows."""
    bound = bind(name, scope, given)
    with cursor(snapshot) as cur:
        return cur.sql(text(name), params=bound).pl()


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | set | frozenset) else value


@lru_cache
def schema_wanted() -> int:
    """Return the schema version that the queries are written for: that of the last migration."""
    migrations = (FOLDER.parent / "migrations").glob("[0-9]*_*.sql")
    return max((int(path.name.split("_")[0]) for path in migrations), default=1)
