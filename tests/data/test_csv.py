from __future__ import annotations

import bz2
import datetime as dt
import gzip
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from assay.data._csv import CsvReader
from assay.data.source import source
from assay.errors import ColumnTypeError, DataError, UnknownColumnError


def rows(data: object) -> list[tuple]:
    return [row for batch in data.batches() for row in zip(*(each.to_pylist() for each in batch.columns), strict=True)]  # type: ignore[attr-defined]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.csv"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_that_of_the_header(delimiter: str, path: Path) -> None:
    path.write_text(delimiter.join(["a", '"b,;c"', "d"]) + "\n" + delimiter.join(["1", '"x;,y"', "2.5"]) + "\n")
    data = source(path)
    assert data.schema.names == ("a", "b,;c", "d")
    assert rows(data) == [(1, "x;,y", 2.5)]


@pytest.mark.parametrize(("suffix", "pack"), [("csv", bytes), ("csv.gz", gzip.compress), ("csv.bz2", bz2.compress), ("tsv", bytes),
                                              ("csv.zst", lambda data: pa.compress(data, "zstd", asbytes=True))])
def test_compressed_files_are_read(suffix: str, pack: object, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(pack(b"\xef\xbb\xbfa,b\n" + b"1,x\n" * 200_000))  # type: ignore[operator]
    data = source(path)
    assert data.schema.names == ("a", "b")
    assert sum(batch.num_rows for batch in data.batches(["b"])) == 200_000


def test_types_are_those_of_the_values(path: Path) -> None:
    path.write_text('i,f,b,d,t,z,s,n,"",q\n1,1.5,true,2026-01-31,2026-01-31 10:00:00,2026-01-31T10:00:00Z,x,,5,""\n'
                    'NA,,false,,,,,NA,6,\n,NaN,,,,,null,,7,"NA"\n')
    data = source(path)
    assert [str(each.type) for each in data.schema] == ["int64", "double", "bool", "date32[day]", "timestamp[s]", "timestamp[s, tz=UTC]",
                                                        "string", "null", "int64", "string"]
    found = rows(data)
    assert found[0][3] == dt.date(2026, 1, 31)
    assert [row[0] for row in found] == [1, None, None]
    assert [row[6] for row in found] == ["x", None, None]
    assert [row[9] for row in found] == ["", None, "NA"]   # in quotes it is text


def test_lines_may_end_inside_quotes(path: Path) -> None:
    path.write_text("a,b\n" + '1,"x\ny"\n' * 1000)
    data = source(path)
    assert rows(data) == [(1, "x\ny")] * 1000
    reader = CsvReader(path, block=100)
    assert sum(batch.num_rows for batch in reader.read(["a"])) == 1000


@pytest.mark.parametrize(("late", "words"), [
    ("z,y", r"the column 'a' holds 'z' in row 1,002 \(the header is row 1\); expected type int64.*types=\{\"a\": \"string\"\}"),
    ("1.5,y", "the column 'a' holds '1.5' in row 1,002"), ("1,y,3", r"a row has 3 fields in row 1,002 .*: '1,y,3'; expected 2 fields"),
    ("1", "a row has 1 fields in row 1,002"),
])
def test_what_does_not_fit_later_is_told_with_its_row(late: str, words: str, path: Path) -> None:
    path.write_text("a,b\n" + "1,x\n" * 1000 + late + "\n" + "1,x\n" * 10)
    reader = CsvReader(path, block=500)
    with pytest.raises(DataError, match=words):
        list(reader.read(["a", "b"]))
    if late == "z,y":
        with pytest.raises(ColumnTypeError, match="the column 'a' holds 'z'"):
            list(reader.read(["b", "a"]))
        assert sum(batch.num_rows for batch in CsvReader(path, block=500, types={"a": pa.string()}).read(["a"])) == 1011


def test_a_column_that_begins_with_nothing(path: Path) -> None:
    path.write_text("a,b\n" + "1,\n" * 1000 + "1,x\n")
    with pytest.raises(ColumnTypeError, match=r"the column 'b' holds 'x' in row 1,002.*expected no values at all"):
        list(CsvReader(path, block=500).read(["b"]))


def test_types_can_be_named(path: Path) -> None:
    path.write_text("zip,day,kind\n02139,2026-01-31,a\n10115,,b\n")
    data = source(path, types={"zip": "string", "day": "timestamp[us]", "kind": "category"})
    assert rows(data) == [("02139", dt.datetime(2026, 1, 31), "a"), ("10115", None, "b")]
    assert pa.types.is_dictionary(data.schema["kind"].type)
    with pytest.raises(UnknownColumnError, match="did you mean 'zip'"):
        source(path, types={"zp": "string"})
    with pytest.raises(ColumnTypeError, match="the column 'kind' holds 'a' in row 2"):
        rows(source(path, types={"kind": "int64"}))


def test_a_large_file_is_what_pandas_reads(path: Path) -> None:
    frame = pd.DataFrame({"i": range(300_000), "x": [each / 7 for each in range(300_000)], "s": ["a", "b", "c"] * 100_000})
    frame.to_csv(path)
    data = source(path)
    batches = list(data.batches())
    assert max(batch.num_rows for batch in batches) <= 131_072
    table = pa.Table.from_batches(batches)
    assert table.column("i").to_pylist() == list(range(300_000))
    assert table.column("x").to_pylist() == frame["x"].tolist()
    assert table.column("s").to_pylist() == frame["s"].tolist()
