"""Merge staged files into the warehouse by key; the SQL stands in ``warehouse/write/``."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import duckdb
import polars as pl

from etl.ledger import Counts, FileResult, count_reasons
from etl.publish import BrokenPromiseError, one_row, run_sql
from etl.staging import Staged

#: No name was given a code by a person.
NO_NAMES = pl.DataFrame(
    schema=dict.fromkeys(("name", "procedure_code", "procedure_family", "region"), pl.String)
)


class Merge:
    """One run's merge; what it touched is finished and checked at the end."""

    def __init__(self, con: duckdb.DuckDBPyConnection, run_id: str, folder: Path) -> None:
        self.con = con
        self.run_id = run_id
        self.folder = folder
        self.inserted = 0
        self.absorbed = 0
        run_sql(con, "write/session")
        self.base, self.before, self.last_file = one_row(con, "write/state")
        self.unmapped: list[pl.DataFrame] = []

    def log(self, staged: Staged) -> FileResult:
        """Merge one file of procedure rows."""
        with self._transaction():
            file_id = self.last_file + 1
            counts = self._log_rows(staged, file_id)
            absorbed = self._adopt(file_id)
            result = self._enter(staged, file_id, counts)
        self.absorbed += absorbed
        self._merged(staged, counts.inserted, 1)
        return result

    def reports(self, batch: Sequence[Staged]) -> list[FileResult]:
        """Merge files of dose reports together: many are small."""
        with self._transaction():
            first = self.last_file + 1
            counts, absorbed = self._report_rows(batch, first)
            results = [
                self._enter(staged, file_id, counts[file_id])
                for file_id, staged in enumerate(batch, first)
            ]
        self.absorbed += absorbed
        for staged in batch:
            self._merged(staged, 0, 1)
        self.inserted += sum(each.inserted for each in counts.values())
        return results

    def follow_ups(self, staged: Staged) -> FileResult:
        """Merge one file of follow-ups: with their procedures, or waiting for them."""
        with self._transaction():
            file_id = self.last_file + 1
            counts = self._follow_up_rows(staged, file_id)
            result = self._enter(staged, file_id, counts)
        self._merged(staged, 0, 1)
        return result

    def refused(self, staged: Staged) -> FileResult:
        """Enter a file that was refused as a whole."""
        with self._transaction():
            result = self._enter(staged, self.last_file + 1, Counts())
        self._merged(staged, 0, 1)
        return result

    def finish(self, confirmed: pl.DataFrame = NO_NAMES) -> bool:
        """Derive the tables that follow from procedure; say whether names took another code.

        ``confirmed`` has the names that people gave a code: name, procedure_code,
        procedure_family, region.
        """
        run_sql(self.con, "write/follow_up_arrived", base=self.base)
        self._place_follow_ups()
        run_sql(self.con, "write/flag_reused")
        with self._given(confirmed_input=confirmed):
            (renamed,) = one_row(self.con, "write/confirmed_names")
        scope = "write/changed_some" if self.base else "write/changed_all"
        run_sql(self.con, scope, base=self.base)
        run_sql(self.con, "write/derive")
        run_sql(self.con, "write/resolve", run_id=self.run_id)
        frames = [frame for frame in self.unmapped if frame.height]
        empty = pl.DataFrame(schema={"name": pl.String, "suggestions": pl.List(pl.String)})
        suggested = pl.concat([empty, *(f.select("name", "suggestions") for f in frames)])
        with self._given(unmapped_input=suggested):
            run_sql(self.con, "write/unmapped")
        return renamed > 0

    def unplaced(self) -> dict[str, tuple[int, int]]:
        """Return how many follow-ups are kept but not counted, by why: in all, and of this run."""
        found = run_sql(self.con, "write/follow_up_unplaced", run_id=self.run_id)
        return {state: (n, n_new) for state, n, n_new in found}

    def check(self) -> None:
        """Raise BrokenPromiseError unless the copy is fit for publication."""
        broken = run_sql(
            self.con,
            "write/check",
            run_id=self.run_id,
            before=self.before,
            inserted=self.inserted,
            absorbed=self.absorbed,
        )
        if broken:
            raise BrokenPromiseError("; ".join(f"{promise}: {count}" for promise, count in broken))

    def _log_rows(self, staged: Staged, file_id: int) -> Counts:
        rejected = staged.rejected.height
        if staged.procedures is None:
            self._expect(staged, rejected)
            return Counts(read=staged.read, rejected=rejected)
        base, _, _ = one_row(self.con, "write/state")
        given = {
            "parquet": str(staged.procedures),
            "source_at": staged.source.source_at,
            "base": base,
            "run_id": self.run_id,
            "source_file_id": file_id,
            "path": staged.source.name,
        }
        run_sql(self.con, "write/log_keys", **given)
        (suspects,) = one_row(self.con, "write/log_suspects")
        if suspects:
            run_sql(self.con, "write/log_verdicts", **given)
            run_sql(self.con, "write/log_contradictions", **given)
            run_sql(self.con, "write/log_apply", **given)
        else:
            run_sql(self.con, "write/log_all_new")
        run_sql(self.con, "write/log_insert", **given)
        self._recombine()
        rows, updated, unchanged, duplicate, contradicted = one_row(
            self.con, "write/log_counts", **given
        )
        self._expect(staged, rows + rejected)
        return Counts(
            read=staged.read,
            inserted=rows - updated - unchanged - duplicate - contradicted,
            updated=updated,
            unchanged=unchanged,
            duplicate=duplicate,
            rejected=rejected + contradicted,
        )

    def _report_rows(self, batch: Sequence[Staged], first: int) -> tuple[dict[int, Counts], int]:
        files = list(enumerate(batch, first))
        counts = {i: Counts(read=s.read, rejected=s.rejected.height) for i, s in files}
        reports = pl.concat([_of_file(s.reports, i, s) for i, s in files])
        events = pl.concat(
            [s.events.with_columns(staged_file=pl.lit(i, pl.Int32)) for i, s in files]
        )
        parquet = self.folder / f"reports-{first}.parquet"
        _together(files).sink_parquet(parquet)
        base, _, _ = one_row(self.con, "write/state")
        with self._given(report_input=reports, event_input=events):
            run_sql(self.con, "write/report_match", parquet=str(parquet), base=base)
            run_sql(self.con, "write/report_apply", run_id=self.run_id)
            self._recombine()
            for file_id, rows, inserted, updated, duplicate in run_sql(
                self.con, "write/report_counts"
            ):
                each = counts[file_id]
                each.inserted, each.updated, each.duplicate = inserted, updated, duplicate
                self._expect(batch[file_id - first], rows + each.rejected)
        parquet.unlink()
        (absorbed,) = one_row(self.con, "write/report_absorbed")
        return counts, absorbed

    def _follow_up_rows(self, staged: Staged, file_id: int) -> Counts:
        given = {"source_at": staged.source.source_at, "run_id": self.run_id}
        given |= {"source_file_id": file_id, "path": staged.source.name}
        with self._given(follow_up_input=staged.follow_ups):
            run_sql(self.con, "write/follow_up_merge", **given)
        self._place_follow_ups()
        rows, inserted, updated, unchanged, duplicate, contradicted = one_row(
            self.con, "write/follow_up_counts"
        )
        rejected = staged.rejected.height
        self._expect(staged, rows + rejected)
        return Counts(staged.read, inserted, updated, unchanged, duplicate, rejected + contradicted)

    def _place_follow_ups(self) -> None:
        """Match the follow-ups of the cases in question with their procedures, and merge them."""
        (cases,) = one_row(self.con, "write/follow_up_cases")
        if cases:
            run_sql(self.con, "write/follow_up_place")
            self._recombine()

    def _adopt(self, file_id: int) -> int:
        """Let log rows take in what reports told under an institution's name; return how many."""
        (held,) = one_row(self.con, "write/report_held")
        if not held:
            return 0
        run_sql(self.con, "write/report_adopt", source_file_id=file_id)
        self._recombine()
        (absorbed,) = one_row(self.con, "write/report_absorbed")
        return absorbed

    def _recombine(self) -> None:
        (waiting,) = one_row(self.con, "write/recombine_waiting")
        if waiting:
            run_sql(self.con, "write/report_dose")
            run_sql(self.con, "write/follow_up_words")
            run_sql(self.con, "write/recombine", run_id=self.run_id)

    def _expect(self, staged: Staged, rows: int) -> None:
        if staged.read != rows:
            raise BrokenPromiseError(
                f"{staged.source.name}: {staged.read} rows were read but {rows} came to the merge"
            )

    def _enter(self, staged: Staged, file_id: int, counts: Counts) -> FileResult:
        """Keep the file's rejected rows and raw values, and enter it in the ledger."""
        source = staged.source
        where = {"run_id": self.run_id, "source_file_id": file_id, "path": source.name}
        rejected = staged.rejected
        if staged.refusal and rejected.is_empty():
            rejected = _whole_file(staged.refusal, rejected.schema)
        with self._given(rejected_input=rejected, raw_value_input=staged.raw_values):
            if rejected.height:
                run_sql(self.con, "write/rejected", **where)
            if staged.raw_values.height:
                run_sql(self.con, "write/raw_values", **where)
        if staged.corrected.height:
            with self._given(corrected_input=staged.corrected):
                run_sql(self.con, "write/corrected", run_id=self.run_id)
        status = "refused" if staged.refusal else "partly" if counts.rejected else "loaded"
        if status == "partly" and counts.rejected == counts.read:
            status = "refused"
        run_sql(
            self.con,
            "write/file_done",
            **where,
            **asdict(counts),
            sha256=source.sha256,
            bytes=source.bytes,
            source_at=source.source_at,
            arrived_at=source.arrived_at,
            profile=staged.profile,
            kind=staged.kind,
            status=status,
            message=staged.message,
        )
        reasons = count_reasons(
            rules for (rules,) in run_sql(self.con, "write/file_reasons", source_file_id=file_id)
        )
        return FileResult(
            source.name, source.sha256, status, staged.profile, counts, reasons, staged.message
        )

    def _merged(self, staged: Staged, inserted: int, files: int) -> None:
        self.last_file += files
        self.inserted += inserted
        self.unmapped.append(staged.unmapped)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Take a file in whole or not at all."""
        self.con.begin()
        try:
            yield
        except BaseException:
            self.con.rollback()
            raise
        self.con.commit()

    @contextmanager
    def _given(self, **frames: pl.DataFrame) -> Iterator[None]:
        """Let SQL see frames as tables; after an error the rollback takes the names away."""
        for name, frame in frames.items():
            self.con.register(name, frame.to_arrow())
        yield
        for name in frames:
            self.con.unregister(name)


def _of_file(frame: pl.DataFrame, file_id: int, staged: Staged) -> pl.DataFrame:
    return frame.with_columns(
        staged_file=pl.lit(file_id, pl.Int32),
        source_at=pl.lit(staged.source.source_at, pl.Datetime("us", "UTC")),
    )


def _together(files: Sequence[tuple[int, Staged]]) -> pl.LazyFrame:
    """Return the procedure rows of several files with the file they came from."""
    frames = [
        pl.scan_parquet(staged.procedures).with_columns(staged_file=pl.lit(file_id, pl.Int32))
        for file_id, staged in files
        if staged.procedures is not None
    ]
    nothing = pl.LazyFrame(schema={"source_line": pl.Int64, "staged_file": pl.Int32})
    return pl.concat([nothing, *frames], how="diagonal_relaxed")


def _whole_file(reason: str, schema: pl.Schema) -> pl.DataFrame:
    row = {"line": None, "raw_text": "", "reasons": [reason], "rules": ["file"]}
    return pl.DataFrame([row | {"site": None, "accession_number": None}], schema=schema)
