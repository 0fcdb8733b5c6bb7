"""One pass over a text file's bytes: what it holds decides how it is read."""

import codecs
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from etl.sources.base import RefusalError

_BLOCK = 2**18  #: counted while it is in the processor's cache
_COMMA, _SEMICOLON, _LINE_END, _BLANK = b",;\n "
LONGEST_LINE = 2**20


@dataclass(frozen=True)
class Census:
    """What a pass over the bytes of a file counted."""

    lines: int
    quotes: int
    commas: int
    returns: int
    utf8: bool
    hashes: bool  #: there is a mark that a spreadsheet's error begins with
    trimmed: bool  #: no cell has outer blanks, none is a quoted empty text


def census(path: Path) -> Census:
    """Count what decides how a file is read, and refuse what is no text table."""
    lines = quotes = commas = returns = since_line = 0
    hashes, valid, trimmed = False, True, True
    last = b""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            if b"\0" in block:
                line = lines + block[: block.index(b"\0")].count(b"\n") + 1
                raise RefusalError(
                    f"line {line} holds a NUL byte: no text file, or a damaged one; export it again"
                )
            codes = np.frombuffer(last[-1:] + block, np.uint8)
            lines += block.count(b"\n")
            commas += int(np.count_nonzero(codes[len(last[-1:]) :] == _COMMA))
            quotes += block.count(b'"')
            returns += block.count(b"\r")
            hashes = hashes or b"#" in block
            since_line = _since_line(block, since_line)
            plain = block.isascii()
            if not plain or decoder.getstate()[0]:
                valid = valid and _decodes(decoder, block)
            trimmed = trimmed and plain and not _outer_blanks(codes)
            last = block
    if not last.strip() and lines <= 1 and not quotes:
        raise RefusalError("is empty: export it again")
    valid = valid and _decodes(decoder, b"", final=True)
    trimmed = trimmed and not quotes and not returns and not last.endswith(b" ")
    lines += not last.endswith(b"\n")
    return Census(lines, quotes, commas, returns, valid, hashes, trimmed)


def _outer_blanks(codes: np.ndarray) -> bool:
    """Say whether a blank stands beside a delimiter or line end, or a rarer blank anywhere."""
    blank, end = codes == _BLANK, codes == _LINE_END
    edge = (codes == _COMMA) | (codes == _SEMICOLON) | end
    beside = (blank[1:] & edge[:-1]).any() or (blank[:-1] & edge[1:]).any()
    return bool(beside or np.count_nonzero(codes < _BLANK) > np.count_nonzero(end))


def _since_line(block: bytes, before: int) -> int:
    """Return the bytes since the last line end; refuse a line that no table has."""
    first = min((at for at in (block.find(b"\n"), block.find(b"\r")) if at >= 0), default=-1)
    if before + (first if first >= 0 else len(block)) > LONGEST_LINE and first != 0:
        raise RefusalError(
            f"has a line of more than {LONGEST_LINE:,} characters: one row per line is needed; "
            "export it again with line ends"
        )
    end = max(block.rfind(b"\n"), block.rfind(b"\r"))
    return before + len(block) if end < 0 else len(block) - end - 1


def _decodes(decoder: codecs.IncrementalDecoder, block: bytes, *, final: bool = False) -> bool:
    """Say whether a block continues valid UTF-8."""
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError:
        return False
    return True
