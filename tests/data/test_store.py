"""Parquet in an object store, through Arrow's own client of S3 and a server on this machine."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.data.source import source
from assay.engine import Plan, run
from assay.errors import AssayError, ConfigError, DataError, EmptyDataError
from assay.summary import Need
from tests.data.s3 import bucket
from tests.data.test_folder import rows

SECRET = "s3cr3t-of-ann"


def parquet(table: pa.Table, **options: object) -> bytes:
    written = io.BytesIO()
    pq.write_table(table, written, **options)
    return written.getvalue()


def table(first: int, many: int) -> pa.Table:
    return pa.table({"x": range(first, first + many), "half": [each / 2 for each in range(many)], "c": ["a", "b"] * (many // 2)})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_a_file_in_a_bucket_is_read_like_one_here(tmp_path: Path) -> None:
    body = parquet(table(0, 1000), row_group_size=300)
    (tmp_path / "a.parquet").write_bytes(body)
    with bucket({"in/a.parquet": body}) as (query, _):
        data = source(f"s3://ann:{SECRET}@data/in/a.parquet?{query}")
        assert rows(data) == rows(source(tmp_path / "a.parquet"))
        assert data.rows == 1000
        assert [row for part in data.split(3) for row in rows(part)] == rows(data)
        assert SECRET not in data.name


def test_columns_and_row_groups_that_are_not_asked_for_are_not_fetched() -> None:
    many = 300_000
    wide = pa.table({"x": range(many), **{f"y{each}": [each + place / 3 for place in range(many)] for each in range(3)}})
    body = parquet(wide, row_group_size=100_000, compression="none", use_dictionary=False)
    with bucket({"a.parquet": body}) as (query, asked):
        data = source(f"s3://a:b@data/a.parquet?{query}")
        asked.clear()
        assert sum(batch.num_rows for batch in data.batches(["x"])) == many
        spans = [each.rsplit("=", 1)[1].split("-") for each in asked if "bytes=" in each]
        assert sum(int(high) - int(low) + 1 for low, high in spans) < len(body) / 3
        assert len(spans) < 20


def test_a_folder_in_a_bucket_with_partitions_and_what_writers_leave() -> None:
    objects = {f"d/year={year}/{part}.parquet": parquet(table(100 * year + 10 * part, 10)) for year in (2012, 2013) for part in range(2)}
    objects |= {"d/_SUCCESS": b"", "d/year=2012/.x.parquet.crc": b"x", "d/_temporary/0.parquet": b"x", "other/0.parquet": b"x"}
    with bucket(objects) as (query, _):
        data = source(f"s3://ann:{SECRET}@data/d?{query}")
        assert data.schema.names == ("x", "half", "c", "year")
        assert [row[0] for row in rows(data, ["x", "year"])] == [100 * year + 10 * part + place for year in (2012, 2013)
                                                                for part in range(2) for place in range(10)]
        assert data.rows == 40
        assert SECRET not in data.name
        assert [row for part in data.split(3) for row in rows(part)] == rows(data)


def test_an_engine_reads_a_bucket_column_by_column() -> None:
    many = 140_000
    wide = pa.table({f"x{each}": [float(place % (each + 2)) for place in range(many)] for each in range(9)})
    plan = Plan.of([(Need(kind, (name,)), None) for name in wide.column_names for kind in ("moments", "distinct")])
    with bucket({"a.parquet": parquet(wide, row_group_size=many)}) as (query, _):
        assert run(plan, source(f"s3://a:b@data/a.parquet?{query}"), workers=2) == run(plan, source(wide), workers=2)


@pytest.mark.parametrize("place", ["nowhere.parquet", "a.csv", "broken.parquet", "empty", "texts", "delta"])
def test_what_cannot_be_read_is_told_without_secrets(place: str) -> None:
    objects = {"a.csv": b"x\n1\n", "broken.parquet": b"PAR1" + b"\0" * 50 + b"PAR1", "empty/_SUCCESS": b"", "texts/a.csv": b"x\n1\n",
               "delta/_delta_log/0.json": b"{}", "delta/a.parquet": b"x"}
    with bucket(objects) as (query, _), pytest.raises(DataError) as told:
        source(f"s3://ann:{SECRET}@data/{place}?{query}")
    assert SECRET not in str(told.value)
    assert place in str(told.value)
    assert isinstance(told.value, EmptyDataError) == (place == "empty")


def test_a_store_that_refuses_or_is_not_there_is_told_without_secrets() -> None:
    with bucket({}, refuse=True) as (query, _), pytest.raises(AssayError) as told:
        source(f"s3://ann:{SECRET}@data/a.parquet?{query}")
    assert SECRET not in str(told.value)
    with pytest.raises(AssayError) as told:
        source(f"s3://ann:{SECRET}@data/a.parquet?nonsense={SECRET}")
    assert SECRET not in str(told.value)


def test_a_file_that_shrinks_while_it_is_read_is_an_error() -> None:
    objects = {"a.parquet": parquet(table(0, 200_000), row_group_size=50_000)}
    with bucket(objects) as (query, _):
        data = source(f"s3://a:{SECRET}@data/a.parquet?{query}")
        objects["a.parquet"] = objects["a.parquet"][:1000]
        with pytest.raises(DataError) as told:
            rows(data)
    assert SECRET not in str(told.value)


def test_uris_of_files_here(tmp_path: Path) -> None:
    (tmp_path / "with space").mkdir()
    for part in range(2):
        (tmp_path / "with space" / f"{part}.parquet").write_bytes(parquet(table(10 * part, 10)))
    (tmp_path / "a.csv").write_text("x\n1\n")
    assert len(rows(source((tmp_path / "with space").as_uri()))) == 20
    assert len(rows(source((tmp_path / "with space" / "1.parquet").as_uri()))) == 10
    assert rows(source((tmp_path / "a.csv").as_uri())) == [(1,)]
    with pytest.raises(DataError, match="no such file"):
        source((tmp_path / "b.csv").as_uri())
    with pytest.raises(ConfigError, match="query"):
        source("postgresql://ann:s3cret@db/credit")


def test_files_here_load_nothing_of_stores(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(parquet(table(0, 10)))
    code = "import sys; from assay.data.source import source; source(sys.argv[1]); print('assay.data._store' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.parquet")], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "False", done.stderr
