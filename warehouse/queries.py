"""One question, one .sql file: ``run`` is the only way from the warehouse to a page.

A file may take over a common part with a line ``-- include: <part>``, which stands for the text of
``queries/parts/<part>.sql``. Values reach SQL only as named parameters.

Its header says who may run it: ``-- Roles: manager, physician, rso.``, with ``; all sites`` before
the full stop where what it tells cannot be told apart by site. A file without that line is refused.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from warehouse.access import ROLES, SYSTEM_ROLE, RefusedError, Scope
from warehouse.connect import cursor
from warehouse.masking import Masks, masks

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


#: What every query may name besides its own parameters: the reader's sites, and whose cases may be
#: looked at one by one.
SCOPE_PARAMETERS = ("scope_sites", "scope_operators")

_ROLES = re.compile(r"^-- Roles: ([a-z, ]+?)(; all sites)?\.$", re.MULTILINE)


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
    return _whole(path)


def _whole(path: Path) -> str:
    """Return the SQL of a file with its included parts, and theirs."""
    return _INCLUDE.sub(
        lambda match: _whole(FOLDER / "parts" / f"{match[1]}.sql"), path.read_text("utf-8")
    )


@lru_cache
def parameters(name: str) -> frozenset[str]:
    """Return the names of the parameters that a query takes."""
    return frozenset(_PARAMETER.findall(_COMMENT.sub("", text(name))))


@dataclass(frozen=True)
class Rule:
    """Who may run a query."""

    roles: frozenset[str]
    all_sites: bool


@lru_cache
def rule(name: str) -> Rule:
    """Return who may run a query, from its header.

    Raises
    ------
    QueryError
        Where the header does not say, or names a role that there is not.
    """
    found = _ROLES.search(text(name))
    named = frozenset(found[1].split(", ")) if found else frozenset()
    if not found or not named <= {*ROLES, SYSTEM_ROLE}:
        raise QueryError(
            f"query {name!r} does not say who may run it: give its header a line such as "
            f"'-- Roles: manager, physician, rso.' (roles: {', '.join(ROLES)}; {SYSTEM_ROLE} for "
            "none of them; '; all sites' before the full stop where sites cannot be told apart)"
        )
    return Rule(named, found[2] is not None)


def allowed(name: str, scope: Scope) -> None:
    """Refuse a query that the reader's role or sites do not allow.

    Raises
    ------
    RefusedError
        Where they do not.
    """
    asked = rule(name)
    if SYSTEM_ROLE in scope.roles:
        return
    if not asked.roles & set(scope.roles):
        raise RefusedError(f"query {name!r} is not for {' and '.join(scope.roles) or 'no role'}")
    if asked.all_sites and scope.sites is not None:
        raise RefusedError(f"query {name!r} is for readers of all sites")


def bind(name: str, scope: Scope, given: dict[str, Any]) -> dict[str, Any]:
    """Return exactly the parameters a query takes, or say which are missing or unknown.

    The filter parameters may be given to any query, which then uses those that it names; left
    out, they leave the filter open.
    """
    wanted = parameters(name)
    unknown = sorted(set(given) & set(SCOPE_PARAMETERS)) + sorted(
        set(given) - wanted - set(FILTER_PARAMETERS)
    )
    offered = dict.fromkeys(FILTER_PARAMETERS) | given
    offered |= {"scope_sites": scope.sites, "scope_operators": scope.operators}
    missing = sorted(wanted - set(offered))
    if unknown or missing:
        raise QueryError(f"query {name!r}: unknown parameters {unknown}, missing {missing}")
    return {key: _listed(value) for key, value in offered.items() if key in wanted}


def run(name: str, snapshot: Path, scope: Scope, **given: Any) -> pl.DataFrame:
    """Run ``queries/<name>.sql`` on a snapshot within a scope and return its rows.

    Operators are masked for readers who do not see their names, in the rows and in the filter.

    Raises
    ------
    RefusedError
        Where the reader may not ask that; :func:`rule` says who may.
    QueryError
        For a name that is no query, or other parameters than it takes.
    """
    allowed(name, scope)
    if scope.sees_names:
        return _rows(name, snapshot, bind(name, scope, given))
    if given.get("operators") is not None:
        given["operators"] = named(snapshot, scope, given["operators"])
    return _masks(snapshot).masked(
        _rows(name, snapshot, bind(name, scope, given)), given, scope.own
    )


def named(snapshot: Path, scope: Scope, operators: Iterable[str]) -> tuple[str, ...]:
    """Return the operators that a reader chose, by name; a masked one is chosen by code only."""
    if scope.sees_names:
        return tuple(operators)
    return _masks(snapshot).named(operators, scope.own)


def _rows(name: str, snapshot: Path, bound: dict[str, Any]) -> pl.DataFrame:
    with cursor(snapshot) as cur:
        return cur.sql(text(name), params=bound).pl()


@lru_cache(maxsize=4)
def _masks(snapshot: Path) -> Masks:
    """Return the masks of a snapshot's operators."""
    known = _rows("operators", snapshot, {})
    return masks(known["operator"].to_list(), known["secret"][0] if known.height else "")


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | set | frozenset) else value


@lru_cache
def schema_wanted() -> int:
    """Return the schema version that the queries are written for: that of the last migration."""
    migrations = (FOLDER.parent / "migrations").glob("[0-9]*_*.sql")
    return max((int(path.name.split("_")[0]) for path in migrations), default=1)
