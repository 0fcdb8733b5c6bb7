"""The committee report put together: summary first, then the sections, then the appendix."""

from datetime import UTC, datetime

from analytics.level_table import decisions
from analytics.reference_levels import Decision
from pages.data import health_parts
from pages.dose import outlier_list, report_drift
from pages.dose import report_activity as activity
from pages.dose import report_blocks as blocks
from pages.dose import report_safety as safety
from pages.dose.measures import DoseMeasure
from pages.dose.outlier_list import Choice
from pages.dose.report_blocks import Quarter, Spans
from pages.shared import data
from pages.shared import format as fmt
from pages.shared.filters import Filters
from report.model import Block, Figure, Figures, Listing, Report, Section, Words
from warehouse.reviews import TO_DO

TITLE = "Radiation dose report"
SIGNATURES = ("Radiation safety officer", "Medical physics", "Chair of the committee")


def document(quarter: Quarter, view: Filters, names: bool, person: str) -> Report:
    """Make the report of a quarter from the same queries and analyses as the pages."""
    spans = blocks.spans(quarter, view)
    choices = data.query("trends_choices", spans.year)
    measures = blocks.main_measures(choices)
    path = data.snapshot()
    snapshot = path.name if path else "none"
    known = data.query("freshness").row(0, named=True)
    narrowed = ", ".join(spans.now.words()[1:]) or "all sites, rooms and procedures"
    facts = (
        ("Covers", narrowed),
        ("Data", f"to {fmt.day(known['data_to'])}, snapshot {snapshot}"),
        ("Operators", "by name" if names else "by number, names kept out"),
        ("Made", f"{datetime.now(UTC):%d %b %Y %H:%M} UTC by {person or 'nobody signed in'}"),
    )
    sections = (
        summary(spans, measures),
        activity.coverage(spans),
        activity.volumes(spans),
        activity.levels(spans, measures),
        activity.trends(spans, measures),
        report_drift.drift(spans, measures),
        safety.outliers(spans),
        safety.follow_ups(spans),
        safety.special(spans),
        safety.units(spans, measures, names),
        activity.effective(spans),
        activity.changes(spans),
        safety.quality(spans),
        safety.definitions(spans, measures),
    )
    made = f"Kerma · snapshot {snapshot} · internal: contains case and staff data"
    return Report(TITLE, quarter.words, facts, sections, made, SIGNATURES)


def summary(spans: Spans, measures: list[tuple[str, DoseMeasure]]) -> Section:
    """Say the quarter in four figures and a few sentences."""
    now = data.query("counts", spans.now).row(0, named=True)
    before = data.query("counts", spans.before).row(0, named=True)
    change = now["n_shown"] - before["n_shown"]
    dosed = 1 - now["n_without_dose"] / max(now["n_ionising"], 1)
    states = outlier_list.count(spans.now, Choice(), "state")
    waiting = sum(states.get(state, 0) for state in TO_DO)
    verdicts = {
        f"{measure.label}, {modality}": decisions(activity.judged(spans.year, modality, measure))
        for modality, measure in measures
    }
    above = sum(found.get(Decision.ABOVE, 0) for found in verdicts.values())
    uncertain = sum(found.get(Decision.UNCERTAIN, 0) for found in verdicts.values())
    ionising = fmt.count(now["n_ionising"])
    figures = Figures(
        (
            Figure("Procedures", fmt.count(now["n_shown"]), f"{blocks.more(change)} on the last"),
            Figure(
                "With a dose record",
                fmt.percent(dosed) if now["n_ionising"] else fmt.DASH,
                f"of {ionising} CT and fluoroscopy",
            ),
            Figure(
                "Cases beyond a rule",
                fmt.count(sum(states.values())),
                f"{fmt.plural(waiting, 'review')} not closed",
            ),
            Figure("Medians above level", fmt.count(above), f"{fmt.count(uncertain)} uncertain"),
        )
    )
    points = [
        f"**{of}:** {' · '.join(f'{n} {what.value}' for what, n in found.items()) or 'no dose'}."
        for of, found in verdicts.items()
    ]
    points += report_drift.summary_words(spans, measures)
    unfinished = spans.quarter.last > (data.query("freshness")["data_to"].item())
    notes: list[Block] = (
        [
            Words(
                "The quarter is not complete: figures are up to the last day with data.", quiet=True
            )
        ]
        if unfinished
        else []
    )
    frame = data.query("health_coverage", spans.now)
    if frame.height:
        points.insert(0, f"**Coverage:** {health_parts.coverage_words(frame).replace('**', '')}")
    return Section("Summary", (figures, *notes, Listing((*points, safety.due_words(spans)))))
