"""A report as PDF: typeset by Typst with its own fonts, so that it is the same on every machine."""

import dataclasses
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import typst

from report.model import Block, Figures, Listing, Picture, Report, Words, runs

TEMPLATE = Path(__file__).parent / "templates" / "report.typ"


def pdf(report: Report) -> bytes:
    """Typeset the report; text reaches Typst as data, never as markup."""
    with tempfile.TemporaryDirectory(prefix="kerma-report-") as name:
        folder = Path(name)
        shutil.copy(TEMPLATE, folder / "report.typ")
        told = _told(report, folder)
        (folder / "report.json").write_text(json.dumps(told, ensure_ascii=False), "utf-8")
        made = typst.compile(
            str(folder / "report.typ"), root=str(folder), format="pdf", ignore_system_fonts=True
        )
    if not isinstance(made, bytes):
        raise TypeError(f"the typesetter returned {type(made).__name__}, not one PDF")
    return made


def _told(report: Report, folder: Path) -> dict[str, Any]:
    """Return the report as plain data; pictures become files beside the template."""
    count = 0

    def block(given: Block) -> dict[str, Any]:
        nonlocal count
        if isinstance(given, Picture):
            count += 1
            file = f"picture-{count}.pdf"
            (folder / file).write_bytes(given.pdf)
            return {"kind": "picture", "title": given.title, "alt": given.alt, "file": file}
        if isinstance(given, Words):
            return {"kind": "words", "runs": runs(given.text), "quiet": given.quiet}
        if isinstance(given, Listing):
            return {"kind": "listing", "points": [runs(point) for point in given.points]}
        if isinstance(given, Figures):
            figures = [dataclasses.asdict(figure) for figure in given.figures]
            return {"kind": "figures", "figures": figures}
        shares = given.shares or tuple(int(place == 0) for place in range(len(given.columns)))
        return {"kind": "table"} | dataclasses.asdict(given) | {"shares": shares}

    return {
        "title": report.title,
        "period": report.period,
        "facts": report.facts,
        "made": report.made,
        "signatures": report.signatures,
        "sections": [
            {
                "title": section.title,
                "appendix": section.appendix,
                "blocks": [block(given) for given in section.blocks],
            }
            for section in report.sections
        ],
    }
