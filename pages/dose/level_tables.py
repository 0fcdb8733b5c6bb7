"""What the level tables show, in words and pictures: medians, verdicts, where a level is from."""

from typing import Literal

import altair as alt
import polars as pl

from analytics.dose import SIZE_BANDS
from analytics.level_table import ALL_ADULTS, level_table
from analytics.reference_levels import PERCENTILES, Decision
from pages.dose.measures import DoseMeasure
from pages.shared import charts
from pages.shared import format as fmt
from warehouse.procedures import lineage
from warehouse.reference import reference_levels

Colour = Literal["red", "orange", "blue", "green", "gray"]
#: Procedures that a chart has room for.
MOST_PROCEDURES = 10
MEDIAN, DRL, ACHIEVABLE = "Median with 95 % interval", "Reference level", "Achievable dose"
#: Decisions a reader should look at, with the colour of their badge.
BADGES: dict[Decision, Colour] = {
    Decision.ABOVE: "red",
    Decision.UNCERTAIN: "orange",
    Decision.LOW: "orange",
    Decision.ABOVE_MEDIAN: "orange",
    Decision.OPTIMISE: "blue",
    Decision.BELOW: "green",
    Decision.WITHIN: "green",
    Decision.NO_REFERENCE: "gray",
    Decision.TOO_FEW: "gray",
}
STRENGTHS = {"national": "national", "orientation": "one centre, for orientation"}


READING = (
    "Points: facility medians with their exact 95 % interval. Orange tick: reference level; grey "
    "tick: achievable dose (median of the reference). A level judges a facility's median of at "
    "least 20 cases, never one case; exceeding it means to optimise, it is no limit."
)
EFFECTIVE_NOTE = (
    "Sums of estimates (DLP or KAP times a coefficient of the body region) for a reference adult: "
    "a figure of the population, never one patient's risk. The range is the coefficients' band, "
    "not a confidence interval. A unit error in a dose shows in a sum: see Dose outliers first."
)


def sizes(cases: pl.DataFrame) -> dict[str, str]:
    """Return the size bands that have cases, all adults first."""
    present = set(cases["size_band"])
    return {ALL_ADULTS: "All adult sizes"} | {band: band for band in SIZE_BANDS if band in present}


def band(chosen: str) -> str | None:
    """Return a size band as analyses take it."""
    return None if chosen == ALL_ADULTS else chosen


def judged(
    cases: pl.DataFrame, places: dict[str, str], modality: str, measure: DoseMeasure, size: str
) -> pl.DataFrame:
    """Hold the medians of facilities or rooms against the reference levels."""
    return level_table(
        cases, list(places), reference_levels(), lineage(), modality, measure.index.column,
        measure.index.unit, band(size),
    )  # fmt: skip


def verdicts(table: pl.DataFrame, places: dict[str, str], unit: str) -> pl.DataFrame:
    """Return the table of medians and verdicts; ``places`` are its columns and their headings."""
    three = pl.col("p50", "p75", "drl", "achievable").round_sig_figs(3)
    return table.with_columns(three).select(
        _procedure(),
        *(pl.col(name).alias(title) for name, title in places.items()),
        pl.when(pl.col("decision") == Decision.TOO_FEW.value)
        .then(pl.format("{} (n = {})", "decision", "n"))
        .otherwise("decision")
        .alias("Verdict"),
        "n",
        pl.col("p50").alias(f"Median ({unit})"),
        _interval(),
        pl.col("p75").alias(f"P75 ({unit})"),
        pl.col("drl").alias(f"Reference ({unit})"),
        pl.col("achievable").alias(f"Achievable ({unit})"),
        pl.col("strength").replace_strict(STRENGTHS, default=None).alias("Level is"),
        pl.col("action").alias("To do"),
    )


def percentiles(table: pl.DataFrame, places: dict[str, str], unit: str) -> pl.DataFrame:
    """Return the table of percentiles; those beyond what n supports are left empty."""
    return table.select(
        _procedure(),
        *(pl.col(name).alias(title) for name, title in places.items()),
        "n",
        *(
            pl.when(pl.col("n") * min(p, 100 - p) >= 100)
            .then(pl.col(f"p{p}").round_sig_figs(3))
            .alias(f"P{p} ({unit})")
            for p in PERCENTILES
        ),
    )


