from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import ipc

from assay.data.predicate import quoted
from assay.data.slice import slicing
from assay.data.source import Source, source
from assay.errors import ColumnTypeError, ConfigError, DataError, EmptyDataError, UnknownColumnError
from tests.strategies.data import tables


def rows(data: Source, columns: list[str] | None = None) -> list[tuple]:
    """Return the rows as Python values; checks what every batch promises."""
    found: list[tuple] = []
    for batch in data.batches(columns):
        assert 1 <= batch.num_rows <= 131_072
        assert batch.schema == pa.schema([data.schema.arrow.field(each) for each in columns or data.schema.names])
        batch.validate(full=True)
        found += zip(*(column.to_pylist() for column in batch.columns), strict=True)
    return found


def _ipc(table: pa.Table, path: Path, writer: Callable) -> Path:
    with writer(path, table.schema) as out:
        out.write_table(table, max_chunksize=3)
    return path


def _parquet(table: pa.Table, path: Path, **options: object) -> Path:
    pq.write_table(table, path, **options)
    return path


def _csv(table: pa.Table, path: Path) -> Path:
    pc.write_csv(table, path)
    return path


def _folder(table: pa.Table, folder: Path) -> Path:
    folder.mkdir()
    (folder / "_SUCCESS").touch()
    (folder / ".part-0.crc").touch()
    for place, start in enumerate(range(0, table.num_rows, 4)):
        pq.write_table(table.slice(start, 4), folder / f"part-{place:03}.parquet")
    return folder


class Exported:
    """What any library with Arrow's C interface looks like."""

    def __init__(self, table: pa.Table):
        self.table = table

    def __arrow_c_stream__(self, requested: object = None) -> object:
        return self.table.__arrow_c_stream__(requested)


KINDS: dict[str, Callable[[pa.Table, Path], object]] = {
    "table": lambda table, folder: table,
    "batch": lambda table, folder: table.combine_chunks().to_batches()[0],
    "reader": lambda table, folder: table.to_reader(3),
    "exported": lambda table, folder: Exported(table),
    "parquet": lambda table, folder: _parquet(table, folder / "a.parquet"),
    "small groups": lambda table, folder: _parquet(table, folder / "a.pq", row_group_size=3),
    "plain": lambda table, folder: _parquet(table, folder / "a.pqt", use_dictionary=False, data_page_version="2.0", store_schema=False),
    "file": lambda table, folder: _ipc(table, folder / "a.arrow", ipc.new_file),
    "stream": lambda table, folder: _ipc(table, folder / "a.ipc", ipc.new_stream),
    "folder": lambda table, folder: _folder(table, folder / "parts"),
    "polars": lambda table, folder: pl.from_arrow(table),
    "lazy": lambda table, folder: pl.from_arrow(table).lazy(),
    "pandas": lambda table, folder: table.to_pandas(types_mapper=pd.ArrowDtype),
}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20)
@given(table=tables())
def test_every_kind_gives_the_same_rows(kind: str, table: pa.Table) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = source(KINDS[kind](table, Path(folder)))
        expected = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
        found = rows(data)
        assert found == expected
        assert data.schema.names == tuple(table.column_names)
        assert data.rows in (None, table.num_rows)
        assert rows(data) == expected   # a second pass gives them again
        some = list(reversed(data.schema.names))[:2]
        assert rows(data, some) == [tuple(row[data.schema.names.index(each)] for each in some) for row in expected]


@settings(max_examples=60)
@given(table=tables(only=("int", "float", "text", "bool", "date")))
def test_csv_gives_the_same_rows(table: pa.Table) -> None:
    with tempfile.TemporaryDirectory() as folder:
        types = {name: str(kind).removesuffix("[day]") for name, kind in zip(table.column_names, table.schema.types, strict=True)}
        data = source(_csv(table, Path(folder, "a.csv")), types=types)
        expected = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
        if table.num_columns == 1:   # a line that holds nothing is a blank line
            expected = [row for row in expected if row != (None,)]
        assert rows(data) == expected


@given(table=tables(only=("small", "float", "text", "bool", "time")))
def test_plain_pandas_gives_the_same_rows(table: pa.Table) -> None:
    data = source(table.to_pandas())   # whole numbers with nulls become fractions there, and text that is all null just nulls
    assert [tuple(row) for row in rows(data)] == list(zip(*(column.to_pylist() for column in table.columns), strict=True))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20)
