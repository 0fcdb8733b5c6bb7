"""Who is at the screen: the signed-in person, else the one that the installation names."""

import getpass
from dataclasses import dataclass
from typing import Any

import streamlit as st

from warehouse.settings import shown

#: What a person may be; without sign-in whoever sits there is all of it.
ROLES = frozenset({"manager", "rso", "physicist", "admin"})


@dataclass(frozen=True)
class Person:
    """A person with the roles they have in Kerma."""

    name: str
    roles: frozenset[str]


def person() -> Person:
    """Return who reads and writes here; a name is needed before anything is written."""
    if getattr(st.user, "is_logged_in", False):
        claims: dict[str, Any] = dict(st.user.to_dict())
        name = claims.get("name") or claims.get("email") or claims.get("sub") or ""
        return Person(str(name), frozenset(claims.get("roles") or ()) & ROLES)
    return Person(shown().user or _account(), ROLES)


def _account() -> str:
    """Return the account that runs Kerma; a container may have a number without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
