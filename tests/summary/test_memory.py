"""Numbers over the memory of Arrow arrays are what Arrow's own conversion gives, and no process loads pandas for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.summary.memory import array, empty, numbers

KINDS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(), pa.float32(), pa.float64()]


@given(st.sampled_from(KINDS), st.lists(st.integers(0, 100), max_size=40), st.integers(0, 9), st.integers(0, 40))
def test_numbers_are_those_of_any_stretch(kind: pa.DataType, values: list[int], start: int, length: int) -> None:
    piece = pa.array(values, kind).slice(min(start, len(values)), length)
    found = numbers(piece)
    assert found.tolist() == piece.to_pylist()
    assert found.dtype == piece.to_numpy().dtype
    assert array(found).equals(piece)


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 17), st.integers(0, 40))
def test_booleans_are_unpacked_from_any_bit(values: list[bool], start: int, length: int) -> None:
    piece = pa.array(values, pa.bool_()).slice(min(start, len(values)), length)
    assert numbers(piece).tolist() == piece.to_pylist()
    assert numbers(piece).dtype == np.bool_


@pytest.mark.parametrize("kind", [*KINDS, pa.bool_(), pa.float16()])
def test_an_array_of_nulls_has_as_many_places(kind: pa.DataType) -> None:
    assert len(numbers(pa.nulls(5, kind))) == 5
    assert len(numbers(pa.array([], kind))) == 0


def test_room_is_writable_aligned_and_ones_own() -> None:
    rooms = [empty(many, kind) for many in (0, 1, 1000) for kind in (np.float64, np.uint64, np.bool_)]
    for place, room in enumerate(rooms):
        room[:] = place % 2
        assert room.flags.writeable
        assert room.flags.aligned
    assert all((room == place % 2).all() for place, room in enumerate(rooms))


def test_a_profile_is_made_without_pandas_and_scipy(tmp_path: Path) -> None:
    columns = {"x": [1.5, None, 1.5], "c": ["a", None, "b"], "b": [True, None, False]}
    pq.write_table(pa.table(columns), tmp_path / "table.parquet")
    code = """
import sys
from assay.data.source import source
from assay.engine.local import run
from assay.engine.plan import Plan
from assay.summary import Need
kinds = ("moments", "quantiles", "distinct", "frequent")
profile = run(Plan.of([(Need(kind, (name,)), None) for name in "xcb" for kind in kinds]), source(sys.argv[1]))
profile.dump()
assert profile[(), Need("distinct", ("x",))].estimate == 1
print(sorted({"pandas", "scipy", "sklearn"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "table.parquet")], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr
