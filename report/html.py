"""A report as one HTML file: no script, no second file, prints as it reads."""

import base64
from pathlib import Path

import jinja2

from report.model import Picture, Report, runs

TEMPLATES = Path(__file__).parent / "templates"


def html(report: Report) -> str:
    """Write the report as a self-contained page; all text is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["runs"] = runs
    environment.filters["embedded"] = _embedded
    environment.tests["block"] = lambda block, name: type(block).__name__ == name
    return environment.get_template("report.html").render(report=report)


def _embedded(picture: Picture) -> str:
    """Return a picture as an address: inline drawings would share their clip paths' names."""
    return "data:image/svg+xml;base64," + base64.b64encode(picture.svg.encode()).decode()
