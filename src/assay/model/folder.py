"""A model that is a folder, as MLflow writes them: its digest, and its files, none of which may lie outside of it.

``still`` tells of a file that is changed while a library reads it. Adapters take files by ``Folder.file``; paths in a model's own
description are not believed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from assay.errors import ModelError

__all__ = ["Folder", "still"]


@contextmanager
def still(paths: Sequence[Path], *, where: str) -> Iterator[None]:
    """Raise ``ModelError`` if one of these files is changed, or replaced, while the body runs."""
    before = [_stamp(each) for each in paths]
    yield
    if [_stamp(each) for each in paths] != before:
        raise ModelError("a file of the model was changed while it was loaded", where=where, expected="files that stay as they are")


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        said = path.stat()
    except OSError:
        return ()
    return said.st_dev, said.st_ino, said.st_size, said.st_mtime_ns, said.st_ctime_ns   # the last is nobody's to set


MOST = 100_000   # files; a model has a few


@dataclass(frozen=True)
class Folder:
    """One folder; ``path`` is as the user wrote it."""

    path: Path

    def has(self, name: str) -> bool:
        """Return whether there is a file ``name`` in the folder itself."""
        return (self.path / name).is_file()

    def place(self, name: str) -> Path:
        """Return where the file or folder ``name`` is; raises ``ModelError`` where it is not there or leads out of the folder."""
        found = (self.path / name).resolve()
        if not found.is_relative_to(self.path.resolve()):
            raise ModelError(f"'{name}' leads out of the model's folder", where=str(self.path), expected="a file inside of it")
        if not found.exists():
            raise ModelError(f"there is no '{name}' in the folder", where=str(self.path), expected="a whole model")
        return found

    @contextmanager
    def still(self) -> Iterator[None]:
        """Raise ``ModelError`` if a file of the folder is changed while the body runs: what a library reads is then not what was hashed."""
        paths = [each for each in self.path.rglob("*") if each.is_file()]
        with still(paths, where=str(self.path)):
            yield

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the names and contents of all files; links inside the folder count as what they lead to."""
        made = hashlib.sha256()
        for number, path in enumerate(sorted(each for each in self.path.rglob("*") if not each.is_dir())):
            if number >= MOST:
                raise ModelError(f"the folder has more than {MOST:,} files", where=str(self.path), expected="a model")
            name = path.relative_to(self.path).as_posix()
            with self.place(name).open("rb") as file:
                made.update(f"{name}\n{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
        return made.hexdigest()
