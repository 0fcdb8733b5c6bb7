"""How the dashboard is served: ``streamlit run deploy/serve.py``.

``app.py`` remains the dashboard; this adds what a server needs around it: response headers that
keep every request on this host, a health address, and errors that reach the log with an id.
"""

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.runtime.pages_manager import PagesManager

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # Streamlit adds this script's folder only

from deploy.answers import SignInAnswers  # noqa: E402
from pages.shared.gate import is_loopback, local_words  # noqa: E402
from warehouse.connect import serving  # noqa: E402
from warehouse.files import encryption  # noqa: E402
from warehouse.keys import KeyProblemError  # noqa: E402
from warehouse.settings import settings, shown  # noqa: E402

log = logging.getLogger("kerma.serve")

#: Imported before the first visit, which otherwise waits seconds for them.
WARM = ("altair", "vl_convert", "scipy.stats", "analytics.modalities", "warehouse.queries")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "worker-src 'self' blob:; connect-src 'self'; object-src 'none'; base-uri 'self'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
#: Only where the browser came by TLS: a host is then never asked without it again, for a year.
BY_TLS = {"Strict-Transport-Security": "max-age=31536000"}
#: Page data and downloads are kept by no cache on the way; files of the interface may be.
NOT_KEPT = {"Cache-Control": "no-store"}


class SecurityHeaders:
    """Put the headers on every response, also on the one to a request that fails."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and complete the head of its response."""
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                head = MutableHeaders(scope=message)
                head.update(HEADERS)
                if _by_tls(scope):
                    head.update(BY_TLS)
                if scope["path"].startswith("/media/"):
                    head.update(NOT_KEPT)
            await send(message)

        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send_with_headers)
        except Exception:
            number = uuid4().hex[:8]
            log.exception("request failed, id %s", number)
            if started:
                raise
            answer = PlainTextResponse(
                f"This failed; the log has the reason under id {number}", 500
            )
            await answer(scope, receive, send_with_headers)


def _by_tls(scope: Scope) -> bool:
    """Say whether the browser came by TLS, here or to the proxy in front."""
    told = dict(scope.get("headers", ())).get(b"x-forwarded-proto", b"")
    return scope.get("scheme") == "https" or told == b"https"


async def health(_: Request) -> JSONResponse:
    """Say whether there is a warehouse to show; for monitors."""
    snapshot = serving(shown().snapshots)
    found = {"status": "ok" if snapshot else "empty", "snapshot": snapshot and snapshot.name}
    return JSONResponse(found, status_code=200 if snapshot else 503)


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[dict[str, Any] | None]:
    """Import what pages need, and keep Streamlit from finding pages of its own in ``pages/``.

    Until the first visit has run ``app.py`` it would: a first deep link then shows "page not found"
    over the right page. There is no public switch.
    """
    PagesManager.uses_pages_directory = False
    for name in WARM:
        import_module(name)
    yield None


def on_script_error(error: Exception) -> bool:
    """Log an error with an id and show the reader that id, not the error's text."""
    number = uuid4().hex[:8]
    log.error("page failed, id %s", number, exc_info=error)
    st.error(f"This page could not be drawn. The log has the reason under id {number}.")
    return True


def secrets() -> dict[str, Any]:
    """Return what Streamlit needs for the sign-in; refuse to serve others without one."""
    try:
        chosen = settings()
        encrypted = encryption()
        if encrypted.key is not None:
            encrypted.check()
        if chosen.sign_in is not None:
            return {"auth": chosen.sign_in.secrets()}
    except ValueError as error:  # of pydantic too; its text names setting, value and remedy
        raise SystemExit(f"kerma.toml or a KERMA_… variable: {error}") from None
    except KeyProblemError as error:
        raise SystemExit(str(error)) from None
    address = st.get_option("server.address")
    if not chosen.allow_open and not is_loopback(address):
        raise SystemExit(
            f"Kerma does not start on {address or 'every address'}: no sign-in provider is set. "
            "Set [sign_in] in kerma.toml, or start it on 127.0.0.1, or set KERMA_ALLOW_OPEN=true "
            "where everybody who reaches it may see and change everything."
        )
    print(f"Kerma: {local_words()}.", file=sys.stderr)
    return {}


app = st.App(
    ROOT / "app.py",
    secrets=secrets(),
    lifespan=lifespan,
    routes=[Route("/healthz", health)],
    middleware=[Middleware(SecurityHeaders), Middleware(SignInAnswers)],
    on_script_error=on_script_error,
)
