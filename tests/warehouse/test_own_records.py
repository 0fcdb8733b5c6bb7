"""What people record beside the reviews: protocol changes and own levels."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from tests.people import rso
from warehouse import confirmed_coefficients as coefficients
from warehouse import local_levels, protocol_changes
from warehouse.access import SYSTEM, Person, RefusedError, Scope
from warehouse.confirmed_coefficients import CoefficientError
from warehouse.protocol_changes import NAME, ProtocolChangesError
from warehouse.review_rules import versions
from warehouse.review_store import engine
from warehouse.review_tables import metadata, protocol_change, reviews_meta
from warehouse.settings import Settings

LEVEL = {
    "modality": "CT", "procedure_code": "TFESI_L", "size_band": "all adult sizes",
    "dose_index": "dlp_mgycm", "kind": "typical value", "value": 9.5, "low": 8.0, "high": None,
    "unit": "mGy·cm", "rooms": 2, "cases": 80, "filters": "all", "from_date": date(2026, 1, 1),
    "to_date": None, "snapshot": "s.duckdb",
}  # fmt: skip


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def test_a_change_is_recorded_withdrawn_and_never_forgotten(own: Settings) -> None:
    number = protocol_changes.record(own, rso("Ada"), date(2026, 3, 1), " 7.5 pulses ", room="R1")
    row = protocol_changes.recorded(own, SYSTEM).row(0, named=True)
    assert (row["what"], row["room"], row["site"], row["person"]) == (
        "7.5 pulses",
        "R1",
        None,
        "Ada",
    )
    protocol_changes.withdraw(own, number, rso("Bo"))
    assert protocol_changes.recorded(own, SYSTEM).is_empty()
    with engine(own).connect() as con:
        kept = con.execute(sa.select(protocol_change)).one()
    assert (kept.person, kept.withdrawn_by) == ("Ada", "Bo")
    with pytest.raises(ProtocolChangesError, match="withdrawn already"):
        protocol_changes.withdraw(own, number, rso("Bo"))


def test_a_change_needs_words_a_person_and_a_day_that_has_come(own: Settings) -> None:
    tomorrow = date.today() + timedelta(days=1)
    for person, day, what, reason in (
        (rso("Ada"), date(2026, 3, 1), "  ", "few words"),
        (rso(" "), date(2026, 3, 1), "x", "by a person"),
        (rso("Ada"), tomorrow, "x", "not come"),
    ):
        with pytest.raises(ProtocolChangesError, match=reason):
            protocol_changes.record(own, person, day, what)
    assert protocol_changes.recorded(own, SYSTEM).is_empty()


def test_changes_of_the_file_and_of_the_app_stand_in_one_order(own: Settings) -> None:
    (own.data_dir / NAME).write_text("changed_on,what\n2026-05-01,filed\n")
    protocol_changes.record(own, rso("Ada"), date(2026, 3, 1), "first")
    protocol_changes.record(own, rso("Ada"), date(2026, 7, 1), "last")
    assert protocol_changes.all_changes(own, SYSTEM)["what"].to_list() == ["first", "filed", "last"]


def test_levels_are_saved_all_or_none_and_come_back_as_they_were(own: Settings) -> None:
    assert local_levels.save(own, pl.DataFrame([LEVEL, LEVEL | {"value": 10.0}]), rso("Ada")) == 2
    back = local_levels.saved(own, SYSTEM)
    assert back["value"].to_list() == [9.5, 10.0]
    assert {name: back.row(0, named=True)[name] for name in LEVEL} == LEVEL
    broken = pl.DataFrame([LEVEL, LEVEL | {"kind": None}])
    with pytest.raises(IntegrityError):
        local_levels.save(own, broken, rso("Ada"))
    assert len(local_levels.saved(own, SYSTEM)) == 2
    assert local_levels.saved(own, Scope(("rso",), ("Nord",))).is_empty()
    with pytest.raises(ValueError, match="by a person"):
        local_levels.save(own, pl.DataFrame([LEVEL]), rso(" "))
    with pytest.raises(ValueError, match="no level"):
        local_levels.save(own, pl.DataFrame([LEVEL]).head(0), rso("Ada"))


def test_reviews_of_the_first_version_get_the_new_tables(own: Settings) -> None:
    made = sa.create_engine(f"sqlite:///{own.data_dir / 'reviews.db'}")
    older = [t for t in metadata.sorted_tables if t.name not in ("protocol_change", "local_level")]
    metadata.create_all(made, tables=older)
    with made.begin() as con:
        con.execute(reviews_meta.insert().values(schema_version=1, created_at=sa.func.now()))
        for column in ("region", "ctdi_phantom_cm"):
            con.execute(sa.DDL(f"alter table rule_version drop column {column}"))
    made.dispose()
    assert {"region", "ctdi_phantom_cm"} <= set(versions(own).columns)
    protocol_changes.record(own, rso("Ada"), date(2026, 3, 1), "after the update")
    with engine(own).connect() as con:
        assert con.execute(sa.select(reviews_meta.c.schema_version)).scalar_one() >= 2


def test_a_coefficient_is_confirmed_and_taken_back_and_never_forgotten(own: Settings) -> None:
    lumbar, sacral = "XF-lumbar-16-103-P", "XF-sacral-16-103-P"
    assert coefficients.confirmed(own) == frozenset()
    assert coefficients.confirm(own, [lumbar, sacral], rso("Ada"), "HPA-RPD table 3") == 2
    assert coefficients.confirm(own, [lumbar, sacral], rso("Grace"), "the same again") == 0
    assert coefficients.confirm(own, [sacral], rso("Grace"), "wrong table") == 1
    assert coefficients.confirmed(own) == {sacral}
    told = coefficients.marks(own).select("coefficient_id", "confirmed", "person").rows()
    assert told == [(lumbar, False, "Grace"), (sacral, True, "Ada"), (lumbar, True, "Ada")]
    with pytest.raises(CoefficientError, match="CT-lumbar-16-103: no coefficient that waits"):
        coefficients.confirm(own, ["CT-lumbar-16-103"], rso("Ada"), "verified as it is")
    with pytest.raises(CoefficientError, match="say where"):
        coefficients.confirm(own, [], rso("Ada"), " ")
    with pytest.raises(RefusedError):
        coefficients.confirm(own, [], Person("Max", Scope(("manager",))), "no role for it")
