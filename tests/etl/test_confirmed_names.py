"""A person gives a procedure name a code; past rows follow at the next refresh."""

from pathlib import Path

import pytest

from etl.refresh import Asked, refresh
from tests.etl.test_operations import here
from tests.people import rso
from warehouse.confirmed_names import ConfirmedNameError, confirm, confirmed_names
from warehouse.connect import current_snapshot, cursor
from warehouse.settings import Settings

HEADER = "site,accession_number,modality,performed_on,procedure_name\n"


def load(settings: Settings, **files: str) -> list[tuple]:
    settings.inbox.mkdir(parents=True, exist_ok=True)
    for name, rows in files.items():
        (settings.inbox / f"{name}.csv").write_text(HEADER + rows, "utf-8")
    result = refresh(settings, Asked(), lambda *_, **__: None)
    assert result.failure is None
    return [(file.counts.inserted, file.counts.unchanged) for file in result.files]


def ask(settings: Settings, sql: str) -> list[tuple]:
    snapshot = current_snapshot(settings.snapshots)
    assert snapshot is not None
    with cursor(snapshot) as con:
        return con.execute(sql).fetchall()


CODES = "select accession_number, procedure_code, region from procedure order by 1"


def test_past_and_new_rows_take_the_confirmed_code(tmp_path: Path) -> None:
    settings = here(tmp_path / "data")
    load(settings, a="north,A1,fluoroscopy,2026-01-05,Hausrezept 7\n")
    assert ask(settings, CODES) == [("A1", None, None)]
    assert ask(settings, "select name, count from unmapped_name") == [("Hausrezept 7", 1)]
    confirm(settings, "Hausrezept 7", "FACET_L", rso("Dr Rau"))
    load(settings)  # no new file: the name alone makes a publication
    assert ask(settings, CODES) == [("A1", "FACET_L", "lumbar")]
    assert ask(settings, "select count(*) from unmapped_name") == [(0,)]
    known = "select sum(n) from filter_value where field = 'procedure' and value = 'FACET_L'"
    assert ask(settings, known) == [(1,)]
    load(settings, b="north,A2,fluoroscopy,2026-01-06,Hausrezept 7\n")
    assert ask(settings, CODES)[1] == ("A2", "FACET_L", "lumbar")
    before = current_snapshot(settings.snapshots)
    load(settings)
    assert current_snapshot(settings.snapshots) == before, "nothing waits, nothing is published"


def test_a_row_sent_again_stays_unchanged(tmp_path: Path) -> None:
    settings = here(tmp_path / "data")
    row = "north,A1,fluoroscopy,2026-01-05,Hausrezept 7\n"
    load(settings, a=row)
    confirm(settings, "Hausrezept 7", "FACET_L", rso("Dr Rau"))
    load(settings)
    assert load(settings, b=row + "north,A2,CT,2026-01-06,Hausrezept 7\n") == [(1, 1)]
    assert [code for _, code, _ in ask(settings, CODES)] == ["FACET_L", "FACET_L"]


def test_the_latest_word_on_a_name_stands(tmp_path: Path) -> None:
    settings = here(tmp_path / "data")
    load(settings, a="north,A1,fluoroscopy,2026-01-05,Hausrezept 7\n")
    confirm(settings, "Hausrezept 7", "FACET_L", rso("Dr Rau"))
    load(settings)
    confirm(settings, "Hausrezept 7", "FACET_C", rso("Dr Rau"))
    load(settings)
    assert ask(settings, CODES) == [("A1", "FACET_C", "cervical")]
    assert confirmed_names(settings).select("name", "procedure_code", "person").rows() == [
        ("Hausrezept 7", "FACET_C", "Dr Rau")
    ]


@pytest.mark.parametrize(
    ("name", "code", "person", "why"),
    [
        ("x", "NO_SUCH", "me", "'NO_SUCH' is no procedure"),
        (" ", "FACET_L", "me", "no name"),
        ("x", "FACET_L", " ", "by a person"),
    ],
)
def test_what_cannot_be_confirmed(
    tmp_path: Path, name: str, code: str, person: str, why: str
) -> None:
    with pytest.raises(ConfirmedNameError, match=why):
        confirm(here(tmp_path), name, code, rso(person))
