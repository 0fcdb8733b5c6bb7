"""The report's first half: what was done, how completely recorded, at which dose, and its trend."""

import altair as alt
import polars as pl

from analytics.change_points import change_points
from analytics.control_charts import Chart
from analytics.effective_sums import effective_sums
from analytics.level_table import ALL_ADULTS, decisions
from analytics.proportions import wilson
from analytics.reference_levels import MIN_CASES, Decision
from analytics.results import Estimate, NotComputable
from analytics.trend import dose_trend
from pages.data import health_parts
from pages.dose import level_tables, trend_charts
from pages.dose import report_blocks as blocks
from pages.dose import trend_findings as findings
from pages.dose.measures import DoseMeasure
from pages.dose.report_blocks import Spans
from pages.dose.trend_findings import FEW, Choice
from pages.shared import charts, coefficients, data
from pages.shared import format as fmt
from pages.shared.filters import Filters
from report.model import Block, Listing, Section, Words
from warehouse.protocol_changes import all_changes
from warehouse.settings import shown

#: Procedures of each modality whose course is followed.
FOLLOWED = 4
ATTENTION = (Decision.ABOVE, Decision.UNCERTAIN, Decision.LOW, Decision.ABOVE_MEDIAN)
PLACES = {"site": "Site"}
STRENGTHS = {"national": "national", "orientation": "one centre"}


def coverage(spans: Spans) -> Section:
    """Say how many procedures have a dose, by room."""
    frame = data.query("health_coverage", spans.now)
    if frame.is_empty():
        return Section("Coverage", (Words("No CT or fluoroscopy procedure in this quarter."),))
    rooms = frame.group_by("site", "room", "modality").agg(pl.col("n", "n_with_dose").sum())
    shares = [wilson(row["n_with_dose"], row["n"]) for row in rooms.iter_rows(named=True)]
    listed = rooms.with_columns(
        pl.Series("Share with dose (95 % CI)", [_share_words(share) for share in shares]),
        pl.when(pl.col("n_with_dose") < health_parts.COVERAGE_TARGET * pl.col("n"))
        .then(pl.lit("below the aim"))
        .alias("Note"),
    ).sort("site", "room")
    words = listed.rename(
        {"site": "Site", "room": "Room", "modality": "Modality", "n": "Procedures",
         "n_with_dose": "With dose"}
    )  # fmt: skip
    return Section(
        "Coverage",
        (
            Words(health_parts.coverage_words(frame)),
            blocks.table(words, "Completed procedures with a dose record, by room", {"Note": 1}),
        ),
    )


def _share_words(share: Estimate | NotComputable) -> str:
    if isinstance(share, NotComputable):
        return share.reason
    return f"{fmt.percent(share.value)} ({fmt.percent_interval(share.low, share.high)})"


def volumes(spans: Spans) -> Section:
    """Say what was done, beside the quarter before."""
    now, before = (data.query("report_volumes", span) for span in (spans.now, spans.before))
    by_site = (
        _beside(now, before, ["site", "modality"])
        .sort("site", "modality")
        .rename({"site": "Site", "modality": "Modality"})
    )
    by_procedure = _beside(now, before, ["procedure_code"]).head(12)
    named = by_procedure.with_columns(
        pl.col("procedure_code").map_elements(fmt.procedure, pl.String)
    ).rename({"procedure_code": "Procedure"})
    course = data.query("report_volumes", spans.course)
    monthly = course.group_by("month", "modality").agg(pl.col("n").sum()).sort("month", "modality")
    if monthly.is_empty():
        words = f"No completed procedure in the {blocks.TREND_MONTHS} months to the quarter's end."
        return Section("Volumes", (Words(words),))
    return Section(
        "Volumes",
        (
            blocks.table(by_site, "Completed procedures, by site and modality", {"Site": 1}),
            blocks.picture(
                volume_chart(monthly), "Completed procedures a month, by modality",
                "Stacked bars of completed procedures a month", 150,
            ),
            blocks.table(named, "The most frequent procedures", {"Procedure": 1}),
        ),
    )  # fmt: skip


