"""The report's second half: outliers and reviews, follow-ups, rooms, data quality, definitions."""

from datetime import date, timedelta

import polars as pl

from analytics.frequency import quantile_interval
from analytics.level_table import ALL_ADULTS
from analytics.results import NotComputable
from analytics.unit_funnel import dose_funnel
from pages.data import health_parts
from pages.dose import level_tables, outlier_list, unit_funnels
from pages.dose import report_blocks as blocks
from pages.dose.measures import DoseMeasure
from pages.dose.outlier_list import Choice
from pages.dose.report_activity import judged
from pages.dose.report_blocks import Spans
from pages.shared import coefficients, data, freshness
from pages.shared import format as fmt
from report.model import Block, Listing, Section, Words
from warehouse import review_report
from warehouse.reference import reference_levels
from warehouse.review_alerts import Asked
from warehouse.reviews import STATES
from warehouse.settings import shown

FURTHEST = 10
#: Follow-ups and actions that fall due this long after the quarter are listed with it.
AHEAD = timedelta(days=90)


def outliers(spans: Spans) -> Section:
    """Count the quarter's alerts by rule and state, and list the cases furthest out."""
    listed, _, total = outlier_list.cases(spans.now, Choice(), 0, FURTHEST)
    if not total:
        return Section("Outliers and reviews", (Words("No case of the quarter broke a rule."),))
    states = outlier_list.count(spans.now, Choice(), "state")
    rules = outlier_list.count(spans.now, Choice(), "rule_id")
    names = outlier_list.names_of_rules()
    by_rule = pl.DataFrame(
        [(names.get(rule, rule), n) for rule, n in rules.items()],
        schema={"Rule": pl.String, "Cases": pl.Int64},
        orient="row",
    )
    counted = ", ".join(f"{fmt.count(states[s])} {s}" for s in STATES if s in states)
    cases = outlier_list.as_table(listed, names).select(
        "Day", "Why", "Value", "Limit", "Procedure", "Room", "State"
    )
    return Section(
        "Outliers and reviews",
        (
            Words(f"**{fmt.plural(total, 'case')}** of the quarter broke at least one rule: "
                  f"{counted}. A case can break several rules."),
            blocks.table(by_rule, "Cases by rule", {"Rule": 1}),
            blocks.table(cases, f"The {len(cases)} cases furthest out on their own scale",
                         {"Why": 3, "Value": 2, "Limit": 2, "Procedure": 3}),
            *_decided(spans),
        ),
    )  # fmt: skip


def _asked(spans: Spans, whenever: bool = False) -> Asked:
    filters = spans.now.parameters() | ({"from_date": None} if whenever else {})
    return Asked(filters=filters, scope=data.scope())


def _decided(spans: Spans) -> list[Block]:
    """Say what the reviews of the quarter's cases decided, and how long they took."""
    rounds = review_report.rounds(shown(), _asked(spans))
    decided = rounds.filter(pl.col("outcome").is_not_null())
    if decided.is_empty():
        return [Words("No review of these cases has an outcome yet.")]
    counts = (
        decided.group_by("justification", "outcome")
        .len("Cases")
        .sort("Cases", "justification", "outcome", descending=[True, False, False])
        .rename({"justification": "Justification", "outcome": "Outcome"})
    )
    days = (rounds["closed_at"] - rounds["opened_at"]).drop_nulls().dt.total_days()
    took = (
        f" From alert to sign-off: {fmt.estimate(quantile_interval(days, unit='days'), 'median')}."
        if len(days)
        else ""
    )
    return [
        blocks.table(counts, "What the reviews decided", {"Justification": 1}),
        Words(f"{fmt.plural(decided.height, 'review')} with an outcome.{took}", quiet=True),
    ]


def tasks(spans: Spans) -> pl.DataFrame:
    """Return follow-ups and corrective actions that are open, due or done in the quarter."""
    rounds = review_report.rounds(shown(), _asked(spans, whenever=True))
    until = spans.quarter.last + AHEAD
    return pl.concat([due(rounds, kind, until, spans) for kind in ("follow_up", "action")])


