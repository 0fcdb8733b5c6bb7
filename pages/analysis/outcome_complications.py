"""Complications: what happened how often, between whom, and when."""

from collections.abc import Sequence

import altair as alt
import polars as pl
import streamlit as st
from streamlit.elements.vega_charts import AltairChart

from analytics.compare import compare
from analytics.control_charts import Chart
from analytics.outcomes_complications import (
    RARE_EVENTS_A_MONTH,
    SCALES,
    Share,
    between_chart,
    is_major,
    monthly_chart,
    share_of,
    shares_by,
    shares_by_term,
)
from analytics.results import Estimate, NotComputable
from pages.shared import charts, data, downloads, filters
from pages.shared import format as fmt
from pages.shared.navigation import ROOT
from pages.shared.page import View

CASE = ROOT / "pages" / "data" / "case.py"
#: Who may see single cases; a manager sees counts.
MOST_CASES = 500
MOST_EVENTS = 150
MOST_PROCEDURES = 15
ANY = "any complication"


def draw(view: View) -> None:
    """Draw shares by modality and procedure, terms, charts over time and the list of cases."""
    documented = data.query("outcomes_documented", view.filters)
    known, n, some = (int(documented[c].sum()) for c in ("n_documented", "n", "n_with"))
    if not known:
        st.info(
            "Complications are documented for no procedure in this view. A blank is missing, not"
            " zero: the log must say `none` where there was none."
        )
        return
    st.caption(
        f"Documented for {fmt.count(known)} of {fmt.plural(n, 'procedure')}"
        f" ({fmt.percent(known / n)}); all shares are of these. {fmt.count(some)} had one or more."
        " Discontinued procedures are not among them."
    )
    _draw_groups(documented, view)
    terms = data.query("outcomes_complications", view.filters)
    _draw_terms(terms, known)
    _draw_time(documented, terms, view)
    _draw_cases(view)


def _draw_groups(documented: pl.DataFrame, view: View) -> None:
    """Draw shares by modality or procedure with exact intervals, and the comparison."""
    by = filters.choose("by", "By", {"modality": "Modality", "procedure": "Procedure"})
    found = shares_by(documented, by)
    shown = found if by == "modality" else found[:MOST_PROCEDURES]
    frame = _frame(shown, by)
    charts.show(
        _share_chart(frame), frame, key="complication-share", filters=view.filters,
        title="Procedures with a complication",
        alt_text=f"Share of procedures with a complication by {by}, exact 95 % intervals",
        cells=downloads.Cells("n", ("group",), parts=("events",)),
    )  # fmt: skip
    more = len(found) - len(shown)
    tail = f" {fmt.plural(more, 'procedure')} with fewer cases not shown." if more else ""
    st.caption(
        "Exact 95 % interval (Clopper–Pearson). Open mark: none was seen, and the bar ends at the"
        f" one-sided 95 % upper limit, near 3/n: none seen is not none possible.{tail}"
    )
    if by == "modality" and len(found) > 1:
        rows = documented.group_by(group="modality").agg(pl.col("n_documented", "n_with").sum())
        without = pl.col("n_documented") - pl.col("n_with")
        counted = pl.concat(
            [
                rows.select("group", value=pl.lit(1.0), count="n_with"),
                rows.select("group", value=pl.lit(0.0), count=without),
            ]
        )
        order = [m for m in charts.MODALITIES if m in set(rows["group"])]
        st.markdown(compare(counted, "binary", "complications", groups=order).sentence)


def _frame(shares: Sequence[Share], by: str) -> pl.DataFrame:
    rows = []
    for share in shares:
        if not isinstance(share.share, Estimate):
            continue
        name = share.label[by]
        upper = share.limit.high if isinstance(share.limit, Estimate) else share.share.high
        rows.append(
            {
                "group": fmt.procedure(name) if by == "procedure" else name,
                "events": share.events,
                "n": share.n,
                "share": share.share.value,
                "low": share.share.low,
                "high": upper,
                "seen": "seen" if share.events else "none seen",
            }
        )
    return pl.DataFrame(rows)


