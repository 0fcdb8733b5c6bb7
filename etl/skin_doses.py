"""Judge peak skin doses by what reviewers estimated, wherever they did."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import polars as pl

from analytics.alerts import History, find_alerts
from analytics.rules import Rule
from warehouse.access import SYSTEM
from warehouse.alert_entry import Judged
from warehouse.case_keys import case_key_expr
from warehouse.queries import run
from warehouse.settings import Settings
from warehouse.skin_doses import COLUMN, estimated

Ask = Callable[..., pl.DataFrame]
#: What an alert rests on whose value a reviewer estimated.
BY_REVIEW = "peak skin dose as estimated in the review"


def estimates(snapshot: Path, settings: Settings) -> pl.DataFrame:
    """Return ``procedure_id`` and the estimate (mGy, or null) of cases that this snapshot has."""
    known = estimated(settings)
    if known.is_empty():
        return pl.DataFrame(schema={"procedure_id": pl.Int64(), COLUMN: pl.Float64()})
    places = run(
        "alerts_ids", snapshot, SYSTEM,
        sites=known["site"].to_list(), accessions=known["accession_number"].to_list(),
        days=known["performed_on"].to_list(), devices=known["device"].to_list(),
        starts=known["procedure_start_at"].to_list(), modalities=known["modality"].to_list(),
    )  # fmt: skip
    return places.select(
        pl.col("procedure_id").cast(pl.Int64), known[COLUMN].gather(places["place"]).alias(COLUMN)
    )


def with_estimates(cases: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Put the reviewers' estimates in place of what was sent."""
    joined = cases.join(known, on="procedure_id", how="left", suffix="_said", maintain_order="left")
    return joined.with_columns(pl.coalesce(f"{COLUMN}_said", COLUMN).alias(COLUMN)).drop(
        f"{COLUMN}_said"
    )


def patients(ask: Ask, known: pl.DataFrame) -> list[int]:
    """Return the patients (as numbers) of these cases."""
    if known.is_empty():
        return []
    theirs = ask("alerts_cases", ids=known["procedure_id"].to_list())
    return theirs["patient_key"].drop_nulls().unique().to_list()


def judge(
    snapshot: Path, settings: Settings, rules: list[Rule]
) -> tuple[pl.DataFrame, pl.DataFrame, list[Judged]]:
    """Judge the cases with an estimate by the levels of the peak skin dose, and by sums of it.

    Returns
    -------
    tuple
        What exceeds a rule, the cases it was found among, and which cases which rules judged.
    """
    mine = [r for r in rules if r.quantity == COLUMN and r.kind in ("trigger", "patient_sum")]
    ask = partial(run, snapshot=snapshot, scope=SYSTEM, runs=[])
    known = estimates(snapshot, settings)
    ids = {*known["procedure_id"], *_of_same_patients(ask, known)}
    cases = with_estimates(ask("alerts_cases", ids=sorted(ids)), known)
    own = pl.col("procedure_id").is_in(known["procedure_id"].implode())
    history = History({}, pl.DataFrame(), lambda quantity: ask("alerts_pooled", quantity=quantity))
    found = find_alerts(cases, mine, None, cases.filter(own)["procedure_id"], history)
    stated = known.drop_nulls(COLUMN)["procedure_id"]
    words = pl.when(
        pl.col("procedure_id").is_in(stated.implode()) & (pl.col("kind") == "trigger")
    ).then(pl.format("{}, {}", "basis", pl.lit(BY_REVIEW)))
    keys = cases.select(case_key_expr(), own.alias("own"))
    judged = [
        Judged(chosen["case_key"], [rule.rule_id for rule in mine if (rule.kind == kind)])
        for kind, chosen in (("trigger", keys.filter("own")), ("patient_sum", keys))
    ]
    return found.with_columns(pl.coalesce(words, "basis").alias("basis")), cases, judged


def _of_same_patients(ask: Ask, known: pl.DataFrame) -> list[int]:
    none: list[float] = []
    limits = dict.fromkeys(
        ("case_groups", "least_air_kerma_mgy", "least_kap_gycm2", "least_fluoro_time_s",
         "least_ctdi_vol_mgy", "least_dlp_mgycm", "least_ssde_mgy", "least_peak_skin_dose_mgy",
         "sites", "machines", "least_area", "most_area"), none,
    )  # fmt: skip
    return ask("alerts_found", **limits, patients=patients(ask, known))["procedure_id"].to_list()
