"""Which kind of file a path is, by its name and its first bytes, and one clear sentence where the two do not agree.

``kind(path)`` opens nothing for long and decodes nothing. Only modules of ``assay.data`` import it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from assay.errors import EmptyDataError, UnreadableDataError, nearest

__all__ = ["SUFFIXES", "Kind", "compression", "kind", "missing", "suffix_kind"]

Kind = Literal["parquet", "csv", "ipc"]
SUFFIXES: dict[str, Kind] = {
    ".parquet": "parquet", ".pq": "parquet", ".pqt": "parquet", ".csv": "csv", ".tsv": "csv", ".txt": "csv",
    ".arrow": "ipc", ".arrows": "ipc", ".ipc": "ipc", ".feather": "ipc",
}
_CALLED = {"parquet": "Parquet", "csv": "CSV", "ipc": "Arrow IPC"}
_ENDINGS = {"parquet": ".parquet", "csv": ".csv", "ipc": ".arrow"}
_COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
_STREAM = b"\xff\xff\xff\xff"
# What else people hand over under these names: first bytes, what it is, what to do.
_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "unpack it, or save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "save the sheet as CSV"),
    (b"SQLite format 3", "an SQLite database", "pass its URL (sqlite:///name.db) and sql='select ...'"),
    (b"FEA1", "a Feather file of version 1", "write it again with version 2"),
    (b"ORC", "an ORC file", "write it as Parquet"),
    (b"Obj\x01", "an Avro file", "write it as Parquet"),
    (b"\x89HDF", "an HDF5 file", "write it as Parquet"),
    (b"%PDF", "a PDF document", "export the table as CSV"),
    (b"\x80\x04\x95", "a pickle, which can run code", "write the frame as Parquet"),
    (b"\x80\x05\x95", "a pickle, which can run code", "write the frame as Parquet"),
    (b"<!DOCTYPE", "a web page", "was a login page saved instead of the data?"),
    (b"<html", "a web page", "was a login page saved instead of the data?"),
)


def suffix_kind(path: Path) -> tuple[Kind | None, str | None]:
    """Return the kind and the compression that a file's name promises.

    >>> suffix_kind(Path("a.csv.gz")), suffix_kind(Path("b.pq")), suffix_kind(Path("c.data"))
    (('csv', 'gzip'), ('parquet', None), (None, None))
    """
    suffixes = [each.lower() for each in path.suffixes]
    packed = _COMPRESSED.get(suffixes[-1]) if suffixes else None
    if packed:
        suffixes.pop()
    return (SUFFIXES.get(suffixes[-1]) if suffixes else None), packed


def kind(path: Path) -> Kind:
    """Return the kind of a file; raises ``UnreadableDataError`` or ``EmptyDataError`` where it cannot be read as such."""
    head, tail = _ends(path)
    named, packed = suffix_kind(path)
    found = _content(head)
    where = str(path)
    if not head:
        raise EmptyDataError("the file is empty (0 bytes)", where=where, expected="a header and rows")
    for magic, what, hint in _OTHERS:
        if head.lstrip().startswith(magic) and not (magic == b"ORC" and named == "csv"):
            raise UnreadableDataError(f"this is {what}", where=where, expected="Parquet, CSV or Arrow IPC", hint=hint)
    if named is None:
        if found in ("parquet", "ipc"):
            return found
        raise UnreadableDataError("the name does not say what kind of file this is", where=where,
                                  expected=f"a name ending in {', '.join(SUFFIXES)}, or a compressed CSV file")
    if named == "csv":
        _check_text(head, found, packed, where)
        return "csv"
    if found != named:
        what = f"{_CALLED[found]}" if found else "compressed" if _compressed(head) else "text" if _is_text(head) else "something else"
        raise UnreadableDataError(f"the file is not {_CALLED[named]} as its name says, but {what}", where=where,
                                  hint=f"rename it to end in {_ENDINGS[found]}" if found else
                                  "rename it to end in .csv" if what == "text" else "was it written completely?")
    if (named == "parquet" and tail[-4:] not in (b"PAR1", b"PARE")) or (head.startswith(b"ARROW1") and tail[-6:] != b"ARROW1"):
        raise UnreadableDataError("the file ends too early: it is cut off, or still being written", where=where,
                                  hint="copy it again, or wait until it is complete")
    return named


def compression(path: Path) -> str | None:
    """Return how a file is compressed, by its first bytes."""
    return _compressed(_ends(path)[0])


def missing(path: Path) -> UnreadableDataError:
    """Return the error for a file that is not there; it names the nearest that is."""
    folder = path.parent
    if not folder.is_dir():
        return UnreadableDataError(f"there is no folder '{folder}'", where=str(path), expected="an existing file or folder")
    try:
        guess = nearest(path.name, (each.name for each in os.scandir(folder)))
    except OSError:
        guess = None
    return UnreadableDataError("there is no such file", where=str(path), hint=f"did you mean '{guess}'?" if guess else None)


def _ends(path: Path) -> tuple[bytes, bytes]:
    """Return the first and the last bytes of a file."""
    try:
        if not path.exists():
            raise missing(path)
        if not path.is_file():
            what = "a folder" if path.is_dir() else "no regular file"
            raise UnreadableDataError(f"this is {what}", where=str(path), expected="a file")
        with path.open("rb") as file:
            head = file.read(4_096)
            if not head.startswith((b"PAR1", b"ARROW1")):  # of text more is looked at, whose first odd character may come late
                head += file.read(61_440)
            file.seek(max(0, path.stat().st_size - 16))
            return head, file.read(16)
    except UnreadableDataError:
        raise
    except OSError as error:
        raise UnreadableDataError(f"the file cannot be read ({error.strerror or type(error).__name__})", where=str(path),
                                  hint="check its permissions" if isinstance(error, PermissionError) else None) from error
    except ValueError as error:   # a name with a NUL in it
        raise UnreadableDataError("this is no file name", where=repr(str(path))) from error


def _content(head: bytes) -> Kind | None:
    if head.startswith((b"PAR1", b"PARE")):
        return "parquet"
    return "ipc" if head.startswith((b"ARROW1", _STREAM)) else None


def _compressed(head: bytes) -> str | None:
    return next((name for magic, name in _PACKED.items() if head.startswith(magic)), None)


def _is_text(head: bytes) -> bool:
    return b"\0" not in head


def _check_text(head: bytes, found: Kind | None, packed: str | None, where: str) -> None:
    if found:
        raise UnreadableDataError(f"the file is not CSV as its name says, but {_CALLED[found]}", where=where,
                                  hint=f"rename it to end in {_ENDINGS[found]}")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableDataError("the file is UTF-16 text", where=where, expected="UTF-8",
                                  hint="save it as 'CSV UTF-8', or run: iconv -f UTF-16 -t UTF-8")
    if packed and not _compressed(head):
        raise UnreadableDataError(f"the file is not compressed as its name says ({packed})", where=where,
                                  hint="rename it to end in .csv" if _is_text(head) else "copy it again")
    if not _compressed(head) and not _is_text(head):
        raise UnreadableDataError("the file is not text: it holds zero bytes", where=where, expected="CSV in UTF-8")
