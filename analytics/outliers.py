"""Which cases stand out: trigger levels, own distribution, reference level, patient sums, units.

Every rule is dated data that is passed in, and a case is judged by the rule of its day. All of it
is vectorised: a million cases need no loop over rows. Rules flag; they never drop a case.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import polars as pl

from analytics.dose import DoseIndex

Kind = Literal[
    "trigger", "own_percentile", "robust_limit", "reference_multiple", "patient_sum", "unit_ratio"
]

#: Fewest cases that a distribution needs before it judges one of them.
MIN_CASES = 20
#: Two systems' displayed values may differ by this much (IEC ±35 %), so no limit lies closer.
LEAST_FACTOR = 1.35
#: Mean field area at the reference point outside these bounds means that one unit is wrong, cm².
FIELD_AREA_CM2 = (10.0, 1600.0)
#: A case this many times off its machine's median field area has a wrong unit in one value.
MACHINE_FACTOR = 5.0
#: Scale of 1.4826·MAD: the standard deviation where the log dose is normal.
MAD_TO_SD = 1.482602218505602
GROUP = ["modality", "procedure_code", "size_band"]

#: What every rule returns: one row per case and rule.
EXCEEDANCE = pl.Schema(
    {
        "procedure_id": pl.Int64,
        "rule_id": pl.String,
        "kind": pl.String,
        "level": pl.String,
        "quantity": pl.String,
        "value": pl.Float64,
        "limit": pl.Float64,
        "ratio": pl.Float64,  # value over limit
        "score": pl.Float64,  # robust standard deviations above the own group's median, log scale
        "n_basis": pl.Int64,  # cases behind the limit; null for a fixed level
        "basis": pl.String,  # what the limit rests on
    }
)


@dataclass(frozen=True)
class Rule:
    """One outlier rule with its scope and the days on which it holds.

    ``threshold`` is a dose in the quantity's unit (trigger, patient_sum), a count of robust
    standard deviations (robust_limit), the share of the log distance from P50 to P95
    (own_percentile; 1 is P95 itself) or a factor (reference_multiple).
    """

    rule_id: str
    kind: Kind
    quantity: str
    level: str
    threshold: float | None
    modality: str | None = None
    procedure_code: str | None = None
    age_from_years: float | None = None
    age_to_years: float | None = None
    room: str | None = None
    window_months: int | None = None
    valid_from: date = date.min
    valid_to: date | None = None

    def scope(self) -> pl.Expr:
        """Select the cases that this rule judges: scope, day, and a usable positive value."""
        tests = [
            pl.col("performed_on") >= self.valid_from,
            pl.col(self.quantity).is_finite() & (pl.col(self.quantity) > 0),
        ]
        if self.valid_to is not None:
            tests.append(pl.col("performed_on") < self.valid_to)
        for column in ("modality", "procedure_code", "room"):
            if getattr(self, column) is not None:
                tests.append(pl.col(column) == getattr(self, column))
        if self.age_from_years is not None:
            tests.append(pl.col("age_years") >= self.age_from_years)
        if self.age_to_years is not None:
            tests.append(pl.col("age_years") < self.age_to_years)
        return pl.all_horizontal(tests)


def rules_from(levels: pl.DataFrame, confirmed: frozenset[str] = frozenset()) -> list[Rule]:
    """Make rules of the rows of ``trigger_levels.csv`` (or of an edited copy).

    Unverified rows are off unless ``confirmed`` has their ``rule_id``.
    """
    on = levels.filter(pl.col("verified") | pl.col("rule_id").is_in(sorted(confirmed)))
    names = [f for f in Rule.__dataclass_fields__ if f in on.columns]
    return [Rule(**_present(row)) for row in on.select(names).iter_rows(named=True)]


def _present(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if v is not None or k == "threshold"}


def trigger_exceedances(cases: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """Return the cases at or above a fixed level (``value ≥ threshold``).

    ``basis`` counts the further steps of the rule's quantity only in the rule's own data; one
    case exceeds one rule once, however far.
    """
    found = cases.filter(rule.scope() & (pl.col(rule.quantity) >= rule.threshold))
    return _exceedances(
        found.with_columns(
            pl.lit(rule.threshold, pl.Float64).alias("limit"),
            pl.lit(None, pl.Int64).alias("n_basis"),
            pl.lit("fixed level").alias("basis"),
        ),
        rule,
    )


def _exceedances(found: pl.DataFrame, rule: Rule, value: str | None = None) -> pl.DataFrame:
    """Lay cases with ``limit``, ``n_basis`` and ``basis`` out as exceedances, still unscored."""
    amount = pl.col(value or rule.quantity)
    return found.select(
        pl.col("procedure_id").cast(pl.Int64),
        pl.lit(rule.rule_id).alias("rule_id"),
        pl.lit(rule.kind).alias("kind"),
        pl.lit(rule.level).alias("level"),
        pl.lit(rule.quantity).alias("quantity"),
        amount.alias("value"),
        "limit",
        (amount / pl.col("limit")).alias("ratio"),
        (pl.col("score") if "score" in found.columns else pl.lit(None, pl.Float64)).alias("score"),
        pl.col("n_basis").cast(pl.Int64),
        "basis",
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
        median and MAD bear that); groups with fewer than 20 there too are left out.
    """
    if not months:
        return pl.DataFrame(schema=_DISTRIBUTION)
    usable = (
        history.lazy()
        .filter(pl.col(quantity).is_finite() & (pl.col(quantity) > 0))
        .filter(pl.all_horizontal(pl.col(GROUP).is_not_null()))
        .select(*GROUP, "performed_on", pl.col(quantity).log().alias("_log"))
        .collect()
    )
    wanted = pl.DataFrame({"month": sorted(set(months))}, schema={"month": pl.Date})
    windows = [_window(usable.lazy(), month, window_months) for month in wanted["month"].to_list()]
    before = pl.concat(pl.collect_all(windows))
    first = _first_months(usable, window_months).join(wanted, how="cross")
    missing = first.join(before, on=[*GROUP, "month"], how="anti")
    return pl.concat([before, missing.select(before.columns)])


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


