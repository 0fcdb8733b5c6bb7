"""Published dose medians beside ours: one index, one procedure, one modality, one size band."""

from dataclasses import replace
from typing import Any

import altair as alt
import polars as pl
import streamlit as st
from streamlit.elements.vega_charts import AltairChart

from analytics import evidence_own as own
from analytics.frequency import tally
from analytics.results import Estimate
from pages.shared import charts, data, downloads, filters
from pages.shared import format as fmt
from pages.shared.filters import Filters
from pages.shared.page import View
from warehouse.reference import reference_levels

FEWEST = 20
#: CTDIvol has no place here: papers sum it over series or give it per acquisition, ours is the
#: highest of a case.
INDICES = ("kap_gycm2", "air_kerma_mgy", "dlp_mgycm")
#: Size bands of the published medians → BMI from, below.
BANDS: dict[str | None, tuple[float | None, float | None]] = {
    None: (None, None),
    "BMI 18.5–25": (18.5, 25),
    "BMI 25–30": (25, 30),
    "BMI ≥ 30": (30, None),
}
#: Columns that are of the literature alone.
PUBLISHED_COLUMNS = (
    "index", "procedure", "published", "published_n", "differs", "checked", "source"
)  # fmt: skip
PUBLISHED, OURS = "Published median", "Ours, median with 95 % interval"


def draw(view: View) -> None:
    """Draw published medians of one dose index beside ours, as a plot and a table."""
    st.header("Dose, same index and procedure only", anchor=False)
    table = dose_table(view)
    if table.is_empty():
        st.info(
            "No published median is of a procedure and dose index that the filters leave with at"
            f" least {FEWEST} cases of ours."
        )
        return
    present = {i: fmt.measure(i).short for i in INDICES if i in set(table["index"])}
    index = filters.choose("dose-index", "Dose index", present)
    chosen = table.filter(pl.col("index") == index)
    charts.show(
        chart(chosen, index), chosen, key="dose-plot", filters=view.filters,
        title=f"{present[index]}: published medians and ours",
        alt_text=f"{present[index]} by procedure: published medians as circles, ours as triangles",
        cells=downloads.Cells("our_n", ("place",), words=PUBLISHED_COLUMNS),
        counted=chosen.with_row_index("place"),
    )  # fmt: skip
    shown = chosen.select(
        pl.col("procedure").alias("Procedure"),
        pl.col("published").cast(pl.String).alias(f"Published ({fmt.measure(index).unit})"),
        pl.col("published_n").cast(pl.String).fill_null("not stated").alias("n"),
        pl.col("ours").alias(f"Ours ({fmt.measure(index).unit})"),
        pl.col("our_n").alias("n, ours"),
        pl.col("differs").alias("Published population and definition"),
        pl.col("checked").alias("Check"),
        pl.format("[open]({})", pl.col("source")).fill_null(fmt.DASH).alias("Source"),
    )
    st.table(shown, hide_index=True)
    st.caption(
        "Ours: whole procedures in routine care, of the same modality and, where the paper gives"
        " one, the same BMI band. Indices are never set against each other. CTDIvol is left out:"
        " papers sum it over series or give it per acquisition, ours is the highest of a case."
    )


def dose_table(view: View) -> pl.DataFrame:
    """Return published medians with ours, one line a published figure."""
    levels = reference_levels().filter(
        pl.col("statistic") == "median", pl.col("dose_index").is_in(INDICES)
    )
    lines = []
    known: dict[tuple[str, str, str | None], pl.DataFrame] = {}
    for row in levels.iter_rows(named=True):
        where = row["dose_index"], row["modality"], row["size_band"]
        if where not in known:
            known[where] = _ours(*where, view.filters)
        ours = known[where].filter(pl.col("group") == row["procedure_code"]).drop_nulls("value")
        if line := _line(row, ours):
            lines.append(line)
    return pl.DataFrame(lines, infer_schema_length=None)


