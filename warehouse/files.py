"""The only opener of warehouse files, in clear or encrypted.

A file is attached to a connection without a database of its own: DuckDB takes the key that way
alone. The file's head says whether it is encrypted, the settings say under which keys it may be;
DuckDB writes encrypted files with the cipher of its extension httpfs (OpenSSL), or, where a
department accepts that, with its own, whose random numbers it calls not secure.
"""

from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from warehouse.keys import KeyProblemError, from_file, from_text
from warehouse.settings import settings

SQL = {path.stem: path.read_text("utf-8") for path in (Path(__file__).parent / "open").iterdir()}

Config = dict[str, str | bool | int | float | list[str]]  #: as DuckDB takes settings, by name

#: Nothing is fetched from the network, whatever a statement needs.
_OFFLINE: Config = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
_WRONG_KEY = "Wrong encryption key"
_HEAD = 21  #: bytes: checksum 8, "DUCK", version 8, first byte of the flags
_ENCRYPTED = 1


@dataclass(frozen=True)
class Encryption:
    """What the settings say of encrypted files."""

    keys: tuple[str, ...] = field(default=(), repr=False)  #: oldest first; none: in clear
    extensions: Path | None = None
    builtin: bool = False  #: DuckDB's own cipher is accepted

    @property
    def key(self) -> str | None:
        """The key under which files are written; None for files in clear."""
        return self.keys[-1] if self.keys else None

    def config(self) -> Config:
        """Return DuckDB's settings for a cipher that can write."""
        if self.extensions is not None:
            return {"temp_file_encryption": "true", "extension_directory": str(self.extensions)}
        if self.builtin:
            return {"temp_file_encryption": "true", "force_mbedtls_unsafe": "true"}
        raise KeyProblemError(
            "an encryption key is set, but no cipher: name the folder of DuckDB's httpfs extension "
            "(KERMA_DUCKDB_EXTENSIONS), or accept DuckDB's own cipher, whose random numbers it "
            "calls not secure (KERMA_ENCRYPTION_BUILTIN=accept); see docs/security.md"
        )

    def check(self) -> None:
        """Raise KeyProblemError unless there is a cipher to write with."""
        config = self.config()
        with duckdb.connect(config=_OFFLINE | config) as con:
            _prepare(con, config)


def encryption() -> Encryption:
    """Return what the installation's settings say; raise KeyProblemError for a bad key."""
    chosen = settings()
    if chosen.encryption_key is not None:
        keys = from_text(chosen.encryption_key.get_secret_value(), "KERMA_ENCRYPTION_KEY")
    elif chosen.encryption_key_file is not None:
        keys = from_file(chosen.encryption_key_file)
    else:
        keys = []
    builtin = chosen.encryption_builtin == "accept"
    return Encryption(tuple(keys), chosen.duckdb_extensions, builtin)


def is_encrypted(path: Path) -> bool:
    """Say whether a file is an encrypted one; its head stays readable."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return len(head) == _HEAD and head[8:12] == b"DUCK" and bool(head[-1] & _ENCRYPTED)


def opened(path: Path, config: Config, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Open a file, which is then the connection's database ``warehouse``.

    A file that is there is opened as it is, encrypted or in clear; a new one is made as the
    settings say. A reader reaches nothing else from then on.

    Raises
    ------
    KeyProblemError
        Where the file is encrypted and no key fits, or there is no cipher.
    duckdb.Error
        Where it cannot be opened otherwise.
    """
    return _opened(path, config, read_only)[0]


def is_as_wanted(path: Path) -> bool:
    """Say whether a file is as the settings want it: in clear, or under the key in force."""
    wanted = encryption().key
    if not is_encrypted(path):
        return wanted is None
    con, key = _opened(path, {}, True)
    con.close()
    return key == wanted


def _opened(
    path: Path, config: Config, read_only: bool
) -> tuple[duckdb.DuckDBPyConnection, str | None]:
    """Open a file; return the key that fits too."""
    rules, is_there = encryption(), path.exists()
    config = {"temp_directory": f"{path}.tmp"} | config  # beside the file, as DuckDB has it
    in_clear = not is_encrypted(path) if is_there else rules.key is None
    if in_clear:
        # Who writes may be asked for an encrypted copy.
        cipher = rules.config() if rules.keys and not read_only else {}
        return _attached(path, config | cipher, read_only, None), None
    if not rules.keys:
        raise KeyProblemError(
            f"{path.name} is encrypted: supply its key (KERMA_ENCRYPTION_KEY_FILE or "
            "KERMA_ENCRYPTION_KEY)"
        )
    for key in reversed(rules.keys):
        try:
            return _attached(path, config | rules.config(), read_only, key), key
        except duckdb.InvalidInputException as error:
            if _WRONG_KEY not in str(error):
                raise
    raise KeyProblemError(
        f"{path.name} is encrypted under another key than the {len(rules.keys)} supplied: put its "
        "key on a line before them (KERMA_ENCRYPTION_KEY_FILE or KERMA_ENCRYPTION_KEY)"
    )


def _attached(
    path: Path, config: Config, read_only: bool, key: str | None
) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(config=_OFFLINE | config)
    try:
        _prepare(con, config)
        given = {"path": str(path), "read_only": read_only}
        if key is None:
            con.execute(SQL["plain"], given)
        else:
            con.execute(SQL["encrypted"], given | {"key": key})
        con.execute(SQL["alone"])
        if read_only:
            con.execute(SQL["locked"])
    except BaseException:
        con.close()
        raise
    return con


def _prepare(con: duckdb.DuckDBPyConnection, config: Config) -> None:
    """Load the cipher where it is an extension."""
    folder = config.get("extension_directory")
    if folder is None:
        return
    try:
        con.execute(SQL["cipher"])
    except duckdb.Error as error:
        raise KeyProblemError(
            f"{folder} has no usable httpfs extension of DuckDB {duckdb.__version__} "
            f"({str(error).splitlines()[0]}); docs/security.md says how to fetch it"
        ) from error
