"""What lists and counts ask of the alerts."""

from dataclasses import dataclass, field
from typing import Any

import polars as pl
import sqlalchemy as sa

from warehouse.access import Scope
from warehouse.review_store import frame, reading
from warehouse.review_tables import alert, review
from warehouse.reviews import CASE_ROLES, seen_by
from warehouse.settings import Settings


@dataclass(frozen=True)
class Asked:
    """Which alerts a list is to hold; None leaves a choice open."""

    states: tuple[str, ...] | None = None
    rules: tuple[str, ...] | None = None
    size_bands: tuple[str, ...] | None = None
    filters: dict[str, Any] | None = None  #: parameters of the filter bar
    scope: Scope = field(kw_only=True)  #: of the reader

    def where(self) -> list[sa.ColumnElement[bool]]:
        """Return the conditions on the joined tables."""
        given = self.filters or {}
        mine = self.scope.operators if CASE_ROLES & set(self.scope.roles) else None
        listed: list[tuple[Any, Any]] = [
            (review.c.state, self.states), (alert.c.rule_id, self.rules),
            (alert.c.size_band, self.size_bands), (alert.c.site, self.scope.sites),
            (alert.c.site, given.get("sites")), (alert.c.modality, given.get("modalities")),
            (alert.c.room, given.get("rooms")), (alert.c.operator, given.get("operators")),
            (alert.c.operator, mine),
            (sa.func.coalesce(alert.c.procedure_code, "unmapped"), given.get("procedures")),
        ]  # fmt: skip
        tests: list[sa.ColumnElement[bool]] = [
            column.in_(values) for column, values in listed if values is not None
        ]
        for column, low, high in (
            (alert.c.age_years, "age_low", "age_high"),
            (alert.c.bmi, "bmi_low", "bmi_high"),
        ):
            if given.get(low) is not None:
                tests.append(column >= given[low])
            if given.get(high) is not None:
                tests.append(column < given[high])
        if given.get("from_date") is not None:
            tests.append(alert.c.performed_on >= given["from_date"])
        if given.get("to_date") is not None:
            tests.append(alert.c.performed_on <= given["to_date"])
        return tests


_JOINED = alert.join(review, alert.c.review_id == review.c.id)


def cases_page(settings: Settings, asked: Asked, first: int, rows: int) -> tuple[pl.DataFrame, int]:
    """Return one page of the cases with alerts, furthest out first, and how many there are.

    A case lies as far out as its furthest dose; one with a unit error alone, as far as that is.
    Cases are for those who may see single ones; :func:`counts` is for everybody.
    """
    seen_by(asked.scope)
    dose = sa.case((alert.c.kind != "unit_ratio", alert.c.score))
    grouped = (
        sa.select(
            alert.c.review_id,
            sa.func.coalesce(sa.func.max(dose), sa.func.max(alert.c.score)).label("score"),
            sa.func.max(alert.c.ratio).label("ratio"),
        )
        .select_from(_JOINED)
        .where(*asked.where())
        .group_by(alert.c.review_id)
        .subquery()
    )
    query = (
        sa.select(
            review.c.id.label("review_id"), review.c.case_key, review.c.state, review.c.version,
            review.c.reviewer, review.c.opened_at, review.c.follow_up_due, grouped.c.score,
            grouped.c.ratio, sa.func.count().over().label("total"),
        )
        .join(grouped, grouped.c.review_id == review.c.id)
        .order_by(grouped.c.score.is_(None).desc(), grouped.c.score.desc(),
                  grouped.c.ratio.desc(), review.c.id)
        .offset(first).limit(rows)
    )  # fmt: skip
    with reading(settings) as con:
        page = frame(con, query)
        if page.height:
            return page.drop("total"), page["total"][0]
        counted = sa.select(sa.func.count()).select_from(grouped)
        return page.drop("total"), con.execute(counted).scalar_one()


def counts(settings: Settings, asked: Asked, by: str) -> dict[str, int]:
    """Count the cases with alerts by ``rule_id``, ``state`` or ``size_band``, most first."""
    column = review.c.state if by == "state" else alert.c[by]
    n = sa.func.count(sa.distinct(alert.c.review_id))
    query = (
        sa.select(column, n).select_from(_JOINED).where(*asked.where())
        .group_by(column).order_by(n.desc(), column)
    )  # fmt: skip
    with reading(settings) as con:
        return {row[0]: row[1] for row in con.execute(query) if row[0] is not None}
