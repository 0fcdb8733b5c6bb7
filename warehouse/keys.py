"""Secret keys as people supply them: in a file that only its owner reads, or in a variable.

Several stand one a line, oldest first: the last is in force, the former still fit older files.
"""

import os
import stat
from pathlib import Path

#: Shorter keys could be searched for by somebody who has what they protect.
LEAST_CHARACTERS = 32


class KeyProblemError(Exception):
    """A key is missing, weak, open to others or not the one that a warehouse was made with."""


def from_file(path: Path) -> list[str]:
    """Return the keys of a file.

    Raises
    ------
    KeyProblemError
        Where it cannot be read, others can read it too, or a key is too short.
    """
    try:
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise KeyProblemError(f"{path}: other users can read the key; run: chmod 600 {path}")
        return from_text(path.read_text("ascii"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise KeyProblemError(f"{path}: the key cannot be read: {error}") from error


def from_text(text: str, where: str) -> list[str]:
    """Return the keys of a text; raise KeyProblemError for one that is too short."""
    keys = [line.strip() for line in text.strip().splitlines() if line.strip()] or [""]
    for key in keys:
        if len(key) < LEAST_CHARACTERS:
            raise KeyProblemError(
                f"{where}: the key has {len(key)} characters and needs {LEAST_CHARACTERS} or more; "
                "take the one of your backup, or generate one with: openssl rand -hex 32"
            )
    return keys
