"""What the commands share: the settings, or the end of a call in words."""

import sys

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from etl.ledger import USAGE
from warehouse.settings import Settings, settings


def chosen() -> Settings:
    """Return the settings, or end the call with what is wrong with them."""
    try:
        return settings()
    except (ValidationError, SettingsError, ValueError) as error:
        raise stop(f"kerma.toml or a KERMA_… variable: {error}", USAGE) from None


def stop(message: str, code: int) -> typer.Exit:
    """Say why a call ends, and return what ends it with an exit code."""
    print(message, file=sys.stderr)
    return typer.Exit(code)
