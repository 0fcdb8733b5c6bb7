"""A report becomes HTML and PDF: text is text, whatever it contains."""

import re

import pytest
import vl_convert
from hypothesis import given, settings
from hypothesis import strategies as st

from report.html import html
from report.model import (
    Figure,
    Figures,
    Listing,
    Picture,
    Report,
    Section,
    Table,
    Words,
    runs,
)
from report.pdf import pdf

HOSTILE = '<script>alert(1)</script> #panic("x") $ x * _ ` @ \\ ] [ // {{ 7*7 }} "quoted"'


def report(text: str = "words") -> Report:
    chart = '{"data":{"values":[{"a":1}]},"mark":"point","encoding":{"x":{"field":"a"}}}'
    picture = Picture(
        text, text, vl_convert.vegalite_to_svg(chart), vl_convert.vegalite_to_pdf(chart)
    )
    table = Table(text, (text, "n"), ((text, "1"), (text, "2")), (False, True), (1, 0))
    blocks = (Words(text), Words(text, True), Listing((text,)), Figures((Figure(text, "1", text),)))
    return Report(
        text, text, ((text, text),),
        (Section(text, (*blocks, table, picture)), Section("Appendix", (table,), True)),
        text, (text,),
    )  # fmt: skip


def test_hostile_text_stays_text_in_both() -> None:
    page = html(report(HOSTILE))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "{{ 7*7 }}" in page
    assert not re.search(r"(src|href)=\"(?!data:|#)", page), "nothing is fetched from elsewhere"
    assert pdf(report(HOSTILE)).startswith(b"%PDF-")


@settings(max_examples=15, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=40))
def test_any_text_can_be_set(text: str) -> None:
    assert pdf(report(text)).startswith(b"%PDF-")


@given(st.lists(st.text("ab c*", max_size=8), max_size=6))
def test_runs_lose_nothing_but_the_asterisks(parts: list[str]) -> None:
    plain = [part.replace("*", "") for part in parts]
    marked = "".join(f"**{part}**" if i % 2 and part else part for i, part in enumerate(plain))
    found = runs(marked)
    assert "".join(words for words, _ in found) == "".join(plain)


def test_strong_runs() -> None:
    assert runs("a **b** c") == [("a ", False), ("b", True), (" c", False)]
    assert "<strong>b</strong>" in html(report("a **b** c"))


def test_a_table_of_uneven_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="'T'"):
        Table("T", ("a", "b"), (("1",),), (False, False))
    with pytest.raises(ValueError, match="'T'"):
        Table("T", ("a", "b"), (("1", "2"),), (False, False), (1,))
