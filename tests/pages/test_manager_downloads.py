"""What a manager takes away: every download of every page, without small cells."""

import polars as pl
import pytest

from analytics.suppression import LARGEST, SMALLEST
from pages.shared import downloads, navigation
from tests.pages.app import claims, opened

pytestmark = pytest.mark.usefixtures("demo_settings", "provider")
OPENED = [path for path, roles in navigation.ROLES.items() if "manager" in roles]
#: Tables whose rows are counted, on the page that offers them.
OFFERED = {
    "dose/overview.py": {"volume"},
    "dose/comparison.py": {"comparison", "case-mix", "by-procedure"},
    "dose/trends.py": {"course", "volume", "control", "funnel", "drift"},
    "dose/levels.py": {"facilities", "medians", "effective"},
    "analysis/significance.py": {"significance-groups", "significance-effects"},
    "analysis/outcomes.py": {"course", "change", "complete", "difference", "bounds"},
    "analysis/followups.py": {"follow-ups-counts"},
    "workflow/times.py": {"chain", "steps", "lengthens"},
    "workflow/rooms.py": {"first", "reasons", "rooms-by", "occupancy"},
    "workflow/process.py": {"paths"},
}


@pytest.fixture(autouse=True)
def taken(monkeypatch: pytest.MonkeyPatch) -> dict[str, pl.DataFrame]:
    """Keep every table that a page offers, as it is offered."""
    found: dict[str, pl.DataFrame] = {}
    before = downloads._protected

    def kept(
        whole: pl.DataFrame, cells: downloads.Cells, counted: pl.DataFrame | None = None
    ) -> pl.DataFrame | None:
        made = before(whole, cells, counted)
        if made is not None:
            found[",".join(made.columns)] = made
            figures = [n for n in made.columns if n not in (*cells.by, *cells.words)]
            given = made.select(pl.any_horizontal(pl.col(figures).is_not_null())).to_series()
            shown = (whole if counted is None else counted).filter(given)
            for name in (cells.count, *cells.parts, *cells.also):
                assert not shown[name].cast(pl.Int64).is_between(SMALLEST, LARGEST).any(), name
            for part in cells.parts:
                rest = shown[cells.count] - shown[part].cast(pl.Int64).fill_null(0)
                assert not rest.is_between(SMALLEST, LARGEST).any(), f"others than {part}"
        return made

    monkeypatch.setattr(downloads, "_protected", kept)
    return found


@pytest.mark.parametrize("page", OPENED)
def test_a_manager_takes_counted_tables_without_small_cells(
    page: str, taken: dict[str, pl.DataFrame]
) -> None:
    at = opened(page, user=claims("manager"))
    ids = [str(button.proto.id) for button in at.get("download_button")]
    for key in OFFERED.get(page, ()):
        assert any(name.endswith(f"-{key}-csv") for name in ids), (key, ids)
    assert bool(taken) or not OFFERED.get(page)
    withheld = [b for b in at.button if (b.key or "").endswith("-withheld")]
    assert all(b.disabled and "fewer than 11" in b.help for b in withheld)


def test_a_row_with_few_events_is_held_back_with_its_share() -> None:
    frame = pl.DataFrame(
        {"g": ["a", "b", "c"], "n": [200, 300, 400], "events": [3, 40, 50],
         "share": [0.015, 0.13, 0.125]}
    )  # fmt: skip
    made = downloads._protected(frame, downloads.Cells("n", ("g",), parts=("events",)))
    assert made is not None
    assert made["share"].to_list() == [None, None, 0.125], "and one more, against the total"
    turned = frame.with_columns(events=pl.col("n") - pl.col("events"))
    made = downloads._protected(turned, downloads.Cells("n", ("g",), parts=("events",)))
    assert made is not None and made["share"][0] is None


def test_a_table_of_too_many_small_cells_is_withheld() -> None:
    frame = pl.DataFrame({"g": range(500), "n": [1] * 500})
    assert downloads._protected(frame, downloads.Cells("n", ("g",))) is None


def test_a_table_without_counts_needs_eleven_behind_it() -> None:
    assert downloads.over(11, 500) is downloads.NO_PATIENTS
    assert downloads.over(11, 10) is None
    assert downloads.over(None) is None


@pytest.mark.parametrize(("role", "hidden"), [("manager", True), ("rso", False)])
def test_streamlits_own_csv_button_is_not_for_managers(role: str, hidden: bool) -> None:
    at = opened("dose/levels.py", user=claims(role))
    drawn = [str(element.proto) for element in at.get("html")]
    assert any("stElementToolbar" in text for text in drawn) is hidden
