"""The secret key behind ``patient_key``: supplied, or generated once into a file of its own."""

import hmac
import os
import secrets
import stat
from pathlib import Path

from warehouse.settings import Settings

#: Shorter keys could be searched for by somebody who knows some patient ids.
LEAST_CHARACTERS = 32


class KeyProblemError(Exception):
    """The key is missing, weak, open to others or not the one the warehouse was made with."""


def load_key(settings: Settings, *, create: bool) -> bytes:
    """Return the key; generate it at first use, for this run only when nothing may be written."""
    if settings.pseudonym_key is not None:
        return _strong(settings.pseudonym_key.get_secret_value(), "KERMA_PSEUDONYM_KEY")
    path = settings.pseudonym_key_file or settings.data_dir / "key"
    if settings.pseudonym_key_file is None and not path.exists():
        if not create:
            return secrets.token_hex(32).encode()
        _generate(path)
    return _read(path)


def fingerprint(key: bytes) -> str:
    """Return what the warehouse keeps to recognise the key, and nothing can be computed from."""
    return hmac.digest(key, b"kerma patient key", "sha256").hex()


def _read(path: Path) -> bytes:
    try:
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise KeyProblemError(f"{path}: other users can read the key; run: chmod 600 {path}")
        return _strong(path.read_text("ascii"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise KeyProblemError(f"{path}: the key cannot be read: {error}") from error


def _strong(text: str, where: str) -> bytes:
    key = text.strip()
    if len(key) < LEAST_CHARACTERS:
        raise KeyProblemError(
            f"{where}: the key has {len(key)} characters and needs {LEAST_CHARACTERS} or more; "
            "take the one of your backup, or generate one with: openssl rand -hex 32"
        )
    return key.encode()


def _generate(path: Path) -> None:
    """Write a new key so that a crash leaves either none or a whole one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secrets.token_hex(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
