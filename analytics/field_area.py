"""Unit errors: KAP over K_a,r is an area, and an impossible area means a wrong unit."""

import polars as pl

from analytics.dose import DoseIndex
from analytics.rules import MIN_CASES, Rule, exceedances, with_month

#: Mean field area at the reference point outside these bounds means that one unit is wrong, cm².
FIELD_AREA_CM2 = (10.0, 1600.0)
#: A case this many times off its machine's median field area has a wrong unit in one value.
MACHINE_FACTOR = 5.0


def field_areas(cases: pl.DataFrame, machines: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the mean field area KAP / K_a,r of each case beside its machine's median.

    ``machines`` is what :func:`usual_areas` says of all cases, where ``cases`` are only some.

    Returns
    -------
    polars.DataFrame
        Cases that have both values: ``procedure_id``, ``site``, ``machine`` (device, else room),
        ``performed_on``, ``field_area_cm2``, ``machine_median_cm2``, ``machine_n`` and
        ``peers_median_cm2`` (median of the machines' medians; null for fewer than three).
    """
    kap, kerma = pl.col(DoseIndex.KAP.column), pl.col(DoseIndex.AIR_KERMA.column)
    both = cases.filter(kap.is_finite() & kerma.is_finite() & (kap > 0) & (kerma > 0))
    areas = both.select(
        "procedure_id",
        "site",
        pl.coalesce("device", "room", pl.lit("machine not stated")).alias("machine"),
        "performed_on",
        (1000 * kap / kerma).alias("field_area_cm2"),
    )
    known = usual_areas(areas) if machines is None else machines
    large = known.filter(pl.col("machine_n") >= MIN_CASES)
    peers = large["machine_median_cm2"].median() if large.height >= MIN_PEERS else None
    return areas.join(known, on=_MACHINE, maintain_order="left").with_columns(
        pl.lit(peers, pl.Float64).alias("peers_median_cm2")
    )


def usual_areas(areas: pl.DataFrame) -> pl.DataFrame:
    """Return ``machine_median_cm2`` and ``machine_n`` of each site and machine."""
    return areas.group_by(_MACHINE).agg(
        pl.col("field_area_cm2").median().alias("machine_median_cm2"),
        pl.len().cast(pl.Int64).alias("machine_n"),
    )


def area_bounds(machines: pl.DataFrame) -> pl.DataFrame:
    """Return ``least_area`` and ``most_area``, cm², between which no case of a machine is suspect.

    ``machines`` has what :func:`usual_areas` says. The bounds are on the safe side of rounding.
    """
    large = machines.filter(pl.col("machine_n") >= MIN_CASES)
    peers = large["machine_median_cm2"].median() if large.height >= MIN_PEERS else None
    known = machines.with_columns(pl.lit(peers, pl.Float64).alias("peers_median_cm2"))
    usual, (low, high) = _usual_area(known), FIELD_AREA_CM2
    return known.select(
        *_MACHINE,
        (pl.max_horizontal(usual / MACHINE_FACTOR, low) * (1 + 1e-9)).alias("least_area"),
        (pl.min_horizontal(usual * MACHINE_FACTOR, high) * (1 - 1e-9)).alias("most_area"),
    )


_MACHINE = ["site", "machine"]


def unit_exceedances(areas: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """Return the cases whose KAP and K_a,r cannot both be in their stated units.

    Named where the field area lies outside 10–1600 cm², or five times off what its machine
    usually has (n ≥ 20): a thousandfold error always leaves the window, a tenfold one may stay
    inside it. Where ``areas`` has ``peers_median_cm2`` and a machine's own median lies five times
    off it, the machine itself is wrong and its peers say what is usual. ``value`` is the field
    area in cm²; ``basis`` says which test failed and the factor by which a unit seems wrong;
    ``score`` is the distance in tenths of a decade.
    """
    area, usual = pl.col("field_area_cm2"), pl.col("_usual")
    low, high = FIELD_AREA_CM2
    known = areas.with_columns(_usual_area(areas).alias("_usual"))
    outside = (area < low) | (area > high)
    off = _apart(area, usual) >= MACHINE_FACTOR
    decades = (area / usual.fill_null(TYPICAL_FIELD_AREA_CM2)).log10()
    above = decades > 0
    bound = pl.when(above).then(pl.lit(high)).otherwise(pl.lit(low))
    usual_bound = usual * pl.when(above).then(MACHINE_FACTOR).otherwise(1 / MACHINE_FACTOR)
    in_force = pl.col("performed_on") >= rule.valid_from
    if rule.valid_to is not None:
        in_force = in_force & (pl.col("performed_on") < rule.valid_to)
    found = known.filter((outside | off.fill_null(False)) & in_force).with_columns(
        pl.when(outside).then(bound).otherwise(usual_bound).alias("limit"),
        pl.when(usual.is_not_null()).then("machine_n").alias("n_basis"),
        _wording(outside, decades).alias("basis"),
        (10 * decades.abs()).alias("score"),
    )
    return exceedances(found, rule, "field_area_cm2")


def _apart(one: pl.Expr, other: pl.Expr) -> pl.Expr:
    return pl.max_horizontal(one / other, other / one)


def _usual_area(areas: pl.DataFrame) -> pl.Expr:
    """Return what the machine usually has: its median, or its peers' where it is wrong itself."""
    median = pl.col("machine_median_cm2")
    sane = (pl.col("machine_n") >= MIN_CASES) & median.is_between(*FIELD_AREA_CM2)
    own = pl.when(sane).then(median)
    if "peers_median_cm2" not in areas.columns:
        return own
    peers = pl.col("peers_median_cm2")
    wrong_itself = (_apart(median, peers) >= MACHINE_FACTOR).fill_null(False)
    return pl.when(wrong_itself).then(peers).otherwise(own)


def _wording(outside: pl.Expr, decades: pl.Expr) -> pl.Expr:
    test = (
        pl.when(outside)
        .then(pl.lit("field area outside 10–1600 cm²"))
        .otherwise(pl.lit("field area far from what its machine usually has"))
    )
    power = decades.round(0).cast(pl.Int64)
    times = pl.lit(10).pow(power.abs())
    factor = pl.format("{}: KAP or K_a,r off by a factor of about {}", test, times)
    return pl.when(power != 0).then(factor).otherwise(test)


#: Registry medians lie at 133–254 cm² (nephrostomy 169, biliary 133, IVC filter 254).
TYPICAL_FIELD_AREA_CM2 = 170.0
#: Fewest machines of at least 20 cases that say what is usual among them.
MIN_PEERS = 3


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
