"""The fields of a review on the page: drawn from a form, read back into one."""

from datetime import date
from typing import Any

import polars as pl
import streamlit as st
from pydantic import ValidationError

from pages.shared import format as fmt
from warehouse.review_form import (
    DATA_CHECKS,
    JUSTIFICATIONS,
    OUTCOMES,
    REACTIONS,
    ReviewForm,
)

LABELS = {
    "data_check": "Data check",
    "data_check_note": "What was corrected",
    "peak_skin_dose_mgy": "Peak skin dose, mGy",
    "peak_skin_dose_method": "Estimated by",
    "skin_site": "Skin site",
    "supervisor": "Supervisor",
    "protocol": "Protocol",
    "pulse_rate_per_s": "Pulse rate, per s",
    "justification": "Justification",
    "narrative": "Narrative",
    "outcome": "Outcome",
    "patient_informed_on": "Patient informed on",
    "patient_informed_by": "Informed by",
    "follow_up_due": "Follow-up due",
    "follow_up_done": "Follow-up done",
    "reaction": "Skin reaction",
    "action": "Corrective action",
    "action_owner": "Owner of the action",
    "action_due": "Action due",
    "action_done": "Action done",
    "committee_minutes": "Committee minutes",
}
_CHOICES = {
    "data_check": DATA_CHECKS, "justification": JUSTIFICATIONS, "outcome": OUTCOMES,
    "reaction": REACTIONS,
}  # fmt: skip
_DATES = {name for name in LABELS if name.endswith(("_on", "_due", "_done"))}
_NUMBERS = {"peak_skin_dose_mgy", "pulse_rate_per_s"}
_LONG = {"narrative", "action"}
#: Rows of the form: what stands side by side.
_ROWS = (
    ("Data and technique", ("data_check", "data_check_note", "protocol", "pulse_rate_per_s")),
    ("", ("peak_skin_dose_mgy", "peak_skin_dose_method", "skin_site", "supervisor")),
    ("Judgement", ("justification", "outcome")),
    ("", ("narrative",)),
    ("Patient", ("patient_informed_on", "patient_informed_by", "reaction")),
    ("", ("follow_up_due", "follow_up_done", "committee_minutes")),
    ("Corrective action", ("action",)),
    ("", ("action_owner", "action_due", "action_done")),
)


def fields(form: ReviewForm, prefix: str) -> dict[str, Any]:
    """Draw the fields, filled from a form, and return what stands in them."""
    given: dict[str, Any] = {}
    for heading, names in _ROWS:
        if heading:
            st.markdown(f"**{heading}**")
        for column, name in zip(st.columns(len(names)), names, strict=True):
            with column:
                given[name] = _field(name, getattr(form, name), f"{prefix}-{name}")
    return given


def _field(name: str, value: Any, key: str) -> Any:
    label = LABELS[name]
    if name in _CHOICES:
        options = list(_CHOICES[name])
        index = options.index(value) if value in options else None
        return st.selectbox(label, options, index=index, key=key, placeholder="Not yet")
    if name in _DATES:
        return st.date_input(
            label, value, key=key, format="YYYY-MM-DD", min_value=date(1990, 1, 1),
            max_value=date(2099, 12, 31),
        )  # fmt: skip
    if name in _NUMBERS:
        return st.number_input(label, min_value=0.0, value=value, key=key, placeholder="Not yet")
    if name in _LONG:
        return st.text_area(label, value or "", key=key, height=90, max_chars=10_000)
    return st.text_input(label, value or "", key=key, max_chars=200)


def read(given: dict[str, Any]) -> tuple[ReviewForm | None, list[str]]:
    """Make a form of what was given, or say what is wrong with it."""
    filled = {
        name: None if value is None or not str(value).strip() else value
        for name, value in given.items()
    }
    try:
        return ReviewForm.model_validate(filled), []
    except ValidationError as error:
        return None, [_words(found["loc"], found["msg"]) for found in error.errors()]


def _words(where: tuple[int | str, ...], message: str) -> str:
    said = message.removeprefix("Value error, ")
    return f"{LABELS.get(str(where[0]), where[0])}: {said}" if where else said


def show(form: ReviewForm) -> None:
    """List what a written review says."""
    rows = [
        (label, _written(getattr(form, name)))
        for name, label in LABELS.items()
        if getattr(form, name) is not None
    ]
    st.dataframe(
        pl.DataFrame(rows, schema=["Field", "Review"], orient="row"),
        hide_index=True,
        height="content",
        alt="What the review says",
        column_config={"Review": st.column_config.TextColumn(width="large")},
    )


def _written(value: Any) -> str:
    if isinstance(value, date):
        return fmt.day(value)
    return fmt.number(value) if isinstance(value, float) else str(value)
