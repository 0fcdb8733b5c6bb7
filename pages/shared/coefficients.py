"""The coefficients of effective dose in force: verified ones, and those that a person confirmed."""

from datetime import date

import polars as pl

from analytics.effective_dose import active_coefficients
from warehouse.confirmed_coefficients import confirmed
from warehouse.reference import effective_dose_coefficients
from warehouse.settings import shown


def in_force() -> pl.DataFrame:
    """Return one coefficient for each index, region and age band, as of today."""
    return active_coefficients(
        effective_dose_coefficients(), date.today(), confirmed=confirmed(shown())
    )
