"""The theme is readable by everybody, and headings step down by one for screen readers."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def luminance(colour: str) -> float:
    """Return the relative luminance of #RRGGBB (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_white_is_read_on_the_primary_colour(scheme: str) -> None:
    theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    primary = theme["theme"][scheme]["primaryColor"]
    assert 1.05 / (luminance(primary) + 0.05) >= 4.5


def test_no_heading_skips_a_level() -> None:
    """A page has one title (h1) and headers (h2); Streamlit's subheader would be an h3."""
    sources = {p: p.read_text(encoding="utf-8") for p in (ROOT / "pages").rglob("*.py")}
    skipping = [p.name for p, text in sources.items() if re.search(r"\.subheader\(|\"#{3,} ", text)]
    assert not skipping
