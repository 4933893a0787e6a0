"""Parquet files: streamed in bounded memory however large their row groups are, text as dictionaries.

``ParquetReader(path)`` is a ``Reader``; with ``store``, an Arrow file system, ``path`` is a place in it. Only ``assay.data._folder``
and ``assay.data._store`` import it.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assay.data._reader import LIMIT, Reader, guarded, shares, told, unreached
from assay.data._type import is_text
from assay.errors import AssayError, UnreadableDataError

__all__ = ["ParquetReader"]

# Buffered reads keep the memory of a file with one huge row group at a few batches, at the speed of mapping the file; a mapped
# file that shrinks while it is read would kill the process.
_BUFFER = 1 << 20
_SMALL = 1 << 18  # values below which handing columns to threads costs more than it saves


class ParquetReader:
    """One Parquet file, or a stretch of its rows."""

    columnar = True

    def __init__(self, path: Path | str, *, name: str | None = None, start: int = 0, stop: int | None = None, store: Any = None):
        self.path, self._store = path, store
        self.name = name or str(path)
        try:
            meta = self._meta()
            if meta is None:
                with pq.ParquetFile(path, filesystem=store) as file:
                    meta = file.metadata
            plain = meta.schema.to_arrow_schema()
            self._groups = [meta.row_group(place).num_rows for place in range(meta.num_row_groups)]
            self._coded = _coded(meta, plain)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._fault(error) from error
        total = sum(self._groups)
        self._start, self._stop = start, total if stop is None else stop
        self.rows: int | None = self._stop - self._start
        self.arrow = pa.schema([pa.field(each.name, pa.dictionary(pa.int32(), pa.string()) if each.name in self._coded else each.type)
                                for each in plain])

    def _meta(self) -> pq.FileMetaData | None:
        """Return the footer of a file of this machine, which is read again only where the file may be another one."""
        if self._store is not None:
            return None
        found = Path(self.path).stat()
        return _footer(str(self.path), found.st_size, found.st_mtime_ns, found.st_ino)

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the batches of the file."""
        return guarded((batch for _, batch in self._batches([columns], threads=True)), self._fault)

    def strips(self, strips: Iterable[Sequence[str]]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield the batches of each strip of columns in turn, from one opening of the file: its footer grows with its columns."""
        return guarded(self._batches(strips, threads=False), self._fault)

    def parts(self, parts: int) -> list[Reader]:
        """Cut by row groups, or by rows where there are fewer groups than parts."""
        bounds, at = [], 0
        for rows in self._groups:
            low, high = max(at, self._start), min(at + rows, self._stop)
            at += rows
            if low < high:
                bounds.append((low, high))
        if 0 < len(bounds) < parts:
            low, high = bounds[0][0], bounds[-1][1]
            cuts = sorted({low + (high - low) * place // parts for place in range(parts + 1)})
            bounds = list(itertools.pairwise(cuts))
        if not bounds:
            return [self]
        stretches = shares([high - low for low, high in bounds], parts)
        return [ParquetReader(self.path, name=self.name, start=bounds[first][0], stop=bounds[last - 1][1], store=self._store)
                for first, last in stretches]

    def _batches(self, strips: Iterable[Sequence[str]], *, threads: bool) -> Iterator[tuple[int, pa.RecordBatch]]:
        groups: list[int] = []
        skip = at = 0
        for place, rows in enumerate(self._groups):
            if at + rows > self._start and at < self._stop:
                skip = self._start - at if not groups else skip
                groups.append(place)
            at += rows
        if not groups or self._stop <= self._start:
            return
        far = self._store is not None
        with pq.ParquetFile(self.path, metadata=self._meta(), read_dictionary=sorted(self._coded), buffer_size=0 if far else _BUFFER,
                            pre_buffer=far, filesystem=self._store) as file:
            for place, columns in enumerate(strips):
                large = len(columns) * (self._stop - self._start) > _SMALL
                # of a far file each row group is fetched at once, in few requests, and let go before the next
                found = itertools.chain.from_iterable(
                    file.iter_batches(LIMIT, row_groups=some, columns=list(columns), use_threads=threads and large)
                    for some in ([[each] for each in groups] if far else [groups]))
                yield from ((place, batch) for batch in self._stretch(found, skip))

    def _stretch(self, batches: Iterator[pa.RecordBatch], skip: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows of this stretch, ``skip`` rows after the first of ``batches``."""
        left = self._stop - self._start
        for batch in batches:
            if skip >= batch.num_rows:
                skip -= batch.num_rows
                continue
            piece = batch.slice(skip, left)
            skip, left = 0, left - piece.num_rows
            yield self._valid(piece)
            if left <= 0:
                return

    def _valid(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch, its text checked: the library takes the file's word for it that bytes are UTF-8."""
        for field, column in zip(batch.schema, batch.columns, strict=True):
            if is_text(field.type) or pa.types.is_dictionary(field.type) or pa.types.is_nested(field.type):
                try:
                    column.validate(full=True)
                except pa.ArrowInvalid as error:
                    raise UnreadableDataError(f"the column '{field.name}' holds text that is not UTF-8", where=self.name,
                                              hint="write the file again as UTF-8, or store bytes as binary") from error
        return batch

    def _fault(self, error: Exception) -> AssayError:
        if isinstance(error, OSError) and error.errno:
            return UnreadableDataError(f"the file cannot be read ({error.strerror})", where=self.name)
        if isinstance(error, OSError) and self._store is not None and "magic bytes" not in str(error):
            return unreached(error, self.name)
        return UnreadableDataError(f"the Parquet file is broken ({told(error)})", where=self.name, hint="copy it again, or write it anew")


@functools.lru_cache(maxsize=8)  # of many columns it takes long to read, and of many files to hold
def _footer(path: str, size: int, changed: int, place: int) -> pq.FileMetaData:
    return pq.read_metadata(path)


def _coded(meta: pq.FileMetaData, plain: pa.Schema) -> frozenset[str]:
    """Return the text columns to read as dictionaries: all but those whose writer gave up on one, as nearly every value differs."""
    if not meta.num_row_groups:
        return frozenset(each.name for each in plain if is_text(each.type) or _is_coded(each.type))
    group, found = meta.row_group(0), set()
    chunks = {chunk.path_in_schema: chunk for chunk in map(group.column, range(group.num_columns))}
    for each in plain:
        chunk = chunks.get(each.name)
        if chunk is None or not (is_text(each.type) or _is_coded(each.type)):
            continue
        # indices of up to 65,536 categories take two bytes; the text of a plain value takes its four bytes of length at least
        many = chunk.num_values > LIMIT // 4 and chunk.total_uncompressed_size > 4 * chunk.num_values
        if _is_coded(each.type) or not many:
            found.add(each.name)
    return frozenset(found)


def _is_coded(kind: pa.DataType) -> bool:
    return pa.types.is_dictionary(kind) and is_text(kind.value_type)
