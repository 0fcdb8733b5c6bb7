"""A small warehouse that has seen corrections, refused rows, unmapped names and odd units."""

import os
from pathlib import Path

from tests.conftest import run_etl

HEAD = (
    "Standort;Untersuchungsnummer;Modalität;Datum;Beginn;Ende;Untersuchung;Patienten-ID;Alter;"
    "Geschlecht;Gewicht;Größe;Untersucher;Raum;Gerät;DFP;Referenzpunktdosis;Durchleuchtungszeit"
)
#: A 2 Gy·cm² case, the same patient again, a KAP a thousand times too large, a nameless one.
ROWS = (
    "Nord;A1;Durchleuchtung;01.06.2026;08:00;08:20;MBB;P1;60;w;70,0;170;A;R1;XA1;200;12,5;01:30",
    "Nord;A2;Durchleuchtung;01.07.2026;08:00;08:30;MBB;P1;60;w;70,0;170;A;R1;XA1;310;20;02:00",
    "Nord;A3;Durchleuchtung;02.07.2026;09:00;09:30;MBB;P2;44;m;90,0;180;B;R1;XA1;300000;15;00:50",
    "Nord;A4;Durchleuchtung;03.07.2026;09:00;09:30;Zauberei;P3;97;m;80,0;180;B;R2;XA2;;;00:50",
)
REFUSED = "Nord;A5;Durchleuchtung;31.02.2026;09:00;09:30;MBB;P4;50;m;80,0;180;B;R2;XA2;1;1;00:50"
CORRECTED = ROWS[0].replace(";200;", ";250;")


def deliver(data_dir: Path, name: str, rows: tuple[str, ...], at: int) -> None:
    """Put one list into the inbox, current at a moment, and refresh."""
    path = data_dir / "inbox" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join((HEAD, *rows)) + "\n", encoding="utf-8")
    os.utime(path, (at, at))
    done = run_etl(data_dir, "refresh")
    assert done.returncode in (0, 1), done.stdout + done.stderr


def fill(data_dir: Path) -> None:
    """Deliver a list, then its correction."""
    deliver(data_dir, "juli.csv", (*ROWS, REFUSED), 1_783_100_000)
    deliver(data_dir, "korrektur.csv", (CORRECTED,), 1_783_200_000)
