"""The tables, checks and charts of one case."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import altair as alt
import polars as pl

from analytics.effective_sums import effective_total
from analytics.outliers import FIELD_AREA_CM2
from pages.data import flag_words
from pages.dose.measures import MEASURES
from pages.shared import charts
from pages.shared import format as fmt
from warehouse.settings import shown

#: Events and total may differ by rounding; beyond this share the report is incomplete.
SUM_TOLERANCE = 0.02
#: What stands for every age above it, unless the settings keep exact ages.
OLDEST = 90
UNITS = {
    "weight_kg": "kg", "height_cm": "cm", "ctdi_phantom_cm": "cm", "dose_mgy": "mGy",
    "age_years": "years", "bmi": "kg/m²",
}  # fmt: skip
LABELS = {
    "modality": "Modality", "second_modality": "Second modality", "procedure_name": "Name as sent",
    "procedure_code": "Procedure", "region": "Region", "levels": "Levels",
    "n_levels": "Number of levels", "laterality": "Side", "site": "Site", "room": "Room",
    "device": "Device", "operator": "Operator", "trainee": "Trainee took part",
    "accession_number": "Accession number", "age_years": "Age", "sex": "Sex",
    "weight_kg": "Weight", "height_cm": "Height", "bmi": "Body mass index",
    "pregnancy_status": "Pregnancy", "air_kerma_mgy": "Air kerma K_a,r", "kap_gycm2": "KAP",
    "fluoro_time_s": "Fluoroscopy time", "ctdi_vol_mgy": "CTDIvol",
    "ctdi_phantom_cm": "CTDI phantom", "dlp_mgycm": "DLP", "ssde_mgy": "SSDE",
    "peak_skin_dose_mgy": "Peak skin dose", "effective_dose_msv": "Effective dose estimate",
    "dose_mgy": "Plain mGy figure", "dose_index": "Index of the plain figure",
    "duration_min": "Duration", "status": "Status", "complications": "Complications",
    "satisfaction": "Satisfaction",
}  # fmt: skip

DOSES = (
    "air_kerma_mgy", "kap_gycm2", "fluoro_time_s", "ctdi_vol_mgy", "ctdi_phantom_cm", "dlp_mgycm",
    "ssde_mgy", "peak_skin_dose_mgy",
)  # fmt: skip
#: The column that the plain figure repeats, by its stated index.
PLAIN_FIGURE = {"air_kerma": "air_kerma_mgy", "ctdi_vol": "ctdi_vol_mgy", "ssde": "ssde_mgy"}


@dataclass(frozen=True)
class Check:
    """One check of the case's data: whether to look closer, and what was found."""

    state: Literal["ok", "look", "unknown"]
    what: str
    words: str


def sources(row: dict[str, Any], told: pl.DataFrame, reports: pl.DataFrame) -> dict[str, str]:
    """Say which source each value comes from, for a case that log and dose reports tell of.

    Doses are the reports': of the one that says the value, else of all together.
    """
    named = {
        field: "log " + place if part == "log" else "dose report " + place
        for field, part, place in told.select(
            "field", "part", pl.format("{}:{}", "source_path", "source_line")
        ).iter_rows()
    }
    if not named:
        return {}
    for field in DOSES:
        says = reports.drop_nulls(field)
        if says.height and row[field] is not None:
            same = says.filter((pl.col(field) - row[field]).abs() <= 1e-9 * abs(row[field]))
            named[field] = (
                f"dose report {same['source_path'][0]}"
                if same.height
                else f"{fmt.plural(says.height, 'dose report')} together"
            )
    stated = PLAIN_FIGURE.get(row["dose_index"] or "")
    if stated and row[stated] is not None and row["dose_mgy"] == row[stated]:
        named["dose_mgy"] = named[stated]
    return named | {"bmi": "weight and height"}


def values(row: dict[str, Any], sent: pl.DataFrame, source_of: dict[str, str]) -> pl.DataFrame:
    """Lay the canonical values out beside what was sent; what nobody sent is left out."""
    texts: dict[str, list[str]] = {}
    for field, text, unit, source in sent.select("field", "text", "unit", "source").iter_rows():
        texts.setdefault(field, []).append(f"{text} {unit or ''}".strip() + f" ({source})")
    rows = [
        (
            label,
            _written(field, row[field]),
            "; ".join(texts.pop(field, [])),
            source_of.get(field, ""),
        )
        for field, label in LABELS.items()
        if row[field] is not None or field in texts
    ]
    rows += [
        (field.replace("_", " ").capitalize(), fmt.DASH, "; ".join(t), "")
        for field, t in texts.items()
    ]
    table = pl.DataFrame(rows, schema=["Value", "Canonical", "As sent", "From"], orient="row")
    return table if source_of else table.drop("From")


