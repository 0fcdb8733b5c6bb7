"""What no code here may do: build SQL from strings, or draw HTML that holds data."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_architecture import PACKAGES, ROOT, STATEMENT, sources

#: Methods that run SQL: they are given a constant, a name of one, or a call that reads a file.
RUNS_SQL = {
    "execute",
    "executemany",
    "sql",
    "query",
    "exec_driver_sql",
    "extract_statements",
    "text",
}
#: Functions and arguments by which Streamlit takes HTML or scripts.
HTML = {"html", "iframe"}
#: The committee report is drawn by Jinja2, which escapes every text (tests/report/test_render.py).
ESCAPED = {("pages/dose/report.py", "iframe")}
UNSAFE = {"unsafe_allow_html", "unsafe_allow_javascript"}
FILES = [path for package in (*PACKAGES, "deploy") for path in sources(package)] + [ROOT / "app.py"]


def built(node: ast.expr) -> bool:
    """Say whether an expression puts a text together from parts that are not all constants."""
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mod)):
        return not (isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant))
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("format", "join", "replace", "format_map")
    )


def calls(path: Path) -> Iterator[ast.Call]:
    return (n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Call))


def name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_sql_is_built_from_strings(path: Path) -> None:
    wrong = [
        f"line {call.lineno}: {ast.unparse(call)[:80]}"
        for call in calls(path)
        if name(call) in RUNS_SQL and call.args and built(call.args[0])
    ]
    tree = ast.walk(ast.parse(path.read_text("utf-8")))
    wrong += [
        f"line {node.lineno}: {ast.unparse(node)[:80]}"
        for node in tree
        if isinstance(node, ast.JoinedStr) and STATEMENT.search(ast.unparse(node))
    ]
    assert not wrong


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_html_holds_data(path: Path) -> None:
    """HTML and scripts of a page are constants: data reach it as text, which Streamlit escapes."""
    wrong = []
    for call in calls(path):
        unsafe = {k.arg for k in call.keywords if k.arg in UNSAFE}
        drawn = ast.unparse(call.func) in {f"st.{html}" for html in HTML} and not _constant(call)
        known = (str(path.relative_to(ROOT)), name(call)) in ESCAPED
        if "unsafe_allow_html" in unsafe or (drawn and not known):
            wrong.append(f"line {call.lineno}: {ast.unparse(call)[:80]}")
    assert not wrong


def _constant(call: ast.Call) -> bool:
    """Say whether what is drawn is a constant, by itself or by its name in capitals."""
    return bool(call.args) and (
        isinstance(call.args[0], ast.Constant)
        or (isinstance(call.args[0], ast.Name) and call.args[0].id.isupper())
    )


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('con.execute(f"select {x}")', True),
        ('con.sql("select " + x)', True),
        ('con.sql("select %s" % x)', True),
        ('con.sql("select {}".format(x))', True),
        ('con.execute("select $x", {"x": x})', False),
        ("con.execute(statement)", False),
    ],
)
def test_the_rule_finds_what_it_is_for(code: str, found: bool) -> None:
    call = next(n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Call))
    assert built(call.args[0]) is found


def test_streamlit_guards_are_on() -> None:
    import tomllib

    server = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))["server"]
    assert server["enableXsrfProtection"] and server["enableCORS"]
    assert server["address"] == "127.0.0.1" and server["maxUploadSize"] <= 5
    client = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))["client"]
    assert client["showErrorDetails"] == "none"
