"""What the provider's way back leads to: a session for whom the token was made out, else words."""

import json
import logging
from collections.abc import Iterable
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.auth_util import get_cookie_with_chunks
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value

from warehouse import access_log
from warehouse.access import Person
from warehouse.access import Scope as Sees
from warehouse.settings import settings

log = logging.getLogger("kerma.serve")

#: Where the provider sends people back to, and how the cookies begin of those then signed in.
CALLBACK, USER = "/oauth2callback", "_streamlit_user"
FAILED = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Kerma: not signed in</title>
<meta name="viewport" content="width=device-width"><style>
:root { color-scheme: light dark; font: 1rem/1.5 "Source Sans", sans-serif }
body { max-width: 36rem; margin: 4rem auto; padding: 0 1rem }
a { color: light-dark(#0072b2, #56b4e9) }
</style><h1>You are not signed in</h1>
<p>REASON Whoever looks after Kerma finds more in its log under id NUMBER.</p>
<p><a href="./">Back to the sign-in</a></p>
</html>
"""
NOBODY = "The sign-in did not work, was called off, or its address was opened again."
NOT_OURS = "The sign-in was issued for another application than Kerma."


class SignInAnswers:
    """Say that a sign-in failed, with an id; without it the way back leads to the sign-in again.

    Authlib accepts a token for another audience where ``azp`` names this client; here it signs
    nobody in, as one that signs nobody in for another reason. Either is in the access log.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; where the provider's way back signed nobody in, answer with words."""
        asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).keys()
        if not (scope.get("path", "").endswith(CALLBACK) and asked & {"code", "error", "state"}):
            await self.app(scope, receive, send)
            return
        failed = False

        async def send_or_say(message: Message) -> None:
            nonlocal failed
            if message["type"] == "http.response.start":
                cookies = [v for name, v in message["headers"] if name == b"set-cookie"]
                why, person = await run_in_threadpool(refusal, cookies)
                failed = why is not None
                if why is not None:
                    answer = await run_in_threadpool(refused, why, person, cookies)
                    await answer(scope, receive, send)
            if not failed:
                await send(message)

        await self.app(scope, receive, send_or_say)


def refusal(cookies: Iterable[bytes]) -> tuple[str | None, Person]:
    """Return why an answer with these cookies is no sign-in (None: it is one), and whose it was."""
    sign_in, claims = settings().sign_in, claims_of(cookies)
    if sign_in is None or claims is None:
        return NOBODY, Person("", Sees(()))
    who = sign_in.person(claims)
    return (None if sign_in.ours(claims) else NOT_OURS), who


def claims_of(cookies: Iterable[bytes]) -> dict[str, Any] | None:
    """Return the claims of whom an answer signs in by its cookies, or None."""
    sign_in = settings().sign_in
    if sign_in is None:
        return None
    secret = sign_in.secret("cookie_secret")
    found: SimpleCookie = SimpleCookie()
    for cookie in cookies:
        found.load(cookie.decode("latin-1"))

    def one(name: str) -> bytes | None:
        return decode_signed_value(secret, name, found[name].value) if name in found else None

    told = get_cookie_with_chunks(one, USER)
    return json.loads(told) if told else None


def refused(why: str, person: Person, cookies: Iterable[bytes]) -> HTMLResponse:
    """Log a refused sign-in, and answer with its reason, its id and no session.

    Cookies that clear others pass on; of a session that is not to be, none does.
    """
    number = uuid4().hex[:8]
    log.warning("sign-in refused, id %s: %s", number, why)
    access_log.write(settings(), person, "refused", "sign-in", why=why, id=number)
    page = FAILED.replace("REASON", why).replace("NUMBER", number)
    answer = HTMLResponse(page, status_code=400)
    kept = [c for c in cookies if not c.startswith(USER.encode()) or b"Max-Age=0" in c]
    answer.raw_headers += [(b"set-cookie", cookie) for cookie in kept]
    return answer
