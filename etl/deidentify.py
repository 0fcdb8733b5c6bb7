"""A de-identified table of procedures: codes for names, no dates or shifted ones, no small cells.

Nothing that was replaced can be found again from the table: codes and shifts are drawn anew for
each export and kept nowhere.
"""

import secrets
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import polars as pl

Dates = Literal["year", "shift"]

#: Fewer patients than this share no combination of what could tell who they are.
LEAST_PATIENTS = 11
#: A patient's dates are moved together, by up to half a year to either side.
LONGEST_SHIFT_DAYS = 183
#: What could tell who somebody is, in the order in which it is given up for a rare combination.
QUASI_IDENTIFIERS = (
    "size_band", "laterality", "procedure_code", "age_band", "second_modality", "site", "sex",
    "year", "procedure_family", "region", "modality",
)  # fmt: skip
#: What is the same in all rows of a patient, or nearly so: given up in all of them.
_OF_THE_PERSON = {"size_band", "age_band", "site", "sex"}
#: Quasi-identifier → columns that would tell it all the same.
_TELLS = {
    "site": ("operator", "room", "device"),
    "year": ("performed_on",),
    "procedure_family": ("procedure_code",),
    "region": ("procedure_code",),
}
#: Column → start of its codes.
_CODED = {"site": "S", "operator": "O", "room": "R", "device": "D"}
_BANDS = (18, 30, 40, 50, 60, 70, 80, 90)
_RANDOM = secrets.SystemRandom()


@dataclass(frozen=True)
class Export:
    """The table, and what was given up for privacy."""

    table: pl.DataFrame
    rows: int  #: before anything was left out
    blanked: dict[str, int]  #: cells by column
    left_out: int  #: rows


def deidentify(cases: pl.DataFrame, dates: Dates, least: int = LEAST_PATIENTS) -> Export:
    """De-identify procedures.

    Parameters
    ----------
    cases
        ``procedure_id``, ``patient_key`` (null where unknown), ``performed_on``, ``age_years``
        (year), the columns of ``QUASI_IDENTIFIERS`` but ``age_band`` and ``year``, those that get
        codes (site, operator, room, device), and any that may leave as they are.
    dates
        ``year``: the year alone; ``shift``: dates moved by one random number of days a patient.
    least
        Patients that each combination of quasi-identifiers is of, at the least.
    """
    person = pl.coalesce("patient_key", pl.format("case {}", "procedure_id"))
    frame = cases.with_columns(person=person).sample(fraction=1.0, shuffle=True, seed=_seed())
    frame = _dated(frame, dates).with_columns(age_band=_age_band())
    coded = {name: start for name, start in {"person": "P", **_CODED}.items() if name in frame}
    frame = frame.with_columns(_codes(frame[name], start) for name, start in coded.items())
    frame, blanked = _generalised(frame, least)
    whole = frame.filter(_people() >= least)
    kept = whole.drop("patient_key", "procedure_id", "age_years").rename({"person": "patient"})
    first = ["patient", "year", *(["performed_on"] if dates == "shift" else [])]
    table = kept.select(*first, pl.exclude(first)).sort("patient", "year")
    return Export(table, cases.height, blanked, cases.height - table.height)


def _dated(frame: pl.DataFrame, dates: Dates) -> pl.DataFrame:
    """Give each row its year, and each patient a shift where dates stay."""
    if dates == "year":
        return frame.with_columns(year=pl.col("performed_on").dt.year()).drop("performed_on")
    persons = frame["person"].unique()
    days = [d for d in range(-LONGEST_SHIFT_DAYS, LONGEST_SHIFT_DAYS + 1) if d]
    shifts = pl.DataFrame(
        {"person": persons, "days": [_RANDOM.choice(days) for _ in range(persons.len())]},
        schema={"person": pl.String, "days": pl.Int64},
    )
    moved = pl.col("performed_on") + pl.duration(days="days")
    frame = frame.join(shifts, on="person", maintain_order="left")
    frame = frame.with_columns(performed_on=moved).drop("days")
    return frame.with_columns(year=pl.col("performed_on").dt.year())


def _age_band() -> pl.Expr:
    """Return ages in bands; the last is 90 and more."""
    bands = [(90, "90+"), *((a, f"{a}-{b - 1}") for a, b in reversed(list(pairwise(_BANDS))))]
    age = pl.col("age_years")
    return pl.coalesce(
        *(pl.when(age >= start).then(pl.lit(label)) for start, label in [*bands, (0, "<18")])
    )


def _codes(values: pl.Series, start: str) -> pl.Series:
    """Replace each value by a code, numbered in a random order."""
    distinct = values.drop_nulls().unique().to_list()
    _RANDOM.shuffle(distinct)
    width = len(str(len(distinct)))
    codes = [f"{start}{number:0{width}}" for number in range(1, len(distinct) + 1)]
    fresh = values.replace_strict(distinct, codes, default=None, return_dtype=pl.String)
    return fresh.alias(values.name)


def _people() -> pl.Expr:
    """Return how many patients share a row's combination."""
    return pl.col("person").n_unique().over(QUASI_IDENTIFIERS)


def _generalised(frame: pl.DataFrame, least: int) -> tuple[pl.DataFrame, dict[str, int]]:
    """Blank one quasi-identifier after the other where a combination is of too few patients.

    What tells a value goes with it: a room its site, another row of the patient the patient's sex.
    """
    blanked: dict[str, int] = {}
    for name in QUASI_IDENTIFIERS[:-1]:
        frame = frame.with_columns(gone=_people() < least)
        if name in _OF_THE_PERSON:
            frame = frame.with_columns(pl.col("gone").any().over("person"))
        blanked[name] = frame.filter(pl.col("gone") & pl.col(name).is_not_null()).height
        columns = [n for n in (name, *_TELLS.get(name, ())) if n in frame.columns]
        frame = frame.with_columns(pl.when(~pl.col("gone")).then(n).alias(n) for n in columns)
        frame = frame.drop("gone")
    return frame, {name: count for name, count in blanked.items() if count}


def _seed() -> int:
    return _RANDOM.getrandbits(63)


def words(export: Export, dates: Dates) -> str:
    """Say what was done, for whoever receives the table."""
    told = {
        "year": "Of dates the year alone is left.",
        "shift": "All dates of a patient are moved by one random number of days "
        f"(1 to {LONGEST_SHIFT_DAYS}, either way); distances within a patient are true.",
    }
    given_up = ", ".join(f"{name} {count}" for name, count in export.blanked.items()) or "none"
    return (
        "De-identified procedures, from Kerma.\n\n"
        f"{told[dates]} Patients, sites, operators, rooms and devices are codes drawn for this "
        "file alone. Ages are in bands, 90+ the last. Accession numbers, UIDs, times of day, names "
        "of procedures as sent and free text are left out; test patients and withdrawn cases too.\n"
        f"Every combination of {', '.join(QUASI_IDENTIFIERS)} is of {LEAST_PATIENTS} or more "
        "patients. What would tell a blanked value is blanked with it: rooms, devices and "
        "operators with the site, sex, age and site in all rows of a patient. "
        f"For that, cells were blanked ({given_up}) and {export.left_out} of "
        f"{export.rows} procedures left out, so rare cases are missing: rates of rare events and "
        "sums over all procedures are not those of the department.\n"
        "It remains personal data in the sense of the law while somebody could still match it with "
        "other knowledge: pass it on under an agreement, not in public.\n"
    )