@given(table=tables(most=30), parts=st.integers(1, 7))
def test_parts_together_are_the_whole(kind: str, table: pa.Table, parts: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = source(KINDS[kind](table, Path(folder)))
        cut = data.split(parts)
        assert 1 <= len(cut) <= parts
        assert [row for each in cut for row in rows(each)] == rows(data)
        if kind in ("table", "parquet", "small groups", "folder", "file") and data.rows and data.rows >= 4:
            assert len(cut) > 1 or parts == 1 or kind == "file"
        assert sum(each.rows or 0 for each in cut) in (0, table.num_rows)


@given(table=tables(only=("small",), least=2))
def test_a_filter_leaves_what_fits(table: pa.Table) -> None:
    name = table.column_names[0]
    data = source(table, where=f"{quoted(name)} > 0")
    expected = [row for row in zip(*(column.to_pylist() for column in table.columns), strict=True) if row[0] is not None and row[0] > 0]
    assert data.rows is None
    if expected:
        assert rows(data) == expected
        assert rows(data, [table.column_names[-1]]) == [(row[-1],) for row in expected]
        assert [row for each in data.split(2) for row in rows(each)] == expected
    else:
        with pytest.raises(EmptyDataError, match="no row is left where"):
            rows(data)
        assert [row for each in data.split(2) for row in rows(each)] == []


def test_real_files_are_read(shared: Path) -> None:
    data = source(shared / "data/fairness/bba-adult.csv", label="income-per-year", protected=["sex", "race"])
    frame = pd.read_csv(shared / "data/fairness/bba-adult.csv", keep_default_na=False)
    assert rows(data) == [tuple(row) for row in frame.itertuples(index=False)]
    assert "sex" in data.schema.features
    assert data.schema.label == "income-per-year"
    assert data.schema["age"].type == pa.int64()
    path = shared / "data/drift/us_census_ma_employment/employment_MA_reference.pq"
    assert rows(source(path)) == rows(source(pq.read_table(path)))
    scores = source(shared / "data/fairness/pleiss-income-scores.csv")   # its first column has no name
    assert scores.schema.names == ("", "label", "group", "prediction")
    assert source(shared / "data/drift/fbposts_profiles/fbposts_row_features.csv.gz").schema.features
    with pytest.raises(DataError, match="more than one column called"):
        source(shared / "data/fairness/bank-marketing-raw-4521.csv", label="y")


def test_duckdb_relations_are_streams() -> None:
    data = source(duckdb.sql("select i, 'x' || (i % 3) as s from range(300000) t(i)"))
    assert sum(batch.num_rows for batch in data.batches(["s"])) == 300_000
    assert next(iter(data.batches(["i"]))).column("i")[7].as_py() == 7


def test_types_become_few() -> None:
    coded = pa.DictionaryArray.from_arrays(pa.array([1, 0, None], pa.int8()), pa.array(["a", "b"], pa.large_string()))
    table = pa.table({
        "large": pa.array(["x", None, "y"], pa.large_string()), "view": pa.array(["x", None, "y"], pa.string_view()), "coded": coded,
        "decimal": pa.array([1, None, 3], pa.decimal128(9, 2)), "half": pa.array([1, 2, None], pa.float16()), "none": pa.nulls(3),
        "list": pa.array([[1], None, []]), "struct": pa.array([{"a": 1}, None, {"a": 2}]), "seconds": pa.array([1, 2, None],
            pa.duration("s")),
        "clock": pa.array([1, 2, None], pa.time32("s")), "runs": pa.RunEndEncodedArray.from_arrays([2, 3], pa.array(["p", "q"])),
        "bytes": pa.array([b"a", None, b"c"], pa.binary_view()),
    })
    data = source(table)
    kinds = {each.name: str(each.type) for each in data.schema}
    assert kinds == {
        "large": "string", "view": "string", "coded": "dictionary<values=string, indices=int32, ordered=0>", "decimal": "double",
        "half": "halffloat", "none": "null", "list": "list<item: int64>", "struct": "struct<a: int64>", "seconds": "duration[s]",
        "clock": "time32[s]", "runs": "string", "bytes": "binary"}
    assert rows(data)[0][:4] == ("x", "x", "b", 1.0)
    assert data.schema.ignored == ("list", "struct")
    assert set(data.schema.features) == set(table.column_names) - {"list", "struct"}


def test_text_of_parquet_is_coded_unless_values_hardly_repeat(tmp_path: Path) -> None:
    table = pa.table({"s": ["a", "b"] * 50_000, "id": [f"{each:024}" for each in range(100_000)]})
    pq.write_table(table, tmp_path / "a.parquet")
    data = source(tmp_path / "a.parquet")
    assert pa.types.is_dictionary(data.schema["s"].type)
    assert pa.types.is_string(data.schema["id"].type)


def test_types_that_were_asked_for(tmp_path: Path) -> None:
    table = pa.table({"zip": [2139, 10115], "day": ["2026-01-31", "2026-02-01"], "n": ["1", "x"]})
    data = source(table, types={"zip": "string", "day": "timestamp[us]"}, timestamp="day")
    assert rows(data, ["zip"]) == [("2139",), ("10115",)]
    assert data.schema["day"].type == pa.timestamp("us")
    assert source(data, types={"n": "category"}).schema["zip"].type == pa.string()
    with pytest.raises(ColumnTypeError, match="the column 'n' of type string cannot be read as int64 \\('x' in one row\\)"):
        rows(source(table, types={"n": "int64"}))
    with pytest.raises(ConfigError, match=r"no column type 'stirng'.*did you mean 'string'"):
        source(table, types={"n": "stirng"})
    with pytest.raises(UnknownColumnError, match=r"no column 'zipp'.*did you mean 'zip'"):
        source(table, types={"zipp": "string"})


def test_a_source_can_be_given_other_roles() -> None:
    first = source(pa.table({"a": [1, 2], "b": [3, 4], "c": [0, 1]}), label="c", where="a >= 1")
    again = source(first, id="a", where="b > 3")
    assert (again.schema.label, again.schema.id, again.schema.features) == ("c", "a", ("b",))
    assert rows(again) == [(2, 4, 1)]

    class Other:
        name, schema, rows = "other", first.schema, 2

        def batches(self, columns: object = None) -> object:
            return first.batches(columns)  # type: ignore[arg-type]

        def split(self, parts: int) -> list:
            return [self]

    assert rows(source(Other(), weight="b")) == [(1, 3, 0), (2, 4, 1)]
    assert source(Other(), weight="b").schema.label == "c"


@pytest.mark.parametrize(("data", "words"), [
    ({"a": [1]}, "data of type dict cannot be read.*pandas.DataFrame"), (3, "data of type int"), (None, "data of type NoneType"),
    ("postgresql://ann:s3cret@db/x", "a URL needs a query"), ("https://u:pw@host/a.csv", "a URL needs a query"),
])
def test_what_is_no_data_is_refused(data: object, words: str) -> None:
    with pytest.raises((DataError, ConfigError), match=words) as caught:
        source(data)
    assert "s3cret" not in str(caught.value)
    assert "pw" not in str(caught.value)


def test_columns_are_checked_before_reading() -> None:
    data = source(pa.table({"age": [1]}))
    for columns in ([], ["age", "age"], "age"):
        with pytest.raises(ConfigError, match="not a list of different names"):
            data.batches(columns)
    with pytest.raises(UnknownColumnError, match="did you mean 'age'"):
        data.batches(["agee"])
    with pytest.raises(ConfigError, match="0 parts"):
        data.split(0)
    with pytest.raises(EmptyDataError, match="no columns"):
        source(pa.table({}))
    with pytest.raises(DataError, match="more than one column called 'a'"):
        source(pa.table([[1], [2]], names=["a", "a"]))
    with pytest.raises(ConfigError, match="no database to ask"):
        source(pa.table({"a": [1]}), sql="select 1")


def test_no_rows_are_no_error_but_give_no_batch(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n")
    pq.write_table(pa.table({"a": pa.array([], pa.string())}), tmp_path / "a.parquet")
    for data in (source(tmp_path / "a.csv"), source(tmp_path / "a.parquet"), source(pd.DataFrame({"a": []}))):
        assert rows(data) == []
        assert [rows(each) for each in data.split(3)] == [[]]


def test_a_stream_comes_once_but_can_be_read_often() -> None:
    table = pa.table({"a": range(10), "s": pa.array(list("ababababab")).dictionary_encode()})
    reader = table.to_reader(2)
    first, second = source(reader), source(reader)   # one reader behind both
    begun = second.batches()
    assert next(begun).num_rows == 2
    assert rows(first, ["a"]) == [(each,) for each in range(10)]
    assert sum(batch.num_rows for batch in begun) == 8
    del first, second, begun
    with pytest.raises(DataError, match="was read already"):
        source(reader)


def test_a_broken_stream_says_so() -> None:
    def batches() -> object:
        yield pa.record_batch({"a": [1]})
        raise ValueError("the cable was cut")

    reader = pa.RecordBatchReader.from_batches(pa.schema({"a": pa.int64()}), batches())
    with pytest.raises(DataError, match=r"the stream of batches broke off .*the cable was cut"):
        rows(source(reader))


@pytest.mark.parametrize("kind", ["table", "parquet", "file", "folder", "pandas"])
def test_sources_cross_process_borders(kind: str, tmp_path: Path) -> None:
    data = source(KINDS[kind](pa.table({"a": [1, 2, 3], "s": ["x", "y", None]}), tmp_path), label="a", where="s is not null")
    assert rows(pickle.loads(pickle.dumps(data))) == [(1, "x"), (2, "y")]
    cut = slicing("s * (a > 1)", data.schema)
    assert pickle.loads(pickle.dumps(cut)) == cut


@pytest.mark.parametrize("where", [None, "b > 3"])
@pytest.mark.parametrize("kind", ["parquet", "table"])
def test_strips_of_columns_hold_what_batches_hold(tmp_path: Path, kind: str, where: str | None) -> None:
    table = pa.table({"a": list(range(10)), "b": [float(each) for each in range(10)], "c": ["x", None] * 5})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=4)
    data = source(tmp_path / "t.parquet" if kind == "parquet" else table, where=where)
    strips = [["c", "a"], ["b"]]
    found: list[list[pa.RecordBatch]] = [[], []]
    for place, batch in data.strips(strips):
        found[place].append(batch)
    for names, batches in zip(strips, found, strict=True):
        assert pa.Table.from_batches(batches).equals(pa.Table.from_batches(list(data.batches(names))))
        assert batches[0].schema.names == names


def test_strips_of_a_filter_that_leaves_nothing_are_refused() -> None:
    data = source(pa.table({"a": [1], "b": [2]}), where="a > 1")
    with pytest.raises(EmptyDataError):
        list(data.strips([["b"], ["a"]]))
