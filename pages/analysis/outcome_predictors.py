"""Who responds: a model of response on chosen columns, judged on patients it did not know."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import polars as pl
import streamlit as st
from streamlit.elements.vega_charts import AltairChart

from analytics.diagnostic import Diagnostic
from analytics.outcomes import SCALES, TIMEPOINTS
from analytics.outcomes_responders import MODERATE, SUBSTANTIAL, reduction
from analytics.prediction import FOLDS, Judged, Prediction, predict
from analytics.results import Estimate, NotComputable
from analytics.standardisation import StandardisedRisks
from pages.analysis.outcome_alone import draw_alone
from pages.shared import address, charts, data, downloads, filters
from pages.shared import format as fmt
from pages.shared.page import View

DRAWN = 5_000
#: Columns of the log that may predict; further columns of the log are added by name.
COLUMNS = {
    "modality": "Modality", "procedure": "Procedure", "baseline": "Baseline score",
    "age_years": "Age", "sex": "Sex", "bmi": "BMI", "n_levels": "Levels", "laterality": "Side",
    "trainee": "Trainee", "contrast_pattern": "Spread of contrast", "injectate": "Injectate",
}  # fmt: skip
FIRST = ["modality", "baseline", "age_years", "bmi"]
CUTS = {"50": (SUBSTANTIAL, "≥ 50 %"), "30": (MODERATE, "≥ 30 %")}


def draw(view: View) -> None:
    """Draw the model, its figures with and without the flattery of its own data, calibration."""
    scale, at, cut = _ask()
    further: list[str] = []
    if data.may("significance_extra"):
        further = data.query("significance_extra", view.filters)["field"].to_list()
    options = COLUMNS | {f"extra:{name}": readable(name) for name in further}
    chosen = address.several("predictors", "Predictors", options, FIRST)
    level = st.slider(
        "Predicted to respond from a probability of", 0.05, 0.95, 0.5, 0.05, key="from_probability"
    )
    if not chosen:
        st.info("Choose at least one predictor.")
        return
    rows = data.query(
        "outcomes_predictors", view.filters, outcome_scale=scale, at=at, most=DRAWN,
        extra_fields=tuple(name.removeprefix("extra:") for name in further),
    )  # fmt: skip
    if rows.is_empty():
        st.info(
            f"No patient in this view has a {SCALES[scale].name} baseline above 0 and a score at "
            f"{TIMEPOINTS[at]}. Widen the period or choose another time."
        )
        return
    columns = table(rows, tuple(chosen), further, SCALES[scale].maximum)
    responded = rows.select(reduction("score", "baseline") >= cut).to_series().to_list()
    asked = (str(data.snapshot()), _key(view), scale, at, cut, tuple(chosen), level)
    found = _fitted(asked, responded, columns)
    if isinstance(found, NotComputable):
        st.info(f"No model: {found.reason}. Choose other predictors or widen the period.")
        return
    _draw_ratios(found, rows, options)
    named = {name: _named(name, options) for name in columns.columns}
    draw_alone(responded, columns, named, view)
    _draw_accuracy(found)
    _draw_calibration(found, view)


def _ask() -> tuple[str, str, float]:
    """Ask for scale, time and what counts as a response."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        scale = filters.choose("scale", "Scale", {k: s.name for k, s in SCALES.items()})
        times = {k: name for k, name in TIMEPOINTS.items() if k != "baseline"}
        if scale != "pain":
            times.pop("15min")
        at = filters.choose("at", "At", times, default="1mo")
        cut = filters.choose("cut", "Response", {k: words for k, (_, words) in CUTS.items()})
    return scale, at, CUTS[cut][0]


def _key(view: View) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(view.filters.parameters().items()))


@st.cache_resource(show_spinner="Fitting and validating …", max_entries=32)
def _fitted(
    asked: tuple[Any, ...], _responded: list[bool | None], _columns: pl.DataFrame
) -> Prediction | NotComputable:
    """Fit once for a snapshot, a view and a choice, whose last part is the cut."""
    return predict(_responded, _columns, asked[-1])