def _beside(now: pl.DataFrame, before: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Set this quarter's counts beside those of the quarter before."""
    counts = [frame.group_by(by).agg(pl.col("n").sum()) for frame in (now, before)]
    joined = counts[0].join(counts[1], on=by, how="full", coalesce=True, suffix="_before")
    n, prior = pl.col("n").fill_null(0), pl.col("n_before").fill_null(0)
    return (
        joined.with_columns(n, prior)
        .sort("n", *by, descending=[True, *(False for _ in by)])
        .select(
            *by,
            pl.col("n").alias("This quarter"),
            pl.col("n_before").alias("Quarter before"),
            (pl.col("n") - pl.col("n_before")).map_elements(blocks.more, pl.String).alias("Change"),
        )
    )


def volume_chart(monthly: pl.DataFrame) -> alt.Chart:
    """Draw the procedures a month, stacked by modality."""
    axis = alt.Axis(format="%b %Y", labelOverlap=True)
    return (
        alt.Chart(monthly)
        .mark_bar()
        .encode(
            x=alt.X("month", type="temporal", timeUnit="yearmonth", title=None, axis=axis),
            y=alt.Y("n", type="quantitative", title="Procedures", axis=alt.Axis(tickCount=4)),
            color=charts.modality_colour(monthly["modality"]),
        )
    )


def levels(spans: Spans, measures: list[tuple[str, DoseMeasure]]) -> Section:
    """Hold the medians of the facilities against the reference levels."""
    found: list[Block] = [
        Words(
            "Medians of the 12 months up to the quarter's end (a quarter alone has too few cases "
            "of most procedures), all adult sizes, with their exact 95 % interval. A reference "
            "level judges a facility's median of at least 20 cases, never one case; exceeding it "
            "means to optimise, it is no limit.",
            quiet=True,
        )
    ]
    for modality, measure in measures:
        found += _levels_of(spans.year, modality, measure)
    return Section("Typical values against reference levels", tuple(found))


def judged(year: Filters, modality: str, measure: DoseMeasure) -> pl.DataFrame:
    """Judge the facilities as the page Reference levels does."""
    cases = data.query("levels_values", year, modality=modality, dose_index=measure.name)
    return level_tables.judged(cases, PLACES, modality, measure, ALL_ADULTS)


def _levels_of(year: Filters, modality: str, measure: DoseMeasure) -> list[Block]:
    table = judged(year, modality, measure)
    if table.is_empty():
        return [Words(f"No mapped {modality} procedure has a {measure.label}.")]
    counted = " · ".join(f"{n} {what.value}" for what, n in decisions(table).items())
    frequent = (
        table["procedure_code"].unique(maintain_order=True).head(level_tables.MOST_PROCEDURES)
    )
    shown_rows = table.filter(
        (pl.col("procedure_code").is_in(frequent.implode()) & (pl.col("n") >= MIN_CASES))
        | pl.col("decision").is_in([what.value for what in ATTENTION])
    )
    words = level_words(shown_rows, measure.index.unit)
    actions = to_do(shown_rows)
    chart, _ = level_tables.medians(table, measure)
    title = f"{measure.label}, {modality}"
    left = table.height - shown_rows.height
    more = f" The other {left} are on the page Reference levels." if left else ""
    return [
        Words(f"**{title}:** of {table.height} medians {counted}.{more}"),
        blocks.picture(
            chart, f"{title}: medians of the facilities, with reference levels (orange)",
            f"Medians with intervals and reference levels, {title}",
        ),
        blocks.table(words, f"{title}: medians and verdicts",
                     {"Procedure": 4, "Held against": 3, "Verdict": 4}),
        *([Listing(actions)] if actions else []),
    ]  # fmt: skip


def to_do(table: pl.DataFrame) -> tuple[str, ...]:
    """Say what is to be done about which medians, one point an action."""
    judged_so = pl.col("decision").is_in([what.value for what in ATTENTION])
    listed = (
        table.filter(judged_so)
        .group_by("action", "procedure_code", maintain_order=True)
        .agg(pl.col("site").str.join(", "))
    )
    points = []
    for (action,), mine in listed.group_by("action", maintain_order=True):
        of = "; ".join(f"{fmt.procedure(code)} at {sites}" for _, code, sites in mine.iter_rows())
        points.append(f"**{str(action)[0].upper()}{str(action)[1:]}:** {of}.")
    return tuple(points)


def level_words(table: pl.DataFrame, unit: str) -> pl.DataFrame:
    """Return the printed form of a level table: a procedure is named once."""
    words = level_tables.verdicts(table, PLACES, unit)
    level = (
        pl.when(pl.col("drl").is_not_null())
        .then(pl.format("level {}", _figure("drl")))
        .when(pl.col("achievable").is_not_null())
        .then(pl.format("published median {}", _figure("achievable")))
    )
    strength = pl.col("strength").replace_strict(STRENGTHS, default=None)
    repeated = (pl.col("procedure_code") == pl.col("procedure_code").shift(1)).fill_null(False)
    told = table.select(held=pl.concat_str(level, strength, separator=", "), repeated=repeated)
    return words.select(
        pl.when(told["repeated"]).then(pl.lit("")).otherwise("Procedure").alias("Procedure"),
        "Site", "n", f"Median ({unit})", "95 % CI",
        told["held"].alias("Held against"), "Verdict",
    )  # fmt: skip


def _figure(column: str) -> pl.Expr:
    return pl.col(column).map_elements(fmt.number, pl.String)


def effective(spans: Spans) -> Section:
    """Sum the estimated effective dose of the quarter's patients."""
    active = coefficients.in_force()
    doses = data.query("levels_effective", spans.now)
    sums = effective_sums(doses, active, ["site", "modality"])
    words = level_tables.effective_words(sums).drop("Estimated share")
    median, ends = "Median of cases (mSv)", "95 % CI of the median"
    joined = words.with_columns(pl.format("{} ({})", median, ends).alias(median)).drop(ends)
    return Section(
        "Effective dose of the population",
        (
            blocks.table(joined, "Sums of estimated effective dose in the quarter",
                         {"Range by the band": 1, median: 1}),
            Words(level_tables.EFFECTIVE_NOTE, quiet=True),
        ),
    )  # fmt: skip


def trends(spans: Spans, measures: list[tuple[str, DoseMeasure]]) -> Section:
    """Say how the dose of the most frequent procedures moves."""
    rows, pictures = [], []
    changes = all_changes(shown(), data.scope())
    for modality, measure in measures:
        cases = data.query("levels_values", spans.year, modality=modality, dose_index=measure.name)
        known = cases.filter(pl.col("procedure_code") != "unmapped")["procedure_code"]
        most = known.value_counts(sort=True)["procedure_code"].head(FOLLOWED).to_list()
        for place, procedure in enumerate(most):
            choice = Choice(modality, measure, procedure, None)
            row, picture = followed(choice, spans, changes, draw=place == 0)
            rows.append(row)
            pictures += picture
    names = (
        "Procedure",
        "Index",
        "Slope a year (95 % CI)",
        "Changes of level",
        "Signals of the quarter",
    )
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String()), orient="row")
    note = (
        "Slope: Prais–Winsten regression on the logarithm of the monthly median, with its 95 % "
        "interval; where the interval holds 0, no clear trend was shown (which is not the same as "
        "no trend). Signals: run rules on single months, limits frozen over the first 12 months or "
        "since a recorded change."
    )
    table = blocks.table(
        frame,
        f"The last {blocks.TREND_MONTHS} months",
        dict(zip(names, (4, 0, 3, 4, 4), strict=True)),
    )
    return Section("Trends", (table, Words(note, quiet=True), *pictures))


