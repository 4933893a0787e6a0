"""Files appear whole and together, or not at all."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from assay.app import output
from assay.errors import ConfigError


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_all_files_are_written(tmp_path: Path) -> None:
    paths = [tmp_path / "a.json", tmp_path / "b.xml"]
    output.writable(paths)
    output.write({path: f"text of {path.name} é" for path in paths})
    assert [path.read_text("utf-8") for path in paths] == ["text of a.json é", "text of b.xml é"]
    assert names(tmp_path) == ["a.json", "b.xml"]


def test_permissions_are_those_of_any_new_file_or_of_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    (tmp_path / "old").touch(mode=0o640)
    (tmp_path / "old").chmod(0o640)
    output.write({tmp_path / "new": "x", tmp_path / "old": "y"})
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert (tmp_path / "old").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_if_one_cannot_be_written_none_is(tmp_path: Path, monkeypatch, error: BaseException) -> None:
    first, second, third = (tmp_path / name for name in ("first.json", "second.xml", "third"))
    first.write_text("as it was", "utf-8")
    real = os.replace

    def failing(source: Path, target: Path) -> None:
        if target == third:
            raise error
        real(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(ConfigError if isinstance(error, OSError) else KeyboardInterrupt):
        output.write({first: "new", second: "new", third: "new"})
    assert first.read_text("utf-8") == "as it was"
    assert names(tmp_path) == ["first.json"]


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(ConfigError, match="No space left"):
        output.write({tmp_path / "a": "x"})
    assert names(tmp_path) == []


@pytest.mark.parametrize(("name", "words"), [("none/a.json", "there is no folder"), (".", "this is a folder"),
                                             ("file/a.json", "cannot write there")])
def test_a_place_that_cannot_be_written_is_told_before(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=words):
        output.writable([tmp_path / name])
    assert names(tmp_path) == ["file"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old", "utf-8")
    link.symlink_to(target)
    output.write({link: "new"})
    assert link.is_symlink()
    assert target.read_text("utf-8") == "new"


def test_a_pipe_is_written_to_and_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text("utf-8")))
    reader.start()
    output.writable([pipe])
    output.write({pipe: "said", tmp_path / "a.json": "kept"})
    reader.join(timeout=10)
    assert heard == ["said"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert (tmp_path / "a.json").read_text("utf-8") == "kept"
