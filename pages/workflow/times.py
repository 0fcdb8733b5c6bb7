"""Where does time go: every step from order to report, by what the reader chooses."""

from datetime import date
from typing import Any

import altair as alt
import polars as pl
import streamlit as st
from streamlit.elements.vega_charts import AltairChart

from analytics.regression import LinearFit
from analytics.results import Estimate, NotComputable
from analytics.workflow import (
    ANY,
    CHAIN,
    STEPS,
    StepSummary,
    clock_changes,
    describe_steps,
    problems,
)
from analytics.workflow_duration import COVARIATES, adjusted_duration
from analytics.workflow_rooms import WEEKDAYS
from pages.shared import charts, data, downloads, filters, page
from pages.shared import format as fmt
from pages.shared.page import View
from warehouse.settings import shown

MOST_GROUPS = 12
DRAWN = 5_000
#: Who may see staff by name; others see numbers.
GROUPINGS = {
    "modality": "Modality",
    "procedure": "Procedure",
    "room": "Room",
    "weekday": "Weekday",
    "hour": "Hour of room-in",
    "operator": "Operator",
    "trainee": "Trainee",
}
STEP_COLOURS = dict(zip(CHAIN, ("#BBBBBB", "#56B4E9", "#0072B2", "#E69F00"), strict=True))


def ask(view: View) -> tuple[str, pl.DataFrame]:
    """Ask for the grouping and the limits of plausible stamps; return the counted steps."""
    by = filters.choose("by", "By", GROUPINGS)
    with st.expander("What counts as a plausible stamp", icon=":material/tune:"):
        columns = st.columns(3)
        begin = columns[0].number_input("Shift from, hour", 0, 23, 6, key="shift_from")
        end = columns[1].number_input("Shift to, hour", 1, 24, 22, key="shift_to")
        longest = columns[2].number_input("Longest case, hours", 1, 24, 12, key="longest")
        zone = shown().time_zone
        st.caption(f"Clock changes are those of {zone}.")
    known = data.query("freshness").row(0, named=True)
    first: date = view.filters.from_date or known["data_from"]
    last: date = view.filters.to_date or known["data_to"]
    return by, data.query(
        "times_steps", view.filters, group_by=by, shift_from=60 * begin, shift_to=60 * end,
        longest=60 * longest, clock_changes=clock_changes(zone, first, last),
    )  # fmt: skip


def named(counted: pl.DataFrame, by: str) -> pl.DataFrame:
    """Give the groups the words that a reader expects, in the order they are shown."""
    found = counted.drop_nulls("group")
    sizes = found.filter(pl.col("measure") == "cases").sort("n", "group", descending=[True, False])
    order = sizes["group"].to_list()
    if by in ("weekday", "hour"):
        order = sorted(order, key=int)
    if by == "weekday":
        words = {name: WEEKDAYS[int(name) - 1] for name in order}
    elif by == "hour":
        words = {name: f"{int(name):02}:00" for name in order}
    elif by == "procedure":
        words = {name: fmt.procedure(name) for name in order}
    else:
        words = {name: name for name in order}
    place = {name: i for i, name in enumerate(order)}
    return found.with_columns(
        pl.col("group").replace_strict(words), place=pl.col("group").replace_strict(place)
    ).sort("place", "measure", "value")


def chain_frame(steps: tuple[StepSummary, ...]) -> pl.DataFrame:
    """Lay the medians from arrival to leaving one after the other, one row a group and step."""
    rows = []
    for group in dict.fromkeys(s.group for s in steps):
        at = 0.0
        own = {s.step: s for s in steps if s.group == group}
        for key in CHAIN:
            step = own.get(key)
            if step is None or isinstance(step.median, NotComputable):
                continue
            p90 = step.p90.value if isinstance(step.p90, Estimate) else None
            rows.append(
                {
                    "group": group, "step": STEPS[key].name, "from": at,
                    "to": at + step.median.value, "median_min": step.median.value,
                    "p90_min": p90, "n": step.n,
                }
            )  # fmt: skip
            at += step.median.value
    return pl.DataFrame(rows)


def chain_chart(frame: pl.DataFrame) -> AltairChart:
    """Draw the medians of the steps in their order, one bar a group."""
    names = [STEPS[key].name for key in CHAIN]
    return (
        alt.Chart(frame, height=alt.Step(34))
        .mark_bar()
        .encode(
            y=alt.Y(
                "group", type="nominal", title=None, sort=list(dict.fromkeys(frame["group"])),
                axis=charts.names_axis(300),
            ),
            x=alt.X("from", type="quantitative", title="Minutes from arrival, medians in turn"),
            x2=alt.X2("to"),
            color=alt.Color(
                "step", type="nominal",
                scale=alt.Scale(domain=names, range=list(STEP_COLOURS.values())),
                legend=alt.Legend(title=None, orient="top", symbolOpacity=1),
            ),
            tooltip=[
                alt.Tooltip("group", type="nominal", title="Group"),
                alt.Tooltip("step", type="nominal", title="Step"),
                alt.Tooltip("median_min", type="quantitative", title="Median, min", format=".3~g"),
                alt.Tooltip("p90_min", type="quantitative", title="P90, min", format=".3~g"),
                alt.Tooltip("n", type="quantitative", title="Cases", format=","),
            ],
        )
    )  # fmt: skip


def numbers(steps: tuple[StepSummary, ...]) -> pl.DataFrame:
    """Return every step as numbers, for the download."""
    rows = []
    for s in steps:
        row: dict[str, object] = {"group": s.group, "step": STEPS[s.step].name}
        for name, found in (("median", s.median), ("p90", s.p90)):
            known = found if isinstance(found, Estimate) else None
            row |= {
                name: known.value if known else None,
                f"{name}_low": known.low if known else None,
                f"{name}_high": known.high if known else None,
            }
        rows.append(row | {"unit": STEPS[s.step].unit, "n": s.n, "n_missing": s.n_missing})
    return pl.DataFrame(rows, infer_schema_length=None)


