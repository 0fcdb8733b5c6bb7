"""What Kerma is made of: every dependency locked with hashes, under a licence we agreed to."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
#: Licences that a department may use without asking; LGPL and MPL as libraries, unchanged.
AGREED = re.compile(
    r"(3-Clause )?BSD|BSD-\d-Clause|0BSD|MIT(-0|-CMU)?|Apache|ISC|PSF|Python Software Foundation"
    r"|MPL|Mozilla|LGPL|Zlib|Unlicense|CC0"
)
REFUSED = re.compile(r"(?<!L)GPL|AGPL|SSPL|Commercial|Proprietary|UNKNOWN", re.IGNORECASE)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def blocks() -> list[str]:
    return re.split(r"\n(?=[A-Za-z0-9])", LOCK.partition("\n")[2].strip())


def test_lock_and_requirements_agree() -> None:
    wanted = re.findall(
        r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", (ROOT / "requirements.txt").read_text(), re.M
    )
    locked = {
        canonical(n): v for n, v in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", LOCK, re.M)
    }
    assert wanted
    wrong = {n: v for n, v in wanted if locked.get(canonical(n)) != v}
    assert not wrong, "run 'make lock' after a change of requirements.txt"


def test_every_package_has_hashes_and_no_address_stands_in_the_lock() -> None:
    for block in blocks():
        assert re.match(r"[A-Za-z0-9._-]+==", block), block[:80]
        assert "--hash=sha256:" in block, block[:80]
    assert "://" not in LOCK and "index-url" not in LOCK and "find-links" not in LOCK


def test_the_start_installs_from_the_lock_only() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert "--require-hashes -r requirements.lock" in makefile


def test_every_licence_is_agreed_to() -> None:
    rows = re.findall(
        r"^\| (\S+)\s*\| (.+?)\s*\|$", (ROOT / "docs" / "licences.md").read_text(), re.M
    )
    licences = {canonical(name): licence for name, licence in rows if name not in ("Name",)}
    elsewhere = {
        canonical(b.split("==")[0]) for b in blocks() if re.search("win32|Windows", b[:200])
    }
    missing = {canonical(b.split("==")[0]) for b in blocks()} - elsewhere - set(licences)
    assert not missing, "run 'make lock'"
    bad = {n: li for n, li in licences.items() if not AGREED.search(li) or REFUSED.search(li)}
    assert not bad


def test_the_audit_passes_with_a_notice_where_it_cannot_reach_its_list(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = runpy.run_path(str(ROOT / "deploy" / "audit.py"))
    main = module["main"]
    monkeypatch.setitem(main.__globals__, "ASKED", "http://127.0.0.1:9/none")
    assert main() == 0
    assert "skipped" in capsys.readouterr().out


def test_the_bill_of_materials_has_every_locked_package(tmp_path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    found = re.search(r"cyclonedx-py (.+) --output-file kerma\.cdx\.json", makefile)
    assert found
    out = tmp_path / "kerma.cdx.json"
    tool = Path(sys.executable).parent / "cyclonedx-py"
    subprocess.run([tool, *found[1].split(), "--output-file", out], cwd=ROOT, check=True)
    told = json.loads(out.read_text("utf-8"))
    assert told["metadata"]["component"]["name"] == "kerma"
    parts = {canonical(part["name"]): part["version"] for part in told["components"]}
    locked = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", LOCK, re.M)
    assert parts == {canonical(name): version for name, version in locked}


def test_each_threat_names_a_test_that_exists() -> None:
    text = (ROOT / "docs" / "security.md").read_text("utf-8")
    threats = text.partition("## Threats")[2].partition("\n## ")[0]
    rows = [line for line in threats.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", row.rsplit("|", 2)[1])
        assert named, row
        for path, test in named:
            assert (ROOT / path).exists(), path
            assert f"def {test}" in (ROOT / path).read_text("utf-8"), (path, test)