def _written(field: str, value: Any) -> str:
    if value is None:
        return fmt.DASH
    if field == "procedure_code":
        return fmt.procedure(value)
    if field == "age_years" and value == OLDEST and not shown().exact_ages:
        return f"{OLDEST} years or more"
    if isinstance(value, bool):
        return "yes" if value else "no"
    unit = UNITS.get(field) or (fmt.measure(field).unit if field in fmt.MEASURES else "")
    if isinstance(value, float):
        written = fmt.quantity(value, unit)
        minutes = f" ({fmt.number(value / 60)} min)" if field == "fluoro_time_s" else ""
        return written + minutes
    return f"{value} {unit}".strip()


def checks(row: dict[str, Any], events: pl.DataFrame, reports: pl.DataFrame) -> Iterator[Check]:
    """Check units, sums, size and link of one case, then say its flags."""
    yield _field_area(row)
    yield from _event_sums(row, events)
    yield _event_count(events, reports)
    yield _size(row)
    for flag in row["flags"]:
        yield Check("look", "Flag", flag_words.words(flag))


def _field_area(row: dict[str, Any]) -> Check:
    kap, kerma = row["kap_gycm2"], row["air_kerma_mgy"]
    what = "KAP against K_a,r"
    if not kap or not kerma:
        return Check("unknown", what, "not checked, one of the two is missing")
    area = 1000 * kap / kerma
    low, high = FIELD_AREA_CM2
    if low <= area <= high:
        return Check("ok", what, f"mean field area {fmt.quantity(area, 'cm²')}, plausible")
    words = (
        f"mean field area {fmt.quantity(area, 'cm²')} lies outside {low:.0f} to {high:.0f} cm²: "
        "unit error suspected in one of the two"
    )
    return Check("look", what, words)


def _event_sums(row: dict[str, Any], events: pl.DataFrame) -> Iterator[Check]:
    for name in ("air_kerma_mgy", "kap_gycm2", "dlp_mgycm"):
        if events.is_empty() or events[name].is_null().all() or not row[name]:
            continue
        total, of = float(events[name].sum()), fmt.measure(name)
        apart = total / row[name] - 1
        words = (
            f"{fmt.quantity(total, of.unit)} in {fmt.plural(len(events), 'event')}, total "
            f"{fmt.quantity(row[name], of.unit)}"
        )
        if abs(apart) <= SUM_TOLERANCE:
            yield Check("ok", f"{of.short}: sum of events", words)
        else:
            yield Check(
                "look", f"{of.short}: sum of events", f"{words}: {fmt.percent(apart)} apart"
            )


def _event_count(events: pl.DataFrame, reports: pl.DataFrame) -> Check:
    if reports.is_empty():
        return Check("unknown", "Dose report", "none loaded for this case")
    stated = reports["n_events_stated"].sum()
    words = f"{fmt.plural(len(reports), 'report')}, {fmt.plural(len(events), 'event')} loaded"
    if stated and stated != len(events):
        return Check("look", "Dose report", f"{words}, {fmt.count(int(stated))} stated")
    return Check("ok", "Dose report", words)


def _size(row: dict[str, Any]) -> Check:
    if row["size_band"] == "size unknown":
        words = "weight or height missing: compared with cases of unknown size only"
        return Check("look", "Size", words)
    return Check("ok", "Size", row["size_band"])


