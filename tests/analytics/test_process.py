"""Paths of stamps by hand and from the demo; XES that a parser reads back."""

from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest

from analytics.process import ACTIVITIES, event_log, to_xes, variants
from warehouse.access import SYSTEM
from warehouse.connect import current_snapshot
from warehouse.queries import run


@pytest.fixture
def snapshot(demo_data: Path) -> Path:
    found = current_snapshot(demo_data / "snapshots")
    assert found is not None
    return found


def test_five_cases_by_hand() -> None:
    """Three cases with all seven stamps (127), one without arrival (125), one with needle-in first.

    The commonest path is 3 of 5 = 60 %; the last is named in the order in which it happened.
    """
    paths = pl.DataFrame(
        {
            "present": [125, 127, 12],
            "sorted": [None, None, [4, 3]],
            "n": [1, 3, 1],
            "median_min": [80.0, 90.0, 5.0],
            "p90_min": [80.0, 99.0, 5.0],
        },
        schema_overrides={"sorted": pl.List(pl.Int32)},
    )
    found = variants(paths)
    assert found["path"][0] == " → ".join(ACTIVITIES) and found["share"][0] == pytest.approx(0.6)
    odd = found.filter(~pl.col("in_order"))["path"].item()
    assert odd == "procedure started → patient in room"
    assert "patient arrived" not in found.filter(pl.col("median_min") == 80)["path"].item()
    assert variants(paths.head(0)).is_empty()


def test_the_demo_s_paths_add_up_and_arrival_is_missing_as_planted(snapshot: Path) -> None:
    found = variants(run("workflow_variants", snapshot, SYSTEM))
    assert found["n"].sum() == run("counts", snapshot, SYSTEM)["n_shown"].item()
    assert found["in_order"].all()
    missing = found.filter(~pl.col("path").str.contains("patient arrived"))["share"].sum()
    assert missing == pytest.approx(0.08, abs=0.02)


def test_xes_can_be_read_back(snapshot: Path) -> None:
    events = run("workflow_events", snapshot, SYSTEM, most=50)
    root = ElementTree.fromstring(to_xes(events, "Europe/Berlin"))
    traces = root.findall("trace")
    assert len(traces) == 50 == events["procedure_id"].n_unique()
    assert sum(len(trace.findall("event")) for trace in traces) == events.height
    stamps = [d.get("value") or "" for d in traces[0].iter("date")]
    assert stamps == sorted(stamps) and all(datetime.fromisoformat(s).tzinfo for s in stamps)
    table = event_log(events)
    assert table.height == events.height and set(table["activity"]) <= set(ACTIVITIES)


def test_xes_has_the_order_and_the_declarations_of_the_standard(snapshot: Path) -> None:
    """IEEE 1849: extensions, globals, classifiers, traces; a classifier's keys are global."""
    events = run("workflow_events", snapshot, SYSTEM, most=5)
    root = ElementTree.fromstring(to_xes(events, "Europe/Berlin"))
    kinds = list(dict.fromkeys(child.tag for child in root))
    assert kinds == ["extension", "global", "classifier", "trace"]
    declared = {g.get("scope"): {a.get("key") for a in g} for g in root.findall("global")}
    assert root.find("classifier") is not None
    keys = {key for c in root.findall("classifier") for key in (c.get("keys") or "").split()}
    assert keys <= declared["event"]
    for trace in root.findall("trace"):
        assert declared["trace"] <= {a.get("key") for a in trace if a.tag != "event"}
        for event in trace.findall("event"):
            assert {a.get("key") for a in event} == declared["event"]
    prefixes = {e.get("prefix") for e in root.findall("extension")}
    named = {key.partition(":")[0] for keys in declared.values() for key in keys if key}
    assert named <= prefixes


def test_names_that_look_like_markup_stay_text_and_what_xml_cannot_hold_is_marked() -> None:
    events = pl.DataFrame(
        {
            "procedure_id": [1], "step": [3], "happened_at": [datetime(2026, 7, 1, 8)],
            "site": ['A & "B" <x>\x0b\ufffe\t\U0001fa7b'], "room": [None], "modality": ["CT"],
            "procedure_code": [None],
        },
        schema_overrides={"room": pl.String, "procedure_code": pl.String},
    )  # fmt: skip
    root = ElementTree.fromstring(to_xes(events, "Europe/Berlin"))
    values = [s.get("value") for s in root.iter("string")]
    assert 'A & "B" <x>\ufffd\ufffd\t\U0001fa7b' in values
    assert [d.get("value") for d in root.findall(".//event/date")] == ["2026-07-01T08:00:00+02:00"]
    assert ElementTree.fromstring(to_xes(events.head(0), "UTC")).findall("trace") == []
