"""Alerts as the judgement enters them: new ones once, known ones brought up to date."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa

from warehouse.review_form import ReviewForm
from warehouse.review_store import frame, now, reading, writing
from warehouse.review_tables import alert, judged_run, review, review_event
from warehouse.settings import Settings

#: Who is named in the history where nobody but the programme acted.
KERMA = "Kerma"
#: Number that all processes agree on while one of them enters alerts.
ENTRY_LOCK = 7_430_119
#: Columns that a new judgement of a known alert brings up to date.
JUDGED = (
    "performed_on", "modality", "procedure_code", "procedure_name", "size_band", "room", "operator",
    "age_years", "bmi", "kind", "level", "quantity", "value", "limit_value", "ratio", "score",
    "own_median", "n_basis", "basis", "unit_suspect", "rule_threshold", "rule_window_months",
    "rule_source", "rule_valid_from",
)  # fmt: skip
KEY = ("case_key", "rule_id")
#: Databases take only so many parameters in one question.
KEYS_AT_ONCE = 10_000
#: Relative difference below which a value is the same: it went through floating point only.
SAME = 1e-9


@dataclass(frozen=True)
class Judged:
    """Cases (by key) and the rules that judged them."""

    cases: pl.Series
    rules: Sequence[str]

    def holds(self) -> pl.Expr:
        """Select the alerts of these cases and rules."""
        return pl.col("case_key").is_in(self.cases.implode()) & pl.col("rule_id").is_in(
            list(self.rules)
        )


@dataclass(frozen=True)
class Entered:
    """What entering a judgement changed."""

    new: int = 0
    changed: int = 0
    lapsed: int = 0


def unjudged(settings: Settings, runs: Iterable[str], rules: str) -> set[str]:
    """Return the runs of the warehouse whose cases these rules have not judged yet."""
    with reading(settings) as con:
        known = con.execute(sa.select(judged_run.c.run_id).where(judged_run.c.rules == rules))
        return set(runs) - set(known.scalars())


def standing(settings: Settings) -> pl.DataFrame:
    """Return each case with alerts that hold: natural key, whole and in parts, and ``rules``."""
    parts = (
        "case_key", "site", "accession_number", "performed_on", "device", "procedure_start_at",
        "modality",
    )  # fmt: skip
    columns = [alert.c[name] for name in (*parts, "rule_id")]
    with reading(settings) as con:
        found = frame(con, sa.select(*columns).where(alert.c.lapsed_at.is_(None)))
    grouped = found.group_by("case_key", maintain_order=True)
    return grouped.agg(pl.col(parts[1:]).first(), pl.col("rule_id").alias("rules"))


def enter(
    settings: Settings,
    found: pl.DataFrame,
    judged: Sequence[Judged],
    runs: Iterable[str],
    rules: str,
) -> Entered:
    """Enter a judgement in one step: new alerts once, known ones brought up to date.

    ``found`` has the alert's columns; ``judged`` says which cases which rules judged, so that an
    alert of theirs that is not found again has lapsed (it stays, for a person to close). ``runs``
    are noted as judged with them: a process that dies before the end leaves no trace, the next
    one does it all.
    """
    with writing(settings) as con:
        if con.dialect.name == "postgresql":
            con.execute(sa.select(sa.func.pg_advisory_xact_lock(ENTRY_LOCK)))
        known = _known(con, [found["case_key"], *(group.cases for group in judged)])
        new = found.join(known, on=KEY, how="anti")
        again = found.join(known, on=KEY, suffix="_known")
        _open(con, new)
        entered = Entered(
            new.height,
            _update(con, again),
            _lapse(con, known, found, judged),
        )
        done = set(con.execute(
            sa.select(judged_run.c.run_id).where(judged_run.c.rules == rules)
        ).scalars())  # fmt: skip
        rows = [{"run_id": r, "rules": rules, "judged_at": now()} for r in sorted(set(runs) - done)]
        if rows:
            con.execute(judged_run.insert(), rows)
    return entered


def _known(con: sa.Connection, cases: Sequence[pl.Series]) -> pl.DataFrame:
    """Return the alerts of these cases: a night bears on few of all that there are."""
    keys = pl.concat(cases).unique()
    asked = sa.select(alert).where(alert.c.case_key.in_(sa.bindparam("keys", expanding=True)))
    parts = [
        keys.slice(at, KEYS_AT_ONCE).to_list() for at in range(0, max(len(keys), 1), KEYS_AT_ONCE)
    ]
    return pl.concat([frame(con, asked.params(keys=part)) for part in parts])


def _open(con: sa.Connection, new: pl.DataFrame) -> None:
    """Enter new alerts into the open round of their case, or into a new one."""
    if new.is_empty():
        return
    at = now()
    rounds = _rounds(con)
    cases = new.unique("case_key", maintain_order=True).filter(
        ~pl.col("case_key").is_in(list(rounds))
    )
    if cases.height:
        empty = {"state": "open", "version": 1, "form": ReviewForm().model_dump(mode="json")}
        con.execute(
            review.insert(),
            [
                row | empty | {"opened_at": at, "changed_at": at}
                for row in cases.select("case_key", "site").iter_rows(named=True)
            ],
        )
    _back_to_review(con, [rounds[key] for key in new["case_key"].unique() if key in rounds])
    rounds = _rounds(con)
    names = [column.name for column in alert.c if column.name in new.columns]
    con.execute(
        alert.insert(),
        [
            row | {"review_id": rounds[row["case_key"]][0], "found_at": at}
            for row in new.select(names).iter_rows(named=True)
        ],
    )
    ids = {(r.case_key, r.rule_id): r for r in con.execute(
        sa.select(alert.c.id, alert.c.case_key, alert.c.rule_id, alert.c.review_id)
        .where(alert.c.found_at == at)
    )}  # fmt: skip
    _events(
        con,
        [
            (ids[row["case_key"], row["rule_id"]], "found", {"value": row["value"]}, rounds)
            for row in new.iter_rows(named=True)
        ],
    )


def _rounds(con: sa.Connection) -> dict[str, tuple[int, str, int]]:
    """Return the round of review that is under way of each case: id, state, version."""
    rows = con.execute(
        sa.select(review.c.case_key, review.c.id, review.c.state, review.c.version).where(
            review.c.state != "closed"
        )
    )
    return {row.case_key: (row.id, row.state, row.version) for row in rows}


def _back_to_review(con: sa.Connection, rounds: list[tuple[int, str, int]]) -> None:
    """Take reviews that wait for a sign-off back: a new alert is a fact their reviewer lacked."""
    waiting = [(i, v) for i, state, v in rounds if state == "awaiting sign-off"]
    for review_id, version in waiting:
        con.execute(
            review.update()
            .where(review.c.id == review_id)
            .values(state="in review", version=version + 1, changed_at=now())
        )
        con.execute(
            review_event.insert().values(
                review_id=review_id, what="send back", person=KERMA, at=now(),
                from_state="awaiting sign-off", to_state="in review", version=version + 1,
                note="another rule was exceeded meanwhile", details={},
            )
        )  # fmt: skip


def _events(con: sa.Connection, happened: list[tuple[Any, str, dict[str, Any], Any]]) -> None:
    """Enter what happened to alerts: (alert row, what, details, rounds by case)."""
    at = now()
    rows = []
    for one, what, details, rounds in happened:
        _, state, version = rounds.get(one.case_key, (0, "closed", 0))
        rows.append({
            "review_id": one.review_id, "alert_id": one.id, "what": what, "person": KERMA,
            "at": at, "from_state": state, "to_state": state, "version": version,
            "details": details | {"rule": one.rule_id},
        })  # fmt: skip
    if rows:
        con.execute(review_event.insert(), rows)


def _update(con: sa.Connection, again: pl.DataFrame) -> int:
    """Bring known alerts up to date; a changed value enters their history."""
    if again.is_empty():
        return 0
    apart = pl.any_horizontal(
        (pl.col(name) / pl.col(f"{name}_known") - 1).abs() > SAME
        for name in ("value", "limit_value")
    )
    returned = pl.col("lapsed_at").is_not_null()
    moved = again.filter(apart | returned)
    facts = pl.any_horizontal(
        pl.col(name).ne_missing(pl.col(f"{name}_known"))
        for name in ("operator", "room", "size_band", "procedure_code", "performed_on")
    )
    stale = again.filter(apart | returned | facts)
    if stale.is_empty():
        return 0
    bound = {f"b_{name}": name for name in JUDGED}
    con.execute(
        alert.update()
        .where(alert.c.id == sa.bindparam("b_id"))
        .values(lapsed_at=None, **{name: sa.bindparam(bind) for bind, name in bound.items()}),
        [
            {bind: row[name] for bind, name in bound.items()} | {"b_id": row["id"]}
            for row in stale.iter_rows(named=True)
        ],
    )
    rounds = _rounds(con)
    _events(
        con,
        [
            (
                _Row(row["id"], row["review_id"], row["case_key"], row["rule_id"]),
                "exceeds again" if row["lapsed_at"] else "changed",
                {"from": row["value_known"], "to": row["value"], "limit": row["limit_value"]},
                rounds,
            )
            for row in moved.iter_rows(named=True)
        ],
    )
    return moved.height


@dataclass(frozen=True)
class _Row:
    id: int
    review_id: int
    case_key: str
    rule_id: str


def _lapse(
    con: sa.Connection,
    known: pl.DataFrame,
    found: pl.DataFrame,
    judged: Sequence[Judged],
) -> int:
    """Mark alerts that no longer hold since a value or a rule changed; a person closes them."""
    gone = known.filter(
        pl.any_horizontal(pl.lit(False), *(group.holds() for group in judged)),
        pl.col("lapsed_at").is_null(),
    ).join(found, on=KEY, how="anti")
    if gone.is_empty():
        return 0
    con.execute(
        alert.update()
        .where(alert.c.id == sa.bindparam("b_id"))
        .values(lapsed_at=sa.bindparam("b_at")),
        [{"b_id": i, "b_at": now()} for i in gone["id"]],
    )
    rounds = _rounds(con)
    rows = gone.select("id", "review_id", "case_key", "rule_id", "value").iter_rows()
    _events(con, [(_Row(*row[:4]), "lapsed", {"from": row[4]}, rounds) for row in rows])
    return gone.height
