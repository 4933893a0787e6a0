"""A folder of Parquet, CSV or Arrow files as one source: files in the order of their names, ``key=value`` folders as columns.

``FolderReader(path)`` is a ``Reader``. Files and folders whose name begins with ``_`` or ``.``, and ``.crc`` files, are skipped.
Only ``assay.data.source`` imports it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from assay.data._csv import CsvReader
from assay.data._file import Kind, kind, suffix_kind
from assay.data._ipc import IpcReader
from assay.data._parquet import ParquetReader
from assay.data._reader import LIMIT, Reader, shares
from assay.data._type import CATEGORY, convert, normal, united
from assay.errors import ColumnTypeError, DataError, EmptyDataError, UnreadableDataError, listed

__all__ = ["FolderReader", "file_reader"]

_NOTHING = "__HIVE_DEFAULT_PARTITION__"
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")


def file_reader(path: Path, types: Mapping[str, pa.DataType] | None = None) -> Reader:
    """Return the reader of one file, by its name and content."""
    found = kind(path)
    if found == "csv":
        return CsvReader(path, types=types)
    return ParquetReader(path) if found == "parquet" else IpcReader(path)


class FolderReader:
    """Files that hold the same columns, one after another."""

    def __init__(self, path: Path, *, types: Mapping[str, pa.DataType] | None = None, only: Sequence[tuple[Reader, Mapping[str, Any]]] = (),
                 arrow: pa.Schema | None = None, name: str | None = None, far: Mapping[PurePath, Callable[[], Reader]] | None = None):
        self.path, self.name = path, name or str(path)
        self._far = far  # files that are not on this machine, by their place in the folder
        if only and arrow is not None:
            self._files, self.arrow = list(only), arrow
        else:
            self._files = self._opened(dict(types or {}))
            self.arrow = self._schema(any(isinstance(each, CsvReader) for each, _ in self._files), types or {})
        rows = [each.rows for each, _ in self._files]
        self.rows: int | None = sum(each for each in rows if each is not None) if None not in rows else None

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the batches of every file."""
        for reader, keys in self._files:
            for batch in reader.read(self._own(reader, columns)):
                yield self._whole(batch, columns, reader, keys)

    def strips(self, strips: Iterable[Sequence[str]]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield the batches of each strip of columns in turn; a strip is read from all files before the next is taken."""
        for place, columns in enumerate(strips):
            for reader, keys in self._files:
                for _, batch in reader.strips([self._own(reader, columns)]):  # type: ignore[attr-defined]
                    yield place, self._whole(batch, columns, reader, keys)

    @property
    def columnar(self) -> bool:
        """Whether columns can be read without the others, and files are large enough to be opened for each strip."""
        return (all(getattr(each, "columnar", False) for each, _ in self._files) and self.rows is not None
                and self.rows >= LIMIT * len(self._files))

    def parts(self, parts: int) -> list[Reader]:
        """Cut between files, or inside them where there are fewer files than parts."""
        files = self._files
        if len(files) < parts:
            each_file = -(-parts // len(files))
            files = [(part, keys) for reader, keys in files for part in reader.parts(each_file)]
        stretches = shares([reader.rows if reader.rows is not None else 1 for reader, _ in files], parts)
        return [FolderReader(self.path, name=self.name, only=files[low:high], arrow=self.arrow) for low, high in stretches]

    @staticmethod
    def _own(reader: Reader, columns: Sequence[str]) -> list[str]:
        """Return the columns that a file itself holds; where there are none, one of them still tells how many rows it has."""
        return [each for each in columns if each in reader.arrow.names] or list(reader.arrow.names[:1])

    def _whole(self, batch: pa.RecordBatch, columns: Sequence[str], reader: Reader, keys: Mapping[str, Any]) -> pa.RecordBatch:
        return pa.record_batch([self._column(each, batch, keys, reader.name) for each in columns],
                               schema=pa.schema([self.arrow.field(each) for each in columns]))

    def _column(self, name: str, batch: pa.RecordBatch, keys: Mapping[str, Any], where: str) -> pa.Array:
        kind = self.arrow.field(name).type
        if name not in batch.schema.names:
            value = keys[name]
            value = value if value is None or not pa.types.is_integer(kind) else int(value)
            return convert(pa.repeat(pa.scalar(value, kind.value_type if pa.types.is_dictionary(kind) else kind), batch.num_rows), kind)
        try:
            return convert(batch.column(name), kind)
        except pa.ArrowInvalid as error:
            raise ColumnTypeError(f"the column '{name}' does not fit the type {kind} that the other files give it", where=where) from error

    def _opened(self, types: dict[str, pa.DataType]) -> list[tuple[Reader, Mapping[str, Any]]]:
        if self._far is not None:
            places = sorted(self._far, key=lambda each: each.parts)
            with ThreadPoolExecutor(16) as pool:  # each footer is a journey
                return list(zip(pool.map(lambda each: each(), [self._far[place] for place in places]), map(_keys, places), strict=True))
        found: dict[Kind, list[Path]] = {}
        for path in sorted(_walk(self.path), key=lambda each: each.relative_to(self.path).parts):
            if (named := suffix_kind(path)[0]) is not None:
                found.setdefault(named, []).append(path)
        if not found:
            raise EmptyDataError("the folder holds no data files", where=self.name, expected="files ending in .parquet, .csv or .arrow")
        if len(found) > 1:
            raise DataError(f"the folder holds files of several kinds: {listed(paths[0].name for paths in found.values())}",
                            where=self.name, expected="files of one kind", hint="name one file, or move the others away")
        paths = next(iter(found.values()))
        own = {name: kind for name, kind in types.items() if name not in _keys(paths[0].relative_to(self.path))}
        return [(file_reader(path, own), _keys(path.relative_to(self.path))) for path in paths]

    def _schema(self, text: bool, types: Mapping[str, pa.DataType]) -> pa.Schema:
        """Return the columns of all files together; raises where a file lacks a column or has it in another type."""
        first, first_keys = self._files[0]
        names = list(first.arrow.names)
        for reader, keys in self._files[1:]:
            if strange := sorted(set(names) ^ set(reader.arrow.names)):
                there, lacks = (first, reader) if strange[0] in names else (reader, first)
                raise DataError(f"the column '{strange[0]}' is in {PurePath(there.name).name}, but not in {PurePath(lacks.name).name}",
                                where=self.name, expected="the same columns in every file of a folder", hint="read the files one by one")
            if list(keys) != list(first_keys):
                raise DataError(f"the folders of {first.name} and {reader.name} name different columns", where=self.name,
                                expected="the same key=value folders around every file")
        fields = []
        for name in names:
            kinds = {reader.name: normal(reader.arrow.field(name).type) for reader, _ in self._files}
            joined, differ = united(kinds, fractions=text)
            if joined is None:
                assert differ is not None
                one, other = differ
                raise ColumnTypeError(
                    f"the column '{name}' is {kinds[one]} in {PurePath(one).name}, but {kinds[other]} in {PurePath(other).name}",
                    where=self.name, expected="one type in every file of a folder",
                    hint=f'pass types={{"{name}": "string"}}' if text else "write the files again with one type")
            fields.append(pa.field(name, joined))
        if text:   # read again with the types that hold for all of them: a fraction is no misfit in the second file
            known = {each.name: each.type for each in fields} | {name: kind for name, kind in types.items() if name in names}
            self._files = [(CsvReader(Path(reader.name), types=known), keys) for reader, keys in self._files]
        return pa.schema(fields + [pa.field(name, _key_type([keys[name] for _, keys in self._files])) for name in first_keys
                                   if name not in names])


def _walk(folder: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise UnreadableDataError(f"the folder cannot be read ({error.strerror})", where=str(folder),
                                  hint="check its permissions") from error

    fault: Callable[[OSError], None] = fail
    for place, folders, files in os.walk(folder, onerror=fault):
        if "_delta_log" in folders:
            raise UnreadableDataError("this is a Delta Lake table, whose files hold deleted rows too", where=str(folder),
                                      expected="a folder of plain files", hint="read it with its own library and pass the Arrow table")
        if "metadata" in folders and any((Path(place) / "metadata").glob("*.metadata.json")):
            raise UnreadableDataError("this is an Iceberg table, whose files hold deleted rows too", where=str(folder),
                                      expected="a folder of plain files", hint="read it with its own library and pass the Arrow table")
        folders[:] = [each for each in folders if not each.startswith(("_", ".")) or "=" in each]
        yield from (Path(place) / each for each in files if not each.startswith(("_", ".")) and not each.endswith(".crc"))


def _keys(path: PurePath) -> dict[str, str | None]:
    """Return what the ``key=value`` folders of a file say.

    >>> _keys(PurePath("year=2013/region=New%20York/part-0.parquet"))
    {'year': '2013', 'region': 'New York'}
    """
    pairs = [each.split("=", 1) for each in path.parts[:-1] if "=" in each]
    return {unquote(name): None if value == _NOTHING else unquote(value) for name, value in pairs}


def _key_type(values: Sequence[str | None]) -> pa.DataType:
    """Return int64 where every value is a plain whole number; a leading zero (a postal code) makes it text."""
    there = [each for each in values if each is not None]
    return pa.int64() if there and all(_WHOLE.fullmatch(each) for each in there) else CATEGORY
