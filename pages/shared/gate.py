"""The gate before every page: where Kerma may answer, who is signed in, and for how long.

Nothing of a page runs before it, and its words are all that somebody without a role ever sees.
"""

import time
from ipaddress import ip_address
from typing import Any

import streamlit as st

from pages.shared import auth, trace
from pages.shared.sessions import Sessions
from warehouse.settings import settings
from warehouse.sign_in import SignIn

#: How often an open page looks whether its session is over, seconds; more often where half the
#: time without a click is shorter.
LOOK = 30
#: Keep the address over the provider's way back, which always leads to the start page. Only pages
#: of this origin can write there, and only a path of this origin is gone to.
REMEMBER = """<script>
sessionStorage.setItem("kerma-here", location.pathname + location.search);
</script>"""
RETURN = """<script>
(() => {
  const there = sessionStorage.getItem("kerma-here");
  sessionStorage.removeItem("kerma-here");
  if (!there || !there.startsWith("/") || there === location.pathname + location.search) return;
  const target = new URL(there, location.origin);
  if (target.origin === location.origin) location.replace(target.href);
})();
</script>"""


def passed() -> bool:
    """Say whether the reader may go on to the pages; else the gate has said what to do."""
    sign_in = settings().sign_in
    if sign_in is None:
        return settings().allow_open or _on_this_machine()
    if not _provider_known():
        _say(
            "Started without its sign-in",
            "A provider is set, but this server does not know it."
            " Start it with `streamlit run deploy/serve.py`.",
        )
        return False
    if not getattr(st.user, "is_logged_in", False):
        _offer()
        return False
    why = sessions().why_ended(_claims(), sign_in, time.time())
    if why:
        sign_out(why)
        return False
    who = auth.person()
    if not sessions().known(_claims()):
        trace.tell("signed in")
    sessions().click(_claims(), time.time())
    if not who.scope.roles or who.scope.sites == ():
        trace.tell_once("refused", "every page", why="no role or no site")
        _say(
            "Nothing is open to you",
            f"You are signed in as {_plain(who.name)}, but your account has no "
            f"{'role' if not who.scope.roles else 'site'} in Kerma. Whoever manages the accounts "
            "at your sign-in provider can give you one; then sign out and in again.",
        )
        st.button("Sign out", on_click=sign_out, args=("asked for",), icon=":material/logout:")
        return False
    st.html(RETURN, unsafe_allow_javascript=True)
    _watch(sign_in)
    return True


@st.cache_resource(show_spinner=False)
def sessions() -> Sessions:
    """Return the sign-ins that this process knows."""
    return Sessions()


def refused() -> None:
    """Stand for a page that the reader's role does not open."""
    trace.tell_once("refused", f"page {st.context.url or ''}".rsplit("/", 1)[-1])
    _say(
        "Not for your role",
        "This page is not among those that your role opens. Choose one from the menu; whoever"
        " manages the roles at your sign-in provider can give you another.",
    )


def reader() -> None:
    """Say whose screen this is, with the way out."""
    signed_in = settings().sign_in is not None
    who = auth.person()
    with st.popover(
        _plain(who.name).strip()[:24] or "Nobody" if signed_in else "No sign-in",
        icon=":material/person:" if signed_in else ":material/lock_open:",
        type="tertiary",
        key="reader",
    ):
        if not signed_in:
            where = "Every machine" if settings().allow_open else "This machine only"
            st.markdown(f"{where}, every role. Nobody signs in: no provider is set.")
            return
        sites = "all sites" if who.scope.sites is None else ", ".join(who.scope.sites)
        st.markdown(f"{_plain(who.name)}  \n{', '.join(who.scope.roles)} · {_plain(sites)}")
        st.button("Sign out", on_click=sign_out, args=("asked for",), icon=":material/logout:")


def sign_out(why: str) -> None:
    """End the session here and at the provider."""
    trace.tell("signed out", why)
    sessions().end(_claims(), time.time())
    st.session_state.clear()
    st.logout()


def local_words() -> str:
    """Say how a server without a provider answers, for its start."""
    return (
        "no sign-in provider is set, and allow_open lets every machine in: whoever reaches this "
        "server sees and changes everything"
        if settings().allow_open
        else "no sign-in provider is set: this server answers on this machine only"
    )


def is_loopback(address: str | None) -> bool:
    """Say whether an address (of a server, or of a Host header) is this machine's own."""
    host = (address or "").rsplit(":", 1)[0] if (address or "").count(":") == 1 else address or ""
    host = host.partition("]")[0].removeprefix("[")
    if host.casefold() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _on_this_machine() -> bool:
    """Refuse a server that others could reach, by its address or through a proxy."""
    address = st.get_option("server.address")
    headers = st.context.headers
    host = headers.get("Host")
    proxied = any(headers.get(name) for name in ("X-Forwarded-For", "Forwarded", "X-Real-Ip"))
    if is_loopback(address) and (host is None or is_loopback(host)) and not proxied:
        return True
    _say(
        "Not without sign-in",
        f"This server listens on {address or 'every address'} and was asked for "
        f"`{_plain(host or 'nothing')}`, but no sign-in provider is set: without one Kerma answers "
        "on this machine only (127.0.0.1, not through a proxy). Set `[sign_in]` in kerma.toml, or"
        " `KERMA_ALLOW_OPEN=true` where everybody who reaches it may see everything.",
    )
    return False


def _provider_known() -> bool:
    """Say whether this server was started with the provider's secrets."""
    try:
        return "auth" in st.secrets
    except FileNotFoundError:
        return False


def _offer() -> None:
    """Offer the sign-in, and keep the address for afterwards."""
    _say("Sign in", "Kerma shows health data of patients. Sign in with your hospital account.")
    st.html(REMEMBER, unsafe_allow_javascript=True)
    st.button("Sign in", on_click=st.login, type="primary", icon=":material/login:")


def _watch(sign_in: SignIn) -> None:
    """Clear an open page when its session is over, though nobody clicks."""

    @st.fragment(run_every=min(LOOK, sign_in.idle_minutes * 30))
    def look() -> None:
        if sessions().why_ended(_claims(), sign_in, time.time()):
            st.rerun(scope="app")

    look()


def _claims() -> dict[str, Any]:
    return dict(st.user.to_dict())


def _plain(text: str) -> str:
    """Return a text without what Markdown would make of it."""
    return "".join(c if c.isalnum() or c in " .,:@-_'·[]" else " " for c in text)[:200]


def _say(title: str, words: str) -> None:
    st.title(title, anchor=False)
    st.markdown(words)
