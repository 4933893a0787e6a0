"""The grid of a search: exact keys both ways, rows of data on it, batches for the model; and the set of keys against Python's own."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import ConfigError, DataError
from assay.probe.keyset import KeySet
from assay.probe.space import Space, axis

SEX = axis("sex", pa.array(["f", "m"]))


@given(st.lists(st.integers(1, 1_000), min_size=1, max_size=30), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_keys_tell_points_apart_and_lead_back(sizes: list[int], seed: int) -> None:
    space = Space(tuple(axis(f"x{place}", None, declared=[0, size - 1]) for place, size in enumerate(sizes)), (SEX,))
    points = space.uniform(200, np.random.default_rng(seed))
    keys = space.keys(points)
    assert (space.points(keys) == points).all()
    assert len(np.unique(keys, axis=1).T) == len(np.unique(points, axis=0))
    one = points[:1].copy()
    place = int(np.argmax(space.sizes))
    if space.sizes[place] > 1:
        moved = one.copy()
        moved[0, place] = (moved[0, place] + 1) % space.sizes[place]
        step = int(moved[0, place]) - int(one[0, place])
        assert (space.keys(moved) - space.keys(one) == step * space.radix[:, place:place + 1]).all()


@given(st.lists(st.lists(st.integers(0, 50), max_size=60), max_size=12), st.integers(1, 2))
@settings(max_examples=60, deadline=None)
def test_the_set_of_keys_is_that_of_python(batches: list[list[int]], words: int) -> None:
    mine, own = KeySet(words, capacity=4), set()
    for batch in batches:
        keys = np.array([[each * 7919 for each in batch]] * words, np.int64).reshape(words, len(batch))
        assert mine.has(keys).tolist() == [each in own for each in batch]
        fresh, slots = mine.add(keys)
        assert int(fresh.sum()) == len(set(batch) - own)
        assert sorted(np.array(batch)[fresh].tolist()) == sorted(set(batch) - own)
        own |= set(batch)
        assert (mine.table[0][slots] == keys[0] + 1).all()
        assert len(mine) == len(own)


def test_marks_stay_when_the_set_grows() -> None:
    seen = KeySet(capacity=8)
    _, slots = seen.add(np.array([[1, 2, 3]]))
    seen.bits[slots[1:]] = 1
    seen.add(np.arange(10, 500)[None])
    _, slots = seen.add(np.array([[1, 2, 3]]))
    assert seen.bits[slots].tolist() == [0, 1, 1]


def test_axes_come_from_data_or_from_what_is_declared() -> None:
    assert axis("x", pa.array([0.5, 1.5, 0.5])).values.to_pylist() == [0.5, 1.5]
    long = axis("x", pa.array(np.linspace(0, 1, 5_000)))
    assert len(long) == 256
    assert long.cut
    assert len(axis("age", pa.array(range(90)), protected=True)) == 9
    assert axis("x", pa.array([3, 9]), declared=[0, 3]).values.to_pylist() == [0, 1, 2, 3]
    assert axis("job", pa.array(["a", "b"]), declared=["b", "c"]).values.to_pylist() == ["b", "c"]
    assert axis("job", pa.array(["a", "b"]).dictionary_encode()).values.to_pylist() == ["a", "b"]
    with pytest.raises(DataError, match="holds no number"):
        axis("x", pa.array([None, None], pa.float64()))
    with pytest.raises(ConfigError, match="is no range"):
        axis("x", None, declared=[3, 1])


def test_rows_are_put_on_the_grid_and_asked_with_every_protected_value() -> None:
    space = Space((axis("income", pa.array([1.0, 2.0, 4.0])), axis("job", pa.array(["cook", "clerk"]))), (SEX,), order=("sex", "income", "job"))
    table = pa.table({"income": [2.9, None, 9.0], "job": ["clerk", "cook", "cook"], "sex": ["m", "m", "f"]})
    points, rows = space.snapped(table)
    assert rows.tolist() == [0, 2]
    batch = space.batch(points)
    assert batch.schema.names == ["sex", "income", "job"]
    # value counts put the more frequent category first; of two as frequent, the first in the alphabet
    assert batch.to_pydict() == {"sex": ["f", "f", "m", "m"], "income": [3.0, 4.0, 3.0, 4.0], "job": ["clerk", "cook", "clerk", "cook"]}


def test_distances_are_those_of_the_embedding() -> None:
    space = Space((axis("x", None, declared=[0, 10]), axis("job", pa.array(list("abcd")))), (SEX,))
    rng = np.random.default_rng(0)
    one, other = space.uniform(50, rng), space.uniform(50, rng)
    assert np.allclose(space.apart(one, other), np.linalg.norm(space.embedded(one) - space.embedded(other), axis=1))


def test_what_cannot_be_searched_is_told() -> None:
    income = axis("income", None, declared=[0, 3])
    with pytest.raises(ConfigError, match="has one value only"):
        Space((income,), (axis("sex", pa.array(["m", "m"])),))
    with pytest.raises(ConfigError, match="combinations"):
        Space((income,), tuple(axis(f"p{number}", None, declared=[0, 8]) for number in range(3)))
