"""Pool counted events of one or two groups, with the rows that have no counts named.

Mantel–Haenszel and Peto for two groups, the binomial model with random logits for one.
"""

from collections.abc import Sequence
from dataclasses import replace

from analytics.evidence_rows import DOUBTFUL, Measure, Model, Point, has_two
from analytics.guards import not_computable
from analytics.meta_analysis import Pooled
from analytics.meta_proportions import binomial_normal
from analytics.meta_rare import RarePooled, mantel_haenszel, peto
from analytics.results import NotComputable


def why_none(points: Sequence[Point]) -> str:
    """Say why nothing can be pooled."""
    if not points:
        return "there is no study"
    reasons = dict.fromkeys(p.reason for p in points if p.reason)
    return "no study can be pooled: " + "; ".join(list(reasons)[:3])


def pool_rare(
    points: Sequence[Point], measure: Measure, model: Model
) -> tuple[list[Point], RarePooled | NotComputable]:
    """Pool counted events by Mantel–Haenszel or Peto; rows without counts keep their reason."""
    used = [_countable(p) for p in points]
    tables = [(p.row["events_1"], p.row["n_1"], p.row["events_2"], p.row["n_2"]) for p in used if p]
    shown = [_without_counts(p) if u is None else u for p, u in zip(points, used, strict=True)]
    if not tables:
        return shown, not_computable("no row gives events of two groups")
    e1, n1, e2, n2 = (list(column) for column in zip(*tables, strict=True))
    if measure not in ("OR", "RR", "RD"):
        return shown, not_computable(f"{model} pools events of two groups")
    if model == "Peto":
        if measure != "OR":
            return shown, not_computable("Peto's method gives an odds ratio; choose it as measure")
        found = peto(e1, n1, e2, n2)
    else:
        found = mantel_haenszel(e1, n1, e2, n2, measure)
    weights = [_rare_weight(table, measure, model) for table in tables]
    total = sum(weights)
    shares = iter(100 * w / total if total else 0.0 for w in weights)
    return [
        replace(p, weight=next(shares)) if u is not None else p
        for p, u in zip(shown, used, strict=True)
    ], found


def pool_shares(
    points: Sequence[Point], measure: Measure, model: Model
) -> tuple[list[Point], Pooled | NotComputable]:
    """Pool counted events of one group by the binomial model; rows without counts keep a reason."""
    if measure != "PROPORTION":
        return list(points), not_computable(f"{model} pools shares on the logit scale")
    used = [p if p.study and p.row["events_1"] is not None else None for p in points]
    shown = [_without_counts(p) if u is None else u for p, u in zip(points, used, strict=True)]
    rows = [p.row for p in used if p]
    if not rows:
        return shown, not_computable(why_none(shown))
    found = binomial_normal([r["events_1"] for r in rows], [r["n_1"] for r in rows])
    if not isinstance(found, Pooled):
        return shown, found
    shares = iter(found.weights)
    return [
        replace(p, weight=next(shares), added_half=False) if u is not None else p
        for p, u in zip(shown, used, strict=True)
    ], found


def _countable(p: Point) -> Point | None:
    """Return the point if its events can be pooled; a double-zero study stays with its reason."""
    row = p.row
    doubtful = row["usable"] != "yes" or str(row["check"]).startswith(DOUBTFUL)
    if row["events_1"] is None or not has_two(row) or doubtful:
        return None
    return p


def _without_counts(p: Point) -> Point:
    return replace(p, study=None, reason=p.reason or "no events are printed, only an effect")


def _rare_weight(table: tuple[int, int, int, int], measure: Measure, model: Model) -> float:
    """Return the weight that the method gives a study, up to a common factor."""
    a, n1, c, n2 = table
    n, events = n1 + n2, a + c
    if model == "Peto":
        return n1 * n2 * events * (n - events) / (n * n * max(n - 1, 1))
    return {"RR": c * n1 / n, "OR": (n1 - a) * c / n, "RD": n1 * n2 / n}[measure]
