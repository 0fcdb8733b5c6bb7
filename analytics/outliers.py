"""Which cases stand out: trigger levels, own distribution, reference level, patient sums, units.

Every rule is dated data that is passed in, and a case is judged by the rule of its day. All of it
is vectorised: a million cases need no loop over rows. Rules flag; they never drop a case.
"""

from datetime import date

import polars as pl

from analytics.field_area import (
    FIELD_AREA_CM2,
    MACHINE_FACTOR,
    field_areas,
    machine_field_areas,
    unit_exceedances,
)
from analytics.rules import EXCEEDANCE, MIN_CASES, Rule, exceedances, rules_from, with_month

__all__ = [
    "ALL_SIZES",
    "EXCEEDANCE",
    "FIELD_AREA_CM2",
    "GROUP",
    "LEAST_FACTOR",
    "MACHINE_FACTOR",
    "MAD_TO_SD",
    "MIN_CASES",
    "SCORED",
    "Rule",
    "field_areas",
    "machine_field_areas",
    "months_of",
    "own_distribution",
    "own_distribution_exceedances",
    "patient_sum_exceedances",
    "reference_exceedances",
    "rules_from",
    "scored",
    "trigger_exceedances",
    "unit_exceedances",
    "with_month",
]

#: Two systems' displayed values may differ by this much (IEC ±35 %), so no limit lies closer.
LEAST_FACTOR = 1.35
#: Scale of 1.4826·MAD: the standard deviation where the log dose is normal.
MAD_TO_SD = 1.482602218505602
GROUP = ["modality", "procedure_code", "size_band"]


