"""How each kind of case is usually dosed, and which case lies far above its own kind."""

from bisect import bisect_left
from datetime import date
from typing import Any

import numpy as np
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
    usable = (
        history.lazy()
        .filter(pl.col(quantity).is_finite() & (pl.col(quantity) > 0))
        .with_columns(child())
        .filter(pl.all_horizontal(pl.col(GROUP).is_not_null()))
        .select(*GROUP, "performed_on", pl.col(quantity).alias("value"))
        .collect()
    )
    groups = usable.select(GROUP).unique().with_row_index("case_group")
    kinds = groups.select(EVERY_SIZE).unique().with_row_index("kind")
    groups = groups.join(kinds, on=EVERY_SIZE)
    numbered = usable.join(groups, on=GROUP).select("case_group", "kind", "performed_on", "value")
    return distribution_of(numbered, groups, months, window_months)


def distribution_of(
    values: pl.DataFrame, groups: pl.DataFrame, months: list[date], window_months: int = 12
) -> pl.DataFrame:
    """Describe groups that are numbered already; otherwise as :func:`own_distribution`.

    Parameters
    ----------
    values
        ``case_group`` and ``kind`` (whole numbers; a kind is what groups of every size are
        together), ``performed_on`` and ``value`` (positive) of each case.
    groups
        ``case_group``, ``kind`` and what they stand for: modality, procedure_code, size_band and
        child. Other groups are not described; their values count with their kind.
    """
    if not months or values.is_empty():
        return pl.DataFrame(schema=DISTRIBUTION)
    wanted = pl.DataFrame({"month": sorted(set(months))}, schema={"month": pl.Date})
    usable = values.select("case_group", "kind", "performed_on", _log=pl.col("value").log())
    mine = usable.join(groups.select("case_group"), on="case_group", how="semi")
    here = groups.join(mine.select("case_group").unique(), on="case_group", how="semi")
    banded = _described(mine.drop("kind"), wanted, window_months)
    without = here.select("case_group", "kind").join(wanted, how="cross")
    without = without.join(banded, on=["case_group", "month"], how="anti")
    named = banded.join(here, on="case_group").select(DISTRIBUTION.names())
    if without.is_empty():
        return named
    few = without.select(case_group="kind").unique()
    together = usable.drop("case_group").rename({"kind": "case_group"})
    together = together.join(few, on="case_group", how="semi")
    months_left = without.select("month").unique().sort("month")
    whole = _described(together, months_left, window_months)
    filled = (
        without.join(whole.rename({"case_group": "kind"}), on=["kind", "month"])
        .join(here.drop("kind"), on="case_group")
        .with_columns(pl.format("{}, {}", "basis", pl.lit(ALL_SIZES)).alias("basis"))
    )
    return pl.concat([named, filled.select(DISTRIBUTION.names())])


def too_few(
    values: pl.DataFrame, groups: pl.DataFrame, months: list[date], window_months: int = 12
) -> tuple[list[int], list[int]]:
    """Return the groups and the kinds that have fewer than 20 values before one of the months.

    What stands in for these may lie outside the windows: :func:`distribution_of` needs every value
    of theirs; of the others, those of the windows.
    """
    wanted = groups.select("case_group", "kind").join(pl.DataFrame({"month": months}), how="cross")
    counts = with_month(values).group_by("case_group", "kind", before="month").len()
    inside = pl.col("before").is_between(
        pl.col("month").dt.offset_by(f"-{window_months}mo"), pl.col("month"), closed="left"
    )

    def few(key: str) -> list[int]:
        found = wanted.select(key, "month").unique().join(counts, on=key, how="left")
        n = found.group_by(key, "month").agg(pl.col("len").filter(inside).sum())
        return n.filter(pl.col("len") < MIN_CASES)[key].unique().sort().to_list()

    return few("case_group"), few("kind")


_AS_TEXT = pl.Schema(dict.fromkeys(GROUP[:3], pl.String()))


#: What a limit says that rests on every size of a procedure, for want of cases of the same size.
ALL_SIZES = "all sizes: fewer than 20 of this size"


def _described(usable: pl.DataFrame, wanted: pl.DataFrame, window_months: int) -> pl.DataFrame:
    """Describe the months before each month; where they are too few, the group's first months."""
    before = _windows(usable, wanted["month"].to_list(), window_months)
    without = usable.select("case_group").unique().join(wanted, how="cross")
    without = without.join(before, on=["case_group", "month"], how="anti")
    if without.is_empty():
        return before
    few = usable.join(without.select("case_group").unique(), on="case_group", how="semi")
    first = _first_months(few, window_months).join(without, on="case_group")
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


