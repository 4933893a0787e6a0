"""Archives that came with a model (zip, tar): looked through before anything in them is opened, and unpacked safely.

``members(data)`` lists what is inside and refuses what no model needs: paths that lead out, links, devices, sizes that would fill
the machine. ``unpack(data, into)`` writes the files of an archive that passed. Adapters of formats that are archives use this module.
"""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from assay.errors import ModelError

__all__ = ["Member", "members", "read", "unpack"]

# A model of numbers compresses little: more than this is an archive made to fill the memory or the disk.
RATIO, ALLOWED = 200, 64 * 2**20
LARGEST = 64 * 2**30
MOST = 20_000   # members
CHUNK = 2**20


@dataclass(frozen=True)
class Member:
    """One file of an archive: its path inside, and how many bytes it says that it unpacks to."""

    name: str
    size: int


def members(data: bytes | Path, *, where: str | None = None) -> list[Member]:
    """Return the files of a zip or tar archive (given as bytes or as a path), in their order.

    Raises ``ModelError`` if it is none, is cut off or encrypted, or holds what a model has no need of: an absolute path, one with
    "..", two members of one name, a link or a device, more than 20,000 members, or more than 64 MiB + 200 times its own size.

    >>> import io, zipfile
    >>> made = io.BytesIO()
    >>> with zipfile.ZipFile(made, "w") as archive:
    ...     archive.writestr("../evil.py", "")
    >>> members(made.getvalue(), where="model.zip")
    Traceback (most recent call last):
    assay.errors.ModelError: model.zip: the archive holds '../evil.py', which leads out of it; expected files inside it
    """
    with _opened(data, where) as archive:
        return [each for each, _ in _checked(archive, _size(data), where)]


def read(data: bytes | Path, name: str, *, where: str | None = None, most: int = ALLOWED) -> bytes:
    """Return the content of one file of an archive that passes; raises ``ModelError`` if it has none or one of over ``most`` bytes."""
    with _opened(data, where) as archive:
        for member, info in _checked(archive, _size(data), where):
            if member.name == name:
                with _stream(archive, info) as stream:
                    found: bytes = stream.read(most + 1)
                if len(found) > most:
                    raise ModelError(f"'{name}' in the archive has more than {most:,} bytes", where=where, expected="a model")
                return found
    raise ModelError(f"there is no '{name}' in the archive", where=where, expected="a whole model")


def unpack(data: bytes | Path, into: Path, *, where: str | None = None) -> list[Path]:
    """Write the files of an archive that passes below the folder ``into``, and return where; what lies about its size is stopped."""
    written: list[Path] = []
    allowed = _allowed(_size(data))
    with _opened(data, where) as archive:
        for member, info in _checked(archive, _size(data), where):
            path = into / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            with _stream(archive, info) as stream, path.open("xb") as file:   # x: never through a link that was there before
                while chunk := stream.read(CHUNK):
                    allowed -= len(chunk)
                    if allowed < 0:
                        raise ModelError("the archive unpacks to more than it says", where=where, expected="a model")
                    file.write(chunk)
            written.append(path)
    return written


def _size(data: bytes | Path) -> int:
    return len(data) if isinstance(data, bytes) else data.stat().st_size


def _allowed(size: int) -> int:
    return min(ALLOWED + RATIO * size, LARGEST)


@contextmanager
def _opened(data: bytes | Path, where: str | None) -> Iterator[Any]:
    """Open a zip or a tar archive by its content; whatever goes wrong inside is a ``ModelError``."""
    try:
        with (io.BytesIO(data) if isinstance(data, bytes) else data.open("rb")) as file:
            zipped = file.read(4) == b"PK\x03\x04"
            file.seek(0)
            with (zipfile.ZipFile(file) if zipped else tarfile.open(fileobj=file, mode="r:*")) as archive:
                yield archive
    except (zipfile.BadZipFile, tarfile.TarError, NotImplementedError, RuntimeError, ValueError, EOFError, zlib.error) as error:
        raise ModelError("this is no archive, or it is damaged or encrypted", where=where, expected="a zip or tar archive") from error


def _stream(archive: Any, info: Any) -> Any:
    return archive.open(info) if isinstance(archive, zipfile.ZipFile) else archive.extractfile(info)


def _checked(archive: Any, size: int, where: str | None) -> list[tuple[Member, Any]]:
    found: list[tuple[Member, Any]] = []
    seen: set[str] = set()
    total, allowed = 0, _allowed(size)
    for number, (name, length, kind, info) in enumerate(_listed(archive)):
        if number >= MOST:
            raise ModelError(f"the archive has more than {MOST:,} members", where=where, expected="a model")
        if kind not in ("file", "folder"):
            raise ModelError(f"the archive holds '{name}', a {kind}", where=where, expected="files and folders")
        if _leads_out(name):
            raise ModelError(f"the archive holds '{name}', which leads out of it", where=where, expected="files inside it")
        if kind == "folder":
            continue
        plain = PurePosixPath(name).as_posix()
        if plain.casefold() in seen:   # of two files of one name, one reader may see the first and another the second
            raise ModelError(f"the archive holds '{name}' twice", where=where, expected="each file once")
        seen.add(plain.casefold())
        total += length
        if total > allowed:
            raise ModelError(f"the archive of {size:,} bytes unpacks to {total:,} or more", where=where, expected="a model")
        found.append((Member(plain, length), info))
    return found


def _leads_out(name: str) -> bool:
    windows = PureWindowsPath(name)   # also splits at slashes
    return (not name or "\0" in name or name.startswith(("/", "\\")) or bool(windows.drive) or ".." in windows.parts
            or any(ord(each) < 32 for each in name))


def _listed(archive: Any) -> Iterator[tuple[str, int, str, Any]]:
    if isinstance(archive, zipfile.ZipFile):
        for each in archive.infolist():
            mode = each.external_attr >> 16
            kind = "folder" if each.is_dir() else "link" if stat.S_ISLNK(mode) else "file"
            # a name that Python has cut at a zero or mended is judged as it was written
            yield (each.orig_filename if "\0" in each.orig_filename else each.filename), each.file_size, kind, each
    else:
        for each in archive:   # not getmembers(): a bomb of headers is stopped while it is read
            kind = ("folder" if each.isdir() else "link" if each.issym() or each.islnk() else "file" if each.isreg() else "device")
            yield each.name, each.size, kind, each
