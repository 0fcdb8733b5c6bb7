"""How each kind of case is usually dosed, and which case lies far above its own kind."""

from datetime import date

import polars as pl

from analytics.dose import ADULT_YEARS
from analytics.rules import MIN_CASES, Rule, exceedances, with_month

#: Two systems' displayed values may differ by this much (IEC ±35 %), so no limit lies closer.
LEAST_FACTOR = 1.35
#: Scale of 1.4826·MAD: the standard deviation where the log dose is normal.
MAD_TO_SD = 1.482602218505602
GROUP = ["modality", "procedure_code", "size_band", "child"]
#: What is one kind of case where size is left aside.
EVERY_SIZE = ["modality", "procedure_code", "child"]


def child() -> pl.Expr:
    """Say whether a case is of a child: children and adults never share a distribution or level."""
    return (pl.col("age_years") < ADULT_YEARS).fill_null(False).alias("child")


def own_distribution(
    history: pl.DataFrame, quantity: str, months: list[date], window_months: int = 12
) -> pl.DataFrame:
    """Describe each procedure and size band over the months before each month.

    Parameters
    ----------
    history
        Cases with ``modality``, ``procedure_code``, ``size_band``, ``age_years``, ``performed_on``
        and the quantity's column.
    quantity
        Column of a dose index; not positive and not finite values are left out.
    months
        First days of the months whose cases will be judged.
    window_months
        Length of the window before each month.

    Returns
    -------
    polars.DataFrame
        (modality, procedure_code, size_band, child, month) with ``n``, ``log_median``, ``log_sd``
        (1.4826·MAD of the natural log), ``log_p95`` and ``basis``. Where the months before hold
        fewer than 20 cases, the group's first ``window_months`` stand in (they contain the case:
        median and MAD bear that); where these are fewer than 20 too, all sizes of the procedure
        do, and ``basis`` says so: all children for a child, all adults for an adult. Procedures
        with fewer than 20 of these are left out.
    """
    if not months:
        return pl.DataFrame(schema=DISTRIBUTION)
    usable = (
        history.lazy()
        .filter(pl.col(quantity).is_finite() & (pl.col(quantity) > 0))
        .with_columns(child())
        .filter(pl.all_horizontal(pl.col(GROUP).is_not_null()))
        .select(
            pl.col(GROUP[:3]).cast(pl.Categorical),
            "child",
            "performed_on",
            pl.col(quantity).log().alias("_log"),
        )
        .collect()
    )
    wanted = pl.DataFrame({"month": sorted(set(months))}, schema={"month": pl.Date})
    banded = _described(usable, wanted, window_months)
    without = usable.select(GROUP).unique().join(wanted, how="cross")
    without = without.join(banded, on=[*GROUP, "month"], how="anti")
    if without.is_empty():
        return banded.cast(_AS_TEXT)
    few = usable.join(without.select(EVERY_SIZE).unique(), on=EVERY_SIZE, how="semi")
    whole = _described(
        few.with_columns(pl.lit(ALL_SIZES, pl.Categorical).alias("size_band")),
        wanted,
        window_months,
    )
    filled = without.join(whole.drop("size_band"), on=[*EVERY_SIZE, "month"]).with_columns(
        pl.format("{}, {}", "basis", pl.lit(ALL_SIZES)).alias("basis")
    )
    return pl.concat([banded, filled.select(banded.columns)]).cast(_AS_TEXT)


_AS_TEXT = pl.Schema(dict.fromkeys(GROUP[:3], pl.String()))


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


DISTRIBUTION = pl.Schema(
    {
        **_AS_TEXT,
        "child": pl.Boolean(),
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
    judged = with_month(high.with_columns(child())).join(limits, on=[*GROUP, "month"])
    return exceedances(judged.filter(pl.col(rule.quantity) > pl.col("limit")), rule)
