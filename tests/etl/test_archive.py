"""Zip archives are read by their members, within limits, and known only when all are in."""

import errno
import io
import json
import zipfile
from pathlib import Path

import pytest

from etl.refresh import Asked, refresh
from etl.sources import archive as zips
from tests.etl import dicom_made as made
from warehouse.settings import Settings

LOG = "accession_number,modality,performed_on\nZ1,CT,2026-03-02\n"


def chosen(folder: Path) -> Settings:
    found = Settings(data_dir=folder, settle_seconds=0, pseudonym_key=made.KEY.decode())  # type: ignore[arg-type]
    found.inbox.mkdir(parents=True, exist_ok=True)
    return found


def pack(folder: Path, *, name: str = "a.zip", **members: bytes) -> Path:
    path = chosen(folder).inbox / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(member.replace("__", "/").replace("_dot_", "."), data)
    return path


def run(folder: Path, **asked: bool) -> dict:
    result = refresh(chosen(folder), Asked(**asked), lambda *_, **__: None)
    return json.loads(json.dumps(result.as_json()))


def dose(folder: Path, number: str = "1", **more: object) -> bytes:
    path = folder / f"dose-{number}"
    data = made.projection(number=number, **more)
    return made.save(data, path).read_bytes()


def statuses(result: dict) -> dict[str, str]:
    return {file["path"]: file["status"] for file in result["files"]}


def test_members_load_and_the_archive_is_known(tmp_path: Path) -> None:
    pack(tmp_path, **{"north__dose": dose(tmp_path), "log_dot_csv": LOG.encode()})
    first = run(tmp_path)
    assert statuses(first) == {
        "a.zip!north/dose": "loaded",
        "a.zip!log.csv": "loaded",
        "a.zip": "loaded",
    }
    assert first["totals"]["inserted"] == 2
    again = run(tmp_path)
    assert again["files"] == [] and again["totals"]["known"] == 1
    assert not list((tmp_path / "snapshots").glob("**/unpacked-*"))


def test_what_is_loaded_already_is_known_within_an_archive(tmp_path: Path) -> None:
    data = dose(tmp_path)
    (chosen(tmp_path).inbox / "plain").write_bytes(data)
    run(tmp_path)
    pack(tmp_path, dose=data, twice=data)
    second = run(tmp_path)
    assert statuses(second) == {"a.zip": "loaded"} and second["totals"]["inserted"] == 0


def test_one_bad_member_does_not_lose_the_others(tmp_path: Path) -> None:
    pack(tmp_path, good=dose(tmp_path), bad_dot_csv=b"what,is\n1,2\n")
    found = statuses(run(tmp_path))
    assert found == {"a.zip!good": "loaded", "a.zip!bad.csv": "refused", "a.zip": "loaded"}
    assert run(tmp_path)["files"] == []
    assert statuses(run(tmp_path, retry=True))["a.zip!bad.csv"] == "refused"


@pytest.mark.parametrize("name", ["../out", "/etc/out", "C:\\out", "a/../../out", "\\\\x\\out"])
def test_a_path_that_leaves_is_refused(tmp_path: Path, name: str) -> None:
    path = chosen(tmp_path).inbox / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), LOG)
        archive.writestr("good.csv", LOG)
    result = run(tmp_path)
    refused = [file for file in result["files"] if file["status"] == "refused"]
    assert len(refused) == 1 and "leaves the archive" in refused[0]["message"]
    assert result["totals"]["inserted"] == 1
    assert not (tmp_path / "out").exists() and not (tmp_path.parent / "out").exists()


def test_a_link_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link.csv")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(chosen(tmp_path).inbox / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert "is a link" in run(tmp_path)["files"][0]["message"]


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack(tmp_path, bomb_dot_csv=b"0" * 20_000_000, good_dot_csv=LOG.encode())
    found = run(tmp_path)
    told = {file["path"]: file.get("message", "") for file in found["files"]}
    assert "more tightly" in told["a.zip!bomb.csv"] and found["totals"]["inserted"] == 1
    monkeypatch.setattr(zips, "MOST_MEMBERS", 3)
    pack(tmp_path, name="many.zip", **{f"m{n}": b"x" for n in range(4)})
    assert "more than 3" in run(tmp_path)["files"][0]["message"]
    monkeypatch.setattr(zips, "LARGEST_TOTAL", 1000)
    pack(tmp_path, name="large.zip", m=b"x" * 2000)
    assert "more than 1,000" in run(tmp_path)["files"][0]["message"]


