"""The report's section on rooms whose dose drifts away from their own first year."""

import polars as pl

from pages.dose import report_blocks as blocks
from pages.dose import trend_rooms
from pages.dose.measures import DoseMeasure
from pages.dose.report_blocks import Spans
from report.model import Block, Section, Words


def rooms(spans: Spans, modality: str, measure: DoseMeasure) -> pl.DataFrame:
    """Say of each room whether it drifts, over the two years up to the quarter's end."""
    return trend_rooms.table(trend_rooms.found(modality, measure, spans.year))


def drift(spans: Spans, measures: list[tuple[str, DoseMeasure]]) -> Section:
    """Hold each room against its own first year of the two up to the quarter's end."""
    found: list[Block] = []
    for modality, measure in measures:
        table = rooms(spans, modality, measure)
        if table.is_empty():
            said = "no room has 20 cases alike: nothing can be judged"
            found.append(Words(f"**{measure.label}, {modality}:** {said}."))
            continue
        found.append(Words(trend_rooms.words(table, modality, measure)))
        found.append(blocks.table(table, f"{measure.label}, {modality}: rooms and their drift"))
    return Section("Rooms that drift", (*found, Words(trend_rooms.NOTE, quiet=True)))


def summary_words(spans: Spans, measures: list[tuple[str, DoseMeasure]]) -> list[str]:
    """Name the rooms that signal up to the quarter's end, for the summary; none where none does."""
    tables = [
        (modality, measure, rooms(spans, modality, measure)) for modality, measure in measures
    ]
    return [
        f"**Drift:** {trend_rooms.words(table, modality, measure).replace('**', '')}"
        for modality, measure, table in tables
        if trend_rooms.signals(table).height
    ]
