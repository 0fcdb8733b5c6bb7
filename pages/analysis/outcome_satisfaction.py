"""Satisfaction: answers around the middle, top two, response rate, cumulative odds."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl
import streamlit as st
from streamlit.elements.vega_charts import AltairChart

from analytics.multiplicity import adjust
from analytics.ordinal import OrdinalFit
from analytics.outcomes_satisfaction import (
    LEVELS,
    Satisfaction,
    cumulative_odds,
    diverging,
    satisfaction_by,
)
from analytics.results import NotComputable
from pages.shared import charts, data, downloads, filters
from pages.shared import format as fmt
from pages.shared.page import View

MOST_GROUPS = 12
GROUPINGS = {"modality": "Modality", "procedure": "Procedure", "room": "Room"}


def draw(view: View) -> None:
    """Draw the answers by a grouping with what they rest on."""
    rows = data.query("outcomes_satisfaction", view.filters)
    if not rows["answer"].count():
        st.info("Nobody in this view was asked, or nobody answered: there is no satisfaction.")
        return
    by = filters.choose("group", "By", GROUPINGS)
    if by == "procedure":
        rows = rows.with_columns(pl.col("procedure").map_elements(fmt.procedure, pl.String))
    every = satisfaction_by(rows, by)
    groups = [group for group in every if group.n][:MOST_GROUPS]
    frame = diverging(groups)
    charts.show(
        chart(frame), frame.drop("from", "to"), key="satisfaction", title="Answers",
        alt_text=f"Satisfaction by {by}: five levels stacked around the middle",
        filters=view.filters, cells=downloads.Cells("n", ("group", "answer", "level")),
    )  # fmt: skip
    downloads.table(
        pl.DataFrame([_row(group) for group in groups]),
        key="satisfaction-groups",
        title="Satisfaction by group",
        cells=downloads.Cells("n", ("Group",), parts=("top",), also=("silent",)),
        counted=pl.DataFrame(
            [
                {"Group": g.group, "n": g.n, "top": sum(g.answers[3:]), "silent": g.n_asked - g.n}
                for g in groups
            ]
        ),
    )
    hidden = len(every) - len(groups)
    st.caption(
        "Top two: satisfied or very satisfied, of those who answered. Answered: of all completed"
        " procedures. 95 % Wilson intervals. Who does not answer may be less satisfied: read both"
        " columns together." + (f" {hidden} smaller or silent groups not shown." if hidden else "")
    )
    if len(groups) > 1:
        _draw_odds(groups, view, by)


def _row(group: Satisfaction) -> dict[str, str]:
    return {
        "Group": group.group,
        "Answers": fmt.count(group.n),
        "Top two (95 % CI)": fmt.share(group.top_two).split(", n =")[0] + ")",
        "Answered (95 % CI)": fmt.share(group.response).split(", n =")[0] + ")",
    }


def chart(frame: pl.DataFrame) -> AltairChart:
    """Stack the answers of each group around the middle of "neither"."""
    low, high = min(frame["from"].to_list()), max(frame["to"].to_list())
    x = alt.Scale(domain=[min(low, -0.1) * 1.1, high * 1.02], nice=False)
    bars = (
        alt.Chart(frame, height=alt.Step(36))
        .mark_bar()
        .encode(
            y=alt.Y(
                "group", type="nominal", title=None, sort=list(dict.fromkeys(frame["group"])),
                axis=charts.names_axis(320),
            ),
            x=alt.X(
                "from", type="quantitative", scale=x,
                title="Dissatisfied ← share of answers → satisfied",
                axis=alt.Axis(labelExpr="format(abs(datum.value), '.0%')", grid=False, tickCount=8),
            ),
            x2=alt.X2("to"),
            color=alt.Color(
                "answer", type="ordinal",
                scale=alt.Scale(domain=list(LEVELS), range=list(charts.SATISFACTION_COLOURS)),
                legend=alt.Legend(title=None, orient="top", symbolOpacity=1),
            ),
            tooltip=[
                alt.Tooltip("group", type="nominal", title="Group"),
                alt.Tooltip("answer", type="nominal", title="Answer"),
                alt.Tooltip("n", type="quantitative", title="Answers", format=","),
                alt.Tooltip("share", type="quantitative", title="Share", format=".1%"),
            ],
        )
    )  # fmt: skip
    middle = alt.Chart(pl.DataFrame({"zero": [0.0]})).mark_rule(color=charts.NEUTRAL)
    return alt.layer(bars, middle.encode(x=alt.X("zero", type="quantitative")))


def _draw_odds(groups: Sequence[Satisfaction], view: View, by: str) -> None:
    """Draw the cumulative odds of the other groups against the first."""
    reference = groups[0].group
    given = tuple(sorted(view.filters.parameters().items()))
    fit = _fitted(str(data.snapshot()), given, by, groups)
    st.markdown(f"**Odds of a higher answer, against {reference}**")
    if isinstance(fit, NotComputable):
        st.caption(f"Not computed: {fit.reason}.")
        return
    adjusted = adjust([c.test.p_value for c in fit.coefficients], "holm")
    rows = [
        {
            "Group": c.name,
            "Odds ratio (95 % CI)": f"{fmt.number(c.ratio.value)}"
            f" ({fmt.interval(c.ratio.low, c.ratio.high)})",
            "p, Holm": fmt.p_value(p),
        }
        for c, p in zip(fit.coefficients, adjusted, strict=True)
    ]
    downloads.table(pl.DataFrame(rows), key="satisfaction-odds", title="Odds of a better answer",
                    cells=downloads.over(*(group.n for group in groups)))  # fmt: skip
    st.caption(
        "Proportional odds (McCullagh 1980): one ratio for every cut between two levels; above 1:"
        f" more satisfied. {fmt.plural(fit.n, 'answer')}; not adjusted for case mix."
    )


@st.cache_resource(show_spinner=False, max_entries=32)
def _fitted(
    snapshot: str, given: tuple[tuple[str, Any], ...], by: str, _groups: Sequence[Satisfaction]
) -> OrdinalFit | NotComputable:
    """Fit once for a snapshot and a view: a million answers take a second."""
    return cumulative_odds(_groups, _groups[0].group)