def due_words(spans: Spans) -> str:
    """Say how many follow-ups and actions there are, and how many are overdue."""
    found = tasks(spans)
    if found.is_empty():
        return "**Follow-ups and actions:** none is open, due or was done."
    late = found.filter(pl.col("State") == "overdue").height
    return (
        f"**Follow-ups and actions:** {fmt.count(late)} of {fmt.count(len(found))} overdue on "
        f"{fmt.day(spans.quarter.last)}."
    )


def follow_ups(spans: Spans) -> Section:
    """List follow-ups and corrective actions."""
    found = tasks(spans)
    listed: list[Block] = [Words(due_words(spans))]
    if found.height:
        title = "Patient follow-ups and corrective actions"
        listed.append(blocks.table(found, title, {"Procedure": 2, "What": 3}))
    return Section("Follow-ups and actions", tuple(listed))


def due(rounds: pl.DataFrame, kind: str, until: date, spans: Spans) -> pl.DataFrame:
    """Return one kind of task: not done at the quarter's end and due by then, or done in it."""
    wanted, done = pl.col(f"{kind}_due"), pl.col(f"{kind}_done")
    end = spans.quarter.last
    what = pl.col("action") if kind == "action" else pl.lit("Patient follow-up")
    owner = pl.col("action_owner") if kind == "action" else pl.lit(None, pl.String)
    state = (
        pl.when(done <= end)
        .then(pl.lit("done"))
        .when(wanted <= end)
        .then(pl.lit("overdue"))
        .otherwise(pl.lit("due"))
    )
    inside = done.is_between(spans.quarter.first, end)
    waiting = (done.is_null() | (done > end)) & (wanted <= until)
    mine = rounds.filter(wanted.is_not_null() & (inside | waiting))
    return mine.select(
        pl.col("performed_on").alias("Case of"),
        pl.col("procedure_code").map_elements(fmt.procedure, pl.String).alias("Procedure"),
        pl.col("room").alias("Room"),
        what.alias("What"),
        owner.alias("Owner"),
        wanted.alias("Due"),
        done.alias("Done"),
        state.alias("State"),
    ).sort("Due")


def special(spans: Spans) -> Section:
    """Count children and recorded pregnancies, who are looked at apart."""
    frame = data.query("report_special", spans.now)
    if frame.is_empty():
        words = (
            "No child and no recorded pregnancy among the quarter's CT and fluoroscopy patients."
        )
        return Section("Children and pregnancy", (Words(f"{words} A blank status is not a no."),))
    named = frame.rename(
        {"modality": "Modality", "group": "Group", "size_band": "Weight band", "n": "Procedures",
         "n_with_dose": "With dose"}
    )  # fmt: skip
    return Section(
        "Children and pregnancy",
        (
            blocks.table(named, "CT and fluoroscopy in children and in pregnancy", {"Group": 1}),
            Words("Children are compared within their weight band only. A blank pregnancy status "
                  "is not a no.", quiet=True),
        ),
    )  # fmt: skip


def units(spans: Spans, measures: list[tuple[str, DoseMeasure]], names: bool) -> Section:
    """Hold rooms and operators against cases alike, for the most frequent procedures."""
    found: list[Block] = [Words(unit_funnels.NOTE, quiet=True)]
    for modality, measure in measures:
        table = judged(spans.year, modality, measure)
        for procedure in table["procedure_code"].head(1):
            for unit in ("room", "operator"):
                found += _funnel(spans, modality, measure, procedure, unit, names)
    if len(found) == 1:
        return Section("Rooms and operators", (Words("No procedure of the 12 months is judged."),))
    return Section("Rooms and operators", tuple(found))


def _funnel(
    spans: Spans, modality: str, measure: DoseMeasure, procedure: str, unit: str, names: bool
) -> list[Block]:
    cells = data.query(
        "funnel_units", spans.year, modality=modality, dose_index=measure.name,
        procedure=procedure, unit=unit, size_band=None,
    )  # fmt: skip
    if unit == "operator" and not names:
        cells = unit_funnels.mask(cells)
    made = dose_funnel(cells)
    title = f"{unit.capitalize()}s: {measure.label}, {fmt.procedure(procedure)}, {modality}"
    if isinstance(made, NotComputable):
        return [Words(f"**{title}:** no funnel, it {made.reason}.")]
    picture = blocks.picture(
        unit_funnels.chart(made, unit.capitalize()), f"{title}, last 12 months", title, 170
    )
    return [picture, Words(unit_funnels.words(made, unit))]


