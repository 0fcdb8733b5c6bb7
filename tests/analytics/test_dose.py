"""What may be compared with what, size bands, effective dose."""

from datetime import date

import polars as pl
import pytest

from analytics.dose import SIZE_BANDS, DoseIndex, Quantity, may_compare, shared_axes, size_band
from analytics.effective_dose import active_coefficients, effective_dose
from warehouse.reference import effective_dose_coefficients

TODAY = date(2026, 1, 1)
CT_DLP = Quantity(DoseIndex.DLP, "CT")


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (
            Quantity(DoseIndex.CTDI_VOL, "CT"),
            Quantity(DoseIndex.AIR_KERMA, "fluoroscopy"),
            "equal numbers do not mean equal dose",
        ),
        (Quantity(None, "CT"), Quantity(None, "CT"), "does not say which dose index"),
        (CT_DLP, Quantity(DoseIndex.KAP, "ultrasound"), "not applicable, not zero"),
        (CT_DLP, Quantity(DoseIndex.DLP, "fluoroscopy"), "does not exist for fluoroscopy"),
        (
            Quantity(DoseIndex.CTDI_VOL, "CT", 16),
            Quantity(DoseIndex.CTDI_VOL, "CT", 32),
            "16 cm and the 32 cm phantom",
        ),
        (
            Quantity(DoseIndex.FLUORO_TIME, "CT"),
            Quantity(DoseIndex.FLUORO_TIME, "fluoroscopy"),
            "different dose rates",
        ),
    ],
)
def test_refusal_says_why(first: Quantity, second: Quantity, reason: str) -> None:
    for verdict in (may_compare(first, second), may_compare(second, first)):
        assert not verdict.allowed
    assert reason in may_compare(first, second).reason


def test_same_index_is_comparable_and_effective_dose_across_modalities_with_its_band() -> None:
    assert may_compare(CT_DLP, CT_DLP).allowed
    ct, xa = (Quantity(DoseIndex.EFFECTIVE_DOSE, m) for m in ("CT", "fluoroscopy"))
    verdict = may_compare(ct, xa)
    assert verdict.allowed
    assert "band" in verdict.reason


def test_ct_and_fluoroscopy_share_effective_dose_only() -> None:
    assert shared_axes({"CT", "fluoroscopy", "ultrasound"}) == (DoseIndex.EFFECTIVE_DOSE,)
    assert DoseIndex.DLP in shared_axes({"CT", "ultrasound"})
    assert shared_axes({"ultrasound"}) == ()


def test_size_bands() -> None:
    cases = pl.DataFrame(
        {
            "bmi": [18.4, 18.5, 25.0, 30.0, None, float("nan"), 22.0, 22.0, 16.0],
            "weight_kg": [50.0, 60, 80, 95, 70, 70, 14.9, 80, None],
            "age_years": [40.0, 40, None, 40, 40, 40, 3, 15, 2],
        }
    )
    bands = cases.select(size_band())["size_band"].to_list()
    assert bands == [
        "BMI < 18.5",
        "BMI 18.5–25",
        "BMI 25–30",
        "BMI ≥ 30",
        "size unknown",
        "size unknown",
        "child 5–15 kg",
        "child ≥ 80 kg",
        "size unknown",
    ]
    assert set(bands) <= set(SIZE_BANDS)


def _cases(**columns: list) -> pl.DataFrame:
    defaults = {"modality": "CT", "region": "lumbar", "age_years": 50.0}
    given = {"dlp_mgycm": None, "kap_gycm2": None} | columns
    n = max(len(v) for v in columns.values())
    full = {k: given.get(k, defaults.get(k)) for k in (*defaults, *given)}
    frame = pl.DataFrame({k: v if isinstance(v, list) else [v] * n for k, v in full.items()})
    return frame.cast(dict.fromkeys(("age_years", "dlp_mgycm", "kap_gycm2"), pl.Float64))


def test_effective_dose_of_published_examples() -> None:
    """Lee 2012 Table XII: chest 0.014 (ICRP 60) and 0.0210 (103); Kim 2009: 0.33 mSv/(Gy·cm²)."""
    cases = _cases(
        modality=["CT", "fluoroscopy", "ultrasound", "CT", "CT"],
        region=["thorax", "lumbar", "lumbar", "thorax", "extremity"],
        age_years=[60, None, 50, 6, 50],
        dlp_mgycm=[1000, None, None, 1000, 1000],
        kap_gycm2=[None, 2.0, None, None, None],
    )
    newest = effective_dose(cases, active_coefficients(effective_dose_coefficients(), TODAY))
    assert newest["effective_dose_msv"].to_list() == pytest.approx([21.0, 0.66, None, 18.0, None])
    assert newest["effective_dose_low_msv"].to_list()[:2] == pytest.approx([12.6, 0.33])
    assert newest["effective_dose_high_msv"].to_list()[:2] == pytest.approx([29.4, 0.99])
    assert newest["effective_dose_icrp"].to_list() == [103, 60, None, 60, None]
    old = effective_dose(cases, active_coefficients(effective_dose_coefficients(), TODAY, icrp=60))
    assert old["effective_dose_msv"][0] == pytest.approx(14.0)


def test_unverified_coefficient_is_off_until_confirmed() -> None:
    cases = _cases(modality=["fluoroscopy"], region=["cervical"], kap_gycm2=[10.0])
    every = effective_dose_coefficients()
    off = effective_dose(cases, active_coefficients(every, TODAY))
    assert off["effective_dose_msv"].to_list() == [None]
    confirmed = frozenset({"XF-cervical-16-103-P"})
    on = effective_dose(cases, active_coefficients(every, TODAY, confirmed=confirmed))
    assert on["effective_dose_msv"].to_list() == pytest.approx([1.0])


def test_no_estimate_from_a_childs_coefficient_or_an_unusable_dose() -> None:
    active = active_coefficients(effective_dose_coefficients(), TODAY)
    limb = _cases(
        modality=["fluoroscopy"] * 2,
        region=["extremity"] * 2,
        age_years=[50, 10],
        kap_gycm2=[1.0, 1.0],
    )
    estimated = effective_dose(limb, active)
    assert estimated["effective_dose_msv"].to_list() == pytest.approx([None, 0.005])
    assert estimated["effective_dose_source"][0] is None
    doses = _cases(dlp_mgycm=[float("nan"), float("inf"), -1.0, 0.0])
    assert effective_dose(doses, active)["effective_dose_msv"].to_list() == [None, None, None, 0.0]


def test_estimates_keep_the_order_of_the_cases_and_can_be_repeated() -> None:
    cases = _cases(age_years=[90.0, 5.0, 40.0, float("nan")], dlp_mgycm=[1.0, 2.0, 3.0, 4.0])
    active = active_coefficients(effective_dose_coefficients(), TODAY)
    once = effective_dose(cases, active)
    assert once["dlp_mgycm"].to_list() == [1.0, 2.0, 3.0, 4.0]
    assert (
        effective_dose(once, active)
        .select(sorted(once.columns))
        .equals(once.select(sorted(once.columns)))
    )
    assert effective_dose(cases.head(0), active).height == 0