def _procedure() -> pl.Expr:
    return pl.col("procedure_code").map_elements(fmt.procedure, pl.String).alias("Procedure")


def _interval() -> pl.Expr:
    return (
        pl.struct("median_low", "median_high")
        .map_elements(lambda ends: fmt.interval(ends["median_low"], ends["median_high"]), pl.String)
        .alias("95 % CI")
    )


def local_words(local: pl.DataFrame, unit: str) -> pl.DataFrame:
    """Return the own levels beside the newest saved ones."""
    return local.select(
        _procedure(),
        pl.coalesce("kind", "reason").alias("Own level is"),
        pl.col("value").round_sig_figs(3).alias(f"Today ({unit})"),
        pl.struct("low", "high")
        .map_elements(
            lambda ends: None if ends["low"] is None else fmt.interval(ends["low"], ends["high"]),
            pl.String,
        )
        .alias("95 % CI"),
        pl.col("rooms").alias("Rooms"),
        pl.col("cases").alias("Cases"),
        pl.col("saved_value").round_sig_figs(3).alias(f"Saved ({unit})"),
        pl.col("saved_at").dt.date().alias("Saved on"),
        (100 * pl.col("change")).round(1).alias("Change (%)"),
        pl.when("outside")
        .then(pl.lit("saved value outside today's interval"))
        .when(pl.col("outside").not_())
        .then(pl.lit("no clear change"))
        .when(pl.col("saved_at").is_not_null())
        .then(pl.lit("kinds differ, not compared"))
        .alias("Since then"),
    )


def provenance(levels: pl.DataFrame, ids: list[str]) -> list[str]:
    """Say of each level where it is from: study, year, population, percentile, verified or not."""
    found = levels.filter(pl.col("reference_id").is_in(ids))
    return [_origin(row) for row in found.iter_rows(named=True)]


def _origin(row: dict[str, object]) -> str:
    n = f", n = {fmt.count(int(str(row['n'])))}" if row["n"] is not None else ""
    mark = "verified at its source" if row["verified"] else "**not verified**"
    note = f" Note: {row['note']}." if row["note"] else ""
    scope = "national" if row["scope"] == "national" else "single centre, for orientation"
    doi = f" doi {row['doi']}." if row["doi"] else ""
    return (
        f"**{row['statistic']} {fmt.quantity(float(str(row['value'])), str(row['unit']))}** "
        f"({scope}; {row['country'] or 'country not stated'} {row['year'] or ''}) of "
        f"{row['procedure']}. Population: {row['population'] or 'not stated'}{n}"
        f"{'; ' + str(row['size_band']) if row['size_band'] else ''}. Percentile over: "
        f"{row['percentile_over'] or 'not stated'}. As printed: {row['raw_value']}. {mark}. "
        f"[{row['source']}]({row['url']}).{doi}{note}"
    )


