"""Put the snapshots kept under the encryption key in force, or write them in clear.

Each is written anew and takes the place of the former file in one step. Readers that have the
former open keep it until they close it; both say the same.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from etl.lock import only_one
from etl.publish import WORK_PREFIX, BrokenPromiseError, connect, copy, sync, write_anew
from warehouse.connect import problem, snapshots
from warehouse.files import encryption, is_as_wanted, is_encrypted
from warehouse.settings import Settings

#: Names of the snapshots that were changed, and why others were not.
Done = tuple[list[str], list[str]]


def bring_up(settings: Settings) -> Done:
    """Put every snapshot kept under the key in force; without a key nothing changes.

    The caller holds the refresh's lock.

    Raises
    ------
    KeyProblemError
        Where there is a key and no cipher to write with.
    """
    rules = encryption()
    if rules.key is None:
        return [], []
    rules.check()
    return _rewrite(settings, rules.key, is_as_wanted)


def decrypt(settings: Settings) -> Done:
    """Write every snapshot kept in clear; the key is still in the settings."""
    with only_one(settings.data_dir / "refresh.lock"):
        return _rewrite(settings, None, lambda path: not is_encrypted(path))


def _rewrite(settings: Settings, key: str | None, is_done: Callable[[Path], bool]) -> Done:
    changed: list[str] = []
    left: list[str] = []
    for path in snapshots(settings.snapshots):
        if wrong := problem(path):
            left.append(f"{path.name} stays as it is: {wrong}")
        elif not is_done(path):
            _replace(path, key)
            changed.append(path.name)
    return changed, left


def _replace(path: Path, key: str | None) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f"{WORK_PREFIX}encrypt-") as folder:
        former, fresh = Path(folder) / "warehouse.duckdb", Path(folder) / path.name
        copy(path, former)
        con = connect(former, Path(folder))
        try:
            write_anew(con, fresh, key)
        finally:
            con.close()
        if wrong := problem(fresh):
            raise BrokenPromiseError(f"{path.name} written anew is not whole ({wrong})")
        sync(fresh)
        fresh.replace(path)
    sync(path.parent)
