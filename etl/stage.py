"""Stage one source file: find its reader; what cannot be read comes back in words."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from etl.privacy import impersonal_name
from etl.profiles import ProfileError
from etl.sources.base import Reader, RefusalError
from etl.sources.delimited import inflate
from etl.sources.dicom import DICOM
from etl.sources.fhir import FHIR
from etl.sources.openrem_xlsx import OPENREM_XLSX
from etl.sources.tables import DELIMITED, EXCEL, JSON_LINES, PARQUET
from etl.staging import SourceFile, Staged
from warehouse.settings import Settings

#: Asked in turn; the first that recognises a file reads it.
READERS: tuple[Reader, ...] = (DICOM, FHIR, DELIMITED, OPENREM_XLSX, EXCEL, PARQUET, JSON_LINES)
_HEAD = 1024


def stage(source: SourceFile, *, work_dir: Path, settings: Settings, key: bytes) -> Staged:
    """Read, normalise and check one file of the inbox.

    Rows that break the contract stand in ``rejected``; a file that cannot be read at all comes
    back with ``refusal``. ``work_dir`` holds the staged Parquet file and belongs to the caller.
    """
    scratch = Path(tempfile.mkdtemp(prefix="reading-", dir=work_dir))
    try:
        path = inflate(source.path, scratch)
        plain = replace(source, path=path, bytes=path.stat().st_size)
        staged = _staged(_reader(plain), plain, scratch, work_dir, settings, key)
        return replace(staged, source=replace(source, name=staged.source.name))
    except RefusalError as error:
        named = replace(source, name=impersonal_name(source.name, error.persons))
        return refused(named, str(error))
    except ProfileError as error:
        return refused(source, str(error))
    except (IsADirectoryError, FileNotFoundError, PermissionError) as error:
        return refused(source, f"cannot be opened ({error.strerror}): check it and try again")
    finally:
        shutil.rmtree(scratch)


def _staged(
    reader: Reader,
    source: SourceFile,
    scratch: Path,
    work_dir: Path,
    settings: Settings,
    key: bytes,
) -> Staged:
    """Stage in a scratch folder and keep only the staged Parquet file."""
    staged = reader.stage(source, work_dir=scratch, settings=settings, key=key)
    if staged.procedures is None:
        return staged
    kept = work_dir / f"{source.sha256[:32]}.parquet"
    staged.procedures.replace(kept)
    return replace(staged, procedures=kept)


def _reader(source: SourceFile) -> Reader:
    """Return the reader of a file."""
    path = source.path
    if path.is_dir():
        raise RefusalError(
            "is a folder with the name of a file: rename it, its files are read one by one"
        )
    with path.open("rb") as file:
        head = file.read(_HEAD)
    for reader in READERS:
        if reader.recognises(path, head):
            return reader
    kinds = ", ".join(reader.name for reader in READERS)
    raise RefusalError(
        f"is of no kind that is read ({kinds}): remove it, or save it as one of them"
    )


def refused(source: SourceFile, why: str) -> Staged:
    """Return what a file that cannot be read becomes: nothing, and why in words."""
    return Staged(
        source=source, profile="", kind="log", read=0, procedures=None,
        refusal=f"{source.name}: {why}",
    )  # fmt: skip
