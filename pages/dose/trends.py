"""Does dose drift, and did a change help: one dose index of one procedure, month by month."""

from collections.abc import Container

import polars as pl
import streamlit as st

from analytics.change_points import Segmentation, before_after, change_points
from analytics.dose import SIZE_BANDS
from analytics.results import NotComputable
from analytics.trend import DoseTrend, dose_trend
from analytics.unit_funnel import dose_funnel
from pages.dose import trend_changes, trend_charts, trend_rooms
from pages.dose import trend_findings as findings
from pages.dose import unit_funnels as funnels
from pages.dose.measures import MEASURES, offered
from pages.dose.trend_findings import FEW, Choice
from pages.shared import auth, charts, data, downloads, filters, page
from pages.shared import format as fmt
from warehouse.protocol_changes import NAME, SCHEMA, ProtocolChangesError, all_changes, recorded
from warehouse.settings import shown

ALL_ROOMS = "All rooms"
ALL_SIZES = "All sizes"
#: A reference level this many times above the highest P75 would flatten the chart.
FARTHEST_REFERENCE = 4
CONTROL_NOTES = {
    "XmR": (
        "Limits: centre ± 2.66 mean moving ranges of the logarithm, frozen over the first 12 "
        "months (all months where fewer than 18 are shown) or the first 12 after a recorded "
        "change. Signals: one point beyond 3 sigma, two of three beyond 2 sigma, eight in a row on "
        "one side."
    ),
    "EWMA": (
        "Weight 0.2 for the newest month, limits at 2.7 standard deviations of the average: it "
        "gathers small lasting shifts. Baseline: the first 12 months (all where fewer than 18 are "
        "shown) or the first 12 after a recorded change. Signal: a point beyond a limit."
    ),
}


#: Of query ``trends_points``, for readers who may not see single cases.
POINTS = {
    "procedure_id": pl.Int64, "performed_on": pl.Date, "month": pl.Date, "value": pl.Float64,
}  # fmt: skip


def choose(choices: pl.DataFrame) -> Choice:
    """Ask for the dose index, then for a procedure and a room that have it."""
    indices = offered(choices)
    names = {
        f"{modality}.{name}": f"{MEASURES[name].label} ({modality})" for modality, name in indices
    }
    _forget("index", names)
    modality, name = filters.choose("index", "Dose index", names).split(".", 1)
    having = choices.filter((pl.col("modality") == modality) & (pl.col(name) > 0))
    procedures = _by_count(having, "procedure", name)
    with st.container(horizontal=True):
        _forget("of", procedures)
        procedure = st.selectbox(
            "Procedure", procedures, key="of", bind="query-params", width=420,
            format_func=fmt.procedure,
        )  # fmt: skip
        rooms = _by_count(having.filter(pl.col("procedure") == procedure), "room", name)
        options = [ALL_ROOMS, *rooms]
        _forget("in", options)
        room = st.selectbox(
            "Room", options, key="in", bind="query-params", width=300,
            format_func=lambda value: value or "Room not stated",
        )  # fmt: skip
        size = st.selectbox("Size", [ALL_SIZES, *SIZE_BANDS], key="size", bind="query-params",
                            width=200)  # fmt: skip
    return Choice(
        modality, MEASURES[name], str(procedure), None if room == ALL_ROOMS else str(room),
        None if size == ALL_SIZES else str(size),
    )  # fmt: skip


def _forget(key: str, options: Container[str]) -> None:
    """Drop a choice that the filters no longer offer."""
    if key in st.session_state and st.session_state[key] not in options:
        del st.session_state[key]


def _by_count(frame: pl.DataFrame, column: str, name: str) -> list[str]:
    """Return the values of a column, the one with most cases first."""
    totals = frame.group_by(column).agg(pl.col(name).sum())
    return totals.sort(name, column, descending=[True, False])[column].to_list()


def draw_findings(
    months: pl.DataFrame,
    trend: DoseTrend | NotComputable,
    found: Segmentation | NotComputable,
    marks: pl.DataFrame,
    recorded: pl.DataFrame,
) -> None:
    """Say what the course shows, in sentences."""
    st.markdown(findings.trend_words(trend))
    st.markdown(findings.change_words(marks, found))
    for row in recorded.iter_rows(named=True):
        effect = before_after(months["month"].to_list(), months["median"].to_numpy(), row["month"])
        st.markdown(f"**Recorded change,** {row['words']}. {findings.effect_words(effect)}")
    if recorded.is_empty():
        st.caption("No change of protocol is recorded for this view.")


def draw_left_out(months: pl.DataFrame) -> None:
    """Say how many cases stand behind the chart and what it leaves out."""
    few = months.filter((pl.col("n") < FEW) & (pl.col("n") > 0))
    n, missing, zero = (int(months[name].sum()) for name in ("n", "n_missing", "n_not_positive"))
    said = [f"n = {fmt.count(n)}", "the first and the last month may be incomplete"]
    if missing:
        said.append(f"{fmt.count(missing)} without this dose index left out")
    if zero:
        said.append(f"{fmt.count(zero)} of zero or less left out")
    if len(few):
        said.append(
            f"{fmt.plural(len(few), 'month')} with fewer than {FEW} cases shown as points, "
            "without part in any verdict"
        )
    st.caption(" · ".join(said))


