"""What the course of a dose index shows: months, marks, control chart, and the words for them."""

import math
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.change_points import BeforeAfter, Segmentation
from analytics.control_charts import Chart, rebaselined, xmr
from analytics.reference_levels import choose_benchmarks
from analytics.results import Estimate, NotComputable
from analytics.smoothed_charts import ewma
from analytics.trend import DoseTrend
from pages.dose import trend_charts
from pages.dose.measures import DoseMeasure
from pages.shared import format as fmt
from pages.shared.filters import Filters
from warehouse.procedures import lineage
from warehouse.reference import reference_levels

#: Below this many cases a month is shown as points and has no part in any verdict.
FEW = 10
#: Months from which the control limits are frozen, and the fewest months that allow it.
BASELINE, LONG_ENOUGH = 12, 18
MARKS = pl.Schema({"month": pl.Date, "kind": pl.String, "words": pl.String})


@dataclass(frozen=True)
class Choice:
    """What the reader looks at: one dose index of one procedure, in one room and size or all."""

    modality: str
    measure: DoseMeasure
    procedure: str
    room: str | None
    size_band: str | None = None

    def parameters(self) -> dict[str, str | None]:
        """Return the parameters of the ``trends_`` queries."""
        return {
            "modality": self.modality,
            "dose_index": self.measure.name,
            "procedure": self.procedure,
            "room": self.room,
            "size_band": self.size_band,
        }

    @property
    def words(self) -> str:
        """Say what is shown."""
        where = f", {self.room or 'room not stated'}" if self.room is not None else ""
        where += f", {self.size_band}" if self.size_band else ""
        return f"{self.measure.label}, {fmt.procedure(self.procedure)}, {self.modality}{where}"


def calendar(monthly: pl.DataFrame) -> pl.DataFrame:
    """Lay the months out without gaps; one with few cases keeps its n and loses its quantiles."""
    known = pl.col("month")
    months = monthly.select(pl.date_range(known.min(), known.max(), "1mo").alias("month"))
    return months.join(monthly, on="month", how="left").with_columns(
        pl.col("n", "n_missing", "n_not_positive").fill_null(0),
        *(
            pl.when(pl.col("n") >= FEW).then(pl.col(column)).alias(column)
            for column in ("p25", "median", "p75")
        ),
    )


def usable(months: pl.DataFrame) -> pl.DataFrame:
    """Return the months with enough cases."""
    return months.filter(pl.col("median").is_not_null())


def found_marks(months: pl.DataFrame, found: Segmentation | NotComputable) -> pl.DataFrame:
    """Describe the changes of level that were found: month, kind, words."""
    rows = []
    days = usable(months)["month"].to_list()
    for change in found.changes if isinstance(found, Segmentation) else ():
        words = (
            f"{_percent(math.expm1(change.after - change.before))}, between "
            f"{days[change.low]:%b %Y} and {days[change.high]:%b %Y}"
        )
        rows.append((days[change.index], trend_charts.FOUND, words))
    return pl.DataFrame(rows, schema=MARKS, orient="row")


def recorded_marks(
    recorded: pl.DataFrame, choice: Choice, months: pl.DataFrame, view: Filters
) -> pl.DataFrame:
    """Return the recorded changes that concern this view."""
    concerned = recorded.filter(
        pl.col("changed_on").is_between(
            months["month"].min(), months["month"].dt.month_end().max()
        ),
        pl.col("procedure_code").is_null() | (pl.col("procedure_code") == choice.procedure),
        pl.col("room").is_null() | (choice.room is None) | (pl.col("room") == (choice.room or "")),
        pl.col("site").is_null() | (view.sites is None) | pl.col("site").is_in(view.sites or ()),
    )
    return concerned.select(
        pl.col("changed_on").alias("month"),
        pl.lit(trend_charts.RECORDED).alias("kind"),
        pl.concat_str(
            pl.col("changed_on").dt.to_string("%d %b %Y"),
            pl.lit(": "),
            "what",
            pl.coalesce(pl.format(" ({})", "room"), pl.format(" ({})", "site"), pl.lit("")),
        ).alias("words"),
    )


def references(choice: Choice) -> pl.DataFrame:
    """Return the reference levels of this modality, procedure (or its parents) and dose index."""
    levels = reference_levels()
    chosen = choose_benchmarks(
        levels,
        choice.modality,
        lineage().get(choice.procedure, [choice.procedure]),
        choice.measure.index.column,
        choice.size_band,
    )
    mine = levels.filter(
        pl.col("reference_id").is_in(chosen.reference_ids),
        pl.col("statistic").is_in(("DRL", "P75")),
    )
    of = (
        pl.when(pl.col("scope") == "national")
        .then(pl.lit("national"))
        .otherwise(pl.lit("one centre, for orientation"))
    )
    return mine.select(
        "value",
        "unit",
        "statistic",
        pl.format("{} {} {}, {}", "statistic", "country", "year", of).alias("words"),
        "population",
        "percentile_over",
        "source",
        "url",
    )


