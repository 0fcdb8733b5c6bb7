"""What stands around the forest plot: the answer in words, ours, the rows, the doubts."""

from collections.abc import Sequence

import polars as pl
import streamlit as st

from analytics.evidence import Analysis, sentence
from analytics.evidence_own import Own
from analytics.evidence_rows import PERCENTAGES, RATIOS, SHARES, SINGLE, Row, back
from analytics.meta_analysis import Pooled, cumulative, leave_one_out
from analytics.meta_moderators import MetaRegression, egger, meta_regression
from analytics.meta_rare import RarePooled
from analytics.results import NotComputable, TestResult
from pages.analysis import evidence_forest as forest
from pages.analysis.evidence_lines import Line, frame, shown
from pages.analysis.evidence_ours import differences
from pages.analysis.evidence_quality import funnel
from pages.shared import charts, downloads
from pages.shared import format as fmt
from pages.shared.page import View


def draw_answer(found: Analysis) -> None:
    """Draw the pooled answer in words, to read and to copy; a refusal with its reason."""
    if isinstance(found.pooled, NotComputable):
        st.warning(sentence(found), icon=":material/block:")
    else:
        st.code(sentence(found), language=None, wrap_lines=True)
    if found.repeated:
        st.warning(
            f"The same patients enter more than once ({', '.join(found.repeated)}): the"
            " interval is narrower than they allow.",
            icon=":material/group:",
        )
    if found.double_zero and found.measure in ("RR", "OR"):
        st.info(
            f"{fmt.plural(found.double_zero, 'study', 'studies')} without any event in either arm:"
            " no information for a ratio, listed below; the risk difference uses them."
        )
    halved = sum(p.added_half for p in found.points)
    if halved and found.measure in SHARES:
        st.info(
            f"In {fmt.plural(halved, 'study', 'studies')} ½ was added because nobody, or everybody,"
            " had the event: compare with the binomial model under “Model and subgroups”."
        )
    if found.rare and found.model not in ("MH", "Peto"):
        why = (
            f"In {fmt.plural(halved, 'study', 'studies')} ½ was added to the cells because one is"
            " zero"
            if halved
            else "Events are rare"
        )
        st.info(f"{why}: compare with Mantel–Haenszel or Peto under “Model and subgroups”.")
    check = found.check
    if check is not None and not check.plausible:
        st.error(
            f"The pooled interval would need {fmt.count(round(check.implied_patients))} patients"
            f" and there were {fmt.count(check.patients)}: some are counted several times. At best"
            f" the interval is ± {check.narrowest_half_width:.3f}.",
            icon=":material/error:",
        )


def heterogeneity_lines(found: Analysis) -> list[str]:
    """Return the lines below a forest plot: model, heterogeneity, subgroup test."""
    pooled = found.pooled
    if isinstance(pooled, NotComputable):
        return [f"No total: {pooled.reason.removeprefix('cannot be computed, because ')}"]
    against = "" if found.measure in SINGLE else f"; {fmt.p_value(pooled.test.p_value)}"
    scale = {"PROPORTION": ", on the logit scale", "ARCSINE": ", on the arcsine scale"}
    said = [f"Model: {pooled.estimate.method}{scale.get(found.measure, '')}{against}"]
    if isinstance(pooled, RarePooled):
        said.append(f"Q = {pooled.q:.2f}, df = {pooled.q_df}, {fmt.p_value(pooled.q_p)}")
        if pooled.double_zero:
            said.append(
                f"{fmt.plural(pooled.double_zero, 'double-zero study', 'double-zero studies')}"
            )
    elif pooled.heterogeneity is not None:
        h = pooled.heterogeneity
        tau = f"τ² = {h.tau2:.3g}"
        i2 = f"I² = {h.i2:.0f}{fmt.THIN}%"
        if h.tau2_low is not None and h.tau2_high is not None:
            tau += f" ({h.tau2_low:.2g} to {h.tau2_high:.2g})"
            i2 += f" ({h.i2_low or 0:.0f} to {h.i2_high or 0:.0f}{fmt.THIN}%)"
        said.append(
            f"Heterogeneity: {tau}; {i2}; Q = {h.q:.2f}, df = {h.q_df}, {fmt.p_value(h.q_p)}"
        )
    if found.groups is not None and isinstance(found.groups.test, TestResult):
        t = found.groups.test
        said.append(
            f"Subgroup differences: χ² = {t.statistic:.2f}, df = {t.df:.0f},"
            f" {fmt.p_value(t.p_value)}"
        )
    return said


