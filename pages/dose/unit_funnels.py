"""Rooms and operators against cases alike: the funnel, its table and its words."""

import hashlib
import math
from collections.abc import Iterable

import altair as alt
import polars as pl

from analytics.unit_funnel import DoseFunnel
from pages.shared import charts
from pages.shared import format as fmt

#: Who may see operators by name: others see a number that tells them apart.
POSITIONS = ["within", "95 %", "99.8 %", "too few"]
COLOURS = ["#0072B2", "#E69F00", "#D55E00", "#999999"]
#: With fewer units than these all are named in the chart, else those outside the limits.
FEW_UNITS = 9
NOTE = (
    "Each point: how many times the dose of cases alike (same procedure, size band and number of "
    "levels) a unit's typical case has. Lines: 95 % and 99.8 % limits around 1. Outside the outer "
    "limits chance does not explain it; case mix that is not recorded may. No order, no ranking; "
    "fewer than 10 cases get no verdict."
)


def masked(names: Iterable[str]) -> dict[str, str]:
    """Return a number for each operator that tells neither name nor result."""
    mixed = sorted(set(names), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    return {name: f"Operator {place}" for place, name in enumerate(mixed, start=1)}


def mask(cells: pl.DataFrame) -> pl.DataFrame:
    """Put numbers in place of operators' names."""
    numbers = masked(cells["unit"])
    return cells.with_columns(pl.col("unit").replace(numbers))


def table(found: DoseFunnel) -> pl.DataFrame:
    """Return the units: n, ratio to cases alike and where they lie."""
    rows = [(unit.name, unit.n, math.exp(unit.value), unit.position) for unit in found.funnel.units]
    schema = {"unit": pl.String, "n": pl.Int64, "ratio": pl.Float64, "position": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def words_table(found: DoseFunnel, unit: str) -> pl.DataFrame:
    """Return the units as a reader sees them."""
    return table(found).select(
        pl.col("unit").alias(unit),
        pl.col("n").alias("Cases"),
        pl.col("ratio").round_sig_figs(3).alias("Times cases alike"),
        pl.col("position").alias("Position"),
    )


def words(found: DoseFunnel, unit: str) -> str:
    """Say which units lie outside the limits, and whether they vary more than chance."""
    units = found.funnel.units
    out = [u for u in units if u.position.endswith("99.8 %")]
    warn = [u for u in units if u.position.endswith(("above 95 %", "below 95 %"))]
    said = []
    for listed, limit in ((out, "99.8"), (warn, "95")):
        if listed:
            each = ", ".join(f"{u.name} ({fmt.number(math.exp(u.value))} times)" for u in listed)
            said.append(f"outside the {limit}{fmt.THIN}% limits: {each}")
    if not said:
        said.append(f"no {unit} lies outside the limits")
    wide = (
        f" The units vary more than chance explains; the limits are widened by "
        f"{fmt.number(math.sqrt(found.funnel.phi_used))}."
        if found.funnel.phi_used > 1
        else ""
    )
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}.{wide}"


def chart(found: DoseFunnel, unit: str) -> alt.LayerChart | alt.FacetChart:
    """Draw the funnel: ratio to cases alike by number of cases, with limits."""
    curves = found.curves
    lines = pl.concat(
        pl.DataFrame({"n": curves.n, "ratio": [math.exp(v) for v in values]}).with_columns(
            pl.lit(limit).alias("limit"), pl.lit(f"{limit} {side}").alias("line")
        )
        for limit, side, values in (
            ("95 %", "low", curves.low95),
            ("95 %", "high", curves.high95),
            ("99.8 %", "low", curves.low998),
            ("99.8 %", "high", curves.high998),
        )
    )
    points = table(found)
    x = alt.X("n", type="quantitative", title="Cases", scale=alt.Scale(zero=False, nice=False))
    y = alt.Y(
        "ratio", type="quantitative", title="Times the dose of cases alike",
        scale=alt.Scale(type="log", nice=False, padding=12),
    )  # fmt: skip
    limits = (
        alt.Chart(lines)
        .mark_line(color=charts.NEUTRAL)
        .encode(
            x=x,
            y=y,
            detail=alt.Detail("line", type="nominal"),
            strokeDash=alt.StrokeDash(
                "limit", type="nominal", legend=alt.Legend(title="Limits", orient="top"),
                scale=alt.Scale(domain=["95 %", "99.8 %"], range=[[5, 4], [1, 0]]),
            ),
        )
    )  # fmt: skip
    middle = alt.Chart(pl.DataFrame({"ratio": [1.0]})).mark_rule(color=charts.NEUTRAL).encode(y=y)
    drawn = points.with_columns(
        pl.col("position").str.replace("above |below ", "").alias("where"),
    )
    units = (
        alt.Chart(drawn)
        .mark_point(filled=True, size=90, opacity=1)
        .encode(
            x=x,
            y=y,
            color=alt.Color(
                "where", type="nominal", legend=None,
                scale=alt.Scale(domain=POSITIONS, range=COLOURS),
            ),
            shape=alt.Shape(
                "where", type="nominal", legend=None,
                scale=alt.Scale(domain=POSITIONS, range=["circle", "square", "diamond", "cross"]),
            ),
            tooltip=[
                alt.Tooltip("unit", type="nominal", title=unit),
                alt.Tooltip("n", type="quantitative", title="Cases"),
                alt.Tooltip("ratio", type="quantitative", title="Times cases alike", format=".3~r"),
                alt.Tooltip("position", type="nominal", title="Position"),
            ],
        )
    )  # fmt: skip
    names = (
        alt.Chart(
            drawn.filter(pl.col("where").is_in(["95 %", "99.8 %"]) | (pl.lit(len(drawn)) < 9))
        )
        .mark_text(align="left", dx=8, dy=-4, color=charts.NEUTRAL)
        .encode(x=x, y=y, text=alt.Text("unit", type="nominal"))
    )
    return alt.layer(limits, middle, units, names).properties(height=charts.HEIGHT)
