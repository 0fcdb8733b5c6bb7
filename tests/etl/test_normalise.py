"""Numbers, units, durations, dates and names: parsed strictly, never guessed."""

import hmac
from datetime import date, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl import normalise as to
from etl import procedures, units
from etl.pseudonym import SEPARATOR

few = settings(max_examples=60, deadline=None)


def read(text: str, decimal: to.Decimal = ".", unit: str = "mGy", sent=None, clock=None):
    frame = pl.DataFrame({"t": [text]}, schema={"t": pl.String})
    return frame.select(to.quantity(pl.col("t"), decimal, unit, sent, clock)).item()


@few
@given(st.floats(0, 1e9), st.sampled_from([".", ","]))
def test_plain_numbers_in_either_style(value: float, decimal: to.Decimal):
    text = repr(value).replace(".", decimal)
    assert read(text, decimal) == pytest.approx(value, rel=1e-11)


@few
@given(st.integers(1000, 999_999_999), st.integers(0, 99))
def test_thousands_marks_follow_the_files_style(whole: int, cents: int):
    point = f"{whole:,}.{cents:02}"
    comma = point.translate(str.maketrans(",.", ".,"))
    value = whole + cents / 100
    assert read(point, ".") == pytest.approx(value, rel=1e-11)
    assert read(comma, ",") == pytest.approx(value, rel=1e-11)
    assert read(comma, ".") is None
    assert read(point, ",") is None


@pytest.mark.parametrize(
    "text", ["", "abc", "1,23", "1,2345", "12,34.5", "1.2.3", "1 2", "--1", "1e", "12:30", "1-2"]
)
def test_what_is_no_number_stays_unread(text: str):
    assert read(text) is None


SPELLINGS = {
    1.0: ["Gycm2", "Gy*cm^2", "Gy·cm²", "Gy-cm2", "Gy cm2", "Gy.cm2", "Gy/cm2", "GY·CM²", "cm²·Gy"],
    0.1: ["dGy.cm2", "dGycm2", "dGy·cm²"],
    0.01: ["cGy·cm²", "cGycm2", "uGy.m2", "µGy·m²", "μGym²"],
    0.001: ["mGy.cm2", "mGy/cm2", "mGy·cm²"],
    1e-6: ["uGy.cm2", "µGy·cm²"],
    1e4: ["Gy.m^2", "Gy·m²", "Gym2"],
    10.0: ["mGy.m2"],
}


@pytest.mark.parametrize(
    ("factor", "unit"), [(f, u) for f, many in SPELLINGS.items() for u in many]
)
def test_spellings_of_the_kerma_area_product(factor: float, unit: str):
    assert units.factor(unit, "Gy·cm²") == pytest.approx(factor, rel=1e-12)
    assert units.is_misprint(unit) == ("/" in unit)
    assert read(f"2.5 {unit}", unit="Gy·cm²") == pytest.approx(2.5 * factor, rel=1e-11)


@pytest.mark.parametrize(
    ("sent", "canonical", "factor"),
    [
        ("Gy", "mGy", 1000),
        ("cGy", "mGy", 10),
        ("µGy", "mGy", 0.001),
        ("rad", "mGy", 10),
        ("min", "s", 60),
        ("h", "min", 60),
        ("m", "cm", 100),
        ("lb", "kg", 0.45359237),
        ("mGycm", "mGy·cm", 1),
        ("Gy·cm", "mGy·cm", 1000),
        ("Y", "year", 1),
    ],
)
def test_other_units(sent: str, canonical: str, factor: float):
    assert units.factor(sent, canonical) == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize(
    ("sent", "canonical"),
    [
        ("furlong", "Gy·cm²"),
        ("mGy", "Gy·cm²"),
        ("Gy·cm²", "mGy"),
        ("R", "mGy"),
        ("m", "s"),
        ("e", "mGy"),
    ],
)
def test_a_unit_of_another_quantity_is_none(sent: str, canonical: str):
    assert units.factor(sent, canonical) is None
    assert read(f"1 {sent}", unit=canonical) is None


@few
@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_clock_durations(hours: int, minutes: int, seconds: int):
    assert (
        read(f"{hours}:{minutes:02}:{seconds:02}", unit="s")
        == hours * 3600 + minutes * 60 + seconds
    )
    assert read(f"{minutes}:{seconds:02}", unit="s") == minutes * 60 + seconds
    assert read(f"{hours}:{minutes:02}", unit="min", clock="hh:mm") == hours * 60 + minutes
    assert read(f"{minutes}:{seconds:02}", unit="min") is None, "two parts are ambiguous in minutes"
    assert read(f"{hours}:75", unit="s") is None


