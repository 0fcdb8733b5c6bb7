"""How long a sign-in lasts: its own limit, and the time without a click.

The provider's cookie lasts thirty days; a session here ends after the settings' hours, or minutes
without a click, whichever comes first, in every tab at once. What this process knows of sessions is
lost with it: a sign-in older than the idle limit then has to be renewed.
"""

from collections.abc import Mapping
from hashlib import sha256
from threading import Lock
from typing import Any

from warehouse.sign_in import SignIn

#: Sessions kept in mind; the oldest are forgotten, which ends them.
MOST = 10_000
#: How far the provider's clock may go before ours, seconds.
CLOCK = 120.0


def name_of(claims: Mapping[str, Any]) -> str:
    """Return what one sign-in is known by: who, by which provider, when; never shown."""
    parts = (str(claims.get(part)) for part in ("iss", "sub", "iat", "nonce"))
    return sha256("\x1f".join(parts).encode()).hexdigest()


class Sessions:
    """The sign-ins of this process, by the last click of each."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._ended: dict[str, float] = {}
        self._lock = Lock()

    def known(self, claims: Mapping[str, Any]) -> bool:
        """Say whether a sign-in has been seen before, here."""
        return name_of(claims) in self._last

    def why_ended(self, claims: Mapping[str, Any], limits: SignIn, now: float) -> str:
        """Say why a session is over, or nothing; ``now`` is a Unix time."""
        session = name_of(claims)
        began = _number(claims.get("iat"))
        if began is None or began > now + CLOCK:
            return "the sign-in does not say when it was"
        if session in self._ended:
            return "signed out"
        if now - began > limits.session_hours * 3600:
            return f"signed in for {limits.session_hours:g} hours"
        if now - self._last.get(session, began) > limits.idle_minutes * 60:
            return f"no click for {limits.idle_minutes:g} minutes"
        return ""

    def click(self, claims: Mapping[str, Any], now: float) -> None:
        """Note that somebody did something."""
        session = name_of(claims)
        with self._lock:
            if session not in self._ended:
                self._last.pop(session, None)
                self._last[session] = now
            _trim(self._last)

    def end(self, claims: Mapping[str, Any], now: float) -> None:
        """End a session for good: its cookie opens nothing any more, in no tab."""
        session = name_of(claims)
        with self._lock:
            self._last.pop(session, None)
            self._ended[session] = now
            _trim(self._ended)


def _trim(kept: dict[str, float]) -> None:
    while len(kept) > MOST:
        del kept[next(iter(kept))]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
