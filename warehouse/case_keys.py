"""The natural key of a case, by which what people write finds it in any snapshot."""

from datetime import date, datetime

import polars as pl


def case_key(
    site: str,
    accession_number: str | None,
    performed_on: date,
    device: str | None,
    start: datetime | None,
    modality: str,
) -> str:
    """Return the natural key of a case as one text, as :func:`case_key_expr` makes it."""
    frame = pl.DataFrame(
        [(site, accession_number, performed_on, device, start, modality)],
        schema={
            "site": pl.String, "accession_number": pl.String, "performed_on": pl.Date,
            "device": pl.String, "procedure_start_at": pl.Datetime("us"), "modality": pl.String,
        },
        orient="row",
    )  # fmt: skip
    return frame.select(case_key_expr()).item()


def case_key_expr() -> pl.Expr:
    """Build the natural key: it outlives refresh and rollback, which a surrogate id does not."""
    day = pl.col("performed_on").dt.to_string("%Y-%m-%d")
    start = pl.coalesce(
        pl.col("procedure_start_at").dt.to_string("%Y-%m-%dT%H:%M:%S"),
        pl.format("{}T00:00:00", day),
    )
    by_accession = pl.concat_str("site", "accession_number", day, separator=SEPARATOR)
    by_device = pl.concat_str(
        "site", pl.col("device").fill_null(""), start, "modality", separator=SEPARATOR
    )
    return (
        pl.when(pl.col("accession_number").is_not_null())
        .then(by_accession)
        .otherwise(by_device)
        .alias("case_key")
    )


#: Parts of a key; a character that no identifier has.
SEPARATOR = "\x1f"