def quality(spans: Spans) -> Section:
    """Say what the figures leave out and what the data was warned of."""
    left = freshness.left_out(data.query("counts", spans.now))
    found: list[Block] = [
        Words(f"Left out of the statistics of the quarter: {'; '.join(left) or 'nothing'}.")
    ]
    flags = data.query(
        "health_flags", None, from_date=spans.now.from_date, to_date=spans.now.to_date
    )
    if flags.height:
        words = health_parts.flags(flags).drop("Latest case")
        found.append(blocks.table(words, "Procedures loaded with a warning", {"Warning": 1}))
    else:
        found.append(Words("No procedure of the quarter was loaded with a warning."))
    rejected = data.query("health_rejected_rules")
    if rejected.height:
        words = health_parts.rejected_rules(rejected).drop("Example")
        title = "Rows refused by the refresh since the first load, by reason"
        found.append(blocks.table(words, title, {"Reason": 1}))
    return Section("Data quality", tuple(found), appendix=True)


def definitions(spans: Spans, measures: list[tuple[str, DoseMeasure]]) -> Section:
    """Say what the words mean and where levels, coefficients and rules come from."""
    ids = {
        one
        for modality, measure in measures
        for listed in judged(spans.year, modality, measure)["reference_ids"]
        for one in listed
    }
    sources = reference_levels().filter(pl.col("reference_id").is_in(sorted(ids))).select(
        pl.col("procedure").alias("Procedure"),
        pl.col("statistic").alias("Is"),
        pl.format("{} {}", pl.col("value").round_sig_figs(3), "unit").alias("Value"),
        pl.concat_str("country", pl.col("year").cast(pl.String), separator=" ").alias("Of"),
        pl.col("scope").alias("Scope"),
        pl.coalesce("percentile_over", pl.lit("not stated")).alias("Percentile over"),
        pl.col("source").alias("Source"),
    )  # fmt: skip
    active = coefficients.in_force()
    used = active.filter(pl.col("age_from_years") >= 16)
    shown = level_tables.coefficient_words(used).select(
        "Modality", "Region", "Coefficient", "Unit", "Band (± %)", "ICRP", "Source"
    )
    rules = _rules()
    return Section(
        "Definitions and sources",
        (
            Listing(DEFINITIONS),
            blocks.table(sources, "Reference levels used", {"Procedure": 3, "Source": 6}),
            blocks.table(shown, "Coefficients of effective dose, adults", {"Source": 1}),
            blocks.table(rules, "Rules in force today", {"Rule": 2, "Source": 3}),
        ),
        appendix=True,
    )


def _rules() -> pl.DataFrame:
    today = date.today()
    periods = outlier_list.rules()
    now = periods.filter(
        pl.col("active"),
        pl.col("valid_from") <= today,
        pl.col("valid_to").is_null() | (pl.col("valid_to") > today),
    ).sort("rule_id")
    rows = [
        (outlier_list.rule_words(row), row["level"], row["valid_from"], row["source"])
        for row in now.iter_rows(named=True)
    ]
    schema = {
        "Rule": pl.String, "Level": pl.String, "Valid from": pl.Date, "Source": pl.String,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


DEFINITIONS = (
    "**KAP:** kerma-area product (P_KA, DAP), Gy·cm². **K_a,r:** air kerma at the reference point, "
    "mGy. **DLP:** dose-length product, mGy·cm. **CTDIvol:** volume CT dose index of its phantom, "
    "mGy. Each is compared with itself only.",
    "**Typical value:** median of one facility's or room's cases. **Reference level:** diagnostic "
    "reference level (DRL), the 75th percentile of facility medians; of single centres for "
    "orientation only. **Achievable dose:** the median of facility medians.",
    "**Interval:** 95 % confidence interval; of a median from order statistics. **Uncertain:** the "
    "interval holds the level inside. **Too few:** fewer than 20 cases.",
    f"**Size:** body mass index of adults, weight of children; “{ALL_ADULTS}” leaves children out.",
    "**Effective dose:** DLP or KAP times a coefficient of the body region, with the coefficient's "
    "band; an estimate for a reference adult, a figure of the population and nobody's risk.",
    "**Alert:** a case beyond a rule that held on its day; its score is the distance from its own "
    "kind's median in robust standard deviations of the logarithm.",
)