def draw_references(found: pl.DataFrame, choice: Choice, drawn: pl.DataFrame) -> None:
    """Say which reference levels there are, of whom, and where they come from."""
    if found.is_empty():
        st.caption(f"No reference level is known for {choice.words}.")
        return
    for row in found.iter_rows(named=True):
        beyond = "" if row["value"] in drawn["value"] else " It lies far above this chart."
        label = f"{row['words']}: {fmt.quantity(row['value'], row['unit'])}"
        with st.popover(label, type="tertiary", icon=":material/rule:"):
            st.markdown(
                f"Population: {row['population']}. Percentile over: {row['percentile_over']}. "
                f"[{row['source']}]({row['url']}){beyond}\n\nA reference level is held against a "
                "facility's median of at least 20 cases, never against one case."
            )


def draw_control(
    months: pl.DataFrame, recorded: pl.DataFrame, choice: Choice, view: page.View
) -> None:
    """Draw the control chart with its signals, and say them."""
    st.header("Control chart", anchor=False)
    kinds = {"XmR": "Single months (XmR)", "EWMA": "Weighted average (EWMA)"}
    kind = filters.choose("chart", "Chart", kinds)
    found = findings.control_chart(months, recorded, kind)
    if isinstance(found, NotComputable):
        st.info(f"No control limits: the chart {found.reason}. Widen the period, e.g. to All.")
        return
    frame = findings.control_frame(months, found)
    charts.show(
        trend_charts.control(frame, choice.measure, kind), frame, key="control",
        cells=downloads.Cells("n", ("month",)),
        title=f"{kinds[kind]} of the monthly median", filters=view.filters,
        alt_text=f"Control chart of the monthly median: {choice.words}",
    )  # fmt: skip
    signals = frame.filter(pl.col("signal").is_not_null())
    listed = [f"{row['month']:%b %Y} ({row['signal']})" for row in signals.iter_rows(named=True)]
    st.markdown(f"**Signals:** {'; '.join(listed) or 'none'}.")
    st.caption(CONTROL_NOTES[kind])


def single_values(choice: Choice, view: page.View) -> pl.DataFrame:
    """Return the values of months with few cases, for those who may see single cases."""
    if not data.may("trends_points"):
        return pl.DataFrame(schema=POINTS)
    return data.query("trends_points", view.filters, few=FEW, **choice.parameters())


def draw_funnel(choice: Choice, view: page.View) -> None:
    """Draw rooms or operators against cases alike, operators by number unless names are asked."""
    st.header("Rooms and operators", anchor=False)
    units = {"room": "Rooms", "operator": "Operators"}
    unit = filters.choose("unit", "Funnel of", units)
    asked = {name: value for name, value in choice.parameters().items() if name != "room"}
    cells = data.query("funnel_units", view.filters, unit=unit, **asked)
    if unit == "operator":
        allowed = auth.person().scope.sees_names
        if allowed and not st.toggle("Show operators by name", key="operator-names"):
            cells = funnels.mask(cells)
    found = dose_funnel(cells)
    if isinstance(found, NotComputable):
        st.info(f"No funnel: it {found.reason}.")
        return
    charts.show(
        funnels.chart(found, unit.capitalize()), funnels.words_table(found, unit.capitalize()),
        key="funnel", title=f"{units[unit]}: dose against cases alike", filters=view.filters,
        cells=downloads.Cells("Cases", (unit.capitalize(),)),
        alt_text=f"Funnel plot of {units[unit].lower()}: {choice.words}",
    )  # fmt: skip
    st.markdown(funnels.words(found, unit))
    st.caption(funnels.NOTE)


def recorded_changes() -> pl.DataFrame:
    """Read the recorded changes; a file that cannot be read is told, not hidden."""
    try:
        return all_changes(shown(), data.scope())
    except ProtocolChangesError as error:
        st.warning(f"The changes of {NAME} are not shown. {error}")
        return recorded(shown(), data.scope()).select(SCHEMA.names())


def main() -> None:
    """Draw the page."""
    view = page.begin("Dose trends", "Does dose drift, and did a change help?")
    choices = data.query("trends_choices", view.filters)
    if not offered(choices):
        st.info(
            "No CT or fluoroscopy procedure in this view has a dose. Widen the period or clear "
            "filters; Data health shows which rooms send doses."
        )
        st.stop()
    choice = choose(choices)
    monthly = data.query("trends_monthly", view.filters, **choice.parameters())
    points = single_values(choice, view)
    months = findings.calendar(monthly)
    trend = dose_trend(months["month"].to_list(), months["median"].to_numpy())
    found = change_points(findings.usable(months)["median"].log().to_numpy())
    marks = findings.found_marks(months, found)
    noted = findings.recorded_marks(recorded_changes(), choice, months, view.filters)
    levels = findings.references(choice)
    highest = pl.concat([months["p75"], points["value"]]).max()
    drawn = levels.filter(pl.col("value") <= FARTHEST_REFERENCE * pl.lit(highest))
    log = st.toggle("Log scale", key="log", bind="query-params")
    charts.show(
        trend_charts.course(
            months, points, drawn, pl.concat([marks, noted]), choice.measure, log
        ),
        months, key="course", title=choice.words, filters=view.filters,
        cells=downloads.Cells("n", ("month",)),
        alt_text=f"Monthly median, quartiles and P75: {choice.words}",
    )  # fmt: skip
    charts.show(
        trend_charts.volume(months), months.select("month", "n"), key="volume",
        title="Cases a month", alt_text=f"Cases a month: {choice.words}", filters=view.filters,
        cells=downloads.Cells("n", ("month",)),
    )  # fmt: skip
    draw_left_out(months)
    draw_references(levels, choice, drawn)
    st.header("What the course shows", anchor=False)
    draw_findings(months, trend, found, marks, noted)
    trend_changes.draw(choice)
    draw_control(months, noted, choice, view)
    trend_rooms.draw(choice, view.filters)
    draw_funnel(choice, view)


main()
