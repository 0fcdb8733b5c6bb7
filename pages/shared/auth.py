"""Who is at the screen: the signed-in person, else the one that the installation names."""

import getpass
from typing import Any

import streamlit as st

from warehouse.access import ROLES, Person, Scope, may
from warehouse.settings import settings, shown


def person() -> Person:
    """Return who reads and writes here; a name is needed before anything is written.

    Where a provider is set, somebody who has not signed in is nobody and may see nothing. Where
    none is, Kerma answers on this machine only, and whoever sits there has every role.
    """
    sign_in = settings().sign_in
    if sign_in is None:
        return Person(shown().user or _account(), Scope(ROLES))
    if not getattr(st.user, "is_logged_in", False):
        return Person("", Scope(()))
    claims: dict[str, Any] = dict(st.user.to_dict())
    return sign_in.person(claims)


def may_do(deed: str, site: str | None = None) -> bool:
    """Say whether the reader may do a deed; a page leaves out what it would refuse."""
    return may(person(), deed, site)


def _account() -> str:
    """Return the account that runs Kerma; a container may have a number without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
