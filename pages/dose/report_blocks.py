"""The report's common parts: its period, tables and pictures made of frames and charts."""

import json
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import altair as alt
import polars as pl
import vl_convert

from pages.dose.measures import MEASURES, DoseMeasure, offered
from pages.shared import format as fmt
from pages.shared.filters import Filters
from report.model import Picture, Table, Words

#: Months of a trend in the report.
TREND_MONTHS = 36
ORDINALS = ("First", "Second", "Third", "Fourth")


@dataclass(frozen=True)
class Quarter:
    """One quarter of a year."""

    year: int
    number: int  #: 1 to 4

    @property
    def first(self) -> date:
        """Return its first day."""
        return date(self.year, 3 * self.number - 2, 1)

    @property
    def last(self) -> date:
        """Return its last day."""
        return self.following.first - timedelta(days=1)

    @property
    def following(self) -> "Quarter":
        """Return the next quarter."""
        return Quarter(self.year + self.number // 4, self.number % 4 + 1)

    @property
    def before(self) -> "Quarter":
        """Return the quarter before."""
        return of_day(self.first - timedelta(days=1))

    @property
    def words(self) -> str:
        """Return its name and its days."""
        name = f"{ORDINALS[self.number - 1]} quarter {self.year}"
        return f"{name}, {fmt.day(self.first)} to {fmt.day(self.last)}"


def of_day(day: date) -> Quarter:
    """Return the quarter of a day."""
    return Quarter(day.year, (day.month - 1) // 3 + 1)


def quarters(data_from: date, data_to: date) -> list[Quarter]:
    """Return the quarters with data, the newest first."""
    found, at = [], of_day(data_to)
    while at.last >= data_from:
        found.append(at)
        at = at.before
    return found


def proposed(listed: list[Quarter], data_to: date) -> Quarter:
    """Return the last quarter that is complete, else the only one there is."""
    return next((quarter for quarter in listed if quarter.last <= data_to), listed[0])


@dataclass(frozen=True)
class Spans:
    """The periods of a report: the same filters but for the days."""

    quarter: Quarter
    now: Filters
    before: Filters
    year: Filters  #: the 12 months up to the quarter's end
    course: Filters  #: the months of a trend, up to the quarter's end


def spans(quarter: Quarter, view: Filters) -> Spans:
    """Lay the periods of a quarter's report out over the filters of the bar."""

    def of(first: date) -> Filters:
        return replace(view, from_date=first, to_date=quarter.last)

    prior = quarter.before
    return Spans(
        quarter,
        of(quarter.first),
        replace(view, from_date=prior.first, to_date=prior.last),
        of(_months_back(quarter.following.first, 12)),
        of(_months_back(quarter.following.first, TREND_MONTHS)),
    )


def _months_back(day: date, months: int) -> date:
    month = day.year * 12 + day.month - 1 - months
    return date(month // 12, month % 12 + 1, 1)


def main_measures(choices: pl.DataFrame) -> list[tuple[str, DoseMeasure]]:
    """Return the dose index by which a report judges each modality: the first that it has."""
    found: dict[str, DoseMeasure] = {}
    for modality, name in offered(choices):
        found.setdefault(modality, MEASURES[name])
    preferred = {"fluoroscopy": "kap_gycm2", "CT": "dlp_mgycm"}
    for modality, name in preferred.items():
        if (modality, name) in offered(choices):
            found[modality] = MEASURES[name]
    return list(found.items())


def table(frame: pl.DataFrame, title: str, shares: dict[str, int] | None = None) -> Table | Words:
    """Write a frame as a table: numbers to three digits, blanks as a dash; no rows as a word.

    ``shares`` names the columns that divide the room left by the others, and their shares.
    """
    if frame.is_empty():
        return Words(f"**{title}:** none.")
    right = tuple(kind.is_numeric() for kind in frame.schema.values())
    rows = tuple(tuple(written(value) for value in row) for row in frame.rows())
    wide = tuple(shares.get(name, 0) for name in frame.columns) if shares else ()
    return Table(title, tuple(frame.columns), rows, right, wide)


def written(value: Any) -> str:
    """Write one cell."""
    if value is None:
        return fmt.DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return fmt.count(value)
    if isinstance(value, float):
        return fmt.number(value)
    return fmt.day(value) if isinstance(value, date) else str(value)


def more(change: int) -> str:
    """Write a change of a count in full, with its sign."""
    return f"+{fmt.count(change)}" if change > 0 else fmt.count(change)


def picture(
    chart: alt.TopLevelMixin, title: str, alt_text: str, height: int | None = None
) -> Picture:
    """Draw a chart for print: fixed width, no background, in both forms."""
    spec = chart.to_dict()
    spec["width"] = 640
    if height:
        spec["height"] = height
        for layer in spec.get("layer", ()):
            layer.pop("height", None)
    spec["background"] = "white"
    spec["config"] = spec.get("config", {}) | {
        "axis": {"labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal"},
        "legend": {"labelFontSize": 11, "titleFontSize": 11},
        "view": {"stroke": None},
    }
    text = json.dumps(spec)
    return Picture(
        title, alt_text, vl_convert.vegalite_to_svg(text), vl_convert.vegalite_to_pdf(text)
    )
