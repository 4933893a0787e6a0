"""CSV files, plain or compressed: streamed, with types taken from the first block and every misfit told in words.

A field that is empty, or one of the usual spellings of nothing (``NA``, ``null``, ``NaN``, ...), is missing; in quotes it is text.
``CsvReader(path)`` is a ``Reader``. Only ``assay.data.source`` and ``assay.data._folder`` import it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc

from assay.data._file import compression
from assay.data._reader import Reader, guarded, told
from assay.data._type import duplicates
from assay.errors import AssayError, ColumnTypeError, DataError, EmptyDataError, UnknownColumnError, UnreadableDataError, listed

__all__ = ["CsvReader"]

# Also how much is seen before types are settled. Sizes from 1 to 16 MiB are read at the same speed.
_BLOCK = 8 << 20
_HEADER = 1 << 20
_DELIMITERS = ",;\t|"
_MISFIT = re.compile(r"In CSV column #(\d+): (?:Row #(\d+): )?CSV conversion error to ([^:]+): (.*)", re.DOTALL)
_FIELDS = re.compile(r"CSV parse error: (?:Row #(\d+): )?Expected (\d+) columns, got (\d+): (.*)", re.DOTALL)


class CsvReader:
    """One CSV file in UTF-8; the delimiter (``,`` ``;`` tab ``|``) is the one that its header holds most of."""

    rows: int | None = None

    def __init__(self, path: Path, *, name: str | None = None, types: Mapping[str, pa.DataType] | None = None, block: int = _BLOCK):
        self.path, self.name, self._block = path, name or str(path), block
        self._types: dict[str, pa.DataType] = dict(types or {})
        try:
            self._compression = compression(path)
            header = self._header()
            self._delimiter = _delimiter(header)
            self._names = next(csv.reader([header], delimiter=self._delimiter), [])
            with self._opened(None, threads=True) as reader:
                self.arrow: pa.Schema = reader.schema
        except (pa.ArrowException, OSError, ValueError, EOFError, csv.Error) as error:
            if isinstance(error, AssayError):
                raise
            raise self._fault(error) from error
        self._check(header)
        # later passes, and other columns, see the same types
        self._types = {each.name: each.type for each in self.arrow}

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the batches of the file."""
        return guarded(self._batches(columns), self._fault)

    def parts(self, parts: int) -> list[Reader]:
        """Return the whole: where a row begins in the middle of a CSV file, only reading from its start tells."""
        return [self]

    def _batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        with self._opened(columns, threads=True) as reader:
            yield from reader

    def _stream(self) -> Any:
        file = pa.OSFile(str(self.path))
        return pa.CompressedInputStream(file, self._compression) if self._compression else file

    def _opened(self, columns: Sequence[str] | None, *, threads: bool) -> Any:
        return pc.open_csv(
            self._stream(),
            read_options=pc.ReadOptions(block_size=self._block, use_threads=threads),
            parse_options=pc.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
            convert_options=pc.ConvertOptions(column_types=self._types, include_columns=list(columns) if columns else None,
                                              strings_can_be_null=True, quoted_strings_can_be_null=False))

    def _header(self) -> str:
        """Return the first line that is not blank, quoted line ends included."""
        with self._stream() as stream:
            data = stream.read(_HEADER)
        text = bytes(data).decode("utf-8", "replace").lstrip("\ufeff").lstrip("\r\n")
        if not text.strip():
            raise EmptyDataError("the file holds no text", where=self.name, expected="a header and rows")
        quoted = False
        for place, letter in enumerate(text):
            quoted ^= letter == '"'
            if letter in "\r\n" and not quoted:
                return text[:place]
        if len(data) == _HEADER:
            raise UnreadableDataError("the first line does not end within 1 MB", where=self.name, expected="CSV",
                                      hint="is this another kind of file, or is a quote not closed?")
        return text

    def _check(self, header: str) -> None:
        """Refuse what can be known from the header and the first block."""
        if twice := duplicates(self.arrow.names):
            raise DataError(f"there is more than one column called {listed(twice)}", where=self.name, expected="names that differ",
                            hint="rename them; if these are values, the first line is missing its column names")
        if header.lstrip()[:5].lower() in ("<html", "<!doc"):
            raise UnreadableDataError("this is a web page", where=self.name, expected="CSV",
                                      hint="was a login page saved instead of the data?")
        for name in self._types:
            if name not in self.arrow.names:
                raise UnknownColumnError.among(name, self.arrow.names, where=f"{self.name}, types")
        for each in self.arrow:
            if pa.types.is_binary(each.type) and each.name not in self._types:
                raise self._not_utf8(each.name, None)

    def _fault(self, error: Exception) -> AssayError:
        text = str(error)
        if isinstance(error, OSError) and error.errno:
            return UnreadableDataError(f"the file cannot be read ({error.strerror})", where=self.name)
        if misfit := _MISFIT.match(text):
            return self._misfit(misfit)
        if fields := _FIELDS.match(text):
            return self._ragged(fields)
        if "straddling" in text or "block boundaries" in text:
            return UnreadableDataError(f"a line is longer than {self._block >> 20} MB", where=self.name, expected="CSV",
                                       hint="is a quote not closed?")
        if "UTF8" in text or "UTF-8" in text:
            return self._not_utf8(None, None)
        if "Empty CSV" in text:
            return UnreadableDataError("the file is not CSV: no line with column names was found", where=self.name)
        if self._compression and isinstance(error, OSError):
            return UnreadableDataError(f"the compressed file is broken or cut off ({told(error)})", where=self.name, hint="copy it again")
        return UnreadableDataError(f"the file cannot be read as CSV ({told(error)})", where=self.name)

    def _misfit(self, found: re.Match[str]) -> AssayError:
        names, place = self._names, int(found[1])   # counted in the file, whatever was asked for
        name = names[place] if place < len(names) else f"number {place + 1}"
        line = found[2] or self._line([name])
        if "UTF8" in found[4]:
            return self._not_utf8(name, line)
        value = re.search(r"invalid value '(.*)'\Z", found[4], re.DOTALL)
        shown = f"holds '{_short(value[1])}'" if value else f"holds a value that does not fit ({_short(found[4])})"
        kind = found[3].strip()
        known = "no values at all" if kind == "null" else f"type {kind}"
        return ColumnTypeError(f"the column '{name}' {shown}{_in_line(line)}", where=self.name,
                               expected=f"{known}, as in the first {self._block >> 20 or 1} MB of the file" if kind else None,
                               hint=f'pass types={{"{name}": "string"}}, or the type that it has')

    def _ragged(self, found: re.Match[str]) -> AssayError:
        line = found[1] or self._line(None)
        return UnreadableDataError(f"a row has {found[3]} fields{_in_line(line)}: '{_short(found[4])}'", where=self.name,
                                   expected=f"{found[2]} fields, as in the header", hint="a field that holds the delimiter must be quoted")

    def _line(self, columns: Sequence[str] | None) -> str | None:
        """Read again with one thread, which knows the number of the row that does not fit; None where it does not tell."""
        try:
            with self._opened(columns, threads=False) as reader:
                for _ in reader:
                    pass
        except (pa.ArrowException, OSError) as error:
            found = _MISFIT.match(str(error))
            ragged = _FIELDS.match(str(error))
            return found[2] if found else ragged[1] if ragged else None
        return None

    def _not_utf8(self, name: str | None, line: str | None) -> UnreadableDataError:
        what = f"the column '{name}'" if name is not None else "the file"
        return UnreadableDataError(f"{what} holds bytes that are not UTF-8 text{_in_line(line)}", where=self.name, expected="UTF-8",
                                   hint="convert the file, e.g.: iconv -f ISO-8859-1 -t UTF-8")


def _delimiter(header: str) -> str:
    """Return the delimiter that occurs most in the header, outside quotes; a comma where none does.

    >>> _delimiter('a;"b,c,d";e'), _delimiter("alone")
    (';', ',')
    """
    bare = re.sub(r'"[^"]*"', "", header)
    return max(_DELIMITERS, key=bare.count)


def _in_line(line: str | None) -> str:
    return f" in row {int(line):,} (the header is row 1)" if line else ""


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
