"""The documentation page of the log's columns, made from the contract."""

from pydantic.fields import FieldInfo

from etl.contract import RULES, ProcedureRow, bounds, polars_type, unit_of, words
from etl.flags import FLAGS


def columns_markdown() -> str:
    """Return the documentation page of the log's columns."""
    lines = [
        "# Columns of the procedure log",
        "",
        "Made from `etl/contract.py` by `python -m etl columns --out docs/columns.md`.",
        "",
        "A log needs `modality` and `performed_on` or `procedure_start_at`; everything else may be",
        "missing. Further columns are kept in `extra`, except those that name a person.",
        "",
        "| column | type | unit | allowed | meaning |",
        "|---|---|---|---|---|",
    ]
    for name, info in ProcedureRow.model_fields.items():
        kind = str(polars_type(name)).split("(")[0].lower()
        lines.append(
            f"| `{name}` | {kind} | {unit_of(info) or ''} | {_allowed(info)} | {info.description} |"
        )
    lines += ["", "## Rules on several columns (a row that breaks one is rejected)", ""]
    lines += [f"- `{rule.name}`: {rule.message}; {rule.remedy}." for rule in RULES]
    lines += ["", "## Flags (the row is loaded)", ""]
    lines += [f"- `{name}`: {meaning}." for name, meaning in FLAGS.items()]
    return "\n".join(lines) + "\n"


def _allowed(info: FieldInfo) -> str:
    """Say what values a column takes."""
    if words(info):
        return ", ".join(f"`{word}`" for word in words(info))
    signs = {"ge": "≥", "le": "≤", "lt": "<", "max_length": "at most"}
    limits = {k: v for k, v in bounds(info).items() if k in signs}
    told = [
        f"{signs[k]} {v:g}" if isinstance(v, float) else f"{signs[k]} {v}"
        for k, v in limits.items()
    ]
    return ", ".join(text + (" characters" if "at most" in text else "") for text in told)