def test_a_member_larger_than_it_says_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path, log_dot_csv=LOG.encode() * 50)
    data = bytearray(path.read_bytes())
    size = (len(LOG) * 50).to_bytes(4, "little")
    lie = (len(LOG) * 5).to_bytes(4, "little")
    assert data.count(size) == 2
    path.write_bytes(bytes(data).replace(size, lie))
    assert run(tmp_path)["files"][0]["status"] == "refused"


@pytest.mark.parametrize("hide", ["inner.zip", "inner.dat"])
def test_one_level_only(tmp_path: Path, hide: str) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("log.csv", LOG)
    with zipfile.ZipFile(chosen(tmp_path).inbox / "a.zip", "w") as archive:
        archive.writestr(hide, inner.getvalue())
    assert "within an archive" in run(tmp_path)["files"][0]["message"]


def test_damaged_and_empty_archives_are_refused(tmp_path: Path) -> None:
    whole = pack(tmp_path, log_dot_csv=LOG.encode()).read_bytes()
    for name, data in {
        "cut.zip": whole[:60],
        "flip.zip": whole[:40] + b"\xff\xff" + whole[42:],
    }.items():
        (chosen(tmp_path).inbox / name).write_bytes(data)
    with zipfile.ZipFile(chosen(tmp_path).inbox / "empty.zip", "w"):
        pass
    (chosen(tmp_path).inbox / "a.zip").unlink()
    found = statuses(run(tmp_path))
    assert {found[name] for name in found if name != "flip.zip"} == {"refused"}
    assert all(status == "refused" for name, status in found.items() if "!" in name)


def test_a_member_without_a_name_is_refused_and_ends_nothing(tmp_path: Path) -> None:
    path = pack(tmp_path, x=dose(tmp_path), good=dose(tmp_path))
    packed = bytearray(path.read_bytes())
    entry = packed.index(b"PK\x01\x02")  # of the directory at the end
    packed[entry + 28 : entry + 30] = b"\0\0"  # the name has no letters …
    packed[entry + 32 : entry + 34] = b"\x01\0"  # … and the remark has one
    path.write_bytes(packed)
    found = run(tmp_path)["files"]
    told = {file["path"]: file.get("message", "") for file in found}
    assert "has no name" in told["a.zip!"]


def test_a_full_disk_is_no_damage_of_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(tmp_path, good=dose(tmp_path))

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("etl.sources.archive._unpack", full)
        assert "the disk is full" in run(tmp_path)["failure"]
    assert statuses(run(tmp_path))["a.zip"] == "loaded"


def test_what_systems_leave_in_archives_is_passed_over(tmp_path: Path) -> None:
    path = chosen(tmp_path).inbox / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("__MACOSX/._log.csv", ".DS_Store", "folder/", "log.csv"):
            archive.writestr(name, LOG if name == "log.csv" else "")
    assert statuses(run(tmp_path)) == {"a.zip!log.csv": "loaded", "a.zip": "loaded"}


def test_an_error_in_kerma_leaves_the_archive_for_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import etl.ahead as module

    pack(tmp_path, good=dose(tmp_path), other_dot_csv=LOG.encode())
    real = module.stage

    def broken(source, **more):  # type: ignore[no-untyped-def]
        if source.name.endswith(".csv"):
            raise RuntimeError("planted")
        return real(source, **more)

    monkeypatch.setattr(module, "stage", broken)
    assert statuses(run(tmp_path)) == {"a.zip!good": "loaded", "a.zip!other.csv": "failed"}
    monkeypatch.setattr(module, "stage", real)
    assert statuses(run(tmp_path)) == {"a.zip!other.csv": "loaded", "a.zip": "loaded"}


def test_workbooks_are_no_archives(tmp_path: Path) -> None:
    import xlsxwriter

    path = tmp_path / "log.xlsx"
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet().write_row(0, 0, ["a"])
    assert not zips.is_archive(path)
    renamed = path.rename(tmp_path / "log.bin")
    assert not zips.is_archive(renamed)


def test_dose_reports_are_read_on_several_cores_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from etl import ahead

    monkeypatch.setattr(ahead, "WORTH_A_POOL", 1)
    monkeypatch.setattr(ahead, "_cores", lambda: 2)
    inbox = chosen(tmp_path).inbox
    for number in range(40):
        data = made.projection(number=str(number + 1))
        data.AccessionNumber, data.StudyInstanceUID = f"N{number}", f"1.2.3.{number}"
        made.save(data, inbox / f"{number:02}.dcm")
    (inbox / "cut.dcm").write_bytes((inbox / "00.dcm").read_bytes()[:900])
    (inbox / "log.csv").write_text(LOG)
    result = run(tmp_path)
    assert result["totals"]["inserted"] == 41
    assert statuses(result)["cut.dcm"] == "refused"
    assert len(result["files"]) == 42