def cumulative(events: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Add the doses of the events up, for each index that the events have."""
    return {
        name: events.select(
            "event", "started_at", "event_type", "protocol", name,
            pl.col(name).fill_null(0).cum_sum().alias("cumulative"),
        )
        for name in ("air_kerma_mgy", "kap_gycm2", "dlp_mgycm")
        if events[name].is_not_null().any()
    }  # fmt: skip


def event_chart(
    frame: pl.DataFrame, axis: str, total: float | None
) -> alt.LayerChart | alt.FacetChart:
    """Draw the sum of the events as steps, with the report's total as a line."""
    timed = frame["started_at"].is_not_null().all()
    x = (
        alt.X("started_at", type="temporal", title="Time", axis=alt.Axis(format="%H:%M"))
        if timed
        else alt.X("event", type="quantitative", title="Event", axis=alt.Axis(tickMinStep=1))
    )
    steps = (
        alt.Chart(frame, height=charts.HEIGHT)
        .mark_line(interpolate="step-after", point=alt.OverlayMarkDef(size=30))
        .encode(
            x=x,
            y=alt.Y("cumulative", type="quantitative", title=f"{axis}, sum so far"),
            tooltip=[
                alt.Tooltip("event", type="quantitative", title="Event"),
                alt.Tooltip("started_at", type="temporal", title="Time", format="%H:%M:%S"),
                alt.Tooltip("event_type", type="nominal", title="Type"),
                alt.Tooltip("protocol", type="nominal", title="Protocol"),
                alt.Tooltip("cumulative", type="quantitative", title="Sum so far", format=",.3~r"),
            ],
        )
    )
    if total is None:
        return alt.layer(steps)
    line = (
        alt.Chart(pl.DataFrame({"total": [total]}))
        .mark_rule(strokeDash=[6, 3], color=charts.OKABE_ITO[5], strokeWidth=2)
        .encode(
            y=alt.Y("total", type="quantitative"),
            tooltip=[alt.Tooltip("total", type="quantitative", title="Total", format=",.3~r")],
        )
    )
    return alt.layer(steps, line)


def measures_of(row: dict[str, Any]) -> list[str]:
    """Return the measures of which the case has a value."""
    return [
        name
        for name, of in MEASURES.items()
        if row[of.index.column]
        and ("ctdi" not in name or of.phantom_cm == _known_phantom(row["ctdi_phantom_cm"]))
    ]


def _known_phantom(phantom: int | None) -> int | None:
    return phantom if phantom in (16, 32) else None


def brief(cases: pl.DataFrame, this: int) -> pl.DataFrame:
    """Lay a short list of cases out; columns without a value are left out."""
    named = {
        "performed_on": "Day", "modality": "Modality", "procedure_code": "Procedure",
        "room": "Room", "age_years": "Age, years", "bmi": "BMI, kg/m²", "n_levels": "Levels",
        "air_kerma_mgy": "K_a,r, mGy", "kap_gycm2": "KAP, Gy·cm²",
        "fluoro_time_s": "Fluoroscopy time, s", "dlp_mgycm": "DLP, mGy·cm",
        "ctdi_vol_mgy": "CTDIvol, mGy", "duration_min": "Duration, min", "procedure_id": "Case",
    }  # fmt: skip
    present = [name for name in named if name in cases.columns and cases[name].is_not_null().any()]
    rounded = cases.with_columns(pl.col(pl.Float64).round_sig_figs(3)).with_columns(
        pl.when(pl.col("procedure_id") == this).then(pl.lit("this case")).alias("this")
    )
    shown = rounded.select(pl.col(name).alias(named[name]) for name in present)
    if rounded["this"].is_not_null().any():
        shown = shown.with_columns(rounded["this"].alias("Which"))
    return shown


def sum_words(cases: pl.DataFrame, day: date, months: int) -> str:
    """Say what the patient's doses up to the case add up to, each index by itself."""
    before = cases.filter(pl.col("performed_on") <= day)
    said = [
        fmt.measure(name).short
        + " "
        + fmt.quantity(float(before[name].sum()), fmt.measure(name).unit)
        for name in ("air_kerma_mgy", "kap_gycm2", "dlp_mgycm")
        if before[name].is_not_null().any()
    ]
    if not said:
        return "None of them has a dose figure."
    return f"Sum over the {months} months up to this case: {', '.join(said)}."


def effective_words(cases: pl.DataFrame, day: date, active: pl.DataFrame) -> str:
    """Say what the estimates of the patient's effective doses add up to, and what they are not."""
    before = cases.filter(pl.col("performed_on") <= day, pl.col("modality") != "ultrasound")
    if before.is_empty():
        return ""
    found = effective_total(before, active)
    n = f"{fmt.count(found['n_estimated'])} of {fmt.plural(found['n'], 'case')}"
    if not found["n_estimated"]:
        return f"No effective dose is estimated: {n} have a dose and a coefficient in force."
    icrp = " and ".join(str(number) for number in found["icrp"]) or "not stated"
    return (
        f"Effective dose estimate of these, CT and fluoroscopy together: "
        f"{fmt.quantity(found['sum_msv'], 'mSv')} ({fmt.quantity(found['sum_low_msv'], 'mSv')} to "
        f"{fmt.quantity(found['sum_high_msv'], 'mSv')}, the coefficients' band; {n}; ICRP {icrp}). "
        "It is an estimate for a reference adult, not this patient's risk."
    )


def history(changes: pl.DataFrame) -> pl.DataFrame:
    """Lay the corrections out as the reader sees them."""
    return changes.select(
        pl.col("changed_at").alias("Changed (UTC)"),
        *changed_value(),
        pl.col("why").alias("Why"),
        pl.col("changed_by_run").alias("Run"),
    )


def changed_value() -> list[pl.Expr]:
    """Name a changed value with its unit and write it before and after, without false precision."""
    names = {
        field: f"{label} ({fmt.MEASURES[field].unit})"
        if field in fmt.MEASURES and fmt.MEASURES[field].unit
        else label
        for field, label in LABELS.items()
    }
    return [
        pl.col("field").replace(names).alias("Value"),
        *(_rounded(pl.col(text)).alias(name) for text, name in _SIDES.items()),
    ]


_SIDES = {"old_text": "Before", "new_text": "After"}


def _rounded(text: pl.Expr) -> pl.Expr:
    """Round long decimals to four significant digits; other text stays as it is."""
    number = text.cast(pl.Float64, strict=False).round_sig_figs(4).cast(pl.String)
    return pl.when(text.str.contains(r"^-?\d+\.\d{4,}$")).then(number).otherwise(text)
