"""Pool the rows of one question, with what was left out and why.

Nothing is pooled in silence: every row comes back, pooled or with its reason; the same patients are
not pooled twice unless asked for. Rows are those of ``analytics.evidence_rows``.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from analytics.evidence_counts import pool_rare, pool_shares, why_none
from analytics.evidence_rows import (
    MEASURES,
    PERCENTAGES,
    RARE_MODELS,
    RARE_SHARE,
    Measure,
    Model,
    Point,
    Row,
    back,
    has_two,
    point,
)
from analytics.guards import not_computable
from analytics.meta_analysis import (
    PatientCheck,
    Pooled,
    Study,
    pool,
    repeated_studies,
    unique_patient_check,
)
from analytics.meta_heterogeneity import Estimator
from analytics.meta_moderators import Subgroups, subgroups
from analytics.meta_rare import RarePooled
from analytics.results import Estimate, NotComputable


@dataclass(frozen=True)
class Analysis:
    """A question's answer: points, pool, subgroups and what a reader has to know of them."""

    measure: Measure
    model: Model
    unit: str
    group_by: str
    points: tuple[Point, ...]
    pooled: Pooled | RarePooled | NotComputable
    groups: Subgroups | None
    double_zero: int
    rare: bool
    check: PatientCheck | None

    @property
    def studies(self) -> tuple[Study, ...]:
        """Return what was pooled, in the order of the points."""
        return tuple(p.study for p in self.points if p.study is not None)

    @property
    def repeated(self) -> tuple[str, ...]:
        """Name the studies whose patients enter the pool more than once."""
        return () if isinstance(self.pooled, NotComputable) else _named_twice(self.points)

    @property
    def summary(self) -> Estimate | None:
        """Return the pooled estimate on the natural scale."""
        return None if isinstance(self.pooled, NotComputable) else self.natural(self.pooled)

    @property
    def prediction(self) -> tuple[float, float] | None:
        """Return the range of a new study's effect on the natural scale."""
        if not isinstance(self.pooled, Pooled) or self.pooled.prediction is None:
            return None
        low, high = (back(v, self.measure) for v in self.pooled.prediction)
        return low, high

    def natural(self, pooled: Pooled | RarePooled) -> Estimate:
        """Turn a pooled estimate back to the scale that papers print."""
        estimate = pooled.estimate
        ends = (
            None if end is None else back(end, self.measure)
            for end in (estimate.low, estimate.high)
        )
        low, high = ends
        return replace(
            estimate, value=back(estimate.value, self.measure), low=low, high=high, unit=self.unit
        )


def analyse(
    rows: Sequence[Row],
    measure: Measure,
    model: Model = "REML",
    hartung_knapp: bool = True,
    group_by: str = "",
    allow_repeats: bool = False,
) -> Analysis:
    """Pool the rows of one question.

    Parameters
    ----------
    rows
        Rows of one question, in the order to draw.
    measure
        What is pooled; rows that cannot give it come back with the reason.
    model
        τ² estimator of the random-effects model, ``fixed``, ``MH`` / ``Peto`` for rare events of
        two groups, or ``GLMM`` for those of one.
    hartung_knapp
        Interval by t, never narrower than the ordinary one.
    group_by
        Column of the subgroups, or '' for none.
    allow_repeats
        Pool results of the same patients as if they were independent, as some papers do. The
        interval is then too narrow; without it such a pool is refused.

    Returns
    -------
    Analysis
        With ``double_zero`` studies counted; they say nothing of a ratio.
    """
    points = [point(row, measure, group_by) for row in rows]
    counted = [row for row in rows if row["events_1"] is not None and has_two(row)]
    double_zero = sum(row["events_1"] + row["events_2"] == 0 for row in counted)
    unit = _unit(rows, measure)
    if model in RARE_MODELS or model == "GLMM":
        pool_counts = pool_shares if model == "GLMM" else pool_rare
        points, pooled = pool_counts(points, measure, model)
        if not allow_repeats and (repeated := _named_twice(points)):
            pooled = _refused(repeated)
        groups = None
    else:
        pooled, groups = _inverse_variance(
            rows, points, measure, (model, hartung_knapp, bool(group_by), allow_repeats)
        )
        points = _with_weights(points, pooled, groups)
    check = None
    if measure == "SMD" and isinstance(pooled, Pooled) and pooled.patients:
        ends = pooled.estimate.low, pooled.estimate.high
        found = unique_patient_check(ends[0] or 0, ends[1] or 0, pooled.patients)
        check = found if isinstance(found, PatientCheck) else None
    return Analysis(
        measure,
        model,
        unit,
        group_by,
        tuple(points),
        pooled,
        groups,
        double_zero,
        _is_rare(counted),
        check,
    )


def _one_unit(
    rows: Sequence[Row], points: Sequence[Point], measure: Measure
) -> NotComputable | None:
    """Refuse to average different units; standardised differences, ratios and shares have none."""
    if measure not in ("MD", "MEAN"):
        return None
    units = {str(p.row["unit"]) for p in points if p.study is not None}
    if len(units) > 1:
        named = ", ".join(sorted(unit or "none" for unit in units))
        return not_computable(f"the studies have different units ({named})", len(rows))
    return None


