"""What `planted.json` says: every planted fact, its place, its size and what a rule finds."""

from typing import Any

import polars as pl

from etl.demo import dose, outcomes, plant, schedule
from etl.demo.catalogue import Plan, procedures


def record(log: pl.DataFrame, planted: dict[str, Any], plan: Plan, seed: int) -> dict[str, Any]:
    """Put the record together from what was set and what the written log holds."""
    growth = plant.drift_per_month(log)
    day = {name: value.isoformat() for name, value in plant.dates(plan.end).items()}
    return {
        "rows": log.height,
        "seed": seed,
        "start": plan.start.isoformat(),
        "end": plan.end.isoformat(),
        "sites": sorted({room.site for room in plan.rooms}),
        "rooms": [room.room for room in plan.rooms],
        "operators": sorted({name for room in plan.rooms for name in room.operators}),
        "status": _counts(log, "status"),
        "modality": _counts(log, "modality"),
        "dose_drop": {
            "site": plant.DROP_SITE,
            "modality": "fluoroscopy",
            "from": day["drop_from"],
            "factor": plant.DROP_FACTOR,
            "fields": list(plant.AIR_KERMA_KAP),
            "why": "pulse rate and dose level of the fluoroscopy protocol lowered",
        },
        "drift": {
            "room": plant.DRIFT_ROOM,
            "from": day["drift_from"],
            "per_month": growth,
            "first_month_factor": 1 + growth,
            "fields": list(plant.AIR_KERMA_KAP),
        },
        **planted,
        "expected_hits": plant.expected_hits(log),
        "size": {
            "typical_bmi": dose.TYPICAL_BMI,
            "fluoroscopy_curve": {
                "bmi": dose.SIZE_BMI.tolist(),
                "relative_kap": dose.SIZE_KAP.tolist(),
            },
            "ct_per_5_bmi": 1.2,
            "factor_per_level": dose.LEVEL_DOSE,
        },
        "workflow": _workflow(),
        "outcome": _outcome(),
        "medians": _medians(),
    }


def _counts(log: pl.DataFrame, column: str) -> dict[str, int]:
    """Count the values of a column."""
    return dict(log.group_by(column).len().sort(column).iter_rows())


def _workflow() -> dict[str, Any]:
    """Say the planted effects on times."""
    return {
        "monday_first_case_extra_min": schedule.MONDAY_LATE_MIN,
        "slow_room": {"room": schedule.SLOW_ROOM, "duration_factor": schedule.SLOW_FACTOR},
        "turnover_lunch_extra_min": schedule.LUNCH_EXTRA_MIN,
        "turnover_friday_extra_min": schedule.FRIDAY_EXTRA_MIN,
        "trainee_duration_factor": round(schedule.TRAINEE_FACTOR * 1.06, 3),
        "level_duration_factor": schedule.LEVEL_FACTOR,
        "cancelled_share_of_later_cases": schedule.CANCELLED_SHARE * 1.25,
        "withdrawn_share": schedule.WITHDRAWN_SHARE,
    }


def _outcome() -> dict[str, Any]:
    """Say the planted rates and effects on outcome."""
    return {
        "complication_rate": outcomes.COMPLICATED,
        "satisfaction_top_two": round(sum(outcomes.SATISFACTION[3:]), 4),
        "fluoroscopy_better_by_nrs": outcomes.FLUOROSCOPY_BETTER_BY,
        "fluoroscopy_better_at": list(outcomes.BETTER_AT),
        "completeness_of_due_follow_ups": outcomes.COMPLETE,
        "odi_difference_between_modalities": 0,
        "pars_ct_responders": {"15min": 56 / 134, "1mo": 73 / 134, "gained": 27, "lost": 10},
        "vas_0_100_site": outcomes.VAS_100_SITE,
    }


def _medians() -> list[dict[str, Any]]:
    """List the median each procedure's dose was drawn round, with its source.

    It is the median of one-level cases of a patient of `at_bmi`, before drop, drift and outliers.
    """
    columns = [
        "proc_code",
        "modality",
        "log_name",
        "spread",
        "kap_gycm2",
        "at_bmi",
        "area_cm2",
        "fluoro_time_s",
        "dlp_mgycm",
        "ctdi_vol_mgy",
        "source",
    ]
    return procedures().select(columns).filter(pl.col("spread").is_not_null()).to_dicts()
