"""The rules that keep the parts apart: imports, where SQL and Streamlit stand, page files."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("analytics", "etl", "pages", "report", "warehouse")
OURS = {*PACKAGES, "app", "deploy"}

#: package → packages of ours, and libraries, that it must not import
FORBIDDEN = {
    "analytics": {"etl", "pages", "warehouse", "app", "streamlit", "duckdb", "altair"},
    "warehouse": {"etl", "pages", "analytics", "app", "streamlit", "altair"},
    "etl": {"pages", "app", "streamlit", "altair"},
    "pages": {"etl", "duckdb", "app"},
    "report": {"etl", "pages", "warehouse", "analytics", "app", "streamlit", "duckdb", "altair"},
}
STATEMENT = re.compile(
    r"\b(select\s.+\sfrom\s|insert\s+into\s|update\s+\w+\s+set\s|delete\s+from\s|create\s+table\s)",
    re.IGNORECASE | re.DOTALL,
)


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Return every imported module, with its full dotted name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


#: What staff enter on a page is checked by the contract of the logs: no other part of etl.
CONTRACT = ("etl.follow_up",)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_one_way(package: str) -> None:
    wrong = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources(package)
        for name in imports(path)
        if name.split(".")[0] in FORBIDDEN[package]
        and not (package == "pages" and name.startswith(CONTRACT))
    }
    assert not wrong


def test_etl_takes_nothing_from_analytics_but_dose_and_alerts() -> None:
    """The alerts of a night are found by the refresh; nothing else there infers."""
    wrong = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources("etl")
        for name in imports(path)
        if name.split(".")[0] == "analytics"
        and not name.startswith("analytics.dose")
        and not (
            path.name in ("alerts.py", "skin_doses.py")
            and name.split(".")[1:2]
            in (["alerts"], ["rules"], ["field_area"], ["own_distribution"])
        )
    }
    assert not wrong - {f"{path.relative_to(ROOT)}: analytics" for path in sources("etl")}


def test_app_holds_no_logic() -> None:
    assert {name.split(".")[0] for name in imports(ROOT / "app.py")} <= {"gc", "streamlit", "pages"}


def test_nothing_can_be_served_past_the_router() -> None:
    """A script directly in pages/ would be run by its address alone, without app.py."""
    assert [path.name for path in (ROOT / "pages").glob("*.py")] == ["__init__.py"]


def test_every_page_is_registered_and_exists() -> None:
    from pages.shared.navigation import HIDDEN, PAGES

    registered = {path for listed in PAGES.values() for path, _ in listed}
    drawn = {
        path.relative_to(ROOT / "pages").as_posix()
        for path in sources("pages")
        if "page.begin(" in path.read_text("utf-8") and path.parent.name != "shared"
    }
    assert drawn <= registered
    assert registered >= HIDDEN
    assert [path for path in registered if not (ROOT / "pages" / path).exists()] == []


def test_every_page_says_who_opens_it() -> None:
    from pages.shared.navigation import PAGES, ROLES
    from warehouse import access

    registered = {path for listed in PAGES.values() for path, _ in listed}
    assert registered == set(ROLES), (
        "give each page its roles in ROLES of pages/shared/navigation.py: nobody opens it otherwise"
    )
    assert all(roles and roles <= set(access.ROLES) for roles in ROLES.values())


def test_page_addresses_are_unique() -> None:
    from pages.shared.navigation import PAGES

    names = [Path(path).stem for listed in PAGES.values() for path, _ in listed]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("package", ["analytics", "pages", "etl"])
def test_sql_stands_in_the_warehouse_only(package: str) -> None:
    wrong = []
    for path in sources(package):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
                continue
            if STATEMENT.search(node.value):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.value[:60]!r}")
    assert not wrong


QUERIES = sorted((ROOT / "warehouse" / "queries").glob("*.sql"))
#: What holds no figure of any case.
WITHOUT_CASES = {"schema_version"}


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_a_query_says_what_it_is_for_and_who_may_see_it(path: Path) -> None:
    from warehouse.access import SYSTEM_ROLE
    from warehouse.queries import parameters, rule

    head = "\n".join(line for line in path.read_text("utf-8").splitlines() if line[:2] == "--")
    assert re.search(r"Grain:", head), "the header names the grain"
    assert re.search(r"Parameters?:|No parameters", head), "the header names the parameters"
    asked = rule(path.stem)  # says what to write where the header does not say who may run it
    if asked.roles == {SYSTEM_ROLE} or asked.all_sites or path.stem in WITHOUT_CASES:
        return
    assert "scope_sites" in parameters(path.stem), (
        "keep the rows within the reader's sites by $scope_sites, as parts/filtered.sql does; "
        "where rows belong to no site, end the header's line of roles with '; all sites.'"
    )


def test_no_chart_makes_altair_guess_types() -> None:
    """A shorthand such as "n:Q" costs five milliseconds a channel."""
    shorthand = re.compile(r"""["'][a-z_]+:[QNOT]["']""")
    wrong = [path.name for path in sources("pages") if shorthand.search(path.read_text("utf-8"))]
    assert not wrong


def test_no_pandas_in_our_code() -> None:
    for package in PACKAGES:
        for path in sources(package):
            assert "pandas" not in {name.split(".")[0] for name in imports(path)}, path
