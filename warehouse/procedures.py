"""The project's list of procedures: ``data/procedures.csv``."""

from functools import lru_cache

import polars as pl

from warehouse.reference import read

PROCEDURES = pl.Schema(
    {
        "code": pl.String,
        "name": pl.String,
        "synonyms": pl.String,
        "region": pl.String,
        "family": pl.String,
        "typical_guidance": pl.String,
        "kind": pl.String,
        "parent": pl.String,
        "seed": pl.String,
        "note": pl.String,
    }
)


@lru_cache
def procedures() -> pl.DataFrame:
    """Return the procedures that Kerma knows, one row a code."""
    return read("procedures.csv", PROCEDURES)


@lru_cache
def procedure_names() -> dict[str, str]:
    """Return the name of each procedure code."""
    listed = procedures()
    return dict(zip(listed["code"], listed["name"], strict=True))


@lru_cache
def regions() -> list[str]:
    """Return the body regions of the procedures that have one."""
    return sorted(set(procedures()["region"]) - {"none", "unspecified"})


@lru_cache
def lineage() -> dict[str, list[str]]:
    """Return each procedure code with the more general ones above it."""
    parents = dict(procedures().select("code", "parent").iter_rows())
    lines: dict[str, list[str]] = {}
    for code in parents:
        line = [code]
        while (above := parents.get(line[-1])) and above not in line:
            line.append(above)
        lines[code] = line
    return lines