def control_chart(months: pl.DataFrame, recorded: pl.DataFrame, kind: str) -> Chart | NotComputable:
    """Chart the logarithms of the monthly medians against a frozen baseline.

    The baseline is the first year where the series is long enough to leave months to judge, else
    all months; a recorded change begins a new one.
    """
    logs = months["median"].log().fill_null(float("nan")).to_numpy()
    baseline = (0, BASELINE) if len(months) >= LONG_ENOUGH else None
    days = months["month"].to_list()
    starts = sorted({_first_month_after(day, days) for day in recorded["month"].to_list()})
    inside = [start for start in starts if 0 < start < len(days)]
    if kind == "EWMA":
        if not inside:
            return ewma(logs, baseline=baseline)
        return rebaselined(logs, inside, BASELINE, draw=_ewma_phase)
    return rebaselined(logs, inside, BASELINE) if inside else xmr(logs, baseline)


def _ewma_phase(values: NDArray[np.float64], baseline: tuple[int, int]) -> Chart | NotComputable:
    return ewma(values, baseline=baseline)


def _first_month_after(day: date, months: list[date]) -> int:
    """Return the index of the first whole month of the new practice."""
    first = day if day.day == 1 else (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return sum(month < first for month in months)


def control_frame(months: pl.DataFrame, found: Chart) -> pl.DataFrame:
    """Bring a control chart back to the scale of the dose, with its signals in words."""
    said: dict[int, list[str]] = {}
    for signal in found.signals:
        said.setdefault(signal.index, []).append(f"{signal.rule}, {signal.side}")
    lines = {"value": found.points, "centre": found.centre, "low": found.low, "high": found.high}
    return months.select("month", "n").with_columns(
        *(pl.Series(name, line).fill_nan(None).exp() for name, line in lines.items()),
        pl.Series(
            "signal", ["; ".join(said.get(i, ())) or None for i in range(len(months))], pl.String
        ),
    )


def _percent(fraction: float) -> str:
    return f"{fmt.signed(100 * fraction)}{fmt.THIN}%"


def trend_words(found: DoseTrend | NotComputable) -> str:
    """Word the slope: clear only where its interval leaves out no change."""
    if isinstance(found, NotComputable):
        return f"**Slope:** {found.reason}."
    slope = found.percent_per_year
    low, high = slope.low or 0.0, slope.high or 0.0
    if low > 0:
        verdict = "Dose rises"
    elif high < 0:
        verdict = "Dose falls"
    else:
        verdict = "No clear trend was shown (which is not the same as no trend)"
    sen = found.sen_percent_per_year
    companion = (
        f" Sen's slope {fmt.signed(sen.value)}{fmt.THIN}% ({fmt.interval(sen.low, sen.high)})."
        if isinstance(sen, Estimate)
        else ""
    )
    gaps = f", {fmt.plural(found.missing_months, 'month')} missing" if found.missing_months else ""
    return (
        f"**Slope:** {fmt.signed(slope.value)}{fmt.THIN}% a year (95{fmt.THIN}% CI "
        f"{fmt.interval(low, high)}; {fmt.plural(slope.n, 'month')}{gaps}). {verdict}.{companion}"
    )


def change_words(marks: pl.DataFrame, found: Segmentation | NotComputable) -> str:
    """Word the changes of level that were found."""
    if isinstance(found, NotComputable):
        return f"**Changes of level:** {found.reason}."
    if marks.is_empty():
        return "**Changes of level:** none found."
    listed = [f"{month:%b %Y}: {words}" for month, _, words in marks.iter_rows()]
    return f"**Changes of level:** {'; '.join(listed)}."


def effect_words(effect: BeforeAfter | NotComputable) -> str:
    """Word what a recorded change did."""
    if isinstance(effect, NotComputable):
        return f"Its effect {effect.reason}."
    change = effect.percent_change
    clear = "" if (change.low or 0) * (change.high or 0) > 0 else " No clear effect was shown."
    return (
        f"Level after against before: {fmt.signed(change.value)}{fmt.THIN}% (95{fmt.THIN}% CI "
        f"{fmt.interval(change.low, change.high)}; {effect.n_before} months before, "
        f"{effect.n_after} after).{clear}"
    )