def _share_chart(frame: pl.DataFrame) -> AltairChart:
    base = alt.Chart(frame, height=alt.Step(30)).encode(
        y=alt.Y(
            "group", type="nominal", title=None, sort=frame["group"].to_list(),
            axis=charts.names_axis(320),
        ),
        tooltip=[
            alt.Tooltip("group", type="nominal", title="Group"),
            alt.Tooltip("events", type="quantitative", title="With complication", format=","),
            alt.Tooltip("n", type="quantitative", title="Documented", format=","),
            alt.Tooltip("share", type="quantitative", title="Share", format=".2%"),
            alt.Tooltip("low", type="quantitative", title="Interval from", format=".2%"),
            alt.Tooltip("high", type="quantitative", title="to", format=".2%"),
        ],
    )  # fmt: skip
    title = "Share of documented procedures, 95 % interval"
    blue = charts.OKABE_ITO[0]
    colour = alt.value(blue)
    bars = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low", type="quantitative", title=title, axis=alt.Axis(format="%", tickCount=8)),
        x2=alt.X2("high"), color=colour,
    )  # fmt: skip
    marks = base.mark_point(size=80, opacity=1).encode(
        x=alt.X("share", type="quantitative"), stroke=colour,
        fill=alt.Fill(
            "seen", type="nominal", legend=None,
            scale=alt.Scale(domain=["seen", "none seen"], range=[blue, "transparent"]),
        ),
    )  # fmt: skip
    return alt.layer(bars, marks)


def _draw_terms(terms: pl.DataFrame, known: int) -> None:
    """Draw the table of terms with grade, scale and version."""
    st.header("What happened", anchor=False)
    found = shares_by_term(terms, known)
    if not found:
        limit = share_of(0, known, {}).limit
        high = limit.high if isinstance(limit, Estimate) else None
        st.markdown(
            f"No complication in {fmt.plural(known, 'documented procedure')}. With 95 % confidence"
            f" the true share is at most {fmt.percent(high)}."
        )
        return
    st.table(
        pl.DataFrame(
            [
                {
                    "Term": s.label["term"],
                    "Grade": s.label["grade"] or fmt.DASH,
                    "Scale": s.label["scale"] or "not stated",
                    "Major": {True: "yes", False: "no", None: "not known"}[
                        is_major(s.label["scale"], s.label["grade"])
                    ],
                    "Procedures": fmt.count(s.events),
                    "Share (exact 95 % CI)": fmt.share(s.share).split(", n =")[0] + ")",
                }
                for s in found
            ]
        ),
        hide_index=True,
    )
    major = "; ".join(f"{s.name} from {s.major_from} ({s.source})" for s in SCALES.values())
    st.caption(
        "Terms and grades as recorded, with their scale and version; grades of different scales are"
        f" never added. Major is Kerma's reading: {major}."
    )


#: What the points of the chart by month count; the limits tell the number of a month's cases too.
MONTHS = downloads.Cells("n", ("month",), parts=("events",), words=("at", "number"))


def _draw_time(documented: pl.DataFrame, terms: pl.DataFrame, view: View) -> None:
    """Draw the p-chart by month and the g-chart of cases between events."""
    st.header("Over time", anchor=False)
    months, chart = monthly_chart(documented)
    kinds = {"p": "Share a month (p-chart)", "g": "Cases between events (g-chart)"}
    rare = int(months["events"].sum()) < RARE_EVENTS_A_MONTH * months.height
    kind = filters.choose("chart", "Chart", kinds, default="g" if rare else "p")
    if kind == "p":
        _draw_chart(
            chart, months["month"].to_list(), "Share with a complication", True, view, months
        )
        return
    events = terms.filter(pl.col("term").is_not_null() & (pl.col("term") != "none"))
    order = events.group_by("term").agg(pl.col("n").sum()).sort("n", descending=True)["term"]
    term = st.selectbox("Event", [ANY, *order], key="term")
    asked = None if term == ANY else term
    between = data.query("outcomes_between", view.filters, term=asked, most=MOST_EVENTS)
    if between.is_empty():
        st.info("No such event in this view: there are no cases between events to chart.")
        return
    _draw_chart(
        between_chart(between), between["event_on"].to_list(), "Cases since the last event", False,
        view,
    )  # fmt: skip


