"""What a reader can choose on the Significance page."""

import math
from collections.abc import Mapping, Sequence

import polars as pl
import streamlit as st

from analytics.runners import Margin
from analytics.workbench import OUTCOMES, Outcome
from pages.analysis import significance_parts as parts
from pages.shared import address, charts, filters
from pages.shared import format as fmt

GROUPINGS = {
    "modality": "Modality",
    "procedure": "Procedure",
    "site": "Site",
    "room": "Room",
    "device": "Device",
    "sex": "Sex",
    "trainee": "Trainee",
    "year": "Year",
}
ORDERED = ("year",)
ADJUSTMENTS = {"holm": "Holm", "bh": "Benjamini–Hochberg", "none": "None"}
DESIGNS = {
    "groups": "Groups",
    "times": "Times in the same patients",
    "pairs": "Two columns of the same procedures",
}
SCORES = {
    "pain": "Pain, 0 to 10",
    "odi": "Oswestry disability index, 0 to 100",
    "ndi": "Neck disability index, 0 to 100",
    "responder": "Pain at least halved",
}
TIME_NAMES = {
    "baseline": "baseline",
    "15min": "15 minutes",
    "1wk": "1 week",
    "2wk": "2 weeks",
    "1mo": "1 month",
    "2mo": "2 months",
    "3mo": "3 months",
    "6mo": "6 months",
}
ONLY_PAIN = "15min"
COVARIATES = {
    "procedure": "Procedure",
    "age": "Age band",
    "size": "Size band",
    "sex": "Sex",
    "site": "Site",
    "levels": "Number of levels",
}
#: Columns that two quantities of a procedure are chosen from: name and unit.
QUANTITIES = {
    "age_years": ("Age", "years"),
    "bmi": ("Body mass index", "kg/m²"),
    "weight_kg": ("Weight", "kg"),
    "n_levels": ("Number of levels", ""),
    "duration_min": ("Procedure duration", "min"),
    "fluoro_time_s": ("Fluoroscopy time", "s"),
    "kap_gycm2": ("Kerma-area product", "Gy·cm²"),
    "air_kerma_mgy": ("Air kerma at the reference point", "mGy"),
    "dlp_mgycm": ("Dose-length product", "mGy·cm"),
    "ctdi_vol_mgy": ("Volume CT dose index", "mGy"),
    "ssde_mgy": ("Size-specific dose estimate", "mGy"),
    "peak_skin_dose_mgy": ("Peak skin dose", "mGy"),
    "pain_baseline": ("Pain at baseline", "points"),
    "pain_15min": ("Pain at 15 minutes", "points"),
    "pain_1mo": ("Pain at 1 month", "points"),
    "odi_baseline": ("Oswestry index at baseline", "points"),
    "odi_1mo": ("Oswestry index at 1 month", "points"),
    "satisfaction": ("Satisfaction", "grades"),
}
EXTRA = "log:"
PAIRED = Outcome("change", "Change", "points", "continuous")
MOST_GROUPS = 8
MARGIN = "margin"


def choose_outcome() -> tuple[Outcome, str]:
    """Ask what is compared and between which groups."""
    named = {outcome.key: outcome for outcome in OUTCOMES}
    left, right = st.columns(2)
    with left:
        key = address.pick("outcome", "Outcome", {k: o.title for k, o in named.items()})
    with right:
        grouping = address.pick("groups-by", "Groups by", GROUPINGS)
    return named[key], grouping


def choose_groups(values: pl.DataFrame, grouping: str, outcome: Outcome) -> list[str]:
    """Ask which groups to compare; stop where fewer than two have values."""
    sizes = (
        values.drop_nulls(["group", "value"])
        .group_by("group")
        .agg(pl.col("count").sum())
        .sort("count", "group", descending=[True, False])
    )
    counts = dict(sizes.iter_rows())
    options = [*counts]
    if grouping == "modality":
        able = outcome.index.modalities if outcome.index else charts.MODALITIES
        options = [m for m in charts.MODALITIES if m in counts and m in able]
    if len(options) < 2:
        st.info(parts.why_one_group(outcome, grouping))
        st.stop()
    return _several_groups(
        f"compare-{grouping}", grouping, {name: counts[name] for name in options}
    )


def _several_groups(key: str, grouping: str, counts: Mapping[str, int]) -> list[str]:
    """Ask for two groups or more, each with its size; stop below two."""
    named = fmt.procedure if grouping == "procedure" else str
    options = {name: f"{named(name)} · n = {fmt.count(n)}" for name, n in counts.items()}
    chosen = address.several(key, "Compare", options, list(options)[:2], max_selections=MOST_GROUPS)
    if len(chosen) < 2:
        st.info("Choose at least two groups.")
        st.stop()
    return chosen


