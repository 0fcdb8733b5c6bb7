"""How rooms run: first cases, turnover, use, cancellations, and one day as it was."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl
import streamlit as st

from analytics.results import Estimate, NotComputable
from analytics.workflow_rooms import (
    GRACES,
    Cancelled,
    cancellations,
    first_cases,
    occupancy,
    turnover,
    utilisation,
)
from pages.shared import charts, data, downloads, filters, page
from pages.shared import format as fmt
from pages.shared.cards import Card, grid
from pages.shared.navigation import ROOT
from pages.shared.page import View
from pages.workflow import room_charts

CASE = ROOT / "pages" / "data" / "case.py"
MOST_GROUPS = 20
FEW_DAYS = 10
GROUPINGS = {"room": "Room", "weekday": "Weekday"}


@dataclass(frozen=True)
class Rules:
    """What the reader set: minutes after midnight, and minutes."""

    block_from: int
    block_to: int
    longest_gap: int
    grace: int

    @property
    def block_min(self) -> int:
        """Minutes of the block of one room-day."""
        return self.block_to - self.block_from


def ask() -> Rules:
    """Ask for grace, block hours and the longest turnover."""
    names = {str(g): f"{g} min" for g in GRACES}
    grace = int(filters.choose("grace", "First case on time: grace", names))
    with st.expander("Block hours and longest turnover", icon=":material/tune:"):
        columns = st.columns(3)
        begin = columns[0].number_input("Block from, hour", 0, 22, 8, key="block_from")
        end = columns[1].number_input("Block to, hour", 1, 24, 16, key="block_to")
        cap = columns[2].number_input("Longest turnover, min", 10, 480, 90, key="cap")
    if end <= begin:
        st.warning("The block ends before it begins: 8:00 to 16:00 is used.")
        begin, end = 8, 16
    return Rules(60 * begin, 60 * end, cap, grace)


def draw_cards(days: pl.DataFrame, cancelled: pl.DataFrame, rules: Rules) -> None:
    """Draw the five figures with their definitions."""
    (first,) = first_cases(days, rules.grace)
    (gap,) = turnover(days) or (None,)
    (use,) = utilisation(days, rules.block_min)
    (off,) = cancellations(cancelled)
    few = (
        NotComputable(f"under {FEW_DAYS} room-days: too few") if use.n_measured < FEW_DAYS else None
    )
    block = f"{rules.block_from // 60}:00–{rules.block_to // 60}:00"
    cards = [
        _card(
            "First case on time", first.share, True, f"{fmt.plural(first.n, 'room-day')}",
            f"Patient in room by planned start + {rules.grace} min, of the first planned case that"
            " took place in each room and day. First cases without a planned time or room-in:"
            f" {fmt.count(first.n_unknown)}, left out.",
        ),
        _card(
            "Turnover, median", gap.median if gap else NotComputable("no pair of cases"), False,
            f"{fmt.plural(gap.n if gap else 0, 'pair')} of cases",
            "Patient out of room to next patient in, same room and day, cases that follow each"
            f" other with no cancelled one between, gap 0 to {rules.longest_gap} min;"
            f" {fmt.count(gap.n_left_out if gap else 0)} pairs left out.",
        ),
        _card(
            "Utilisation, raw", few or use.raw, True, fmt.plural(use.n_measured, "room-day"),
            f"Minutes with a patient in the room within {block}, over the block's minutes; mean of"
            " room-days that had a case. Room-days with a case without room-in or room-out:"
            f" {fmt.count(use.n_days - use.n_measured)}, left out. 85–90 % is the"
            " practical ceiling (Tyler 2003).",
        ),
        _card(
            "Utilisation, adjusted", few or use.adjusted, True,
            fmt.plural(use.n_measured, "room-day"),
            f"As raw, plus turnovers of at most {rules.longest_gap} min within {block}.",
        ),
        _card(
            "Cases a room-day", use.cases_a_day, False, f"{fmt.plural(use.n_days, 'room-day')}",
            "Completed cases over room-days that had a case.",
        ),
        _card(
            "Cancelled", off.share, True, f"{fmt.count(off.events)} of {fmt.count(off.n)}",
            "Cases in the log of their planned day that were cancelled, of all planned. The log has"
            " no time of cancelling: each counts as cancelled on the day.",
        ),
    ]  # fmt: skip
    grid(cards, columns=3)


def _card(
    label: str, found: Estimate | NotComputable, share: bool, n: str, definition: str
) -> Card:
    if isinstance(found, NotComputable):
        return Card(label, fmt.DASH, found.reason.capitalize(), help=definition)
    level = fmt.percent(found.value) if share else fmt.quantity(found.value, found.unit)
    ends = (fmt.percent_interval if share else fmt.interval)(found.low, found.high)
    return Card(label, level, f"95{fmt.THIN}% CI {ends} · {n}", help=definition)


def draw_groups(
    days: pl.DataFrame, by: str, cancelled: pl.DataFrame, rules: Rules, view: View
) -> None:
    """Draw every figure by room or weekday, with what small numbers deserve."""
    first = {o.group: o for o in first_cases(days, rules.grace, by)}
    gaps = {g.group: g for g in turnover(days, by)}
    uses = utilisation(days, rules.block_min, by)[:MOST_GROUPS]
    off = {c.group: c for c in cancellations(cancelled, by)}
    frame = pl.DataFrame(
        [
            {
                "group": o.group, "n": o.n, "on_time": round(o.n * o.share.value),
                "share": o.share.value, "low": o.share.low,
                "high": o.share.high,
            }
            for o in (first[u.group] for u in uses if u.group in first)
            if isinstance(o.share, Estimate)
        ]
    )  # fmt: skip
    if frame.height:
        charts.show(
            room_charts.shares(frame, "First cases on time"), frame, key="first",
            title=f"First cases on time, grace {rules.grace} min", filters=view.filters,
            alt_text=f"Share of first cases on time by {by} with 95 % intervals",
            cells=downloads.Cells("n", ("group",), parts=("on_time",)),
        )  # fmt: skip
    rows, counts = [], []
    for use in uses:
        few = use.n_measured < FEW_DAYS
        gap, on_time, gone = gaps.get(use.group), first.get(use.group), off.get(use.group)
        counts.append(
            {
                by.capitalize(): use.group, "days": use.n_days, "measured": use.n_measured,
                "gaps": gap.n if gap else 0, "starts": on_time.n if on_time else 0,
                "cancelled": gone.events if gone else 0,
                "held": gone.n - gone.events if gone else 0,
            }
        )  # fmt: skip
        rows.append(
            {
                by.capitalize(): use.group,
                "Room-days": fmt.count(use.n_days),
                "First-case delay, median min": _number(on_time.median if on_time else None),
                "Turnover, median min": _number(gap.median if gap else None),
                "P90": fmt.number(gap.p90.value)
                if gap and isinstance(gap.p90, Estimate)
                else fmt.DASH,
                "Raw use": "too few" if few else _share(use.raw),
                "Adjusted": "too few" if few else _share(use.adjusted),
                "Cancelled": _share(gone.share if gone else None),
            }
        )
    downloads.table(
        pl.DataFrame(rows), key="rooms-by", title="Rooms: starts, turnover, use, cancellations",
        cells=downloads.Cells("days", (by.capitalize(),),
                              also=("measured", "gaps", "starts", "cancelled", "held")),
        counted=pl.DataFrame(counts),
    )  # fmt: skip
    st.caption(
        f"95 % intervals in brackets. No utilisation under {FEW_DAYS} room-days: over few days it"
        " swings by tens of per cent (Dexter 2003), and nobody is ranked by it."
    )


def _number(found: Estimate | NotComputable | None) -> str:
    if not isinstance(found, Estimate):
        return fmt.DASH
    return f"{fmt.number(found.value)} ({fmt.interval(found.low, found.high)})"


def _share(found: Estimate | NotComputable | None) -> str:
    if not isinstance(found, Estimate):
        return fmt.DASH
    return f"{fmt.percent(found.value)} ({fmt.percent_interval(found.low, found.high)})"


def draw_cancelled(found: Sequence[Cancelled], view: View) -> None:
    """Draw the reasons for cancelling."""
    st.header("Cancelled, and why", anchor=False)
    rows = [
        {"group": c.group, "n": c.events, "share": c.share.value, "low": c.share.low,
         "high": c.share.high}
        for c in found
        if isinstance(c.share, Estimate)
    ]  # fmt: skip
    if not rows:
        st.caption("No case of this view was cancelled.")
        return
    frame = pl.DataFrame(rows)
    charts.show(
        room_charts.shares(frame, "Share of planned cases"), frame, key="reasons",
        title="Reasons", alt_text="Cancelled cases by reason with 95 % intervals",
        filters=view.filters, cells=downloads.Cells("n", ("group",)),
    )  # fmt: skip


def draw_day(view: View) -> None:
    """Draw one day's rooms; a click on a bar offers the case."""
    st.header("A day's rooms", anchor=False)
    known = data.query("freshness").row(0, named=True)
    last: date = view.filters.to_date or known["data_to"]
    day = st.date_input("Day", last, key="day", format="YYYY-MM-DD")
    rows = data.query("rooms_timeline", view.filters, day=day)
    if rows.is_empty():
        st.info(f"No case with room-in and room-out on {fmt.day(day)}. Choose another day.")
        return
    frame = rows.with_columns(name=pl.col("procedure").map_elements(fmt.procedure, pl.String))
    chart = room_charts.timeline(frame)
    downloads.offer(rows, key="timeline", title=f"Rooms on {fmt.day(day)}", filters=view.filters,
                    chart=chart)  # fmt: skip
    st.caption("Wide bar: the procedure; narrow bar: patient in room; tick: planned start.")
    event = st.altair_chart(
        chart, key="timeline-chart", on_select="rerun", width="stretch",
        alt=f"Timeline of the rooms on {fmt.day(day)}",
    )  # fmt: skip
    picked = event["selection"].get(room_charts.CLICK) or []
    if picked:
        case = int(picked[0]["procedure_id"])
        if st.button(f"Open case {case}", type="primary", icon=":material/open_in_new:"):
            st.switch_page(CASE, query_params={"id": str(case)})
    else:
        st.caption("Click a bar to open its case.")


