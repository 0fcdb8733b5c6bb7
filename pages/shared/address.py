"""A page's own choices in the address by stable keys, so that a link reopens the same view.

Streamlit's own binding writes what a choice is called on the page: every change of wording would
break the links that people keep. What it wrote before is still read.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st


def choose(key: str, label: str, options: Mapping[str, str], default: str | None = None) -> str:
    """Draw buttons of which one is chosen; ``options`` are keys and what they are called."""
    first = default or next(iter(options))
    chosen = st.segmented_control(
        label, list(options), default=_asked_one(key, options, first), required=True,
        format_func=options.__getitem__, key=key,
    )  # fmt: skip
    return _kept(key, chosen or first, first)


def pick(
    key: str, label: str, options: Mapping[str, str], default: str | None = None, **more: Any
) -> str:
    """Draw a list of which one is chosen."""
    first = default or next(iter(options))
    chosen = st.selectbox(
        label, list(options), index=list(options).index(_asked_one(key, options, first)),
        format_func=options.__getitem__, key=key, **more,
    )  # fmt: skip
    return _kept(key, str(chosen), first)


def several(
    key: str, label: str, options: Mapping[str, str], default: Sequence[str], **more: Any
) -> list[str]:
    """Draw a list of which several are chosen, up to ``max_selections``."""
    most = more.get("max_selections") or len(options)
    given = _known(key, options)[:most]
    chosen = st.multiselect(
        label, list(options), default=given or list(default), format_func=options.__getitem__,
        key=key, **more,
    )  # fmt: skip
    keep(key, chosen, default)
    return list(chosen)


def keep(key: str, chosen: Sequence[str], default: Sequence[str]) -> None:
    """Write a choice to the address; what is chosen by default is not written."""
    wanted = [] if list(chosen) == list(default) else list(chosen)
    if st.query_params.get_all(key) == wanted:
        return
    if wanted:
        st.query_params[key] = wanted
    else:
        st.query_params.pop(key, None)


def _kept(key: str, chosen: str, first: str) -> str:
    keep(key, [chosen], [first])
    return chosen


def _asked_one(key: str, options: Mapping[str, str], first: str) -> str:
    return next(iter(_known(key, options)), first)


def _known(key: str, options: Mapping[str, str]) -> list[str]:
    """Return the options that the address asks for, by key or by what they are called."""
    keys = {name: option for option, name in options.items()} | {o: o for o in options}
    given = [keys[value] for value in st.query_params.get_all(key) if value in keys]
    return list(dict.fromkeys(given))