def choose_margin(outcome: Outcome, groups: Sequence[str]) -> Margin | None:
    """Ask for a margin that was set before looking."""
    if len(groups) != 2 or outcome.kind == "ordinal":
        st.caption("A margin is tested between two groups of a measured or yes/no outcome.")
        return None
    given = _margin_asked(outcome.kind)
    if not st.toggle("A margin was set in advance", value=given is not None, key="with-margin"):
        address.keep(MARGIN, [], [])
        return None
    ratio = outcome.kind in ("dose", "duration")
    scale = 100.0 if outcome.kind == "binary" else 1.0
    start = given or ((0.8, 1.25) if ratio else (-1.0, 1.0) if scale == 1.0 else (-5.0, 5.0))
    left, right = st.columns(2)
    low = left.number_input("From", value=start[0], key=f"low-{outcome.kind}")
    high = right.number_input("To", value=start[1], key=f"high-{outcome.kind}")
    st.caption(f"As {outcome.margin_words}. An end that is left empty is not tested.")
    ends = ["" if end is None else f"{end:g}" for end in (low, high)]
    address.keep(MARGIN, [outcome.kind, *ends], [])
    if low is None and high is None:
        return None
    return None if low is None else low / scale, None if high is None else high / scale


def _margin_asked(kind: str) -> tuple[float | None, float | None] | None:
    """Return the margin that the address states for a kind of outcome; an end may be empty."""
    given = st.query_params.get_all(MARGIN)
    try:
        low, high = (float(end) if end else None for end in given[1:])
    except ValueError:
        return None
    finite = all(end is None or math.isfinite(end) for end in (low, high))
    return (low, high) if finite and given[0] == kind else None


def choose_times() -> tuple[str, list[str], str | None]:
    """Ask for the score, its times and whether groups are compared over them."""
    score = filters.choose("score", "Score", SCORES)
    offered = [
        time
        for time in TIME_NAMES
        if (time != ONLY_PAIN or score in ("pain", "responder"))
        and (time != "baseline" or score != "responder")
    ]
    left, right = st.columns([2, 1])
    with left:
        times = address.several(
            f"times-{score}", "Times", {time: TIME_NAMES[time] for time in offered},
            _default_times(score),
        )  # fmt: skip
    with right:
        grouping = address.pick(
            "followed-by", "Between groups of", {"none": "Nobody: times only"} | GROUPINGS,
            disabled=score == "responder",
            help="Groups over time are compared by a model with an intercept for each patient,"
            " which keeps missing visits. A response is compared between times only.",
        )  # fmt: skip
    chosen = None if grouping == "none" or score == "responder" else grouping
    return score, [time for time in TIME_NAMES if time in times], chosen


def _default_times(score: str) -> list[str]:
    return {"responder": ["15min", "1mo"]}.get(score, ["baseline", "1mo"])


def choose_followed(patterns: pl.DataFrame, grouping: str) -> list[str]:
    """Ask which groups to follow; stop where fewer than two have a value."""
    sizes = patterns.drop_nulls("group").group_by("group").agg(pl.col("count").sum())
    counts = dict(sizes.sort("count", "group", descending=[True, False]).iter_rows())
    if len(counts) < 2:
        st.info("Fewer than two groups have values: widen the period or the filters.")
        st.stop()
    return _several_groups(f"followed-{grouping}", grouping, counts)


def choose_covariates(grouping: str) -> list[str]:
    """Ask what is held equal; a group's own kind is no covariate."""
    offered = {key: name for key, name in COVARIATES.items() if key != grouping}
    first = [name for name in ("procedure",) if name in offered]
    return address.several(f"covariates-{grouping}", "Hold equal", offered, first)


def choose_pair(extra: Sequence[str], readings: bool = False) -> tuple[str, str]:
    """Ask for two columns, further columns of the log first."""
    named = {name: pair_name(name) for name in (*(EXTRA + name for name in extra), *QUANTITIES)}
    first, second = list(named)[:2] if readings and len(extra) > 1 else ("bmi", "kap_gycm2")
    left, right = st.columns(2)
    with left:
        x = address.pick("pair-x", "First", named, first)
    with right:
        y = address.pick("pair-y", "Second", named, second)
    return x, y


def pair_name(chosen: str) -> str:
    """Write a column with its unit."""
    if chosen.startswith(EXTRA):
        return chosen.removeprefix(EXTRA)
    name, unit = QUANTITIES[chosen]
    return f"{name} ({unit})" if unit else name


def column_of(chosen: str) -> str | None:
    """Return the column of the table, None for a further column of the log."""
    return None if chosen.startswith(EXTRA) else chosen


def extra_of(chosen: str) -> str | None:
    """Return the name of a further column of the log, None for a column of the table."""
    return chosen.removeprefix(EXTRA) if chosen.startswith(EXTRA) else None


def unit_of(chosen: str) -> str:
    """Return the unit of a column; that of a further column is not known."""
    return "" if chosen.startswith(EXTRA) else QUANTITIES[chosen][1]
