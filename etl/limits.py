"""What one file may weigh, packed and unpacked: beyond it is an attack or a mistake."""

import errno
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from etl.sources.base import RefusalError

#: Larger files are not even hashed; a year of a large department has a thousandth of it.
LARGEST_FILE = 4 * 2**30
#: What a packed file (.gz, .zst, a workbook, a member of an archive) may unpack to.
LARGEST_UNPACKED = 4 * 2**30
LARGEST_WORKBOOK = 1 * 2**30
SMALL_WORKBOOK = LARGEST_WORKBOOK // 1032
#: A dose report shrinks to a tenth, a log to a fiftieth; a bomb to a thousandth and less.
HIGHEST_RATIO = 400
LARGEST_TEXT = 1 * 2**30
#: Below this size a high ratio is harmless.
SMALL = 64 * 2**20
#: What reading a damaged zip file ends in (a wrong name is a ValueError).
DAMAGED_ZIP = (
    zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, OSError, RuntimeError,
    ValueError,
)  # fmt: skip
#: Rows of one table; a Parquet file of a few bytes can claim any number.
MOST_ROWS = 50_000_000


def too_large(size: int) -> str | None:
    """Say why a file of a size is not looked at, or nothing."""
    if size <= LARGEST_FILE:
        return None
    return f"has {size:,} bytes, more than {LARGEST_FILE:,}: split it"


def unpacking(blocks: Iterable[bytes], packed_bytes: int) -> Iterator[bytes]:
    """Pass on what a packed file unpacks to, and refuse it once that is too much."""
    written = 0
    for block in blocks:
        written += len(block)
        if written > LARGEST_UNPACKED:
            raise RefusalError(f"unpacks to more than {LARGEST_UNPACKED:,} bytes: split it")
        if written > SMALL and written > HIGHEST_RATIO * max(packed_bytes, 1):
            raise RefusalError("is packed more tightly than real files are: send it unpacked")
        yield block


def disk_is_full(error: BaseException) -> bool:
    """Say whether an error is the disk's and none of the file that was being unpacked."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def check_workbook(path: Path) -> None:
    """Refuse a workbook that unpacks to more than any real one.

    That is by what it says of itself; of one that could do harm by saying less, every part is
    unpacked once and held against it. A small file cannot: nothing shrinks to less than 1/1032.
    """
    try:
        with zipfile.ZipFile(path) as book:
            infos = book.infolist()
            _check_sizes(infos, path.stat().st_size)
            if path.stat().st_size > SMALL_WORKBOOK and book.testzip() is not None:
                raise RefusalError("is a damaged workbook, or unpacks to more than it says")
    except DAMAGED_ZIP:
        return  # its reader says what is wrong with it


def _check_sizes(infos: list[zipfile.ZipInfo], packed: int) -> None:
    """Refuse what says of itself that it is too much, or holds the same bytes several times."""
    size = sum(info.file_size for info in infos)
    if size > LARGEST_WORKBOOK:
        raise RefusalError(f"unpacks to {size:,} bytes, more than {LARGEST_WORKBOOK:,}: split it")
    if size > SMALL and size > HIGHEST_RATIO * max(packed, 1):
        raise RefusalError("is packed more tightly than real workbooks are: export it again")


def check_rows(rows: int) -> None:
    """Refuse a table that claims more rows than there are procedures."""
    if rows > MOST_ROWS:
        raise RefusalError(f"has {rows:,} rows, more than {MOST_ROWS:,}: split it")


def check_text(path: Path) -> None:
    """Refuse a text that is held in memory as a whole and too large for it."""
    size = path.stat().st_size
    if size > LARGEST_TEXT:
        raise RefusalError(f"has {size:,} bytes, more than {LARGEST_TEXT:,}: split it")
