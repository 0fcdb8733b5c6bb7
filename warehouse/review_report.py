"""Reviews as reports count them: one row a round, with its case and what was decided."""

import polars as pl
import sqlalchemy as sa

from warehouse.review_alerts import Asked
from warehouse.review_store import frame, reading
from warehouse.review_tables import alert, review
from warehouse.reviews import COLUMNS
from warehouse.settings import Settings


def rounds(settings: Settings, asked: Asked) -> pl.DataFrame:
    """Return the rounds of review with an alert that ``asked`` lets through, newest case first.

    Columns: ``review_id``, ``site``, ``state``, ``reviewer``, ``signed_by``, ``opened_at``,
    ``closed_at``, the form's :data:`COLUMNS`, ``action``, and of the case ``performed_on``,
    ``modality``, ``procedure_code``, ``room``.
    """
    joined = alert.join(review, alert.c.review_id == review.c.id)
    ids = sa.select(alert.c.review_id).select_from(joined).where(*asked.where())
    first = (
        sa.select(alert.c.review_id, sa.func.min(alert.c.id).label("alert_id"))
        .group_by(alert.c.review_id)
        .subquery()
    )
    names = ("site", "state", "reviewer", "signed_by", "opened_at", "closed_at", *COLUMNS)
    query = (
        sa.select(
            review.c.id.label("review_id"),
            *(review.c[name] for name in names),
            review.c.form["action"].as_string().label("action"),
            alert.c.performed_on, alert.c.modality, alert.c.procedure_code, alert.c.room,
        )
        .join(first, first.c.review_id == review.c.id)
        .join(alert, alert.c.id == first.c.alert_id)
        .where(review.c.id.in_(ids))
        .order_by(alert.c.performed_on.desc(), review.c.id.desc())
    )  # fmt: skip
    with reading(settings) as con:
        return frame(con, query)
