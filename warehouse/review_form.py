"""What a review of an outlier records: its fields, their words, and when it is complete."""

from datetime import date
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

DataCheck = Literal["confirmed", "corrected", "unit error"]
Justification = Literal[
    "patient size",
    "anatomy or hardware",
    "multi-level or combined procedure",
    "technical difficulty",
    "training case",
    "equipment or protocol fault",
    "emergency",
    "data error",
    "none found",
]
Outcome = Literal[
    "justified and optimised", "justified, could be optimised", "not justified", "data error"
]
Reaction = Literal["none seen", "grade 1", "grade 2", "grade 3", "grade 4"]
DATA_CHECKS: tuple[str, ...] = get_args(DataCheck)
JUSTIFICATIONS: tuple[str, ...] = get_args(Justification)
OUTCOMES: tuple[str, ...] = get_args(Outcome)
REACTIONS: tuple[str, ...] = get_args(Reaction)

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000)]


class ReviewForm(BaseModel):
    """One review as far as it is written; fields of TID 10015 and NCRP Statement 11.

    Doses in mGy. Every field may stay empty until the review is submitted; see :meth:`missing`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_check: DataCheck | None = None
    data_check_note: Line | None = None
    peak_skin_dose_mgy: float | None = Field(default=None, gt=0, lt=100_000)
    peak_skin_dose_method: Line | None = None
    skin_site: Line | None = None
    supervisor: Line | None = None
    protocol: Line | None = None
    pulse_rate_per_s: float | None = Field(default=None, gt=0, le=120)
    justification: Justification | None = None
    narrative: Text | None = None
    outcome: Outcome | None = None
    patient_informed_on: date | None = None
    patient_informed_by: Line | None = None
    follow_up_due: date | None = None
    follow_up_done: date | None = None
    reaction: Reaction | None = None
    action: Text | None = None
    action_owner: Line | None = None
    action_due: date | None = None
    action_done: date | None = None
    committee_minutes: Line | None = None

    @model_validator(mode="after")
    def _hold_together(self) -> "ReviewForm":
        """Refuse what contradicts itself."""
        if self.follow_up_done and not self.follow_up_due:
            raise ValueError("follow-up done: say when it was due too")
        if self.peak_skin_dose_mgy is not None and not self.peak_skin_dose_method:
            raise ValueError("peak skin dose: say by which method it was estimated")
        if self.patient_informed_on and not self.patient_informed_by:
            raise ValueError("patient informed: say by whom")
        if (self.action_owner or self.action_due or self.action_done) and not self.action:
            raise ValueError("corrective action: say what is to be done")
        if self.data_check == "unit error" and self.outcome not in (None, "data error"):
            raise ValueError("a unit error in the data has the outcome data error")
        return self

    def missing(self) -> list[str]:
        """Name what a review needs before someone can sign it."""
        needed = {
            "data check": self.data_check,
            "justification": self.justification,
            "narrative": self.narrative,
            "outcome": self.outcome,
        }
        if self.action:
            needed |= {"owner of the action": self.action_owner, "its due date": self.action_due}
        if self.data_check == "corrected":
            needed["what was corrected"] = self.data_check_note
        return [name for name, value in needed.items() if not value]

    def changed(self, other: "ReviewForm") -> dict[str, tuple[object, object]]:
        """Return the fields in which two forms differ: of this one, and of the other."""
        mine, theirs = self.model_dump(mode="json"), other.model_dump(mode="json")
        return {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}