def _draw_chart(
    chart: Chart | NotComputable,
    days: list[object],
    title: str,
    share: bool,
    view: View,
    months: pl.DataFrame | None = None,
) -> None:
    """Draw a control chart with its limits and signals; a point without ``months`` is one event."""
    if isinstance(chart, NotComputable):
        st.info(f"No control limits: the chart {chart.reason}. Widen the period, e.g. to All.")
        return
    signals = {s.index: f"{s.rule}, {s.side}" for s in chart.signals}
    frame = pl.DataFrame(
        {
            "at": days,
            "number": range(1, len(days) + 1),
            "value": chart.points,
            "centre": chart.centre,
            "low": chart.low,
            "high": chart.high,
            "signal": [signals.get(i) for i in range(len(days))],
        }
    )
    charts.show(
        _control(frame, title, share), frame, key=f"complication-{chart.kind}",
        title=title, alt_text=f"Control chart: {title}", filters=view.filters,
        cells=None if months is None else MONTHS, counted=months,
    )  # fmt: skip
    listed = [
        f"{row['at']:%d %b %Y} ({row['signal']})"
        for row in frame.drop_nulls("signal").iter_rows(named=True)
    ]
    st.markdown(f"**Signals:** {'; '.join(listed) or 'none'}.")
    st.caption(
        "p-chart: three binomial standard deviations about the share of all months shown."
        if share
        else "g-chart (Benneyan 2001): exact geometric limits about the median; points low on the"
        f" chart are events close together. The last {MOST_EVENTS} events at most."
    )
    if chart.note:
        st.caption(chart.note.capitalize() + ": see the g-chart.")


def _control(frame: pl.DataFrame, title: str, share: bool) -> AltairChart:
    what = "at" if share else "number"
    x = alt.X(
        what, type="temporal" if share else "quantitative",
        title=None if share else "Event, in order of time",
    )  # fmt: skip
    axis = alt.Axis(format="%" if share else "~s")
    base = alt.Chart(frame, height=charts.HEIGHT)
    lines = [
        base.mark_line(color=charts.NEUTRAL, strokeDash=dash, interpolate="step").encode(
            x=x, y=alt.Y(name, type="quantitative")
        )
        for name, dash in (("low", [4, 3]), ("centre", [1, 0]), ("high", [4, 3]))
    ]
    points = base.mark_line(point=alt.OverlayMarkDef(size=45), color=charts.OKABE_ITO[0]).encode(
        x=x,
        y=alt.Y("value", type="quantitative", title=title, axis=axis),
        tooltip=[
            alt.Tooltip("at", type="temporal", title="At", format="%d %b %Y"),
            alt.Tooltip("value", type="quantitative", title=title, format=".2%" if share else ","),
            alt.Tooltip("low", type="quantitative", title="Lower limit", format=".3~g"),
            alt.Tooltip("high", type="quantitative", title="Upper limit", format=".3~g"),
        ],
    )
    marked = (
        base.transform_filter("isValid(datum.signal)")
        .mark_point(shape="diamond", size=160, color=charts.OKABE_ITO[5], strokeWidth=2)
        .encode(x=x, y=alt.Y("value", type="quantitative"))
    )
    return alt.layer(*lines, points, marked)


def _draw_cases(view: View) -> None:
    """List the cases to those who may see single cases; a row opens the case."""
    st.header("Cases", anchor=False)
    if not data.may("outcomes_cases"):
        st.caption("Single cases are listed for radiation safety, and to physicians their own.")
        return
    cases = data.query("outcomes_cases", view.filters, most=MOST_CASES)
    if cases.is_empty():
        st.caption("No case with a complication in this view.")
        return
    table = cases.with_columns(pl.col("procedure").map_elements(fmt.procedure, pl.String)).rename(
        {
            "performed_on": "Day",
            "modality": "Modality",
            "procedure": "Procedure",
            "room": "Room",
            "complications": "Complications",
            "complication_scale": "Scale",
            "procedure_id": "Case",
        }
    )
    order = ["Day", "Complications", "Scale", "Procedure", "Modality", "Room", "Case"]
    picked = st.dataframe(
        table.select(order), key="complication-cases", hide_index=True, height=320,
        on_select="rerun", selection_mode="single-row", alt="Cases with a complication",
        column_config={"Day": st.column_config.DateColumn(format="YYYY-MM-DD")},
    )  # fmt: skip
    st.caption(f"The newest {MOST_CASES} at most. Select a row, then open the case.")
    rows = picked["selection"]["rows"]
    if rows and st.button("Open case", type="primary", icon=":material/open_in_new:"):
        st.switch_page(CASE, query_params={"id": str(table["Case"][rows[0]])})
