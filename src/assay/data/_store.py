"""Files in object stores and other Arrow file systems, by URI: ``s3://``, ``gs://``, ``abfs://``, ``hdfs://`` and ``file://``.

``store_reader(uri)`` is a ``Reader`` of one Parquet file or of a folder of them. Credentials come from the environment, as Arrow's file
systems find them; what a URI holds of them stands in no message. Only ``assay.data.source`` imports it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import pyarrow as pa

from assay.data._file import suffix_kind
from assay.data._folder import FolderReader, file_reader
from assay.data._parquet import ParquetReader
from assay.data._reader import Reader, unreached
from assay.errors import EmptyDataError, UnreadableDataError, listed, without_secrets

__all__ = ["is_stored", "store_reader"]

_SCHEMES = ("file", "s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs")
_URI = re.compile(rf"({'|'.join(_SCHEMES)})://", re.IGNORECASE)


def is_stored(text: str) -> bool:
    """Return whether a text is a URI of a file system, rather than of a database.

    >>> is_stored("s3://bucket/a.parquet"), is_stored("postgresql://db/credit"), is_stored("data/a.parquet")
    (True, False, False)
    """
    return _URI.match(text) is not None


def store_reader(uri: str, types: Mapping[str, pa.DataType] | None = None) -> Reader:
    """Return the reader of a file or a folder in a store; raises ``UnreadableDataError`` where it cannot be reached or read."""
    from pyarrow import fs

    name = without_secrets(uri)
    try:
        store, place = fs.FileSystem.from_uri(uri)
    except (pa.ArrowException, ValueError, OSError, ImportError) as error:
        raise unreached(error, name) from error
    if isinstance(store, fs.LocalFileSystem):
        path = Path(place)
        return FolderReader(path, types=types) if path.is_dir() else file_reader(path, types)
    try:
        info = store.get_file_info(place)
        inside = store.get_file_info(fs.FileSelector(place, recursive=True)) if info.type == fs.FileType.Directory else []
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreached(error, name) from error
    if info.type == fs.FileType.NotFound:
        raise UnreadableDataError("there is no such file or folder in the store", where=name)
    if info.type == fs.FileType.File:
        return _file(store, place, name)
    files = _files(place, [each.path for each in inside if each.type == fs.FileType.File], name)
    opened: dict[PurePath, Callable[[], Reader]] = {
        inner: functools.partial(_file, store, path, f"{name.partition('?')[0].rstrip('/')}/{inner}") for inner, path in files.items()}
    return FolderReader(Path(place), types=types, name=name, far=opened)


def _file(store: Any, place: str, name: str) -> Reader:
    kind = suffix_kind(Path(place))[0]
    if kind not in (None, "parquet"):
        raise UnreadableDataError("only Parquet files are read from a store", where=name, hint="copy the file here, or write it as Parquet")
    return ParquetReader(place, name=name, store=store)


def _files(folder: str, paths: list[str], name: str) -> dict[PurePosixPath, str]:
    """Return the data files of a folder by their place in it; what writers leave behind beside them is skipped."""
    found = {}
    for path in paths:
        inner = PurePosixPath(path).relative_to(folder)
        if "_delta_log" in inner.parts or ("metadata" in inner.parts and path.endswith(".metadata.json")):
            raise UnreadableDataError("this is a table whose files hold deleted rows too (Delta Lake or Iceberg)", where=name,
                                      expected="a folder of plain files", hint="read it with its own library and pass the Arrow table")
        hidden = any(each.startswith(("_", ".")) and ("=" not in each or each == inner.name) for each in inner.parts)
        if not hidden and suffix_kind(Path(path))[0] is not None:
            found[inner] = path
    if not found:
        raise EmptyDataError("the folder holds no data files", where=name, expected="files ending in .parquet")
    if strange := [str(inner) for inner, path in found.items() if suffix_kind(Path(path))[0] != "parquet"]:
        raise UnreadableDataError(f"only Parquet files are read from a store: {listed(strange[:3])}", where=name,
                                  hint="copy the files here, or write them as Parquet")
    return found