def table(
    rows: pl.DataFrame, chosen: tuple[str, ...], further: list[str], maximum: float
) -> pl.DataFrame:
    """Return the chosen predictors as columns; further ones are numbers where all texts are."""
    found: list[pl.Series] = []
    for name in chosen:
        if not name.startswith("extra:"):
            column = rows[name]
            found.append(column * (maximum / 100) if name == "baseline" else column)
            continue
        own = name.removeprefix("extra:")
        text = rows["further"].list.get(further.index(own), null_on_oob=True).alias(own)
        number = text.str.replace(",", ".").cast(pl.Float64, strict=False)
        found.append(number if number.null_count() == text.null_count() else text)
    return pl.DataFrame(found)


def _draw_ratios(found: Prediction, rows: pl.DataFrame, options: Mapping[str, str]) -> None:
    """Draw the table of odds ratios and what the fit rests on."""
    fit = found.fit
    st.header("Odds of response", anchor=False)
    st.table(
        pl.DataFrame(
            [
                {
                    "Predictor": _named(c.name, options),
                    "Odds ratio (95 % CI)": f"{fmt.number(c.ratio.value)}"
                    f" ({fmt.interval(c.ratio.low, c.ratio.high)})",
                    "p": fmt.p_value(c.test.p_value),
                    "Risk with it, without it": _risks_words(found.risks.get(c.name)),
                }
                for c in fit.coefficients[1:]
            ]
        ),
        hide_index=True,
    )
    against = "; ".join(
        f"{_named(n, options)} against {fmt.procedure(r) if n == 'procedure' else r}"
        for n, r in found.references.items()
    )
    drawn, n_all = rows.height, int(rows["n_patients"][0])
    st.caption(
        f"{fit.method.capitalize()}. {fmt.count(fit.events)} of {fmt.plural(fit.n, 'patient')}"
        " responded; first procedure of each patient with both scores"
        + (f", {fmt.count(drawn)} of {fmt.count(n_all)} drawn by a fixed hash" if drawn < n_all
           else "")
        + f". {fmt.count(fit.left_out)} left out because a predictor is missing or rare. "
        + (f"{against}. " if against else "")
        + "All predictors together in one model; an association, not a cause. An odds ratio does"
        " not say how many times more often patients respond: the risks do, averaged over the"
        " other predictors."
    )  # fmt: skip
    if fit.separated:
        st.warning(
            "A predictor tells responders perfectly, so plain maximum likelihood has no finite "
            "answer: Firth's penalised likelihood is used, with profile intervals."
        )
    if fit.few_events:
        st.warning(
            f"{fmt.number(fit.events_per_covariate)} of the rarer outcome for each predictor; with "
            "fewer than 10 odds ratios are unstable. Choose fewer predictors."
        )


def readable(column: str) -> str:
    """Write the name of a further column of the log."""
    return column.replace("_", " ")


def _risks_words(found: StandardisedRisks | NotComputable | None) -> str:
    if not isinstance(found, StandardisedRisks):
        return fmt.DASH
    return f"{fmt.percent(found.first.value)}, {fmt.percent(found.second.value)}"


def _named(name: str, options: Mapping[str, str]) -> str:
    """Name a coefficient as the choice does: a category by its column and its level."""
    column, _, level = name.partition(": ")
    known = options.get(column, readable(column))
    shown = fmt.procedure(level) if column == "procedure" else level
    return f"{known}: {shown}" if level else known[:1].upper() + known[1:]


def _draw_accuracy(found: Prediction) -> None:
    """Draw apparent and cross-validated figures side by side, with the optimism between them."""
    st.header("How well it predicts", anchor=False)
    rows = []
    for name, attribute in (
        ("Sensitivity", "sensitivity"), ("Specificity", "specificity"), ("PPV", "ppv"),
        ("NPV", "npv"), ("Accuracy", "accuracy"),
    ):  # fmt: skip
        one, two = (_measure(j, attribute) for j in (found.apparent, found.validated))
        rows.append(_row(name, one, two, share=True))
    rows.append(_row("AUC", found.apparent.auc, found.validated.auc))
    slopes = [
        j.slope if isinstance(j.slope, NotComputable) else j.slope.coefficient
        for j in (found.apparent, found.validated)
    ]
    rows.append(_row("Calibration slope", slopes[0], slopes[1]))
    rows.append(
        {
            "Figure": "Explained variability (Nagelkerke)",
            "Cross-validated (95 % CI)": fmt.DASH,
            "Apparent (95 % CI)": fmt.percent(found.fit.nagelkerke),
            "Optimism": fmt.DASH,
        }
    )
    told = [j.accuracy for j in (found.apparent, found.validated)]
    judged = [(d.tp, d.fp, d.fn, d.tn) for d in told if isinstance(d, Diagnostic)]
    downloads.table(pl.DataFrame(rows), key="accuracy", title="How well it predicts",
                    cells=downloads.over(*(n for each in judged for n in each)))  # fmt: skip
    st.caption(
        f"**Cross-validated**: {FOLDS} folds, each predicted by a model of the others: what to"
        " expect of new patients like these. **Apparent**: the model judged on its own"
        " patients, which flatters; **optimism** is the difference. Slope 1: predictions are right"
        " on average; below 1: too extreme. Predicted to respond from a probability of"
        f" {fmt.number(found.cut)}; Wilson intervals, AUC after DeLong."
        + (f" {found.separated_folds} of {FOLDS} folds by Firth's method."
           if found.separated_folds else "")
    )  # fmt: skip