def _windows(usable: pl.DataFrame, months: list[date], window_months: int) -> pl.DataFrame:
    """Describe each group over the months before each month, where these hold enough cases.

    A case lies in as many windows as they have months. So each group is sorted once by its values:
    what a window leaves of them is in order, and its quantiles are at known places.
    """
    rows: list[tuple[Any, ...]] = []
    for part in usable.partition_by("case_group", maintain_order=False):
        if part.height < MIN_CASES:
            continue
        group, ordered = part["case_group"][0], part.sort("_log")
        day, logs = ordered["performed_on"].dt, ordered["_log"].to_numpy()
        number = day.year().cast(pl.Int32) * 12 + day.month()
        numbers = number.cast(pl.UInt16).to_numpy()
        for month in months:
            # Below zero, an unsigned number is large: one comparison sees both ends of the window.
            since = numbers - np.uint16(month.year * 12 + month.month - window_months)
            inside = logs[since < window_months]
            if inside.size >= MIN_CASES:
                rows.append((group, month, inside.size, *_in_order(inside)))
    schema = {"case_group": usable.schema["case_group"]} | {
        name: DISTRIBUTION[name] for name in ("month", "n", "log_median", "log_sd", "log_p95")
    }
    found = pl.DataFrame(rows, schema=schema, orient="row")
    return found.with_columns(pl.lit(f"{window_months} months before").alias("basis"))


def _in_order(logs: np.ndarray) -> tuple[float, float, float]:
    """Return median, 1.4826·MAD and 95th percentile of values in ascending order."""
    middle = float(logs[(logs.size - 1) // 2] + logs[logs.size // 2]) / 2
    place = 0.95 * (logs.size - 1)
    below = int(place)
    above = min(below + 1, logs.size - 1)
    p95 = float(logs[below] + (place - below) * (logs[above] - logs[below]))
    counts = ((logs.size + 1) // 2, logs.size // 2 + 1)
    mad = sum(_distance_to(logs, middle, count) for count in counts) / 2
    return middle, MAD_TO_SD * mad, p95


def _distance_to(logs: np.ndarray, middle: float, count: int) -> float:
    """Return how far from the middle the ``count`` nearest of the values, in order, reach.

    They lie side by side: of all such blocks it is the one whose farther end is nearest.
    """

    def ends(first: int) -> tuple[float, float]:
        return middle - float(logs[first]), float(logs[first + count - 1]) - middle

    def right_is_farther(first: int) -> bool:
        left, right = ends(first)
        return right >= left

    blocks = range(logs.size - count + 1)
    turn = bisect_left(blocks, True, key=right_is_farther)
    return min(max(ends(first)) for first in (turn - 1, turn) if first in blocks)


def _first_months(usable: pl.DataFrame, window_months: int) -> pl.DataFrame:
    day = pl.col("performed_on")
    end = day.min().dt.offset_by(f"{window_months}mo")
    return (
        usable.lazy()
        .filter((day < end).over("case_group"))
        .group_by("case_group")
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
    limits = own_limits(distribution, rule)
    # Most cases lie below every limit and need no look at their own group's.
    lowest = pl.lit(limits["limit"].min(), pl.Float64)
    high = cases.filter(rule.scope() & (pl.col(rule.quantity) > lowest))
    judged = with_month(high.with_columns(child())).join(limits, on=[*GROUP, "month"])
    return exceedances(judged.filter(pl.col(rule.quantity) > pl.col("limit")), rule)


def own_limits(distribution: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """Add ``limit`` and ``n_basis`` to a distribution, in the quantity's unit."""
    if rule.threshold is None:
        raise ValueError(f"rule {rule.rule_id} has no threshold")
    width = (
        pl.col("log_sd")
        if rule.kind == "robust_limit"
        else pl.col("log_p95") - pl.col("log_median")
    )
    least = pl.lit(LEAST_FACTOR).log()
    return distribution.with_columns(
        (pl.col("log_median") + pl.max_horizontal(width * rule.threshold, least))
        .exp()
        .alias("limit"),
        pl.col("n").alias("n_basis"),
    )