def _ours(index: str, modality: str, band: str | None, chosen: Filters) -> pl.DataFrame:
    """Return our counted values of one index, modality and size band within the filters."""
    if chosen.modalities and modality not in chosen.modalities:
        return pl.DataFrame(schema={"group": pl.String, "value": pl.Float64, "count": pl.Int64})
    narrowed = replace(chosen, modalities=(modality,))
    if chosen.bmi_low is None and chosen.bmi_high is None:
        low, high = BANDS[band]
        narrowed = replace(narrowed, bmi_low=low, bmi_high=high)
    return data.query(
        "significance_frequency", narrowed, outcome=index, group_by="procedure", stratum=None,
        first_of_patient=False,
    )  # fmt: skip


def _line(row: dict[str, Any], ours: pl.DataFrame) -> dict[str, Any] | None:
    counts = tally(ours["value"].to_numpy(), ours["count"].to_numpy())
    if counts.n < FEWEST:
        return None
    found = own.median_interval(counts, row["unit"])
    if not isinstance(found, Estimate):
        return None
    told = (row[name] for name in ("population", "country", "year", "note"))
    return {
        "index": row["dose_index"],
        "procedure": ", ".join(
            t for t in (fmt.procedure(row["procedure_code"]), row["size_band"]) if t
        ),
        "published": row["value"],
        "published_n": row["n"],
        "ours": f"{fmt.number(found.value)} ({fmt.interval(found.low, found.high)})",
        "our_n": found.n,
        "our_median": found.value,
        "low": found.low,
        "high": found.high,
        "differs": "; ".join(dict.fromkeys(str(t) for t in told if t and t != "not stated")),
        "checked": "verified" if row["verified"] else "not verified",
        "source": row["url"] or (f"https://doi.org/{row['doi']}" if row["doi"] else None),
    }


def chart(table: pl.DataFrame, index: str) -> AltairChart:
    """Draw one line a procedure and size band: published medians, and ours with its interval."""
    published = table.select(
        "procedure", "differs", value="published", n="published_n", what=pl.lit(PUBLISHED)
    )
    ours = table.select(
        "procedure", "low", "high", value="our_median", n="our_n", what=pl.lit(OURS)
    ).unique(maintain_order=True)
    y = alt.Y("procedure", type="nominal", title=None, sort=None, axis=charts.names_axis(320))
    look = {
        "color": alt.Color(
            "what", type="nominal", legend=alt.Legend(
                title=None, orient="top", labelLimit=300, columns=charts.by_width(1, 2)
            ),
            scale=alt.Scale(domain=[PUBLISHED, OURS], range=[charts.NEUTRAL, "#D55E00"]),
        ),
        "shape": alt.Shape(
            "what", type="nominal", legend=None,
            scale=alt.Scale(domain=[PUBLISHED, OURS], range=["circle", "triangle-up"]),
        ),
        "tooltip": [
            alt.Tooltip("what", type="nominal", title="Figure"),
            alt.Tooltip("value", type="quantitative", title=fmt.measure(index).axis, format=".3~g"),
            alt.Tooltip("n", type="quantitative", title="n", format=","),
        ],
    }  # fmt: skip

    def x(field: str) -> alt.X:
        return alt.X(
            field, type="quantitative", title=f"{fmt.measure(index).axis}, logarithmic",
            scale=alt.Scale(type="log", nice=False, padding=12),
            axis=alt.Axis(format="~g", labelOverlap=True, tickCount=6),
        )  # fmt: skip

    height = 34 * table["procedure"].n_unique() + 110
    return alt.layer(
        alt.Chart(ours, height=height).mark_rule(color="#D55E00", strokeWidth=1.6).encode(
            x=x("low"), x2=alt.X2("high"), y=y
        ),
        alt.Chart(published).mark_point(filled=False, size=70, opacity=1).encode(
            x=x("value"), y=y, **look
        ),
        alt.Chart(ours).mark_point(filled=True, size=90, opacity=1).encode(
            x=x("value"), y=y, **look
        ),
    )  # fmt: skip