def stamp(text: str, *formats: str, zone: str = "Europe/Berlin"):
    frame = pl.DataFrame({"t": [text]}, schema={"t": pl.String})
    return frame.select(to.stamp(pl.col("t"), formats, zone)).item()


@few
@given(st.datetimes(datetime(1971, 1, 1), datetime(2099, 1, 1)), st.sampled_from([" ", "T"]))
def test_iso_times_round_trip(when: datetime, between: str):
    assert stamp(when.isoformat(between)) == when
    whole = when.replace(second=0, microsecond=0)
    assert stamp(whole.strftime(f"%Y-%m-%d{between}%H:%M")) == whole


def test_offsets_become_the_wall_clock_of_the_site():
    assert stamp("2026-01-05T10:00:00Z") == datetime(2026, 1, 5, 11)
    assert stamp("2026-07-05 10:00:00+00:00") == datetime(2026, 7, 5, 12)
    assert stamp("2026-07-05T10:00+02:00") == datetime(2026, 7, 5, 10)


@pytest.mark.parametrize(
    "text", ["05.01.2026 10:00", "2026-13-01 10:00", "2026-01-05", "25:00", "x"]
)
def test_undeclared_or_impossible_times_stay_unread(text: str):
    assert stamp(text) is None


@few
@given(st.dates(date(1971, 1, 1), date(2099, 1, 1)))
def test_declared_date_formats(day: date):
    frame = pl.DataFrame({"t": [day.strftime("%d.%m.%Y")]})
    parse = to.day(pl.col("t"), ("%d.%m.%Y",), (), "Europe/Berlin")
    assert frame.select(parse).item() == day
    assert frame.select(to.day(pl.col("t"), (), (), "Europe/Berlin")).item() is None


def test_the_hour_left_out_by_summer_time():
    times = [
        datetime(2026, 3, 29, 1, 59),
        datetime(2026, 3, 29, 2, 0),
        datetime(2026, 3, 29, 2, 59),
        datetime(2026, 3, 29, 3, 0),
        datetime(2026, 10, 25, 2, 30),
    ]
    found = pl.DataFrame({"t": times}).select(to.in_gap(pl.col("t"), "Europe/Berlin"))
    assert found.to_series().to_list() == [False, True, True, False, False]
    assert to.gap_slots("UTC") == ()


one_key = st.binary(min_size=1, max_size=100).filter(lambda key: SEPARATOR not in key)


@few
@given(
    st.text(min_size=1).filter(lambda t: t.isprintable()), st.lists(one_key, min_size=1, max_size=3)
)
def test_pseudonyms_are_hmac_sha256(identifier: str, keys: list[bytes]):
    expected = identifier.encode()
    for key in keys:
        expected = hmac.new(key, expected, "sha256").digest()
    assert to.pseudonymiser(SEPARATOR.join(keys))(identifier) == expected.hex()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Left L4/5 facet joint injection", "FACET_L"),
        ("lumbar TFESI", "TFESI_L"),
        ("S1 TFESI", "TFESI_L"),
        ("C5/6 nerve root block", "TFESI_C"),
        ("Vertebroplasty", "VP"),
        ("CT-guided facet joint infiltration", "FACET_UNSPEC"),
        ("TFESI_L", "TFESI_L"),
        ("RFA + VA", "RFA_VA"),
        ("RFA", None),
        ("L4 RFA", None),
        ("CESI", None),
        ("VA", None),
        ("left block", None),
        ("TESI", None),
        ("PRI", None),
        ("facet joint injektion", None),
        ("test", "QA"),
        ("tests of taste", None),
        ("", None),
    ],
)
def test_procedure_names_map_by_exact_synonym_only(name: str, code: str | None):
    assert procedures.code(name) == code


def test_similar_names_are_suggested_not_applied():
    assert "STELLATE" in procedures.suggestions("stellate ganglion blokc")
    assert procedures.code("stellate ganglion blokc") is None


def test_complications_are_written_in_one_way():
    assert to.complications(" Haematoma : 2 | vasovagal  reaction|haematoma:2", {}) == (
        "haematoma:2|vasovagal reaction"
    )
    assert to.complications("None", {}) == "none"
    assert to.complications("Keine", {"keine": "none"}) == "none"
