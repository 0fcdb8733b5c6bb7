"""Compare the same patients at two or more times, in one group or between groups."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from analytics import equivalence, mixed, paired, tables, wording
from analytics.comparison import Check, Comparison, Effect, Kind, LeftOut
from analytics.frequency import Counts, counts_of, tally
from analytics.guards import UndefinedError, not_computable, require
from analytics.multiplicity import adjust
from analytics.results import NotComputable, Pair, TestResult
from analytics.runners import Margin, one_sided_alpha
from analytics.shift import pseudomedian
from analytics.summaries import summaries
from analytics.wording import CHANGED


def compare_paired(
    frame: pl.DataFrame,
    kind: Kind,
    quantity: str,
    unit: str = "",
    *,
    times: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    margin: Margin | None = None,
    level: float = 0.95,
    adjustment: str = "holm",
    randomised: bool = False,
) -> Comparison:
    """Compare times within patients, or groups over time.

    Two times: exact signed ranks, typical and mean change. More: Friedman with all pairs. Yes/no:
    McNemar and Cochran Q. With ``groups``: a random-intercept model of group × time, in which
    missing visits are no loss.

    Parameters
    ----------
    frame
        Columns ``subject``, ``time``, ``value`` and, to compare groups, ``group``; one row a
        visit. A column ``baseline`` adjusts the groups for it; ``count`` says how many subjects
        have these same visits, so that many cost what their patterns cost.
    times
        In order; of appearance when left out. A change is later minus earlier.
    groups
        Compare these groups over time instead of times within one.
    margin
        (low, high) of the mean change between two times, in ``unit``, stated in advance.
    """
    blank = Comparison(
        quantity,
        unit,
        kind,
        (),
        (),
        "",
        "",
        NotComputable(""),
        randomised=randomised,
        design="repeated" if groups else "paired",
    )
    try:
        visits, order = _visits(frame, times)
        blank = replace(blank, groups=_summaries(visits, order, groups, kind, unit, level))
        if groups:
            blank = _between(blank, visits, order, list(groups), level, adjustment)
        else:
            blank = _within(blank, visits, order, margin, level, adjustment)
    except UndefinedError as refusal:
        blank = replace(blank, test=not_computable(refusal.because, refusal.n))
    return replace(blank, sentences=wording.sentences(blank))


def _visits(frame: pl.DataFrame, times: Sequence[str] | None) -> tuple[pl.DataFrame, list[str]]:
    """Return typed visits of the wanted times; refuse a patient with two values at one time."""
    dtype = frame.schema["value"]
    numeric = dtype.is_numeric() or dtype in (pl.Boolean, pl.Null)
    require(numeric, f"the values are {dtype}, not numbers", frame.height)
    visits = frame.with_columns(
        pl.col("subject", "time").cast(pl.String),
        pl.col("value").cast(pl.Float64).fill_nan(None),
        count=counts_of(frame),
    ).drop_nulls(["subject", "time"])
    order = visits["time"].unique(maintain_order=True).to_list() if times is None else list(times)
    visits = visits.filter(pl.col("time").is_in(order))
    finite = bool(visits["value"].drop_nulls().is_finite().all())
    require(finite, "a value is infinite", visits.height)
    twice = visits.height - visits.select("subject", "time").n_unique()
    require(not twice, f"{twice} visits are there twice: keep one value a patient and time")
    require(len(order) >= 2, "there are fewer than two times", visits.height)
    return visits, order


def _summaries(
    visits: pl.DataFrame,
    order: Sequence[str],
    groups: Sequence[str] | None,
    kind: Kind,
    unit: str,
    level: float,
) -> tuple:
    """Describe every time, by group where groups are compared."""
    counts = {}
    for group in groups or [None]:
        part = visits if group is None else visits.filter(pl.col("group") == group)
        for time in order:
            label = time if group is None else f"{group}, {time}"
            at = part.filter(pl.col("time") == time)
            counts[label] = tally(at["value"].to_numpy(), at["count"].to_numpy())
    return summaries(counts, kind, unit, level)


def _within(
    blank: Comparison,
    visits: pl.DataFrame,
    order: list[str],
    margin: Margin | None,
    level: float,
    adjustment: str,
) -> Comparison:
    """Compare times within patients who have a value at every one."""
    wide = visits.pivot("time", index=["subject", "count"], values="value")
    n = int(wide["count"].sum())
    absent = [time for time in order if time not in wide.columns]
    require(not absent, f"nobody has a value at {', '.join(absent)}", n)
    patterns = wide.drop_nulls(order)
    complete = patterns[np.repeat(np.arange(patterns.height), patterns["count"].to_numpy())]
    left = n - complete.height
    out = (LeftOut("patients", left, "no value at one of the times"),) if left else ()
    found = f"{complete.height} of {n} patients have a value at every time"
    columns = {time: tally(complete[time].to_numpy()) for time in order}
    blank = replace(
        blank,
        groups=summaries(columns, blank.kind, blank.unit, level),
        left_out=out,
        checks=(Check("complete patients", found),),
    )
    if blank.kind == "binary":
        return _answers(blank, complete.select(order), level)
    if len(order) == 2:
        change = tally((complete[order[1]] - complete[order[0]]).to_numpy())
        return _change(blank, change, (order[0], order[1]), margin, level)
    columns = {time: complete[time].to_numpy() for time in reversed(order)}
    test = paired.friedman(complete.select(order).to_numpy())
    return replace(
        blank,
        method="Friedman",
        reason="three or more times of one patient: ranks within each patient",
        test=test,
        pairs=paired.signed_rank_pairs(columns, adjustment, level, blank.unit),
    )


def _answers(blank: Comparison, complete: pl.DataFrame, level: float) -> Comparison:
    """Test a yes/no outcome of the same patients: McNemar, or Cochran Q for three and more."""
    matrix = complete.to_numpy()
    require(bool(np.isin(matrix, (0.0, 1.0)).all()), "a yes/no value is neither 0 nor 1")
    if matrix.shape[1] > 2:
        test = tables.cochran_q(matrix)
        reason = "yes/no at three or more times of one patient"
        return replace(blank, method="Cochran Q", reason=reason, test=test)
    earlier, later = complete.columns
    before, after = matrix[:, 0] == 1, matrix[:, 1] == 1
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    cells = (int((after & before).sum()), gained, lost, int((~after & ~before).sum()))
    found = tables.mcnemar(*cells, level=level)
    if isinstance(found, NotComputable):
        return replace(blank, test=found)
    test = found.primary
    return replace(
        blank,
        method=test.method if isinstance(test, TestResult) else "McNemar",
        reason="yes/no at two times of one patient: only those who changed inform the test",
        test=test,
        checks=(*blank.checks, Check(CHANGED, f"{gained} gained and {lost} lost it")),
        effects=(Effect("risk difference", later, earlier, found.difference, 0.0),),
        companions=tuple(
            c
            for c in (found.exact, found.mid_p, found.chi_square_corrected)
            if isinstance(c, TestResult) and c is not test
        ),
    )


def _change(
    blank: Comparison,
    change: Counts,
    times: tuple[str, str],
    margin: Margin | None,
    level: float,
) -> Comparison:
    """Test the change between two times."""
    earlier, later = times
    test = paired.wilcoxon_signed_rank(change)
    zero = int(change.n_each[change.values == 0].sum())
    typical = pseudomedian(change, level, blank.unit)
    mean = paired.mean_change(change, level=level, unit=blank.unit)
    companion = paired.paired_t(change)
    against = None
    if margin is not None:
        alpha = one_sided_alpha(margin)
        against = equivalence.tost_paired(change, *margin, alpha=alpha, unit=blank.unit)
    return replace(
        blank,
        method=test.method if isinstance(test, TestResult) else "Wilcoxon signed rank",
        reason="two values of one patient: ranks of the changes, ties and zeros handled exactly",
        test=test,
        checks=(*blank.checks, Check("unchanged", f"{zero} of {change.n}")),
        effects=(
            Effect("typical change", later, earlier, typical, 0.0),
            Effect("mean change", later, earlier, mean, 0.0),
        ),
        companions=(companion,) if isinstance(companion, TestResult) else (),
        equivalence=against,
    )


def _between(
    blank: Comparison,
    visits: pl.DataFrame,
    order: list[str],
    groups: list[str],
    level: float,
    adjustment: str,
) -> Comparison:
    """Compare groups at each time."""
    require("group" in visits.columns, "the visits carry no group", visits.height)
    model = mixed.repeated_measures(visits, groups, order, level, blank.unit)
    if isinstance(model, NotComputable):
        return replace(blank, test=model, reason="groups over time")
    left = model.left_out
    out = (LeftOut("visits", left, "no value, group or baseline"),) if left else ()
    adjusted = adjust([test.p_value for test in model.tests], adjustment)
    pairs = tuple(
        Pair(
            e.first,
            e.second,
            test,
            test.p_value if p is None else p,
            adjustment,
            e.estimate,
            e.name,
        )
        for e, test, p in zip(model.effects, model.tests, adjusted, strict=True)
    )
    share = f"{100 * model.fit.correlation:.0f} % of the variation is between patients"
    return replace(
        blank,
        method=model.interaction.method,
        reason="groups over time: a random intercept for each patient keeps missing visits",
        test=model.interaction,
        checks=(
            Check("patients and visits", f"{model.fit.n_subjects} and {model.fit.n_values}"),
            Check("correlation of visits", share),
        ),
        pairs=pairs,
        left_out=out,
    )
