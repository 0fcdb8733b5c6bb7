"""Units as logs write them, converted with pint; a unit that is not understood is never guessed."""

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pint

#: Number in either decimal style, then whatever stands behind it.
_BEHIND_NUMBER = re.compile(r"^[+-]?[\d.,]*\d[.,]?(?:[eE][+-]?\d+)?+\s*(?P<unit>[^\d\s.,:+-].*)$")
_DOSE = re.compile(
    r"^(?P<prefix>[mcdukµμn]?)(?P<base>gy|gray|rad)"
    r"(?:[\s·*.×x⋅∙•^-]*(?P<per>/)?[\s·*.×x⋅∙•^-]*(?P<length>[cdm]?m)\s*(?P<power>(?:\^|\*\*)?\s*2)?)?$"
)
_AREA_LAST = re.compile(
    r"^(?P<length>[cdm]?m)\s*(?:\^|\*\*)?\s*2[\s·*.×x⋅∙•-]*(?P<dose>[mcdukµμ]?gy)$"
)
_PLAIN = {
    "ms": "millisecond", "msec": "millisecond",
    "s": "second", "sec": "second", "secs": "second", "second": "second", "seconds": "second",
    "sek": "second", "sekunden": "second",
    "min": "minute", "mins": "minute", "minute": "minute", "minutes": "minute", "minuten": "minute",
    "h": "hour", "hr": "hour", "hrs": "hour", "hour": "hour", "hours": "hour", "std": "hour",
    "stunden": "hour",
    "d": "day", "day": "day", "days": "day", "w": "week", "week": "week", "weeks": "week",
    "month": "month", "months": "month", "mo": "month",
    "y": "year", "yr": "year", "yrs": "year", "year": "year", "years": "year", "j": "year",
    "jahr": "year", "jahre": "year", "a": "year",
    "kg": "kilogram", "g": "gram", "lb": "pound", "lbs": "pound",
    "m": "meter", "cm": "centimeter", "mm": "millimeter", "in": "inch", "inch": "inch",
    "ft": "foot",
}  # fmt: skip
#: No dose, time or size comes near it in its unit; sums and squares of such values stay finite.
LARGEST = 1e9
_CANONICAL = {
    "Gy·cm²": "gray*centimeter**2",
    "mGy·cm": "milligray*centimeter",
    "mGy": "milligray",
    "mSv": "millisievert",
    "s": "second",
    "min": "minute",
    "kg": "kilogram",
    "cm": "centimeter",
    "year": "year",
}
_PREFIX = {"": "", "m": "milli", "c": "centi", "d": "deci", "u": "micro", "µ": "micro",
           "μ": "micro", "k": "kilo", "n": "nano"}  # fmt: skip


def sent_unit(text: str) -> str | None:
    """Return the unit that stands behind the number of a cell, or none."""
    found = _BEHIND_NUMBER.match(text.strip())
    return found["unit"].strip() if found else None


def _expression(unit: str) -> tuple[str, bool] | None:
    """Return a unit in pint's words, and whether it was misprinted as a quotient."""
    text = unicodedata.normalize("NFKC", unit).strip().rstrip(".").casefold()
    if text in _PLAIN:
        return _PLAIN[text], False
    turned = _AREA_LAST.match(text)
    found = _DOSE.match(f"{turned['dose']}*{turned['length']}2" if turned else text)
    if not found:
        return None
    base = "rads" if found["base"] == "rad" else "gray"
    expression = _PREFIX[found["prefix"]] + base
    if found["length"]:
        length = {"m": "meter", "cm": "centimeter", "mm": "millimeter", "dm": "decimeter"}
        expression += f"*{length[found['length']]}" + ("**2" if found["power"] else "")
    return expression, found["per"] is not None


@cache
def _registry() -> "pint.UnitRegistry":
    """Read the definitions: a quarter of a second that a log in canonical units does not need."""
    import pint

    return pint.UnitRegistry()


@cache
def factor(unit: str, canonical: str) -> float | None:
    """Return what a value in ``unit`` is multiplied by, or none for no unit of that quantity."""
    understood = _expression(unit)
    if understood is None:
        return None
    import pint

    try:
        size = _registry().Quantity(1.0, understood[0]).to(_CANONICAL[canonical]).magnitude
    except (pint.DimensionalityError, pint.UndefinedUnitError):
        return None
    return float(f"{size:.12g}")


@cache
def is_misprint(unit: str) -> bool:
    """Say whether a product was written as a quotient, as in Gy/cm²."""
    understood = _expression(unit)
    return understood is not None and understood[1]
