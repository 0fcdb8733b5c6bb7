"""What pages tell the access log: who opened which case, took what away, was refused where."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from pages.shared import auth
from warehouse import access_log
from warehouse.settings import settings

_TOLD = "told-access-log"


def tell(what: str, about: str = "", **details: Any) -> None:
    """Add an entry about the reader."""
    access_log.write(settings(), auth.person(), what, about, **details)


def tell_once(what: str, about: str, **details: Any) -> None:
    """Add an entry about the reader, once in this session: a page runs again at each click."""
    told = st.session_state.setdefault(_TOLD, set())
    if (what, about) not in told:
        tell(what, about, **details)
        told.add((what, about))


def taken(make: Callable[[], bytes], about: str, **details: Any) -> Callable[[], bytes]:
    """Return what makes a file on the click, and logs that it was taken before it is made."""
    who = auth.person()

    def made() -> bytes:
        access_log.write(settings(), who, "export", about, **details)
        return make()

    return made