def draw_forest(found: Analysis, drawn: Sequence[Line], question: str, view: View) -> None:
    """Draw the forest plot with its downloads; the downloaded picture carries its own caption."""
    said = heterogeneity_lines(found)
    title = f"Forest plot: {question}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{title}**", width="stretch")
        picture = forest.chart(found, drawn, [title, *said])
        downloads.offer(
            frame(drawn), key="forest", title=title, filters=view.filters, chart=picture,
            cells=None if any(line.kind == "own" for line in drawn) else downloads.NO_PATIENTS,
        )  # fmt: skip
    summary = sentence(found)
    st.altair_chart(
        forest.chart(found, drawn), width="stretch", key="forest-chart", alt=f"{title}. {summary}"
    )
    legend = (
        "Square: study, area by weight. Diamond: pooled, 95 % CI. * and open circle: shown, not"
        " pooled."
    )
    st.caption("  \n".join([*said, legend]))


def draw_ours(ours: Sequence[Own], rows: Sequence[Row], found: Analysis, view: View) -> None:
    """Say how our figures are defined and in what they differ; they are never pooled."""
    if not ours:
        reason = (
            "the dose quantity is not stated, and unlike quantities are not compared"
            if any("dose quantity not stated" in str(row["check"]) for row in rows)
            else "we record no figure of the same definition, or the filters leave none"
        )
        st.caption(f"No figure of ours beside it: {reason}.")
        return
    published = next(row for row in rows if row["own"])
    with st.container(border=True):
        st.markdown("**▲ Ours, beside and never in the pool**")
        share = found.measure in PERCENTAGES
        for figure in ours:
            said = fmt.share(figure.estimate) if share else fmt.estimate(figure.estimate)
            st.markdown(f"- {figure.label}: {said}. {differences(published, figure, view)}")


def draw_rows(found: Analysis) -> None:
    """Draw every row with its numbers, its mark and the way to its source."""
    with st.expander("Numbers and sources", icon=":material/menu_book:", expanded=False):
        table = pl.DataFrame(
            [
                {
                    "Study": p.row["study"],
                    "Outcome": p.row["outcome"],
                    "Time": p.row["timepoint"],
                    "n": p.n,
                    "Result": shown(p.value, p.low, p.high, found),
                    "Weight %": None if p.weight is None else round(p.weight, 1),
                    "Not pooled because": p.reason,
                    "Converted": p.converted or ("½ added to zero cells" if p.added_half else ""),
                    "Check": p.row["check"],
                    "Note": p.row["note"],
                    "Where printed": p.row["source"],
                    "Source": f"https://doi.org/{p.row['doi']}" if p.row["doi"] else None,
                }
                for p in found.points
            ],
            infer_schema_length=None,
        )
        downloads.offer(
            table, key="evidence-rows", title="Numbers and sources", cells=downloads.NO_PATIENTS
        )
        texts = table.select(pl.all().cast(pl.String).fill_null(""))
        told = [name for name in texts.columns if (texts[name] != "").any()]
        st.dataframe(
            table.select(told), hide_index=True,
            column_config={"Source": st.column_config.LinkColumn("Source", display_text="doi.org")},
        )  # fmt: skip


