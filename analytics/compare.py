"""Compare groups: look at the data, choose the test, run it, give effect before p, word it.

``compare`` is what pages call. It never raises on odd data: the ``test`` of the result is then
NotComputable and the sentence says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import polars as pl

from analytics import wording
from analytics.compare_categories import compare_categories
from analytics.compare_rates import compare_rates
from analytics.comparison import Comparison, Kind, LeftOut
from analytics.decision import choose
from analytics.dose import DoseIndex, Quantity, may_compare
from analytics.frequency import Counts, counts_of, tally, tally_groups
from analytics.guards import UndefinedError, not_computable, require
from analytics.multiplicity import NAMES, adjust
from analytics.results import NotComputable, TestResult
from analytics.runners import RUNNERS, Margin, against_margin
from analytics.summaries import Data, checks_of, facts_of, summaries

LARGEST_REPEATED_SHARE = 0.05


def compare(
    frame: pl.DataFrame,
    kind: Kind,
    quantity: str,
    unit: str = "",
    *,
    groups: Sequence[str] | None = None,
    dose_quantity: DoseIndex | Mapping[str, Quantity] | None = None,
    margin: Margin | None = None,
    level: float = 0.95,
    adjustment: str = "holm",
    randomised: bool = False,
    repeated_share: float = 0.0,
    ordered: bool = False,
) -> Comparison:
    """Compare independent groups with the test that the decision table names.

    Parameters
    ----------
    frame
        Columns ``group``, ``value`` and, when rows were counted, ``count``. Binary values are 0
        and 1; nominal ones are text; a rate has ``value`` events and ``exposure``.
    kind
        See ``decision.choose``.
    quantity, unit
        What is compared, in words, and the unit of ``value`` ('' for scores and yes/no).
    groups
        Groups to compare in this order; all in order of appearance when left out.
    dose_quantity
        Which dose index the values are: one for all groups, or one for each. Mandatory for
        ``kind="dose"``; different indices are refused with the reason.
    margin
        (low, high) stated in advance: a ratio for dose and duration, a difference in ``unit``
        otherwise, a difference of proportions (0.05) for binary. One end may be None.
    level
        Of the intervals.
    adjustment
        Of the pairs of more than two groups: see ``multiplicity.METHODS``.
    randomised
        Whether patients were allocated at random; the sentence says so when not.
    repeated_share
        Share of records that belong to a patient with several; above 5 % p is refused.
    ordered
        The groups are steps in order (years, grades): a yes/no outcome of three or more is also
        tested for a trend.
    """
    blank = Comparison(
        quantity, unit, kind, (), (), "", "", NotComputable(""), randomised=randomised
    )
    left_out: list[LeftOut] = []
    if kind == "rate":
        blank = compare_rates(blank, frame, groups, level, adjustment)
        return replace(blank, sentences=wording.sentences(blank))
    if kind == "nominal":
        blank = compare_categories(blank, frame, groups)
        return replace(blank, sentences=wording.sentences(blank))
    try:
        counts = _groups(frame, groups, left_out)
        if kind == "dose":
            counts = _check_dose(counts, dose_quantity, left_out)
        counts = _finite_only(counts, left_out)
        if kind == "binary":
            _check_binary(counts)
        blank = replace(
            blank, left_out=tuple(left_out), groups=summaries(counts, kind, unit, level)
        )
        counts = {name: group for name, group in counts.items() if group.n}
        data = Data(counts, unit, level, adjustment, ordered)
        blank = _run(blank, data, margin, repeated_share)
    except UndefinedError as refusal:
        refused = not_computable(refusal.because, refusal.n)
        blank = replace(blank, test=refused, left_out=tuple(left_out))
    return replace(blank, sentences=wording.sentences(blank))


def _run(blank: Comparison, data: Data, margin: Margin | None, repeated: float) -> Comparison:
    """Check, choose and test."""
    kind = blank.kind
    n = sum(group.n for group in data.groups.values())
    require(len(data.groups) >= 2, "fewer than two groups have values", n)
    require(
        repeated <= LARGEST_REPEATED_SHARE,
        f"{100 * repeated:.0f} % of the records belong to patients with several: choose a paired "
        "comparison or one record for each patient",
        n,
    )
    facts = facts_of(kind, data)
    choice = choose(kind, facts)
    blank = replace(blank, checks=checks_of(kind, data, facts), reason=choice.reason)
    run = RUNNERS[choice.method](data)
    return replace(
        blank,
        method=run.test.method if isinstance(run.test, TestResult) else choice.method,
        test=run.test,
        effects=run.effects,
        companions=tuple(c for c in run.companions if isinstance(c, TestResult)),
        pairs=run.pairs,
        equivalence=against_margin(kind, data, margin),
    )


def _groups(
    frame: pl.DataFrame, groups: Sequence[str] | None, left_out: list[LeftOut]
) -> dict[str, Counts]:
    """Count the values of the wanted groups; records without a group are left out."""
    unnamed = frame.filter(pl.col("group").is_null())
    if unnamed.height:
        n = int(counts_of(unnamed).sum())
        left_out.append(LeftOut("records", n, "no group"))
    found = tally_groups(frame)
    names = list(found) if groups is None else list(groups)
    empty = tally(np.array([]))
    counts = {name: found.get(name, empty) for name in names}
    left_out += [
        LeftOut(name, group.missing, "no value") for name, group in counts.items() if group.missing
    ]
    return counts


def _check_dose(
    counts: dict[str, Counts],
    quantity: DoseIndex | Mapping[str, Quantity] | None,
    left_out: list[LeftOut],
) -> dict[str, Counts]:
    """Refuse different dose quantities; leave ultrasound aside, which has no dose."""
    require(
        quantity is not None,
        "the dose quantity (air kerma, CTDIvol, DLP …) is not stated; "
        "effective dose in mSv can be compared between modalities",
    )
    assert quantity is not None
    kept = {name: group for name, group in counts.items() if not _is_ultrasound(name, quantity)}
    aside = {name: group for name, group in counts.items() if name not in kept}
    left_out[:] = [out for out in left_out if out.group not in aside]
    left_out += [
        LeftOut(name, group.n + group.missing, "ultrasound has no ionising radiation")
        for name, group in aside.items()
        if group.n + group.missing
    ]
    quantities = {name: _quantity_of(name, quantity) for name in kept}
    for (first, one), (second, other) in combinations(quantities.items(), 2):
        if one is None or other is None:
            missing = first if one is None else second
            raise UndefinedError(f"the dose quantity of {missing} is not stated")
        verdict = may_compare(one, other)
        require(verdict.allowed, f"{verdict.reason}; compare effective dose (mSv) instead")
    return kept


def _is_ultrasound(name: str, quantity: DoseIndex | Mapping[str, Quantity]) -> bool:
    """Say whether a group was guided by ultrasound."""
    if isinstance(quantity, Mapping) and name in quantity:
        return quantity[name].modality == "ultrasound"
    return name == "ultrasound"


def _quantity_of(name: str, quantity: DoseIndex | Mapping[str, Quantity]) -> Quantity | None:
    """Return the quantity of a group; a single index holds for its own modality."""
    if isinstance(quantity, Mapping):
        return quantity.get(name)
    if name == "CT" or name == "fluoroscopy":
        return Quantity(quantity, name)
    return Quantity(quantity, quantity.modalities[0])


def _finite_only(counts: dict[str, Counts], left_out: list[LeftOut]) -> dict[str, Counts]:
    """Leave out infinite values, which no instrument measures."""
    kept = {}
    for name, group in counts.items():
        finite = np.isfinite(group.values)
        n = int(group.n_each[~finite].sum())
        if n:
            left_out.append(LeftOut(name, n, "infinite value"))
        kept[name] = Counts(group.values[finite], group.n_each[finite], group.missing)
    return kept


def _check_binary(counts: Mapping[str, Counts]) -> None:
    """Refuse anything but 0 and 1."""
    for name, group in counts.items():
        odd = [value for value in group.values if value not in (0.0, 1.0)]
        require(not odd, f"a yes/no value of {name} is {float(odd[0]) if odd else ''}, not 0 or 1")


def adjust_family(
    comparisons: Sequence[Comparison], adjustment: str = "holm"
) -> tuple[Comparison, ...]:
    """Adjust the p-values of comparisons that are shown together, and word them again.

    Comparisons without a test do not count in the family. A family of one stays as it is.
    """
    p_values = [comparison.p_value for comparison in comparisons]
    size = sum(p is not None for p in p_values)
    if size < 2 or adjustment == "none":
        return tuple(comparisons)
    return tuple(
        _with_adjusted(comparison, p, NAMES[adjustment], size)
        for comparison, p in zip(comparisons, adjust(p_values, adjustment), strict=True)
    )


def _with_adjusted(comparison: Comparison, p: float | None, name: str, size: int) -> Comparison:
    """Put an adjusted p into a comparison."""
    if p is None:
        return comparison
    changed = replace(comparison, p_adjusted=p, adjustment=name, family_size=size)
    return replace(changed, sentences=wording.sentences(changed))
