"""Apply further keys to the pseudonyms of a warehouse (see ``etl.pseudonym``)."""

import re
from pathlib import Path

import duckdb
import polars as pl

from etl.normalise import rekeyed
from etl.pseudonym import fingerprint
from etl.publish import run_sql

#: A patient within the text of a rejected row; the shortened form of old rows cannot be re-keyed.
IN_TEXT = re.compile(r"pseudonym:([0-9a-f]+)")
_WHOLE = 64


def rekey(con: duckdb.DuckDBPyConnection, key: bytes, keys: bytes, folder: Path) -> int:
    """Re-key every patient, in rejected rows too; return how many patients there are.

    ``keys`` are those of ``key`` that the warehouse does not know yet.
    The hash by which a row is known when it is sent again covers the patient, so it is made anew
    the way a refresh makes it: from a staged file of the rows. ``write/session`` comes first.
    """
    former = [key for (key,) in run_sql(con, "write/rekey_patients")]
    fresh = [rekeyed(key, keys) for key in former]
    texts = run_sql(con, "write/rekey_texts")
    told = [(text, IN_TEXT.sub(lambda found: _again(found[1], keys), text)) for (text,) in texts]
    patients = pl.DataFrame(
        {"former": former, "fresh": fresh}, schema=dict.fromkeys(("former", "fresh"), pl.String)
    )
    rejected = pl.DataFrame(told, schema=patients.schema, orient="row")
    staged = folder / "rekeyed.parquet"
    con.begin()
    con.register("rekey_input", patients.to_arrow())
    con.register("rekey_texts_input", rejected.to_arrow())
    run_sql(con, "write/rekey_apply", key_fingerprint=fingerprint(key))
    for part in ("procedure", "log"):
        con.table(f"rekeyed_{part}").pl().write_parquet(staged)
        run_sql(con, f"write/rekey_{part}", parquet=str(staged))
    con.unregister("rekey_input")
    con.unregister("rekey_texts_input")
    con.commit()
    staged.unlink()
    return len(former)


def _again(pseudonym: str, keys: bytes) -> str:
    """Return a pseudonym in a text under further keys; one that was shortened is taken out."""
    return f"pseudonym:{rekeyed(pseudonym, keys)}" if len(pseudonym) == _WHOLE else "(removed)"
