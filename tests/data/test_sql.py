from __future__ import annotations

import datetime as dt
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy

from assay.data.source import source
from assay.errors import ColumnTypeError, ConfigError, DataError, UnknownColumnError, UnreadableDataError
from tests.structure.imports import SOURCE

ROWS = 300_000


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sql") / "flights.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table flights (id integer, delay real, carrier text, late text, mixed)")
        connection.executemany("insert into flights values (?, ?, ?, ?, ?)", (
            (each, None if each % 7 == 0 else each / 3, ("AA", "UA", None, "100%")[each % 4],
                "2026-01-31 10:00:00" if each > 200_000 else None,
             "text" if each == 250_000 else each) for each in range(ROWS)))
    connection.close()
    return path


def rows(data: object, columns: list[str] | None = None) -> list[tuple]:
    return [row for batch in data.batches(columns) for row in zip(*(each.to_pylist() for each in batch.columns), strict=True)]  # type: ignore[attr-defined]


def test_a_query_is_streamed(database: Path) -> None:
    sql = "select id, delay, carrier from flights where carrier like '%0%' or carrier = 'AA:x' or id % 4 < 2 -- :this %s"
    data = source(f"sqlite:///{database}", sql=sql, id="id", where="delay is not null")
    with sqlite3.connect(database) as connection:
        expected = [row for row in connection.execute(sql) if row[1] is not None]
    connection.close()
    assert [str(each.type) for each in data.schema] == ["int64", "double", "string"]
    assert rows(data) == expected
    assert rows(data, ["carrier", "id"]) == [(row[2], row[0]) for row in expected]
    assert data.split(4)[0].schema == data.schema
    first = data.batches()
    assert next(first).num_rows <= 131_072
    first.close()  # type: ignore[attr-defined]


def test_memory_stays_bounded(database: Path) -> None:
    code = f"""
import json, resource
from assay.data.source import source
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
data = source("sqlite:///{database}", sql="select id, delay, carrier, hex(zeroblob(200)) || id as pad from flights")
rows = sum(batch.num_rows for batch in data.batches())
print(json.dumps([rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before]))"""
    run = subprocess.run([sys.executable, "-c", code], cwd=SOURCE.parent, capture_output=True, text=True, check=True)
    count, grown = json.loads(run.stdout)
    assert count == ROWS
    scale = 1024 if sys.platform != "darwin" else 1
    assert grown * scale < 250e6   # the rows are 120 MB as text, and twice that as Python objects


def test_values_that_do_not_fit_are_told(database: Path) -> None:
    url = f"sqlite:///{database}"
    with pytest.raises(ColumnTypeError, match=r"the column 'mixed' holds 'text' in row 50,000 of the query.*expected int64"):
        rows(source(url, sql="select mixed from flights where id > 200000"))
    assert rows(source(url, sql="select mixed from flights where id > 200000", types={"mixed": "string"}))[49_999] == ("text",)
    with pytest.raises(ColumnTypeError, match=r"the column 'late' holds '2026-01-31 10:00:00' in row 140,002 .*expected no values at all"):
        rows(source(url, sql="select late from flights where id >= 60000"))
    timed = source(url, sql="select late from flights where id > 250000", types={"late": "timestamp[us]"}, timestamp="late")
    assert rows(timed)[-1] == (dt.datetime(2026, 1, 31, 10),)


@pytest.mark.parametrize("sql", ["drop table flights", "delete from flights", "  -- select\n update flights set id = 1", "",
    "/* select */ vacuum", "; select 1"])
def test_only_queries_are_sent(sql: str, database: Path) -> None:
    with pytest.raises(ConfigError, match="not a query that only reads"):
        source(f"sqlite:///{database}", sql=sql)


def test_nothing_is_ever_committed(tmp_path: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("create table t (a integer)")
        connection.exec_driver_sql("insert into t values (1), (2)")
    with pytest.raises(UnreadableDataError, match="readonly database"):
        source(engine, sql="with x as (select 1) delete from t")
    assert rows(source(engine, sql="/* all */ select a from t")) == [(1,), (2,)]
    with engine.begin() as connection:   # the pool's connection can write again
        connection.exec_driver_sql("insert into t values (3)")
    engine.dispose()


def test_what_a_database_says_is_passed_on_without_secrets(database: Path, tmp_path: Path) -> None:
    with pytest.raises(UnreadableDataError, match="the database answers: no such table: flight"):
        source(f"sqlite:///{database}", sql="select * from flight")
    with pytest.raises(UnreadableDataError, match=r"no such file.*did you mean 'flights.db'"):
        source(f"sqlite:///{database.parent / 'flight.db'}", sql="select 1")
    assert not (database.parent / "flight.db").exists()
    with pytest.raises(DataError, match="more than one column called 'id'"):
        source(f"sqlite:///{database}", sql="select id, id from flights")
    with pytest.raises(UnknownColumnError, match="did you mean 'id'"):
        source(f"sqlite:///{database}", sql="select id from flights", types={"idd": "string"})
    for url in ("postgresql://ann:s3cret@nowhere.invalid/db?password=s3cret", "nonsense://ann:s3cret@db/x", "://s3cret:s3cret@x"):
        with pytest.raises((ConfigError, DataError)) as caught:
            source(url, sql="select 1")
        assert "s3cret" not in str(caught.value)
        assert "s3cret" not in repr(caught.value)
    with pytest.raises(ConfigError, match="a database needs a query"):
        source(sqlalchemy.create_engine("sqlite://"))


def test_types_that_drivers_give() -> None:
    import decimal
    import uuid

    from assay.data._sqlalchemy import _plain

    given = [decimal.Decimal("1.5"), uuid.UUID(int=7), {"a": [1]}, memoryview(b"x"), True, None, dt.timedelta(1)]
    assert [_plain(each) for each in given] == [1.5, str(uuid.UUID(int=7)), '{"a": [1]}', b"x", True, None, dt.timedelta(1)]
    empty = source(sqlalchemy.create_engine("sqlite://"), sql="select 1 as a, 'x' as b where 1 = 0")
    assert empty.schema.names == ("a", "b")
    assert list(empty.batches()) == []
    assert empty.schema["a"].type == pa.null()
