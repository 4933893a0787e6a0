"""Archives made to do harm are refused before anything in them is opened; whole ones come out as they went in."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from assay.errors import ModelError
from assay.model import archive


def zipped(**files: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as each:
        for name, data in files.items():
            each.writestr(name, data)
    return made.getvalue()


def tarred(*entries: tarfile.TarInfo, compression: str = "gz") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=f"w:{compression}") as each:
        for entry in entries:
            each.addfile(entry, io.BytesIO(b"x" * entry.size))
    return made.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, size: int = 3, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.size, made.linkname = kind, size if kind == tarfile.REGTYPE else 0, link
    return made


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "C:\\evil", "..\\evil", "C:evil", "\\\\host\\share", "a\nb"])
def test_paths_that_lead_out(name, tmp_path) -> None:
    for data in (zipped(**{name: b"x"}), tarred(entry(name))):
        with pytest.raises(ModelError, match="leads out"):
            archive.unpack(data, tmp_path / "in", where="m")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar(kind, tmp_path) -> None:
    with pytest.raises(ModelError, match=r"a link|a device"):
        archive.unpack(tarred(entry("a", kind, link="/etc/passwd")), tmp_path, where="m")


def test_a_link_in_a_zip() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as each:
        info = zipfile.ZipInfo("a")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        each.writestr(info, "/etc/passwd")
    with pytest.raises(ModelError, match="a link"):
        archive.members(made.getvalue())


def test_what_would_fill_the_machine(monkeypatch) -> None:
    bomb = zipped(a=bytes(100 * 2**20))
    with pytest.raises(ModelError, match="unpacks to"):
        archive.members(bomb)
    with pytest.raises(ModelError, match="unpacks to"):
        archive.members(tarred(entry("a", size=100 * 2**20), compression="bz2"))
    monkeypatch.setattr(archive, "MOST", 5)
    with pytest.raises(ModelError, match="more than 5 members"):
        archive.members(zipped(**{f"{number}": b"" for number in range(6)}))


def test_a_zip_that_lies_about_its_size_is_stopped(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(archive, "ALLOWED", 1000)
    data = zipped(a=b"x" * 100_000)
    lying = data.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert lying != data
    with pytest.raises(ModelError):
        archive.unpack(lying, tmp_path, where="m")
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < 100_000


def test_a_name_twice_and_no_archive(tmp_path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as each:
        each.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            each.writestr("a", b"2")
    with pytest.raises(ModelError, match="'a' twice"):
        archive.members(made.getvalue())
    for data in (b"", b"PK\x03\x04", b"nothing of the kind", zipped(a=b"x")[:-10]):
        with pytest.raises(ModelError, match="no archive"):
            archive.members(data)


def test_whole_archives_come_out_as_they_went_in(tmp_path) -> None:
    data = zipped(**{"schema.json": b"{}", "deep/er/a.npy": b"123"})
    assert [(each.name, each.size) for each in archive.members(data)] == [("schema.json", 2), ("deep/er/a.npy", 3)]
    assert archive.read(data, "deep/er/a.npy") == b"123"
    with pytest.raises(ModelError, match="no 'b' in the archive"):
        archive.read(data, "b")
    found = archive.unpack(data, tmp_path)
    assert {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in found} == {"schema.json": b"{}", "deep/er/a.npy": b"123"}
    path = Path(tmp_path / "m.tar.gz")
    path.write_bytes(tarred(entry("a"), entry("d", tarfile.DIRTYPE), entry("d/b")))
    assert [each.name for each in archive.members(path)] == ["a", "d/b"]
    assert archive.unpack(path, tmp_path / "out")[1].read_bytes() == b"xxx"
    with pytest.raises(FileExistsError):
        archive.unpack(path, tmp_path / "out")
