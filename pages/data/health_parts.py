"""The tables and charts of the data's state."""

import altair as alt
import polars as pl

from pages.data import flag_words
from pages.data.case_parts import changed_value
from pages.shared import charts
from pages.shared import format as fmt

#: Share of completed CT and fluoroscopy procedures that should have a dose.
COVERAGE_TARGET = 0.95
#: With more months than these the cells are too narrow for their figures.
MOST_LABELLED_MONTHS = 14
OUTCOMES = {
    "ok": "loaded", "rejected": "loaded, some refused", "nothing": "nothing new",
    "failed": "failed",
}  # fmt: skip
LEDGER = ("read", "inserted", "updated", "unchanged", "duplicate", "rejected")


def runs(frame: pl.DataFrame) -> pl.DataFrame:
    """Lay the runs out with their ledger and whether it balances."""
    return frame.select(
        pl.col("started_at").alias("Started (UTC)"),
        pl.col("outcome").replace(OUTCOMES).alias("Outcome"),
        pl.col("files").alias("Files"),
        *(pl.col(name).alias(name.capitalize()) for name in LEDGER),
        pl.when("balanced").then(pl.lit("yes")).otherwise(pl.lit("NO")).alias("Balanced"),
        pl.col("seconds").round(1).alias("Seconds"),
        pl.col("message").alias("Message"),
    )


def files(frame: pl.DataFrame) -> pl.DataFrame:
    """Lay the source files out."""
    return frame.select(
        pl.col("arrived_at").alias("Arrived (UTC)"),
        pl.col("path").alias("File"),
        pl.col("status").alias("Status"),
        pl.col("kind").alias("Kind"),
        pl.col("profile").alias("Profile"),
        *(pl.col(name).alias(name.capitalize()) for name in LEDGER),
        pl.col("message").alias("Message"),
        pl.col("source_at").alias("Content of (UTC)"),
    )


def coverage_chart(frame: pl.DataFrame) -> alt.LayerChart | alt.FacetChart:
    """Draw the share of procedures with a dose by room and month, low ones standing out."""
    shares = frame.with_columns(
        (pl.col("n_with_dose") / pl.col("n")).alias("share"),
        (100 * pl.col("n_with_dose") / pl.col("n")).round().alias("percent"),
        pl.concat_str("room", pl.lit(" · "), "site").alias("where")
        if frame["site"].n_unique() > 1
        else pl.col("room").alias("where"),
    )
    base = alt.Chart(shares, height=alt.Step(26)).encode(
        x=alt.X("month", type="ordinal", timeUnit="yearmonth", title=None),
        y=alt.Y("where", type="nominal", title=None, axis=charts.names_axis(260)),
        tooltip=[
            alt.Tooltip("where", type="nominal", title="Room"),
            alt.Tooltip("month", type="temporal", title="Month", format="%b %Y"),
            alt.Tooltip("n", type="quantitative", title="Procedures", format=","),
            alt.Tooltip("n_with_dose", type="quantitative", title="With dose", format=","),
            alt.Tooltip("share", type="quantitative", title="Share", format=".1%"),
        ],
    )
    cells = base.mark_rect(stroke="white").encode(
        color=alt.Color(
            "share", type="quantitative",
            scale=alt.Scale(
                type="threshold", domain=[0.5, 0.8, 0.9, COVERAGE_TARGET],
                range=["#8C2D04", "#D55E00", "#F0A35E", "#A6CEE3", "#0072B2"],
            ),
            legend=None,
        )
    )  # fmt: skip
    if shares["month"].n_unique() > MOST_LABELLED_MONTHS:
        return alt.layer(cells)
    dark = "datum.share < 0.8 || datum.share >= 0.95"
    words = base.mark_text(fontSize=10).encode(
        text=alt.Text("percent", type="quantitative", format=".0f"),
        color=alt.condition(dark, alt.value("white"), alt.value("black")),
    )
    return alt.layer(cells, words)


