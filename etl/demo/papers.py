"""Two published studies as logs."""

from pathlib import Path


def papers(out: Path) -> list[Path]:
    """Write them."""
    return []
