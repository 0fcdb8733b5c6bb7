"""Alerts and the reviews of their cases: found once, moved from state to state, never overwritten.

A round of review concerns one case and all its alerts. Each change carries the version it was made
on; where somebody else was faster, nothing is written and :class:`ConflictError` has what stands.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import polars as pl
import sqlalchemy as sa

from warehouse.access import SYSTEM_ROLE, Person, RefusedError, Scope, require
from warehouse.access_log import deed
from warehouse.review_form import ReviewForm
from warehouse.review_store import frame, now, reading, writing
from warehouse.review_tables import alert, review, review_event
from warehouse.settings import Settings

State = Literal["open", "in review", "awaiting sign-off", "closed", "reopened"]
STATES: tuple[State, ...] = ("open", "in review", "awaiting sign-off", "reopened", "closed")
TO_DO: tuple[State, ...] = ("open", "in review", "awaiting sign-off", "reopened")
Action = Literal["take", "save", "submit", "sign", "send back", "reopen", "note"]

#: Action → states it starts from, and the state it leads to (None: it stays).
MOVES: dict[Action, tuple[tuple[State, ...], State | None]] = {
    "take": (("open",), "in review"),
    "save": (("open", "in review", "reopened"), None),
    "submit": (("open", "in review", "reopened"), "awaiting sign-off"),
    "sign": (("awaiting sign-off",), "closed"),
    "send back": (("awaiting sign-off",), "in review"),
    "reopen": (("closed",), "reopened"),
    "note": (STATES, None),
}
#: Fields of the form that also stand in columns, for lists and reports.
COLUMNS = (
    "data_check", "justification", "outcome", "patient_informed_on", "follow_up_due",
    "follow_up_done", "action_owner", "action_due", "action_done",
)  # fmt: skip


#: Who may look at single cases.
CASE_ROLES = frozenset({"rso", "physician", SYSTEM_ROLE})


class ReviewError(ValueError):
    """The change cannot be made; the text says why and what to do."""


class NotAllowedError(ReviewError):
    """The person may not do what was asked."""


@dataclass(frozen=True)
class Review:
    """One round of review of a case, as it stands."""

    review_id: int
    case_key: str
    site: str
    state: State
    version: int
    reviewer: str | None
    signed_by: str | None
    form: ReviewForm
    opened_at: datetime
    changed_at: datetime
    closed_at: datetime | None


class ConflictError(ReviewError):
    """Somebody else changed the review since it was read; nothing was written."""

    def __init__(self, stands: Review, person: str, at: datetime) -> None:
        super().__init__(
            f"{person} changed this review at {at:%Y-%m-%d %H:%M} UTC (it is now {stands.state}). "
            "Nothing of yours was written or lost: compare, then save again."
        )
        self.stands = stands
        self.person = person


def seen_by(scope: Scope) -> list[sa.ColumnElement[bool]]:
    """Return the conditions on ``review`` that keep within what a reader may see.

    Cases are for RSOs, and for physicians their own; a case is theirs by the operator of its
    alerts.
    """
    if not CASE_ROLES & set(scope.roles):
        raise RefusedError("single cases are for an RSO, and for physicians their own")
    tests: list[sa.ColumnElement[bool]] = []
    if scope.sites is not None:
        tests.append(review.c.site.in_(scope.sites))
    if scope.operators is not None:
        mine = sa.select(alert.c.review_id).where(alert.c.operator.in_(scope.operators))
        tests.append(review.c.id.in_(mine))
    return tests


def reviews_of(settings: Settings, key: str, scope: Scope) -> list[Review]:
    """Return the rounds of review of a case that the reader may see, the latest first."""
    with reading(settings) as con:
        rows = con.execute(
            sa.select(review)
            .where(review.c.case_key == key, *seen_by(scope))
            .order_by(review.c.id.desc())
        )
        return [_as_review(row) for row in rows]


def alerts_of(settings: Settings, review_ids: Sequence[int], scope: Scope) -> pl.DataFrame:
    """Return the alerts of some rounds of review that the reader may see, furthest out first."""
    query = (
        sa.select(alert)
        .join(review, alert.c.review_id == review.c.id)
        .where(alert.c.review_id.in_(list(review_ids)), *seen_by(scope))
        .order_by(alert.c.score.is_(None).desc(), alert.c.score.desc(), alert.c.rule_id)
    )
    with reading(settings) as con:
        found = frame(con, query)
    return found if scope.sites is None else _of_site(found)


#: Kinds of rules whose limit, or whose value, is made of the cases of every site.
POOLED = ("own_percentile", "robust_limit", "unit_ratio", "patient_sum")
#: How the names of facts begin that are sums over a patient's cases, at whatever site.
PATIENT_SUM = "patient_"


def _of_site(alerts: pl.DataFrame) -> pl.DataFrame:
    """Blank the figures into which other sites' cases went: a reader of some sites sees none."""
    pooled = pl.col("kind").is_in(POOLED)
    figures = ("limit_value", "ratio", "own_median", "n_basis")
    return alerts.with_columns(
        pl.lit(None, pl.Float64).alias("score"),
        pl.when(pl.col("kind") != "patient_sum").then("value").alias("value"),
        *(pl.when(~pooled).then(name).alias(name) for name in figures),
    )


