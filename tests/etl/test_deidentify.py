"""The de-identified table: codes, years or shifts, no small cells."""

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.deidentify import LEAST_PATIENTS, LONGEST_SHIFT_DAYS, QUASI_IDENTIFIERS, deidentify, words

FEW = 3


def cases(
    rows: Sequence[tuple[str | None, str, str, float]], start: date = date(2026, 1, 1)
) -> pl.DataFrame:
    """Return cases of (patient, site, sex, age)."""
    count = len(rows)
    frame = pl.DataFrame(
        rows,
        schema={
            "patient_key": pl.String,
            "site": pl.String,
            "sex": pl.String,
            "age_years": pl.Float64,
        },
        orient="row",
    )
    same = {"modality": "CT", "second_modality": None, "procedure_code": "VP", "region": "lumbar",
            "procedure_family": "cement", "size_band": "BMI 25–30", "laterality": None,
            "operator": "Dr Q", "room": "Room 9", "device": "D1"}  # fmt: skip
    return frame.with_columns(
        pl.Series("procedure_id", range(count), dtype=pl.Int64),
        pl.Series("performed_on", [start + timedelta(days=n) for n in range(count)], dtype=pl.Date),
        pl.Series("dlp_mgycm", [float(n) for n in range(count)], dtype=pl.Float64),
        *(pl.lit(value, dtype=pl.String).alias(name) for name, value in same.items()),
    )


ROW = st.tuples(
    st.sampled_from([None, *(f"key{n}" for n in range(9))]),
    st.sampled_from(["north", "south"]),
    st.sampled_from(["M", "F"]),
    st.sampled_from([25.0, 45.0, 90.0]),
)


@settings(max_examples=60)
@given(st.lists(ROW, max_size=40), st.sampled_from(["year", "shift"]))
def test_no_combination_is_of_few_patients(rows, dates) -> None:
    made = deidentify(cases(rows), dates, FEW)
    sizes = made.table.group_by(QUASI_IDENTIFIERS).agg(pl.col("patient").n_unique())
    assert (sizes["patient"] >= FEW).all()
    assert made.table.height + made.left_out == made.rows == len(rows)
    text = made.table.write_csv()
    assert not any(word in text for word in ("key", "north", "south", "Dr Q", "Room 9"))
    assert {"patient_key", "procedure_id", "age_years"}.isdisjoint(made.table.columns)


def test_the_usual_limit_is_ten() -> None:
    assert LEAST_PATIENTS == 11
    ten = deidentify(cases([(f"k{n}", "north", "F", 45.0) for n in range(10)]), "year")
    eleven = deidentify(cases([(f"k{n}", "north", "F", 45.0) for n in range(11)]), "year")
    assert (ten.table.height, eleven.table.height) == (0, 11)
    assert eleven.blanked == {} and ten.left_out == 10


def test_a_rare_combination_gives_up_only_what_it_must() -> None:
    rows = [(f"k{n}", "north", "F", 45.0) for n in range(20)]
    rows += [("old", "north", "F", 90.0)]
    made = deidentify(cases(rows), "year")
    assert made.table.height == 20 and made.left_out == 1
    assert made.table["age_band"].unique().to_list() == ["40-49"]


@pytest.mark.parametrize("dates", ["year", "shift"])
def test_dates(dates) -> None:
    rows = [(f"k{n % 15}", "north", "F", 45.0) for n in range(60)]
    given_cases = cases(rows, date(2026, 6, 1))
    made = deidentify(given_cases, dates)
    if dates == "year":
        assert "performed_on" not in made.table.columns
        assert made.table["year"].unique().to_list() == [2026]
        return
    moved = made.table.select("dlp_mgycm", new="performed_on").join(
        given_cases.select("dlp_mgycm", "patient_key", old="performed_on"), on="dlp_mgycm"
    )
    days = moved.select("patient_key", days=(pl.col("new") - pl.col("old")).dt.total_days())
    per_patient = days.drop_nulls().group_by("patient_key").agg(pl.col("days").n_unique())
    assert (per_patient["days"] == 1).all(), "distances within a patient stay true"
    assert days["days"].drop_nulls().abs().is_between(1, LONGEST_SHIFT_DAYS).all()
    assert days["days"].n_unique() > 2


def test_what_was_given_up_is_not_told_by_another_column_or_row() -> None:
    """A blanked site is not to be read off a room's other rows, nor a sex off the patient's."""
    rows = [(f"k{n}", "north", "F", 45.0) for n in range(40)]
    rows += [(f"k{n}", f"small{n % 2}", "F", 45.0) for n in range(40, 52)]  # two small sites
    rows += [("k0", "north", "M", 45.0)]  # rare, so k0's other row gives its sex up too
    frame = cases(rows).with_columns(
        room=pl.when(pl.col("site") == "north").then("room").otherwise("site")
    )
    table = deidentify(frame, "year").table
    without_site = table.filter(pl.col("site").is_null())
    assert without_site.height and without_site["room"].null_count() == without_site.height
    assert without_site["operator"].null_count() == without_site["device"].null_count() > 0
    assert table["room"].drop_nulls().n_unique() == table["site"].drop_nulls().n_unique() == 1
    per_patient = table.group_by("patient").agg(
        pl.col("sex").is_null().n_unique().alias("sex"), pl.col("site").is_null().n_unique()
    )
    assert (per_patient["sex"] == 1).all() and (per_patient["site"] == 1).all()


def test_codes_are_drawn_anew() -> None:
    frame = cases([(f"k{n % 40}", f"site{n % 2}", "F", 45.0) for n in range(400)])
    one, other = (deidentify(frame, "year").table.sort("dlp_mgycm")["patient"] for _ in range(2))
    assert one.to_list() != other.to_list()
    assert "left out" in words(deidentify(frame, "year"), "year")