def draw_doubts(found: Analysis) -> None:
    """Draw funnel, sensitivity and meta-regression, each as far as the studies allow."""
    if not isinstance(found.pooled, Pooled) or found.pooled.k < 2:
        return
    with st.expander("Small-study effects: funnel plot", icon=":material/filter_alt:"):
        _draw_funnel(found)
    with st.expander("How much one study decides", icon=":material/rule:"):
        _draw_sensitivity(found)
    if any(s.covariate is not None for s in found.studies):
        with st.expander("Meta-regression", icon=":material/trending_up:"):
            _draw_regression(found)


def _draw_funnel(found: Analysis) -> None:
    drawn = funnel(found)
    if drawn is None:
        return
    chart, points = drawn
    charts.show(
        chart, points, key="funnel", title="Funnel plot",
        alt_text="Effects of the studies against their standard errors",
    )  # fmt: skip
    test = egger(found.studies)
    if isinstance(test, NotComputable):
        st.caption(f"Asymmetry not tested: {test.reason}.")
    else:
        st.markdown(
            f"Egger's test: t = {_signed(test.statistic)}, df = {test.df:.0f},"
            f" {fmt.p_value(test.p_value)}. Asymmetry has other causes than unpublished studies."
        )


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", fmt.MINUS)


def _draw_sensitivity(found: Analysis) -> None:
    model = found.model if found.model in ("REML", "DL", "PM", "fixed") else "REML"
    assert isinstance(found.pooled, Pooled)
    knapp = found.pooled.hartung_knapp
    by_year = sorted(
        zip(found.studies, (p for p in found.points if p.study), strict=True),
        key=lambda pair: pair[1].row["year"] or 0,
    )
    without = leave_one_out(found.studies, model, knapp)
    grown = cumulative([study for study, _ in by_year], model, knapp)
    table = pl.DataFrame(
        [_pooled_row(f"without {name}", result, found) for name, result in without]
        + [_pooled_row(f"up to {name}", result, found) for name, result in grown],
        infer_schema_length=None,
    )
    downloads.offer(
        table,
        key="sensitivity",
        title="Leave-one-out and cumulative pools",
        cells=downloads.NO_PATIENTS,
    )
    left, right = st.columns(2)
    left.markdown("**Leaving one out**")
    left.dataframe(table.head(len(without)), hide_index=True)
    right.markdown("**Adding studies by year**")
    right.dataframe(table.tail(len(grown)), hide_index=True)


def _pooled_row(name: str, result: Pooled | NotComputable, found: Analysis) -> dict[str, object]:
    if isinstance(result, NotComputable):
        return {"Studies": name, "Pooled": result.reason, "I² %": fmt.DASH}
    e, h = found.natural(result), result.heterogeneity
    return {
        "Studies": name,
        "Pooled": shown(e.value, e.low, e.high, found),
        "I² %": fmt.DASH if h is None else f"{h.i2:.0f}",
    }


def _draw_regression(found: Analysis) -> None:
    model = found.model if found.model in ("REML", "DL", "PM", "fixed") else "REML"
    assert isinstance(found.pooled, Pooled)
    result = meta_regression(found.studies, model, found.pooled.hartung_knapp)
    if not isinstance(result, MetaRegression):
        st.caption(f"Not computed: {result.reason}.")
        return
    names = {str(p.row["covariate_name"]) for p in found.points if p.row["covariate_name"]}
    name = " / ".join(sorted(names)) or "the covariate"
    slope = result.slope
    scale = " on the log scale" if found.measure in RATIOS else ""
    st.markdown(
        f"Effect per unit of {name}: {fmt.number(slope.value)}"
        f" ({fmt.interval(slope.low, slope.high)}){scale},"
        f" {fmt.p_value(result.test.p_value)}, {result.k} studies;"
        f" residual τ² {result.tau2:.3g}"
        + (f", R² {result.r2:.0f}{fmt.THIN}%" if result.r2 is not None else "")
        + "."
    )
    if found.measure in RATIOS:
        st.caption(f"That is a ratio of {fmt.number(back(slope.value, found.measure))} per unit.")
    if result.k < 10:
        st.caption("Fewer than ten studies: read it as a question, not as an answer.")