def with_month(cases: pl.DataFrame) -> pl.DataFrame:
    """Add ``month``, the first day of the case's month."""
    return cases.with_columns(pl.col("performed_on").dt.truncate("1mo").alias("month"))


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
    judged = with_month(cases.filter(rule.scope())).join(limits, on=[*GROUP, "month"])
    return _exceedances(judged.filter(pl.col(rule.quantity) > pl.col("limit")), rule)


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
    return _exceedances(judged.filter(pl.col(rule.quantity) > pl.col("limit")), rule)


def patient_sum_exceedances(
    cases: pl.DataFrame, rule: Rule, judged: pl.Series | None = None
) -> pl.DataFrame:
    """Return the cases at which a patient's sum over the rolling window reaches the level.

    ``cases`` holds the patients' other cases too; ``judged`` (procedure ids) limits the answer to
    new ones. The window ends with the case: its own day and ``window_months`` before it. A sum
    that one case reaches alone is left to the trigger levels.
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
    return _exceedances(found, rule, "_sum")


def scored(
    exceedances: pl.DataFrame, cases: pl.DataFrame, distributions: dict[str, pl.DataFrame]
) -> pl.DataFrame:
    """Add how far out each case lies on its own scale and sort by it, furthest first.

    The score is ``(ln dose − median) / (1.4826·MAD)`` of the case's procedure, size band and month
    window; where that group is too small, of all judged cases of its modality. So a 3 Gy biopsy
    ranks by how unusual it is, not by which rule has the larger numbers.
    """
    parts = []
    for (quantity,), part in exceedances.partition_by("quantity", as_dict=True).items():
        own = distributions.get(str(quantity), pl.DataFrame(schema=_DISTRIBUTION))
        pooled = _pooled(cases, str(quantity))
        where = with_month(cases.select("procedure_id", *GROUP, "performed_on", str(quantity)))
        rows = (
            part.join(where.with_columns(pl.col("procedure_id").cast(pl.Int64)), on="procedure_id")
            .join(own.drop("n", "basis"), on=[*GROUP, "month"], how="left")
            .join(pooled, on="modality", how="left")
        )
        sd = pl.max_horizontal(pl.coalesce("log_sd", "_sd"), _LEAST_SD)
        own_score = (pl.col(str(quantity)).log() - pl.coalesce("log_median", "_median")) / sd
        parts.append(
            rows.with_columns(pl.coalesce("score", own_score).alias("score")).select(
                EXCEEDANCE.names()
            )
        )
    if not parts:
        return pl.DataFrame(schema=EXCEEDANCE)
    order = ["score", "ratio", "procedure_id", "rule_id"]
    descending = [True, True, False, False]
    return pl.concat(parts).sort(order, descending=descending, nulls_last=True)


#: Below this spread of the log dose a score would be a division by rounding.
_LEAST_SD = 0.05


def _pooled(cases: pl.DataFrame, quantity: str) -> pl.DataFrame:
    log = pl.col(quantity).log()
    usable = cases.filter(pl.col(quantity).is_finite() & (pl.col(quantity) > 0))
    return usable.group_by("modality").agg(
        log.median().alias("_median"),
        (MAD_TO_SD * (log - log.median()).abs().median()).alias("_sd"),
    )


def field_areas(cases: pl.DataFrame) -> pl.DataFrame:
    """Return the mean field area KAP / K_a,r of each case beside its machine's median.

    Returns
    -------
    polars.DataFrame
        Cases that have both values: ``procedure_id``, ``site``, ``machine`` (device, else room),
        ``performed_on``, ``field_area_cm2``, ``machine_median_cm2`` and ``machine_n``.
    """
    kap, kerma = pl.col(DoseIndex.KAP.column), pl.col(DoseIndex.AIR_KERMA.column)
    both = cases.filter(kap.is_finite() & kerma.is_finite() & (kap > 0) & (kerma > 0))
    machine = ["site", "machine"]
    return both.select(
        "procedure_id",
        "site",
        pl.coalesce("device", "room", pl.lit("machine not stated")).alias("machine"),
        "performed_on",
        (1000 * kap / kerma).alias("field_area_cm2"),
    ).with_columns(
        pl.col("field_area_cm2").median().over(machine).alias("machine_median_cm2"),
        pl.len().over(machine).cast(pl.Int64).alias("machine_n"),
    )


def unit_exceedances(areas: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """Return the cases whose KAP and K_a,r cannot both be in their stated units.

    Named where the field area lies outside 10–1600 cm², or five times off its machine's median
    (n ≥ 20): a thousandfold error always leaves the window, a tenfold one may stay inside it.
    ``value`` is the field area in cm², ``basis`` says which and the power of ten that would mend
    it; ``score`` is the log10 distance in tenths of a decade.
    """
    area, median = pl.col("field_area_cm2"), pl.col("machine_median_cm2")
    low, high = FIELD_AREA_CM2
    outside = (area < low) | (area > high)
    sane_machine = (pl.col("machine_n") >= MIN_CASES) & median.is_between(low, high)
    off = sane_machine & (pl.max_horizontal(area / median, median / area) >= MACHINE_FACTOR)
    expected = pl.when(sane_machine).then(median).otherwise(TYPICAL_FIELD_AREA_CM2)
    decades = (area / expected).log10()
    nearest = pl.when(area > expected).then(pl.lit(high)).otherwise(pl.lit(low))
    machine_limit = expected * pl.when(area > expected).then(MACHINE_FACTOR).otherwise(
        1 / MACHINE_FACTOR
    )
    suspect = pl.format(
        "{}: KAP or K_a,r off by a factor of about 10^{}",
        pl.when(outside)
        .then(pl.lit("field area outside 10–1600 cm²"))
        .otherwise(pl.lit("field area far from its machine's median")),
        decades.round(0).cast(pl.Int64),
    )
    in_force = pl.col("performed_on") >= rule.valid_from
    if rule.valid_to is not None:
        in_force = in_force & (pl.col("performed_on") < rule.valid_to)
    found = areas.filter((outside | off) & in_force).with_columns(
        pl.when(outside).then(nearest).otherwise(machine_limit).alias("limit"),
        pl.when(sane_machine).then("machine_n").alias("n_basis"),
        suspect.alias("basis"),
        (10 * decades.abs()).alias("score"),
    )
    return _exceedances(found, rule, "field_area_cm2")


#: Registry medians lie at 133–254 cm² (nephrostomy 169, biliary 133, IVC filter 254).
TYPICAL_FIELD_AREA_CM2 = 170.0


def machine_field_areas(areas: pl.DataFrame) -> pl.DataFrame:
    """Summarise the field area by machine and month, to see since when a unit is wrong.

    Returns
    -------
    polars.DataFrame
        ``site``, ``machine``, ``month``, ``n``, ``median_cm2``, ``suspect`` (the month's median
        lies outside the window or five times off the other months' median, n ≥ 20 in total).
    """
    low, high = FIELD_AREA_CM2
    median = pl.col("median_cm2")
    monthly = (
        with_month(areas)
        .group_by("site", "machine", "month")
        .agg(pl.len().alias("n"), pl.col("field_area_cm2").median().alias("median_cm2"))
        .sort("site", "machine", "month")
    )
    whole = median.median().over("site", "machine")
    far = pl.max_horizontal(median / whole, whole / median) >= MACHINE_FACTOR
    enough = pl.col("n").sum().over("site", "machine") >= MIN_CASES
    outside = ~median.is_between(low, high)
    return monthly.with_columns((outside | (far & enough)).alias("suspect"))
