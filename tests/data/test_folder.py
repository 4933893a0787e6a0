from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from assay.data.source import source
from assay.errors import ColumnTypeError, DataError, UnreadableDataError


def rows(data: object, columns: list[str] | None = None) -> list[tuple]:
    return [row for batch in data.batches(columns) for row in zip(*(each.to_pylist() for each in batch.columns), strict=True)]  # type: ignore[attr-defined]


def write(folder: Path, **tables: pa.Table) -> Path:
    folder.mkdir(exist_ok=True)
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


def test_partitions_become_columns(tmp_path: Path) -> None:
    table = pa.table({"x": range(12), "year": [2012, 2013, 2014] * 4, "region": ["New York", "a/b", None] * 4,
        "zip": ["02139", "10115", "1"] * 4})
    ds.write_dataset(table, tmp_path / "d", format="parquet", partitioning=ds.partitioning(table.select(["year", "region",
        "zip"]).schema, flavor="hive"))
    (tmp_path / "d" / "_SUCCESS").touch()
    (tmp_path / "d" / ".hidden.parquet").write_text("x")
    (tmp_path / "d" / "_temporary").mkdir()
    (tmp_path / "d" / "_temporary" / "x.parquet").write_text("x")
    (tmp_path / "d" / "README.md").write_text("x")
    data = source(tmp_path / "d", protected="region")
    assert data.schema.names == ("x", "year", "region", "zip")
    assert data.schema["year"].type == pa.int64()
    assert pa.types.is_dictionary(data.schema["zip"].type)   # a leading zero is no number
    assert data.rows == 12
    expected = sorted(zip(*(table.column(each).to_pylist() for each in data.schema.names), strict=True))
    assert sorted(rows(data)) == expected
    assert rows(data) == rows(data)
    assert sorted(rows(data, ["year", "x"])) == sorted((year, x) for x, year, _, _ in expected)
    assert sorted(rows(data, ["region"]), key=str) == sorted(((each,) for _, _, each, _ in expected), key=str)
    assert [row for part in data.split(5) for row in rows(part)] == rows(data)
    assert rows(source(tmp_path / "d", where="year == 2013 and region == 'a/b'"), ["x"]) == [(each,) for each in (1, 4, 7, 10)]
    files = f"'{tmp_path}/d/year=*/*/*/*.parquet'"
    theirs = duckdb.sql(f"select sum(x), year from read_parquet({files}, hive_partitioning=true) group by 2 order by 2")
    mine: dict[int, int] = {}
    for x, year in rows(data, ["x", "year"]):
        mine[year] = mine.get(year, 0) + x
    assert [(total, int(year)) for total, year in theirs.fetchall()] == [(total, year) for year, total in sorted(mine.items())]


def test_types_of_files_are_united_where_nothing_is_lost(tmp_path: Path) -> None:
    folder = write(tmp_path / "d", a=pa.table({"i": pa.array([1], pa.int32()), "s": pa.nulls(1), "f": pa.array([1],
        pa.float32()), "t": pa.array(["x"])}),
                   b=pa.table({"t": pa.array(["y"]).dictionary_encode(), "i": pa.array([2**40]), "s": ["x"], "f": [0.1]}))
    data = source(folder)
    assert [data.schema[each].type for each in ("i", "f")] == [pa.int64(), pa.float64()]
    assert rows(data) == [(1, None, 1.0, "x"), (2**40, "x", 0.1, "y")]


@pytest.mark.parametrize(("one", "other", "words"), [
    ({"a": [1]}, {"a": ["x"]}, r"the column 'a' is int64 in a.parquet, but dictionary.* in b.parquet; expected one type"),
    ({"a": [1]}, {"a": [0.5]}, "the column 'a' is int64 in a.parquet, but double in b.parquet"),
    ({"a": [1]}, {"a": [1], "c": [1]}, "the column 'c' is in b.parquet, but not in a.parquet"),
    ({"a": [1], "c": [1]}, {"a": [1]}, "the column 'c' is in a.parquet, but not in b.parquet"),
])
def test_files_that_differ_are_told(one: dict, other: dict, words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words):
        source(write(tmp_path / "d", a=pa.table(one), b=pa.table(other)))


def test_folders_of_csv(tmp_path: Path) -> None:
    for name, text in (("0", "a,b\n1,x\n"), ("1", "a,b\n1.5,\n"), ("2", "b,a\ny,7\n")):
        (tmp_path / f"part-{name}.csv").write_text(text)
    assert rows(source(tmp_path)) == [(1.0, "x"), (1.5, None), (7.0, "y")]
    (tmp_path / "part-3.csv").write_text("a,b\nz,x\n")
    with pytest.raises(ColumnTypeError, match=r"'a' is double in part-1.csv, but string in part-3.csv.*types=\{\"a\": \"string\"\}"):
        source(tmp_path)
    assert rows(source(tmp_path, types={"a": "string"}))[-1] == ("z", "x")
    (tmp_path / "x.parquet").write_text("x")
    with pytest.raises(DataError, match=r"files of several kinds: 'part-0.csv', 'x.parquet'"):
        source(tmp_path)


def test_tables_of_other_systems_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "delta", a=pa.table({"a": [1]})).joinpath("_delta_log").mkdir()
    with pytest.raises(UnreadableDataError, match="Delta Lake table"):
        source(tmp_path / "delta")
    meta = write(tmp_path / "ice", a=pa.table({"a": [1]})) / "metadata"
    meta.mkdir()
    (meta / "v1.metadata.json").write_text("{}")
    with pytest.raises(UnreadableDataError, match="Iceberg table"):
        source(tmp_path / "ice")


def test_one_bad_file_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "d", a=pa.table({"a": [1]}))
    (folder / "b.parquet").write_text("a\n1\n")
    with pytest.raises(UnreadableDataError, match=r"b.parquet: the file is not Parquet"):
        source(folder)


def test_strips_of_a_folder_are_read_from_all_files_in_turn(tmp_path: Path) -> None:
    many = 140_000
    table = pa.table({"a": range(many), "b": [each / 2 for each in range(many)], "c": ["x", "y"] * (many // 2)})
    for year in (2012, 2013):
        (tmp_path / f"year={year}").mkdir()
        pq.write_table(table, tmp_path / f"year={year}" / "0.parquet", row_group_size=50_000)
    data = source(tmp_path)
    assert data.columnar  # type: ignore[attr-defined]
    asked: list[list[str]] = []

    def strips() -> Iterator[list[str]]:
        for names in (["a", "year"], ["c"], ["year"]):
            asked.append(names)
            yield names

    found: dict[int, list[tuple]] = {}
    for place, batch in data.strips(strips()):  # type: ignore[attr-defined]
        assert len(asked) == place + 1  # a strip is taken when the one before was read
        found.setdefault(place, []).extend(zip(*(each.to_pylist() for each in batch.columns), strict=True))
    assert found == {0: rows(data, ["a", "year"]), 1: rows(data, ["c"]), 2: rows(data, ["year"])}
    assert list(data.strips([])) == []  # type: ignore[attr-defined]


def test_small_files_and_text_files_are_not_read_in_strips(tmp_path: Path) -> None:
    small = write(tmp_path / "small", a=pa.table({"x": [1, 2]}), b=pa.table({"x": [3]}))
    assert not source(small).columnar  # type: ignore[attr-defined]
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.csv").write_text("x\n1\n")
    assert not source(tmp_path / "text").columnar  # type: ignore[attr-defined]
