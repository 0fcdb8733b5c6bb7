"""An OpenID Connect provider on loopback: oidc-provider-mock, with a hand on the tokens it issues.

People sign in at the real form of the mock and its own tokens reach Kerma untouched, until a test
sets `Provider.forge`: then what it makes of the token's claims is sent instead.
"""

import hmac
import json
import subprocess
import sys
import urllib.request
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from joserfc import jws
from joserfc.jwk import KeySet, RSAKey

from tests.e2e.conftest import free_port, wait_for

Claims = dict[str, Any]


@dataclass
class Provider:
    """A running provider: where it is, and what it makes of a token."""

    issuer: str
    url: str
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, auto_kid=True))
    forge: Callable[[Claims], str] | None = None

    def knows(self, account: str, **claims: Any) -> None:
        """Give somebody an account with these claims."""
        request = urllib.request.Request(
            f"{self.issuer}/users/{account}",
            json.dumps(claims).encode(),
            {"Content-Type": "application/json"},
            method="PUT",
        )
        urllib.request.urlopen(request, timeout=10).close()

    def signed(self, claims: Claims, key: RSAKey | None = None) -> str:
        """Return a token with the signature of a key; of the provider's own where none is given."""
        header = {"alg": "RS256", "kid": self.key.kid}
        return jws.serialize_compact(header, json.dumps(claims), key or self.key)

    def signed_with_public_key(self, claims: Claims) -> str:
        """Return a token whose shared secret is the key that everybody knows (HS256)."""
        parts = ({"alg": "HS256", "kid": self.key.kid}, claims)
        signed = ".".join(encoded(json.dumps(part).encode()) for part in parts)
        seal = hmac.digest(self.key.as_pem(private=False), signed.encode(), "sha256")
        return f"{signed}.{encoded(seal)}"


def encoded(data: bytes) -> str:
    """Return bytes as a token writes them."""
    return urlsafe_b64encode(data).decode().rstrip("=")


@contextmanager
def running(log: Path) -> Iterator[Provider]:
    """Run the mock, and before it the metadata, keys and tokens that a test may change."""
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    with open(log, "wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    front = ThreadingHTTPServer(("127.0.0.1", 0), _Front)
    provider = Provider(issuer, f"http://127.0.0.1:{front.server_port}")
    _Front.provider = provider
    Thread(target=front.serve_forever, daemon=True).start()
    try:
        wait_for(f"{issuer}/.well-known/openid-configuration", process, log)
        yield provider
    finally:
        front.shutdown()
        front.server_close()
        process.terminate()
        process.wait(timeout=20)


class _Front(BaseHTTPRequestHandler):
    provider: Provider

    def do_GET(self) -> None:
        """Answer with the mock's metadata, which lead to the tokens here, or the keys in use."""
        if self.path == "/jwks":
            own = KeySet([self.provider.key]).as_dict(private=False)
            mocks = json.loads(_ask(f"{self.provider.issuer}/jwks"))
            self._answer(own if self.provider.forge else mocks)
            return
        found = json.loads(_ask(f"{self.provider.issuer}/.well-known/openid-configuration"))
        here = {"token_endpoint": f"{self.provider.url}/token",
                "jwks_uri": f"{self.provider.url}/jwks"}  # fmt: skip
        self._answer(found | here)

    def do_POST(self) -> None:
        """Fetch a token from the mock and pass it on, forged where a test wants that."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kept = ("Authorization", "Content-Type")
        head = {name: self.headers[name] for name in kept if name in self.headers}
        answer = json.loads(_ask(f"{self.provider.issuer}/oauth2/token", body, head))
        if self.provider.forge is not None:
            claims = jws.extract_compact(answer["id_token"].encode()).payload
            answer["id_token"] = self.provider.forge(json.loads(claims))
        self._answer(answer)

    def _answer(self, found: Mapping[str, Any]) -> None:
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of requests: they are the tests' own."""


def _ask(url: str, body: bytes | None = None, head: Mapping[str, str] | None = None) -> bytes:
    request = urllib.request.Request(url, body, dict(head or {}))
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()
