"""DICOM objects among the files: recognised by content, read by what is loaded when needed."""

from dataclasses import dataclass
from pathlib import Path

from etl.staging import SourceFile, Staged
from warehouse.settings import Settings


@dataclass(frozen=True)
class DicomReader:
    """Reads DICOM objects, with or without the preamble."""

    name: str = "DICOM dose report"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Say whether the bytes are DICOM, whatever the file is called."""
        return is_dicom(head)

    def stage(
        self, source: SourceFile, *, work_dir: Path, settings: Settings, key: bytes
    ) -> Staged:
        """Read one object."""
        from etl.sources import dicom_sr

        return dicom_sr.stage(source, work_dir=work_dir, settings=settings, key=key)


def is_dicom(head: bytes) -> bool:
    """Say whether bytes begin as DICOM: with the mark at 128, or with an element of its kind."""
    if head[128:132] == b"DICM":
        return True
    if len(head) < 8 or head[:2] not in (b"\x02\x00", b"\x08\x00") or head[3] != 0:
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return explicit or int.from_bytes(head[4:8], "little") < 1024


DICOM = DicomReader()