def medians(
    table: pl.DataFrame, measure: DoseMeasure
) -> tuple[alt.LayerChart | alt.FacetChart, pl.DataFrame]:
    """Draw facilities' medians with intervals and the levels, for the most frequent procedures."""
    most = table["procedure_code"].unique(maintain_order=True).head(MOST_PROCEDURES).to_list()
    shown = table.filter(pl.col("procedure_code").is_in(most)).select(
        _procedure(), "site", "n", "p50", "median_low", "median_high", "drl", "achievable",
        "decision",
    )  # fmt: skip
    order = shown["Procedure"].unique(maintain_order=True).to_list()
    sites = sorted(set(shown["site"]))
    y = alt.Y("Procedure", type="nominal", sort=order, title=None, axis=charts.names_axis(290))
    offset = alt.YOffset("site", type="nominal", sort=sites)
    base = alt.Chart(shown, height=alt.Step(max(12, 34 // len(sites))))
    colour = alt.Color(
        "site", type="nominal", sort=sites,
        scale=alt.Scale(domain=sites, range=list(charts.OKABE_ITO[: len(sites)])),
        legend=alt.Legend(title=None, orient="top"),
    )  # fmt: skip
    title = measure.axis
    scale = alt.Scale(type="log", nice=True)
    tips = [
        alt.Tooltip("Procedure", type="nominal"),
        alt.Tooltip("site", type="nominal", title="Site"),
        alt.Tooltip("n", type="quantitative"),
        *(
            alt.Tooltip(name, type="quantitative", title=words, format=".3~r")
            for name, words in (
                ("p50", "Median"), ("median_low", "95 % from"), ("median_high", "95 % to"),
                ("drl", DRL), ("achievable", ACHIEVABLE),
            )
        ),
        alt.Tooltip("decision", type="nominal", title="Verdict"),
    ]  # fmt: skip
    intervals = base.mark_rule(strokeWidth=2).encode(
        y=y, yOffset=offset, color=colour,
        x=alt.X("median_low", type="quantitative", scale=scale, title=title),
        x2=alt.X2("median_high"),
    )  # fmt: skip
    points = base.mark_point(filled=True, size=55, opacity=1).encode(
        y=y, yOffset=offset, color=colour, tooltip=tips,
        x=alt.X("p50", type="quantitative", scale=scale, title=title),
        shape=alt.Shape("site", type="nominal", sort=sites, legend=None),
    )  # fmt: skip
    levels = [
        base.transform_filter(f"isValid(datum.{name})")
        .mark_tick(thickness=3, size=13, color=look)
        .encode(
            y=y,
            yOffset=offset,
            tooltip=tips,
            x=alt.X(name, type="quantitative", scale=scale, title=title),
        )
        for name, look in (("drl", "#D55E00"), ("achievable", charts.NEUTRAL))
    ]
    return alt.layer(intervals, *levels, points), shown


def effective_words(sums: pl.DataFrame) -> pl.DataFrame:
    """Return the sums of effective dose with band and publication."""
    rows = [
        (
            row["site"],
            row["modality"],
            row["n"],
            row["n_estimated"],
            fmt.percent(row["n_estimated"] / row["n"]),
            fmt.number(row["sum_msv"]),
            fmt.interval(row["sum_low_msv"], row["sum_high_msv"]),
            fmt.number(row["median_msv"]),
            fmt.interval(row["median_low_msv"], row["median_high_msv"]),
            ", ".join(str(number) for number in row["icrp"]) or None,
            f"±{100 * row['band_high']:.0f}{fmt.THIN}%" if row["band_high"] is not None else None,
        )
        for row in sums.iter_rows(named=True)
    ]
    names = (
        "Site", "Modality", "Cases", "Estimated", "Estimated share", "Sum (man·mSv)",
        "Range by the band", "Median of cases (mSv)", "95 % CI of the median", "ICRP", "Band",
    )  # fmt: skip
    counted = {"Cases", "Estimated"}
    schema = {name: pl.Int64() if name in counted else pl.String() for name in names}
    return pl.DataFrame(rows, schema=schema, orient="row")


def coefficient_words(active: pl.DataFrame) -> pl.DataFrame:
    """Return the coefficients in force with band, publication and source."""
    return active.select(
        pl.col("modality").alias("Modality"),
        pl.col("region").alias("Region"),
        pl.col("age_from_years").alias("From age (years)"),
        pl.col("coefficient").alias("Coefficient"),
        pl.col("unit").alias("Unit"),
        (100 * pl.col("band_fraction")).alias("Band (± %)"),
        pl.col("icrp").alias("ICRP"),
        pl.col("valid_from").alias("Valid from"),
        pl.col("source").alias("Source"),
        pl.col("url").alias("Address"),
    )


def unverified_words(
    off: pl.DataFrame, confirmed: frozenset[str], history: pl.DataFrame
) -> pl.DataFrame:
    """Return the coefficients that wait for confirmation, with who confirmed or took back last."""
    last = history.unique("coefficient_id", keep="first").select(
        "coefficient_id",
        pl.col("person").alias("Who"),
        pl.col("recorded_at").dt.date().alias("When"),
        pl.col("why").alias("Why"),
    )
    state = pl.col("coefficient_id").is_in(sorted(confirmed))
    return off.join(last, on="coefficient_id", how="left", maintain_order="left").select(
        pl.col("coefficient_id").alias("Coefficient"),
        pl.when(state).then(pl.lit("confirmed")).otherwise(pl.lit("off")).alias("State"),
        pl.col("coefficient").alias("Value"),
        pl.col("unit").alias("Unit"),
        (100 * pl.col("band_fraction")).alias("Band (± %)"),
        pl.col("icrp").alias("ICRP"),
        "Who",
        "When",
        "Why",
        pl.col("source").alias("Source"),
    )
