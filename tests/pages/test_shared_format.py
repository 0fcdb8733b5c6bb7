"""Numbers, units, dates and names as pages write them."""

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.results import Estimate, NotComputable
from pages.shared import format as fmt


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (42.123, "42.1"),
        (0.01234, "0.0123"),
        (1234, "1 230"),
        (12345.6, "12 300"),
        (999.6, "1 000"),
        (99.96, "100"),
        (0.9999, "1.00"),
        (-3.21, "−3.21"),
        (1e15, "1.00e+15"),
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "–"),
    ],
)
def test_three_significant_digits(value: float | None, written: str) -> None:
    assert fmt.number(value).replace(fmt.THIN, " ") == written


@given(st.floats(1e-5, 1e11), st.booleans())
def test_a_written_number_is_within_half_a_unit_of_its_third_digit(
    size: float, negative: bool
) -> None:
    value = -size if negative else size
    written = fmt.number(value).replace(fmt.THIN, "").replace(fmt.MINUS, "-")
    assert float(written) == pytest.approx(value, rel=0.00501)


@given(st.integers(-(10**12), 10**12))
def test_a_count_is_written_in_full(value: int) -> None:
    assert int(fmt.count(value).replace(fmt.THIN, "").replace(fmt.MINUS, "-")) == value


def test_an_estimate_is_written_with_interval_and_n() -> None:
    found = Estimate(42.13, 38.2, 47.0, 1214, "m", "Gy·cm²")
    assert fmt.estimate(found, "median").replace(fmt.THIN, " ") == (
        "median 42.1 Gy·cm² (95 % CI 38.2–47.0, n = 1 214)"
    )
    assert fmt.estimate(NotComputable("no value"), "median") == "median not computed: no value"


def test_a_share_is_written_in_per_cent() -> None:
    found = Estimate(0.031, 0.0213, 0.0441, 1204, "m")
    assert fmt.share(found).replace(fmt.THIN, " ") == "3.10 % (95 % CI 2.13–4.41 %, n = 1 204)"


def test_changes_carry_their_sign() -> None:
    ratio = Estimate(0.962, 0.93, 1.01, 9, "m")
    assert [part.replace(fmt.THIN, " ") for part in fmt.ratio_change(ratio)] == [
        "−3.8 %",
        "−7 to +1 %",
    ]
    points = Estimate(0.0041, -0.001, 0.0092, 9, "m")
    assert [part.replace(fmt.THIN, " ") for part in fmt.points_change(points)] == [
        "+0.41 pp",
        "−0.1 to +0.92 pp",
    ]
    assert fmt.signed(0.001) == "0"
    column = [fmt.signed(v, 1) for v in (-2.0, -2.14, 0.04, -0.04, 1234.0)]
    assert column == ["−2.0", "−2.1", "0.0", "0.0", f"+1{fmt.THIN}234.0"]


@pytest.mark.parametrize(
    ("ends", "written"),
    [
        ((38.0, 47.0), "38.0–47.0"),
        ((-3.0, 5.0), "−3.00 to 5.00"),
        ((None, 5.0), "up to 5.00"),
        ((5.0, None), "at least 5.00"),
        ((None, None), "no interval"),
    ],
)
def test_intervals(ends: tuple[float | None, float | None], written: str) -> None:
    assert fmt.interval(*ends) == written


def test_days_moments_names() -> None:
    assert fmt.day(date(2026, 11, 5)) == "5 Nov 2026"
    assert fmt.moment(datetime(2026, 11, 5, 2, 14)) == "5 Nov 2026 02:14"
    assert fmt.day(None) == "–"
    assert fmt.procedure("VP") == "Vertebroplasty (VP)"
    assert fmt.procedure("NEW_CODE") == "NEW_CODE"
    assert fmt.procedure("unmapped") == fmt.procedure(None) == "Name not mapped"
    assert fmt.plural(1, "case") == "1 case" and fmt.plural(2, "case") == "2 cases"
    assert fmt.measure("kap_gycm2").axis == "Kerma-area product (Gy·cm²)"
    assert fmt.measure("other_column").axis == "other column"


def test_measures_have_the_units_of_the_analyses() -> None:
    from analytics.dose import DoseIndex

    for index in DoseIndex:
        assert fmt.measure(index.column).unit == index.unit