def main() -> None:
    """Draw the page."""
    view = page.begin("Rooms", "Do rooms start on time, turn over fast and stay in use?")
    st.caption(
        "Rooms are judged by all their cases: of the filters, only period, site and room apply."
    )
    rules = ask()
    cards = st.container()
    by = filters.choose("by", "By", GROUPINGS)
    days = data.query(
        "rooms_days", view.filters, group_by=by, block_from=rules.block_from,
        block_to=rules.block_to, longest_gap=rules.longest_gap,
    )  # fmt: skip
    if days.is_empty():
        st.info("No case in this view names its room. Rooms come with the procedure log.")
        return
    cancelled = data.query("rooms_cancelled", view.filters)
    with cards:
        draw_cards(days, cancelled, rules)
    draw_groups(days, by, cancelled, rules, view)
    st.header("In use by weekday and hour", anchor=False)
    heat = occupancy(data.query("rooms_occupancy", view.filters))
    if heat.height:
        charts.show(
            room_charts.occupancy(heat), heat, key="occupancy", filters=view.filters,
            title="Share of staffed rooms with a patient",
            alt_text="Occupancy of rooms by weekday and hour",
            cells=downloads.Cells("room_days", ("slot",), parts=("in_use",),
                                  words=("weekday", "hour")),
            counted=heat.with_columns(
                in_use=(pl.col("share") * pl.col("room_days")).ceil().cast(pl.Int64)
            ).with_row_index("slot"),
        )  # fmt: skip
    draw_cancelled(cancellations(cancelled, "reason"), view)
    if data.may("rooms_timeline"):
        draw_day(view)


main()
