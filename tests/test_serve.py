"""What the server puts around every answer, and what it keeps to itself when something fails."""

import asyncio
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message
from streamlit.testing.v1 import AppTest

from deploy import serve
from warehouse.settings import settings


def asked(app: ASGIApp, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
    """Ask the server's outermost part as a browser's request would: status, headers, text."""
    sent: list[Message] = []
    scope = {
        "type": "http", "method": "GET", "path": path, "query_string": b"", "scheme": "http",
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
    }  # fmt: skip

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    with ThreadPoolExecutor(1) as pool:  # a browser of another test may hold this thread's loop
        pool.submit(asyncio.run, serve.SecurityHeaders(app)(scope, receive, send)).result()
    head = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], head, b"".join(part["body"] for part in sent[1:]).decode()


SECRET = "select patient_key from procedure -- /srv/kerma"


def test_a_page_that_fails_shows_an_id_and_the_log_has_the_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def page(secret: str) -> None:
        from deploy.serve import on_script_error

        on_script_error(ValueError(secret))

    with caplog.at_level(logging.ERROR, "kerma.serve"):
        at = AppTest.from_function(page, args=(SECRET,)).run()
    told = re.search(r"under id ([0-9a-f]{8})", at.error[0].value)
    assert told and told[1] in caplog.text and SECRET in caplog.text
    assert "patient_key" not in str(at.main) and not at.exception


def test_an_address_that_fails_answers_with_an_id_and_all_headers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(*_: Any) -> None:
        raise ValueError(SECRET)

    with caplog.at_level(logging.ERROR, "kerma.serve"):
        status, head, text = asked(broken, "/healthz")
    told = re.search(r"id ([0-9a-f]{8})", text)
    assert status == 500 and told and told[1] in caplog.text
    assert "patient_key" not in text and SECRET in caplog.text
    assert head.items() >= lower(serve.HEADERS).items()


def test_the_server_does_not_start_with_a_key_and_no_cipher(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KERMA_ENCRYPTION_KEY", "k" * 40)
    settings.cache_clear()
    try:
        with pytest.raises(SystemExit, match="no cipher"):
            serve.secrets()
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def test_whatever_an_address_answers_it_has_the_headers() -> None:
    every = lower(serve.HEADERS | serve.BY_TLS | serve.NOT_KEPT)
    for status in (200, 302, 404, 405):
        answer = PlainTextResponse("", status_code=status)
        _, head, _ = asked(answer, "/media/x", x_forwarded_proto="https")
        assert head.items() >= every.items()
    _, head, _ = asked(answer, "/")
    assert "strict-transport-security" not in head, "not without TLS"


def lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
