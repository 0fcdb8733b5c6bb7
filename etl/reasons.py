"""Why a row is refused, in words with value and remedy: pydantic's own, from the one contract."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from etl.contract import RULES, ProcedureRow, Rule, is_identifier

_RULE = {rule.name: rule for rule in RULES}
REMEDIES = {
    "missing": "fill the column",
    "unit": "use a unit of the same quantity, or correct the unit in the profile",
    "words": "use one of the values named, or add the word to a profile",
    "type": "correct the value, or declare its format in a profile",
    "min": "correct the value",
    "max": "correct the value",
    "length": "shorten the text",
}
_KINDS = {
    "missing": "missing",
    "unit": "unit",
    "literal_error": "words",
    "greater_than_equal": "min",
    "less_than_equal": "max",
    "less_than": "max",
    "string_too_long": "length",
    "string_too_short": "missing",
    "finite_number": "type",
}


def reasons(
    values: Mapping[str, Any], sent: Mapping[str, str | None] | None = None
) -> tuple[list[str], list[str]]:
    """Return what is wrong with a row, in pydantic's words with value and remedy; and the rules.

    ``values`` are canonical, or text where it could not be read; ``sent`` the texts to quote.
    """
    told = {**values, **{name: text for name, text in (sent or {}).items() if text is not None}}
    try:
        ProcedureRow.model_validate({k: v for k, v in values.items() if v is not None})
    except ValidationError as error:
        pairs = [pair for item in _errors(error, told) for pair in _word(item, told)]
        return [reason for reason, _ in pairs], [rule for _, rule in pairs]
    return [], []


def _errors(error: ValidationError, told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return pydantic's errors; a day missing only because the start is unreadable is no second."""
    items = [dict(item) for item in error.errors()]
    unread = told.get("procedure_start_at") is not None
    return [
        i
        for i in items
        if not (i["loc"] == ("performed_on",) and i["type"] == "missing" and unread)
    ]


def _word(item: dict[str, Any], values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Word one pydantic error as (reason, rule)."""
    if item["type"] == "rules":
        return [_word_rule(_RULE[name], values) for name in item["ctx"]["failed"]]
    name = str(item["loc"][0])
    kind = _KINDS.get(item["type"], "type")
    value = "(blank)" if kind == "missing" else _shown(name, values.get(name))
    return [(f"{name}: {item['msg']}: {value}: {REMEDIES[kind]}", f"{name}.{kind}")]


def _word_rule(rule: Rule, values: Mapping[str, Any]) -> tuple[str, str]:
    """Word a broken rule on several columns."""
    sent = {name: values.get(name) for name in rule.fields}
    told = ", ".join(f"{k}={_shown(k, v)}" for k, v in sent.items() if v is not None)
    return f"{rule.fields[0]}: {rule.message}: {told or '(blank)'}: {rule.remedy}", rule.name


def _shown(name: str, value: Any) -> str:
    """Show a value in a message, but never an identifier."""
    if name in ProcedureRow.model_fields and is_identifier(name):
        return "(identifier)"
    text = str(value)
    return repr(text if len(text) <= 80 else text[:77] + "…")