def _unit(rows: Sequence[Row], measure: Measure) -> str:
    units = {str(row["unit"]) for row in rows}
    return units.pop() if measure in ("MD", "MEAN") and len(units) == 1 else ""


def _is_rare(counted: Sequence[Row]) -> bool:
    """Say whether events are so rare that adding ½ to zero cells would decide the result."""
    events = sum(row["events_1"] + row["events_2"] for row in counted)
    patients = sum(row["n_1"] + row["n_2"] for row in counted)
    zero = any(0 in (row["events_1"], row["events_2"]) for row in counted)
    return bool(counted) and (zero or events < RARE_SHARE * patients)


def _inverse_variance(
    rows: Sequence[Row],
    points: Sequence[Point],
    measure: Measure,
    how: tuple[Estimator, bool, bool, bool],
) -> tuple[Pooled | NotComputable, Subgroups | None]:
    """Pool over all and by subgroup; refuse where units differ or the same patients repeat."""
    model, hartung_knapp, grouped, allow_repeats = how
    studies = [p.study for p in points if p.study is not None]
    if not studies:
        return not_computable(why_none(points)), None
    refused = _one_unit(rows, points, measure) or (None if allow_repeats else _repeats(studies))
    pooled = refused or pool(studies, model, hartung_knapp)
    found = subgroups(studies, model, hartung_knapp) if grouped else None
    if not isinstance(found, Subgroups):
        return pooled, None
    if not allow_repeats:
        groups = tuple(
            (name, _repeats([s for s in studies if s.subgroup == name]) or group)
            for name, group in found.groups
        )
        test = _repeats(studies) or found.test
        found = replace(found, groups=groups, test=test)
    return pooled, found


def _repeats(studies: Sequence[Study]) -> NotComputable | None:
    """Refuse to pool the same patients twice."""
    repeated = repeated_studies(studies)
    return _refused(repeated) if repeated else None


def _refused(repeated: Sequence[str]) -> NotComputable:
    return not_computable(
        f"the same patients enter more than once ({', '.join(repeated)}): pool one time point and"
        " outcome at a time"
    )


def _named_twice(points: Sequence[Point]) -> tuple[str, ...]:
    """Name the studies of which more than one row is pooled."""
    times = Counter(str(p.row["study"]) for p in points if p.weight is not None)
    return tuple(name for name, count in times.items() if count > 1)


def _with_weights(
    points: Sequence[Point], pooled: Pooled | NotComputable, groups: Subgroups | None
) -> list[Point]:
    """Give each pooled point its share of the pool, or of its subgroup where there is no pool."""
    if isinstance(pooled, Pooled):
        over_all = iter(pooled.weights)
        return [replace(p, weight=next(over_all)) if p.study else p for p in points]
    if groups is None:
        return list(points)
    by_group = {
        name: iter(group.weights) for name, group in groups.groups if isinstance(group, Pooled)
    }
    return [
        replace(p, weight=next(by_group[p.study.subgroup]))
        if p.study and p.study.subgroup in by_group
        else p
        for p in points
    ]


def sentence(found: Analysis) -> str:
    """Say the pooled answer as a paper does; a refusal with its reason."""
    if isinstance(found.pooled, NotComputable):
        return found.pooled.reason[0].upper() + found.pooled.reason[1:] + "."
    summary, pooled = found.summary, found.pooled
    if summary is None or summary.low is None or summary.high is None:
        return "No pooled estimate."
    percent = found.measure in PERCENTAGES
    scale, unit = (100, " %") if percent else (1, f" {found.unit}" if found.unit else "")
    shown = [
        f"{scale * v:.3g}".replace("-", "−") for v in (summary.value, summary.low, summary.high)
    ]
    k, n = pooled.k, pooled.estimate.n
    kind = "results of the same patients" if found.repeated else "study" if k == 1 else "studies"
    who = f"{k} {kind}" + (f", {n} patients" if n else "")
    text = f"{who}: {_lower(MEASURES[found.measure])} {shown[0]}{unit}"
    text += f" (95 % CI {shown[1]} to {shown[2]}; {pooled.estimate.method})"
    if isinstance(pooled, Pooled) and pooled.heterogeneity is not None:
        h = pooled.heterogeneity
        text += f", τ² {h.tau2:.3g}, I² {h.i2:.0f} %"
    if found.prediction:
        ends = [f"{scale * v:.3g}".replace("-", "−") for v in found.prediction]
        text += f"; a new study would lie in {ends[0]} to {ends[1]} (95 % prediction interval)"
    text += "."
    if found.double_zero:
        many = found.double_zero != 1
        text += f" {found.double_zero} double-zero stud{'ies carry' if many else 'y carries'}"
        text += (
            " no information for a ratio."
            if found.measure != "RD"
            else " weight in the difference."
        )
    return text


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]
