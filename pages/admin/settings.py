"""What this installation is set to; secrets are not shown, and nothing is changed here."""

from typing import Any

import polars as pl
import streamlit as st
from pydantic import BaseModel, SecretStr

from warehouse.settings import Settings, settings


def rows(model: BaseModel, above: str = "") -> list[dict[str, str]]:
    """List a model's settings with what they are for; those of a part stand under its name."""
    found: list[dict[str, str]] = []
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            found += rows(value, f"{above}{name}.")
            continue
        found.append(
            {
                "Setting": f"{above}{name}",
                "Value": words(value),
                "Set": "set" if name in model.model_fields_set else "default",
                "What it is": field.description or "",
            }
        )
    return found


def words(value: Any) -> str:
    """Write a value; of a secret only that there is one."""
    if isinstance(value, SecretStr):
        return "set, not shown"
    if isinstance(value, dict):
        return "; ".join(f"{name} → {words(part)}" for name, part in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(words(part) for part in value) or "none"
    return "none" if value is None else str(value)


def main() -> None:
    """Draw the page."""
    st.title("Settings", anchor=False)
    st.markdown("What is this installation set to, and who signs in as what?")
    chosen: Settings = settings()
    st.caption("Settings are written in kerma.toml or KERMA_… variables, and read at the start.")
    if chosen.sign_in is None:
        st.warning(
            "No sign-in provider is set: "
            + (
                "every machine that reaches this server sees everything."
                if chosen.allow_open
                else "Kerma answers on this machine only, and whoever sits there has every role."
            ),
            icon=":material/lock_open:",
        )
    st.dataframe(
        pl.DataFrame(rows(chosen)), hide_index=True, height="content", alt="Settings",
        column_config={"What it is": st.column_config.TextColumn(width="large")},
    )  # fmt: skip


main()
