from __future__ import annotations

import gc
import tempfile
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data._parquet import ParquetReader
from assay.data._reader import shares
from assay.data.source import source

ROWS = 1_500_000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One row group that is several batches long."""
    rng = np.random.default_rng(0)
    table = pa.table({"i": np.arange(ROWS), **{f"x{each}": rng.normal(size=ROWS) for each in range(4)},
                      "s": pa.array(np.array(["a", "b", "c"])[rng.integers(0, 3, ROWS)])})
    path = tmp_path_factory.mktemp("large") / "a.parquet"
    pq.write_table(table, path, row_group_size=ROWS)
    return path


def test_one_huge_row_group_is_streamed(large: Path) -> None:
    gc.collect()
    before, rows = pa.total_allocated_bytes(), 0
    peak = 0
    for batch in source(large).batches():
        assert batch.num_rows <= 131_072
        assert batch.column("i")[0].as_py() == rows
        rows += batch.num_rows
        peak = max(peak, pa.total_allocated_bytes() - before)
        del batch
    assert rows == ROWS
    assert peak < 40e6   # the table has 66 MB; a batch has 6 MB, and each column has its buffers
    assert pa.total_allocated_bytes() - before < 1e6


def test_only_the_columns_asked_for_are_decoded(large: Path) -> None:
    gc.collect()
    before, peak = pa.total_allocated_bytes(), 0
    for batch in source(large).batches(["s", "i"]):
        assert batch.schema.names == ["s", "i"]
        peak = max(peak, pa.total_allocated_bytes() - before)
        del batch
    assert peak < 12e6


def test_an_iteration_that_is_given_up_leaves_nothing_behind(large: Path) -> None:
    gc.collect()
    before, threads = pa.total_allocated_bytes(), threading.active_count()
    for _ in range(3):
        batches = source(large).batches()
        next(batches)
        batches.close()  # type: ignore[attr-defined]
    del batches
    gc.collect()
    assert pa.total_allocated_bytes() - before < 1e6
    assert threading.active_count() == threads
    large.rename(large.with_suffix(".moved"))   # no handle hinders that where handles do
    large.with_suffix(".moved").rename(large)


def test_an_interruption_passes_through(large: Path) -> None:
    batches = source(large).batches()
    next(batches)
    with pytest.raises(KeyboardInterrupt):
        batches.throw(KeyboardInterrupt())  # type: ignore[attr-defined]


@settings(max_examples=40)
@given(rows=st.integers(0, 40), group=st.integers(1, 12), parts=st.integers(1, 9), again=st.integers(1, 4))
def test_parts_of_parts_are_the_whole(rows: int, group: int, parts: int, again: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.parquet")
        pq.write_table(pa.table({"i": range(rows), "s": [str(each % 3) for each in range(rows)]}), path, row_group_size=group)
        found = [each for part in ParquetReader(path).parts(parts) for each in part.parts(again)]
        assert [value for each in found for batch in each.read(["i"]) for value in batch.column("i").to_pylist()] == list(range(rows))
        assert sum(each.rows or 0 for each in found) == rows
        assert len(ParquetReader(path).parts(parts)) == max(1, min(parts, rows))


@given(weights=st.lists(st.integers(0, 9), min_size=1, max_size=30), parts=st.integers(1, 12))
def test_shares_cover_everything_once(weights: list[int], parts: int) -> None:
    found = shares(weights, parts)
    assert [place for low, high in found for place in range(low, high)] == list(range(len(weights)))
    assert all(low < high for low, high in found)
    assert len(found) <= parts
    if all(weights):
        assert len(found) == min(parts, len(weights))
        heaviest = max(sum(weights[low:high]) for low, high in found)
        assert heaviest <= sum(weights) / len(found) + max(weights) * 2


def test_names_with_dots_are_names(tmp_path: Path) -> None:
    table = pa.table({"a.b": [1], "a": [{"b": 2}], "a.b.c": [3]})
    pq.write_table(table, tmp_path / "a.parquet")
    data = source(tmp_path / "a.parquet")
    assert next(data.batches(["a", "a.b"])).to_pylist() == [{"a": {"b": 2}, "a.b": 1}]
    assert next(data.batches(["a.b.c"])).to_pylist() == [{"a.b.c": 3}]