def _measure(judged: Judged, name: str) -> Estimate | NotComputable:
    if not isinstance(judged.accuracy, Diagnostic):
        return judged.accuracy
    return getattr(judged.accuracy, name)


def _row(
    name: str, apparent: Estimate | NotComputable, validated: Estimate | NotComputable,
    share: bool = False,
) -> dict[str, str]:  # fmt: skip
    both = [e for e in (apparent, validated) if isinstance(e, Estimate)]
    gained = both[0].value - both[1].value if len(both) == 2 else None
    points = gained * 100 if share and gained is not None else gained
    words = fmt.DASH if points is None else fmt.signed(points) + (" points" if share else "")
    return {
        "Figure": name,
        "Cross-validated (95 % CI)": _said(validated, share),
        "Apparent (95 % CI)": _said(apparent, share),
        "Optimism": words,
    }


def _said(found: Estimate | NotComputable, share: bool) -> str:
    if isinstance(found, NotComputable):
        return fmt.DASH
    if share:
        return f"{fmt.percent(found.value)} ({fmt.percent_interval(found.low, found.high)})"
    return f"{fmt.number(found.value)} ({fmt.interval(found.low, found.high)})"


def _draw_calibration(found: Prediction, view: View) -> None:
    """Draw observed against predicted response, by tenths of the cross-validated predictions."""
    charts.show(
        calibration_chart(found.calibration), found.calibration, key="calibration",
        title="Calibration, cross-validated", filters=view.filters,
        alt_text="Observed share of responders against the predicted probability, by tenths",
        cells=downloads.Cells("n", ("tenth",), parts=("events",)),
        counted=found.calibration.select(
            "n", events=(pl.col("observed") * pl.col("n")).round().cast(pl.Int64)
        ).with_row_index("tenth"),
    )  # fmt: skip
    st.caption(
        "Tenths of the cross-validated predictions with Wilson intervals; on the line, as many"
        " respond as predicted."
    )


def calibration_chart(frame: pl.DataFrame) -> AltairChart:
    """Draw shares with intervals along the diagonal of perfect calibration."""
    axis, scale = alt.Axis(format="%"), alt.Scale(domain=[0, 1])
    line = (
        alt.Chart(pl.DataFrame({"at": [0.0, 1.0]}), height=charts.HEIGHT)
        .mark_line(color=charts.NEUTRAL, strokeDash=[4, 3])
        .encode(
            x=alt.X(
                "at", type="quantitative", scale=scale, axis=axis, title="Predicted to respond"
            ),
            y=alt.Y("at", type="quantitative", scale=scale, axis=axis, title="Responded"),
        )
    )
    base = alt.Chart(frame).encode(x=alt.X("predicted", type="quantitative", scale=scale))
    colour = charts.OKABE_ITO[0]
    bars = base.mark_rule(color=colour, strokeWidth=2).encode(
        y=alt.Y("low", type="quantitative", scale=scale), y2=alt.Y2("high")
    )
    points = base.mark_point(filled=True, size=70, opacity=1, color=colour).encode(
        y=alt.Y("observed", type="quantitative", scale=scale),
        tooltip=[
            alt.Tooltip("predicted", type="quantitative", title="Predicted", format=".1%"),
            alt.Tooltip("observed", type="quantitative", title="Responded", format=".1%"),
            alt.Tooltip("low", type="quantitative", title="95 % CI from", format=".1%"),
            alt.Tooltip("high", type="quantitative", title="to", format=".1%"),
            alt.Tooltip("n", type="quantitative", title="Patients", format=","),
        ],
    )
    return alt.layer(line, bars, points)
