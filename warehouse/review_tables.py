"""Tables of what people write (rules, alerts, reviews), and the database that holds them.

SQLite with a write-ahead log by default, PostgreSQL by address. They lie beside the snapshots, not
in them: a refresh or a rollback leaves them alone, so they refer to cases by natural key only.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

metadata = sa.MetaData()


def _id() -> Column[int]:
    return Column("id", sa.Integer, primary_key=True, autoincrement=True)


def _at(name: str, nullable: bool = False) -> Column[Any]:
    """Hold a time in UTC, without zone: SQLite has none."""
    return Column(name, sa.DateTime, nullable=nullable)


reviews_meta = Table(
    "reviews_meta",
    metadata,
    Column("schema_version", sa.Integer, nullable=False),
    _at("created_at"),
)

# one row per version of an outlier rule that a person wrote; the shipped rules are version 0
rule_version = Table(
    "rule_version", metadata, _id(),
    Column("rule_id", sa.Text, nullable=False),
    Column("change", sa.Text, nullable=False),  # add | change | on | off | confirm
    Column("active", sa.Boolean, nullable=False),
    Column("kind", sa.Text, nullable=False),
    Column("quantity", sa.Text, nullable=False),
    Column("level", sa.Text, nullable=False),
    Column("threshold", sa.Float),
    Column("unit", sa.Text),
    Column("modality", sa.Text),
    Column("procedure_code", sa.Text),
    Column("age_from_years", sa.Float),
    Column("age_to_years", sa.Float),
    Column("region", sa.Text),
    Column("ctdi_phantom_cm", sa.Integer),
    Column("room", sa.Text),
    Column("window_months", sa.Integer),
    Column("valid_from", sa.Date, nullable=False),
    Column("valid_to", sa.Date),  # exclusive
    Column("source", sa.Text, nullable=False),
    Column("url", sa.Text),
    Column("note", sa.Text),
    Column("why", sa.Text, nullable=False),
    Column("person", sa.Text, nullable=False),
    _at("recorded_at"),
)  # fmt: skip

# one row per round of review of a case; all alerts of the case belong to it
review = Table(
    "review", metadata, _id(),
    Column("case_key", sa.Text, nullable=False),
    Column("site", sa.Text, nullable=False),
    Column("state", sa.Text, nullable=False),
    Column("version", sa.Integer, nullable=False),  # of the last change; guards against overwriting
    Column("reviewer", sa.Text),                    # who submitted it for sign-off
    Column("signed_by", sa.Text),
    Column("form", sa.JSON, nullable=False),        # warehouse.review_form.ReviewForm
    Column("data_check", sa.Text),                  # what reports count stands in columns too
    Column("justification", sa.Text),
    Column("outcome", sa.Text),
    Column("patient_informed_on", sa.Date),
    Column("follow_up_due", sa.Date),
    Column("follow_up_done", sa.Date),
    Column("action_owner", sa.Text),
    Column("action_due", sa.Date),
    Column("action_done", sa.Date),
    _at("opened_at"),
    _at("changed_at"),
    _at("closed_at", nullable=True),
)  # fmt: skip
Index(
    "review_one_open_round", review.c.case_key, unique=True,
    sqlite_where=review.c.state != "closed", postgresql_where=review.c.state != "closed",
)  # fmt: skip
Index("review_by_case", review.c.case_key)

# one row per case and rule
alert = Table(
    "alert", metadata, _id(),
    Column("review_id", sa.Integer, sa.ForeignKey("review.id"), nullable=False, index=True),
    Column("case_key", sa.Text, nullable=False),
    Column("rule_id", sa.Text, nullable=False),
    # the case's natural key and the facts that lists filter by, as of the last judgement
    Column("site", sa.Text, nullable=False),
    Column("accession_number", sa.Text),
    Column("performed_on", sa.Date, nullable=False, index=True),
    Column("device", sa.Text),
    Column("procedure_start_at", sa.DateTime),
    Column("modality", sa.Text, nullable=False),
    Column("procedure_code", sa.Text),
    Column("procedure_name", sa.Text),
    Column("size_band", sa.Text),
    Column("room", sa.Text),
    Column("operator", sa.Text),
    Column("age_years", sa.Float),
    Column("bmi", sa.Float),
    # what was found, as of the last judgement
    Column("kind", sa.Text, nullable=False),
    Column("level", sa.Text, nullable=False),
    Column("quantity", sa.Text, nullable=False),
    Column("value", sa.Float, nullable=False),
    Column("limit_value", sa.Float, nullable=False),
    Column("ratio", sa.Float, nullable=False),
    Column("score", sa.Float),
    Column("own_median", sa.Float),
    Column("n_basis", sa.Integer),
    Column("basis", sa.Text, nullable=False),
    Column("unit_suspect", sa.Boolean, nullable=False),
    # the rule of the case's day, as it stood then
    Column("rule_threshold", sa.Float),
    Column("rule_window_months", sa.Integer),
    Column("rule_source", sa.Text, nullable=False),
    Column("rule_valid_from", sa.Date, nullable=False),
    _at("found_at"),
    _at("lapsed_at", nullable=True),  # the case, corrected, no longer exceeds the rule
    sa.UniqueConstraint("case_key", "rule_id", name="alert_once_per_case_and_rule"),
)  # fmt: skip

# one row per thing that happened to a case's review; nothing here is ever changed or removed
review_event = Table(
    "review_event", metadata, _id(),
    Column("review_id", sa.Integer, sa.ForeignKey("review.id"), nullable=False, index=True),
    Column("alert_id", sa.Integer, sa.ForeignKey("alert.id")),
    Column("what", sa.Text, nullable=False),
    Column("person", sa.Text, nullable=False),
    _at("at"),
    Column("from_state", sa.Text),
    Column("to_state", sa.Text),
    Column("version", sa.Integer, nullable=False),
    Column("note", sa.Text),
    Column("details", sa.JSON, nullable=False),
)  # fmt: skip

# one row per run of the warehouse whose cases were judged by a set of rules
judged_run = Table(
    "judged_run", metadata,
    Column("run_id", sa.Text, primary_key=True),
    Column("rules", sa.Text, primary_key=True),  # fingerprint of the rules in force
    _at("judged_at"),
)  # fmt: skip

# one row per address that messages go to: the newest alert that it was told of
alert_told = Table(
    "alert_told",
    metadata,
    Column("address", sa.Text, primary_key=True),  # hash of the address without its password
    Column("alert_id", sa.Integer, nullable=False),
    _at("told_at"),
)


# one row per change of protocol or equipment that a person recorded; a mistaken one is withdrawn
protocol_change = Table(
    "protocol_change", metadata, _id(),
    Column("changed_on", sa.Date, nullable=False),
    Column("what", sa.Text, nullable=False),
    Column("site", sa.Text),            # null: all
    Column("room", sa.Text),
    Column("procedure_code", sa.Text),
    Column("person", sa.Text, nullable=False),
    _at("recorded_at"),
    Column("withdrawn_by", sa.Text),
    _at("withdrawn_at", nullable=True),
)  # fmt: skip

# one row per own level as it was computed on a day; nothing here is ever changed
local_level = Table(
    "local_level", metadata, _id(),
    _at("saved_at"),
    Column("person", sa.Text, nullable=False),
    Column("snapshot", sa.Text, nullable=False),
    Column("filters", sa.Text, nullable=False),  # in words
    Column("from_date", sa.Date),
    Column("to_date", sa.Date),
    Column("modality", sa.Text, nullable=False),
    Column("procedure_code", sa.Text, nullable=False),
    Column("size_band", sa.Text, nullable=False),
    Column("dose_index", sa.Text, nullable=False),  # as queries name it: CTDIvol by phantom
    Column("kind", sa.Text, nullable=False),     # local DRL | typical value
    Column("value", sa.Float, nullable=False),
    Column("low", sa.Float),
    Column("high", sa.Float),
    Column("unit", sa.Text, nullable=False),
    Column("rooms", sa.Integer, nullable=False),
    Column("cases", sa.Integer, nullable=False),
)  # fmt: skip


# one row per procedure name that a person gave a code; of several for one name the latest stands
confirmed_name = Table(
    "confirmed_name", metadata, _id(),
    Column("name", sa.Text, nullable=False),
    Column("procedure_code", sa.Text, nullable=False),
    Column("person", sa.Text, nullable=False),
    _at("confirmed_at"),
)  # fmt: skip

# one row per word of a person on a case's outcome; a mistaken one is corrected by a later one.
# Nothing here is ever changed or removed: the refresh merges what its snapshot does not know yet.
outcome_entry = Table(
    "outcome_entry", metadata, _id(),
    Column("site", sa.Text, nullable=False),
    Column("accession_number", sa.Text, nullable=False),
    Column("performed_on", sa.Date, nullable=False),
    Column("scale", sa.Text, nullable=False),
    Column("timepoint", sa.Text),
    Column("value", sa.Text, nullable=False),
    Column("grade_scale", sa.Text),
    Column("status", sa.Text, nullable=False),  # recorded | deleted
    Column("person", sa.Text, nullable=False),
    _at("recorded_at"),
)  # fmt: skip
Index("outcome_entry_by_case", outcome_entry.c.site, outcome_entry.c.accession_number)


# one row per time a person confirmed a coefficient of effective dose, or took that back
coefficient_mark = Table(
    "coefficient_mark", metadata, _id(),
    Column("coefficient_id", sa.Text, nullable=False),
    Column("confirmed", sa.Boolean, nullable=False),
    Column("why", sa.Text, nullable=False),
    Column("person", sa.Text, nullable=False),
    _at("recorded_at"),
)  # fmt: skip