def draw_steps(steps: tuple[StepSummary, ...], view: View) -> None:
    """Draw the picture and, for one step, the table of groups."""
    frame = chain_frame(steps)
    if frame.height:
        charts.show(
            chain_chart(frame), numbers(steps), key="chain", title="From arrival to leaving",
            alt_text="Median minutes of waiting, preparation, procedure and clearing by group",
            filters=view.filters, cells=downloads.Cells("n", ("group", "step")),
        )  # fmt: skip
        st.caption("Medians of single steps do not add up exactly to the median of the whole.")
    present = [key for key in STEPS if any(s.step == key for s in steps)]
    key = filters.choose("step", "Step", {k: STEPS[k].name for k in present}, "start to end")
    step = STEPS[key]
    mine = [s for s in steps if s.step == key]
    downloads.table(
        pl.DataFrame(
            [
                {
                    "Group": s.group,
                    f"Median, {step.unit} (95 % CI)": words(s.median),
                    f"P90, {step.unit} (95 % CI)": words(s.p90),
                    "n": fmt.count(s.n),
                    "Complete": fmt.percent(
                        s.complete.value if isinstance(s.complete, Estimate) else None
                    ),
                }
                for s in mine
            ]
        ),
        key="steps",
        title=f"Times: {step.name}",
        cells=downloads.Cells("n", ("Group",), also=("n_missing",)),
        counted=pl.DataFrame(
            [{"Group": s.group, "n": s.n, "n_missing": s.n_missing} for s in mine]
        ),
    )
    st.caption(
        f"**{step.name}** = {step.definition}. Exact order-statistic intervals; “at least”: too few"
        " cases for an upper bound. Complete: cases with both stamps."
    )


def words(found: Estimate | NotComputable) -> str:
    """Write a quantile with its interval."""
    if isinstance(found, NotComputable):
        return fmt.DASH
    return f"{fmt.number(found.value)} ({fmt.interval(found.low, found.high)})"


def draw_problems(stamps: pl.DataFrame) -> None:
    """Say which stamps cannot be right and that they are left out above."""
    st.header("Stamps that cannot be right", anchor=False)
    found = problems(stamps)
    wrong = next(p for p in found if p.rule == ANY)
    st.markdown(
        f"{fmt.plural(wrong.n, 'case')} of {fmt.count(wrong.n_cases)} left out of all times above."
    )
    rules = [p for p in found if p.rule != ANY]
    counted = pl.DataFrame(
        [{"Rule": p.words.capitalize(), "n": p.n, "right": p.n_cases - p.n} for p in rules]
    )
    downloads.table(
        counted.select("Rule", pl.col("n").map_elements(fmt.count, pl.String).alias("Cases")),
        key="problems",
        title="Stamps that cannot be right",
        cells=downloads.Cells("n", ("Rule",), also=("right",)),
        counted=counted,
    )
    st.caption("A case may break several rules. Nothing is deleted: each case keeps its stamps.")


def draw_adjusted(view: View) -> None:
    """Say what lengthens a procedure, other things equal."""
    st.header("What lengthens a procedure", anchor=False)
    given = tuple(sorted(view.filters.parameters().items()))
    fit = _fitted(str(data.snapshot()), given, view)
    if isinstance(fit, NotComputable):
        st.caption(f"Not computed: {fit.reason}.")
        return
    known = {c.name: c for c in fit.coefficients}
    rows = []
    for name in COVARIATES.values():
        if name not in known:
            continue
        change, ends = fmt.ratio_change(known[name].ratio)
        rows.append(
            {
                "Other things equal": name.capitalize() if name[:3] != "BMI" else name,
                "Duration (95 % CI)": f"{change} ({ends})",
                "p": fmt.p_value(known[name].test.p_value),
            }
        )
    downloads.table(pl.DataFrame(rows), key="lengthens", title="What lengthens a procedure",
                    cells=downloads.over(fit.n))  # fmt: skip
    st.caption(
        "Regression of log duration (needle in to needle out) on these and the procedure itself,"
        f" HC3 errors, {fmt.plural(fit.n, 'procedure')} of at most {fmt.count(DRAWN)} drawn"
        " by a fixed hash; those that lack a value are left out. Staff are not compared."
    )


@st.cache_resource(show_spinner=False, max_entries=32)
def _fitted(
    snapshot: str, given: tuple[tuple[str, Any], ...], _view: View
) -> LinearFit | NotComputable:
    """Fit once for a snapshot and a view."""
    return adjusted_duration(data.query("times_drawn", _view.filters, most=DRAWN))


def main() -> None:
    """Draw the page."""
    view = page.begin("Times", "Where does time go, from order to report?")
    by, counted = ask(view)
    rows = named(counted, by)
    order = list(dict.fromkeys(rows["group"]))
    steps = tuple(
        s for s in describe_steps(rows.filter(pl.col("group").is_in(order[:MOST_GROUPS])))
    )
    if any(s.n for s in steps):
        draw_steps(steps, view)
        if len(order) > MOST_GROUPS:
            st.caption(
                f"{fmt.plural(len(order) - MOST_GROUPS, 'group')} with fewer cases not shown."
            )
    else:
        st.info(
            "No case in this view has two stamps of a step. Times need room-in, needle-in,"
            " needle-out and room-out in the procedure log."
        )
    draw_adjusted(view)
    draw_problems(counted)


main()
