"""What a flag of the warehouse says, in words."""

WORDS = {
    "accession_reused": "One accession number on two dates: loaded as two procedures",
    "age_implausible": "Age outside 0 to 120 years: set aside",
    "weight_implausible": "Weight outside 2 to 300 kg: set aside",
    "height_implausible": "Height outside 40 to 220 cm: set aside",
    "bmi_implausible": "Body mass index outside 10 to 80 kg/m²: weight or height is wrong",
    "unit_suspect": "KAP and K_a,r do not fit (field area outside 10 to 1600 cm²): a unit is wrong",
    "unit_misprint": "Unit of a product written as a quotient (Gy/cm²): read as the product",
    "kap_window": "KAP outside 0.001 to 1000 Gy·cm²",
    "air_kerma_window": "K_a,r outside 0.01 to 15 000 mGy",
    "fluoro_time_window": "Fluoroscopy time outside 1 s to 180 min",
    "dlp_window": "DLP outside 0.5 to 20 000 mGy·cm",
    "ctdi_vol_window": "CTDIvol outside 0.1 to 2000 mGy",
    "kap_zero": "KAP is 0 although the beam was on",
    "index_modality": "The dose index does not exist for this modality",
    "dose_index_missing": "A plain mGy figure without its index: compared with nothing",
    "ultrasound_zero_dose": "Ultrasound with a dose of 0: not applicable, left blank",
    "date_mismatch": "Date and start time name different days",
    "duration_mismatch": "Duration differs from start and end by more than a minute",
    "duration_window": "Duration of 0 or less, or of more than 12 hours",
    "stamp_order": "Times are out of order",
    "dst_gap": "A time that the clock change skipped",
    "pain_scale_missing": "Pain scores without their scale",
    "dose_contradiction": "Log and dose report differ by more than 5 %: both kept",
    "test_patient": "Test patient, phantom or service: kept out of statistics",
    "unit_unknown": "A dose in a unit that is not understood: left blank, kept as sent",
    "value_unreadable": "A dose that is no number: left blank, kept as sent",
    "event_unreadable": "An irradiation event could not be read: the totals are the report's",
    "event_count_differs": "The report states another number of events than it holds",
    "event_sum_differs": "Total and sum of the events differ by more than 2 %: both kept",
    "zero_total_nonzero_events": "Total of 0 although its events carry dose: both kept",
    "total_missing": "Events carry dose, the report states no total",
    "offset_unreadable": "The report's offset from UTC cannot be read: its times stand as sent",
    "reports_overlap": "Dose reports share some of their events",
}


def words(flag: str) -> str:
    """Say what a flag means; one without an entry speaks for itself."""
    return WORDS.get(flag, flag.replace("_", " ").capitalize())
