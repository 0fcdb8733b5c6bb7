"""Peak skin doses that reviewers estimated: what was sent seldom has any."""

import polars as pl
import sqlalchemy as sa

from warehouse.review_store import frame, reading
from warehouse.review_tables import alert, review
from warehouse.settings import Settings

COLUMN = "peak_skin_dose_mgy"


def estimated(settings: Settings) -> pl.DataFrame:
    """Return the cases whose peak skin dose a review states, or that have an alert of it.

    Returns
    -------
    polars.DataFrame
        ``case_key``, the key's parts and ``peak_skin_dose_mgy`` (mGy) of the latest review that
        states one; null where none does any more, so that the alert can lapse.
    """
    parts = (
        "case_key", "site", "accession_number", "performed_on", "device", "procedure_start_at",
        "modality",
    )  # fmt: skip
    stated = review.c.form[COLUMN].as_float()
    query = (
        sa.select(*(alert.c[name] for name in parts), review.c.id, stated.label(COLUMN))
        .select_from(alert.join(review, alert.c.review_id == review.c.id))
        .where(stated.is_not(None) | (alert.c.quantity == COLUMN))
    )
    with reading(settings) as con:
        found = frame(con, query)
    latest_first = found.sort(pl.col(COLUMN).is_null(), -pl.col("id"))
    return latest_first.unique("case_key", keep="first", maintain_order=True).drop("id")
