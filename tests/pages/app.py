"""The dashboard without a browser."""

import json
import time
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[2]
PLACE = {"overview": "dose/overview.py", "comparison": "dose/comparison.py"}


def claims(*roles: str, sites: tuple[str, ...] = ("*",), **more: Any) -> dict[str, Any]:
    """Return what a provider says of somebody who has just signed in."""
    now = int(time.time())
    known = {
        "sub": "u1",
        "name": "Ada",
        "iss": "https://idp.test",
        "iat": now,
        "exp": now + 3600,
        "aud": "kerma",
    }
    return known | {"roles": list(roles), "sites": list(sites), "is_logged_in": True} | more


def opened(
    page: str | None = None, user: dict[str, Any] | None = None, **query: str | list[str]
) -> AppTest:
    """Open the dashboard, or one page of it, with an address's parameters.

    ``user`` are the claims of who signed in; they need the fixture ``provider``.
    """
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    if user is not None:
        at.user = user
        at.secrets["auth"] = {"client_id": "kerma"}
    for key, value in query.items():
        at.query_params[key] = value
    at.run()
    if page:
        at.switch_page(str(ROOT / "pages" / PLACE.get(page, page))).run()
    assert not at.exception, at.exception[0].message
    return at


def texts(at: AppTest) -> str:
    """Return all that a page says outside tables and charts."""
    kinds = ("title", "markdown", "caption", "info", "warning", "success", "error", "header")
    return "\n".join(element.value for kind in kinds for element in at.get(kind))


def charts(at: AppTest) -> list[dict[str, Any]]:
    """Return the Vega-Lite specifications of a page."""
    return [json.loads(element.proto.spec) for element in at.get("vega_lite_chart")]
