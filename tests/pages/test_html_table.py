"""The table to paste is escaped, whole and carries its notes."""

import polars as pl

from pages.shared.files import Header, html_bytes


def test_a_table_to_paste_is_escaped_and_carries_its_notes() -> None:
    frame = pl.DataFrame({"Outcome <b>": ["a & b", None], "p": ["p < .001", "x\ny"]})
    head = Header("CT v <script>", "12 months", "kerma-1.duckdb", "none")
    text = html_bytes(frame, head).decode()
    assert "<script>" not in text and "CT v &lt;script&gt;" in text
    assert "Outcome &lt;b&gt;" in text and "a &amp; b" in text and "p &lt; .001" in text
    assert "x<br>y" in text and text.count("<tr>") == 3
    assert "Filters: 12 months. Snapshot: kerma-1.duckdb" in text
