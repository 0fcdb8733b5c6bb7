"""Stage text or bytes as a file of the inbox."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from etl.contract import staged_schema
from etl.stage import stage
from etl.staging import SourceFile, Staged
from warehouse.settings import Settings

KEY = b"0123456789abcdef0123456789abcdef"
SAMPLES = Path(__file__).parents[2] / ".." / "shared" / "samples"


def stage_path(path: Path, work: Path, **settings: Any) -> Staged:
    now = datetime(2026, 1, 10, tzinfo=UTC)
    data = path.read_bytes() if path.is_file() else b""
    sha256 = hashlib.sha256(data).hexdigest()
    source = SourceFile(path, path.name, sha256, len(data), now, now)
    work.mkdir(exist_ok=True)
    staged = stage(source, work_dir=work, settings=Settings(**settings), key=KEY)
    left = [entry for entry in work.iterdir() if entry.is_dir()]
    assert not left, "scratch folders are removed"
    if staged.kind == "followup" and staged.refusal is None:
        assert staged.read == staged.follow_ups.height + staged.rejected.height
    elif staged.refusal is None:
        assert staged.procedures is not None
        assert staged.read == rows(staged).height + staged.rejected.height
    return staged


def stage_bytes(folder: Path, data: bytes | str, name: str = "log.csv", **settings: Any) -> Staged:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return stage_path(path, folder / "work", **settings)


def rows(staged: Staged) -> pl.DataFrame:
    assert staged.procedures is not None, staged.refusal
    found = pl.read_parquet(staged.procedures)
    absent = {n: k for n, k in staged_schema().items() if n not in found.columns}
    return found.with_columns(pl.lit(None, dtype=kind).alias(name) for name, kind in absent.items())


def only(staged: Staged) -> dict[str, Any]:
    frame = rows(staged)
    assert frame.height == 1, (staged.refusal, staged.rejected.to_dicts())
    return frame.row(0, named=True)


def reason(staged: Staged) -> str:
    assert staged.rejected.height == 1, staged.rejected.to_dicts()
    return " | ".join(staged.rejected["reasons"][0])