def coverage_words(frame: pl.DataFrame) -> str:
    """Say how many procedures have a dose, and which rooms miss the target."""
    rooms = frame.group_by("site", "room").agg(pl.col("n", "n_with_dose").sum())
    n, dosed = int(rooms["n"].sum()), int(rooms["n_with_dose"].sum())
    share = pl.col("n_with_dose") / pl.col("n")
    low = rooms.filter(share < COVERAGE_TARGET).sort(share, "site", "room")
    said = (
        f"**{fmt.percent(dosed / n)}** of {fmt.plural(n, 'completed CT or fluoroscopy procedure')} "
        f"have a dose; the aim is {fmt.percent(COVERAGE_TARGET)}."
    )
    if low.is_empty():
        return f"{said} Every room reaches it."
    listed = [
        f"{row['room']} ({row['site']}) {fmt.percent(row['n_with_dose'] / row['n'])}"
        for row in low.head(5).iter_rows(named=True)
    ]
    more = f" and {len(low) - 5} more" if len(low) > 5 else ""
    return f"{said} Below it: {', '.join(listed)}{more}."


def rejected_rules(frame: pl.DataFrame) -> pl.DataFrame:
    """Lay the reasons of rejected rows out, with an example."""
    return frame.select(
        pl.col("rule").alias("Reason"),
        pl.col("open").alias("Open"),
        pl.col("resolved").alias("Resolved"),
        pl.col("files").alias("Files"),
        pl.col("example").alias("Example"),
    )


def rejected_rows(frame: pl.DataFrame) -> pl.DataFrame:
    """Lay rejected rows out as they stood, with file, line and reasons."""
    return frame.select(
        pl.col("path").alias("File"),
        pl.col("line").alias("Line"),
        pl.col("reasons").list.join("; ").alias("Reasons"),
        pl.col("raw_text").alias("Row as it stood"),
        pl.col("run_id").alias("Run"),
        pl.col("resolved_by_run").alias("Resolved by"),
    )


def changes(frame: pl.DataFrame) -> pl.DataFrame:
    """Lay the corrections out, one line per changed value."""
    return frame.select(
        pl.col("changed_at").alias("Changed (UTC)"),
        pl.col("procedure_id").alias("Case"),
        pl.col("performed_on").alias("Day"),
        pl.col("room").alias("Room"),
        *changed_value(),
        pl.col("why").alias("Why"),
        pl.col("changed_by_run").alias("Run"),
    )


def unmapped(frame: pl.DataFrame) -> pl.DataFrame:
    """Lay unmapped names out with their suggested procedures."""
    suggested = pl.col("suggestions").list.eval(
        pl.element().map_elements(fmt.procedure, return_dtype=pl.String)
    )
    return frame.select(
        pl.col("name").alias("Name as sent"),
        pl.col("count").alias("Procedures"),
        suggested.list.join("; ").alias("Suggestions, best first"),
    )


def flags(frame: pl.DataFrame) -> pl.DataFrame:
    """Lay the flags out in words."""
    return frame.select(
        pl.col("flag").map_elements(flag_words.words, return_dtype=pl.String).alias("Warning"),
        pl.col("n").alias("Procedures"),
        pl.col("first_on").alias("First"),
        pl.col("last_on").alias("Last"),
        pl.col("example_id").alias("Latest case"),
    )


def unit_warnings(found: pl.DataFrame, cases: pl.DataFrame) -> pl.DataFrame:
    """Count suspected unit errors by machine and month, with the factor that would mend them."""
    joined = found.select("procedure_id", "basis").join(cases, on="procedure_id")
    return (
        joined.with_columns(pl.col("performed_on").dt.truncate("1mo").alias("month"))
        .group_by("site", "machine", "month")
        .agg(
            pl.len().alias("n"),
            pl.col("performed_on").min().alias("first"),
            pl.col("performed_on").max().alias("last"),
            pl.col("field_area_cm2").median().round_sig_figs(3).alias("area"),
            pl.col("machine_median_cm2").first().round_sig_figs(3).alias("usual"),
            pl.col("basis").mode().sort().first().alias("basis"),
            pl.col("procedure_id").max().alias("case"),
        )
        .sort("n", "site", "machine", "month", descending=[True, False, False, False])
        .select(
            pl.col("machine").alias("Machine"),
            pl.col("site").alias("Site"),
            pl.col("n").alias("Cases"),
            pl.col("first").alias("From"),
            pl.col("last").alias("To"),
            pl.col("area").alias("Median field area, cm²"),
            pl.col("usual").alias("Machine's usual, cm²"),
            pl.col("basis").alias("What is suspected"),
            pl.col("case").alias("Latest case"),
        )
    )
