"""Files that a run is written to: refused before the work where they cannot be, and written all or none.

``writable(paths)`` before, ``write(texts)`` after. For the commands of this package.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from assay.errors import ConfigError

__all__ = ["writable", "write"]


def writable(paths: Iterable[Path]) -> None:
    """Raise ``ConfigError`` where a file could not be written, by trying: permissions do not tell of full or read-only disks."""
    for path in paths:
        if path.is_dir():
            raise ConfigError("this is a folder", where=str(path), expected="the name of a file to write")
        if _stream(path):
            continue
        try:
            with tempfile.TemporaryFile(dir=path.parent):
                pass
        except OSError as error:
            missing = not path.parent.is_dir()
            why = f"there is no folder '{path.parent}'" if missing else str(error.strerror)
            raise ConfigError(f"cannot write there, {why}", where=str(path), hint="make the folder first" if missing else None) from error


def write(texts: Mapping[Path, str]) -> None:
    """Write every text to its file, or none: what was there before comes back if one cannot be written.

    A reader sees an old file or a new one, never half of one.
    """
    streams = {path: text for path, text in texts.items() if _stream(path)}
    texts = {Path(os.path.realpath(path)): text for path, text in texts.items() if path not in streams}  # a link stays a link
    staged: dict[Path, Path] = {}
    kept: dict[Path, Path | None] = {}
    try:
        for path, text in texts.items():
            staged[path] = _beside(path, text.encode("utf-8"))
        for path in staged:
            kept[path] = _beside(path, path.read_bytes()) if len(staged) > 1 and path.is_file() else None
        done: list[Path] = []
        try:
            for path, temporary in staged.items():
                os.replace(temporary, path)
                done.append(path)
        except BaseException:
            if len(staged) > 1:
                _undo(done, kept)
            raise
    except OSError as error:
        raise ConfigError(f"cannot write there ({error.strerror})", where=str(error.filename2 or error.filename or next(iter(texts))),
                          hint="none of the files was written") from error
    else:
        for path, text in streams.items():  # a device or a pipe is written to, never replaced
            with path.open("w", encoding="utf-8") as file:
                file.write(text)
    finally:
        for temporary in (*staged.values(), *filter(None, kept.values())):
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def _stream(path: Path) -> bool:
    """Whether a path is there and no ordinary file, such as /dev/stdout or a pipe."""
    return path.exists() and not path.is_file()


def _undo(done: Iterable[Path], kept: Mapping[Path, Path | None]) -> None:
    for path in done:
        before = kept[path]
        if before is None:
            path.unlink(missing_ok=True)
        else:
            os.replace(before, path)


def _beside(path: Path, data: bytes) -> Path:
    """Write ``data`` to a temporary file in the folder of ``path``, with the permissions of a new file, or of the old one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, path.stat().st_mode & 0o777 if path.is_file() else 0o666 & ~mask)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)