def trigger_exceedances(cases: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """Return the cases at or above a fixed level; a case exceeds a rule once, however far."""
    found = cases.filter(rule.scope() & (pl.col(rule.quantity) >= rule.threshold))
    return exceedances(
        found.with_columns(
            pl.lit(rule.threshold, pl.Float64).alias("limit"),
            pl.lit(None, pl.Int64).alias("n_basis"),
            pl.lit("fixed level").alias("basis"),
        ),
        rule,
    )


def own_distribution(
    history: pl.DataFrame, quantity: str, months: list[date], window_months: int = 12
) -> pl.DataFrame:
    """Describe each procedure and size band over the months before each month.

    Parameters
    ----------
    history
        Cases with ``modality``, ``procedure_code``, ``size_band``, ``performed_on`` and the
        quantity's column.
    quantity
        Column of a dose index; not positive and not finite values are left out.
    months
        First days of the months whose cases will be judged.
    window_months
        Length of the window before each month.

    Returns
    -------
    polars.DataFrame
        (modality, procedure_code, size_band, month) with ``n``, ``log_median``, ``log_sd``
        (1.4826·MAD of the natural log), ``log_p95`` and ``basis``. Where the months before hold
        fewer than 20 cases, the group's first ``window_months`` stand in (they contain the case:
        median and MAD bear that); where these are fewer than 20 too, all sizes of the procedure
        do, and ``basis`` says so. Procedures with fewer than 20 cases in all are left out.
    """
    if not months:
        return pl.DataFrame(schema=_DISTRIBUTION)
    usable = (
        history.lazy()
        .filter(pl.col(quantity).is_finite() & (pl.col(quantity) > 0))
        .filter(pl.all_horizontal(pl.col(GROUP).is_not_null()))
        .select(
            pl.col(GROUP).cast(pl.Categorical), "performed_on", pl.col(quantity).log().alias("_log")
        )
        .collect()
    )
    wanted = pl.DataFrame({"month": sorted(set(months))}, schema={"month": pl.Date})
    banded = _described(usable, wanted, window_months)
    without = usable.select(GROUP).unique().join(wanted, how="cross")
    without = without.join(banded, on=[*GROUP, "month"], how="anti")
    if without.is_empty():
        return banded.cast(_AS_TEXT)
    few = usable.join(
        without.select("modality", "procedure_code").unique(), on=GROUP[:2], how="semi"
    )
    whole = _described(
        few.with_columns(pl.lit(ALL_SIZES, pl.Categorical).alias("size_band")),
        wanted,
        window_months,
    )
    filled = without.join(whole.drop("size_band"), on=[*GROUP[:2], "month"]).with_columns(
        pl.format("{}, {}", "basis", pl.lit(ALL_SIZES)).alias("basis")
    )
    return pl.concat([banded, filled.select(banded.columns)]).cast(_AS_TEXT)


_AS_TEXT = pl.Schema(dict.fromkeys(GROUP, pl.String()))


#: What a limit says that rests on every size of a procedure, for want of cases of the same size.
ALL_SIZES = "all sizes: fewer than 20 of this size"


def _described(usable: pl.DataFrame, wanted: pl.DataFrame, window_months: int) -> pl.DataFrame:
    """Describe the months before each month; where they are too few, the group's first months."""
    windows = [_window(usable.lazy(), month, window_months) for month in wanted["month"].to_list()]
    before = pl.concat(pl.collect_all(windows))
    without = usable.select(GROUP).unique().join(wanted, how="cross")
    without = without.join(before, on=[*GROUP, "month"], how="anti")
    if without.is_empty():
        return before
    few = usable.join(without.select(GROUP).unique(), on=GROUP, how="semi")
    first = _first_months(few, window_months).join(without, on=GROUP)
    return pl.concat([before, first.select(before.columns)])


_DISTRIBUTION = pl.Schema(
    {
        **dict.fromkeys(GROUP, pl.String()),
        "month": pl.Date(),
        "n": pl.UInt32(),
        "log_median": pl.Float64(),
        "log_sd": pl.Float64(),
        "log_p95": pl.Float64(),
        "basis": pl.String(),
    }
)


def _summary() -> list[pl.Expr]:
    log = pl.col("_log")
    return [
        pl.len().alias("n"),
        log.median().alias("log_median"),
        (MAD_TO_SD * (log - log.median()).abs().median()).alias("log_sd"),
        log.quantile(0.95, "linear").alias("log_p95"),
    ]


def _window(usable: pl.LazyFrame, month: date, window_months: int) -> pl.LazyFrame:
    day = pl.col("performed_on")
    start = pl.lit(month).dt.offset_by(f"-{window_months}mo")
    return (
        usable.filter((day >= start) & (day < month))
        .group_by(GROUP)
        .agg(_summary())
        .filter(pl.col("n") >= MIN_CASES)
        .select(
            *GROUP,
            pl.lit(month, pl.Date).alias("month"),
            "n",
            "log_median",
            "log_sd",
            "log_p95",
            pl.lit(f"{window_months} months before").alias("basis"),
        )
    )


def _first_months(usable: pl.DataFrame, window_months: int) -> pl.DataFrame:
    day = pl.col("performed_on")
    end = day.min().dt.offset_by(f"{window_months}mo")
    return (
        usable.lazy()
        .filter((day < end).over(GROUP))
        .group_by(GROUP)
        .agg(_summary())
        .filter(pl.col("n") >= MIN_CASES)
        .with_columns(pl.lit(f"first {window_months} months").alias("basis"))
        .collect()
    )


def months_of(cases: pl.DataFrame) -> list[date]:
    """Return the months in which these cases lie."""
    return with_month(cases)["month"].drop_nulls().unique().sort().to_list()


def own_distribution_exceedances(
    cases: pl.DataFrame, distribution: pl.DataFrame, rule: Rule
) -> pl.DataFrame:
    """Return the cases above their own group's limit on the log scale.

    Parameters
    ----------
    cases
        The cases to judge.
    distribution
        :func:`own_distribution` of the rule's quantity and of these cases' months.
    rule
        Kind ``robust_limit``: limit ``median + threshold·1.4826·MAD`` (Iglewicz and Hoaglin 1993
        use 3.5); kind ``own_percentile``: limit ``P50·(P95/P50)^threshold``. Neither lies nearer
        to the median than the factor 1.35.
    """
    if rule.threshold is None:
        raise ValueError(f"rule {rule.rule_id} has no threshold")
    width = (
        pl.col("log_sd")
        if rule.kind == "robust_limit"
        else pl.col("log_p95") - pl.col("log_median")
    )
    least = pl.lit(LEAST_FACTOR).log()
    limits = distribution.with_columns(
        (pl.col("log_median") + pl.max_horizontal(width * rule.threshold, least))
        .exp()
        .alias("limit"),
        pl.col("n").alias("n_basis"),
    )
    # Most cases lie below every limit and need no look at their own group's.
    lowest = pl.lit(limits["limit"].min(), pl.Float64)
    high = cases.filter(rule.scope() & (pl.col(rule.quantity) > lowest))
    judged = with_month(high).join(limits, on=[*GROUP, "month"])
    return exceedances(judged.filter(pl.col(rule.quantity) > pl.col("limit")), rule)


def reference_exceedances(
    cases: pl.DataFrame, references: pl.DataFrame, rule: Rule
) -> pl.DataFrame:
    """Return the cases above a multiple of the reference level of their procedure.

    ``references`` has ``modality``, ``procedure_code``, ``dose_index``, ``value`` and optionally
    ``size_band`` (null: all sizes; a band's own level wins), one row each. "High relative to
    reference" only: a reference level is never a verdict on one patient.
    """
    levels = references.filter(pl.col("dose_index") == rule.quantity)
    keys = ["modality", "procedure_code"]
    every = levels.filter(pl.col("size_band").is_null()).select(
        *keys, pl.col("value").alias("_every")
    )
    banded = levels.filter(pl.col("size_band").is_not_null()).select(
        *keys, "size_band", pl.col("value").alias("_banded")
    )
    judged = (
        cases.filter(rule.scope())
        .join(banded, on=[*keys, "size_band"], how="left")
        .join(every, on=keys, how="left")
        .with_columns(
            (pl.coalesce("_banded", "_every") * rule.threshold).alias("limit"),
            pl.lit(None, pl.Int64).alias("n_basis"),
            pl.lit("reference level").alias("basis"),
        )
    )
    return exceedances(judged.filter(pl.col(rule.quantity) > pl.col("limit")), rule)


def patient_sum_exceedances(
    cases: pl.DataFrame, rule: Rule, judged: pl.Series | None = None
) -> pl.DataFrame:
    """Return the cases at which a patient's sum over the rolling window reaches the level.

    ``cases`` holds all cases of the patients; ``judged`` (procedure ids) limits the answer. The
    window ends with the case: its own day and
    ``window_months`` before it. A sum that one case reaches alone is left to the trigger levels.
    """
    column, days = rule.quantity, f"{rule.window_months}mo"
    scoped = cases.filter(rule.scope() & pl.col("patient_key").is_not_null())
    # A patient whose doses together stay below the level cannot reach it in any window.
    suspects = scoped.filter(pl.col(column).sum().over("patient_key") >= rule.threshold)
    by_day = (
        suspects.sort("patient_key", "performed_on")
        .rolling("performed_on", period=days, group_by="patient_key", closed="both")
        .agg(pl.col(column).sum().alias("_sum"), pl.len().alias("n_basis"))
        .unique(["patient_key", "performed_on"], keep="last")
    )
    found = (
        suspects.join(by_day, on=["patient_key", "performed_on"])
        .filter((pl.col("_sum") >= rule.threshold) & (pl.col(column) < rule.threshold))
        .with_columns(
            pl.lit(rule.threshold, pl.Float64).alias("limit"),
            pl.lit(f"patient's sum over {rule.window_months} months").alias("basis"),
        )
    )
    if judged is not None:
        found = found.filter(pl.col("procedure_id").is_in(judged.implode()))
    return exceedances(found, rule, "_sum")


def scored(
    found: pl.DataFrame, cases: pl.DataFrame, distributions: dict[str, pl.DataFrame]
) -> pl.DataFrame:
    """Add how far out each case lies on its own scale and sort by it, furthest first.

    The score is ``(ln dose − median) / (1.4826·MAD)`` of the case's procedure, size band and month
    window; where that group is too small, of all judged cases of its modality. So a 3 Gy biopsy
    ranks by how unusual it is, not by which rule has the larger numbers. ``own_median`` is the
    median of the case's own group in the quantity's unit; null where that group is too small.
    """
    parts = []
    for (quantity,), part in found.partition_by("quantity", as_dict=True).items():
        own = distributions.get(str(quantity), pl.DataFrame(schema=_DISTRIBUTION))
        pooled = _pooled(cases, str(quantity))
        its_cases = cases.filter(pl.col("procedure_id").is_in(part["procedure_id"].implode()))
        where = with_month(its_cases.select("procedure_id", *GROUP, "performed_on", str(quantity)))
        rows = (
            part.join(where.with_columns(pl.col("procedure_id").cast(pl.Int64)), on="procedure_id")
            .join(own.drop("n", "basis"), on=[*GROUP, "month"], how="left")
            .join(pooled, on="modality", how="left")
        )
        sd = pl.max_horizontal(pl.coalesce("log_sd", "_sd"), _LEAST_SD)
        own_score = (pl.col(str(quantity)).log() - pl.coalesce("log_median", "_median")) / sd
        parts.append(
            rows.with_columns(
                pl.coalesce("score", own_score).alias("score"),
                pl.col("log_median").exp().alias("own_median"),
            ).select(SCORED.names())
        )
    if not parts:
        return pl.DataFrame(schema=SCORED)
    order = ["score", "ratio", "procedure_id", "rule_id"]
    descending = [True, True, False, False]
    return pl.concat(parts).sort(order, descending=descending, nulls_last=True)


SCORED = pl.Schema({**EXCEEDANCE, "own_median": pl.Float64()})
#: Below this spread of the log dose a score would be a division by rounding.
_LEAST_SD = 0.05


def _pooled(cases: pl.DataFrame, quantity: str) -> pl.DataFrame:
    log = pl.col(quantity).log()
    usable = cases.filter(pl.col(quantity).is_finite() & (pl.col(quantity) > 0))
    return usable.group_by("modality").agg(
        log.median().alias("_median"),
        (MAD_TO_SD * (log - log.median()).abs().median()).alias("_sd"),
    )