def followed(
    choice: Choice, spans: Spans, changes: pl.DataFrame, draw: bool
) -> tuple[tuple[str, ...], list[Block]]:
    """Return one procedure's row of the trend table, and its course as a picture."""
    parameters = choice.parameters()
    months = findings.calendar(data.query("trends_monthly", spans.course, **parameters))
    name, index = fmt.procedure(choice.procedure), choice.measure.label
    if months.is_empty():
        return (name, index, fmt.DASH, fmt.DASH, fmt.DASH), []
    trend = dose_trend(months["month"].to_list(), months["median"].to_numpy())
    found = change_points(findings.usable(months)["median"].log().to_numpy())
    marks = findings.found_marks(months, found)
    noted = findings.recorded_marks(changes, choice, months, spans.course)
    slope = (
        trend.reason
        if isinstance(trend, NotComputable)
        else f"{fmt.signed(trend.percent_per_year.value)}{fmt.THIN}% ("
        f"{fmt.interval(trend.percent_per_year.low, trend.percent_per_year.high)})"
    )
    levels = "; ".join(f"{month:%b %Y}: {words}" for month, _, words in marks.iter_rows())
    row = (name, index, slope, levels or "none found", signals(months, noted, spans))
    if not draw:
        return row, []
    points = data.query("trends_points", spans.course, few=FEW, **parameters)
    chart = trend_charts.course(
        months, points, findings.references(choice).head(0), pl.concat([marks, noted]),
        choice.measure, False,
    )  # fmt: skip
    title = f"{choice.words}: monthly median and quartiles"
    return row, [blocks.picture(chart, title, title, 190)]


def signals(months: pl.DataFrame, noted: pl.DataFrame, spans: Spans) -> str:
    """Say which months of the quarter signal on the control chart."""
    chart = findings.control_chart(months, noted, "XmR")
    if not isinstance(chart, Chart):
        return f"not judged: {chart.reason}"
    inside = pl.col("month").is_between(spans.now.from_date, spans.now.to_date)
    frame = findings.control_frame(months, chart).filter(pl.col("signal").is_not_null(), inside)
    said = [f"{row['month']:%b}: {row['signal']}" for row in frame.iter_rows(named=True)]
    return "; ".join(said) or "none"


def changes(spans: Spans) -> Section:
    """List the protocol changes of the months before and in the quarter."""
    noted = all_changes(shown(), data.scope()).filter(
        pl.col("changed_on").is_between(spans.year.from_date, spans.year.to_date)
    )
    if noted.is_empty():
        return Section("Protocol changes", (Words("None was recorded in the last 12 months."),))
    points = tuple(
        f"**{fmt.day(row['changed_on'])}:** {row['what']} ("
        + (", ".join(str(row[k]) for k in ("site", "room", "procedure_code") if row[k]) or "all")
        + ")"
        for row in noted.iter_rows(named=True)
    )
    return Section("Protocol changes", (Listing(points),))
