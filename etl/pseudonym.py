"""The secret keys behind ``patient_key``: supplied, or generated into a file of their own.

Patient ids are stored nowhere, so a new key cannot be applied to them. It is applied to what the
former key made of them: with the keys k1, k2 (oldest first) an id becomes HMAC(k2, HMAC(k1, id)).
So a rotation reaches every patient at once, those too who never come again, and nobody
becomes two.
The former key alone tells nothing any more, but stays a part of the computation and must be kept.
"""

import hmac
import os
import secrets
from pathlib import Path

from warehouse.keys import KeyProblemError, from_file, from_text
from warehouse.settings import Settings

#: Between the keys, oldest first.
SEPARATOR = b"\n"


def load_key(settings: Settings, *, create: bool) -> bytes:
    """Return the key; generate it at first use, for this run only when nothing may be written."""
    if settings.pseudonym_key is not None:
        return _ring(from_text(settings.pseudonym_key.get_secret_value(), "KERMA_PSEUDONYM_KEY"))
    path = settings.pseudonym_key_file or settings.data_dir / "key"
    if settings.pseudonym_key_file is None and not path.exists():
        if not create:
            return secrets.token_hex(32).encode()
        _generate(path)
    return _ring(from_file(path))


def fingerprints(key: bytes) -> list[str]:
    """Return the fingerprint after each rotation, oldest first: the last is that of all keys."""
    ring = key.split(SEPARATOR)
    return [fingerprint(SEPARATOR.join(ring[:count])) for count in range(1, len(ring) + 1)]


def since(key: bytes, known: str) -> bytes | None:
    """Return the keys added after a fingerprint: empty for none, None if it is unknown."""
    told = fingerprints(key)
    if known not in told:
        return None
    return SEPARATOR.join(key.split(SEPARATOR)[told.index(known) + 1 :])


def add_key(settings: Settings) -> Path:
    """Generate a further key behind those of the installation's own file, and return the file."""
    path = settings.data_dir / "key"
    if settings.pseudonym_key is not None or settings.pseudonym_key_file is not None:
        raise KeyProblemError(
            "the key is supplied from outside: write the new one (openssl rand -hex 32) behind the "
            "former, on a line of its own, and run a refresh"
        )
    _write(path, [*from_file(path), secrets.token_hex(32)])
    return path


def fingerprint(key: bytes) -> str:
    """Return what the warehouse keeps to recognise the key, and nothing can be computed from."""
    return hmac.digest(key, b"kerma patient key", "sha256").hex()


def _ring(keys: list[str]) -> bytes:
    return SEPARATOR.join(key.encode() for key in keys)


def _generate(path: Path) -> None:
    """Write a new key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, [secrets.token_hex(32)])


def _write(path: Path, keys: list[str]) -> None:
    """Write keys so that a crash leaves either the former file or the whole new one."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write("".join(f"{key}\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
