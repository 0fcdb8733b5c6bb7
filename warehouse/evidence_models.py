"""What a row of evidence is: results, studies, risk of bias and certainty, with their checks."""

import itertools
import math
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Measure = Literal[
    "MD", "SMD", "ROM", "RR", "OR", "RD", "PROPORTION", "MEAN", "MEDIAN", "PERCENTILE"
]
Kind = Literal["continuous", "events", "effect", "figure"]
Number = float | None
ARM_NUMBERS = ("n", "mean", "sd", "median", "q1", "q3", "min", "max", "events")


class EvidenceError(ValueError):
    """Something in the evidence that a person has to correct; the text says what and how."""


class Result(BaseModel):
    """What one study says of one outcome at one time: one row.

    ``study`` names the patients: two rows of one study hold the same people. Numbers of group 1 and
    2 end in ``_1`` and ``_2``; a row without ``group_2`` describes one group. PROPORTION and RD are
    percent where ``unit`` is ``%``, fractions where it is empty.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, frozen=True)

    study: str = Field(min_length=1, max_length=80, description="first author and year")
    year: int | None = Field(None, ge=1900, le=2100)
    doi: str = Field("", pattern=r"^(10\.\d{4,9}/\S+)?$")
    source: str = Field(min_length=1, max_length=300, description="page, table or figure")
    design: str = Field("", max_length=120)
    population: str = Field("", max_length=200)
    question: str = Field(min_length=1, max_length=120, description="what is pooled together")
    outcome: str = Field(min_length=1, max_length=120)
    timepoint: str = Field("", max_length=60)
    unit: str = Field("", max_length=30)
    better: Literal["lower", "higher", ""] = ""
    group_1: str = Field("", max_length=80)
    group_2: str = Field("", max_length=80)
    n_1: int | None = Field(None, ge=1, le=100_000_000)
    mean_1: Number = None
    sd_1: Number = Field(None, gt=0)
    median_1: Number = None
    q1_1: Number = None
    q3_1: Number = None
    min_1: Number = None
    max_1: Number = None
    events_1: int | None = Field(None, ge=0)
    n_2: int | None = Field(None, ge=1, le=100_000_000)
    mean_2: Number = None
    sd_2: Number = Field(None, gt=0)
    median_2: Number = None
    q1_2: Number = None
    q3_2: Number = None
    min_2: Number = None
    max_2: Number = None
    events_2: int | None = Field(None, ge=0)
    conversion: Literal["Luo and Wan", "McGrath"] = "Luo and Wan"
    measure: Measure | None = None
    effect: Number = None
    low: Number = None
    high: Number = None
    level: float = Field(0.95, gt=0.5, lt=1)
    patients: int | None = Field(None, ge=1, le=100_000_000)
    subgroup: str = Field("", max_length=80)
    covariate: Number = None
    covariate_name: str = Field("", max_length=60)
    own: str = Field("", description="the department's figure of the same kind")
    check: str = Field("", max_length=300, description="what checking the figure found")
    usable: Literal["yes", "no"] = "yes"
    published_rows: str = Field("", description="row_id in published.csv")
    note: str = Field("", max_length=800)
    entered_by: str = Field("", max_length=80)
    entered_at: str = Field("", max_length=40)

    @field_validator("*", mode="after")
    @classmethod
    def _finite(cls, value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError("write a number")
        return value

    def arm(self, which: Literal[1, 2]) -> dict[str, float | None]:
        """Return the numbers of one group by name: n, mean, sd, median, q1 …."""
        return {name: getattr(self, f"{name}_{which}") for name in ARM_NUMBERS}

    @property
    def kind(self) -> Kind:
        """Say which numbers the row has; a figure has no spread and is shown, not pooled."""
        if self.events_1 is not None:
            return "events"
        if self.mean_1 is not None or self.median_1 is not None:
            return "continuous" if _has_spread(self.arm(1)) else "figure"
        return "effect" if self.low is not None else "figure"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        given = [self.events_1 is not None, self.mean_1 is not None, self.median_1 is not None]
        if self.effect is not None:
            if any(given):
                raise ValueError("gives an effect and group numbers: keep one of them")
            self._check_effect()
            return self
        if not any(given):
            raise ValueError(
                "has no numbers: fill n_1 and events_1, n_1 with mean_1 and sd_1 or median_1 with"
                " quartiles, or effect with low and high"
            )
        two = self.group_2 != "" or any(v is not None for v in self.arm(2).values())
        for which in (1, 2) if two else (1,):
            self._check_arm(which)
        if two and (self.events_1 is None) != (self.events_2 is None):
            raise ValueError("gives events for one group only: fill events_1 and events_2")
        return self

    def _check_effect(self) -> None:
        if self.measure is None:
            raise ValueError("gives an effect without measure: write RR, OR, RD, MD, SMD …")
        if (self.low is None) != (self.high is None):
            raise ValueError("gives one end of the interval only: fill low and high, or neither")
        if self.low is None or self.high is None or self.effect is None:
            return
        if not self.low < self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}: swap them")
        if not self.low <= self.effect <= self.high:
            raise ValueError(
                f"effect {self.effect:g} lies outside {self.low:g} to {self.high:g}: read the"
                " paper's numbers again"
            )
        if self.measure in ("RR", "OR", "ROM") and self.low <= 0:
            raise ValueError(
                f"low {self.low:g} of a ratio is not above 0: enter the ratio, not its logarithm"
            )

    def _check_arm(self, which: Literal[1, 2]) -> None:
        arm = self.arm(which)
        if arm["n"] is None:
            raise ValueError(f"has no n_{which}: fill in the patients of group {which}")
        if arm["events"] is not None:
            if arm["events"] > arm["n"]:
                raise ValueError(
                    f"events_{which} {arm['events']:g} is more than n_{which} {arm['n']:g}: events"
                    " are counted in patients"
                )
            return
        if arm["mean"] is None and arm["median"] is None:
            raise ValueError(
                f"has no numbers of group {which}: fill mean_{which} or median_{which}"
            )
        if arm["mean"] is not None and arm["median"] is not None:
            raise ValueError(f"gives mean_{which} and median_{which}: keep one of them")
        if arm["mean"] is not None and arm["sd"] is None and which == 2 and self.sd_1 is not None:
            raise ValueError(f"has mean_{which} without sd_{which}: fill it in (SD = SE × √n)")
        self._check_order(arm, which)

    def _check_order(self, arm: Mapping[str, float | None], which: int) -> None:
        order = ("min", "q1", "median", "q3", "max")
        given = [(name, value) for name in order if (value := arm[name]) is not None]
        for (left, a), (right, b) in itertools.pairwise(given):
            if a > b:
                raise ValueError(f"{left}_{which} {a:g} is above {right}_{which} {b:g}: swap them")
        for left, right in (("q1", "q3"), ("min", "max")):
            if (arm[left] is None) != (arm[right] is None):
                raise ValueError(f"has one of {left}_{which} and {right}_{which}: fill both")


def _has_spread(arm: Mapping[str, float | None]) -> bool:
    """Say whether a continuous group has an SD, quartiles or a range."""
    return any(arm[name] is not None for name in ("sd", "q1", "min"))


class Study(BaseModel):
    """A study as its paper describes it."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, frozen=True)
    study: str = Field(min_length=1)
    paper: str = Field(pattern=r"^S\d$", description="the paper in which it is printed")
    citation: str
    year: int | None = None
    doi: str = ""
    country: str = ""
    design: str = ""
    population: str = ""
    n: int | None = Field(None, ge=1)
    age_mean_1: Number = None
    age_sd_1: Number = None
    n_1: int | None = None
    age_mean_2: Number = None
    age_sd_2: Number = None
    n_2: int | None = None
    conclusion: str = ""
    note: str = ""


Judgement = Literal["low", "some concerns", "high"]


class Bias(BaseModel):
    """Judgements of one trial in the five domains of RoB 2 (Sterne et al. 2019)."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, frozen=True)
    review: str
    study: str = Field(min_length=1)
    randomisation: Judgement
    deviations: Judgement
    missing_data: Judgement
    measurement: Judgement
    selection: Judgement
    overall: Judgement
    source: str = Field(min_length=1)
    note: str = ""


Certainty = Literal["high", "moderate", "low", "very low"]


class Grade(BaseModel):
    """One row of a summary of findings (GRADE)."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, frozen=True)
    review: str
    outcome: str
    measure: Measure
    effect: float
    low: float
    high: float
    patients: int = Field(ge=1)
    studies: int = Field(ge=1)
    certainty: Certainty
    reasons: str = ""
    source: str = Field(min_length=1)
    note: str = ""
