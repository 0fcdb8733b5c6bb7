"""Procedure names to codes by exact synonym; what is only similar is suggested to a person."""

import csv
import re
import unicodedata
from dataclasses import dataclass
from functools import cache

from rapidfuzz import fuzz, process

from warehouse.reference import DATA

CATALOGUE = DATA / "procedures.csv"

#: Names that mean several things on their own; never mapped, whatever was stripped to reach them.
AMBIGUOUS = frozenset(
    {"rfa", "cesi", "va", "pri", "tesi", "block", "injection", "ablation", "biopsy"}
)

_SIDES = re.compile(
    r"\b(left|right|bilateral|bilat|unilateral|lt|rt|links|rechts|beidseits|bds|li|re)\b"
)
_GUIDANCE = re.compile(
    r"\b(ct|xa|xf|us|mr|fluoro|fluoroscopy|fluoroscopic(?:ally)?|ultrasound|sonographic(?:ally)?|image)"
    r"\s*(guided|guidance|gestutzte?|gesteuerte?)\b|\bunder (ct|fluoroscopy|fluoro|ultrasound|us)\b"
)
_LEVEL = re.compile(r"\b([ctls])\s?(\d{1,2})(?:\s?([ctls])?\s?(\d{1,2}))?\b")
_REGION = {"c": "cervical", "t": "thoracic", "l": "lumbar", "s": "sacral"}


@dataclass(frozen=True)
class Procedure:
    """One row of the catalogue."""

    code: str
    name: str
    region: str
    family: str


def simple(name: str) -> str:
    """Return a name in lower case without accents and punctuation."""
    bare = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(char for char in bare if not unicodedata.combining(char))
    return " ".join(re.sub(r"[^\w]+|_", " ", letters).split())


@cache
def catalogue() -> dict[str, Procedure]:
    """Read the procedures by code."""
    with CATALOGUE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        row["code"]: Procedure(row["code"], row["name"], row["region"], row["family"])
        for row in rows
        if row["code"] != "UNMAPPED"
    }


@cache
def synonyms() -> dict[str, str]:
    """Return the code of each simplified name, synonym and code; what is ambiguous is left out."""
    found: dict[str, set[str]] = {}
    with CATALOGUE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["code"] == "UNMAPPED":
                continue
            for name in (row["code"], row["name"], *row["synonyms"].split("|")):
                found.setdefault(simple(name), set()).add(row["code"])
    return {
        name: codes.pop()
        for name, codes in found.items()
        if name and len(codes) == 1 and name not in AMBIGUOUS
    }


@cache
def code(name: str) -> str | None:
    """Return the code of a name that a synonym covers exactly, else none.

    Tried in turn: the name; without side and guidance; with its level read as a region; without
    level.
    """
    known, text = synonyms(), simple(name)
    if text in known:
        return known[text]
    text = _squeeze(_GUIDANCE.sub(" ", _SIDES.sub(" ", text)))
    if text in known:
        return known[text]
    bare = _squeeze(_LEVEL.sub(" ", text))
    if bare in AMBIGUOUS or not bare:
        return None
    levels = _LEVEL.search(text)
    region = f"{_REGION[levels[1]]} {bare}" if levels else bare
    return known.get(region) or known.get(bare)


def _squeeze(text: str) -> str:
    return " ".join(text.split())


def suggestions(name: str, most: int = 3) -> list[str]:
    """Return the codes of the most similar synonyms, best first; for a person, never applied."""
    best = process.extract(
        simple(name), list(synonyms()), scorer=fuzz.token_sort_ratio, limit=12, score_cutoff=60
    )
    codes = dict.fromkeys(synonyms()[match] for match, _, _ in best)
    return list(codes)[:most]