def history(settings: Settings, review_ids: Sequence[int], scope: Scope) -> pl.DataFrame:
    """Return all that ever happened to some rounds of review, the latest first.

    A reader of some sites does not see figures into which other sites' cases went: limits of what
    is judged by all cases, and sums over a patient's.
    """
    query = (
        sa.select(review_event, alert.c.kind)
        .join(review, review_event.c.review_id == review.c.id)
        .outerjoin(alert, review_event.c.alert_id == alert.c.id)
        .where(review_event.c.review_id.in_(list(review_ids)), *seen_by(scope))
        .order_by(review_event.c.id.desc())
    )
    with reading(settings) as con:
        found = frame(con, query, None if scope.sites is None else _event_of_site)
    return found.drop("kind")


#: Figures of an alert's events that are its case's own, and those that other cases went into.
_OWN, _OTHERS = {"value", "from", "to"}, {"limit"}


def _event_of_site(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event without the figures into which other sites' cases went."""
    pooled = event["kind"] in POOLED
    hidden = (_OTHERS if pooled else set()) | (_OWN if event["kind"] == "patient_sum" else set())
    told = {name: value for name, value in event["details"].items() if name not in hidden}
    if "facts" in told:
        facts = told["facts"].items()
        told["facts"] = {n: v for n, v in facts if not n.startswith(PATIENT_SUM)}
    return event | {"details": told}


def act(
    settings: Settings,
    seen: Review,
    action: Action,
    person: Person,
    form: ReviewForm | None = None,
    note: str | None = None,
    operators: Iterable[str | None] = (),
    facts: dict[str, Any] | None = None,
) -> Review:
    """Do one thing with the review that a person saw, and return what then stands.

    ``operators`` are the names of those who performed the case; ``facts`` are what the reviewer saw
    of it (size, levels, sums) and are kept with the event.

    Raises
    ------
    ConflictError
        Where the review changed since ``seen`` was read.
    NotAllowedError
        Where the operator of the case, or who reviewed it, would sign.
    ReviewError
        Where the action does not fit the state, or something needed is missing.
    RefusedError
        Where the person's role does not review, or the case is of another site.
    """
    about = f"{action} review {seen.review_id}"
    with deed(settings, person, "review", about, seen.site), writing(settings) as con:
        stands = _stands(con, seen.review_id)
        require(person, "review", stands.site)
        if stands.version != seen.version:
            raise ConflictError(stands, *_last_change(con, seen.review_id))
        target = _checked(con, stands, action, person.name, form, note, operators)
        fresh = form if form is not None else stands.form
        changed = _changes(stands, action, target, person.name, fresh)
        con.execute(review.update().where(review.c.id == stands.review_id).values(changed))
        details: dict[str, Any] = {"facts": facts} if facts else {}
        if form is not None:
            details["form"] = fresh.model_dump(mode="json", exclude_none=True)
        _enter(con, stands, action, person.name, target, changed["version"], note, details)
        return _stands(con, stands.review_id)


def _checked(
    con: sa.Connection,
    stands: Review,
    action: Action,
    person: str,
    form: ReviewForm | None,
    note: str | None,
    operators: Iterable[str | None],
) -> State:
    """Return the state that an action leads to, or say why it cannot be done."""
    starts, target = MOVES[action]
    if not person.strip():
        raise NotAllowedError("who does this is not known: sign in, or set KERMA_USER")
    if stands.state not in starts:
        raise ReviewError(f"the review is {stands.state}: one can {action} one that is "
                          f"{' or '.join(starts)}")  # fmt: skip
    if form is not None and action not in ("save", "submit"):
        raise ReviewError(f"to {action} changes no field of the form")
    if action == "submit" and (missing := (form or stands.form).missing()):
        raise ReviewError(f"before sign-off the review still needs: {', '.join(missing)}")
    if action in ("send back", "reopen", "note") and not (note or "").strip():
        raise ReviewError(f"say why, to {action}")
    if action == "reopen":
        _no_other_round(con, stands)
    if action == "sign":
        _may_sign(con, stands, person, operators)
    if action == "save" and stands.state == "open":
        return "in review"
    return target or stands.state


def _no_other_round(con: sa.Connection, stands: Review) -> None:
    query = sa.select(review.c.id).where(
        review.c.case_key == stands.case_key, review.c.state != "closed"
    )
    if con.execute(query).first() is not None:
        raise ReviewError("a later round of review of this case is under way: use that one")


def _may_sign(
    con: sa.Connection, stands: Review, person: str, operators: Iterable[str | None]
) -> None:
    """Refuse the second sign-off of the reviewer and of whoever performed the case."""
    if stands.reviewer is not None and same_person(person, stands.reviewer):
        raise NotAllowedError(f"{person} reviewed this case: the second sign-off is someone else's")
    query = sa.select(alert.c.operator).where(alert.c.case_key == stands.case_key)
    performed = [*operators, *con.execute(query).scalars()]
    for operator in filter(None, performed):
        if any(same_person(person, name) for name in re.split(r"[;/|&+]", operator)):
            raise NotAllowedError(
                f"{person} performed this case: the sign-off is for someone other than the operator"
            )


def same_person(one: str, other: str) -> bool:
    """Say whether two names are one: case, order of words and punctuation aside."""
    first, second = (sorted(re.findall(r"\w+", name.casefold())) for name in (one, other))
    return bool(first) and first == second


def _changes(
    stands: Review, action: Action, target: State, person: str, form: ReviewForm
) -> dict[str, Any]:
    at = now()
    changed: dict[str, Any] = {
        "state": target, "version": stands.version + 1, "changed_at": at,
        "form": form.model_dump(mode="json"),
    }  # fmt: skip
    changed |= {name: getattr(form, name) for name in COLUMNS}
    if action == "submit":
        changed |= {"reviewer": person, "signed_by": None}
    if action == "sign":
        changed |= {"signed_by": person, "closed_at": at}
    if action == "reopen":
        changed |= {"signed_by": None, "closed_at": None}
    return changed


def _enter(
    con: sa.Connection,
    stands: Review,
    what: str,
    person: str,
    target: State,
    version: int,
    note: str | None,
    details: dict[str, Any],
) -> None:
    """Add to the history, to which nothing is ever done but adding."""
    con.execute(
        review_event.insert().values(
            review_id=stands.review_id, what=what, person=person, at=now(),
            from_state=stands.state, to_state=target, version=version, note=note, details=details,
        )
    )  # fmt: skip


def _stands(con: sa.Connection, review_id: int) -> Review:
    """Return a review and keep others from changing it until this transaction ends."""
    query = sa.select(review).where(review.c.id == review_id).with_for_update()
    row = con.execute(query).one_or_none()
    if row is None:
        raise ReviewError(f"there is no review {review_id}")
    return _as_review(row)


def _last_change(con: sa.Connection, review_id: int) -> tuple[str, datetime]:
    row = con.execute(
        sa.select(review_event.c.person, review_event.c.at)
        .where(review_event.c.review_id == review_id)
        .order_by(review_event.c.id.desc())
    ).first()
    return (row.person, row.at) if row else ("somebody", now())


def _as_review(row: Any) -> Review:
    names = ("case_key", "site", "state", "version", "reviewer", "signed_by")
    return Review(
        review_id=row.id,
        form=ReviewForm.model_validate(row.form),
        opened_at=row.opened_at,
        changed_at=row.changed_at,
        closed_at=row.closed_at,
        **{name: getattr(row, name) for name in names},
    )
